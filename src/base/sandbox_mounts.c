/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ProtectSystem=strict is to a unit, for a daemon that root starts by hand: all mounts are
 * read-only and nosuid, but its own directories. These are reached by their names even where a
 * directory above is closed to the account (one of root's by mktemp): an empty one stands there.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define DIRS_MAX 4

static bool may_pass(const char *dir, const struct account *a)
{
	struct stat st;

	if (stat(dir, &st))
		return false;
	return st.st_mode & (st.st_uid == a->uid   ? S_IXUSR
			     : st.st_gid == a->gid ? S_IXGRP
						   : S_IXOTH);
}

/* Puts @tree, a mount of what lies at @dir, there; over what the account cannot pass. */
static int put_back(int tree, const char *dir, const struct account *a, struct err *e)
{
	char part[PATH_MAX];
	int rc;

	snprintf(part, sizeof(part), "%s", dir);
	for (char *p = part + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (!may_pass(part, a) &&
		    (mount("anyvf", part, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") ||
		     file_mkdirs(dir, 0755, e)))
			return err_errno(e, "%s", part);
		*p = '/';
	}
	rc = file_mkdirs(dir, 0755, e); /* in what was put over one above for another directory */
	if (rc)
		return rc;
	if (move_mount(tree, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH))
		return err_errno(e, "%s", dir);
	return 0;
}

/* Without other accounts' processes; and a thread gets its name by a write to /proc. */
static int proc_mount(void)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };

	if (!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible"))
		return 0;
	return mount_setattr(AT_FDCWD, "/proc", 0, &writable, sizeof(writable));
}

/**
 * sandbox_mounts() - Make all read-only for this process, but some directories
 * @dirs: absolute, at most 4, NULL at the end; none lies within another
 * @a:    who is to reach them
 * @e:    error text, may be NULL
 *
 * Mounts that are made outside later are seen, but for what is below a directory that @a cannot
 * pass; other accounts' processes are not. Where the kernel allows no mount namespace (a container)
 * and in a plain chroot, a warning is logged and all stays as it is.
 *
 * Return: 0, also then; or a negative errno. Context: root's, a process of one thread, before
 * account_become().
 */
int sandbox_mounts(const char *const dirs[], const struct account *a, struct err *e)
{
	struct mount_attr seal = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	int trees[DIRS_MAX];
	unsigned int n = 0;
	int rc = 0;

	if (unshare(CLONE_NEWNS)) {
		log_warn("all that the account may write stays writable: no mount namespace",
			 "why=\"%s\"", strerror(errno));
		return 0;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) {
		log_warn("all that the account may write stays writable: / is no mount, but a "
			 "chroot",
			 "why=\"%s\"", strerror(errno));
		return 0;
	}
	for (; dirs[n] && n < DIRS_MAX; n++) {
		trees[n] = open_tree(AT_FDCWD, dirs[n], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (trees[n] < 0)
			return err_errno(e, "%s", dirs[n]);
	}
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &seal, sizeof(seal)))
		return err_errno(e, "make mounts read-only");
	for (unsigned int i = 0; i < n; i++) {
		rc = rc ?: put_back(trees[i], dirs[i], a, e);
		close(trees[i]);
	}
	if (!rc && proc_mount())
		rc = err_errno(e, "/proc");
	return rc;
}
