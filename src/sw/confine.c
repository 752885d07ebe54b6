/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/log.h"

/* Positions of packed rings; DPDK's folder. */
const char *const confine_dirs[CONFINE_DIRS] = { "rings", "dpdk" };

/**
 * confine_account() - Find the account of the switch process
 * @user: its name
 * @out:  gets uid and gid
 * @e:    says how to make it
 *
 * Return: 0; -ENOENT: there is none; -EPERM: it is root's.
 * Context: at the start.
 */
int confine_account(const char *user, struct confine *out, struct err *e)
{
	const struct passwd *pw = getpwnam(user);

	if (!pw)
		return err_set(
			e, -ENOENT,
			"there is no account %s for the process that maps guests' memory; make "
			"it: useradd --system --user-group --no-create-home --home-dir / "
			"--shell /usr/sbin/nologin %s",
			user, user);
	if (!pw->pw_uid || !pw->pw_gid)
		return err_set(e, -EPERM,
			       "user in [switch] is %s: guests' memory is not mapped by root",
			       user);
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	return 0;
}

/**
 * confine_dirs_make() - The directories that are the child's own
 * @c: whose
 * @e: names the one that cannot be made
 *
 * The run directory may be closed to others; its account may pass.
 *
 * Return: 0 or a negative errno.
 * Context: at the start, root.
 */
int confine_dirs_make(const struct confine *c, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(c->run_dir, &st))
		return err_errno(e, "%s", c->run_dir);
	if (!(st.st_mode & S_IXOTH) && (chown(c->run_dir, (uid_t)-1, c->gid) ||
					chmod(c->run_dir, (st.st_mode & 0700) | S_IXGRP)))
		return err_errno(e, "%s", c->run_dir);
	for (unsigned int i = 0; i < CONFINE_DIRS; i++) {
		auto_close int fd = -1;

		snprintf(path, sizeof(path), "%s/%s", c->run_dir, confine_dirs[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return err_errno(e, "%s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchown(fd, c->uid, c->gid))
			return err_errno(e, "%s", path);
	}
	return 0;
}

/* ---- in the child ---- */

/* Its own directories as mounts that can be written to, to be put over the read-only ones. */
static int dirs_clone(const char *run_dir, int fds[CONFINE_DIRS])
{
	struct mount_attr plain = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						MOUNT_ATTR_NOEXEC };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < CONFINE_DIRS; i++) {
		snprintf(path, sizeof(path), "%s/%s", run_dir, confine_dirs[i]);
		fds[i] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fds[i] < 0 || mount_setattr(fds[i], "", AT_EMPTY_PATH, &plain, sizeof(plain)))
			return -errno;
	}
	return 0;
}

static int dirs_mount(const char *run_dir, const int fds[CONFINE_DIRS])
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < CONFINE_DIRS; i++) {
		snprintf(path, sizeof(path), "%s/%s", run_dir, confine_dirs[i]);
		if (move_mount(fds[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH))
			return -errno;
	}
	return 0;
}

/* A /proc without other people's processes; threads are named by writing to it. */
static int proc_mount(void)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };

	if (!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible"))
		return 0;
	return mount_setattr(AT_FDCWD, "/proc", 0, &writable, sizeof(writable)) ? -errno : 0;
}

/*
 * A view of the file system of its own: all of it read-only and without set-uid programs, but its
 * directories. What the host mounts and unmounts later is seen (slave), so nothing is kept busy.
 */
static int view_make(const char *run_dir, const char **step)
{
	struct mount_attr still = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	int fds[CONFINE_DIRS] = { -1, -1 }, rc;

	*step = "unshare";
	rc = unshare(CLONE_NEWNS) ? -errno : 0;
	*step = "slave mounts";
	if (!rc && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL))
		rc = -errno;
	*step = "own directories";
	rc = rc ?: dirs_clone(run_dir, fds);
	*step = "read-only mounts";
	if (!rc && mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &still, sizeof(still)))
		rc = -errno;
	*step = "/proc";
	rc = rc ?: proc_mount();
	*step = "own directories";
	rc = rc ?: dirs_mount(run_dir, fds);
	for (unsigned int i = 0; i < CONFINE_DIRS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return rc;
}

static int caps_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

static int account_become(const struct confine *c)
{
	for (int cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(c->gid, c->gid, c->gid) || setresuid(c->uid, c->uid, c->uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* It owns its files in /proc, and a crash leaves a core: nobody else has the account. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return caps_drop();
}

/**
 * confine_enter() - Give up what the switch process does not need
 * @c: what it becomes
 * @e: says what failed
 *
 * In a container or a chroot the kernel may refuse a view of the file system of its own: the log
 * says so, and the account's rights alone are left. All else must succeed.
 *
 * Return: 0 or a negative errno: do not go on.
 * Context: the child, single-threaded, root.
 */
int confine_enter(const struct confine *c, struct err *e)
{
	const char *step;
	int rc;

	if (chdir(c->run_dir))
		return err_errno(e, "%s", c->run_dir);
	if (c->privileged) {
		log_warn("guests' memory is mapped by root, as [switch] privileged asks for",
			 "whoever breaks out of a guest is root on this host");
		return 0;
	}
	rc = view_make(c->run_dir, &step);
	if (rc)
		log_warn("the switch process sees the file system as it is, not read-only",
			 "step=\"%s\" error=\"%s\"", step, strerror(-rc));
	if (chdir(c->run_dir)) /* in that view */
		return err_errno(e, "%s", c->run_dir);
	rc = account_become(c);
	return rc ? err_set(e, rc, "cannot drop privileges: %s", strerror(-rc)) : 0;
}
