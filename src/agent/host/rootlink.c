/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two processes of the agent: root's, which has nothing but the verbs of root.h, and the agent
 * that asks. A request comes with a socket of its own for the answer, and is done in a process of
 * its own: none waits for another, and none leaves anything behind in the one that serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/host/root.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/sock.h"

#define OUT_MAX	    65536 /* bytes of a tool's words */
#define WORKERS_MAX 32
#define READY	    "READY=1"
#define ALIVE_MS    200 /* the agent is passed on no oftener, whatever it says */

/* What the agent says and wants no answer to: a byte. */
enum word { WORD_READY, WORD_ALIVE };

struct answer {
	int32_t rc;
	struct err e;
	char out[OUT_MAX];
};

static int link_sock =
	-1; /* to root's process; -1: we are on our own. Written once, at the start */

/* ---- the agent's side ---- */

static int ask(const struct root_req *req, const int *fds, struct answer *answer, struct err *e)
{
	int pair[2], all[SANDBOX_FDS_MAX + 1], rc = sock_pair(pair, e);
	ssize_t got;

	if (rc)
		return rc;
	all[0] = pair[1];
	for (unsigned int i = 0; i < req->n_fds; i++)
		all[i + 1] = fds[i];
	auto_close int ours = pair[0];
	rc = sock_send_fds(link_sock, req, sizeof(*req), all, req->n_fds + 1);
	close(pair[1]);
	if (rc)
		return err_set(e, rc, "root's process takes no request: %s", strerror(-rc));
	got = recv(ours, answer, sizeof(*answer), 0);
	if (got < (ssize_t)offsetof(struct answer, out) || got > (ssize_t)sizeof(*answer))
		return err_set(e, -EIO, "root's process does not answer");
	((char *)answer)[MIN((size_t)got, sizeof(*answer) - 1)] = '\0';
	answer->e.msg[sizeof(answer->e.msg) - 1] = '\0';
	return answer->rc ? err_set(e, answer->rc, "%s", answer->e.msg) : 0;
}

/**
 * root_ask() - Have a verb done
 * @req:  request; n_fds says how many of @fds go along
 * @fds:  for ROOT_IMAGE_TOOL
 * @out:  gets a tool's words, NUL-terminated; may be NULL
 * @size: of @out
 * @e:    error text, may be NULL
 *
 * Return: 0; as root_judge(); or what the verb says. Context: any thread; blocks.
 */
int root_ask(const struct root_req *req, const int *fds, char *out, size_t size, struct err *e)
{
	auto_free struct answer *answer = calloc(1, sizeof(*answer));
	int rc = root_judge(req, e);

	if (rc || !answer)
		return rc ?: err_set(e, -ENOMEM, "out of memory");
	if (link_sock < 0)
		return root_rows[req->verb].run(req, fds, out, size, e);
	rc = ask(req, fds, answer, e);
	if (out && size)
		snprintf(out, size, "%s", answer->out);
	return rc;
}

/**
 * root_net() - Have a verb done for a network
 * @verb:    any but ROOT_IMAGE_TOOL
 * @network: its id
 * @ips:     addresses, for the verbs that have some
 * @n:       how many
 * @e:       error text, may be NULL
 *
 * Return, context: as root_ask().
 */
int root_net(enum root_verb verb, const char *network, const struct root_ip *ips, unsigned int n,
	     struct err *e)
{
	struct root_req req = { .verb = verb, .n_ips = n };

	snprintf(req.network, sizeof(req.network), "%s", network);
	for (unsigned int i = 0; i < n && i < ROOT_IPS_MAX; i++)
		req.ips[i] = ips[i];
	return root_ask(&req, NULL, NULL, 0, e);
}

static void say(char word)
{
	if (link_sock < 0)
		notify(word == WORD_READY ? READY : NOTIFY_ALIVE);
	else
		sock_send_fds(link_sock, &word, 1, NULL, 0);
}

/**
 * root_ready() - The agent stands: have the service manager told
 *
 * Only the unit's main process may, which is root's.
 *
 * Context: the agent's main thread, once.
 */
void root_ready(void)
{
	say(WORD_READY);
}

/**
 * root_alive() - The agent's loop turns: have the service manager told
 * @arg: nothing
 *
 * Context: as root_ready(); a timer of notify_alive().
 */
void root_alive(void *arg)
{
	say(WORD_ALIVE);
}

/**
 * root_tool() - Have a tool for images run to its end, in a sandbox
 * @argv:       qemu-img or genisoimage and its words, NULL at the end; ROOT_WORDS_MAX bytes
 * @sandbox:    its limits and descriptors; the account is IMAGE_USER
 * @timeout_ms: then it is killed
 * @e:          error text with the last line it printed, may be NULL
 *
 * Return, context: as root_ask().
 */
int root_tool(const char *const argv[], const struct sandbox *sandbox, int timeout_ms,
	      struct err *e)
{
	struct root_req req = { .verb = ROOT_IMAGE_TOOL,
				.timeout_ms = (uint32_t)timeout_ms,
				.cpu_s = sandbox->cpu_s,
				.memory = sandbox->memory,
				.file_size = sandbox->file_size,
				.n_fds = sandbox->n_fds,
				.print = sandbox->print };
	size_t have = 0;

