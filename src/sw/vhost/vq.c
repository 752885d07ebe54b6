/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues from the device's side: reading chains, and bursts of frames out of
 * a guest's transmit ring. A burst is parsed whole before the first byte is
 * copied, so that the misses on guest memory overlap; a used index is published
 * once a burst.
 */
#include "sw/vhost/vq_priv.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian");
static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

static bool split_init(struct vq *v, const struct vq_conf *conf)
{
	uint64_t n = conf->size, event = v->event_idx ? 2 : 0;

	if (!n || n > VQ_SIZE_MAX || n & (n - 1) || (uintptr_t)conf->desc % 16 ||
	    (uintptr_t)conf->driver % 2 || (uintptr_t)conf->device % 4)
		return false;
	if (!gmem_holds(conf->mem, conf->desc, 16 * n) ||
	    !gmem_holds(conf->mem, conf->driver, 4 + 2 * n + event) ||
	    !gmem_holds(conf->mem, conf->device, 4 + 8 * n + event))
		return false;
	v->desc = conf->desc;
	v->avail = conf->driver;
	v->used = conf->device;
	v->avail_next = conf->avail_next;
	v->used_next = v->published = conf->used_next;
	return true;
}

/**
 * vq_init() - Begin with a ring where its last user stopped
 * @v:    ring
 * @conf: where it is; addresses are ours
 *
 * Return: false, and @v stays unusable, if the parts are not aligned or do not lie
 * in the guest's memory whole (virtio 1.2, 2.7 and 2.8), or the size is not allowed.
 * Context: any thread, while no worker uses @v.
 */
bool vq_init(struct vq *v, const struct vq_conf *conf)
{
	*v = (struct vq){
		.mem = conf->mem,
		.mask = (uint16_t)(conf->size - 1),
		.call_fd = conf->call_fd,
		.can = offload_of_features(conf->features),
		.mergeable = conf->features & 1ull << VIRTIO_NET_F_MRG_RXBUF,
		.event_idx = conf->features & 1ull << VIRTIO_RING_F_EVENT_IDX,
		.is_packed = conf->features & 1ull << VIRTIO_F_RING_PACKED,
	};
	v->broken = v->is_packed ? !packed_init(v, conf) : !split_init(v, conf);
	return !v->broken;
}

/**
 * vq_arm() - Ask the driver to kick when it adds buffers, or not to
 * @v:  ring
 * @on: true: kick
 *
 * Return: true if buffers are waiting already, of which no kick will tell.
 * Context: the worker of the ring, or whoever has it stopped.
 */
bool vq_arm(struct vq *v, bool on)
{
	if (unlikely(v->broken))
		return false;
	if (v->is_packed)
		*(volatile uint16_t *)&v->device->flags =
			on ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE;
	else if (!v->event_idx)
		*(volatile uint16_t *)&v->used->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
	else if (on) /* once it is passed it asks for nothing more (virtio 1.2, 2.7.10.1) */
		*(volatile uint16_t *)(void *)&v->used->ring[v->mask + 1] = v->avail_next;
	if (!on)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* before looking (virtio 1.2, 2.7.10) */
	return v->is_packed ? packed_offers(v) : GUEST_READ(v->avail->idx) != v->avail_next;
}

/**
 * vq_waiting() - Buffers that the driver offers and nobody took
 * @v: ring that runs
 *
 * Return: at most the ring's size; of a driver that lies anything up to that.
 * Context: any thread that keeps the ring running; what workers do meanwhile is seen or not.
 */
unsigned int vq_waiting(const struct vq *v)
{
	uint16_t n;

	if (v->broken)
		return 0;
	if (v->is_packed)
		return packed_waiting(v);
	n = (uint16_t)(GUEST_READ(v->avail->idx) -
		       __atomic_load_n(&v->avail_next, __ATOMIC_RELAXED));
	return MIN(n, v->mask + 1u);
}

/**
 * vq_is_blank() - Has no driver ever put anything into a ring?
 * @v: ring
 *
 * Return: true if it is as zeroed memory is.
 * Context: a worker; the ring runs.
 */
bool vq_is_blank(const struct vq *v)
{
	static const struct vring_desc none;

	if (v->broken || memcmp(v->desc, &none, sizeof(none)))
		return false;
	return v->is_packed || !GUEST_READ(v->avail->idx);
}

