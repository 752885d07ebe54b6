/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket of storm control, as a virtual schedule: ITU-T I.371, generic cell rate algorithm. */
#include "veb/storm.h"

#include "base/util.h"

#define FRACTION 16 /* parts of a tick: rates that do not divide the clock hold, too */

/**
 * storm_take() - Spend a token for one frame
 * @due:  bucket, one of struct storm; other workers may draw from it at the same time
 * @rate: frames a second, 1..@hz * 16
 * @hz:   ticks a second of the clock behind @now
 * @now:  tick; workers may be a little apart
 *
 * The bucket holds what a second brings, so @rate frames may come at once, and in
 * the long run no more than @rate a second. A changed rate is in force at once.
 *
 * Return: true if the frame may pass; false if not (nothing is spent).
 * Context: a worker. Never blocks.
 */
bool storm_take(uint64_t *due, uint32_t rate, uint64_t hz, uint64_t now)
{
	uint64_t full = hz * FRACTION, step = full / rate, was, next;

	now *= FRACTION;
	was = __atomic_load_n(due, __ATOMIC_RELAXED);
	do {
		uint64_t ahead = was - now;

		if (ahead > 2 * full) /* in the past, however long ago: no bucket is that empty */
			ahead = 0;
		if (ahead + step > full)
			return false;
		next = now + ahead + step;
	} while (!__atomic_compare_exchange_n(due, &was, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}
