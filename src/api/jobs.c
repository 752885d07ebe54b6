/* SPDX-License-Identifier: Apache-2.0 */
/* Two helper threads for what must not hold up the loop: password hashing, file hashing. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "api/impl.h"

#define THREADS	  2
#define QUEUE_MAX 256 /* jobs that wait; more are refused */

struct job {
	void (*work)(void *arg); /* in a helper thread */
	void *work_arg;
	void (*done)(void *arg); /* then in the loop */
	void *done_arg;
};

/* Writers: the loop and the helpers, under jobs_lock. */
struct jobs {
	struct loop *loop;
	pthread_t threads[THREADS];
	unsigned int n_threads;
	pthread_mutex_t jobs_lock;
	pthread_cond_t wake;
	struct job queue[QUEUE_MAX];
	unsigned int head, n; /* of queue, a ring */
	bool stop;
};

static void *help(void *arg)
{
	struct jobs *jobs = arg;

	pthread_mutex_lock(&jobs->jobs_lock);
	for (;;) {
		struct job job;

		while (!jobs->n && !jobs->stop)
			pthread_cond_wait(&jobs->wake, &jobs->jobs_lock);
		if (jobs->stop)
			break;
		job = jobs->queue[jobs->head];
		jobs->head = (jobs->head + 1) % QUEUE_MAX;
		jobs->n--;
		pthread_mutex_unlock(&jobs->jobs_lock);
		job.work(job.work_arg);
		loop_post(jobs->loop, job.done, job.done_arg);
		pthread_mutex_lock(&jobs->jobs_lock);
	}
	pthread_mutex_unlock(&jobs->jobs_lock);
	return NULL;
}

/**
 * jobs_new() - Start the helper threads
 * @loop: where work is reported done
 * @e:    why not
 *
 * Return: to be freed with jobs_free(); NULL.
 */
struct jobs *jobs_new(struct loop *loop, struct err *e)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return NULL;
	jobs->loop = loop;
	pthread_mutex_init(&jobs->jobs_lock, NULL);
	pthread_cond_init(&jobs->wake, NULL);
	for (; jobs->n_threads < THREADS; jobs->n_threads++) {
		if (pthread_create(&jobs->threads[jobs->n_threads], NULL, help, jobs) != 0) {
			err_set(e, -EAGAIN, "cannot start a helper thread");
			jobs_free(jobs);
			return NULL;
		}
	}
	return jobs;
}

/**
 * jobs_free() - Stop the helper threads after the work they have begun
 * @jobs: or NULL; what waits is dropped, done() of finished work may still be posted in the loop
 */
void jobs_free(struct jobs *jobs)
{
	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->jobs_lock);
	jobs->stop = true;
	pthread_cond_broadcast(&jobs->wake);
	pthread_mutex_unlock(&jobs->jobs_lock);
	while (jobs->n_threads)
		pthread_join(jobs->threads[--jobs->n_threads], NULL);
	pthread_cond_destroy(&jobs->wake);
	pthread_mutex_destroy(&jobs->jobs_lock);
	free(jobs);
}

/**
 * jobs_add() - Queue work for a helper thread
 * @jobs:     the helpers
 * @work:     called with @work_arg in a helper thread
 * @work_arg: the helper's alone until done
 * @done:     called with @done_arg in the loop's thread afterwards
 * @done_arg: for @done
 *
 * Return: 0; -EBUSY if 256 jobs wait already.
 */
int jobs_add(struct jobs *jobs, void (*work)(void *arg), void *work_arg, void (*done)(void *arg),
	     void *done_arg)
{
	int rc = 0;

	pthread_mutex_lock(&jobs->jobs_lock);
	if (jobs->n == QUEUE_MAX)
		rc = -EBUSY;
	else
		jobs->queue[(jobs->head + jobs->n++) % QUEUE_MAX] =
			(struct job){ work, work_arg, done, done_arg };
	pthread_cond_signal(&jobs->wake);
	pthread_mutex_unlock(&jobs->jobs_lock);
	return rc;
}
