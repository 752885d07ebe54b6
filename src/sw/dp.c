/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane's calls for control (dp.h). */
#include "sw/dp.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sw/data/dp_priv.h"

static void worker_close(struct dp_worker *w)
{
	worker_stop(w->thread);
	free(w->sources);
	free(w->stats);
	free(w->losses);
	free(w);
}

static int worker_open(struct dp *dp, int cpu, struct err *e)
{
	struct dp_worker *w = calloc(1, sizeof(*w));
	int rc;

	if (w) {
		w->core.node = assign_node_of_cpu(cpu);
		w->stats = calloc(VEB_PORTS_MAX, sizeof(*w->stats));
		w->losses = calloc(VEB_PORTS_MAX * DROP_N, sizeof(*w->losses));
		w->sources = sources_new(0);
	}
	if (!w || !w->stats || !w->losses || !w->sources) {
		if (w)
			worker_close(w);
		return err_set(e, -ENOMEM, "no memory for a worker");
	}
	w->sources->gen = 1;
	dp->workers[dp->n_workers] = w;
	rc = worker_start(dp, dp->n_workers, cpu, &w->thread, e);
	if (rc)
		worker_close(w);
	else
		dp->n_workers++;
	return rc;
}

static int parts_open(struct dp *dp, const cpu_set_t *cpus, struct err *e)
{
	size_t size = rte_rcu_qsbr_get_memsize(DP_WORKERS_MAX);
	int rc = 0;

	if (CPU_COUNT(cpus) > DP_WORKERS_MAX)
		return err_set(e, -EINVAL, "%d cores are given, there are %d workers at most",
			       CPU_COUNT(cpus), DP_WORKERS_MAX);
	dp->qsbr = aligned_alloc(64, (size + 63) & ~63ul);
	dp->shapers = calloc(VEB_PORTS_MAX, sizeof(*dp->shapers));
	dp->floors = calloc(VEB_PORTS_MAX, sizeof(*dp->floors));
	dp->storms = calloc(VEB_PORTS_MAX, sizeof(*dp->storms));
	dp->stats_zero = calloc(VEB_PORTS_MAX, sizeof(*dp->stats_zero));
	if (!dp->qsbr || !dp->shapers || !dp->floors || !dp->storms || !dp->stats_zero)
		return err_set(e, -ENOMEM, "no memory for the data plane");
	rte_rcu_qsbr_init(dp->qsbr, DP_WORKERS_MAX);
	dp->hint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dp->hint_fd < 0)
		return err_errno(e, "eventfd");
	if (!CPU_COUNT(cpus))
		return worker_open(dp, -1, e);
	for (int cpu = 0; cpu < CPU_SETSIZE && !rc; cpu++)
		if (CPU_ISSET(cpu, cpus))
			rc = worker_open(dp, cpu, e);
	return rc;
}

static void workers_wake(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->n_workers; i++)
		worker_wake(dp->workers[i]->thread);
}

/**
 * dp_open() - Start DPDK and the workers
 * @opts: borrowed
 * @out:  gets the data plane; dp_close() ends it
 * @e:    may be NULL
 *
 * Once a process. Without @opts->cores one worker runs where the scheduler puts it;
 * with it, all other threads of DPDK stay off those cores.
 *
 * Return: 0; -EINVAL bad core list or a core this process may not use; -EALREADY;
 * -ENOMEM; what DPDK said.
 * Context: control.
 */
int dp_open(const struct dp_opts *opts, struct dp **out, struct err *e)
{
	auto_of(dp_close) struct dp *dp = NULL;
	cpu_set_t cpus;
	int rc;

	rc = eal_start(opts, &cpus, e);
	if (rc)
		return rc;
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return err_set(e, -ENOMEM, "no memory for the data plane");
	dp->hint_fd = -1;
	dp->busy = opts->busy;
	dp->run_dir = opts->run_dir;
	dp->parent = opts->parent;
	dp->peers = opts->peers;
	pthread_mutex_init(&dp->queues_lock, NULL);
	dp->beat = opts->beat;
	dp->beat_arg = opts->beat_arg;
	rc = parts_open(dp, &cpus, e);
	rc = rc ?: vhost_open(dp, &dp->vhost, e);
	rc = rc ?: watchdog_start(dp, &dp->watchdog, e);
	if (rc)
		return rc;
	*out = take(dp);
	return 0;
}

/**
 * dp_close() - Unplug everything, stop the workers, end DPDK
 * @dp: data plane or NULL; freed, the snapshot with it
 *
 * Context: control.
 */
