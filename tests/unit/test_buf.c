/* SPDX-License-Identifier: Apache-2.0 */
/* base/buf: bytes come out in order, the bound holds, an empty buffer keeps no memory. */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static void bytes_leave_in_order(void **state)
{
	struct buf b = { 0 };

	assert_int_equal(buf_add(&b, "hello ", 6, 100), 0);
	assert_int_equal(buf_add(&b, "world", 5, 100), 0);
	buf_drop(&b, 6);
	assert_string_equal(b.data, "world");
	buf_drop(&b, 5);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void bound_is_kept_and_refusal_changes_nothing(void **state)
{
	struct buf b = { 0 };

	assert_int_equal(buf_add(&b, "12345", 5, 5), 0);
	assert_int_equal(buf_add(&b, "6", 1, 5), -EMSGSIZE);
	assert_int_equal(buf_add(&b, "6", SIZE_MAX, 5), -EMSGSIZE);
	assert_string_equal(b.data, "12345");
	buf_fini(&b);
}

static void a_large_one_keeps_its_bytes(void **state)
{
	struct buf b = { 0 };

	for (unsigned int i = 0; i < 3000000; i++)
		assert_int_equal(buf_add(&b, &i, sizeof(i), SIZE_MAX - 1), 0);
	assert_int_equal(b.len, 12000000);
	assert_int_equal(b.data[b.len], '\0');
	for (unsigned int i = 0; i < 3000000; i++)
		if (memcmp(b.data + sizeof(i) * i, &i, sizeof(i)) != 0)
			fail();
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_order),
		cmocka_unit_test(bound_is_kept_and_refusal_changes_nothing),
		cmocka_unit_test(a_large_one_keeps_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
