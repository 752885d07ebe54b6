/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process that maps guests' memory is left with: an account of its own,
 * a view of the file system in which it can write but two directories, and the
 * system calls of a list. Used by parent.c, in the child, before anything of a
 * guest is there.
 */
#ifndef ANYVF_SW_PARENT_CONFINE_H
#define ANYVF_SW_PARENT_CONFINE_H

#include "base/account.h"

#define CHILD_DIRS 2 /* of the run directory: the child's own, all it may write to */
extern const char *const child_dirs[CHILD_DIRS];

struct child_sandbox {
	struct account account;
	bool privileged;     /* it stays root: DPDK drivers that need that */
	const char *run_dir; /* becomes its working directory; absolute */
};

int child_dirs_make(const struct child_sandbox *c, struct err *e);
int child_sandbox_enter(const struct child_sandbox *c, int *refused, struct err *e);

/* child_seccomp.c: the system calls that it may make; all others end it. */
int child_seccomp_lock(int *refused, struct err *e);
char *child_seccomp_name(int nr);

#endif
