/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered map as a skip list (Pugh, CACM 33(6), 1990): the store in memory, the API cache. */
#include "base/omap.h"

#include <stdint.h>
#include <string.h>

#define LEVELS 20 /* 4^20 keys until it slows down */

struct omap {
	size_t count;		       /* keys in the map */
	uint64_t seed;		       /* xorshift state: levels need no secrecy */
	struct omap_node *head[LEVELS]; /* first node of each level */
};

/* Levels 1, 2, 3... with probability 3/4, 3/16, ... */
static unsigned int random_levels(struct omap *map)
{
	unsigned int levels = 1;
	uint64_t r;

	map->seed ^= map->seed << 13;
	map->seed ^= map->seed >> 7;
	map->seed ^= map->seed << 17;
	for (r = map->seed; levels < LEVELS && !(r & 3); r >>= 2)
		levels++;
	return levels;
}

/* Fills links[l] with the pointer of level l that leads to the first node not below key. */
static struct omap_node *seek(const struct omap *map, const char *key,
			      struct omap_node **links[LEVELS])
{
	struct omap_node **next = (struct omap_node **)map->head;

	for (unsigned int l = LEVELS; l-- > 0;) {
		while (next[l] && strcmp(next[l]->key, key) < 0)
			next = next[l]->next;
		if (links)
			links[l] = &next[l];
	}
	return next[0];
}

/**
 * omap_new() - Make an empty map
 *
 * Return: the map, to be freed with omap_free(); NULL without memory.
 */
struct omap *omap_new(void)
{
	struct omap *map = calloc(1, sizeof(*map));

	if (map)
		map->seed = 0x9e3779b97f4a7c15u;
	return map;
}

/**
 * omap_free() - Free a map and its keys
 * @map: map or NULL; its values are not touched
 */
void omap_free(struct omap *map)
{
	struct omap_node *node, *next;

	if (!map)
		return;
	for (node = map->head[0]; node; node = next) {
		next = node->next[0];
		free(node);
	}
	free(map);
}

/**
 * omap_count() - Number of keys
 * @map: the map
 */
size_t omap_count(const struct omap *map)
{
	return map->count;
}

/**
 * omap_from() - First node whose key is not below a given one
 * @map: the map
 * @key: where to start; "" is the first key of all
 *
 * Return: the node, valid until its key is removed; NULL past the end. node->next[0] is the next.
 */
struct omap_node *omap_from(const struct omap *map, const char *key)
{
	return seek(map, key, NULL);
}

/**
 * omap_find() - Node of a key
 * @map: the map
 * @key: exact key
 *
 * Return: the node, valid until its key is removed; NULL if there is none.
 */
struct omap_node *omap_find(const struct omap *map, const char *key)
{
	struct omap_node *node = seek(map, key, NULL);

	return node && !strcmp(node->key, key) ? node : NULL;
}

/**
 * omap_insert() - Find a key's node or add one
 * @map: the map
 * @key: copied
 *
 * Return: the node, its value NULL if it is new; NULL without memory.
 */
struct omap_node *omap_insert(struct omap *map, const char *key)
{
	struct omap_node **links[LEVELS], *node = seek(map, key, links);
	unsigned int levels = random_levels(map);
	size_t size = sizeof(*node) + levels * sizeof(node->next[0]), len = strlen(key) + 1;

	if (node && !strcmp(node->key, key))
		return node;
	node = malloc(size + len); /* the key behind the links: most who come for these read it */
	if (!node)
		return NULL;
	node->key = memcpy((char *)node + size, key, len);
	node->value = NULL;
	for (unsigned int l = 0; l < levels; l++) {
		node->next[l] = *links[l];
		*links[l] = node;
	}
	map->count++;
	return node;
}

/**
 * omap_remove() - Take a key out
 * @map: the map
 * @key: exact key
 *
 * Return: its value, now the caller's; NULL if there was none.
 */
void *omap_remove(struct omap *map, const char *key)
{
	struct omap_node **links[LEVELS], *node = seek(map, key, links);
	void *value;

	if (!node || strcmp(node->key, key) != 0)
		return NULL;
	value = node->value;
	for (unsigned int l = 0; l < LEVELS && *links[l] == node; l++)
		*links[l] = node->next[l];
	free(node);
	map->count--;
	return value;
}
