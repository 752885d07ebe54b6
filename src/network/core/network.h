/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the network service: its resources, the checks of values they share,
 * and what ports, subnets and networks ask of each other. Clients of the room use
 * network_feature, port_resource and lease.h.
 */
#ifndef ANYVF_NETWORK_CORE_NETWORK_H
#define ANYVF_NETWORK_CORE_NETWORK_H

#include "engine/feature.h"
#include "network/core/ipam.h"

extern const struct service network_service;
extern const struct feature network_feature;
extern const struct resource network_resource, subnet_resource, port_resource;
extern const struct resource security_group_resource, security_group_rule_resource;
extern const struct resource network_agent_resource;
extern const struct resource tap_service_resource, tap_flow_resource, tap_mirror_resource;

extern const struct extension network_extensions[];

/* Routes of network_service that are no resource's. */
int extension_list(struct call *c);
int extension_show(struct call *c);
int quota_list(struct call *c);
int quota_show(struct call *c);
int quota_default(struct call *c);
int quota_details(struct call *c);
int quota_tenant(struct call *c);
int quota_update(struct call *c);
int quota_delete(struct call *c);
int tag_list(struct call *c);
int tag_show(struct call *c);
int tag_add(struct call *c);
int tag_replace(struct call *c);
int tag_delete(struct call *c);
int tag_clear(struct call *c);
int group_list(struct call *c);
int agent_find(struct call *c);
int availability_list(struct call *c);
int availability_show(struct call *c);

/* Values (network/core/values.c); rfield_valid_fn */
int valid_ip(struct call *c, const char *field, json_t **value);
int valid_cidr(struct call *c, const char *field, json_t **value);
int valid_mac(struct call *c, const char *field, json_t **value);
int valid_pools(struct call *c, const char *field, json_t **value);
int valid_nameservers(struct call *c, const char *field, json_t **value);
int valid_routes(struct call *c, const char *field, json_t **value);
int valid_fixed_ips(struct call *c, const char *field, json_t **value);
int valid_address_pairs(struct call *c, const char *field, json_t **value);
int valid_dhcp_opts(struct call *c, const char *field, json_t **value);
int valid_uuids(struct call *c, const char *field, json_t **value);
int net_refused(struct call *c, const struct refusal *r);
bool match_tags(const json_t *doc, const char *value);

/* Subnets */
int subnet_read(const json_t *doc, struct ipam_subnet *out);

/* Addresses of ports (network/core/address.c) */
int subnet_pick(struct call *c, const char *id, const struct ipam_subnet *s, struct ip *out);
int port_addresses(struct call *c, json_t *port, const json_t *old);
int port_addresses_free(struct call *c, const json_t *port);

/* Ports */
const json_t *port_own(struct call *c, const char *id);

/* Security groups */
int group_default(struct call *c, const char *project_id, const char **id);

/* Leases: what must follow when resources change (lease.c). */
#define SERVICE_PORTS_NOW 8 /* that a request changes in its own transaction */
int lease_port_check(struct call *c, json_t *port, const json_t *old);
int lease_port_gone(struct call *c, const json_t *port);
int lease_network_changed(struct call *c, const char *network_id);
int lease_sync(struct call *c);

#endif
