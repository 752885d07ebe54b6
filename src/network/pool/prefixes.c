/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of prefixes: see prefixes.h. Used by subnet pools and address scopes. */
#include "network/pool/prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static u128 ones(unsigned int bits)
{
	return bits == 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
}

static unsigned int width(const struct ip *ip)
{
	return ip->version == 4 ? 32 : 128;
}

static struct ip_range range_of(const struct cidr *c)
{
	return (struct ip_range){ cidr_first(c), cidr_last(c) };
}

/* Do they share an address, or follow one another? */
static bool touch(const struct ip_range *a, const struct ip_range *b)
{
	return a->first.n <= b->last.n + (b->last.n != ~(u128)0) &&
	       b->first.n <= a->last.n + (a->last.n != ~(u128)0);
}

/* Puts ranges in the place of n others. */
static int splice(struct prefixes *set, size_t at, size_t n, const struct ip_range *in, size_t n_in)
{
	struct ip_range *all = malloc((set->n - n + n_in + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (set->n) {
		memcpy(all, set->all, at * sizeof(*all));
		memcpy(all + at + n_in, set->all + at + n, (set->n - at - n) * sizeof(*all));
	}
	memcpy(all + at, in, n_in * sizeof(*all));
	free(set->all);
	set->all = all;
	set->n += n_in - n;
	return 0;
}

/**
 * prefixes_add() - Make a prefix part of a set
 * @set: zeroed, or with prefixes of the same version
 * @c:   prefix; what is there already may be in it
 *
 * Return: 0; -ENOMEM.
 */
int prefixes_add(struct prefixes *set, const struct cidr *c)
{
	struct ip_range r = range_of(c);
	size_t at = 0, n = 0;

	while (at < set->n && set->all[at].first.n < r.first.n && !touch(&set->all[at], &r))
		at++;
	for (; at + n < set->n && touch(&set->all[at + n], &r); n++) {
		if (set->all[at + n].first.n < r.first.n)
			r.first = set->all[at + n].first;
		if (set->all[at + n].last.n > r.last.n)
			r.last = set->all[at + n].last;
	}
	return splice(set, at, n, &r, 1);
}

/**
 * prefixes_have() - Is every address of a prefix in a set?
 * @set: a set
 * @c:   prefix
 */
bool prefixes_have(const struct prefixes *set, const struct cidr *c)
{
	struct ip_range r = range_of(c);

	for (size_t i = 0; i < set->n; i++)
		if (range_has(&set->all[i], &r.first) && range_has(&set->all[i], &r.last))
			return true;
	return false;
}

/**
 * prefixes_meet() - Is any address of a prefix in a set?
 * @set: a set
 * @c:   prefix; of the other version: none is
 */
bool prefixes_meet(const struct prefixes *set, const struct cidr *c)
{
	struct ip_range r = range_of(c);

	for (size_t i = 0; i < set->n; i++)
		if (range_has(&set->all[i], &r.first) || range_has(&r, &set->all[i].first))
			return true;
	return false;
}

/**
 * prefixes_take() - Take the addresses of a prefix out of a set
 * @set: a set
 * @c:   prefix; what of it is not there stays away
 *
 * Return: 0; -ENOMEM, with nothing taken, or a part.
 */
int prefixes_take(struct prefixes *set, const struct cidr *c)
{
	struct ip_range r = range_of(c);
	int rc = 0;

	for (size_t i = 0; i < set->n && !rc; i++) {
		struct ip_range is = set->all[i], left[2];
		size_t n = 0;

		if (!range_has(&is, &r.first) && !range_has(&r, &is.first))
			continue;
		if (is.first.n < r.first.n)
			left[n++] =
				(struct ip_range){ is.first, { is.first.version, r.first.n - 1 } };
		if (is.last.n > r.last.n)
			left[n++] = (struct ip_range){ { is.last.version, r.last.n + 1 }, is.last };
		rc = splice(set, i, 1, left, n);
		i += n - 1;
	}
	return rc;
}

/* The largest prefix that a range begins with. */
static struct cidr head_of(const struct ip_range *r)
{
	unsigned int bits = 0, max = width(&r->first);

	while (bits < max && !(r->first.n & ones(bits + 1)) &&
	       r->last.n - r->first.n >= ones(bits + 1))
		bits++;
	return (struct cidr){ r->first, (uint8_t)(max - bits) };
}

/**
 * prefixes_next() - Walk a set by the fewest prefixes that make it, lowest first
 * @set: a set
 * @i:   where the walk is; 0 at first
 * @at:  the prefix; version 0 at first
 *
 * Return: false past the last.
 */
bool prefixes_next(const struct prefixes *set, size_t *i, struct cidr *at)
{
	struct ip_range rest;

	if (*i < set->n && at->base.version && cidr_last(at).n == set->all[*i].last.n) {
		++*i;
		at->base.version = 0;
	}
	if (*i >= set->n)
		return false;
	rest = set->all[*i];
	if (at->base.version)
		rest.first.n = cidr_last(at).n + 1;
	*at = head_of(&rest);
	return true;
}

/**
 * prefixes_pick() - Choose a prefix in a set
 * @set: a set
 * @len: its length
 * @out: the prefix
 *
 * From the smallest of the set's prefixes that has room, and of these the lowest, so that large
 * ones stay whole (as Neutron does).
 *
 * Return: 0; -ENOSPC when none has.
 */
int prefixes_pick(const struct prefixes *set, unsigned int len, struct cidr *out)
{
	struct cidr at = { .len = 0 }, best = { .len = 0 };
	size_t i = 0;

	while (prefixes_next(set, &i, &at))
		if (at.len <= len && (!best.base.version || at.len > best.len))
			best = at;
	if (!best.base.version)
		return -ENOSPC;
	*out = (struct cidr){ best.base, (uint8_t)len };
	return 0;
}

/**
 * prefixes_free() - Empty a set
 * @set: a set
 */
void prefixes_free(struct prefixes *set)
{
	free(set->all);
	*set = (struct prefixes){ NULL, 0 };
}
