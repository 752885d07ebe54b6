/* SPDX-License-Identifier: Apache-2.0 */
/* veb/loss: a note is the header as it was, and is read whole beside its writer. */
#include "unit/unit.h"

#include <pthread.h>
#include <string.h>

#include "veb/loss.h"

#define NOTES 5000000

static const uint8_t payload[46] = { 0x81, 0x00, 0x20, 0x07, 0x08, 0x00, 0x45 };

static void a_note_is_the_header_with_all_its_tags(void **state)
{
	static const struct {
		uint32_t tags[2];
		uint16_t type;
		uint32_t len;
		unsigned int head_len;
		const char *head; /* from the first tag on */
	} cases[] = {
		{ { 0, 0 }, 0x0806, 60, 14, "\x08\x06" },
		{ { 0x8100a005, 0 }, 0x0800, 64, 18, "\x81\x00\xa0\x05\x08\x00" },
		{ { 0x88a80064, 0x81000005 },
		  0x0800,
		  68,
		  22,
		  "\x88\xa8\x00\x64\x81\x00\x00\x05\x08\x00" },
		{ { 0x88a80064, 0 },
		  0x8100,
		  64,
		  26,
		  "\x88\xa8\x00\x64\x81\x00\x81\x00\x20\x07\x08\x00\x45\x00" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame f = { .dst = { { 2, 0, 0, 0, 0, 1 } },
				   .src = { { 2, 0, 0, 0, 0, 2 } },
				   .type = htons(cases[i].type),
				   .len = 60,
				   .data = { payload, sizeof(payload) } };
		struct loss_slot slot = { 0 };
		struct loss l;

		loss_note(&slot, &f, cases[i].tags, 77);
		assert_true(loss_get(&slot, &l));
		assert_int_equal(l.at, 77);
		assert_int_equal(l.len, cases[i].len);
		assert_int_equal(l.head_len, cases[i].head_len);
		assert_memory_equal(l.head, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
		assert_memory_equal(l.head + 12, cases[i].head, cases[i].head_len - 12);
	}
}

static void nothing_is_read_where_nothing_was_noted_or_a_note_is_half_done(void **state)
{
	struct loss_slot slot = { 0 };
	struct loss l = { .at = 5 };

	assert_false(loss_get(&slot, &l));
	loss_put(&slot, &l);
	assert_true(loss_get(&slot, &l));
	slot.seq++; /* a writer that lost its core */
	assert_false(loss_get(&slot, &l));
	assert_int_equal(l.at, 5);
}

static void *write_notes(void *arg)
{
	for (unsigned int i = 1; i <= NOTES; i++) {
		struct loss l = { .at = i, .len = i, .head_len = (uint8_t)i };

		memset(l.head, (int)(i & 0xff), sizeof(l.head));
		loss_put(arg, &l);
	}
	return NULL;
}

static void a_reader_beside_the_writer_never_sees_two_halves(void **state)
{
	static struct loss_slot slot;
	struct loss l = { 0 };
	uint64_t last = 0;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_notes, &slot), 0);
	while (last < NOTES) {
		if (!loss_get(&slot, &l))
			continue;
		assert_true(l.at >= last);
		last = l.at;
		assert_int_equal(l.len, last);
		assert_int_equal(l.head_len, last & 0xff);
		for (unsigned int i = 0; i < sizeof(l.head); i++)
			assert_int_equal(l.head[i], last & 0xff);
	}
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_the_header_with_all_its_tags),
		cmocka_unit_test(nothing_is_read_where_nothing_was_noted_or_a_note_is_half_done),
		cmocka_unit_test(a_reader_beside_the_writer_never_sees_two_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
