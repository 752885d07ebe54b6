/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's view of the store. Index keys are KIND, FIELD, VALUE and ID with a
 * byte between them that sorts below all text; very long values are cut, so
 * who asks by a value compares again (resource.c does). Those of one value are
 * in the order of their ids, as the documents themselves.
 */
#include "engine/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define SEP		"\001"
#define INDEX_VALUE_MAX 200  /* bytes of a value in an index key */
#define NAMES_MAX	32   /* members that are indexed or summed up; of more: the document */
#define PARSED_MAX	4096 /* documents that stay so when a turn of the loop ends */

struct cache {
	struct omap *rows;  /* key -> struct cache_row */
	struct omap *index; /* index key -> struct cache_row */
	struct omap *sums;  /* group -> struct sums */
	struct open_records parsed;
	const struct schemas *schemas;
	struct walk *walks; /* all that are under way */
	uint64_t changes;   /* ever */
};

/* A walk that others' changes may come between: what they replace ahead of it is kept for it. */
struct walk {
	struct cache *cache;
	struct cursor at;
	const struct omap_node *node; /* there, ... */
	uint64_t changes;	      /* ... if the cache had no more of them since */
	struct omap *before;	      /* key -> struct cache_row; of what came since, without doc */
	bool lost;		      /* there was no memory for one */
	struct walk *next, **prev;    /* in cache->walks */
};

/**
 * json_text() - A scalar as query arguments and indexes spell it
 * @value: string, number, boolean or null
 * @buf:   room for numbers
 *
 * Return: the text; NULL for objects and lists.
 */
const char *json_text(const json_t *value, char buf[32])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(buf, 32, "%lld", (long long)json_integer_value(value));
		return buf;
	case JSON_REAL:
		snprintf(buf, 32, "%.10g", json_real_value(value));
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "";
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	return NULL;
}

static void index_key(char *out, size_t size, const struct resource *r, const char *field,
		      const char *value, const char *id)
{
	snprintf(out, size, "%s" SEP "%s" SEP "%.*s" SEP "%s", resource_kind(r), field,
		 INDEX_VALUE_MAX, value, id);
}

/* What a key holds before its next change, for walks that have not come there. */
static void note(struct cache *cache, const struct omap *map, const char *key, struct record *doc)
{
	for (struct walk *w = cache->walks; w; w = w->next) {
		bool ahead = w->at.map == map && !strncmp(key, w->at.key, w->at.prefix_len) &&
			     strcmp(key, w->at.key) >= w->at.past;
		struct omap_node *node = ahead ? omap_insert(w->before, key) : NULL;
		struct cache_row *row;

		if (!ahead || (node && node->value))
			continue;
		row = node ? calloc(1, sizeof(*row)) : NULL;
		if (row)
			row->doc = record_ref(doc);
		else
			w->lost = true;
		if (node)
			node->value = row;
	}
}

/* What a document is indexed by and what is summed up of it; *out stays NULL if nothing is. */
static int look(const struct cache *cache, const struct schema *s, const char *key,
		const struct record *doc, json_t **out)
{
	const struct tally *const *t = schema_tallies(cache->schemas);
	const char *names[NAMES_MAX + 1] = { NULL };
	unsigned int n = 0;
	bool all = false;

	for (const struct rfield *f = s ? s->fields : NULL; f && f->name && n < NAMES_MAX; f++)
		if (schema_indexes(s, f))
			names[n++] = f->name;
	for (; t && *t && n < NAMES_MAX; t++) {
		if (!tally_has(*t, key))
			continue;
		if ((*t)->by)
			names[n++] = (*t)->by;
		all |= (*t)->of != NULL;
	}
	if (!doc || (!n && !all))
		return 0;
	*out = all || n == NAMES_MAX ? record_read(doc) : record_pick(doc, names);
	if (*out)
		return 0;
	log_err("a document cannot be read", "key=%s", key);
	return -EBADMSG;
}

