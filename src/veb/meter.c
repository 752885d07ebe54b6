/* SPDX-License-Identifier: Apache-2.0 */
/* The token bucket behind max_tx_rate and min_tx_rate: asked once a burst, never per frame. */
#include "veb/meter.h"

#include "base/util.h"

#define BURST_MIN 66000u /* one GSO frame must always fit */

/**
 * meter_init() - Set a rate; the bucket starts full
 * @m:         meter
 * @rate_mbit: 10^6 bit a second, Ethernet header included, FCS not; 0: no limit
 * @depth_ms:  depth of the bucket in time at the full rate; at least a GSO frame fits
 * @hz:        ticks a second of the clock behind @now
 * @now:       tick
 *
 * Context: the worker that polls the source.
 */
void meter_init(struct meter *m, uint32_t rate_mbit, uint32_t depth_ms, uint64_t hz, uint64_t now)
{
	uint64_t rate = (uint64_t)rate_mbit * 125000;
	uint64_t burst = MAX(rate * depth_ms / 1000, (uint64_t)BURST_MIN);

	*m = (struct meter){ .rate_Bps = rate,
			     .hz = hz,
			     .burst_bytes = burst,
			     .tokens_bytes = (int64_t)burst,
			     .filled_at = now };
}

static void fill(struct meter *m, uint64_t now)
{
	unsigned __int128 grown;
	uint64_t bytes;

	if (now <= m->filled_at)
		return;
	grown = (unsigned __int128)(now - m->filled_at) * m->rate_Bps + m->rest;
	m->filled_at = now;
	if (grown / m->hz >= 2 * m->burst_bytes + (uint64_t)MAX(-m->tokens_bytes, (int64_t)0)) {
		m->tokens_bytes = (int64_t)m->burst_bytes;
		m->rest = 0;
		return;
	}
	bytes = (uint64_t)(grown / m->hz);
	m->rest = (uint64_t)(grown % m->hz);
	m->tokens_bytes = MIN(m->tokens_bytes + (int64_t)bytes, (int64_t)m->burst_bytes);
}

/**
 * meter_room() - How much the source may send now
 * @m:   meter
 * @now: tick; a step back counts as standing still
 *
 * The last frame of a turn may exceed it: the debt delays the next turn, so the
 * rate holds in the long run.
 *
 * Return: bytes, 0: none yet, UINT64_MAX: no limit.
 * Context: the worker that polls the source.
 */
uint64_t meter_room(struct meter *m, uint64_t now)
{
	if (!m->rate_Bps)
		return UINT64_MAX;
	fill(m, now);
	return m->tokens_bytes > 0 ? (uint64_t)m->tokens_bytes : 0;
}

/**
 * meter_spend() - Count what the source sent
 * @m:     meter
 * @bytes: sum of frame lengths of the turn, whatever became of the frames
 *
 * Context: the worker that polls the source.
 */
void meter_spend(struct meter *m, uint64_t bytes)
{
	if (m->rate_Bps)
		m->tokens_bytes -= (int64_t)bytes;
}

/**
 * meter_wait() - When to look at the source again
 * @m:   meter
 * @now: tick
 *
 * Return: ticks until meter_room() is above 0 again; 0 if it is now.
 * Context: the worker that polls the source.
 */
uint64_t meter_wait(const struct meter *m, uint64_t now)
{
	struct meter then = *m;

	if (meter_room(&then, now))
		return 0;
	return (uint64_t)(((unsigned __int128)(1 - then.tokens_bytes) * then.hz - then.rest +
			   then.rate_Bps - 1) /
			  then.rate_Bps);
}
