/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of virtqueues (virtio 1.2, 2.7.13, 2.7.14, 2.8.21, 2.8.22). */
#include "lib/driver.h"

#include <assert.h>
#include <string.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  0x8000u /* in a position of a packed ring */
#define INDEX 0x7fffu

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

static void ring_init(struct driver_ring *r, struct driver_mem *mem, uint32_t size, bool packed)
{
	*r = (struct driver_ring){
		.mem = mem,
		.desc = driver_alloc(mem, 16ull * size, 16),
		.avail = driver_alloc(mem, packed ? 4 : 6 + 2ull * size, packed ? 4 : 4096),
		.used = driver_alloc(mem, packed ? 4 : 6 + 8ull * size, packed ? 4 : 4096),
		.size = size,
		.is_packed = packed,
		.chain_len = calloc(size, sizeof(uint16_t)),
		.tables = calloc(size, sizeof(void *)),
	};
	assert(r->chain_len && r->tables);
	driver_ring_reset(r);
}

/**
 * driver_ring_init() - An empty split ring in guest memory
 * @r:    ring; end it with driver_ring_fini()
 * @mem:  guest memory, borrowed
 * @size: descriptors, a power of two
 */
void driver_ring_init(struct driver_ring *r, struct driver_mem *mem, uint32_t size)
{
	ring_init(r, mem, size, false);
}

/** driver_ring_init_packed() - An empty packed ring in guest memory; any size to 32768 */
void driver_ring_init_packed(struct driver_ring *r, struct driver_mem *mem, uint32_t size)
{
	ring_init(r, mem, size, true);
}

/** driver_ring_reset() - Begin anew in the same memory, as a driver that is loaded again */
void driver_ring_reset(struct driver_ring *r)
{
	memset(r->desc, 0, 16ul * r->size);
	memset(r->avail, 0, 4);
	memset(r->used, 0, 4);
	r->next_desc = r->seen = r->is_packed ? WRAP : 0;
	r->n_out = r->kicked = r->next_id = 0;
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

/* The table of an indirect chain, filled by either layout's rules. */
static void *table_make(struct driver_ring *r, uint16_t id, const struct driver_buf *bufs,
			unsigned int n, bool write)
{
	struct vring_desc *split;
	struct vring_packed_desc *packed;

	assert(n <= DRIVER_TABLE);
	if (!r->tables[id])
		r->tables[id] = driver_alloc(r->mem, 16ull * DRIVER_TABLE, 16);
	split = r->tables[id];
	packed = r->tables[id];
	for (unsigned int i = 0; i < n; i++) {
		uint64_t gpa = driver_gpa(r->mem, bufs[i].at);

		if (r->is_packed)
			packed[i] = (struct vring_packed_desc){ gpa, bufs[i].len, 0,
								flags_of(write, false) };
		else
			split[i] = (struct vring_desc){ gpa, bufs[i].len, flags_of(write, i + 1 < n),
							(uint16_t)(i + 1) };
	}
	return r->tables[id];
}

static int split_put(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n,
		     bool write, enum driver_how how)
{
	unsigned int mask = r->size - 1;
	uint16_t head = r->next_desc & (uint16_t)mask;

	if (how == DRIVER_INDIRECT) {
		void *table = table_make(r, head, bufs, n, write);

		r->desc[head] = (struct vring_desc){ driver_gpa(r->mem, table), 16 * n,
						     VRING_DESC_F_INDIRECT, 0 };
		n = 1;
	}
	for (unsigned int i = 0; how == DRIVER_DIRECT && i < n; i++) {
		unsigned int at = (head + i) & mask;

		r->desc[at] = (struct vring_desc){ driver_gpa(r->mem, bufs[i].at), bufs[i].len,
						   flags_of(write, i + 1 < n),
						   (uint16_t)((at + 1) & mask) };
	}
	r->chain_len[head] = (uint16_t)n;
	r->next_desc = (uint16_t)(r->next_desc + n);
	r->avail->ring[r->avail->idx & mask] = head;
	return head;
}

static uint16_t pos_add(const struct driver_ring *r, uint16_t pos, unsigned int n)
{
	unsigned int index = (pos & INDEX) + n;

	return (uint16_t)((pos & WRAP) ^ (index >= r->size ? WRAP | (index - r->size) : index));
}

/* Ids are not positions: taken in a stride of their own, so that nobody can take one for the other. */
static uint16_t id_take(struct driver_ring *r)
{
	uint16_t id = r->next_id;

	while (r->chain_len[id])
		id = (uint16_t)((id + 1u) % r->size);
	r->next_id = (uint16_t)((id + 7u) % r->size);
	return id;
}

static int packed_put(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n,
		      bool write, enum driver_how how)
{
	struct driver_buf table = { NULL, 16 * n };
	uint16_t id = id_take(r), also = flags_of(write, false);

	if (how == DRIVER_INDIRECT) {
		table.at = table_make(r, id, bufs, n, write);
		bufs = &table;
		n = 1;
		also = VRING_DESC_F_INDIRECT;
	}
	r->chain_len[id] = (uint16_t)n;
	r->head_at = r->next_desc & INDEX;
	for (unsigned int i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->packed[r->next_desc & INDEX];
		uint16_t flags = also | flags_of(false, i + 1 < n);

		flags |= r->next_desc & WRAP ? AVAIL : USED;
		d->addr = driver_gpa(r->mem, bufs[i].at);
		d->len = bufs[i].len;
		d->id = i + 1 < n ? (uint16_t)(id ^ 0x5555) : id; /* only the last one's counts */
		if (i)
			d->flags = flags;
		else
			r->head_flags = flags;
		r->next_desc = pos_add(r, r->next_desc, 1);
	}
	return id;
}

/**
 * driver_put() - Write one chain of buffers into the ring
 * @r:     ring
 * @bufs:  array of @n
 * @n:     buffers, at least 1
 * @write: the device writes them; else it reads
 * @how:   descriptors of the ring, or one that stands for a table
 *
 * The device does not see it before driver_show(), which comes before the next chain.
 *
 * Return: what driver_pop() will call it (head, or buffer id), or -1: no descriptor is free.
 */
int driver_put(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n, bool write,
	       enum driver_how how)
{
	unsigned int need = how == DRIVER_INDIRECT ? 1 : n;

	if (need > r->free)
		return -1;
	r->free = (uint16_t)(r->free - need);
	r->n_out++;
	return r->is_packed ? packed_put(r, bufs, n, write, how) : split_put(r, bufs, n, write, how);
}

/** driver_show() - Offer the chain of the last driver_put() to the device */
void driver_show(struct driver_ring *r)
{
	if (r->is_packed)
		__atomic_store_n(&r->packed[r->head_at].flags, r->head_flags, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1), __ATOMIC_RELEASE);
}

