/* SPDX-License-Identifier: Apache-2.0 */
/* Collectors of tap mirrors: see collector.h. Pure. */
#include "model/collector.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

#define V4(a, len)     { { 4, a }, len }
#define V6(hi, lo, len) { { 6, (u128)(hi) << 112 | (lo) }, len }

/* No place for a collector, or one that means another thing on each host (RFC 6890); the narrower
 * of two first. */
static const struct special {
	struct cidr range;
	const char *what;
} specials[] = {
	{ V4(0xffffffff, 32), "the broadcast address" },
	{ V4(0x00000000, 8), "no address of a host" },
	{ V4(0x7f000000, 8), "a loopback address" },
	{ V4(0xa9fe0000, 16), "a link-local address" },
	{ V4(0xe0000000, 4), "a multicast address" },
	{ V4(0xf0000000, 4), "a reserved address" },
	{ V6(0, 1, 128), "a loopback address" },
	{ V6(0, 0, 96), "no address of a host" }, /* ::, and what was IPv4-compatible */
	{ V6(0xfe80, 0, 10), "a link-local address" },
	{ V6(0xff00, 0, 8), "a multicast address" },
};

/* Where packets to an address that holds an IPv4 address arrive; else the address itself. */
static struct ip unwrapped(const struct ip *ip)
{
	static const struct cidr mapped = V6(0, (u128)0xffff << 32, 96), /* RFC 4291, 2.5.5.2 */
		nat64 = V6(0x0064, (u128)0xff9b << 96, 96),		 /* RFC 6052, 2.1 */
		six_to_four = V6(0x2002, 0, 16);			 /* RFC 3056, 2 */

	if (cidr_contains(&mapped, ip) || cidr_contains(&nat64, ip))
		return (struct ip){ 4, (uint32_t)ip->n };
	if (cidr_contains(&six_to_four, ip))
		return (struct ip){ 4, (uint32_t)(ip->n >> 80) };
	return *ip;
}

static const struct special *special_of(const struct ip *ip)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (cidr_contains(&specials[i].range, ip))
			return &specials[i];
	return NULL;
}

/* Is the address in a prefix of the list, one that lies in @within (NULL: anywhere)? */
static bool is_listed(const struct collectors *c, const struct ip *ip, const struct cidr *within)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (cidr_contains(&c->list[i], ip) &&
		    (!within || (c->list[i].len >= within->len &&
				 cidr_contains(within, &c->list[i].base))))
			return true;
	return false;
}

/**
 * collectors_parse() - Read a list of prefixes
 * @text: "192.0.2.0/24, 2001:db8::5"; "" for none
 * @out:  the list; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0; -EINVAL for what is no prefix; -E2BIG past COLLECTORS_MAX.
 */
int collectors_parse(const char *text, struct collectors *out, struct err *e)
{
	struct collectors c = { .n = 0 };
	char word[CIDR_STR_LEN];

	for (text += strspn(text, ", \t"); *text; text += strspn(text, ", \t")) {
		size_t len = strcspn(text, ", \t");
		int rc;

		if (c.n == COLLECTORS_MAX)
			return err_set(e, -E2BIG, "more than %d prefixes", COLLECTORS_MAX);
		if (len >= sizeof(word))
			return err_set(e, -EINVAL, "'%.60s' is no prefix", text);
		memcpy(word, text, len);
		word[len] = '\0';
		rc = cidr_parse(word, &c.list[c.n], e);
		if (rc)
			return rc;
		c.n++;
		text += len;
	}
	*out = c;
	return 0;
}

/**
 * collector_judge() - May copies of frames be sent to an address?
 * @listed:   what the operator allows
 * @to:       the address
 * @by_admin: an admin asks, who may name any host
 * @e:        why not, and what to configure; may be NULL
 *
 * Loopback, link-local, multicast, broadcast and other addresses that are no host's are refused
 * even to an admin, unless a prefix of their own range is listed: 0.0.0.0/0 does not stand for
 * them. An address that holds an IPv4 address is judged as that one.
 *
 * Return: 0; -EADDRNOTAVAIL for such an address; -EPERM for one that is not listed.
 */
int collector_judge(const struct collectors *listed, const struct ip *to, bool by_admin,
		    struct err *e)
{
	struct ip ip = unwrapped(to);
	const struct special *special = special_of(&ip);
	char text[IP_STR_LEN];

	ip_format(to, text);
	if (special && !is_listed(listed, &ip, &special->range))
		return err_set(e, -EADDRNOTAVAIL,
			       "%s is %s, and [taas] collectors of anyvf.conf does not name it",
			       text, special->what);
	if (by_admin || is_listed(listed, &ip, NULL) || is_listed(listed, to, NULL))
		return 0;
	return err_set(e, -EPERM, "[taas] collectors of anyvf.conf does not allow %s", text);
}
