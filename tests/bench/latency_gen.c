/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two guests that send one frame there and back: how long that takes, after a pause of the given
 * length. Both wait by polling, as a DPDK application in a guest would; who sends
 * kicks if the switch asked for it. Run by tests/bench/latency; prints JSON.
 *
 *	latency_gen CORE SAMPLES SOCKET0 SOCKET1 PAUSE_US
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "lib/vhost_fe.h"

#define SIZE	    64
#define HDR	    12
#define SAMPLES_MAX 100000

static double took_us[SAMPLES_MAX];

/* One frame from @a to @b, awaited without a system call. */
static void pass(struct fe *a, struct fe *b, const uint8_t *frame)
{
	const struct driver_ring *rx = fe_ring(b, 0);
	uint8_t got[2048];

	if (fe_send(a, 0, frame, HDR + SIZE, 0, false))
		exit(1);
	while (__atomic_load_n(&rx->used->idx, __ATOMIC_ACQUIRE) == rx->seen)
		;
	if (fe_recv(b, 0, got, sizeof(got), 0) != HDR + SIZE)
		exit(1);
}

static void measure(struct fe *a, struct fe *b, unsigned int n, uint64_t pause_us)
{
	static const uint8_t there[HDR + SIZE] = { [HDR] = 2,	   [HDR + 5] = 2,     [HDR + 6] = 2,
						   [HDR + 11] = 1, [HDR + 12] = 0x88, 0xb5 };
	static const uint8_t back[HDR + SIZE] = { [HDR] = 2,	  [HDR + 5] = 1,     [HDR + 6] = 2,
						  [HDR + 11] = 2, [HDR + 12] = 0x88, 0xb5 };

	for (unsigned int i = 0; i < n; i++) {
		uint64_t start = now_ns();

		if (pause_us >= 1000) /* long enough to let go of the core */
			nanosleep(&(struct timespec){ .tv_nsec = (long)(pause_us - 500) * 1000 },
				  NULL);
		while (now_ns() - start < pause_us * 1000)
			;
		start = now_ns();
		pass(a, b, there);
		pass(b, a, back);
		took_us[i] = (double)(now_ns() - start) / 1000;
	}
	qsort(took_us, n, sizeof(took_us[0]), compare_double);
	printf("{\"pause_us\": %lu, \"samples\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	       "\"max_us\": %.1f}\n",
	       pause_us, n, took_us[n / 2], took_us[n * 99 / 100], took_us[n - 1]);
}

int main(int argc, char **argv)
{
	struct fe *guests[2];
	unsigned int samples;

	if (argc != 6)
		return 2;
	samples = (unsigned int)atoi(argv[2]);
	if (!samples || samples > SAMPLES_MAX)
		return 2;
	pin_to(atoi(argv[1]));
	for (int i = 0; i < 2; i++) {
		struct fe_opts opts = { .path = argv[3 + i],
					.ring_size = 256,
					.pairs = 1,
					.rx_len = 2048,
					.rx_pieces = 1,
					.mem_mib = 64,
					.timeout_ms = 5000 };

		guests[i] = fe_open(&opts);
		if (!guests[i])
			return 1;
		fe_ring(guests[i], 0)->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	measure(guests[0], guests[1], samples, strtoull(argv[5], NULL, 10));
	for (int i = 0; i < 2; i++)
		fe_close(guests[i]);
	return 0;
}
