/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper threads for what must not hold up the loop. Each lane has threads and
 * a queue of its own, so that passwords never wait for files, nor those who
 * have logged in before for strangers; and within a lane owners take turns.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/impl.h"

#define THREADS	  2   /* a lane */
#define QUEUE_MAX 256 /* jobs that wait in a lane; more are refused */
#define OWNER_MAX 64  /* of them one owner's */

struct job {
	void (*work)(void *arg); /* in a helper thread */
	void *work_arg;
	void (*done)(void *arg); /* then in the loop */
	void *done_arg;
	uint64_t owner;
	uint64_t round; /* its place among all: the n-th of an owner who has n - 1 before it */
};

/* Writers: the loop and the lane's helpers, under lane_lock. */
struct lane {
	struct jobs *jobs;
	pthread_t threads[THREADS];
	unsigned int n_threads;
	pthread_mutex_t lane_lock;
	pthread_cond_t wake;
	struct job queue[QUEUE_MAX]; /* in order of arrival */
	unsigned int n;
	uint64_t round; /* of the job begun last */
	bool stop;
};

struct jobs {
	struct loop *loop;
	struct lane lanes[LANES];
};

/* The first of the lowest round; the queue is short against what a job takes. */
static struct job pick(struct lane *lane)
{
	unsigned int best = 0;
	struct job job;

	for (unsigned int i = 1; i < lane->n; i++)
		if (lane->queue[i].round < lane->queue[best].round)
			best = i;
	job = lane->queue[best];
	memmove(&lane->queue[best], &lane->queue[best + 1],
		(--lane->n - best) * sizeof(lane->queue[0]));
	lane->round = job.round;
	return job;
}

static void *help(void *arg)
{
	struct lane *lane = arg;

	pthread_mutex_lock(&lane->lane_lock);
	for (;;) {
		struct job job;

		while (!lane->n && !lane->stop)
			pthread_cond_wait(&lane->wake, &lane->lane_lock);
		if (lane->stop)
			break;
		job = pick(lane);
		pthread_mutex_unlock(&lane->lane_lock);
		job.work(job.work_arg);
		loop_post(lane->jobs->loop, job.done, job.done_arg);
		pthread_mutex_lock(&lane->lane_lock);
	}
	pthread_mutex_unlock(&lane->lane_lock);
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
	for (struct lane *lane = jobs->lanes; lane < jobs->lanes + LANES; lane++) {
		lane->jobs = jobs;
		pthread_mutex_init(&lane->lane_lock, NULL);
		pthread_cond_init(&lane->wake, NULL);
	}
	for (struct lane *lane = jobs->lanes; lane < jobs->lanes + LANES; lane++) {
		for (; lane->n_threads < THREADS; lane->n_threads++) {
			if (!pthread_create(&lane->threads[lane->n_threads], NULL, help, lane))
				continue;
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
	for (struct lane *lane = jobs->lanes; lane < jobs->lanes + LANES; lane++) {
		pthread_mutex_lock(&lane->lane_lock);
		lane->stop = true;
		pthread_cond_broadcast(&lane->wake);
		pthread_mutex_unlock(&lane->lane_lock);
		while (lane->n_threads)
			pthread_join(lane->threads[--lane->n_threads], NULL);
		pthread_cond_destroy(&lane->wake);
		pthread_mutex_destroy(&lane->lane_lock);
	}
	free(jobs);
}

/* 0, or -EBUSY */
static int find_round(const struct lane *lane, uint64_t owner, uint64_t *round)
{
	unsigned int own = 0;

	*round = lane->round;
	for (unsigned int i = 0; i < lane->n; i++) {
		if (lane->queue[i].owner != owner)
			continue;
		*round = MAX(*round, lane->queue[i].round + 1);
		own++;
	}
	return lane->n == QUEUE_MAX || own == OWNER_MAX ? -EBUSY : 0;
}

/**
 * jobs_add() - Queue work for a helper thread
 * @jobs:     the helpers
 * @which:    lane; others' jobs do not hold it up
 * @owner:    whose it is: however many jobs one has queued, another's first comes next
 * @work:     called with @work_arg in a helper thread
 * @work_arg: the helper's alone until done
 * @done:     called with @done_arg in the loop's thread afterwards
 * @done_arg: for @done
 *
 * Return: 0; -EBUSY if 256 jobs wait in the lane already, or 64 of the owner's.
 */
int jobs_add(struct jobs *jobs, enum lane_id which, uint64_t owner, void (*work)(void *arg),
	     void *work_arg, void (*done)(void *arg), void *done_arg)
{
	struct lane *lane = &jobs->lanes[which];
	struct job job = { work, work_arg, done, done_arg, owner, 0 };
	int rc;

	pthread_mutex_lock(&lane->lane_lock);
	rc = find_round(lane, owner, &job.round);
	if (!rc)
		lane->queue[lane->n++] = job;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->lane_lock);
	return rc;
}
