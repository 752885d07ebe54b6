/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksum and segmentation for receivers that cannot. A frame's virtio-net
 * header passes unchanged where the receiver can take it; else the frame is
 * brought down, in software, to frames that need nothing. Used by every sink.
 */
#ifndef ANYVF_SW_DATA_OFFLOAD_H
#define ANYVF_SW_DATA_OFFLOAD_H

#include "veb/frame.h"

/* What a frame needs of its receiver, and what a receiver can. */
enum offload {
	OFFLOAD_CSUM = 1 << 0, /* finish a checksum, or trust that it is good */
	OFFLOAD_TSO4 = 1 << 1,
	OFFLOAD_TSO6 = 1 << 2,
	OFFLOAD_ECN = 1 << 3, /* with TSO4, TSO6 */
	OFFLOAD_UFO = 1 << 4,
	OFFLOAD_USO = 1 << 5,
};

#define OFFLOAD_HDRS   512u /* IP and TCP headers with every option, and inner VLAN tags */
#define OFFLOAD_PIECES 64u  /* most that offload_next() makes at once */
#define OFFLOAD_SCRATCH (65536 + OFFLOAD_PIECES * OFFLOAD_HDRS) /* bytes offload_begin() wants */

/* A frame on its way to frames that need nothing; for offload_next(). Offsets are behind the ethertype. */
struct offload_cut {
	const struct frame *frame;
	uint8_t *bytes;		  /* our copy of what is behind the ethertype, then room for headers */
	uint32_t len;		  /* of the copy */
	uint32_t l3, l4, payload; /* GSO: IP header, TCP or UDP header, data */
	bool v6, tcp;
	unsigned int n, done;			/* pieces: in all, made */
	struct frame_seg data[OFFLOAD_PIECES]; /* of those made last */
};

/* @f and its payload are valid during the call only. Returns whether to go on. */
typedef bool (*offload_fn)(void *arg, const struct frame *f);

uint32_t offload_needs_gso(const struct frame *f);
uint32_t offload_of_features(uint64_t features);
int offload_begin(struct offload_cut *c, const struct frame *f, uint8_t *scratch);
unsigned int offload_next(struct offload_cut *c, struct frame *out, unsigned int max);
int offload_lower(const struct frame *f, uint8_t *scratch, offload_fn fn, void *arg);

static inline uint32_t offload_needs(const struct frame *f)
{
	if (likely(!(f->flags | f->gso_type)))
		return 0;
	return f->gso_type ? offload_needs_gso(f) : f->flags & FRAME_NEEDS_CSUM ? OFFLOAD_CSUM : 0;
}

/*
 * The virtio-net header of @f for a receiver that can take it: the first 10
 * bytes (virtio 1.2, 5.1.6), offsets moved by @tags_len for tags inserted.
 */
struct offload_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

static inline struct offload_hdr offload_header(const struct frame *f, unsigned int tags_len,
						uint32_t can)
{
	struct offload_hdr h = { 0 };

	if (likely(!(f->flags | f->gso_type)))
		return h;
	h.flags = can & OFFLOAD_CSUM ? f->flags : 0;
	h.gso_type = f->gso_type;
	h.gso_size = f->gso_size;
	h.csum_offset = f->csum_offset;
	h.csum_start = f->flags & FRAME_NEEDS_CSUM ? (uint16_t)(f->csum_start + tags_len) : 0;
	h.hdr_len = f->gso_type ? (uint16_t)(f->hdr_len + tags_len) : 0;
	return h;
}

#endif
