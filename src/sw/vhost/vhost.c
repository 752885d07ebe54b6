/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user ports. librte_vhost speaks the protocol; the rings are ours. Every
 * callback and message comes down to "stop these rings" or "start these rings",
 * done in the library's thread under queues_lock: a stopped ring is not touched
 * by the worker once the grace period is over, a started one is read anew from
 * the library.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/sock.h"
#include "sw/vhost/vhost_priv.h"

#define HURRY_MS 200 /* for the rest of a message that has begun: it is written in one go */

/* ---- What the worker calls. ---- */

static struct vhost_ring *ring_of(struct port_queue *q)
{
	return container_of(q, struct vhost_ring, src);
}
static struct vhost_port *port_of(struct port *p)
{
	return container_of(p, struct vhost_port, port);
}

static unsigned int op_rx(struct port_queue *q, struct port_burst *b)
{
	struct vhost_ring *r = ring_of(q);

	vq_take(&r->ring, b);
	if (unlikely(r->ring.broken && !r->reported))
		port_refused(b, DROP_MALFORMED, NULL, 0, 0);
	vhost_ring_report(r, port_of(q->port));
	return b->n;
}

static void op_rx_done(struct port_queue *q)
{
	struct vhost_ring *r = ring_of(q);

	vq_give_back(&r->ring);
	vhost_ring_report(r, port_of(q->port));
}

/* Kicked: so there is something in it, as there are buffers in its twin, or we do not see them. */
static void kick_judge(struct vhost_ring *r, const struct vhost_port *vp)
{
	const struct vhost_ring *twin = vp->rings[2 * r->src.index];

	if (likely(!vq_is_blank(&r->ring)) || !twin || !twin->src.running ||
	    !vq_is_blank(&twin->ring) || r->foreign)
		return;
	__atomic_store_n(&r->foreign, true, __ATOMIC_RELAXED);
	(void)eventfd_write(vp->lib->wake_fd, 1);
}

static bool op_arm(struct port_queue *q, bool on)
{
	struct vhost_ring *r = ring_of(q);

	if (!on)
		kick_judge(r, port_of(q->port));
	return vq_arm(&r->ring, on);
}

/* What waits in a running ring, and how often its guest was told. */
static void ring_status(const struct vhost_ring *r, bool to_guest, struct dp_port_status *out)
{
	unsigned int n = vq_waiting(&r->ring), size = r->ring.mask + 1u;

	out->rx_ring += to_guest ? size : 0;
	out->rx_free += to_guest ? n : 0;
	out->tx_ring += to_guest ? 0 : size;
	out->tx_wait += to_guest ? 0 : n;
}

static void op_status(const struct port *p, struct dp_port_status *out)
{
	const struct vhost_port *vp = container_of(p, struct vhost_port, port);

	pthread_mutex_lock(&vp->lib->dp->queues_lock);
	out->connected = vp->vid >= 0;
	out->features = vp->features;
	for (unsigned int i = 0; i < RINGS_MAX; i++) {
		const struct vhost_ring *r = vp->rings[i];

		if (r)
			out->interrupts += __atomic_load_n(&r->ring.calls, __ATOMIC_RELAXED);
		if (!r || !r->src.running)
			continue;
		ring_status(r, i % 2 == 0, out);
		out->n_queues += i % 2;
		if (r->ring.broken)
			out->fault = VF_FAULT_RING;
	}
	if (vp->lost && vp->vid >= 0)
		out->fault = VF_FAULT_GONE;
	else if (vhost_is_own(vp, loop_now_ms()))
		out->fault = VF_FAULT_NOT_SHARED;
	out->n_rx = vp->n_rx;
	for (unsigned int i = 0; i < vp->n_rx; i++)
		out->rx_frames[i] = __atomic_load_n(&vp->rings[2 * i]->frames, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&vp->lib->dp->queues_lock);
}

const struct port_ops vhost_port_ops = {
	.kind = "vhost",
	.rx = op_rx,
	.rx_done = op_rx_done,
	.arm = op_arm,
	.tx = vhost_tx,
	.fetch = vhost_fetch,
	.status = op_status,
	.free = vhost_free,
};

