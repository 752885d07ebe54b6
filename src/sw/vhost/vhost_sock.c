/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of vhost-user ports. They are opened and closed by a helper thread,
 * because closing waits for librte_vhost's own thread and calls back in the
 * caller; the helper also writes the log lines that a worker must not.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/sock.h"
#include "sw/parent/parent.h"
#include "sw/vhost/vhost_priv.h"

/* Often at first, as a QEMU that serves does not start its guest before. */
#define HURRY_FOR_MS   10000
#define HURRY_EVERY_MS 20
#define LOOK_EVERY_MS  1000
#define CALM_MS	       100 /* from one connection to the next: who serves may end each at once */

#define FEATURE(f) (1ull << (f))
/* Not here: IOMMU_PLATFORM, LOG_ALL (no dirty log yet), UFO. */
#define FEATURES                                                                                   \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ANY_LAYOUT) |                              \
	 FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) |                              \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |                 \
	 FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) |                                                 \
	 FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_CSUM) |                            \
	 FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |                      \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) |                        \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) |                     \
	 FEATURE(VIRTIO_NET_F_GUEST_ECN) | FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_MQ) |  \
	 FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |                           \
	 FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |              \
	 FEATURE(VIRTIO_NET_F_STATUS))
/* Protocol features; postcopy, log and slave file descriptors are not among them. */
#define PROTOCOL                                                                                   \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |            \
	 FEATURE(VHOST_USER_PROTOCOL_F_NET_MTU) | FEATURE(VHOST_USER_PROTOCOL_F_STATUS))

/* A file left by somebody who is gone; librte_vhost does not bind over it. */
static int socket_clear(const char *path, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s is there and no socket", path);
	fd = sock_connect_unix(path, NULL);
	if (fd >= 0)
		return err_set(e, -EADDRINUSE, "somebody listens on %s", path);
	return unlink(path) ? err_errno(e, "%s", path) : 0;
}

/* Without a parent: the directory in RUN_DIR/vhost that is a socket's own is made, or goes. */
static void own_dir(const struct vhost_port *vp, int (*change)(const char *dir))
{
	const char *run_dir = vp->lib->dp->run_dir ?: "";
	char dir[VF_PATH_LEN + 1];
	unsigned int n = (unsigned int)(strrchr(vp->path, '/') - vp->path);
	size_t run = strlen(run_dir);

	snprintf(dir, sizeof(dir), "%.*s", n, vp->path);
	if (!strncmp(dir, run_dir, run) && !strncmp(dir + run, "/vhost/", strlen("/vhost/")))
		(void)change(dir);
}

static int make(const char *dir)
{
	return mkdir(dir, 0700);
}

/* Whether a socket may be at its place: to be served by us, that must be free. */
static int place_check(const struct vhost_port *vp, struct err *e)
{
	struct parent *parent = vp->lib->dp->parent;
	int rc;

	if (!parent) {
		own_dir(vp, make);
		return vp->client ? 0 : socket_clear(vp->path, e);
	}
	rc = parent_socket(parent, SOCKET_LOOK, vp->path, NULL, e);
	return rc == -ENOENT ? 0 : rc;
}

static bool is_there(const struct vhost_port *vp)
{
	struct parent *parent = vp->lib->dp->parent;

	return !(parent ? parent_socket(parent, SOCKET_LOOK, vp->path, NULL, NULL)
			: access(vp->path, F_OK));
}

static void ports_link(struct vhost_port *vp, bool in)
{
	struct vhost_port **p = &vp->lib->ports;

	pthread_mutex_lock(&vp->lib->dp->queues_lock);
	if (in) {
		vp->next = *p;
		*p = vp;
	} else {
		while (*p && *p != vp)
			p = &(*p)->next;
		if (*p)
			*p = vp->next;
	}
	pthread_mutex_unlock(&vp->lib->dp->queues_lock);
}

static bool path_taken(struct vhost_lib *lib, const char *path)
{
	struct vhost_port *vp;

	pthread_mutex_lock(&lib->dp->queues_lock);
	for (vp = lib->ports; vp && strcmp(vp->path, path); vp = vp->next)
		;
	pthread_mutex_unlock(&lib->dp->queues_lock);
	return vp;
}

/* The library takes the socket, and listens or connects. The path is not with it if that fails. */
static int socket_start(struct vhost_port *vp, struct err *e)
{
	uint64_t flags = vp->client ? RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT : 0;
	const char *path = vp->path;
	uint64_t protocol = 0;
	int rc;

	errno = 0;
	if (rte_vhost_driver_register(path, flags))
		return err_set(e, -EIO, "%s: librte_vhost does not take it", path);
	rte_vhost_driver_get_protocol_features(path, &protocol);
	vp->started = !rte_vhost_driver_set_features(path, FEATURES) &&
		      !rte_vhost_driver_set_protocol_features(path, protocol & PROTOCOL) &&
		      !rte_vhost_driver_callback_register(path, &vhost_callbacks) &&
		      !vhost_libc_start(path);
	if (vp->started)
		return 0;
	rc = err_set(e, errno ? -errno : -EIO, "cannot open %s: %s", path,
		     strerror(errno ? errno : EIO));
	rte_vhost_driver_unregister(path);
	return rc;
}

