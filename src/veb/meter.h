/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate limit as a shaper: tells how many bytes a source may send now, and
 * when it may again; nothing is dropped. A token bucket on a clock the caller
 * injects (TSC cycles, or anything else that counts ticks).
 */
#ifndef ANYVF_VEB_METER_H
#define ANYVF_VEB_METER_H

#include <stdbool.h>
#include <stdint.h>

/* One writer at a time: who shares it locks (struct dp_shaper). Zero bytes: no limit. */
struct meter {
	uint64_t rate_Bps;    /* bytes a second; 0: no limit */
	uint64_t hz;	      /* ticks a second */
	uint64_t burst_bytes; /* depth of the bucket */
	int64_t tokens_bytes; /* may be overdrawn by one turn; negative: wait */
	uint64_t filled_at;   /* tick up to which tokens were added */
	uint64_t rest;	      /* remainder of that division, below hz */
};

void meter_init(struct meter *m, uint32_t rate_mbit, uint32_t depth_ms, uint64_t hz, uint64_t now);
uint64_t meter_room(struct meter *m, uint64_t now);
void meter_spend(struct meter *m, uint64_t bytes);
uint64_t meter_wait(const struct meter *m, uint64_t now);

#endif
