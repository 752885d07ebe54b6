/* SPDX-License-Identifier: Apache-2.0 */
/* The rule that tells a thread that hangs from one that had no chance to run. */
#include "sw/parent/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/util.h"

/**
 * watch_step() - Account for the time since the last look
 * @w:            what is known of the thread; zeroed before the first look
 * @look:         the thread now
 * @sleep_counts: time it sleeps in is time it could have run: it waits for nothing but a page fault
 *
 * Only time in which it could run counts, so that neither a stopped process, a starved thread nor a
 * machine that was suspended looks like a hang: the CPU time it had, and where @sleep_counts the
 * time it was found asleep in without having said so. One look stands for WATCH_STEP_MS at most,
 * whoever was late.
 *
 * Return: milliseconds since its last round in which it could run.
 */
unsigned int watch_step(struct watch *w, const struct watch_look *look, bool sleep_counts)
{
	const struct watch_look was = w->last;
	uint64_t passed = MIN(look->now_ms - was.now_ms, (uint64_t)WATCH_STEP_MS);
	bool moved = !was.now_ms || look->rounds != was.rounds || look->asleep || was.asleep;

	w->last = *look;
	if (moved)
		w->hung_ms = 0;
	else if (look->state == 'R')
		w->hung_ms += (unsigned int)MIN(passed, look->cpu_ms - was.cpu_ms);
	else if (sleep_counts && (look->state == 'S' || look->state == 'D'))
		w->hung_ms += (unsigned int)passed;
	return w->hung_ms;
}

/**
 * watch_open() - Begin to look at a thread
 * @pid: its process
 * @tid: the thread
 *
 * Return: descriptor for watch_read(), the caller's; or a negative errno.
 */
int watch_open(pid_t pid, pid_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * watch_is() - Whether another's descriptor is what watch_open() gives
 * @fd:  descriptor, or -1
 * @pid: as for watch_open()
 * @tid: likewise
 *
 * Its own /proc may be another mount: the end of the name and the file system tell.
 */
bool watch_is(int fd, pid_t pid, pid_t tid)
{
	char link[32], want[64], name[256];
	struct statfs fs;
	ssize_t n, len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = snprintf(want, sizeof(want), "/%d/task/%d/stat", pid, tid);
	n = readlink(link, name, sizeof(name));
	if (n < len || n == sizeof(name) || memcmp(name + n - len, want, (size_t)len))
		return false;
	return !fstatfs(fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

/**
 * watch_read() - State and CPU time of a thread
 * @fd:   from watch_open()
 * @look: gets state and cpu_ms; state 0 if they cannot be read, as of a thread that is gone
 *
 * Source: proc(5), /proc/pid/stat: fields 3, 14 and 15.
 */
void watch_read(int fd, struct watch_look *look)
{
	unsigned long user, system;
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	const char *at;

	look->state = 0;
	look->cpu_ms = 0;
	text[MAX(n, (ssize_t)0)] = 0;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	if (!at || sscanf(at, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &look->state,
			  &user, &system) != 3)
		return;
	look->cpu_ms = (user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
}
