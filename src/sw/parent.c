/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root parent of anyvf-swd (design.md section 2): fork, the verbs and their
 * client stubs, the table of kept taps, restart of the child. Every request is
 * one struct and gets one struct back; the child is not trusted with more than
 * the verbs offer.
 */
#include "sw/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/sock.h"
#include "sw/watch.h"

#define BACKOFF_FIRST_MS 100U
#define BACKOFF_MAX_MS	 5000U
#define STABLE_MS	 10000 /* a child that lived so long starts the backoff anew */
#define STOP_GRACE_MS	 3000  /* from SIGTERM to SIGKILL of the child */
#define LOOK_MS		 1000  /* between two looks at a child that beats */
#define BEAT_HANG_MS	 5000  /* without a beat, though it could have sent some */

enum parent_verb {
	VERB_TAP_OPEN,
	VERB_TAP_CLOSE,
	VERB_PACKET_OPEN,
	VERB_GRE_OPEN,
	VERB_READY,
	VERB_BEAT, /* has no reply */
};

struct request {
	uint32_t verb;	     /* enum parent_verb */
	bool force;	     /* VERB_PACKET_OPEN */
	bool v6;	     /* VERB_GRE_OPEN */
	int32_t tid;	     /* VERB_BEAT */
	struct tap_want tap; /* VERB_PACKET_OPEN uses the name alone */
};

struct reply {
	int32_t rc;
	struct err err;
};

struct parent {
	int sock; /* to the parent process */
};

/* A tap the child asked for; known by the words of the request, wherever it is by now. */
struct kept {
	char name[IFNAMSIZ];
	char netns[VF_NAME_LEN + 1];
	uint64_t netns_id; /* netdev_netns_id() at its birth */
	int fd;
	bool claimed; /* the present child asked for it */
};

/* The parent process's own state. Writer and reader: the parent. */
struct keeper {
	const struct parent_opts *opts;
	parent_child_fn fn; /* what the child runs */
	void *arg;
	pid_t pid;	      /* the child; 0 between two lives */
	int sock, signals;    /* to the child; signalfd */
	bool ready;	      /* a child got as far as VERB_READY once */
	bool stopping;	      /* SIGTERM or SIGINT came */
	bool remove_taps;     /* SIGINT: taps go with us */
	int code;	      /* our exit code to be */
	uint64_t born_ms;     /* of the present child */
	uint64_t deadline_ms; /* next life, or end of the grace to stop; 0: none */
	unsigned int backoff_ms;
	struct beats {
		struct watch watch;
		uint64_t n;	/* heard of the present child */
		uint64_t look_ms; /* next look at it; 0: it does not beat */
		int fd;		/* of watch_open() at the thread that beats */
	} beats;
	unsigned int n_kept;
	struct kept *kept; /* array of n_kept */
};

/* ---- the child's end ---- */

static int parent_call(struct parent *p, const struct request *req, int *fd, struct err *e)
{
	struct reply reply = { 0 };
	unsigned int n_fds = fd ? 1 : 0;
	int got = -1;
	ssize_t n;

	if (!p)
		return err_set(e, -EPERM, "anyvf-swd runs without root: vhost attachments only");
	if (sock_send_fds(p->sock, req, sizeof(*req), NULL, 0))
		return err_errno(e, "ask the parent process");
	n = sock_recv_fds(p->sock, &reply, sizeof(reply), &got, &n_fds);
	auto_close int owned = n_fds ? got : -1;
	if (n != sizeof(reply))
		return err_set(e, -EIO, "the parent process does not answer");
	reply.err.msg[sizeof(reply.err.msg) - 1] = 0;
	if (reply.rc)
		return err_set(e, reply.rc, "%s", reply.err.msg);
	if (fd && owned < 0)
		return err_set(e, -EIO, "the parent process sent no descriptor");
	if (fd)
		*fd = take_fd(owned);
	return 0;
}

/**
 * parent_tap_open() - Have a tap opened, or get the one kept since the child's last life
 * @p:    the parent, or NULL without root
 * @want: name, namespace and settings
 * @fd:   the tap (see netdev_tap_open()); the caller closes it, the parent keeps its own
 * @e:    says why not
 *
 * Asking again for an open tap applies the settings and gives another descriptor of it. One that
 * was deleted meanwhile, alone or with its namespace, is made anew.
 *
 * Return: 0, -EPERM without root, -ENOSPC above PARENT_TAPS_MAX, else as netdev_tap_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_tap_open(struct parent *p, const struct tap_want *want, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_TAP_OPEN, .tap = *want };

	return parent_call(p, &req, fd, e);
}

/**
 * parent_tap_close() - Have a tap removed once its last descriptor is closed
 * @p:     the parent, or NULL without root
 * @name:  as asked for in parent_tap_open()
 * @netns: likewise
 * @e:     says why not
 *
 * Return: 0, -ENOENT if it is not kept, -EPERM without root.
 * Context: control; blocks for the parent's answer.
 */
