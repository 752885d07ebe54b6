/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts. A daemon that root starts finds its account, gives it the directories that are to be
 * its own, and becomes it: no way back, no capability, nothing that a program it runs could gain.
 */
#include "base/account.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/util.h"

#define CAP_LAST       63 /* bits of a capability set */
#define GROUPS_MAX     8
#define TREE_DEPTH_MAX 8  /* directories below one that is given */

/**
 * account_find() - An account by its name
 * @name: as passwd(5) has it
 * @out:  the account
 * @e:    says which command makes it; may be NULL
 *
 * Return: 0, -ENOENT, -EIO, or -EINVAL for uid 0, which is no account of ours. Context: any thread.
 */
int account_find(const char *name, struct account *out, struct err *e)
{
	struct passwd entry, *pw = NULL;
	char words[4096];

	if (getpwnam_r(name, &entry, words, sizeof(words), &pw))
		return err_set(e, -EIO, "the accounts of this machine cannot be read");
	if (!pw || strlen(name) >= sizeof(out->name))
		return err_set(e, -ENOENT,
			       "there is no account \"%s\"; scripts/accounts makes all, or: "
			       "useradd --system --user-group --no-create-home --home-dir / "
			       "--shell /usr/sbin/nologin %s",
			       name, name);
	if (!pw->pw_uid)
		return err_set(e, -EINVAL, "account \"%s\" is root by another name", name);
	*out = (struct account){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	strcpy(out->name, name);
	return 0;
}

static int give_all(int dir, const struct account *a, unsigned int depth);

/*
 * One entry of @dir and all below that is root's. Symbolic links change hands themselves, never
 * what they point at; a file with a second name is refused, as that name may lie anywhere.
 */
static int give_entry(int dir, const char *name, const struct account *a, unsigned int depth)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (st.st_uid)
		return 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		return -EMLINK;
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	if (fd >= 0)
		rc = give_all(fd, a, depth + 1);
	if (!rc && fchownat(dir, name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW))
		rc = -errno;
	return rc;
}

static int give_all(int dir, const struct account *a, unsigned int depth)
{
	const struct dirent *ent;
	DIR *d = fdopendir(dup(dir));
	int rc = d ? 0 : -errno;

	while (!rc && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, ".."))
			rc = give_entry(dir, ent->d_name, a, depth);
	if (d)
		closedir(d);
	return rc;
}

static int give_names(int dir, const char *path, const char *const names[], const struct account *a,
		      struct err *e)
{
	int rc = dir < 0 ? -errno : names ? 0 : give_all(dir, a, 0);

	for (; names && *names && !rc; names++)
		rc = give_entry(dir, *names, a, 0);
	return rc ? err_set(e, rc, "what is in %s: %s", path, strerror(-rc)) : 0;
}

/**
 * account_give_some() - Make entries of a directory an account's own, but not the directory
 * @dir:   directory that is there, in which nobody but root and the account changes these names
 * @names: as for account_give()
 * @a:     the account
 * @e:     error text, may be NULL
 *
 * Return: 0, or as account_give(). Context: root's.
 */
int account_give_some(const char *dir, const char *const names[], const struct account *a,
		      struct err *e)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return give_names(fd, dir, names, a, e);
}

/**
 * account_give() - Make a directory an account's own
 * @dir:   directory that is there
 * @names: entries of it that the account gets, with all below them; those that are missing are
 *         passed over. NULL at the end; NULL for all
 * @mode:  of @dir afterwards
 * @a:     the account
 * @e:     error text, may be NULL
 *
 * Of the entries, what is root's changes hands; what is another's stays so. The directory itself
 * comes last, so that a crash on the way is made good by the next call, and nobody but root changes
 * what is walked. What the account has already is not looked at again.
 *
 * Return: 0; -EPERM: the directory is somebody else's or everybody's, and stays so; or what chown()
 * and chmod() say. Context: root's.
 */
int account_give(const char *dir, const char *const names[], mode_t mode, const struct account *a,
		 struct err *e)
{
	auto_close int fd = -1;
	struct stat st;
	int rc;

	if (stat(dir, &st))
		return err_errno(e, "%s", dir);
	if (st.st_uid == a->uid)
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return err_errno(e, "%s", dir);
	if (st.st_uid || st.st_mode & S_ISVTX)
		return err_set(e, -EPERM, "%s is not %s's, nor root's to give", dir, a->name);
	rc = give_names(fd, dir, names, a, e);
	if (rc)
		return rc;
	if (fchown(fd, a->uid, a->gid) || fchmod(fd, mode))
		return err_errno(e, "%s", dir);
	return 0;
}

/**
 * account_become() - Become an account for good
 * @a:      the account
 * @groups: names of further groups, NULL at the end; those that are missing are passed over
 * @e:      error text, may be NULL
 *
 * Afterwards: all three user ids are the account's, no capability is left in any set, and
 * no_new_privs keeps set-user-ID programs from giving any.
 *
 * Return: 0 or a negative errno; the process must end then. Context: root's, one thread.
 */
int account_become(const struct account *a, const char *const groups[], struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	gid_t gids[GROUPS_MAX];
	size_t n = 0;

	for (; *groups && n < GROUPS_MAX; groups++) {
		const struct group *gr = getgrnam(*groups);

		if (gr)
			gids[n++] = gr->gr_gid;
	}
	for (unsigned long cap = 0; cap <= CAP_LAST; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			return err_errno(e, "become %s", a->name);
	if (setgroups(n, gids) || setresgid(a->gid, a->gid, a->gid) ||
	    setresuid(a->uid, a->uid, a->uid) || syscall(SYS_capset, &head, none) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_errno(e, "become %s", a->name);
	return 0;
}
