/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about failed logins: who is put off, for how long, and who never is. */
#include "unit.h"

#include <stdio.h>

#include "identity/guard.h"

#define HOME "192.0.2.1"
#define AWAY "198.51.100.7"

/* Tries with a wrong password until put off; how often that went, and the wait. */
static unsigned int guess(struct guard *g, const char *user, const char *address, uint64_t now_ms,
			  uint64_t *wait_ms)
{
	struct guard_key key = guard_key(g, user, address);
	unsigned int n = 0;

	while (!(*wait_ms = guard_wait_ms(g, &key, now_ms)) && n < 1000) {
		guard_failed(g, &key, now_ms);
		n++;
	}
	return n;
}

static void a_user_has_five_tries_and_one_each_ten_seconds(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	uint64_t wait;

	assert_int_equal(guess(g, "u", HOME, 1000, &wait), 5);
	assert_int_equal(wait, 10000);
	assert_int_equal(guess(g, "u", HOME, 10999, &wait), 0);
	assert_int_equal(wait, 1);
	assert_int_equal(guess(g, "u", HOME, 11000, &wait), 1);
	assert_int_equal(guess(g, "u", HOME, 41000, &wait), 3);
	assert_int_equal(guess(g, "u", HOME, 1000000, &wait), 5);
}

static void who_mistypes_twice_is_not_bothered(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	struct guard_key key = guard_key(g, "u", HOME);

	for (unsigned int day = 0; day < 1000; day++) {
		for (unsigned int i = 0; i < 2; i++) {
			assert_int_equal(guard_wait_ms(g, &key, day), 0);
			guard_failed(g, &key, day);
		}
		assert_int_equal(guard_wait_ms(g, &key, day), 0);
		guard_passed(g, &key);
	}
}

static void guesses_elsewhere_lock_nobody_out(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	uint64_t wait;

	assert_int_equal(guess(g, "u", AWAY, 0, &wait), 5);
	assert_int_equal(guess(g, "u", HOME, 0, &wait), 5);
	assert_int_equal(guess(g, "v", HOME, 0, &wait), 5);
}

static void an_address_has_sixty_tries_at_all_names(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	unsigned int n = 0, users = 0;
	uint64_t wait;
	char name[16];

	do {
		snprintf(name, sizeof(name), "u%u", users++);
		n += guess(g, name, HOME, 0, &wait);
	} while (users < 100);
	assert_int_equal(n, 60);
	assert_int_equal(wait, 1000);
	assert_int_equal(guess(g, "another", HOME, 2000, &wait), 2);
	assert_int_equal(guess(g, "another", AWAY, 0, &wait), 5);
}

static void who_has_logged_in_there_is_not_put_off_by_others(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	struct guard_key key = guard_key(g, "u", HOME), other = guard_key(g, "u", AWAY);
	uint64_t wait;
	char name[16];

	assert_false(guard_knows(g, &key));
	guard_passed(g, &key);
	assert_true(guard_knows(g, &key));
	assert_false(guard_knows(g, &other));
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		guess(g, name, HOME, 0, &wait);
	}
	assert_int_equal(guess(g, "u", HOME, 0, &wait), 5); /* his own failures count */
}

/* Else one password that is known would buy guesses at all others. */
static void logging_in_forgives_no_failures_of_others(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	struct guard_key eve = guard_key(g, "eve", HOME), key = guard_key(g, "u0", HOME);
	unsigned int n = 0;
	uint64_t wait;
	char name[16];

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "u%u", i % 20);
		n += guess(g, name, HOME, 0, &wait);
		guard_passed(g, &eve);
	}
	assert_int_equal(n, 60);
	assert_int_equal(guard_wait_ms(g, &key, 0), 10000);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	uint64_t wait;

	assert_int_equal(guess(g, "u", "2001:db8::1", 0, &wait), 5);
	assert_int_equal(guess(g, "u", "2001:db8::2:2", 0, &wait), 0);
	assert_int_equal(guess(g, "u", "2001:db8:0:1::1", 0, &wait), 5);
}

/* A flood of names takes no more memory, and those asked for now and then stay. */
static void many_names_do_not_wash_out_the_few(void **state)
{
	auto_of(guard_free) struct guard *g = guard_new();
	struct guard_key key = guard_key(g, "u", HOME);
	uint64_t wait;
	char name[32];

	assert_int_equal(guess(g, "u", HOME, 0, &wait), 5);
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "10.%u.%u.1", i >> 8, i & 255);
		guess(g, "x", name, 0, &wait);
		if (i % 64 == 0)
			assert_int_equal(guard_wait_ms(g, &key, 0), 10000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_has_five_tries_and_one_each_ten_seconds),
		cmocka_unit_test(who_mistypes_twice_is_not_bothered),
		cmocka_unit_test(guesses_elsewhere_lock_nobody_out),
		cmocka_unit_test(an_address_has_sixty_tries_at_all_names),
		cmocka_unit_test(who_has_logged_in_there_is_not_put_off_by_others),
		cmocka_unit_test(logging_in_forgives_no_failures_of_others),
		cmocka_unit_test(a_network_of_ipv6_is_one_address),
		cmocka_unit_test(many_names_do_not_wash_out_the_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
