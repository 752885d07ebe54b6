/* SPDX-License-Identifier: Apache-2.0 */
/* Guests in this process, a ring each: the driver's work is a store of an index, and not timed. */
#ifndef ANYVF_TESTS_BENCH_GUEST_H
#define ANYVF_TESTS_BENCH_GUEST_H

#include <linux/virtio_config.h>

#include "lib/driver.h"
#include "sw/vhost/vq.h"

#define GUEST_SLOT (2048 + 192) /* bytes of a buffer: not all in the same cache sets */
#define GUEST_PAGE 4096

struct guest {
	struct gmem gmem;
	struct driver_ring ring;
	struct vq vq;
	uint32_t len;	  /* packed: of each descriptor, */
	uint16_t flags;	  /* and its kind, */
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

/* The @n buffers of a ring: the first @len bytes of each @slot bytes from @at on. */
struct guest_bufs {
	uint8_t *at;
	uint32_t n, slot, len;
};

/* The Ethernet header in a buffer. */
static inline uint8_t *guest_frame(const struct guest_bufs *bufs, unsigned int i)
{
	return bufs->at + (uint64_t)i * bufs->slot + VQ_HDR_LEN;
}

/* A buffer as a kernel's driver offers it: long ones as a table of pages. */
static inline void guest_put(struct driver_ring *ring, uint8_t *at, uint32_t len, bool write)
{
	struct driver_buf pages[DRIVER_TABLE];
	unsigned int n = 0;

	for (uint32_t part; len; at += part, len -= part) {
		part = MIN(len, (uint32_t)GUEST_PAGE);
		pages[n++] = (struct driver_buf){ at, part };
	}
	driver_put(ring, pages, n, write, n > 1 ? DRIVER_INDIRECT : DRIVER_DIRECT);
}

/*
 * A ring for @bufs, all known to it and none offered yet. Ring and buffers are in @mem, which may
 * be that of other guests as well.
 */
static inline void guest_open(struct guest *g, struct driver_mem *mem,
			      const struct guest_bufs *bufs, bool write, bool packed)
{
	uint32_t size = bufs->n;
	struct vq_conf conf;

	g->gmem = (struct gmem){ 1, { { DRIVER_GPA, mem->size, mem->base } } };
	if (packed)
		driver_ring_init_packed(&g->ring, mem, size);
	else
		driver_ring_init(&g->ring, mem, size);
	for (unsigned int i = 0; i < size; i++) {
		guest_put(&g->ring, bufs->at + (uint64_t)i * bufs->slot, bufs->len, write);
		if (!packed)
			driver_show(&g->ring);
	}
	if (!packed) {
		g->ring.avail->idx = 0;
		g->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	if (packed) {
		g->len = g->ring.packed[0].len;
		g->flags = g->ring.head_flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);
		for (unsigned int i = 0; i < size; i++)
			g->ring.packed[i].flags = 0;
	}
	g->offered = 0;
	g->mark = (struct vq_mark){ 0 };
	g->done = calloc(size, sizeof(*g->done));
	conf = (struct vq_conf){
		.desc = g->ring.desc, .driver = g->ring.driver, .device = g->ring.device, .size = size,
		.features = 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_GUEST_CSUM |
			    1ull << VIRTIO_NET_F_GUEST_TSO4 |
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
