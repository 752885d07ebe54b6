/* SPDX-License-Identifier: Apache-2.0 */
/* cli: JSON comes out as iproute2 writes it; words and numbers are read as it reads them. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* What cli_print_json() writes to stdout. */
static char *printed(const char *json, bool pretty)
{
	auto_of(json_decref) json_t *value = json_loads(json, 0, NULL);
	struct cli cli = { .json = true, .pretty = pretty };
	FILE *real = stdout;
	char *text = NULL;
	size_t size;

	assert_non_null(value);
	stdout = open_memstream(&text, &size);
	assert_int_equal(cli_print_json(&cli, value), CLI_OK);
	fclose(stdout);
	stdout = real;
	return text;
}

static void json_is_broken_into_iproute2s_lines(void **state)
{
	static const struct {
		const char *json, *compact, *pretty;
	} cases[] = {
		{ "[]", "[]\n", "[ ]\n" },
		{ "{}", "{}\n", "{}\n" },
		{ "[{}]", "[{}]\n", "[ {} ]\n" },
		{ "[\"a\", 1, true, null]", "[\"a\",1,true,null]\n", "[ \"a\",1,true,null ]\n" },
		{ "[{\"a\": 1, \"b\": {\"c\": []}}, {\"d\": \"x\\\"y\"}]",
		  "[{\"a\":1,\"b\":{\"c\":[]}},{\"d\":\"x\\\"y\"}]\n",
		  "[ {\n        \"a\": 1,\n        \"b\": {\n            \"c\": [ ]\n        }\n"
		  "    },{\n        \"d\": \"x\\\"y\"\n    } ]\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *compact = printed(cases[i].json, false);
		auto_free char *pretty = printed(cases[i].json, true);

		assert_string_equal(compact, cases[i].compact);
		assert_string_equal(pretty, cases[i].pretty);
	}
}

static void numbers_are_iproute2s(void **state)
{
	uint32_t u = 7;
	int n = 7;

	assert_true(cli_u32("0x10", &u) && u == 16);
	assert_true(cli_u32("010", &u) && u == 8);
	assert_true(cli_u32("4294967295", &u) && u == UINT32_MAX);
	assert_false(cli_u32("4294967296", &u) || cli_u32("-1", &u) || cli_u32("", &u) ||
		     cli_u32("5x", &u));
	assert_int_equal(u, UINT32_MAX);
	assert_true(cli_int("-5", &n) && n == -5);
	assert_false(cli_int("2147483648", &n) || cli_int("five", &n));
}

static void nothing_abbreviates_to_nothing(void **state)
{
	assert_true(cli_matches("m", "mac") && cli_matches("mac", "mac"));
	assert_false(cli_matches("", "mac") || cli_matches("macs", "mac"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_broken_into_iproute2s_lines),
		cmocka_unit_test(numbers_are_iproute2s),
		cmocka_unit_test(nothing_abbreviates_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
