/* SPDX-License-Identifier: Apache-2.0 */
/* Two guests in one process with a ring each, one sends to the other: for the tests of rings. */
#ifndef ANYVF_TESTS_VQ_GUEST_H
#define ANYVF_TESTS_VQ_GUEST_H

#include "unit.h"

#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "lib/driver.h"
#include "sw/vhost/vq_priv.h"

#define RING 64
#define MEM (1u << 20)
#define WRAP 0x8000u /* in a position of a packed ring */
#define INDEX 0x7fffu
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define MERGEABLE (1ull << VIRTIO_NET_F_MRG_RXBUF)
#define ALL_OFFLOADS                                                                               \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                        \
	 1ull << VIRTIO_NET_F_GUEST_TSO6)

struct guest {
	struct driver_mem mem;
	struct driver_ring ring;
	struct gmem gmem;
	struct vq vq;
	struct vq_conf conf;
	struct vq_mark mark;
	uint64_t *done; /* conf.size of them */
};

static bool packed;	  /* the layout of this run */
static struct guest a, b; /* a sends, b receives */
static struct port_burst burst;
static struct vf_stats stats;
static struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
static uint8_t scratch[PORT_SCRATCH];

static inline void guest_init_sized(struct guest *g, uint64_t features, uint32_t size)
{
	static uint8_t *memory[2]; /* for good: to map it anew costs more than the tests */
	uint8_t **mem = &memory[g == &b];

	memset(g, 0, sizeof(*g));
	*mem = *mem ? *mem : malloc(MEM);
	g->mem = (struct driver_mem){ *mem, MEM, 0 };
	g->done = calloc(size, sizeof(*g->done));
	if (packed)
		driver_ring_init_packed(&g->ring, &g->mem, size);
	else
		driver_ring_init(&g->ring, &g->mem, size);
	g->ring.event_idx = features & EVENT_IDX;
	g->gmem.n = 1;
	g->gmem.regions[0] = (struct gmem_region){ DRIVER_GPA, MEM, g->mem.base };
	g->conf = (struct vq_conf){
		.desc = g->ring.desc, .driver = g->ring.driver, .device = g->ring.device, .size = size,
		.avail_next = packed ? WRAP : 0, .mem = &g->gmem, .call_fd = -1,
		.features = features | (packed ? PACKED : 0), .done = g->done, .mark = &g->mark,
	};
	assert_true(vq_init(&g->vq, &g->conf));
}
static inline void guest_init(struct guest *g, uint64_t features)
{
	guest_init_sized(g, features, RING);
}

/* Chains that went back to the driver. */
static inline unsigned int n_used(const struct guest *g)
{
	return driver_used_pos(&g->ring) & INDEX;
}

/* What the device wrote into the next chain it gave back. */
static inline uint32_t used_len(struct guest *g)
{
	uint32_t head, len;

	assert_true(driver_pop(&g->ring, &head, &len));
	return len;
}

static inline void guest_fini(struct guest *g)
{
	driver_ring_fini(&g->ring);
	free(g->done);
}

static inline int setup(void **state)
{
	guest_init(&a, 0);
	guest_init(&b, MERGEABLE | ALL_OFFLOADS);
	memset(&stats, 0, sizeof(stats));
	memset(mirrors, 0, sizeof(mirrors));
	return 0;
}

static inline int teardown(void **state)
{
	guest_fini(&a);
	guest_fini(&b);
	return 0;
}

static inline unsigned int take_burst(void)
{
	burst.max = PORT_BURST;
	burst.max_bytes = UINT32_MAX;
	burst.n = burst.n_segs = 0;
	burst.more = false;
	memset(burst.drops, 0, sizeof(burst.drops));
	return vq_take(&a.vq, &burst);
}

/* What the worker does, with one destination; @tag goes in at delivery. */
static inline void forward(uint32_t tag)
{
	unsigned int n = take_burst(), first = n / 3;
	struct port_item items[] = { { burst.frames, { tag, 0 }, 0, (uint16_t)first },
				     { burst.frames + first, { tag, 0 }, 0, (uint16_t)(n - first) } };
	struct port_batch batch = { .items = first ? items : items + 1, .n = !!n + !!first,
				    .stats = &stats, .mirrors = mirrors, .scratch = scratch };

	vq_deliver(&b.vq, &batch);
	vq_give_back(&a.vq);
}

/* A frame of @len bytes behind a virtio-net header, a pattern in its payload. */
static inline uint8_t *frame_make(struct driver_mem *mem, uint32_t len)
{
	uint8_t *p = driver_alloc(mem, 12 + len, 1);

	for (uint32_t i = 0; i < len; i++)
		p[12 + i] = (uint8_t)(i * 7 + 1);
	p[12 + 12] = 0x08;
	p[12 + 13] = 0x00;
	return p;
}

/* Offer @bytes cut into pieces of at most @piece. Returns what driver_pop() will call it. */
static inline unsigned int offer(struct driver_ring *r, uint8_t *bytes, uint32_t len, uint32_t piece, bool write,
		  enum driver_how how)
{
	struct driver_buf bufs[RING];
	unsigned int n = 0;
	int at;

	for (uint32_t done = 0; done < len; done += piece)
		bufs[n++] = (struct driver_buf){ bytes + done, MIN(piece, len - done) };
	at = driver_add(r, bufs, n, write, how);
	assert_true(at >= 0);
	return (unsigned int)at;
}

#endif
