/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taps and packet sockets have in common: one descriptor, one source, and
 * a 10-byte virtio-net header before each frame, both ways. Used by tap.c and
 * uplink.c alone.
 */
#ifndef ANYVF_SW_FDPORT_H
#define ANYVF_SW_FDPORT_H

#include <sys/uio.h>

#include "sw/port.h"

#define FDPORT_READS 64		 /* most reads a turn: each is a syscall */
#define FDPORT_ARENA (256 << 10) /* bytes of frames a turn; pages never used cost nothing */

struct fdport {
	struct port port;
	struct port_queue queue;
	int fd;
	char netdev[16];      /* uplinks: the netdev's name */
	unsigned int ifindex; /* uplinks: the netdev the socket is bound to */
	uint8_t *arena;	      /* FDPORT_ARENA bytes the frames of one turn are read into */
};

/*
 * Reads one frame behind the header at iov[0] into iov[1]. *tag: TPID << 16 | TCI that came
 * beside the bytes, 0 if none. Returns bytes with the header, or a negative errno.
 */
typedef ssize_t (*fdport_read_fn)(struct fdport *fp, struct iovec iov[2], uint32_t *tag);

int fdport_new(int fd, const struct port_ops *ops, struct fdport **out, struct err *e);
void fdport_free(struct port *port);
unsigned int fdport_rx(struct port_queue *q, struct port_burst *b, fdport_read_fn read_fn);
void fdport_tx(struct port *port, struct port_batch *b);

#endif
