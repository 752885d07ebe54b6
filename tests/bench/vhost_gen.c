/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two guests that flood: the first sends to the second as fast as its ring takes,
 * writing every frame before it is offered and reading every one that arrives.
 * Run by tests/bench/vhost and scale; prints JSON.
 *
 *	vhost_gen SECONDS SIZE CORE SOCKET0 SOCKET1 [slices]
 *
 * slices: every slice as well, as [CLOCK_MONOTONIC of its end in ns, Mpps].
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "lib/vhost_fe.h"

#define RING 1024
#define ROOM 2304  /* bytes of a receive buffer */
#define SLICE_NS 2000000ull
#define SLICES_MAX 16384

static double slices[SLICES_MAX];
static uint64_t slice_ends[SLICES_MAX];

static uint8_t *buffer_of(struct driver_ring *r, unsigned int i)
{
	return r->mem->base + (r->desc[i & (RING - 1)].addr - DRIVER_GPA);
}

/* Fill the transmit ring with frames once; later only their bytes and the index move. */
static void prepare(struct driver_ring *tx, uint32_t size)
{
	static const uint8_t eth[14] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };

	for (unsigned int i = 0; i < RING; i++) {
		struct driver_buf buf = { driver_alloc(tx->mem, ROOM, 64), 12 + size };

		memcpy((uint8_t *)buf.at + 12, eth, sizeof(eth));
		driver_add(tx, &buf, 1, false, DRIVER_DIRECT);
	}
}

/* Frames given back since the last time are offered again. */
static uint64_t turn_tx(struct fe *fe, struct driver_ring *r, uint64_t *seq)
{
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(used - r->seen);

	for (; r->seen != used; r->seen++, ++*seq) {
		uint8_t *at = buffer_of(r, r->seen);

		memset(at, 0, 12);
		memcpy(at + 12 + 20, seq, sizeof(*seq));
	}
	if (n) {
		__atomic_store_n(&r->avail->idx, (uint16_t)(used + RING), __ATOMIC_RELEASE);
		fe_kick(fe, 1);
	}
	return n;
}

static uint64_t turn_rx(struct driver_ring *r, uint64_t *sum)
{
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(used - r->seen);

	for (; r->seen != used; r->seen++) {
		uint64_t word;

		memcpy(&word, buffer_of(r, r->seen) + 12 + 20, sizeof(word));
		*sum += word;
	}
	if (n)
		__atomic_store_n(&r->avail->idx, (uint16_t)(used + RING), __ATOMIC_RELEASE);
	return n;
}

static void slices_print(unsigned int n, bool all)
{
	if (all)
		printf("\"slices\": [");
	for (unsigned int i = 0; all && i < n; i++)
		printf("%s[%lu, %.3f]", i ? ", " : "", slice_ends[i], slices[i]);
	if (all)
		printf("], ");
	qsort(slices, n, sizeof(slices[0]), compare_double);
	printf("\"slice_p50\": %.3f, \"slice_p90\": %.3f}\n", n ? slices[n / 2] : 0,
	       n ? slices[n * 9 / 10] : 0);
}

int main(int argc, char **argv)
{
	struct fe_opts opts = { .ring_size = RING, .pairs = 1, .rx_len = ROOM, .rx_pieces = 1,
				.features = 1ull << VIRTIO_NET_F_MRG_RXBUF, .mem_mib = 16,
				.timeout_ms = 10000 };
	uint64_t seq = 0, sum = 0, sent = 0, got = 0, slice_got = 0, start, slice_at, end, now;
	struct fe *fes[2];
	unsigned int n = 0;

	if (argc != 6 && argc != 7)
		return 2;
	pin_to(atoi(argv[3]));
	for (int i = 0; i < 2; i++) {
		opts.path = argv[4 + i];
		fes[i] = fe_open(&opts);
		if (!fes[i]) {
			perror(opts.path);
			return 1;
		}
		fe_ring(fes[i], 0)->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	fe_ring(fes[0], 1)->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	prepare(fe_ring(fes[0], 1), (uint32_t)atoi(argv[2]));
	fe_kick(fes[0], 1);
	start = slice_at = now = now_ns();
	for (end = start + (uint64_t)atoi(argv[1]) * 1000000000ull; now < end; now = now_ns()) {
		sent += turn_tx(fes[0], fe_ring(fes[0], 1), &seq);
		got += turn_rx(fe_ring(fes[1], 0), &sum);
		if (now - slice_at < SLICE_NS || n == SLICES_MAX)
			continue;
		slice_ends[n] = now;
		slices[n++] = (double)(got - slice_got) * 1000 / (double)(now - slice_at);
		slice_at = now;
		slice_got = got;
	}
	printf("{\"sent\": %lu, \"received\": %lu, \"mpps\": %.3f, \"sum\": %lu, ", sent, got,
	       (double)got * 1000 / (double)(now - start), sum);
	slices_print(n, argc == 7);
	fe_close(fes[0]);
	fe_close(fes[1]);
	return 0;
}
