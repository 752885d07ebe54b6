/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of a ring share: vq.c (from the guest), vq_rx.c (to it), both for either
 * layout; vq_packed.c (what is different in packed rings). Asking for the layout costs one
 * branch a burst, never one a frame.
 */
#ifndef ANYVF_SW_VHOST_VQ_PRIV_H
#define ANYVF_SW_VHOST_VQ_PRIV_H

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/eventfd.h>

#include "sw/data/copy.h"
#include "sw/data/offload.h"
#include "sw/vhost/vq.h"

#define VQ_WRAP	    0x8000u /* in a position of a packed ring, */
#define VQ_INDEX    0x7fffu /* and what is below it */
#define VQ_HEAD_LEN (VQ_HDR_LEN + FRAME_PARSE_LEN) /* bytes that are read to judge a frame */

/* A chain of descriptors that the driver offers. */
struct vq_chain {
	uint16_t id;   /* split: its head; packed: the driver's buffer id */
	uint16_t at;   /* packed: position of its first descriptor, */
	uint16_t n;    /* how many it has in the ring, */
	uint16_t next; /* and the position behind it */
};

/* One of a burst from the guest. */
struct vq_taken {
	const uint8_t *at; /* of a single readable descriptor of usual length; NULL: any chain */
	uint32_t len;
	struct vq_chain chain;
};

/* Fetch the first lines of a frame; NULL, of what is refused later, harms nobody. */
static inline void taken_prefetch(const struct vq_taken *t)
{
	copy_prefetch(t->at);
	copy_prefetch((const void *)((uintptr_t)t->at + 64));
}

static inline struct vring_desc desc_read(const struct vring_desc *at)
{
	struct vring_desc d;

	memcpy(&d, at, sizeof(d));
	guest_copy_done();
	return d;
}