/* The table behind an indirect descriptor (virtio 1.2, 2.7.5.3), NULL: refused. */
static const struct vring_desc *table_of(struct vq *v, const struct vring_desc *d,
					 uint32_t *size)
{
	if (d->flags & VRING_DESC_F_NEXT || !d->len || d->len % sizeof(*d))
		return NULL;
	*size = d->len / sizeof(*d);
	return (const void *)gmem_at(v->mem, &v->last_region, d->addr, d->len);
}

/*
 * Descriptors of the ring from our copy of the head on, the last of which may stand for a table of
 * further ones. Every segment is counted, so a loop ends where a legal chain must (virtio 1.2,
 * 2.7.5.3.1). As chain_read().
 */
static int split_read(struct vq *v, struct vring_desc d, uint16_t flag, struct frame_seg *out,
		      unsigned int max)
{
	unsigned int n = 0, longest = MIN((unsigned int)v->mask + 1, (unsigned int)VQ_CHAIN_MAX);
	const struct vring_desc *table = v->desc;
	uint32_t size = (uint32_t)v->mask + 1;
	bool nested = false;

	for (;;) {
		if (d.flags & VRING_DESC_F_INDIRECT) {
			table = nested ? NULL : table_of(v, &d, &size);
			if (!table)
				break;
			nested = true;
			d = desc_read(table);
			continue;
		}
		if (n == longest)
			break;
		if (n == max)
			return -1;
		if (!seg_of(v, &d, flag, &out[n++]))
			break;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return (int)n;
		if (d.next >= size)
			break;
		d = desc_read(&table[d.next]);
	}
	v->waste += n;
	return 0;
}

/**
 * chain_read() - All segments of a chain the driver offers
 * @v:    ring
 * @c:    chain
 * @flag: VRING_DESC_F_WRITE: all are writable; 0: all are readable
 * @out:  array of @max
 * @max:  segments wanted at most
 *
 * Return: segments; 0: malformed; -1: more than @max.
 * Context: the worker of the ring.
 */
int chain_read(struct vq *v, const struct vq_chain *c, uint16_t flag, struct frame_seg *out,
	       unsigned int max)
{
	if (v->is_packed)
		return packed_read(v, c, flag, out, max);
	return split_read(v, desc_read(&v->desc[c->id]), flag, out, max);
}

/* Copies the first bytes of @n segments to @to; returns how many, at most @len. */
static uint32_t segs_peek(const struct frame_seg *segs, unsigned int n, uint8_t *to, uint32_t len)
{
	uint32_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		uint32_t part = MIN(segs[i].len, len - done);

		memcpy(to + done, segs[i].base, part);
		done += part;
	}
	guest_copy_done();
	return done;
}

/* Counts a frame by its header bytes (a private copy). Returns 0: nothing of it is used. */
static unsigned int head_refused(struct port_burst *b, enum drop why, const uint8_t *head,
				 uint64_t total)
{
	uint64_t len = total > VQ_HDR_LEN ? total - VQ_HDR_LEN : 0;

	port_refused(b, why, head + VQ_HDR_LEN,
		     (unsigned int)MIN(len, (uint64_t)(VQ_HEAD_LEN - VQ_HDR_LEN)),
		     (uint32_t)MIN(len, (uint64_t)UINT32_MAX));
	return 0;
}

/* Header bytes (a private copy) to frame members. Returns bytes to skip, 0: refused. */
static unsigned int head_parse(struct port_burst *b, struct frame *f, const uint8_t *head,
			       uint64_t total)
{
	struct offload_hdr h;
	unsigned int eth;

	if (unlikely(total < VQ_HDR_LEN + FRAME_HDR_LEN))
		return head_refused(b, DROP_RUNT, head, total);
	if (unlikely(total > VQ_HDR_LEN + FRAME_LEN_MAX))
		return head_refused(b, DROP_OVERSIZE, head, total);
	eth = (unsigned int)frame_parse(f, head + VQ_HDR_LEN, (uint32_t)total - VQ_HDR_LEN);
	memcpy(&h, head, sizeof(h));
	if (!eth)
		return head_refused(b, DROP_RUNT, head, total);
	if (!frame_set_offload(f, h.flags, h.gso_type, h.gso_size, h.csum_start, h.csum_offset))
		return head_refused(b, DROP_MALFORMED, head, total);
	return VQ_HDR_LEN + eth;
}

