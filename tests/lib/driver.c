/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of split virtqueues (virtio 1.2, 2.7.13, 2.7.14). */
#include "lib/driver.h"

#include <assert.h>
#include <string.h>

/**
 * driver_alloc() - Guest memory, zeroed, never freed
 * @mem:   guest memory with room
 * @size:  bytes
 * @align: a power of two
 *
 * Return: where it is here.
 */
void *driver_alloc(struct driver_mem *mem, uint64_t size, uint64_t align)
{
	uint64_t at = (mem->used + align - 1) & ~(align - 1);

	assert(at + size <= mem->size);
	mem->used = at + size;
	memset(mem->base + at, 0, size);
	return mem->base + at;
}

/**
 * driver_gpa() - What the guest calls an address of ours
 * @mem: guest memory
 * @at:  inside it
 *
 * Return: guest-physical address.
 */
uint64_t driver_gpa(const struct driver_mem *mem, const void *at)
{
	return DRIVER_GPA + (uint64_t)((const uint8_t *)at - mem->base);
}

/**
 * driver_ring_init() - An empty ring in guest memory
 * @r:    ring; end it with driver_ring_fini()
 * @mem:  guest memory, borrowed
 * @size: descriptors, a power of two
 */
void driver_ring_init(struct driver_ring *r, struct driver_mem *mem, uint32_t size)
{
	*r = (struct driver_ring){
		.mem = mem,
		.desc = driver_alloc(mem, 16ull * size, 16),
		.avail = driver_alloc(mem, 6 + 2ull * size, 4096),
		.used = driver_alloc(mem, 6 + 8ull * size, 4096),
		.size = size,
		.free = (uint16_t)size,
		.chain_len = calloc(size, sizeof(uint16_t)),
		.tables = calloc(size, sizeof(struct vring_desc *)),
	};
	assert(r->chain_len && r->tables);
}

/** driver_ring_reset() - Begin anew in the same memory, as a driver that is loaded again */
void driver_ring_reset(struct driver_ring *r)
{
	r->avail->idx = r->used->idx = 0;
	r->avail->flags = r->used->flags = 0;
	r->next_desc = r->seen = 0;
	r->free = (uint16_t)r->size;
	memset(r->chain_len, 0, r->size * sizeof(r->chain_len[0]));
}

/** driver_ring_fini() - Forget a ring; its memory stays the guest's */
void driver_ring_fini(struct driver_ring *r)
{
	free(r->chain_len);
	free(r->tables);
}

static uint16_t flags_of(bool write, bool next)
{
	return (uint16_t)((write ? VRING_DESC_F_WRITE : 0) | (next ? VRING_DESC_F_NEXT : 0));
}

/**
 * driver_add() - Offer one chain of buffers to the device
 * @r:     ring
 * @bufs:  array of @n
 * @n:     buffers, at least 1
 * @write: the device writes them; else it reads
 * @how:   descriptors of the ring, or one that stands for a table
 *
 * The device sees it at once (avail->idx moves).
 *
 * Return: the head descriptor, or -1: no descriptor is free.
 */
int driver_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n, bool write,
	       enum driver_how how)
{
	unsigned int need = how == DRIVER_INDIRECT ? 1 : n, mask = r->size - 1;
	uint16_t head = r->next_desc & (uint16_t)mask;
	struct vring_desc *table = r->desc;
	unsigned int first = head;

	if (need > r->free)
		return -1;
	if (how == DRIVER_INDIRECT) {
		assert(n <= DRIVER_TABLE);
		if (!r->tables[head])
			r->tables[head] = driver_alloc(r->mem, 16ull * DRIVER_TABLE, 16);
		table = r->tables[head];
		first = 0;
		r->desc[head] = (struct vring_desc){ driver_gpa(r->mem, table), 16 * n,
						     VRING_DESC_F_INDIRECT, 0 };
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = how == DRIVER_INDIRECT ? i : (first + i) & mask;

		table[at] = (struct vring_desc){
			.addr = driver_gpa(r->mem, bufs[i].at), .len = bufs[i].len,
			.flags = flags_of(write, i + 1 < n),
			.next = (uint16_t)(how == DRIVER_INDIRECT ? i + 1 : (at + 1) & mask),
		};
	}
	r->chain_len[head] = (uint16_t)need;
	r->next_desc = (uint16_t)(r->next_desc + need);
	r->free = (uint16_t)(r->free - need);
	r->avail->ring[r->avail->idx & mask] = head;
	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1), __ATOMIC_RELEASE);
	return head;
}

/**
 * driver_pop() - Take back one chain the device is done with
 * @r:    ring
 * @head: gets its head descriptor
 * @len:  gets the bytes the device wrote
 *
 * Return: false if there is none.
 */
bool driver_pop(struct driver_ring *r, uint32_t *head, uint32_t *len)
{
	const struct vring_used_elem *u;

	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->seen)
		return false;
	u = &r->used->ring[r->seen & (r->size - 1)];
	*head = u->id;
	*len = u->len;
	r->seen++;
	assert(*head < r->size && r->chain_len[*head]);
	r->free = (uint16_t)(r->free + r->chain_len[*head]);
	r->chain_len[*head] = 0;
	return true;
}