/* old: the record that is taken out of all indexes, if row is NULL. */
static int index_doc(struct cache *cache, const struct schema *s, const char *key,
		     const json_t *doc, struct record *old, struct cache_row *row)
{
	for (const struct rfield *f = s->fields; f->name; f++) {
		auto_of(json_decref) json_t *value =
			schema_indexes(s, f) ? field_value(f, doc) : NULL;
		char name[2 * STORE_KEY_LEN], buf[32];
		const char *text = value ? json_text(value, buf) : NULL;
		struct omap_node *node;

		if (!text)
			continue;
		index_key(name, sizeof(name), s->r, f->name, text, strrchr(key, '/') + 1);
		note(cache, cache->index, name, old);
		if (!row) {
			omap_remove(cache->index, name);
			continue;
		}
		node = omap_insert(cache->index, name);
		if (!node)
			return -ENOMEM;
		node->value = row;
	}
	return 0;
}

/**
 * cache_new() - Make an empty cache
 * @schemas: the resources whose documents are indexed; borrowed for the cache's life
 *
 * Return: the cache, to be freed with cache_free(); NULL without memory.
 */
struct cache *cache_new(const struct schemas *schemas)
{
	auto_of(cache_free) struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->rows = omap_new();
	cache->index = omap_new();
	cache->sums = omap_new();
	cache->schemas = schemas;
	return cache->rows && cache->index && cache->sums ? take(cache) : NULL;
}

/**
 * cache_clear() - Forget all documents
 * @cache: the cache
 */
void cache_clear(struct cache *cache)
{
	for (struct omap_node *node; (node = omap_from(cache->rows, ""));)
		cache_set(cache, node->key, 0, NULL);
}

/**
 * cache_free() - Free a cache
 * @cache: cache or NULL
 */
void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->rows && cache->index && cache->sums)
		cache_clear(cache);
	open_records_trim(&cache->parsed, 0);
	omap_free(cache->rows);
	omap_free(cache->index);
	omap_free(cache->sums);
	free(cache);
}

static int count_all(struct cache *cache, const struct schema *s, const char *key,
		     const json_t *doc, int sign)
{
	const struct tally *const *t = schema_tallies(cache->schemas);
	char keys[64];
	int rc = 0;

	if (s && s->r->quota) {
		const struct tally own = tally_of_owners(s->r, keys);

		rc = tally_add(cache->sums, &own, key, doc, sign);
	}
	for (; t && *t; t++)
		if (tally_has(*t, key))
			rc = tally_add(cache->sums, *t, key, doc, sign) ?: rc;
	return rc;
}

/**
 * cache_sums() - What a tally has of a group
 * @cache: the cache
 * @t:     a feature's tally, or of owners
 * @group: value of its member, or directory without a slash at its end
 */
struct sums cache_sums(const struct cache *cache, const struct tally *t, const char *group)
{
	return tally_sums(cache->sums, t, group);
}

/* Puts one record in the place of another; of each what is looked at. */
static int replace(struct cache *cache, struct omap_node *node, const struct schema *s,
		   struct record *doc, const json_t *was, const json_t *is)
{
	struct cache_row *row = node->value;
	auto_of(record_unref) struct record *old = row->doc;

	cache->changes++;
	note(cache, cache->rows, node->key, old);
	if (doc)
		count_all(cache, s, node->key, is, 1);
	if (old)
		count_all(cache, s, node->key, was, -1);
	if (old && s)
		index_doc(cache, s, node->key, was, old, NULL);
	row->doc = record_ref(doc);
	return doc && s ? index_doc(cache, s, node->key, is, NULL, row) : 0;
}

/**
 * cache_set() - Put, replace or remove a document
 * @cache:   the cache
 * @key:     its key (may be the cache's own copy)
 * @version: as in the store
 * @doc:     the cache takes a reference; NULL: remove
 *
 * Return: 0; -EBADMSG for a text that is no JSON; -ENOMEM.
 */
