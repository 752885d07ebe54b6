/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks, subnets and ports, on which the network service's other features stand, and the
 * checks of values they share.
 */
#ifndef ANYVF_NETWORK_CORE_NETWORK_H
#define ANYVF_NETWORK_CORE_NETWORK_H

#include "engine/feature.h"
#include "network/core/ipam.h"

extern const struct service network_service;
extern const struct feature network_feature;
extern const struct resource network_resource, subnet_resource, port_resource;

/* Values (values.c); rfield_valid_fn */
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

/* Networks */
bool network_is_shared(const struct call *c, const json_t *net);

/* Subnets */
bool subnet_serves(const json_t *doc, const char *owner);
int subnet_read(const json_t *doc, struct ipam_subnet *out);

/* Addresses of ports (address.c) */
int subnet_pick(struct call *c, const char *id, const struct ipam_subnet *s, struct ip *out);
int port_addresses(struct call *c, json_t *port, const json_t *old);
int port_addresses_free(struct call *c, const json_t *port);

/* Ports */
#define SERVICE_PORTS_NOW 8 /* of a network's own, that a request changes in its own transaction */
const json_t *port_own(struct call *c, const char *id);
bool port_is_service(const json_t *port);

/* How full networks are (availability.c) */
extern const struct route availability_routes[];

#endif
