/* SPDX-License-Identifier: Apache-2.0 */
/* What sink.c (rings and the thread) shares with the kinds of sinks. Nobody else includes it. */
#ifndef ANYVF_SW_PORT_SINK_PRIV_H
#define ANYVF_SW_PORT_SINK_PRIV_H

#include "sw/data/offload.h"
#include "sw/data/port.h"
#include "sw/data/spin.h"
#include "sw/port/sink.h"

#define SINK_RING_SIZE (2u << 20) /* bytes a sink; a power of two */

/* A frame in a ring; its payload, all in one piece, follows. */
struct sink_frame {
	uint32_t size;	    /* bytes of this record, payload and padding included */
	uint32_t cut;	    /* bytes the mirror's snap left out */
	uint64_t time_ns;   /* CLOCK_REALTIME of its burst */
	uint32_t tags[2];   /* it carries, outer first */
	uint16_t slot;	    /* of the mirror */
	uint16_t mark;	    /* VEB_MARK_*() */
	bool raw;	    /* data is the frame from its first byte on, nothing else of it is known */
	struct frame frame; /* data points behind this record */
};

struct sink;

/* A kind of sink. All but the type's open function run in the thread and may block. */
struct sink_ops {
	void (*frame)(struct sink *s, const struct sink_frame *sf);
	/* The ring is empty for now, and once a second while it stays so; may be NULL. */
	void (*flush)(struct sink *s);
	void (*free)(struct sink *s);
};

/* Embedded first in each kind's struct. */
struct sink {
	struct port port;
	const struct sink_ops *ops;
	struct sinks *sinks;
	struct sink *next; /* of the thread's list */
	uint16_t snap;	   /* bytes of a frame that are kept, tags not counted; 0: all */
	bool closing;	   /* atomic; no worker sees it any more: empty, then free it */
	uint8_t *ring; /* SINK_RING_SIZE bytes, mapped twice in a row, so that no record is torn */
	struct spin lock; /* guards head: several workers may deliver at once */
	uint64_t head;	  /* atomic; bytes ever put in */
	uint64_t tail;	  /* atomic; bytes ever taken; writer: the thread */
	uint64_t refused; /* atomic; frames there was no room for; guarded by lock */
};

int sink_init(struct sink *s, const struct sink_ops *ops, struct sinks *sinks, struct err *e);
void sink_fini(struct sink *s);
void sink_start(struct sink *s);
void sink_failed(struct sink *s, uint16_t slot, uint64_t n);

/* Everything in front of the mirrored frame but the outer IP header. */
#define TUNNEL_HDR_MAX 24u
struct tunnel {
	uint8_t to;	 /* MIRROR_TO_ERSPAN or MIRROR_TO_GRE */
	uint8_t version; /* ERSPAN: 1 (type II) or 2 (type III) */
	uint8_t dir;	 /* enum mirror_dir */
	uint32_t id;	 /* session or key; GRE: 0 for no key */
};
unsigned int tunnel_header(const struct tunnel *t, uint32_t seq, const struct sink_frame *sf,
			   uint8_t out[TUNNEL_HDR_MAX]);

#endif
