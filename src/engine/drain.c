/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a life whose listener is kept for the next one: nobody who is here is lost for it. */
#include "base/fdstore.h"
#include "engine/impl.h"

#define LOOK_MS 5
#define LAST_MS 2000 /* for a client who is slow, and a job that takes long */

/* Who waits for a change, with a timer, is answered at the end: he asks anew. */
static bool is_busy(const struct engine *eng)
{
	if (http_is_busy(eng->http) || eng->groups || eng->answered || eng->again || eng->fresh ||
	    eng->ready)
		return true;
	for (const struct call *c = eng->parked; c; c = c->priv->next)
		if (c->priv->req && !c->priv->timer)
			return true;
	return false;
}

static void look(void *arg)
{
	struct engine *eng = arg;

	if (is_busy(eng) && loop_now_ms() < eng->drain.until_ms)
		return;
	loop_timer_del(take(eng->drain.timer));
	eng->drain.done(eng->drain.arg);
}

/**
 * engine_drain() - Answer who is there, accept nobody else, and say when it is time to go
 * @eng:  engine
 * @done: called once all that is there is answered, but for those who wait for something to happen;
 *        or after two seconds; or at once: when nobody keeps the listener, or this is not the first
 *        time
 * @arg:  for it
 *
 * Context: the loop's thread.
 */
void engine_drain(struct engine *eng, void (*done)(void *arg), void *arg)
{
	const bool first = !eng->drain.done;

	eng->drain.done = done;
	eng->drain.arg = arg;
	loop_timer_del(take(eng->drain.timer));
	if (first && fdstore_keeps() && eng->http) {
		http_deafen(eng->http);
		eng->drain.until_ms = loop_now_ms() + LAST_MS;
		eng->drain.timer = loop_timer_add(eng->opts.loop, 0, LOOK_MS, look, eng);
	}
	if (!eng->drain.timer)
		done(arg);
}
