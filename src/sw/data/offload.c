/* SPDX-License-Identifier: Apache-2.0 */
/* Internet checksums and TCP/UDP segmentation in software, on a private copy of the frame. */
#include "sw/data/offload.h"

#include <errno.h>
#include <linux/virtio_net.h>

#include "sw/data/gmem.h"

#define IP4_HDR 20u
#define IP6_HDR 40u
#define TCP_HDR 20u
#define UDP_HDR 8u

#define PIECES_MAX 1024u /* of one frame: a guest's tiny gso_size must not cost us milliseconds */

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/**
 * offload_needs_gso() - What a GSO frame needs of its receiver
 * @f: frame with gso_type set
 *
 * Return: enum offload bits.
 * Context: any thread; pure.
 */
uint32_t offload_needs_gso(const struct frame *f)
{
	uint32_t ecn = f->gso_type & FRAME_GSO_ECN ? OFFLOAD_ECN : 0;

	switch (f->gso_type & ~FRAME_GSO_ECN) {
	case FRAME_GSO_TCPV4:
		return OFFLOAD_CSUM | OFFLOAD_TSO4 | ecn;
	case FRAME_GSO_TCPV6:
		return OFFLOAD_CSUM | OFFLOAD_TSO6 | ecn;
	case FRAME_GSO_UDP:
		return OFFLOAD_CSUM | OFFLOAD_UFO;
	default:
		return OFFLOAD_CSUM | OFFLOAD_USO;
	}
}

/**
 * offload_of_features() - What a driver takes, by the features it negotiated
 * @features: virtio-net features (virtio 1.2, 5.1.3)
 *
 * Return: enum offload bits.
 * Context: any thread; pure.
 */
uint32_t offload_of_features(uint64_t features)
{
	static const struct {
		uint8_t feature;
		uint32_t can;
	} rows[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, OFFLOAD_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, OFFLOAD_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, OFFLOAD_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, OFFLOAD_ECN },
		{ VIRTIO_NET_F_GUEST_UFO, OFFLOAD_UFO },
	};
	uint32_t can = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		if (features & 1ull << rows[i].feature)
			can |= rows[i].can;
	return can;
}

/* One's complement sums: 16-bit words as they lie in memory, so no byte order matters. */
static uint64_t sum_add(uint64_t sum, const uint8_t *p, uint32_t len)
{
	uint64_t odd = 0;

	for (; len >= 4; p += 4, len -= 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		sum += w;
	}
	if (len)
		memcpy(&odd, p, len);
	return sum + odd;
}

static uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* Everything behind the ethertype, in one piece that nobody else can change. */
static uint32_t gather(const struct frame *f, uint8_t *to)
{
	uint32_t n = f->data.len;

	memcpy(to, f->data.base, n);
	for (unsigned int i = 0; i < f->n_more; i++) {
		memcpy(to + n, f->more[i].base, f->more[i].len);
		n += f->more[i].len;
	}
	guest_copy_done();
	return n;
}

static bool read_ip(struct offload_cut *c)
{
	uint16_t type = ntohs(c->frame->type);

	while ((type == TPID_8021Q || type == TPID_8021AD) && c->l3 + 4 <= c->len) {
		type = get16(c->bytes + c->l3 + 2);
		c->l3 += FRAME_TAG_LEN;
	}
	c->v6 = type == 0x86dd;
	if (!c->v6 && type != 0x0800)
		return false;
	if (c->l3 + (c->v6 ? IP6_HDR : IP4_HDR) > c->l4)
		return false;
	return c->v6 || c->l3 + (c->bytes[c->l3] & 15u) * 4 == c->l4;
}

/* Where the headers of a GSO frame lie. False: they do not fit what it asks for. */
static bool read_headers(struct offload_cut *c)
{
	uint8_t gso = c->frame->gso_type & (uint8_t)~FRAME_GSO_ECN;

	c->tcp = gso != FRAME_GSO_UDP_L4;
	if (gso == FRAME_GSO_UDP || !read_ip(c))
		return false;
	if (c->v6 != (gso == FRAME_GSO_TCPV6) && c->tcp)
		return false;
	if (c->l4 + (c->tcp ? TCP_HDR : UDP_HDR) > c->len)
		return false;
	c->payload = c->l4 + (c->tcp ? (c->bytes[c->l4 + 12] >> 4) * 4u : UDP_HDR);
	if (c->tcp && c->payload < c->l4 + TCP_HDR)
		return false;
	if (FRAME_HDR_LEN + c->payload != c->frame->hdr_len)
		return false; /* rewritten since it was judged by its MTU */
	return c->payload <= c->len && c->payload <= OFFLOAD_HDRS;
}

