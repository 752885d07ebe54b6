/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of frames into a guest's receive ring: the one copy of each delivered
 * frame. Slots are leased for the whole batch before the first copy.
 */
#include "sw/vhost/vq_priv.h"

/* virtio-net header and Ethernet header as the receiver gets them; returns their length. */
static unsigned int head_write(uint8_t *to, const struct port_item *it, const struct frame *f,
			       uint32_t can, uint16_t n_chains)
{
	struct offload_hdr h = offload_header(f, port_tags_len(it), can);

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &n_chains, sizeof(n_chains));
	return VQ_HDR_LEN + frame_header(f, it->tags, to + VQ_HDR_LEN);
}

static const uint8_t one_buffer[16] = { [10] = 1 }; /* num_buffers; then 4 bytes to spare */

/* The header of the common frame into a line of its own, if it is not there since a lap ago. */
static inline void fill_header_apart(uint8_t *to)
{
	if (unlikely(memcmp(to, one_buffer, VQ_HDR_LEN)))
		memcpy(to, one_buffer, VQ_HDR_LEN);
}

/* The copy of the common frame: headers from our own copy, payload from the sender's memory. */
static inline void fill_plain(uint8_t *to, const struct frame *f, const uint32_t tags[2])
{
	if (header_is_apart(to))
		fill_header_apart(to);
	else
		copy_16(to, one_buffer);
	to += VQ_HDR_LEN;
	if (likely(!tags[0])) {
		memcpy(to, f, 8);
		memcpy(to + FRAME_HDR_LEN - 8, (const uint8_t *)f + FRAME_HDR_LEN - 8, 8);
		to += FRAME_HDR_LEN;
	} else {
		to += frame_header(f, tags, to);
	}
	copy_bytes(to, f->data.base, f->data.len);
}

static void fill_any(const struct vq *v, uint8_t *to, const struct port_item *it,
		     const struct frame *f)
{
	to += head_write(to, it, f, v->can, 1);
	copy_bytes(to, f->data.base, f->data.len);
	to += f->data.len;
	for (unsigned int i = 0; i < f->n_more; i++) {
		copy_bytes(to, f->more[i].base, f->more[i].len);
		to += f->more[i].len;
	}
}

/* A place in a list of writable segments. */
struct cursor {
	const struct frame_seg *seg;
	uint32_t off;
};

/* The list has room for all of it: the caller counted. */
static void cursor_put(struct cursor *c, const uint8_t *from, uint32_t len)
{
	while (len) {
		uint32_t part = MIN(c->seg->len - c->off, len);

		copy_bytes((uint8_t *)(uintptr_t)c->seg->base + c->off, from, part);
		from += part;
		len -= part;
		c->off += part;
		if (c->off == c->seg->len)
			*c = (struct cursor){ c->seg + 1, 0 };
	}
}

static_assert(PORT_SCRATCH >= OFFLOAD_SCRATCH, "frames are lowered there");

#define POOL (2 * (1 + VQ_CHAIN_MAX)) /* so that one more frame of any kind fits a pool half full */

/*
 * Where the frames of a batch go, taken before the first is copied. One of at[] is the only buffer
 * of its frame; or it points into the pool: to a head whose len is the number of chains, and behind
 * it their segments. No chains: the frame is dealt with.
 */
struct leases {
	uint8_t *at[PORT_BATCH];
	struct frame_seg pool[POOL]; /* the first is for all that is dealt with */
	unsigned int n_pool;
	bool full;  /* the ring took all it could: what is behind these was dropped */
	bool lower; /* what is behind these is to be lowered first */
};

static inline bool in_pool(const struct leases *l, const uint8_t *at)
{
	return (uintptr_t)at - (uintptr_t)l->pool < sizeof(l->pool);
}

/*
 * Take chains until @need bytes fit; chain_use() already said how much of each. Their segments go
 * behind @head, room for VQ_CHAIN_MAX of them. Returns segments; or minus the reason why the frame
 * is dropped, and the ring is as before, except that a malformed chain is given back empty.
 */
