/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged parent of anyvf-swd: fork, one request after the other, restart of the
 * child. What the child may ask for: parent_rules.c; what is done: parent_serve.c.
 */
#include "sw/parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/sock.h"
#include "sw/parent/parent_wire.h"
#include "sw/parent/capabilities.h"
#include "sw/parent/watch.h"

#define BACKOFF_FIRST_MS 100U
#define BACKOFF_MAX_MS	 5000U
#define STABLE_MS	 10000 /* a child that lived so long starts the backoff anew */
#define STOP_GRACE_MS	 3000  /* from SIGTERM to SIGKILL of the child */
#define LOOK_MS		 1000  /* between two looks at a child that beats */
#define BEAT_HANG_MS	 5000  /* without a beat, though it could have sent some */
#define TOLD_MS		 4000  /* between two words of beats to the service manager */

/* The parent process's own state. Writer and reader: the parent. */
struct keeper {
	struct parent_store store;
	parent_child_fn fn; /* what the child runs */
	void *arg;
	pid_t pid;	      /* the child; 0 between two lives */
	int sock, signals;    /* to the child; signalfd */
	int *refused;	      /* shared with it: a system call it may not make ended it; -1: none */
	bool stopping;	      /* SIGTERM or SIGINT came */
	bool remove_taps;     /* SIGINT: taps go with us */
	int code;	      /* our exit code to be */
	uint64_t born_ms;     /* of the present child */
	uint64_t deadline_ms; /* next life, or end of the grace to stop; 0: none */
	unsigned int backoff_ms;
	uint64_t told_ms; /* when the service manager is told of a beat again */
	struct beats {
		struct watch watch;
		uint64_t n;	  /* heard of the present child */
		uint64_t look_ms; /* next look at it; 0: it does not beat */
		int fd;		  /* of watch_open() by the thread that beats */
	} beats;
};

/* A child that is stopped does not hang: who stopped it may know why. systemd waits WatchdogSec. */
static void on_beat(struct keeper *k, pid_t tid, int *stat)
{
	uint64_t now = loop_now_ms();

	/* By our clock: a child may beat as fast as it likes. */
	if (now >= k->told_ms && getenv("WATCHDOG_USEC")) {
		notify(NOTIFY_ALIVE);
		k->told_ms = now + TOLD_MS;
	}
	if (!k->beats.n++ && watch_is(*stat, k->pid, tid))
		k->beats.fd = take_fd(*stat);
	if (k->beats.fd >= 0 && !k->beats.look_ms)
		k->beats.look_ms = now + LOOK_MS;
}

static void beats_forget(struct keeper *k)
{
	if (k->beats.n && k->beats.fd >= 0)
		close(k->beats.fd);
	k->beats = (struct beats){ .fd = -1 };
}

/* The thread that beats sleeps between two beats: also asleep it could have run. */
static void on_look(struct keeper *k)
{
	struct watch_look look = { .now_ms = loop_now_ms(), .rounds = k->beats.n };

	k->beats.look_ms = look.now_ms + LOOK_MS;
	watch_read(k->beats.fd, &look);
	if (watch_step(&k->beats.watch, &look, true) < BEAT_HANG_MS)
		return;
	log_err("the switch process hangs and is ended", "pid=%d state=%c hung_ms=%u", k->pid,
		look.state, k->beats.watch.hung_ms);
	beats_forget(k);
	kill(k->pid, SIGKILL);
}

static void on_request(struct keeper *k)
{
	struct request req;
	struct reply reply = { 0 };
	unsigned int n_fds = 1;
	auto_close int got = -1;
	int fd = -1;
	ssize_t n = sock_recv_fds(k->sock, &req, sizeof(req), &got, &n_fds);

	if (n != sizeof(req)) { /* the child is gone, or not ours any more: SIGCHLD follows */
		close(k->sock);
		k->sock = -1;
		if (n > 0 && k->pid)
			kill(k->pid, SIGKILL);
		return;
	}
	if (req.verb == VERB_BEAT) {
		on_beat(k, req.tid, &got);
		return;
	}
	reply.rc = parent_serve(&k->store, &req, &reply, &fd, &reply.err);
	sock_send_fds(k->sock, &reply, sizeof(reply), &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0 && req.verb != VERB_TAP_OPEN) /* taps are kept */
		close(fd);
}

/* ---- the child's birth and death ---- */

