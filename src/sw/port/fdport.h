/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taps and packet sockets have in common: one descriptor, one source, and
 * a 10-byte virtio-net header before each frame, both ways. An uplink has one such for each
 * socket, of which the first is the port. Used by tap.c, packet.c and uplink.c alone.
 */
#ifndef ANYVF_SW_PORT_FDPORT_H
#define ANYVF_SW_PORT_FDPORT_H

#include <linux/virtio_net.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "sw/data/offload.h"
#include "sw/data/port.h"
#include "sw/parent/netdev.h"

#define FDPORT_READS 64u	  /* most frames a turn: of a tap, each is a syscall */
#define FDPORT_ARENA (256u << 10) /* bytes of a tap's frames a turn */
#define PACKET_ARENA (5u << 20)	  /* and of a packet socket's; pages never used cost nothing */
#define PACKET_SOCKETS 4u	  /* most of one uplink */
#define FDPORT_IOVS  128	  /* pieces of one write; a frame in more pieces is joined first */

struct fdport {
	struct port port; /* not in use in the further sockets of an uplink */
	struct port_queue queue;
	int fd;
	char netdev[16];	/* uplinks: the netdev's name */
	struct tap_place asked; /* taps: as it was asked for */
	struct parent *parent;	/* taps: who opened it */
	struct { /* of packet sockets: PACKET_SLOTS slots, shared with the kernel */
		uint8_t *slots; /* NULL: there is none */
		uint32_t at;	/* slots that are the kernel's again, in all; control reads it */
		uint32_t taken; /* those behind them that this turn reads */
		uint32_t seen;	/* control's: @at when it last looked */
		bool deaf;	/* likewise: what it found */
	} ring;
	uint8_t *arena;		/* what the frames of one turn are read into */
	uint32_t arena_size;
	uint32_t used; /* of it, in this turn, as the reader counts */
};

/* A frame that was read, from its first byte on. */
struct fdport_got {
	struct virtio_net_hdr h;
	uint8_t *bytes;
	ssize_t len;
};

/*
 * Reads @n frames at most into the arena. Returns how many, 0 if there is no room for one more in
 * this turn, or a negative errno.
 */
typedef int (*fdport_read_fn)(struct fdport *fp, struct fdport_got *out, unsigned int n);

#define FDPORT_ROOM (FRAME_LEN_MAX + 1u) /* one more than may come, so that longer ones show */

/* What is written of a frame before its payload. */
struct fdport_head {
	struct offload_hdr offload;
	uint8_t bytes[FRAME_HDR_MAX];
};

int fdport_new(int fd, const struct port_ops *ops, uint32_t arena_size, struct fdport **out,
	       struct err *e);
void fdport_free(struct port *port);
unsigned int fdport_rx(struct port_queue *q, struct port_burst *b, fdport_read_fn read_some);
unsigned int fdport_gather(const struct frame *f, const struct port_item *it,
			   struct fdport_head *head, struct iovec iov[FDPORT_IOVS],
			   uint8_t *scratch);
enum drop fdport_lost(int error);
void fdport_tx(struct port *port, struct port_batch *b);

/* packet.c */
void packet_ring_map(struct fdport *fp);
void packet_ring_drop(struct fdport *fp);
int packet_fanout(struct fdport *fp, struct fdport *more, struct err *e);
int packet_hear(const struct fdport *fp, struct err *e);
uint32_t packet_lost(const struct fdport *fp);
bool packet_ring_deaf(struct fdport *fp, uint32_t lost);
void packet_rx_done(struct port_queue *q);
unsigned int packet_rx(struct port_queue *q, struct port_burst *b);
void packet_tx(struct port *port, struct port_batch *b);

#endif