static int chains_lease(struct vq *v, uint32_t need, struct frame_seg *head)
{
	uint16_t avail_was = v->avail_next, used_was = v->used_next;
	struct vq_chain chain = { 0 }, first = { 0 };
	unsigned int n_segs = 0, n_chains = 0, walked = 0;
	uint64_t room = 0;
	int n, why = -DROP_NO_BUFFER;

	while (room < need) {
		uint64_t before = room;

		if (n_segs == VQ_CHAIN_MAX || !chain_next(v, &chain))
			goto undo_leases;
		walked += chain.n;
		if (n_chains && !v->mergeable) {
			why = -DROP_OVERSIZE;
			goto undo_leases;
		}
		if (!n_chains++)
			first = chain;
		n = chain_read(v, &chain, VRING_DESC_F_WRITE, &head[1 + n_segs],
			       VQ_CHAIN_MAX - n_segs);
		if (n <= 0)
			goto give_first_back;
		for (int i = 0; i < n; i++)
			room += head[1 + n_segs++].len;
		chain_use(v, &chain, (uint32_t)MIN(room, (uint64_t)need) - (uint32_t)before);
	}
	*head = (struct frame_seg){ NULL, n_chains };
	return (int)n_segs;

give_first_back: /* empty, else the guest would never get past it */
	why = -DROP_MALFORMED;
undo_leases:
	v->waste += MAX(n_segs, walked);
	vq_go_on(v, avail_was, used_was);
	if (why == -DROP_MALFORMED)
		chain_use(v, &first, 0);
	return why;
}

/* Any frame into the chains behind @head. */
static void fill_chains(const struct vq *v, const struct frame_seg *head,
			const struct port_item *it, const struct frame *f)
{
	uint8_t bytes[VQ_HDR_LEN + FRAME_HDR_MAX];
	struct cursor at = { head + 1, 0 };

	cursor_put(&at, bytes, head_write(bytes, it, f, v->can, (uint16_t)head->len));
	cursor_put(&at, f->data.base, f->data.len);
	for (unsigned int i = 0; i < f->n_more; i++)
		cursor_put(&at, f->more[i].base, f->more[i].len);
}

/* The uncommon frame of an item: a place in the pool, or it is dealt with. */
static uint8_t *lease_slow(struct vq *v, struct port_batch *b, const struct port_item *it,
			   const struct frame *f, struct leases *l)
{
	struct frame_seg *head = &l->pool[l->n_pool];
	int n = chains_lease(v, VQ_HDR_LEN + f->len + port_tags_len(it), head);

	if (n < 0) {
		port_dropped(b, it, f, (enum drop) - n);
		return (uint8_t *)l->pool;
	}
	l->n_pool += 1 + (unsigned int)n;
	return (uint8_t *)head;
}

/*
 * Take one writable descriptor for each of @n frames, until one does not fit so simply;
 * the places go to @out. Returns how many; none of them is accounted yet.
 */
static unsigned int split_lease(struct vq *v, const struct frame *f, unsigned int n,
				uint32_t overhead, uint8_t **out)
{
	struct gmem_region region = v->mem->regions[v->last_region];
	const uint16_t *ring = v->avail->ring;
	const struct vring_desc *desc = v->desc;
	struct vring_used_elem *used = v->used->ring;
	uint16_t next = v->avail_next, used_next = v->used_next, mask = v->mask;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint32_t head = GUEST_READ(ring[(next + i) & mask]);
		uint32_t need = f[i].len + overhead;
		struct vring_desc d;
		uint8_t *at;

		if (unlikely(head > mask || offload_needs(&f[i]) & ~v->can))
			break;
		d = desc_read(&desc[head]);
		if (unlikely(d.flags != VRING_DESC_F_WRITE || d.len < need))
			break;
		at = buffer_at(v, &region, d.addr, d.len);
		if (unlikely(!at))
			break;
		used_write(&used[(used_next + i) & mask], head, need);
		place_prefetch(at);
		out[i] = at;
	}
	vq_go_on(v, (uint16_t)(next + i), (uint16_t)(used_next + i));
	return i;
}

