/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues from the device's side: reading chains, and bursts of frames
 * out of a guest's transmit ring. A burst is parsed whole before the first byte is
 * copied, so that the misses on guest memory overlap; a used index is published
 * once a burst.
 */
#include "sw/vq_priv.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian");
static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

#define HEAD_LEN (VQ_HDR_LEN + FRAME_PARSE_LEN)

/**
 * vq_init() - Begin with a ring where its last user stopped
 * @v:    ring
 * @conf: where it is; addresses are ours
 *
 * Return: false, and @v stays unusable, if the parts are not aligned or do not lie
 * in the guest's memory whole (virtio 1.2, 2.7), or the size is no power of two.
 * Context: any thread, while no worker uses @v.
 */
bool vq_init(struct vq *v, const struct vq_conf *conf)
{
	uint32_t n = conf->size;

	memset(v, 0, sizeof(*v));
	v->broken = true;
	v->call_fd = -1;
	if (!n || n > VQ_SIZE_MAX || n & (n - 1) || (uintptr_t)conf->desc % 16 ||
	    (uintptr_t)conf->avail % 2 || (uintptr_t)conf->used % 4)
		return false;
	if (!gmem_holds(conf->mem, conf->desc, 16ull * n) ||
	    !gmem_holds(conf->mem, conf->avail, 4 + 2ull * n) ||
	    !gmem_holds(conf->mem, conf->used, 4 + 8ull * n))
		return false;
	*v = (struct vq){
		.desc = conf->desc, .avail = conf->avail, .used = conf->used, .mem = conf->mem,
		.mask = (uint16_t)(n - 1), .avail_next = conf->avail_next,
		.used_next = conf->used_next, .published = conf->used_next,
		.call_fd = conf->call_fd, .can = offload_of_features(conf->features),
		.mergeable = conf->features & 1ull << VIRTIO_NET_F_MRG_RXBUF,
	};
	return true;
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
	*(volatile uint16_t *)&v->used->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
	if (!on)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* flags before idx (virtio 1.2, 2.7.10) */
	return GUEST_READ(v->avail->idx) != v->avail_next;
}

/* One checked descriptor as a segment; its direction must be @flag. */
static bool seg_of(struct vq *v, const struct vring_desc *d, uint16_t flag, struct frame_seg *out)
{
	if (unlikely((d->flags & VRING_DESC_F_WRITE) != flag || !d->len))
		return false;
	out->base = gmem_at(v->mem, &v->last_region, d->addr, d->len);
	out->len = d->len;
	return out->base;
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

/**
 * vq_chain_read() - All segments of a descriptor chain
 * @v:    ring
 * @d:    our copy of its first descriptor
 * @flag: VRING_DESC_F_WRITE: all are writable; 0: all are readable
 * @out:  array of @max
 * @max:  segments wanted at most
 *
 * Descriptors of the ring, the last of which may stand for a table of further
 * ones. Every segment is counted, so a loop ends where a legal chain must (virtio
 * 1.2, 2.7.5.3.1).
 *
 * Return: segments; 0: malformed; -1: more than @max.
 * Context: the worker of the ring.
 */
int vq_chain_read(struct vq *v, struct vring_desc d, uint16_t flag, struct frame_seg *out,
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
				return 0;
			nested = true;
			d = desc_read(table);
			continue;
		}
		if (n == longest)
			return 0;
		if (n == max)
			return -1;
		if (!seg_of(v, &d, flag, &out[n++]))
			return 0;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return (int)n;
		if (d.next >= size)
			return 0;
		d = desc_read(&table[d.next]);
	}
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

/* Header bytes (a private copy) to frame members. Returns bytes to skip, 0: refused. */
static unsigned int head_parse(struct port_burst *b, struct frame *f, const uint8_t *head,
			       uint64_t total)
{
	struct offload_hdr h;
	unsigned int eth;

	if (unlikely(total < VQ_HDR_LEN + FRAME_HDR_LEN)) {
		b->drops[DROP_RUNT]++;
		return 0;
	}
	if (unlikely(total > VQ_HDR_LEN + FRAME_LEN_MAX)) {
		b->drops[DROP_OVERSIZE]++;
		return 0;
	}
	eth = (unsigned int)frame_parse(f, head + VQ_HDR_LEN, (uint32_t)total - VQ_HDR_LEN);
	memcpy(&h, head, sizeof(h));
	if (!eth) {
		b->drops[DROP_RUNT]++;
		return 0;
	}
	if (!frame_set_offload(f, h.flags, h.gso_type, h.hdr_len, h.gso_size, h.csum_start,
			       h.csum_offset)) {
		b->drops[DROP_MALFORMED]++;
		return 0;
	}
	return VQ_HDR_LEN + eth;
}

/*
 * The common frame: untagged, asks for no offload. Its header is read with three
 * loads, checked and stored from registers. False: it is another kind, nothing happened.
 */
