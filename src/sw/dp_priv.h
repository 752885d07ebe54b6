/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the data plane, shared by dp.c (control's calls), worker.c (the
 * polling thread) and vhost.c (librte_vhost's threads). Nobody else includes it.
 */
#ifndef ANYVF_SW_DP_PRIV_H
#define ANYVF_SW_DP_PRIV_H

#include <pthread.h>
#include <rte_rcu_qsbr.h>

#include "sw/port.h"

#define DP_HINTS_MAX 1024 /* a power of two */

/* Sources to poll. Immutable but for active[], which is the worker's. */
struct dp_sources {
	uint64_t gen; /* counts lists */
	unsigned int n, n_active;
	struct port_queue **all;    /* array of n: running sources */
	struct port_queue **active; /* array of n: the first n_active are polled */
};

/* Ring of hints. Writer of head: the worker; of tail: control. */
struct dp_hints {
	struct dp_hint ring[DP_HINTS_MAX];
	unsigned int head, tail;
	bool told; /* atomic; fd was written since control looked last */
	int fd;	   /* eventfd, in control's loop */
};

struct worker;
struct vhost_lib;

struct dp {
	struct rte_rcu_qsbr *qsbr;
	struct veb_snap *snap;		   /* atomic; writer: control */
	struct port *ports[VEB_PORTS_MAX]; /* atomic pointers; writer: control */
	uint32_t rates[VEB_PORTS_MAX];	   /* atomic; Mbit/s, 0: none; writer: control */
	struct vf_stats *stats;		   /* VEB_PORTS_MAX; writer: the worker */
	struct vf_stats *stats_zero;	   /* likewise; what counts as 0; writer: control */
	struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];      /* writer: the worker */
	struct dp_mirror_stats mirrors_zero[VEB_MIRRORS_MAX]; /* writer: control */
	struct dp_hints hints;

	/*
	 * Guards the list of sources and what is running. Short; never held across
	 * rte_vhost_driver_*, never taken by the worker.
	 */
	pthread_mutex_t queues_lock;
	struct dp_sources *sources; /* atomic; writer: whoever holds queues_lock */

	struct worker *worker;
	struct vhost_lib *vhost;
	bool busy;
};

/* dp.c */
void dp_grace(struct dp *dp);
void dp_queue_start_locked(struct dp *dp, struct port_queue *q);
void dp_queue_stop_locked(struct dp *dp, struct port_queue *q);
void dp_queues_changed_locked(struct dp *dp);

/* eal.c */
int eal_start(const struct dp_opts *opts, int *cpu, struct err *e);

/* worker.c */
int worker_start(struct dp *dp, int cpu, struct worker **out, struct err *e);
void worker_stop(struct worker *w);
int worker_watch(struct worker *w, struct port_queue *q);
void worker_unwatch(struct worker *w, struct port_queue *q);
void worker_wake(struct worker *w);

/* vhost.c */
int vhost_open(struct dp *dp, struct vhost_lib **out, struct err *e);
void vhost_close(struct vhost_lib *lib);
int vhost_new(struct vhost_lib *lib, const char *path, bool client, struct port **out,
	      struct err *e);
int vhost_register(struct port *port, struct err *e);

#endif
