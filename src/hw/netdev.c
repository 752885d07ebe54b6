/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/netdev.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "hw/netns.h"
#include "hw/rt.h"
#include "hw/sysfs.h"

#define NETDEV_MS                                                                                  \
	5000 /* a driver makes its netdev while it is bound; of some, another driver does */
#define ANY_NAME  "eth%d"
#define DUMPS_MAX 4

struct seeking {
	const char *address;
	const char *skip; /* namespace that was looked into */
	struct hw_spot *found;
};

/**
 * hw_netdev_name_check() - Does the kernel take that for the name of a netdev?
 * @name: from a stranger; ""; it would make a pattern of one with %
 * @e:    error text
 *
 * Return: 0 or -EINVAL. Context: any; pure.
 */
int hw_netdev_name_check(const char *name, struct err *e)
{
	bool bad = !strcmp(name, ".") || !strcmp(name, "..");

	for (const char *p = name; *p; p++)
		bad |= !isgraph((unsigned char)*p) || strchr("/:%", *p);
	return bad ? err_set(e, -EINVAL, "\"%s\" is no name for a netdev", name) : 0;
}

static const char *text_of(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(a);
}

/* The first netdev that belongs to the function; its name is judged like any other's. */
static int on_link(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	const char *bus = "", *address = "";
	char name[IF_NAMESIZE] = "";
	struct seeking *s = arg;
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    s->found->ifindex)
		return 0;
	mnl_attr_for_each (a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == IFLA_PARENT_DEV_BUS_NAME)
			bus = text_of(a);
		else if (mnl_attr_get_type(a) == IFLA_PARENT_DEV_NAME)
			address = text_of(a);
		else if (mnl_attr_get_type(a) == IFLA_IFNAME)
			hw_rt_name(a, name);
	}
	if (strcmp(bus, "pci") || strcmp(address, s->address) || m->ifi_index <= 0)
		return 0;
	s->found->ifindex = m->ifi_index;
	strcpy(s->found->name, name);
	return 0;
}

/* hw_sys_fn: looks into one namespace; 1 ends it. One that cannot be entered tells nothing. */
static int look_into(void *arg, const char *dir, const char *name)
{
	struct seeking *s = arg;
	auto_of(hw_rt_close) struct hw_rt *rt = NULL;
	int rc = -EAGAIN; /* its list changed while it was read */

	if (hw_netns_check(name, NULL) || (s->skip && !strcmp(name, s->skip)))
		return 0;
	auto_close int fd = hw_netns_open(name, NULL);
	if (fd < 0 || hw_netns_rt(fd, &rt, NULL))
		return 0;
	for (unsigned int i = 0; rc == -EAGAIN && i < DUMPS_MAX; i++) {
		struct nlmsghdr *h = hw_rt_begin(rt, RTM_GETLINK, NLM_F_DUMP);

		mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
		s->found->ifindex = 0;
		rc = hw_rt_call(rt, h, on_link, s, NULL);
	}
	if (rc)
		s->found->ifindex = 0;
	if (!s->found->ifindex)
		return 0;
	strcpy(s->found->netns, name);
	return 1;
}

/**
 * hw_netdev_find() - Where a VF's netdev is
 * @dev:   VF, as sysfs tells it
 * @netns: namespace to look into beside this one, or ""
 * @reach: whether to look into all others as well
 * @out:   gets it
 *
 * Context: control.
 */
void hw_netdev_find(const struct hw_vf_dev *dev, const char *netns, enum hw_reach reach,
		    struct hw_spot *out)
{
	struct seeking s = { .address = dev->address, .found = out };

	*out = (struct hw_spot){ 0 };
	if (dev->netdevs.n) {
		out->ifindex = dev->netdevs.list[0].ifindex;
		strcpy(out->name, dev->netdevs.list[0].name);
		return;
	}
	if (!*dev->address || !*dev->driver || !strcmp(dev->driver, HW_VFIO))
		return;
	if (*netns && look_into(&s, NULL, netns))
		return;
	s.skip = netns;
	if (reach == HW_REACH_ALL)
		hw_netns_each(look_into, &s);
}

