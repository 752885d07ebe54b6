/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame costs from ring to ring: guests in this process, the worker's steps and
 * nothing of the driver timed. Everything is in the cache, so this is the cost of our
 * instructions; `vhost` measures with caches between.
 *
 *	path [--size N] [--burst N] [--no-veb] [--packed] [--workers N] [--shared]
 *	     [--mirrors N] [--stalled] [--tagged] [--further] [--wire] [--rounds N]     prints JSON
 *	     [--queues N] [--flows N [--train N]]
 *	path --size 65226 --memcpy
 *
 * Each worker has a sending guest of its own, and a receiving one; --shared: all deliver to the
 * same. Mfps is the sum over all workers in the time from the first start to the last end; cpu_ns
 * is the workers' CPU time, the drivers' steps and what they wait for one another included.
 * Frames longer than a slot are a kernel guest's: tables of pages, received into mergeable pages.
 * --mirrors: of what the first worker's sender sends so many further guests get copies, at the
 * frame's cost; --stalled: they never refill their rings.
 * --tagged: frames carry a VLAN tag of the guest's own, and all ports hear any tag.
 * --further: they come from an address that is not their sender's first; --wire: they are for
 * nobody, and so for the uplink.
 * --queues: each receiver has so many receive rings, and flows are spread over them; --flows: each
 * sender has so many, UDP over IPv4, of which --train frames follow each other, or 1.
 * --memcpy: every other stretch of rounds is memcpy() of the same frames to the same buffers, and
 * the two are compared.
 */
#include <assert.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "bench.h"
#include "guest.h"
#include "sw/data/waits.h"
#include "sw/vhost/vhost_priv.h"
#include "veb/snap.h"

#define RING	    1024
#define RING_LONG   64 /* of frames longer than a slot */
#define ROUNDS	    200000
#define STRETCH	    1000 /* rounds of one kind, with --memcpy */
#define WORKERS_MAX 16
#define MIRRORS_MAX 4
#define QUEUES_MAX  8

/* A worker, its sender, and whom it delivers to. */
struct lane {
	unsigned int id;
	pthread_t thread;
	struct guest tx, rx[QUEUES_MAX];
	struct guest_bufs tx_bufs, rx_bufs[QUEUES_MAX];
	struct vhost_port vp; /* with --queues: the receiver, with vq of rx[] in its rings */
	struct lane *to;      /* whose receiver gets what this one sends */
	unsigned int copied, filled; /* frames and buffers of turn_memcpy() */
	struct port_queue waits; /* counts as the source of a worker does */
	struct vf_stats *stats;
	struct veb_out *out;
	struct port_burst burst;
	struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
	struct loss_slot losses[DROP_N];
	uint8_t scratch[PORT_SCRATCH];
	uint64_t costs[ROUNDS];
	struct timespec start, end, cpu; /* cpu: time of the thread, without setting up */
};

static struct lane lanes[WORKERS_MAX];
static struct guest watchers[MIRRORS_MAX]; /* their ports follow those of the lanes */
static struct guest_bufs watcher_bufs[MIRRORS_MAX];
static unsigned int n_watchers;
static bool stalled, tagged, further, wire;
static unsigned int n_queues, n_flows, train = 1;
static unsigned int n_lanes = 1, burst_len = PORT_BURST, size = 64, rounds = ROUNDS;
static struct veb_snap *snap;
static bool veb = true, packed, beside_memcpy;
static pthread_barrier_t barrier;

static struct mac mac_of(unsigned int port)
{
	return (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)(port + 1) } };
}

/* Headers of UDP over IPv4. */
static void flow_write(uint8_t *ip, unsigned int flow)
{
	static const uint8_t head[22] = { 0x45, [2] = 0, 46, [8] = 64, 17, [12] = 10, 0, 0, 1, 10, 0, 0, 2 };

	memcpy(ip, head, sizeof(head));
	ip[20] = (uint8_t)(flow >> 8);
	ip[21] = (uint8_t)flow;
}

/* A guest with memory of its own; the frames of a sender go from @src to @dst. */
static void guest_make(struct guest *g, struct guest_bufs *bufs, bool write, struct mac dst,
		       struct mac src)
{
	static const struct virtio_net_hdr tso = {
		VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, .hdr_len = 54, .gso_size = 1448,
		.csum_start = 34, .csum_offset = 16,
	};
	struct driver_mem *mem = malloc(sizeof(*mem));
	uint64_t huge = 2u << 20, need = (uint64_t)bufs->n * (bufs->slot + GUEST_PAGE);

