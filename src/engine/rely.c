/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of a call read, where other replicas write to the store as well:
 * its changes are stored only if none of it has changed meanwhile. Of a
 * document that is its version; of those found by a member's value, the mark
 * of that value, which everybody writes who puts such a document, changes it
 * to another value or deletes it. Marks are written blindly, so those who only
 * add are never in each other's way.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/impl.h"

#define RELIES_MAX 512 /* of one run; one that reads more relies on all there is */
#define VALUE_MAX  120 /* bytes of a value in a mark */

/* Before anything is written down: on SQLite nothing is. */
static bool collects(const struct call *c)
{
	return store_is_shared(c->opts->store) && !c->priv->relies.all && !c->priv->browses;
}

/* what: "=KEY", "~PREFIX/" or "~#MARK". */
static void rely(struct call *c, const char *what)
{
	struct relies *r = &c->priv->relies;

	if (!r->what)
		r->what = omap_new();
	r->all = !r->what || omap_count(r->what) == RELIES_MAX || !omap_insert(r->what, what);
}

/**
 * rely_on() - A run looked at a document, or saw that there is none
 * @c:   the call
 * @key: its key
 */
void rely_on(struct call *c, const char *key)
{
	char what[STORE_KEY_LEN + 2];

	if (!collects(c))
		return;
	snprintf(what, sizeof(what), "=%s", key);
	rely(c, what);
}

/**
 * rely_on_list() - A run looked at the documents under a prefix
 * @c:      the call
 * @prefix: ends with a slash; of one segment (/agent/) it is no reason for anything
 */
void rely_on_list(struct call *c, const char *prefix)
{
	char what[STORE_KEY_LEN + 2];

	if (!collects(c) || !*prefix || strchr(prefix + 1, '/') == strrchr(prefix, '/'))
		return;
	snprintf(what, sizeof(what), "~%s", prefix);
	rely(c, what);
}

/**
 * call_text() - A document as it is stored, or will be when the call is answered
 * @c:   the call
 * @key: the document's
 *
 * The same at each replica. Nothing is relied upon by it.
 *
 * Return: borrowed until the document changes; NULL if there is none, or without memory.
 */
const char *call_text(const struct call *c, const char *key)
{
	const struct cache_row *row = cache_get(c->priv->eng->cache, key);

	return row ? record_text(row->doc, NULL) : NULL;
}

/**
 * call_browse() - What is looked at from now on is no reason for what is changed
 * @c:  the call
 * @on: false: it is again, as at the beginning
 *
 * For who walks all to find one, looks at that one again, and relies on it alone.
 */
void call_browse(struct call *c, bool on)
{
	c->priv->browses = on;
}

static void mark_of(char out[STORE_KEY_LEN + 1], const struct resource *r, const char *field,
		    const char *value)
{
	if (field)
		snprintf(out, STORE_KEY_LEN + 1, "#%s.%s/%.*s", resource_kind(r), field, VALUE_MAX,
			 value);
	else
		snprintf(out, STORE_KEY_LEN + 1, "#%s", resource_kind(r));
}

/**
 * rely_on_found() - A run looked for documents by a member's value
 * @c:     the call
 * @r:     their resource
 * @field: the member; NULL: it looked at all of them
 * @value: as text
 */
void rely_on_found(struct call *c, const struct resource *r, const char *field, const char *value)
{
	char what[STORE_KEY_LEN + 2] = "~";

	if (!collects(c))
		return;
	mark_of(what + 1, r, field, value);
	rely(c, what);
}

static void mark_of_sums(char out[STORE_KEY_LEN + 1], const struct tally *t, const char *group)
{
	snprintf(out, STORE_KEY_LEN + 1, "#%s.%s/%.*s", t->keys, t->by, VALUE_MAX, group);
}

/**
 * rely_on_sums() - A run looked at the sums over documents
 * @c:     the call
 * @t:     what is summed up
 * @group: for which value, or in which directory
 */
void rely_on_sums(struct call *c, const struct tally *t, const char *group)
{
	char what[STORE_KEY_LEN + 2] = "~";

	if (!collects(c))
		return;
	if (t->by)
		mark_of_sums(what + 1, t, group);
	else
		snprintf(what, sizeof(what), "~%s/", group);
	rely(c, what);
}

typedef int (*mark_fn)(void *arg, const char *mark);

/* was, is: a member's value; NULL: none. */
static int found_marks(const struct resource *r, const char *field, const char *was, const char *is,
		       mark_fn fn, void *arg)
{
	char mark[STORE_KEY_LEN + 1];
	int rc = 0;

	if (was && is && !strcmp(was, is))
		return 0;
	if (was) {
		mark_of(mark, r, field, was);
		rc = fn(arg, mark);
	}
	if (is && !rc) {
		mark_of(mark, r, field, is);
		rc = fn(arg, mark);
	}
	return rc;
}

