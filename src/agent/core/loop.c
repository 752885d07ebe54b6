/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reconcile loop: look at the switch and libvirt, compare with what the API wants, start the
 * next step of whatever differs. Nothing here blocks; looks and steps run in work queues, and wake
 * the loop when they end.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/core/state.h"

#define TICK_MS	    1000ULL
#define TICK_MAX_MS 3000ULL /* heartbeats come by it too */
#define HURRY_MS    100ULL  /* while something is on its way */
#define GRAIN_MS    25ULL   /* agents of one process tick together where that is near, ... */
#define GRAINS	    8	    /* ... and that is an eighth of the time, too */

/* Return: whether something of it is on its way, or soon will be. */
static bool evaluate(struct agent *a, struct entity *x)
{
	const struct agent_kind *kind = x->kind;
	int step = x->busy ? 0 : kind->plan(a, x);

	if (step && retry_due(&x->retry, 0))
		kind->step(a, x, step);
	if (kind->beside)
		kind->beside(a, x);
	return x->busy || (step && retry_due(&x->retry, TICK_MS)) ||
	       (kind->waits && kind->waits(x));
}

/**
 * tick_pause() - How long to wait for the next look at the PFs
 * @took_ms: the last one
 * @hurry:   something is on its way
 *
 * A look may take long: of a NIC with many VFs, or one whose daemon is busy. It then has a fifth of
 * the time, and a tenth where nothing is to come, as far as TICK_MAX_MS reaches.
 *
 * Return: milliseconds. Pure.
 */
uint64_t tick_pause(uint64_t took_ms, bool hurry)
{
	return hurry ? MIN(TICK_MAX_MS, MAX(HURRY_MS, 4 * took_ms))
		     : MIN(TICK_MAX_MS, MAX(TICK_MS, 9 * took_ms));
}

/**
 * tick_wait() - How long to wait so that the agents of one process tick together
 * @now_ms: loop_now_ms()
 * @ms:     that are to be waited
 *
 * A process that wakes costs more than a tick does, most of all on a virtual machine.
 *
 * Return: milliseconds: @ms, and an eighth of it at most, or GRAIN_MS. Pure.
 */
uint64_t tick_wait(uint64_t now_ms, uint64_t ms)
{
	uint64_t grain_ms = MAX(GRAIN_MS, ms / GRAINS);

	return ms + grain_ms - (now_ms + ms) % grain_ms;
}

/* The next tick, in about that time if it does not come before. */
static void tick_in(struct agent *a, uint64_t ms)
{
	uint64_t now_ms = loop_now_ms(), wait_ms = tick_wait(now_ms, ms);

	if (a->tick_ms && a->tick_ms <= now_ms + wait_ms)
		return;
	a->tick_ms = now_ms + wait_ms;
	loop_timer_set(a->tick, wait_ms, TICK_MS);
}

/* Compares wanted with observed, starts what differs, reports what changed. */
static void evaluate_all(struct agent *a)
{
	bool hurry = false;

	state_drop_gone(a);
	for (const struct agent_kind *const *k = a->kinds; *k; k++)
		for (struct entity *x = NULL; (x = entity_next(a, *k, x));)
			hurry |= evaluate(a, x);
	report_all(a);
	tick_in(a, tick_pause(a->sides[SIDE_SWITCH].took_ms, hurry));
}

static void on_wake(void *arg)
{
	struct agent *a = arg;
	unsigned int due = a->due;

	a->due = 0;
	for (enum agent_side side = SIDE_NONE + 1; side < SIDE_N; side++)
		if (due & 1U << side)
			look_at(a, side);
	if (!a->stopping)
		evaluate_all(a);
}

static void on_tick(void *arg)
{
	struct agent *a = arg;

	a->tick_ms = loop_now_ms() + TICK_MS; /* by itself */
	/* A look wakes the loop when it ends. One that takes longer has its pause behind it. */
	if (a->sides[SIDE_SWITCH].looking)
		agent_wake(a, SIDE_NONE);
	else
		look_at(a, SIDE_SWITCH);
}

static int open_parts(struct agent *a, struct err *e)
{
	int rc = door_open(&(struct door_opts){ a->opts.api, a->loop, a->opts.http, a->opts.polls,
						a->opts.pass },
			   &a->door, e);

	if (!rc)
		rc = state_open(a, e);
	if (rc)
		return rc;
	a->wake = loop_timer_add(a->loop, UINT64_MAX, 0, on_wake, a);
	a->tick = loop_timer_add(a->loop, TICK_MS, TICK_MS, on_tick, a);
	if (!a->wake || !a->tick)
		return err_set(e, -ENOMEM, "out of memory");
	tick_in(a, TICK_MS);
	return look_open(a, e);
}

/**
 * agent_open() - Start the agent in a loop
 * @loop:  loop to live in
 * @opts:  options; their strings stay valid as long as the process
 * @kinds: what it looks after, planned for in this order, NULL behind the last
 * @out:   gets the agent; it lives until the process ends, because libvirt's threads do
 * @e:     error text, may be NULL
 *
 * Return: 0 or a negative errno. That API, libvirt or the switch are not there is no error: the
 * agent waits for them.
 */
int agent_open(struct loop *loop, const struct agent_opts *opts,
	       const struct agent_kind *const *kinds, struct agent **out, struct err *e)
{
	struct agent *a = calloc(1, sizeof(*a));
	int rc = 0;

	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	a->loop = loop;
	a->opts = *opts;
	a->kinds = kinds;
	a->heartbeat_s = 5;
	if (asprintf(&a->dir, "%s/agent", opts->state_dir) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	host_boot_id(a->boot_id);
	for (size_t i = 0; !rc && kinds[i]; i++)
		rc = kinds[i]->open ? kinds[i]->open(a, e) : 0;
	rc = rc ?: open_parts(a, e);
	if (rc)
		return rc; /* the process ends with it */
	look_at(a, SIDE_SWITCH);
	follow_start(a);
	*out = a;
	return 0;
}

/**
 * agent_stop() - Begin nothing new, and let waiting calls end
 * @a: agent
 *
 * Domains and dnsmasq go on; a new agent takes them over.
 */
void agent_stop(struct agent *a)
{
	a->stopping = true;
	door_cancel(a->door);
}
