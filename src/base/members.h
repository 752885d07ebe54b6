/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a JSON object where they stand in its text, for who needs few of many. */
#ifndef ANYVF_BASE_MEMBERS_H
#define ANYVF_BASE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

struct member {
	const char *name, *value; /* in the text; name without its quotes, escapes as they are */
	size_t name_len, value_len;
};
/* while ((rc = members_next(&it, &m)) > 0) use(m); */
struct members {
	const char *at, *end; /* of the text */
	bool past;	      /* the first */
};

struct members members_of(const char *text, size_t len);
int members_next(struct members *it, struct member *out);
bool member_named(const struct member *m, const char *name);

#endif
