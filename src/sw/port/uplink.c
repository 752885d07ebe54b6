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
	out->n_queues = out->connected;
}

static const struct port_ops packet_ops = {
	.kind = "dev",
	.rx = packet_rx,
	.tx = packet_tx,
	.status = packet_status,
	.free = fdport_free,
};

/**
 * uplink_dev_open() - Open a netdev as an uplink
 * @p:      the root parent, or NULL without root
 * @netdev: interface name in the daemon's namespace; it is set up
 * @force:  also if it carries the default route
 * @out:    the port, for dp_port_add(); its ops->free lets the netdev go
 * @e:      says why not
 *
 * Return: 0, -ENODEV, -EBUSY (default route), -EPERM without root, -ENOMEM, or the kernel's errno.
 * Context: control.
 */
int uplink_dev_open(struct parent *p, const char *netdev, bool force, struct port **out,
		    struct err *e)
{
	struct fdport *fp;
	auto_close int fd = -1;
	int rc = parent_packet_open(p, netdev, force, &fd, e);

	if (!rc)
		rc = fdport_new(fd, &packet_ops, PACKET_ARENA, &fp, e);
	if (rc)
		return rc;
	take_fd(fd);
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
