/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of foreign frame bytes, for every source: header, offload header, first payload bytes. */
#include "veb/frame.h"

#include <errno.h>

/**
 * frame_parse() - Take a frame's Ethernet header apart
 * @f:     gets dst, src, type, tag and len; other members are untouched
 * @bytes: a private copy of the first min(len, FRAME_PARSE_LEN) bytes of the frame
 * @len:   bytes of the whole frame, without FCS
 *
 * The outer 802.1Q or 802.1ad tag goes to f->tag (IEEE 802.1Q, 9.6); an inner
 * one stays what it is, payload behind the ethertype.
 *
 * Return: bytes consumed, 14 or 18: the payload starts there. 0 if the frame is
 * shorter than its header or longer than FRAME_LEN_MAX; f is then untouched.
 * Context: any thread; pure.
 */
int frame_parse(struct frame *f, const uint8_t *bytes, uint32_t len)
{
	uint32_t tag = 0;
	uint16_t type;

	if (len < FRAME_HDR_LEN || len > FRAME_LEN_MAX)
		return 0;
	memcpy(&type, bytes + 2 * MAC_LEN, sizeof(type));
	if (frame_is_tpid(type)) {
		if (len < FRAME_HDR_LEN + FRAME_TAG_LEN)
			return 0;
		memcpy(&tag, bytes + 2 * MAC_LEN, sizeof(tag));
		tag = ntohl(tag);
		memcpy(&type, bytes + 2 * MAC_LEN + FRAME_TAG_LEN, sizeof(type));
	}
	memcpy(&f->dst, bytes, MAC_LEN);
	memcpy(&f->src, bytes + MAC_LEN, MAC_LEN);
	f->type = type;
	f->tag = tag;
	f->len = tag ? len - FRAME_TAG_LEN : len;
	return tag ? FRAME_HDR_LEN + FRAME_TAG_LEN : FRAME_HDR_LEN;
}

static bool gso_known(uint8_t gso_type)
{
	switch (gso_type & ~FRAME_GSO_ECN) {
	case FRAME_GSO_NONE:
		return gso_type == FRAME_GSO_NONE;
	case FRAME_GSO_UDP:
	case FRAME_GSO_UDP_L4:
		return !(gso_type & FRAME_GSO_ECN);
	case FRAME_GSO_TCPV4:
	case FRAME_GSO_TCPV6:
		return true;
	default:
		return false;
	}
}

/**
 * frame_set_offload() - Check a virtio-net header and put it into canonical form
 * @f:           a frame that frame_parse() filled; gets the offload members
 * @flags:       as the sender wrote them; bits we do not know are cleared
 * @gso_type:    enum frame_gso
 * @gso_size:    payload bytes a segment
 * @csum_start:  offsets as the sender counts them, its own tag included
 * @csum_offset: from csum_start
 *
 * Return: false if the header contradicts itself or the frame (virtio 1.2,
 * 5.1.6.2: a GSO frame needs a checksum and a size, the checksum lies inside
 * the frame); f is then untouched.
 * Context: any thread; pure. Header fields are the caller's private copies.
 */
bool frame_set_offload(struct frame *f, uint8_t flags, uint8_t gso_type, uint16_t gso_size,
		       uint16_t csum_start, uint16_t csum_offset)
{
	unsigned int shift = f->tag ? FRAME_TAG_LEN : 0;
	bool csum = flags & FRAME_NEEDS_CSUM;
	bool gso = gso_type != FRAME_GSO_NONE;

	if (!gso_known(gso_type) || (gso && (!csum || !gso_size)))
		return false;
	if (csum && (csum_start < FRAME_HDR_LEN + shift ||
		     (uint32_t)csum_start - shift + csum_offset + 2 > f->len))
		return false;
	f->flags = csum ? FRAME_NEEDS_CSUM : flags & FRAME_DATA_VALID;
	f->gso_type = gso_type;
	f->gso_size = gso ? gso_size : 0;
	f->csum_start = csum ? (uint16_t)(csum_start - shift) : 0;
	f->csum_offset = csum ? csum_offset : 0;
	f->hdr_len = 0;
	return true;
}

/**
 * frame_set_hdr_len() - Read how long the headers are that each segment of a GSO frame gets
 * @f: a frame with its segments, whose offload members frame_set_offload() set
 *
 * Not as the sender's virtio-net header says, which is a hint (Linux writes the length of its
 * linear part), but by TCP's data offset (RFC 9293, 3.1), 20 bytes at least; of UDP 8. Read this
 * once: whoever cuts the frame later refuses it if its headers have another length then.
 *
 * Context: the worker that takes the frame.
 */
void frame_set_hdr_len(struct frame *f)
{
	uint8_t gso = f->gso_type & (uint8_t)~FRAME_GSO_ECN, offset = 0;
	uint32_t l4 = 8;

	if (gso == FRAME_GSO_NONE)
		return;
	if (gso == FRAME_GSO_TCPV4 || gso == FRAME_GSO_TCPV6) {
		frame_peek(f, f->csum_start - FRAME_HDR_LEN + 12, &offset, 1);
		l4 = MAX((offset >> 4) * 4u, 20u);
	}
	f->hdr_len = (uint16_t)MIN(f->csum_start + l4, (uint32_t)UINT16_MAX);
}

/**
 * frame_cut() - The first bytes of a frame, as a frame
 * @f:    a frame with its segments
 * @len:  bytes of the untagged frame to keep, FRAME_HDR_LEN at least
 * @out:  gets the shorter frame, over the same memory; out->cut says by how much
 * @segs: array of @f->n_more, for its further segments
 *
 * What is cut needs no offload any more: its checksum could not be made.
 *
 * Return: entries of @segs used.
 * Context: the worker that holds the burst.
 */
