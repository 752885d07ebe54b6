/* SPDX-License-Identifier: Apache-2.0 */
/* Guests in this process, a ring each: the driver's work is a store of an index, and not timed. */
#ifndef ANYVF_TESTS_BENCH_GUEST_H
#define ANYVF_TESTS_BENCH_GUEST_H

#include <linux/virtio_config.h>

#include "lib/driver.h"
#include "sw/vq.h"

#define GUEST_SLOT (2048 + 192) /* bytes of a buffer: not all in the same cache sets */

struct guest {
	struct gmem gmem;
	struct driver_ring ring;
	struct vq vq;
	uint32_t len;	  /* of each buffer */
	uint16_t flags;	  /* packed: of each descriptor, */
	uint32_t offered; /* how many were offered so far, */
	struct vq_mark mark;
	uint64_t *done;
};

/* All the memory of one guest or several; only what is used is touched. */
static inline struct driver_mem guest_memory(uint64_t size)
{
	struct driver_mem mem = { aligned_alloc(2u << 20, size), size, 0 };

	if (!mem.base)
		abort();
	return mem;
}

/* The Ethernet header in a buffer. */
static inline uint8_t *guest_frame(uint8_t *slots, unsigned int i)
{
	return slots + (uint64_t)i * GUEST_SLOT + VQ_HDR_LEN;
}

/*
 * A ring of @size buffers, all known to it and none offered yet: the first @len bytes of each
 * of @slots. Ring and buffers are in @mem, which may be that of other guests as well.
 */
static inline void guest_open(struct guest *g, struct driver_mem *mem, uint32_t size,
			      uint8_t *slots, uint32_t len, bool write, bool packed)
{
	struct vq_conf conf;

	g->gmem = (struct gmem){ 1, { { DRIVER_GPA, mem->size, mem->base } } };
	if (packed)
		driver_ring_init_packed(&g->ring, mem, size);
	else
		driver_ring_init(&g->ring, mem, size);
	for (unsigned int i = 0; i < size; i++) {
		struct driver_buf buf = { slots + (uint64_t)i * GUEST_SLOT, len };

		driver_put(&g->ring, &buf, 1, write, DRIVER_DIRECT);
		if (!packed)
			driver_show(&g->ring);
	}
	if (!packed) {
		g->ring.avail->idx = 0;
		g->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	for (unsigned int i = 0; packed && i < size; i++)
		g->ring.packed[i].flags = 0;
	g->len = len;
	g->flags = write ? VRING_DESC_F_WRITE : 0;
	g->offered = 0;
	g->mark = (struct vq_mark){ 0 };
	g->done = calloc(size, sizeof(*g->done));
	conf = (struct vq_conf){
		.desc = g->ring.desc, .driver = g->ring.driver, .device = g->ring.device, .size = size,
		.features = 1ull << VIRTIO_NET_F_MRG_RXBUF |
			    (packed ? 1ull << VIRTIO_F_RING_PACKED : 0),
		.avail_next = packed ? 0x8000 : 0, .mem = &g->gmem, .call_fd = -1,
		.done = g->done, .mark = &g->mark,
	};
	if (!vq_init(&g->vq, &conf))
		abort();
}

/* The driver offers @n buffers; that it wrote their addresses before is all it saves. */
static inline void guest_send(struct guest *g, unsigned int n)
{
	if (!g->ring.is_packed) {
		g->ring.avail->idx = (uint16_t)(g->ring.avail->idx + n);
		return;
	}
	for (; n--; g->offered++) {
		struct vring_packed_desc *d = &g->ring.packed[g->offered % g->ring.size];
		bool odd = g->offered / g->ring.size % 2;

		d->len = g->len;
		d->flags = (uint16_t)(g->flags | 1u << (odd ? VRING_PACKED_DESC_F_USED :
							      VRING_PACKED_DESC_F_AVAIL));
	}
}

/* A receiver is done with all it got so far, at once. */
static inline void guest_refill(struct guest *g)
{
	uint32_t used;

	if (!g->ring.is_packed) {
		g->ring.avail->idx =
			(uint16_t)(*(volatile uint16_t *)&g->ring.used->idx + g->ring.size);
		return;
	}
	used = g->offered - g->offered % g->ring.size + (g->vq.published & 0x7fffu);
	if (used > g->offered)
		used -= g->ring.size;
	guest_send(g, used + g->ring.size - g->offered);
}

#endif
