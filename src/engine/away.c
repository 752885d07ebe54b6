/* SPDX-License-Identifier: Apache-2.0 */
/* A store that does not answer: when nobody waits for it any more, and what they are told. */
#include "engine/impl.h"

/* In trouble for so long, requests are told so at once; those that others may answer sooner. */
#define AWAY_MS 10000
#define ELSE_MS 2000

/**
 * away_is() - Has the store been in trouble for so long that nobody waits for it?
 * @eng:       the engine
 * @elsewhere: who asks has other replicas, and asks one when he is told so
 */
bool away_is(const struct engine *eng, bool elsewhere)
{
	uint64_t since_ms, most_ms = elsewhere ? ELSE_MS : AWAY_MS;

	return store_trouble(eng->opts.store, &since_ms) && loop_now_ms() - since_ms >= most_ms;
}

/**
 * away_fail() - The fault of a call that waits for a store that does not answer
 * @c: the call; what it changed may be made yet
 */
void away_fail(struct call *c)
{
	uint64_t since_ms;
	const char *why = store_trouble(c->priv->eng->opts.store, &since_ms);

	call_fail(c, 503, "ServiceUnavailable", "The store does not answer%s%s.%s", why ? ": " : "",
		  why ?: "", c->priv->wrote ? " What was asked for may be done yet." : "");
	if (!c->priv->wrote) /* who would do it again might do it twice */
		call_header(c, "Retry-After", "5");
}
