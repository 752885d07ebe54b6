/* SPDX-License-Identifier: Apache-2.0 */
/* A flow between two guests on sockets: rings that are filled once, and numbers that move through. */
#ifndef ANYVF_TESTS_BENCH_FLOW_H
#define ANYVF_TESTS_BENCH_FLOW_H

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "lib/vhost_fe.h"

#define FLOW_RING  1024
#define FLOW_ROOM  2304		   /* bytes of a buffer */
#define FLOW_HDR   12		   /* of virtio-net */
#define FLOW_SEQ   (FLOW_HDR + 20) /* where a frame has its number */
#define SLICE_NS   2000000ull
#define SLICES_MAX 16384

/* A guest that polls. Ends the program if it cannot be. */
static inline struct fe *flow_guest(const char *path, bool listen)
{
	struct fe_opts opts = { .path = path,
				.listen = listen,
				.ring_size = FLOW_RING,
				.pairs = 1,
				.rx_len = FLOW_ROOM,
				.rx_pieces = 1,
				.mem_mib = 16,
				.features = 1ull << VIRTIO_NET_F_MRG_RXBUF,
				.timeout_ms = 10000 };
	struct fe *fe = fe_open(&opts);

	if (!fe) {
		perror(path);
		exit(1);
	}
	fe_ring(fe, 0)->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	fe_ring(fe, 1)->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	return fe;
}

static inline uint8_t *flow_buffer(struct driver_ring *r, unsigned int i)
{
	return r->mem->base + (r->desc[i & (FLOW_RING - 1)].addr - DRIVER_GPA);
}

static inline void flow_number(struct driver_ring *r, unsigned int i, uint64_t seq)
{
	uint8_t *at = flow_buffer(r, i);

	memset(at, 0, FLOW_HDR);
	memcpy(at + FLOW_SEQ, &seq, sizeof(seq));
}

/* Frames given back since the last time are numbered and offered again; @least: not fewer. */
static inline unsigned int flow_send(struct fe *fe, uint64_t *seq, unsigned int least)
{
	struct driver_ring *r = fe_ring(fe, 1);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(used - r->seen);

	if (n < least)
		return 0;
	for (; r->seen != used; r->seen++)
		flow_number(r, r->seen, (*seq)++);
	__atomic_store_n(&r->avail->idx, (uint16_t)(used + FLOW_RING), __ATOMIC_RELEASE);
	fe_kick(fe, 1);
	return n;
}

/* Read what came, offer the buffers again; likewise. */
static inline unsigned int flow_receive(struct fe *fe, uint64_t *sum, unsigned int least)
{
	struct driver_ring *r = fe_ring(fe, 0);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(used - r->seen);

	if (n < least)
		return 0;
	for (; r->seen != used; r->seen++) {
		uint64_t word;

		memcpy(&word, flow_buffer(r, r->seen) + FLOW_SEQ, sizeof(word));
		*sum += word;
	}
	__atomic_store_n(&r->avail->idx, (uint16_t)(used + FLOW_RING), __ATOMIC_RELEASE);
	return n;
}

#endif
