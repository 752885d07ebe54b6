/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts of the daemons: found by name, given directories, and become for good. */
#ifndef ANYVF_BASE_ACCOUNT_H
#define ANYVF_BASE_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define ACCOUNT_ROOT "root" /* as a `user` key: keep root's rights */

struct account {
	char name[64];
	uid_t uid;
	gid_t gid;
};

int account_find(const char *name, struct account *out, struct err *e);
int account_give(const char *dir, const char *const names[], mode_t mode, const struct account *a,
		 struct err *e);
int account_give_some(const char *dir, const char *const names[], const struct account *a,
		      struct err *e);
int account_become(const struct account *a, const char *const groups[], struct err *e);

#endif
