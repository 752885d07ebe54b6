/* SPDX-License-Identifier: Apache-2.0 */
/* A list request while it is answered: what its files (query.c, filter.c) share. */
#ifndef ANYVF_ENGINE_QUERY_H
#define ANYVF_ENGINE_QUERY_H

#include "base/buf.h"
#include "base/omap.h"
#include "engine/impl.h"
#include "engine/schema.h"

#define SORT_KEYS_MAX 10 /* with the two that come last */

struct sort_key {
	const char *name;	/* member */
	const struct rfield *f; /* its row; NULL: a stamp */
	bool down;		/* largest first */
};

struct query {
	struct call *c;
	const struct resource *r;
	struct schema schema; /* of r */
	struct list_shape shape;
	struct sort_key keys[SORT_KEYS_MAX];
	unsigned int n_keys;
	long limit;	      /* -1: none */
	const char *marker;   /* NULL: from the start */
	bool reverse;	      /* the page before the marker */
	bool more;	      /* there are documents behind the page */
	unsigned int step;    /* of its making */
	bool kept;	      /* documents are shown as they are kept */
	const char **names;   /* members that decide, NULL at the end; NULL: all may */
	struct walk *walk;    /* over those that may be asked for */
	struct omap *sorted;  /* place -> reference to a record; NULL: the walk's order is right */
	struct buf place;     /* of the document at hand */
	char *after;	      /* the marker's place; NULL: from the start */
	struct record **docs; /* the page: references, in order */
	size_t n, room;	      /* of docs */
	size_t printed;	      /* of docs, in text */
	struct buf text;      /* of the answer */
};

static inline bool is_style(const struct query *q, enum fault_style style)
{
	return q->c->service->style == style;
}

/* order.c */
int order_parse(struct query *q);
bool order_is_natural(const struct query *q);
int order_place(const struct query *q, const json_t *doc, struct buf *out);

/* links.c */
json_t *query_links(const struct query *q);

/* print.c */
int print_json(struct buf *out, const json_t *value);
bool print_is_kept(const struct query *q);
int print_kept(struct query *q, struct record *doc);

/* filter.c */
const char *filter_alias(const struct resource *r, const char *name);
bool filter_is_stamp(const struct resource *r, const char *name);
bool filter_is(const struct query *q, const struct rfield *f);
json_t *filter_value_of(const json_t *doc, const char *name, const struct rfield *f);
enum selects filter_specially(const struct query *q, const json_t *doc, const char *name,
			      const char *value);
bool filters_select(const struct query *q, const json_t *doc);
const char *filter_member(const struct query *q, const char *arg, const char *value);
int filters_check(const struct query *q);

#endif