	*mem = guest_memory((need + huge) / huge * huge);
	bufs->at = driver_alloc(mem, (uint64_t)bufs->n * bufs->slot, 64);
	for (unsigned int i = 0; i < bufs->n; i++) {
		uint8_t *eth = guest_frame(bufs, i);

		memcpy(eth, &dst, MAC_LEN);
		memcpy(eth + MAC_LEN, &src, MAC_LEN);
		memcpy(eth + 12, tagged ? "\x81\x00\x00\x0a\x08" : "\x08", tagged ? 5 : 1);
		if (n_flows)
			flow_write(eth + FRAME_HDR_LEN + (tagged ? FRAME_TAG_LEN : 0),
				   src.b[5] * n_flows + i / train % n_flows);
		if (bufs->len > GUEST_SLOT)
			memcpy(eth - VQ_HDR_LEN, &tso, sizeof(tso));
	}
	guest_open(g, mem, bufs, write, packed);
}

/* With --queues a port of the switch, as vhost.c would have it. */
static void receiver_make(struct lane *l)
{
	l->vp.n_rx = n_queues;
	for (unsigned int k = 0; k < MAX(n_queues, 1u); k++) {
		struct vhost_ring *r = aligned_alloc(64, (sizeof(*r) + 63) & ~63ul);

		l->rx_bufs[k] = l->rx_bufs[0];
		guest_make(&l->rx[k], &l->rx_bufs[k], true, mac_of(0), mac_of(0));
		*r = (struct vhost_ring){ .src = { .running = true }, .ring = l->rx[k].vq };
		l->vp.rings[2 * k] = r;
	}
}

static void snap_make(void)
{
	struct veb_port *ports[2 * WORKERS_MAX + MIRRORS_MAX];
	struct veb_mirror mirrors[MIRRORS_MAX];
	unsigned int n = 2 * n_lanes + n_watchers;
	struct err e = { 0 };

	for (uint16_t i = 0; i < n_watchers; i++)
		mirrors[i] = (struct veb_mirror){ .to = (uint16_t)(2 * n_lanes + i), .slot = i };
	for (unsigned int i = 0; i < n; i++) {
		struct mac macs[] = { mac_of(further ? i + 100 : i), mac_of(i) };
		struct veb_port_conf conf = { .id = (uint16_t)i, .mtu = 9000,
					      .kind = wire && i == 1 ? VEB_UPLINK : VEB_VF,
					      .flags = VEB_LINK_UP | VEB_SPOOFCHK |
						       (tagged ? VEB_TRUNK_ANY : 0),
					      .n_macs = wire && i == 1 ? 0 : 1 + further,
					      .macs = macs, .out = mirrors,
					      .n_out = i ? 0 : n_watchers };

		ports[i] = veb_port_new(&conf);
	}
	if (veb_snap_build(ports, n, 0, &snap, &e))
		abort();
}

/* What the burst has for one port. */
static void deliver(struct lane *l, struct port_batch *b, struct port_item *items, uint16_t to)
{
	struct guest *g = to < 2 * n_lanes ? l->to->rx : &watchers[to - 2 * n_lanes];

	b->n = 0;
	b->stats = &l->stats[to];
	for (uint16_t i = l->out->bins[to].head; i != VEB_END; i = l->out->nodes[i].next) {
		const struct veb_node *node = &l->out->nodes[i];

		items[b->n++] = (struct port_item){ &l->burst.frames[node->frame],
						    { node->tags[0], node->tags[1] },
						    node->mirror, node->n };
	}
	if (n_queues && to < 2 * n_lanes)
		vhost_tx(&l->to->vp.port, b);
	else
		vq_deliver(&g->vq, b);
}

/* The worker's turn; returns TSC ticks. tests/bench/instructions counts what runs in it. */
static __attribute__((noinline)) uint64_t turn(struct lane *l)
{
	struct port_item items[PORT_BATCH];
	unsigned int from = 2 * l->id, to = 2 * l->to->id + 1;
	struct port_batch b = { .items = items, .stats = &l->stats[to], .mirrors = l->mirrors,
				.losses = l->losses, .scratch = l->scratch };
	uint64_t start = __rdtsc();

	l->burst.max = burst_len;
	l->burst.max_bytes = UINT32_MAX;
	l->burst.n = l->burst.n_segs = 0;
	vq_take(&l->tx.vq, &l->burst);
	if (veb) {
		veb_forward(snap, (uint16_t)from, l->burst.frames, l->burst.n, l->out);
		assert(l->out->n_used == 1 + (from ? 0 : n_watchers));
		for (unsigned int u = 0; u < l->out->n_used; u++)
			deliver(l, &b, items, l->out->used[u]);
		veb_out_reset(l->out);
	} else {
		items[b.n++] = (struct port_item){ l->burst.frames, { 0, 0 }, 0,
						   (uint16_t)l->burst.n };
		vq_deliver(&l->to->rx->vq, &b);
	}
	if (wait_due(&l->waits, l->burst.n))
		wait_take(&l->waits, &l->stats[from], __rdtsc(), 1000000000);
	l->waits.empty_at = start;
	vq_give_back(&l->tx.vq);
	return __rdtsc() - start;
}

