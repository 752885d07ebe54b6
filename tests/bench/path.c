/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame costs from ring to ring: two guests in this process, one core, the
 * worker's steps and nothing of the driver timed. Everything is in the cache, so
 * this is the cost of our instructions; `vhost` measures with caches between.
 *
 *	path [--size N] [--burst N] [--no-veb]        prints JSON
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#include "lib/driver.h"
#include "sw/vq.h"
#include "veb/snap.h"

#define RING 1024
#define SLOT (2048 + 192) /* not all in the same cache sets */
#define ROUNDS 20000
#define MERGEABLE (1ull << VIRTIO_NET_F_MRG_RXBUF)

static struct driver_mem mem;
static struct gmem gmem;
static struct port_burst burst;
static struct port_item items[PORT_BATCH];
static struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
static uint8_t scratch[PORT_SCRATCH];
static uint64_t costs[ROUNDS];

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void ring_open(struct driver_ring *r, struct vq *v, uint32_t len, bool write)
{
	struct vq_conf conf;

	driver_ring_init(r, &mem, RING);
	for (unsigned int i = 0; i < RING; i++) {
		struct driver_buf buf = { driver_alloc(&mem, SLOT, 64), len };
		uint8_t eth[14] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0 };

		memcpy((uint8_t *)buf.at + VQ_HDR_LEN, eth, sizeof(eth));
		driver_add(r, &buf, 1, write, DRIVER_DIRECT);
	}
	r->avail->idx = 0;
	r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	conf = (struct vq_conf){ r->desc, r->avail, r->used, RING, 0, 0, MERGEABLE, &gmem, -1 };
	if (!vq_init(v, &conf))
		abort();
}

static struct veb_snap *snap_make(void)
{
	struct veb_port *ports[2];
	struct veb_snap *snap = NULL;
	struct err e = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		struct mac mac = { { 2, 0, 0, 0, 0, (uint8_t)(i + 1) } };
		struct veb_port_conf conf = { .id = (uint16_t)i, .kind = VEB_VF, .mtu = 9000,
					      .flags = VEB_LINK_UP | VEB_SPOOFCHK, .n_macs = 1,
					      .macs = &mac };

		ports[i] = veb_port_new(&conf);
	}
	if (veb_snap_build(ports, 2, 0, &snap, &e))
		abort();
	return snap;
}

/* The worker's turn; returns TSC ticks. */
static uint64_t turn(struct vq *tx, struct vq *rx, const struct veb_snap *snap, struct veb_out *out,
		     struct vf_stats *stats, unsigned int n)
{
	struct port_batch b = { .items = items, .stats = &stats[1], .mirrors = mirrors,
				.scratch = scratch };
	uint64_t start = __rdtsc();

	burst.max = n;
	burst.max_bytes = UINT32_MAX;
	burst.n = burst.n_segs = 0;
	vq_take(tx, &burst);
	if (snap) {
		veb_forward(snap, 0, burst.frames, burst.n, out);
		for (uint16_t i = out->bins[1].head; i != VEB_END; i = out->nodes[i].next)
			items[b.n++] = (struct port_item){ &burst.frames[out->nodes[i].frame],
							   { out->nodes[i].tags[0],
							     out->nodes[i].tags[1] },
							   out->nodes[i].mirror,
							   out->nodes[i].n };
		veb_out_reset(out);
	} else {
		items[b.n++] = (struct port_item){ burst.frames, { 0, 0 }, 0, (uint16_t)burst.n };
	}
	vq_deliver(rx, &b);
	vq_give_back(tx);
	return __rdtsc() - start;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "size", 1, NULL, 's' }, { "burst", 1, NULL, 'b' },
						 { "no-veb", 0, NULL, 'n' }, { 0 } };
	struct vf_stats *stats = calloc(VEB_PORTS_MAX, sizeof(*stats));
	unsigned int size = 64, n = PORT_BURST;
	struct driver_ring rings[2];
	struct veb_snap *snap;
	struct veb_out *out;
	struct vq tx, rx;
	bool veb = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			size = (unsigned int)atoi(optarg);
		else if (c == 'b')
			n = (unsigned int)atoi(optarg);
		else if (c == 'n')
			veb = false;
		else
			return 2;
	}
	if (size < 60 || size > SLOT - VQ_HDR_LEN || n < 1 || n > PORT_BURST || !stats)
		return 2;
	mem = (struct driver_mem){ aligned_alloc(4096, 8u << 20), 8u << 20, 0 };
	gmem = (struct gmem){ 1, { { DRIVER_GPA, mem.size, mem.base } } };
	ring_open(&rings[0], &tx, VQ_HDR_LEN + size, false);
	ring_open(&rings[1], &rx, SLOT, true);
	snap = snap_make();
	out = veb_out_new(stats);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		rings[0].avail->idx = (uint16_t)(rings[0].avail->idx + n);
		rings[1].avail->idx = (uint16_t)(rings[1].used->idx + RING);
		costs[i] = turn(&tx, &rx, veb ? snap : NULL, out, stats, n);
	}
	qsort(costs, ROUNDS, sizeof(costs[0]), compare);
	printf("{\"bench\": \"path\", \"size\": %u, \"burst\": %u, \"veb\": %s, \"frames\": %lu, "
	       "\"tsc_per_frame_p10\": %.1f, \"tsc_per_frame_p50\": %.1f}\n",
	       size, n, veb ? "true" : "false", stats[1].rx_packets,
	       (double)costs[ROUNDS / 10] / n, (double)costs[ROUNDS / 2] / n);
	veb_out_free(out);
	veb_snap_free(snap);
	free(mem.base);
	free(stats);
	return 0;
}
