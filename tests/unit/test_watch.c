/* SPDX-License-Identifier: Apache-2.0 */
/* When a thread hangs, and when it only had no chance to run. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "sw/parent/watch.h"

/* Ten looks like the last of which, @every ms apart; what the tenth says. */
static const struct row {
	const char *what;
	unsigned int every_ms;
	unsigned int cpu_ms; /* it had between two looks */
	char state;
	bool asleep;
	unsigned int rounds; /* it made between two looks */
	bool sleep_counts;
	unsigned int hung_ms;
} rows[] = {
	{ "spins", 250, 250, 'R', false, 0, true, 2250 },
	{ "spins, half its core is another's", 250, 125, 'R', false, 0, true, 1125 },
	{ "starved: has no core at all", 250, 0, 'R', false, 0, true, 0 },
	{ "sleeps in a fault that signals end", 250, 0, 'S', false, 0, true, 2250 },
	{ "sleeps in a fault that they do not", 250, 0, 'D', false, 0, true, 2250 },
	{ "sleeps where that may be", 250, 0, 'D', false, 0, false, 0 },
	{ "spins where it may sleep", 250, 250, 'R', false, 0, false, 2250 },
	{ "waits for work", 250, 0, 'S', true, 0, true, 0 },
	{ "works", 250, 250, 'R', false, 1, true, 0 },
	{ "works, and is caught asleep", 250, 10, 'S', false, 1, true, 0 },
	{ "is stopped", 250, 0, 'T', false, 0, true, 0 },
	{ "is debugged", 250, 0, 't', false, 0, true, 0 },
	{ "is gone", 250, 0, 0, false, 0, true, 0 },
	{ "spins, and whoever looks is late", 60000, 60000, 'R', false, 0, true,
	  9 * WATCH_STEP_MS },
	{ "the machine was stopped between two looks", 60000, 0, 'R', false, 0, true, 0 },
	{ "clock ticks are coarser than looks", 5, 10, 'R', false, 0, true, 45 },
};

static void only_time_it_could_have_run_in_counts(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct watch w = { 0 };
		unsigned int hung = 0;

		for (unsigned int n = 0; n < 10; n++) {
			const struct watch_look look = {
				.now_ms = 1000 + n * (uint64_t)r->every_ms,
				.cpu_ms = 500 + n * (uint64_t)r->cpu_ms,
				.rounds = 7 + n * (uint64_t)r->rounds,
				.state = r->state,
				.asleep = r->asleep,
			};
			hung = watch_step(&w, &look, r->sleep_counts);
		}
		if (hung != r->hung_ms)
			fail_msg("%s: %u, not %u", r->what, hung, r->hung_ms);
	}
}

static void one_round_and_it_does_not_hang(void **state)
{
	struct watch_look look = { .now_ms = 1, .state = 'R' };
	struct watch w = { 0 };

	watch_step(&w, &look, true);
	look.now_ms += 400;
	look.cpu_ms += 400;
	assert_int_equal(watch_step(&w, &look, true), 400);
	look.now_ms += 400;
	look.cpu_ms += 400;
	look.rounds++;
	assert_int_equal(watch_step(&w, &look, true), 0);
	look.asleep = true; /* it went to sleep and came back between two looks */
	assert_int_equal(watch_step(&w, &look, true), 0);
	look.asleep = false;
	look.now_ms += 400;
	look.cpu_ms += 400;
	assert_int_equal(watch_step(&w, &look, true), 0);
}

static struct watch_look look_at(pid_t pid)
{
	struct watch_look look = { 0 };
	int fd = watch_open(pid, pid);

	assert_true(fd >= 0);
	watch_read(fd, &look);
	close(fd);
	return look;
}

static void a_look_tells_state_and_cpu_time(void **state)
{
	struct timespec cpu = { 0 };
	struct watch_look look;
	pid_t pid;

	while (cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000 < 60)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	look = look_at(getpid());
	assert_int_equal(look.state, 'R');
	assert_in_range(look.cpu_ms, 20, 60000);
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	assert_int_equal(look_at(pid).state, 'T');
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(watch_open(pid, pid) < 0);
}

static void anothers_file_of_a_thread_is_told_from_all_others(void **state)
{
	pid_t self = getpid();
	auto_close int own = watch_open(self, self), parent = watch_open(getppid(), getppid());
	auto_close int status = open("/proc/thread-self/status", O_RDONLY), feigned = -1;
	char dir[] = "/tmp/anyvf-watch-XXXXXX", path[256];

	assert_true(own >= 0 && parent >= 0 && status >= 0 && mkdtemp(dir));
	snprintf(path, sizeof(path), "mkdir -p %s/%d/task/%d", dir, self, self);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/%d/task/%d/stat", dir, self, self);
	feigned = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(watch_is(own, self, self));
	assert_false(watch_is(own, self, self + 1));
	assert_false(watch_is(own, self + 1, self));
	assert_false(watch_is(parent, self, self));
	assert_false(watch_is(status, self, self));
	assert_true(feigned >= 0);
	assert_false(watch_is(feigned, self, self)); /* the name is right */
	assert_false(watch_is(-1, self, self));
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_time_it_could_have_run_in_counts),
		cmocka_unit_test(one_round_and_it_does_not_hang),
		cmocka_unit_test(a_look_tells_state_and_cpu_time),
		cmocka_unit_test(anothers_file_of_a_thread_is_told_from_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
