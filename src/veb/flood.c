/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flood lists: of each VLAN of a domain the members that may hear it, so that a frame to many costs
 * who hears it and not who is there (as the bridge's VLAN groups do, IEEE 802.1Q, 8.8.9). A list
 * may have too many, never too few: veb.c asks the rule about each.
 */
#include "veb/flood.h"

#include <errno.h>
#include <stdlib.h>

#define VLANS_FEW 512u /* a port in more is on the list of all tagged ones: it hears every eighth */

/* What is done with each place that a member has on a list. */
typedef void place_fn(struct veb_floods *f, uint16_t code, unsigned int kinds, uint16_t member,
		      bool isolated);

static unsigned int vlans_count(const struct vlan_set *v)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(v->bits); i++)
		n += (unsigned int)__builtin_popcountll(v->bits[i]);
	return n;
}

/* The VLANs of a port, each once, as vlan_member() has them. */
static unsigned int codes_of(const struct veb_port *p, uint16_t codes[VLANS_FEW + 1])
{
	uint16_t own = (uint16_t)veb_vlan_code(p->pvid);
	unsigned int n = 0;

	if (p->flags & VEB_TRUNK_ANY || vlans_count(&p->trunk) > VLANS_FEW) {
		codes[n++] = VEB_VLAN_TAGGED;
		if (!own)
			codes[n++] = 0;
		return n;
	}
	codes[n++] = own;
	for (unsigned int i = 0; i < ARRAY_LEN(p->trunk.bits); i++)
		for (uint64_t bits = p->trunk.bits[i]; bits; bits &= bits - 1) {
			uint16_t vid = (uint16_t)(i * 64 + (unsigned int)__builtin_ctzll(bits));

			if (vid && vid != own)
				codes[n++] = vid;
		}
	return n;
}

static unsigned int kinds_of(const struct veb_port *p)
{
	unsigned int kinds = 1u << VEB_FLOOD_ALL;

	if (p->flags & (VEB_ALLMULTI | VEB_MULTI_REFUSED))
		kinds |= 1u << VEB_FLOOD_MULTI;
	if (p->flags & VEB_PROMISC || p->kind == VEB_HOST)
		kinds |= 1u << VEB_FLOOD_UNMATCHED;
	return kinds;
}

static void number(struct veb_floods *f, uint16_t code, unsigned int kinds, uint16_t member,
		   bool isolated)
{
	if (!f->of[code])
		f->of[code] = (uint16_t)++f->n_lists;
	f->n_places += (unsigned int)__builtin_popcount(kinds);
}

static void count(struct veb_floods *f, uint16_t code, unsigned int kinds, uint16_t member,
		  bool isolated)
{
	for (unsigned int k = 0; k < VEB_FLOOD_KINDS; k++)
		f->lists[f->of[code]].spans[k].n += kinds >> k & 1;
}

static void put(struct veb_floods *f, uint16_t code, unsigned int kinds, uint16_t member,
		bool isolated)
{
	for (unsigned int k = 0; k < VEB_FLOOD_KINDS; k++) {
		struct veb_span *span = &f->lists[f->of[code]].spans[k];

		if (!(kinds >> k & 1))
			continue;
		f->places[span->first + span->n++] = member;
		span->n_open += !isolated;
	}
}

static void places_some(const struct veb_snap *s, const struct veb_domain *d, bool isolated,
			place_fn *place)
{
	uint16_t codes[VLANS_FEW + 1];

	for (uint16_t i = 0; i < d->n_members; i++) {
		const struct veb_port *p = s->ports[d->members[i].id];
		unsigned int kinds = kinds_of(p);

		if (!(p->flags & VEB_LINK_UP) || !(p->flags & VEB_ISOLATED) == isolated)
			continue;
		for (unsigned int k = codes_of(p, codes); k--;)
			place(d->floods, codes[k], kinds, i, isolated);
	}
}

static void places(const struct veb_snap *s, const struct veb_domain *d, place_fn *place)
{
	places_some(s, d, false, place);
	places_some(s, d, true, place);
}

/**
 * veb_floods_build() - Make the flood lists of a domain
 * @s: snapshot that has its ports
 * @d: domain that has its members; gets the lists, for veb_floods_free()
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int veb_floods_build(const struct veb_snap *s, struct veb_domain *d)
{
	struct veb_floods *f = d->floods = calloc(1, sizeof(*f));
	uint32_t at = 0;

	if (!f)
		return -ENOMEM;
	places(s, d, number);
	f->lists = calloc(f->n_lists + 1u, sizeof(*f->lists));
	f->places = malloc(MAX(f->n_places, 1u) * sizeof(*f->places));
	if (!f->lists || !f->places)
		return -ENOMEM;
	places(s, d, count);
	for (unsigned int i = 0; i <= f->n_lists; i++)
		for (unsigned int k = 0; k < VEB_FLOOD_KINDS; k++) {
			struct veb_span *span = &f->lists[i].spans[k];

			span->first = at;
			at += span->n;
			span->n = 0;
		}
	places(s, d, put);
	return 0;
}

/**
 * veb_floods_free() - Free flood lists
 * @f: of veb_floods_build(), built in part or not, or NULL
 *
 * Context: as veb_snap_free().
 */
void veb_floods_free(struct veb_floods *f)
{
	if (!f)
		return;
	free(f->lists);
	free(f->places);
	free(f);
}
