/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/data/waits.h"

/**
 * wait_take() - Count how long the frames of this burst waited
 * @q:     their source; nothing is counted of one that was never seen empty, and the next is due
 * @stats: of its port, the worker's
 * @now:   TSC, when their receivers have them
 * @hz:    of the TSC
 *
 * Context: the worker of @q.
 */
void wait_take(struct port_queue *q, struct vf_stats *stats, uint64_t now, uint64_t hz)
{
	uint64_t ticks = now - MIN(q->empty_at, now);
	uint64_t ns = ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
	unsigned int i = 0;

	if (!q->empty_at)
		return;
	q->unsampled %= WAIT_EVERY;
	while (i < VF_WAITS - 1 && ns > vf_wait_ends[i])
		i++;
	veb_count(&stats->waits[i], 1);
	veb_count(&stats->wait_ns, ns);
}
