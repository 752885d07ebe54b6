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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_order),
		cmocka_unit_test(bound_is_kept_and_refusal_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
