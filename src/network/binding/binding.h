/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port bindings, Neutron's extension of that name: which host and which of its VFs serve a port,
 * what the host's agent is told of ports and networks (docs/agent-api.md), and the ports DHCP
 * answers from. Compute binds and unbinds servers' ports here, in its own transactions.
 */
#ifndef ANYVF_NETWORK_BINDING_BINDING_H
#define ANYVF_NETWORK_BINDING_BINDING_H

#include "hosts/wishes.h"

struct place_port;
struct place_vf;

extern const struct feature binding_feature;

/* Ports of servers. All change documents of the call only; a failed call takes them back. server
 * NULL: bound by binding:host_id, without a server of ours. */
int port_place(struct call *c, const json_t *port, struct place_port *out);
int port_bind(struct call *c, const char *port_id, const char *host, const char *server,
	      const struct place_vf *vf, struct err *why);
int port_bind_failed(struct call *c, const char *port_id, const char *host, const char *server);
int port_unbind(struct call *c, const char *port_id);
const char *port_host(const json_t *port);
unsigned int port_vf(const json_t *port);
const char *port_server(struct call *c, const json_t *port);

/* nic.c: what only bindings to NICs have */
const json_t *nic_pf(struct call *c, const char *host, const char *pf);
bool nic_has(const json_t *port);
int nic_bound(struct call *c, json_t *port, const json_t *pf, const struct place_port *want,
	      const struct place_vf *got);
int nic_unbound(struct call *c, json_t *port, const json_t *old, const char *host);

/* Inside. wish.c: /host/HOST/port/ID and /host/HOST/network/ID */
unsigned int network_vlan(const json_t *net);
extern const struct wish_kind port_wish, network_wish;

/* dhcp.c */
json_t *dhcp_json(struct call *c, const char *network_id, const char *host);
int dhcp_ensure(struct call *c, const json_t *net, const char *host);
int dhcp_end(struct call *c, const char *network_id, const char *host);
int dhcp_gone(struct call *c, const json_t *port);
int dhcp_split(struct call *c, const char *network_id, const char *port_id);

/* sync.c: agents are told of a network's change, in the same transaction or soon after. */
int network_changed(struct call *c, const char *network_id);
int network_sync(struct call *c);

#endif
