/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and prefixes as numbers, for address allocation. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int ip_bits(const struct ip *ip)
{
	return ip->version == 4 ? 32 : 128;
}

static u128 host_mask(const struct cidr *c)
{
	unsigned int bits = ip_bits(&c->base) - c->len;

	return bits == 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
}

/**
 * ip_parse() - Read an IPv4 or IPv6 address
 * @text: dotted quad of four decimal numbers, or RFC 4291 text
 * @out:  the address; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int ip_parse(const char *text, struct ip *out, struct err *e)
{
	uint8_t b[16];
	size_t n = 0;
	struct ip ip = { 0 };

	if (inet_pton(AF_INET, text, b) == 1) {
		ip.version = 4;
		n = 4;
	} else if (inet_pton(AF_INET6, text, b) == 1) {
		ip.version = 6;
		n = 16;
	} else {
		return err_set(e, -EINVAL, "'%s' is not a valid IP address", text);
	}
	for (size_t i = 0; i < n; i++)
		ip.n = ip.n << 8 | b[i];
	*out = ip;
	return 0;
}

/**
 * ip_format() - Write an address in its canonical text
 * @ip:  address of version 4 or 6
 * @out: buffer of IP_STR_LEN bytes
 *
 * Return: @out; "" for version 0.
 */
const char *ip_format(const struct ip *ip, char out[IP_STR_LEN])
{
	uint8_t b[16];
	size_t n = ip_bits(ip) / 8;
	u128 v = ip->n;

	out[0] = '\0';
	if (!ip->version)
		return out;
	for (size_t i = n; i-- > 0; v >>= 8)
		b[i] = (uint8_t)v;
	inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, b, out, IP_STR_LEN);
	return out;
}

/**
 * cidr_parse() - Read an address with a prefix length
 * @text: 10.20.0.0/24; host bits are cleared; without a length: the one address
 * @out:  the prefix; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int cidr_parse(const char *text, struct cidr *out, struct err *e)
{
	char addr[IP_STR_LEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct cidr c;
	char *end = NULL;
	unsigned long len;

	if (n >= sizeof(addr))
		return err_set(e, -EINVAL, "'%s' is not a valid IP subnet", text);
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (ip_parse(addr, &c.base, NULL))
		return err_set(e, -EINVAL, "'%s' is not a valid IP subnet", text);
	len = slash ? strtoul(slash + 1, &end, 10) : ip_bits(&c.base);
	if (slash && (slash[1] < '0' || slash[1] > '9' || *end || len > ip_bits(&c.base)))
		return err_set(e, -EINVAL, "'%s' is not a valid IP subnet", text);
	c.len = (uint8_t)len;
	c.base.n &= ~host_mask(&c);
	*out = c;
	return 0;
}

/**
 * cidr_format() - Write a prefix
 * @c:   prefix
 * @out: buffer of CIDR_STR_LEN bytes
 *
 * Return: @out.
 */
const char *cidr_format(const struct cidr *c, char out[CIDR_STR_LEN])
{
	char ip[IP_STR_LEN];

	snprintf(out, CIDR_STR_LEN, "%.45s/%u", ip_format(&c->base, ip), c->len);
	return out;
}

/**
 * cidr_contains() - Is the address in the prefix?
 * @c:  prefix
 * @ip: address; one of the other version never is
 */
bool cidr_contains(const struct cidr *c, const struct ip *ip)
{
	return ip->version == c->base.version && (ip->n & ~host_mask(c)) == c->base.n;
}

/**
 * cidr_overlaps() - Do two prefixes share an address?
 * @a: one
 * @b: other
 */
bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return cidr_contains(a, &b->base) || cidr_contains(b, &a->base);
}

/**
 * cidr_first() - The network address
 * @c: prefix
 */
struct ip cidr_first(const struct cidr *c)
{
	return c->base;
}

/**
 * cidr_last() - The last address: broadcast in IPv4
 * @c: prefix
 */
struct ip cidr_last(const struct cidr *c)
{
	struct ip last = c->base;

	last.n |= host_mask(c);
	return last;
}
