/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of virtqueues in a piece of memory: what a guest would
 * do. Unit tests and the fuzzer use it in one process, vhost_fe.c over a socket.
 * It keeps to the rules; tests break them by writing to the rings themselves.
 */
#ifndef ANYVF_TESTS_DRIVER_H
#define ANYVF_TESTS_DRIVER_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define DRIVER_TABLE 64 /* longest indirect chain */
#define DRIVER_GPA 0x100000000ull /* where guest memory begins for the guest */

/* Guest memory: [base, base + size) is [DRIVER_GPA, DRIVER_GPA + size) for the guest. */
struct driver_mem {
	uint8_t *base;
	uint64_t size;
	uint64_t used; /* bytes given out by driver_alloc() */
};

/* One buffer as the driver names it; from driver_alloc() memory. */
struct driver_buf {
	void *at;
	uint32_t len;
};

/* A ring and its parts, by either layout's names. */
struct driver_ring {
	struct driver_mem *mem;
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
	uint32_t size;
	bool is_packed;
	bool event_idx;	     /* negotiated */
	uint16_t next_desc;  /* where the next chain begins; packed: index | wrap counter << 15 */
	uint16_t free;	     /* descriptors not in use */
	uint16_t seen;	     /* up to where driver_pop() went: used->idx; packed: as next_desc */
	uint16_t n_out;	     /* chains the device has */
	uint16_t kicked;     /* split: avail->idx at the last driver_wants_kick() */
	uint16_t next_id;    /* packed: first to try */
	uint16_t head_at;    /* packed: descriptor of the last driver_put(), */
	uint16_t head_flags; /* and what makes it visible */
	uint16_t *chain_len; /* by head or id: descriptors of its chain; 0: not in use */
	void **tables;	     /* by head or id: DRIVER_TABLE entries for indirect chains, or NULL */
};

enum driver_how { DRIVER_DIRECT, DRIVER_INDIRECT };

void *driver_alloc(struct driver_mem *mem, uint64_t size, uint64_t align);
uint64_t driver_gpa(const struct driver_mem *mem, const void *at);
void driver_ring_init(struct driver_ring *r, struct driver_mem *mem, uint32_t size);
void driver_ring_init_packed(struct driver_ring *r, struct driver_mem *mem, uint32_t size);
void driver_ring_reset(struct driver_ring *r);
void driver_ring_fini(struct driver_ring *r);
int driver_put(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n, bool write,
	       enum driver_how how);
void driver_show(struct driver_ring *r);
int driver_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int n, bool write,
	       enum driver_how how);
bool driver_pop(struct driver_ring *r, uint32_t *head, uint32_t *len);
bool driver_pending(const struct driver_ring *r);
bool driver_want_interrupt(struct driver_ring *r);
bool driver_wants_kick(struct driver_ring *r);
uint16_t driver_used_pos(const struct driver_ring *r);

#endif
