/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is different in packed virtqueues (virtio 1.2, 2.8): one ring of descriptors, in which the
 * driver offers chains and we write back which are used. Whether a descriptor is offered is said by
 * two of its flags and a wrap counter on either side.
 *
 * The driver's descriptors are left as they are until their chain is shown as used, one after the
 * other: so the ring is whole at every instant, and whoever comes after a crash needs only to know
 * how far it is (struct vq_mark).
 */
#include <sys/random.h>

#include "sw/vhost/vq_priv.h"

static_assert(sizeof(struct vring_packed_desc) == 16, "virtio 1.2, 2.8.13");
static_assert(sizeof(struct vq_mark) == 8, "is stored at once");

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  VQ_WRAP
#define INDEX VQ_INDEX

/* Flags of a descriptor that is offered in this lap (virtio 1.2, 2.8.1). */
static inline uint16_t flags_offered(uint16_t pos)
{
	return pos & WRAP ? AVAIL : USED;
}

/* The position @n descriptors behind @pos in a ring of @size; @n at most that. */
static inline uint16_t pos_add(unsigned int size, uint16_t pos, unsigned int n)
{
	unsigned int index = (pos & INDEX) + n;

	return (uint16_t)((pos & WRAP) ^ (index >= size ? WRAP | (index - size) : index));
}

/* Our copy of a descriptor, its flags read first; next is its buffer id. */
static inline struct vring_desc packed_desc(const struct vring_packed_desc *at)
{
	struct vring_desc d;
	uint64_t tail = __atomic_load_n((const uint64_t *)(const void *)&at->len, __ATOMIC_ACQUIRE);

	guest_hook();
	d.addr = GUEST_READ(at->addr);
	d.len = (uint32_t)tail;
	d.next = (uint16_t)(tail >> 32);
	d.flags = (uint16_t)(tail >> 48);
	return d;
}

static inline bool desc_offered(const struct vring_desc *d, uint16_t pos)
{
	return (d->flags & (AVAIL | USED)) == flags_offered(pos);
}

/* A number that is in no ring by chance: drivers begin with zeros. */
static uint16_t cookie_make(void)
{
	uint16_t cookie = 0;

	(void)!getrandom(&cookie, sizeof(cookie), GRND_NONBLOCK);
	return cookie | 1;
}

/*
 * Where to go on: as the mark says if it is of this ring, else as the front end says. The driver
 * offers a descriptor with USED of the lap before; once it was shown as used, it says that of its
 * own lap, also when the driver offers it again.
 */
static struct vq_mark packed_restore(const struct vq_conf *c)
{
	const struct vring_packed_desc_event *device = c->device;
	const struct vring_packed_desc *ring = c->desc;
	struct vq_mark m = *c->mark;

	if (!m.cookie || m.size != c->size || (m.last & INDEX) >= m.size ||
	    GUEST_READ(device->off_wrap) != m.cookie)
		return (struct vq_mark){ c->avail_next, c->avail_next, (uint16_t)c->size,
					 cookie_make() };
	if (m.last != m.next &&
	    !(GUEST_READ(ring[m.last & INDEX].flags) & USED) != !(m.last & WRAP))
		m.next = m.last; /* stopped between mark and ring */
	return m;
}

/**
 * packed_init() - Begin with a packed ring; see vq_init()
 * @v:    ring, zeroed but for what both layouts share
 * @conf: where it is
 *
 * Return: false if the parts do not lie in the guest's memory whole, aligned as virtio 1.2, 2.8.10
 * says, or the position is outside the ring.
 */
bool packed_init(struct vq *v, const struct vq_conf *conf)
{
	uint32_t n = conf->size;

	if (!n || n > VQ_SIZE_MAX || (uintptr_t)conf->desc % 16 || (uintptr_t)conf->driver % 4 ||
	    (uintptr_t)conf->device % 4)
		return false;
	if (!gmem_holds(conf->mem, conf->desc, 16ull * n) ||
	    !gmem_holds(conf->mem, conf->driver, 4) || !gmem_holds(conf->mem, conf->device, 4))
		return false;
	*conf->mark = packed_restore(conf);
	if ((conf->mark->next & INDEX) >= n) {
		conf->mark->cookie = 0;
		return false;
	}
	v->packed = conf->desc;
	v->driver = conf->driver;
	v->device = conf->device;
	*(volatile uint16_t *)&v->device->off_wrap = conf->mark->cookie;
	v->done = conf->done;
	v->mark = conf->mark;
	v->avail_next = v->used_next = v->published = conf->mark->next;
	return true;
}

/** packed_offers() - Whether the driver offers a chain */
bool packed_offers(const struct vq *v)
{
	struct vring_desc d = packed_desc(&v->packed[v->avail_next & INDEX]);

	return desc_offered(&d, v->avail_next);
}

/**
 * packed_waiting() - Descriptors that are offered, from the next to be taken on
 * @v: ring
 *
 * They are one run, as a driver offers them in order (virtio 1.2, 2.8.6): its end is looked for by
 * halves.
 */