	for (; argv[req.n_words]; req.n_words++) {
		size_t n = strlen(argv[req.n_words]) + 1;

		if (n > sizeof(req.words) - have)
			return err_set(e, -E2BIG, "too many words for %s", argv[0]);
		memcpy(req.words + have, argv[req.n_words], n);
		have += n;
	}
	return root_ask(&req, sandbox->fds, NULL, 0, e);
}

/* ---- root's side ---- */

/* One request, in a process of its own. fds[0]: where the answer goes. */
static void work(const struct root_req *req, const int *fds, unsigned int n_fds)
{
	static struct answer answer;
	int rc = root_judge(req, &answer.e);

	if (!rc && req->n_fds != n_fds - 1)
		rc = err_set(&answer.e, -EINVAL, "%u descriptors came", n_fds - 1);
	answer.rc = rc
			    ?: root_rows[req->verb].run(req, fds + 1, answer.out,
							sizeof(answer.out), &answer.e);
	send(fds[0], &answer, offsetof(struct answer, out) + strlen(answer.out) + 1, MSG_NOSIGNAL);
	_exit(0);
}

/* Of the unit's main process, which root's is, the service manager believes it. */
static void on_word(char word)
{
	static uint64_t told_ms;
	uint64_t now = loop_now_ms();

	if (word == WORD_READY)
		notify(READY);
	if (word != WORD_ALIVE || (told_ms && now < told_ms + ALIVE_MS))
		return;
	told_ms = now;
	notify(NOTIFY_ALIVE);
}

/* Return: whether the agent is still there. */
static bool on_request(int sock, unsigned int *workers)
{
	static struct root_req req;
	int fds[SANDBOX_FDS_MAX + 1];
	unsigned int n_fds = ARRAY_LEN(fds);
	ssize_t n = sock_recv_fds(sock, &req, sizeof(req), fds, &n_fds);
	pid_t pid = -1;

	if (n == sizeof(req) && n_fds && *workers < WORKERS_MAX)
		pid = fork();
	if (!pid)
		work(&req, fds, n_fds);
	if (n == 1)
		on_word(*(const char *)&req);
	*workers += pid > 0;
	for (unsigned int i = 0; i < n_fds; i++)
		close(fds[i]); /* without an answer: the asker's read ends */
	return n > 0;
}

/* Reaps workers and the agent; its exit code once it ended, else -1. */
static int reap(pid_t agent, unsigned int *workers)
{
	int status, code = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == agent)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		else
			--*workers;
	}
	return code;
}

static int serve(int sock, int signals, pid_t agent)
{
	struct pollfd p[2] = { { .fd = signals, .events = POLLIN },
			       { .fd = sock, .events = POLLIN } };
	unsigned int workers = 0;

	for (;;) {
		struct signalfd_siginfo si;
		int code;

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return 1;
		if (p[1].revents && !on_request(sock, &workers))
			p[1].fd = -1; /* its end follows */
		if (!p[0].revents || read(signals, &si, sizeof(si)) != sizeof(si))
			continue;
		if (si.ssi_signo != SIGCHLD)
			kill(agent, SIGTERM);
		code = reap(agent, &workers);
		if (code >= 0)
			return code;
	}
}

/* In the forked child: the agent, as its account. Never returns. */
static void be_agent(const struct account *a, pid_t parent, int (*agent)(void *arg), void *arg)
{
	/* The switch's control, libvirt and its guests' files, KVM. */
	static const char *const groups[] = { "anyvf", "libvirt", "libvirt-qemu", "kvm", NULL };
	struct err e = { 0 };

	if (account_become(a, groups, &e)) {
		log_err("cannot run", "why=\"%s\"", e.msg);
		_exit(1);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of credentials, which clears it */
	if (getppid() != parent)
		_exit(1);
	_exit(agent(arg));
}

/**
 * root_split() - Become two processes: root's with its verbs, and the agent's
 * @a:       the agent's account
 * @outside: descriptor of a mount namespace that root's process is to go to, as what it mounts is
 *           to be seen by all; -1: it is there
 * @agent:   the agent's main, in the child
 * @arg:     for it
 *
 * The agent ends with root's process, and root's with the agent. SIGTERM and SIGINT are passed on.
 *
 * Return: the agent's exit code, in root's process alone. Context: root's, one thread.
 */
int root_split(const struct account *a, int outside, int (*agent)(void *arg), void *arg)
{
	pid_t self = getpid(), pid;
	struct err e = { 0 };
	sigset_t set, old;
	int pair[2], signals;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &old);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	pid = signals < 0 || sock_pair(pair, &e) ? -1 : fork();
	if (pid < 0) {
		log_err("cannot start the agent's process", "why=\"%s\"", strerror(errno));
		return 1;
	}
	if (!pid) {
		close(signals);
		close(pair[0]);
		sigprocmask(SIG_SETMASK, &old, NULL);
		link_sock = pair[1];
		be_agent(a, self, agent, arg);
	}
	close(pair[1]);
	if (outside >= 0 && setns(outside, CLONE_NEWNS)) {
		log_err("cannot leave the unit's mounts", "why=\"%s\"", strerror(errno));
		kill(pid, SIGKILL);
		return 1;
	}
	return serve(pair[0], signals, pid);
}
