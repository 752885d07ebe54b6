/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/child_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/sandbox.h"

/* Positions of packed rings; DPDK's folder. */
const char *const child_dirs[CHILD_DIRS] = { "rings", "dpdk" };

/**
 * child_dirs_make() - The directories that are the child's own
 * @c: whose
 * @e: names the one that cannot be made
 *
 * The run directory may be closed to others; its account may pass.
 *
 * Return: 0 or a negative errno.
 * Context: at the start, the parent to be; or root, for one without CAP_CHOWN.
 */
int child_dirs_make(const struct child_sandbox *c, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(c->run_dir, &st))
		return err_errno(e, "%s", c->run_dir);
	if (!(st.st_mode & S_IXOTH) && (chown(c->run_dir, (uid_t)-1, c->account.gid) ||
					chmod(c->run_dir, (st.st_mode & 0700) | S_IXGRP)))
		return err_errno(e, "%s", c->run_dir);
	for (unsigned int i = 0; i < CHILD_DIRS; i++) {
		auto_close int fd = -1;

		snprintf(path, sizeof(path), "%s/%s", c->run_dir, child_dirs[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return err_errno(e, "%s", path);
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st))
			return err_errno(e, "%s", path);
		/* A parent without CAP_CHOWN has them from --prepare. */
		if ((st.st_uid != c->account.uid || st.st_gid != c->account.gid) &&
		    fchownat(fd, "", c->account.uid, c->account.gid, AT_EMPTY_PATH))
			return err_errno(e, "%s", path);
	}
	return 0;
}

static int mounts_make(const struct child_sandbox *c, struct err *e)
{
	const char *dirs[CHILD_DIRS + 1] = { NULL };
	char paths[CHILD_DIRS][PATH_MAX];

	for (unsigned int i = 0; i < CHILD_DIRS; i++) {
		snprintf(paths[i], PATH_MAX, "%s/%s", c->run_dir, child_dirs[i]);
		dirs[i] = paths[i];
	}
	return sandbox_mounts(dirs, &c->account, e);
}

/**
 * child_sandbox_enter() - Give up what the switch process does not need
 * @c:       what it becomes
 * @refused: see child_seccomp_lock()
 * @e:       says what failed
 *
 * Return: 0 or a negative errno: do not go on.
 * Context: the child, single-threaded, with the parent's rights.
 */
int child_sandbox_enter(const struct child_sandbox *c, int *refused, struct err *e)
{
	int rc = c->privileged ? 0 : mounts_make(c, e);

	if (rc)
		return rc;
	if (chdir(c->run_dir)) /* as it is in the new mounts */
		return err_errno(e, "%s", c->run_dir);
	if (c->privileged) {
		log_warn("guests' memory is mapped by root, as [switch] privileged asks for",
			 "whoever breaks out of a guest is root on this host");
		return 0;
	}
	rc = account_become(&c->account, (const char *const[]){ NULL }, e);
	/* It owns its files in /proc, and a crash leaves a core: nobody else has the account. */
	if (!rc)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return rc ?: child_seccomp_lock(refused, e);
}
