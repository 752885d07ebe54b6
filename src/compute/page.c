/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of lists that are made here, and not by the engine of what it keeps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso8601.h"
#include "compute/compute.h"
#include "engine/cache.h"

#define LIST_MAX 1000 /* Nova's max_limit */

/**
 * compute_sort() - Put a list in order
 * @list:    changed in place
 * @compare: as qsort() has it, of two const json_t *
 *
 * Return: 0; -ENOMEM.
 */
int compute_sort(json_t *list, int (*compare)(const void *a, const void *b))
{
	size_t n = json_array_size(list);
	auto_free json_t **all = calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = json_incref(json_array_get(list, i));
	qsort(all, n, sizeof(*all), compare);
	json_array_clear(list);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, all[i]);
	return 0;
}

/**
 * compute_limit() - How many a list may have: ?limit=, or Nova's max_limit
 * @c:   the call
 * @out: gets it (nova/api/openstack/common.py)
 *
 * Return: 0; a fault.
 */
int compute_limit(struct call *c, long *out)
{
	const char *text = call_arg(c, "limit");
	char *end;

	*out = text ? strtol(text, &end, 10) : LIST_MAX;
	if (text && (*end || end == text || *out < 0))
		return call_fail(c, 400, "BadRequest",
				 "limit param must be an integer, and not negative");
	*out = MIN(*out, (long)LIST_MAX);
	return 0;
}

/**
 * compute_span() - Read ?changes-since= and, from 2.66 on, ?changes-before=
 * @c:   the call; words.c has judged both
 * @out: the times between them; without an end that is not given
 *
 * Return: 0; a fault.
 */
int compute_span(struct call *c, struct span *out)
{
	const char *since = call_arg(c, "changes-since"), *before = call_arg(c, "changes-before");

	*out = (struct span){ INT64_MIN, INT64_MAX };
	if (since)
		(void)iso8601_parse(since, &out->since);
	if (before && compute_minor(c) >= 66)
		(void)iso8601_parse(before, &out->before);
	if (out->since <= out->before)
		return 0;
	return call_fail(
		c, 400, "BadRequest",
		"The value of changes-since must be less than or equal to changes-before.");
}

/**
 * span_has() - Did something change within a span?
 * @span: from compute_span()
 * @doc:  with updated_at
 */
bool span_has(const struct span *span, const json_t *doc)
{
	int64_t at = 0;

	if (span->since == INT64_MIN && span->before == INT64_MAX)
		return true; /* of thousands that nobody asks the time of */
	(void)iso8601_parse(doc_str(doc, "updated_at"), &at);
	return at >= span->since && at <= span->before;
}

/**
 * compute_stamp() - A time as what was an extension of Nova's writes it
 * @doc:    document
 * @member: "2026-11-22T15:17:14Z", or not there
 *
 * Return: "2026-11-22T15:17:14.000000"; null.
 */
json_t *compute_stamp(const json_t *doc, const char *member)
{
	const char *time = doc_text(doc, member);

	return time ? json_sprintf("%.*s.000000", (int)strcspn(time, "Z"), time) : json_null();
}

/* Where a page begins; the length of the list if the marker is not in it. */
static size_t start_of(const json_t *list, const char *key, const char *marker)
{
	const json_t *one;
	char buf[32];
	size_t i;

	json_array_foreach ((json_t *)list, i, one)
		if (!strcmp(json_text(json_object_get(one, key), buf), marker))
			return i + 1;
	return SIZE_MAX;
}

/**
 * compute_no_marker() - The fault of a marker that is none of a list
 * @c:      the call
 * @marker: what was given
 *
 * Return: a fault.
 */
int compute_no_marker(struct call *c, const char *marker)
{
	return call_fail(c, 400, "MarkerNotFound", "marker [%s] not found", marker);
}

/**
 * compute_page() - Cut a list to the page that limit and marker ask for
 * @c:    the call
 * @key:  member of each that markers name
 * @list: all of it; becomes the page, owned
 * @next: gets the links to the next page, owned; NULL if there is none
 *
 * Return: 0; a fault.
 */
int compute_page(struct call *c, const char *key, json_t **list, json_t **next)
{
	const char *marker = call_arg(c, "marker");
	size_t at = marker ? start_of(*list, key, marker) : 0;
	const json_t *last = NULL;
	json_t *page;
	char buf[32];
	long limit;
	int rc = compute_limit(c, &limit);

	*next = NULL;
	if (rc)
		return rc;
	if (at == SIZE_MAX)
		return compute_no_marker(c, marker);
	page = json_array();
	for (; at < json_array_size(*list) && (long)json_array_size(page) < limit; at++) {
		last = json_array_get(*list, at);
		json_array_append(page, (json_t *)last);
	}
	if (last && at < json_array_size(*list))
		*next = json_pack("[{s:s,s:o}]", "rel", "next", "href",
				  call_next_link(c, json_text(json_object_get(last, key), buf)));
	json_decref(*list);
	*list = page;
	return 0;
}
