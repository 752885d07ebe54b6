/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed documents: who opens them, where, and what a file of keys may say. */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "store/seal.h"

#define KEY_A "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static char path[32]; /* of a file of keys */

static void write_keys(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* What is stored under a key, opened by a file's keys: its "n"; < 0: it is not. */
static int open_sealed(const char *keys, const char *key, const char *text, char why[512])
{
	auto_of(seal_free) struct seal *s = NULL;
	auto_of(json_decref) json_t *doc = NULL;
	auto_free char *opened = NULL;
	struct err e = { 0 };
	size_t len = 0;

	write_keys(keys ? keys : "");
	if (keys)
		assert_int_equal(seal_load(path, &s, NULL), 0);
	opened = seal_read(s, key, text, strlen(text), &len, &e);
	doc = opened ? json_loadb(opened, len, 0, NULL) : NULL;
	strcpy(why, e.msg);
	return doc ? (int)json_integer_value(json_object_get(doc, "n")) : -1;
}

static char *sealed_by(const char *keys, const char *key, json_t *doc)
{
	auto_of(seal_free) struct seal *s = NULL;
	auto_free char *text = json_dumps(doc, JSON_COMPACT);

	json_decref(doc);
	write_keys(keys);
	assert_int_equal(seal_load(path, &s, NULL), 0);
	return seal_write(s, key, text, strlen(text));
}

static void sealed_documents_open_in_their_place_only(void **state)
{
	auto_free char *old = sealed_by("# the first\n" KEY_A, "/u/1", json_pack("{s:i}", "n", 7));
	auto_free char *new = sealed_by(KEY_B KEY_A, "/u/1", json_pack("{s:i}", "n", 8));
	char why[512], *at;

	assert_non_null(strstr(old, "{\"sealed\":\"a\",\"text\":\""));
	assert_non_null(strstr(new, "{\"sealed\":\"b\",\"text\":\""));
	assert_int_equal(open_sealed(KEY_B KEY_A, "/u/1", old, why), 7); /* with overlap */
	assert_int_equal(open_sealed(KEY_A KEY_B, "/u/1", new, why), 8);
	assert_int_equal(open_sealed(KEY_A, "/u/2", old, why), -1);
	assert_string_equal(why, "/u/2: not what was sealed for this place");
	assert_int_equal(open_sealed(KEY_A, "/u/1", new, why), -1);
	assert_string_equal(why, "/u/1: sealed with the key \"b\", which is not here");
	assert_int_equal(open_sealed(NULL, "/u/1", old, why), -1);
	assert_int_equal(
		open_sealed("a AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "/u/1", old, why),
		-1); /* of the same name */
	at = old + strlen(old) - 8;
	memmove(at, at + 4, 5); /* truncated, and still base64 */
	assert_int_equal(open_sealed(KEY_A, "/u/1", old, why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1", "{\"sealed\":\"a\",\"text\":\"\"}", why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1", "{\"sealed\":\"a\",\"text\":\"?\"}", why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1", "{\"sealed\":\"a\",\"text\":\"\"", why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1", "{\"sealed\":\"\",\"text\":\"\"}", why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1",
				     "{\"sealed\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
				     "\"text\":\"\"}",
				     why),
			 -1);
	assert_string_equal(why, "/u/1: not sealed");
	assert_int_equal(open_sealed(KEY_A, "/u/1", "[]", why), -1);
	assert_int_equal(open_sealed(KEY_A, "/u/1", "{\"n\":1,\"n\":2}", why), -1);
}

static void what_is_not_sealed_is_believed_where_a_file_says_so(void **state)
{
	auto_free char *own = sealed_by(
		KEY_A, "/u", json_pack("{s:s, s:s, s:i}", "sealed", "b", "text", "x", "n", 3));
	auto_free char *two =
		sealed_by(KEY_A, "/u", json_pack("{s:s, s:s}", "sealed", "b", "text", "x"));
	char why[512];

	assert_int_equal(open_sealed(KEY_A, "/u", own, why), 3); /* a tenant's own members */
	assert_int_equal(open_sealed(KEY_A, "/u", two, why), 0);
	assert_int_equal(open_sealed(NULL, "/u", "{\"n\":4}", why), 4);
	assert_int_equal(open_sealed("plain\n" KEY_A, "/u", "{\"n\":4}", why), 4);
	assert_int_equal(open_sealed(KEY_A, "/u", "{\"n\":4}", why), -1);
	assert_string_equal(why, "/u: not sealed");
}

static void files_of_keys_are_checked(void **state)
{
	static const struct {
		const char *text;
		int line; /* that is wrong; 0: none of them */
	} rows[] = {
		{ "", 0 },
		{ "# nothing\n\n", 0 },
		{ "plain\n", 0 },
		{ KEY_A "b\n", 2 },
		{ KEY_A "b \n", 2 },
		{ KEY_A " AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 2 },
		{ "b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 1 },	   /* 30 bytes */
		{ "b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 1 }, /* 33 */
		{ "b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \n", 1 },
		{ "\"b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 1 },
		{ "abcdefghijabcdefghijabcdefghijab AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		  1 },
		{ KEY_B KEY_A KEY_B, 3 },
	};
	char want[96];

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct seal *s = NULL;
		struct err e = { 0 };

		write_keys(rows[i].text);
		snprintf(want, sizeof(want), rows[i].line ? "%s:%d: " : "%s: no key", path,
			 rows[i].line);
		assert_int_equal(seal_load(path, &s, &e), -EINVAL);
		assert_non_null(strstr(e.msg, want));
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(seal_make(path, NULL), 0);
	assert_int_equal(seal_make(path, NULL), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_documents_open_in_their_place_only),
		cmocka_unit_test(what_is_not_sealed_is_believed_where_a_file_says_so),
		cmocka_unit_test(files_of_keys_are_checked),
	};
	int rc;

	strcpy(path, "/tmp/anyvf-keys-XXXXXX");
	close(mkstemp(path));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
