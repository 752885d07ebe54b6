/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the switching rules cost: veb_forward() and the walk over its chains,
 * without rings and copies. Prints JSON; the best of many short rounds, because
 * the machine is shared. Usage: bench_fwd [--frames N]
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "veb/veb.h"

#define BURST  128
#define BURSTS 64 /* different bursts in turn, 512 kB of frames: not all in the first cache */
#define ROUNDS 400
#define MACS   40 /* addresses of each VF */

static struct vf_stats stats[VEB_PORTS_MAX];
static struct frame frames[BURSTS][BURST];

static struct mac mac_of(unsigned int vf, unsigned int i)
{
	return (struct mac){ { 2, 0, 0, (uint8_t)i, (uint8_t)(vf >> 8), (uint8_t)vf } };
}

static struct veb_snap *snap_of(unsigned int n_vfs)
{
	struct veb_port *ports[VF_MAX + 1];
	struct veb_snap *snap = NULL;
	struct mac macs[MACS];

	for (unsigned int i = 0; i <= n_vfs; i++) {
		for (unsigned int k = 0; k < MACS; k++)
			macs[k] = mac_of(i, k);
		ports[i] = veb_port_new(&(struct veb_port_conf){
			.id = (uint16_t)i,
			.kind = i == n_vfs ? VEB_UPLINK : VEB_VF,
			.flags = VEB_LINK_UP | VEB_SPOOFCHK,
			.mtu = 1500,
			.n_macs = i == n_vfs ? 0 : MACS,
			.macs = macs,
		});
	}
	veb_snap_build(ports, n_vfs + 1, 0, &snap, NULL);
	for (unsigned int i = 0; i <= n_vfs; i++)
		veb_port_put(ports[i]);
	return snap;
}

static void frames_fill(unsigned int n_vfs, bool many_macs)
{
	for (unsigned int b = 0; b < BURSTS; b++)
		for (unsigned int i = 0; i < BURST; i++)
			frames[b][i] = (struct frame){
				.dst = mac_of(1 + (unsigned int)rand() % (n_vfs - 1),
					      many_macs ? (unsigned int)rand() % MACS : 0),
				.src = mac_of(0, 0),
				.len = 60,
			};
}

/*
 * Cycles a frame: decide, then visit each chain as a sink does. tests/bench/instructions counts
 * what runs in it.
 */
static __attribute__((noinline)) double run(const struct veb_snap *snap, struct veb_out *out, unsigned int n_frames)
{
	uint64_t start = __rdtsc(), seen = 0;

	for (unsigned int done = 0, b = 0; done < n_frames; done += BURST, b = (b + 1) % BURSTS) {
		veb_forward(snap, 0, frames[b], BURST, out);
		for (unsigned int u = 0; u < out->n_used; u++)
			for (unsigned int at = out->bins[out->used[u]].head; at != VEB_END;
			     at = out->nodes[at].next)
				for (unsigned int k = 0; k < out->nodes[at].n; k++)
					seen += frames[b][out->nodes[at].frame + k].len;
		veb_out_reset(out);
	}
	assert(seen == (uint64_t)n_frames * 60);
	return (double)(__rdtsc() - start) / n_frames;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* TSC ticks a nanosecond, over 50 ms. */
static double tsc_ghz(void)
{
	double from = now_s(), to;
	uint64_t start = __rdtsc();

	while ((to = now_s()) < from + 0.05)
		;
	return (double)(__rdtsc() - start) / ((to - from) * 1e9);
}

int main(int argc, char **argv)
{
	static const unsigned int sizes[] = { 2, 16, 64, 256 };
	unsigned int n_frames = argc == 3 ? (unsigned int)atoi(argv[2]) : 32768;
	auto_of(veb_out_free) struct veb_out *out = veb_out_new(stats);
	double ghz = tsc_ghz();

	n_frames -= n_frames % BURST;
	printf("{\"bench\": \"fwd\", \"frames\": %u, \"runs\": %zu, \"tsc_ghz\": %.3f, \"results\": [",
	       n_frames, 2 * ARRAY_LEN(sizes) * ROUNDS, ghz);
	for (unsigned int i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		unsigned int n_vfs = sizes[i / 2];
		double build = now_s(), best = 1e9;
		auto_of(veb_snap_free) struct veb_snap *snap = snap_of(n_vfs);

		build = now_s() - build;
		frames_fill(n_vfs, i % 2);
		for (unsigned int r = 0; r < ROUNDS; r++)
			best = MIN(best, run(snap, out, n_frames));
		printf("%s\n  {\"vfs\": %u, \"addresses\": %u, \"cycles\": %.1f, \"ns\": %.1f, "
		       "\"build_ms\": %.2f}",
		       i ? "," : "", n_vfs, i % 2 ? MACS : 1, best, best / ghz, build * 1e3);
	}
	printf("]}\n");
	return 0;
}
