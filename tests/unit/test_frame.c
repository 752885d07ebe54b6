/* SPDX-License-Identifier: Apache-2.0 */
/* veb/frame and veb/meter: foreign headers become canonical ones; a rate holds on any clock. */
#include "unit/unit.h"

#include <string.h>

#include "veb/frame.h"
#include "veb/meter.h"

static const uint8_t plain[18] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45 };
static const uint8_t tagged[18] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x81, 0, 0xa0, 5, 8, 0 };
static const uint8_t service[18] = {
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xa8, 0, 5, 0x81
};

static void frame_parse_takes_the_outer_tag_out(void **state)
{
	static const struct {
		const uint8_t *bytes;
		uint32_t len;
		int consumed;
		uint32_t out_len, tag;
		uint16_t type;
	} cases[] = {
		{ plain, 60, 14, 60, 0, 0x0800 },
		{ plain, 14, 14, 14, 0, 0x0800 },
		{ plain, 13, 0, 0, 0, 0 },
		{ plain, 0, 0, 0, 0, 0 },
		{ plain, FRAME_LEN_MAX, 14, FRAME_LEN_MAX, 0, 0x0800 },
		{ plain, FRAME_LEN_MAX + 1, 0, 0, 0, 0 },
		{ tagged, 64, 18, 60, 0x8100a005, 0x0800 },
		{ tagged, 17, 0, 0, 0, 0 },
		{ service, 64, 18, 60, 0x88a80005, 0x8100 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame f = { 0 };

		assert_int_equal(frame_parse(&f, cases[i].bytes, cases[i].len), cases[i].consumed);
		assert_int_equal(f.len, cases[i].out_len);
		assert_int_equal(f.tag, cases[i].tag);
		assert_int_equal(ntohs(f.type), cases[i].type);
	}
}

/* All that follows the source address, and what is said of it; in one piece or in many. */
static void flow_control_is_known_below_two_tags_and_assumed_below_more(void **state)
{
#define C "\x81\x00\x20\x07"
#define S "\x88\xa8\x00\x00"
#define PAUSE "\x88\x08\x00\x01"
#define IP "\x08\x00\x45\x00"
	static const struct {
		const char *bytes;
		uint32_t len;
		bool is;
	} rows[] = {
		{ PAUSE, 4, true },	    { IP, 4, false },
		{ C PAUSE, 8, true },	    { S PAUSE, 8, true },      { C IP, 8, false },
		{ C C PAUSE, 12, true },    { S C PAUSE, 12, true },   { C S PAUSE, 12, true },
		{ S C IP, 12, false },	    { C S IP, 12, false },     { C C, 8, false },
		{ C C "\x88", 9, false },   { C C "\x88\x08", 10, true },
		{ C C C IP, 16, true },	    { S C C PAUSE, 16, true }, { C C C, 12, true },
		{ C C "\x81\x00", 10, true },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[12 + 16 + 4] = { 0 }, inner[FRAME_TAG_LEN], got[16] = { 0 };
		struct frame_seg segs[16], *more = segs + 1;
		uint32_t len = 12 + rows[i].len, used;
		struct frame f = { 0 };

		memcpy(bytes + 12, rows[i].bytes, rows[i].len);
		used = (uint32_t)frame_parse(&f, bytes, len);
		assert_int_not_equal(used, 0);
		f.data = (struct frame_seg){ bytes + used, len - used };
		assert_int_equal(frame_is_mac_control(&f), rows[i].is);
		if (!frame_is_tpid(f.type))
			continue;
		f.data.len = MIN(len - used, 1u); /* a byte a piece */
		for (f.more = more; used + 1u + f.n_more < len; f.n_more++)
			more[f.n_more] = (struct frame_seg){ bytes + used + 1 + f.n_more, 1 };
		frame_own_inner(&f, inner, segs);
		assert_int_equal(frame_is_mac_control(&f), rows[i].is);
		assert_ptr_equal(f.data.base, inner);
		memset(bytes + used, 0xee, MIN(len - used, 4u));
		assert_int_equal(frame_peek(&f, 0, got, sizeof(got)), len - used);
		assert_memory_equal(got, rows[i].bytes + used - 12, len - used);
	}
#undef C
#undef S
#undef PAUSE
#undef IP
}

static void frame_header_writes_what_was_parsed(void **state)
{
	uint8_t out[FRAME_HDR_MAX];
	struct frame f = { 0 };

	frame_parse(&f, tagged, 64);
	assert_int_equal(frame_header(&f, (uint32_t[2]){ f.tag, 0 }, out), 18);
	assert_memory_equal(out, tagged, 18);
	assert_int_equal(frame_header(&f, (uint32_t[2]){ 0, 0 }, out), 14);
	assert_memory_equal(out + 12, "\x08\x00", 2);
	assert_int_equal(frame_header(&f, (uint32_t[2]){ 0x88a80064, f.tag }, out), 22);
	assert_memory_equal(out + 12, "\x88\xa8\x00\x64\x81\x00\xa0\x05\x08\x00", 10);
}

static void offload_headers_that_contradict_themselves_are_refused(void **state)
{
	static const struct {
		const uint8_t *bytes;
		uint8_t flags, gso_type;
		uint16_t gso_size, csum_start, csum_offset;
		bool ok;
		uint16_t start_out;
	} cases[] = {
		{ plain, 0, 0, 0, 0, 0, true, 0 },
		{ plain, 1, 0, 0, 34, 16, true, 34 },
		{ tagged, 1, 0, 0, 38, 16, true, 34 },
		{ tagged, 1, 1, 1448, 38, 16, true, 34 },
		{ plain, 1, 1, 1448, 34, 16, true, 34 },
		{ plain, 1, 0x81, 1448, 34, 16, true, 34 },
		{ plain, 1, 0x83, 1448, 34, 16, false, 0 },
		{ plain, 1, 0x80, 1448, 34, 16, false, 0 },
		{ plain, 1, 2, 1448, 34, 16, false, 0 },
		{ plain, 1, 1, 0, 34, 16, false, 0 },
		{ plain, 0, 1, 1448, 34, 16, false, 0 },
		{ plain, 1, 0, 0, 13, 16, false, 0 },
		{ tagged, 1, 0, 0, 17, 16, false, 0 },
		{ plain, 1, 0, 0, 34, 965, false, 0 },
		{ plain, 1, 0, 0, 34, 964, true, 34 },
		{ plain, 1, 0, 0, 65535, 65535, false, 0 },
		{ plain, 0xfe, 0, 0, 65535, 65535, true, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame f = { 0 };

		frame_parse(&f, cases[i].bytes, cases[i].bytes == tagged ? 1004 : 1000);
		assert_int_equal(frame_set_offload(&f, cases[i].flags, cases[i].gso_type,
						   cases[i].gso_size,
						   cases[i].csum_start, cases[i].csum_offset),
				 cases[i].ok);
		assert_int_equal(f.csum_start, cases[i].start_out);
		assert_int_equal(f.flags & ~(FRAME_NEEDS_CSUM | FRAME_DATA_VALID), 0);
	}
}

static void frame_peek_gathers_over_segments(void **state)
{
	const uint8_t bytes[] = "0123456789";
	const struct frame_seg more[] = { { bytes + 3, 0 }, { bytes + 3, 4 }, { bytes + 7, 3 } };
	const struct frame f = { .data = { bytes, 3 }, .more = more, .n_more = 3 };
	char out[16] = "";

	assert_int_equal(frame_peek(&f, 0, out, 10), 10);
	assert_memory_equal(out, "0123456789", 10);
	assert_int_equal(frame_peek(&f, 2, out, 3), 3);
	assert_memory_equal(out, "234", 3);
	assert_int_equal(frame_peek(&f, 8, out, 10), 2);
	assert_int_equal(frame_peek(&f, 10, out, 1), 0);
	assert_int_equal(frame_peek(&f, UINT32_MAX, out, 1), 0);
}

static void headers_of_segments_are_as_long_as_tcp_says(void **state)
{
	static const struct {
		uint8_t gso_type, offset; /* the byte at 12 of the TCP header */
		uint16_t csum_start, hdr_len;
	} cases[] = {
		{ FRAME_GSO_NONE, 0x80, 34, 0 },
		{ FRAME_GSO_TCPV4, 0x50, 34, 54 },
		{ FRAME_GSO_TCPV4, 0x8f, 34, 66 },
		{ FRAME_GSO_TCPV4 | FRAME_GSO_ECN, 0xf0, 34, 94 },
		{ FRAME_GSO_TCPV6, 0x80, 54, 86 },
		{ FRAME_GSO_TCPV4, 0x00, 34, 54 },	  /* no header is shorter */
		{ FRAME_GSO_TCPV4, 0xf0, 90, 110 },	  /* outside the frame */
		{ FRAME_GSO_TCPV4, 0xf0, 65535, 65535 },
		{ FRAME_GSO_UDP_L4, 0xf0, 34, 42 },
		{ FRAME_GSO_UDP, 0xf0, 34, 42 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[80] = { 0 };
		const struct frame_seg more = { bytes + 30, 50 };
		struct frame f = { .gso_type = cases[i].gso_type, .csum_start = cases[i].csum_start,
				   .data = { bytes, 30 }, .more = &more, .n_more = 1 };

		if (f.csum_start + 12 < FRAME_HDR_LEN + 80)
			bytes[f.csum_start - FRAME_HDR_LEN + 12] = cases[i].offset;
		frame_set_hdr_len(&f);
		assert_int_equal(f.hdr_len, cases[i].hdr_len);
	}
}

/* Sends 1000-byte frames whenever there is room, for 1 s of a clock; returns the bytes. */
static uint64_t meter_drive(uint32_t mbit, uint64_t hz)
{
	struct meter m;
	uint64_t now = 12345, end = now + hz, sent = 0;

	meter_init(&m, mbit, 4, hz, now);
	while (now < end) {
		uint64_t room = meter_room(&m, now), turn = 0;

		if (!room) {
			now += meter_wait(&m, now);
			continue;
		}
		for (; turn < room; turn += 1000)
			;
		meter_spend(&m, turn);
		sent += turn;
	}
	return sent;
}

static void meter_holds_the_rate_within_a_percent(void **state)
{
	static const uint32_t rates[] = { 100, 1000, 25000 };
	static const uint64_t clocks[] = { 1000, 1000000, 3000000000 };

	for (unsigned int i = 0; i < ARRAY_LEN(rates); i++) {
		for (unsigned int k = 0; k < ARRAY_LEN(clocks); k++) {
			uint64_t want = (uint64_t)rates[i] * 125000;
			uint64_t sent = meter_drive(rates[i], clocks[k]);

			assert_in_range(sent, want * 99 / 100, want * 101 / 100);
		}
	}
}

/* A worker that asks more often than bytes grow loses none of them. */
static void meter_keeps_the_fractions_of_a_byte(void **state)
{
	struct meter m;

	meter_init(&m, 10, 4, 1000000000, 0); /* a byte in 800 ticks */
	meter_spend(&m, 66000);
	for (uint64_t now = 0; now <= 8000000; now += 300)
		meter_room(&m, now);
	assert_int_equal(meter_room(&m, 8000000), 10000);
}

static void meter_bounds_the_burst_and_without_a_rate_has_room(void **state)
{
	struct meter m;

	meter_init(&m, 1000, 4, 1000, 0);
	assert_int_equal(meter_room(&m, 1000000), 500000); /* 4 ms at 1 Gbit/s */
	meter_spend(&m, 600000);
	assert_int_equal(meter_room(&m, 1000000), 0);
	assert_int_equal(meter_wait(&m, 1000000), 1); /* 100,001 bytes at 125,000 a tick */
	assert_int_equal(meter_room(&m, 999999), 0);  /* a clock that steps back */
	meter_init(&m, 0, 4, 1000, 0);
	assert_true(meter_room(&m, 0) == UINT64_MAX);
	meter_spend(&m, UINT64_MAX / 2);
	assert_int_equal(meter_wait(&m, 0), 0);
}

static void frame_cut_keeps_the_first_bytes(void **state)
{
	static const uint8_t bytes[100];
	const struct frame_seg more[] = { { bytes, 20 }, { bytes + 20, 30 } };
	const struct frame f = { .len = 14 + 10 + 50,
				 .flags = FRAME_NEEDS_CSUM,
				 .gso_type = FRAME_GSO_TCPV4,
				 .gso_size = 5,
				 .data = { bytes, 10 },
				 .n_more = 2,
				 .more = more };
	static const struct {
		uint32_t len, out, first;
		unsigned int used, last;
	} cases[] = {
		{ 74, 74, 10, 0, 0 },  { 73, 73, 10, 2, 29 }, { 45, 45, 10, 2, 1 },
		{ 44, 44, 10, 1, 20 }, { 24, 24, 10, 0, 0 },  { 14, 14, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame_seg segs[2];
		struct frame out;

		assert_int_equal(frame_cut(&f, cases[i].len, &out, segs), cases[i].used);
		assert_int_equal(out.len, cases[i].out);
		assert_int_equal(out.cut, 74 - cases[i].out);
		assert_int_equal(out.data.len, cases[i].first);
		assert_int_equal(out.n_more, i ? cases[i].used : 2);
		assert_int_equal(out.gso_type, i ? 0 : FRAME_GSO_TCPV4);
		if (cases[i].used)
			assert_int_equal(segs[cases[i].used - 1].len, cases[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_parse_takes_the_outer_tag_out),
		cmocka_unit_test(flow_control_is_known_below_two_tags_and_assumed_below_more),
		cmocka_unit_test(frame_header_writes_what_was_parsed),
		cmocka_unit_test(offload_headers_that_contradict_themselves_are_refused),
		cmocka_unit_test(frame_peek_gathers_over_segments),
		cmocka_unit_test(headers_of_segments_are_as_long_as_tcp_says),
		cmocka_unit_test(frame_cut_keeps_the_first_bytes),
		cmocka_unit_test(meter_holds_the_rate_within_a_percent),
		cmocka_unit_test(meter_keeps_the_fractions_of_a_byte),
		cmocka_unit_test(meter_bounds_the_burst_and_without_a_rate_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