unsigned int packed_waiting(const struct vq *v)
{
	uint16_t from = __atomic_load_n(&v->avail_next, __ATOMIC_RELAXED);
	unsigned int size = vq_size(v), some = 0, many = size + 1;

	while (many - some > 1) {
		unsigned int half = (some + many) / 2;
		uint16_t pos = pos_add(size, from, half - 1);
		struct vring_desc d = packed_desc(&v->packed[pos & INDEX]);

		if (desc_offered(&d, pos))
			some = half;
		else
			many = half;
	}
	return some;
}

/*
 * The rest of the chain whose first descriptor is @d at @c->at; @left of the lap, that one too.
 * False: it runs into what is out (or is not offered whole while others publish), or never ends.
 */
static bool chain_walk(struct vq *v, struct vring_desc d, struct vq_chain *c, unsigned int left)
{
	unsigned int size = vq_size(v);

	for (c->n = 1; d.flags & VRING_DESC_F_NEXT; c->n++) {
		if (c->n >= left) {
			v->waste += c->n;
			if (left == size)
				vq_break(v);
			return false;
		}
		d = packed_desc(&v->packed[pos_add(size, c->at, c->n) & INDEX]);
	}
	c->id = d.next;
	c->next = pos_add(size, c->at, c->n);
	return true;
}

/** packed_next() - chain_next() of vq_priv.h */
bool packed_next(struct vq *v, struct vq_chain *c)
{
	struct vring_desc d = packed_desc(&v->packed[v->avail_next & INDEX]);
	unsigned int left = vq_left(v);

	c->at = v->avail_next;
	return left && desc_offered(&d, c->at) && chain_walk(v, d, c, left);
}

/* As packed_desc(), of a table: it may lie anywhere, and was whole before its chain was offered. */
static inline struct vring_desc entry_read(const uint8_t *at)
{
	struct vring_packed_desc e;

	memcpy(&e, at, sizeof(e));
	guest_copy_done();
	return (struct vring_desc){ e.addr, e.len, e.flags, e.id };
}

/* The table behind an indirect descriptor (virtio 1.2, 2.8.8). Returns as packed_read() does. */
static int table_read(struct vq *v, const struct vring_desc *d, uint16_t flag,
		      struct frame_seg *out, unsigned int max, unsigned int longest)
{
	const uint8_t *table;
	uint32_t n = d->len / sizeof(*d);

	if (!n || d->len % sizeof(*d) || n > longest)
		return 0;
	table = gmem_at(v->mem, &v->last_region, d->addr, d->len);
	if (!table)
		return 0;
	if (n > max)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		struct vring_desc e = entry_read(table + i * sizeof(*d));

		if (e.flags & VRING_DESC_F_INDIRECT || !seg_of(v, &e, flag, &out[i])) {
			v->waste += i;
			return 0;
		}
	}
	return (int)n;
}

/** packed_read() - chain_read() of vq.c, for a chain found before: it has the length it had then */
int packed_read(struct vq *v, const struct vq_chain *c, uint16_t flag, struct frame_seg *out,
		unsigned int max)
{
	unsigned int longest = MIN(vq_size(v), (unsigned int)VQ_CHAIN_MAX);
	unsigned int i, n = c->n, size = vq_size(v);
	int more = n > longest ? 0 : 1;

	for (i = 0; i < n && more > 0; i++) {
		struct vring_desc d = packed_desc(&v->packed[pos_add(size, c->at, i) & INDEX]);

		if (d.flags & VRING_DESC_F_INDIRECT) {
			more = i < n - 1 ? 0 : table_read(v, &d, flag, out + i, max - i,
							  longest - i);
			if (more > 0)
				return (int)i + more;
		} else if (i == max) {
			more = -1;
		} else {
			more = seg_of(v, &d, flag, &out[i]);
		}
	}
	if (more > 0)
		return (int)n;
	v->waste += more ? 0 : i;
	return more;
}

/* What packed_show() is to write for a chain: length, id, and how many descriptors it had. */
static inline uint64_t done_of(uint16_t id, uint16_t n, uint32_t len)
{
	return len | (uint64_t)id << 32 | (uint64_t)n << 48;
}

/** packed_use() - chain_use() of vq_priv.h */
void packed_use(struct vq *v, const struct vq_chain *c, uint32_t len)
{
	v->done[c->at & INDEX] = done_of(c->id, c->n, len);
	vq_go_on(v, c->next, c->next);
}

/**
 * packed_take() - First pass of vq_take(): find chains, start the fetch of their first lines
 * @v:   ring; avail_next does not move
 * @out: array of @max
 * @max: chains wanted
 *
 * Return: chains found, a lap of the ring at most; fewer than @max: no more are offered, the chains
 * were long, or the ring is broken.
 */
