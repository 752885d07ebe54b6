/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of subnets: see ipam.h. Used by the subnet and port resources. What
 * is accepted and what is said follows Neutron 21 (recorded; and its API
 * reference), uniqueness itself is a key of the store.
 */
#include "network/core/ipam.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/uuid.h"

/**
 * refuse() - Fill in a refusal
 * @r:      refusal; the first one wins
 * @status: HTTP status
 * @type:   NeutronError.type; a literal
 * @fmt:    NeutronError.message
 *
 * Return: -EINVAL, so that checks can return it.
 */
int refuse(struct refusal *r, unsigned int status, const char *type, const char *fmt, ...)
{
	va_list ap;

	if (r->status)
		return -EINVAL;
	r->status = status;
	r->type = type;
	va_start(ap, fmt);
	vsnprintf(r->message, sizeof(r->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int refuse_input(struct refusal *r, const char *text)
{
	return refuse(r, 400, "InvalidInput", "Invalid input for operation: %s.", text);
}

/* The address n after this one. */
static struct ip ip_after(const struct ip *ip, u128 n)
{
	return (struct ip){ ip->version, ip->n + n };
}

/**
 * range_has() - Is the address in the range?
 * @range: range
 * @ip:    address; one of the other version never is
 */
bool range_has(const struct ip_range *range, const struct ip *ip)
{
	return ip->version == range->first.version && ip->n >= range->first.n &&
	       ip->n <= range->last.n;
}

/**
 * range_format() - Write a range as "10.0.0.10-10.0.0.20"
 * @range: range
 * @out:   buffer of 2 * IP_STR_LEN bytes
 *
 * Return: @out.
 */
const char *range_format(const struct ip_range *range, char out[2 * IP_STR_LEN])
{
	char first[IP_STR_LEN], last[IP_STR_LEN];

	snprintf(out, 2 * IP_STR_LEN, "%.45s-%.45s", ip_format(&range->first, first),
		 ip_format(&range->last, last));
	return out;
}

/* The addresses that hosts may have: without network address and (IPv4) broadcast, except in
 * prefixes too short to have those (RFC 3021). first > last: none. */
static struct ip_range host_range(const struct cidr *c)
{
	struct ip_range r = { cidr_first(c), cidr_last(c) };

	if (r.last.n - r.first.n < 2)
		return r;
	r.first.n++;
	if (c->base.version == 4)
		r.last.n--;
	return r;
}

/**
 * ipam_is_host() - May a port have this address of the prefix?
 * @c:  prefix
 * @ip: address
 *
 * Return: false outside the prefix, and for its network and (IPv4) broadcast address.
 */
bool ipam_is_host(const struct cidr *c, const struct ip *ip)
{
	struct ip_range r = host_range(c);

	return range_has(&r, ip);
}

/**
 * ipam_default_gateway() - The gateway of a subnet for which none was given
 * @c: prefix
 *
 * Return: the first host address; for IPv6 the subnet-router anycast address, which is the network
 * address itself (RFC 4291, 2.6.1), as Neutron does.
 */
struct ip ipam_default_gateway(const struct cidr *c)
{
	struct ip first = cidr_first(c);

	return c->base.version == 6 ? first : ip_after(&first, 1);
}

/**
 * ipam_default_pools() - The pools of a subnet for which none were given
 * @c:       prefix
 * @gateway: its gateway, left out of the pools; version 0: none
 * @out:     up to two ranges, ascending
 *
 * Return: how many; 0 when nothing is left beside the gateway.
 */
unsigned int ipam_default_pools(const struct cidr *c, const struct ip *gateway,
				struct ip_range out[2])
{
	struct ip_range all = host_range(c);
	unsigned int n = 0;

	if (!range_has(&all, gateway)) {
		out[0] = all;
		return 1;
	}
	if (gateway->n > all.first.n)
		out[n++] = (struct ip_range){ all.first, { gateway->version, gateway->n - 1 } };
	if (gateway->n < all.last.n)
		out[n++] = (struct ip_range){ ip_after(gateway, 1), all.last };
	return n;
}

static bool is_multicast(const struct ip *ip)
{
	return ip->version == 4 ? ip->n >> 28 == 0xe : ip->n >> 120 == 0xff;
}

static bool is_loopback(const struct ip *ip)
{
	return ip->version == 4 ? ip->n >> 24 == 127 : ip->n == 1;
}

/**
 * ipam_check_cidr() - Can the prefix hold a subnet?
 * @s: subnet; cidr, dhcp and slaac are read
 * @r: the reason against it
 *
 * Only what DHCP needs is asked for: without it any prefix is an operator's own affair.
 *
 * Return: 0 or -EINVAL.
 */
int ipam_check_cidr(const struct ipam_subnet *s, struct refusal *r)
{
	char text[IP_STR_LEN];

	if (s->slaac && s->cidr.len != 64)
		return refuse_input(r,
				    "Invalid CIDR for IPv6 address mode. OpenStack uses the EUI-64 "
				    "address format, which requires the prefix to be /64");
	if (!s->dhcp)
		return 0;
	if (s->cidr.len > (s->cidr.base.version == 4 ? 30 : 126))
		return refuse_input(r, "Subnet has a prefix length that is incompatible with DHCP "
				       "service enabled");
	if (is_multicast(&s->cidr.base))
		return refuse_input(r,
				    "Multicast IP subnet is not supported if enable_dhcp is True.");
	if (is_loopback(&s->cidr.base))
		return refuse_input(r,
				    "Loopback IP subnet is not supported if enable_dhcp is True.");
	if (s->cidr.base.n == 0)
		return refuse(
			r, 400, "InvalidInput",
			"Invalid input for operation: First IP '%s' of network is not supported "
			"if enable_dhcp is True..",
			ip_format(&s->cidr.base, text));
	return 0;
}

static int check_pool(const struct ipam_subnet *s, const struct ip_range *pool, struct refusal *r)
{
	struct ip_range hosts = host_range(&s->cidr);
	char text[2 * IP_STR_LEN], first[IP_STR_LEN], last[IP_STR_LEN], cidr[CIDR_STR_LEN];

	if (pool->first.version != s->cidr.base.version ||
	    pool->last.version != s->cidr.base.version)
		return refuse(r, 400, "InvalidAllocationPool",
			      "The allocation pool %s is not valid.", range_format(pool, text));
	if (pool->first.n > pool->last.n)
		return refuse(r, 400, "InvalidAllocationPool",
			      "The allocation pool {'start': '%s', 'end': '%s'} is not valid.",
			      ip_format(&pool->first, first), ip_format(&pool->last, last));
	if (!range_has(&hosts, &pool->first) || !range_has(&hosts, &pool->last))
		return refuse(r, 400, "OutOfBoundsAllocationPool",
			      "The allocation pool %s spans beyond the subnet cidr %s.",
			      range_format(pool, text), cidr_format(&s->cidr, cidr));
	return 0;
}

/**
 * ipam_check_pools() - Do the pools lie in the prefix, and apart from each other?
 * @s: subnet; cidr and pools are read
 * @r: the reason against it
 *
 * Return: 0 or -EINVAL.
 */
int ipam_check_pools(const struct ipam_subnet *s, struct refusal *r)
{
	char one[2 * IP_STR_LEN], other[2 * IP_STR_LEN], cidr[CIDR_STR_LEN];

	for (unsigned int i = 0; i < s->n_pools; i++)
		if (check_pool(s, &s->pools[i], r))
			return -EINVAL;
	for (unsigned int i = 0; i < s->n_pools; i++)
		for (unsigned int j = i + 1; j < s->n_pools; j++) {
			const struct ip_range *a = &s->pools[i], *b = &s->pools[j];

			if (a->first.n <= b->last.n && b->first.n <= a->last.n)
				return refuse(
					r, 409, "OverlappingAllocationPools",
					"Found overlapping allocation pools: %s %s for subnet %s.",
					range_format(a, one), range_format(b, other),
					cidr_format(&s->cidr, cidr));
		}
	return 0;
}

/**
 * ipam_check_gateway() - May the subnet have this gateway?
 * @s: subnet; cidr, gateway and pools are read
 * @r: the reason against it
 *
 * A gateway outside the prefix is an operator's own affair and passes.
 *
 * Return: 0 or -EINVAL.
 */
int ipam_check_gateway(const struct ipam_subnet *s, struct refusal *r)
{
	const struct ip *gw = &s->gateway;
	char ip[IP_STR_LEN], pool[2 * IP_STR_LEN];

	if (!gw->version)
		return 0;
	if (gw->version != s->cidr.base.version)
		return refuse(r, 400, "InvalidInput",
			      "Invalid input for operation: gateway_ip '%s' does not match the "
			      "ip_version '%u'.",
			      ip_format(gw, ip), s->cidr.base.version);
	if (gw->version == 4 && cidr_contains(&s->cidr, gw) && !ipam_is_host(&s->cidr, gw))
		return refuse_input(r, "Gateway is not valid on subnet");
	for (unsigned int i = 0; i < s->n_pools; i++)
		if (range_has(&s->pools[i], gw))
			return refuse(r, 409, "GatewayConflictWithAllocationPools",
				      "Gateway ip %s conflicts with allocation pool %s.",
				      ip_format(gw, ip), range_format(&s->pools[i], pool));
	return 0;
}

/* Address i of all pools together. */
static struct ip pool_address(const struct ipam_subnet *s, u128 i)
{
	unsigned int p = 0;

	while (i > s->pools[p].last.n - s->pools[p].first.n) {
		i -= s->pools[p].last.n - s->pools[p].first.n + 1;
		p++;
	}
	return ip_after(&s->pools[p].first, i);
}

static u128 pools_size(const struct ipam_subnet *s)
{
	u128 n = 0;

	for (unsigned int i = 0; i < s->n_pools; i++)
		n += s->pools[i].last.n - s->pools[i].first.n + 1;
	return n;
}

/**
 * ipam_pick() - Choose a free address
 * @s:    subnet; its pools are read, and must have passed ipam_check_pools()
 * @used: says whether an address is taken
 * @arg:  handed to @used
 * @out:  the address
 *
 * Random in a window at the beginning of the pools, so that replicas seldom collide and addresses
 * just freed are seldom reused; the window doubles while it looks full, and in the end every
 * address is tried. So an address is found if there is one, after a few questions unless the pools
 * are nearly full, and after at most one more than there are addresses in use.
 *
 * Return: 0; -ENOSPC when no address is free.
 */
int ipam_pick(const struct ipam_subnet *s, ipam_used_fn used, void *arg, struct ip *out)
{
	u128 total = pools_size(s);
	u128 window = 256;
	uint64_t dice;

	for (; window < total; window *= 2)
		for (int i = 0; i < 8; i++) {
			rand_bytes(&dice, sizeof(dice));
			struct ip ip = pool_address(s, dice % window);

			if (!used(arg, &ip)) {
				*out = ip;
				return 0;
			}
		}
	rand_bytes(&dice, sizeof(dice));
	for (u128 i = 0; i < total; i++) {
		struct ip ip = pool_address(s, (dice + i) % total);

		if (!used(arg, &ip)) {
			*out = ip;
			return 0;
		}
	}
	return -ENOSPC;
}

/**
 * ipam_eui64() - The address a host gives itself by SLAAC
 * @c:   IPv6 prefix of 64 bits
 * @mac: the port's address
 *
 * Return: prefix and modified EUI-64 (RFC 4291, appendix A).
 */
struct ip ipam_eui64(const struct cidr *c, const struct mac *mac)
{
	uint64_t m = mac_to_u64(mac) ^ 0x020000000000ULL;
	uint64_t eui = (m & 0xffffff000000ULL) << 16 | 0xfffe000000ULL | (m & 0xffffff);

	return (struct ip){ 6, c->base.n | eui };
}