int cache_set(struct cache *cache, const char *key, uint64_t version, struct record *doc)
{
	const struct schema *s = schema_at(cache->schemas, key);
	struct omap_node *node = doc ? omap_insert(cache->rows, key) : omap_find(cache->rows, key);
	struct cache_row *row = node ? node->value : NULL;
	auto_of(json_decref) json_t *was = NULL, *is = NULL;
	int rc;

	if (!node)
		return doc ? -ENOMEM : 0;
	if (!row)
		row = node->value = calloc(1, sizeof(*row));
	rc = row ? 0 : -ENOMEM;
	if (!rc && row->doc != doc)
		rc = look(cache, s, node->key, row->doc, &was) ?: look(cache, s, key, doc, &is);
	if (!rc && row->doc != doc && doc)
		rc = count_all(cache, s, key, is, 0);
	if (!rc && row->doc != doc)
		rc = replace(cache, node, s, doc, was, is);
	if (!rc && doc)
		row->version = version;
	if (!row || !row->doc)
		free(omap_remove(cache->rows, key));
	if (!rc && doc && record_is_parsed(doc))
		record_open(doc, &cache->parsed);
	return rc;
}

/**
 * cache_get() - Find a document
 * @cache: the cache
 * @key:   exact key
 *
 * Return: the row, valid until the key changes; NULL if there is none.
 */
const struct cache_row *cache_get(const struct cache *cache, const char *key)
{
	const struct omap_node *node = omap_find(cache->rows, key);

	return node ? node->value : NULL;
}

/**
 * cache_doc() - A document, parsed
 * @cache: the cache
 * @row:   of it, or NULL
 *
 * Return: borrowed until cache_trim(); NULL: there is none, or without memory.
 */
json_t *cache_doc(struct cache *cache, const struct cache_row *row)
{
	return row ? record_open(row->doc, &cache->parsed) : NULL;
}

/**
 * cache_trim() - Nobody borrows a document now: keep but some parsed
 * @cache: the cache
 */
void cache_trim(struct cache *cache)
{
	open_records_trim(&cache->parsed, PARSED_MAX);
}

/**
 * cache_next() - Walk all documents by their keys
 * @cache:   the cache
 * @after:   "" for the first
 * @version: gets the document's
 *
 * Return: the first key behind @after, valid until it changes; NULL: that was the last.
 */
const char *cache_next(const struct cache *cache, const char *after, uint64_t *version)
{
	const struct omap_node *node = omap_from(cache->rows, after);

	if (node && !strcmp(node->key, after))
		node = node->next[0];
	if (!node)
		return NULL;
	*version = ((const struct cache_row *)node->value)->version;
	return node->key;
}

static struct cursor cursor_at(struct cache *cache, const struct omap *map, const char *prefix)
{
	struct cursor it = { .cache = cache, .map = map, .prefix_len = strlen(prefix) };

	snprintf(it.key, sizeof(it.key), "%s", prefix);
	return it;
}

/**
 * cache_list() - Walk the documents under a prefix
 * @cache:  the cache
 * @prefix: "" for all
 *
 * Return: a cursor before the first of them.
 */
struct cursor cache_list(struct cache *cache, const char *prefix)
{
	return cursor_at(cache, cache->rows, prefix);
}

/**
 * cache_find() - Walk a resource's documents, all or by an indexed field
 * @cache: the cache
 * @r:     resource
 * @field: a field of which schema_indexes() is true; NULL: all documents
 * @value: as json_text() spells it; of very long values only the start counts
 *
 * Return: a cursor before the first of them.
 */
struct cursor cache_find(struct cache *cache, const struct resource *r, const char *field,
			 const char *value)
{
	char prefix[2 * STORE_KEY_LEN];

	if (!field) {
		snprintf(prefix, sizeof(prefix), "/%s/", resource_kind(r));
		return cursor_at(cache, cache->rows, prefix);
	}
	index_key(prefix, sizeof(prefix), r, field, value, "");
	return cursor_at(cache, cache->index, prefix);
}

static const struct omap_node *node_at(const struct omap *map, const struct cursor *it)
{
	const struct omap_node *node = omap_from(map, it->key);

	if (node && it->past && strcmp(node->key, it->key) == 0)
		node = node->next[0];
	return node && !strncmp(node->key, it->key, it->prefix_len) ? node : NULL;
}

static void stand_at(struct cursor *it, const char *key)
{
	if (!memccpy(it->key, key, '\0', sizeof(it->key))) /* cheaper than printf, in long walks */
		it->key[sizeof(it->key) - 1] = '\0';
	it->past = true;
}

