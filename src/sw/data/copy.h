/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one copy of a frame. Short ones (most frames) are done inline with
 * overlapping loads, so without a loop over bytes and without a call; long ones
 * are left to libc, which chose its instructions for this CPU at start.
 */
#ifndef ANYVF_SW_DATA_COPY_H
#define ANYVF_SW_DATA_COPY_H

#include <stdint.h>
#include <string.h>

#include "base/util.h"

#define COPY_INLINE 256 /* bytes; above, libc is as fast */

typedef long long copy_v16 __attribute__((vector_size(16), aligned(1), may_alias));

static inline void copy_16(uint8_t *to, const uint8_t *from)
{
	*(copy_v16 *)to = *(const copy_v16 *)from;
}

/*
 * @len bytes; touches nothing outside either range. The two may overlap when a
 * guest with two VFs wants to spoil its own frames: the bytes are its problem.
 */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, uint32_t len)
{
	if (likely(len - 16 <= 48)) { /* both ends, which may overlap; the common short frame */
		copy_16(to, from);
		if (len > 32) {
			copy_16(to + 16, from + 16);
			copy_16(to + len - 32, from + len - 32);
		}
		copy_16(to + len - 16, from + len - 16);
	} else if (len > 64 && len <= COPY_INLINE) {
		for (uint32_t i = 0; i + 16 < len; i += 16)
			copy_16(to + i, from + i);
		copy_16(to + len - 16, from + len - 16);
	} else if (len > COPY_INLINE) {
		memmove(to, from, len);
	} else if (len >= 8) {
		memcpy(to, from, 8);
		memcpy(to + len - 8, from + len - 8, 8);
	} else {
		for (uint32_t i = 0; i < len; i++)
			to[i] = from[i];
	}
}

/* Fetch a line we are about to read, or to write, that another core wrote last. */
static inline void copy_prefetch(const void *at)
{
	__builtin_prefetch(at, 0, 3);
}
static inline void copy_prefetch_write(void *at)
{
#ifdef __x86_64__
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
	__builtin_prefetch(at, 1, 3);
#endif
}

#endif
