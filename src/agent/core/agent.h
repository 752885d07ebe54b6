/* SPDX-License-Identifier: Apache-2.0 */
/* The host agent as its main sees it: options in, running until told to stop. */
#ifndef ANYVF_AGENT_CORE_AGENT_H
#define ANYVF_AGENT_CORE_AGENT_H

#include <stdbool.h>

#include "base/loop.h"
#include "httpc/httpc.h"

struct agent;
struct agent_kind;

/* Strings are borrowed for as long as the agent lives. */
struct agent_opts {
	const char *host;	  /* name of this host at the API */
	const char *run_dir;	  /* control sockets; dhcp/ is made in it */
	const char *state_dir;	  /* images, disks and records go to its agent/ */
	const char *mappings;	  /* physnet1:p2p1,... */
	const char *api;	  /* base URL */
	const char *credentials;  /* file */
	struct httpc_trust trust; /* for https */
	const char *libvirt_uri;
	const char *collectors; /* 192.0.2.0/24,...: where tap mirrors may go */
	bool rx_filter;		/* tell the switch what guests ask of their NICs */
};

int agent_open(struct loop *loop, const struct agent_opts *opts,
	       const struct agent_kind *const *kinds, struct agent **out, struct err *e);
void agent_stop(struct agent *a);

#endif
