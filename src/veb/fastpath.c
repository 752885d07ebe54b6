/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast path's turnings: frames with a tag, frames for the wire, and mirrors. A run of plain
 * frames takes its mirrors' copies along, so that a port that is watched costs a copy and no more;
 * they are counted when the run ends, never per frame.
 */
#include "veb/veb_priv.h"

/* Whether the sender may send frames with a tag, and the rules would not change it. */
static bool takes_tag(const struct veb_port *p, uint32_t tag)
{
	return TAG_VID(tag) && TAG_VID(tag) != 4095 && !(p->flags & VEB_VST) &&
	       vlan_member(p, TAG_VLAN(tag));
}

/* The one owner of an address, if nothing keeps frames of a VLAN from it, or NULL. */
static const struct veb_port *owner(const struct burst *b, const struct veb_fib_entry *entry,
				    uint32_t vlan)
{
	const struct veb_port *q = b->s->ports[(uint16_t)entry->first];

	if (!entry->plain || q == b->src || q->flags & b->shut || !vlan_member(q, vlan))
		return NULL;
	return q;
}

/* The wire, for what nobody has, if it is the only one to get that; or NULL. */
static const struct veb_port *wire(const struct burst *b)
{
	const struct veb_domain *dom = b->dom;
	const struct veb_port *q;

	if (b->from_uplink || dom->uplink == VEB_NO_PORT ||
	    (dom->host != VEB_NO_PORT && b->s->ports[dom->host]->flags & VEB_UNKNOWN))
		return NULL;
	q = b->s->ports[dom->uplink];
	return q->flags & VEB_LINK_UP ? q : NULL;
}

/**
 * fast_find_other() - Who gets frames with a tag, or frames for nobody, by the fast path
 * @b:     burst; tag and dst_key are set, dst_mtu is 0
 * @entry: of dst_key, or NULL
 *
 * Sets dst_port, dst_tag and dst_mtu, unless the rules are to decide about each frame.
 *
 * Context: the worker.
 */
void fast_find_other(struct burst *b, const struct veb_fib_entry *entry)
{
	const struct veb_port *p = b->src, *q;
	uint32_t vlan = b->tag ? TAG_VLAN(b->tag) : p->pvid;

	if (b->tag && !takes_tag(p, b->tag))
		return;
	q = entry ? owner(b, entry, vlan) : wire(b);
	if (!q || (q->pvid && q->pvid == vlan && !(q->flags & VEB_VST)))
		return; /* a native VLAN's frames keep their tag if there is a second */
	b->dst_port = q->id;
	b->dst_tag = q->pvid && q->pvid == vlan ? 0 : b->tag ? b->tag : p->pvid_tag;
	if (!(p->n_out || q->n_in) || also_find(b))
		b->dst_mtu = MIN(q->mtu, p->mtu);
}

/*
 * Mirrors that get every plain frame of a port for dst_port. False: the rules decide, as some
 * copies depend on the frame, or their order among others of their destination does.
 */
static bool find(struct burst *b, const struct veb_mirror *mirrors, unsigned int n, uint16_t of,
		 uint32_t seen)
{
	uint32_t inside = b->tag ? b->tag : b->src->pvid_tag;

	for (unsigned int i = 0; i < n; i++) {
		const struct veb_mirror *m = &mirrors[i];
		enum veb_filter_says says = veb_filter_vlan(m->filter, TAG_VLAN(inside));

		if (!mirror_port(b, m) || says == VEB_FILTER_NONE)
			continue;
		if (b->n_also == ALSO_MAX || m->to == b->dst_port || says == VEB_FILTER_SOME ||
		    (m->flags & VEB_MIRROR_REMOTE && b->src->kind == VEB_HOST))
			return false;
		for (unsigned int k = 0; k < b->n_also; k++)
			if (b->also[k].to == m->to)
				return false;
		b->also[b->n_also++] = (struct also){
			.to = m->to,
			.mirror = veb_mark(m),
			.tag = m->flags & VEB_MIRROR_INSIDE ? inside : seen,
			.mirrored = &b->out->stats[of].mirrored,
		};
	}
	return true;
}

/**
 * also_find() - The mirrors of both sides of plain frames for an address
 * @b: burst; sender, dst_port and tags are set, n_also is 0, also[] is filled
 *
 * Return: false if the rules must decide about each frame.
 * Context: the worker.
 */
bool also_find(struct burst *b)
{
	const struct veb_port *q = b->s->ports[b->dst_port];

	return find(b, b->src->out, b->src->n_out, b->src->id, b->tag) &&
	       find(b, q->in, q->n_in, q->id, b->dst_tag);
}

/**
 * also_begin() - A run has its first frame, and so have its copies
 * @b:     burst, run is set
 * @index: of the frame
 *
 * Context: the worker.
 */
void also_begin(struct burst *b, unsigned int index)
{
	b->run_start = index;
	for (struct also *a = b->also; a < b->also + b->n_also; a++)
		a->node = node_add(b, (uint16_t)index, a->to, a->mirror, a->tag, 0);
}

/**
 * also_end() - No more frames join the run: its copies get their number
 * @b: burst; without a run nothing is done
 *
 * What the rules decided in between may have joined these nodes, but only a run of one frame,
 * whose copies are complete.
 *
 * Context: the worker.
 */
void also_end(struct burst *b)
{
	unsigned int n = b->run_end - b->run_start;

	for (unsigned int i = 0; b->run && i < b->n_also; i++) {
		b->also[i].node->n += n - 1;
		veb_count(b->also[i].mirrored, n);
	}
}
