/* SPDX-License-Identifier: Apache-2.0 */
/* The VF's verbs. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"

static struct hw_pf *find(struct hw *hw, const char *name, unsigned int vf,
			  const struct hw_link **link, int *rc, struct err *e)
{
	struct hw_pf *pf = hw_find(hw, name, e);

	*rc = pf ? hw_look(hw, pf, HW_ASK_STATS, link, e) : -ENODEV;
	if (!*rc && vf >= (*link)->n_vfs)
		*rc = err_set(e, -EINVAL, "%s has no vf %u", name, vf);
	return pf;
}

/**
 * hw_vf_get() - struct pf_ops.vf_get
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @out:  the kernel's words as they are, our own as they were asked for
 * @e:    error text
 *
 * Return: 0, -ENODEV, -EINVAL, or the kernel's errno.
 * Context: control.
 */
int hw_vf_get(void *ctx, const char *name, unsigned int vf, struct vf_info *out, struct err *e)
{
	const struct hw_link *link;
	const struct hw_vf_wish *wish;
	const struct hw_vf *v;
	struct hw_words now;
	struct hw_vf_dev at;
	struct hw *hw = ctx;
	int rc;
	struct hw_pf *pf = find(hw, name, vf, &link, &rc, e);

	if (rc)
		return rc;
	v = &link->vfs[vf];
	wish = &pf->wish->vfs[vf];
	*out = (struct vf_info){ .config = wish->config, .stats = v->stats };
	hw_words_now(pf, link, vf, &now);
	hw_words_to(&now, HW_WORDS, &out->config);
	out->status.link_up = link->up && link->carrier && v->words.link != VF_LINK_DISABLE;
	out->status.mtu = (uint16_t)MIN(link->mtu, (uint32_t)UINT16_MAX);
	fields_mask_format(vf_fields, wish->overridden | hw_drift(pf, link, vf),
			   out->status.overridden, sizeof(out->status.overridden));
	if (!hw_nic_vf(hw->opts.sysfs, &pf->nic, vf, &at, NULL))
		snprintf(out->status.pci_slot, sizeof(out->status.pci_slot), "%.15s", at.address);
	return 0;
}

/**
 * hw_vf_drops() - struct pf_ops.vf_drops
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @out:  untouched: NICs have numbers, no reasons
 * @e:    says so
 *
 * Return: -EOPNOTSUPP, -ENODEV, -EINVAL.
 * Context: control.
 */
int hw_vf_drops(void *ctx, const char *name, unsigned int vf, struct vf_drop out[DROP_N],
		struct err *e)
{
	const struct hw_link *link;
	int rc;
	struct hw_pf *pf = find(ctx, name, vf, &link, &rc, e);

	return rc
		       ?: err_set(e, -EOPNOTSUPP, "%s vf %u: reasons are not told by %s", name, vf,
				  pf->nic.driver);
}

/**
 * hw_vf_release() - struct pf_ops.vf_release: all settings as those of a fresh VF
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @e:    error text
 *
 * Return: 0, -ENODEV, -EINVAL, or the kernel's errno.
 * Context: control.
 */
int hw_vf_release(void *ctx, const char *name, unsigned int vf, struct err *e)
{
	auto_free struct hw_wish *want = malloc(sizeof(*want));
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	struct hw_words fresh, now;
	struct hw *hw = ctx;
	int rc;
	struct hw_pf *pf = find(hw, name, vf, &link, &rc, e);

	if (rc || !want)
		return rc ?: err_set(e, -ENOMEM, "out of memory");
	*want = *pf->wish;
	want->vfs[vf] = (struct hw_vf_wish){ 0 };
	vf_config_default(&want->vfs[vf].config);
	fresh = hw_fresh(pf);
	hw_words_now(pf, link, vf, &now);
	rc = hw_plan_vf(&plan, vf, &now, &fresh, hw_words_differ(&now, &fresh) & pf->caps.fields,
			e);
	rc = rc ?: hw_change(hw, pf, &plan, &want, e);
	if (rc)
		err_prefix(e, "%s", name);
	hw_plan_fini(&plan);
	return rc;
}
