/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source may have delivered in its turns. All get the same credit a turn
 * (deficit round robin, by what frames cost); a port with a minimum rate gets
 * more where that credit brings less than its rate is owed. So an overloaded
 * worker keeps minimum rates, and what is left, or not wanted, is everyone's.
 * Pure: the caller says what is owed, by the clock it has.
 */
#ifndef ANYVF_SW_DATA_PURSE_H
#define ANYVF_SW_DATA_PURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

#define PURSE_CREDIT   (256 * 1024) /* cost a source may have delivered in one turn, in bytes */
#define PURSE_OWED_MS  8	    /* a minimum rate claims at most so much of the past at once, */
#define PURSE_OWED_MAX (8u << 20)   /* and so many bytes: others and control wait meanwhile */

/* Of one source. Writer: the worker that polls it. */
struct purse {
	int64_t credit; /* cost; below 0: spent ahead, the next turns repay it */
	uint64_t owed;	/* bytes that the port's minimum rate claims in this turn */
	bool by_claim;	/* what was asked for last is paid by the claim */
};

/* A turn begins; @owed: bytes by the minimum rate, 0 without one. */
static inline void purse_open(struct purse *p, uint64_t owed)
{
	p->credit = MIN(p->credit + PURSE_CREDIT, (int64_t)PURSE_CREDIT);
	p->owed = MIN(owed, (uint64_t)PURSE_OWED_MAX);
}

/* What the next burst may take, in bytes of cost; 0 and below: the turn is over. */
static inline int64_t purse_budget(struct purse *p)
{
	p->by_claim = false;
	if (likely(p->credit > 0 || !p->owed))
		return p->credit;
	p->by_claim = true;
	return (int64_t)p->owed;
}

/*
 * A burst took @cost, where @plain were right for one copy a frame. A claim is for bytes, but copies
 * for many are not to be had for one's price: they shorten it.
 */
static inline void purse_charge(struct purse *p, int64_t cost, int64_t plain)
{
	if (likely(!p->by_claim))
		p->credit -= cost;
	else if (cost > plain)
		p->owed -= MIN(p->owed, (uint64_t)(cost - plain));
}

/* It had @bytes of frames: how many of them the claim had asked for. Whoever paid, they were sent. */
static inline uint64_t purse_serve(struct purse *p, uint64_t bytes)
{
	uint64_t served = MIN(p->owed, bytes);

	p->owed -= served;
	return served;
}

#endif
