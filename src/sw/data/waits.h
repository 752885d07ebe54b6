/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long frames waited: of one in WAIT_EVERY of a source, the time from the worker's last look
 * that found the source empty, so that the frame came later, until its receivers had it. It is the
 * most that the frame can have waited. No clock is read for it but for the one that is taken.
 */
#ifndef ANYVF_SW_DATA_WAITS_H
#define ANYVF_SW_DATA_WAITS_H

#include "sw/data/port.h"

#define WAIT_EVERY 4096u

/* A source begins: its first frame is taken, if it was seen empty before. */
static inline void wait_begin(struct port_queue *q)
{
	q->empty_at = 0;
	q->unsampled = WAIT_EVERY - 1;
}

/* @n more frames: is one of them to be taken, by wait_take()? */
static inline bool wait_due(struct port_queue *q, unsigned int n)
{
	q->unsampled += n;
	return unlikely(q->unsampled >= WAIT_EVERY);
}

void wait_take(struct port_queue *q, struct vf_stats *stats, uint64_t now, uint64_t hz);

#endif
