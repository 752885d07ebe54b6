/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts there are and what is free on them: VF leases, what servers use, as
 * placement needs it. A lease is the key /vf/HOST/PF/N, {"port", "server"}: it lasts
 * until the host's agent says that the VF is back at its defaults, so a VF is never
 * handed on with another tenant's settings.
 */
#ifndef ANYVF_HOSTS_LEASE_H
#define ANYVF_HOSTS_LEASE_H

#include "engine/call.h"
#include "hosts/placement.h"

int lease_take(struct call *c, const char *host, const char *port_id, const char *server,
	       const struct place_port *want, const struct place_vf *vf, struct place_vf *out,
	       struct err *why);
const json_t *lease_get(struct call *c, const char *host, const char *pf, unsigned int vf);
int lease_end(struct call *c, const char *host, const char *port_id, const char *pf,
	      unsigned int vf);

/* usage.c: all hosts with what is used of them. */
unsigned int hosts_load(struct call *c, struct place_host **out);
void hosts_free(struct place_host *hosts, unsigned int n);
unsigned int usage_pfs(struct call *c, const char *host, struct place_pf *pfs, unsigned int max);
json_t *usage_homes(struct call *c, const char *host);

/* What the servers of a host take, those still being deleted included. */
struct host_usage {
	unsigned int servers, vcpus, memory_mb, disk_gb;
};
struct host_usage host_usage(struct call *c, const char *host);

#endif
