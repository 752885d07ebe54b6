/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- netdevs ---- */

static enum link_kind kind_of(const struct rtattr *a)
{
	static const struct {
		const char *word;
		enum link_kind kind;
	} kinds[] = {
		{ "veth", LINK_VETH },	     { "vlan", LINK_VLAN },
		{ "macvlan", LINK_MACVLAN }, { "macvtap", LINK_MACVLAN },
		{ "ipvlan", LINK_MACVLAN },  { "ipvtap", LINK_MACVLAN },
		{ "bond", LINK_BOND },	     { "team", LINK_BOND },
		{ "vrf", LINK_APART },	     { "openvswitch", LINK_APART },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strncmp(RTA_DATA(a), kinds[i].word, RTA_PAYLOAD(a)))
			return kinds[i].kind;
	return LINK_OTHER;
}

static void info_take(const struct rtattr *info, struct link *out)
{
	int left = (int)RTA_PAYLOAD(info), inner;

	rtnl_each(a, RTA_DATA(info), left)
	{
		if (a->rta_type == IFLA_INFO_KIND)
			out->kind = kind_of(a);
		if (a->rta_type != IFLA_INFO_DATA || out->kind != LINK_VLAN)
			continue;
		inner = (int)RTA_PAYLOAD(a);
		rtnl_each(v, RTA_DATA(a), inner) if (v->rta_type == IFLA_VLAN_ID &&
						     RTA_PAYLOAD(v) == sizeof(out->vlan))
			memcpy(&out->vlan, RTA_DATA(v), sizeof(out->vlan));
	}
}

static void mac_take(const struct rtattr *a, struct mac *out)
{
	if (RTA_PAYLOAD(a) == MAC_LEN)
		memcpy(out->b, RTA_DATA(a), MAC_LEN);
}

static void attr_take(const struct rtattr *a, struct link *out, bool *away)
{
	switch (a->rta_type) {
	case IFLA_IFNAME:
		snprintf(out->name, sizeof(out->name), "%.*s", (int)RTA_PAYLOAD(a),
			 (const char *)RTA_DATA(a));
		break;
	case IFLA_MASTER:
		out->master = rtnl_u32(a);
		break;
	case IFLA_LINK:
		out->below = rtnl_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		*away = true;
		break;
	case IFLA_ADDRESS:
		mac_take(a, &out->mac);
		break;
	case IFLA_PERM_ADDRESS:
		mac_take(a, &out->perm);
		break;
	case IFLA_LINKINFO:
		info_take(a, out);
		break;
	}
}

static int link_take(void *arg, const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	int left = (int)IFLA_PAYLOAD(h);
	struct links *l = arg;
	struct link *more;
	bool away = false;

	if (h->nlmsg_type != RTM_NEWLINK || left < 0)
		return 0;
	more = realloc(l->all, (l->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->all = more;
	more[l->n] = (struct link){ .index = (unsigned int)m->ifi_index };
	rtnl_each(a, IFLA_RTA(m), left) attr_take(a, &more[l->n], &away);
	if (away)
		more[l->n].below = 0;
	l->n++;
	return 0;
}

/**
 * links_dump() - All netdevs of a socket's namespace
 * @sock: of rtnl_open()
 * @out:  gets them; links_fini() frees it, also after a failure
 *
 * Return: 0, -ENOMEM, or as rtnl_dump(). Context: any.
 */
int links_dump(int sock, struct links *out)
{
	*out = (struct links){ 0 };
	return rtnl_dump(sock, RTM_GETLINK, link_take, out);
}

/**
 * links_fini() - Free what links_dump() made
 * @l: links
 */
void links_fini(struct links *l)
{
	free(take(l->all));
	l->n = 0;
}

/**
 * links_find() - A netdev by its index
 * @l:     links
 * @index: index
 *
 * Return: the netdev, borrowed, or NULL. Context: any; pure.
 */
const struct link *links_find(const struct links *l, unsigned int index)
{
	for (size_t i = 0; index && i < l->n; i++)
		if (l->all[i].index == index)
			return &l->all[i];
	return NULL;
}

/* ---- routes ---- */

/* A netdev and those above it: frames of theirs go by it. */
struct above {
	unsigned int *all; /* array of n indexes */
	size_t n;
	bool hit;
};

static bool is_above(const struct above *s, unsigned int index)
{
	for (size_t i = 0; index && i < s->n; i++)
		if (s->all[i] == index)
			return true;
	return false;
}

static void above_add(struct above *s, unsigned int index)
{
	if (index && !is_above(s, index))
		s->all[s->n++] = index;
}

/* @s->all has room for all of @l, and one. */
static void above_find(const struct links *l, struct above *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (const struct link *at = l->all; at < l->all + l->n; at++) {
			if (at->index == s->all[i] && links_find(l, at->master))
				above_add(s, at->master);
			if (at->below == s->all[i] && at->kind != LINK_VETH)
				above_add(s, at->index);
		}
}

static bool any_hop(const struct rtattr *a, const struct above *s)
{
	int left = (int)RTA_PAYLOAD(a);

	for (const struct rtnexthop *hop = RTA_DATA(a); RTNH_OK(hop, left);
	     left -= (int)NLMSG_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		if (is_above(s, (unsigned int)hop->rtnh_ifindex))
			return true;
	return false;
}

static int route_take(void *arg, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	int left = (int)RTM_PAYLOAD(h);
	struct above *s = arg;

	if (h->nlmsg_type != RTM_NEWROUTE || left < 0 || m->rtm_dst_len ||
	    m->rtm_type != RTN_UNICAST || m->rtm_flags & RTM_F_CLONED)
		return 0;
	rtnl_each(a, RTM_RTA(m), left) s->hit |=
		(a->rta_type == RTA_OIF && is_above(s, rtnl_u32(a))) ||
		(a->rta_type == RTA_MULTIPATH && any_hop(a, s));
	return 0;
}

/**
 * links_default_route() - Whether a netdev, or one above it, carries a default route
 * @index: a netdev of our namespace
 *
 * Of IPv4 or IPv6, of any table, as one of several hops as well, with a gateway or on the link.
 * Above it are its bridge or bond, its VLANs and the like, and what is above those.
 *
 * Return: true if so; also if it cannot be told, with a full memory for one.
 * Context: blocking; any thread; no privilege needed.
 */
bool links_default_route(unsigned int index)
{
	struct links l = { 0 };
	struct above s = { 0 };
	auto_close int sock = -1;
	int rc = rtnl_open(&sock, NULL) ?: links_dump(sock, &l);

	if (!rc)
		s.all = calloc(l.n + 1, sizeof(*s.all));
	if (s.all) {
		above_add(&s, index);
		above_find(&l, &s);
		rc = rtnl_dump(sock, RTM_GETROUTE, route_take, &s);
	}
	links_fini(&l);
	free(s.all);
	return rc || !s.all || s.hit;
}
