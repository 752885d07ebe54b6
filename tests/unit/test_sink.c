/* SPDX-License-Identifier: Apache-2.0 */
/* sinks: rings that never wait for their thread, and what stands in front of a frame on its way. */
#include "unit/unit.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sw/port/sink_priv.h"

#define FRAME_LEN 1000u

/* A kind that waits in its first frame and keeps count. Writer: the thread, then the test. */
struct slow {
	struct sink sink;
	unsigned int n, in_order, flushes;
	bool freed;
};
static sem_t gate;
static struct slow slow;

static void slow_frame(struct sink *s, const struct sink_frame *sf)
{
	uint16_t number;

	if (!slow.n)
		sem_wait(&gate);
	memcpy(&number, sf->frame.data.base, sizeof(number));
	slow.in_order += number == slow.n && sf->frame.data.len == FRAME_LEN - FRAME_HDR_LEN &&
			 sf->slot == 7;
	slow.n++;
	if (sf->slot == 7 && slow.n % 2)
		sink_failed(s, 7, 1);
}

static void slow_flush(struct sink *s)
{
	slow.flushes++;
}

static void slow_free(struct sink *s)
{
	sink_fini(s);
	slow.freed = true;
}

static const struct sink_ops slow_ops = { slow_frame, slow_flush, slow_free };

/* Frames of two pieces, the first beginning with a number, until the ring refuses @refusals. */
static unsigned int fill(struct dp_mirror_stats *stats, unsigned int refusals)
{
	static uint8_t bytes[FRAME_LEN];
	static struct vf_stats vf;
	const struct frame_seg more = { bytes + 100, FRAME_LEN - 100 - FRAME_HDR_LEN };
	const struct frame f = {
		.len = FRAME_LEN, .data = { bytes, 100 }, .n_more = 1, .more = &more
	};
	const struct port_item item = { .frame = &f, .mirror = 8, .n = 1 };
	struct port_batch b = { .items = &item, .n = 1, .stats = &vf, .mirrors = stats };
	uint16_t number = 0;

	while (stats[7].dropped < refusals) {
		memcpy(bytes, &number, sizeof(number));
		slow.sink.port.ops->tx(&slow.sink.port, &b);
		number = (uint16_t)stats[7].mirrored;
	}
	return number;
}

static void a_full_ring_drops_and_what_was_in_it_arrives(void **state)
{
	static struct dp_mirror_stats stats[VEB_MIRRORS_MAX];
	struct sinks *s;
	unsigned int n;

	sem_init(&gate, 0, 0);
	assert_int_equal(sinks_open(&s, NULL), 0);
	assert_int_equal(sink_init(&slow.sink, &slow_ops, s, NULL), 0);
	sink_start(&slow.sink);
	n = fill(stats, 5);
	assert_in_range(n, SINK_RING_SIZE / 1280, SINK_RING_SIZE / FRAME_LEN);
	assert_int_equal(stats[7].dropped, 5);
	sem_post(&gate);
	slow.sink.port.ops->free(&slow.sink.port);
	sinks_close(s);
	assert_true(slow.freed);
	assert_int_equal(slow.n, n);
	assert_int_equal(slow.in_order, n);
	assert_in_range(slow.flushes, 1, n);
}

/* Whatever its client made of the socket: with O_NONBLOCK the thread would try without end. */
static void a_capture_waits_for_its_reader(void **state)
{
	const struct mirror_config m = { .name = "capture", .from_pf = "p", .to = MIRROR_TO_CAPTURE };
	struct port *port;
	struct sinks *s;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(sinks_open(&s, NULL), 0);
	assert_int_equal(sink_capture_open(s, &m, fds[0], &port, NULL), 0);
	assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	port->ops->free(port);
	sinks_close(s);
	close(fds[0]);
	close(fds[1]);
}

static void headers_are_as_the_drafts_have_them(void **state)
{
	static const struct {
		struct tunnel t;
		uint32_t tag, cut;
		unsigned int len;
		const char *hex;
	} cases[] = {
		{ { MIRROR_TO_GRE, 0, 0, 0 }, 0, 0, 4, "00006558" },
		{ { MIRROR_TO_GRE, 0, 0, 0x01020304 }, 0, 0, 8, "2000655801020304" },
		{ { MIRROR_TO_ERSPAN, 1, 0, 102 },
		  0,
		  0,
		  16,
		  "100088be0000000910000066"
		  "00000102" },
		{ { MIRROR_TO_ERSPAN, 1, 0, 1023 },
		  TAG_MAKE(TPID_8021Q, 5, 20),
		  3,
		  16,
		  "100088be000000091014bfff00001023" },
		{ { MIRROR_TO_ERSPAN, 2, MIRROR_BOTH, 5 },
		  TAG_MAKE(TPID_8021Q, 5, 20),
		  0,
		  20,
		  "100022eb000000092014a0050000303900000000" },
		{ { MIRROR_TO_ERSPAN, 2, MIRROR_IN, 5 },
		  0,
		  1,
		  20,
		  "100022eb00000009200004050000303900000008" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink_frame sf = { .tags = { cases[i].tag },
					 .cut = cases[i].cut,
					 .time_ns = 12345 * 100000ull + 99999 };
		uint8_t out[TUNNEL_HDR_MAX];
		char hex[2 * TUNNEL_HDR_MAX + 1] = "";

		assert_int_equal(tunnel_header(&cases[i].t, 9, &sf, out), cases[i].len);
		for (unsigned int k = 0; k < cases[i].len; k++)
			sprintf(hex + 2 * k, "%02x", out[k]);
		assert_string_equal(hex, cases[i].hex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_ring_drops_and_what_was_in_it_arrives),
		cmocka_unit_test(a_capture_waits_for_its_reader),
		cmocka_unit_test(headers_are_as_the_drafts_have_them),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