/* ---- Start and stop. ---- */

static struct vhost_ring *ring_get_locked(struct vhost_port *vp, unsigned int i)
{
	struct vhost_ring *r;

	if (i >= RINGS_MAX)
		return NULL;
	r = vp->rings[i];
	if (r)
		return r;
	r = aligned_alloc(64, (sizeof(*r) + 63) & ~63ul);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->src = (struct port_queue){
		.port = &vp->port, .index = (uint16_t)(i / 2), .fd = -1, .node = -1,
		.stale = vp->port.stale ? PORT_STALE : 0,
	};
	r->ring.broken = true;
	__atomic_store_n(&vp->rings[i], r, __ATOMIC_RELEASE);
	if (i % 2) {
		__atomic_store_n(&vp->port.queues[i / 2], &r->src, __ATOMIC_RELEASE);
		vp->port.n_queues = MAX(vp->port.n_queues, i / 2 + 1);
	}
	return r;
}

static void frames_forget_locked(struct vhost_port *vp)
{
	for (unsigned int i = 0; i < RINGS_MAX; i++)
		if (vp->rings[i])
			__atomic_store_n(&vp->rings[i]->frames, 0, __ATOMIC_RELAXED);
}

/* Other memory, or another front end: what was lost before is forgotten. */
static void mem_forget_locked(struct vhost_port *vp)
{
	vp->mem_valid = false;
	vp->lost = vp->lost_logged = vp->own_logged = false;
}

/* The front end's memory table, once after each change; no ring runs then. */
static bool mem_load_locked(struct vhost_port *vp)
{
	struct rte_vhost_memory *table = NULL;

	if (vp->mem_valid)
		return true;
	if (rte_vhost_get_mem_table(vp->vid, &table) || !table)
		return false;
	vp->mem.n = MIN(table->nregions, (uint32_t)GMEM_REGIONS_MAX);
	for (unsigned int i = 0; i < vp->mem.n; i++)
		vp->mem.regions[i] = (struct gmem_region){
			.gpa = table->regions[i].guest_phys_addr,
			.size = table->regions[i].size,
			.host = (uint8_t *)(uintptr_t)table->regions[i].host_user_addr,
		};
	free(table);
	vp->mem_valid = true;
	return true;
}

/* Pairs 0..n-1 whose receive rings run: what delivery chooses among. */
static void rx_count_locked(struct vhost_port *vp)
{
	unsigned int n = 0;

	while (2 * n < RINGS_MAX && vp->rings[2 * n] && vp->rings[2 * n]->src.running)
		n++;
	__atomic_store_n(&vp->n_rx, n, __ATOMIC_RELEASE);
}

/* What a packed ring needs besides. False: no memory. */
static bool ring_extend_locked(struct vhost_port *vp, unsigned int i, struct vhost_ring *r,
			       struct vq_conf *conf)
{
	if (!vp->marks)
		vp->marks = marks_open(vp->lib->dp->run_dir, vp->path);
	if (conf->size > r->done_size) {
		free(r->done);
		r->done = calloc(conf->size, sizeof(r->done[0]));
		r->done_size = r->done ? conf->size : 0;
	}
	conf->done = r->done;
	conf->mark = vp->marks ? &vp->marks[i] : NULL;
	return conf->done && conf->mark;
}

/* QEMU makes the eventfd with a kick in it, which says nothing: a ring is polled at first. */
static void first_kick_take(int fd)
{
	uint64_t count;
	struct iovec at = { &count, sizeof(count) };

	(void)preadv2(fd, &at, 1, -1, RWF_NOWAIT); /* the front end may have made it wait */
}

