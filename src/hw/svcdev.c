/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another namespace is asked through this one's socket, by the number (nsid) that the kernel has
 * for it here: so it is reached also when its name is gone and a program still lives in it.
 */
#include "hw/svcdev.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/stat.h>

#include "hw/netns.h"
#include "hw/rt.h"

#define OWN	  (-1) /* no number: this namespace */
#define DUMPS_MAX 4
#define NSIDS_MAX 1024 /* further namespaces are not looked into */

/* Where it is. */
struct spot {
	int ifindex; /* 0: nowhere */
	int32_t nsid;
};

struct seeking {
	const struct hw_value *svc;
	int pf;
	int32_t nsid;
	struct spot *found;
};

static const char *kind_of(const struct hw_value *svc)
{
	return svc->vlan ? "vlan" : "macvlan";
}

/* What a link's message says that tells whose it is. */
struct facts {
	uint32_t link;
	bool foreign; /* the netdev below is in another namespace than it itself: link is of that */
	char kind[16];
	uint32_t vlan;
	struct mac mac;
};

static void take_data(struct facts *f, const struct nlattr *data)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested (a, data)
		if (mnl_attr_get_type(a) == IFLA_VLAN_ID && mnl_attr_validate(a, MNL_TYPE_U16) >= 0)
			f->vlan = mnl_attr_get_u16(a);
}

static void take_info(struct facts *f, const struct nlattr *info)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested (a, info) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(f->kind, sizeof(f->kind), "%s", mnl_attr_get_str(a));
		/* Of a macvlan the same type is something else, and longer. */
		if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			take_data(f, a);
	}
}

static void take_attr(struct facts *f, const struct nlattr *a)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_LINK:
		if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			f->link = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		f->foreign = true;
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(f->mac.b))
			memcpy(f->mac.b, mnl_attr_get_payload(a), sizeof(f->mac.b));
		break;
	case IFLA_LINKINFO:
		take_info(f, a);
		break;
	default:
		break;
	}
}

static int on_link(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct seeking *s = arg;
	struct facts f = { 0 };
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->ifi_index <= 0 || s->found->ifindex)
		return 0;
	mnl_attr_for_each (a, h, sizeof(*m))
		take_attr(&f, a);
	if (f.link != (uint32_t)s->pf || strcmp(f.kind, kind_of(s->svc)) ||
	    !mac_equal(&f.mac, &s->svc->mac) || (s->svc->vlan && f.vlan != s->svc->vlan) ||
	    (s->nsid == OWN) == f.foreign)
		return 0;
	*s->found = (struct spot){ m->ifi_index, s->nsid };
	return 0;
}

/* A request about links of a namespace. */
static struct nlmsghdr *begin(struct hw_rt *rt, uint16_t type, uint16_t flags, int32_t nsid,
			      int ifindex)
{
	struct nlmsghdr *h = hw_rt_begin(rt, type, flags);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_index = ifindex;
	if (nsid != OWN)
		mnl_attr_put_u32(h, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	return h;
}

/* Looks into one namespace; one that is gone has nothing. */
static void look_into(struct hw_rt *rt, struct seeking *s, int32_t nsid)
{
	int rc = -EAGAIN; /* its list changed while it was read */

	s->nsid = nsid;
	for (unsigned int i = 0; rc == -EAGAIN && i < DUMPS_MAX; i++) {
		struct nlmsghdr *h = begin(rt, RTM_GETLINK, NLM_F_DUMP, nsid, 0);
		struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);

		mnl_attr_put_strz(h, IFLA_INFO_KIND, kind_of(s->svc)); /* spares us the others */
		mnl_attr_nest_end(h, info);
		s->found->ifindex = 0;
		rc = hw_rt_call(rt, h, on_link, s, NULL);
	}
	if (rc)
		s->found->ifindex = 0;
}

struct nsids {
	unsigned int n;
	int32_t list[NSIDS_MAX];
};

static int on_nsid(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct nsids *to = arg;
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWNSID)
		return 0;
	mnl_attr_for_each (a, h, sizeof(struct rtgenmsg))
		if (mnl_attr_get_type(a) == NETNSA_NSID &&
		    mnl_attr_validate(a, MNL_TYPE_U32) >= 0 && to->n < NSIDS_MAX)
			to->list[to->n++] = (int32_t)mnl_attr_get_u32(a);
	return 0;
}

static struct nlmsghdr *begin_nsid(struct hw_rt *rt, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = hw_rt_begin(rt, type, flags);
	struct rtgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtgen_family = AF_UNSPEC;
	return h;
}

