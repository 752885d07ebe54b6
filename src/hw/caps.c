/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is asked to set each attribute of a VF that no PF has: where the driver has the
 * operation it refuses the number, else the kernel has no such operation. Values are none that a
 * driver would take for a VF that it has, as far as there are such: one (cxgb4) looks at a MAC
 * before it looks at the number, and writes behind its table for one that it likes.
 */
#include "hw/caps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hw/rate.h"

#define LO	    1	/* ifindex of every namespace's lo, which has no VFs */
#define KERNEL_NONE 524 /* ENOTSUPP: "no such operation" of some drivers */

/*
 * A VF number that is out of range for every driver, also for those that keep 16 bits of it, with
 * a sign or not, and add one (mlx5: 0xffff and 0xfffe are ports, and those from 0x8000 may be).
 */
#define NO_VF 32765

#define BIT(name) (1U << VF_FIELD_##name)
#define VLAN	  (BIT(VLAN) | BIT(QOS))
#define RATES	  (BIT(MAX_TX_RATE) | BIT(MIN_TX_RATE))
#define FRAMES	  HW_COUNTS_FRAMES
#define GROUPS	  (HW_COUNTS_MULTICAST | HW_COUNTS_BROADCAST)
#define DROPS	  (HW_COUNTS_RX_DROPPED | HW_COUNTS_TX_DROPPED)

const struct hw_driver hw_drivers[] = {
	{ .name = "igb",
	  .fields = BIT(MAC) | VLAN | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(TRUST),
	  .needs_vfs = BIT(SPOOFCHK),
	  .rate = HW_RATE_LINK,
	  .spoofchk = true,
	  .seen = true },
	{ .name = "netdevsim",
	  .fields = HW_WORDS & ~BIT(GROUP),
	  .not_switchdev = RATES,
	  .seen = true },
	{ .name = "virtio-pci", .seen = true }, /* sriov-pf: VFs, and no word for them */
	{ .name = "ixgbe",
	  .fields = BIT(MAC) | VLAN | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE) |
		    BIT(QUERY_RSS) | BIT(TRUST),
	  .rate = HW_RATE_10G,
	  .counts = FRAMES | HW_COUNTS_MULTICAST,
	  .spoofchk = true,
	  .no_enable = true },
	{ .name = "i40e",
	  .fields = BIT(MAC) | VLAN | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .rate = HW_RATE_LINK,
	  .counts = FRAMES | GROUPS | DROPS,
	  .spoofchk = true },
	{ .name = "ice",
	  .fields = BIT(MAC) | VLAN | BIT(PROTO) | RATES | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .not_switchdev = BIT(SPOOFCHK) | BIT(TRUST),
	  .counts = FRAMES | GROUPS | DROPS,
	  .spoofchk = true,
	  .mode_first = true },
	{ .name = "mlx5_core",
	  .fields = BIT(MAC) | VLAN | RATES | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .not_switchdev = VLAN | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .counts = FRAMES | GROUPS | DROPS },
	{ .name = "mlx4_core",
	  .fields = BIT(MAC) | VLAN | BIT(PROTO) | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE),
	  .counts = FRAMES },
	{ .name = "bnxt_en",
	  .fields = BIT(MAC) | VLAN | BIT(PROTO) | RATES | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .rate = HW_RATE_LINK },
	{ .name = "be2net",
	  .fields = BIT(MAC) | VLAN | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE),
	  .needs_vfs = BIT(MAC) | VLAN | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE),
	  .rate = HW_RATE_LINK },
	{ .name = "cxgb4",
	  .fields = BIT(MAC) | BIT(VLAN) | BIT(MAX_TX_RATE) | BIT(STATE),
	  .rate = HW_RATE_LINK },
	{ .name = "qede",
	  .fields = BIT(MAC) | BIT(VLAN) | RATES | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST) },
	{ .name = "fm10k",
	  .fields = BIT(MAC) | BIT(VLAN) | BIT(MAX_TX_RATE),
	  .counts = FRAMES | HW_COUNTS_RX_DROPPED },
	{ .name = "hinic",
	  .fields = BIT(MAC) | VLAN | RATES | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .rate = HW_RATE_LINK },
	{ .name = "ionic",
	  .fields =
		  BIT(MAC) | BIT(VLAN) | BIT(MAX_TX_RATE) | BIT(SPOOFCHK) | BIT(STATE) | BIT(TRUST),
	  .counts = FRAMES | GROUPS | DROPS },
	{ .fields = HW_WORDS & ~BIT(GROUP) },
};