/* What turn() would copy, and nothing else. */
static uint64_t turn_memcpy(struct lane *l)
{
	const struct guest_bufs *tx = &l->tx_bufs, *rx = l->rx_bufs;
	uint64_t start = __rdtsc();

	for (unsigned int i = 0; i < burst_len; i++, l->copied++) {
		const uint8_t *from = tx->at + (uint64_t)(l->copied % tx->n) * tx->slot;

		for (uint32_t done = 0, part; done < tx->len; done += part) {
			part = MIN(tx->len - done, rx->len);
			memcpy(rx->at + (uint64_t)(l->filled++ % rx->n) * rx->slot, from + done, part);
		}
	}
	return __rdtsc() - start;
}

static void *lane_run(void *arg)
{
	struct lane *l = arg;
	struct timespec before;

	pthread_barrier_wait(&barrier);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	clock_gettime(CLOCK_MONOTONIC, &l->start);
	for (unsigned int i = 0; i < rounds; i++) {
		if (beside_memcpy && i / STRETCH % 2) {
			l->costs[i] = turn_memcpy(l);
			continue;
		}
		guest_send(&l->tx, burst_len);
		for (unsigned int k = 0; k < MAX(n_queues, 1u); k++)
			guest_refill(&l->to->rx[k]);
		for (unsigned int k = 0; k < n_watchers && !stalled; k++)
			guest_refill(&watchers[k]);
		l->costs[i] = turn(l);
	}
	clock_gettime(CLOCK_MONOTONIC, &l->end);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &l->cpu);
	l->cpu.tv_sec -= before.tv_sec;
	l->cpu.tv_nsec -= before.tv_nsec;
	return NULL;
}