static int schema_marks(const struct schema *s, const json_t *old, const json_t *new, mark_fn fn,
			void *arg)
{
	char mark[STORE_KEY_LEN + 1];
	int rc = 0;

	if (!old || !new) {
		mark_of(mark, s->r, NULL, NULL);
		rc = fn(arg, mark);
	}
	for (const struct rfield *f = s->fields; f->name && !rc; f++) {
		auto_of(json_decref) json_t *was = NULL, *is = NULL;
		char a[32], b[32];

		if (!schema_indexes(s, f))
			continue;
		was = old ? field_value(f, old) : NULL;
		is = new ? field_value(f, new) : NULL;
		rc = found_marks(s->r, f->name, was ? json_text(was, a) : NULL,
				 is ? json_text(is, b) : NULL, fn, arg);
	}
	return rc;
}

/* What a document counts; 0: not at all. */
static void counts(const struct tally *t, const json_t *doc, int64_t of[TALLY_SUMS + 1])
{
	memset(of, 0, (TALLY_SUMS + 1) * sizeof(*of));
	if (doc && t->of)
		t->of(doc, of);
	of[TALLY_SUMS] = !!doc;
}

static int sums_marks(const struct tally *t, const json_t *old, const json_t *new, mark_fn fn,
		      void *arg)
{
	const char *was = old ? doc_str(old, t->by) : NULL, *is = new ? doc_str(new, t->by) : NULL;
	int64_t a[TALLY_SUMS + 1], b[TALLY_SUMS + 1];
	char mark[STORE_KEY_LEN + 1];
	int rc = 0;

	counts(t, old, a);
	counts(t, new, b);
	if (was && is && !strcmp(was, is) && !memcmp(a, b, sizeof(a)))
		return 0;
	if (was) {
		mark_of_sums(mark, t, was);
		rc = fn(arg, mark);
	}
	if (is && !rc) {
		mark_of_sums(mark, t, is);
		rc = fn(arg, mark);
	}
	return rc;
}

/**
 * rely_marks() - The marks of a change: of all lists and sums that it is in, or was
 * @schemas: resources, and what is summed up
 * @key:     of the document
 * @old:     what stood there; NULL: nothing
 * @new:     what stands there now; NULL: nothing
 * @fn:      called for each mark
 * @arg:     for @fn
 *
 * Return: 0; what @fn returned.
 */
int rely_marks(const struct schemas *schemas, const char *key, const json_t *old, const json_t *new,
	       int (*fn)(void *arg, const char *mark), void *arg)
{
	const struct schema *s = schema_at(schemas, key);
	const struct tally *const *t = schema_tallies(schemas);
	int rc = s ? schema_marks(s, old, new, fn, arg) : 0;

	for (; t && *t && !rc; t++)
		if ((*t)->by && tally_has(*t, key))
			rc = sums_marks(*t, old, new, fn, arg);
	return rc;
}

/**
 * rely_add() - Rely on what another does as well
 * @to:   grows
 * @from: read
 */
void rely_add(struct relies *to, const struct relies *from)
{
	to->all |= from->all;
	if (from->what && !to->what)
		to->what = omap_new();
	for (struct omap_node *n = from->what ? omap_from(from->what, "") : NULL; n && !to->all;
	     n = n->next[0])
		to->all = !to->what || !omap_insert(to->what, n->key);
}

/**
 * rely_clear() - Forget what was read
 * @r: zeroed or used
 */
void rely_clear(struct relies *r)
{
	omap_free(take(r->what));
	r->all = false;
}

struct search {
	const struct relies *relies;
	bool found;
};

static int has_mark(void *arg, const char *mark)
{
	struct search *s = arg;
	char what[STORE_KEY_LEN + 2];

	snprintf(what, sizeof(what), "~%s", mark);
	s->found |= omap_find(s->relies->what, what) != NULL;
	return 0;
}

/**
 * rely_is_hit() - Does a change touch what was read?
 * @r:       what was
 * @schemas: resources
 * @ev:      the change
 * @old:     what stood there before it; NULL: nothing
 */
bool rely_is_hit(const struct relies *r, const struct schemas *schemas,
		 const struct store_event *ev, const struct record *old)
{
	auto_of(json_decref) json_t *was = NULL, *is = NULL;
	struct search s = { r, r->all };
	char what[STORE_KEY_LEN + 2];

	if (s.found || !r->what)
		return s.found;
	snprintf(what, sizeof(what), "=%s", ev->key);
	if (omap_find(r->what, what))
		return true;
	for (struct omap_node *n = omap_from(r->what, "~/"); n && !strncmp(n->key, "~/", 2);
	     n = n->next[0])
		if (!strncmp(ev->key, n->key + 1, strlen(n->key + 1)))
			return true;
	was = record_read(old);
	is = record_read(ev->doc);
	rely_marks(schemas, ev->key, was, is, has_mark, &s);
	return s.found;
}