int parent_tap_close(struct parent *p, const char *name, const char *netns, struct err *e)
{
	struct request req = { .verb = VERB_TAP_CLOSE };

	snprintf(req.tap.name, sizeof(req.tap.name), "%s", name);
	snprintf(req.tap.netns, sizeof(req.tap.netns), "%s", netns);
	return parent_call(p, &req, NULL, e);
}

/**
 * parent_packet_open() - Have a packet socket opened on a netdev
 * @p:      the parent, or NULL without root
 * @netdev: interface name in the daemon's namespace
 * @force:  also if it carries the default route
 * @fd:     see netdev_packet_open(); the caller closes it
 * @e:      says why not
 *
 * Return: 0, -EPERM without root, else as netdev_packet_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_packet_open(struct parent *p, const char *netdev, bool force, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_PACKET_OPEN, .force = force };

	if (strlen(netdev) >= sizeof(req.tap.name))
		return err_set(e, -EINVAL, "\"%s\" is not an interface name", netdev);
	snprintf(req.tap.name, sizeof(req.tap.name), "%s", netdev);
	return parent_call(p, &req, fd, e);
}

/**
 * parent_gre_open() - Have a raw socket for GRE opened
 * @p:  the parent, or NULL without root
 * @v6: over IPv6
 * @fd: see netdev_gre_open(); the caller closes it
 * @e:  says why not
 *
 * Return: 0, -EPERM without root, else as netdev_gre_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_gre_open(struct parent *p, bool v6, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_GRE_OPEN, .v6 = v6 };

	return parent_call(p, &req, fd, e);
}

/**
 * parent_ready() - Say that the child stands: kept taps nobody claimed go
 * @p: the parent, or NULL without root: nothing is said
 * @e: says why not
 *
 * A child that ends before its first parent_ready() ends the daemon; later ones are restarted.
 *
 * Return: 0 or -EIO.
 * Context: control; once a life.
 */
int parent_ready(struct parent *p, struct err *e)
{
	struct request req = { .verb = VERB_READY };

	return p ? parent_call(p, &req, NULL, e) : 0;
}

/**
 * parent_beat() - Say that the child does not hang
 * @arg: the parent, or NULL without root: nothing is said
 * @tid: the calling thread
 *
 * From the first on, a child that could beat and does not is ended and started again.
 *
 * Context: any one thread, about once a second; never blocks.
 */