/* Waits until a VF that a driver has just got has a netdev here, as far as that makes one. */
static int await(const char *sys, const struct hw_nic *nic, unsigned int vf, struct err *e)
{
	auto_of(hw_rt_close) struct hw_rt *news = NULL;
	const uint64_t end_ms = loop_now_ms() + NETDEV_MS;
	struct hw_vf_dev dev;
	int group = RTNLGRP_LINK, rc = hw_rt_open(&news, e);

	if (!rc && mnl_socket_setsockopt(news->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		rc = err_errno(e, "netlink");
	while (!rc && !(rc = hw_nic_vf(sys, nic, vf, &dev, e))) {
		struct pollfd p = { .fd = news ? mnl_socket_get_fd(news->sock) : -1,
				    .events = POLLIN };
		uint64_t now_ms = loop_now_ms();

		if (dev.netdevs.n || !*dev.driver || !strcmp(dev.driver, HW_VFIO) ||
		    now_ms >= end_ms)
			return 0;
		if (poll(&p, 1, (int)(end_ms - now_ms)) > 0) /* what it says is in sysfs by now */
			recv(p.fd, news->bytes, news->size, MSG_DONTWAIT);
	}
	return rc;
}

/**
 * hw_netdev_driver() - Give a VF to a driver, and have the netdev that this makes
 * @sys:    "/sys"
 * @nic:    its PF
 * @vf:     number
 * @driver: by name; "": what the kernel gives it of itself
 * @e:      error text
 *
 * Return: as hw_vf_bind(). Context: control; blocks, seconds where the netdev is late.
 */
int hw_netdev_driver(const char *sys, const struct hw_nic *nic, unsigned int vf, const char *driver,
		     struct err *e)
{
	return hw_vf_bind(sys, nic, vf, *driver ? driver : NULL, e) ?: await(sys, nic, vf, e);
}

/**
 * hw_netdev_probe() - Give a VF the kernel's driver for it, or take it away
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @on:  whether it is to have one
 * @e:   error text
 *
 * Return: as hw_vf_probe(). Context: as hw_netdev_driver().
 */
int hw_netdev_probe(const char *sys, const struct hw_nic *nic, unsigned int vf, bool on,
		    struct err *e)
{
	return hw_vf_probe(sys, nic, vf, on, e) ?: on ? await(sys, nic, vf, e) : 0;
}

/**
 * hw_netdev_up() - Set a VF's netdev up or down, in this namespace
 * @rt:  socket of it
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @up:  whether
 * @e:   error text
 *
 * Return: 0, also for down where there is none here; -ENODEV; or the kernel's errno.
 * Context: control.
 */
int hw_netdev_up(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		 bool up, struct err *e)
{
	const struct hw_link_value value = { .word = HW_LINK_UP, .up = up };
	struct hw_vf_dev dev;
	int rc = hw_nic_vf(sys, nic, vf, &dev, e);

	if (rc)
		return rc;
	if (dev.netdevs.n)
		return hw_link_set(rt, dev.netdevs.list[0].ifindex, &value, e);
	return up ? err_set(e, -ENODEV, "its driver, %s, has no netdev here",
			    *dev.driver ? dev.driver : "none")
		  : 0;
}

static int set_name(struct hw_rt *rt, int ifindex, const char *name, struct err *e)
{
	struct hw_link_value value = { .word = HW_LINK_UP }; /* one that is up keeps its name */
	struct err why = { 0 };
	int rc = hw_link_set(rt, ifindex, &value, e);

	value.word = HW_LINK_NAME;
	snprintf(value.name, sizeof(value.name), "%s", name);
	rc = rc ?: hw_link_set(rt, ifindex, &value, &why);
	return rc == -EEXIST ? err_set(e, rc, "there is a netdev %s already", name)
	       : rc	     ? err_set(e, rc, "name %s: %s", name, why.msg)
			     : 0;
}

static void say_where(const char *netns, char out[VF_NAME_LEN + 16])
{
	snprintf(out, VF_NAME_LEN + 16, "%s%s", *netns ? "namespace " : "this namespace", netns);
}

/* Namespace and name are two things for the kernel: the first is taken back if the second fails. */
static int move(struct hw_rt *from, const struct hw_spot *at, const struct hw_vf_dev *dev,
		const char *netns, const char *name, struct err *e)
{
	auto_close int to_fd = hw_netns_open(netns, e), back_fd = -1;
	struct hw_link_value value = { .word = HW_LINK_NETNS, .netns = to_fd };
	auto_of(hw_rt_close) struct hw_rt *rt = NULL;
	char where[VF_NAME_LEN + 16];
	struct hw_spot now = { 0 };
	struct seeking s = { .address = dev->address, .found = &now };
	struct err why = { 0 };
	int rc;

	if (to_fd < 0)
		return to_fd;
	snprintf(value.name, sizeof(value.name), "%s", name);
	rc = hw_link_set(from, at->ifindex, &value, &why);
	if (!rc)
		return 0;
	back_fd = hw_netns_open(at->netns, NULL);
	if (*netns && back_fd >= 0 && look_into(&s, NULL, netns) &&
	    !hw_netns_rt(to_fd, &rt, NULL)) {
		value = (struct hw_link_value){ .word = HW_LINK_NETNS, .netns = back_fd };
		strcpy(value.name, at->name);
		hw_link_set(rt, now.ifindex, &value, NULL);
	}
	say_where(netns, where);
	if (rc == -EEXIST)
		return err_set(e, rc, "%s has a netdev %s already", where, *name ? name : at->name);
	return err_set(e, rc, "%s to %s: %s", at->name, where, why.msg);
}

/* In the namespace it is in: from there, as nobody else can. */
static int place(struct hw_rt *rt, const struct hw_spot *at, const struct hw_vf_dev *dev,
		 const char *netns, const char *name, struct err *e)
{
	auto_of(hw_rt_close) struct hw_rt *there = NULL;
	auto_close int fd = -1;
	int rc;

	if (*at->netns) {
		fd = hw_netns_open(at->netns, e);
		rc = fd < 0 ? fd : hw_netns_rt(fd, &there, e);
		if (rc)
			return rc;
		rt = there;
	}
	if (strcmp(at->netns, netns))
		return move(rt, at, dev, netns, name, e);
	return *name && strcmp(at->name, name) ? set_name(rt, at->ifindex, name, e) : 0;
}

/* From a namespace that has no name none can be fetched, but its driver can make it anew here. */
static int make_anew(const char *sys, const struct hw_nic *nic, unsigned int vf,
		     struct hw_vf_dev *dev, struct hw_spot *at, struct err *e)
{
	int rc = hw_vf_probe(sys, nic, vf, false, e);

	rc = rc ?: hw_netdev_probe(sys, nic, vf, true, e);
	rc = rc ?: hw_nic_vf(sys, nic, vf, dev, e);
	if (!rc)
		hw_netdev_find(dev, "", HW_REACH_NEAR, at);
	return rc;
}

/**
 * hw_netdev_place() - Have a VF's netdev in a namespace, under a name
 * @rt:    socket of this namespace
 * @sys:   "/sys"
 * @nic:   its PF
 * @vf:    number
 * @to:    its namespace and its name there, "": the one it has; whether any other will do
 * @home:  gets the name that it had here, if it goes from here or is named anew
 * @e:     names namespace and netdev
 *
 * It is found wherever it is; it is down where it comes to. Back here, a VF without a driver for
 * a netdev has none to be placed; one that is in a namespace without a name is made anew by its
 * driver; and where its name is taken, it may get another.
 *
 * Return: 0; -ENODEV: it has no netdev, or none that can be reached; -ENOENT: no such namespace;
 * -EEXIST: the name is taken there; -EPERM; or the kernel's errno.
 * Context: control; needs CAP_NET_ADMIN in both namespaces, CAP_SYS_ADMIN to fetch it.
 */
int hw_netdev_place(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		    const struct hw_value *to, char home[IF_NAMESIZE], struct err *e)
{
	const char *netns = to->netns, *name = to->name;
	struct hw_vf_dev dev;
	struct hw_spot at;
	int rc = hw_nic_vf(sys, nic, vf, &dev, e);

	if (rc)
		return rc;
	hw_netdev_find(&dev, netns, HW_REACH_ALL, &at);
	if (!at.ifindex && !*netns) {
		if (!*dev.driver || !strcmp(dev.driver, HW_VFIO))
			return 0;
		rc = make_anew(sys, nic, vf, &dev, &at, e);
	}
	if (!rc && !at.ifindex)
		rc = err_set(e, -ENODEV,
			     "its driver, %s, has no netdev here nor in a namespace that has "
			     "a name",
			     *dev.driver ? dev.driver : "none");
	if (rc)
		return rc;
	if (!*at.netns)
		strcpy(home, at.name);
	rc = place(rt, &at, &dev, netns, name, e);
	if (rc != -EEXIST || !to->number)
		return rc;
	log_warn("a VF's netdev gets another name", "nic=%s vf=%u name=%s error=\"it is taken\"",
		 nic->address, vf, name);
	if (e)
		*e = (struct err){ 0 };
	return place(rt, &at, &dev, netns, ANY_NAME, e);
}

/* hw_sys_fn: of "upper_macvtap0" in a netdev's directory, the one that is a macvtap. */
static int take_upper(void *arg, const char *dir, const char *name)
{
	char path[PATH_MAX], tap[PATH_MAX];
	struct hw_netdev *out = arg;
	uint32_t ifindex;

	if (strncmp(name, "upper_", 6) || strlen(name + 6) >= sizeof(out->name) ||
	    hw_sys_path(path, "%s/%s", dir, name) || hw_sys_path(tap, "%s/macvtap", path) ||
	    access(tap, F_OK) || hw_sys_number(path, "ifindex", &ifindex) || ifindex > INT_MAX)
		return 0;
	strcpy(out->name, name + 6);
	out->ifindex = (int)ifindex;
	return 1;
}

/**
 * hw_macvtap_find() - The macvtap on a VF's netdev
 * @sys: "/sys"
 * @dev: VF
 * @out: gets it
 *
 * Return: true if there is one here. Context: any.
 */
bool hw_macvtap_find(const char *sys, const struct hw_vf_dev *dev, struct hw_netdev *out)
{
	char path[PATH_MAX];

	return dev->netdevs.n &&
	       !hw_sys_path(path, "%s/class/net/%s", sys, dev->netdevs.list[0].name) &&
	       hw_sys_each(path, take_upper, out) == 1;
}

/**
 * hw_macvtap_add() - Make a macvtap on a VF's netdev, which it has for itself (passthru)
 * @rt:   socket
 * @sys:  "/sys"
 * @nic:  its PF
 * @vf:   number
 * @name: "": macvtap0 and so on
 * @e:    error text
 *
 * It is up, and has the VF's MAC.
 *
 * Return: 0, also where there is one; -ENODEV: no netdev here; -EEXIST: the name is taken; -EBUSY:
 * another one uses the netdev; or the kernel's errno.
 * Context: control; needs CAP_NET_ADMIN.
 */
int hw_macvtap_add(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   const char *name, struct err *e)
{
	struct hw_netdev there;
	struct hw_vf_dev dev;
	struct nlattr *info, *data;
	struct ifinfomsg *m;
	struct nlmsghdr *h;
	struct err why = { 0 };
	int rc = hw_nic_vf(sys, nic, vf, &dev, e);

	if (rc || hw_macvtap_find(sys, &dev, &there))
		return rc;
	if (!dev.netdevs.n)
		return err_set(e, -ENODEV, "it has no netdev here");
	h = hw_rt_begin(rt, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_flags = m->ifi_change = IFF_UP;
	mnl_attr_put_u32(h, IFLA_LINK, (uint32_t)dev.netdevs.list[0].ifindex);
	if (*name)
		mnl_attr_put_strz(h, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "macvtap");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	rc = hw_rt_call(rt, h, NULL, NULL, &why);
	if (rc == -EEXIST)
		return err_set(e, rc, "there is a netdev %s already", name);
	return rc ? err_set(e, rc, "on %s: %s", dev.netdevs.list[0].name, why.msg) : 0;
}

/**
 * hw_macvtap_del() - Take the macvtap away
 * @rt:  socket
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @e:   error text
 *
 * Return: 0, also where there is none; or the kernel's errno.
 * Context: control; needs CAP_NET_ADMIN.
 */
int hw_macvtap_del(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   struct err *e)
{
	struct hw_netdev there;
	struct hw_vf_dev dev;
	struct ifinfomsg *m;
	struct nlmsghdr *h;
	int rc = hw_nic_vf(sys, nic, vf, &dev, e);

	if (rc || !hw_macvtap_find(sys, &dev, &there))
		return rc;
	h = hw_rt_begin(rt, RTM_DELLINK, NLM_F_ACK);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_index = there.ifindex;
	return hw_rt_call(rt, h, NULL, NULL, e);
}
