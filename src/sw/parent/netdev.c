/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens taps (in any namespace) and packet sockets, and asks netdevs for their
 * state: by ioctls and /proc, and by one netlink message for the owner of a tap.
 */
#include "sw/parent/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PACKET_RCVBUF (16 << 20) /* bytes; a burst of GSO frames while the worker is elsewhere */

/* Enters /run/netns/@name; *back gets a descriptor of the namespace left, or -1 for "". */
static int netns_enter(const char *name, int *back, struct err *e)
{
	char path[sizeof("/run/netns/") + VF_NAME_LEN];

	*back = -1;
	if (!*name)
		return 0;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, -EINVAL, "namespace name %s is not valid", name);
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "namespace %s", name);
	auto_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(fd, CLONE_NEWNET))
		return err_errno(e, "enter namespace %s", name);
	*back = take_fd(own);
	return 0;
}

static void netns_leave(int back)
{
	if (back < 0)
		return;
	/* Going on in a foreign namespace would put everybody's taps there. */
	if (setns(back, CLONE_NEWNET))
		abort();
	close(back);
}

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
	ifr.ifr_mtu = w->mtu;
	if (w->mtu && ioctl(sock, SIOCSIFMTU, &ifr))
		return err_errno(e, "set the MTU of %s to %u", name, w->mtu);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return err_errno(e, "read the flags of %s", name);
	if (w->up && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(sock, SIOCSIFFLAGS, &ifr))
			return err_errno(e, "set %s up", name);
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

/* RTM_GETLINK of rtnetlink(7); a tun device's owner is in no ioctl. */
static int tap_look(const char *name, struct tap_look *out, struct err *e)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg link;
		uint8_t rest[32768];
	} m = { .h = { NLMSG_LENGTH(sizeof(m.link)), RTM_GETLINK, NLM_F_REQUEST, 0, 0 },
		.link = { .ifi_index = (int)if_nametoindex(name) } };
	auto_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	*out = (struct tap_look){ .there = m.link.ifi_index };
	if (!out->there)
		return 0;
	n = sock < 0 ? -1 : send(sock, &m, m.h.nlmsg_len, 0);
	n = n < 0 ? -1 : recv(sock, &m, sizeof(m), 0);
	if (n < 0)
		return err_errno(e, "look at %s", name);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(m.link)) || m.h.nlmsg_type != RTM_NEWLINK) {
		out->there = false; /* it went away meanwhile */
		return 0;
	}
	attrs_walk(IFLA_RTA(&m.link), (size_t)n - NLMSG_LENGTH(sizeof(m.link)), out, look_link);
	return 0;
}

/**
 * netdev_tap_look() - What is there under a tap's name, and whose it is
 * @name:  interface name
 * @netns: name under /run/netns, or "" for the process's own
 * @out:   all false if there is nothing
 * @e:     says why it cannot be told
 *
 * Return: 0, -EINVAL for a bad name, -ENOENT without the namespace, or the kernel's errno.
 * Context: as netdev_tap_open().
 */
int netdev_tap_look(const char *name, const char *netns, struct tap_look *out, struct err *e)
{
	int back, rc = name_check(name, e);

	if (!rc)
		rc = netns_enter(netns, &back, e);
	if (rc)
		return rc;
	rc = tap_look(name, out, e);
	netns_leave(back);
	return rc;
}

/* A tap of @name that must be there, or, with a mark, must not be. */
static int tap_attach(int fd, const char *name, const struct tap_mark *born, struct err *e)
{
	struct ifreq ifr = ifreq_of(name);

	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (born ? IFF_TUN_EXCL : 0));
	if (ioctl(fd, TUNSETIFF, &ifr))
		return errno == EBUSY ? err_errno(e, "tap %s is in use by another program", name)
		       : errno == EINVAL ? err_errno(e, "%s exists and is no tap", name)
					 : err_errno(e, "open tap %s", name);
	if (born && (ioctl(fd, TUNSETOWNER, born->owner) || ioctl(fd, TUNSETGROUP, born->group) ||
		     ioctl(fd, TUNSETPERSIST, 1)))
		return err_errno(e, "prepare tap %s", name);
	return 0;
}

/* The part of netdev_tap_open() that runs inside the namespace. */
static int tap_open(const struct tap_want *w, const struct tap_mark *born, int *out, struct err *e)
{
	/* What the reader of the tap takes; ports that cannot are served by software. */
	unsigned int offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0 || sock < 0)
		return err_errno(e, "open /dev/net/tun");
	rc = tap_attach(fd, w->name, born, e);
	if (!rc && ioctl(fd, TUNSETOFFLOAD, offload))
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
 * @born: whose it is to be: it is made, and must not be there; NULL: it is there
 * @fd:   the open tap, non-blocking, with virtio-net headers of 10 bytes; the caller closes it
 * @e:    says why not
 *
 * A tap made here is persistent: it outlives even a kill of the process that holds it, with its
 * addresses and namespace, until netdev_tap_remove().
 *
 * Return: 0, -EINVAL for a bad name or a netdev that is no tap, -EBUSY if another process holds
 * it, -ENOENT without the namespace, -EPERM without privilege, or the kernel's errno.
 * Context: a single-threaded process with CAP_NET_ADMIN and CAP_SYS_ADMIN.
 */
