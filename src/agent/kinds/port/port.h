/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: the VF that each has, set and attached; and the guest's side of it. */
#ifndef ANYVF_AGENT_KINDS_PORT_PORT_H
#define ANYVF_AGENT_KINDS_PORT_PORT_H

#include "agent/core/have.h"
#include "agent/core/state.h"
#include "agent/core/want.h"
#include "base/pack.h"

#define WANT_WHOLE   VF_MAX /* in the place of a VF's number: the PF's own function */
#define PORT_WHY_LEN 79

enum port_step {
	PORT_STEP_NONE,
	PORT_STEP_BIND,	  /* write all settings; what another port left goes first */
	PORT_STEP_SET,	  /* write what the API changed since the last write */
	PORT_STEP_ATTACH, /* listen for the domain's QEMU, which starts then */
	PORT_STEP_DETACH,
	PORT_STEP_RELEASE, /* everything back to defaults */
};

struct port {
	struct port_facts facts;
	struct pack *wish;    /* its document's settings; the server's name is found by its id */
	struct pack *applied; /* what the agent wrote last; in a record too. NULL: nothing known */
	bool right;	      /* it was seen as its document has it, ... */
	bool drifted;	      /* ... and is so no more, by no word of the API's */
	/* The guest's side, once its driver is up. */
	bool rings; /* queues run */
	bool qmp_busy;
	bool filter_sent;		      /* the switch knows a filter of ours */
	unsigned int filter_due, filter_done; /* events seen, events served */
	uint64_t filter_ms;		      /* not before */
	bool guest_link;		      /* what QEMU shows the guest */
};

extern const struct agent_kind port_kind;

int want_port_parse(const json_t *doc, struct want_port *out, struct vf_config *config,
		    struct err *e);
enum port_step plan_port(const struct want_port *want, const struct port_have *have);
const char *plan_port_status(const struct want_port *want, const struct port_have *have);
void plan_port_why(const struct want_port *want, const struct port_have *have,
		   char out[PORT_WHY_LEN + 1]);

bool port_is_in_domain(const struct server_have *have, const char *port);

/* nic.c: on a NIC's PF */
void nic_observe(const struct agent *a, struct port *p, const struct vf_info *vf);
void nic_observe_whole(const struct agent *a, struct port *p, const struct pfs_pf *pf);
int nic_claim(const char *pf, bool spoilt, struct err *e);
struct vf_attach nic_attachment(const struct port_plug *plug);
bool nic_refused(const struct port *p, int rc);

/* filter.c: the guest's side, over QMP */
void guest_observe(struct port *p, const struct vf_info *vf);
void guest_evaluate(struct agent *a, struct entity *x);

#endif
