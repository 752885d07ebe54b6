/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues (virtio 1.2, 2.7) as the device sees them. The driver on the
 * other side is hostile: what is read from its memory is read once, checked, and
 * only the checked copy is used. No DPDK here: the parser runs in a unit test and
 * under the fuzzer on a piece of malloc.
 */
#ifndef ANYVF_SW_VQ_H
#define ANYVF_SW_VQ_H

#include <linux/virtio_ring.h>

#include "sw/gmem.h"
#include "sw/port.h"
#include "sw/spin.h"

#define VQ_SIZE_MAX 32768 /* descriptors (virtio 1.2, 2.7) */
#define VQ_CHAIN_MAX 1024 /* segments of one frame, however large the ring */
#define VQ_HDR_LEN 12     /* struct virtio_net_hdr with num_buffers (VERSION_1) */

/* Where a ring is and where to go on. */
struct vq_conf {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint32_t size; /* descriptors, a power of two */
	uint16_t avail_next, used_next;
	uint64_t features;	/* negotiated virtio features */
	const struct gmem *mem; /* borrowed until the ring is stopped for good */
	int call_fd;		/* eventfd of the driver's interrupt, -1: none; borrowed */
};

/*
 * A ring from the guest is owned by the worker that polls it. To one that goes to the guest any worker
 * may deliver: places are taken under the lock, copies are made without it, and become visible
 * to the driver in the order in which the places were taken.
 */
struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const struct gmem *mem;
	uint32_t last_region; /* cache of gmem_at() */
	uint16_t mask;	      /* size - 1 */
	uint16_t avail_next;  /* next entry of avail->ring[] to take */
	uint16_t used_next;   /* next entry of used->ring[] to write */
	uint16_t published;   /* atomic; used->idx as the driver sees it */
	struct spin lock;     /* to the guest: guards all but published */
	bool mergeable;	      /* MRG_RXBUF: one frame may take several chains */
	bool broken;	      /* the driver broke the ring; nothing is done until a reset */
	uint32_t can;	      /* enum offload bits the driver takes */
	int call_fd;
};

bool vq_init(struct vq *v, const struct vq_conf *conf);
bool vq_arm(struct vq *v, bool on);

/* From the guest: as rx() and rx_done() of struct port_ops. */
unsigned int vq_take(struct vq *v, struct port_burst *b);
void vq_give_back(struct vq *v);

/* To the guest: as tx() of struct port_ops. */
void vq_deliver(struct vq *v, struct port_batch *b);

#endif
