/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polling thread: each of its sources in turn, a burst through veb, each destination
 * once. Turns are bounded in delivered copies and bytes. A source that stays
 * empty leaves the poll list and waits for its kick; with nothing to poll the
 * thread sleeps. On this path: no heap, no log, no lock but the short ones of what
 * workers share (a rate's bucket, the places of a ring to a guest), no syscall but the kick
 * and, while some source waits, a look at epoll now and then.
 */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "sw/data/deliver.h"
#include "sw/data/dp_priv.h"
#include "sw/data/waits.h"
#include "veb/lost.h"
#include "veb/meter.h"

#define RATE_DEPTH_MS 4		/* of a rate limit's bucket */
#define COPY_COST PORT_COPY_COST /* a frame costs that at least, wherever it goes */
#define IDLE_US 50		/* empty that long: leave the poll list ... */
#define GAP_US 400		/* ... unless its gaps are shorter than this of late: */
#define GAPS 4			/* then empty for as long as that many of them */
#define IDLE_POLL_US 1000	/* a source without fd: empty that long, look less often */
#define IDLE_POLL_EVERY_US 100	/* how often then */
#define EVENTS_EVERY_US 20	/* how often a busy worker looks at epoll */
#define EVENTS_MAX 64
#define EVENT_WAKE UINT64_MAX	/* epoll data of our own eventfd */
#define FOREVER UINT64_MAX

struct worker {
	struct dp *dp;
	struct dp_worker *shared; /* dp->workers[id] */
	unsigned int id;
	pthread_t thread;
	int epfd, wake_fd;
	bool stop; /* atomic */

	uint64_t gen;	  /* of the list of sources in use */
	uint64_t hz;	  /* TSC ticks a second */
	uint64_t events_at; /* TSC of the last look at epoll */
	bool worked;	    /* this round brought frames */
	struct veb_out *out;
	struct port_burst burst;
	struct delivery delivery;
};

static uint64_t ticks(const struct worker *w, uint64_t us)
{
	return w->hz / 1000000 * us;
}

static uint64_t event_of(const struct port_queue *q)
{
	return (uint64_t)q->port->id << 16 | q->index;
}

/* The source behind an event, if it still runs here: the event may be older than its end. */
static struct port_queue *event_source(struct worker *w, uint64_t data)
{
	struct port *p = __atomic_load_n(&w->dp->ports[data >> 16], __ATOMIC_ACQUIRE);
	struct port_queue *q = NULL;

	if (p)
		q = __atomic_load_n(&p->queues[data & 0xffff], __ATOMIC_ACQUIRE);
	if (!q || !__atomic_load_n(&q->running, __ATOMIC_ACQUIRE))
		return NULL;
	return __atomic_load_n(&q->worker, __ATOMIC_RELAXED) == w->id ? q : NULL;
}

/* Sleep until something happens or @until; 0: only look. Offline, so nobody waits for us. */
static int events_wait(struct worker *w, struct epoll_event *ev, uint64_t now, uint64_t until)
{
	struct timespec ts = { 0 };
	uint64_t ns;
	int n;

	if (!until)
		return epoll_wait(w->epfd, ev, EVENTS_MAX, 0);
	if (until != FOREVER) {
		ns = until > now ? (until - now) * 1000 / (w->hz / 1000000 + 1) : 0;
		ts = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	}
	__atomic_store_n(&w->shared->pulse.asleep, true, __ATOMIC_RELAXED);
	rte_rcu_qsbr_thread_offline(w->dp->qsbr, w->id);
	n = epoll_pwait2(w->epfd, ev, EVENTS_MAX, until == FOREVER ? NULL : &ts, NULL);
	rte_rcu_qsbr_thread_online(w->dp->qsbr, w->id);
	__atomic_store_n(&w->shared->pulse.asleep, false, __ATOMIC_RELAXED);
	return n;
}

/* Sources that were kicked go back to the poll list. */
static void events_take(struct worker *w, uint64_t now, uint64_t until)
{
	struct epoll_event ev[EVENTS_MAX];
	int n = events_wait(w, ev, now, until);
	struct dp_sources *list = __atomic_load_n(&w->shared->sources, __ATOMIC_ACQUIRE);
	uint64_t before = w->events_at;

	w->events_at = rte_rdtsc();
	if (until) { /* it slept */
		struct dp_worked *d = &w->shared->worked;

		veb_count(&d->idle, w->events_at - now);
		veb_count(&d->wakeups, n > 0);
		__atomic_store_n(&d->since, w->events_at, __ATOMIC_RELAXED);
	}
	for (int i = 0; i < n; i++) {
		struct port_queue *q;
		uint64_t count;

		if (ev[i].data.u64 == EVENT_WAKE) {
			(void)eventfd_read(w->wake_fd, &count);
			continue;
		}
		q = event_source(w, ev[i].data.u64);
		if (!q || q->polled)
			continue;
		q->polled = true;
		/* It was not kicked before; the last look may be from long before its last turn. */
		q->empty_at = until ? w->events_at : MAX(q->empty_at, before);
		if (q->port->ops->arm)
			q->port->ops->arm(q, false);
		/* A source may be heard before the list that has it is there: adoption takes it. */
		if (list->gen == w->gen && list->n_active < list->n)
			list->active[list->n_active++] = q;
	}
}

/* A new list: what is polled stays polled. */
static void sources_adopt(struct worker *w, struct dp_sources *list)
{
	list->n_active = 0;
	for (unsigned int i = 0; i < list->n; i++) {
		struct port_queue *q = list->all[i];

		q->polled |= __atomic_load_n(&q->stale, __ATOMIC_RELAXED) > 0;
		if (q->polled)
			list->active[list->n_active++] = q;
	}
	w->gen = list->gen;
}

/* Bytes the port may send now by its rate limit; 0: none before *until. */
static uint64_t rate_room(struct worker *w, uint16_t id, uint64_t now, uint64_t *until)
{
	uint32_t mbit = __atomic_load_n(&w->dp->rates[id].max, __ATOMIC_RELAXED);

	if (likely(!mbit))
		return UINT64_MAX;
	return bucket_room(&w->dp->shapers[id], mbit, RATE_DEPTH_MS, w->hz, now, until);
}

/* Bytes the port is owed by its minimum rate. */
static uint64_t rate_owed(struct worker *w, uint16_t id, uint64_t now)
{
	uint32_t mbit = __atomic_load_n(&w->dp->rates[id].min, __ATOMIC_RELAXED);
	uint64_t until;

	if (likely(!mbit))
		return 0;
	return bucket_room(&w->dp->floors[id], mbit, PURSE_OWED_MS, w->hz, now, &until);
}

/* What the sender used up of its rates: the bytes of the burst, also returned. */
static uint64_t rate_spend(struct worker *w, struct port_queue *q, bool limited)
{
	const struct port_burst *b = &w->burst;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < b->n; i++)
		bytes += b->frames[i].len + (b->frames[i].tag ? FRAME_TAG_LEN : 0);
	if (limited)
		bucket_spend(&w->dp->shapers[q->port->id], bytes);
	if (q->purse.owed)
		bucket_spend(&w->dp->floors[q->port->id], purse_serve(&q->purse, bytes));
	return bytes;
}

