/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about request targets: what a query's arguments are, and how many. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/url.h"

static void arguments_keep_their_order_and_repetitions(void **state)
{
	struct args args = { 0 };

	assert_int_equal(args_parse("a=1&&b&a=%41+b&=x&c=d=e", &args), 0);
	assert_int_equal(args.n, 5);
	assert_string_equal(args_get(&args, "a", 0), "1");
	assert_string_equal(args_get(&args, "a", 1), "A b");
	assert_null(args_get(&args, "a", 2));
	assert_string_equal(args_get(&args, "b", 0), "");
	assert_string_equal(args_get(&args, "c", 0), "d=e");
	assert_false(args.all[0].again);
	assert_false(args.all[1].again);
	assert_true(args.all[2].again);
	assert_false(args.all[3].again);
	args_free(&args);
	assert_int_equal(args_parse(NULL, &args), 0);
	assert_int_equal(args.n, 0);
	args_free(&args);
}

static void broken_escapes_are_refused(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "%00=1", "a=b&c=%0" };
	struct args args = { 0 };

	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(args_parse(bad[i], &args), -EINVAL);
	assert_null(args.text);
}

/* "a&a&a...", n of them */
static int parse_many(size_t n, struct args *args)
{
	auto_free char *text = calloc(n + 1, 2);

	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "a&", 2);
	return args_parse(text, args);
}

static void as_many_arguments_as_are_said_and_no_more(void **state)
{
	struct args args = { 0 };

	assert_int_equal(parse_many(ARGS_MAX, &args), 0);
	assert_int_equal(args.n, ARGS_MAX);
	args_free(&args);
	assert_int_equal(parse_many(ARGS_MAX + 1, &args), -E2BIG);
	assert_int_equal(parse_many(100000, &args), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_keep_their_order_and_repetitions),
		cmocka_unit_test(broken_escapes_are_refused),
		cmocka_unit_test(as_many_arguments_as_are_said_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
