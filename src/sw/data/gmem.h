/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory as we have it mapped: regions of guest-physical addresses.
 * Every address a guest names goes through gmem_at(), with its length.
 */
#ifndef ANYVF_SW_DATA_GMEM_H
#define ANYVF_SW_DATA_GMEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

#define GMEM_REGIONS_MAX 64

struct gmem_region {
	uint64_t gpa;  /* first guest-physical address */
	uint64_t size; /* bytes */
	uint8_t *host; /* where it is mapped here */
};

/* Writer: the vhost thread, while all rings of the device are stopped. */
struct gmem {
	unsigned int n;
	struct gmem_region regions[GMEM_REGIONS_MAX];
};

/*
 * Comes behind every read of guest memory. In a build of tests it plays the guest that rewrites its
 * memory just then, so that a second read of the same shows every time; else it is nothing.
 */
#ifdef GUEST_HOOK
void guest_hook(void);
#else
static inline void guest_hook(void)
{
}
#endif

/* After this the compiler cannot go back to guest memory for what was copied from it. */
static inline void guest_copy_done(void)
{
	__asm__ volatile("" : : : "memory");
	guest_hook();
}

/* A guest field that is read exactly once: the guest may change it at any time. */
#define GUEST_READ(x)                                                           \
	({                                                                      \
		__typeof__(x) once_ = *(const volatile __typeof__(x) *)&(x);    \
		guest_hook();                                                   \
		once_;                                                          \
	})

static inline uint8_t *gmem_in(const struct gmem_region *r, uint64_t gpa, uint32_t len)
{
	uint64_t off = gpa - r->gpa;

	return likely(off < r->size && len <= r->size - off) ? r->host + off : NULL;
}

/*
 * Our address of @len bytes (at least 1) at @gpa, all inside one region; NULL if
 * they are not. @last is the caller's cache: the region that matched before.
 */
static inline uint8_t *gmem_at(const struct gmem *m, uint32_t *last, uint64_t gpa, uint32_t len)
{
	uint8_t *at = gmem_in(&m->regions[*last], gpa, len);

	if (likely(at))
		return at;
	for (uint32_t i = 0; i < m->n; i++) {
		at = gmem_in(&m->regions[i], gpa, len);
		if (at) {
			*last = i;
			return at;
		}
	}
	return NULL;
}

/* Whether our own bytes @at..@at + @size lie inside one region. */
static inline bool gmem_holds(const struct gmem *m, const void *at, uint64_t size)
{
	for (uint32_t i = 0; i < m->n; i++) {
		uint64_t off = (uintptr_t)at - (uintptr_t)m->regions[i].host;

		if (off < m->regions[i].size && size <= m->regions[i].size - off)
			return true;
	}
	return false;
}

#endif