/* The source had frames: how far apart they come, as a running mean. */
static void gap_note(struct worker *w, struct port_queue *q, uint64_t now)
{
	uint64_t longest = GAPS * ticks(w, GAP_US); /* so that one long pause is soon forgotten */
	uint64_t gap = MIN(now - q->idle_since, longest);

	q->gap += (int64_t)(gap - q->gap) / 4;
	q->idle_since = now;
}

/*
 * How long an empty source is polled before its kick is waited for. A wake-up costs some 40 us:
 * worth it where frames come seldom, not for a steady flow of a few thousand bursts a second.
 */
static uint64_t patience(const struct worker *w, const struct port_queue *q)
{
	uint64_t idle = ticks(w, IDLE_US);

	return q->gap < ticks(w, GAP_US) ? MAX(idle, GAPS * q->gap) : idle;
}

/* Frames of a sender that its source refused for one reason. */
static void refused(struct worker *w, uint16_t id, unsigned int why)
{
	struct loss *last = &w->burst.lost[why];

	last->at = w->out->now;
	loss_put(&w->shared->losses[id * DROP_N + why], last);
	veb_count(&w->shared->stats[id].drops[why], w->burst.drops[why]);
	lost_head(w->shared, id, last, why);
}

/* Frames that @budget pays for, by what the last ones cost. */
static unsigned int burst_max(const struct port_queue *q, int64_t budget)
{
	if (likely((int64_t)q->frame_cost * PORT_BURST <= budget))
		return PORT_BURST;
	return (unsigned int)MAX(budget / q->frame_cost, 1);
}

