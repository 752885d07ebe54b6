/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address arithmetic of subnets, pure: pools, gateways, free addresses, EUI-64.
 * Refusals are Neutron's: status, type and message go to the client as they are.
 */
#ifndef ANYVF_NETWORK_CORE_IPAM_H
#define ANYVF_NETWORK_CORE_IPAM_H

#include <stdbool.h>

#include "base/cidr.h"
#include "base/mac.h"

#define IPAM_POOLS_MAX 64 /* of one subnet */

/* Why a wish cannot be granted, in Neutron's words. */
struct refusal {
	unsigned int status; /* HTTP; 0: nothing was refused */
	const char *type;    /* "OverlappingAllocationPools" */
	char message[512];   /* for NeutronError.message */
};

/* Addresses first..last, both included and of one version. */
struct ip_range {
	struct ip first, last;
};

/* What a subnet says about its addresses. */
struct ipam_subnet {
	struct cidr cidr;
	struct ip gateway; /* version 0: none */
	bool dhcp;	   /* enable_dhcp */
	bool slaac;	   /* hosts make their address from prefix and MAC */
	struct ip_range pools[IPAM_POOLS_MAX];
	unsigned int n_pools;
};

typedef bool (*ipam_used_fn)(void *arg, const struct ip *ip);

int refuse(struct refusal *r, unsigned int status, const char *type, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

bool range_has(const struct ip_range *range, const struct ip *ip);
const char *range_format(const struct ip_range *range, char out[2 * IP_STR_LEN]);

struct ip ipam_default_gateway(const struct cidr *c);
unsigned int ipam_default_pools(const struct cidr *c, const struct ip *gateway,
				struct ip_range out[2]);
bool ipam_is_host(const struct cidr *c, const struct ip *ip);
int ipam_check_cidr(const struct ipam_subnet *s, struct refusal *r);
int ipam_check_pools(const struct ipam_subnet *s, struct refusal *r);
int ipam_check_gateway(const struct ipam_subnet *s, struct refusal *r);
int ipam_pick(const struct ipam_subnet *s, ipam_used_fn used, void *arg, struct ip *out);
struct ip ipam_eui64(const struct cidr *c, const struct mac *mac);

#endif
