/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/rate.h"

#include <errno.h>
#include <linux/devlink.h>
#include <string.h>

#include "hw/devlink.h"
#include "hw/link.h"
#include "hw/rt.h"

#define HEADERS 4 /* bytes of generic netlink's */

static bool is_text(const struct nlattr *a, const char *text)
{
	return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 && !strcmp(mnl_attr_get_str(a), text);
}

static bool u16(const struct nlattr *a, uint16_t *out)
{
	if (mnl_attr_validate(a, MNL_TYPE_U16) < 0)
		return false;
	*out = mnl_attr_get_u16(a);
	return true;
}

static bool u32(const struct nlattr *a, uint32_t *out)
{
	if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
		return false;
	*out = mnl_attr_get_u32(a);
	return true;
}

/* What counts of a message. */
struct told {
	bool bus, device;
	uint16_t flavour, vf, type;
	uint32_t index;
	uint64_t share, max;
	bool has_index, has_vf, has_mac, has_parent;
	bool external; /* of another machine's PF */
	struct mac mac;
	char node[VF_GROUP_LEN + 1], parent[VF_GROUP_LEN + 1]; /* "": none, or no name of ours */
};

static void take_function(struct told *t, const struct nlattr *nest)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested (a, nest)
		if (mnl_attr_get_type(a) == DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR &&
		    mnl_attr_get_payload_len(a) == MAC_LEN) {
			memcpy(t->mac.b, mnl_attr_get_payload(a), MAC_LEN);
			t->has_mac = true;
		}
}

static void take_name(char out[VF_GROUP_LEN + 1], const struct nlattr *a)
{
	if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
	    !vf_group_check(mnl_attr_get_str(a), NULL))
		strcpy(out, mnl_attr_get_str(a));
}

static void note(struct told *t, const struct nlattr *a, const char *bus, const char *device)
{
	switch (mnl_attr_get_type(a)) {
	case DEVLINK_ATTR_BUS_NAME:
		t->bus = is_text(a, bus);
		break;
	case DEVLINK_ATTR_DEV_NAME:
		t->device = is_text(a, device);
		break;
	case DEVLINK_ATTR_PORT_INDEX:
		t->has_index = u32(a, &t->index);
		break;
	case DEVLINK_ATTR_PORT_FLAVOUR:
		u16(a, &t->flavour);
		break;
	case DEVLINK_ATTR_PORT_PCI_VF_NUMBER:
		t->has_vf = u16(a, &t->vf);
		break;
	case DEVLINK_ATTR_PORT_EXTERNAL:
		t->external = mnl_attr_validate(a, MNL_TYPE_U8) >= 0 && mnl_attr_get_u8(a);
		break;
	case DEVLINK_ATTR_PORT_FUNCTION:
		take_function(t, a);
		break;
	case DEVLINK_ATTR_RATE_NODE_NAME:
		take_name(t->node, a);
		break;
	case DEVLINK_ATTR_RATE_PARENT_NODE_NAME:
		t->has_parent = true;
		take_name(t->parent, a);
		break;
	case DEVLINK_ATTR_RATE_TYPE:
		u16(a, &t->type);
		break;
	case DEVLINK_ATTR_RATE_TX_SHARE:
		if (mnl_attr_validate(a, MNL_TYPE_U64) >= 0)
			t->share = mnl_attr_get_u64(a);
		break;
	case DEVLINK_ATTR_RATE_TX_MAX:
		if (mnl_attr_validate(a, MNL_TYPE_U64) >= 0)
			t->max = mnl_attr_get_u64(a);
		break;
	}
}

/* Whether it is about a port of the device. */
static bool read_told(const struct nlmsghdr *h, const char *bus, const char *device,
		      struct told *out)
{
	struct told t = { .flavour = UINT16_MAX, .type = UINT16_MAX };
	const struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(h) < HEADERS)
		return false;
	mnl_attr_for_each (a, h, HEADERS)
		note(&t, a, bus, device);
	*out = t;
	return t.bus && t.device;
}

/**
 * hw_port_parse() - Take a port of devlink's list, if it is a VF's
 * @h:      message
 * @bus:    of the device; ports of others are passed over
 * @device: its address there
 * @out:    gets it
 *
 * Return: 0. Context: any; pure.
 */
int hw_port_parse(const struct nlmsghdr *h, const char *bus, const char *device,
		  struct hw_ports *out)
{
	struct told t;
	struct hw_port *p;

	if (!read_told(h, bus, device, &t) || !t.has_index ||
	    t.flavour != DEVLINK_PORT_FLAVOUR_PCI_VF || !t.has_vf || t.vf >= VF_MAX || t.external)
		return 0;
	p = &out->vfs[t.vf];
	p->there = true;
	p->index = t.index;
	p->has_mac = t.has_mac;
	p->mac = t.mac;
	out->macs |= t.has_mac;
	return 0;
}

