/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens taps (in any namespace) and packet sockets, and asks netdevs for their
 * state: by ioctls and /proc, and by one netlink message for the owner of a tap.
 */
#include "sw/parent/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sw/parent/netns.h"
#include "sw/parent/rtnl.h"

#define TUN_RDEV      makedev(10, 200) /* of /dev/net/tun, by the kernel's list of devices */
#define PACKET_RCVBUF (16 << 20) /* bytes; a burst of GSO frames while the worker is elsewhere */
#define PACKET_BLOCK  (1u << 16) /* bytes of the ring that lie together */

static int name_check(const char *name, struct err *e)
{
	if (!*name || strnlen(name, IFNAMSIZ) >= IFNAMSIZ || strpbrk(name, "/ \t\n:%") ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, -EINVAL, "\"%.15s\" is not an interface name", name);
	return 0;
}

static struct ifreq ifreq_of(const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ifr;
}

/* In the namespace of @sock: address, MTU and state as wanted; only differences are written. */
static int tap_apply(int sock, const char *name, const struct tap_want *w, bool born, struct err *e)
{
	struct ifreq ifr = ifreq_of(name);

	if (!mac_is_zero(&w->mac) && (born || !w->mac_at_birth)) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, w->mac.b, MAC_LEN);
		if (ioctl(sock, SIOCSIFHWADDR, &ifr))
			return err_errno(e, "set the MAC of %s", name);
	}
	if (w->rest_at_birth && !born)
		return 0;
	ifr.ifr_mtu = w->mtu;
	if (w->mtu && ioctl(sock, SIOCSIFMTU, &ifr))
		return err_errno(e, "set the MTU of %s to %u", name, w->mtu);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return err_errno(e, "read the flags of %s", name);
	if (w->up ? !(ifr.ifr_flags & IFF_UP) : w->down && ifr.ifr_flags & IFF_UP) {
		ifr.ifr_flags ^= IFF_UP;
		if (ioctl(sock, SIOCSIFFLAGS, &ifr))
			return err_errno(e, "set %s %s", name, w->up ? "up" : "down");
	}
	return 0;
}

/* Calls @each for every attribute in @size bytes at @a. */
static void attrs_walk(const struct rtattr *a, size_t size, struct tap_look *out,
		       void (*each)(const struct rtattr *a, struct tap_look *out))
{
	for (int left = (int)size; RTA_OK(a, left); a = RTA_NEXT(a, left))
		each(a, out);
}

static void look_data(const struct rtattr *a, struct tap_look *out)
{
	if (a->rta_type == IFLA_TUN_OWNER && RTA_PAYLOAD(a) == sizeof(uint32_t)) {
		out->owned = true;
		memcpy(&out->mark.owner, RTA_DATA(a), sizeof(uint32_t));
	}
	if (a->rta_type == IFLA_TUN_GROUP && RTA_PAYLOAD(a) == sizeof(uint32_t)) {
		out->grouped = true;
		memcpy(&out->mark.group, RTA_DATA(a), sizeof(uint32_t));
	}
}

static void look_info(const struct rtattr *a, struct tap_look *out)
{
	if (a->rta_type == IFLA_INFO_KIND)
		out->tap = !strncmp(RTA_DATA(a), "tun", RTA_PAYLOAD(a));
	if (a->rta_type == IFLA_INFO_DATA)
		attrs_walk(RTA_DATA(a), RTA_PAYLOAD(a), out, look_data);
}

static void look_link(const struct rtattr *a, struct tap_look *out)
{
	if (a->rta_type == IFLA_LINKINFO)
		attrs_walk(RTA_DATA(a), RTA_PAYLOAD(a), out, look_info);
}

/* A message about one netdev, as rtnetlink(7) has it, and then what came back. */
struct link_msg {
	struct nlmsghdr h;
	struct ifinfomsg link;
	uint8_t rest[32768];
};

