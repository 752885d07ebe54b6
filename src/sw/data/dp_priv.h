/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the data plane: what workers (worker.c), control (dp.c and what it calls) and
 * librte_vhost's threads (vhost/) share. Control itself sees dp.h alone.
 */
#ifndef ANYVF_SW_DATA_DP_PRIV_H
#define ANYVF_SW_DATA_DP_PRIV_H

#include <pthread.h>
#include <rte_rcu_qsbr.h>
#include <sched.h>

#include "sw/data/assign.h"
#include "sw/data/port.h"
#include "sw/data/spin.h"
#include "veb/meter.h"

#define DP_HINTS_MAX   1024 /* a power of two */
#define DP_WORKERS_MAX 32

/* Sources to poll. Immutable but for active[], which is the worker's. */
struct dp_sources {
	uint64_t gen; /* counts lists */
	unsigned int n, n_active;
	struct port_queue **all;    /* array of n: running sources */
	struct port_queue **active; /* array of n: the first n_active are polled */
};

/* Ring of hints. Writer of head: the worker; of tail, and of what is between them: control. */
struct dp_hints {
	struct dp_hint ring[DP_HINTS_MAX];
	unsigned int head, tail;
	bool told; /* atomic; dp->hint_fd was written since control looked last */
};

/* Rates of a port, Mbit/s, 0: none. Atomic; writer: control. */
struct dp_rate {
	uint32_t max, min;
};

/* The bucket of a port with a rate; all its sources draw from it. */
struct dp_shaper {
	struct spin lock; /* guards the rest */
	struct meter meter;
	uint32_t mbit; /* what meter is set to */
};

/* Bytes in a bucket; 0: none before *until. */
static inline uint64_t bucket_room(struct dp_shaper *s, uint32_t mbit, uint32_t depth_ms,
				   uint64_t hz, uint64_t now, uint64_t *until)
{
	uint64_t room;

	spin_lock(&s->lock);
	if (mbit != s->mbit) {
		meter_init(&s->meter, mbit, depth_ms, hz, now);
		s->mbit = mbit;
	}
	room = meter_room(&s->meter, now);
	*until = room ? 0 : now + meter_wait(&s->meter, now);
	spin_unlock(&s->lock);
	return room;
}

static inline void bucket_spend(struct dp_shaper *s, uint64_t bytes)
{
	spin_lock(&s->lock);
	meter_spend(&s->meter, bytes);
	spin_unlock(&s->lock);
}

struct worker;
struct vhost_lib;
struct watchdog;

/* What a thread shows the watchdog. Atomic; writer: the thread. */
struct dp_pulse {
	uint64_t rounds; /* counts on */
	pid_t tid;	 /* 0: it has not begun */
	uint16_t at;	 /* the port whose turn it is */
	bool asleep;	 /* waits for work */
};

/* What a worker did. TSC ticks. Atomic; writer: the worker. */
struct dp_worked {
	uint64_t busy, idle;
	uint64_t since; /* when it was counted last */
	uint64_t wakeups;
	uint64_t bursts[PORT_BURST + 1];
};

/* What one worker and the others share. Writer: the worker, unless said otherwise. */
struct dp_worker {
	struct dp *dp;
	struct worker *thread;	    /* writer: control */
	struct assign_core core;    /* guarded by queues_lock */
	struct dp_sources *sources; /* atomic; writer: whoever holds queues_lock */
	struct vf_stats *stats;	    /* VEB_PORTS_MAX */
	struct loss_slot *losses;   /* VEB_PORTS_MAX times DROP_N */
	struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
	struct dp_hints hints;
	struct dp_pulse pulse;
	struct dp_worked worked;
};

struct dp {
	struct rte_rcu_qsbr *qsbr;
	struct veb_snap *snap;		   /* atomic; writer: control */
	struct port *ports[VEB_PORTS_MAX]; /* atomic pointers; writer: control */
	struct dp_rate rates[VEB_PORTS_MAX];
	struct dp_shaper *shapers;   /* VEB_PORTS_MAX; what ports may send by their maximum rate */
	struct dp_shaper *floors;    /* VEB_PORTS_MAX; what they are owed by their minimum rate */
	struct storm *storms;	     /* VEB_PORTS_MAX; writers: the workers */
	struct veb_heard heard;	     /* likewise */
	struct vf_stats *stats_zero; /* VEB_PORTS_MAX; what counts as 0; writer: control */
	struct dp_mirror_stats mirrors_zero[VEB_MIRRORS_MAX]; /* likewise */
	int hint_fd; /* eventfd, in control's loop: some worker has hints */

	/*
	 * Guards the lists of sources and what is running. Short; never held across
	 * rte_vhost_driver_*, never taken by a worker.
	 */
	pthread_mutex_t queues_lock;
	bool held; /* no source is polled; guarded by it */
	bool paused[VEB_PORTS_MAX]; /* none of this port's; guarded by it */

	unsigned int n_workers; /* those of workers[] that run */
	struct dp_worker *workers[DP_WORKERS_MAX];
	struct vhost_lib *vhost;
	struct watchdog *watchdog;
	struct dp_pulse control; /* asleep and at mean nothing */
	void (*beat)(void *arg, pid_t tid); /* of struct dp_opts */
	void *beat_arg;
	struct parent *parent; /* of struct dp_opts, as of the next two; borrowed, or NULL */
	const struct peers *peers;
	const char *run_dir;
	bool busy;
	bool closing; /* dp_close(): what is unplugged comes back with the next of us */
};

/* grace.c */
void dp_grace(struct dp *dp);

/* sources.c */
struct dp_sources *sources_new(unsigned int n);
void dp_queue_start_locked(struct dp *dp, struct port_queue *q);
void dp_queue_stop_locked(struct dp *dp, struct port_queue *q);
void dp_queues_changed_locked(struct dp *dp);

/* eal.c */
int eal_start(const struct dp_opts *opts, cpu_set_t *cpus, struct err *e);
void eal_stop(void);

/* hints.c */
void hints_put(struct dp_worker *w, struct veb_out *out);
void hints_void(struct dp *dp, uint16_t port);

/* lost.c */
void lost_head(struct dp_worker *w, uint16_t id, const struct loss *what, enum drop why);

/* watchdog.c */
int watchdog_start(struct dp *dp, struct watchdog **out, struct err *e);
void watchdog_stop(struct watchdog *d);

/* worker.c */
int worker_start(struct dp *dp, unsigned int id, int cpu, struct worker **out, struct err *e);
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