static uint32_t mbit(uint64_t bytes)
{
	return (uint32_t)MIN(bytes / HW_RATE_UNIT, UINT32_MAX);
}

/* One with rates that ours cannot have has none. */
static void node_add(struct vf_groups *to, const char *name, const struct vf_group *rates)
{
	struct vf_group g = *rates;

	strcpy(g.name, name);
	if (vf_groups_add(to, &g, NULL) == -EINVAL) {
		g.min_tx_mbit = 0;
		vf_groups_add(to, &g, NULL);
	}
}

/**
 * hw_rate_parse() - Take a rate of devlink's list, if it is that of a VF's port, or of a group
 * @h:      message
 * @bus:    of the device
 * @device: its address there
 * @out:    has the ports, gets their rates
 *
 * Return: 0. Context: any; pure.
 */
int hw_rate_parse(const struct nlmsghdr *h, const char *bus, const char *device,
		  struct hw_ports *out)
{
	struct told t;

	if (!read_told(h, bus, device, &t))
		return 0;
	if (t.type == DEVLINK_RATE_TYPE_NODE && *t.node) {
		const struct vf_group g = { .max_tx_mbit = mbit(t.max),
					    .min_tx_mbit = mbit(t.share) };

		node_add(&out->groups, t.node, &g);
	}
	if (t.type != DEVLINK_RATE_TYPE_LEAF || !t.has_index)
		return 0;
	for (unsigned int vf = 0; vf < VF_MAX; vf++) {
		struct hw_port *p = &out->vfs[vf];

		if (!p->there || p->index != t.index)
			continue;
		p->has_rate = true;
		p->max = t.max;
		p->min = t.share;
		p->in_group = t.has_parent;
		strcpy(p->group, t.parent);
		out->rates = true;
	}
	return 0;
}

/* One conversation with devlink. */
struct talk {
	struct hw_rt *rt;
	uint16_t family;
	const char *bus, *device;
	struct hw_ports *ports;
};

static int on_port(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct talk *t = arg;

	return hw_port_parse(h, t->bus, t->device, t->ports);
}

static int on_rate(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct talk *t = arg;

	return hw_rate_parse(h, t->bus, t->device, t->ports);
}

static int look(struct talk *t, struct err *e)
{
	struct nlmsghdr *h = hw_devlink_begin(t->rt, t->family, DEVLINK_CMD_PORT_GET, NLM_F_DUMP);
	int rc = hw_rt_call(t->rt, h, on_port, t, e);

	if (rc)
		return rc;
	h = hw_devlink_begin(t->rt, t->family, DEVLINK_CMD_RATE_GET, NLM_F_DUMP);
	rc = hw_rt_call(t->rt, h, on_rate, t, e);
	return rc == -EOPNOTSUPP ? 0 : rc; /* a kernel without */
}

static int ports_get(struct talk *t, struct err *e)
{
	struct err why = { 0 };
	int rc = hw_devlink_open(&t->rt, &t->family, &why);

	rc = rc ?: look(t, &why);
	return rc ? err_set(e, rc, "devlink %s/%s: %s", t->bus, t->device, why.msg) : 0;
}

static void talk_end(struct talk *t)
{
	hw_rt_close(t->rt);
	free(t->ports);
}
#define auto_talk __attribute__((cleanup(talk_end))) struct talk

/* About a device, whose ports are known then. */
static int talk_begin(struct talk *t, const char *bus, const char *device, struct err *e)
{
	*t = (struct talk){ .bus = bus,
			    .device = device,
			    .ports = calloc(1, sizeof(struct hw_ports)) };
	return t->ports ? ports_get(t, e) : err_set(e, -ENOMEM, "out of memory");
}

static const struct hw_port *leaf_of(const struct talk *t, unsigned int vf)
{
	return vf < VF_MAX && t->ports->vfs[vf].has_rate ? &t->ports->vfs[vf] : NULL;
}

static int no_leaf(unsigned int vf, struct err *e)
{
	return err_set(e, -EOPNOTSUPP, "devlink has no rate of vf %u", vf);
}

/**
 * hw_ports_get() - What devlink tells of a NIC's VFs
 * @bus:    "pci", "netdevsim"
 * @device: its address there
 * @out:    gets it
 * @e:      the kernel's words
 *
 * Return: 0, -EOPNOTSUPP: there is no devlink; or the kernel's errno. Context: any.
 */
int hw_ports_get(const char *bus, const char *device, struct hw_ports *out, struct err *e)
{
	struct talk t = { .bus = bus, .device = device, .ports = out };
	int rc;

	*out = (struct hw_ports){ .rates = false };
	rc = ports_get(&t, e);
	hw_rt_close(t.rt);
	return rc;
}