/* In the present namespace. Returns the bytes that came back, or a negative errno. */
static ssize_t link_ask(uint16_t type, uint16_t flags, unsigned int ifindex, struct link_msg *m)
{
	auto_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	m->h = (struct nlmsghdr){ NLMSG_LENGTH(sizeof(m->link)), type,
				  (uint16_t)(NLM_F_REQUEST | flags), 0, 0 };
	m->link = (struct ifinfomsg){ .ifi_index = (int)ifindex };
	n = sock < 0 ? -1 : send(sock, m, m->h.nlmsg_len, 0);
	n = n < 0 ? -1 : recv(sock, m, sizeof(*m), 0);
	return n < 0 ? -errno : n;
}

/* RTM_GETLINK; a tun device's owner is in no ioctl. */
static int tap_look(unsigned int ifindex, struct tap_look *out, struct err *e)
{
	struct link_msg m;
	ssize_t n;

	*out = (struct tap_look){ .ifindex = ifindex };
	n = ifindex ? link_ask(RTM_GETLINK, 0, ifindex, &m) : 0;
	if (n < 0)
		return err_set(e, (int)n, "look at netdev %u: %s", ifindex, strerror((int)-n));
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(m.link)) || m.h.nlmsg_type != RTM_NEWLINK)
		out->ifindex = 0; /* it is not there, or went away meanwhile */
	else
		attrs_walk(IFLA_RTA(&m.link), (size_t)n - NLMSG_LENGTH(sizeof(m.link)), out,
			   look_link);
	return 0;
}

/**
 * netdev_tap_look() - What is there under a tap's name, and whose it is
 * @name:  interface name
 * @netns: word of its namespace
 * @out:   all zero if there is nothing
 * @e:     says why it cannot be told
 *
 * Return: 0, -EINVAL for a bad name, as netns_enter(), or the kernel's errno.
 * Context: as netdev_tap_open().
 */
int netdev_tap_look(const char *name, const char *netns, struct tap_look *out, struct err *e)
{
	int back, rc = name_check(name, e);

	if (!rc)
		rc = netns_enter(netns, &back, e);
	if (rc)
		return rc;
	rc = tap_look(if_nametoindex(name), out, e);
	netns_leave(back);
	return rc;
}

/**
 * netdev_tap_find() - What has an index in a namespace, and whose it is
 * @netns:   word of the namespace
 * @ifindex: index
 * @name:    gets its present name
 * @out:     all zero if there is nothing, or it cannot be told
 *
 * Context: as netdev_tap_open().
 */
void netdev_tap_find(const char *netns, unsigned int ifindex, char name[IFNAMSIZ],
		     struct tap_look *out)
{
	int back;

	*out = (struct tap_look){ 0 };
	if (netns_enter(netns, &back, NULL))
		return;
	if (if_indextoname(ifindex, name) && tap_look(ifindex, out, NULL))
		*out = (struct tap_look){ 0 };
	netns_leave(back);
}

#define TAP_FLAGS    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
/* What the reader of a tap takes; ports that cannot are served by software. */
#define TAP_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

/* A tap of @name that must be there, or, if it is to be born, must not be. */
static int tap_attach(int fd, const char *name, const struct tap_birth *born, struct err *e)
{
	struct ifreq ifr = ifreq_of(name);

	if (born && ioctl(fd, TUNSETIFINDEX, &born->ifindex))
		return err_errno(e, "index of tap %s", name);
	ifr.ifr_flags = (short)(TAP_FLAGS | (born ? IFF_TUN_EXCL : 0));
	if (ioctl(fd, TUNSETIFF, &ifr))
		return errno == EBUSY	 ? err_errno(e, "tap %s is in use by another program", name)
		       : errno == EINVAL ? err_errno(e, "%s exists and is no tap", name)
					 : err_errno(e, "open tap %s", name);
	if (born && (ioctl(fd, TUNSETOWNER, born->mark.owner) ||
		     ioctl(fd, TUNSETGROUP, born->mark.group) || ioctl(fd, TUNSETPERSIST, 1)))
		return err_errno(e, "prepare tap %s", name);
	return 0;
}

