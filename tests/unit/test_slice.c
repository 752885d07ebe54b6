/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about what an agent remembers of what it was told. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/slice.h"
#include "base/field.h"
#include "base/told.h"
#include "want_docs.h"

static struct slice s;

static int teardown(void **state)
{
	slice_close(&s);
	return 0;
}

/* The numbers of docs/agent-api.md: another program has to come to the same. */
static void the_sum_is_what_the_page_says(void **state)
{
	char text[TOLD_LEN];

	told_format(told_hash("port", PORT_ID, 1), text);
	assert_string_equal(text, "411493c749955e2f");
	told_format(told_hash("server", "x", INT64_C(1) << 40), text);
	assert_string_equal(text, "453899985427a30b");
	told_format(0, text);
	assert_string_equal(text, "0000000000000000");
	assert_true((told_hash("port", "a", 256) ^ told_hash("port", "b", 512)) !=
		    (told_hash("port", "a", 512) ^ told_hash("port", "b", 256)));
}

static void the_sum_follows_what_stands_and_nothing_else(void **state)
{
	assert_int_equal(slice_put(&s, "port", "a", 5), 0);
	assert_int_equal(slice_put(&s, "net", "a", 6), 0);
	assert_int_equal(slice_put(&s, "port", "a", 7), 0);
	assert_true(s.sum == (told_hash("port", "a", 7) ^ told_hash("net", "a", 6)));
	assert_int_equal(slice_put(&s, "port", "a", 7), 0); /* read all again */
	slice_drop(&s, "net", "a");
	slice_drop(&s, "net", "a");
	slice_drop(&s, "net", "never told");
	assert_true(s.sum == told_hash("port", "a", 7));
	slice_drop(&s, "port", "a");
	assert_true(s.sum == 0);
}

static void what_is_older_than_what_was_told_is_refused(void **state)
{
	assert_int_equal(slice_put(&s, "port", "a", 5), 0);
	assert_int_equal(slice_put(&s, "port", "a", 4), -ESTALE);
	slice_drop(&s, "port", "a");
	assert_int_equal(slice_put(&s, "port", "a", 4), -ESTALE);
	assert_int_equal(slice_put(&s, "port", "a", 5), -ESTALE);
	assert_true(s.sum == 0);
	assert_int_equal(slice_put(&s, "port", "a", 6), 0); /* made anew */
	assert_int_equal(slice_put(&s, "port", "a", 5), -ESTALE);
	assert_true(s.sum == told_hash("port", "a", 6));
}

static void what_a_whole_list_lacks_is_gone(void **state)
{
	auto_of(json_decref) json_t *desired =
		json_pack("{s:i,s:{s:{}},s:{}}", "revision", 4, "port", "b", "net");

	assert_int_equal(slice_put(&s, "port", "a", 5), 0);
	assert_int_equal(slice_put(&s, "port", "b", 6), 0);
	assert_int_equal(slice_put(&s, "revision", "a", 7), 0);
	slice_keep(&s, desired);
	assert_true(s.sum == told_hash("port", "b", 6));
	assert_int_equal(slice_put(&s, "port", "a", 5), -ESTALE);
}

/* The newest ends are remembered, each once, however often a key went; memory is bounded. */
static void so_many_ends_are_remembered(void **state)
{
	char id[16];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(slice_put(&s, "port", "often", 1 + i), 0);
		slice_drop(&s, "port", "often");
	}
	assert_in_range(s.room, 3, 32); /* few have little */
	for (int i = 0; i < SLICE_GONE_MAX + 1; i++) {
		assert_int_equal(slice_put(&s, "port", "often", 10 + i), 0);
		slice_drop(&s, "port", "often");
		snprintf(id, sizeof(id), "%d", i);
		if (i % 2)
			continue;
		assert_int_equal(slice_put(&s, "port", id, 5), 0);
		slice_drop(&s, "port", id);
		assert_int_equal(slice_put(&s, "port", id, 5), -ESTALE);
	}
	assert_int_equal(slice_put(&s, "port", "often", 10), -ESTALE);
	assert_int_equal(slice_put(&s, "port", "1024", 5), -ESTALE);
	assert_int_equal(slice_put(&s, "port", "0", 5), 0); /* forgotten */
	assert_true(omap_count(s.told) <= SLICE_GONE_MAX + 1);
	assert_int_equal(s.room, SLICE_GONE_MAX);
}

/* Whatever the API names things, no name is another's. */
static void odd_names_are_no_others(void **state)
{
	char kind[300];

	memset(kind, 'k', sizeof(kind) - 1);
	kind[sizeof(kind) - 1] = '\0';
	assert_int_equal(slice_put(&s, "", "", 1), 0);
	assert_int_equal(slice_put(&s, kind, "x", 1), 0);
	assert_int_equal(slice_put(&s, "port", "a/b", 1), 0);
	slice_drop(&s, kind, "x");
	slice_drop(&s, "port", "a/b");
	slice_drop(&s, "", "");
	assert_true(s.sum == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_what_the_page_says),
		cmocka_unit_test_teardown(the_sum_follows_what_stands_and_nothing_else, teardown),
		cmocka_unit_test_teardown(what_is_older_than_what_was_told_is_refused, teardown),
		cmocka_unit_test_teardown(what_a_whole_list_lacks_is_gone, teardown),
		cmocka_unit_test_teardown(so_many_ends_are_remembered, teardown),
		cmocka_unit_test_teardown(odd_names_are_no_others, teardown),
	};

	return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
