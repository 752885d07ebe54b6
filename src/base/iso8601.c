/* SPDX-License-Identifier: Apache-2.0 */
#include "base/iso8601.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* "+02:00", "-0130", "Z" or nothing. Return: seconds east; INT_MIN if it is none of these. */
static int zone_of(const char *text)
{
	unsigned int hours, minutes;
	char rest;

	if (!*text || !strcasecmp(text, "Z"))
		return 0;
	/* A plus sign that nobody encoded in a query came as a space. */
	if (!strchr("+- ", *text) ||
	    (sscanf(text + 1, "%2u:%2u%c", &hours, &minutes, &rest) != 2 &&
	     sscanf(text + 1, "%2u%2u%c", &hours, &minutes, &rest) != 2) ||
	    hours > 23 || minutes > 59)
		return INT_MIN;
	return (*text == '-' ? -1 : 1) * (int)(hours * 3600 + minutes * 60);
}

/**
 * iso8601_parse() - Read a date, or a date with a time
 * @text:  "2026-01-31", "2026-01-31T12:00:00", with a fraction, and with "Z" or an offset
 * @out_s: seconds since 1970, the fraction cut off; without a zone it is UTC
 *
 * Return: false if it is no such text. Pure.
 */
bool iso8601_parse(const char *text, int64_t *out_s)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	int zone;

	if (rest && *rest)
		rest = strchr("Tt ", *rest) ? strptime(rest + 1, "%H:%M:%S", &tm) : NULL;
	if (rest && *rest == '.')
		for (rest++; isdigit((unsigned char)*rest); rest++)
			;
	zone = rest ? zone_of(rest) : INT_MIN;
	if (zone == INT_MIN)
		return false;
	*out_s = (int64_t)timegm(&tm) - zone;
	return true;
}
