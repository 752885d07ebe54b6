/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of leases: the documents hosts' agents follow, as lease.c has them written. */
#ifndef ANYVF_HOSTS_LEASE_HOST_H
#define ANYVF_HOSTS_LEASE_HOST_H

#include "hosts/lease.h"
#include "network/core/network.h"

/* A port's VF, and whom it serves. Strings are borrowed. */
struct lease {
	const char *server;   /* NULL: bound without a server of ours */
	const char *pf;	      /* "p2p1" */
	unsigned int vf;      /* its number */
	const char *pci_slot; /* its address; NULL: the agent did not say */
};

unsigned int network_vlan(const json_t *net);
int host_port_put(struct call *c, const char *host, const json_t *port, const struct lease *l);
int host_network_put(struct call *c, const char *host, const json_t *net, const char *pf);
int lease_refresh(struct call *c, const char *host, const json_t *port, const json_t *have);
int lease_resync(struct call *c, const char *network_id);

/* lease_dhcp.c */
json_t *dhcp_json(struct call *c, const char *network_id, const char *host);
int dhcp_ensure(struct call *c, const json_t *net, const char *host);
int dhcp_end(struct call *c, const char *network_id, const char *host);
int dhcp_gone(struct call *c, const json_t *port);
int dhcp_split(struct call *c);

#endif
