/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker sees of a port: sources (receive queues) that yield bursts of frames, and a
 * sink that takes everything one burst has for it in one go. vhost rings, taps,
 * packet sockets and DPDK devices implement struct port_ops; each operation
 * costs one indirect call a burst.
 *
 * A turn of the worker on one source:
 *	n = ops->rx(queue, burst)         frames point into the sender's memory
 *	veb_forward(...)
 *	ops->tx(port, batch)              for each destination used
 *	ops->rx_done(queue)               the sender gets its buffers back
 */
#ifndef ANYVF_SW_DATA_PORT_H
#define ANYVF_SW_DATA_PORT_H

#include "sw/data/purse.h"
#include "sw/dp.h"
#include "veb/frame.h"
#include "veb/veb.h"

#define PORT_BURST  DP_BURST_MAX /* most frames of one rx() */
#define PORT_SEGS 2048	/* most further payload segments of one rx(), all frames together */
#define PORT_QUEUES VF_QUEUES_MAX /* most sources of one port */
#define PORT_BATCH 512	/* most frames of one tx(), all items together */
#define PORT_STALE 32768u /* most frames that wait at a source: a guest's largest ring */

struct dp_worker;
struct port;

/*
 * One source of a port, embedded in the port's own struct.
 * Writer of the first block: the port, while the source is stopped. Of the second: dp.
 * Of the rest: the worker that polls it.
 */
struct port_queue {
	struct port *port;
	uint16_t index; /* of this source in port->queues[] */
	bool slow_rx;	/* rx() costs a syscall: one empty rx() is enough to go idle */
	int fd;		/* readable, edge-triggered, when frames come after arm(true); -1: poll */
	int node;	/* NUMA node of the memory it brings frames from; -1: not known */

	bool running;	 /* atomic; false: leave it alone */
	uint16_t worker; /* atomic; who polls it while it runs */

	bool polled;	     /* in the worker's poll list; else it waits for fd */
	struct purse purse;  /* what it may still have delivered in its turn */
	uint32_t frame_cost; /* of that, what a frame of its last burst took */
	uint64_t idle_since; /* TSC of the last rx() that yielded something */
	uint64_t gap;	     /* mean TSC ticks between those, of late */
	uint64_t empty_at;   /* TSC before the last look that found it empty; 0: none was; waits.h */
	uint32_t unsampled;  /* frames since one's wait was taken */
	uint32_t stale;	     /* atomic; frames, while it is not found empty, that go nowhere; */
			     /* dp writes it as long as no worker has the source */
};

/* What one rx() yields. Owner: the worker; reused for every burst. */
struct port_burst {
	unsigned int max;	/* in: most frames wanted, 1..PORT_BURST */
	uint32_t max_bytes;	/* in: stop behind the frame that reaches this */
	unsigned int n;		/* out: frames; also the return value of rx() */
	unsigned int n_segs;	/* out: segs[] used */
	bool more;		/* out: frames may be left for the next turn */
	uint32_t drops[DROP_N];	  /* out: frames of the sender that rx() itself refused, */
	struct loss lost[DROP_N]; /* and where there are any, the last of them; without time */
	struct frame frames[PORT_BURST] __attribute__((aligned(64)));
	struct frame_seg segs[PORT_SEGS];
	uint8_t inner[PORT_BURST][FRAME_TAG_LEN]; /* second tags of frames: frame_own_inner() */
};

/* Frames for one destination that follow each other in the burst and share their fate. */
struct port_item {
	const struct frame *frame; /* the first of n */
	uint32_t tags[2];	   /* to write, outer first; for frame_header() */
	uint16_t mirror;	   /* 0: the frames themselves; else for a mirror: VEB_MARK_*() */
	uint16_t n;	 /* frames, at least 1 */
	bool cut;	 /* of a mirror with a snap length: frame->cut counts */
};

/* All of a burst for one destination, in order. */
struct port_batch {
	const struct port_item *items;
	unsigned int n;		     /* items; their frames together are at most PORT_BATCH */
	struct vf_stats *stats;	     /* of the destination; by port_delivered(), port_dropped() */
	struct dp_mirror_stats *mirrors; /* VEB_MIRRORS_MAX of them; likewise */
	struct loss_slot *losses;	 /* DROP_N of them, of the destination; NULL: none kept */
	struct dp_worker *worker;	 /* whose they are; NULL: no capture sees what is lost */
	uint64_t now;			 /* tick for them */
	uint8_t *scratch;	     /* PORT_SCRATCH bytes for software offloads */
	uint64_t extra;		     /* out: what they cost, as PORT_COPY_COST counts */
};
#define PORT_SCRATCH (2 * 65536 + 4096) /* OFFLOAD_SCRATCH at least */
#define PORT_COPY_COST 256 /* bytes that one delivered copy costs its sender beside its own */

/* After a burst of stale frames: it was the last if nothing is left, or what waited is gone. */
static inline void port_stale_gone(struct port_queue *q, const struct port_burst *b)
{
	unsigned int n = MAX(b->n, 1u); /* what makes no sense went as well */

	__atomic_store_n(&q->stale, b->more && q->stale > n ? q->stale - n : 0, __ATOMIC_RELAXED);
}