/* The tag of a frame that was taken as if it had none: into f->tag. False: it has two. */
static bool take_tag(struct frame *f)
{
	uint16_t tag[2]; /* TCI, and the type behind it */

	memcpy(tag, f->data.base, sizeof(tag));
	guest_copy_done();
	f->tag = (uint32_t)ntohs(f->type) << 16 | ntohs(tag[0]);
	f->type = tag[1];
	f->len -= FRAME_TAG_LEN;
	f->data.base += FRAME_TAG_LEN;
	f->data.len -= FRAME_TAG_LEN;
	return !frame_is_tpid(f->type);
}

/* The second tag of a frame, if any, into the burst: veb judges by it. @segs: n_more + 1. */
static void take_inner(struct port_burst *b, struct frame *f, struct frame_seg *segs)
{
	if (likely(!frame_is_tpid(f->type)))
		return;
	frame_own_inner(f, b->inner[b->n], segs);
	guest_copy_done();
}

/*
 * The common frame: asks for no offload and has a tag at most. Its header is read with three
 * loads, checked and stored from registers. @len: VQ_HEAD_LEN at least. False: it is another kind,
 * nothing happened.
 */
static inline bool take_plain(struct frame *f, const uint8_t *at, uint32_t len)
{
	uint64_t dst, src;
	uint16_t offload;

	memcpy(&offload, at, sizeof(offload)); /* flags, gso_type */
	memcpy(&dst, at + VQ_HDR_LEN, sizeof(dst));
	memcpy(&src, at + VQ_HDR_LEN + MAC_LEN, sizeof(src)); /* and the type */
	guest_copy_done();
	if (unlikely(offload))
		return false;
	memcpy(f, &dst, sizeof(dst));
	memcpy((uint8_t *)f + MAC_LEN, &src, sizeof(src));
	f->hdr_len = 0;
	memset(&f->tag, 0, offsetof(struct frame, len) - offsetof(struct frame, tag));
	f->len = len - VQ_HDR_LEN;
	f->gso_size = f->csum_start = 0;
	f->data.base = at + VQ_HDR_LEN + FRAME_HDR_LEN;
	f->data.len = len - VQ_HDR_LEN - FRAME_HDR_LEN;
	f->csum_offset = 0;
	return likely(!frame_is_tpid(f->type)) || take_tag(f);
}

/*
 * Any frame in one descriptor of at least VQ_HEAD_LEN bytes. False: no room for a segment in this
 * burst; leave it for the next.
 */
static bool take_single(struct port_burst *b, const uint8_t *at, uint32_t len)
{
	struct frame *f = &b->frames[b->n];
	uint8_t head[VQ_HEAD_LEN];
	unsigned int skip;

	if (unlikely(b->n_segs == PORT_SEGS))
		return false;
	memcpy(head, at, VQ_HEAD_LEN);
	guest_copy_done();
	skip = head_parse(b, f, head, len);
	if (unlikely(!skip))
		return true;
	f->data = (struct frame_seg){ at + skip, len - skip };
	f->n_more = 0;
	take_inner(b, f, &b->segs[b->n_segs]);
	frame_set_hdr_len(f);
	guest_copy_done();
	b->n_segs += f->n_more;
	b->n++;
	return true;
}

/*
 * Any chain. False: no room for its segments in this burst, or too many were read for nothing
 * already; leave it for the next.
 */
