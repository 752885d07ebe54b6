/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks at the others. A worker that makes no round takes control and librte_vhost's
 * thread along, as both wait for its grace period, and with them every guest; what is restarted
 * after a crash has to crash. So the stack of the one that hangs goes to the log, and the process
 * ends. To the parent it beats (a heartbeat), which ends us if this thread, too, has stopped.
 */
#include <errno.h>
#include <execinfo.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "sw/data/dp_priv.h"
#include "sw/parent/watch.h"

#define LOOK_MS		250   /* how often while somebody works */
#define LOOK_IDLE_MS	1000  /* how often while all sleep, and between two beats */
#define NUDGE_MS	200   /* without a round, asleep: it is interrupted */
#define WORKER_HANG_MS	2000  /* without a round: no turn of all sources takes a tenth of it */
#define CONTROL_HANG_MS 20000 /* of CPU time without a turn; it may wait for a disk for ever */
#define STACK_WAIT_MS	500
#define STACK_DEPTH	64
#define STACK_SIGNAL	SIGUSR2
#define NUDGE_SIGNAL	SIGUSR1

/* One thread that is watched. */
struct watched {
	const struct dp_pulse *pulse;
	struct watch watch;
	int fd; /* of watch_open(), -1: not begun */
};

struct watchdog {
	struct dp *dp;
	pthread_t thread;
	int stop_fd; /* eventfd */
	struct watched workers[DP_WORKERS_MAX], control;
};

static sem_t stack_written; /* by on_stack() */

/* In the thread that hangs, wherever that is. */
static void on_stack(int signo)
{
	void *frames[STACK_DEPTH];
	int was = errno;

	backtrace_symbols_fd(frames, backtrace(frames, STACK_DEPTH), STDERR_FILENO);
	sem_post(&stack_written);
	errno = was;
}

static void on_nudge(int signo)
{
}

/* backtrace() loads a library when it is called first: not in a signal handler. */
static void signals_prepare(void)
{
	struct sigaction act = { .sa_handler = on_stack, .sa_flags = SA_RESTART };
	struct sigaction nudge = { .sa_handler = on_nudge }; /* calls end with EINTR */
	void *one;

	(void)backtrace(&one, 1);
	sem_init(&stack_written, 0, 0);
	sigaction(STACK_SIGNAL, &act, NULL);
	sigaction(NUDGE_SIGNAL, &nudge, NULL);
}

/* A thread that sleeps in a fault hears no signal: then the state has to do. */
static void stack_log(pid_t tid)
{
	struct timespec until;

	if (syscall(SYS_tgkill, getpid(), tid, STACK_SIGNAL))
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += STACK_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (sem_clockwait(&stack_written, CLOCK_MONOTONIC, &until))
		log_err("no stack: the thread sleeps in the kernel", "tid=%d", tid);
}

/* The end of this process. */
static void hangs(const struct watchdog *d, const struct watched *t, const char *what)
{
	const struct port *p = __atomic_load_n(&d->dp->ports[t->pulse->at], __ATOMIC_ACQUIRE);

	log_err("the switch hangs and ends itself",
		"thread=%s tid=%d port=\"%s\" state=%c hung_ms=%u rounds=%lu", what, t->pulse->tid,
		p && t != &d->control ? p->name : "", t->watch.last.state ?: '?', t->watch.hung_ms,
		t->watch.last.rounds);
	stack_log(t->pulse->tid);
	abort();
}

/* Milliseconds for which it hangs. */
static unsigned int look_at(struct watched *t, bool sleep_counts)
{
	struct watch_look look = {
		.now_ms = loop_now_ms(),
		.rounds = __atomic_load_n(&t->pulse->rounds, __ATOMIC_RELAXED),
		.asleep = __atomic_load_n(&t->pulse->asleep, __ATOMIC_RELAXED),
	};
	pid_t tid = __atomic_load_n(&t->pulse->tid, __ATOMIC_ACQUIRE);

	if (!tid)
		return 0; /* it has not begun */
	if (t->fd < 0)
		t->fd = watch_open(getpid(), tid);
	if (t->fd < 0)
		return 0;
	watch_read(t->fd, &look);
	return watch_step(&t->watch, &look, sleep_counts);
}

