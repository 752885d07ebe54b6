/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of anyvf's own nouns share: those that change, and those that print. */
#ifndef ANYVF_CLI_NOUN_H
#define ANYVF_CLI_NOUN_H

#include "cli/cli.h"

#define BIT(n) (1U << (n))
/* Rows of the model's tables that are words of a command. */
#define PF_SET_WORDS                                                                               \
	(BIT(PF_FIELD_UPLINK) | BIT(PF_FIELD_HOST_IF) | BIT(PF_FIELD_NUMVFS) |                     \
	 BIT(PF_FIELD_MODE) | BIT(PF_FIELD_MAC) | BIT(PF_FIELD_MTU) |                              \
	 BIT(PF_FIELD_UNKNOWN_UNICAST) | BIT(PF_FIELD_DRIFT) | BIT(PF_FIELD_GROUPS) |              \
	 BIT(PF_FIELD_ESWITCH))
#define VF_SET_WORDS  (BIT(VF_FIELD_PORT_ID) - 1)
#define SVC_SET_WORDS BIT(3)				  /* vlan */
#define SVC_ADD_WORDS (BIT(2) | BIT(3) | BIT(4) | BIT(5)) /* mac, vlan, mtu, netns */

int noun_read_vf(struct cli *cli, const char **pf, uint32_t *vf);
int noun_call_vf(struct cli *cli, const char *method, const char **pf, uint32_t *vf, json_t **got);

/* What `anyvf capture` was asked for. */
struct noun_capture {
	const char *pf;
	json_t *params;	  /* of the control call */
	uint32_t count;	  /* packets; 0: until it is stopped */
	const char *path; /* file; NULL: standard output */
	bool quiet;	  /* tell errors alone */
};
int capture_run(struct cli *cli, const struct noun_capture *want);

void noun_print_dropped(const struct vf_stats *stats, const struct vf_untold *untold);
int noun_show_pf(struct cli *cli);
int noun_show_drift(struct cli *cli);
int noun_show_vf(struct cli *cli);
int noun_show_drops(struct cli *cli);
int noun_show_mirror(struct cli *cli);
void noun_mirror_strip(json_t *j);
int noun_show_svc(struct cli *cli);

#endif