/** driver_add() - driver_put() and driver_show() */
int driver_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n, bool write,
	       enum driver_how how)
{
	int head = driver_put(r, bufs, n, write, how);

	if (head >= 0)
		driver_show(r);
	return head;
}

static bool used_at(const struct driver_ring *r, uint16_t pos)
{
	uint16_t flags = __atomic_load_n(&r->packed[pos & INDEX].flags, __ATOMIC_ACQUIRE);

	return (flags & (AVAIL | USED)) == (pos & WRAP ? AVAIL | USED : 0);
}

/** driver_pending() - Whether the device is done with a chain that driver_pop() did not take yet */
bool driver_pending(const struct driver_ring *r)
{
	if (r->is_packed)
		return r->n_out && used_at(r, r->seen);
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->seen;
}

/**
 * driver_pop() - Take back one chain the device is done with
 * @r:    ring
 * @head: gets what driver_put() called it
 * @len:  gets the bytes the device wrote
 *
 * Return: false if there is none.
 */
bool driver_pop(struct driver_ring *r, uint32_t *head, uint32_t *len)
{
	if (!driver_pending(r))
		return false;
	if (r->is_packed) {
		const struct vring_packed_desc *d = &r->packed[r->seen & INDEX];

		*head = d->id;
		*len = d->len;
		assert(*head < r->size && r->chain_len[*head]);
		r->seen = pos_add(r, r->seen, r->chain_len[*head]);
	} else {
		const struct vring_used_elem *u = &r->used->ring[r->seen++ & (r->size - 1)];

		*head = u->id;
		*len = u->len;
		assert(*head < r->size && r->chain_len[*head]);
	}
	r->free = (uint16_t)(r->free + r->chain_len[*head]);
	r->chain_len[*head] = 0;
	r->n_out--;
	return true;
}

/** driver_want_interrupt() - Ask for one at the next used chain; true: there is one already */
bool driver_want_interrupt(struct driver_ring *r)
{
	if (r->is_packed && r->event_idx) {
		r->driver->off_wrap = r->seen;
		__atomic_store_n(&r->driver->flags, VRING_PACKED_EVENT_FLAG_DESC, __ATOMIC_RELEASE);
	} else if (r->is_packed) {
		r->driver->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	} else if (r->event_idx) {
		r->avail->ring[r->size] = r->seen;
	} else {
		r->avail->flags = 0;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return driver_pending(r);
}

/** driver_wants_kick() - Whether the device asked to hear of what was added since the last time */
bool driver_wants_kick(struct driver_ring *r)
{
	uint16_t was = r->kicked;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->is_packed) /* our device does not ask for a certain descriptor */
		return *(volatile uint16_t *)&r->device->flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	r->kicked = r->avail->idx;
	if (r->event_idx)
		return vring_need_event(*(volatile uint16_t *)(void *)&r->used->ring[r->size],
					r->kicked, was);
	return !(*(volatile uint16_t *)&r->used->flags & VRING_USED_F_NO_NOTIFY);
}

/** driver_used_pos() - Up to where the device says it is done, popped or not */
uint16_t driver_used_pos(const struct driver_ring *r)
{
	uint16_t pos = r->seen;

	if (!r->is_packed)
		return r->used->idx;
	for (unsigned int i = 0; i < r->n_out && used_at(r, pos); i++)
		pos = pos_add(r, pos, r->chain_len[r->packed[pos & INDEX].id]);
	return pos;
}
