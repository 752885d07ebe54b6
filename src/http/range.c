/* SPDX-License-Identifier: Apache-2.0 */
/* The Range of a request: one of bytes. Pure. */
#include "http/range.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static bool read_number(const char **at, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return !errno;
}

/**
 * range_parse() - Read "bytes=FIRST-LAST", "bytes=FIRST-" or "bytes=-LENGTH" (RFC 9110, 14.1.2)
 * @text:  the header's value
 * @size:  bytes there are
 * @first: of the first byte
 * @len:   bytes; at least one
 *
 * Return: 0; -EINVAL for several ranges; -ERANGE if it is none, or nothing of it is there.
 */
int range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *len)
{
	uint64_t from = 0, to = UINT64_MAX;

	if (strchr(text, ','))
		return -EINVAL;
	if (strncmp(text, "bytes=", 6) != 0)
		return -ERANGE;
	text += 6;
	if (*text == '-') {
		text++;
		if (!read_number(&text, &to) || *text || !to || !size)
			return -ERANGE;
		*first = size - MIN(to, size);
		*len = size - *first;
		return 0;
	}
	if (!read_number(&text, &from) || *text++ != '-' || (*text && !read_number(&text, &to)) ||
	    *text || from >= size || to < from)
		return -ERANGE;
	*first = from;
	*len = MIN(to, size - 1) - from + 1;
	return 0;
}