/* The part of netdev_tap_open() that runs inside the namespace. */
static int tap_open(const struct tap_want *w, const struct tap_birth *born, int *out, struct err *e)
{
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0 || sock < 0)
		return err_errno(e, "open /dev/net/tun");
	rc = tap_attach(fd, w->name, born, e);
	if (!rc && ioctl(fd, TUNSETOFFLOAD, TAP_OFFLOADS))
		rc = err_errno(e, "prepare tap %s", w->name);
	if (!rc)
		rc = tap_apply(sock, w->name, w, born, e);
	if (rc) {
		if (born)
			ioctl(fd, TUNSETPERSIST, 0);
		return rc;
	}
	*out = take_fd(fd);
	return 0;
}

/**
 * netdev_tap_open() - Make a tap, or open one nobody holds
 * @want: name, namespace and settings
 * @born: whose and what it is to be: it is made, and must not be there; NULL: it is there
 * @fd:   the open tap, non-blocking, with virtio-net headers of 10 bytes; the caller closes it
 * @e:    says why not
 *
 * A tap made here is persistent: it outlives even a kill of the process that holds it, with its
 * addresses and namespace, until netdev_tap_remove().
 *
 * Return: 0, -EINVAL for a bad name or a netdev that is no tap, -EBUSY if another process holds
 * it, as netns_enter(), -EPERM without privilege, or the kernel's errno.
 * Context: a single-threaded process with CAP_NET_ADMIN and CAP_SYS_ADMIN.
 */
int netdev_tap_open(const struct tap_want *want, const struct tap_birth *born, int *fd,
		    struct err *e)
{
	int back, rc = name_check(want->name, e);

	if (rc)
		return rc;
	rc = netns_enter(want->netns, &back, e);
	if (rc)
		return rc;
	rc = tap_open(want, born, fd, e);
	netns_leave(back);
	return rc;
}

/**
 * netdev_tap_apply() - Bring an open tap to the wanted settings, wherever it is by now
 * @fd:   from netdev_tap_open(); the user may have renamed or moved the netdev meanwhile
 * @want: its name and namespace are not looked at
 * @born: true if the tap is new: a MAC given at birth only is set
 * @e:    says why not
 *
 * Return: 0, -ENODEV if the netdev is gone, or the kernel's errno.
 * Context: as netdev_tap_open().
 */
int netdev_tap_apply(int fd, const struct tap_want *want, bool born, struct err *e)
{
	struct ifreq ifr = { 0 };
	auto_close int ns = ioctl(fd, TUNGETDEVNETNS);
	int back, rc;

	if (ns < 0 || ioctl(fd, TUNGETIFF, &ifr))
		return err_set(e, -ENODEV, "tap %s is gone", want->name);
	rc = netns_enter_fd(ns, &back);
	if (rc)
		return err_set(e, rc, "enter the namespace of %s: %s", want->name, strerror(-rc));
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = sock < 0 ? err_errno(e, "socket") : tap_apply(sock, ifr.ifr_name, want, born, e);
	netns_leave(back);
	return rc;
}

/**
 * netdev_tap_is() - Whether a descriptor of any kind is a tap as netdev_tap_open() opens it
 * @fd: descriptor; if so it has the offloads that this version wants
 *
 * Return: false also once its netdev was deleted.
 * Context: any thread; no privilege needed.
 */
bool netdev_tap_is(int fd)
{
	const int flags = TAP_FLAGS | IFF_MULTI_QUEUE;
	struct ifreq ifr = { 0 };
	struct stat st;
	int size = 0;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == TUN_RDEV &&
	       !ioctl(fd, TUNGETIFF, &ifr) && (ifr.ifr_flags & flags) == TAP_FLAGS &&
	       !ioctl(fd, TUNGETVNETHDRSZ, &size) && size == (int)sizeof(struct virtio_net_hdr) &&
	       !ioctl(fd, TUNSETOFFLOAD, TAP_OFFLOADS) && !fcntl(fd, F_SETFL, O_NONBLOCK);
}

/**
 * netdev_tap_alive() - Whether an open tap still has its netdev
 * @fd: from netdev_tap_open()
 *
 * Return: false once the netdev was deleted, alone or with its namespace.
 * Context: any thread; no privilege needed.
 */
