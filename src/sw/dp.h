/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane as control sees it: ports by number, one published snapshot,
 * counters out, address hints out. Nothing of DPDK shows here, so control is
 * tested against a fake dp.c. All calls are made by the control thread.
 *
 * A port number is the index of its policy in struct veb_snap. Counters and the
 * rate belong to the number, not to what is plugged in: they outlive a detach.
 */
#ifndef ANYVF_SW_DP_H
#define ANYVF_SW_DP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mac.h"
#include "model/vf.h"

#define DP_BURST_MAX 128 /* frames */
#define DP_NAME_LEN 31	/* port names for logs, without the NUL: "p2p1 vf 12" */

struct dp;
struct parent;
struct peers;
struct port;	 /* sw/data/port.h */
struct veb_snap; /* veb/snap.h */
struct veb_heard; /* veb/veb.h */

struct dp_opts {
	const char *cores;    /* list as 2,4-6, one worker each; NULL: one worker, wherever it likes */
	const char *run_dir;  /* for DPDK's (empty) folder and what outlives us; borrowed; NULL: none */
	const char *prefix;   /* unique in that folder; NULL: "anyvf", without run_dir from our pid */
	bool busy;	      /* workers never sleep */
	bool huge;	      /* memory of DPDK in huge pages; else none are needed */
	unsigned int mem_mib; /* DPDK's own heap; 0: 64 */
	struct parent *parent; /* opens vhost-user sockets; NULL: we do */
	const struct peers *peers; /* who may be a front end; NULL: anyone; borrowed */
	/* Called once a second, from thread @tid of its own, as long as that runs; NULL: not. */
	void (*beat)(void *arg, pid_t tid);
	void *beat_arg;
};

/* What a port's attachment looks like now. */
struct dp_port_status {
	bool attached;	       /* something is plugged in */
	bool connected;	       /* vhost: a front end is there; others: the device exists */
	unsigned int n_queues; /* queue pairs running */
	unsigned int n_rx;     /* receive queues that frames are spread over */
	uint64_t rx_frames[VF_QUEUES_MAX]; /* of each, if there are several: frames it got */
	uint64_t features;     /* virtio features negotiated; 0 for others */
	uint64_t interrupts;   /* vhost: times the guest was told */
	uint32_t rx_ring, rx_free; /* vhost: see struct vf_status */
	uint32_t tx_ring, tx_wait;
	uint8_t fault;	       /* vhost: enum vf_fault */
};

/* A source address seen from a port that veb wants control to judge. */
struct dp_hint {
	uint16_t port; /* port number; VEB_NO_PORT: it is void */
	struct mac mac;
};

/* What a worker does with its time, since it began. */
struct dp_work {
	uint64_t busy_ns, idle_ns;	   /* in rounds with frames; in others, and asleep */
	uint64_t wakeups;		   /* it slept, and something woke it */
	uint64_t bursts[DP_BURST_MAX + 1]; /* by frames a burst */
};

/* Copies made for one mirror slot (struct veb_mirror). */
struct dp_mirror_stats {
	uint64_t mirrored; /* delivered */
	uint64_t dropped;  /* no room, or nothing attached */
};

int dp_open(const struct dp_opts *opts, struct dp **out, struct err *e);
void dp_close(struct dp *dp);
AUTO_DEFINE(struct dp *, dp_close)

/* Control is alive; once called it is to be called again and again. */
void dp_control_turn(struct dp *dp);

/* Takes @snap (veb_snap_free); the one before it is freed when no worker can see it any more. */
void dp_publish(struct dp *dp, struct veb_snap *snap);

/* While held, no source is polled: frames wait with their senders. */
void dp_hold(struct dp *dp, bool held);
/* Likewise those of one port, whatever is plugged in; stale: what waits until then is dropped. */
void dp_port_pause(struct dp *dp, uint16_t port);
void dp_port_resume(struct dp *dp, uint16_t port, bool stale);

/* vhost-user. client: we connect and keep trying (QEMU listens); else we listen on path. */
int dp_vhost_add(struct dp *dp, uint16_t port, const char *name, const char *path, bool client,
		 struct err *e);
/* Any other kind. Takes @port also on failure (its ops->free is called). */
int dp_port_add(struct dp *dp, uint16_t id, const char *name, struct port *port, struct err *e);
/* Unplug and free what is there; no worker touches it afterwards. Nothing there: no-op. */
void dp_port_del(struct dp *dp, uint16_t port);
void dp_port_status(const struct dp *dp, uint16_t port, struct dp_port_status *out);

/* What the port may send, Mbit/s, 0: no limit (frames wait in the sender's ring); and can rely on. */
unsigned int dp_workers(const struct dp *dp);
void dp_work_get(const struct dp *dp, unsigned int worker, struct dp_work *out);
void dp_rate_set(struct dp *dp, uint16_t port, uint32_t max, uint32_t min);

void dp_stats_get(const struct dp *dp, uint16_t port, struct vf_stats *out);
void dp_stats_reset(struct dp *dp, uint16_t port);
void dp_drops_add(struct dp *dp, uint16_t port, enum drop why, uint32_t n);
/* Drops since the last reset, each reason with its last frame. */
void dp_drops_get(const struct dp *dp, uint16_t port, struct vf_drop out[DROP_N]);
void dp_mirror_stats_get(const struct dp *dp, uint16_t slot, struct dp_mirror_stats *out);
void dp_mirror_stats_reset(struct dp *dp, uint16_t slot);

/* Readable (level) while hints wait; too many at once are forgotten, they come again. */
int dp_hint_fd(const struct dp *dp);
unsigned int dp_hints_take(struct dp *dp, struct dp_hint *out, unsigned int max);
void dp_heard_take(struct dp *dp, struct veb_heard *out);

#endif
