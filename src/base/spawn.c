/* SPDX-License-Identifier: Apache-2.0 */
/* Child programs by vfork-safe fork and exec; their end is heard through a pidfd, so that neither a
 * SIGCHLD handler nor a wait for foreign children is needed. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/loop.h"

/* A program that runs to its end: who it is. */
struct once {
	const struct sandbox *sandbox; /* or NULL */
	struct account account;
};

/* A sandboxed program learns nothing from our environment. */
static char path_word[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
static char *const bare[] = { path_word, NULL };

/* In the child, after fork: only async-signal-safe calls. Errors leave as exit status 127. */
static void child_exec(const char *const argv[], const struct once *once, int out_fd)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	if (once->sandbox && sandbox_enter(once->sandbox, &once->account)) {
		dprintf(STDERR_FILENO, "as %s: %s\n", once->sandbox->user, strerror(errno));
		_exit(127);
	}
	/* Without its caller nobody would end it in time. A change of account clears it: late. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvpe(argv[0], (char *const *)(uintptr_t)argv, once->sandbox ? bare : environ);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t fork_exec(const char *const argv[], const struct once *once, int out_fd, int *pidfd,
		       struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_errno(e, "fork");
	if (!pid)
		child_exec(argv, once, out_fd);
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*pidfd < 0) {
		err_errno(e, "pidfd_open");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -errno;
	}
	fcntl(*pidfd, F_SETFD, FD_CLOEXEC);
	return pid;
}

/* Reads the child's words until it ends or the time is over; keeps the first @size - 1 bytes. */
static int drain(int fd, int pidfd, char *out, size_t size, uint64_t deadline)
{
	size_t have = 0;

	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
				       { .fd = pidfd, .events = POLLIN } };
		uint64_t now = loop_now_ms();
		char sink[4096];
		ssize_t n;

		if (now >= deadline || !poll(p, 2, (int)(deadline - now)))
			return -ETIMEDOUT;
		n = p[0].revents ? read(fd, sink, sizeof(sink)) : 0;
		if (n > 0) {
			size_t fits = MIN((size_t)n, size ? size - 1 - have : 0);

			memcpy(out + have, sink, fits);
			have += fits;
			if (size)
				out[have] = '\0';
		} else if (p[1].revents) {
			return 0;
		} else if (p[0].revents && n <= 0) {
			fd = -1; /* closed its output; wait for its end alone */
		}
	}
}

/**
 * spawn_run() - Run a program to its end
 * @argv:       program (looked up in PATH) and arguments, NULL at the end
 * @timeout_ms: then it is killed
 * @out:        gets what it printed (stdout and stderr), cut and NUL-terminated; may be NULL
 * @out_size:   size of @out
 * @e:          error text with the last line it printed, may be NULL
 *
 * It ends with the calling thread at the latest; what it started itself does not.
 *
 * Return: 0 if it exited with 0; -ETIMEDOUT; -EIO for another exit status; or a negative errno.
 * Context: blocks; not for the control loop of a busy daemon unless the program is quick.
 */
int spawn_run(const char *const argv[], int timeout_ms, char *out, size_t out_size, struct err *e)
{
	return spawn_run_sandboxed(argv, NULL, timeout_ms, out, out_size, e);
}

/**
 * spawn_run_sandboxed() - Run a program that reads a stranger's bytes to its end
 * @argv:       as spawn_run()
 * @sandbox:    account, limits and descriptors; NULL: those of spawn_run()
 * @timeout_ms: as spawn_run()
 * @out:        as spawn_run()
 * @out_size:   of @out
 * @e:          error text, may be NULL
 *
 * Return: as spawn_run(); -ENOENT without the sandbox's account. Context: as spawn_run().
 */
int spawn_run_sandboxed(const char *const argv[], const struct sandbox *sandbox, int timeout_ms,
			char *out, size_t out_size, struct err *e)
{
	struct once once = { .sandbox = sandbox };
	char own[512] = "";
	char *words = out ? out : own;
	int pipefd[2], status;
	auto_close int rd = -1, pidfd = -1;
	pid_t pid;
	int rc;

	rc = sandbox ? sandbox_account(sandbox, &once.account, e) : 0;
	if (rc)
		return rc;
	if (!out)
		out_size = sizeof(own);
	words[0] = '\0';
	if (pipe2(pipefd, O_CLOEXEC))
		return err_errno(e, "pipe");
	rd = pipefd[0];
	pid = fork_exec(argv, &once, pipefd[1], &pidfd, e);
	close(pipefd[1]);
	if (pid < 0)
		return pid;
	rc = drain(rd, pidfd, words, out_size, loop_now_ms() + (uint64_t)timeout_ms);
	if (rc)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc)
		return err_set(e, rc, "%s took longer than %d ms", argv[0], timeout_ms);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(e, -EIO, "%s failed (%s %d): %.300s", argv[0],
		       WIFEXITED(status) ? "exit" : "signal",
		       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), words);
}
