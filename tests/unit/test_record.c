/* SPDX-License-Identifier: Apache-2.0 */
/* store/record: a document is the same as text and parsed; how many are parsed has a bound. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "store/record.h"

static const char text[] = "{\"id\":\"x\",\"name\":\"a\\\"\\u00e9\xc3\xa9\",\"n\":-7,\"on\":true,"
			   "\"none\":null,\"list\":[{\"id\":\"y\"}],\"real\":0.5}";

static void a_document_is_its_text(void **state)
{
	auto_of(json_decref) json_t *doc = json_loads(text, 0, NULL);
	auto_of(record_unref) struct record *read = record_of_text(text, strlen(text)),
					    *made = record_of(doc);
	auto_of(json_decref) json_t *again = record_read(read), *same = record_read(made);
	auto_free char *dumped = json_dumps(doc, JSON_COMPACT);
	size_t len;

	assert_true(json_equal(again, doc));
	assert_ptr_equal(same, doc);
	assert_string_equal(record_text(read, NULL), text);
	assert_string_equal(record_text(made, &len), dumped);
	assert_int_equal(len, strlen(dumped));
	record_close(made);
	assert_false(record_is_parsed(made));
	json_decref(take(same));
	same = record_read(made);
	assert_true(json_equal(same, doc));
	assert_null(record_of(NULL));
	assert_null(record_read(NULL));
}

static void what_is_picked_is_what_stands_there(void **state)
{
	static const char *const names[] = {
		"id", "name", "n", "on", "none", "list", "real", "no"
	};
	auto_of(json_decref) json_t *doc = json_loads(text, 0, NULL);
	auto_of(record_unref) struct record *rec = record_of_text(text, strlen(text));

	for (unsigned int set = 0; set < 1u << ARRAY_LEN(names); set++) {
		const char *wanted[ARRAY_LEN(names) + 1] = { NULL };
		auto_of(json_decref) json_t *some = NULL;
		unsigned int n = 0;

		for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
			if (set & 1u << i)
				wanted[n++] = names[i];
		some = record_pick(rec, wanted);
		assert_int_equal(json_object_size(some), n - !!(set & 1u << 7));
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(json_equal(json_object_get(some, wanted[i]),
						    json_object_get(doc, wanted[i])),
					 strcmp(wanted[i], "no") != 0);
	}
}

static void what_cannot_be_read_is_not_there(void **state)
{
	static const char *const broken[] = { "{\"id\":", "{\"id\":\"\xff\"}", "{\"id\":1x}",
					      "{\"id\":1,\"id\":2}" };
	static const char *const names[] = { "id", "other", NULL };

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		auto_of(record_unref) struct record *rec =
			record_of_text(broken[i], strlen(broken[i]));
		auto_of(json_decref) json_t *some = record_pick(rec, names);
		struct open_records open = { NULL };

		assert_null(record_read(rec));
		assert_null(record_open(rec, &open));
		assert_int_equal(open.n, 0);
		if (i < 3) /* which of two it is only who parses all of it tells */
			assert_null(some);
	}
}

static void some_stay_parsed_those_that_are_read_again(void **state)
{
	struct open_records open = { NULL };
	struct record *recs[100];
	char one[24];

	for (int i = 0; i < 100; i++) {
		recs[i] = record_of_text(one, (size_t)sprintf(one, "{\"n\":%d}", i));
		assert_int_equal(
			json_integer_value(json_object_get(record_open(recs[i], &open), "n")), i);
	}
	for (int i = 0; i < 100; i += 10)
		record_open(recs[i], &open);
	assert_int_equal(open.n, 100);
	record_unref(take(recs[99])); /* nobody else has it */
	open_records_trim(&open, 10);
	assert_int_equal(open.n, 10);
	for (int i = 0; i < 99; i++)
		assert_int_equal(record_is_parsed(recs[i]), i % 10 == 0);
	open_records_trim(&open, 0);
	assert_null(open.first);
	for (int i = 0; i < 99; i++) {
		auto_of(json_decref) json_t *doc = record_read(recs[i]);

		assert_false(record_is_parsed(recs[i]));
		assert_int_equal(json_integer_value(json_object_get(doc, "n")), i);
		record_unref(recs[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_its_text),
		cmocka_unit_test(what_is_picked_is_what_stands_there),
		cmocka_unit_test(what_cannot_be_read_is_not_there),
		cmocka_unit_test(some_stay_parsed_those_that_are_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
