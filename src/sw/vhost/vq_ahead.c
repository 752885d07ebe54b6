/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To ask the caches for what vq_deliver() will read of many rings, in rounds: what one asked for
 * the next reads. Hints only: what is read here of a guest's memory, or of a ring that others
 * fill, is stale at worst, and names memory of that guest to fetch, no more.
 */
#include "sw/vhost/vq_priv.h"

#define FETCH_MAX 4u /* frames of one ring; a train has its own look ahead */

static inline uint16_t next_of(const struct vq *v)
{
	return __atomic_load_n(&v->avail_next, __ATOMIC_RELAXED);
}

/* What the position alone tells. */
static inline void ring_fetch(const struct vq *v)
{
	uint16_t next = next_of(v);

	if (v->is_packed) {
		copy_prefetch_write(&v->packed[next & VQ_INDEX]);
		copy_prefetch_write(&v->done[next & VQ_INDEX]);
		copy_prefetch_write(v->mark);
		copy_prefetch(v->driver);
		return;
	}
	copy_prefetch(&v->avail->idx);
	copy_prefetch(&v->avail->ring[next & v->mask]);
	copy_prefetch(&v->used->ring[__atomic_load_n(&v->used_next, __ATOMIC_RELAXED) & v->mask]);
	copy_prefetch_write(&v->used->idx);
	if (v->event_idx)
		copy_prefetch(&v->avail->ring[v->mask + 1]);
}

/* The descriptor that comes @k behind the next. */
static inline const struct vring_desc *desc_of(const struct vq *v, uint32_t k)
{
	uint32_t at = next_of(v) + k;

	if (v->is_packed)
		return &v->desc[(at & VQ_INDEX) % vq_size(v)];
	return &v->desc[GUEST_READ(v->avail->ring[at & v->mask]) & v->mask];
}

/* Where its frame will be written. Both layouts have address and length in the same place. */
static inline void place_fetch(const struct vq *v, uint32_t k)
{
	struct vring_desc d = desc_read(desc_of(v, k));
	uint32_t region = 0;
	uint8_t *at = gmem_at(v->mem, &region, d.addr, d.len);

	if (at)
		place_prefetch(at);
}

/**
 * vq_fetch() - Ask for what delivery to rings will read
 * @ahead: rings to guests, which may be touched now
 * @n:     how many
 *
 * Context: any worker; others may deliver to the same rings.
 */
void vq_fetch(const struct vq_ahead *ahead, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		ring_fetch(ahead[i].ring);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < MIN(ahead[i].n, FETCH_MAX); k++)
			copy_prefetch(desc_of(ahead[i].ring, k));
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < MIN(ahead[i].n, FETCH_MAX); k++)
			place_fetch(ahead[i].ring, k);
}
