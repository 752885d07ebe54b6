/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mode of a NIC's switch: legacy, where its VFs have the words of ip-link(8), or switchdev,
 * where each has a representor, and groups. What uses VFs or hangs on the other mode is in its way.
 */
#include <errno.h>

#include "hw/model.h"

/**
 * hw_mode_is() - The mode of a PF's switch, as its word has it
 * @pf: PF
 *
 * Return: enum pf_eswitch; legacy where its driver has no modes. Context: control; pure.
 */
uint8_t hw_mode_is(const struct hw_pf *pf)
{
	return pf->caps.eswitch == HW_ESWITCH_SWITCHDEV ? PF_ESWITCH_SWITCHDEV : PF_ESWITCH_LEGACY;
}

/**
 * hw_mode_follow() - Notice that somebody has set a PF's switch to another mode
 * @hw: room
 * @pf: PF; what its driver can do is asked anew, if so
 *
 * Context: control.
 */
void hw_mode_follow(struct hw *hw, struct hw_pf *pf)
{
	enum hw_eswitch is;

	if (hw->trial || !pf->ifindex ||
	    hw_eswitch_get(pf->nic.bus, pf->nic.address, &is, NULL) || is == pf->caps.eswitch)
		return;
	hw_place(hw, pf, &(struct err){ 0 });
	hw_hurry(pf); /* what was refused may be taken by now */
}

/**
 * hw_mode_plan() - The step to another mode
 * @plan:   gets it, if there is one to be done
 * @hw:     room
 * @pf:     PF
 * @link:   what the kernel tells of it
 * @change: the line
 * @e:      says what is in the way
 *
 * Which words VFs have goes by the mode, so they are set by a line of their own.
 *
 * Return: 0, -EINVAL, -EBUSY, -EOPNOTSUPP or -ENOMEM. Context: control.
 */
int hw_mode_plan(struct hw_plan *plan, const struct hw *hw, const struct hw_pf *pf,
		 const struct hw_link *link, const struct pf_change *change, struct err *e)
{
	const struct hw_step step = { .op = HW_OP_ESWITCH,
				      .old.number = hw_mode_is(pf),
				      .new.number = change->want.eswitch };
	int rc;

	if (!(change->changed >> PF_FIELD_ESWITCH & 1) || step.old.number == step.new.number)
		return 0;
	if (pf->caps.eswitch == HW_ESWITCH_NONE)
		return err_set(e, -EOPNOTSUPP,
			       "eswitch: the driver of %s, %s, has no modes of its switch",
			       pf->name, pf->nic.driver);
	if (change->n_vfs || change->changed >> PF_FIELD_GROUPS & 1)
		return err_set(e, -EINVAL,
			       "%s: eswitch, and groups or words of VFs, which go by it, cannot be "
			       "changed in one line",
			       pf->name);
	if (link->groups.n)
		return err_set(e, -EBUSY,
			       "%s has groups, which would go with the mode: set groups none first",
			       pf->name);
	if (pf->wish->n_svcs)
		return err_set(e, -EBUSY, "%s has service ports, which go in legacy mode alone",
			       pf->name);
	if (pf->caps.driver->mode_first && link->n_vfs)
		return err_set(e, -EBUSY,
			       "eswitch: the driver of %s, %s, changes it while there is no VF: "
			       "set numvfs 0 first",
			       pf->name, pf->nic.driver);
	rc = hw_vfs_unused(hw, pf, link->n_vfs, 0,
			   ", and the mode of a NIC's switch changes while none is used", e);
	return rc ?: hw_plan_add(plan, &step, e);
}

/**
 * hw_mode_changed() - What a line that may have changed the mode leaves to be done
 * @hw:     room
 * @pf:     PF, with its new wishes
 * @change: the line
 *
 * With another number of VFs some drivers fall back to legacy mode; with another mode words of VFs
 * may be lost. A trial has no kernel to ask: a driver that has the mode is taken to have groups.
 *
 * Context: control.
 */
void hw_mode_changed(const struct hw *hw, struct hw_pf *pf, const struct pf_change *change)
{
	bool set = change->changed >> PF_FIELD_ESWITCH & 1;

	if (change->changed >> PF_FIELD_NUMVFS & 1)
		pf->due.owed |= pf->wish->fields & 1U << PF_FIELD_ESWITCH;
	for (unsigned int vf = 0; set && vf < VF_MAX; vf++)
		pf->vf_due[vf].owed |= pf->wish->vfs[vf].fields & HW_WORDS;
	if (!set || !hw->trial || hw_mode_is(pf) == pf->wish->config.eswitch)
		return;
	pf->caps.eswitch = pf->wish->config.eswitch ? HW_ESWITCH_SWITCHDEV : HW_ESWITCH_LEGACY;
	pf->caps.fields = pf->caps.driver->fields;
	if (pf->wish->config.eswitch)
		pf->caps.fields = (pf->caps.fields & ~pf->caps.driver->not_switchdev) |
				  1U << VF_FIELD_MAC | hw_attrs[HW_ATTR_RATE].fields |
				  1U << VF_FIELD_GROUP;
}
