/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taps and packet sockets have in common: one descriptor, one source, and
 * a 10-byte virtio-net header before each frame, both ways. Used by tap.c and
 * uplink.c alone.
 */
#ifndef ANYVF_SW_PORT_FDPORT_H
#define ANYVF_SW_PORT_FDPORT_H

#include <linux/virtio_net.h>
#include <sys/types.h>

#include "sw/data/port.h"
#include "sw/parent/netdev.h"

#define FDPORT_READS 64u	  /* most reads a turn: each is a syscall */
#define FDPORT_ARENA (256u << 10) /* bytes of frames a turn; pages never used cost nothing */

struct fdport {
	struct port port;
	struct port_queue queue;
	int fd;
	char netdev[16];	     /* uplinks: the netdev's name */
	struct tap_place asked;	     /* taps: as it was asked for */
	struct parent *parent;	     /* taps: who opened it */
	uint8_t *arena;		     /* FDPORT_ARENA bytes the frames of one turn are read into */
};

/*
 * Reads one frame: its offload header to *h, the rest to *bytes, where there is room for
 * FDPORT_ROOM bytes and FRAME_TAG_LEN before; *bytes may be moved back by a tag.
 * Returns bytes of the frame or a negative errno.
 */
typedef ssize_t (*fdport_read_fn)(int fd, struct virtio_net_hdr *h, uint8_t **bytes);

#define FDPORT_ROOM (FRAME_LEN_MAX + 1u) /* one more than may come, so that longer ones show */

int fdport_new(int fd, const struct port_ops *ops, struct fdport **out, struct err *e);
void fdport_free(struct port *port);
unsigned int fdport_rx(struct port_queue *q, struct port_burst *b, fdport_read_fn read_one);
void fdport_tx(struct port *port, struct port_batch *b);

#endif