/* Sum over addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t sum_pseudo(const struct offload_cut *c, const uint8_t *p, uint32_t l4_len)
{
	uint8_t tail[4] = { 0, c->tcp ? 6 : 17, 0, 0 };

	put16(tail + 2, l4_len);
	return sum_add(c->v6 ? sum_add(0, p + c->l3 + 8, 32) : sum_add(0, p + c->l3 + 12, 8), tail,
		       sizeof(tail));
}

/* The headers of segment @i, which carries @n bytes from @off on. */
static void segment_headers(const struct offload_cut *c, uint8_t *h, uint32_t i, uint32_t off,
			    uint32_t n)
{
	uint32_t l4_len = c->payload - c->l4 + n;
	bool last = c->payload + off + n == c->len;
	uint8_t *ip = h + c->l3, *l4 = h + c->l4, *csum = l4 + (c->tcp ? 16 : 6);
	uint64_t sum;

	memcpy(h, c->bytes, c->payload);
	if (c->v6) {
		put16(ip + 4, c->l4 - c->l3 - IP6_HDR + l4_len);
	} else {
		put16(ip + 2, c->l4 - c->l3 + l4_len);
		put16(ip + 4, get16(ip + 4) + i);
		memset(ip + 10, 0, 2);
		sum = (uint16_t)~sum_fold(sum_add(0, ip, c->l4 - c->l3));
		memcpy(ip + 10, &sum, 2);
	}
	if (c->tcp) {
		put32(l4 + 4, ((uint32_t)get16(l4 + 4) << 16 | get16(l4 + 6)) + off);
		if (!last)
			l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i)
			l4[13] &= (uint8_t)~TCP_CWR; /* RFC 3168, 6.1.2: once */
	} else {
		put16(l4 + 4, l4_len);
	}
	memset(csum, 0, 2);
	sum = sum_add(sum_pseudo(c, h, l4_len), l4, c->payload - c->l4);
	sum = sum_add(sum, c->bytes + c->payload + off, n); /* headers are even: words stay words */
	sum = (uint16_t)~sum_fold(sum);
	if (!sum && !c->tcp)
		sum = 0xffff; /* RFC 768: 0 would mean none */
	memcpy(csum, &sum, 2);
}

/* The field holds the pseudo header's sum (virtio 1.2, 5.1.6.2). */
static void finish_csum(struct offload_cut *c)
{
	uint16_t sum = (uint16_t)~sum_fold(sum_add(0, c->bytes + c->l4, c->len - c->l4));

	if (!sum)
		sum = 0xffff; /* the same number; UDP needs this spelling */
	memcpy(c->bytes + c->l4 + c->frame->csum_offset, &sum, sizeof(sum));
}

/**
 * offload_begin() - Begin to turn a frame into frames that need nothing of their receiver
 * @c:       gets what offload_next() goes on with
 * @f:       frame that needs a checksum or segmentation (offload_needs()); borrowed
 * @scratch: OFFLOAD_SCRATCH bytes, private to the caller; borrowed as @f
 *
 * Its bytes are copied, so the guest cannot change any more what pieces are made of. Checksums are
 * finished (virtio 1.2, 5.1.6.2), TCP over IPv4 and IPv6 and UDP (USO) are cut at gso_size.
 *
 * Return: 0, or -EINVAL if the headers do not fit the offload asked for, it is UFO, or
 * it would be more than a thousand pieces.
 * Context: the worker that delivers.
 */
int offload_begin(struct offload_cut *c, const struct frame *f, uint8_t *scratch)
{
	c->frame = f;
	c->bytes = scratch;
	c->len = gather(f, scratch);
	c->l3 = c->payload = c->done = 0;
	c->l4 = f->csum_start - FRAME_HDR_LEN;
	c->n = 1;
	if (!f->gso_type) {
		finish_csum(c);
		return 0;
	}
	if (!read_headers(c))
		return -EINVAL;
	c->n = MAX((c->len - c->payload + f->gso_size - 1) / f->gso_size, 1u);
	return c->n > PIECES_MAX ? -EINVAL : 0;
}

/**
 * offload_next() - The next frames that a frame is turned into
 * @c:   from offload_begin(); how many in all is @c->n
 * @out: array of @max; gets frames over memory that is valid until the next call
 * @max: OFFLOAD_PIECES at most
 *
 * IPv4 identification counts up, FIN and PSH stay on the last segment, CWR on the first, as the
 * kernel's GSO does.
 *
 * Return: frames; 0: that was all.
 * Context: the worker that delivers.
 */
unsigned int offload_next(struct offload_cut *c, struct frame *out, unsigned int max)
{
	unsigned int n = MIN(c->n - c->done, max);
	const struct frame *f = c->frame;

	for (unsigned int k = 0; k < n; k++, c->done++) {
		uint8_t *headers = c->bytes + 65536 + k * OFFLOAD_HDRS;
		uint32_t off = c->done * f->gso_size;
		uint32_t len = MIN((uint32_t)f->gso_size, c->len - c->payload - off);

		out[k] = (struct frame){
			.dst = f->dst, .src = f->src, .type = f->type, .tag = f->tag
		};
		if (!f->gso_type) {
			out[k].len = f->len;
			out[k].data = (struct frame_seg){ c->bytes, c->len };
			continue;
		}
		segment_headers(c, headers, c->done, off, len);
		c->data[k] = (struct frame_seg){ c->bytes + c->payload + off, len };
		out[k].len = FRAME_HDR_LEN + c->payload + len;
		out[k].data = (struct frame_seg){ headers, c->payload };
		out[k].more = &c->data[k];
		out[k].n_more = 1;
	}
	return n;
}

/**
 * offload_lower() - offload_begin() and offload_next(), one frame after the other
 * @f:       as offload_begin() says
 * @scratch: likewise
 * @fn:      called for each resulting frame, in order, until it returns false
 * @arg:     for @fn
 *
 * Return: as offload_begin(); if it is not 0, @fn was not called.
 * Context: the worker that delivers.
 */
int offload_lower(const struct frame *f, uint8_t *scratch, offload_fn fn, void *arg)
{
	struct offload_cut c;
	struct frame piece;
	int rc = offload_begin(&c, f, scratch);

	while (!rc && offload_next(&c, &piece, 1) && fn(arg, &piece))
		;
	return rc;
}
