/* SPDX-License-Identifier: Apache-2.0 */
/* One file for a host (ctl/host.h), as the commands about it share it. */
#ifndef ANYVF_CLI_HOSTFILE_H
#define ANYVF_CLI_HOSTFILE_H

#include "cli/noun.h"
#include "ctl/host.h"

#define HOSTFILE_DAEMONS 2
#define HOSTFILE_DIFFERS 2 /* exit code */

/* What is there. */
struct hostfile {
	json_t *root;			 /* of it all: host_get()'s, of both, and "anyvf"; owned */
	json_t *parts[HOSTFILE_DAEMONS]; /* host.get's answers by ctl_socks[]; owned; NULL: away */
};

void hostfile_fini(struct hostfile *f);
#define auto_hostfile __attribute__((cleanup(hostfile_fini)))

bool hostfile_has_run(const struct cli *cli, unsigned int daemon);
int hostfile_there(struct cli *cli, struct hostfile *out, struct err *e);
int hostfile_call(struct cli *cli, unsigned int daemon, const char *method, json_t *params,
		  json_t **result, struct err *e);
int hostfile_load(const char *path, json_t **out, struct err *e);
int hostfile_read(const char *path, json_t **out, struct err *e);
void hostfile_netns(json_t *root);
json_t *hostfile_export(const struct hostfile *there);
json_t *hostfile_compare(const json_t *is, const json_t *wanted);
void hostfile_note(const char *pf, const char *vf, const char *port);
struct conf;
int hostfile_apply(struct cli *cli, const char *path, const char *config, const struct conf *conf);
bool hostfile_has_nic(const char *path);
int hostfile_print(const struct cli *cli, const json_t *list);

#endif
