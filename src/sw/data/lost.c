/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that a port lost behind veb, noted and for the captures that want to see
 * them: what its edge had no room for, and what a source refused. Only where a drop
 * is counted, so it costs nothing while nothing is dropped.
 */
#include "sw/data/dp_priv.h"

/* What a port's captures are given now, by the newest snapshot. NULL: it has none. */
static const struct veb_port *watched(const struct dp_worker *w, uint16_t id)
{
	const struct veb_snap *snap = __atomic_load_n(&w->dp->snap, __ATOMIC_ACQUIRE);

	return snap ? snap->ports[id] : NULL;
}

static struct port *sink_of(const struct dp_worker *w, const struct veb_mirror *m)
{
	struct port *p = __atomic_load_n(&w->dp->ports[m->to], __ATOMIC_ACQUIRE);

	return m->flags & VEB_MIRROR_DROPS ? p : NULL;
}

static void give(const struct port_batch *b, const struct veb_mirror *m, struct port *to,
		 const struct port_item *item)
{
	struct port_batch one = { .items = item,
				  .n = 1,
				  .stats = &b->worker->stats[m->to],
				  .mirrors = b->mirrors,
				  .now = b->now };

	to->ops->tx(to, &one);
}

/**
 * lost_run() - Note what a destination had no use for, and show it to captures
 * @b:   its batch, with @b->losses
 * @it:  item
 * @f:   first of the frames, in the item
 * @n:   how many
 * @why: reason
 *
 * Context: the worker, while the frames are readable.
 */
void lost_run(const struct port_batch *b, const struct port_item *it, const struct frame *f,
	      unsigned int n, enum drop why)
{
	const struct veb_port *p = NULL;

	loss_note(&b->losses[why], f + n - 1, it->tags, b->now);
	if (b->worker)
		p = watched(b->worker, (uint16_t)((b->losses - b->worker->losses) / DROP_N));
	for (unsigned int i = 0; p && i < p->n_in; i++) {
		const struct veb_mirror *m = &p->in[i];
		struct port_item item = *it;
		struct port *to = sink_of(b->worker, m);

		item.mirror = veb_mark(m) | VEB_MARK_DROP(why);
		item.n = (uint16_t)(m->filter ? 1 : n);
		for (unsigned int k = 0; to && k < n; k += item.n) {
			item.frame = f + k;
			if (!m->filter ||
			    veb_filter_match(m->filter, f + k, TAG_VLAN(it->tags[0]), it->tags))
				give(b, m, to, &item);
		}
	}
}

static bool head_matches(const struct veb_filter *filter, const struct loss *what)
{
	struct frame f;
	int used = filter ? frame_parse(&f, what->head, what->head_len) : 0;

	if (used <= 0)
		return !filter;
	f.data = (struct frame_seg){ what->head + used, what->head_len - (uint32_t)used };
	f.n_more = 0;
	return veb_filter_match(filter, &f, TAG_VLAN(f.tag), (const uint32_t[2]){ f.tag, 0 });
}

/**
 * lost_head() - Show captures what a source refused, as far as it is known
 * @w:    worker
 * @id:   port of the source
 * @what: the last such frame
 * @why:  reason
 *
 * Context: the worker.
 */
void lost_head(struct dp_worker *w, uint16_t id, const struct loss *what, enum drop why)
{
	const struct veb_port *p = watched(w, id);

	for (unsigned int i = 0; p && i < p->n_out; i++) {
		const struct veb_mirror *m = &p->out[i];
		struct port *to = sink_of(w, m);

		if (to && to->ops->tx_noted && head_matches(m->filter, what))
			to->ops->tx_noted(to, what, veb_mark(m) | VEB_MARK_DROP(why));
	}
}
