/* SPDX-License-Identifier: Apache-2.0 */
/* Names, paths and process of a network's DHCP on this host. */
#ifndef ANYVF_AGENT_HOST_PLACE_H
#define ANYVF_AGENT_HOST_PLACE_H

#include <sys/types.h>

#include "base/uuid.h"

#define DHCP_NAME_LEN 16

/* Where a network's DHCP lives. All derived from the network's id and the run directory. */
struct dhcp_place {
	char network[UUID_STR_LEN];
	char netns[DHCP_NAME_LEN]; /* anyvf-xxxxxxxx */
	char tap[DHCP_NAME_LEN];   /* dhcp-xxxxxxxx, the service port */
	char dir[256];		   /* RUN/dhcp/NETWORK */
};

void dhcp_place_of(const char *run_dir, const char *network, struct dhcp_place *out);
pid_t dhcp_pid(const struct dhcp_place *at);

#endif
