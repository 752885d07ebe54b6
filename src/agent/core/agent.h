/* SPDX-License-Identifier: Apache-2.0 */
/* The host agent as its main sees it: options in, running until told to stop. */
#ifndef ANYVF_AGENT_CORE_AGENT_H
#define ANYVF_AGENT_CORE_AGENT_H

#include <stdbool.h>

#include "agent/core/pass.h"
#include "base/buf.h"

/* In the agent's directory: {"url"} of the API as it was reached last, for `anyvf status`. */
#define AGENT_API_FILE "api.json"

struct agent;
struct agent_kind;

/* Since the agent was started. */
struct agent_counts {
	uint64_t reads;	  /* how often all documents of the host were read */
	uint64_t answers; /* to watches */
	uint64_t reports; /* that were taken, and those that were not */
	uint64_t refused;
	uint64_t beats;	   /* heartbeats that were taken, ... */
	uint64_t wholes;   /* ... and those of them that said all that the host has */
	uint64_t missed;   /* those that were not taken */
	uint64_t taken_ms; /* when something was taken last, loop_now_ms(); 0: nothing yet */
	uint64_t drifts;   /* VFs found other than they had been made, and wished, ... */
	uint64_t mended;   /* ... and made so again */
};

/* All is borrowed for as long as the agent lives. */
struct agent_opts {
	const char *host;	/* name of this host at the API */
	const char *run_dir;	/* control sockets; dhcp/ is made in it */
	const char *state_dir;	/* images, disks and records go to its agent/ */
	const char *mappings;	/* physnet1:p2p1,... */
	const char *const *api; /* base URLs, NULL behind the last */
	struct httpm *http;	/* of the same loop; carries what is said to the API, */
	struct httpm *polls;	/* and what is waited for there; may be the same */
	struct pass *pass;	/* the login there */
	const char *libvirt_uri;
	const char *collectors; /* 192.0.2.0/24,...: where tap mirrors may go */
	bool rx_filter;		/* tell the switch what guests ask of their NICs */
	const char *kvm;	/* "on", "off"; else whether it runs guests is tried */
};

int agent_open(struct loop *loop, const struct agent_opts *opts,
	       const struct agent_kind *const *kinds, struct agent **out, struct err *e);
void agent_stop(struct agent *a);
int agent_metrics(const struct agent *a, bool open, struct buf *out); /* metrics.c */

#endif
