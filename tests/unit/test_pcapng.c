/* SPDX-License-Identifier: Apache-2.0 */
/* pcapng: blocks as the draft has them, byte for byte where the order of bytes is ours. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "sw/port/pcapng.h"

static uint8_t block[PCAPNG_START_MAX];

static uint32_t at32(uint32_t at)
{
	uint32_t v;

	memcpy(&v, block + at, sizeof(v));
	return v;
}

/* The value of an option of the block's, from byte @at on; NULL: it has none. */
static const uint8_t *option(uint32_t at, uint32_t code, uint32_t *len)
{
	while (at32(at)) {
		*len = at32(at) >> 16;
		if ((at32(at) & 0xffff) == code)
			return block + at + 4;
		at += 4 + ((*len + 3) & ~3u);
	}
	return NULL;
}

static void a_section_names_its_interface(void **state)
{
	const struct pcapng_if all = { "p2p1-vf2", "what it is", "arp", 96 }, none = { NULL };
	uint32_t size = pcapng_start(block, &all), idb = at32(4), len;

	assert_int_equal(at32(0), PCAPNG_SECTION);
	assert_int_equal(at32(8), 0x1a2b3c4d);
	assert_int_equal(at32(idb - 4), idb);
	assert_int_equal(at32(idb), 1);
	assert_int_equal(idb + at32(idb + 4), size);
	assert_int_equal(at32(size - 4), at32(idb + 4));
	assert_int_equal(at32(idb + 8), 1);   /* Ethernet */
	assert_int_equal(at32(idb + 12), 96); /* snap */
	assert_memory_equal(option(idb + 16, 2, &len), "p2p1-vf2", 8);
	assert_memory_equal(option(idb + 16, 3, &len), "what it is", 10);
	assert_memory_equal(option(idb + 16, 11, &len), "\0arp", 4);
	assert_int_equal(len, 4);
	assert_int_equal(*option(idb + 16, 9, &len), 9);
	size = pcapng_start(block, &none);
	assert_int_equal(idb + at32(idb + 4), size);
	assert_null(option(idb + 16, 2, &len));
	assert_null(option(idb + 16, 11, &len));
}

static void a_packet_has_its_bytes_flags_and_comment(void **state)
{
	static const uint8_t payload[5] = { 1, 2, 3, 4, 5 };
	struct sink_frame sf = { .time_ns = 5ull << 32 | 7, .cut = 100 };
	uint32_t size, len;

	sf.frame = (struct frame){ .len = 19, .type = htons(0x88b5), .data = { payload, 5 } };
	sf.tags[0] = TAG_MAKE(TPID_8021Q, 0, 9);
	memset(block, 0xee, sizeof(block));
	size = pcapng_packet(block, &sf, 2, "why");
	assert_int_equal(at32(0), 6);
	assert_int_equal(at32(4), size);
	assert_int_equal(at32(size - 4), size);
	assert_int_equal(at32(12), 5); /* time, its high half first */
	assert_int_equal(at32(16), 7);
	assert_int_equal(at32(20), 23);
	assert_int_equal(at32(24), 123);
	assert_memory_equal(block + 40, "\x81\x00\x00\x09\x88\xb5\1\2\3\4\5\0", 12);
	assert_int_equal(*option(52, 2, &len), 2);
	assert_memory_equal(option(52, 1, &len), "why", 3);
	size = pcapng_packet(block, &sf, 0, NULL);
	assert_int_equal(size, 32 + 24 + 4);
	assert_int_equal(at32(52), 0);
	sf.raw = true; /* as much of it as is known */
	sf.tags[0] = 0;
	pcapng_packet(block, &sf, 1, NULL);
	assert_int_equal(at32(20), 5);
	assert_int_equal(at32(24), 105);
	assert_memory_equal(block + 28, payload, 5);
}

static void the_longest_start_and_comment_fit(void **state)
{
	char filter[MIRROR_PCAP_LEN + 1], name[40], comment[151];
	const struct pcapng_if i = { name, name, filter, 0 };
	struct sink_frame sf = { .frame = { .len = FRAME_HDR_LEN } };

	memset(filter, 'x', sizeof(filter));
	memset(name, 'n', sizeof(name));
	memset(comment, 'c', sizeof(comment));
	filter[MIRROR_PCAP_LEN] = name[39] = comment[150] = '\0';
	assert_in_range(pcapng_start(block, &i), MIRROR_PCAP_LEN, sizeof(block));
	assert_in_range(pcapng_packet(block, &sf, 1, comment), 150, PCAPNG_EXTRA);
	for (unsigned int why = 0; why < DROP_N; why++)
		assert_in_range(snprintf(NULL, 0, "dropped: %s: %s", drop_names[why],
					 drop_help[why]),
				1, 150);
}

static void statistics_tell_both_counts(void **state)
{
	uint32_t size = pcapng_stats(block, 1, 10, 3), len;

	assert_int_equal(at32(0), 5);
	assert_int_equal(at32(size - 4), size);
	assert_int_equal(*option(20, 4, &len), 10);
	assert_int_equal(*option(20, 5, &len), 3);
	assert_int_equal(len, 8);
}

/* However many bytes are left of a file, and from wherever they are looked at. */
static void a_file_that_was_cut_short_ends_with_its_last_whole_block(void **state)
{
	static const uint8_t payload[6] = { 6, 0, 0, 0, 32, 0 };
	struct sink_frame sf = { .frame = { .len = 20, .data = { payload, sizeof(payload) } } };
	size_t ends[4] = { [0] = pcapng_start(block, &(struct pcapng_if){ NULL }) }, last = 0;

	for (unsigned int i = 1; i < 4; i++)
		ends[i] = ends[i - 1] + pcapng_packet(block + ends[i - 1], &sf, 0, "or so");
	for (size_t size = ends[0]; size <= ends[3]; size++) {
		if (last < 3 && size == ends[last + 1])
			last++;
		assert_int_equal(pcapng_whole(block, size, true), ends[last]);
		if (last > 1) /* from the middle of the first packet on */
			assert_int_equal(pcapng_whole(block + ends[0] + 8, size - ends[0] - 8, false),
					 ends[last] - ends[0] - 8);
	}
	block[ends[2] + 4] = 4;
	assert_int_equal(pcapng_whole(block, ends[3], true), -1);
	assert_int_equal(pcapng_whole(block, 0, true), -1);
	assert_int_equal(pcapng_whole(payload, sizeof(payload), false), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_names_its_interface),
		cmocka_unit_test(a_packet_has_its_bytes_flags_and_comment),
		cmocka_unit_test(the_longest_start_and_comment_fit),
		cmocka_unit_test(statistics_tell_both_counts),
		cmocka_unit_test(a_file_that_was_cut_short_ends_with_its_last_whole_block),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
