/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over documents: which a tally counts, and in which group (engine/cache.c keeps them). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/cache.h"

#define GROUP_MAX 200 /* bytes of a group in a key of sums */

/**
 * tally_has() - Does a tally count the document of a key?
 * @t:   the tally
 * @key: the key
 */
bool tally_has(const struct tally *t, const char *key)
{
	const char *keys = t->keys;

	for (; *keys; keys++) {
		size_t len = *keys == '*' ? strcspn(key, "/") : *keys == *key;

		if (!len)
			return false;
		key += len;
	}
	return !*key;
}

static void group_of(const struct tally *t, const char *group, char out[2 * STORE_KEY_LEN])
{
	char *end = stpcpy(stpncpy(out, t->keys, STORE_KEY_LEN), "\001");

	*stpncpy(end, group, GROUP_MAX) = '\0';
}

/**
 * tally_add() - Count a document
 * @sums: group -> struct sums, owned; those of nobody are taken out
 * @t:    the tally
 * @key:  of the document
 * @doc:  what the tally looks at
 * @sign: 1: in; -1: out; 0: neither, but afterwards 1 cannot fail
 *
 * Return: 0; -ENOMEM.
 */
int tally_add(struct omap *sums, const struct tally *t, const char *key, const json_t *doc,
	      int sign)
{
	const char *group = t->by ? doc_str(doc, t->by) : key;
	size_t len = t->by ? strlen(group) : (size_t)(strrchr(key, '/') - key);
	char name[2 * STORE_KEY_LEN], text[STORE_KEY_LEN + 1];
	int64_t of[TALLY_SUMS] = { 0 };
	struct omap_node *node;
	struct sums *of_group;

	snprintf(text, sizeof(text), "%.*s", (int)MIN(len, (size_t)STORE_KEY_LEN), group);
	group_of(t, text, name);
	node = omap_insert(sums, name);
	of_group = node ? node->value : NULL;
	if (node && !of_group)
		of_group = node->value = calloc(1, sizeof(*of_group));
	if (!of_group) {
		omap_remove(sums, name);
		return -ENOMEM;
	}
	of_group->n += sign;
	if (t->of)
		t->of(doc, of);
	for (unsigned int i = 0; i < TALLY_SUMS; i++)
		of_group->of[i] += sign * of[i];
	if (sign && !of_group->n)
		free(omap_remove(sums, name));
	return 0;
}

/**
 * tally_of_owners() - How many documents of a resource each project has
 * @r:    resource
 * @keys: gets what the tally's keys point to
 */
struct tally tally_of_owners(const struct resource *r, char keys[64])
{
	snprintf(keys, 64, "/%s/*", resource_kind(r));
	return (struct tally){ .keys = keys, .by = resource_owner(r) };
}

/**
 * tally_sums() - What a tally has of a group
 * @sums:  as tally_add()
 * @t:     the tally
 * @group: value of its member, or directory without a slash at its end
 */
struct sums tally_sums(const struct omap *sums, const struct tally *t, const char *group)
{
	char name[2 * STORE_KEY_LEN];
	const struct omap_node *node;

	group_of(t, group, name);
	node = omap_find(sums, name);
	return node ? *(const struct sums *)node->value : (struct sums){ 0 };
}
