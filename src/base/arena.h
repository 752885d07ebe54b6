/* SPDX-License-Identifier: Apache-2.0 */
/* Many small things that are dropped together: an answer and all it is made of. One thread. */
#ifndef ANYVF_BASE_ARENA_H
#define ANYVF_BASE_ARENA_H

#include "base/util.h"

struct arena_block;

/* Start with `struct arena a = {0};`: no memory yet. */
struct arena {
	struct arena_block *last; /* the newest, with what is free */
};

void *arena_alloc(struct arena *a, size_t size);
void arena_clear(struct arena *a);

static inline void arena_auto_(struct arena *a)
{
	arena_clear(a);
}
#define auto_arena __attribute__((cleanup(arena_auto_)))

#endif
