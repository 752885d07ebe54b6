/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrors on the short way: a run of plain frames takes its copies along, so that a port that is
 * watched costs a copy and no more. They are counted when the run ends, never per frame.
 */
#include "veb/veb_priv.h"

/*
 * Mirrors that get every plain frame of a port for dst_port. False: the rules decide, as some
 * copies depend on the frame, or their order among others of their destination does.
 */
static bool find(struct burst *b, const struct veb_mirror *mirrors, unsigned int n, uint16_t of)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct veb_mirror *m = &mirrors[i];
		enum veb_filter_says says = veb_filter_vlan(m->filter, b->src->pvid);

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
			.tag = m->flags & VEB_MIRROR_INSIDE ? b->src->pvid_tag : 0,
			.mirrored = &b->out->stats[of].mirrored,
		};
	}
	return true;
}

/**
 * also_find() - The mirrors of both sides of plain frames for an address
 * @b: burst; sender and dst_port are set, n_also is 0, also[] is filled
 *
 * Return: false if the rules must decide about each frame.
 * Context: the worker.
 */
bool also_find(struct burst *b)
{
	const struct veb_port *q = b->s->ports[b->dst_port];

	return find(b, b->src->out, b->src->n_out, b->src->id) && find(b, q->in, q->n_in, q->id);
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
