/* SPDX-License-Identifier: Apache-2.0 */
/* Where a NIC is, and what was begun there before it, or the daemon, went away. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "hw/model.h"

/**
 * hw_doer_of() - What does the steps of a PF's plan
 * @hw: room
 * @pf: PF; lives as long as the answer
 *
 * Return: arg of hw_step_do(). Context: control.
 */
struct hw_doer hw_doer_of(const struct hw *hw, const struct hw_pf *pf)
{
	return (struct hw_doer){ .rt = hw->rt,
				 .sysfs = hw->opts.sysfs,
				 .nic = &pf->nic,
				 .ifindex = pf->ifindex,
				 .by_devlink = pf->caps.by_devlink,
				 .software_copies = hw->opts.software_copies };
}

static int find(struct hw *hw, struct hw_pf *pf, struct err *e)
{
	struct hw_nic nic;
	int rc = hw_nic_find(hw->opts.sysfs, pf->nic.address, &nic, e);

	pf->ifindex = 0;
	hw_forget(pf);
	if (rc == -ENOENT)
		rc = err_set(e, -ENODEV, "there is no device %s", pf->nic.address);
	if (!rc && *nic.why.msg)
		rc = err_set(e, -ENODEV, "%s: %s", pf->nic.address, nic.why.msg);
	if (!rc && !nic.netdevs.n)
		rc = err_set(e, -ENODEV, "%s has no netdev in this namespace", pf->nic.address);
	rc = rc ?: hw_caps_of(hw->rt, &nic, nic.netdevs.list[0].ifindex, &pf->caps, e);
	if (rc)
		return rc;
	pf->nic = nic;
	pf->ifindex = nic.netdevs.list[0].ifindex;
	if (pf->was && pf->was != pf->ifindex) { /* made anew: nothing that was done is left */
		hw_owe(pf);
		hw_plan_fini(&pf->undo);
	}
	hw->stale |= pf->was != pf->ifindex;
	pf->was = pf->ifindex;
	snprintf(pf->name, sizeof(pf->name), "%s", nic.netdevs.list[0].name);
	return 0;
}

/* Steps of which nobody knows whether they were done; none of a VF that there is not was. */
struct recovery {
	struct hw_doer with;
	uint32_t numvfs;
};

static int recover_step(void *arg, const struct hw_step *step, const struct hw_value *to,
			struct err *e)
{
	struct recovery *r = arg;
	int rc;

	if ((step->op == HW_OP_VF || step->op >= HW_OP_DRIVER) && step->vf >= r->numvfs)
		return 0;
	rc = hw_step_do(&r->with, step, to, e);
	if (!rc && step->op == HW_OP_NUMVFS)
		r->numvfs = to->number;
	return rc;
}

/* Stays, if the NIC goes once more. */
static void take_back(struct hw *hw, struct hw_pf *pf)
{
	struct recovery r = { hw_doer_of(hw, pf), pf->nic.numvfs };
	unsigned int steps = pf->undo.n;
	struct err e = { 0 };
	int rc = hw_plan_undo(&pf->undo, steps, recover_step, &r, &e);

	if (find(hw, pf, &(struct err){ 0 }) && rc)
		return;
	if (rc)
		log_err("a change that was cut off is not taken back, or not all of it",
			"pf=%s nic=%s steps=%u error=\"%s\"", pf->name, pf->nic.address, steps,
			e.msg);
	else
		log_warn("a change that was cut off was taken back", "pf=%s steps=%u", pf->name,
			 steps);
	hw_plan_fini(&pf->undo);
	hw->stale = true;
}

/**
 * hw_place() - Find the netdev of a PF by its device, whatever its name is by now
 * @hw: room
 * @pf: gets ifindex, name, driver and what that can do; ifindex 0 if it is gone
 * @e:  error text
 *
 * What was cut off there, by the daemon's end or as the NIC went away, is taken back first.
 *
 * Return: 0; -ENODEV: the device, or its netdev, is not here.
 * Context: control.
 */
int hw_place(struct hw *hw, struct hw_pf *pf, struct err *e)
{
	int rc = find(hw, pf, e);

	if (!rc && pf->undo.n)
		take_back(hw, pf);
	return rc;
}
