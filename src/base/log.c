/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon log on stderr; whoever starts the daemon decides where that goes. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = { "err", "warn", "info", "debug" };

/* Writer: log_open(), before any thread starts. */
static char log_ident[32] = "anyvf";
static enum log_level log_max = LOG_LEVEL_INFO;

/**
 * log_open() - Name this process in its log and choose how much it says
 * @ident: short program name, copied
 * @max:   messages above this level are left out
 *
 * Context: main(), before threads.
 */
void log_open(const char *ident, enum log_level max)
{
	snprintf(log_ident, sizeof(log_ident), "%s", ident);
	log_max = max;
}

/**
 * log_write() - Write one event as one line
 * @level: see enum log_level
 * @what:  the event as a phrase
 * @fmt:   printf format of "key=value key=value", may be ""
 *
 * The line leaves in one write(), so lines of several threads do not mix. Longer lines are cut.
 * Context: any thread but a worker: workers count, they do not log.
 */
void log_write(enum log_level level, const char *what, const char *fmt, ...)
{
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;
	size_t n;
	va_list ap;

	if (level > log_max)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(line, sizeof(line) - 1, "%s.%03ldZ %s %s: %s ", stamp, now.tv_nsec / 1000000,
		 log_ident, level_names[level], what);
	n = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	n = strlen(line);
	while (n && line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody left to tell */
}
