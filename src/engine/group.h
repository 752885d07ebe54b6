/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of changes, of group.c and group_build.c alone. */
#ifndef ANYVF_ENGINE_GROUP_H
#define ANYVF_ENGINE_GROUP_H

#include "engine/impl.h"

struct group {
	struct omap *changes;	/* key -> struct change */
	struct call *calls;	/* finished in it, newest first */
	struct call *parked;	/* wait, and may have read or changed what it holds */
	unsigned int n_writers; /* calls with changes in it */
	struct relies relies;	/* what they read */
	bool overtaken;		/* somebody else changed some of that */
	bool closed;		/* takes no more of them */
	struct group *next;
};

struct change {
	struct record *doc; /* reference to what is there now; NULL: deleted */
	uint64_t version;   /* that it must have there; 0: none, or a group ahead is to write it */
	struct record *before; /* reference to what is put back if not; NULL: nothing */
	uint64_t before_version;
};

struct change *group_change(const struct group *g, const char *key);
uint64_t group_base(const struct engine *eng, const char *key);
int group_build(struct engine *eng, const struct group *g);

#endif
