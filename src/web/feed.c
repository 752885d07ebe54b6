/* SPDX-License-Identifier: Apache-2.0 */
#include "web/feed.h"

#include <errno.h>
#include <string.h>

#define GONE_MAX 1024 /* documents that are remembered as gone */

struct doc {
	char *key;
	json_t *value; /* owned; NULL: it is gone */
	uint64_t since;
	unsigned int owner, round; /* who told it, and when last */
};

struct feed {
	bool write; /* told along */
	struct doc *docs;
	size_t n;
	json_t *index; /* key to place in docs */
	uint64_t revision;
	uint64_t floor; /* what went before it is not remembered */
	unsigned int round;
	bool changed; /* in this round */
};

/**
 * feed_new() - Begin with nothing, at revision 0
 * @write: may what is shown be changed by who sees it? Told with it.
 *
 * Return: ends with feed_free(); NULL without memory.
 */
struct feed *feed_new(bool write)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->write = write;
	f->index = json_object();
	if (!f->index)
		free(take(f));
	return f;
}

static void doc_fini(struct doc *d)
{
	free(d->key);
	json_decref(d->value);
}

/**
 * feed_free() - Forget it all
 * @f: feed or NULL
 */
void feed_free(struct feed *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		doc_fini(&f->docs[i]);
	if (f) {
		json_decref(f->index);
		free(f->docs);
	}
	free(f);
}

static struct doc *find(const struct feed *f, const char *key)
{
	const json_t *at = json_object_get(f->index, key);

	return at ? &f->docs[json_integer_value(at)] : NULL;
}

/* A key without a document yet. */
static struct doc *add(struct feed *f, const char *key)
{
	struct doc *docs = reallocarray(f->docs, f->n + 1, sizeof(*docs));
	char *own = strdup(key);

	if (docs)
		f->docs = docs;
	if (!docs || !own || json_object_set_new(f->index, key, json_integer((json_int_t)f->n))) {
		free(own);
		return NULL;
	}
	docs[f->n] = (struct doc){ .key = own };
	return &docs[f->n++];
}

static void change(struct feed *f, struct doc *d, json_t *value)
{
	json_decref(d->value);
	d->value = value;
	d->since = f->revision + 1;
	f->changed = true;
}

/**
 * feed_begin() - Begin a round: what is not told in it is gone at its end
 * @f: feed
 */
void feed_begin(struct feed *f)
{
	f->round++;
	f->changed = false;
}

/**
 * feed_put() - Tell a document
 * @f:	   feed, in a round
 * @owner: who tells it
 * @key:   of it; the first of a round to tell one is believed
 * @value: taken; NULL, where making it failed, is refused
 *
 * Return: 0, -ENOMEM.
 */
int feed_put(struct feed *f, unsigned int owner, const char *key, json_t *value)
{
	struct doc *d = value ? find(f, key) ?: add(f, key) : NULL;
	bool told = d && d->value && d->round == f->round;

	if (!d || told || (d->value && json_equal(d->value, value)))
		json_decref(value);
	else
		change(f, d, value);
	if (d && !told) {
		d->round = f->round;
		d->owner = owner;
	}
	return d ? 0 : -ENOMEM;
}

/**
 * feed_keep() - Tell that a document is as it was
 * @f:	 feed, in a round
 * @key: of it
 */
void feed_keep(struct feed *f, const char *key)
{
	struct doc *d = find(f, key);

	if (d)
		d->round = f->round;
}

/**
 * feed_keep_all() - Of an owner that does not tell, keep what it told last
 * @f:	   feed, in a round
 * @owner: as in feed_put()
 */
void feed_keep_all(struct feed *f, unsigned int owner)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->docs[i].owner == owner)
			f->docs[i].round = f->round;
}

/* Whoever has seen only what was before the last revision is told all again. */
static void forget_gone(struct feed *f)
{
	size_t kept = 0;

	json_object_clear(f->index);
	for (size_t i = 0; i < f->n; i++)
		if (!f->docs[i].value)
			doc_fini(&f->docs[i]);
		else
			f->docs[kept++] = f->docs[i];
	for (size_t i = 0; i < kept; i++)
		json_object_set_new(f->index, f->docs[i].key, json_integer((json_int_t)i));
	f->n = kept;
	f->floor = f->revision;
}

/**
 * feed_end() - End a round
 * @f: feed; has another revision if anything is not as before
 */
void feed_end(struct feed *f)
{
	size_t n_gone = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->docs[i].value && f->docs[i].round != f->round)
			change(f, &f->docs[i], NULL);
		n_gone += !f->docs[i].value;
	}
	f->revision += f->changed;
	if (n_gone > GONE_MAX)
		forget_gone(f);
}

/**
 * feed_revision() - Of the last round that brought anything
 * @f: feed
 */
uint64_t feed_revision(const struct feed *f)
{
	return f->revision;
}

/**
 * feed_get() - A document as it is
 * @f:	 feed
 * @key: of it
 *
 * Return: borrowed until the next round; NULL if there is none.
 */
const json_t *feed_get(const struct feed *f, const char *key)
{
	const struct doc *d = find(f, key);

	return d ? d->value : NULL;
}

/**
 * feed_text() - What changed, for who has seen a revision
 * @f:	   feed
 * @after: that revision; 0, one that is not remembered and one that never was: none
 *
 * Return: JSON, {revision, whole, write, items: {key: document or null}}, the caller's to free;
 * whole: what is not in it is not there. NULL without memory.
 */
char *feed_text(const struct feed *f, uint64_t after)
{
	bool whole = !after || after < f->floor || after > f->revision;
	auto_of(json_decref) json_t *items = json_object(), *all = NULL;

	for (size_t i = 0; i < f->n; i++) {
		const struct doc *d = &f->docs[i];
		json_t *value = d->value ? json_incref(d->value) : json_null();

		if (whole ? !d->value : d->since <= after)
			json_decref(value);
		else if (json_object_set_new(items, d->key, value))
			return NULL;
	}
	all = json_pack("{s:I, s:b, s:b, s:O}", "revision", (json_int_t)f->revision, "whole", whole,
			"write", f->write, "items", items);
	return all ? json_dumps(all, JSON_COMPACT) : NULL;
}