static double seconds(const struct timespec *t)
{
	return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static uint64_t median(uint64_t *costs, unsigned int n)
{
	qsort(costs, n, sizeof(*costs), compare_u64);
	return costs[n / 2];
}

/* Neighbouring stretches are compared, for the machine's pace changes. */
static void report_beside(void)
{
	enum { n = ROUNDS / STRETCH / 2 };
	double ratios[n], ticks[2] = { 0, 0 };

	for (unsigned int i = 0; i < n; i++) {
		uint64_t *at = &lanes[0].costs[2 * i * STRETCH];
		double path = (double)median(at, STRETCH);
		double plain = (double)median(at + STRETCH, STRETCH);

		ratios[i] = plain / path;
		ticks[0] += path / burst_len / n;
		ticks[1] += plain / burst_len / n;
	}
	qsort(ratios, n, sizeof(ratios[0]), compare_double);
	printf("{\"bench\": \"path\", \"size\": %u, \"burst\": %u, \"packed\": %s, "
	       "\"tsc_per_frame\": %.0f, \"tsc_memcpy\": %.0f, \"stretches\": %u, "
	       "\"to_memcpy_p10\": %.3f, \"to_memcpy_p50\": %.3f, \"to_memcpy_p90\": %.3f}\n",
	       size, burst_len, packed ? "true" : "false", ticks[0], ticks[1], n, ratios[n / 10],
	       ratios[n / 2], ratios[n * 9 / 10]);
}

static void report(bool shared)
{
	double start = 1e300, end = 0, cpu = 0;
	uint64_t frames = 0;

	for (unsigned int i = 0; i < n_lanes; i++) {
		start = MIN(start, seconds(&lanes[i].start));
		end = MAX(end, seconds(&lanes[i].end));
		cpu += seconds(&lanes[i].cpu);
		for (unsigned int p = 0; p < 2 * n_lanes; p++)
			frames += lanes[i].stats[p].rx_packets;
	}
	if (beside_memcpy) {
		report_beside();
		return;
	}
	qsort(lanes[0].costs, rounds, sizeof(lanes[0].costs[0]), compare_u64);
	printf("{\"bench\": \"path\", \"size\": %u, \"burst\": %u, \"veb\": %s, \"packed\": %s, "
	       "\"workers\": %u, "
	       "\"shared\": %s, \"queues\": %u, \"flows\": %u, \"frames\": %lu, \"tsc_per_frame_p10\": %.1f, "
	       "\"tsc_per_frame_p50\": %.1f, \"cpu_ns_per_frame\": %.1f, \"mfps\": %.2f}\n",
	       size, burst_len, veb ? "true" : "false", packed ? "true" : "false", n_lanes,
	       shared ? "true" : "false", n_queues, n_flows, frames,
	       (double)lanes[0].costs[rounds / 10] / burst_len,
	       (double)lanes[0].costs[rounds / 2] / burst_len, cpu / (double)frames * 1e9,
	       (double)frames / (end - start) / 1e6);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "size", 1, NULL, 's' }, { "burst", 1, NULL, 'b' },
						 { "no-veb", 0, NULL, 'n' }, { "workers", 1, NULL, 'w' },
						 { "shared", 0, NULL, 'S' },
						 { "packed", 0, NULL, 'p' },
						 { "mirrors", 1, NULL, 'M' },
						 { "stalled", 0, NULL, 'd' },
						 { "tagged", 0, NULL, 't' },
						 { "further", 0, NULL, 'f' }, { "wire", 0, NULL, 'W' },
						 { "queues", 1, NULL, 'q' }, { "flows", 1, NULL, 'F' },
						 { "train", 1, NULL, 'T' },
						 { "memcpy", 0, NULL, 'm' },
						 { "rounds", 1, NULL, 'r' }, { 0 } };
	bool shared = false, is_long;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': size = (unsigned int)atoi(optarg); break;
		case 'b': burst_len = (unsigned int)atoi(optarg); break;
		case 'w': n_lanes = (unsigned int)atoi(optarg); break;
		case 'n': veb = false; break;
		case 'S': shared = true; break;
		case 'p': packed = true; break;
		case 'M': n_watchers = (unsigned int)atoi(optarg); break;
		case 't': tagged = true; break;
		case 'f': further = true; break;
		case 'W': wire = true; break;
		case 'q': n_queues = (unsigned int)atoi(optarg); break;
		case 'F': n_flows = (unsigned int)atoi(optarg); break;
		case 'T': train = (unsigned int)atoi(optarg); break;
		case 'd': stalled = true; break;
		case 'r': rounds = (unsigned int)atoi(optarg); break;
		case 'm': beside_memcpy = true; break;
		default: return 2;
		}
	}
	is_long = size > GUEST_SLOT - VQ_HDR_LEN;
	if (is_long) /* so that a burst's pages fit the receiver's ring */
		burst_len = MIN(burst_len, RING_LONG / 16u);
	if (size < 60 || size > FRAME_LEN_MAX || burst_len < 1 || burst_len > PORT_BURST ||
	    n_lanes < 1 || n_lanes > WORKERS_MAX || (packed && (shared || n_queues)) ||
	    n_queues > (veb ? QUEUES_MAX : 0) || train < 1 ||
	    n_watchers > (veb ? MIRRORS_MAX : 0) ||
	    (beside_memcpy && (n_lanes > 1 || rounds != ROUNDS)) || rounds < 1 || rounds > ROUNDS)
		return 2;
	snap_make();
	pthread_barrier_init(&barrier, NULL, n_lanes);
	for (unsigned int i = 0; i < n_lanes; i++) {
		struct lane *l = &lanes[i];

		l->id = i;
		l->to = shared ? lanes : l;
		l->stats = calloc(VEB_PORTS_MAX, sizeof(*l->stats));
		l->out = veb_out_new(l->stats);
		l->tx_bufs = (struct guest_bufs){ .n = RING, .slot = GUEST_SLOT, .len = VQ_HDR_LEN + size };
		l->rx_bufs[0] = (struct guest_bufs){ .n = RING, .slot = GUEST_SLOT, .len = GUEST_SLOT };
		if (is_long) {
			l->tx_bufs.n = RING_LONG;
			l->tx_bufs.slot = VQ_HDR_LEN + size + 64;
			l->rx_bufs[0].slot = l->rx_bufs[0].len = GUEST_PAGE;
		}
		guest_make(&l->tx, &l->tx_bufs, false, mac_of(shared ? 1 : 2 * i + 1),
			   mac_of(2 * i));
		receiver_make(l);
	}
	for (unsigned int i = 0; i < n_watchers; i++) {
		watcher_bufs[i] = lanes[0].rx_bufs[0];
		guest_make(&watchers[i], &watcher_bufs[i], true, mac_of(0), mac_of(0));
	}
	for (unsigned int i = 0; i < n_lanes; i++)
		pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]);
	for (unsigned int i = 0; i < n_lanes; i++)
		pthread_join(lanes[i].thread, NULL);
	report(shared);
	veb_snap_free(snap);
	return 0;
}
