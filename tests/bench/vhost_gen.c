/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two guests that flood: the first sends to the second as fast as its ring takes,
 * writing every frame before it is offered and reading every one that arrives.
 * Run by tests/bench/vhost and scale; prints JSON.
 *
 *	vhost_gen SECONDS SIZE CORE SOCKET0 SOCKET1 [WORD]...
 *
 *	slices		every slice as well, as [CLOCK_MONOTONIC of its end in ns, Mpps]
 *	listen		serve the sockets, instead of connecting
 *	drain=SOCKET	a further guest, which reads all it gets
 *	deaf=SOCKET	likewise, but it never refills its ring
 */
#include "flow.h"

#define DRAINS_MAX 4

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

/* What the words behind the sockets asked for. */
static bool all_slices, listening;
static struct fe *drains[DRAINS_MAX], *deaf[DRAINS_MAX];
static const char *drain_paths[DRAINS_MAX], *deaf_paths[DRAINS_MAX];
static unsigned int n_drains, n_deaf;

static bool word_read(const char *word)
{
	if (!strcmp(word, "slices"))
		all_slices = true;
	else if (!strcmp(word, "listen"))
		listening = true;
	else if (!strncmp(word, "drain=", 6) && n_drains < DRAINS_MAX)
		drain_paths[n_drains++] = word + 6;
	else if (!strncmp(word, "deaf=", 5) && n_deaf < DRAINS_MAX)
		deaf_paths[n_deaf++] = word + 5;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	uint64_t seq = 0, sum = 0, sent = 0, got = 0, drained = 0, slice_got = 0, start, slice_at, end;
	uint64_t now;
	struct fe *fes[2];
	unsigned int n = 0;

	if (argc < 6)
		return 2;
	for (int i = 6; i < argc; i++)
		if (!word_read(argv[i]))
			return 2;
	pin_to(atoi(argv[3]));
	for (int i = 0; i < 2; i++)
		fes[i] = flow_guest(argv[4 + i], listening);
	for (unsigned int i = 0; i < n_drains; i++)
		drains[i] = flow_guest(drain_paths[i], listening);
	for (unsigned int i = 0; i < n_deaf; i++)
		deaf[i] = flow_guest(deaf_paths[i], listening);
	prepare(fe_ring(fes[0], 1), (uint32_t)atoi(argv[2]));
	fe_kick(fes[0], 1);
	start = slice_at = now = now_ns();
	for (end = start + (uint64_t)atoi(argv[1]) * 1000000000ull; now < end; now = now_ns()) {
		sent += flow_send(fes[0], &seq, 1);
		got += flow_receive(fes[1], &sum, 1);
		for (unsigned int i = 0; i < n_drains; i++)
			drained += flow_receive(drains[i], &sum, 1);
		if (now - slice_at < SLICE_NS || n == SLICES_MAX)
			continue;
		slice_ends[n] = now;
		slices[n++] = (double)(got - slice_got) * 1000 / (double)(now - slice_at);
		slice_at = now;
		slice_got = got;
	}
	printf("{\"sent\": %lu, \"received\": %lu, \"drained\": %lu, \"mpps\": %.3f, \"sum\": %lu, ",
	       sent, got, drained, (double)got * 1000 / (double)(now - start), sum);
	slices_print(n, all_slices);
	for (int i = 0; i < 2; i++)
		fe_close(fes[i]);
	for (unsigned int i = 0; i < n_drains; i++)
		fe_close(drains[i]);
	for (unsigned int i = 0; i < n_deaf; i++)
		fe_close(deaf[i]);
	return 0;
}
