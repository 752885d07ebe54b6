/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about src/base/md5.h: RFC 1321's own vectors, and that the split of the input does not
 * matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/md5.h"
#include "base/util.h"

static void digests_are_those_of_the_rfc(void **state)
{
	static const char *const t[][2] = {
		{ "", "d41d8cd98f00b204e9800998ecf8427e" },
		{ "a", "0cc175b9c0f1b6a831c399e269772661" },
		{ "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		  "d174ab98d277d9f5a5611c2c9f419d9f" },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123456789"
		  "0",
		  "57edf4a22be3c955ac49da2e2107b67a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t out[MD5_LEN];
		char hex[2 * MD5_LEN + 1];

		md5(t[i][0], strlen(t[i][0]), out);
		for (int j = 0; j < MD5_LEN; j++)
			snprintf(hex + 2 * j, 3, "%02x", out[j]);
		assert_string_equal(hex, t[i][1]);
	}
}

static void split_of_the_input_does_not_matter(void **state)
{
	uint8_t data[300], whole[MD5_LEN], split[MD5_LEN];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		struct md5 m;

		md5(data, len, whole);
		md5_init(&m);
		for (size_t at = 0, n; at < len; at += n) {
			n = MIN(len - at, 1 + at % 70);
			md5_update(&m, data + at, n);
		}
		md5_final(&m, split);
		assert_memory_equal(whole, split, MD5_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_rfc),
		cmocka_unit_test(split_of_the_input_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
