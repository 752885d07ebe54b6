/* SPDX-License-Identifier: Apache-2.0 */
/* veb/storm: as many frames pass as the rate says, on any clock, for however many workers. */
#include "unit/unit.h"

#include <pthread.h>

#include "veb/storm.h"

static void the_rate_holds_on_any_clock(void **state)
{
	static const struct {
		uint32_t rate;
		uint64_t hz, start;
		unsigned int seconds, offered; /* frames a second */
	} cases[] = {
		{ 10, 1000, 0, 20, 100 },
		{ 7, 1000, 12345, 30, 500 },
		{ 1, 1000000, 5, 10, 50 },
		{ 1000, 2100000000, 1ull << 60, 5, 4000 }, /* sixteenths of ticks go round */
		{ 3333, 2100000000, UINT64_MAX / 16 - 1000, 5, 20000 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t n = (uint64_t)cases[i].seconds * cases[i].offered, passed = 0, due = 0;

		for (uint64_t k = 0; k < n; k++)
			passed += storm_take(&due, cases[i].rate, cases[i].hz,
					     cases[i].start + k * cases[i].hz / cases[i].offered);
		/* the bucket, and what came into it */
		assert_in_range(passed, cases[i].rate * (cases[i].seconds + 1) - 1,
				cases[i].rate * (cases[i].seconds + 1) + 1);
	}
}

static void a_second_may_come_at_once_and_no_more(void **state)
{
	uint64_t due = 0, now = 1000000;
	unsigned int passed = 0;

	for (unsigned int i = 0; i < 100; i++)
		passed += storm_take(&due, 25, 1000, now);
	assert_int_equal(passed, 25);
	assert_false(storm_take(&due, 25, 1000, now + 39));
	assert_true(storm_take(&due, 25, 1000, now + 40));
	now += 1ull << 40; /* long silence saves up nothing */
	for (unsigned int i = passed = 0; i < 100; i++)
		passed += storm_take(&due, 25, 1000, now);
	assert_int_equal(passed, 25);
}

static void a_clock_a_little_behind_empties_nothing(void **state)
{
	uint64_t due = 0;

	for (unsigned int i = 0; i < 10; i++)
		assert_true(storm_take(&due, 10, 1000, 5000));
	assert_false(storm_take(&due, 10, 1000, 4990));
	assert_false(storm_take(&due, 10, 1000, 5000));
}

static void a_new_rate_is_in_force_at_once(void **state)
{
	uint64_t due = 0;
	unsigned int passed = 0;

	assert_true(storm_take(&due, 1, 1000, 5000));
	assert_false(storm_take(&due, 1, 1000, 5500));
	for (unsigned int i = 0; i < 1000; i++)
		passed += storm_take(&due, 100, 1000, 5500);
	assert_int_equal(passed, 50); /* half of the second is over */
}

static uint64_t shared_due;

static void *draw(void *arg)
{
	for (unsigned int i = 0; i < 200000; i++)
		*(unsigned int *)arg += storm_take(&shared_due, 100000, 1000000, 777);
	return NULL;
}

static void workers_draw_from_one_bucket(void **state)
{
	unsigned int passed[2] = { 0, 0 };
	pthread_t other;

	assert_int_equal(pthread_create(&other, NULL, draw, &passed[0]), 0);
	draw(&passed[1]);
	pthread_join(other, NULL);
	assert_int_equal(passed[0] + passed[1], 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_holds_on_any_clock),
		cmocka_unit_test(a_second_may_come_at_once_and_no_more),
		cmocka_unit_test(a_clock_a_little_behind_empties_nothing),
		cmocka_unit_test(a_new_rate_is_in_force_at_once),
		cmocka_unit_test(workers_draw_from_one_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
