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

struct waiting {
	struct job job;
	uint64_t owner;
	uint64_t round; /* its place among all: the n-th of an owner who has n - 1 before it */
	uint64_t since_ms; /* it came */
};

/* Writers: the loop and the lane's helpers, under lane_lock. */
struct lane {
	struct jobs *jobs;
	pthread_t threads[THREADS];
	unsigned int n_threads;
	pthread_mutex_t lane_lock;
	pthread_cond_t wake;
	struct waiting queue[QUEUE_MAX]; /* in order of arrival */
	unsigned int n;
	uint64_t round; /* of the job begun last */
	struct meter_times waited; /* jobs that were begun */
	bool stop;
};

struct jobs {
	struct loop *loop;
	struct lane lanes[LANES];
};

static struct waiting take_out(struct lane *lane, unsigned int i)
{
	struct waiting out = lane->queue[i];

	memmove(&lane->queue[i], &lane->queue[i + 1], (--lane->n - i) * sizeof(lane->queue[0]));
	return out;
}

/* The first of the lowest round; the queue is short against what a job takes. */
static struct job pick(struct lane *lane)
{
	unsigned int best = 0;
	struct waiting out;

	for (unsigned int i = 1; i < lane->n; i++)
		if (lane->queue[i].round < lane->queue[best].round)
			best = i;
	out = take_out(lane, best);
	lane->round = out.round;
	meter_time(&lane->waited, (int64_t)(loop_now_ms() - out.since_ms) * 1000);
	return out.job;
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
		loop_post(lane->jobs->loop, job.done, job.arg);
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

/* The round of an owner's next job; how many wait already. */
static uint64_t next_round(const struct lane *lane, uint64_t owner, unsigned int *own)
{
	uint64_t round = lane->round;

	*own = 0;
	for (unsigned int i = 0; i < lane->n; i++) {
		if (lane->queue[i].owner != owner)
			continue;
		round = MAX(round, lane->queue[i].round + 1);
		++*own;
	}
	return round;
}

/* Makes room before @round in a full lane: the last of the highest round goes. 0, or -EBUSY */
static int make_room(struct lane *lane, uint64_t round)
{
	struct job job;
	unsigned int last = 0;

	for (unsigned int i = 1; i < lane->n; i++)
		if (lane->queue[i].round >= lane->queue[last].round)
			last = i;
	if (lane->queue[last].round <= round)
		return -EBUSY;
	job = take_out(lane, last).job;
	loop_post(lane->jobs->loop, job.put_off, job.arg);
	return 0;
}

/**
 * jobs_waited() - How long jobs waited for a thread
 * @jobs:  the helpers
 * @which: lane
 *
 * Return: those that were begun.
 */
struct meter_times jobs_waited(struct jobs *jobs, enum lane_id which)
{
	struct lane *lane = &jobs->lanes[which];
	struct meter_times out;

	pthread_mutex_lock(&lane->lane_lock);
	out = lane->waited;
	pthread_mutex_unlock(&lane->lane_lock);
	return out;
}

/**
 * jobs_add() - Queue work for a helper thread
 * @jobs:  the helpers
 * @which: lane; others' jobs do not hold it up
 * @owner: whose it is: however many jobs one has queued, another's first comes next
 * @job:   copied
 *
 * Where 256 wait in the lane already, a job takes the place of one that comes after it: the last of
 * who has most.
 *
 * Return: 0; -EBUSY if 64 jobs of the owner's wait already, or 256 that all come before.
 * Context: the loop's thread.
 */
int jobs_add(struct jobs *jobs, enum lane_id which, uint64_t owner, const struct job *job)
{
	struct lane *lane = &jobs->lanes[which];
	unsigned int own;
	uint64_t round;
	int rc;

	pthread_mutex_lock(&lane->lane_lock);
	round = next_round(lane, owner, &own);
	rc = own == OWNER_MAX ? -EBUSY : lane->n == QUEUE_MAX ? make_room(lane, round) : 0;
	if (!rc)
		lane->queue[lane->n++] = (struct waiting){ *job, owner, round, loop_now_ms() };
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->lane_lock);
	return rc;
}
