/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes. A program that reads a stranger's bytes gets an account that owns nothing, limits, and
 * the descriptors it is to work on: spawn_run_sandboxed() puts it in. A daemon that root starts
 * gets a view of the file system in which little is writable. The switch's child has more:
 * sw/parent/child_sandbox.h.
 */
#ifndef ANYVF_BASE_SANDBOX_H
#define ANYVF_BASE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/account.h"

#define SANDBOX_FD	3 /* the first descriptor handed in; the next is one more */
#define SANDBOX_FDS_MAX 8

struct sandbox {
	const char *user;   /* its account */
	uint64_t memory;    /* bytes of address space */
	uint64_t file_size; /* bytes; a file it writes gets no larger */
	unsigned int cpu_s; /* seconds of CPU time */
	const int *fds;	    /* handed in as SANDBOX_FD and up: /proc/self/fd/3 opens anew what may
				 * lie where the account cannot go */
	unsigned int n_fds;
	bool print; /* the last of them gets what it prints to its standard output */
};

int sandbox_account(const struct sandbox *sandbox, struct account *out, struct err *e);
int sandbox_enter(const struct sandbox *sandbox, const struct account *account);

/* A mount namespace in which a daemon can write nothing but its own directories. */
int sandbox_mounts(const char *const dirs[], const struct account *a, struct err *e);

#endif
