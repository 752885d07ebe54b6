/* SPDX-License-Identifier: Apache-2.0 */
/* See beats.h. Times are of CLOCK_MONOTONIC, of this machine. */
#include "store/beats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEATS_MAX 8192	       /* names; when there are more, those go that... */
#define OLD_US	  3600000000ll /* ... were silent for so long */
#define LEAD_US	  10000000     /* a replica that is silent for so long leads nobody */

struct beat {
	int64_t at_us;
};

static void forget_old(struct omap *beats, int64_t now_us)
{
	struct omap_node *next;

	for (struct omap_node *n = omap_from(beats, ""); n; n = next) {
		next = n->next[0];
		if (now_us - ((const struct beat *)n->value)->at_us >= OLD_US)
			free(omap_remove(beats, n->key));
	}
}

/**
 * beats_note() - A name was heard
 * @beats:  the map
 * @name:   any text
 * @now_us: when
 *
 * Return: 0; -ENOSPC past 8192 names of the last hour; -ENOMEM.
 */
int beats_note(struct omap *beats, const char *name, int64_t now_us)
{
	struct omap_node *node = omap_find(beats, name);
	struct beat *beat = node ? node->value : NULL;

	if (!beat && omap_count(beats) == BEATS_MAX)
		forget_old(beats, now_us);
	if (!beat && omap_count(beats) == BEATS_MAX)
		return -ENOSPC;
	if (!beat) {
		beat = malloc(sizeof(*beat));
		node = beat ? omap_insert(beats, name) : NULL;
		if (!node) {
			free(beat);
			return -ENOMEM;
		}
		node->value = beat;
	}
	beat->at_us = now_us;
	return 0;
}

/**
 * beats_at() - When a name was heard last
 * @beats: the map
 * @name:  as it was noted
 *
 * Return: 0: never.
 */
int64_t beats_at(const struct omap *beats, const char *name)
{
	const struct omap_node *node = omap_find(beats, name);

	return node ? ((const struct beat *)node->value)->at_us : 0;
}

/**
 * beats_lead() - Is a replica the first, by name, of those that were heard lately?
 * @beats:  the map
 * @self:   "replica/ID", whether it was heard itself or not
 * @now_us: now
 */
bool beats_lead(const struct omap *beats, const char *self, int64_t now_us)
{
	const struct omap_node *n = omap_from(beats, "replica/");

	for (; n && strcmp(n->key, self) < 0; n = n->next[0])
		if (now_us - ((const struct beat *)n->value)->at_us < LEAD_US)
			return false;
	return true;
}

/**
 * beats_free() - Forget all
 * @beats: the map, or NULL
 */
void beats_free(struct omap *beats)
{
	for (struct omap_node *n = beats ? omap_from(beats, "") : NULL; n; n = n->next[0])
		free(n->value);
	omap_free(beats);
}
