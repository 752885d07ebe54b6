/* SPDX-License-Identifier: Apache-2.0 */
/* A group of changes as a transaction: what is compared, written and marked. */
#include <errno.h>
#include <string.h>

#include "engine/group.h"

/**
 * group_change() - What a group makes of a key
 * @g:   the group
 * @key: the key
 *
 * Return: NULL: nothing.
 */
struct change *group_change(const struct group *g, const char *key)
{
	struct omap_node *node = omap_find(g->changes, key);

	return node ? node->value : NULL;
}

/**
 * group_version() - The version the store has of a key, whatever is to be changed here
 * @eng:     the engine
 * @key:     the key
 * @version: set if a group has it; 0: the store has no such key
 */
void group_version(const struct engine *eng, const char *key, uint64_t *version)
{
	for (const struct group *g = eng->groups; g; g = g->next) {
		const struct change *ch = group_change(g, key);

		if (!ch)
			continue;
		*version = ch->before_version;
		return;
	}
}

/**
 * group_next() - Walk the keys that groups change: the cache lacks those that they delete
 * @eng:   the engine
 * @after: "" for the first
 *
 * Return: the first behind @after, valid until a group ends; NULL: that was the last.
 */
const char *group_next(const struct engine *eng, const char *after)
{
	const char *first = NULL;

	for (const struct group *g = eng->groups; g; g = g->next) {
		const struct omap_node *node = omap_from(g->changes, after);

		if (node && !strcmp(node->key, after))
			node = node->next[0];
		if (node && (!first || strcmp(node->key, first) < 0))
			first = node->key;
	}
	return first;
}

/**
 * group_base() - The version a key has in the store, as far as was heard
 * @eng: the engine
 * @key: the key
 *
 * Return: 0: there is none. Of what is to be changed by a group, what it was before.
 */
uint64_t group_base(const struct engine *eng, const char *key)
{
	const struct cache_row *row = cache_get(eng->cache, key);
	uint64_t version = row ? row->version : 0;

	group_version(eng, key, &version);
	return version;
}

/* What is to be stored, its comparisons and its marks. */
struct building {
	struct engine *eng;
	struct store_txn *txn;
	struct omap *marks; /* each is written once; NULL: nobody else reads them */
};

static int add_mark(void *arg, const char *mark)
{
	struct building *b = arg;
	struct omap_node *node = omap_insert(b->marks, mark);

	if (!node || node->value)
		return node ? 0 : -ENOMEM;
	node->value = b;
	return store_txn_touch(b->txn, mark);
}

static int add_marks(struct building *b, const char *key, const struct change *ch)
{
	auto_of(json_decref) json_t *was = record_read(ch->before), *is = record_read(ch->doc);

	return rely_marks(b->eng->schemas, key, was, is, add_mark, b);
}

static int build_changes(struct building *b, const struct group *g)
{
	int rc = 0;

	for (struct omap_node *n = omap_from(g->changes, ""); n && !rc; n = n->next[0]) {
		const struct change *ch = n->value;

		rc = store_txn_check(b->txn, n->key, ch->version);
		rc = rc	       ? rc
		     : ch->doc ? store_txn_put(b->txn, n->key, ch->doc)
			       : store_txn_delete(b->txn, n->key);
		if (!rc && b->marks)
			rc = add_marks(b, n->key, ch);
	}
	return rc;
}

/* Nothing of it has changed, as far as was heard; the store looks at the rest of the way. */
static int build_relies(struct building *b, const struct group *g)
{
	uint64_t heard = store_revision(b->eng->opts.store);
	const struct omap *what = g->relies.what;
	int rc = 0;

	if (g->relies.all)
		return store_txn_calm(b->txn, "/", heard);
	for (struct omap_node *n = what ? omap_from(what, "") : NULL; n && !rc; n = n->next[0]) {
		const char *key = n->key + 1;

		if (*n->key == '~')
			rc = store_txn_calm(b->txn, key, heard);
		else if (!group_change(g, key))
			rc = store_txn_check(b->txn, key, group_base(b->eng, key));
	}
	return rc;
}

/**
 * group_build() - The transaction of a group, in eng->txn
 * @eng: the engine
 * @g:   its first group
 *
 * Return: 0; -EAGAIN: what was read for it has changed; -ENOMEM.
 */
int group_build(struct engine *eng, const struct group *g)
{
	bool shared = store_is_shared(eng->opts.store);
	auto_of(omap_free) struct omap *marks = shared ? omap_new() : NULL;
	struct building b = { eng, &eng->txn, marks };

	if (g->overtaken)
		return -EAGAIN;
	if (shared && !marks)
		return -ENOMEM;
	return build_changes(&b, g) ?: build_relies(&b, g);
}
