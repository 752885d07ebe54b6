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
#include "flow.h"

static double slices[SLICES_MAX];
static uint64_t slice_ends[SLICES_MAX];

/* Fill the transmit ring with frames once; later only their bytes and the index move. */
static void prepare(struct driver_ring *tx, uint32_t size)
{
	static const uint8_t eth[14] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };

	for (unsigned int i = 0; i < FLOW_RING; i++) {
		struct driver_buf buf = { driver_alloc(tx->mem, FLOW_ROOM, 64), FLOW_HDR + size };

		memcpy((uint8_t *)buf.at + FLOW_HDR, eth, sizeof(eth));
		driver_add(tx, &buf, 1, false, DRIVER_DIRECT);
	}
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
	uint64_t seq = 0, sum = 0, sent = 0, got = 0, slice_got = 0, start, slice_at, end, now;
	struct fe *fes[2];
	unsigned int n = 0;

	if (argc != 6 && argc != 7)
		return 2;
	pin_to(atoi(argv[3]));
	for (int i = 0; i < 2; i++)
		fes[i] = flow_guest(argv[4 + i], false);
	prepare(fe_ring(fes[0], 1), (uint32_t)atoi(argv[2]));
	fe_kick(fes[0], 1);
	start = slice_at = now = now_ns();
	for (end = start + (uint64_t)atoi(argv[1]) * 1000000000ull; now < end; now = now_ns()) {
		sent += flow_send(fes[0], &seq, 1);
		got += flow_receive(fes[1], &sum, 1);
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
