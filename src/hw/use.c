/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a PF's VFs, as far as that is in the way of what takes them away. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"

/**
 * hw_vfs_unused() - Would nobody notice that VFs go?
 * @hw:    room
 * @pf:    PF
 * @there: VFs that there are, which all go where their number becomes
 * @keep:  this
 * @why:   behind what is said; "": of what was asked for alone
 * @e:     names the VF, and who uses it
 *
 * Return: 0 or -EBUSY. Context: control.
 */
int hw_vfs_unused(const struct hw *hw, const struct hw_pf *pf, unsigned int there,
		  unsigned int keep, const char *why, struct err *e)
{
	char what[VF_NAME_LEN + 64];
	const struct hw_mirror *m;
	struct hw_vf_dev dev;

	for (unsigned int i = 0; i < VF_MAX; i++) {
		const struct hw_vf_wish *w = &pf->wish->vfs[i];

		if (i >= there && i < keep)
			continue;
		if (*w->config.port_id)
			return err_set(e, -EBUSY, "%s vf %u is leased to port %s%s", pf->name, i,
				       w->config.port_id, why);
		if ((m = hw_mirror_of(pf->wish, i, false)))
			return err_set(e, -EBUSY, "%s vf %u is in mirror %s%s", pf->name, i,
				       m->name, why);
		if (w->attach.kind) {
			hw_plug_say(&w->attach, what, sizeof(what));
			return err_set(e, -EBUSY, "%s vf %u is attached (%s)%s", pf->name, i, what,
				       why);
		}
		if (*why && !hw_nic_vf(hw->opts.sysfs, &pf->nic, i, &dev, NULL) &&
		    !strcmp(dev.driver, HW_VFIO))
			return err_set(e, -EBUSY, "%s vf %u has driver " HW_VFIO "%s", pf->name, i,
				       why);
	}
	return 0;
}