unsigned int packed_take(struct vq *v, struct vq_taken *out, unsigned int max)
{
	struct gmem_region region = v->mem->regions[v->last_region];
	const struct vring_packed_desc *ring = v->packed;
	uint64_t *done = v->done;
	unsigned int i, size = vq_size(v), left = vq_left(v), walked = 0;
	uint16_t pos = v->avail_next;

	max = MIN(max, left);
	for (i = 0; i < max && walked < VQ_WASTE_MAX; i++) {
		struct vring_desc d = packed_desc(&ring[pos & INDEX]);
		struct vq_taken *t = &out[i];

		if (!desc_offered(&d, pos))
			break;
		t->at = NULL;
		t->len = d.len;
		t->chain = (struct vq_chain){ d.next, pos, 1, pos_add(size, pos, 1) };
		if (unlikely(d.flags & VRING_DESC_F_NEXT)) {
			if (!chain_walk(v, d, &t->chain, left - i))
				break;
			done[pos & INDEX] = done_of(t->chain.id, t->chain.n, 0);
			pos = t->chain.next;
			walked += t->chain.n;
			left -= t->chain.n - 1u;
			max = MIN(max, left);
			continue;
		}
		done[pos & INDEX] = done_of(d.next, 1, 0);
		pos = pos_add(size, pos, 1);
		if (!desc_is_usual(d.flags, d.len))
			continue;
		t->at = buffer_at(v, &region, d.addr, d.len);
		taken_prefetch(t);
	}
	return i;
}

/** packed_lease() - split_lease() of vq_rx.c */
unsigned int packed_lease(struct vq *v, const struct frame *f, unsigned int n, uint32_t overhead,
			  uint8_t **out)
{
	struct gmem_region region = v->mem->regions[v->last_region];
	const struct vring_packed_desc *ring = v->packed;
	uint64_t *done = v->done;
	unsigned int i, size = vq_size(v);
	uint16_t pos = v->avail_next;

	for (i = 0; i < n; i++) {
		struct vring_desc d = packed_desc(&ring[pos & INDEX]);
		uint32_t need = f[i].len + overhead;
		uint8_t *at;

		if (unlikely(offload_needs(&f[i]) & ~v->can || !desc_offered(&d, pos)))
			break;
		if (unlikely((d.flags & ~(AVAIL | USED)) != VRING_DESC_F_WRITE || d.len < need))
			break;
		at = buffer_at(v, &region, d.addr, d.len);
		if (unlikely(!at))
			break;
		done[pos & INDEX] = done_of(d.next, 1, need);
		place_prefetch(at);
		out[i] = at;
		pos = pos_add(size, pos, 1);
	}
	vq_go_on(v, pos, pos);
	return i;
}

/**
 * packed_show() - Give chains back to the driver, in order
 * @v:    ring
 * @from: position of the first
 * @to:   position behind the last
 *
 * Each is one store, flags and all, and the mark is moved before it. They are as many as were
 * taken: should what was noted of them say otherwise, the ring is broken rather than walked on.
 *
 * Context: the worker whose turn it is.
 */
void packed_show(struct vq *v, uint16_t from, uint16_t to)
{
	const uint64_t *dones = v->done;
	struct vring_packed_desc *ring = v->packed;
	struct vq_mark m, *mark = v->mark;
	unsigned int size = vq_size(v), left = vq_between(v, from, to);

	m = *mark;
	for (uint16_t pos = from; left; pos = m.next, left--) {
		uint64_t done = dones[pos & INDEX], word;
		uint64_t flags = pos & WRAP ? AVAIL | USED : 0;

		flags |= (uint32_t)done ? VRING_DESC_F_WRITE : 0;
		m.last = pos;
		m.next = pos_add(size, pos, 1); /* the common chain need not wait for its length */
		if (unlikely(done >> 48 != 1)) {
			unsigned int n = (unsigned int)(done >> 48);

			if (n - 1 >= left) {
				vq_break(v);
				return;
			}
			m.next = pos_add(size, pos, n);
			left -= n - 1;
		}
		memcpy(&word, &m, sizeof(word));
		__atomic_store_n((uint64_t *)(void *)mark, word, __ATOMIC_RELAXED);
		__atomic_store_n((uint64_t *)(void *)&ring[pos & INDEX].len,
				 (done & 0xffffffffffff) | flags << 48, __ATOMIC_RELEASE);
	}
}

/**
 * packed_wants_interrupt() - Whether the driver asked to hear of chains used from @from up to @to
 * @v:    ring
 * @from: position of the first
 * @to:   position behind the last
 *
 * Source: virtio 1.2, 2.8.14 and 2.8.7.
 */
bool packed_wants_interrupt(const struct vq *v, uint16_t from, uint16_t to)
{
	uint32_t word =
		__atomic_load_n((const uint32_t *)(const void *)v->driver, __ATOMIC_RELAXED);
	uint16_t flags = word >> 16 & 3, event = word & INDEX;
	uint16_t n = (uint16_t)vq_between(v, from, to);

	guest_hook();
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !v->event_idx)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if ((word ^ to) & WRAP)
		event = (uint16_t)(event - vq_size(v));
	return vring_need_event(event, to & INDEX, (uint16_t)((to & INDEX) - n));
}