unsigned int frame_cut(const struct frame *f, uint32_t len, struct frame *out,
		       struct frame_seg *segs)
{
	uint32_t left = len - FRAME_HDR_LEN;
	unsigned int n = 0;

	*out = *f;
	out->cut = 0;
	if (f->len <= len)
		return 0;
	out->cut = f->len - len;
	out->len = len;
	out->flags = out->gso_type = 0;
	out->hdr_len = out->gso_size = out->csum_start = out->csum_offset = 0;
	out->data.len = MIN(f->data.len, left);
	left -= out->data.len;
	for (; left && n < f->n_more; n++) {
		segs[n] = (struct frame_seg){ f->more[n].base, MIN(f->more[n].len, left) };
		left -= segs[n].len;
	}
	out->n_more = (uint16_t)n;
	out->more = segs;
	return n;
}

/**
 * frame_peek() - Copy payload bytes out of the sender's memory
 * @f:      a frame with its segments
 * @offset: from the first byte behind the ethertype
 * @out:    gets at most @len bytes
 * @len:    bytes wanted
 *
 * The sender may rewrite its memory afterwards, so what is seen here may steer
 * convenience (DHCP stays on the host), never safety.
 *
 * Return: bytes copied; fewer than @len where the frame ends before.
 * Context: the worker that holds the burst.
 */
unsigned int frame_peek(const struct frame *f, uint32_t offset, void *out, unsigned int len)
{
	const struct frame_seg *seg = &f->data;
	unsigned int done = 0;

	for (unsigned int i = 0; done < len; i++) {
		if (offset < seg->len) {
			uint32_t n = MIN(seg->len - offset, len - done);

			memcpy((uint8_t *)out + done, seg->base + offset, n);
			done += n;
			offset = 0;
		} else {
			offset -= seg->len;
		}
		if (i == f->n_more)
			break;
		seg = f->more + i;
	}
	return done;
}

/**
 * frame_is_gre() - GRE in IPv4 or IPv6, fragments included
 * @f: frame
 *
 * Context: the worker that holds the burst.
 */
bool frame_is_gre(const struct frame *f)
{
	uint8_t h[41] = { 0 };
	unsigned int n = frame_peek(f, 0, h, sizeof(h));

	if (f->type == htons(0x0800))
		return n > 9 && h[9] == 47;
	return f->type == htons(0x86dd) && (h[6] == 47 || (h[6] == 44 && h[40] == 47));
}

/**
 * frame_own_inner() - Let a frame's second tag be a copy that its sender cannot rewrite any more
 * @f:     a frame of two tags at least, with its segments: its type is that of a tag
 * @inner: gets the tag's TCI and the type behind it; the frame's first payload from now on
 * @segs:  array of @f->n_more + 1 for what follows; its second entry may be @f->more
 *
 * Context: the worker that takes the frame.
 */
void frame_own_inner(struct frame *f, uint8_t inner[FRAME_TAG_LEN], struct frame_seg *segs)
{
	uint32_t len = frame_peek(f, 0, inner, FRAME_TAG_LEN), skip = len;
	unsigned int n = 0;

	for (unsigned int i = 0; i <= f->n_more; i++) {
		struct frame_seg seg = i ? f->more[i - 1] : f->data;
		uint32_t gone = MIN(skip, seg.len);

		skip -= gone;
		if (seg.len > gone)
			segs[n++] = (struct frame_seg){ seg.base + gone, seg.len - gone };
	}
	f->data = (struct frame_seg){ inner, len };
	f->more = segs;
	f->n_more = (uint16_t)n;
}

/**
 * frame_is_mac_control() - Flow control, below whatever tags
 * @f: frame; a second tag is not in its sender's memory: frame_own_inner()
 *
 * What lies below more tags than two is the sender's, who may make it flow control after any look,
 * so it counts as that. A guest needs two at most, its customers' and its own (802.1ad).
 *
 * Context: the worker that holds the burst.
 */
bool frame_is_mac_control(const struct frame *f)
{
	uint16_t type = f->type;

	if (frame_is_tpid(type) && frame_peek(f, 2, &type, sizeof(type)) < sizeof(type))
		return false; /* it ends there */
	return type == htons(TYPE_MAC_CONTROL) || frame_is_tpid(type);
}

/**
 * frame_is_dhcp_request() - What a DHCP client sends to all servers
 * @f: frame
 *
 * RFC 2131: to UDP port 67 of everyone; RFC 8415: to UDP port 547 of ff02::1:2.
 *
 * Context: the worker that holds the burst.
 */
bool frame_is_dhcp_request(const struct frame *f)
{
	static const struct mac all_dhcp_v6 = { { 0x33, 0x33, 0, 1, 0, 2 } };
	uint8_t h[64];
	unsigned int n, at;

	if (f->type == htons(0x0800) && frame_is_broadcast(f)) {
		n = frame_peek(f, 0, h, sizeof(h));
		at = n ? (h[0] & 15u) * 4 : 0;
		return n > 9 && h[0] >> 4 == 4 && h[9] == 17 && at >= 20 && at + 4 <= n &&
		       (h[at + 2] << 8 | h[at + 3]) == 67;
	}
	if (f->type == htons(0x86dd) && mac_equal(&f->dst, &all_dhcp_v6)) {
		n = frame_peek(f, 0, h, 44);
		return n == 44 && h[6] == 17 && (h[42] << 8 | h[43]) == 547;
	}
	return false;
}
