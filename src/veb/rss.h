/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive side scaling (RSS): a hash of a frame's flow, by which a receiver's queue is chosen. The
 * Toeplitz hash with Microsoft's key, as NICs have it by default.
 */
#ifndef ANYVF_VEB_RSS_H
#define ANYVF_VEB_RSS_H

#include "veb/frame.h"

#define RSS_TUPLE 36 /* bytes of the longest: two IPv6 addresses and two ports */
#define RSS_WORDS 6

/* A flow that was hashed. */
struct rss_flow {
	uint64_t words
		[RSS_WORDS]; /* what tells it, of a plain IP header and ports; all 0: none yet */
	uint32_t hash;
};

uint32_t rss_toeplitz(const uint8_t *bytes, unsigned int len);
uint32_t rss_hash(const struct frame *f, struct rss_flow *last);

#endif