void dp_close(struct dp *dp)
{
	if (!dp)
		return;
	dp->closing = true;
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++)
		dp_port_del(dp, (uint16_t)i);
	vhost_close(dp->vhost);
	watchdog_stop(dp->watchdog);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		worker_close(dp->workers[i]);
	veb_snap_free(dp->snap);
	if (dp->hint_fd >= 0)
		close(dp->hint_fd);
	pthread_mutex_destroy(&dp->queues_lock);
	free(dp->shapers);
	free(dp->floors);
	free(dp->storms);
	free(dp->stats_zero);
	free(dp->qsbr);
	free(dp);
	eal_stop();
}

/**
 * dp_publish() - Make the workers use a new snapshot
 * @dp:   data plane
 * @snap: taken
 *
 * On return it is in force and the one before is freed.
 *
 * Context: control.
 */
void dp_publish(struct dp *dp, struct veb_snap *snap)
{
	struct veb_snap *old = __atomic_exchange_n(&dp->snap, snap, __ATOMIC_ACQ_REL);

	if (!old) {
		workers_wake(dp);
		return;
	}
	dp_grace(dp);
	veb_snap_free(old);
}

static int port_publish(struct dp *dp, uint16_t id, const char *name, struct port *port,
			struct err *e)
{
	if (id >= VEB_PORTS_MAX)
		return err_set(e, -ERANGE, "port number %u is above %u", id, VEB_PORTS_MAX - 1);
	if (dp->ports[id])
		return err_set(e, -EBUSY, "port %u has something attached", id);
	port->id = id;
	snprintf(port->name, sizeof(port->name), "%s", name);
	__atomic_store_n(&dp->ports[id], port, __ATOMIC_RELEASE);
	return 0;
}

/**
 * dp_control_turn() - Show the watchdog that control is alive
 * @dp: data plane
 *
 * Context: control, about once a second.
 */
void dp_control_turn(struct dp *dp)
{
	__atomic_store_n(&dp->control.rounds, dp->control.rounds + 1, __ATOMIC_RELAXED);
	if (!dp->control.tid)
		__atomic_store_n(&dp->control.tid, gettid(), __ATOMIC_RELEASE);
}

/**
 * dp_vhost_add() - Attach a vhost-user socket to a port
 * @dp:     data plane
 * @port:   port number, free
 * @name:   for logs, as "p2p1 vf 3"; at most DP_NAME_LEN
 * @path:   of the socket; a stale file of that name is removed
 * @client: true: we connect, and try again each second; false: we listen
 * @e:      may be NULL
 *
 * Return: 0; -EBUSY port taken; -EADDRINUSE somebody listens there; -ENOSPC more
 * sockets than librte_vhost can have; what bind() said; -ETIMEDOUT.
 * Context: control. Waits for the library's thread, milliseconds at most as a rule.
 */
int dp_vhost_add(struct dp *dp, uint16_t port, const char *name, const char *path, bool client,
		 struct err *e)
{
	struct port *p = NULL;
	int rc;

	if (port >= VEB_PORTS_MAX || dp->ports[port])
		return err_set(e, port < VEB_PORTS_MAX ? -EBUSY : -ERANGE,
			       "port %u cannot be attached to", port);
	rc = vhost_new(dp->vhost, path, client, &p, e);
	if (rc)
		return rc;
	rc = port_publish(dp, port, name, p, e);
	if (!rc)
		rc = vhost_register(p, e);
	if (rc)
		dp_port_del(dp, port);
	return rc;
}

/**
 * dp_port_add() - Attach any other kind of port
 * @dp:   data plane
 * @id:   port number, free
 * @name: for logs
 * @port: taken, also on failure; its queues start running
 * @e:    may be NULL
 *
 * Return: 0; -EBUSY; -ERANGE.
 * Context: control.
 */
int dp_port_add(struct dp *dp, uint16_t id, const char *name, struct port *port, struct err *e)
{
	int rc = port_publish(dp, id, name, port, e);

	if (rc) {
		port->ops->free(port);
		return rc;
	}
	pthread_mutex_lock(&dp->queues_lock);
	for (unsigned int i = 0; i < port->n_queues; i++)
		dp_queue_start_locked(dp, port->queues[i]);
	dp_queues_changed_locked(dp);
	pthread_mutex_unlock(&dp->queues_lock);
	return 0;
}

