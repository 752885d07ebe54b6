/* SPDX-License-Identifier: Apache-2.0 */
/* Error messages for people, beside the negative errno for machines. Everybody uses it. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/**
 * err_set() - Record why something failed
 * @e:   where the message goes; NULL if the caller wants only the number
 * @rc:  negative errno to return
 * @fmt: printf format of a sentence, no newline, no full stop
 *
 * The first message wins: it is nearest to the cause.
 *
 * Return: @rc, so that `return err_set(e, -EINVAL, ...)` reads as one step.
 * Context: any thread; @e is the caller's own.
 */
int err_set(struct err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!e || e->msg[0])
		return rc;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return rc;
}

/**
 * err_errno() - Record a failed system call
 * @e:   where the message goes, may be NULL
 * @fmt: printf format of what was tried; ": strerror" is added
 *
 * Return: -errno as it was on entry.
 * Context: any thread, right after the call that failed.
 */
int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, -saved, "%s: %s", what, strerror(saved));
}

/**
 * err_prefix() - Say where an error happened
 * @e:   error with or without a message; may be NULL
 * @fmt: printf format of the place, for example "port %s"
 *
 * "VLAN 5000 is above 4095" becomes "port p1: VLAN 5000 is above 4095". Does nothing when there
 * is no message.
 */
void err_prefix(struct err *e, const char *fmt, ...)
{
	char where[256], old[sizeof(e->msg)];
	va_list ap;

	if (!e || !e->msg[0])
		return;
	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	memcpy(old, e->msg, sizeof(old));
	/* A message that no longer fits loses its tail, never its place. */
	if (snprintf(e->msg, sizeof(e->msg), "%s: %s", where, old) < 0)
		e->msg[0] = '\0';
}
