/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the helper threads: lanes apart, owners in turn, queues bounded. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "engine/impl.h"

#define A 1
#define B 2

struct fix {
	struct loop *loop;
	struct jobs *jobs;
	sem_t begun, gate[2]; /* one gate a thread of the lane */
	char order[16];	      /* whose jobs ran; the threads' but one held back, so one at a time */
	unsigned int n, done, put_off;
};
struct task {
	struct fix *f;
	sem_t *wait; /* until then the thread is held; or NULL */
	char name;   /* or '\0': not to be noted */
};

static void work(void *arg)
{
	struct task *t = arg;

	if (t->wait) {
		sem_post(&t->f->begun);
		sem_wait(t->wait);
	} else if (t->name) {
		t->f->order[t->f->n++] = t->name;
	}
}

static void done(void *arg)
{
	struct fix *f = arg;

	f->done++;
}

static void put_off(void *arg)
{
	struct fix *f = arg;

	f->put_off++;
}

static int add(struct fix *f, enum lane_id lane, uint64_t owner, struct task *t)
{
	t->f = f;
	return jobs_add(f->jobs, lane, owner, &(struct job){ work, t, done, put_off, f });
}

/* Both threads of a lane are busy: what is queued now waits. */
static void hold(struct fix *f, enum lane_id lane, struct task held[2])
{
	for (int i = 0; i < 2; i++) {
		held[i].wait = &f->gate[i];
		assert_int_equal(add(f, lane, 100, &held[i]), 0);
		sem_wait(&f->begun);
	}
}

static void wait_done(struct fix *f, unsigned int n)
{
	while (f->done < n)
		loop_turn(f->loop, 1000);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->loop = loop_new(NULL);
	f->jobs = jobs_new(f->loop, NULL);
	sem_init(&f->begun, 0, 0);
	sem_init(&f->gate[0], 0, 0);
	sem_init(&f->gate[1], 0, 0);
	*state = f;
	return f->loop && f->jobs ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	jobs_free(f->jobs);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void owners_of_a_lane_take_turns(void **state)
{
	struct fix *f = *state;
	struct task held[2] = { 0 }, a = { .name = 'a' }, b = { .name = 'b' };

	hold(f, LANE_LOGIN, held);
	for (int i = 0; i < 4; i++)
		assert_int_equal(add(f, LANE_LOGIN, A, &a), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(add(f, LANE_LOGIN, B, &b), 0);
	sem_post(&f->gate[0]);
	wait_done(f, 7);
	assert_string_equal(f->order, "ababaa");
	sem_post(&f->gate[1]);
	wait_done(f, 8);
}

static void an_owner_that_comes_later_is_not_behind_old_rounds(void **state)
{
	struct fix *f = *state;
	struct task held[2] = { 0 }, again = { .wait = &f->gate[0] }, a = { .name = 'a' },
		    b = { .name = 'b' };

	hold(f, LANE_LOGIN, held);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(f, LANE_LOGIN, A, &a), 0);
	assert_int_equal(add(f, LANE_LOGIN, A, &again), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(add(f, LANE_LOGIN, A, &a), 0);
	sem_post(&f->gate[0]);
	sem_wait(&f->begun); /* the lane is in round 3 */
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(f, LANE_LOGIN, B, &b), 0);
	sem_post(&f->gate[0]);
	wait_done(f, 10);
	assert_string_equal(f->order, "aaababab"); /* not "aaabbbaa": B has no rounds to make up */
	sem_post(&f->gate[1]);
	wait_done(f, 11);
}

static void who_has_few_jobs_takes_the_place_of_one_who_has_many(void **state)
{
	struct fix *f = *state;
	struct task held[2] = { 0 }, many = { 0 }, few = { 0 };
	unsigned int n = 0, owners = 0;

	hold(f, LANE_LOGIN, held);
	for (uint64_t owner = 1000; owner < 1004; owner++)
		for (n = 0; !add(f, LANE_LOGIN, owner, &many); n++)
			assert_true(n < 64);
	assert_int_equal(n, 64); /* one owner does not fill a lane; four do */
	while (!add(f, LANE_LOGIN, B + owners, &few))
		owners++;
	assert_int_equal(owners, 252); /* each of the four is left his first */
	assert_int_equal(add(f, LANE_LOGIN, B, &few), -EBUSY);
	sem_post(&f->gate[0]);
	sem_post(&f->gate[1]);
	wait_done(f, 2 + 256);
	assert_int_equal(f->put_off, 252);
}

static void lanes_do_not_wait_for_each_other(void **state)
{
	struct fix *f = *state;
	struct task held[2] = { 0 }, known = { .name = 'k' }, file = { .name = 'f' };

	hold(f, LANE_LOGIN, held);
	assert_int_equal(add(f, LANE_KNOWN, A, &known), 0);
	wait_done(f, 1);
	assert_int_equal(add(f, LANE_FILE, A, &file), 0);
	wait_done(f, 2);
	assert_string_equal(f->order, "kf");
	sem_post(&f->gate[0]);
	sem_post(&f->gate[1]);
	wait_done(f, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(owners_of_a_lane_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(an_owner_that_comes_later_is_not_behind_old_rounds,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_has_few_jobs_takes_the_place_of_one_who_has_many, setup, teardown),
		cmocka_unit_test_setup_teardown(lanes_do_not_wait_for_each_other, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
