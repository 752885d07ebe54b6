/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/do.h"

#include <errno.h>

#include "hw/copy.h"
#include "hw/devlink.h"
#include "hw/netdev.h"
#include "hw/rate.h"
#include "hw/svcdev.h"

/*
 * An attribute of a VF, by whom its driver has it of. With the number of VFs the switch may fall
 * back to legacy mode, where devlink has nothing of them.
 */
static int set_vf(const struct hw_doer *d, const struct hw_step *step, const struct hw_words *to,
		  struct err *e)
{
	bool devlink = hw_attrs[step->attr].fields & d->by_devlink;
	struct err why = { 0 };
	int rc = -EOPNOTSUPP;

	if (devlink && step->attr == HW_ATTR_RATE)
		rc = hw_rate_set(d->nic->bus, d->nic->address, step->vf, to, &why);
	else if (devlink && step->attr == HW_ATTR_MAC)
		rc = hw_port_set_mac(d->nic->bus, d->nic->address, step->vf, &to->mac, &why);
	else if (step->attr == HW_ATTR_GROUP)
		return hw_rate_join(d->nic->bus, d->nic->address, step->vf, to->group, e);
	if (rc == -EOPNOTSUPP)
		return hw_link_set_vf(d->rt, d->ifindex, step->vf, (enum hw_attr)step->attr, to, e);
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}

/**
 * hw_step_do() - hw_do: one step, or its inverse, on a NIC
 * @arg:  struct hw_doer
 * @step: which
 * @to:   what becomes of it, its old or its new value
 * @e:    the kernel's words
 *
 * Return: 0 or the kernel's errno.
 * Context: the thread of the netlink socket; needs CAP_NET_ADMIN, for numvfs root's files.
 */
int hw_step_do(void *arg, const struct hw_step *step, const struct hw_value *to, struct err *e)
{
	struct hw_doer *d = arg;
	struct hw_link_value value = { 0 };

	switch ((enum hw_op)step->op) {
	case HW_OP_VF:
		return set_vf(d, step, &to->words, e);
	case HW_OP_NUMVFS:
		return hw_nic_set_numvfs(d->sysfs, d->nic, to->number, e);
	case HW_OP_MTU:
		value.word = HW_LINK_MTU;
		value.mtu = to->number;
		break;
	case HW_OP_MAC:
		value.word = HW_LINK_MAC;
		value.mac = to->mac;
		break;
	case HW_OP_UP:
		value.word = HW_LINK_UP;
		value.up = to->number;
		break;
	case HW_OP_GROUP:
		return hw_rate_group(d->nic->bus, d->nic->address, &to->words, to->number, e);
	case HW_OP_ESWITCH:
		return hw_eswitch_set(d->nic->bus, d->nic->address,
				      to->number ? HW_ESWITCH_SWITCHDEV : HW_ESWITCH_LEGACY, e);
	case HW_OP_SVC:
		return to->number ? hw_svc_make(d->rt, d->ifindex, to, e)
				  : hw_svc_remove(d->rt, d->ifindex, to, e);
	case HW_OP_DRIVER:
		return hw_netdev_driver(d->sysfs, d->nic, step->vf, to->driver, e);
	case HW_OP_PROBE:
		return hw_netdev_probe(d->sysfs, d->nic, step->vf, to->number, e);
	case HW_OP_DEV_UP:
		return hw_netdev_up(d->rt, d->sysfs, d->nic, step->vf, to->number, e);
	case HW_OP_PLACE:
		return hw_netdev_place(d->rt, d->sysfs, d->nic, step->vf, to, d->home, e);
	case HW_OP_MACVTAP:
		return to->number ? hw_macvtap_add(d->rt, d->sysfs, d->nic, step->vf, to->name, e)
				  : hw_macvtap_del(d->rt, d->sysfs, d->nic, step->vf, e);
	case HW_OP_CLSACT:
		return hw_copy_clsact(d->rt, d->sysfs, d->nic, step->vf, to->number, e);
	case HW_OP_COPY:
		return hw_copy_rule(d->rt, d->sysfs, d->nic, step->vf, to, d->software_copies, e);
	case HW_OP_FILE:
		return hw_copy_file(d->sysfs, d->nic, step->vf, to, e);
	case HW_OP_N:
		break;
	}
	return hw_link_set(d->rt, d->ifindex, &value, e);
}
