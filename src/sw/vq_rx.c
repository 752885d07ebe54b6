/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of frames into a guest's receive ring: the one copy of each delivered
 * frame. Slots are leased for the whole batch before the first copy.
 */
#include "sw/vq_priv.h"

/* virtio-net header and Ethernet header as the receiver gets them; returns their length. */
static unsigned int head_write(uint8_t *to, const struct port_item *it, const struct frame *f,
			       uint32_t can, uint16_t n_chains)
{
	struct offload_hdr h = offload_header(f, port_tags_len(it), can);

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &n_chains, sizeof(n_chains));
	return VQ_HDR_LEN + frame_header(f, it->tags, to + VQ_HDR_LEN);
}

/* The copy of the common frame: headers from our own copy, payload from the sender's memory. */
static inline void fill_plain(uint8_t *to, const struct frame *f)
{
	static const uint8_t one_buffer[16] = { [10] = 1 }; /* num_buffers; then 4 bytes to spare */

	copy_16(to, one_buffer);
	memcpy(to + VQ_HDR_LEN, f, 8);
	memcpy(to + VQ_HDR_LEN + FRAME_HDR_LEN - 8, (const uint8_t *)f + FRAME_HDR_LEN - 8, 8);
	copy_bytes(to + VQ_HDR_LEN + FRAME_HDR_LEN, f->data.base, f->data.len);
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

/* Chains leased for one frame. */
struct chains {
	struct frame_seg segs[VQ_CHAIN_MAX];
	unsigned int n_segs;
	uint64_t room; /* bytes */
	uint16_t n;
};

/*
 * Take chains until @need bytes fit; chain_use() already said how much of each.
 * 0, or why the frame is dropped; then the ring is as before, except that a
 * malformed chain is given back empty.
 */
static int chains_lease(struct vq *v, uint32_t need, struct chains *c)
{
	uint16_t avail_was = v->avail_next, used_was = v->used_next;
	struct vq_chain chain, first = { 0 };
	int n, why = -DROP_NO_BUFFER;

	c->n_segs = 0;
	c->room = 0;
	c->n = 0;
	while (c->room < need) {
		uint64_t room = 0;

		if (c->n_segs == VQ_CHAIN_MAX || !chain_next(v, &chain))
			goto undo_leases;
		if (c->n && !v->mergeable) {
			why = -DROP_OVERSIZE;
			goto undo_leases;
		}
		if (!c->n)
			first = chain;
		n = chain_read(v, &chain, VRING_DESC_F_WRITE, &c->segs[c->n_segs],
			       VQ_CHAIN_MAX - c->n_segs);
		if (n <= 0)
			goto give_first_back;
		for (int i = 0; i < n; i++)
			room += c->segs[c->n_segs++].len;
		chain_use(v, &chain, (uint32_t)MIN(room, (uint64_t)need - c->room));
		c->room += room;
		c->n++;
	}
	return 0;

give_first_back: /* empty, else the guest would never get past it */
	why = -DROP_MALFORMED;
undo_leases:
	v->avail_next = avail_was;
	v->used_next = used_was;
	if (why == -DROP_MALFORMED)
		chain_use(v, &first, 0);
	return why;
}

/* Any frame into any chains. 0, or minus the reason of the drop. */
static int deliver_chains(struct vq *v, const struct port_item *it, const struct frame *f)
{
	uint8_t head[VQ_HDR_LEN + FRAME_HDR_MAX];
	struct chains c;
	struct cursor at = { c.segs, 0 };
	int rc;

	rc = chains_lease(v, VQ_HDR_LEN + f->len + port_tags_len(it), &c);
	if (rc)
		return rc;
	cursor_put(&at, head, head_write(head, it, f, v->can, c.n));
	cursor_put(&at, f->data.base, f->data.len);
	for (unsigned int i = 0; i < f->n_more; i++)
		cursor_put(&at, f->more[i].base, f->more[i].len);
	return 0;
}

/* A frame brought down for this receiver, piece by piece. */
struct lowered {
	struct vq *v;
	const struct port_item *it;
	unsigned int n; /* pieces delivered */
	int why;	/* minus the reason of the first drop; 0: none */
};

static bool deliver_piece(void *arg, const struct frame *piece)
{
	struct lowered *l = arg;

	l->why = deliver_chains(l->v, l->it, piece);
	l->n += !l->why;
	return !l->why;
}

/* The uncommon frame of an item. */
static void deliver_slow(struct vq *v, struct port_batch *b, const struct port_item *it,
			 const struct frame *f)
{
	int rc;

	if (offload_needs(f) & ~v->can) {
		struct lowered l = { .v = v, .it = it };

		rc = offload_lower(f, b->scratch, deliver_piece, &l);
		if (rc)
			rc = -DROP_OFFLOAD;
		else if (!l.n)
			rc = l.why;
	} else {
		rc = deliver_chains(v, it, f);
	}
	if (rc < 0)
		port_dropped(b, it, (enum drop) - rc);
	else
		port_delivered(b, it, f);
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
		at = gmem_in(&region, d.addr, d.len);
		if (unlikely(!at)) {
			at = gmem_at(v->mem, &v->last_region, d.addr, d.len);
			if (!at)
				break;
			region = v->mem->regions[v->last_region];
		}
		used_write(&used[(used_next + i) & mask], head, need);
		copy_prefetch_write(at);
		copy_prefetch_write(at + 64);
		out[i] = at;
	}
	v->avail_next += (uint16_t)i;
	v->used_next += (uint16_t)i;
	return i;
}

