/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/wall.h"
#include "sw/parent/syscalls.h"

/* Positions of packed rings; DPDK's folder. */
const char *const confine_dirs[CONFINE_DIRS] = { "rings", "dpdk" };

/**
 * confine_dirs_make() - The directories that are the child's own
 * @c: whose
 * @e: names the one that cannot be made
 *
 * The run directory may be closed to others; its account may pass.
 *
 * Return: 0 or a negative errno.
 * Context: at the start, the parent to be; or root, for one without CAP_CHOWN.
 */
int confine_dirs_make(const struct confine *c, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(c->run_dir, &st))
		return err_errno(e, "%s", c->run_dir);
	if (!(st.st_mode & S_IXOTH) && (chown(c->run_dir, (uid_t)-1, c->account.gid) ||
					chmod(c->run_dir, (st.st_mode & 0700) | S_IXGRP)))
		return err_errno(e, "%s", c->run_dir);
	for (unsigned int i = 0; i < CONFINE_DIRS; i++) {
		auto_close int fd = -1;

		snprintf(path, sizeof(path), "%s/%s", c->run_dir, confine_dirs[i]);
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

static int wall_off(const struct confine *c, struct err *e)
{
	const char *dirs[CONFINE_DIRS + 1] = { NULL };
	char paths[CONFINE_DIRS][PATH_MAX];

	for (unsigned int i = 0; i < CONFINE_DIRS; i++) {
		snprintf(paths[i], PATH_MAX, "%s/%s", c->run_dir, confine_dirs[i]);
		dirs[i] = paths[i];
	}
	return wall_build(dirs, &c->account, e);
}

/**
 * confine_enter() - Give up what the switch process does not need
 * @c:       what it becomes
 * @refused: see syscalls_lock()
 * @e:       says what failed
 *
 * Return: 0 or a negative errno: do not go on.
 * Context: the child, single-threaded, with the parent's rights.
 */
int confine_enter(const struct confine *c, int *refused, struct err *e)
{
	int rc = c->privileged ? 0 : wall_off(c, e);

	if (rc)
		return rc;
	if (chdir(c->run_dir)) /* as it is behind the wall */
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
	return rc ?: syscalls_lock(refused, e);
}
