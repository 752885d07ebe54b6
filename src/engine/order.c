/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of lists: what each service sorts by, and a document's place in an
 * order as a text, so that an ordered map sorts, one document at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/query.h"

static bool is_sort_key(const struct query *q, const char *name, const struct rfield *f)
{
	const char *const *key = q->r->sort_keys;

	while (key && *key && strcmp(*key, name) != 0)
		key++;
	if (key && !*key)
		return false;
	if (!f)
		return filter_is_stamp(q->r, name);
	if (f->flags & (R_VIRTUAL | R_SECRET) || (f->flags & R_HIDDEN && !caller_is_admin(q->c)))
		return false;
	return !is_style(q, FAULT_NEUTRON) ||
	       (f->flags & R_FILTER && f->type != J_LIST && f->type != J_OBJ);
}

static int add_key(struct query *q, const char *name, const char *dir)
{
	const struct rfield *f;

	name = filter_alias(q->r, name);
	f = schema_field(&q->schema, name);
	if (!is_sort_key(q, name, f)) {
		if (is_style(q, FAULT_NOVA)) /* it sorts by columns we do not have */
			return 0;
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "['%s'] is invalid attribute for sort_keys", name);
	}
	if (strcmp(dir, "asc") != 0 && strcmp(dir, "desc") != 0)
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "The sort_dirs must be one of ['asc', 'desc']");
	if (q->n_keys < SORT_KEYS_MAX - 2)
		q->keys[q->n_keys++] = (struct sort_key){ name, f, !strcmp(dir, "desc") };
	return 0;
}

/* Glance: sort=name:asc,created_at */
static int parse_sort(struct query *q, const char *sort)
{
	auto_free char *text = strdup(sort);
	char *rest = text, *word;
	int rc = text ? 0 : -ENOMEM;

	while (!rc && (word = strsep(&rest, ","))) {
		char *dir = strchr(word, ':');
		const struct rfield *f;
		const char *name; /* must outlive text */

		if (dir)
			*dir++ = '\0';
		f = schema_field(&q->schema, word);
		if (!f && !filter_is_stamp(q->r, word))
			return call_fail(q->c, 400, NULL, "Invalid sort key: %s", word);
		name = !strcmp(word, "created_at") ? "created_at" : "updated_at";
		rc = add_key(q, f ? f->name : name, dir && *dir ? dir : "desc");
	}
	return rc;
}

/*
 * What decides where the client's keys do not: the newest first, and of one age by id. With Glance
 * the one direction that was given holds for these, too.
 */
static void add_last_keys(struct query *q, unsigned int n_dirs)
{
	bool glance = is_style(q, FAULT_GLANCE), down = glance;

	if (glance && n_dirs == 1)
		down = !strcmp(call_arg(q->c, "sort_dir"), "desc");
	else if (glance && q->n_keys == 1)
		down = q->keys[0].down;
	if (q->r->flags & RES_TIMES && (glance || (is_style(q, FAULT_NOVA) && !q->n_keys)))
		q->keys[q->n_keys++] = (struct sort_key){ "created_at", NULL, down || !glance };
	q->keys[q->n_keys++] = (struct sort_key){ "id", NULL, down };
}

/**
 * order_parse() - Read what a list is to be sorted by
 * @q: the query; gets its keys, those that come last included
 *
 * Return: 0; a fault.
 */
int order_parse(struct query *q)
{
	bool newest = is_style(q, FAULT_NOVA) || is_style(q, FAULT_GLANCE);
	const char *name, *dir, *sort = call_arg(q->c, "sort");
	unsigned int n_keys = 0, n_dirs = 0;
	int rc = 0;

	while (call_arg_at(q->c, "sort_key", n_keys))
		n_keys++;
	while (call_arg_at(q->c, "sort_dir", n_dirs))
		n_dirs++;
	if (is_style(q, FAULT_NEUTRON) && n_keys != n_dirs)
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "The number of sort_keys and sort_dirs must be same");
	if (is_style(q, FAULT_GLANCE) && n_dirs > 1 && n_keys != n_dirs)
		return call_fail(q->c, 400, NULL,
				 "Number of sort dirs does not match the number of sort keys");
	for (unsigned int i = 0; i < n_keys && !rc; i++) {
		name = call_arg_at(q->c, "sort_key", i);
		dir = call_arg_at(q->c, "sort_dir", MIN(i, MAX(n_dirs, 1u) - 1));
		rc = add_key(q, name, dir ? dir : newest ? "desc" : "asc");
	}
	if (!rc && sort && is_style(q, FAULT_GLANCE))
		rc = parse_sort(q, sort);
	if (!rc)
		add_last_keys(q, n_dirs);
	return rc;
}

/**
 * order_is_natural() - Is it the order of the documents' own keys?
 * @q: the query, parsed
 */
bool order_is_natural(const struct query *q)
{
	return !q->reverse && !strcmp(q->keys[0].name, "id") && !q->keys[0].down;
}

/*
 * A value's bytes, so that strcmp() of several behind each other is their order: \1\1 ends one, as
 * it is below all others; of those that go down each byte is turned around, and \377 ends them.
 */
static int put_text(struct buf *out, const char *text, bool down)
{
	int rc = 0;

	for (; *text && !rc; text++) {
		const char bytes[] = { (char)(down ? ~*text : *text), '\2' };

		rc = buf_add(out, bytes, !down && *text == '\1' ? 2 : 1, SIZE_MAX - 1);
	}
	return rc ?: buf_add(out, down ? "\377" : "\1\1", down ? 1 : 2, SIZE_MAX - 1);
}

/* Numbers by their value; what is none of anything comes first. */
static const char *sort_text(const json_t *value, char buf[32])
{
	if (!json_is_integer(value))
		return (value ? json_text(value, buf) : NULL) ?: "";
	snprintf(buf, 32, "%016llx", (unsigned long long)json_integer_value(value) ^ 1ull << 63);
	return buf;
}

/**
 * order_put() - Add a value to a place in an order
 * @out:   gets it: of two places strcmp() tells which comes first
 * @value: a scalar, or NULL
 * @down:  the largest first
 *
 * Return: 0; -ENOMEM.
 */
int order_put(struct buf *out, const json_t *value, bool down)
{
	char buf[32];

	return put_text(out, sort_text(value, buf), down);
}

/**
 * order_place() - A document's place in the order of a list
 * @q:   the query, parsed
 * @doc: document
 * @out: emptied, and filled with a text: the smaller, the nearer to the start; page_reverse turns
 *       the order around
 *
 * Return: 0; -ENOMEM.
 */
int order_place(const struct query *q, const json_t *doc, struct buf *out)
{
	int rc = 0;

	out->len = 0;
	for (unsigned int i = 0; i < q->n_keys && !rc; i++) {
		const struct sort_key *key = &q->keys[i];
		auto_of(json_decref) json_t *value = filter_value_of(doc, key->name, key->f);

		rc = order_put(out, value, key->down != q->reverse);
	}
	return rc;
}