static inline unsigned int lease_run(struct vq *v, const struct frame *f, unsigned int n,
				     uint32_t overhead, uint8_t **out)
{
	return v->is_packed ? packed_lease(v, f, n, overhead, out) :
			      split_lease(v, f, n, overhead, out);
}

/* First pass: a place for every frame, NULL where the slow way was gone or it was dropped. */
static void lease_all(struct vq *v, struct port_batch *b, uint8_t **leases)
{
	unsigned int left = v->broken ? 0 : vq_available(v);

	for (unsigned int k = 0; k < b->n; k++) {
		const struct port_item *it = &b->items[k];

		for (unsigned int i = 0; i < it->n; i++) {
			unsigned int n = lease_run(v, it->frame + i, MIN(it->n - i, left),
						   VQ_HDR_LEN + port_tags_len(it), leases);

			i += n;
			leases += n;
			left -= v->is_packed ? 0 : n;
			if (i == it->n)
				break;
			*leases++ = NULL;
			if (!left || v->broken)
				port_dropped(b, it, v->broken ? DROP_NOT_READY : DROP_NO_BUFFER);
			else
				deliver_slow(v, b, it, it->frame + i);
			left = v->broken ? 0 : vq_available(v);
		}
	}
}

/**
 * vq_deliver() - Put a batch of frames into a guest's receive ring
 * @v: ring
 * @b: batch; see struct port_ops, tx()
 *
 * Slots are leased for all, then the copies are made, then the used index is
 * published once and the driver interrupted once, if it wants.
 *
 * Context: any worker; several may deliver to one ring.
 */
void vq_deliver(struct vq *v, struct port_batch *b)
{
	uint8_t *leases[PORT_BATCH], **lease = leases;
	uint64_t packets = 0, bytes = 0;
	const struct port_item *it;
	const struct frame *f;
	uint16_t from, to;

	spin_lock(&v->lock);
	from = v->used_next;
	lease_all(v, b, leases);
	to = v->used_next;
	spin_unlock(&v->lock);
	port_batch_each(b, it, f)
	{
		uint8_t *at = *lease++;

		if (unlikely(!at))
			continue;
		if (likely(frame_is_plain(f) && !(it->tags[0] | it->tags[1])))
			fill_plain(at, f);
		else
			fill_any(v, at, it, f);
		if (unlikely(it->mirror || frame_is_multicast(f))) {
			port_delivered(b, it, f);
			continue;
		}
		packets++;
		bytes += f->len + port_tags_len(it);
	}
	veb_count(&b->stats->rx_packets, packets);
	veb_count(&b->stats->rx_bytes, bytes);
	used_publish(v, from, to);
}