static void put_port(struct nlmsghdr *h, const char *bus, const char *device, uint32_t index)
{
	mnl_attr_put_strz(h, DEVLINK_ATTR_BUS_NAME, bus);
	mnl_attr_put_strz(h, DEVLINK_ATTR_DEV_NAME, device);
	mnl_attr_put_u32(h, DEVLINK_ATTR_PORT_INDEX, index);
}

/* One of the two, as the kernel takes several one after the other and keeps what it took. */
static int put_rate(struct talk *t, uint32_t index, uint16_t attr, uint64_t bytes, struct err *e)
{
	struct nlmsghdr *h = hw_devlink_begin(t->rt, t->family, DEVLINK_CMD_RATE_SET, NLM_F_ACK);

	put_port(h, t->bus, t->device, index);
	mnl_attr_put_u64(h, attr, bytes);
	return hw_rt_call(t->rt, h, NULL, NULL, e);
}

static int set_rates(struct talk *t, const struct hw_port *is, const struct hw_words *want,
		     struct err *e)
{
	const uint64_t min = (uint64_t)want->min_tx_mbit * HW_RATE_UNIT;
	const uint64_t max = (uint64_t)want->max_tx_mbit * HW_RATE_UNIT;
	int rc = put_rate(t, is->index, DEVLINK_ATTR_RATE_TX_SHARE, min, e);

	if (rc)
		return rc;
	rc = put_rate(t, is->index, DEVLINK_ATTR_RATE_TX_MAX, max, e);
	if (rc)
		put_rate(t, is->index, DEVLINK_ATTR_RATE_TX_SHARE, is->min, NULL);
	return rc;
}

/**
 * hw_rate_set() - Set both rates of a VF, or none
 * @bus:    "pci", "netdevsim"
 * @device: its address there
 * @vf:     number
 * @want:   its rates count
 * @e:      the kernel's words
 *
 * Return: 0; -EOPNOTSUPP: the VF is no leaf; or the kernel's errno. Context: any.
 */
int hw_rate_set(const char *bus, const char *device, unsigned int vf, const struct hw_words *want,
		struct err *e)
{
	auto_talk t = { .rt = NULL };
	const struct hw_port *is;
	int rc = talk_begin(&t, bus, device, e);

	if (rc)
		return rc;
	is = leaf_of(&t, vf);
	return is ? set_rates(&t, is, want, e) : no_leaf(vf, e);
}

/* A message about a node. */
static struct nlmsghdr *node_begin(struct talk *t, uint8_t cmd, const char *name)
{
	struct nlmsghdr *h = hw_devlink_begin(t->rt, t->family, cmd, NLM_F_ACK);

	mnl_attr_put_strz(h, DEVLINK_ATTR_BUS_NAME, t->bus);
	mnl_attr_put_strz(h, DEVLINK_ATTR_DEV_NAME, t->device);
	mnl_attr_put_strz(h, DEVLINK_ATTR_RATE_NODE_NAME, name);
	return h;
}

static int node_rate(struct talk *t, const char *name, uint16_t attr, uint32_t mbps, struct err *e)
{
	struct nlmsghdr *h = node_begin(t, DEVLINK_CMD_RATE_SET, name);

	mnl_attr_put_u64(h, attr, (uint64_t)mbps * HW_RATE_UNIT);
	return hw_rt_call(t->rt, h, NULL, NULL, e);
}

/* Rates of a node from what it has, or that of what it has if one is refused. */
static int node_rates(struct talk *t, const struct hw_words *want, const struct vf_group *is,
		      struct err *e)
{
	int rc = 0;

	if (want->min_tx_mbit != is->min_tx_mbit)
		rc = node_rate(t, want->group, DEVLINK_ATTR_RATE_TX_SHARE, want->min_tx_mbit, e);
	if (!rc && want->max_tx_mbit != is->max_tx_mbit) {
		rc = node_rate(t, want->group, DEVLINK_ATTR_RATE_TX_MAX, want->max_tx_mbit, e);
		if (rc)
			node_rate(t, want->group, DEVLINK_ATTR_RATE_TX_SHARE, is->min_tx_mbit,
				  NULL);
	}
	return rc;
}

static int node_set(struct talk *t, const struct hw_words *want, bool there, struct err *e)
{
	const struct vf_group none = { .max_tx_mbit = 0 };
	const struct vf_group *is = vf_groups_find(&t->ports->groups, want->group);
	int rc = 0;

	if (!there)
		return is ? hw_rt_call(t->rt, node_begin(t, DEVLINK_CMD_RATE_DEL, want->group),
				       NULL, NULL, e)
			  : 0;
	if (!is)
		rc = hw_rt_call(t->rt, node_begin(t, DEVLINK_CMD_RATE_NEW, want->group), NULL, NULL,
				e);
	if (rc)
		return rc;
	rc = node_rates(t, want, is ?: &none, e);
	if (rc && !is)
		hw_rt_call(t->rt, node_begin(t, DEVLINK_CMD_RATE_DEL, want->group), NULL, NULL,
			   NULL);
	return rc;
}

