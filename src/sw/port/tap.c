/* SPDX-License-Identifier: Apache-2.0 */
/* Taps as ports: VFs of the host and of namespaces, host interfaces, service ports. */
#include "sw/port/tap.h"

#include <errno.h>
#include <sys/uio.h>

#include "sw/port/fdport.h"

/* One frame, as a tap has no call for more; behind those of this turn. */
static int tap_read(struct fdport *fp, struct fdport_got *out, unsigned int n)
{
	struct iovec iov[2] = { { &out->h, sizeof(out->h) },
				{ fp->arena + fp->used, FDPORT_ROOM } };

	if (fp->used + FDPORT_ROOM > fp->arena_size)
		return 0;
	out->len = readv(fp->fd, iov, 2);
	if (out->len < 0)
		return -errno;
	out->len -= (ssize_t)sizeof(out->h);
	out->bytes = fp->arena + fp->used;
	fp->used += ((uint32_t)out->len + 63) & ~63u;
	return 1;
}

static unsigned int tap_rx(struct port_queue *q, struct port_burst *b)
{
	return fdport_rx(q, b, tap_read);
}

static void tap_status(const struct port *port, struct dp_port_status *out)
{
	out->connected = tap_port_alive(port);
	out->n_queues = out->connected;
}

static const struct port_ops tap_ops = {
	.kind = "tap",
	.rx = tap_rx,
	.tx = fdport_tx,
	.status = tap_status,
	.free = fdport_free,
};

/**
 * tap_port_open() - Open a tap as a port of the data plane
 * @p:    the root parent, or NULL without root
 * @want: name, namespace and settings
 * @out:  the port, for dp_port_add(); its ops->free leaves the tap with the parent, which removes
 *        it by parent_tap_close()
 * @e:    says why not
 *
 * Return: 0, -ENOMEM, or as parent_tap_open().
 * Context: control.
 */
int tap_port_open(struct parent *p, const struct tap_want *want, struct port **out, struct err *e)
{
	struct fdport *fp;
	auto_close int fd = -1;
	int rc = parent_tap_open(p, want, &fd, e);

	if (!rc)
		rc = fdport_new(fd, &tap_ops, FDPORT_ARENA, &fp, e);
	if (rc)
		return rc;
	take_fd(fd);
	memcpy(fp->asked.name, want->name, sizeof(fp->asked.name));
	memcpy(fp->asked.netns, want->netns, sizeof(fp->asked.netns));
	fp->parent = p;
	*out = &fp->port;
	return 0;
}

/**
 * tap_port_set_link() - Show the VF's link state to the tap's user as carrier
 * @port: from tap_port_open()
 * @up:   carrier on
 *
 * Return: 0 or a negative errno (-EBADFD: the netdev is gone).
 * Context: control; the port may be running.
 */
int tap_port_set_link(struct port *port, bool up)
{
	return netdev_tap_set_carrier(container_of(port, struct fdport, port)->fd, up);
}

/**
 * tap_port_alive() - Whether the tap's netdev is still there
 * @port: from tap_port_open()
 *
 * Return: false once it was deleted, alone or with its namespace: close it and open it anew.
 * Context: control.
 */
bool tap_port_alive(const struct port *port)
{
	struct tap_place at;
	struct netdev_state state;

	return tap_port_where(port, &at, &state);
}

/**
 * tap_port_where() - Where the tap's netdev is by now
 * @port: from tap_port_open()
 * @out:  its name and namespace, see parent_tap_where()
 * @state: what it says of itself
 *
 * Return: false once it was deleted.
 * Context: control.
 */
bool tap_port_where(const struct port *port, struct tap_place *out, struct netdev_state *state)
{
	const struct fdport *fp = container_of(port, struct fdport, port);

	return netdev_tap_alive(fp->fd) &&
	       !parent_tap_where(fp->parent, &fp->asked, out, state, NULL);
}
