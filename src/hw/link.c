/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IFLA_VFINFO_LIST read and IFLA_VF_INFO written. Lengths in it are of 16 bits: a list of many VFs
 * with statistics does not fit, and the kernel then tells a part or nonsense; it is taken whole or
 * not at all.
 */
#include "hw/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "hw/rt.h"

#define BIT(name) (1U << VF_FIELD_##name)
#define UNTOLD	  UINT32_MAX /* the kernel's value of a setting that a driver does not know */

struct reading {
	enum hw_ask ask;
	struct hw_link *link; /* what has been read; owned */
};

/* The payload of an attribute that is one struct of @size, or NULL. */
static const void *whole(const struct nlattr *a, size_t size)
{
	return mnl_attr_get_payload_len(a) >= size ? mnl_attr_get_payload(a) : NULL;
}

static void take_mac(struct hw_vf *v, const struct ifla_vf_mac *m)
{
	memcpy(v->words.mac.b, m->mac, sizeof(v->words.mac.b));
	v->told |= BIT(MAC);
}

static void take_vlan(struct hw_vf *v, const struct ifla_vf_vlan *m)
{
	if (m->vlan > 4095 || m->qos > 7)
		return;
	v->words.vlan = (uint16_t)m->vlan;
	v->words.qos = (uint8_t)m->qos;
	v->told |= BIT(VLAN) | BIT(QOS);
}

/* The first of the list: the kernel takes no more than one. */
static void take_vlans(struct hw_vf *v, const struct nlattr *list)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested (a, list) {
		const struct ifla_vf_vlan_info *m = whole(a, sizeof(*m));

		if (mnl_attr_get_type(a) != IFLA_VF_VLAN_INFO || !m)
			continue;
		v->words.proto =
			ntohs(m->vlan_proto) == ETH_P_8021AD ? VF_PROTO_8021AD : VF_PROTO_8021Q;
		v->told |= BIT(PROTO);
		return;
	}
}

static void take_rate(struct hw_vf *v, const struct ifla_vf_rate *m)
{
	v->words.max_tx_mbit = m->max_tx_rate;
	v->words.min_tx_mbit = m->min_tx_rate;
	v->told |= BIT(MAX_TX_RATE) | BIT(MIN_TX_RATE);
}

/* spoofchk, trust, query_rss: a number a VF. */
static void take_flag(struct hw_vf *v, uint32_t setting, bool *to, uint32_t field)
{
	if (setting == UNTOLD)
		return;
	*to = setting;
	v->told |= field;
}

static void take_stats(struct hw_vf *v, const struct nlattr *list)
{
	const struct nlattr *a;

	v->counted = true;
	mnl_attr_for_each_nested (a, list) {
		uint64_t n;

		if (mnl_attr_get_payload_len(a) < sizeof(n))
			continue;
		n = mnl_attr_get_u64(a);
		switch (mnl_attr_get_type(a)) {
		case IFLA_VF_STATS_RX_PACKETS:
			v->stats.rx_packets = n;
			break;
		case IFLA_VF_STATS_TX_PACKETS:
			v->stats.tx_packets = n;
			break;
		case IFLA_VF_STATS_RX_BYTES:
			v->stats.rx_bytes = n;
			break;
		case IFLA_VF_STATS_TX_BYTES:
			v->stats.tx_bytes = n;
			break;
		case IFLA_VF_STATS_BROADCAST:
			v->stats.rx_broadcast = n;
			break;
		case IFLA_VF_STATS_MULTICAST:
			v->stats.rx_multicast = n;
			break;
		case IFLA_VF_STATS_RX_DROPPED:
			v->stats.rx_dropped = n;
			break;
		case IFLA_VF_STATS_TX_DROPPED:
			v->stats.tx_dropped = n;
			break;
		default:
			break;
		}
	}
}

/* An attribute of one VF. */
static void take_attr(struct hw_vf *v, const struct nlattr *a)
{
	const struct ifla_vf_spoofchk *flag = whole(a, sizeof(*flag)); /* {vf, number}, as others */
	uint32_t number = flag ? flag->setting : UNTOLD;
	const void *m;

	switch (mnl_attr_get_type(a)) {
	case IFLA_VF_MAC:
		if ((m = whole(a, sizeof(struct ifla_vf_mac))))
			take_mac(v, m);
		break;
	case IFLA_VF_VLAN:
		if ((m = whole(a, sizeof(struct ifla_vf_vlan))))
			take_vlan(v, m);
		break;
	case IFLA_VF_VLAN_LIST:
		take_vlans(v, a);
		break;
	case IFLA_VF_RATE:
		if ((m = whole(a, sizeof(struct ifla_vf_rate))))
			take_rate(v, m);
		break;
	case IFLA_VF_SPOOFCHK:
		take_flag(v, number, &v->words.spoofchk, BIT(SPOOFCHK));
		break;
	case IFLA_VF_LINK_STATE:
		if (number > VF_LINK_DISABLE)
			break;
		v->words.link = (uint8_t)number;
		v->told |= BIT(STATE);
		break;
	case IFLA_VF_RSS_QUERY_EN:
		take_flag(v, number, &v->words.query_rss, BIT(QUERY_RSS));
		break;
	case IFLA_VF_TRUST:
		take_flag(v, number, &v->words.trust, BIT(TRUST));
		break;
	case IFLA_VF_STATS:
		take_stats(v, a);
		break;
	default:
		break;
	}
}