/* The library gives it up; it waits until its own thread is done with it. */
static void socket_end(struct vhost_port *vp)
{
	if (vp->started)
		rte_vhost_driver_unregister(vp->path);
	vp->started = false;
}

static bool is_connected(struct vhost_port *vp)
{
	bool is;

	pthread_mutex_lock(&vp->lib->dp->queues_lock);
	is = vp->vid >= 0;
	pthread_mutex_unlock(&vp->lib->dp->queues_lock);
	return is;
}

/*
 * A client's connection is over, or not there yet. The library would connect anew itself, but in a
 * thread that may use a socket it has just freed (22.11: a front end that leaves while its socket
 * is unregistered), and a second late.
 *
 * Return: when to look again; UINT64_MAX: the front end is there.
 */
static uint64_t client_watch(struct vhost_port *vp, uint64_t now)
{
	struct err e = { 0 };

	if (is_connected(vp))
		return UINT64_MAX;
	if (vp->started) {
		socket_end(vp);
		vp->hurry_until_ms = now + HURRY_FOR_MS;
	}
	if (now < vp->look_at_ms)
		return vp->look_at_ms;
	vp->look_at_ms = now + (now < vp->hurry_until_ms ? HURRY_EVERY_MS : LOOK_EVERY_MS);
	if (!is_there(vp))
		return vp->look_at_ms;
	vp->look_at_ms = MAX(vp->look_at_ms, now + CALM_MS);
	if (socket_start(vp, &e))
		log_debug("no connection", "port=\"%s\": %s", vp->port.name, e.msg);
	/* The library may have started it without a connection, when it had no room for one. */
	return is_connected(vp) ? UINT64_MAX : vp->look_at_ms;
}

