/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All documents of the store as records, with indexes for the fields that are
 * searched by. Writer and reader: the loop's thread. A record is parsed when it
 * is read, and some thousand stay so: what was read is borrowed until
 * cache_trim(), that is, by a handler for a run. Documents are values: a change
 * replaces the record, so a reader may keep a reference. A cursor sees what
 * there is at each of its steps; a walk, which may take many turns of the loop,
 * what there was when it began.
 */
#ifndef ANYVF_ENGINE_CACHE_H
#define ANYVF_ENGINE_CACHE_H

#include "base/omap.h"
#include "engine/schema.h"

struct cache;
struct cache_row {
	struct record *doc; /* owned reference */
	uint64_t version;   /* as in the store */
};

struct cache *cache_new(const struct schemas *schemas);
void cache_free(struct cache *cache);
AUTO_DEFINE(struct cache *, cache_free)

int cache_set(struct cache *cache, const char *key, uint64_t version, struct record *doc);
const struct cache_row *cache_get(const struct cache *cache, const char *key);
json_t *cache_doc(struct cache *cache, const struct cache_row *row);
void cache_trim(struct cache *cache);
void cache_clear(struct cache *cache);
const char *cache_next(const struct cache *cache, const char *after, uint64_t *version);
struct cursor cache_list(struct cache *cache, const char *prefix);
struct cursor cache_find(struct cache *cache, const struct resource *r, const char *field,
			 const char *value);
struct sums cache_sums(const struct cache *cache, const struct tally *t, const char *group);
void cursor_pass(struct cursor *it, const char *id);

/* tally.c */
bool tally_has(const struct tally *t, const char *key);
struct tally tally_of_owners(const struct resource *r, char keys[64]);
int tally_add(struct omap *sums, const struct tally *t, const char *key, const json_t *doc,
	      int sign);
struct sums tally_sums(const struct omap *sums, const struct tally *t, const char *group);

const char *json_text(const json_t *value, char buf[32]);

#endif