/* The VFs of a list into link->vfs, each once. Returns how many. */
static unsigned int take_vfs(struct hw_link *link, const struct nlattr *list)
{
	const struct nlattr *each, *a;
	unsigned int n = 0;

	mnl_attr_for_each_nested (each, list) {
		struct hw_vf *v = NULL;

		if (mnl_attr_get_type(each) != IFLA_VF_INFO)
			continue;
		mnl_attr_for_each_nested (a, each) {
			const struct ifla_vf_mac *m = whole(a, sizeof(*m));

			if (mnl_attr_get_type(a) == IFLA_VF_MAC && m && m->vf < link->n_vfs)
				v = &link->vfs[m->vf];
		}
		if (!v || v->told)
			continue;
		mnl_attr_for_each_nested (a, each)
			take_attr(v, a);
		n++;
	}
	return n;
}

/* The netdev's own; older kernels tell fewer. */
static void take_own_stats(struct hw_link *link, const struct nlattr *a)
{
	struct rtnl_link_stats64 s = { 0 };

	memcpy(&s, mnl_attr_get_payload(a), MIN(sizeof(s), mnl_attr_get_payload_len(a)));
	link->stats = (struct vf_stats){ .rx_packets = s.rx_packets,
					 .rx_bytes = s.rx_bytes,
					 .rx_multicast = s.multicast,
					 .tx_packets = s.tx_packets,
					 .tx_bytes = s.tx_bytes,
					 .rx_dropped = s.rx_dropped,
					 .tx_dropped = s.tx_dropped };
	link->errors.rx_errors = s.rx_errors;
	link->errors.tx_errors = s.tx_errors;
	link->errors.collisions = s.collisions;
	link->errors.rx_length = s.rx_length_errors;
	link->errors.rx_over = s.rx_over_errors;
	link->errors.rx_crc = s.rx_crc_errors;
	link->errors.rx_frame = s.rx_frame_errors;
	link->errors.rx_fifo = s.rx_fifo_errors;
	link->errors.rx_missed = s.rx_missed_errors;
	link->errors.tx_aborted = s.tx_aborted_errors;
	link->errors.tx_carrier = s.tx_carrier_errors;
	link->errors.tx_fifo = s.tx_fifo_errors;
	link->errors.tx_heartbeat = s.tx_heartbeat_errors;
	link->errors.tx_window = s.tx_window_errors;
}

/* Two kinds of numbers; false: it is no such attribute. */
static bool take_number(struct hw_link *link, const struct nlattr *a)
{
	uint32_t n;

	if (mnl_attr_get_payload_len(a) == sizeof(n))
		memcpy(&n, mnl_attr_get_payload(a), sizeof(n));
	else if (mnl_attr_get_payload_len(a) == sizeof(uint8_t))
		n = mnl_attr_get_u8(a);
	else
		return false;
	switch (mnl_attr_get_type(a)) {
	case IFLA_MTU:
		link->mtu = n;
		return true;
	case IFLA_CARRIER:
		link->carrier = n;
		return true;
	case IFLA_CARRIER_CHANGES:
		link->errors.carrier_changes = n;
		return true;
	case IFLA_TXQLEN:
		link->more.txqlen = n;
		return true;
	case IFLA_GROUP:
		link->more.group = n;
		return true;
	case IFLA_OPERSTATE:
		link->more.oper = (uint8_t)n;
		return true;
	case IFLA_LINKMODE:
		link->more.mode = (uint8_t)n;
		return true;
	default:
		return false;
	}
}

static void take_netdev(struct hw_link *link, const struct nlattr *a)
{
	if (take_number(link, a))
		return;
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		hw_rt_name(a, link->name);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(link->mac.b))
			memcpy(link->mac.b, mnl_attr_get_payload(a), sizeof(link->mac.b));
		break;
	case IFLA_QDISC:
		if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(link->more.qdisc, sizeof(link->more.qdisc), "%s",
				 mnl_attr_get_str(a));
		break;
	case IFLA_STATS64:
		take_own_stats(link, a);
		break;
	default:
		break;
	}
}

