/* SPDX-License-Identifier: Apache-2.0 */
/* What vhost.c (rings, the library's calls) and vhost_sock.c (sockets, helper thread) share. */
#ifndef ANYVF_SW_VHOST_VHOST_PRIV_H
#define ANYVF_SW_VHOST_VHOST_PRIV_H

#include <rte_vhost.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "sw/data/dp_priv.h"
#include "sw/vhost/marks.h"
#include "sw/vhost/vq.h"

#define DEVICES_MAX 1024	  /* of librte_vhost */
#define SOCKETS_MAX 1022	  /* descriptors its poll set has room for */
#define RINGS_MAX MARKS_N /* of one device */

/*
 * One ring of a device; even indexes are to the guest, odd ones from it. Two cache lines are all
 * that delivery reads.
 */
struct vhost_ring {
	struct vq ring;
	bool enabled;	       /* ready and enabled, says the library */
	bool reported;	       /* broken, and the helper was told; writer: the worker */
	bool logged;	       /* broken, and the log says so; writer: the helper */
	bool foreign; /* atomic; odd: kicked, and nothing is to be seen; writer: the worker */
	struct port_queue src; /* odd: the source. even: only `running` is used */
	uint64_t frames;       /* even: atomic; chosen among several; delivered since its front end came */
	uint64_t *done;	       /* packed: of ring; @done_size entries */
	uint32_t done_size;
};
static_assert(offsetof(struct vhost_ring, src.running) < 128, "delivery reads two lines");

/*
 * The requests of the vhost-user protocol that we take: those that need no feature, and those of
 * features that we offer. */
enum {
	GET_FEATURES = 1,
	SET_FEATURES,
	SET_OWNER,
	RESET_OWNER,
	SET_MEM_TABLE,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR,
	SET_VRING_BASE,
	GET_VRING_BASE,
	SET_VRING_KICK,
	SET_VRING_CALL,
	SET_VRING_ERR,
	GET_PROTOCOL_FEATURES,
	SET_PROTOCOL_FEATURES,
	GET_QUEUE_NUM,
	SET_VRING_ENABLE,
	NET_SET_MTU = 20,
	SET_STATUS = 39,
	GET_STATUS,
};

struct vhost_port;

/* Work for the helper thread. */
struct job {
	struct vhost_port *port;
	bool add;     /* open the socket; else close it and free the port */
	bool waited;  /* somebody waits for the result, and frees the job */
	bool done;
	int rc;
	struct err err;
	struct job *next;
};

/* Writer: the library's thread, under queues_lock, unless said otherwise. */
/* Kinds of lines about a port. */
enum { SAID_COMES, SAID_LEAVES, SAID_RING, SAID_BREAKS, SAID_N };

struct vhost_port {
	struct port port;
	struct vhost_lib *lib;
	char path[VF_PATH_LEN + 1];
	bool client;
	int vid;	/* of the connection, -1: none */
	bool mem_valid; /* mem is the front end's table */
	bool table;	/* it has sent one */
	uint64_t
		driver_ms; /* when a guest's driver was there first, by its features; 0: none was */
	struct gmem mem;
	uint64_t features;
	struct vq_mark *marks;		      /* RINGS_MAX; NULL before the first packed ring */
	unsigned int n_rx;		      /* atomic; delivery chooses among pairs 0..n_rx-1 */
	struct vhost_ring *rings[RINGS_MAX];  /* made when first seen, freed with the port */
	struct vhost_port *next;	      /* in lib->ports */
	uint64_t hurry_until_ms, look_at_ms;  /* client: looking for the socket; the helper's */
	bool open;			      /* in lib->ports; writer: the helper */
	bool started;			      /* the library has the socket; the helper's */
	bool closing;			      /* rings are not started any more */
	bool lost;			      /* atomic; memory went away: no ring starts without other */
	bool lost_logged;		      /* and the log says so; writer: the helper */
	bool own_logged;		      /* likewise that memory is not shared */
	struct job close_job;		      /* so that closing cannot fail for memory */
	struct log_bucket said[SAID_N];	      /* what its front end and guest can make us log */
};

#define TABLE_MS 1000 /* of a front end's: it sends its table behind the features, in one breath */

/*
 * Is the guest's memory the front end's own? Its driver is there, and no table (QEMU without
 * memory that has a file); or the file is none that the guest writes to (mapped privately).
 * Caller has queues_lock.
 */
static inline bool vhost_is_own(const struct vhost_port *vp, uint64_t now_ms)
{
	bool own = vp->driver_ms && !vp->table && now_ms - vp->driver_ms >= TABLE_MS;

	for (unsigned int i = 1; i < RINGS_MAX; i += 2)
		own |= vp->rings[i] && vp->rings[i]->src.running &&
		       __atomic_load_n(&vp->rings[i]->foreign, __ATOMIC_RELAXED);
	return own;
}

/* No ring of the device is used any more. From a signal handler, too. */
static inline void vhost_rings_break(struct vhost_port *vp)
{
	for (unsigned int i = 0; i < RINGS_MAX; i++)
		if (vp->rings[i])
			__atomic_store_n(&vp->rings[i]->ring.broken, true, __ATOMIC_RELAXED);
}

struct vhost_lib {
	struct dp *dp;
	struct vhost_port *ports;		/* open; writer: the helper, guarded by queues_lock */
	struct vhost_port *by_vid[DEVICES_MAX]; /* guarded by queues_lock */

	pthread_t helper;
	int wake_fd;		   /* eventfd: jobs, stop, or a broken ring */
	pthread_mutex_t jobs_lock; /* guards the rest */
	pthread_cond_t jobs_done;
	struct job *jobs;	/* oldest first */
	unsigned int n_sockets; /* descriptors in use; a listener counts two */
	bool stop;
};

/* Wakes the helper, once a break: it logs. A front end that makes us wait does so once. */
static inline void vhost_ring_report(struct vhost_ring *r, struct vhost_port *vp)
{
	if (likely(!r->ring.broken) || r->reported)
		return;
	r->reported = true;
	if (r->ring.blocked)
		vhost_rings_break(vp);
	(void)eventfd_write(vp->lib->wake_fd, 1);
}

extern struct vhost_lib *vhost_lib; /* librte_vhost's callbacks have no argument */
extern const struct port_ops vhost_port_ops;
extern const struct rte_vhost_device_ops vhost_callbacks;

/* vhost_steer.c */
void vhost_tx(struct port *p, struct port_batch *b);
void vhost_fetch(const struct port_ahead *ahead, unsigned int n);

/* vhost_jobs.c */
struct job *vhost_job_next(struct vhost_lib *lib, bool *stop);
void vhost_job_done(struct vhost_lib *lib, struct job *job, int rc);
void vhost_free(struct port *port);

/* vhost_fault.c */
int vhost_fault_init(void);
void vhost_fault_serving(int vid);

/* vhost_libc.c */
void vhost_libc_setup(struct parent *parent, const struct peers *peers);
int vhost_libc_start(const char *path);

#endif