/* Read a ring from the library. False: it is not whole yet. */
static bool ring_load_locked(struct vhost_port *vp, unsigned int i, struct vhost_ring *r)
{
	struct vq_conf conf = { .mem = &vp->mem };
	uint64_t calls = r->ring.calls; /* it counts on */
	struct rte_vhost_vring vr;
	bool good;

	if (vp->lost || !mem_load_locked(vp) ||
	    rte_vhost_get_vhost_vring(vp->vid, (uint16_t)i, &vr) ||
	    !vr.desc || !vr.avail || !vr.used ||
	    rte_vhost_get_vring_base(vp->vid, (uint16_t)i, &conf.avail_next, &conf.used_next) ||
	    rte_vhost_get_negotiated_features(vp->vid, &conf.features))
		return false;
	conf.desc = vr.desc;
	conf.driver = vr.avail;
	conf.device = vr.used;
	conf.size = vr.size;
	conf.call_fd = vr.callfd;
	vp->features = conf.features;
	if (!(conf.features & 1ull << VIRTIO_F_VERSION_1)) {
		log_limited(LOG_LEVEL_WARN, &vp->said[SAID_RING],
			    "guest driver is too old, virtio 1 is needed", "port=\"%s\" q=%u",
			 vp->port.name, i);
		return false;
	}
	if (conf.features & 1ull << VIRTIO_F_RING_PACKED &&
	    !ring_extend_locked(vp, i, r, &conf)) {
		log_limited(LOG_LEVEL_WARN, &vp->said[SAID_RING], "no memory for a packed ring",
			    "port=\"%s\" q=%u", vp->port.name, i);
		return false;
	}
	good = vq_init(&r->ring, &conf);
	r->ring.calls = calls;
	if (!good) {
		log_limited(LOG_LEVEL_WARN, &vp->said[SAID_RING],
			    "front end gave a ring outside its memory", "port=\"%s\" q=%u",
			 vp->port.name, i);
		return false;
	}
	/* A front end may pass anything; writing to it must not block the worker. */
	if (vr.callfd >= 0)
		(void)fcntl(vr.callfd, F_SETFL, fcntl(vr.callfd, F_GETFL) | O_NONBLOCK);
	r->src.fd = i % 2 && vr.kickfd >= 0 ? vr.kickfd : -1;
	if (r->src.fd >= 0)
		first_kick_take(r->src.fd);
	r->src.node = assign_node_of_memory(conf.desc);
	return true;
}

/* Start ring @i if all is there; @queues_changed comes after. */
static void ring_start_locked(struct vhost_port *vp, unsigned int i)
{
	struct vhost_ring *r = ring_get_locked(vp, i);

	if (!r || r->src.running || !r->enabled || vp->closing || !ring_load_locked(vp, i, r))
		return;
	r->reported = r->logged = r->foreign = false;
	if (r->src.stale && !vq_arm(&r->ring, true))
		r->src.stale = 0; /* nothing waits there */
	vq_arm(&r->ring, false);
	if (i % 2)
		dp_queue_start_locked(vp->lib->dp, &r->src);
	else
		__atomic_store_n(&r->src.running, true, __ATOMIC_RELEASE);
}

/*
 * Stop rings first..last. Then we touch none of their memory, and the library knows our indexes.
 * If they are to go on behind a message (@pause), flows stay with them.
 */
static void rings_stop_locked(struct vhost_port *vp, unsigned int first, unsigned int last,
			      bool pause)
{
	bool was[RINGS_MAX] = { false };
	bool any = false;

	for (unsigned int i = first; i <= last && i < RINGS_MAX; i++) {
		struct vhost_ring *r = vp->rings[i];

		was[i] = r && r->src.running;
		if (!was[i])
			continue;
		any = true;
		if (i % 2)
			dp_queue_stop_locked(vp->lib->dp, &r->src);
		else
			__atomic_store_n(&r->src.running, false, __ATOMIC_RELEASE);
	}
	if (!pause)
		rx_count_locked(vp);
	if (!any)
		return;
	dp_queues_changed_locked(vp->lib->dp);
	for (unsigned int i = first; i <= last && i < RINGS_MAX; i++) {
		const struct vq *v = was[i] ? &vp->rings[i]->ring : NULL;

		if (v)
			rte_vhost_set_vring_base(vp->vid, (uint16_t)i, v->avail_next, v->used_next);
	}
}