/* In the forked child: let go of everything of the parent's, then run. Never returns. */
static void child_main(struct keeper *k, int sock, pid_t parent)
{
	struct parent me = { .sock = sock, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct err e = { 0 };
	sigset_t none;

	close(k->signals);
	parent_taps_drop(&k->store, false);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (child_sandbox_enter(&k->store.opts->child, k->refused, &e)) {
		log_err("the switch process cannot be sandboxed", "error=%s", e.msg);
		_exit(1);
	}
	/* After the change of credentials, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	exit(k->fn(&me, k->arg));
}

static int child_start(struct keeper *k)
{
	pid_t self = getpid();
	struct err e = { 0 };
	int pair[2];

	if (sock_pair(pair, &e)) {
		log_err("cannot start the switch process", "error=%s", e.msg);
		return -1;
	}
	parent_taps_unclaim(&k->store);
	*k->refused = -1;
	k->pid = fork();
	if (!k->pid) {
		close(pair[0]);
		child_main(k, pair[1], self);
	}
	close(pair[1]);
	if (k->pid < 0) {
		log_err("cannot start the switch process", "error=%s", strerror(errno));
		close(pair[0]);
		k->pid = 0;
		return -1;
	}
	k->sock = pair[0];
	fcntl(k->sock, F_SETFL, O_NONBLOCK); /* a child that does not read cannot hang us */
	k->born_ms = loop_now_ms();
	k->deadline_ms = 0;
	return 0;
}

static void child_start_later(struct keeper *k)
{
	if (loop_now_ms() - k->born_ms > STABLE_MS)
		k->backoff_ms = 0;
	k->backoff_ms = k->backoff_ms ? MIN(2 * k->backoff_ms, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
	k->deadline_ms = loop_now_ms() + k->backoff_ms;
}

static void refused_log(const struct keeper *k)
{
	auto_free char *name = *k->refused < 0 ? NULL : child_seccomp_name(*k->refused);

	if (*k->refused >= 0)
		log_err("the switch process made a system call that it may not make",
			"pid=%d call=%s number=%d", k->pid, name ?: "?", *k->refused);
}

static void child_ended(struct keeper *k, int status)
{
	beats_forget(k);
	refused_log(k);
	k->pid = 0;
	if (k->sock >= 0)
		close(k->sock);
	k->sock = -1;
	if (k->stopping || !k->store.ready || (WIFEXITED(status) && !WEXITSTATUS(status))) {
		k->stopping = true;
		k->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		return;
	}
	child_start_later(k);
	log_err("the switch process ended and is started again", "%s=%d taps_kept=%u wait_ms=%u",
		WIFSIGNALED(status) ? "signal" : "code",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), k->store.n_kept,
		k->backoff_ms);
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo si;
	int status;

	while (read(k->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		k->stopping = true;
		k->remove_taps |= si.ssi_signo == SIGINT;
		k->deadline_ms = loop_now_ms() + STOP_GRACE_MS;
		if (k->pid)
			kill(k->pid, SIGTERM);
		else
			k->code = 0;
	}
	if (k->pid && waitpid(k->pid, &status, WNOHANG) == k->pid)
		child_ended(k, status);
}

static void on_deadline(struct keeper *k)
{
	k->deadline_ms = 0;
	if (k->pid)
		kill(k->pid, SIGKILL); /* it was asked to stop long enough ago */
	else if (!k->stopping && child_start(k))
		child_start_later(k);
}

/* Milliseconds to the next thing that is due, -1: none. */
static int wait_ms(const struct keeper *k)
{
	uint64_t now = loop_now_ms(), next = UINT64_MAX;

	next = k->deadline_ms ?: next;
	next = k->beats.look_ms ? MIN(next, k->beats.look_ms) : next;
	return next == UINT64_MAX ? -1 : next > now ? (int)(next - now) : 0;
}

static void keeper_run(struct keeper *k)
{
	while (k->pid || !k->stopping) {
		struct pollfd fds[] = { { .fd = k->signals, .events = POLLIN },
					{ .fd = k->sock, .events = POLLIN } };

		if (poll(fds, ARRAY_LEN(fds), wait_ms(k)) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			on_request(k);
		if (fds[0].revents)
			on_signal(k);
		if (k->deadline_ms && loop_now_ms() >= k->deadline_ms)
			on_deadline(k);
		if (k->beats.look_ms && loop_now_ms() >= k->beats.look_ms)
			on_look(k);
	}
}

/**
 * parent_run() - Be the parent: run a child, serve it, start it again when it crashes
 * @opts: what the child may be; borrowed
 * @fn:   the child's main, in a forked process, unprivileged
 * @arg:  handed to @fn
 *
 * SIGTERM ends both processes and leaves the taps for the next start; SIGINT takes them along.
 * A child that dies otherwise after parent_ready() is started again, with backoff. When the parent
 * dies the child is killed with it. Without what capabilities.h lists there is no parent: @fn runs
 * here, with NULL.
 *
 * Return: the child's exit code, 128 + signal if a signal ended it before it was ready.
 * Context: the main thread, before any other thread exists and before DPDK.
 */
int parent_run(const struct parent_opts *opts, parent_child_fn fn, void *arg)
{
	struct keeper k = { .store = { .opts = opts },
			    .fn = fn,
			    .arg = arg,
			    .sock = -1,
			    .code = 1,
			    .beats = { .fd = -1 } };
	sigset_t set, old;

	if (capabilities_held(NULL) <= 0) {
		fdstore_close();
		return fn(NULL, arg);
	}
	k.refused = mmap(NULL, sizeof(*k.refused), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k.refused == MAP_FAILED)
		return k.code;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	parent_taps_load(&k.store);
	parent_stored_load(&k.store);
	fdstore_close();
	if (k.signals >= 0 && !child_start(&k))
		keeper_run(&k);
	if (k.remove_taps) {
		parent_taps_drop(&k.store, true);
		parent_taps_save(&k.store);
	}
	parent_taps_drop(&k.store, false);
	close(k.signals);
	munmap(k.refused, sizeof(*k.refused));
	sigprocmask(SIG_SETMASK, &old, NULL);
	return k.code;
}