/**
 * hw_driver_find() - What is known of a driver
 * @name: as sysfs has it
 *
 * Return: its row, or one without a name, of those that nobody has looked at: never NULL.
 * Context: any; pure.
 */
const struct hw_driver *hw_driver_find(const char *name)
{
	const struct hw_driver *d = hw_drivers;

	while (d->name && strcmp(d->name, name))
		d++;
	return d;
}

/* The answer to an attribute for a VF that there is not. */
static int ask(struct hw_rt *rt, int ifindex, enum hw_attr attr, bool ad)
{
	struct hw_words none = {
		.mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		.vlan = 4096,
		.max_tx_mbit = 1,
		.spoofchk = true,
		.link = UINT8_MAX,
	};
	struct err e = { 0 };

	if (ad) { /* some look at the VLAN first, and then at the protocol */
		none.vlan = 1;
		none.proto = VF_PROTO_8021AD;
	}
	return hw_link_set_vf(rt, ifindex, NO_VF, attr, &none, &e);
}

static bool is_none(int rc)
{
	return rc == -EOPNOTSUPP || rc == -KERNEL_NONE || rc == -EPROTONOSUPPORT || rc == -EPERM;
}

static bool may_ask(struct hw_rt *rt)
{
	return ask(rt, LO, HW_ATTR_MAC, false) != -EPERM;
}

/* Words of an attribute whose operation the driver has. */
static uint32_t fields_of(const struct hw_driver *d, enum hw_attr attr)
{
	uint32_t all = hw_attrs[attr].fields;

	return d->fields & all ? d->fields & all : all & ~BIT(PROTO);
}

/* -ENODEV: the netdev went. */
static int ask_all(struct hw_rt *rt, const struct hw_nic *nic, int ifindex, struct hw_caps *c)
{
	c->refusing |= 1U << HW_ATTR_GROUP;
	for (enum hw_attr attr = 0; attr < HW_ATTR_GROUP; attr++) {
		int rc = ask(rt, ifindex, attr, false);
		bool denied = !nic->numvfs && c->driver->needs_vfs & hw_attrs[attr].fields;

		if (rc == -ENODEV)
			return rc;
		if (is_none(rc) && !denied)
			c->refusing |= 1U << attr;
		else
			c->fields |= fields_of(c->driver, attr);
	}
	if (c->fields & BIT(VLAN) && (c->fields & BIT(PROTO) || !c->driver->name)) {
		c->fields |= BIT(PROTO);
		if (is_none(ask(rt, ifindex, HW_ATTR_VLAN, true)))
			c->fields &= ~BIT(PROTO);
	}
	return 0;
}

/* In switchdev mode some words have moved to devlink, as far as the driver has it. */
static int ask_devlink(const struct hw_nic *nic, struct hw_caps *c)
{
	auto_free struct hw_ports *ports = calloc(1, sizeof(*ports));

	c->fields &= ~c->driver->not_switchdev;
	if (!ports)
		return -ENOMEM;
	if (hw_ports_get(nic->bus, nic->address, ports, NULL))
		return 0;
	if (ports->rates)
		c->by_devlink |= RATES | BIT(GROUP);
	if (ports->macs && !(c->fields & BIT(MAC)))
		c->by_devlink |= BIT(MAC);
	c->fields |= c->by_devlink;
	return 0;
}

/**
 * hw_caps_of() - Which words a PF's driver takes
 * @rt:      socket of the netdev's namespace; NULL: nobody is asked, and nothing is known
 * @nic:     the PF
 * @ifindex: its netdev
 * @out:     gets it
 * @e:       error text
 *
 * Nothing changes. Some drivers note in the kernel's log that they were asked for a VF that there
 * is not. Without CAP_NET_ADMIN nothing is known.
 *
 * Return: 0; -ENODEV: the netdev is gone; -E2BIG: it may have VFs with numbers that are asked for;
 * or a negative errno. Context: the socket's thread.
 */
int hw_caps_of(struct hw_rt *rt, const struct hw_nic *nic, int ifindex, struct hw_caps *out,
	       struct err *e)
{
	struct hw_caps c = { .driver = hw_driver_find(nic->driver), .eswitch = HW_ESWITCH_UNTOLD };
	int rc;

