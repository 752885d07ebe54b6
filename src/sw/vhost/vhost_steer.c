/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive side scaling (RSS): to steer each frame to one of its guest's receive rings. One flow,
 * one ring: so the order within a flow is kept. With one ring alone nothing is looked at.
 */
#include "sw/data/copy.h"
#include "sw/vhost/vhost_priv.h"
#include "veb/rss.h"

/* The frames of a batch by ring: chains of runs, in order. */
struct rings {
	unsigned int n_used, n_runs;
	unsigned int item;	    /* first run of the item at hand */
	uint16_t used[PORT_QUEUES]; /* rings with a chain, in order of first use */
	uint16_t n[PORT_QUEUES];    /* runs of each; 0: not used */
	uint16_t head[PORT_QUEUES], tail[PORT_QUEUES];
	struct port_item runs[PORT_BATCH];
	uint16_t next[PORT_BATCH]; /* of each run */
};

/* Whether a frame follows what its ring has last, of the same item. */
static inline bool is_next(const struct rings *r, unsigned int ring, const struct frame *f)
{
	const struct port_item *last;

	if (!r->n[ring] || r->tail[ring] < r->item)
		return false;
	last = &r->runs[r->tail[ring]];
	return last->frame + last->n == f;
}

/* A frame of an item joins its ring's last run, or begins one. */
static inline void ring_add(struct rings *r, unsigned int ring, const struct port_item *it,
			    const struct frame *f)
{
	uint16_t at = (uint16_t)r->n_runs;

	if (is_next(r, ring, f)) {
		r->runs[r->tail[ring]].n++;
		return;
	}
	r->n_runs++;
	r->runs[at] = *it;
	r->runs[at].frame = f;
	r->runs[at].n = 1;
	if (r->n[ring]++) {
		r->next[r->tail[ring]] = at;
	} else {
		r->head[ring] = at;
		r->used[r->n_used++] = (uint16_t)ring;
	}
	r->tail[ring] = at;
}

/* The runs of a batch, for @n rings. */
static void rings_choose(struct rings *r, const struct port_batch *b, unsigned int n)
{
	struct rss_flow last = { 0 };

	r->n_used = r->n_runs = 0;
	memset(r->n, 0, n * sizeof(r->n[0]));
	for (const struct port_item *it = b->items; it < b->items + b->n; it++) {
		r->item = r->n_runs;
		for (const struct frame *f = it->frame; f < it->frame + it->n; f++)
			ring_add(r, rss_hash(f, &last) % n, it, f);
	}
}

/* All of @b to one ring. */
static inline void ring_deliver(struct vhost_port *vp, unsigned int ring, struct port_batch *b)
{
	struct vhost_ring *r = vp->rings[2 * ring];

	if (unlikely(!__atomic_load_n(&r->src.running, __ATOMIC_ACQUIRE))) {
		port_drop_all(b, DROP_NOT_READY);
		return;
	}
	vq_deliver(&r->ring, b);
	vhost_ring_report(r, vp);
}

/* To several rings. Not inline: the common batch is not to pay for so much stack. */
static __attribute__((noinline)) void spread(struct vhost_port *vp, unsigned int n,
					     struct port_batch *b)
{
	struct port_item items[PORT_BATCH];
	struct port_batch part = *b;
	struct rings rings;

	rings_choose(&rings, b, n);
	part.items = items;
	for (unsigned int u = 0; u < rings.n_used; u++) {
		unsigned int ring = rings.used[u];
		uint64_t before = b->stats->rx_packets;
		uint16_t at = rings.head[ring];

		part.n = rings.n[ring];
		for (unsigned int i = 0; i < part.n; i++, at = rings.next[at])
			items[i] = rings.runs[at];
		ring_deliver(vp, ring, &part);
		__atomic_fetch_add(&vp->rings[2 * ring]->frames, b->stats->rx_packets - before,
				   __ATOMIC_RELAXED);
	}
	b->extra = part.extra;
}

/**
 * vhost_tx() - tx() of struct port_ops
 * @p: the port member of a struct vhost_port
 * @b: what to deliver
 *
 * A ring that stands still for a moment, for a message of its front end, keeps its flows: what it
 * does not get then is lost, but none of it overtakes.
 *
 * Context: any worker; several at once.
 */
void vhost_tx(struct port *p, struct port_batch *b)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);
	unsigned int n = __atomic_load_n(&vp->n_rx, __ATOMIC_ACQUIRE);

	if (likely(n == 1))
		ring_deliver(vp, 0, b);
	else if (n)
		spread(vp, n, b);
	else
		port_drop_all(b, DROP_NOT_READY);
}

/**
 * vhost_fetch() - fetch() of struct port_ops
 * @ahead: ports
 * @n:     how many
 *
 * What one round asked for the next reads, so nothing is waited for alone. Which of several rings a
 * frame goes to is not known yet: nothing is asked for there.
 *
 * Context: any worker; several at once.
 */
void vhost_fetch(const struct port_ahead *ahead, unsigned int n)
{
	struct vq_ahead rings[PORT_AHEAD_MAX];
	unsigned int n_rings = 0;

	for (unsigned int i = 0; i < n; i++)
		copy_prefetch(&container_of(ahead[i].port, struct vhost_port, port)->n_rx);
	for (unsigned int i = 0; i < n; i++) {
		struct vhost_port *vp = container_of(ahead[i].port, struct vhost_port, port);
		struct vhost_ring *r;

		if (__atomic_load_n(&vp->n_rx, __ATOMIC_ACQUIRE) != 1)
			continue;
		r = vp->rings[0];
		copy_prefetch_write(r);
		copy_prefetch_write((char *)r + 64);
		copy_prefetch(&vp->mem);
		rings[n_rings++] = (struct vq_ahead){ &r->ring, ahead[i].n };
	}
	n = n_rings;
	n_rings = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct vhost_ring *r = container_of(rings[i].ring, struct vhost_ring, ring);

		if (__atomic_load_n(&r->src.running, __ATOMIC_ACQUIRE))
			rings[n_rings++] = rings[i];
	}
	vq_fetch(rings, n_rings);
}
