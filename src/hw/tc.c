/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "hw/rt.h"

/* A classifier that takes every frame, and its attributes. */
struct kind {
	const char *name;
	uint16_t flags, act;
};
static const struct kind kinds[] = {
	{ "flower", TCA_FLOWER_FLAGS, TCA_FLOWER_ACT }, /* what NICs with VFs take */
	{ "matchall", TCA_MATCHALL_FLAGS, TCA_MATCHALL_ACT },
};

static struct nlmsghdr *begin(struct hw_rt *rt, uint16_t type, uint16_t flags, int ifindex,
			      uint32_t parent)
{
	struct nlmsghdr *h = hw_rt_begin(rt, type, flags);
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));

	t->tcm_family = AF_UNSPEC;
	t->tcm_ifindex = ifindex;
	t->tcm_parent = parent;
	return h;
}

/* No netdev, no place, or nothing in it. */
static bool is_none(int rc)
{
	return rc == -ENOENT || rc == -EINVAL || rc == -ENODEV;
}

static int clsact_set(struct hw_rt *rt, int ifindex, bool on, struct err *e)
{
	const uint16_t flags = on ? NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL : NLM_F_ACK;
	struct nlmsghdr *h =
		begin(rt, on ? RTM_NEWQDISC : RTM_DELQDISC, flags, ifindex, TC_H_CLSACT);
	struct tcmsg *t = mnl_nlmsg_get_payload(h);
	struct err why = { 0 };
	int rc;

	t->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(h, TCA_KIND, "clsact");
	rc = hw_rt_call(rt, h, NULL, NULL, &why);
	if ((on && rc == -EEXIST) || (!on && is_none(rc)))
		return 0;
	return rc ? err_set(e, rc, "clsact: %s", why.msg) : 0;
}

static int on_any_rule(void *arg, const struct nlmsghdr *h, struct err *e)
{
	bool *there = arg;

	*there |= h->nlmsg_type == RTM_NEWTFILTER;
	return 0;
}

