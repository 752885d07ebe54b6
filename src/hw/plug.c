/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VFs are plugged into: what is, and the steps from there to what is wanted and back. Each
 * step's old value is what was seen, so whatever ends a plan on the way, its inverse leads to that.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "hw/model.h"
#include "hw/sysfs.h"

/**
 * hw_plug_look() - What a VF is plugged into by now
 * @hw:    room
 * @pf:    PF
 * @vf:    number
 * @netns: namespace where its netdev may be, or ""
 * @reach: whether to look for it in all others, too
 * @out:   gets it
 * @e:     error text
 *
 * Return: 0, or -ENOENT: there is no such VF. Context: control.
 */
int hw_plug_look(const struct hw *hw, const struct hw_pf *pf, unsigned int vf, const char *netns,
		 enum hw_reach reach, struct hw_plug *out, struct err *e)
{
	char path[PATH_MAX];
	uint32_t flags;
	int rc = hw_nic_vf(hw->opts.sysfs, &pf->nic, vf, &out->dev, e);

	if (rc)
		return rc;
	hw_netdev_find(&out->dev, netns, reach, &out->spot);
	out->autoprobe = pf->nic.autoprobe != 0;
	out->up = out->dev.netdevs.n &&
		  !hw_sys_path(path, "%s/class/net/%s", hw->opts.sysfs, out->spot.name) &&
		  !hw_sys_number(path, "flags", &flags) && flags & IFF_UP;
	if (!hw_macvtap_find(hw->opts.sysfs, &out->dev, &out->macvtap))
		out->macvtap = (struct hw_netdev){ 0 };
	return 0;
}

static bool is_vfio(const struct hw_plug *is)
{
	return !strcmp(is->dev.driver, HW_VFIO);
}

/**
 * hw_plug_is() - Is a VF plugged into what was asked for?
 * @a:  that
 * @is: what is
 *
 * Names in another namespace, and what is set up there, are its user's.
 *
 * Return: true if so. Context: any; pure.
 */
bool hw_plug_is(const struct vf_attach *a, const struct hw_plug *is)
{
	switch ((enum vf_attach_kind)a->kind) {
	case VF_ATTACH_VFIO:
		return is_vfio(is);
	case VF_ATTACH_NETDEV:
		return is->spot.ifindex && !strcmp(is->spot.netns, a->netns) &&
		       (*a->netns || !*a->name || !strcmp(is->spot.name, a->name));
	case VF_ATTACH_MACVTAP:
		return is->macvtap.ifindex && (!*a->name || !strcmp(is->macvtap.name, a->name));
	case VF_ATTACH_NONE:
	case VF_ATTACH_VHOST:
	case VF_ATTACH_TAP:
		break;
	}
	return true;
}

/**
 * hw_plug_say() - An attachment as people type it
 * @a:    attachment
 * @out:  gets "netdev netns blue name net1"
 * @size: of @out
 *
 * Context: any; pure.
 */
void hw_plug_say(const struct vf_attach *a, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s%s%s", vf_attach_fields[VF_ATTACH_FIELD_KIND].names[a->kind],
		 *a->netns ? " netns " : "", a->netns, *a->name ? " name " : "", a->name);
}

/**
 * hw_plug_say_is() - What is, for people
 * @is:   what is
 * @out:  gets "netdev eth3 of igbvf", "no driver"
 * @size: of @out
 *
 * Context: any; pure.
 */
void hw_plug_say_is(const struct hw_plug *is, char *out, size_t size)
{
	if (!*is->dev.driver)
		snprintf(out, size, "no driver");
	else if (is->macvtap.ifindex)
		snprintf(out, size, "macvtap %s on %s", is->macvtap.name, is->spot.name);
	else if (is->spot.ifindex)
		snprintf(out, size, "netdev %s%s%s of %s", is->spot.name,
			 *is->spot.netns ? " in namespace " : " in this namespace", is->spot.netns,
			 is->dev.driver);
	else
		snprintf(out, size, "driver %s, no netdev that is seen", is->dev.driver);
}

static int add(struct hw_plan *plan, unsigned int vf, enum hw_op op, const struct hw_value *old,
	       const struct hw_value *new, struct err *e)
{
	const struct hw_step step = {
		.op = (uint8_t)op, .vf = (uint16_t)vf, .old = *old, .new = *new
	};

	return hw_plan_add(plan, &step, e);
}

static int add_number(struct hw_plan *plan, unsigned int vf, enum hw_op op, bool old, bool new,
		      struct err *e)
{
	return add(plan, vf, op, &(struct hw_value){ .number = old },
		   &(struct hw_value){ .number = new }, e);
}

static int add_driver(struct hw_plan *plan, unsigned int vf, const char *old, const char *new,
		      struct err *e)
{
	struct hw_value from = { 0 }, to = { 0 };

	snprintf(from.driver, sizeof(from.driver), "%s", old);
	snprintf(to.driver, sizeof(to.driver), "%s", new);
	return add(plan, vf, HW_OP_DRIVER, &from, &to, e);
}

