/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon log on stderr; whoever starts the daemon decides where that goes. */
#include "base/log.h"

#include <pthread.h>
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
 * log_stamp() - The time as each line begins with it
 * @out: UTC, to the millisecond
 *
 * Return: out.
 */
const char *log_stamp(char out[LOG_STAMP_LEN])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(out, LOG_STAMP_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, LOG_STAMP_LEN - n, ".%03ldZ", now.tv_nsec / 1000000);
	return out;
}

/* Control bytes as \n or \x1b, and what stands in also; cut before what does not fit. */
static void escape(const char *text, const char *also, char *out, size_t size)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		char one[8];
		int len;

		if (*p == '\n')
			len = snprintf(one, sizeof(one), "\\n");
		else if (*p < 0x20 || *p == 0x7f)
			len = snprintf(one, sizeof(one), "\\x%02x", *p);
		else
			len = snprintf(one, sizeof(one), "%s%c", strchr(also, *p) ? "\\" : "", *p);
		if (n + (size_t)len >= size)
			break;
		memcpy(out + n, one, (size_t)len);
		n += (size_t)len;
	}
	out[n] = '\0';
}

/**
 * log_quote() - A text that somebody else chose, as the value of a key
 * @text: any bytes
 * @out:  the text in quotes: nothing in it ends them, or the line; cut if it does not fit
 * @size: of out, 3 at least
 *
 * Return: out.
 */
const char *log_quote(const char *text, char *out, size_t size)
{
	size_t n;

	out[0] = '"';
	escape(text, "\"\\", out + 1, size - 2);
	n = strlen(out);
	out[n] = '"';
	out[n + 1] = '\0';
	return out;
}

/**
 * log_write() - Write one event as one line
 * @level: see enum log_level
 * @what:  the event as a phrase
 * @fmt:   printf format of "key=value key=value", may be ""
 *
 * The line leaves in one write(), so lines of several threads do not mix. Longer lines are cut.
 * Whatever the values hold, it stays one line: control bytes are escaped.
 * Context: any thread but a worker: workers count, they do not log.
 */
void log_write(enum log_level level, const char *what, const char *fmt, ...)
{
	char said[1024], line[1024], stamp[LOG_STAMP_LEN];
	size_t n;
	va_list ap;

	if (level > log_max)
		return;
	n = (size_t)snprintf(line, sizeof(line) - 1, "%s %s %s: %s ", log_stamp(stamp), log_ident,
			     level_names[level], what);
	n = MIN(n, sizeof(line) - 2);
	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	escape(said, "", line + n, sizeof(line) - 1 - n);
	n = strlen(line);
	while (n && line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody left to tell */
}

/**
 * log_pass() - Whether a line may be written
 * @b:        bucket; changes
 * @now_ms:   time, never back
 * @left_out: lines that were not since the last one; set if it may
 *
 * Context: any; pure but for the bucket.
 */
bool log_pass(struct log_bucket *b, uint64_t now_ms, unsigned int *left_out)
{
	if (b->full_ms > now_ms + (LOG_BURST - 1) * LOG_EVERY_MS) {
		b->left_out++;
		return false;
	}
	b->full_ms = MAX(b->full_ms, now_ms) + LOG_EVERY_MS;
	*left_out = b->left_out;
	b->left_out = 0;
	return true;
}

/**
 * log_limited() - Write one event as one line, unless there were many of late
 * @level: see enum log_level
 * @b:     of who causes it, and of this kind of line
 * @what:  the event as a phrase
 * @fmt:   as for log_write()
 *
 * The next line that passes says how many did not: left_out=N.
 *
 * Context: any thread but a worker.
 */
void log_limited(enum log_level level, struct log_bucket *b, const char *what, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all buckets */
	unsigned int left_out = 0;
	struct timespec now;
	char text[768];
	bool pass;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	pass = log_pass(b, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
			&left_out);
	pthread_mutex_unlock(&lock);
	if (!pass)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (left_out)
		log_write(level, what, "%s left_out=%u", text, left_out);
	else
		log_write(level, what, "%s", text);
}
