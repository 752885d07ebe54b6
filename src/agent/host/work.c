/* SPDX-License-Identifier: Apache-2.0 */
/* Work queues: run in a thread, in order; done in the loop. */
#include "agent/host/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

struct work_item {
	struct work_item *next;
	struct loop *loop;
	work_fn run, done;
	void *arg;
};

/* Writer: whoever holds items_lock. The thread and the owner each hold a reference. */
struct work_queue {
	struct loop *loop;
	pthread_mutex_t items_lock;
	struct work_item *first, **last;
	bool has_thread, orphaned;
};

static void item_done(void *arg)
{
	struct work_item *item = arg;

	item->done(item->arg);
	free(item);
}

static void queue_destroy(struct work_queue *q)
{
	pthread_mutex_destroy(&q->items_lock);
	free(q);
}

static struct work_item *take_item(struct work_queue *q)
{
	struct work_item *item;
	bool destroy;

	pthread_mutex_lock(&q->items_lock);
	item = q->first;
	if (item && !(q->first = item->next))
		q->last = &q->first;
	if (!item)
		q->has_thread = false;
	destroy = !item && q->orphaned;
	pthread_mutex_unlock(&q->items_lock);
	if (destroy)
		queue_destroy(q);
	return item;
}

static void *queue_thread(void *arg)
{
	struct work_queue *q = arg;
	struct work_item *item;

	while ((item = take_item(q))) {
		item->run(item->arg);
		loop_post(item->loop, item_done, item);
	}
	return NULL;
}

/**
 * work_queue_new() - Make a queue
 * @loop: where the done functions run; outlives the queue's work
 *
 * Return: the queue, NULL when out of memory. It costs no thread while it is empty.
 */
struct work_queue *work_queue_new(struct loop *loop)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->loop = loop;
	q->last = &q->first;
	pthread_mutex_init(&q->items_lock, NULL);
	return q;
}

/**
 * work_queue_free() - Let a queue go
 * @q: queue, may be NULL. What it has still runs, and its done functions are still called.
 */
void work_queue_free(struct work_queue *q)
{
	bool busy;

	if (!q)
		return;
	pthread_mutex_lock(&q->items_lock);
	busy = q->has_thread;
	q->orphaned = true;
	pthread_mutex_unlock(&q->items_lock);
	if (!busy)
		queue_destroy(q);
}

static int start_thread(struct work_queue *q)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, queue_thread, q);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

/**
 * work_push() - Add work behind what is waiting
 * @q:    queue
 * @run:  called in the queue's thread; may block
 * @done: called in the loop's thread afterwards
 * @arg:  for both
 *
 * Return: 0, -ENOMEM or -EAGAIN (no thread to be had): then neither is called.
 * Context: the loop's thread.
 */
int work_push(struct work_queue *q, work_fn run, work_fn done, void *arg)
{
	struct work_item *item = malloc(sizeof(*item));
	int rc = 0;

	if (!item)
		return -ENOMEM;
	*item = (struct work_item){ .loop = q->loop, .run = run, .done = done, .arg = arg };
	pthread_mutex_lock(&q->items_lock);
	if (!q->has_thread)
		rc = start_thread(q);
	if (!rc) {
		q->has_thread = true;
		*q->last = item;
		q->last = &item->next;
	}
	pthread_mutex_unlock(&q->items_lock);
	if (rc)
		free(item);
	return rc;
}
