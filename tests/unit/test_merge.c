/* SPDX-License-Identifier: Apache-2.0 */
/* base/merge: RFC 7396, and its inverse. */
#include "unit/unit.h"

#include "base/field.h"
#include "base/merge.h"

/* From, to, and what turns the one into the other; examples of RFC 7396, appendix A, among them. */
static const char *const rows[][3] = {
	{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"a\":\"b\",\"b\":\"c\"}", "{\"b\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{}", "{\"a\":null}" },
	{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"b\":\"c\"}", "{\"a\":null}" },
	{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
	{ "{\"a\":{\"b\":\"c\",\"f\":1}}", "{\"a\":{\"b\":\"d\",\"f\":1}}", "{\"a\":{\"b\":\"d\"}}" },
	{ "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{\"c\":null}}}" },
	{ "{\"a\":{\"b\":1}}", "{\"a\":2}", "{\"a\":2}" },
	{ "{\"a\":2}", "{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{}}}" },
	{ "{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}", "{}" },
};

static void what_was_made_turns_the_one_into_the_other(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(json_decref) json_t *from = json_loads(rows[i][0], 0, NULL);
		auto_of(json_decref) json_t *to = json_loads(rows[i][1], 0, NULL);
		auto_of(json_decref) json_t *patch = json_loads(rows[i][2], 0, NULL);
		auto_of(json_decref) json_t *made = json_object();

		assert_int_equal(merge_make(from, to, made), 0);
		assert_true(json_equal(made, patch));
		assert_int_equal(merge_apply(from, patch), 0);
		assert_true(json_equal(from, to));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_made_turns_the_one_into_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
