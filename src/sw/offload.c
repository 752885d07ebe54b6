/* SPDX-License-Identifier: Apache-2.0 */
/* Internet checksums and TCP/UDP segmentation in software, on a private copy of the frame. */
#include "sw/offload.h"

#include <errno.h>
#include <linux/virtio_net.h>

#define IP4_HDR 20u
#define IP6_HDR 40u
#define TCP_HDR 20u
#define UDP_HDR 8u
#define HDRS_MAX 512u /* IP and TCP headers with every option, and inner VLAN tags */

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
	return n;
}

/* Where the headers of a GSO frame lie; offsets into the bytes behind the ethertype. */
struct layout {
	uint32_t l3, l4, payload; /* IP header, TCP or UDP header, data */
	uint32_t len;		  /* of it all */
	bool v6, tcp;
};

static bool layout_ip(struct layout *l, const uint8_t *p, uint16_t type)
{
	while ((type == TPID_8021Q || type == TPID_8021AD) && l->l3 + 4 <= l->len) {
		type = get16(p + l->l3 + 2);
		l->l3 += FRAME_TAG_LEN;
	}
	l->v6 = type == 0x86dd;
	if (!l->v6 && type != 0x0800)
		return false;
	if (l->l3 + (l->v6 ? IP6_HDR : IP4_HDR) > l->l4)
		return false;
	return l->v6 || l->l3 + (p[l->l3] & 15u) * 4 == l->l4;
}

static bool layout_read(struct layout *l, const struct frame *f, const uint8_t *p, uint32_t len)
{
	uint8_t gso = f->gso_type & (uint8_t)~FRAME_GSO_ECN;

	*l = (struct layout){ .l4 = f->csum_start - FRAME_HDR_LEN, .len = len,
			      .tcp = gso != FRAME_GSO_UDP_L4 };
	if (gso == FRAME_GSO_UDP || !layout_ip(l, p, ntohs(f->type)))
		return false;
	if (l->v6 != (gso == FRAME_GSO_TCPV6) && l->tcp)
		return false;
	if (l->l4 + (l->tcp ? TCP_HDR : UDP_HDR) > len)
		return false;
	l->payload = l->l4 + (l->tcp ? (p[l->l4 + 12] >> 4) * 4u : UDP_HDR);
	if (l->tcp && l->payload < l->l4 + TCP_HDR)
		return false;
	return l->payload <= len && l->payload <= HDRS_MAX;
}

/* Sum over addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t sum_pseudo(const struct layout *l, const uint8_t *p, uint32_t l4_len)
{
	uint8_t tail[4] = { 0, l->tcp ? 6 : 17, 0, 0 };

	put16(tail + 2, l4_len);
	return sum_add(l->v6 ? sum_add(0, p + l->l3 + 8, 32) : sum_add(0, p + l->l3 + 12, 8), tail,
		       sizeof(tail));
}

/* The headers of segment @i, which carries @n bytes from @off on. */
static void segment_headers(const struct layout *l, uint8_t *h, const uint8_t *whole, uint32_t i,
			    uint32_t off, uint32_t n)
{
	uint32_t l4_len = l->payload - l->l4 + n;
	bool last = l->payload + off + n == l->len;
	uint8_t *ip = h + l->l3, *l4 = h + l->l4, *csum = l4 + (l->tcp ? 16 : 6);
	uint64_t sum;

	memcpy(h, whole, l->payload);
	if (l->v6) {
		put16(ip + 4, l->l4 - l->l3 - IP6_HDR + l4_len);
	} else {
		put16(ip + 2, l->l4 - l->l3 + l4_len);
		put16(ip + 4, get16(ip + 4) + i);
		memset(ip + 10, 0, 2);
		sum = (uint16_t)~sum_fold(sum_add(0, ip, l->l4 - l->l3));
		memcpy(ip + 10, &sum, 2);
	}
	if (l->tcp) {
		put32(l4 + 4, ((uint32_t)get16(l4 + 4) << 16 | get16(l4 + 6)) + off);
		if (!last)
			l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i)
			l4[13] &= (uint8_t)~TCP_CWR; /* RFC 3168, 6.1.2: once */
	} else {
		put16(l4 + 4, l4_len);
	}
	memset(csum, 0, 2);
	sum = sum_add(sum_pseudo(l, h, l4_len), l4, l->payload - l->l4);
	sum = sum_add(sum, whole + l->payload + off, n); /* headers are even: words stay words */
	sum = (uint16_t)~sum_fold(sum);
	if (!sum && !l->tcp)
		sum = 0xffff; /* RFC 768: 0 would mean none */
	memcpy(csum, &sum, 2);
}

static int lower_gso(const struct frame *f, const uint8_t *whole, uint32_t len, uint8_t *headers,
		     offload_fn fn, void *arg)
{
	struct layout l;

	bool more = true;

	if (!layout_read(&l, f, whole, len) || (len - l.payload) / f->gso_size >= PIECES_MAX)
		return -EINVAL;
	for (uint32_t off = 0, i = 0; more && (l.payload + off < len || !i);
	     off += f->gso_size, i++) {
		uint32_t n = MIN((uint32_t)f->gso_size, len - l.payload - off);
		struct frame_seg data = { whole + l.payload + off, n };
		struct frame piece = { .dst = f->dst, .src = f->src, .type = f->type, .tag = f->tag,
				       .len = FRAME_HDR_LEN + l.payload + n,
				       .data = { headers, l.payload }, .more = &data, .n_more = 1 };

		segment_headers(&l, headers, whole, i, off, n);
		more = fn(arg, &piece);
	}
	return 0;
}

static void lower_csum(const struct frame *f, uint8_t *whole, uint32_t len, offload_fn fn,
		       void *arg)
{
	uint32_t start = f->csum_start - FRAME_HDR_LEN, at = start + f->csum_offset;
	struct frame piece = *f;
	uint16_t sum;

	/* The field holds the pseudo header's sum (virtio 1.2, 5.1.6.2). */
	sum = (uint16_t)~sum_fold(sum_add(0, whole + start, len - start));
	if (!sum)
		sum = 0xffff; /* the same number; UDP needs this spelling */
	memcpy(whole + at, &sum, sizeof(sum));
	piece.flags = 0;
	piece.hdr_len = piece.csum_start = piece.csum_offset = 0;
	piece.data = (struct frame_seg){ whole, len };
	piece.n_more = 0;
	fn(arg, &piece);
}

/**
 * offload_lower() - Turn a frame into frames that need nothing of their receiver
 * @f:       frame that needs a checksum or segmentation (offload_needs())
 * @scratch: OFFLOAD_SCRATCH bytes, private to the caller
 * @fn:      called for each resulting frame, in order, until it returns false
 * @arg:     for @fn
 *
 * Checksums are finished (virtio 1.2, 5.1.6.2), TCP over IPv4 and IPv6 and UDP (USO)
 * are cut at gso_size; IPv4 identification counts up, FIN and PSH stay on the last
 * segment, CWR on the first, as the kernel's GSO does.
 *
 * Return: 0, or -EINVAL if the headers do not fit the offload asked for, it is UFO, or
 * it would be more than a thousand pieces; @fn was not called then.
 * Context: the worker that delivers.
 */
int offload_lower(const struct frame *f, uint8_t *scratch, offload_fn fn, void *arg)
{
	uint32_t len = gather(f, scratch);

	if (f->gso_type)
		return lower_gso(f, scratch, len, scratch + OFFLOAD_SCRATCH - HDRS_MAX, fn, arg);
	lower_csum(f, scratch, len, fn, arg);
	return 0;
}
