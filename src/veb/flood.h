/* SPDX-License-Identifier: Apache-2.0 */
/* Flood lists of a domain, by VLAN: whom a frame to many may be for. Part of a snapshot. */
#ifndef ANYVF_VEB_FLOOD_H
#define ANYVF_VEB_FLOOD_H

#include "veb/snap.h"

#define VEB_VLAN_TAGGED 0x1000u /* of the list of members in many VLANs: no VLAN's code */
#define VEB_VLAN_CODES	0x2000u

enum veb_flood_kind {
	VEB_FLOOD_ALL,
	VEB_FLOOD_MULTI, /* members with all multicast, or refused it */
	VEB_FLOOD_UNMATCHED, /* members that may get unicast that is for nobody: VEB_PROMISC, VEB_HOST */
	VEB_FLOOD_KINDS
};

struct veb_span {
	uint32_t first;	 /* index in places[] */
	uint16_t n;	 /* members, those that are isolated last */
	uint16_t n_open; /* the others */
};

struct veb_flood_list {
	struct veb_span spans[VEB_FLOOD_KINDS];
};

struct veb_floods {
	unsigned int n_lists, n_places;
	struct veb_flood_list *lists; /* array of 1 + n_lists; the first is empty */
	uint16_t *places;	      /* array of n_places: indexes into the domain's members */
	uint16_t of[VEB_VLAN_CODES];  /* index in lists, by veb_vlan_code() */
};

int veb_floods_build(const struct veb_snap *s, struct veb_domain *d);
void veb_floods_free(struct veb_floods *f);

/* Members that may want a VLAN's frames, one after the other. */
struct veb_walk {
	const uint16_t *at, *end;	 /* those of the VLAN, left */
	const uint16_t *many, *many_end; /* then those in many VLANs */
};

/* @isolated: the sender is, and reaches the others alone. */
static inline struct veb_walk veb_walk(const struct veb_domain *d, uint32_t vlan,
				       enum veb_flood_kind kind, bool isolated)
{
	const struct veb_floods *f = d->floods;
	const struct veb_span *own = &f->lists[f->of[veb_vlan_code(vlan)]].spans[kind];
	const struct veb_span *many = &f->lists[f->of[VEB_VLAN_TAGGED]].spans[kind];
	const uint16_t *at = f->places + own->first, *then = f->places + many->first;

	return (struct veb_walk){ .at = at,
				  .end = at + (isolated ? own->n_open : own->n),
				  .many = then,
				  .many_end = then + (!vlan	 ? 0
						      : isolated ? many->n_open
								 : many->n) };
}
static inline unsigned int veb_walk_len(const struct veb_walk *w)
{
	return (unsigned int)(w->end - w->at + w->many_end - w->many);
}
static inline const struct veb_member *veb_walk_next(const struct veb_domain *d, struct veb_walk *w)
{
	if (w->at == w->end) {
		w->at = w->many;
		w->end = w->many = w->many_end;
	}
	return w->at == w->end ? NULL : &d->members[*w->at++];
}

#endif