/* The first pass. What is stale finds its link down, whatever the snapshot says. */
static unsigned int decide(struct worker *w, const struct veb_snap *snap,
			   const struct port_queue *q, const struct frame *frames, unsigned int n)
{
	if (likely(!q->stale))
		return veb_forward(snap, q->port->id, frames, n, w->out);
	w->out->burst = frames;
	return veb_lose_all(snap, w->out, q->port->id, n);
}

/* One burst of a source, of at most @room bytes, that should cost at most @budget. */
static void burst_forward(struct worker *w, const struct veb_snap *snap, struct port_queue *q,
			  uint64_t room, int64_t budget)
{
	const struct port_ops *ops = q->port->ops;
	struct port_burst *b = &w->burst;
	uint16_t id = q->port->id;
	uint64_t bytes = 0, most = MIN(room, (uint64_t)budget);
	int64_t cost = 0;

	b->max = burst_max(q, budget);
	b->max_bytes = (uint32_t)MIN(most, (uint64_t)UINT32_MAX);
	b->n = b->n_segs = 0;
	b->more = false;
	memset(b->drops, 0, sizeof(b->drops));
	ops->rx(q, b);
	for (unsigned int done = 0; done < b->n;) {
		unsigned int n = decide(w, snap, q, b->frames + done, b->n - done);

		cost += deliver(&w->delivery, snap, b->frames + done);
		done += n;
	}
	if (wait_due(q, b->n) && cost)
		wait_take(q, &w->shared->stats[id], rte_rdtsc(), w->hz);
	if (unlikely(q->stale))
		port_stale_gone(q, b);
	for (unsigned int i = 0; i < DROP_N; i++)
		if (unlikely(b->drops[i]))
			refused(w, id, i);
	if (unlikely(room != UINT64_MAX || q->purse.owed))
		bytes = rate_spend(w, q, room != UINT64_MAX);
	if (ops->rx_done)
		ops->rx_done(q);
	if (!b->n)
		return;
	veb_count(&w->shared->worked.bursts[b->n], 1);
	cost = MAX(cost, (int64_t)b->n * COPY_COST); /* else a turn of drops would never end */
	q->frame_cost = (uint32_t)(cost / b->n);
	purse_charge(&q->purse, cost, (int64_t)bytes + (int64_t)b->n * COPY_COST);
}

/*
 * One turn of one source: as many bursts as its purse pays for, so that small frames buy as much
 * as large ones. Returns when it wants the next: 0: at once; else it has nothing to do before that
 * tick. An idle one clears q->polled.
 */