static bool all_asleep(const struct watchdog *d)
{
	for (unsigned int i = 0; i < d->dp->n_workers; i++)
		if (!d->workers[i].watch.last.asleep)
			return false;
	return true;
}

/*
 * A worker calls nothing that waits, but one thing a front end can make wait: the descriptor that
 * interrupts its guest. It is woken long before it counts as hung, and others go on.
 */
static void worker_look(struct watchdog *d, struct watched *t)
{
	unsigned int hung_ms = look_at(t, true);

	if (hung_ms >= WORKER_HANG_MS)
		hangs(d, t, "worker");
	if (hung_ms >= NUDGE_MS && t->watch.last.state == 'S')
		(void)syscall(SYS_tgkill, getpid(), t->pulse->tid, NUDGE_SIGNAL);
}

static void look_at_all(struct watchdog *d)
{
	for (unsigned int i = 0; i < d->dp->n_workers; i++)
		worker_look(d, &d->workers[i]);
	if (look_at(&d->control, false) >= CONTROL_HANG_MS)
		hangs(d, &d->control, "control");
}

static void *watchdog_main(void *arg)
{
	struct watchdog *d = arg;
	const struct dp *dp = d->dp;
	struct pollfd stop = { .fd = d->stop_fd, .events = POLLIN };
	uint64_t beat_ms = 0;

	while (poll(&stop, 1, all_asleep(d) ? LOOK_IDLE_MS : LOOK_MS) <= 0) {
		uint64_t now = loop_now_ms();

		look_at_all(d);
		if (dp->beat && now - beat_ms >= LOOK_IDLE_MS) {
			dp->beat(dp->beat_arg, gettid());
			beat_ms = now;
		}
	}
	return NULL;
}

/**
 * watchdog_start() - Begin to look at the workers of a data plane, and at control
 * @dp:  data plane whose workers all run; outlives the watchdog
 * @out: gets it; watchdog_stop() ends it
 * @e:   may be NULL
 *
 * Takes SIGUSR1 and SIGUSR2 for itself. Control is watched from its first dp_control_turn() on.
 *
 * Return: 0, -ENOMEM, or what eventfd() or thread creation said.
 * Context: control, once a process.
 */
int watchdog_start(struct dp *dp, struct watchdog **out, struct err *e)
{
	struct watchdog *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(e, -ENOMEM, "no memory for the watchdog");
	d->dp = dp;
	d->control = (struct watched){ .pulse = &dp->control, .fd = -1 };
	for (unsigned int i = 0; i < dp->n_workers; i++)
		d->workers[i] = (struct watched){ .pulse = &dp->workers[i]->pulse, .fd = -1 };
	signals_prepare();
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	rc = d->stop_fd < 0 ? errno : pthread_create(&d->thread, NULL, watchdog_main, d);
	if (rc) {
		if (d->stop_fd >= 0)
			close(d->stop_fd);
		free(d);
		return err_set(e, -rc, "watchdog: %s", strerror(rc));
	}
	pthread_setname_np(d->thread, "anyvf-watchdog");
	*out = d;
	return 0;
}

/**
 * watchdog_stop() - End the watchdog
 * @d: watchdog or NULL; freed
 *
 * Context: control, before the workers end.
 */
void watchdog_stop(struct watchdog *d)
{
	if (!d)
		return;
	(void)eventfd_write(d->stop_fd, 1);
	pthread_join(d->thread, NULL);
	for (unsigned int i = 0; i < DP_WORKERS_MAX; i++)
		if (d->workers[i].pulse && d->workers[i].fd >= 0)
			close(d->workers[i].fd);
	if (d->control.fd >= 0)
		close(d->control.fd);
	close(d->stop_fd);
	free(d);
}
