/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All documents of the store, parsed, with indexes for the fields that are
 * searched by. Writer and reader: the loop's thread. Documents are values: a
 * change replaces the pointer, so a reader may keep a reference.
 */
#ifndef ANYVF_ENGINE_CACHE_H
#define ANYVF_ENGINE_CACHE_H

#include "base/omap.h"
#include "engine/schema.h"

struct cache;
struct cache_row {
	json_t *doc;	  /* owned reference */
	uint64_t version; /* as in the store */
};

struct cache *cache_new(const struct schemas *schemas);
void cache_free(struct cache *cache);
AUTO_DEFINE(struct cache *, cache_free)

int cache_set(struct cache *cache, const char *key, uint64_t version, json_t *doc);
const struct cache_row *cache_get(const struct cache *cache, const char *key);
void cache_clear(struct cache *cache);
struct cursor cache_list(const struct cache *cache, const char *prefix);
struct cursor cache_find(const struct cache *cache, const struct resource *r, const char *field,
			 const char *value);
const char *json_text(const json_t *value, char buf[32]);

#endif