static uint64_t turn(struct worker *w, const struct veb_snap *snap, struct port_queue *q,
		     uint64_t now)
{
	const struct port_ops *ops = q->port->ops;
	const struct port_burst *b = &w->burst;
	uint64_t until = 0, room;
	bool some = false;

	w->out->now = now;
	purse_open(&q->purse, rate_owed(w, q->port->id, now));
	do {
		int64_t budget = purse_budget(&q->purse);

		room = q->stale ? UINT64_MAX : rate_room(w, q->port->id, now, &until);
		if (unlikely(!room || budget <= 0))
			return until;
		burst_forward(w, snap, q, room, budget);
		some |= b->n || b->more;
	} while (b->n == PORT_BURST || unlikely(q->purse.owed && b->n && b->more));
	if (!b->more)
		q->empty_at = now;
	if (some) {
		w->worked = true;
		gap_note(w, q, now);
		return 0;
	}
	if (w->dp->busy)
		return 0;
	if (q->fd < 0)
		return now - q->idle_since < ticks(w, IDLE_POLL_US) ?
			       0 :
			       now + ticks(w, IDLE_POLL_EVERY_US);
	if (!q->slow_rx && now - q->idle_since < patience(w, q))
		return 0;
	if (!ops->arm || !ops->arm(q, true))
		q->polled = false;
	return q->polled ? 0 : FOREVER;
}

/* Every polled source once, by the newest snapshot. Returns when to come again; 0: at once. */
static uint64_t round_of_turns(struct worker *w, struct dp_sources *list)
{
	uint64_t next = FOREVER;

	for (unsigned int i = 0; i < list->n_active;) {
		const struct veb_snap *snap = __atomic_load_n(&w->dp->snap, __ATOMIC_ACQUIRE);
		struct port_queue *q = list->active[i];
		uint64_t until;

		if (unlikely(!__atomic_load_n(&q->running, __ATOMIC_ACQUIRE)))
			q->polled = false;
		__atomic_store_n(&w->shared->pulse.at, q->port->id, __ATOMIC_RELAXED);
		until = q->polled ? turn(w, snap, q, rte_rdtsc()) : FOREVER;
		next = MIN(next, until);
		if (q->polled)
			i++;
		else
			list->active[i] = list->active[--list->n_active];
	}
	return next;
}

/* A round is over: busy if it brought frames. What was slept is counted where that is. */
static void round_note(struct worker *w, uint64_t now)
{
	struct dp_worked *d = &w->shared->worked;

	veb_count(w->worked ? &d->busy : &d->idle, now - d->since);
	__atomic_store_n(&d->since, now, __ATOMIC_RELAXED);
	w->worked = false;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct dp *dp = w->dp;
	struct dp_pulse *pulse = &w->shared->pulse;

	__atomic_store_n(&w->shared->worked.since, rte_rdtsc(), __ATOMIC_RELAXED);
	__atomic_store_n(&pulse->tid, gettid(), __ATOMIC_RELEASE);
	rte_rcu_qsbr_thread_online(dp->qsbr, w->id);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		struct dp_sources *list = __atomic_load_n(&w->shared->sources, __ATOMIC_ACQUIRE);
		bool some_wait, ready = __atomic_load_n(&dp->snap, __ATOMIC_ACQUIRE);
		uint64_t next = FOREVER, now;

		if (list->gen != w->gen)
			sources_adopt(w, list);
		if (ready)
			next = round_of_turns(w, list);
		some_wait = list->n_active < list->n;
		__atomic_store_n(&pulse->rounds, pulse->rounds + 1, __ATOMIC_RELAXED);
		rte_rcu_qsbr_quiescent(dp->qsbr, w->id); /* list and snapshots may be gone now */
		now = rte_rdtsc();
		round_note(w, now);
		if (next && !(dp->busy && ready))
			events_take(w, now, next);
		else if (some_wait && now - w->events_at > ticks(w, EVENTS_EVERY_US))
			events_take(w, now, 0);
		else
			rte_pause();
	}
	rte_rcu_qsbr_thread_offline(dp->qsbr, w->id);
	return NULL;
}

static struct veb_out *worker_out(const struct worker *w)
{
	struct veb_out *out = veb_out_new(w->shared->stats);