/**
 * hw_rate_group() - Have a group with its rates, or none of that name
 * @bus:    "pci", "netdevsim"
 * @device: its address there
 * @group:  its name and rates count
 * @there:  whether
 * @e:      the kernel's words
 *
 * Return: 0, also where it is so; -EBUSY: there are VFs in it; or the kernel's errno: then it is as
 * it was. Context: any.
 */
int hw_rate_group(const char *bus, const char *device, const struct hw_words *group, bool there,
		  struct err *e)
{
	auto_talk t = { .rt = NULL };

	return talk_begin(&t, bus, device, e) ?: node_set(&t, group, there, e);
}

static int put_parent(struct talk *t, uint32_t index, const char *group, struct err *e)
{
	struct nlmsghdr *h = hw_devlink_begin(t->rt, t->family, DEVLINK_CMD_RATE_SET, NLM_F_ACK);

	put_port(h, t->bus, t->device, index);
	mnl_attr_put_strz(h, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, group);
	return hw_rt_call(t->rt, h, NULL, NULL, e);
}

/* From one group to another it goes by way of none. */
static int join(struct talk *t, unsigned int vf, const struct hw_port *is, const char *group,
		struct err *e)
{
	int rc = 0;

	if (is->in_group ? *group && !strcmp(is->group, group) : !*group)
		return 0;
	if (*group && is->in_group && !*is->group) /* it could not be put back */
		return err_set(e, -EBUSY,
			       "vf %u is in a group whose name is none of ours: group none first",
			       vf);
	if (is->in_group)
		rc = put_parent(t, is->index, "", e);
	if (rc || !*group)
		return rc;
	rc = put_parent(t, is->index, group, e);
	if (rc && *is->group)
		put_parent(t, is->index, is->group, NULL);
	return rc;
}

/**
 * hw_rate_join() - Put a VF into a group, or out of any
 * @bus:    "pci", "netdevsim"
 * @device: its address there
 * @vf:     number
 * @group:  name; "": none
 * @e:      the kernel's words
 *
 * Return: 0; -EOPNOTSUPP: the VF is no leaf, and so in none; -ENODEV: there is no such group;
 * -EBUSY: it is in one whose name cannot be one of ours; or the kernel's errno. Context: any.
 */
int hw_rate_join(const char *bus, const char *device, unsigned int vf, const char *group,
		 struct err *e)
{
	auto_talk t = { .rt = NULL };
	const struct hw_port *is;
	int rc = talk_begin(&t, bus, device, e);

	if (rc)
		return rc;
	is = leaf_of(&t, vf);
	if (is)
		return join(&t, vf, is, group, e);
	return *group ? no_leaf(vf, e) : 0;
}

/**
 * hw_port_put_mac() - What asks for another address of the function behind a port
 * @h:      message, begun
 * @bus:    "pci"
 * @device: its address there
 * @index:  of the port
 * @mac:    address
 *
 * Context: any; pure.
 */
void hw_port_put_mac(struct nlmsghdr *h, const char *bus, const char *device, uint32_t index,
		     const struct mac *mac)
{
	struct nlattr *nest;

	put_port(h, bus, device, index);
	nest = mnl_attr_nest_start(h, DEVLINK_ATTR_PORT_FUNCTION);
	mnl_attr_put(h, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, MAC_LEN, mac->b);
	mnl_attr_nest_end(h, nest);
}

/**
 * hw_port_set_mac() - Set the address of the function behind a VF's port
 * @bus:    "pci"
 * @device: its address there
 * @vf:     number
 * @mac:    address
 * @e:      the kernel's words
 *
 * Return: 0; -EOPNOTSUPP: devlink has none of it; or the kernel's errno. Context: any.
 */
int hw_port_set_mac(const char *bus, const char *device, unsigned int vf, const struct mac *mac,
		    struct err *e)
{
	auto_talk t = { .rt = NULL };
	struct nlmsghdr *h;
	int rc = talk_begin(&t, bus, device, e);

	if (rc)
		return rc;
	if (vf >= VF_MAX || !t.ports->vfs[vf].has_mac)
		return err_set(e, -EOPNOTSUPP, "devlink has no address of vf %u", vf);
	h = hw_devlink_begin(t.rt, t.family, DEVLINK_CMD_PORT_SET, NLM_F_ACK);
	hw_port_put_mac(h, bus, device, t.ports->vfs[vf].index, mac);
	return hw_rt_call(t.rt, h, NULL, NULL, e);
}