static inline bool take_plain(struct frame *f, const uint8_t *at, uint32_t len)
{
	uint64_t dst, src;
	uint16_t offload;

	memcpy(&offload, at, sizeof(offload)); /* flags, gso_type */
	memcpy(&dst, at + VQ_HDR_LEN, sizeof(dst));
	memcpy(&src, at + VQ_HDR_LEN + MAC_LEN, sizeof(src)); /* and the type */
	guest_copy_done();
	if (unlikely(offload || frame_is_tpid((uint16_t)(src >> 48))))
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
	return true;
}

/* Any frame in one descriptor of at least HEAD_LEN bytes. */
static void take_single(struct port_burst *b, const uint8_t *at, uint32_t len)
{
	struct frame *f = &b->frames[b->n];
	uint8_t head[HEAD_LEN];
	unsigned int skip;

	memcpy(head, at, HEAD_LEN);
	guest_copy_done();
	skip = head_parse(b, f, head, len);
	if (unlikely(!skip))
		return;
	f->data = (struct frame_seg){ at + skip, len - skip };
	f->n_more = 0;
	b->n++;
}

/* Any chain. False: no room for its segments in this burst, leave it for the next. */
static bool take_chain(struct vq *v, struct port_burst *b, struct vring_desc d)
{
	struct frame_seg *segs = &b->segs[b->n_segs];
	struct frame *f = &b->frames[b->n];
	uint8_t head[HEAD_LEN] = { 0 };
	unsigned int skip, i = 0;
	uint64_t total = 0;
	int n;

	n = vq_chain_read(v, d, 0, segs, PORT_SEGS - b->n_segs);
	if (n < 0 && (b->n || b->n_segs))
		return false;
	if (n <= 0) {
		b->drops[DROP_MALFORMED]++;
		return true;
	}
	for (int k = 0; k < n; k++)
		total += segs[k].len;
	segs_peek(segs, (unsigned int)n, head, HEAD_LEN);
	skip = head_parse(b, f, head, total);
	if (!skip)
		return true;
	while (i < (unsigned int)n - 1 && skip >= segs[i].len)
		skip -= segs[i++].len;
	f->data = (struct frame_seg){ segs[i].base + skip, segs[i].len - skip };
	f->more = &segs[i + 1];
	f->n_more = (uint16_t)(n - 1 - (int)i);
	b->n_segs += (unsigned int)n;
	b->n++;
	return true;
}

struct taken {
	const uint8_t *at; /* of a single readable descriptor of usual length; NULL: any chain */
	uint32_t len;
	uint32_t head;
};

/* First pass: read descriptors and start the fetch of every frame's first lines. */
static unsigned int take_descs(struct vq *v, struct taken *out, unsigned int n)
{
	struct gmem_region region = v->mem->regions[v->last_region];
	const uint16_t *ring = v->avail->ring;
	const struct vring_desc *desc = v->desc;
	uint16_t next = v->avail_next, mask = v->mask;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t head = GUEST_READ(ring[(next + i) & mask]);
		struct vring_desc d;

		if (unlikely(head > mask)) {
			v->broken = true;
			return i;
		}
		d = desc_read(&desc[head]);
		out[i] = (struct taken){ NULL, d.len, head };
		if (unlikely(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE |
					VRING_DESC_F_INDIRECT) ||
			     d.len - HEAD_LEN > VQ_HDR_LEN + FRAME_LEN_MAX - HEAD_LEN))
			continue;
		out[i].at = gmem_in(&region, d.addr, d.len);
		if (unlikely(!out[i].at)) {
			out[i].at = gmem_at(v->mem, &v->last_region, d.addr, d.len);
			region = v->mem->regions[v->last_region];
			continue;
		}
		copy_prefetch(out[i].at);
		copy_prefetch(out[i].at + 64);
	}
	return n;
}

/* The uncommon frame. False: no room for its segments in this burst. */
static bool take_slow(struct vq *v, struct port_burst *b, const struct taken *t)
{
	if (!t->at)
		return take_chain(v, b, desc_read(&v->desc[t->head]));
	take_single(b, t->at, t->len);
	return true;
}

/**
 * vq_take() - Take a burst of frames out of a guest's transmit ring
 * @v: ring
 * @b: burst; see struct port_ops, rx()
 *
 * Frames that make no sense are counted in b->drops and their buffers go back
 * with the others. A ring that makes no sense is marked broken and yields no more.
 *
 * Return: frames in b->frames.
 * Context: the worker of the ring. Payload stays valid until vq_give_back().
 */
unsigned int vq_take(struct vq *v, struct port_burst *b)
{
	struct vring_used_elem *used = v->used->ring;
	uint16_t used_next = v->used_next, mask = v->mask;
	unsigned int available, n, i, got = b->n;
	struct taken taken[PORT_BURST];
	uint64_t bytes = 0;

	if (unlikely(v->broken))
		return 0;
	available = vq_available(v);
	n = take_descs(v, taken, MIN(available, b->max));
	for (i = 0; i < n && bytes < b->max_bytes; i++) {
		const struct taken *t = &taken[i];

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
		used_write(&used[(used_next + i) & mask], t->head, 0);
	}
	b->n = got;
	v->avail_next += (uint16_t)i;
	v->used_next += (uint16_t)i;
	b->more = i < available && !v->broken;
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