/* rx() refuses a frame of @len bytes, of which it knows the first @n at @head (not guest memory). */
static inline void port_refused(struct port_burst *b, enum drop why, const uint8_t *head,
				unsigned int n, uint32_t len)
{
	struct loss *l = &b->lost[why];

	b->drops[why]++;
	l->len = len;
	l->head_len = (uint8_t)MIN(n, (unsigned int)sizeof(l->head));
	if (l->head_len)
		memcpy(l->head, head, l->head_len);
}

#define PORT_AHEAD_MAX 32 /* ports of one fetch(): what they ask for fits the first cache */

/* A port that is soon to get something. */
struct port_ahead {
	struct port *port;
	unsigned int n; /* frames, at least */
};

struct port_ops {
	const char *kind;
	/*
	 * Fill @b (max, max_bytes are set, other counts are zero). Frames and payload stay
	 * valid until rx_done(). Must not block. !b->more means it was found empty.
	 */
	unsigned int (*rx)(struct port_queue *q, struct port_burst *b);
	/* Give back the buffers of the last rx(); once for each, also if it yielded 0. May be NULL. */
	void (*rx_done)(struct port_queue *q);
	/*
	 * on: ask for notification by fd; true if frames are there already (it stays polled
	 * then). off: none wanted any more. NULL: fd notifies by itself after an empty rx().
	 */
	bool (*arm)(struct port_queue *q, bool on);
	/* Deliver or drop each frame of each item and account it. Must not block. Several workers may
	 * call it at once. NULL: takes nothing. */
	void (*tx)(struct port *port, struct port_batch *b);
	/*
	 * Ask the caches for what tx() of @n ports of this kind will read. It reads them as tx() may,
	 * and changes nothing. NULL: there is nothing to ask for.
	 */
	void (*fetch)(const struct port_ahead *ahead, unsigned int n);
	/*
	 * Take a copy of a frame of which no more is known than was noted; @mark: VEB_MARK_*(). It is
	 * counted with nobody. As tx(). NULL: takes none.
	 */
	void (*tx_noted)(struct port *port, const struct loss *what, uint16_t mark);
	/* Fill @out, but for attached; it is all zero. Control thread. */
	void (*status)(const struct port *port, struct dp_port_status *out);
	/* Close and free, when no worker can see the port any more. Control thread. */
	void (*free)(struct port *port);
};

/* Embedded in the struct of each kind. Writer: its maker, before dp_port_add(); then dp. */
struct port {
	const struct port_ops *ops;
	struct port_queue *queues[PORT_QUEUES]; /* sources; the first n_queues are set */
	unsigned int n_queues;
	bool stale;		    /* set by dp, under its lock: what a new source brings first is */
	uint16_t id;		    /* set by dp */
	char name[DP_NAME_LEN + 1]; /* set by dp */
};

/* Every frame @f of every item @it of a batch @b, in order. */
#define port_batch_each(b, it, f)                                            \
	for (it = (b)->items; it < (b)->items + (b)->n; it++)                \
		for (f = it->frame; f < it->frame + it->n; f++)

static inline unsigned int port_tags_len(const struct port_item *it)
{
	return (it->tags[0] ? FRAME_TAG_LEN : 0) + (it->tags[1] ? FRAME_TAG_LEN : 0);
}

/* Account one delivered frame of an item: the tags count, the vnet header does not. */
static inline void port_delivered(struct port_batch *b, const struct port_item *it,
				  const struct frame *f)
{
	veb_count(&b->stats->rx_packets, 1);
	veb_count(&b->stats->rx_bytes, f->len + port_tags_len(it));
	if (unlikely(frame_is_multicast(f)))
		veb_count(frame_is_broadcast(f) ? &b->stats->rx_broadcast : &b->stats->rx_multicast,
			  1);
	if (unlikely(it->mirror))
		veb_count(&b->mirrors[VEB_MARK_SLOT(it->mirror)].mirrored, 1);
}

/* lost.c */
void lost_run(const struct port_batch *b, const struct port_item *it, const struct frame *f,
	      unsigned int n, enum drop why);

/* Account @n frames of an item, from @f on, that could not be delivered. */
static inline void port_dropped_run(struct port_batch *b, const struct port_item *it,
				    const struct frame *f, unsigned int n, enum drop why)
{
	if (b->losses)
		lost_run(b, it, f, n, why);
	veb_count(&b->stats->rx_dropped, n);
	veb_count(&b->stats->rx_drops[why], n);
	if (unlikely(it->mirror))
		veb_count(&b->mirrors[VEB_MARK_SLOT(it->mirror)].dropped, n);
}
static inline void port_dropped(struct port_batch *b, const struct port_item *it,
				const struct frame *f, enum drop why)
{
	port_dropped_run(b, it, f, 1, why);
}

/* Account the rest of a batch as dropped: frame @f of item @it and all behind it. */
static inline void port_drop_rest(struct port_batch *b, const struct port_item *it,
				  const struct frame *f, enum drop why)
{
	port_dropped_run(b, it, f, it->n - (unsigned int)(f - it->frame), why);
	while (++it < b->items + b->n)
		port_dropped_run(b, it, it->frame, it->n, why);
}
static inline void port_drop_all(struct port_batch *b, enum drop why)
{
	port_drop_rest(b, b->items, b->items->frame, why);
}

#endif
