/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host was told: the generation of each document, of kinds the agent does not know as
 * well, and of those that went. Generations of a key grow, over its end too, so a replica of the API
 * that lags is known by what it says.
 */
#ifndef ANYVF_AGENT_CORE_SLICE_H
#define ANYVF_AGENT_CORE_SLICE_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "base/omap.h"

#define SLICE_GONE_MAX 1024 /* ends that are remembered */

/* Zeroed: told of nothing. One thread's. */
struct slice {
	struct omap *told; /* "KIND/ID" -> struct told */
	uint64_t sum;	   /* told_hash() of those that stand, by exclusive or */
	char **gone;	   /* array of room: the newest ends, keys; the oldest is forgotten first */
	size_t room;	   /* grows with them, as far as SLICE_GONE_MAX */
	uint64_t n_gone;   /* ever */
};

int slice_put(struct slice *s, const char *kind, const char *id, int64_t generation);
void slice_drop(struct slice *s, const char *kind, const char *id);
void slice_keep(struct slice *s, const json_t *desired);
void slice_close(struct slice *s);

#endif
