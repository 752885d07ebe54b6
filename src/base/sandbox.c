/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox of a program that reads a stranger's bytes: entered after fork(), before exec(). */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"

#define FILES_MAX 64 /* descriptors it may have open */

/**
 * sandbox_account() - Find out whom a program in a sandbox is to be
 * @sandbox: sandbox
 * @out:     gets the account; uid 0: stay who we are
 * @e:       error text, may be NULL
 *
 * Only root can become somebody else. Who is not keeps its account and says so once in the log;
 * the limits hold all the same.
 *
 * Return: 0, or as account_find(). Context: any thread, before fork().
 */
int sandbox_account(const struct sandbox *sandbox, struct account *out, struct err *e)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	*out = (struct account){ .uid = 0 };
	if (geteuid()) {
		if (!atomic_flag_test_and_set(&said))
			log_warn("programs keep our account, as only root can change it",
				 "wanted=%s", sandbox->user);
		return 0;
	}
	return account_find(sandbox->user, out, e);
}

static int limit(__rlimit_resource_t what, uint64_t value)
{
	return setrlimit(what, &(struct rlimit){ .rlim_cur = value, .rlim_max = value });
}

/* By copies out of the way, as one may have the number another is to get. All else is closed. */
static int hand_in(const int *fds, unsigned int n)
{
	int copies[SANDBOX_FDS_MAX];

	if (n > SANDBOX_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	for (unsigned int i = 0; i < n; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD, SANDBOX_FD + (int)n);
		if (copies[i] < 0)
			return -1;
	}
	for (unsigned int i = 0; i < n; i++)
		if (dup2(copies[i], SANDBOX_FD + (int)i) < 0)
			return -1;
	return close_range(SANDBOX_FD + n, ~0U, 0);
}

/**
 * sandbox_enter() - Become the program's account, with its descriptors and limits alone
 * @sandbox: sandbox; at most SANDBOX_FDS_MAX descriptors
 * @account: from sandbox_account()
 *
 * There is no way back: no privilege is gained again, not by a set-user-ID program either. As root
 * it also leaves the network; where the kernel does not let us (a container), it stays.
 *
 * Return: 0 or -1 with errno. Context: the child, after fork(); async-signal-safe.
 */
int sandbox_enter(const struct sandbox *sandbox, const struct account *account)
{
	if (hand_in(sandbox->fds, sandbox->n_fds))
		return -1;
	if (sandbox->print && dup2(SANDBOX_FD + (int)sandbox->n_fds - 1, STDOUT_FILENO) < 0)
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
	return limit(RLIMIT_CORE, 0) || limit(RLIMIT_AS, sandbox->memory) ||
			       limit(RLIMIT_CPU, sandbox->cpu_s) ||
			       limit(RLIMIT_FSIZE, sandbox->file_size) ||
			       limit(RLIMIT_NOFILE, FILES_MAX)
		       ? -1
		       : 0;
}
