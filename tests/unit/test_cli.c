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

/* A daemon that does as it is told, and how long it would have been waited for. */
static int waited_ms;

int __wrap_ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e);
int __wrap_ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e)
{
	*out = NULL;
	return 0;
}

int __wrap_ctl_call(struct ctl_client *c, const char *method, json_t *params, int timeout_ms,
		    json_t **result, struct err *e);
int __wrap_ctl_call(struct ctl_client *c, const char *method, json_t *params, int timeout_ms,
		    json_t **result, struct err *e)
{
	json_decref(params);
	waited_ms = timeout_ms;
	return 0;
}

static void what_drivers_take_long_for_is_waited_for(void **state)
{
	static const struct {
		const char *method;
		int ms;
	} rows[] = {
		{ "pf.list", 10000 },	{ "pf.get", 10000 },	  { "pf.set", 50000 },
		{ "pf.add", 50000 },	{ "pf.del", 50000 },	  { "vf.attach", 50000 },
		{ "vf.detach", 50000 }, { "vf.release", 50000 },  { "vf.get", 10000 },
		{ "svc.add", 10000 },	{ "apply.begin", 50000 }, { "apply.end", 50000 },
	};
	struct cli cli = { .run_dir = "/nonexistent" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
			cli_call_pf(&cli, "nic0", rows[i].method, json_object(), NULL, NULL), 0);
		assert_int_equal(waited_ms, rows[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_broken_into_iproute2s_lines),
		cmocka_unit_test(numbers_are_iproute2s),
		cmocka_unit_test(nothing_abbreviates_to_nothing),
		cmocka_unit_test(what_drivers_take_long_for_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
