/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of what this host was told. */
#include "agent/core/slice.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/told.h"

#define KEY_LEN	 256 /* as the store's; longer ones are cut */
#define ROOM_MIN 16  /* doubled until it is SLICE_GONE_MAX */

struct told {
	int64_t generation; /* the highest that was told */
	uint64_t ended;	    /* slice.n_gone when the document went; 0: it stands */
	const char *id;	    /* in its key, */
	char kind[32];	    /* as is the kind */
};

static void key_of(const char *kind, const char *id, char out[KEY_LEN])
{
	snprintf(out, KEY_LEN, "%s/%s", kind, id);
}

static struct told *find(const struct slice *s, const char *kind, const char *id)
{
	char key[KEY_LEN];
	struct omap_node *node;

	key_of(kind, id, key);
	node = s->told ? omap_find(s->told, key) : NULL;
	return node ? node->value : NULL;
}

/* In or out of the sum. */
static void toggle(struct slice *s, const struct told *t)
{
	s->sum ^= told_hash(t->kind, t->id, t->generation);
}

static struct told *add(struct slice *s, const char *kind, const char *id)
{
	struct told *t = calloc(1, sizeof(*t));
	char key[KEY_LEN];
	struct omap_node *node;

	if (!s->told)
		s->told = omap_new();
	key_of(kind, id, key);
	node = t && s->told ? omap_insert(s->told, key) : NULL;
	if (!node) {
		free(t);
		return NULL;
	}
	node->value = t;
	snprintf(t->kind, sizeof(t->kind), "%s", kind);
	t->id = node->key + MIN(strlen(kind) + 1, strlen(node->key));
	return t;
}

/**
 * slice_put() - Note that a document was told
 * @s:          slice
 * @kind:       kind of the document
 * @id:         of what it is about
 * @generation: its generation
 *
 * Return: 0; -ESTALE: a newer one was told before, or that it is gone: nothing is noted; -ENOMEM.
 */
int slice_put(struct slice *s, const char *kind, const char *id, int64_t generation)
{
	struct told *t = find(s, kind, id);

	if (t && (generation < t->generation || (t->ended && generation == t->generation)))
		return -ESTALE;
	if (t && !t->ended)
		toggle(s, t);
	if (!t && !(t = add(s, kind, id)))
		return -ENOMEM;
	t->generation = generation;
	t->ended = 0;
	toggle(s, t);
	return 0;
}

/* Where the next end is remembered; NULL: out of memory. */
static char **next_place(struct slice *s)
{
	size_t at = s->n_gone % SLICE_GONE_MAX, room = s->room ? s->room : ROOM_MIN;
	char **more;

	while (room <= at)
		room *= 2;
	if (room > s->room) {
		more = reallocarray(s->gone, room, sizeof(*more));
		if (!more)
			return NULL;
		memset(more + s->room, 0, (room - s->room) * sizeof(*more));
		s->gone = more;
		s->room = room;
	}
	return &s->gone[at];
}

/* The oldest end gives its place to a new one. */
static void remember_end(struct slice *s, struct told *t, const char *key)
{
	char **place = next_place(s);
	struct omap_node *old = place && *place ? omap_find(s->told, *place) : NULL;
	const struct told *was = old ? old->value : NULL;

	t->ended = ++s->n_gone;
	if (!place)
		return;
	if (was && was->ended && was->ended + SLICE_GONE_MAX == s->n_gone)
		free(omap_remove(s->told, *place));
	free(*place);
	*place = strdup(key);
}

/**
 * slice_drop() - Note that a document is gone
 * @s:    slice
 * @kind: kind of the document
 * @id:   of what it is about
 *
 * It is remembered until SLICE_GONE_MAX others went.
 */
void slice_drop(struct slice *s, const char *kind, const char *id)
{
	struct told *t = find(s, kind, id);
	char key[KEY_LEN];

	if (!t || t->ended)
		return;
	toggle(s, t);
	key_of(kind, id, key);
	remember_end(s, t, key);
}

/**
 * slice_keep() - Note that what a whole list lacks is gone
 * @s:       slice
 * @desired: {"KIND": {"ID": document}}
 */
void slice_keep(struct slice *s, const json_t *desired)
{
	for (struct omap_node *n = s->told ? omap_from(s->told, "") : NULL; n; n = n->next[0]) {
		const struct told *t = n->value;

		if (!json_object_get(json_object_get(desired, t->kind), t->id))
			slice_drop(s, t->kind, t->id);
	}
}

/**
 * slice_close() - Forget everything
 * @s: slice; zeroed afterwards
 */
void slice_close(struct slice *s)
{
	for (struct omap_node *n = s->told ? omap_from(s->told, "") : NULL; n; n = n->next[0])
		free(n->value);
	omap_free(s->told);
	for (size_t i = 0; i < s->room; i++)
		free(s->gone[i]);
	free(s->gone);
	*s = (struct slice){ 0 };
}
