/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storm control: how many broadcast and multicast frames a second a port may
 * send. A token bucket in one word on a clock the caller injects, so that all
 * workers that poll a port draw from one bucket without a lock.
 */
#ifndef ANYVF_VEB_STORM_H
#define ANYVF_VEB_STORM_H

#include <stdbool.h>
#include <stdint.h>

enum storm_kind { STORM_BROADCAST, STORM_MULTICAST, STORM_KINDS };

/* The buckets of one port; all zero: full. Writers: all workers. */
struct storm {
	uint64_t due
		[STORM_KINDS]; /* atomic; when the bucket is full again, 1/16 ticks, modulo 2^64 */
};

bool storm_take(uint64_t *due, uint32_t rate, uint64_t hz, uint64_t now);

#endif