	if (nic->netdevs.n)
		strcpy(c.device, nic->netdevs.list[0].name);
	for (unsigned int i = 0; i < nic->netdevs.n; i++)
		if (nic->netdevs.list[i].ifindex == ifindex)
			strcpy(c.device, nic->netdevs.list[i].name);
	strcpy(c.name, nic->driver);
	if (rt && (nic->numvfs == HW_UNTOLD || nic->numvfs > NO_VF))
		return err_set(e, -E2BIG, "%s: it has too many VFs", nic->address);
	rc = rt ? hw_eswitch_get(nic->bus, nic->address, &c.eswitch, e) : 0;
	if (rc)
		return rc;
	c.known = rt && may_ask(rt);
	if (c.known && ask_all(rt, nic, ifindex, &c))
		return err_set(e, -ENODEV, "%s: its netdev is gone", nic->address);
	if (c.known && c.eswitch == HW_ESWITCH_SWITCHDEV && ask_devlink(nic, &c))
		return err_set(e, -ENOMEM, "out of memory");
	*out = c;
	return 0;
}

static enum hw_attr attr_of(enum vf_field field)
{
	enum hw_attr attr = 0;

	while (attr < HW_ATTR_N && !(hw_attrs[attr].fields >> field & 1))
		attr++;
	return attr;
}

/**
 * hw_caps_why() - Why a word cannot be set
 * @caps:  of the PF
 * @field: word
 * @out:   room for the sentence, which names word, netdev and driver
 *
 * Return: @out, or NULL: it can. Context: any; pure.
 */
const char *hw_caps_why(const struct hw_caps *caps, enum vf_field field, char out[HW_WHY_LEN + 1])
{
	const char *word = field == VF_FIELD_PROTO ? "proto 802.1ad" : vf_fields[field].word;
	enum hw_attr attr = attr_of(field);
	const char *why = "does not take it";

	if (caps->fields >> field & 1)
		return NULL;
	if (attr == HW_ATTR_N)
		why = "has no such word: only software PFs have";
	else if (!caps->known)
		why = "tells only root (CAP_NET_ADMIN) what it takes";
	else if (field == VF_FIELD_GROUP && caps->eswitch != HW_ESWITCH_SWITCHDEV)
		why = "has groups in switchdev mode alone, if at all";
	else if (caps->eswitch == HW_ESWITCH_SWITCHDEV && caps->driver->not_switchdev >> field & 1)
		why = "refuses it in switchdev mode";
	else if (caps->refusing >> attr & 1)
		why = "has no such operation";
	else if (field == VF_FIELD_PROTO)
		why = "inserts 802.1Q tags alone";
	snprintf(out, HW_WHY_LEN + 1, "%s: the driver of %s, %s, %s", word, caps->device,
		 caps->name, why);
	return out;
}

/**
 * hw_caps_unfit() - Why a function whose driver was asked cannot serve as a PF
 * @caps: of it
 * @out:  room for the sentence
 *
 * Return: @out, or NULL: it can, or nobody could ask. Context: any; pure.
 */
const char *hw_caps_unfit(const struct hw_caps *caps, char out[HW_WHY_LEN + 1])
{
	if (caps->known ? caps->fields : caps->driver->fields)
		return NULL;
	snprintf(out, HW_WHY_LEN + 1, "the driver of %s, %s, takes none of the words of a VF",
		 caps->device, caps->name);
	return out;
}

/**
 * hw_caps_check() - Refuse what a PF's driver does not take, before anything is changed
 * @caps:    of the PF
 * @want:    words
 * @changed: bits by enum vf_field: those that are to be set
 * @e:       says which word, and why
 *
 * What a driver has not, and a default asks for nothing else (802.1Q, a rate of 0, no group), is no
 * refusal.
 * What depends on the moment (a rate above the link's speed) is the kernel's to refuse.
 *
 * Return: 0 or -EOPNOTSUPP. Context: any; pure.
 */
int hw_caps_check(const struct hw_caps *caps, const struct hw_words *want, uint32_t changed,
		  struct err *e)
{
	char why[HW_WHY_LEN + 1];

	if (want->proto == VF_PROTO_8021Q && caps->fields & BIT(VLAN))
		changed &= ~BIT(PROTO);
	if (!want->min_tx_mbit && caps->fields & BIT(MAX_TX_RATE))
		changed &= ~BIT(MIN_TX_RATE);
	if (!want->qos && caps->fields & BIT(VLAN))
		changed &= ~BIT(QOS);
	if (!*want->group) /* without groups it is in none */
		changed &= ~BIT(GROUP);
	for (enum vf_field f = 0; f < VF_FIELD_N; f++)
		if (changed >> f & 1 && hw_caps_why(caps, f, why))
			return err_set(e, -EOPNOTSUPP, "%s", why);
	if (changed & BIT(STATE) && want->link == VF_LINK_ENABLE && caps->driver->no_enable)
		return err_set(e, -EOPNOTSUPP,
			       "state enable: the driver of %s, %s, does nothing for it",
			       caps->device, caps->name);
	return 0;
}
