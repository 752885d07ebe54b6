/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process that maps guests' memory is left with: an account of its own
 * without groups and capabilities, and a read-only view of the file system. Used
 * by parent.c, in the child, before anything of a guest is there.
 */
#ifndef ANYVF_SW_CONFINE_H
#define ANYVF_SW_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define CONFINE_DIRS 2 /* of the run directory: the child's own, all it may write to */
extern const char *const confine_dirs[CONFINE_DIRS];

struct confine {
	uid_t uid;
	gid_t gid;
	bool privileged;     /* it stays root: DPDK drivers that need that */
	const char *run_dir; /* becomes its working directory; absolute */
};

int confine_account(const char *user, struct confine *out, struct err *e);
int confine_dirs_make(const struct confine *c, struct err *e);
int confine_enter(const struct confine *c, struct err *e);

#endif
