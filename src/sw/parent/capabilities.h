/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent of anyvf-swd needs of root's privileges. Root has them all; an account with these
 * and no others (a unit's AmbientCapabilities=) does as well. Users: parent.c, daemons/swd.c.
 */
#ifndef ANYVF_SW_PARENT_RIGHTS_H
#define ANYVF_SW_PARENT_RIGHTS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct capability {
	unsigned int cap; /* of capabilities(7) */
	const char *name, *why;
};

extern const struct capability capabilities[]; /* the last one has no name */

int capabilities_judge(uid_t uid, uint64_t caps, struct err *e);
int capabilities_held(struct err *e);

#endif