	if (!out)
		return NULL;
	out->losses = w->shared->losses;
	out->storms = w->dp->storms;
	out->heard = &w->dp->heard;
	out->hz = w->hz;
	return out;
}

static void worker_free(struct worker *w)
{
	if (w->epfd >= 0)
		close(w->epfd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	veb_out_free(w->out);
	free(w);
}

static int thread_start(struct worker *w, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int rc;

	pthread_attr_init(&attr);
	if (cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	rc = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (!rc)
		pthread_setname_np(w->thread, "anyvf-worker");
	return -rc;
}

/**
 * worker_start() - Start a polling thread
 * @dp:  data plane; qsbr, hint_fd and workers[@id] are there, the rest may come later
 * @id:  index into dp->workers, and of the thread for QSBR
 * @cpu: to pin it to; -1: where the scheduler likes
 * @out: gets the worker; end it with worker_stop()
 * @e:   may be NULL
 *
 * Return: 0, -ENOMEM, or what epoll, eventfd or thread creation said (-EINVAL: no such CPU).
 * Context: control.
 */
int worker_start(struct dp *dp, unsigned int id, int cpu, struct worker **out, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EVENT_WAKE };
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~63ul);
	int rc;

	if (!w)
		return err_set(e, -ENOMEM, "no memory for a worker");
	memset(w, 0, sizeof(*w));
	w->dp = dp;
	w->shared = dp->workers[id];
	w->shared->dp = dp;
	w->id = id;
	w->hz = rte_get_tsc_hz();
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->out = worker_out(w);
	w->delivery.shared = w->shared;
	w->delivery.out = w->out;
	if (!w->out || w->epfd < 0 || w->wake_fd < 0 ||
	    epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->wake_fd, &ev)) {
		rc = w->out ? err_errno(e, "worker") :
			      err_set(e, -ENOMEM, "no memory for a worker");
		worker_free(w);
		return rc;
	}
	rte_rcu_qsbr_thread_register(dp->qsbr, id);
	rc = thread_start(w, cpu);
	if (rc) {
		rte_rcu_qsbr_thread_unregister(dp->qsbr, id);
		worker_free(w);
		return rc == -EINVAL ?
			       err_set(e, rc, "core %d is not there, or not ours to use", cpu) :
			       err_set(e, rc, "worker thread on core %d: %s", cpu, strerror(-rc));
	}
	*out = w;
	return 0;
}

/**
 * worker_stop() - End the polling thread
 * @w: worker or NULL; freed
 *
 * Context: control. Waits for the turn the thread is in.
 */
void worker_stop(struct worker *w)
{
	if (!w)
		return;
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	worker_wake(w);
	pthread_join(w->thread, NULL);
	rte_rcu_qsbr_thread_unregister(w->dp->qsbr, w->id);
	worker_free(w);
}

/**
 * worker_watch() - Let a source's kick wake the worker, unless that polls everything always
 * @w: worker
 * @q: source that is not running; its fd may be -1
 *
 * Return: 0, or what epoll said; then the source can only be polled.
 * Context: any thread, under queues_lock.
 */
int worker_watch(struct worker *w, struct port_queue *q)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = event_of(q) };

	if (q->fd < 0 || w->dp->busy) /* an event a frame is what its sender would pay for */
		return 0;
	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, q->fd, &ev) ? -errno : 0;
}

/**
 * worker_unwatch() - Forget a source's descriptor before it is closed
 * @w: worker
 * @q: source
 *
 * Closing alone would not do: the front end holds the same eventfd.
 *
 * Context: any thread, under queues_lock.
 */
void worker_unwatch(struct worker *w, struct port_queue *q)
{
	if (q->fd >= 0)
		(void)epoll_ctl(w->epfd, EPOLL_CTL_DEL, q->fd, NULL);
}

/**
 * worker_wake() - Make a sleeping worker look at everything once
 * @w: worker
 *
 * Context: any thread.
 */
void worker_wake(struct worker *w)
{
	(void)eventfd_write(w->wake_fd, 1);
}
