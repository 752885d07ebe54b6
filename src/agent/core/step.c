/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: one at a time a thing, in a work queue. */
#include "agent/core/state.h"

static void step_done(void *arg)
{
	struct step *s = arg;
	struct entity *x = s->entity;
	struct agent *a = s->agent;
	struct kind_counts *n = steps_of(a, x->kind);

	*(s->rc ? &n->failed : &n->good) += 1;
	x->busy = false;
	x->stamp = ++a->clock;
	retry_later(&x->retry, s->failure, x->id, s->rc ? &s->e : NULL);
	agent_wake(a, x->kind->side);
	s->done(s);
}

/**
 * step_begin() - Run a step on a thing
 * @s:   first member of the kind's job, with `failure` and `done`
 * @a:   agent
 * @x:   the thing; not busy
 * @q:   where @run runs
 * @run: called with @s in the queue's thread; leaves rc and e
 *
 * When it has ended the thing is looked at again, and planned for.
 *
 * Return: 0; -ENOMEM or -EAGAIN: nothing runs, the job is the caller's to free.
 * Context: the loop's thread.
 */
int step_begin(struct step *s, struct agent *a, struct entity *x, struct work_queue *q, work_fn run)
{
	int rc;

	s->agent = a;
	s->entity = x;
	rc = work_push(q, run, step_done, s);
	x->busy = !rc;
	steps_of(a, x->kind)->retries += !rc && x->retry.n;
	return rc;
}