static int ask_nsid(struct hw_rt *rt, int netns, int32_t *out, struct err *e)
{
	struct nlmsghdr *h = begin_nsid(rt, RTM_GETNSID, NLM_F_ACK);
	struct nsids got = { 0 };
	int rc;

	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)netns);
	rc = hw_rt_call(rt, h, on_nsid, &got, e);
	*out = got.n ? got.list[0] : NETNSA_NSID_NOT_ASSIGNED;
	return rc;
}

/* A namespace's number here; it gets one if it has none. */
static int nsid_of(struct hw_rt *rt, int netns, int32_t *out, struct err *e)
{
	struct nlmsghdr *h;
	int rc = ask_nsid(rt, netns, out, e);

	if (rc || *out != NETNSA_NSID_NOT_ASSIGNED)
		return rc;
	h = begin_nsid(rt, RTM_NEWNSID, NLM_F_ACK);
	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)netns);
	mnl_attr_put_u32(h, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED); /* any */
	rc = hw_rt_call(rt, h, NULL, NULL, e);
	rc = rc && rc != -EEXIST ? rc : ask_nsid(rt, netns, out, e);
	return rc
		       ?: *out == NETNSA_NSID_NOT_ASSIGNED
			  ? err_set(e, -EIO, "a namespace without number")
			  : 0;
}

static bool is_own(int netns)
{
	struct stat own, it;

	return !stat("/proc/self/ns/net", &own) && !fstat(netns, &it) && own.st_ino == it.st_ino &&
	       own.st_dev == it.st_dev;
}

/* By name, "" or one of this one: this. Returns 0 or why it cannot be asked. */
static int nsid_by_name(struct hw_rt *rt, const char *netns, int32_t *out, struct err *e)
{
	auto_close int fd = *netns ? hw_netns_open(netns, e) : -1;

	*out = OWN;
	if (!*netns)
		return 0;
	return fd < 0 ? fd : is_own(fd) ? 0 : nsid_of(rt, fd, out, e);
}

static bool find_near(struct hw_rt *rt, int pf, const struct hw_value *svc, struct spot *out)
{
	struct seeking s = { .svc = svc, .pf = pf, .found = out };
	int32_t nsid;

	*out = (struct spot){ 0 };
	if (pf > 0 && !nsid_by_name(rt, svc->netns, &nsid, NULL))
		look_into(rt, &s, nsid);
	return out->ifindex;
}

/* hw_sys_fn: so that it is among those that have a number. */
static int give_number(void *rt, const char *dir, const char *name)
{
	int32_t nsid;

	nsid_by_name(rt, name, &nsid, NULL);
	return 0;
}

/* Wherever else it may be: its namespace lost its name, or somebody moved it. */
static bool find_far(struct hw_rt *rt, int pf, const struct hw_value *svc, struct spot *out)
{
	struct seeking s = { .svc = svc, .pf = pf, .found = out };
	struct nsids all = { .n = 1, .list = { OWN } };

	*out = (struct spot){ 0 };
	hw_netns_each(give_number, rt);
	hw_rt_call(rt, begin_nsid(rt, RTM_GETNSID, NLM_F_DUMP), on_nsid, &all, NULL);
	for (unsigned int i = 0; pf > 0 && !out->ifindex && i < all.n; i++)
		look_into(rt, &s, all.list[i]);
	return out->ifindex;
}

/**
 * hw_svc_is_there() - Is a service port in its namespace?
 * @rt:  socket of this namespace
 * @pf:  ifindex of the PF's netdev; 0: that is gone, and what was on it with it
 * @svc: port: mac, vlan, netns
 *
 * Return: true if so. Context: control; needs CAP_NET_ADMIN in that namespace.
 */
bool hw_svc_is_there(struct hw_rt *rt, int pf, const struct hw_value *svc)
{
	return find_near(rt, pf, svc, &(struct spot){ 0 });
}

/**
 * hw_svc_is_elsewhere() - Is a service port that is not in its namespace in another?
 * @rt:  socket of this namespace
 * @pf:  ifindex of the PF's netdev
 * @svc: port
 *
 * Return: true if so. Context: as hw_svc_is_there().
 */
bool hw_svc_is_elsewhere(struct hw_rt *rt, int pf, const struct hw_value *svc)
{
	return find_far(rt, pf, svc, &(struct spot){ 0 });
}

/**
 * hw_svc_name_is_taken() - Is there a netdev of that name?
 * @rt:    socket of this namespace
 * @netns: where; "": here
 * @name:  name
 *
 * Return: true if so. Context: as hw_svc_is_there().
 */