/* Whether a descriptor is one readable buffer that can hold the head of a frame and no monster. */
static inline bool desc_is_usual(uint16_t flags, uint32_t len)
{
	return likely(!(flags & (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) &&
		      len - VQ_HEAD_LEN <= VQ_HDR_LEN + FRAME_LEN_MAX - VQ_HEAD_LEN);
}

/* As gmem_at(), with the region that matched last in registers: for loops over descriptors. */
static inline uint8_t *buffer_at(struct vq *v, struct gmem_region *region, uint64_t addr,
				 uint32_t len)
{
	uint8_t *at = gmem_in(region, addr, len);

	if (likely(at))
		return at;
	at = gmem_at(v->mem, &v->last_region, addr, len);
	*region = v->mem->regions[v->last_region];
	return at;
}

/*
 * One checked descriptor as a segment; its direction must be @flag. Its first line is fetched: the
 * CPU's own prefetchers start anew on every page.
 */
static inline bool seg_of(struct vq *v, const struct vring_desc *d, uint16_t flag,
			  struct frame_seg *out)
{
	if (unlikely((d->flags & VRING_DESC_F_WRITE) != flag || !d->len))
		return false;
	out->base = gmem_at(v->mem, &v->last_region, d->addr, d->len);
	out->len = d->len;
	copy_prefetch(out->base);
	return out->base;
}

bool packed_init(struct vq *v, const struct vq_conf *conf);
bool packed_offers(const struct vq *v);
unsigned int packed_waiting(const struct vq *v);
bool packed_next(struct vq *v, struct vq_chain *c);
int packed_read(struct vq *v, const struct vq_chain *c, uint16_t flag, struct frame_seg *out,
		unsigned int max);
unsigned int packed_take(struct vq *v, struct vq_taken *out, unsigned int max);
unsigned int packed_lease(struct vq *v, const struct frame *f, unsigned int n, uint32_t overhead,
			  uint8_t **out);
void packed_use(struct vq *v, const struct vq_chain *c, uint32_t len);
void packed_show(struct vq *v, uint16_t from, uint16_t to);
bool packed_wants_interrupt(const struct vq *v, uint16_t from, uint16_t to);

/* The driver broke the rules beyond what costs one frame. Atomic, as others may be publishing. */
static inline void vq_break(struct vq *v)
{
	__atomic_store_n(&v->broken, true, __ATOMIC_RELAXED);
}

static inline unsigned int vq_size(const struct vq *v)
{
	return (unsigned int)v->mask + 1;
}

/* From one position to a later one, a lap at most: chains; packed: descriptors. */
static inline unsigned int vq_between(const struct vq *v, uint16_t from, uint16_t to)
{
	if (!v->is_packed)
		return (uint16_t)(to - from);
	return (to & VQ_INDEX) - (from & VQ_INDEX) + ((from ^ to) & VQ_WRAP ? vq_size(v) : 0u);
}

/*
 * What is left of a lap, in the units of vq_between(): all but what is out. A driver that keeps to
 * the rules never offers more; but it sees what was published a moment before published says so.
 */
static inline unsigned int vq_left(const struct vq *v)
{
	uint16_t published = __atomic_load_n(&v->published, __ATOMIC_ACQUIRE);

	return vq_size(v) - vq_between(v, published, v->used_next);
}

/* Where a ring to the guest goes on: under its lock, but vq_fetch() looks without. */
static inline void vq_go_on(struct vq *v, uint16_t avail_next, uint16_t used_next)
{
	__atomic_store_n(&v->avail_next, avail_next, __ATOMIC_RELAXED);
	__atomic_store_n(&v->used_next, used_next, __ATOMIC_RELAXED);
}

/* Chains that may be taken; packed: none, or at most so many. Beyond the ring: it is broken. */
static inline unsigned int vq_available(struct vq *v)
{
	unsigned int left = vq_left(v);
	uint16_t n;

	if (v->is_packed)
		return packed_offers(v) ? left : 0;
	n = (uint16_t)(__atomic_load_n(&v->avail->idx, __ATOMIC_ACQUIRE) - v->avail_next);
	guest_hook();
	if (unlikely(n > vq_size(v))) {
		vq_break(v);
		return 0;
	}
	return MIN(n, left);
}

/*
 * One store: virtio 1.2, 2.7.8, little-endian. None where the same was written a lap ago, as for
 * a driver that uses its buffers in turn: then the line is not taken from the driver's core.
 */
static inline void used_write(struct vring_used_elem *at, uint32_t head, uint32_t len)
{
	uint64_t v = (uint64_t)len << 32 | head, was;

	memcpy(&was, at, sizeof(was));
	guest_hook();
	if (was != v)
		memcpy(at, &v, sizeof(v));
}

/*
 * Whether the header of a receive buffer ends a cache line, so that nothing else of the frame is in
 * it: DPDK's drivers place it so. Its line stays with both cores as long as the header is right.
 */
static inline bool header_is_apart(const uint8_t *at)
{
	return ((uintptr_t)at + VQ_HDR_LEN) % 64 == 0;
}

/* Fetch the first lines of a receive buffer. */
static inline void place_prefetch(uint8_t *at)
{
	if (header_is_apart(at))
		copy_prefetch(at);
	else
		copy_prefetch_write(at);
	copy_prefetch_write(at + 64);
}

/* The next chain the driver offers; it stays offered. False: none, or the ring is broken. */
static inline bool chain_next(struct vq *v, struct vq_chain *c)
{
	if (v->is_packed)
		return packed_next(v, c);
	if (!vq_available(v))
		return false;
	c->id = GUEST_READ(v->avail->ring[v->avail_next & v->mask]);
	if (c->id > v->mask)
		vq_break(v);
	return c->id <= v->mask;
}

/* It is taken, and goes back with @len bytes written when its turn is published. */
static inline void chain_use(struct vq *v, const struct vq_chain *c, uint32_t len)
{
	if (v->is_packed) {
		packed_use(v, c, len);
		return;
	}
	used_write(&v->used->ring[v->used_next & v->mask], c->id, len);
	vq_go_on(v, (uint16_t)(v->avail_next + 1), (uint16_t)(v->used_next + 1));
}

static inline bool interrupt_wanted(const struct vq *v, uint16_t from, uint16_t to)
{
	if (v->is_packed)
		return packed_wants_interrupt(v, from, to);
	if (v->event_idx) /* virtio 1.2, 2.7.7.1 */
		return vring_need_event(GUEST_READ(v->avail->ring[v->mask + 1]), to, from);
	return !(GUEST_READ(v->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/*
 * Not to block was asked for, but whoever shares the descriptor can take that back: then the
 * watchdog interrupts us, and the ring is broken.
 */
static __attribute__((noinline, unused)) void driver_call(struct vq *v)
{
	__atomic_fetch_add(&v->calls, 1, __ATOMIC_RELAXED); /* lost beside the system call */
	if (unlikely(eventfd_write(v->call_fd, 1) && errno == EINTR)) {
		__atomic_store_n(&v->blocked, true, __ATOMIC_RELAXED);
		vq_break(v);
	}
}

/*
 * Show the driver the chains from position @from up to @to as used, after those before them, which
 * another worker may still be copying for; interrupt it if it wants. Of a broken ring nothing is
 * shown, but turns go on: nobody waits for ever.
 */
static inline void used_publish(struct vq *v, uint16_t from, uint16_t to)
{
	unsigned int turns = 0;
	bool broken;

	if (from == to)
		return;
	while (unlikely(__atomic_load_n(&v->published, __ATOMIC_ACQUIRE) != from))
		spin_wait(&turns);
	broken = __atomic_load_n(&v->broken, __ATOMIC_RELAXED);
	if (unlikely(broken))
		;
	else if (v->is_packed)
		packed_show(v, from, to);
	else
		__atomic_store_n(&v->used->idx, to, __ATOMIC_RELEASE);
	__atomic_store_n(&v->published, to, __ATOMIC_RELEASE);
	if (unlikely(broken))
		return;
	__atomic_thread_fence(
		__ATOMIC_SEQ_CST); /* used before what is wanted (virtio 1.2, 2.7.7, 2.8.7) */
	if (v->call_fd >= 0 && interrupt_wanted(v, from, to))
		driver_call(v);
}

int chain_read(struct vq *v, const struct vq_chain *c, uint16_t flag, struct frame_seg *out,
	       unsigned int max);

#endif
