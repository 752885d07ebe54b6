/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues (virtio 1.2: split 2.7, packed 2.8) as the device sees them. The driver
 * on the other side is hostile: what is read from its memory is read once, checked,
 * and only the checked copy is used. No DPDK here: the parser runs in a unit test and
 * under the fuzzer on a piece of malloc.
 *
 * A position in a ring is an index that counts on for ever (split), or a descriptor
 * with the wrap counter above it, pos | wrap << 15 (packed). The vhost-user protocol
 * has the same two.
 */
#ifndef ANYVF_SW_VHOST_VQ_H
#define ANYVF_SW_VHOST_VQ_H

#include <linux/virtio_ring.h>

#include "sw/data/gmem.h"
#include "sw/data/port.h"
#include "sw/data/spin.h"

#define VQ_SIZE_MAX 32768 /* descriptors (virtio 1.2, 2.7) */
#define VQ_CHAIN_MAX 1024 /* segments of one frame, however large the ring */
#define VQ_WASTE_MAX VQ_CHAIN_MAX /* segments read for nothing in one burst, until it ends */
#define VQ_HDR_LEN 12     /* struct virtio_net_hdr with num_buffers (VERSION_1) */

/*
 * How far a packed ring has come, for whoever goes on with it after a crash: the ring alone does not
 * tell, and QEMU does not know. Written before the driver sees the chain. The cookie is also in the
 * ring, in a field of the device's event structure that we do not use otherwise (the driver looks
 * there only when we ask for a certain descriptor): a ring that was begun anew meanwhile lacks it.
 */
struct vq_mark {
	uint16_t last;	 /* position of the last chain shown as used; next: none yet */
	uint16_t next;	 /* position behind it */
	uint16_t size;	 /* of the ring */
	uint16_t cookie; /* 0: nothing is known */
} __attribute__((aligned(8)));

/* Where a ring is and where to go on. */
struct vq_conf {
	void *desc, *driver, *device; /* the areas of a ring, as virtio 1.2, 2.6 calls them */
	uint32_t size; /* descriptors; split: a power of two */
	uint16_t avail_next, used_next;
	uint64_t features;	/* negotiated virtio features */
	const struct gmem *mem; /* borrowed until the ring is stopped for good */
	int call_fd;		/* eventfd of the driver's interrupt, -1: none; borrowed */
	uint64_t *done;		/* packed: @size entries for our use, borrowed likewise */
	struct vq_mark *mark;	/* packed: of this ring, from before a crash; borrowed likewise */
};

/*
 * A ring from the guest is owned by the worker that polls it. To one that goes to the guest any worker
 * may deliver: places are taken under the lock, copies are made without it, and become visible
 * to the driver in the order in which the places were taken. Never is more than a lap of the ring out,
 * taken and not published, whatever the driver offers meanwhile.
 */
struct vq {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device;
	};
	const struct gmem *mem;
	uint32_t last_region; /* cache of gmem_at() */
	uint32_t waste;	      /* segments read for nothing in this burst, or batch */
	uint16_t mask;	      /* size - 1 */
	uint16_t avail_next;  /* atomic; position of the next chain to take */
	uint16_t used_next;   /* atomic; split: of the next used entry; packed: as avail_next */
	uint16_t published;   /* atomic; position up to which the driver sees its chains used */
	struct spin lock;     /* to the guest: guards what is written, but published */
	bool is_packed;
	bool event_idx;	  /* the driver's interrupts are asked for by position */
	bool mergeable;	  /* MRG_RXBUF: one frame may take several chains */
	bool broken;	  /* by vq_break(); until a reset nothing is taken, nothing shown */
	bool blocked;	  /* broken, as its driver made who interrupts it wait */
	uint32_t can;	  /* enum offload bits the driver takes */
	int call_fd;
	uint64_t *done;	      /* packed: by first descriptor, what chain_use() said of a chain */
	struct vq_mark *mark; /* packed */
	uint64_t calls;	      /* atomic; interrupts of the driver */
};

bool vq_init(struct vq *v, const struct vq_conf *conf);
bool vq_is_blank(const struct vq *v);
bool vq_arm(struct vq *v, bool on);
unsigned int vq_waiting(const struct vq *v);

/* From the guest: as rx() and rx_done() of struct port_ops. */
unsigned int vq_take(struct vq *v, struct port_burst *b);
void vq_give_back(struct vq *v);

/* To the guest: as tx() of struct port_ops. */
void vq_deliver(struct vq *v, struct port_batch *b);

/* A ring that is soon to get so many frames, at least. */
struct vq_ahead {
	struct vq *ring;
	unsigned int n;
};
void vq_fetch(const struct vq_ahead *ahead, unsigned int n);

#endif
