/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a daemon: its wall clock is as many seconds ahead as the file ANYVF_TEST_WALL says. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	const char *path = getenv("ANYVF_TEST_WALL");
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);
	FILE *f = clock == CLOCK_REALTIME && path ? fopen(path, "re") : NULL;
	long ahead_s = 0;

	if (!f)
		return rc;
	if (fscanf(f, "%ld", &ahead_s) == 1)
		ts->tv_sec += ahead_s;
	fclose(f);
	return rc;
}
