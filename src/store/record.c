/* SPDX-License-Identifier: Apache-2.0 */
/* See record.h. */
#include "store/record.h"

#include <errno.h>
#include <string.h>

#include "base/field.h"
#include "base/log.h"
#include "base/members.h"

struct record {
	char *text;	     /* JSON_COMPACT, behind the record or owned; or NULL, ... */
	json_t *doc;	     /* ... or this: owned reference */
	struct record *next; /* in open_records */
	size_t len;	     /* of text */
	unsigned int refs;
	bool open;  /* in open_records */
	bool again; /* was read again since it was looked at last, see open_records_trim() */
};

/**
 * record_of() - A record of a document that was just made
 * @doc: an object, which nobody changes any more; a reference is taken
 *
 * Return: a reference; NULL without memory, or without @doc.
 */
struct record *record_of(json_t *doc)
{
	struct record *rec = doc ? calloc(1, sizeof(*rec)) : NULL;

	if (!rec)
		return NULL;
	rec->refs = 1;
	rec->doc = json_incref(doc);
	return rec;
}

/**
 * record_of_text() - A record of a document that was read
 * @text: an object as JSON_COMPACT writes it; copied. Judged by who parses it
 * @len:  its bytes
 *
 * Return: a reference; NULL without memory.
 */
struct record *record_of_text(const char *text, size_t len)
{
	struct record *rec = malloc(sizeof(*rec) + len + 1);

	if (!rec)
		return NULL;
	*rec = (struct record){ .text = (char *)(rec + 1), .len = len, .refs = 1 };
	memcpy(rec->text, text, len);
	rec->text[len] = '\0';
	return rec;
}

/**
 * record_ref() - Take a reference
 * @rec: or NULL
 *
 * Return: @rec.
 */
struct record *record_ref(struct record *rec)
{
	if (rec)
		rec->refs++;
	return rec;
}

/**
 * record_unref() - Give up a reference
 * @rec: or NULL
 */
void record_unref(struct record *rec)
{
	if (!rec || --rec->refs)
		return;
	json_decref(rec->doc);
	if (rec->text != (char *)(rec + 1))
		free(rec->text);
	free(rec);
}

/**
 * record_text() - A document's text
 * @rec: record; keeps the text, once it was asked for
 * @len: gets its bytes; or NULL
 *
 * Return: borrowed from @rec; NULL without memory.
 */
const char *record_text(struct record *rec, size_t *len)
{
	if (!rec->text) {
		rec->text = json_dumps(rec->doc, JSON_COMPACT);
		rec->len = rec->text ? strlen(rec->text) : 0;
	}
	if (len)
		*len = rec->len;
	return rec->text;
}

/**
 * record_is_parsed() - Is a document there without parsing it?
 * @rec: record
 */
bool record_is_parsed(const struct record *rec)
{
	return rec->doc;
}

/**
 * record_read() - A document, parsed for this once unless it is already
 * @rec: or NULL
 *
 * Return: a new reference; NULL without memory, or if the text is no JSON.
 */
json_t *record_read(const struct record *rec)
{
	json_error_t why;
	json_t *doc;

	if (!rec || rec->doc)
		return rec ? json_incref(rec->doc) : NULL;
	doc = json_loadb(rec->text, rec->len, JSON_REJECT_DUPLICATES, &why);
	if (!doc)
		log_err("a document cannot be read", "at=%d size=%zu", why.position, rec->len);
	return doc;
}

static bool is_among(const struct member *m, const char *const *names)
{
	while (*names && !member_named(m, *names))
		names++;
	return *names;
}

/* Most are strings without an escape. */
static json_t *value_of(const struct member *m)
{
	if (*m->value == '"' && !memchr(m->value, '\\', m->value_len))
		return json_stringn(m->value + 1, m->value_len - 2);
	return json_loadb(m->value, m->value_len, JSON_DECODE_ANY, NULL);
}

/**
 * record_pick() - At least some of a document's members
 * @rec:   record
 * @names: of members, NULL at the end
 *
 * Return: a new reference to an object that has those of them that the document has; NULL without
 * memory, or if the text is no JSON.
 */
json_t *record_pick(const struct record *rec, const char *const *names)
{
	auto_of(json_decref) json_t *out = NULL;
	struct members it;
	size_t wanted = 0;
	struct member m;
	int rc = 1;

	if (rec->doc)
		return json_incref(rec->doc);
	it = members_of(rec->text, rec->len);
	out = json_object();
	while (names[wanted])
		wanted++;
	while (out && json_object_size(out) < wanted && (rc = members_next(&it, &m)) > 0)
		if (is_among(&m, names) &&
		    json_object_setn_new(out, m.name, m.name_len, value_of(&m)))
			return NULL;
	return rc < 0 ? NULL : take(out);
}

/**
 * record_open() - A document, kept parsed for who reads it next
 * @rec:   record
 * @among: gets a reference to it, unless it is among such already
 *
 * Return: borrowed, until open_records_trim(); NULL as record_read().
 */
json_t *record_open(struct record *rec, struct open_records *among)
{
	rec->again = rec->open;
	if (!rec->doc)
		rec->doc = record_read(rec);
	if (!rec->doc || rec->open)
		return rec->doc;
	rec->open = true;
	rec->next = NULL;
	if (among->last)
		among->last->next = record_ref(rec);
	else
		among->first = record_ref(rec);
	among->last = rec;
	among->n++;
	return rec->doc;
}

/**
 * record_close() - Keep only a document's text
 * @rec: nobody borrows its document; one of open_records stays as it is
 */
void record_close(struct record *rec)
{
	if (!rec->open && record_text(rec, NULL))
		json_decref(take(rec->doc));
}

/**
 * open_records_trim() - Keep fewer documents parsed
 * @all: records whose documents nobody borrows
 * @max: how many stay: rather those that were read again (the clock algorithm: Corbato, 1968)
 */
void open_records_trim(struct open_records *all, unsigned int max)
{
	while (all->n > max) {
		struct record *rec = all->first;
		bool again = rec->again;

		all->first = rec->next;
		all->last = all->first ? all->last : NULL;
		all->n--;
		rec->open = rec->again = false;
		if (again)
			record_open(rec, all);
		else if (rec->refs > 1)
			record_close(rec);
		record_unref(rec);
	}
}