/* Has anybody rules there? */
static int has_rules(struct hw_rt *rt, int ifindex, bool *out, struct err *e)
{
	static const uint32_t ways[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	*out = false;
	for (unsigned int i = 0; i < ARRAY_LEN(ways); i++) {
		struct err why = { 0 };
		int rc = hw_rt_call(rt,
				    begin(rt, RTM_GETTFILTER, NLM_F_DUMP, ifindex,
					  TC_H_MAKE(TC_H_CLSACT, ways[i])),
				    on_any_rule, out, &why);

		if (rc && !is_none(rc))
			return err_set(e, rc, "clsact: %s", why.msg);
	}
	return 0;
}

/**
 * hw_tc_clsact_set() - Give a netdev a place for rules, or take it away if there are none in it
 * @rt:      socket
 * @ifindex: netdev
 * @on:      whether
 * @e:       the kernel's words
 *
 * The kernel would take others' rules away with it.
 *
 * Return: 0, also where it is so, or stays for others' rules; or the kernel's errno.
 * Context: the socket's thread.
 */
int hw_tc_clsact_set(struct hw_rt *rt, int ifindex, bool on, struct err *e)
{
	bool used = false;
	int rc = on ? 0 : has_rules(rt, ifindex, &used, e);

	return rc || used ? rc : clsact_set(rt, ifindex, on, e);
}

struct seek {
	const struct hw_tc_copy *copy;
	int ifindex;
	bool clsact;
	struct hw_tc_told told;
};

static const char *kind_of(const struct nlmsghdr *h, const struct nlattr **options)
{
	const char *kind = "";
	const struct nlattr *a;

	mnl_attr_for_each (a, h, sizeof(struct tcmsg)) {
		if (mnl_attr_get_type(a) == TCA_KIND &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			kind = mnl_attr_get_str(a);
		else if (mnl_attr_get_type(a) == TCA_OPTIONS)
			*options = a;
	}
	return kind;
}

static int on_qdisc(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct tcmsg *t = mnl_nlmsg_get_payload(h);
	const struct nlattr *options = NULL;
	struct seek *s = arg;

	if (h->nlmsg_type == RTM_NEWQDISC && mnl_nlmsg_get_payload_len(h) >= sizeof(*t) &&
	    t->tcm_ifindex == s->ifindex && !strcmp(kind_of(h, &options), "clsact"))
		s->clsact = true;
	return 0;
}

/**
 * hw_tc_clsact_is() - Has a netdev a place for rules?
 * @rt:      socket
 * @ifindex: netdev
 * @out:     gets it
 * @e:       the kernel's words
 *
 * Return: 0 or the kernel's errno. Context: the socket's thread.
 */
int hw_tc_clsact_is(struct hw_rt *rt, int ifindex, bool *out, struct err *e)
{
	struct seek s = { .ifindex = ifindex };
	int rc = hw_rt_call(rt, begin(rt, RTM_GETQDISC, NLM_F_DUMP, ifindex, 0), on_qdisc, &s, e);

	if (!rc)
		*out = s.clsact;
	return rc;
}

static struct nlmsghdr *begin_copy(struct hw_rt *rt, uint16_t type, uint16_t flags,
				   const struct hw_tc_copy *c)
{
	struct nlmsghdr *h =
		begin(rt, type, flags, c->from,
		      TC_H_MAKE(TC_H_CLSACT, c->egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS));
	struct tcmsg *t = mnl_nlmsg_get_payload(h);

	t->tcm_info = TC_H_MAKE((uint32_t)c->pref << 16, htons(ETH_P_ALL));
	return h;
}

static int add(struct hw_rt *rt, const struct hw_tc_copy *c, const struct kind *kind, struct err *e)
{
	const struct tc_mirred mirred = { .action = TC_ACT_PIPE,
					  .eaction = TCA_EGRESS_MIRROR,
					  .ifindex = (uint32_t)c->to };
	struct nlmsghdr *h =
		begin_copy(rt, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, c);
	struct tcmsg *t = mnl_nlmsg_get_payload(h);
	struct nlattr *options, *acts, *act, *of;

	t->tcm_handle = 1;
	mnl_attr_put_strz(h, TCA_KIND, kind->name);
	options = mnl_attr_nest_start(h, TCA_OPTIONS);
	if (!c->software)
		mnl_attr_put_u32(h, kind->flags, TCA_CLS_FLAGS_SKIP_SW);
	acts = mnl_attr_nest_start(h, kind->act);
	act = mnl_attr_nest_start(h, 1);
	mnl_attr_put_strz(h, TCA_ACT_KIND, "mirred");
	of = mnl_attr_nest_start(h, TCA_ACT_OPTIONS);
	mnl_attr_put(h, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	mnl_attr_nest_end(h, of);
	mnl_attr_nest_end(h, act);
	mnl_attr_nest_end(h, acts);
	mnl_attr_nest_end(h, options);
	return hw_rt_call(rt, h, NULL, NULL, e);
}

/**
 * hw_tc_copy_add() - Make a rule
 * @rt: socket
 * @c:  rule; its netdev has clsact
 * @e:  the kernel's words, of the classifier that NICs with VFs know
 *
 * In the NIC (skip_sw), or refused: the CPU would copy what happens to reach it, which is next to
 * nothing.
 *
 * Return: 0; -EEXIST; or the kernel's errno. Context: the socket's thread.
 */
int hw_tc_copy_add(struct hw_rt *rt, const struct hw_tc_copy *c, struct err *e)
{
	int rc = -EOPNOTSUPP;

	for (unsigned int i = 0; rc && rc != -EEXIST && i < ARRAY_LEN(kinds); i++) {
		struct err why = { 0 };
		int bad = add(rt, c, &kinds[i], &why);

		if (bad && (!i || bad == -EEXIST))
			err_set(e, bad, "tc: %s", why.msg);
		rc = !bad ? 0 : i && bad != -EEXIST ? rc : bad;
	}
	if (!rc && e)
		*e = (struct err){ 0 };
	return rc;
}

/**
 * hw_tc_copy_del() - Take a rule away
 * @rt: socket
 * @c:  rule
 * @e:  the kernel's words
 *
 * Return: 0, also where there is none; or the kernel's errno. Context: the socket's thread.
 */
int hw_tc_copy_del(struct hw_rt *rt, const struct hw_tc_copy *c, struct err *e)
{
	struct err why = { 0 };
	int rc = hw_rt_call(rt, begin_copy(rt, RTM_DELTFILTER, NLM_F_ACK, c), NULL, NULL, &why);

	if (rc == -ENOENT || rc == -EINVAL || rc == -ENODEV) /* EINVAL: there is no clsact */
		return 0;
	return rc ? err_set(e, rc, "tc: %s", why.msg) : 0;
}

/* The netdev that an action mirrors to, of the first action of a rule; 0: it is none such. */
static int mirrors_to(const struct nlattr *acts)
{
	const struct nlattr *act, *a, *of;

	mnl_attr_for_each_nested (act, acts)
		mnl_attr_for_each_nested (a, act) {
			if (mnl_attr_get_type(a) != TCA_ACT_OPTIONS)
				continue;
			mnl_attr_for_each_nested (of, a) {
				struct tc_mirred m;

				if (mnl_attr_get_type(of) != TCA_MIRRED_PARMS ||
				    mnl_attr_get_payload_len(of) < sizeof(m))
					continue;
				memcpy(&m, mnl_attr_get_payload(of), sizeof(m));
				return m.eaction == TCA_EGRESS_MIRROR ? (int)m.ifindex : 0;
			}
		}
	return 0;
}

static int on_rule(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct tcmsg *t = mnl_nlmsg_get_payload(h);
	const struct nlattr *options = NULL, *a;
	const struct kind *kind = NULL;
	struct seek *s = arg;
	const char *name;
	uint32_t flags = 0;
	int to = 0;

	if (h->nlmsg_type != RTM_NEWTFILTER || mnl_nlmsg_get_payload_len(h) < sizeof(*t) ||
	    t->tcm_ifindex != s->copy->from || t->tcm_info >> 16 != s->copy->pref)
		return 0;
	name = kind_of(h, &options);
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			kind = &kinds[i];
	if (!kind || !options)
		return 0;
	mnl_attr_for_each_nested (a, options) {
		if (mnl_attr_get_type(a) == kind->flags && mnl_attr_get_payload_len(a) >= 4)
			flags = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == kind->act)
			to = mirrors_to(a);
	}
	if (to != s->copy->to)
		return 0;
	s->told.there = true;
	s->told.in_hw = flags & TCA_CLS_FLAGS_IN_HW;
	return 0;
}

/**
 * hw_tc_copy_look() - What the kernel has of a rule
 * @rt:  socket
 * @c:   rule
 * @out: gets it
 * @e:   the kernel's words
 *
 * Return: 0, also where there is none; or the kernel's errno. Context: the socket's thread.
 */
int hw_tc_copy_look(struct hw_rt *rt, const struct hw_tc_copy *c, struct hw_tc_told *out,
		    struct err *e)
{
	struct seek s = { .copy = c };
	int rc = hw_rt_call(rt, begin_copy(rt, RTM_GETTFILTER, NLM_F_DUMP, c), on_rule, &s, e);

	if (is_none(rc))
		rc = 0;
	if (!rc)
		*out = s.told;
	return rc;
}
