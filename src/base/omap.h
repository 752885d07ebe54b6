/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered map from strings to pointers (a skip list): lookup, insertion,
 * removal and "first key not below this one" in O(log n).
 */
#ifndef ANYVF_BASE_OMAP_H
#define ANYVF_BASE_OMAP_H

#include <stddef.h>

#include "base/util.h"

struct omap;
struct omap_node {
	const char *key;  /* behind the node, with it */
	void *value;	  /* the user's; may be replaced in place */
	struct omap_node *next[]; /* [0]: the next key in order */
};

struct omap *omap_new(void);
void omap_free(struct omap *map); /* values are the user's to free first */
AUTO_DEFINE(struct omap *, omap_free)

size_t omap_count(const struct omap *map);
struct omap_node *omap_find(const struct omap *map, const char *key);
struct omap_node *omap_from(const struct omap *map, const char *key);
struct omap_node *omap_insert(struct omap *map, const char *key);
void *omap_remove(struct omap *map, const char *key);

#endif