/* Whether the driver cannot take a frame as it is. */
static inline bool is_lowered(const struct vq *v, const struct frame *f)
{
	return offload_needs(f) & ~v->can;
}

static inline unsigned int lease_run(struct vq *v, const struct frame *f, unsigned int n,
				     uint32_t overhead, uint8_t **out)
{
	return v->is_packed ? packed_lease(v, f, n, overhead, out)
			    : split_lease(v, f, n, overhead, out);
}

/* A place among the frames of a batch. */
struct place {
	unsigned int item, frame;
};

/*
 * First pass: a place for each frame from @from on, while the pool and the ring last, up to one
 * that this driver cannot take as it is. Returns where it ends. A ring that cost too much for
 * nothing gets no more the slow way in this batch: whoever delivers has others to serve.
 */
static struct place lease_all(struct vq *v, struct port_batch *b, struct place from,
			      struct leases *l)
{
	unsigned int left = v->broken ? 0 : vq_available(v), i = from.frame;
	uint8_t **at = l->at;

	l->pool[0].len = 0;
	l->n_pool = 1;
	l->full = l->lower = false;
	for (unsigned int k = from.item; k < b->n; k++, i = 0) {
		const struct port_item *it = &b->items[k];

		while (i < it->n) {
			unsigned int n = lease_run(v, it->frame + i, MIN(it->n - i, left),
						   VQ_HDR_LEN + port_tags_len(it), at);

			i += n;
			at += n;
			left -= n;
			if (i == it->n)
				break;
			if (l->n_pool > POOL / 2)
				return (struct place){ k, i };
			if (!left || v->broken) { /* a full ring is full for the rest as well */
				port_drop_rest(b, it, it->frame + i,
					       v->broken ? DROP_NOT_READY : DROP_NO_BUFFER);
				l->full = true;
				return (struct place){ k, i };
			}
			if (unlikely(is_lowered(v, it->frame + i))) {
				l->lower = true;
				return (struct place){ k, i };
			}
			if (likely(v->waste < VQ_WASTE_MAX)) {
				*at++ = lease_slow(v, b, it, it->frame + i++, l);
			} else {
				port_dropped(b, it, it->frame + i++, DROP_NO_BUFFER);
				*at++ = (uint8_t *)l->pool;
			}
			left = v->broken ? 0 : vq_available(v);
		}
	}
	return (struct place){ b->n, 0 };
}

/* Second pass: copy the frames from @from to @to to their places. */
static void copy_all(struct vq *v, struct port_batch *b, struct place from, struct place to,
		     const struct leases *l)
{
	uint64_t packets = 0, bytes = 0, groups[2] = { 0, 0 };
	uint8_t *const *lease = l->at;

	for (unsigned int k = from.item, i = from.frame; k < b->n && k <= to.item; k++, i = 0) {
		const struct port_item *it = &b->items[k];
		unsigned int end = k == to.item ? to.frame : it->n;
		uint64_t before = packets;

		for (; i < end; i++) {
			const struct frame *f = it->frame + i;
			uint8_t *at = *lease++;

			if (unlikely(in_pool(l, at))) {
				const struct frame_seg *head = (const void *)at;

				if (!head->len)
					continue;
				fill_chains(v, head, it, f);
			} else if (likely(frame_is_plain(f))) {
				fill_plain(at, f, it->tags);
			} else {
				fill_any(v, at, it, f);
			}
			packets++;
			bytes += f->len + port_tags_len(it);
			if (unlikely(frame_is_multicast(f)))
				groups[frame_is_broadcast(f)]++;
		}
		if (unlikely(it->mirror))
			veb_count(&b->mirrors[VEB_MARK_SLOT(it->mirror)].mirrored,
				  packets - before);
	}
	veb_count(&b->stats->rx_packets, packets);
	veb_count(&b->stats->rx_bytes, bytes);
	if (unlikely(groups[0] | groups[1])) {
		veb_count(&b->stats->rx_multicast, groups[0]);
		veb_count(&b->stats->rx_broadcast, groups[1]);
	}
}

