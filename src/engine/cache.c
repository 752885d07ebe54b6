/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's view of the store. Index keys are KIND, FIELD, VALUE and ID with a
 * byte between them that sorts below all text; very long values are cut, so
 * who asks by a value compares again (resource.c does).
 */
#include "engine/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEP		"\001"
#define INDEX_VALUE_MAX 200 /* bytes of a value in an index key */

struct cache {
	struct omap *rows;  /* key -> struct cache_row */
	struct omap *index; /* index key -> struct cache_row */
	const struct schemas *schemas;
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

/* row NULL: take the document out of all indexes. */
static int index_doc(struct cache *cache, const struct schema *s, const char *key,
		     const json_t *doc, struct cache_row *row)
{
	for (const struct rfield *f = s->fields; f->name; f++) {
		auto_of(json_decref) json_t *value =
			schema_indexes(s, f) ? field_value(f, doc) : NULL;
		char name[2 * STORE_KEY_LEN], buf[32];
		const char *text = value ? json_text(value, buf) : NULL;
		struct omap_node *node;

		if (!text)
			continue;
		index_key(name, sizeof(name), s->r, f->name, text, key);
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
	cache->schemas = schemas;
	return cache->rows && cache->index ? take(cache) : NULL;
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
	if (cache->rows && cache->index)
		cache_clear(cache);
	omap_free(cache->rows);
	omap_free(cache->index);
	free(cache);
}

/**
 * cache_set() - Put, replace or remove a document
 * @cache:   the cache
 * @key:     its key (may be the cache's own copy)
 * @version: as in the store
 * @doc:     the cache takes a reference; NULL: remove
 *
 * Return: 0; -ENOMEM.
 */
int cache_set(struct cache *cache, const char *key, uint64_t version, json_t *doc)
{
	const struct schema *s = schema_at(cache->schemas, key);
	struct omap_node *node = doc ? omap_insert(cache->rows, key) : omap_find(cache->rows, key);
	struct cache_row *row = node ? node->value : NULL;

	if (!node)
		return doc ? -ENOMEM : 0;
	if (row && s)
		index_doc(cache, s, key, row->doc, NULL);
	if (!doc) {
		if (row)
			json_decref(row->doc);
		free(row);
		omap_remove(cache->rows, key);
		return 0;
	}
	if (!row)
		row = node->value = calloc(1, sizeof(*row));
	if (!row) {
		omap_remove(cache->rows, key);
		return -ENOMEM;
	}
	json_incref(doc);
	json_decref(row->doc);
	row->doc = doc;
	row->version = version;
	return s ? index_doc(cache, s, key, doc, row) : 0;
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

static struct cursor cursor_at(const struct omap *map, const char *prefix)
{
	struct cursor it = { .map = map, .prefix_len = strlen(prefix) };

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
struct cursor cache_list(const struct cache *cache, const char *prefix)
{
	return cursor_at(cache->rows, prefix);
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
struct cursor cache_find(const struct cache *cache, const struct resource *r, const char *field,
			 const char *value)
{
	char prefix[2 * STORE_KEY_LEN];

	if (!field) {
		snprintf(prefix, sizeof(prefix), "/%s/", resource_kind(r));
		return cursor_at(cache->rows, prefix);
	}
	index_key(prefix, sizeof(prefix), r, field, value, "");
	return cursor_at(cache->index, prefix);
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
	const struct omap_node *node = omap_from(it->map, it->key);

	if (node && it->doc && strcmp(node->key, it->key) == 0)
		node = node->next[0];
	if (!node || strncmp(node->key, it->key, it->prefix_len) != 0)
		return false;
	snprintf(it->key, sizeof(it->key), "%s", node->key);
	it->doc = ((const struct cache_row *)node->value)->doc;
	return true;
}