bool netdev_tap_alive(int fd)
{
	struct ifreq ifr = { 0 };

	return !ioctl(fd, TUNGETIFF, &ifr);
}

/**
 * netdev_tap_where() - Where an open tap's netdev is by now
 * @fd:   from netdev_tap_open()
 * @name: gets its present name
 *
 * Return: netns_id() of its namespace; 0 once the netdev was deleted.
 * Context: as netdev_tap_open().
 */
uint64_t netdev_tap_where(int fd, char name[IFNAMSIZ])
{
	auto_close int ns = ioctl(fd, TUNGETDEVNETNS);
	struct ifreq ifr = { 0 };

	if (ns < 0 || ioctl(fd, TUNGETIFF, &ifr))
		return 0;
	snprintf(name, IFNAMSIZ, "%s", ifr.ifr_name);
	return netns_id_fd(ns);
}

/**
 * netdev_tap_state() - What an open tap's netdev says of itself
 * @fd:  from netdev_tap_open()
 * @out: all zero if it cannot be told
 *
 * Context: as netdev_tap_open().
 */
void netdev_tap_state(int fd, struct netdev_state *out)
{
	auto_close int ns = ioctl(fd, TUNGETDEVNETNS);
	struct ifreq ifr = { 0 };
	int back;

	*out = (struct netdev_state){ 0 };
	if (ns < 0 || ioctl(fd, TUNGETIFF, &ifr) || netns_enter_fd(ns, &back))
		return;
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock >= 0)
		(void)netdev_state(sock, if_nametoindex(ifr.ifr_name), out);
	netns_leave(back);
}

/**
 * netdev_tap_remove() - Delete a tap's netdev
 * @fd: from netdev_tap_open(); stays the caller's, and is worth nothing afterwards
 *
 * At once, whoever has another descriptor of it: a worker that is about to leave the kernel may
 * hold the last one for a while, and the next tap of that name would be refused as busy.
 *
 * Context: the process that may also open taps.
 */
void netdev_tap_remove(int fd)
{
	auto_close int ns = ioctl(fd, TUNGETDEVNETNS);
	struct ifreq ifr = { 0 };
	struct link_msg m;
	int back;

	ioctl(fd, TUNSETPERSIST, 0);
	if (ns < 0 || ioctl(fd, TUNGETIFF, &ifr) || netns_enter_fd(ns, &back))
		return;
	(void)link_ask(RTM_DELLINK, NLM_F_ACK, if_nametoindex(ifr.ifr_name), &m);
	netns_leave(back);
}

/**
 * netdev_tap_set_carrier() - Show a link state to the user of a tap
 * @fd:      from netdev_tap_open()
 * @carrier: true: LOWER_UP; false: NO-CARRIER
 *
 * Return: 0 or the kernel's errno, negative (-EBADFD: the netdev is gone).
 * Context: any thread; no privilege needed.
 */
int netdev_tap_set_carrier(int fd, bool carrier)
{
	int on = carrier;

	return ioctl(fd, TUNSETCARRIER, &on) ? -errno : 0;
}

/* Without one, on a machine short of memory, frames are read by system calls. */
static void packet_ring(int fd)
{
	struct tpacket_req ring = { .tp_block_size = PACKET_BLOCK,
				    .tp_block_nr = PACKET_RING / PACKET_BLOCK,
				    .tp_frame_size = PACKET_SLOT,
				    .tp_frame_nr = PACKET_SLOTS };
	int version = TPACKET_V2, on = 1;

	if (!setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) &&
	    !setsockopt(fd, SOL_PACKET, PACKET_COPY_THRESH, &on, sizeof(on)))
		(void)setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring));
}

static int filter_shut(int fd)
{
	struct sock_filter nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct sock_fprog prog = { 1, &nothing };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static int packet_setup(int fd, unsigned int ifindex)
{
	struct packet_mreq promisc = { .mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htobe16(ETH_P_ALL),
				  .sll_ifindex = (int)ifindex };
	int on = 1, size = PACKET_RCVBUF;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (filter_shut(fd) || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)))
		return -errno;
	packet_ring(fd);
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
}