static void rings_start_locked(struct vhost_port *vp, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last && i < RINGS_MAX; i++)
		if (vp->rings[i])
			ring_start_locked(vp, i);
	rx_count_locked(vp);
	dp_queues_changed_locked(vp->lib->dp);
}

/* ---- What the library calls, in its thread (or in the helper, closing). ---- */

/* The port of a connection, with queues_lock held; unlock with port_unlock(). */
static struct vhost_port *port_lock(int vid)
{
	struct vhost_port *vp;

	pthread_mutex_lock(&vhost_lib->dp->queues_lock);
	vp = vid >= 0 && vid < DEVICES_MAX ? vhost_lib->by_vid[vid] : NULL;
	if (!vp)
		pthread_mutex_unlock(&vhost_lib->dp->queues_lock);
	return vp;
}
static void port_unlock(void)
{
	pthread_mutex_unlock(&vhost_lib->dp->queues_lock);
}

/* A front end that takes a position from us gives one back: ours is not to outlive it. */
static void marks_forget_locked(struct vhost_port *vp, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; vp->marks && i <= last && i < RINGS_MAX; i++)
		vp->marks[i].cookie = 0;
}

/*
 * What is done about a request. The library would handle those that we refuse as well: shared
 * memory for logs, postcopy, inflight descriptors. Some change a ring or memory under it: stop
 * before, start after.
 */
enum { REFUSE, TAKE, STOP_RING_U64, STOP_RING_U32, STOP_ALL, STOP_ALL_MEM };
static const uint8_t requests[] = {
	[GET_FEATURES] = TAKE,
	[SET_FEATURES] = STOP_ALL,
	[SET_OWNER] = TAKE,
	[RESET_OWNER] = STOP_ALL_MEM,
	[SET_MEM_TABLE] = STOP_ALL_MEM,
	[SET_VRING_NUM] = STOP_RING_U32,
	[SET_VRING_ADDR] = STOP_RING_U32,
	[SET_VRING_BASE] = STOP_RING_U32,
	[GET_VRING_BASE] = STOP_RING_U32,
	[SET_VRING_KICK] = STOP_RING_U64,
	[SET_VRING_CALL] = STOP_RING_U64,
	[SET_VRING_ERR] = TAKE,
	[GET_PROTOCOL_FEATURES] = TAKE,
	[SET_PROTOCOL_FEATURES] = TAKE,
	[GET_QUEUE_NUM] = TAKE,
	[SET_VRING_ENABLE] = TAKE,
	[NET_SET_MTU] = TAKE,
	[SET_STATUS] = TAKE,
	[GET_STATUS] = TAKE,
};

/* The beginning of every vhost-user message. */
struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		uint32_t index;
	} payload;
} __attribute__((packed));

static uint8_t kind_of(const struct message *m)
{
	return m->request < ARRAY_LEN(requests) ? requests[m->request] : REFUSE;
}

/* Which rings a message is about. False: none. */
static bool message_rings(const struct message *m, unsigned int *first, unsigned int *last,
			  bool *mem)
{
	uint8_t what = kind_of(m);

	*mem = what == STOP_ALL_MEM;
	*first = 0;
	*last = RINGS_MAX - 1;
	if (what == STOP_RING_U64)
		*first = *last = (unsigned int)m->payload.u64 & 0xff;
	else if (what == STOP_RING_U32)
		*first = *last = m->payload.index;
	return what > TAKE;
}

static enum rte_vhost_msg_result before_message(int vid, void *msg)
{
	const struct message *m = msg;
	unsigned int first, last;
	struct vhost_port *vp;
	bool mem;

