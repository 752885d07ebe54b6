/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Ethernet frame on its way through the switch: a private copy of the
 * header that was checked, and pointers to the payload, which stays in the
 * sender's memory until a sink copies it. Sources fill it, veb decides over it,
 * sinks write it out.
 *
 * Canonical form: the outer VLAN tag, if any, is taken out of the header into
 * `tag`; lengths and offload offsets count as if it had never been there.
 */
#ifndef ANYVF_VEB_FRAME_H
#define ANYVF_VEB_FRAME_H

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mac.h"

#define FRAME_HDR_LEN	14     /* dst, src, ethertype */
#define FRAME_TAG_LEN	4      /* one VLAN tag */
#define FRAME_HDR_MAX	22     /* with two tags */
#define FRAME_PARSE_LEN 18     /* what frame_parse() wants to see of a frame */
#define FRAME_LEN_MAX	65550u /* longest frame a source may bring, GSO included */

#define TPID_8021Q		 0x8100u
#define TPID_8021AD		 0x88a8u
#define TYPE_MAC_CONTROL	 0x8808u /* 802.3, annex 31A: pause, priority flow control */
#define TAG_VID(tag)		 ((tag)&0xfffu)
#define TAG_VLAN(tag)		 ((tag)&0xffff0fffu) /* TPID << 16 | VID */
#define TAG_PCP(tag)		 ((tag) >> 13 & 7u)
#define TAG_MAKE(tpid, pcp, vid) ((uint32_t)(tpid) << 16 | (uint32_t)(pcp) << 13 | (vid))

/* Values are those of struct virtio_net_hdr (virtio 1.2, 5.1.6), so nothing is converted. */
enum frame_flag { FRAME_NEEDS_CSUM = 1, FRAME_DATA_VALID = 2 };
enum frame_gso {
	FRAME_GSO_NONE = 0,
	FRAME_GSO_TCPV4 = 1,
	FRAME_GSO_UDP = 3, /* IP fragmentation (UFO) */
	FRAME_GSO_TCPV6 = 4,
	FRAME_GSO_UDP_L4 = 5, /* UDP segmentation (USO) */
	FRAME_GSO_ECN = 0x80, /* or-ed to the TCP types */
};

/* A piece of payload in the sender's memory; it may change under us: copied once, never checked. */
struct frame_seg {
	const uint8_t *base;
	uint32_t len; /* bytes */
};

/* Writer: the source that yields it; whoever holds the burst afterwards only reads. */
struct frame {
	struct mac dst, src;   /* as on the wire; dst, src, type are 14 bytes in a row */
	uint16_t type;	       /* ethertype behind the outer tag, network order */
	uint16_t hdr_len;      /* GSO: headers of each segment, from the start of the untagged frame */
	uint32_t tag;	       /* TPID << 16 | TCI as the sender put it; 0: none */
	uint8_t flags;	       /* enum frame_flag */
	uint8_t gso_type;      /* enum frame_gso */
	uint16_t n_more;       /* payload segments behind the first */
	uint32_t len;	       /* bytes of the untagged frame, header included, no FCS */
	uint16_t gso_size;     /* payload bytes a segment; 0 without GSO */
	uint16_t csum_start;   /* from the start of the untagged frame */
	struct frame_seg data; /* first payload segment: what follows the ethertype */
	const struct frame_seg *more; /* n_more further ones, in the worker's array */
	uint16_t csum_offset;	      /* from csum_start */
	uint32_t cut;		      /* by frame_cut(): bytes of payload left out; else anything */
};
static_assert(sizeof(struct frame) == 64, "a frame is one cache line");
static_assert(offsetof(struct frame, type) == 12, "dst, src, type stand as on the wire");
static_assert(offsetof(struct frame, n_more) - offsetof(struct frame, flags) == 2,
	      "flags to n_more are what frame_is_plain() reads");

/* No offload, one piece of payload: what most frames are. */
static inline bool frame_is_plain(const struct frame *f)
{
	uint32_t v;

	memcpy(&v, &f->flags, sizeof(v));
	return !v;
}

/* Whether an ethertype (network order) is that of a VLAN tag. */
static inline bool frame_is_tpid(uint16_t type)
{
	return type == htons(TPID_8021Q) || type == htons(TPID_8021AD);
}

/* Whether frame_is_mac_control() must be asked: most frames show at once that they are none. */
static inline bool frame_may_be_mac_control(const struct frame *f)
{
	return f->type == htons(TYPE_MAC_CONTROL) || frame_is_tpid(f->type);
}

int frame_parse(struct frame *f, const uint8_t *bytes, uint32_t len);
bool frame_set_offload(struct frame *f, uint8_t flags, uint8_t gso_type, uint16_t gso_size,
		       uint16_t csum_start, uint16_t csum_offset);
void frame_set_hdr_len(struct frame *f);
unsigned int frame_cut(const struct frame *f, uint32_t len, struct frame *out,
		       struct frame_seg *segs);
unsigned int frame_peek(const struct frame *f, uint32_t offset, void *out, unsigned int len);
bool frame_is_gre(const struct frame *f);
void frame_own_inner(struct frame *f, uint8_t inner[FRAME_TAG_LEN], struct frame_seg *segs);
bool frame_is_mac_control(const struct frame *f);
bool frame_is_dhcp_request(const struct frame *f);

/* Addresses as 48-bit keys, first wire byte lowest, as veb_mac_key() makes them: one load each. */
static inline uint64_t frame_dst_key(const struct frame *f)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)f + offsetof(struct frame, dst), sizeof(v));
	return le64toh(v) & 0xffffffffffffull;
}
static inline uint64_t frame_src_key(const struct frame *f)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)f + offsetof(struct frame, src), sizeof(v));
	return le64toh(v) & 0xffffffffffffull;
}
/* Source and ethertype, which follow each other: the key with the type above it. */
static inline uint64_t frame_src_type(const struct frame *f)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)f + offsetof(struct frame, src), sizeof(v));
	return le64toh(v);
}
static inline bool frame_is_multicast(const struct frame *f)
{
	return f->dst.b[0] & 1;
}
static inline bool frame_is_broadcast(const struct frame *f)
{
	return frame_dst_key(f) == 0xffffffffffffull;
}

/*
 * Bytes that count against an MTU: without Ethernet header and outer tag; of a GSO frame one segment.
 */
static inline uint32_t frame_mtu_bytes(const struct frame *f)
{
	if (likely(f->gso_type == FRAME_GSO_NONE))
		return f->len - FRAME_HDR_LEN;
	return (uint32_t)f->hdr_len + f->gso_size - FRAME_HDR_LEN;
}

/*
 * The header a sink writes: dst, src, up to two tags (outer first, 0: none),
 * ethertype. Returns its bytes, 14..22; the payload follows. Offload offsets
 * move by the same number above FRAME_HDR_LEN.
 */
static inline unsigned int frame_header(const struct frame *f, const uint32_t tags[2],
					uint8_t out[FRAME_HDR_MAX])
{
	unsigned int n = 2 * MAC_LEN;

	memcpy(out, &f->dst, 2 * MAC_LEN);
	for (unsigned int i = 0; i < 2 && tags[i]; i++, n += FRAME_TAG_LEN) {
		uint32_t be = htonl(tags[i]);

		memcpy(out + n, &be, sizeof(be));
	}
	memcpy(out + n, &f->type, 2);
	return n + 2;
}

#endif
