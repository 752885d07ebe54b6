/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about src/compute/sshkey.c: which lines are public keys, and that a new pair is a pair. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "compute/sshkey.h"

/* Its fingerprint below is what `ssh-keygen -E md5 -lf` prints. */
#define LINE                                                                                       \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID4Ol5y3fjKf6VQMUGhqeIhvzL6+ECJlWRx08834qTbi me@here"

static void fingerprint_is_the_md5_of_the_key(void **state)
{
	char out[SSHKEY_FINGERPRINT_LEN];

	assert_int_equal(sshkey_fingerprint(LINE, out, NULL), 0);
	assert_string_equal(out, "2b:a0:99:da:f6:9a:54:c3:a9:1c:1f:5b:f5:bf:09:76");
}

static void lines_that_are_no_key_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"ssh-rsa",
		"ssh-rsa ",
		"ssh-rsa !!!!",
		"ssh-rsa AAAA",
		"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAID4Ol5y3fjKf6VQMUGhqeIhvzL6+ECJlWRx08834qTbi",
		" AAAAC3NzaC1lZDI1NTE5AAAAID4Ol5y3fjKf6VQMUGhqeIhvzL6+ECJlWRx08834qTbi",
	};
	char out[SSHKEY_FINGERPRINT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sshkey_fingerprint(bad[i], out, NULL), -EINVAL);
}

static void new_pair_has_a_good_public_half_and_a_pem(void **state)
{
	auto_free char *pub = NULL, *pem = NULL;
	char out[SSHKEY_FINGERPRINT_LEN];

	assert_int_equal(sshkey_generate("Generated-by-anyvf", &pub, &pem, NULL), 0);
	assert_int_equal(sshkey_fingerprint(pub, out, NULL), 0);
	assert_ptr_equal(strstr(pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n"), pem);
	assert_non_null(strstr(pem, "\n-----END OPENSSH PRIVATE KEY-----\n"));
}

static void overlong_comment_is_refused(void **state)
{
	auto_free char *pub = NULL, *pem = NULL;
	char comment[2048];

	memset(comment, 'a', sizeof(comment) - 1);
	comment[sizeof(comment) - 1] = '\0';
	assert_int_equal(sshkey_generate(comment, &pub, &pem, NULL), -EINVAL);
	assert_null(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint_is_the_md5_of_the_key),
		cmocka_unit_test(lines_that_are_no_key_are_refused),
		cmocka_unit_test(new_pair_has_a_good_public_half_and_a_pem),
		cmocka_unit_test(overlong_comment_is_refused),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
