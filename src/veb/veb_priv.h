/* SPDX-License-Identifier: Apache-2.0 */
/* What veb.c (the rules), fastpath.c (the fast path) and lost.c share. */
#ifndef ANYVF_VEB_VEB_PRIV_H
#define ANYVF_VEB_VEB_PRIV_H

#include "veb/veb.h"

#define ALSO_MAX 4 /* mirrors the fast path takes along; for more the rules decide */

/* Copies for a mirror that go with the frames of a run, one for one. */
struct also {
	uint16_t to;	       /* port id */
	uint16_t mirror;       /* as in nodes */
	uint32_t tag;	       /* likewise, the outer one */
	uint64_t *mirrored;    /* counter of the port that is watched */
	struct veb_node *node; /* has the run's first frame, and the rest after also_end() */
};

/* The burst at hand. */
struct burst {
	const struct veb_snap *s;
	const struct veb_domain *dom;
	const struct veb_port *src;
	struct veb_out *out;
	struct vf_stats *stats;		   /* of src */
	const struct veb_fib_entry *prune; /* VEPA: owners of the frame's source, or NULL */
	bool from_uplink;
	bool moves;	    /* what it sends may have been learned behind a VF */
	bool plain;	    /* the sender has no rules of its own: forward_fast() may be tried */
	bool any_src;	    /* its source addresses are not checked */
	uint32_t vlan_code; /* of the sender, as in FIB entries */
	uint32_t code_mask; /* the part of an entry's code that must equal it */
	uint32_t watched;   /* VEB_CODE_WATCHED if mirrors watch the sender */
	uint16_t shut;	    /* flag of members that the sender does not reach; 0: it reaches all */

	/* What forward_fast() found for the frame before: flows come in trains. */
	uint64_t src_key;	/* a source that was looked at, and may pass */
	uint64_t src_type;	/* likewise with an ethertype, and so may that: frame_src_type() */
	uint64_t dst_key;	/* its destination */
	uint32_t tag;		/* as it was sent */
	uint32_t tag_len;	/* bytes of that tag */
	uint32_t dst_tag;	/* as dst_port gets it */
	uint32_t dst_mtu;	/* most bytes a plain frame for it may have; 0: rules decide */
	uint16_t dst_port;	/* who gets it */
	unsigned int run_end;	/* index behind the frames of `run` */
	struct veb_node *run;	/* node that a next frame for dst_port would extend, or NULL */
	unsigned int run_start; /* index of the first frame that has copies in also[] */
	unsigned int n_also;
	struct also *also; /* ALSO_MAX of them */
};

/* A place behind the copies that a destination has already. */
static inline __attribute__((always_inline)) struct veb_node *node_append(struct veb_out *out,
									  uint16_t to)
{
	struct veb_bin *bin = &out->bins[to];
	uint16_t at = (uint16_t)out->n_nodes++;

	if (bin->n++) {
		out->nodes[bin->tail].next = at;
	} else {
		bin->head = at;
		out->used[out->n_used++] = to;
	}
	bin->tail = at;
	return &out->nodes[at];
}

/* A copy of a frame, behind those its destination has already; it joins the last if that goes on. */
static inline __attribute__((always_inline)) struct veb_node *node_add(struct burst *b,
								       uint16_t index, uint16_t to,
								       uint16_t mirror,
								       uint32_t outer,
								       uint32_t inner)
{
	struct veb_out *out = b->out;
	struct veb_bin *bin = &out->bins[to];
	struct veb_node *tail = &out->nodes[bin->tail], *node;

	if (bin->n && tail->frame + tail->n == index && tail->mirror == mirror &&
	    tail->tags[0] == outer && tail->tags[1] == inner) {
		tail->n++;
		return tail;
	}
	node = node_append(out, to);
	*node = (struct veb_node){
		.frame = index, .n = 1, .next = VEB_END, .mirror = mirror, .tags = { outer, inner }
	};
	return node;
}

/* Whether frames of a VLAN reach a port: 802.1Q, 8.6.2 and 8.8; VST ports see theirs only. */
static inline bool vlan_member(const struct veb_port *p, uint32_t vlan)
{
	if (p->pvid == vlan)
		return true;
	if (!vlan || p->flags & VEB_TRUNK_ANY)
		return vlan;
	return vlan >> 16 == TPID_8021Q && vlan_set_has(&p->trunk, TAG_VID(vlan));
}

/* Where copies for a mirror of the sender's frames go, its link up or not, or NULL: nowhere. */
static inline const struct veb_port *mirror_port(const struct burst *b, const struct veb_mirror *m)
{
	const struct veb_port *to = b->s->ports[m->to];

	return to != b->src ? to : NULL;
}

void fast_find_other(struct burst *b, const struct veb_fib_entry *entry);
bool also_find(struct burst *b);
void also_begin(struct burst *b, unsigned int index);
void also_end(struct burst *b);

#endif
