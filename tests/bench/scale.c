/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame costs from ring to ring with few and with many VFs, in one process as in path.c,
 * but every VF has its own rings and buffers, and a worker's whole turn is timed: several
 * destinations a burst. VFs send in turn. Run by tests/bench/scale; prints JSON.
 *
 *	scale [--rounds N] [--size N] [--huge]
 *
 * Settings are measured one after the other in each round, so that figures of a round may be
 * compared. More VFs have more memory, which costs whatever the switch does; so there are
 * settings with shorter rings for more VFs, BUFFERS on either side in all, and others
 * with rings of 256. Both touch the same pages, written anew for each.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "bench.h"
#include "guest.h"
#include "sw/data/deliver.h"
#include "sw/vhost/vhost_priv.h"
#include "veb/snap.h"

#define BUFFERS	   65536 /* a side, of all VFs together */
#define VFS	   256
#define MACS	   40
#define COPIES	   (4 * BUFFERS) /* timed a setting and round; a quarter of it warms up */
#define ROUNDS_MAX 1000
#define MEM	   (640ull << 20)

enum to {
	TRAINS,	   /* 32 frames to one VF, then to another */
	RANDOM,	   /* each to any */
	EVERYBODY, /* broadcasts */
};
static const char *const to_names[] = { "trains", "random", "broadcast" };

struct setting {
	unsigned int vfs, ring, macs, burst;
	enum to to;
};

static const struct setting settings[] = {
	/* as many buffers in all */
	{ 2, 32768, 1, 128, TRAINS },
	{ 16, 4096, 1, 128, TRAINS },
	{ 64, 1024, 1, 128, TRAINS },
	{ 256, 256, 1, 128, TRAINS },
	{ 256, 256, MACS, 128, TRAINS },
	{ 16, 4096, 1, 128, RANDOM },
	{ 64, 1024, 1, 128, RANDOM },
	{ 256, 256, 1, 128, RANDOM },
	{ 256, 256, MACS, 128, RANDOM },
	/* rings as long */
	{ 2, 256, 1, 128, TRAINS },
	{ 16, 256, 1, 128, TRAINS },
	{ 64, 256, 1, 128, TRAINS },
	{ 16, 256, 1, 128, RANDOM },
	{ 64, 256, 1, 128, RANDOM },
	/* one to all, and what a unicast costs there */
	{ 65, 256, 1, 128, TRAINS },
	{ 65, 256, 1, 128, EVERYBODY },
	{ 65, 256, 1, 1, TRAINS },
	{ 65, 256, 1, 1, EVERYBODY },
};

struct bench {
	const struct setting *set;
	struct veb_snap *snap;
	struct guest tx[VFS], rx[VFS];
	struct vhost_port *ports[VFS]; /* as vhost.c would have them, with the rings of rx[] */
	unsigned int from;	   /* who sends next */
	double cycles[ROUNDS_MAX]; /* a copy, by round */
};

static struct bench benches[ARRAY_LEN(settings)];
static uint8_t *tx_slots, *rx_slots;
static uint64_t costs[COPIES];
static unsigned int size = 64, rounds = 20;
static struct vf_stats stats[VEB_PORTS_MAX];
static struct loss_slot losses[VEB_PORTS_MAX * DROP_N];
static struct dp dp; /* its ports alone */
static struct dp_worker worker = { .dp = &dp, .stats = stats, .losses = losses };
static struct delivery delivery = { .shared = &worker };
static struct port_burst burst;
static uint16_t got[VEB_NODES_MAX]; /* who was delivered to in this turn */
static unsigned int n_got;

static struct mac mac_of(unsigned int vf, unsigned int i)
{
	return (struct mac){ { 2, 0, 0, (uint8_t)i, (uint8_t)(vf >> 8), (uint8_t)vf } };
}

static struct veb_snap *snap_of(const struct setting *set)
{
	struct veb_port *ports[VFS];
	struct veb_snap *snap = NULL;
	struct mac macs[MACS];

