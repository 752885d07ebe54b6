/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any netdev as an uplink, by our own packet socket with virtio-net headers
 * (docs/vhost.md): checksums and GSO pass both ways, tags come back from the
 * auxdata, own frames are not seen. DPDK's devices: uplink_dpdk.c.
 */
#include "sw/port/uplink.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sw/port/fdport.h"

static void packet_status(const struct port *port, struct dp_port_status *out)
{
	struct uplink_state state;

	out->connected = !uplink_state(port, &state) && state.carrier;
	out->n_queues = out->connected ? port->n_queues : 0;
}

static const struct port_ops packet_ops = {
	.kind = "dev",
	.rx = packet_rx,
	.rx_done = packet_rx_done,
	.tx = packet_tx,
	.status = packet_status,
	.free = fdport_free,
};

/* One socket of an uplink; it hears nothing yet. */
static int socket_open(struct parent *p, const char *netdev, bool force, struct fdport **out,
		       struct err *e)
{
	auto_close int fd = -1;
	int rc = parent_packet_open(p, netdev, force, &fd, e);

	rc = rc ?: fdport_new(fd, &packet_ops, PACKET_ARENA, out, e);
	if (rc)
		return rc;
	take_fd(fd);
	packet_ring_map(*out);
	return 0;
}

static int socket_add(struct parent *p, const char *netdev, bool force, struct fdport *fp,
		      struct err *e)
{
	struct fdport *more;
	int rc = socket_open(p, netdev, force, &more, e);

	if (rc)
		return rc;
	rc = packet_fanout(fp, more, e);
	if (rc)
		fdport_free(&more->port);
	return rc;
}

/**
 * uplink_dev_open() - Open a netdev as an uplink
 * @p:      the root parent, or NULL without root
 * @netdev: interface name in the daemon's namespace; it is set up
 * @force:  also if it carries the default route
 * @n:      workers that may share its frames; each flow stays with one
 * @out:    the port, for dp_port_add(); its ops->free lets the netdev go
 * @e:      says why not
 *
 * Return: 0, -ENODEV, -EBUSY (default route), -EPERM without root, -ENOMEM, or the kernel's errno.
 * Context: control.
 */
int uplink_dev_open(struct parent *p, const char *netdev, bool force, unsigned int n,
		    struct port **out, struct err *e)
{
	struct fdport *fp;
	int rc = socket_open(p, netdev, force, &fp, e);

	if (rc)
		return rc;
	for (unsigned int i = 1; !rc && i < MIN(n, PACKET_SOCKETS); i++)
		rc = socket_add(p, netdev, force, fp, e);
	rc = rc ?: packet_hear(fp, e);
	if (rc) {
		fdport_free(&fp->port);
		return rc;
	}
	snprintf(fp->netdev, sizeof(fp->netdev), "%s", netdev);
	*out = &fp->port;
	return 0;
}

/**
 * uplink_rename() - Know a netdev by another of its names from now on
 * @port: from uplink_dev_open()
 * @name: of struct uplink_state
 *
 * Context: control.
 */
void uplink_rename(struct port *port, const char *name)
{
	struct fdport *fp = container_of(port, struct fdport, port);

	snprintf(fp->netdev, sizeof(fp->netdev), "%s", name);
}

/**
 * uplink_state() - Carrier and MTU of an uplink now
 * @port: from uplink_dev_open() or uplink_dpdk_open()
 * @out:  carrier is false on failure
 *
 * Return: 0, or -ENODEV when the netdev went away: open it anew.
 * Context: control, about once a second.
 */
int uplink_state(const struct port *port, struct uplink_state *out)
{
	const struct fdport *fp = container_of(port, struct fdport, port);
	struct netdev_state state;
	struct ifreq ifr = { 0 };
	struct sockaddr_ll at;
	socklen_t size = sizeof(at);

	*out = (struct uplink_state){ 0 };
	if (port->ops != &packet_ops)
		return uplink_dpdk_state(port, out);
	/* -1 once the netdev left the namespace, also if it is back; then the socket is deaf. */
	if (getsockname(fp->fd, (struct sockaddr *)&at, &size) || at.sll_ifindex <= 0 ||
	    netdev_state(fp->fd, (unsigned int)at.sll_ifindex, &state))
		return -ENODEV;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", fp->netdev);
	if (ioctl(fp->fd, SIOCGIFINDEX, &ifr) || ifr.ifr_ifindex != at.sll_ifindex)
		memcpy(out->renamed, state.name, sizeof(out->renamed));
	out->carrier = state.carrier;
	out->mtu = state.mtu;
	out->ifindex = state.ifindex;
	out->mac = state.mac;
	return 0;
}

/**
 * uplink_lost() - Frames that came since the last such call and that no worker could see
 * @port: from uplink_dev_open() or uplink_dpdk_open()
 * @deaf: true: nor will it see one until uplink_mend()
 *
 * Context: control, about once a second.
 */
uint32_t uplink_lost(struct port *port, bool *deaf)
{
	uint32_t lost = 0;

	*deaf = false;
	for (unsigned int i = 0; port->ops == &packet_ops && i < port->n_queues; i++) {
		struct fdport *fp = container_of(port->queues[i], struct fdport, queue);
		uint32_t here = packet_lost(fp);

		fp->ring.deaf = packet_ring_deaf(fp, here);
		*deaf |= fp->ring.deaf;
		lost += here;
	}
	return lost;
}

/**
 * uplink_mend() - Have a deaf uplink hear again
 * @port: of which uplink_lost() said so
 *
 * Context: control, while no worker reads from the port.
 */
void uplink_mend(struct port *port)
{
	for (unsigned int i = 0; i < port->n_queues; i++) {
		struct fdport *fp = container_of(port->queues[i], struct fdport, queue);

		if (fp->ring.deaf)
			packet_ring_drop(fp);
	}
}
