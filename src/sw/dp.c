/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's calls for control (dp.h), and what starts and stops sources.
 */
#include "sw/dp.h"

#include <errno.h>
#include <rte_eal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "sw/dp_priv.h"

#define THREADS_MAX 64 /* workers a QSBR variable knows */

static struct dp_sources *sources_new(unsigned int n)
{
	struct dp_sources *s = calloc(1, sizeof(*s) + 2 * n * sizeof(s->all[0]));

	if (!s)
		return NULL;
	s->all = (struct port_queue **)(s + 1);
	s->active = s->all + n;
	return s;
}

static int parts_open(struct dp *dp, int cpu, struct err *e)
{
	size_t size = rte_rcu_qsbr_get_memsize(THREADS_MAX);

	dp->qsbr = aligned_alloc(64, (size + 63) & ~63ul);
	dp->stats = calloc(VEB_PORTS_MAX, sizeof(*dp->stats));
	dp->stats_zero = calloc(VEB_PORTS_MAX, sizeof(*dp->stats_zero));
	dp->sources = sources_new(0);
	if (!dp->qsbr || !dp->stats || !dp->stats_zero || !dp->sources)
		return err_set(e, -ENOMEM, "no memory for the data plane");
	dp->sources->gen = 1;
	rte_rcu_qsbr_init(dp->qsbr, THREADS_MAX);
	dp->hints.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dp->hints.fd < 0)
		return err_errno(e, "eventfd");
	return worker_start(dp, cpu, &dp->worker, e);
}

/**
 * dp_open() - Start DPDK and the worker
 * @opts: borrowed
 * @out:  gets the data plane; dp_close() ends it
 * @e:    may be NULL
 *
 * Once a process. Without @opts->cores the worker runs where the scheduler puts it;
 * with it, all other threads of DPDK stay off those cores.
 *
 * Return: 0; -EINVAL bad core list or a core this process may not use; -EALREADY;
 * -ENOMEM; what DPDK said.
 * Context: control.
 */
int dp_open(const struct dp_opts *opts, struct dp **out, struct err *e)
{
	auto_of(dp_close) struct dp *dp = NULL;
	int cpu, rc;

	rc = eal_start(opts, &cpu, e);
	if (rc)
		return rc;
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return err_set(e, -ENOMEM, "no memory for the data plane");
	dp->hints.fd = -1;
	dp->busy = opts->busy;
	pthread_mutex_init(&dp->queues_lock, NULL);
	rc = parts_open(dp, cpu, e);
	if (!rc)
		rc = vhost_open(dp, &dp->vhost, e);
	if (rc)
		return rc;
	*out = take(dp);
	return 0;
}

/**
 * dp_close() - Unplug everything, stop the worker, end DPDK
 * @dp: data plane or NULL; freed, the snapshot with it
 *
 * Context: control.
 */
void dp_close(struct dp *dp)
{
	if (!dp)
		return;
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++)
		dp_port_del(dp, (uint16_t)i);
	vhost_close(dp->vhost);
	worker_stop(dp->worker);
	veb_snap_free(dp->snap);
	if (dp->hints.fd >= 0)
		close(dp->hints.fd);
	pthread_mutex_destroy(&dp->queues_lock);
	free(dp->sources);
	free(dp->stats);
	free(dp->stats_zero);
	free(dp->qsbr);
	free(dp);
	rte_eal_cleanup();
}

/**
 * dp_grace() - Wait until the worker holds nothing it loaded before
 * @dp: data plane
 *
 * As long as one round of turns at most; at once if the worker sleeps.
 *
 * Context: any thread but the worker.
 */
void dp_grace(struct dp *dp)
{
	rte_rcu_qsbr_synchronize(dp->qsbr, RTE_QSBR_THRID_INVALID);
}

/**
 * dp_publish() - Make the worker use a new snapshot
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
		worker_wake(dp->worker);
		return;
	}
	dp_grace(dp);
	veb_snap_free(old);
}

/**
 * dp_queue_start_locked() - A source is ready to be polled
 * @dp: data plane
 * @q:  source of a port in dp->ports; first block filled, not running
 *
 * Its descriptor wakes the worker from now on; if epoll cannot watch it, it is polled.
 * Takes effect with dp_queues_changed_locked().
 *
 * Context: any thread but the worker.
 */
void dp_queue_start_locked(struct dp *dp, struct port_queue *q)
{
	if (worker_watch(dp->worker, q))
		q->fd = -1;
	q->polled = true;
	q->credit = 0;
	q->idle_since = 0;
	__atomic_store_n(&q->running, true, __ATOMIC_RELEASE);
}

/**
 * dp_queue_stop_locked() - A source must not be touched any more
 * @dp: data plane
 * @q:  source; may be stopped already
 *
 * In force after dp_queues_changed_locked().
 *
 * Context: any thread but the worker.
 */