	if (kind_of(m) == REFUSE)
		return RTE_VHOST_MSG_RESULT_ERR; /* the library disconnects */
	vhost_fault_serving(vid);
	if (message_rings(m, &first, &last, &mem) && (vp = port_lock(vid))) {
		rings_stop_locked(vp, first, last, true);
		if (m->request == GET_VRING_BASE)
			marks_forget_locked(vp, first, last);
		if (m->request == SET_FEATURES && !vp->driver_ms) {
			vp->driver_ms = loop_now_ms();
			(void)eventfd_write(vp->lib->wake_fd, 1); /* to look whether it is late */
		}
		vp->table |= m->request == SET_MEM_TABLE;
		if (mem)
			mem_forget_locked(vp);
		port_unlock();
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result after_message(int vid, void *msg)
{
	unsigned int first, last;
	struct vhost_port *vp;
	bool mem;

	if (message_rings(msg, &first, &last, &mem) && (vp = port_lock(vid))) {
		rings_start_locked(vp, first, last);
		port_unlock();
	}
	vhost_fault_serving(-1);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static int on_ring_state(int vid, uint16_t i, int enable)
{
	struct vhost_port *vp = port_lock(vid);
	struct vhost_ring *r;

	if (!vp)
		return 0;
	r = ring_get_locked(vp, i);
	if (r) {
		r->enabled = enable;
		if (enable)
			rings_start_locked(vp, i, i);
		else
			rings_stop_locked(vp, i, i, false);
	}
	port_unlock();
	return 0;
}

static int on_device(int vid)
{
	return 0;
}

static void on_device_gone(int vid)
{
	struct vhost_port *vp = port_lock(vid);

	if (!vp)
		return;
	rings_stop_locked(vp, 0, RINGS_MAX - 1, false);
	port_unlock();
}

static const struct rte_vhost_user_extern_ops hooks = {
	.pre_msg_handle = before_message,
	.post_msg_handle = after_message,
};

/*
 * One front end a socket: the second is turned away. The library has one thread for all and waits
 * in it for the rest of a message, so nobody may take long over that.
 */
static int on_connection(int vid)
{
	struct vhost_port *vp;
	char path[PATH_MAX];
	int rc = -1;

	if (vid < 0 || vid >= DEVICES_MAX || rte_vhost_get_ifname(vid, path, sizeof(path)))
		return -1;
	pthread_mutex_lock(&vhost_lib->dp->queues_lock);
	for (vp = vhost_lib->ports; vp && strcmp(vp->path, path); vp = vp->next)
		;
	if (vp && vp->vid < 0) {
		vp->vid = vid;
		vp->table = false;
		vp->driver_ms = 0;
		frames_forget_locked(vp);
		mem_forget_locked(vp);
		vhost_lib->by_vid[vid] = vp;
		rc = rte_vhost_extern_callback_register(vid, &hooks, NULL);
	}
	pthread_mutex_unlock(&vhost_lib->dp->queues_lock);
	if (!rc && !sock_hurry_unix(path, HURRY_MS))
		log_debug("a socket that may keep others waiting", "socket=%s", path);
	if (!rc)
		log_limited(LOG_LEVEL_INFO, &vp->said[SAID_COMES], "front end connected",
			    "port=\"%s\" socket=%s", vp->port.name, path);
	return rc;
}

static void on_connection_gone(int vid)
{
	struct vhost_port *vp = port_lock(vid);

	if (!vp)
		return;
	rings_stop_locked(vp, 0, RINGS_MAX - 1, false);
	for (unsigned int i = 0; i < RINGS_MAX; i++)
		if (vp->rings[i])
			vp->rings[i]->enabled = false;
	vhost_lib->by_vid[vid] = NULL;
	vp->vid = -1;
	vp->features = vp->driver_ms = 0;
	marks_close(vp->lib->dp->run_dir, vp->path, vp->marks);
	vp->marks = NULL;
	port_unlock();
	log_limited(LOG_LEVEL_INFO, &vp->said[SAID_LEAVES], "front end left",
		    "port=\"%s\"", vp->port.name);
	if (vp->client)
		(void)eventfd_write(vhost_lib->wake_fd, 1);
}

const struct rte_vhost_device_ops vhost_callbacks = {
	.new_device = on_device,
	.destroy_device = on_device_gone,
	.vring_state_changed = on_ring_state,
	.new_connection = on_connection,
	.destroy_connection = on_connection_gone,
};