int netdev_tap_open(const struct tap_want *want, const struct tap_mark *born, int *fd,
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
	auto_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int rc;

	if (ioctl(fd, TUNGETIFF, &ifr))
		return err_set(e, -ENODEV, "tap %s is gone", want->name);
	if (ns < 0 || own < 0 || setns(ns, CLONE_NEWNET))
		return err_errno(e, "enter the namespace of %s", want->name);
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = sock < 0 ? err_errno(e, "socket") : tap_apply(sock, ifr.ifr_name, want, born, e);
	netns_leave(take_fd(own));
	return rc;
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
 * netdev_netns_id() - Tell namespaces of one name apart
 * @netns: name under /run/netns, or "" for the process's own
 *
 * An open tap keeps its namespace alive after `ip netns del`, unseen by anyone: whoever holds the
 * tap compares this number with the one it had when the tap was made.
 *
 * Return: a number no other namespace has while this one lives; 0 for "" and for a missing one.
 * Context: any thread; no privilege needed.
 */
uint64_t netdev_netns_id(const char *netns)
{
	char path[sizeof("/run/netns/") + VF_NAME_LEN];
	struct stat st;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	return *netns && !stat(path, &st) ? st.st_ino : 0;
}

/**
 * netdev_tap_remove() - Let a tap's netdev go with its last descriptor
 * @fd: from netdev_tap_open(); stays the caller's, who closes it to make it happen
 *
 * Context: the process that may also open taps.
 */
void netdev_tap_remove(int fd)
{
	ioctl(fd, TUNSETPERSIST, 0);
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

static bool has_default_route(const char *name)
{
	char line[512], dev[IFNAMSIZ], dst[33], mask[33], flags[16];
	bool found = false;
	FILE *f = fopen("/proc/thread-self/net/route", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%15s %32s %*s %15s %*s %*s %*s %32s", dev, dst, flags,
			       mask) == 4 &&
			!strcmp(dev, name) && !strcmp(dst, "00000000") && !strcmp(mask, "00000000");
	if (f)
		fclose(f);
	f = fopen("/proc/thread-self/net/ipv6_route", "re");
	/* dst, dst length, src, src length, gateway, metric, refs, use, flags, netdev */
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%32s %15s %*s %*s %32s %*s %*s %*s %*s %15s", dst, flags,
			       mask, dev) == 4 &&
			!strcmp(dev, name) && !strcmp(flags, "00") && strspn(mask, "0") != 32;
	if (f)
		fclose(f);
	return found;
}

/**
 * netdev_has_default_route() - Whether a netdev, or one above it, carries an IPv4 or IPv6 default
 * route
 * @name: a name of it in the caller's namespace, alternative ones too
 *
 * Above it are its bridge or bond and its VLANs, and what is above those. /sys tells, if it is of
 * the caller's namespace.
 *
 * Return: true if /proc/net/route or /proc/net/ipv6_route has one; unreadable counts as none.
 * Context: blocking; any thread.
 */
bool netdev_has_default_route(const char *name)
{
	char real[IF_NAMESIZE], pattern[64];
	glob_t above;
	bool found;

	name = if_indextoname(if_nametoindex(name), real) ?: name;
	found = has_default_route(name);
	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/upper_*", name);
	if (found || glob(pattern, GLOB_NOSORT, NULL, &above))
		return found;
	for (size_t i = 0; i < above.gl_pathc && !found; i++)
		found = netdev_has_default_route(strrchr(above.gl_pathv[i], '/') +
						 strlen("/upper_"));
	globfree(&above);
	return found;
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
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return -errno;
	return 0;
}

/**
 * netdev_packet_open() - Open a netdev as an uplink and set it up
 * @name: interface in the process's own namespace
 * @fd:   a bound, promiscuous, non-blocking packet socket with 10-byte virtio-net headers and
 *        auxdata (tags) that never sees its own frames; the caller closes it
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
	struct sock_filter nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct sock_fprog prog = { 1, &nothing };

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		return err_errno(e, "GRE socket");
	*fd = take_fd(sock);
	return 0;
}

/**
 * netdev_state() - Ask the kernel for a netdev's state
 * @sock: any socket; its namespace is asked
 * @name: interface name
 * @out:  all zero if there is no such netdev
 *
 * Return: 0 or -ENODEV.
 * Context: any thread; no privilege needed.
 */
int netdev_state(int sock, const char *name, struct netdev_state *out)
{
	struct ifreq ifr = ifreq_of(name);

	*out = (struct netdev_state){ 0 };
	if (ioctl(sock, SIOCGIFINDEX, &ifr))
		return -ENODEV;
	out->ifindex = (unsigned int)ifr.ifr_ifindex;
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return -ENODEV;
	out->up = ifr.ifr_flags & IFF_UP;
	out->carrier = (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING);
	if (!ioctl(sock, SIOCGIFMTU, &ifr))
		out->mtu = (uint16_t)MIN(ifr.ifr_mtu, UINT16_MAX);
	return 0;
}