/*
 * The frames from @at on, in rounds of what fits the pool. Returns where it ends: behind the last,
 * or at one that is to be lowered. @waste: segments read for nothing so far, of the whole batch.
 */
static struct place deliver_from(struct vq *v, struct port_batch *b, struct place at,
				 uint32_t *waste)
{
	struct leases leases;
	struct place end;
	uint16_t from, to;

	do {
		spin_lock(&v->lock);
		from = v->used_next;
		v->waste = *waste;
		end = lease_all(v, b, at, &leases);
		*waste = v->waste;
		to = v->used_next;
		spin_unlock(&v->lock);
		copy_all(v, b, at, end, &leases);
		used_publish(v, from, to);
		at = end;
	} while (at.item < b->n && !leases.full && !leases.lower);
	return leases.full ? (struct place){ b->n, 0 } : at;
}

/*
 * A frame brought down for this driver, while nobody waits for us: its pieces are frames as others.
 * It counts as one, delivered as soon as one of them was.
 */
static void deliver_lowered(struct vq *v, struct port_batch *b, const struct port_item *it,
			    const struct frame *f, uint32_t *waste)
{
	struct frame pieces[OFFLOAD_PIECES];
	struct port_item item = { pieces, { it->tags[0], it->tags[1] }, 0, 0, false };
	struct vf_stats stats = { 0 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats };
	struct offload_cut cut;
	unsigned int why = 0;

	b->extra += f->len; /* to copy it before it is cut */
	if (offload_begin(&cut, f, b->scratch)) {
		port_dropped(b, it, f, DROP_OFFLOAD);
		return;
	}
	while (!stats.rx_dropped &&
	       (item.n = (uint16_t)offload_next(&cut, pieces, OFFLOAD_PIECES)))
		deliver_from(v, &batch, (struct place){ 0, 0 }, waste);
	b->extra += cut.done * PORT_COPY_COST;
	if (stats.rx_packets) {
		port_delivered(b, it, f);
		return;
	}
	while (!stats.rx_drops[why])
		why++;
	port_dropped(b, it, f, why);
}

/*
 * A batch of one common frame, as when each frame of a burst is for somebody else: without the
 * steps that pay for many. False: it is another batch, or the ring has no such place; nothing was
 * done.
 */
static bool deliver_single(struct vq *v, struct port_batch *b)
{
	const struct port_item *it = b->items;
	const struct frame *f = it->frame;
	uint16_t from, to;
	uint8_t *at;

	if (b->n != 1 || it->n != 1 || it->mirror || !frame_is_plain(f) || frame_is_multicast(f))
		return false;
	spin_lock(&v->lock);
	from = v->used_next;
	if (!v->broken && vq_available(v))
		lease_run(v, f, 1, VQ_HDR_LEN + port_tags_len(it), &at);
	to = v->used_next;
	spin_unlock(&v->lock);
	if (from == to)
		return false;
	fill_plain(at, f, it->tags);
	veb_count(&b->stats->rx_packets, 1);
	veb_count(&b->stats->rx_bytes, f->len + port_tags_len(it));
	used_publish(v, from, to);
	return true;
}

/**
 * vq_deliver() - Put a batch of frames into a guest's receive ring
 * @v: ring
 * @b: batch; see struct port_ops, tx()
 *
 * Slots are leased for all, then the copies are made, then the used index is
 * published once and the driver interrupted once, if it wants. A frame that the driver
 * cannot take as it is ends a round, and is brought down between two.
 *
 * Context: any worker; several may deliver to one ring.
 */
void vq_deliver(struct vq *v, struct port_batch *b)
{
	uint32_t waste = 0;
	struct place at;

	if (deliver_single(v, b))
		return;
	at = deliver_from(v, b, (struct place){ 0, 0 }, &waste);
	while (unlikely(at.item < b->n)) {
		const struct port_item *it = &b->items[at.item];

		deliver_lowered(v, b, it, it->frame + at.frame++, &waste);
		if (at.frame == it->n)
			at = (struct place){ at.item + 1, 0 };
		at = deliver_from(v, b, at, &waste);
	}
}
