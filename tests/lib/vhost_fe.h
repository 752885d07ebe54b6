/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user front end: what QEMU and a guest's driver are to the switch, in
 * one small library. Tests use it from Python (ctypes), benchmarks from C.
 */
#ifndef ANYVF_TESTS_VHOST_FE_H
#define ANYVF_TESTS_VHOST_FE_H

#include "lib/driver.h"

#define FE_PAIRS_MAX 8
#define FE_SLOT 66000 /* bytes of a transmit slot: the largest frame with its header */

/* What the back end gets of the guest's memory. */
enum fe_memory {
	FE_SHARED,
	FE_PRIVATE, /* its file, of which the guest has a copy: memory-backend-file, share=off */
	FE_NONE,    /* nothing, as from QEMU with memory that has no file */
};

struct fe_opts {
	const char *path;
	bool listen;	    /* as QEMU does; else connect */
	uint32_t ring_size; /* descriptors; split: a power of two */
	uint32_t pairs;	    /* queue pairs, 1..FE_PAIRS_MAX */
	uint64_t features;  /* wanted; VERSION_1 comes by itself; RING_PACKED: all rings are */
	uint32_t rx_len;    /* bytes of a receive chain */
	uint32_t rx_pieces; /* descriptors of a receive chain */
	bool rx_indirect;
	uint32_t mem_mib; /* guest memory */
	int timeout_ms;	  /* to connect or be connected to */
	int memory;	  /* enum fe_memory */
};

struct fe;

/* Ways to break the rules of a transmit ring. */
enum fe_mistake {
	FE_ADDR_OUTSIDE, /* no region has it */
	FE_ADDR_SPANS,	 /* begins in a region, ends outside */
	FE_LENGTH_ZERO,
	FE_LENGTH_HUGE,
	FE_LOOP,	/* a chain that comes back to its head; packed: breaks the queue */
	FE_LONG_CHAIN,	/* an indirect chain longer than the ring */
	FE_WRITE_ONLY,	/* a buffer the device may not read */
	FE_BAD_HEAD,	/* split: head descriptor above the ring: breaks the queue */
	FE_RUNAWAY,	/* split: avail index more than a ring ahead: breaks the queue */
};

struct fe *fe_open(const struct fe_opts *opts);
void fe_close(struct fe *fe);
int fe_reconnect(struct fe *fe, int timeout_ms);
bool fe_connected(struct fe *fe);
uint64_t fe_features(const struct fe *fe);
int fe_remap(struct fe *fe, unsigned int regions);
int fe_truncate(struct fe *fe);
int fe_block(struct fe *fe, unsigned int index);
int fe_call(struct fe *fe, unsigned int index, int fd);
int fe_misplace(struct fe *fe, unsigned int index);
int fe_stop(struct fe *fe);
int fe_reboot(struct fe *fe);
int fe_enable(struct fe *fe, unsigned int pair, bool on);

int fe_send(struct fe *fe, unsigned int pair, const void *bytes, uint32_t len, uint32_t piece,
	    bool indirect);
int fe_recv(struct fe *fe, unsigned int pair, void *out, uint32_t size, int timeout_ms);
int fe_break(struct fe *fe, unsigned int pair, enum fe_mistake mistake, const void *bytes,
	     uint32_t len);
uint32_t fe_rewrite(struct fe *fe, unsigned int pair, const void *a, const void *b, uint32_t len,
		    uint32_t times);
void fe_scramble(struct fe *fe, unsigned int pair, uint32_t *seed, uint32_t passes);
uint32_t fe_repeat(struct fe *fe, unsigned int pair, const void *bytes, uint32_t len,
		   uint32_t times);

struct driver_ring *fe_ring(struct fe *fe, unsigned int index);
void fe_kick(struct fe *fe, unsigned int index);

#endif
