/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program gets that reads a stranger's bytes: an account that owns
 * nothing, limits, and the descriptors it is to work on. spawn_run() puts it in.
 */
#ifndef ANYVF_BASE_CAGE_H
#define ANYVF_BASE_CAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CAGE_FD	     3 /* the first descriptor handed in; the next is one more */
#define CAGE_FDS_MAX 8

struct cage {
	const char *user;   /* its account */
	uint64_t memory;    /* bytes of address space */
	uint64_t file_size; /* bytes; a file it writes gets no larger */
	unsigned int cpu_s; /* seconds of CPU time */
	const int *fds;	    /* handed in as CAGE_FD and up: /proc/self/fd/3 opens anew what may
				 * lie where the account cannot go */
	unsigned int n_fds;
	bool print; /* the last of them gets what it prints to its standard output */
};

/* Whom to become. */
struct cage_account {
	uid_t uid; /* 0: stay who we are */
	gid_t gid;
};

int cage_account(const struct cage *cage, struct cage_account *out, struct err *e);
int cage_enter(const struct cage *cage, const struct cage_account *account);

#endif
