/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of long lists, straight from the text that is kept: what res_show() would make a
 * document of, for json_dumps(), is copied from there. The bytes are the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/members.h"
#include "engine/query.h"

static int put(struct buf *out, const char *text, size_t len)
{
	return buf_add(out, text, len, SIZE_MAX - 1);
}

static int put_escaped(struct buf *out, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = strchr(from, c);
	char text[8];
	int len = at ? snprintf(text, sizeof(text), "\\%c", to[at - from])
		     : snprintf(text, sizeof(text), "\\u%04X", c);

	return put(out, text, (size_t)len);
}

/* As jansson without flags: what JSON must escape, in its words, and nothing else. */
static int put_string(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len;
	int rc = put(out, "\"", 1);

	while (!rc && text < end) {
		const char *plain = text;

		while (text < end && (unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
			text++;
		rc = put(out, plain, (size_t)(text - plain));
		if (!rc && text < end)
			rc = put_escaped(out, (unsigned char)*text++);
	}
	return rc ?: put(out, "\"", 1);
}

static int put_list(struct buf *out, const json_t *list)
{
	int rc = put(out, "[", 1);
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		rc = rc ?: put(out, ",", i > 0);
		rc = rc ?: print_json(out, one);
	}
	return rc ?: put(out, "]", 1);
}

static int put_object(struct buf *out, const json_t *object)
{
	int rc = put(out, "{", 1);
	const char *name;
	json_t *value;
	bool more = false;

	json_object_foreach ((json_t *)object, name, value) {
		rc = rc ?: put(out, ",", more);
		rc = rc ?: put_string(out, name, strlen(name));
		rc = rc ?: put(out, ":", 1);
		rc = rc ?: print_json(out, value);
		more = true;
	}
	return rc ?: put(out, "}", 1);
}

/**
 * print_json() - Write a value as json_dumps(JSON_COMPACT) does
 * @out:   gets it behind what is there
 * @value: nothing of it may contain itself
 *
 * Return: 0; -ENOMEM.
 */
int print_json(struct buf *out, const json_t *value)
{
	auto_free char *other = NULL;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return put_string(out, json_string_value(value), json_string_length(value));
	case JSON_ARRAY:
		return put_list(out, value);
	case JSON_OBJECT:
		return put_object(out, value);
	case JSON_TRUE:
		return put(out, "true", 4);
	case JSON_FALSE:
		return put(out, "false", 5);
	case JSON_NULL:
		return put(out, "null", 4);
	default:
		other = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		return other ? put(out, other, strlen(other)) : -ENOMEM;
	}
}

static const char *const stamps[] = { "created_at", "updated_at", "revision_number" };

/**
 * print_is_kept() - Are a list's documents shown as they are kept, member by member?
 * @q: the query
 *
 * Return: false where somebody computes members, leaves some out, or renames what is there.
 */
bool print_is_kept(const struct query *q)
{
	const struct hook **hook = q->schema.hooks;

	if (q->r->show || q->r->flags & RES_FREE_FORM || q->shape.each ||
	    (q->shape.brief && q->r->brief) || is_style(q, FAULT_KEYSTONE) ||
	    call_arg(q->c, "fields") || schema_field(&q->schema, "tenant_id"))
		return false;
	for (unsigned int i = 0; i < ARRAY_LEN(stamps); i++)
		if (schema_field(&q->schema, stamps[i]))
			return false;
	while (hook && *hook && !(*hook)->show)
		hook++;
	return !hook || !*hook;
}

/* A document's text, and where in it the member behind the last that was found stands. */
struct reading {
	struct members all, at;
};

/* Most members stand in the order of rows. */
static bool find(struct reading *from, const char *name, struct member *out)
{
	struct members it = from->at;
	bool found = members_next(&it, out) > 0 && member_named(out, name);

	if (!found)
		it = from->all;
	while (!found && members_next(&it, out) > 0)
		found = member_named(out, name);
	if (found)
		from->at = it;
	return found;
}

/* As it stands in the text. */
static int put_found(struct buf *out, const struct member *m)
{
	return put(out, m->name - 1, (size_t)(m->value + m->value_len - m->name) + 1);
}

static int put_named(struct buf *out, const char *name, const char *value, size_t len)
{
	int rc = put_string(out, name, strlen(name));

	return rc ?: put(out, ":", 1) ?: put(out, value, len);
}

static int put_default(struct buf *out, const struct rfield *f)
{
	auto_of(json_decref) json_t *dflt = field_default(f);

	return put_named(out, f->name, "", 0) ?: print_json(out, dflt);
}

static bool is_null(const struct rfield *f, const struct member *m)
{
	return m ? *m->value == 'n' : !f->dflt || !strcmp(f->dflt, "null");
}

static int put_row(struct buf *out, const struct rfield *f, struct reading *from)
{
	struct member m;
	bool found = find(from, f->name, &m);

	if (f->flags & R_OMIT && is_null(f, found ? &m : NULL))
		return 0;
	return put(out, ",", out->data[out->len - 1] != '{')
		       ?: found ? put_found(out, &m)
				: put_default(out, f);
}

/* A member that an older version did not keep is null. */
static int put_further(struct buf *out, const char *name, struct reading *from, const char *as)
{
	struct member m;
	bool found = find(from, name, &m);

	return put(out, ",", 1)
		       ?: put_named(out, as, found ? m.value : "null", found ? m.value_len : 4);
}

/**
 * print_kept() - Write a document as the caller gets it
 * @q:   the query, of which print_is_kept() is true; its text gets it
 * @doc: document
 *
 * Return: 0; -ENOMEM.
 */
int print_kept(struct query *q, struct record *doc)
{
	bool admin = caller_is_admin(q->c);
	struct reading from, owner;
	size_t len;
	const char *text = record_text(doc, &len);
	int rc = text ? put(&q->text, "{", 1) : -ENOMEM;

	if (rc)
		return rc;
	from.all = from.at = members_of(text, len);
	owner = from;
	for (const struct rfield *f = q->schema.fields; f->name && !rc; f++)
		if (!(f->flags & (R_SECRET | R_VIRTUAL)) && (admin || !(f->flags & R_HIDDEN)))
			rc = put_row(&q->text, f, &from);
	if (!rc && q->r->flags & RES_TENANT)
		rc = put_further(&q->text, "project_id", &owner, "tenant_id");
	for (unsigned int i = 0; i < ARRAY_LEN(stamps) && !rc; i++)
		if (q->r->flags & (i < 2 ? RES_TIMES : RES_REVISION))
			rc = put_further(&q->text, stamps[i], &from, stamps[i]);
	return rc ?: put(&q->text, "}", 1);
}
