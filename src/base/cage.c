/* SPDX-License-Identifier: Apache-2.0 */
/* The cage of a program that reads a stranger's bytes. */
#include "base/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"

#define FILES_MAX 64 /* descriptors it may have open */

/**
 * cage_account() - Find out whom a program in a cage is to be
 * @cage: cage
 * @out:  gets the account
 * @e:    error text, may be NULL
 *
 * Only root can become somebody else. Who is not keeps its account and says so once in the log;
 * the limits hold all the same.
 *
 * Return: 0; -ENOENT if there is no such account, or it is root's; -EIO if accounts cannot be read.
 * Context: any thread, before fork().
 */
int cage_account(const struct cage *cage, struct cage_account *out, struct err *e)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	struct passwd entry, *found;
	char words[4096];

	*out = (struct cage_account){ .uid = 0 };
	if (geteuid()) {
		if (!atomic_flag_test_and_set(&said))
			log_warn("programs keep our account, as only root can change it",
				 "wanted=%s", cage->user);
		return 0;
	}
	if (getpwnam_r(cage->user, &entry, words, sizeof(words), &found))
		return err_set(e, -EIO, "the accounts of this machine cannot be read");
	if (!found || !found->pw_uid)
		return err_set(e, -ENOENT, "there is no account %s; scripts/accounts makes it",
			       cage->user);
	*out = (struct cage_account){ .uid = found->pw_uid, .gid = found->pw_gid };
	return 0;
}

static int limit(__rlimit_resource_t what, uint64_t value)
{
	return setrlimit(what, &(struct rlimit){ .rlim_cur = value, .rlim_max = value });
}

/* By copies out of the way, as one may have the number another is to get. All else is closed. */
static int hand_in(const int *fds, unsigned int n)
{
	int copies[CAGE_FDS_MAX];

	if (n > CAGE_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	for (unsigned int i = 0; i < n; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD, CAGE_FD + (int)n);
		if (copies[i] < 0)
			return -1;
	}
	for (unsigned int i = 0; i < n; i++)
		if (dup2(copies[i], CAGE_FD + (int)i) < 0)
			return -1;
	return close_range(CAGE_FD + n, ~0U, 0);
}

/**
 * cage_enter() - Become the program's account, with its descriptors and limits alone
 * @cage:    cage; at most CAGE_FDS_MAX descriptors
 * @account: from cage_account()
 *
 * There is no way back: no privilege is gained again, not by a set-user-ID program either. As root
 * it also leaves the network; where the kernel does not let us (a container), it stays.
 *
 * Return: 0 or -1 with errno. Context: the child, after fork(); async-signal-safe.
 */
int cage_enter(const struct cage *cage, const struct cage_account *account)
{
	if (hand_in(cage->fds, cage->n_fds))
		return -1;
	if (cage->print && dup2(CAGE_FD + (int)cage->n_fds - 1, STDOUT_FILENO) < 0)
		return -1;
	umask(077);
	if (account->uid && unshare(CLONE_NEWNET | CLONE_NEWIPC) && errno != EPERM)
		return -1;
	if (account->uid &&
	    (setgroups(0, NULL) || setresgid(account->gid, account->gid, account->gid) ||
	     setresuid(account->uid, account->uid, account->uid)))
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || chdir("/"))
		return -1;
	return limit(RLIMIT_CORE, 0) || limit(RLIMIT_AS, cage->memory) ||
			       limit(RLIMIT_CPU, cage->cpu_s) ||
			       limit(RLIMIT_FSIZE, cage->file_size) ||
			       limit(RLIMIT_NOFILE, FILES_MAX)
		       ? -1
		       : 0;
}
