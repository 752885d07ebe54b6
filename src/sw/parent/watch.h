/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a thread hangs: pure, but for the look at /proc. The child looks at its workers with it
 * (watchdog.c), the parent at the child's watchdog (parent.c).
 */
#ifndef ANYVF_SW_PARENT_WATCH_H
#define ANYVF_SW_PARENT_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCH_STEP_MS 500 /* a look stands for so much time at most */

/* A thread as it looked at one moment. */
struct watch_look {
	uint64_t now_ms; /* CLOCK_MONOTONIC */
	uint64_t rounds; /* it made, by its own count */
	uint64_t cpu_ms; /* CPU time it had since its start */
	char state;	 /* of /proc/PID/task/TID/stat: R, S, D, T ...; 0: not known */
	bool asleep;	 /* by its own word it waits for work */
};

struct watch {
	struct watch_look last;
	unsigned int hung_ms; /* what watch_step() answered */
};

unsigned int watch_step(struct watch *w, const struct watch_look *look, bool sleep_counts);
int watch_open(pid_t pid, pid_t tid);
bool watch_is(int fd, pid_t pid, pid_t tid);
void watch_read(int fd, struct watch_look *look);

#endif