/* @back: it is to be had back, if need be under another name, as on the way back of any plan. */
static int add_place(struct hw_plan *plan, unsigned int vf, const struct hw_spot *old,
		     const char *netns, const char *name, bool back, struct err *e)
{
	struct hw_value from = { .number = 1 }, to = { .number = back };

	snprintf(from.netns, sizeof(from.netns), "%s", old->netns);
	snprintf(from.name, sizeof(from.name), "%s", old->name);
	snprintf(to.netns, sizeof(to.netns), "%s", netns);
	snprintf(to.name, sizeof(to.name), "%s", name);
	return add(plan, vf, HW_OP_PLACE, &from, &to, e);
}

/* The steps to a driver that makes a netdev, where it has none such. */
static int plan_netdev(struct hw_plan *plan, unsigned int vf, const struct hw_plug *is,
		       struct err *e)
{
	bool other = *is->dev.override;
	int rc = 0;

	if (is->spot.ifindex)
		return 0;
	if (other)
		rc = add_driver(plan, vf, is->dev.override, "", e);
	if (!rc && (other ? !is->autoprobe : !*is->dev.driver))
		rc = add_number(plan, vf, HW_OP_PROBE, false, true, e);
	return rc;
}

/* To vfio-pci: the netdev goes, and comes back under whatever name, so that is a step as well. */
static int plan_vfio(struct hw_plan *plan, unsigned int vf, const struct hw_plug *is, struct err *e)
{
	int rc = is->spot.ifindex ? add_place(plan, vf, &is->spot, "", is->spot.name, false, e) : 0;

	return rc ?: add_driver(plan, vf, is->dev.override, HW_VFIO, e);
}

/**
 * hw_plan_attach() - The steps that plug a VF in
 * @plan: gets them
 * @vf:   number
 * @want: into what; checked
 * @is:   what is
 * @e:    error text
 *
 * That its netdev is up is a step also where it stays so: on the way back it is to be up again.
 *
 * Return: 0 or -ENOMEM. Context: any; pure.
 */
int hw_plan_attach(struct hw_plan *plan, unsigned int vf, const struct vf_attach *want,
		   const struct hw_plug *is, struct err *e)
{
	struct hw_value tap = { .number = 1 };
	bool macvtap = want->kind == VF_ATTACH_MACVTAP;
	int rc = want->kind == VF_ATTACH_VFIO ? 0 : plan_netdev(plan, vf, is, e);

	if (!rc && (is->up || macvtap))
		rc = add_number(plan, vf, HW_OP_DEV_UP, is->up, true, e);
	if (rc)
		return rc;
	if (want->kind == VF_ATTACH_VFIO)
		return plan_vfio(plan, vf, is, e);
	if (!macvtap)
		return add_place(plan, vf, &is->spot, want->netns, want->name, false, e);
	snprintf(tap.name, sizeof(tap.name), "%s", want->name);
	return add(plan, vf, HW_OP_MACVTAP, &(struct hw_value){ 0 }, &tap, e);
}

/* The driver that it got to be attached goes again. */
static int plan_unprobe(struct hw_plan *plan, unsigned int vf, const struct hw_vf_wish *wish,
			struct err *e)
{
	return wish->probed ? add_number(plan, vf, HW_OP_PROBE, true, false, e) : 0;
}

/**
 * hw_plan_detach() - The steps that unplug a VF
 * @plan: gets them
 * @vf:   number
 * @wish: what it is attached to
 * @is:   what is
 * @e:    error text
 *
 * Afterwards its netdev is here, down, under the name it had.
 *
 * Return: 0 or -ENOMEM. Context: any; pure.
 */
int hw_plan_detach(struct hw_plan *plan, unsigned int vf, const struct hw_vf_wish *wish,
		   const struct hw_plug *is, struct err *e)
{
	struct hw_value tap = { .number = 1 };
	int rc = 0;

	if (wish->attach.kind == VF_ATTACH_VFIO) {
		if (is_vfio(is) || !strcmp(is->dev.override, HW_VFIO))
			rc = add_driver(plan, vf, is->dev.override, "", e);
		if (!rc && *wish->home)
			rc = add_place(plan, vf, &is->spot, "", wish->home, true, e);
		return rc;
	}
	if (is->macvtap.ifindex && wish->attach.kind == VF_ATTACH_MACVTAP) {
		snprintf(tap.name, sizeof(tap.name), "%s", is->macvtap.name);
		rc = add(plan, vf, HW_OP_MACVTAP, &tap, &(struct hw_value){ 0 }, e);
	}
	if (!rc && is->up)
		rc = add_number(plan, vf, HW_OP_DEV_UP, true, false, e);
	if (!rc && wish->attach.kind == VF_ATTACH_NETDEV)
		rc = add_place(plan, vf, &is->spot, "", wish->home, true, e);
	return rc ?: plan_unprobe(plan, vf, wish, e);
}