static const struct cache_row *step(struct cursor *it)
{
	const struct omap_node *node = node_at(it->map, it);

	if (node)
		stand_at(it, node->key);
	return node ? node->value : NULL;
}

/**
 * cursor_next() - Step to the next document
 * @it: cursor
 *
 * Documents may be put and removed between two steps.
 *
 * Return: true with it->key and it->doc set; false past the last one.
 */
bool cursor_next(struct cursor *it)
{
	const struct cache_row *row = step(it);

	it->doc = cache_doc(it->cache, row);
	return row;
}

/**
 * cursor_step() - Step to the next document's key, for who does not read the document
 * @it: cursor
 *
 * Return: true with it->key set; false past the last one.
 */
bool cursor_step(struct cursor *it)
{
	return step(it);
}

/**
 * cursor_seek() - Step to the next document whose text has a word
 * @it:   cursor
 * @word: an id, or anything that JSON does not escape; it may stand anywhere
 *
 * Of many that are walked for a few, only these are parsed.
 *
 * Return: as cursor_next().
 */
bool cursor_seek(struct cursor *it, const char *word)
{
	const struct cache_row *row;
	const char *text = NULL;

	do {
		row = step(it);
		text = row ? record_text(row->doc, NULL) : NULL;
	} while (text && !strstr(text, word));
	it->doc = cache_doc(it->cache, row);
	return row;
}

/**
 * cursor_pass() - Go on behind a document
 * @it: from cache_find(), before the first
 * @id: of a document of that resource, among those of the cursor or not
 */
void cursor_pass(struct cursor *it, const char *id)
{
	snprintf(it->key + it->prefix_len, sizeof(it->key) - it->prefix_len, "%s", id);
	it->past = true;
}

/**
 * walk_begin() - Begin to walk documents as they are now, whatever is changed meanwhile
 * @from: copied; its cache must live longer
 *
 * Return: to be freed with walk_end(); NULL without memory.
 */
struct walk *walk_begin(const struct cursor *from)
{
	struct cache *cache = from->cache;
	auto_of(walk_end) struct walk *w = calloc(1, sizeof(*w));

	if (!w || !(w->before = omap_new()))
		return NULL;
	w->cache = cache;
	w->at = *from;
	w->next = cache->walks;
	w->prev = &cache->walks;
	if (w->next)
		w->next->prev = &w->next;
	cache->walks = w;
	return take(w);
}

/* The next of those that stand in the cache. */
static const struct omap_node *live_node(const struct walk *w)
{
	const struct omap_node *node;

	if (!w->node || w->changes != w->cache->changes)
		return node_at(w->at.map, &w->at);
	node = w->node->next[0];
	return node && !strncmp(node->key, w->at.key, w->at.prefix_len) ? node : NULL;
}

/**
 * walk_next() - Step to the next document
 * @w:   the walk
 * @doc: set to it; borrowed until something is changed
 *
 * Return: 1; 0 past the last one; -ENOMEM: not all that there was could be kept.
 */
int walk_next(struct walk *w, struct record **doc)
{
	for (;;) {
		const struct omap_node *live = live_node(w), *old = node_at(w->before, &w->at);
		bool changed = old && (!live || strcmp(old->key, live->key) <= 0);
		const struct omap_node *node = changed ? old : live;

		if (!node || w->lost)
			return w->lost ? -ENOMEM : 0;
		w->node = changed ? NULL : node;
		w->changes = w->cache->changes;
		stand_at(&w->at, node->key);
		*doc = ((const struct cache_row *)node->value)->doc;
		if (*doc)
			return 1;
	}
}

/**
 * walk_end() - End a walk
 * @w: or NULL
 */
void walk_end(struct walk *w)
{
	if (!w)
		return;
	for (struct omap_node *n = w->before ? omap_from(w->before, "") : NULL; n; n = n->next[0]) {
		struct cache_row *row = n->value;

		if (row)
			record_unref(row->doc);
		free(row);
	}
	omap_free(w->before);
	if (w->prev)
		*w->prev = w->next;
	if (w->prev && w->next)
		w->next->prev = w->prev;
	free(w);
}
