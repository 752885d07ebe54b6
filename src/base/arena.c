/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that memory is cut from, each twice as large as the one before. */
#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#define FIRST 2048u
#define LIMIT (1u << 20) /* of a block that is made for what may come */

struct arena_block {
	struct arena_block *before;
	size_t used, size;
	alignas(max_align_t) char data[];
};

static struct arena_block *grow(struct arena *a, size_t size)
{
	size_t room = a->last ? MIN(2 * a->last->size, (size_t)LIMIT) : FIRST;
	struct arena_block *b;

	room = MAX(room, size);
	b = malloc(sizeof(*b) + room);
	if (!b)
		return NULL;
	*b = (struct arena_block){ .before = a->last, .size = room };
	a->last = b;
	return b;
}

/**
 * arena_alloc() - Memory that stays until arena_clear()
 * @a:    where
 * @size: bytes; less than half of SIZE_MAX
 *
 * Return: aligned for anything, not zeroed; NULL without memory.
 */
void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->last;
	void *out;

	size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (!b || size > b->size - b->used)
		b = grow(a, size);
	if (!b)
		return NULL;
	out = b->data + b->used;
	b->used += size;
	return out;
}

/**
 * arena_clear() - Drop all of it
 * @a: as it was at first afterwards
 */
void arena_clear(struct arena *a)
{
	struct arena_block *b;

	while ((b = a->last)) {
		a->last = b->before;
		free(b);
	}
}
