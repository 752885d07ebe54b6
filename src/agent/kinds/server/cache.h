/* SPDX-License-Identifier: Apache-2.0 */
/* Images on this host: fetched once, judged at each use, kept while they are used. Calls block. */
#ifndef ANYVF_AGENT_KINDS_SERVER_CACHE_H
#define ANYVF_AGENT_KINDS_SERVER_CACHE_H

#include <limits.h>

#include "agent/core/door.h"
#include "agent/core/want.h"

/* A server's links to what it uses. */
#define CACHE_BASE   "base"
#define CACHE_KERNEL "kernel"
#define CACHE_INITRD "initrd"
#define CACHE_RESCUE "rescue-" /* before them: what it is rescued with */

/* An image a server uses. */
struct cache_file {
	char path[PATH_MAX]; /* "" without an image */
	uint64_t size;	     /* of the disk it describes, bytes */
};

int cache_get(struct door *door, const char *dir, const struct want_file *want, const char *link,
	      struct cache_file *out, struct err *e);
void cache_evict(const char *dir, const char *servers);

#endif