/**
 * dp_port_del() - Detach what is plugged into a port
 * @dp:   data plane
 * @port: port number; nothing there: no-op
 *
 * On return no frame passes, no hint of it waits, and ops->free was called.
 *
 * Context: control.
 */
void dp_port_del(struct dp *dp, uint16_t port)
{
	struct port *p = port < VEB_PORTS_MAX ? dp->ports[port] : NULL;

	if (!p)
		return;
	pthread_mutex_lock(&dp->queues_lock);
	for (unsigned int i = 0; i < p->n_queues; i++)
		if (p->queues[i])
			dp_queue_stop_locked(dp, p->queues[i]);
	__atomic_store_n(&dp->ports[port], NULL, __ATOMIC_RELEASE);
	dp_queues_changed_locked(dp);
	pthread_mutex_unlock(&dp->queues_lock);
	hints_void(dp, port);
	p->ops->free(p);
}

/**
 * dp_port_status() - How a port's attachment looks
 * @dp:   data plane
 * @port: port number
 * @out:  filled; all zero if nothing is attached
 *
 * Context: control.
 */
void dp_port_status(const struct dp *dp, uint16_t port, struct dp_port_status *out)
{
	const struct port *p = port < VEB_PORTS_MAX ? dp->ports[port] : NULL;

	*out = (struct dp_port_status){ .attached = p };
	if (p && p->ops->status)
		p->ops->status(p, out);
}

/**
 * dp_workers() - How many workers run
 * @dp: data plane
 *
 * Context: any thread, once dp_open() returned.
 */
unsigned int dp_workers(const struct dp *dp)
{
	return dp->n_workers;
}

/**
 * dp_rate_set() - Bound what a port may send, and what it can rely on
 * @dp:   data plane
 * @port: port number
 * @max:  10^6 bit a second; 0: no limit
 * @min:  likewise, kept for it on a worker that has too much to do; 0: a share as others
 *
 * Context: control.
 */
void dp_rate_set(struct dp *dp, uint16_t port, uint32_t max, uint32_t min)
{
	__atomic_store_n(&dp->rates[port].max, max, __ATOMIC_RELAXED);
	__atomic_store_n(&dp->rates[port].min, min, __ATOMIC_RELAXED);
	workers_wake(dp); /* one may be waiting for tokens at the old rate */
}

static uint64_t to_ns(uint64_t ticks, uint64_t hz)
{
	return ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
}

/**
 * dp_work_get() - What a worker did with its time
 * @dp:	    data plane
 * @worker: below dp_workers()
 * @out:    filled; one that sleeps is idle up to now
 *
 * Context: control.
 */
void dp_work_get(const struct dp *dp, unsigned int worker, struct dp_work *out)
{
	const struct dp_worker *w = dp->workers[worker];
	const struct dp_worked *d = &w->worked;
	uint64_t busy = __atomic_load_n(&d->busy, __ATOMIC_RELAXED);
	uint64_t idle = __atomic_load_n(&d->idle, __ATOMIC_RELAXED);
	uint64_t since = __atomic_load_n(&d->since, __ATOMIC_RELAXED), hz = rte_get_tsc_hz();

	if (__atomic_load_n(&w->pulse.asleep, __ATOMIC_RELAXED))
		idle += MAX(rte_rdtsc(), since) - since;
	*out = (struct dp_work){ to_ns(busy, hz),
				 to_ns(idle, hz),
				 __atomic_load_n(&d->wakeups, __ATOMIC_RELAXED),
				 { 0 } };
	for (unsigned int i = 0; i < ARRAY_LEN(out->bursts); i++)
		out->bursts[i] = __atomic_load_n(&d->bursts[i], __ATOMIC_RELAXED);
}

/* Every member of struct vf_stats is a counter. */
#define STATS_WORDS (sizeof(struct vf_stats) / sizeof(uint64_t))

static void cells_get(const struct dp *dp, uint16_t port, struct vf_stats *out)
{
	const uint64_t *zero = (const uint64_t *)&dp->stats_zero[port];
	uint64_t *to = (uint64_t *)out;

	for (unsigned int i = 0; i < STATS_WORDS; i++)
		to[i] = -zero[i];
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		const uint64_t *now = (const uint64_t *)&dp->workers[w]->stats[port];

		for (unsigned int i = 0; i < STATS_WORDS; i++)
			to[i] += __atomic_load_n(&now[i], __ATOMIC_RELAXED);
	}
}

