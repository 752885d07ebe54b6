/* SPDX-License-Identifier: Apache-2.0 */
/* Child programs by vfork-safe fork and exec; exits are heard through pidfds, so that no SIGCHLD
 * handler and no wait for foreign children is needed. */
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

struct spawn {
	pid_t pid; /* 0 once reaped */
	int pidfd;
	struct loop_fd *src;
	spawn_exit_fn fn;
	void *arg;
};

/* A program that runs to its end: who it is. */
struct once {
	const struct sandbox *sandbox; /* or NULL */
	struct account account;
};

/* A sandboxed program learns nothing from our environment. */
static char path_word[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
static char *const bare[] = { path_word, NULL };

/* In the child, after fork: only async-signal-safe calls. Errors leave as exit status 127. */
static void child_exec(const char *const argv[], const struct spawn_opts *o,
		       const struct once *once, int out_fd)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	if (out_fd >= 0) {
		dup2(out_fd, STDOUT_FILENO);
		dup2(out_fd, STDERR_FILENO);
	}
	if (o && o->netns) {
		char path[256];
		int ns;

		snprintf(path, sizeof(path), "/run/netns/%s", o->netns);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0 || setns(ns, CLONE_NEWNET)) {
			dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
			_exit(127);
		}
	}
	if (o && o->workdir && chdir(o->workdir))
		_exit(127);
	if (once && once->sandbox && sandbox_enter(once->sandbox, &once->account)) {
		dprintf(STDERR_FILENO, "as %s: %s\n", once->sandbox->user, strerror(errno));
		_exit(127);
	}
	/* Without its caller nobody would end it in time. A change of account clears it: late. */
	if (once)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvpe(argv[0], (char *const *)(uintptr_t)argv, once && once->sandbox ? bare : environ);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t fork_exec(const char *const argv[], const struct spawn_opts *o,
		       const struct once *once, int out_fd, int *pidfd, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_errno(e, "fork");
	if (!pid)
		child_exec(argv, o, once, out_fd);
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

static spawn_sandbox_fn sandboxes_by; /* NULL: this process */

/**
 * spawn_sandboxes_by() - Have sandboxed programs started by somebody else
 * @fn: does what spawn_run_sandboxed() does, for who cannot change to the sandbox's account
 *
 * Context: once, before any other thread.
 */
void spawn_sandboxes_by(spawn_sandbox_fn fn)
{
	sandboxes_by = fn;
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

	if (sandbox && sandboxes_by)
		return sandboxes_by(argv, sandbox, timeout_ms, out, out_size, e);
	rc = sandbox ? sandbox_account(sandbox, &once.account, e) : 0;
	if (rc)
		return rc;
	if (!out)
		out_size = sizeof(own);
	words[0] = '\0';
	if (pipe2(pipefd, O_CLOEXEC))
		return err_errno(e, "pipe");
	rd = pipefd[0];
	pid = fork_exec(argv, NULL, &once, pipefd[1], &pidfd, e);
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

static void child_ended(void *arg, uint32_t events)
{
	struct spawn *c = arg;
	int status = 0;

	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	loop_fd_del(take(c->src));
	if (c->fn)
		c->fn(c->arg, status);
}

/**
 * spawn_start() - Start a program and hear of its end
 * @loop: loop that reports the end
 * @argv: program and arguments, NULL at the end
 * @opts: namespace, log file, directory; may be NULL
 * @fn:   called once in the loop's thread when it ended; may call spawn_free(); may be NULL
 * @arg:  for @fn
 * @e:    error text, may be NULL
 *
 * Return: the child, freed with spawn_free(); NULL on failure. A program that cannot be executed
 * ends with status 127.
 */
struct spawn *spawn_start(struct loop *loop, const char *const argv[],
			  const struct spawn_opts *opts, spawn_exit_fn fn, void *arg, struct err *e)
{
	struct spawn *c = calloc(1, sizeof(*c));
	auto_close int log = -1;

	if (!c) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*c = (struct spawn){ .pidfd = -1, .fn = fn, .arg = arg };
	if (opts && opts->log) {
		log = open(opts->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
		if (log < 0) {
			err_errno(e, "%s", opts->log);
			goto fail;
		}
	}
	c->pid = fork_exec(argv, opts, NULL, log, &c->pidfd, e);
	if (c->pid < 0)
		goto fail;
	c->src = loop_fd_add(loop, c->pidfd, EPOLLIN, child_ended, c);
	if (c->src)
		return c;
	err_errno(e, "watching %s", argv[0]);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
fail:
	auto_close_(&c->pidfd);
	free(c);
	return NULL;
}

/**
 * spawn_pid() - Process id of a running child
 * @child: child
 *
 * Return: its pid, 0 once it has ended.
 */
pid_t spawn_pid(const struct spawn *child)
{
	return child->pid;
}

/**
 * spawn_kill() - Send a signal
 * @child: child
 * @signo: signal
 *
 * Return: 0, -ESRCH once it has ended, or a negative errno.
 */
int spawn_kill(struct spawn *child, int signo)
{
	if (!child->pid)
		return -ESRCH;
	return kill(child->pid, signo) ? -errno : 0;
}

/**
 * spawn_free() - Let go of a child
 * @child: may be NULL; a running program is left running, and nobody hears of its end
 */
void spawn_free(struct spawn *child)
{
	if (!child)
		return;
	loop_fd_del(child->src);
	auto_close_(&child->pidfd);
	free(child);
}
