/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sw/purse with veb/meter: shares of an overloaded worker, played on a clock of our own: sources in
 * turn, bursts of 128 frames, and time passes by what they cost.
 */
#include "unit/unit.h"

#include "sw/data/purse.h"
#include "veb/meter.h"

#define HZ	  1000000000ull
#define CAPACITY  20000u /* of the worker, Mbit/s of cost */
#define FRAME	  1000u	 /* bytes */
#define COST	  1256u	 /* of a frame */
#define BURST	  128u
#define SOURCES	  10u
#define WARM_UP	  (HZ / 10)
#define MEASURED  (HZ / 2)
#define MBIT(sum) ((sum)*8 * HZ / MEASURED / 1000000)

struct source {
	uint32_t min, offered; /* Mbit/s; offered 0: nothing */
	struct purse purse;
	struct meter floor;
	uint64_t sent, counted; /* bytes in all; of them, in the time that is measured */
};

static uint64_t time_of(uint64_t cost)
{
	return cost * 8 * HZ / (CAPACITY * 1000000ull);
}

static uint64_t waiting(const struct source *s, uint64_t now)
{
	uint64_t all = (uint64_t)((unsigned __int128)s->offered * 125000 * now / HZ);

	return all > s->sent ? (all - s->sent) / FRAME : 0;
}

/* As turn() in worker.c. */
static uint64_t turn(struct source *s, uint64_t now)
{
	uint64_t frames, spent = 0;

	purse_open(&s->purse, s->min ? meter_room(&s->floor, now) : 0);
	do {
		int64_t budget = purse_budget(&s->purse);

		if (budget <= 0)
			break;
		frames = MIN(MAX((uint64_t)budget / COST, 1ul), (uint64_t)BURST);
		frames = MIN(frames, waiting(s, now));
		s->sent += frames * FRAME;
		if (now >= WARM_UP)
			s->counted += frames * FRAME;
		if (s->purse.owed)
			meter_spend(&s->floor, purse_serve(&s->purse, frames * FRAME));
		purse_charge(&s->purse, (int64_t)(frames * COST), (int64_t)(frames * COST));
		spent += frames * COST;
	} while (frames == BURST || (s->purse.owed && frames && waiting(s, now)));
	return time_of(spent);
}

static void play(struct source *s)
{
	for (unsigned int i = 0; i < SOURCES; i++)
		meter_init(&s[i].floor, s[i].min, PURSE_OWED_MS, HZ, 0);
	for (uint64_t now = 1; now < WARM_UP + MEASURED;) {
		uint64_t was = now;

		for (unsigned int i = 0; i < SOURCES; i++)
			now += turn(&s[i], now);
		now += now == was ? 1000 : 0;
	}
}

#define ALL 15923 /* what a worker carries that is never idle: CAPACITY * FRAME / COST */

static void minimum_rates_hold_and_the_rest_is_shared_by_all(void **state)
{
	static const struct {
		const char *what;
		uint32_t min[2], offered[2]; /* of the first two; the others offer all they can */
		uint32_t get[2], others;     /* Mbit/s each */
	} cases[] = {
		{ "no minimum", { 0, 0 }, { 30000, 30000 }, { 1592, 1592 }, 1592 },
		{ "below the fair share", { 500, 0 }, { 30000, 30000 }, { 1592, 1592 }, 1592 },
		{ "half of all", { 8000, 0 }, { 30000, 30000 }, { 8000, 880 }, 880 },
		{ "two", { 6000, 4000 }, { 30000, 30000 }, { 6000, 4000 }, 740 },
		{ "not wanted", { 8000, 0 }, { 0, 30000 }, { 0, 1769 }, 1769 },
		{ "wanted in part", { 8000, 0 }, { 3000, 30000 }, { 3000, 1436 }, 1436 },
		{ "little offered", { 8000, 0 }, { 100, 30000 }, { 100, 1758 }, 1758 },
	};

	for (unsigned int k = 0; k < ARRAY_LEN(cases); k++) {
		struct source s[SOURCES] = { 0 };
		uint64_t sum = 0;

		for (unsigned int i = 0; i < SOURCES; i++) {
			s[i].min = i < 2 ? cases[k].min[i] : 0;
			s[i].offered = i < 2 ? cases[k].offered[i] : 30000;
		}
		play(s);
		for (unsigned int i = 0; i < SOURCES; i++) {
			uint64_t want = i < 2 ? cases[k].get[i] : cases[k].others;

			if (MBIT(s[i].counted) < want * 97 / 100 ||
			    MBIT(s[i].counted) > want * 103 / 100)
				fail_msg("%s: source %u got %lu Mbit/s, not %lu", cases[k].what, i,
					 (unsigned long)MBIT(s[i].counted), (unsigned long)want);
			sum += s[i].counted;
		}
		assert_in_range(MBIT(sum), ALL * 98 / 100, ALL * 102 / 100);
	}
}

static void promises_above_what_is_there_are_kept_in_proportion(void **state)
{
	struct source s[SOURCES] = { 0 };

	for (unsigned int i = 0; i < SOURCES; i++)
		s[i].offered = 90000;
	s[0].min = s[1].min = 8000;
	s[2].min = s[3].min = 4000;
	play(s);
	assert_in_range(s[0].counted * 100 / s[2].counted, 180, 220);
	assert_in_range(s[0].counted * 100 / s[1].counted, 95, 105);
	for (unsigned int i = 4; i < SOURCES; i++)
		assert_true(s[i].counted > 0);
}

/* Frames of one turn that has all it wants; each costs @copies. */
static uint64_t longest_turn(unsigned int copies)
{
	struct purse p = { 0 };
	uint64_t n = 0;

	purse_open(&p, UINT64_MAX);
	for (; purse_budget(&p) > 0; n++) {
		purse_serve(&p, FRAME);
		purse_charge(&p, copies * COST, COST);
	}
	return n;
}

/* However much is promised, and however dear the frames are, a turn ends. */
static void an_absurd_promise_does_not_keep_the_others_waiting(void **state)
{
	assert_in_range(longest_turn(1), PURSE_OWED_MAX / FRAME, PURSE_OWED_MAX / FRAME + 300);
	assert_in_range(longest_turn(64), 1, PURSE_OWED_MAX / COST / 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimum_rates_hold_and_the_rest_is_shared_by_all),
		cmocka_unit_test(an_absurd_promise_does_not_keep_the_others_waiting),
		cmocka_unit_test(promises_above_what_is_there_are_kept_in_proportion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