/* An attribute of a link's message by its type, or NULL. */
static const struct nlattr *find(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each (a, h, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(a) == type)
			return a;
	return NULL;
}

/**
 * hw_link_parse() - What one message of rtnetlink tells of a netdev and its VFs
 * @h:   RTM_NEWLINK, all of which is there (hw_rt_whole())
 * @ask: what was asked for
 * @out: gets it; the caller's to free. Untouched on failure
 * @e:   error text
 *
 * Return: 0; -EBADMSG: it is cut off; -EMSGSIZE: the list of VFs is not whole; -E2BIG: more than
 * VF_MAX; -ENOMEM. Context: any; pure.
 */
int hw_link_parse(const struct nlmsghdr *h, enum hw_ask ask, struct hw_link **out, struct err *e)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *list;
	auto_free struct hw_link *link = NULL;
	unsigned int n = 0, told;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return err_set(e, -EBADMSG, "netlink: an answer is cut off");
	a = find(h, IFLA_NUM_VF);
	list = find(h, IFLA_VFINFO_LIST);
	if (a && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
		n = mnl_attr_get_u32(a);
	if (n > VF_MAX)
		return err_set(e, -E2BIG, "it has %u VFs, more than %u", n, VF_MAX);
	link = calloc(1, sizeof(*link) + n * sizeof(link->vfs[0]));
	if (!link)
		return err_set(e, -ENOMEM, "out of memory");
	link->ifindex = m->ifi_index;
	link->up = m->ifi_flags & IFF_UP;
	link->more.flags = m->ifi_flags;
	link->n_vfs = n;
	mnl_attr_for_each (a, h, sizeof(*m))
		take_netdev(link, a);
	told = list ? take_vfs(link, list) : 0;
	if (list && told != n) /* a driver without VF operations has no list */
		return err_set(e, -EMSGSIZE,
			       "%s: of %u VFs the kernel tells %u: their list%s does "
			       "not fit into its attribute",
			       link->name, n, told,
			       ask == HW_ASK_STATS ? ", with statistics," : "");
	*out = take(link);
	return 0;
}

static int on_link(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct reading *r = arg;

	if (h->nlmsg_type != RTM_NEWLINK || r->link)
		return 0;
	return hw_link_parse(h, r->ask, &r->link, e);
}

/**
 * hw_link_get() - What the kernel tells of a netdev and its VFs
 * @rt:      socket
 * @ifindex: netdev
 * @ask:     with statistics, or without: so more VFs fit into the answer
 * @out:     gets it; the caller's to free
 * @e:       error text
 *
 * Return: 0; -ENODEV; -EMSGSIZE: the list of VFs is not whole; -E2BIG: more than VF_MAX; or the
 * kernel's errno.
 * Context: the socket's thread.
 */