void dp_queue_stop_locked(struct dp *dp, struct port_queue *q)
{
	if (!q->running)
		return;
	__atomic_store_n(&q->running, false, __ATOMIC_RELEASE);
	worker_unwatch(dp->worker, q);
}

/* Sources that run, of all ports. With list NULL only counts. */
static unsigned int sources_collect(struct dp *dp, struct port_queue **list)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++) {
		struct port *p = dp->ports[i];

		for (unsigned int k = 0; p && k < p->n_queues; k++) {
			if (!p->queues[k] || !p->queues[k]->running)
				continue;
			if (list)
				list[n] = p->queues[k];
			n++;
		}
	}
	return n;
}

/**
 * dp_queues_changed_locked() - Put starts and stops in force
 * @dp: data plane
 *
 * On return the worker touches nothing that was stopped. Without memory for a new
 * list that still holds (it looks at `running`), only new sources must wait.
 *
 * Context: any thread but the worker, under queues_lock.
 */
void dp_queues_changed_locked(struct dp *dp)
{
	struct dp_sources *old = dp->sources, *list = sources_new(sources_collect(dp, NULL));

	if (list) {
		list->n = sources_collect(dp, list->all);
		list->gen = old->gen + 1;
		__atomic_store_n(&dp->sources, list, __ATOMIC_RELEASE);
		worker_wake(dp->worker);
	}
	dp_grace(dp);
	if (list)
		free(old);
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
 * On return no frame passes and ops->free was called.
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
 * dp_rate_set() - Limit what a port may send
 * @dp:   data plane
 * @port: port number
 * @mbit: 10^6 bit a second; 0: no limit
 *
 * Context: control.
 */
void dp_rate_set(struct dp *dp, uint16_t port, uint32_t mbit)
{
	__atomic_store_n(&dp->rates[port], mbit, __ATOMIC_RELAXED);
	worker_wake(dp->worker); /* it may be waiting for tokens at the old rate */
}

/* Every member of struct vf_stats is a counter. */
#define STATS_WORDS (sizeof(struct vf_stats) / sizeof(uint64_t))

/**
 * dp_stats_get() - Read a port's counters
 * @dp:   data plane
 * @port: port number
 * @out:  filled: sums since the start or the last reset
 *
 * Context: control.
 */
void dp_stats_get(const struct dp *dp, uint16_t port, struct vf_stats *out)
{
	const uint64_t *now = (const uint64_t *)&dp->stats[port];
	const uint64_t *zero = (const uint64_t *)&dp->stats_zero[port];
	uint64_t *to = (uint64_t *)out;

	for (unsigned int i = 0; i < STATS_WORDS; i++)
		to[i] = __atomic_load_n(&now[i], __ATOMIC_RELAXED) - zero[i];
}

/**
 * dp_stats_reset() - Count a port from zero again
 * @dp:   data plane
 * @port: port number
 *
 * The worker's counters have one writer, so what they show now is remembered.
 *
 * Context: control.
 */
void dp_stats_reset(struct dp *dp, uint16_t port)
{
	const uint64_t *now = (const uint64_t *)&dp->stats[port];
	uint64_t *zero = (uint64_t *)&dp->stats_zero[port];

	for (unsigned int i = 0; i < STATS_WORDS; i++)
		zero[i] = __atomic_load_n(&now[i], __ATOMIC_RELAXED);
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
	const struct dp_mirror_stats *now = &dp->mirrors[slot], *zero = &dp->mirrors_zero[slot];

	out->mirrored = __atomic_load_n(&now->mirrored, __ATOMIC_RELAXED) - zero->mirrored;
	out->dropped = __atomic_load_n(&now->dropped, __ATOMIC_RELAXED) - zero->dropped;
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

/**
 * dp_hint_fd() - What to watch for address hints
 * @dp: data plane
 *
 * Return: descriptor, readable while hints wait; stays the data plane's.
 * Context: control.
 */
int dp_hint_fd(const struct dp *dp)
{
	return dp->hints.fd;
}

/**
 * dp_hints_take() - Fetch address hints
 * @dp:  data plane
 * @out: array of @max
 * @max: entries
 *
 * Return: entries filled; fewer than @max means all were taken.
 * Context: control.
 */
unsigned int dp_hints_take(struct dp *dp, struct dp_hint *out, unsigned int max)
{
	struct dp_hints *h = &dp->hints;
	unsigned int head, tail = h->tail, n = 0;
	eventfd_t count;

	(void)eventfd_read(h->fd, &count);
	__atomic_store_n(&h->told, false, __ATOMIC_SEQ_CST);
	head = __atomic_load_n(&h->head, __ATOMIC_SEQ_CST);
	while (n < max && tail != head)
		out[n++] = h->ring[tail++ % DP_HINTS_MAX];
	__atomic_store_n(&h->tail, tail, __ATOMIC_RELEASE);
	if (tail != head)
		(void)eventfd_write(h->fd, 1);
	return n;
}
