/* SPDX-License-Identifier: Apache-2.0 */
/* What is used of hosts, as placement needs it. */
#ifndef ANYVF_HOSTS_USAGE_H
#define ANYVF_HOSTS_USAGE_H

#include "engine/call.h"
#include "hosts/placement.h"

/* What the servers of a host take. */
struct host_usage {
	unsigned int servers, vcpus, memory_mb, disk_gb;
};

extern const struct tally *const usage_tallies[];

struct host_usage host_usage(struct call *c, const char *host);
unsigned int usage_pfs(struct call *c, const char *host, struct place_pf *pfs, unsigned int max);
json_t *usage_homes(struct call *c, const char *host);
bool usage_returns(struct call *c, const char *host);
unsigned int hosts_load(struct call *c, struct place_host **out);
int hosts_look(void *call, struct place_host *host);
void hosts_rely(struct call *c, const char *host);
void hosts_free(struct place_host *hosts, unsigned int n);

#endif
