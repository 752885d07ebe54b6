/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarding decision of a virtual Ethernet bridge (VEB): a burst of frames from one port in,
 * chains of copies per destination port out (the two passes of VALE). A sink then walks one chain,
 * reserves its slots once and copies.
 */
#ifndef ANYVF_VEB_VEB_H
#define ANYVF_VEB_VEB_H

#include "model/vf.h"
#include "veb/frame.h"
#include "veb/loss.h"
#include "veb/snap.h"

#define VEB_BURST_MAX	1024	/* frames a call */
#define VEB_NODES_MAX	8192	/* copies an out can hold; above any snapshot's max_nodes */
#define VEB_LEARNS_MAX	16	/* hints a call */
#define VEB_LEARN_CACHE 256	/* hints not repeated while the snapshot stays */
#define VEB_END		0xffffu /* end of a chain */

/* Copies to deliver: of a run of frames that follow each other and share their fate. */
struct veb_node {
	uint16_t frame;	  /* index of the first into the burst */
	uint16_t n;	  /* frames */
	uint16_t next;	  /* node index or VEB_END */
	uint16_t mirror;  /* 0: the frames themselves; else for a mirror: VEB_MARK_*() */
	uint32_t tags[2]; /* to write, outer first; 0: none. For frame_header() */
};

/* A copy's mark: 1 + slot of its mirror, VEB_MIRROR_OUT or not, 1 + reason if it was dropped. */
#define VEB_MARK_SLOT(mark) (((mark) & 0x1ffu) - 1u)
#define VEB_MARK_DROP(why)  ((uint16_t)(((why) + 1u) << 10))
#define VEB_MARK_WHY(mark)  ((mark) >> 10) /* 0: it was not dropped */
static_assert(VEB_MIRRORS_MAX < 0x200 && DROP_N < 0x40, "a mark is 16 bits");
static inline uint16_t veb_mark(const struct veb_mirror *m)
{
	return (uint16_t)((m->slot + 1u) | (m->flags & VEB_MIRROR_OUT));
}

/* The chain of one destination, in the order the frames came. */
struct veb_bin {
	uint16_t head, tail; /* node indexes */
	uint32_t n;	     /* nodes; 0: not used in this burst */
};

/*
 * Which learned addresses were heard of since control last looked: a bit a hash of port and
 * address, so a false one keeps an address longer, never shorter. Atomic words.
 */
#define VEB_HEARD_BITS 16
struct veb_heard {
	uint64_t words[(1u << VEB_HEARD_BITS) / 64];
};

static inline unsigned int veb_heard_bit(uint16_t port, uint64_t mac_key)
{
	return (unsigned int)(((uint64_t)port << 48 | mac_key) * 0x9e3779b97f4a7c15ull >>
			      (64 - VEB_HEARD_BITS));
}
static inline bool veb_heard_of(const struct veb_heard *h, unsigned int bit)
{
	return __atomic_load_n(&h->words[bit / 64], __ATOMIC_RELAXED) >> bit % 64 & 1;
}
/* An address learned behind a port lives. */
static inline void veb_hear(struct veb_heard *h, uint16_t port, uint64_t mac_key)
{
	unsigned int bit = veb_heard_bit(port, mac_key);

	if (h && !veb_heard_of(h, bit))
		__atomic_fetch_or(&h->words[bit / 64], 1ull << bit % 64, __ATOMIC_RELAXED);
}

/*
 * A source address that is not (yet) the port's own: a request, judged by control. From the wire
 * or the host interface: an address learned behind a VF is elsewhere.
 */
struct veb_learn {
	uint16_t port;
	struct mac mac;
};

/*
 * Owned by one worker, a few hundred kB, from veb_out_new(). Between veb_forward()
 * and veb_out_reset() the bins hold what is to be delivered; index i of used[]
 * and bins[] are independent: bins[used[i]] is the i-th chain.
 */
struct veb_out {
	unsigned int n_used;
	unsigned int n_nodes;
	unsigned int n_learns;
	struct vf_stats *stats;	  /* VEB_PORTS_MAX of them, this worker's; veb adds tx_*, mirrored
				   and drops of its own making; the sink adds rx_* and the rest */
	struct loss_slot *losses; /* VEB_PORTS_MAX times DROP_N, this worker's; NULL: none kept */
	struct veb_heard *heard;  /* of all workers; NULL: not noted */
	struct storm *storms;	  /* VEB_PORTS_MAX, of all workers; NULL: no storm control */
	uint64_t now, hz;	  /* tick for both, the worker's, once a turn; and ticks a second */
	const struct frame *burst; /* the frames at hand */
	uint64_t learn_gen;	  /* snapshot learn_cache is about; 0: forget it */
	struct veb_learn learns[VEB_LEARNS_MAX];
	uint16_t used[VEB_PORTS_MAX]; /* destinations with a chain, in order of first use */
	struct veb_bin bins[VEB_PORTS_MAX];
	struct veb_node nodes[VEB_NODES_MAX];
	uint64_t learn_cache[VEB_LEARN_CACHE]; /* port << 48 | MAC */
};

struct veb_out *veb_out_new(struct vf_stats *stats);
void veb_out_free(struct veb_out *out);
AUTO_DEFINE(struct veb_out *, veb_out_free)

unsigned int veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
			 unsigned int n, struct veb_out *out);

/* Forgets the chains that were delivered; cheap: only the used bins are touched. */
static inline void veb_out_reset(struct veb_out *out)
{
	for (unsigned int i = 0; i < out->n_used; i++)
		out->bins[out->used[i]].n = 0;
	out->n_used = 0;
	out->n_nodes = 0;
	out->n_learns = 0;
}

/* Counters have one writer, the worker; readers load them relaxed (conventions 22). */
static inline void veb_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#endif