int hw_link_get(struct hw_rt *rt, int ifindex, enum hw_ask ask, struct hw_link **out, struct err *e)
{
	struct nlmsghdr *h = hw_rt_begin(rt, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct reading r = { .ask = ask };
	int rc;

	m->ifi_index = ifindex;
	mnl_attr_put_u32(h, IFLA_EXT_MASK,
			 RTEXT_FILTER_VF | (ask == HW_ASK_STATS ? 0 : RTEXT_FILTER_SKIP_STATS));
	rc = hw_rt_call(rt, h, on_link, &r, e);
	if (!rc && !r.link)
		rc = err_set(e, -ENODEV, "there is no netdev %d", ifindex);
	if (rc)
		free(r.link);
	else
		*out = r.link;
	return rc;
}

static void put_vlan(struct nlmsghdr *h, unsigned int vf, const struct hw_words *w)
{
	const struct ifla_vf_vlan plain = { .vf = vf, .vlan = w->vlan, .qos = w->qos };
	const struct ifla_vf_vlan_info info = {
		.vf = vf, .vlan = w->vlan, .qos = w->qos, .vlan_proto = htons(ETH_P_8021AD)
	};
	struct nlattr *list;

	if (w->proto != VF_PROTO_8021AD) {
		mnl_attr_put(h, IFLA_VF_VLAN, sizeof(plain), &plain);
		return;
	}
	list = mnl_attr_nest_start(h, IFLA_VF_VLAN_LIST);
	mnl_attr_put(h, IFLA_VF_VLAN_INFO, sizeof(info), &info);
	mnl_attr_nest_end(h, list);
}

static void put_flag(struct nlmsghdr *h, uint16_t type, unsigned int vf, uint32_t setting)
{
	const struct ifla_vf_spoofchk m = { .vf = vf, .setting = setting }; /* all have this form */

	mnl_attr_put(h, type, sizeof(m), &m);
}

static void put_attr(struct nlmsghdr *h, unsigned int vf, enum hw_attr attr,
		     const struct hw_words *w)
{
	struct ifla_vf_mac mac = { .vf = vf };
	const struct ifla_vf_rate rate = { vf, w->min_tx_mbit, w->max_tx_mbit };

	switch (attr) {
	case HW_ATTR_MAC:
		memcpy(mac.mac, w->mac.b, sizeof(w->mac.b));
		mnl_attr_put(h, IFLA_VF_MAC, sizeof(mac), &mac);
		break;
	case HW_ATTR_VLAN:
		put_vlan(h, vf, w);
		break;
	case HW_ATTR_RATE:
		mnl_attr_put(h, IFLA_VF_RATE, sizeof(rate), &rate);
		break;
	case HW_ATTR_SPOOFCHK:
		put_flag(h, IFLA_VF_SPOOFCHK, vf, w->spoofchk);
		break;
	case HW_ATTR_LINK:
		put_flag(h, IFLA_VF_LINK_STATE, vf, w->link);
		break;
	case HW_ATTR_RSS:
		put_flag(h, IFLA_VF_RSS_QUERY_EN, vf, w->query_rss);
		break;
	case HW_ATTR_TRUST:
		put_flag(h, IFLA_VF_TRUST, vf, w->trust);
		break;
	case HW_ATTR_GROUP: /* hw_link_set_vf() has refused it */
	case HW_ATTR_N:
		break;
	}
}

static struct nlmsghdr *change_begin(struct hw_rt *rt, int ifindex, struct ifinfomsg **m)
{
	struct nlmsghdr *h = hw_rt_begin(rt, RTM_SETLINK, NLM_F_ACK);

	*m = mnl_nlmsg_put_extra_header(h, sizeof(**m));
	(*m)->ifi_index = ifindex;
	return h;
}

/**
 * hw_link_set_vf() - Set one attribute of one VF
 * @rt:      socket
 * @ifindex: netdev of the PF
 * @vf:      number; one that the PF has not got is the kernel's to refuse
 * @attr:    which
 * @want:    words, of which those of @attr count
 * @e:       the kernel's words
 *
 * Return: 0 or the kernel's errno: -EINVAL, -EOPNOTSUPP, -EPERM, -ENODEV, the driver's.
 * Context: the socket's thread; needs CAP_NET_ADMIN.
 */
int hw_link_set_vf(struct hw_rt *rt, int ifindex, unsigned int vf, enum hw_attr attr,
		   const struct hw_words *want, struct err *e)
{
	struct ifinfomsg *m;
	struct nlmsghdr *h = change_begin(rt, ifindex, &m);
	struct nlattr *list = mnl_attr_nest_start(h, IFLA_VFINFO_LIST);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_VF_INFO);

	put_attr(h, vf, attr, want);
	mnl_attr_nest_end(h, info);
	mnl_attr_nest_end(h, list);
	return hw_rt_call(rt, h, NULL, NULL, e);
}

/**
 * hw_link_set() - Set one thing of a netdev itself
 * @rt:      socket
 * @ifindex: netdev
 * @want:    which, and its value
 * @e:       the kernel's words
 *
 * Return: 0 or the kernel's errno.
 * Context: the socket's thread; needs CAP_NET_ADMIN, for another namespace there, too.
 */
int hw_link_set(struct hw_rt *rt, int ifindex, const struct hw_link_value *want, struct err *e)
{
	struct ifinfomsg *m;
	struct nlmsghdr *h = change_begin(rt, ifindex, &m);

	switch (want->word) {
	case HW_LINK_UP:
		m->ifi_change = IFF_UP;
		m->ifi_flags = want->up ? IFF_UP : 0;
		break;
	case HW_LINK_MTU:
		mnl_attr_put_u32(h, IFLA_MTU, want->mtu);
		break;
	case HW_LINK_MAC:
		mnl_attr_put(h, IFLA_ADDRESS, sizeof(want->mac.b), want->mac.b);
		break;
	case HW_LINK_NAME:
		mnl_attr_put_strz(h, IFLA_IFNAME, want->name);
		break;
	case HW_LINK_NETNS:
		mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)want->netns);
		if (*want->name) /* and one that is taken there does not matter on the way */
			mnl_attr_put_strz(h, IFLA_IFNAME, want->name);
		break;
	}
	return hw_rt_call(rt, h, NULL, NULL, e);
}
