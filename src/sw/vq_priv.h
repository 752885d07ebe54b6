/* SPDX-License-Identifier: Apache-2.0 */
/* What both directions of a ring do: vq.c (from the guest), vq_rx.c (to it). */
#ifndef ANYVF_SW_VQ_PRIV_H
#define ANYVF_SW_VQ_PRIV_H

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/eventfd.h>

#include "sw/copy.h"
#include "sw/offload.h"
#include "sw/vq.h"

/* After this the compiler cannot go back to guest memory for what was copied from it. */
static inline void guest_copy_done(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline struct vring_desc desc_read(const struct vring_desc *at)
{
	struct vring_desc d;

	memcpy(&d, at, sizeof(d));
	guest_copy_done();
	return d;
}

/* Buffers the driver offers. More than the ring holds: it is broken. */
static inline unsigned int vq_available(struct vq *v)
{
	uint16_t n = (uint16_t)(__atomic_load_n(&v->avail->idx, __ATOMIC_ACQUIRE) - v->avail_next);

	if (unlikely(n > (unsigned int)v->mask + 1)) {
		v->broken = true;
		return 0;
	}
	return n;
}

/* One store: virtio 1.2, 2.7.8, little-endian. */
static inline void used_write(struct vring_used_elem *at, uint32_t head, uint32_t len)
{
	uint64_t v = (uint64_t)len << 32 | head;

	memcpy(at, &v, sizeof(v));
}

static inline void used_put(struct vq *v, uint32_t head, uint32_t len)
{
	used_write(&v->used->ring[v->used_next++ & v->mask], head, len);
}

/*
 * Show the driver the used entries @from up to @to, after those before them, which another worker
 * may still be copying for; interrupt it if it wants.
 */
static inline void used_publish(struct vq *v, uint16_t from, uint16_t to)
{
	unsigned int turns = 0;

	if (from == to)
		return;
	while (unlikely(__atomic_load_n(&v->published, __ATOMIC_ACQUIRE) != from))
		spin_wait(&turns);
	__atomic_store_n(&v->used->idx, to, __ATOMIC_RELEASE);
	__atomic_store_n(&v->published, to, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* idx before flags (virtio 1.2, 2.7.7) */
	if (v->call_fd >= 0 && !(GUEST_READ(v->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT))
		(void)eventfd_write(v->call_fd, 1);
}

int vq_chain_read(struct vq *v, struct vring_desc d, uint16_t flag, struct frame_seg *out,
		     unsigned int max);

#endif