/* What clients wait for is looked at; for so long nobody else is due, in ms, -1: for ever. */
static int clients_watch(struct vhost_lib *lib)
{
	uint64_t now = loop_now_ms(), next = UINT64_MAX;

	for (struct vhost_port *vp = lib->ports; vp; vp = vp->next)
		if (vp->client)
			next = MIN(next, client_watch(vp, now));
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static int socket_open(struct vhost_port *vp, struct err *e)
{
	int rc;

	if (path_taken(vp->lib, vp->path))
		return err_set(e, -EADDRINUSE, "another port has %s", vp->path);
	rc = place_check(vp, e);
	if (rc)
		return rc;
	ports_link(vp, true);
	if (!vp->client)
		rc = socket_start(vp, e);
	if (rc) {
		ports_link(vp, false);
		return rc;
	}
	if (!vp->client && !vp->lib->dp->parent)
		(void)chmod(vp->path, 0660);
	vp->open = true;
	return 0;
}

static void port_close(struct vhost_port *vp)
{
	struct vhost_lib *lib = vp->lib;
	bool alone = vp->vid < 0; /* no front end */

	if (vp->open) {
		if (!vp->client)
			sock_deafen_unix(vp->path);
		socket_end(vp);
		ports_link(vp, false);
		if (lib->dp->parent)
			(void)parent_socket(lib->dp->parent, SOCKET_CLOSE, vp->path, NULL, NULL);
		else
			own_dir(vp, rmdir);
	}
	pthread_mutex_lock(&lib->jobs_lock);
	lib->n_sockets -= vp->client ? 1 : 2;
	pthread_mutex_unlock(&lib->jobs_lock);
	marks_close(lib->dp->run_dir, vp->path, vp->marks);
	if (alone && !lib->dp->closing)
		marks_forget(lib->dp->run_dir, vp->path);
	for (unsigned int i = 0; i < RINGS_MAX; i++) {
		if (vp->rings[i])
			free(vp->rings[i]->done);
		free(vp->rings[i]);
	}
	free(vp);
}

/* What stops guests, once each. Returns ms until a front end is late with its memory, or -1. */
static int faults_log(struct vhost_lib *lib)
{
	uint64_t now = loop_now_ms(), next = UINT64_MAX;

	pthread_mutex_lock(&lib->dp->queues_lock);
	for (struct vhost_port *vp = lib->ports; vp; vp = vp->next) {
		if (vp->lost && !vp->lost_logged)
			log_limited(LOG_LEVEL_WARN, &vp->said[SAID_BREAKS],
				    "front end took its memory away, its device is stopped",
				    "port=\"%s\"", vp->port.name);
		vp->lost_logged = vp->lost;
		if (!vp->own_logged && vhost_is_own(vp, now)) {
			vp->own_logged = true;
			log_limited(LOG_LEVEL_WARN, &vp->said[SAID_BREAKS],
				    "guest's memory is not shared, nothing comes or goes",
				    "port=\"%s\"", vp->port.name);
		} else if (vp->driver_ms && !vp->table && !vp->own_logged) {
			next = MIN(next, vp->driver_ms + TABLE_MS - now);
		}
		for (unsigned int i = 0; i < RINGS_MAX; i++) {
			struct vhost_ring *r = vp->rings[i];

			if (!r || !r->src.running || !r->ring.broken || r->logged)
				continue;
			r->logged = true;
			log_limited(LOG_LEVEL_WARN, &vp->said[SAID_BREAKS],
				    "guest broke its ring, the queue is stopped",
				    "port=\"%s\" q=%u", vp->port.name, i);
		}
	}
	pthread_mutex_unlock(&lib->dp->queues_lock);
	return next == UINT64_MAX ? -1 : (int)next;
}

static void job_do(struct vhost_lib *lib, struct job *job)
{
	if (job->add)
		vhost_job_done(lib, job, socket_open(job->port, &job->err));
	else
		port_close(job->port); /* the job is part of it */
}

static void *helper_main(void *arg)
{
	struct vhost_lib *lib = arg;
	struct pollfd p = { .fd = lib->wake_fd, .events = POLLIN };
	eventfd_t count;
	unsigned int late, look; /* in ms; all bits: never */
	struct job *job;
	bool stop;

	for (;;) {
		while ((job = vhost_job_next(lib, &stop)))
			job_do(lib, job);
		if (stop)
			return NULL;
		late = (unsigned int)faults_log(lib);
		look = (unsigned int)clients_watch(lib);
		if (poll(&p, 1, (int)MIN(late, look)) > 0)
			(void)eventfd_read(lib->wake_fd, &count);
	}
}

/**
 * vhost_new() - A port for a vhost-user socket that is not open yet
 * @lib:    helper
 * @path:   of the socket; at most VF_PATH_LEN
 * @client: true: we connect; false: we listen
 * @out:    gets the port; ops->free frees it
 * @e:      may be NULL
 *
 * Return: 0; -ENAMETOOLONG; -ENOSPC: librte_vhost has no room for another; -ENOMEM.
 * Context: control.
 */
int vhost_new(struct vhost_lib *lib, const char *path, bool client, struct port **out,
	      struct err *e)
{
	unsigned int need = client ? 1 : 2;
	struct vhost_port *vp;
	bool fits;

	if (strlen(path) > VF_PATH_LEN)
		return err_set(e, -ENAMETOOLONG, "socket path %s is longer than %u", path,
			       VF_PATH_LEN);
	vp = calloc(1, sizeof(*vp));
	if (!vp)
		return err_set(e, -ENOMEM, "no memory for a vhost port");
	pthread_mutex_lock(&lib->jobs_lock);
	fits = lib->n_sockets + need <= SOCKETS_MAX;
	lib->n_sockets += fits ? need : 0;
	pthread_mutex_unlock(&lib->jobs_lock);
	if (!fits) {
		free(vp);
		return err_set(e, -ENOSPC,
			       "no more vhost sockets: librte_vhost watches %u, a listener takes 2",
			       SOCKETS_MAX);
	}
	vp->port.ops = &vhost_port_ops;
	vp->lib = lib;
	vp->client = client;
	vp->vid = -1;
	vp->hurry_until_ms = loop_now_ms() + HURRY_FOR_MS;
	snprintf(vp->path, sizeof(vp->path), "%s", path);
	*out = &vp->port;
	return 0;
}

/**
 * vhost_open() - Start the helper
 * @dp:  data plane
 * @out: gets it; vhost_close() ends it
 * @e:   may be NULL
 *
 * Return: 0; -ENOMEM; what eventfd() or thread creation said.
 * Context: control, once a process.
 */
int vhost_open(struct dp *dp, struct vhost_lib **out, struct err *e)
{
	struct vhost_lib *lib = calloc(1, sizeof(*lib));
	int rc;

	if (!lib)
		return err_set(e, -ENOMEM, "no memory for vhost");
	lib->dp = dp;
	lib->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&lib->jobs_lock, NULL);
	pthread_cond_init(&lib->jobs_done, NULL);
	vhost_lib = lib;
	vhost_libc_setup(dp->parent, dp->peers);
	rc = lib->wake_fd < 0 ? errno : -vhost_fault_init();
	rc = rc ?: pthread_create(&lib->helper, NULL, helper_main, lib);
	if (rc) {
		if (lib->wake_fd >= 0)
			close(lib->wake_fd);
		free(lib);
		return err_set(e, -rc, "vhost helper: %s", strerror(rc));
	}
	pthread_setname_np(lib->helper, "anyvf-vhost");
	*out = lib;
	return 0;
}

/**
 * vhost_close() - End the helper, after all sockets that were freed are closed
 * @lib: helper or NULL; freed
 *
 * Context: control.
 */
void vhost_close(struct vhost_lib *lib)
{
	if (!lib)
		return;
	pthread_mutex_lock(&lib->jobs_lock);
	lib->stop = true;
	pthread_mutex_unlock(&lib->jobs_lock);
	(void)eventfd_write(lib->wake_fd, 1);
	pthread_join(lib->helper, NULL);
	pthread_cond_destroy(&lib->jobs_done);
	pthread_mutex_destroy(&lib->jobs_lock);
	close(lib->wake_fd);
	free(lib);
}