void parent_beat(void *arg, pid_t tid)
{
	const struct parent *p = arg;
	struct request req = { .verb = VERB_BEAT, .tid = tid };

	if (p)
		(void)send(p->sock, &req, sizeof(req), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- the parent's end ---- */

static struct kept *kept_find(struct keeper *k, const struct tap_want *w)
{
	for (unsigned int i = 0; i < k->n_kept; i++)
		if (!strcmp(k->kept[i].name, w->name) && !strcmp(k->kept[i].netns, w->netns))
			return &k->kept[i];
	return NULL;
}

static void kept_drop(struct keeper *k, struct kept *t, bool remove)
{
	if (remove)
		netdev_tap_remove(t->fd);
	close(t->fd);
	*t = k->kept[--k->n_kept];
}

static void kept_drop_unclaimed(struct keeper *k)
{
	for (unsigned int i = k->n_kept; i-- > 0;)
		if (!k->kept[i].claimed)
			kept_drop(k, &k->kept[i], true);
}

static int kept_add(struct keeper *k, const struct tap_want *w, int fd)
{
	struct kept *more = realloc(k->kept, (k->n_kept + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	k->kept = more;
	more[k->n_kept] =
		(struct kept){ .fd = fd, .claimed = true, .netns_id = netdev_netns_id(w->netns) };
	memcpy(more[k->n_kept].name, w->name, sizeof(w->name));
	memcpy(more[k->n_kept].netns, w->netns, sizeof(w->netns));
	k->n_kept++;
	return 0;
}

static int serve_tap_open(struct keeper *k, const struct request *req, int *fd, struct err *e)
{
	struct kept *t = kept_find(k, &req->tap);
	int rc;

	if (t && (!netdev_tap_alive(t->fd) || t->netns_id != netdev_netns_id(t->netns))) {
		kept_drop(k, t, true);
		t = NULL;
	}
	if (t) {
		rc = netdev_tap_apply(t->fd, &req->tap, false, e);
		if (rc)
			return rc;
		t->claimed = true;
		*fd = t->fd;
		return 0;
	}
	if (k->n_kept == PARENT_TAPS_MAX)
		return err_set(e, -ENOSPC, "more than %u taps", PARENT_TAPS_MAX);
	auto_close int tap = -1;
	rc = netdev_tap_open(&req->tap, &tap, e);
	if (rc)
		return rc;
	if (kept_add(k, &req->tap, tap))
		return err_set(e, -ENOMEM, "out of memory");
	*fd = take_fd(tap);
	return 0;
}

static int serve_tap_close(struct keeper *k, const struct request *req, struct err *e)
{
	struct kept *t = kept_find(k, &req->tap);

	if (!t)
		return err_set(e, -ENOENT, "no tap %s is open", req->tap.name);
	kept_drop(k, t, true);
	return 0;
}

/* One request. *fd: what goes along with the answer; *owned: and is closed afterwards. */
static int serve(struct keeper *k, const struct request *req, int *fd, bool *owned, struct err *e)
{
	switch ((enum parent_verb)req->verb) {
	case VERB_TAP_OPEN:
		return serve_tap_open(k, req, fd, e);
	case VERB_TAP_CLOSE:
		return serve_tap_close(k, req, e);
	case VERB_PACKET_OPEN:
		*owned = true;
		return netdev_packet_open(req->tap.name, req->force, fd, e);
	case VERB_GRE_OPEN:
		*owned = true;
		return netdev_gre_open(req->v6, fd, e);
	case VERB_READY:
		k->ready = true;
		kept_drop_unclaimed(k);
		return 0;
	case VERB_BEAT:
		break;
	}
	return err_set(e, -EINVAL, "unknown verb %u", req->verb);
}

static void on_beat(struct keeper *k, pid_t tid)
{
	if (!k->beats.n++)
		k->beats.fd = watch_open(k->pid, tid);
	if (k->beats.fd >= 0 && !k->beats.look_ms)
		k->beats.look_ms = loop_now_ms() + LOOK_MS;
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
	unsigned int n_fds = 0;
	bool owned = false;
	int fd = -1;
	ssize_t n = sock_recv_fds(k->sock, &req, sizeof(req), NULL, &n_fds);

	if (n != sizeof(req)) { /* the child is gone, or not ours any more: SIGCHLD follows */
		close(k->sock);
		k->sock = -1;
		if (n > 0 && k->pid)
			kill(k->pid, SIGKILL);
		return;
	}
	if (req.verb == VERB_BEAT) {
		on_beat(k, req.tid);
		return;
	}
	req.tap.name[sizeof(req.tap.name) - 1] = 0;
	req.tap.netns[sizeof(req.tap.netns) - 1] = 0;
	reply.rc = serve(k, &req, &fd, &owned, &reply.err);
	sock_send_fds(k->sock, &reply, sizeof(reply), &fd, fd >= 0 ? 1 : 0);
	if (owned && fd >= 0)
		close(fd);
}

/* ---- the child's birth and death ---- */

/* Become opts->user with opts->group; where the account is missing, root without capabilities. */
static int drop_privileges(const struct parent_opts *o)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	const struct passwd *pw = o->user ? getpwnam(o->user) : NULL;
	const struct group *gr = o->group ? getgrnam(o->group) : NULL;
	gid_t groups[1] = { gr ? gr->gr_gid : 0 };

	if (o->keep_privileges)
		return 0;
	for (int cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			return -errno;
	if (setgroups(gr ? 1 : 0, groups) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (pw && (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
		   setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)))
		return -errno;
	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

/* In the forked child: let go of everything of the parent's, then run. Never returns. */
static void child_main(struct keeper *k, int sock, pid_t parent)
{
	struct parent me = { .sock = sock };
	sigset_t none;
	int rc;

	close(k->signals);
	for (unsigned int i = 0; i < k->n_kept; i++)
		close(k->kept[i].fd);
	free(k->kept);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	rc = drop_privileges(k->opts);
	if (rc) {
		log_err("cannot drop privileges", "error=%s", strerror(-rc));
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
	for (unsigned int i = 0; i < k->n_kept; i++)
		k->kept[i].claimed = false;
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

static void child_ended(struct keeper *k, int status)
{
	beats_forget(k);
	k->pid = 0;
	if (k->sock >= 0)
		close(k->sock);
	k->sock = -1;
	if (k->stopping || !k->ready || (WIFEXITED(status) && !WEXITSTATUS(status))) {
		k->stopping = true;
		k->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		return;
	}
	child_start_later(k);
	log_err("the switch process ended and is started again", "%s=%d taps_kept=%u wait_ms=%u",
		WIFSIGNALED(status) ? "signal" : "code",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), k->n_kept,
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
 * dies the child is killed with it. Without root there is no parent: @fn runs here, with NULL.
 *
 * Return: the child's exit code, 128 + signal if a signal ended it before it was ready.
 * Context: the main thread, before any other thread exists and before DPDK.
 */
int parent_run(const struct parent_opts *opts, parent_child_fn fn, void *arg)
{
	struct keeper k = { .opts = opts, .fn = fn, .arg = arg, 
			    .sock = -1, .code = 1, .beats = { .fd = -1 } };
	sigset_t set, old;

	if (geteuid())
		return fn(NULL, arg);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k.signals >= 0 && !child_start(&k))
		keeper_run(&k);
	while (k.n_kept)
		kept_drop(&k, &k.kept[0], k.remove_taps);
	free(k.kept);
	close(k.signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return k.code;
}