/**
 * netdev_packet_open() - Open a netdev as an uplink and set it up
 * @name: interface in the process's own namespace
 * @fd:   a bound, promiscuous, non-blocking packet socket with 10-byte virtio-net headers,
 *        auxdata (tags) and a receive ring, that never sees its own frames, and none at all as
 *        long as it has its filter (packet_hear()); the caller closes it
 * @e:    says why not
 *
 * Return: 0, -ENODEV without such a netdev, -EPERM, or the kernel's errno.
 * Context: a process with CAP_NET_RAW and CAP_NET_ADMIN.
 */
int netdev_packet_open(const char *name, int *fd, struct err *e)
{
	struct ifreq ifr = ifreq_of(name);
	int rc = name_check(name, e);
	unsigned int ifindex;

	if (rc)
		return rc;
	ifindex = if_nametoindex(name);
	if (!ifindex)
		return err_set(e, -ENODEV, "there is no netdev %s", name);
	auto_close int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_errno(e, "packet socket");
	rc = packet_setup(sock, ifindex);
	if (rc)
		return err_set(e, rc, "packet socket on %s: %s", name, strerror(-rc));
	if (!ioctl(sock, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(sock, SIOCSIFFLAGS, &ifr))
			return err_errno(e, "set %s up", name);
	}
	*fd = take_fd(sock);
	return 0;
}

/**
 * netdev_gre_open() - Open a raw socket that sends GRE and hears nothing
 * @v6: over IPv6
 * @fd: the socket, non-blocking; the kernel makes the IP header; the caller closes it
 * @e:  says why not
 *
 * The host's own GRE would be heard by it, too: a filter that takes nothing keeps it out.
 *
 * Return: 0, -EPERM, or the kernel's errno.
 * Context: a process with CAP_NET_RAW.
 */
int netdev_gre_open(bool v6, int *fd, struct err *e)
{
	auto_close int sock = socket(v6 ? AF_INET6 : AF_INET,
				     SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_GRE);

	if (sock < 0 || filter_shut(sock))
		return err_errno(e, "GRE socket");
	*fd = take_fd(sock);
	return 0;
}

/**
 * netdev_follow() - Hear of each change of a netdev in our namespace
 * @fd: gets a socket as of rtnl_open(), with RTNLGRP_LINK; the caller closes it
 * @e:  says why not
 *
 * Return: 0 or the kernel's errno.
 * Context: any; no privilege needed.
 */
int netdev_follow(int *fd, struct err *e)
{
	const struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	auto_close int sock = -1;
	int rc = rtnl_open(&sock, e);

	if (!rc && bind(sock, (const struct sockaddr *)&to, sizeof(to)))
		rc = err_errno(e, "follow netdevs");
	if (!rc)
		*fd = take_fd(sock);
	return rc;
}

/**
 * netdev_state() - Ask the kernel for a netdev's state
 * @sock:    any socket; its namespace is asked
 * @ifindex: the netdev, whatever its name is by now
 * @out:     all zero if there is no such netdev
 *
 * Return: 0 or -ENODEV.
 * Context: any thread; no privilege needed.
 */
int netdev_state(int sock, unsigned int ifindex, struct netdev_state *out)
{
	struct ifreq ifr = { .ifr_ifindex = (int)ifindex };

	*out = (struct netdev_state){ 0 };
	if (ioctl(sock, SIOCGIFNAME, &ifr))
		return -ENODEV;
	memcpy(out->name, ifr.ifr_name, sizeof(out->name));
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return -ENODEV;
	out->ifindex = ifindex;
	out->up = ifr.ifr_flags & IFF_UP;
	out->carrier = (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING);
	if (!ioctl(sock, SIOCGIFMTU, &ifr))
		out->mtu = (uint16_t)MIN(ifr.ifr_mtu, UINT16_MAX);
	if (!ioctl(sock, SIOCGIFHWADDR, &ifr))
		memcpy(out->mac.b, ifr.ifr_hwaddr.sa_data, MAC_LEN);
	return 0;
}