	for (unsigned int v = 0; v < set->vfs; v++) {
		for (unsigned int i = 0; i < set->macs; i++)
			macs[i] = mac_of(v, i);
		ports[v] = veb_port_new(&(struct veb_port_conf){
			.id = (uint16_t)v,
			.kind = VEB_VF,
			.mtu = 9000,
			.macs = macs,
			.n_macs = set->macs,
			.flags = VEB_LINK_UP | VEB_SPOOFCHK | VEB_ALLMULTI });
	}
	if (veb_snap_build(ports, set->vfs, 0, &snap, NULL))
		abort();
	for (unsigned int v = 0; v < set->vfs; v++)
		veb_port_put(ports[v]);
	return snap;
}

/* A VF's share of the buffers at @slots. */
static struct guest_bufs bufs_of(uint8_t *slots, const struct setting *set, unsigned int vf,
				 uint32_t len)
{
	return (struct guest_bufs){ slots + (uint64_t)vf * set->ring * GUEST_SLOT, set->ring,
				    GUEST_SLOT, len };
}

static struct vhost_port *port_of(struct guest *g, uint16_t id)
{
	struct vhost_port *vp = aligned_alloc(64, (sizeof(*vp) + 63) & ~63ul);
	struct vhost_ring *r = aligned_alloc(64, (sizeof(*r) + 63) & ~63ul);

	memset(vp, 0, sizeof(*vp));
	*r = (struct vhost_ring){ .ring = g->vq, .src.running = true };
	vp->port = (struct port){ .ops = &vhost_port_ops, .id = id };
	vp->mem = g->gmem;
	r->ring.mem = &vp->mem;
	vp->rings[0] = r;
	vp->n_rx = 1;
	return vp;
}

static void bench_open(struct bench *b, const struct setting *set, struct driver_mem *mem)
{
	b->set = set;
	b->snap = snap_of(set);
	for (unsigned int v = 0; v < set->vfs; v++) {
		struct guest_bufs tx = bufs_of(tx_slots, set, v, VQ_HDR_LEN + size);
		struct guest_bufs rx = bufs_of(rx_slots, set, v, GUEST_SLOT);

		guest_open(&b->tx[v], mem, &tx, false, false);
		guest_open(&b->rx[v], mem, &rx, true, false);
		b->ports[v] = port_of(&b->rx[v], (uint16_t)v);
	}
}

/* Some address of another VF than @vf. */
static struct mac mac_pick(const struct setting *set, unsigned int vf, unsigned int *seed)
{
	unsigned int other = (unsigned int)rand_r(seed) % (set->vfs - 1);

	return mac_of(other + (other >= vf), (unsigned int)rand_r(seed) % set->macs);
}

/* The buffers are shared by all settings: write this one's frames. */
static void frames_write(const struct setting *set)
{
	unsigned int seed = 1;
	struct mac dst = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

	for (unsigned int v = 0; v < set->vfs; v++) {
		struct guest_bufs bufs = bufs_of(tx_slots, set, v, VQ_HDR_LEN + size);
		struct mac src = mac_of(v, 0);

		for (unsigned int i = 0; i < set->ring; i++) {
			uint8_t *eth = guest_frame(&bufs, i);

			if (set->to == RANDOM || (set->to == TRAINS && i % 32 == 0))
				dst = mac_pick(set, v, &seed);
			memcpy(eth, &dst, MAC_LEN);
			memcpy(eth + MAC_LEN, &src, MAC_LEN);
			eth[12] = 0x08;
		}
	}
}

/* One turn; returns TSC ticks. */
static uint64_t turn(struct bench *b)
{
	unsigned int from = b->from++ % b->set->vfs;
	uint64_t start = __rdtsc();

	burst.max = b->set->burst;
	burst.max_bytes = UINT32_MAX;
	burst.n = burst.n_segs = 0;
	vq_take(&b->tx[from].vq, &burst);
	for (unsigned int done = 0; done < burst.n;) {
		const struct frame *frames = &burst.frames[done];

		done += veb_forward(b->snap, (uint16_t)from, frames, burst.n - done,
				    delivery.out);
		for (unsigned int u = 0; u < delivery.out->n_used; u++)
			got[n_got++] = delivery.out->used[u];
		deliver(&delivery, b->snap, frames);
	}
	vq_give_back(&b->tx[from].vq);
	return __rdtsc() - start;
}

