/* SPDX-License-Identifier: Apache-2.0 */
/* base/members: what stands where in an object's text, and that no text leads beyond its end. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/members.h"

/* "name=value;" of each member, and how the walk ended; the text in memory of its own size. */
static int walk(const char *text, size_t len, char *out)
{
	auto_free char *alone = malloc(len ?: 1);
	struct members it = members_of(alone, len);
	struct member m;
	int rc;

	memcpy(alone, text, len);
	*out = '\0';
	while ((rc = members_next(&it, &m)) > 0)
		out += sprintf(out, "%.*s=%.*s;", (int)m.name_len, m.name, (int)m.value_len,
			       m.value);
	return rc;
}

static void members_stand_where_they_stand(void **state)
{
	static const char *const rows[][2] = {
		{ "{}", "" },
		{ " {\n} ", "" },
		{ "{\"a\":1}", "a=1;" },
		{ "{\"a\" : -1.5e+3 , \"b\":null }", "a=-1.5e+3;b=null;" },
		{ "{\"a\":\"}\",\"b\":\",\\\"}\\\\\",\"c\":true}",
		  "a=\"}\";b=\",\\\"}\\\\\";c=true;" },
		{ "{\"a\":{\"b\":[1,{\"c\":\"]}\"}]},\"d\":[]}",
		  "a={\"b\":[1,{\"c\":\"]}\"}]};d=[];" },
		{ "{\"\\\"\":0,\"\":\"\"}", "\\\"=0;=\"\";" },
	};
	char out[200];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = rows[i][0];

		assert_int_equal(walk(text, strlen(text), out), 0);
		assert_string_equal(out, rows[i][1]);
		/* Cut off, it is seen; what follows is, too. */
		for (size_t len = 0; len < strlen(text) && text[len] != '\0'; len++)
			if (strspn(text + len, " \n") < strlen(text + len))
				assert_int_equal(walk(text, len, out), -EBADMSG);
	}
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"null",
		"[]",
		"\"a\"",
		"{}{}",
		"{} x",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,,}",
		"{a:1}",
		"{\"a\":1 2}",
		"{\"a\":1;}",
		"{\"a\":[}",
		"{\"a\":\"\\\"}",
		"{\"a\"::1}",
		"{\"a\":1 \"b\":2}",
		"\\{}",
	};
	char out[200];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(walk(texts[i], strlen(texts[i]), out), -EBADMSG);
	assert_int_equal(walk("{\"a\":\0}", 7, out), -EBADMSG);
}

static void a_name_is_no_beginning_of_another(void **state)
{
	struct members it = members_of("{\"network_id\":1}", 16);
	struct member m;

	assert_int_equal(members_next(&it, &m), 1);
	assert_true(member_named(&m, "network_id"));
	assert_false(member_named(&m, "network"));
	assert_false(member_named(&m, "network_ids"));
	assert_false(member_named(&m, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_stand_where_they_stand),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(a_name_is_no_beginning_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
