/* SPDX-License-Identifier: Apache-2.0 */
/* A list request while it is answered: what its files (query.c, filter.c) share. */
#ifndef ANYVF_ENGINE_QUERY_H
#define ANYVF_ENGINE_QUERY_H

#include "engine/impl.h"
#include "engine/schema.h"

#define SORT_KEYS_MAX 8

struct sort_key {
	const char *name;	/* member */
	const struct rfield *f; /* its row; NULL: a stamp */
	bool down;		/* largest first */
};

struct query {
	struct call *c;
	const struct resource *r;
	struct schema schema; /* of r */
	struct sort_key keys[SORT_KEYS_MAX];
	unsigned int n_keys;
	long limit;	     /* -1: none */
	const char *marker;  /* NULL: from the start */
	bool reverse;	     /* the page before the marker */
	const json_t **docs; /* borrowed, in order; owned array */
	size_t n, room;	     /* of docs */
};

static inline bool is_style(const struct query *q, enum fault_style style)
{
	return q->c->service->style == style;
}

/* filter.c */
const char *filter_alias(const struct resource *r, const char *name);
bool filter_is_stamp(const struct resource *r, const char *name);
bool filter_is(const struct query *q, const struct rfield *f);
json_t *filter_value_of(const json_t *doc, const char *name, const struct rfield *f);
enum selects filter_specially(const struct query *q, const json_t *doc, const char *name,
			      const char *value);
bool filters_select(const struct query *q, const json_t *doc);
int filters_check(const struct query *q);

#endif