bool hw_svc_name_is_taken(struct hw_rt *rt, const char *netns, const char *name)
{
	struct nlmsghdr *h;
	int32_t nsid;

	if (nsid_by_name(rt, netns, &nsid, NULL))
		return false;
	h = begin(rt, RTM_GETLINK, NLM_F_ACK, nsid, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return !hw_rt_call(rt, h, NULL, NULL, NULL);
}

static int add(struct hw_rt *rt, int pf, const struct hw_value *svc, int netns, bool up,
	       struct err *e)
{
	struct nlmsghdr *h = hw_rt_begin(rt, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct nlattr *info, *data;

	m->ifi_flags = m->ifi_change = up ? IFF_UP : 0;
	mnl_attr_put_u32(h, IFLA_LINK, (uint32_t)pf);
	mnl_attr_put_strz(h, IFLA_IFNAME, svc->name);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(svc->mac.b), svc->mac.b);
	if (svc->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, svc->mtu);
	if (netns >= 0) /* it is made there, and was never here */
		mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, kind_of(svc));
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	if (svc->vlan)
		mnl_attr_put_u16(h, IFLA_VLAN_ID, svc->vlan);
	else /* several of a PF reach one another */
		mnl_attr_put_u32(h, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return hw_rt_call(rt, h, NULL, NULL, e);
}

static int refused(struct hw_rt *rt, const struct hw_value *svc, int rc, const struct err *why,
		   struct err *e)
{
	if (rc == -EEXIST && hw_svc_name_is_taken(rt, svc->netns, svc->name))
		return err_set(e, rc, "%s%s has a netdev %s already",
			       *svc->netns ? "namespace " : "this namespace", svc->netns,
			       svc->name);
	if (rc == -EEXIST)
		return err_set(e, rc, "the PF has a netdev of VLAN %u already", svc->vlan);
	if (rc == -EADDRINUSE)
		return err_set(e, rc, "the PF, or a macvlan on it, has that MAC");
	return err_set(e, rc, "%s", why->msg);
}

/**
 * hw_svc_make() - Make the netdev of a service port, in its namespace and up
 * @rt:  socket of this namespace
 * @pf:  ifindex of the PF's netdev
 * @svc: port: name, mac, vlan, mtu (0: the PF's), netns
 * @e:   names what is in the way
 *
 * One of a VLAN is down as long as its PF is; the kernel sets it up with that.
 *
 * Return: 0, also where it is there; -ENODEV: the PF is gone; -ENOENT: no such namespace; -EEXIST:
 * name or VLAN is taken; -EADDRINUSE; -EBUSY: it is in another namespace; or the kernel's errno.
 * Context: control; needs CAP_NET_ADMIN in both namespaces.
 */
int hw_svc_make(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e)
{
	auto_close int fd = *svc->netns ? hw_netns_open(svc->netns, e) : -1;
	struct err why = { 0 };
	struct spot at;
	int32_t nsid;
	int rc = *svc->netns && fd < 0 ? fd : 0;

	if (!rc && pf <= 0)
		rc = err_set(e, -ENODEV, "its PF has no netdev here");
	if (!rc && fd >= 0 && !is_own(fd)) /* so that it can be found without the name */
		rc = nsid_of(rt, fd, &nsid, e);
	if (rc || find_near(rt, pf, svc, &at))
		return rc;
	if (find_far(rt, pf, svc, &at))
		return err_set(e, -EBUSY, "its netdev is in another namespace than %s",
			       *svc->netns ? svc->netns : "this");
	rc = add(rt, pf, svc, fd, true, &why);
	if (rc == -ENETDOWN) {
		why = (struct err){ 0 };
		rc = add(rt, pf, svc, fd, false, &why);
	}
	return rc ? refused(rt, svc, rc, &why, e) : 0;
}

/**
 * hw_svc_remove() - Take the netdev of a service port away, wherever it is
 * @rt:  socket of this namespace
 * @pf:  ifindex of the PF's netdev
 * @svc: port: mac, vlan, netns
 * @e:   error text
 *
 * Return: 0, also where there is none; or the kernel's errno.
 * Context: control; needs CAP_NET_ADMIN in its namespace.
 */
int hw_svc_remove(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e)
{
	struct spot at;
	int rc;

	if (!find_near(rt, pf, svc, &at) && !find_far(rt, pf, svc, &at))
		return 0;
	rc = hw_rt_call(rt, begin(rt, RTM_DELLINK, NLM_F_ACK, at.nsid, at.ifindex), NULL, NULL, e);
	return rc == -ENODEV ? 0 : rc; /* its namespace went with it */
}
