/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may say, as Nova's JSON schemas have it (nova/api/openstack/compute/schemas): which
 * members a body has, which parameters a list takes, of which kind, since which microversion.
 */
#ifndef ANYVF_COMPUTE_WORDS_H
#define ANYVF_COMPUTE_WORDS_H

#include "engine/feature.h"

/* nova/api/validation/parameter_types.py. Numbers and booleans come as text, too. */
enum word_kind {
	W_ANY,
	W_TEXT,	   /* of min to max characters; 0, 0: any */
	W_NAME,	   /* printable, without blanks at its ends */
	W_DISPLAY, /* printable, not blank */
	W_PLAIN,   /* printable, or null */
	W_ZONE,	   /* a name without ':', or null */
	W_HOST,	   /* letters, digits, '-', '.', '_' */
	W_TAG,
	W_BOOL,
	W_INT, /* min to max */
	W_UUID,
	W_REF, /* a text, or an integer */
	W_IP,  /* of either family */
	W_IPV4,
	W_IPV6,
	W_TIME,	   /* ISO 8601 */
	W_PATTERN, /* a regular expression */
	W_MAP,	   /* metadata: short keys and texts */
	W_LIST,	   /* of min to max items */
	W_OBJ,
};

enum word_flags {
	WORD_NEED = 1,
	WORD_NULL = 2,	/* null is a value */
	WORD_OPEN = 4,	/* an object with further members */
	WORD_EMPTY = 8, /* so is an empty text */
	WORD_ITEM = 16, /* one item of the kind stands for a list of it, or a text for an object */
};

struct word {
	const char *name; /* NULL behind the last */
	enum word_kind kind;
	unsigned int flags;
	int64_t min, max;
	const char *const *names;  /* the texts there are, NULL behind the last */
	const struct word *of;	   /* an object's members; for a list the one row of its items */
	unsigned int since, until; /* minor microversions; 0: always */
};

/* The body of a request, or the parameters of a list. */
struct words {
	const char *route; /* method, path as struct route has it: "PUT /v2.1/servers/{}" */
	const struct word *of;
	const char *envelope;	   /* of several bodies of one path the one that has this member */
	bool strict;		   /* of a list: nothing else, and each once */
	unsigned int since, until; /* minor microversions; 0: always */
};

extern const struct words words_bodies[], words_queries[];

int words_check(struct call *c);
bool words_pattern(const char *pattern);

#endif