/**
 * dp_stats_get() - Read a port's counters
 * @dp:   data plane
 * @port: port number
 * @out:  filled: sums since the start or the last reset
 *
 * A drop is counted in one cell, its way's. The sums of both ways are formed here, so that what is
 * left of them without those to the guest never goes back.
 *
 * Context: control.
 */
void dp_stats_get(const struct dp *dp, uint16_t port, struct vf_stats *out)
{
	cells_get(dp, port, out);
	out->rx_dropped = 0;
	for (unsigned int i = 0; i < DROP_N; i++) {
		out->drops[i] += out->rx_drops[i];
		out->rx_dropped += out->rx_drops[i];
	}
}

/**
 * dp_stats_reset() - Count a port from zero again
 * @dp:   data plane
 * @port: port number
 *
 * A worker's counters have one writer, so what they show now is remembered.
 *
 * Context: control.
 */
void dp_stats_reset(struct dp *dp, uint16_t port)
{
	uint64_t *zero = (uint64_t *)&dp->stats_zero[port];
	struct vf_stats more;

	cells_get(dp, port, &more);
	for (unsigned int i = 0; i < STATS_WORDS; i++)
		zero[i] += ((const uint64_t *)&more)[i];
}

/**
 * dp_drops_add() - Count frames that were lost before any worker saw them
 * @dp:   data plane
 * @port: port number
 * @why:  reason
 * @n:    how many
 *
 * Context: control.
 */
void dp_drops_add(struct dp *dp, uint16_t port, enum drop why, uint32_t n)
{
	dp->stats_zero[port].drops[why] -= n; /* from where it is counted, as dp_stats_reset() */
}

/* The newest of the workers' notes; false: there is none. */
static bool loss_newest(const struct dp *dp, unsigned int slot, struct loss *out)
{
	struct loss one = { 0 };
	bool some = false;

	for (unsigned int w = 0; w < dp->n_workers; w++) {
		if (!loss_get(&dp->workers[w]->losses[slot], &one) || (some && one.at < out->at))
			continue;
		*out = one;
		some = true;
	}
	return some;
}

/**
 * dp_drops_get() - Read a port's drops, each reason with its last frame
 * @dp:   data plane
 * @port: port number
 * @out:  array of DROP_N, filled
 *
 * A note older than the last reset is of a reason whose count is 0, and not shown.
 *
 * Context: control.
 */
void dp_drops_get(const struct dp *dp, uint16_t port, struct vf_drop out[DROP_N])
{
	uint64_t now = rte_rdtsc(), tick_ms = MAX(rte_get_tsc_hz() / 1000, 1ul);
	struct vf_stats stats;
	struct loss l = { 0 };

	dp_stats_get(dp, port, &stats);
	for (unsigned int i = 0; i < DROP_N; i++) {
		out[i] = (struct vf_drop){ .count = stats.drops[i] };
		if (!stats.drops[i] || !loss_newest(dp, port * DROP_N + i, &l))
			continue;
		out[i].seen = true;
		out[i].age_ms = now > l.at ? (now - l.at) / tick_ms : 0;
		out[i].len = l.len;
		out[i].head_len = l.head_len;
		memcpy(out[i].head, l.head, sizeof(l.head));
	}
}

/**
 * dp_mirror_stats_get() - Read a mirror's counters
 * @dp:   data plane
 * @slot: 0..VEB_MIRRORS_MAX-1
 * @out:  filled
 *
 * Context: control.
 */
void dp_mirror_stats_get(const struct dp *dp, uint16_t slot, struct dp_mirror_stats *out)
{
	const struct dp_mirror_stats *zero = &dp->mirrors_zero[slot];

	*out = (struct dp_mirror_stats){ -zero->mirrored, -zero->dropped };
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		const struct dp_mirror_stats *now = &dp->workers[w]->mirrors[slot];

		out->mirrored += __atomic_load_n(&now->mirrored, __ATOMIC_RELAXED);
		out->dropped += __atomic_load_n(&now->dropped, __ATOMIC_RELAXED);
	}
}

/**
 * dp_mirror_stats_reset() - Count a mirror from zero again
 * @dp:   data plane
 * @slot: 0..VEB_MIRRORS_MAX-1
 *
 * Context: control.
 */
void dp_mirror_stats_reset(struct dp *dp, uint16_t slot)
{
	struct dp_mirror_stats *zero = &dp->mirrors_zero[slot], was = *zero, more;

	dp_mirror_stats_get(dp, slot, &more);
	zero->mirrored = was.mirrored + more.mirrored;
	zero->dropped = was.dropped + more.dropped;
}