static bool take_chain(struct vq *v, struct port_burst *b, const struct vq_chain *c)
{
	struct frame_seg *segs = &b->segs[b->n_segs];
	struct frame *f = &b->frames[b->n];
	uint8_t head[VQ_HEAD_LEN] = { 0 };
	unsigned int skip, i = 0;
	uint64_t total = 0;
	int n;

	if (v->waste >= VQ_WASTE_MAX)
		return false;
	n = chain_read(v, c, 0, segs, PORT_SEGS - b->n_segs);
	if (n < 0 && (b->n || b->n_segs))
		return false;
	if (n <= 0) {
		port_refused(b, DROP_MALFORMED, NULL, 0, 0);
		return true;
	}
	for (int k = 0; k < n; k++)
		total += segs[k].len;
	segs_peek(segs, (unsigned int)n, head, VQ_HEAD_LEN);
	skip = head_parse(b, f, head, total);
	if (!skip)
		return true;
	while (i < (unsigned int)n - 1 && skip >= segs[i].len)
		skip -= segs[i++].len;
	f->data = (struct frame_seg){ segs[i].base + skip, segs[i].len - skip };
	f->more = &segs[i + 1];
	f->n_more = (uint16_t)(n - 1 - (int)i);
	take_inner(b, f, &segs[i]);
	frame_set_hdr_len(f);
	guest_copy_done();
	b->n_segs += (unsigned int)n;
	b->n++;
	return true;
}

/*
 * First pass: read descriptors and start the fetch of every frame's first lines. Used entries are
 * written with it: the driver sees none of them before used_publish().
 */
static unsigned int split_take(struct vq *v, struct vq_taken *out, unsigned int n)
{
	struct gmem_region region = v->mem->regions[v->last_region];
	struct vring_used_elem *used = v->used->ring;
	const uint16_t *ring = v->avail->ring;
	const struct vring_desc *desc = v->desc;
	uint16_t next = v->avail_next, used_next = v->used_next, mask = v->mask;

	for (unsigned int i = 0; i < n; i++) {
		uint16_t head = GUEST_READ(ring[(next + i) & mask]);
		struct vq_taken *t = &out[i];
		struct vring_desc d;

		if (unlikely(head > mask)) {
			vq_break(v);
			return i;
		}
		d = desc_read(&desc[head]);
		t->at = NULL;
		t->len = d.len;
		t->chain.id = head;
		used_write(&used[(used_next + i) & mask], head, 0);
		if (!desc_is_usual(d.flags, d.len))
			continue;
		t->at = buffer_at(v, &region, d.addr, d.len);
		taken_prefetch(t);
	}
	return n;
}

/* The uncommon frame. False: no room for its segments in this burst. */
static bool take_slow(struct vq *v, struct port_burst *b, const struct vq_taken *t)
{
	return t->at ? take_single(b, t->at, t->len) : take_chain(v, b, &t->chain);
}

/**
 * vq_take() - Take a burst of frames out of a guest's transmit ring
 * @v: ring
 * @b: burst; see struct port_ops, rx()
 *
 * Frames that make no sense are counted in b->drops and their buffers go back
 * with the others; one that makes no sense at length ends the burst. A ring that
 * makes no sense is marked broken and yields no more.
 *
 * Return: frames in b->frames.
 * Context: the worker of the ring. Payload stays valid until vq_give_back().
 */
unsigned int vq_take(struct vq *v, struct port_burst *b)
{
	unsigned int available, n, i, got = b->n;
	struct vq_taken taken[PORT_BURST];
	uint64_t bytes = 0;

	if (unlikely(v->broken))
		return 0;
	if (v->is_packed) {
		n = packed_take(v, taken, b->max);
		available = n < b->max ? n : n + 1; /* it may be that there are more */
	} else {
		available = vq_available(v);
		n = split_take(v, taken, MIN(available, b->max));
	}
	v->waste = 0;
	for (i = 0; i < n && bytes < b->max_bytes; i++) {
		const struct vq_taken *t = &taken[i];

		if (likely(t->at && take_plain(&b->frames[got], t->at, t->len))) {
			bytes += t->len - VQ_HDR_LEN;
			got++;
		} else {
			b->n = got;
			if (!take_slow(v, b, t))
				break;
			bytes += b->n > got ? b->frames[got].len : 0;
			got = b->n;
		}
	}
	b->n = got;
	b->more = i < available && !v->broken;
	if (v->is_packed) {
		v->avail_next = v->used_next = i ? taken[i - 1].chain.next : v->avail_next;
	} else {
		v->avail_next += (uint16_t)i;
		v->used_next += (uint16_t)i;
	}
	return got;
}

/**
 * vq_give_back() - The copies are made: let the guest have its buffers back
 * @v: ring that vq_take() took from
 *
 * Context: the worker of the ring.
 */
void vq_give_back(struct vq *v)
{
	used_publish(v, v->published, v->used_next);
}