/* The drivers' work before a turn: every receiver of the turn before has room again. */
static void drivers(struct bench *b)
{
	guest_send(&b->tx[b->from % b->set->vfs], b->set->burst);
	while (n_got)
		guest_refill(&b->rx[got[--n_got]]);
}

/* Cycles a copy: the median turn. */
static double measure(struct bench *b)
{
	unsigned int copies = b->set->burst * (b->set->to == EVERYBODY ? b->set->vfs - 1 : 1);
	unsigned int turns = COPIES / copies;

	frames_write(b->set);
	n_got = 0;
	for (unsigned int v = 0; v < b->set->vfs; v++) {
		guest_refill(&b->rx[v]);
		dp.ports[v] = &b->ports[v]->port;
	}
	for (unsigned int i = 0; i < turns + turns / 4; i++) {
		uint64_t cost;

		drivers(b);
		cost = turn(b);
		if (i >= turns / 4)
			costs[i - turns / 4] = cost;
	}
	qsort(costs, turns, sizeof(costs[0]), compare_u64);
	return (double)costs[turns / 2] / copies;
}

/* Guest memory a pass over all rings touches, in bytes. */
static uint64_t touched(const struct setting *set)
{
	uint64_t lines = (VQ_HDR_LEN + size + 63) / 64, ring = 16 + 2 + 8;

	return 2ull * set->vfs * set->ring * (lines * 64 + ring);
}

static void report(void)
{
	printf("{\"size\": %u, \"settings\": [", size);
	for (unsigned int i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];

		printf("%s\n{\"vfs\": %u, \"addresses\": %u, \"ring\": %u, \"burst\": %u, "
		       "\"to\": \"%s\", \"touched_kib\": %lu, \"cycles\": [",
		       i ? "," : "", s->vfs, s->vfs * s->macs, s->ring, s->burst, to_names[s->to],
		       touched(s) >> 10);
		for (unsigned int r = 0; r < rounds; r++)
			printf("%s%.2f", r ? ", " : "", benches[i].cycles[r]);
		printf("]}");
	}
	printf("]}\n");
}

/* Every frame is to arrive, or the figures are about something else. */
static void check(void)
{
	uint64_t lost = 0;

	for (unsigned int v = 0; v < VFS; v++)
		for (unsigned int d = 0; d < DROP_N; d++)
			lost += stats[v].drops[d] + stats[v].rx_drops[d];
	if (lost) {
		fprintf(stderr, "scale: %lu frames were dropped\n", lost);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "rounds", 1, NULL, 'r' },
						 { "size", 1, NULL, 's' },
						 { "huge", 0, NULL, 'h' },
						 { 0 } };
	struct driver_mem mem = guest_memory(MEM);
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			rounds = (unsigned int)atoi(optarg);
			break;
		case 's':
			size = (unsigned int)atoi(optarg);
			break;
		case 'h':
			madvise(mem.base, mem.size, MADV_HUGEPAGE);
			break;
		default:
			return 2;
		}
	}
	if (size < 60 || size > 1518 || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	delivery.out = veb_out_new(stats);
	tx_slots = driver_alloc(&mem, (uint64_t)BUFFERS * GUEST_SLOT, 64);
	rx_slots = driver_alloc(&mem, (uint64_t)BUFFERS * GUEST_SLOT, 64);
	for (unsigned int i = 0; i < ARRAY_LEN(settings); i++)
		bench_open(&benches[i], &settings[i], &mem);
	for (unsigned int r = 0; r < rounds; r++)
		for (unsigned int i = 0; i < ARRAY_LEN(settings); i++)
			benches[i].cycles[r] = measure(&benches[i]);
	check();
	report();
	return 0;
}
