/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second pass of a burst: each destination once. Where a burst has many, what they are made
 * of is in no cache, and one that is waited for keeps the next from being asked for; so a group
 * of them is asked for at once before the first is served.
 */
#include "sw/data/deliver.h"

#include "sw/data/copy.h"

#define COPY_COST PORT_COPY_COST
#define MANY	  8 /* destinations of a burst that are worth looking ahead */

/* Also for a mirror whose destination's link is down, to count. Returns the cost beyond copies. */
static int64_t batch_deliver(struct delivery *d, const struct veb_snap *snap, uint16_t to,
			     unsigned int n)
{
	struct port *p = __atomic_load_n(&d->shared->dp->ports[to], __ATOMIC_ACQUIRE);
	struct port_batch b = { .items = d->items,
				.n = n,
				.stats = &d->shared->stats[to],
				.mirrors = d->shared->mirrors,
				.losses = &d->shared->losses[to * DROP_N],
				.worker = d->shared,
				.now = d->out->now,
				.scratch = d->scratch };

	d->n_cuts = d->n_cut_segs = 0;
	if (unlikely(d->items->mirror) && !(snap->ports[to]->flags & VEB_LINK_UP)) {
		port_drop_all(&b, DROP_LINK_DOWN);
		return 0;
	}
	if (likely(p && p->ops->tx))
		p->ops->tx(p, &b);
	else
		port_drop_all(&b, DROP_NOT_READY);
	return (int64_t)b.extra;
}

/* Whether a batch of @n frames must go before this node joins it. */
static bool batch_is_full(const struct delivery *d, const struct veb_node *node,
			  const struct frame *f, bool cut, unsigned int n)
{
	unsigned int n_segs = d->n_cut_segs;

	if (likely(!cut) || n + node->n > PORT_BATCH)
		return n + node->n > PORT_BATCH;
	for (unsigned int i = 0; i < node->n; i++)
		n_segs += f[i].n_more;
	return n_segs > PORT_SEGS;
}

/* A run of copies for a mirror with a snap length. There is room: batch_is_full(). */
static const struct frame *cut_run(struct delivery *d, const struct frame *f, unsigned int n,
				   uint16_t snap)
{
	struct frame *first = &d->cuts[d->n_cuts];

	for (unsigned int i = 0; i < n; i++)
		d->n_cut_segs +=
			frame_cut(&f[i], snap, &d->cuts[d->n_cuts++], &d->cut_segs[d->n_cut_segs]);
	return first;
}

/* All of the burst for one destination. Returns what it cost, in bytes. */
static int64_t deliver_to(struct delivery *d, const struct veb_snap *snap,
			  const struct frame *frames, uint16_t to)
{
	const uint64_t *taken = &d->shared->stats[to].rx_packets, before = *taken;
	const struct veb_out *out = d->out;
	unsigned int n = 0, n_frames = 0;
	int64_t bytes = 0, cost = 0;

	for (uint16_t i = out->bins[to].head; i != VEB_END; i = out->nodes[i].next) {
		const struct veb_node *node = &out->nodes[i];
		const struct frame *f = &frames[node->frame];
		uint16_t mark = node->mirror;
		uint16_t len = mark ? snap->snaps[VEB_MARK_SLOT(mark)] : 0;

		if (unlikely(batch_is_full(d, node, f, len, n_frames))) {
			cost += batch_deliver(d, snap, to, n);
			n = n_frames = 0;
		}
		if (unlikely(len))
			f = cut_run(d, f, node->n, len);
		d->items[n++] = (struct port_item){
			f, { node->tags[0], node->tags[1] }, mark, node->n, len
		};
		n_frames += node->n;
		for (unsigned int k = 0; k < node->n; k++)
			bytes += f[k].len + COPY_COST;
	}
	if (n)
		cost += batch_deliver(d, snap, to, n);
	/* One that takes nothing, a mirror's perhaps, is not the sender's loss. */
	return cost + (likely(*taken != before) ? bytes : out->bins[to].n * COPY_COST);
}

/* Fetch what delivery to @n destinations will read, as far as their kind knows how. */
static void look_ahead(struct delivery *d, const uint16_t *used, unsigned int n)
{
	struct port *const *all = d->shared->dp->ports;
	const struct port_ops *ops = NULL;
	struct port_ahead ahead[PORT_AHEAD_MAX];
	unsigned int n_ahead = 0;

	for (unsigned int u = 0; u < n; u++) {
		struct port *p = __atomic_load_n(&all[used[u]], __ATOMIC_ACQUIRE);

		copy_prefetch_write(&d->shared->stats[used[u]]);
		if (!p || !p->ops->fetch || (ops && p->ops != ops))
			continue;
		ops = p->ops;
		ahead[n_ahead++] = (struct port_ahead){ p, d->out->bins[used[u]].n };
	}
	if (n_ahead)
		ops->fetch(ahead, n_ahead);
}

/**
 * deliver() - Give a burst to its destinations
 * @d:      the worker's
 * @snap:   that veb_forward() used
 * @frames: the burst, or what was left of it, as veb_forward() got it
 *
 * Frames for one destination stay in order. Addresses to learn are told to control.
 *
 * Return: what it cost, in bytes: PORT_COPY_COST and its length a copy.
 * Context: the worker.
 */
int64_t deliver(struct delivery *d, const struct veb_snap *snap, const struct frame *frames)
{
	struct veb_out *out = d->out;
	int64_t cost = 0;

	for (unsigned int u = 0; u < out->n_used; u++) {
		if (unlikely(out->n_used >= MANY && u % PORT_AHEAD_MAX == 0))
			look_ahead(d, out->used + u,
				   MIN(out->n_used - u, (unsigned int)PORT_AHEAD_MAX));
		cost += deliver_to(d, snap, frames, out->used[u]);
	}
	if (unlikely(out->n_learns))
		hints_put(d->shared, out);
	veb_out_reset(out);
	return cost;
}
