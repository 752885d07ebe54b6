/* SPDX-License-Identifier: Apache-2.0 */
/* Which sources are polled, and by which worker: starts and stops, from any thread but a worker. */
#include <stdlib.h>
#include <unistd.h>

#include "sw/data/dp_priv.h"
#include "sw/data/waits.h"
#include "sw/dp.h"

#define STALE_MS 200 /* most that control waits for the drops of a port; as a rule it is none */

/**
 * sources_new() - A list of sources for a worker
 * @n: sources it has room for
 *
 * Return: an empty list, to be freed with free(), or NULL without memory.
 * Context: any.
 */
struct dp_sources *sources_new(unsigned int n)
{
	struct dp_sources *s = calloc(1, sizeof(*s) + 2 * n * sizeof(s->all[0]));

	if (!s)
		return NULL;
	s->all = (struct port_queue **)(s + 1);
	s->active = s->all + n;
	return s;
}

/**
 * dp_queue_start_locked() - A source is ready to be polled
 * @dp: data plane
 * @q:  source of a port in dp->ports; first block filled, not running
 *
 * It gets a worker; its descriptor wakes that one from now on; if epoll cannot watch it, it is
 * polled. Takes effect with dp_queues_changed_locked().
 *
 * Context: any thread but a worker.
 */
void dp_queue_start_locked(struct dp *dp, struct port_queue *q)
{
	struct assign_core cores[DP_WORKERS_MAX];
	unsigned int to;

	for (unsigned int i = 0; i < dp->n_workers; i++)
		cores[i] = dp->workers[i]->core;
	to = assign(cores, dp->n_workers, q->node);
	dp->workers[to]->core.load++;
	__atomic_store_n(&q->worker, (uint16_t)to, __ATOMIC_RELAXED);
	if (worker_watch(dp->workers[to]->thread, q))
		q->fd = -1;
	q->polled = true;
	q->purse = (struct purse){ 0 };
	q->idle_since = 0;
	wait_begin(q);
	q->gap = UINT32_MAX; /* not known: a second or so */
	__atomic_store_n(&q->running, true, __ATOMIC_RELEASE);
}

/**
 * dp_queue_stop_locked() - A source must not be touched any more
 * @dp: data plane
 * @q:  source; may be stopped already
 *
 * In force after dp_queues_changed_locked().
 *
 * Context: any thread but a worker.
 */
void dp_queue_stop_locked(struct dp *dp, struct port_queue *q)
{
	if (!q->running)
		return;
	__atomic_store_n(&q->running, false, __ATOMIC_RELEASE);
	worker_unwatch(dp->workers[q->worker]->thread, q);
	dp->workers[q->worker]->core.load--;
}

/* Sources that run on a worker, of all ports. With list NULL only counts. */
static unsigned int sources_collect(struct dp *dp, unsigned int worker, struct port_queue **list)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VEB_PORTS_MAX && !dp->held; i++) {
		struct port *p = dp->paused[i] ? NULL : dp->ports[i];

		for (unsigned int k = 0; p && k < p->n_queues; k++) {
			if (!p->queues[k] || !p->queues[k]->running ||
			    p->queues[k]->worker != worker)
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
 * On return no worker touches anything that was stopped. Without memory for a new
 * list that still holds (they look at `running`), only new sources must wait.
 *
 * Context: any thread but a worker, under queues_lock.
 */
void dp_queues_changed_locked(struct dp *dp)
{
	struct dp_sources *old[DP_WORKERS_MAX] = { NULL };

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct dp_sources *list = sources_new(sources_collect(dp, i, NULL));

		if (!list)
			continue;
		list->n = sources_collect(dp, i, list->all);
		list->gen = dp->workers[i]->sources->gen + 1;
		old[i] = __atomic_exchange_n(&dp->workers[i]->sources, list, __ATOMIC_ACQ_REL);
		worker_wake(dp->workers[i]->thread);
	}
	dp_grace(dp);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		free(old[i]);
}

/**
 * dp_hold() - Leave all sources alone for a while, or poll them again
 * @dp:   data plane
 * @held: from now on
 *
 * What has no destination yet waits with its sender: in the guest's ring, in the tap.
 *
 * Context: control.
 */
void dp_hold(struct dp *dp, bool held)
{
	pthread_mutex_lock(&dp->queues_lock);
	dp->held = held;
	dp_queues_changed_locked(dp);
	pthread_mutex_unlock(&dp->queues_lock);
}

/**
 * dp_port_pause() - Leave the sources of one port alone until dp_port_resume()
 * @dp:   data plane
 * @port: port number, whatever is or will be plugged in
 *
 * On return all frames that were taken from it were delivered. What comes waits with its sender.
 *
 * Context: control.
 */
void dp_port_pause(struct dp *dp, uint16_t port)
{
	pthread_mutex_lock(&dp->queues_lock);
	dp->paused[port] = true;
	dp_queues_changed_locked(dp);
	pthread_mutex_unlock(&dp->queues_lock);
}

/* Whether a worker still has to drop what waits at a port. */
static bool stale_left(struct dp *dp, uint16_t port)
{
	const struct port *p = dp->ports[port];
	bool left = false;

	pthread_mutex_lock(&dp->queues_lock);
	for (unsigned int i = 0; p && !dp->held && i < p->n_queues; i++)
		left |= p->queues[i] && p->queues[i]->running &&
			__atomic_load_n(&p->queues[i]->stale, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&dp->queues_lock);
	return left;
}

/**
 * dp_port_resume() - Poll the sources of a port again
 * @dp:    data plane
 * @port:  port number
 * @stale: what waits there was sent under rules that are not in force any more: it is dropped as
 *         by a link that was down; also in rings of a front end that has not given them yet
 *
 * Which frame is stale does not depend on time; that it returns when the last one is gone does:
 * after STALE_MS the worker is left alone with a sender that fills its queue as fast as it is read.
 *
 * Context: control.
 */
void dp_port_resume(struct dp *dp, uint16_t port, bool stale)
{
	struct port *p = dp->ports[port];

	pthread_mutex_lock(&dp->queues_lock);
	dp->paused[port] = false;
	if (p && stale)
		p->stale = true;
	for (unsigned int i = 0; p && stale && i < p->n_queues; i++)
		if (p->queues[i])
			__atomic_store_n(&p->queues[i]->stale, PORT_STALE, __ATOMIC_RELAXED);
	dp_queues_changed_locked(dp);
	pthread_mutex_unlock(&dp->queues_lock);
	for (unsigned int ms = 0; stale && ms < STALE_MS && stale_left(dp, port); ms++)
		usleep(1000);
}
