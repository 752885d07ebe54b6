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

/* What it is plugged into, and where its netdev is by now, also if nobody asked for that. */
static void take_plug(struct hw *hw, const struct hw_pf *pf, unsigned int vf, struct vf_info *out)
{
	const struct vf_attach *a = &out->attach;
	struct hw_plug is;

	if (hw_plug_look(hw, pf, vf, a->netns, HW_REACH_NEAR, &is, NULL))
		return;
	if (a->kind == VF_ATTACH_NETDEV && !is.spot.ifindex)
		hw_netdev_find(&is.dev, a->netns, HW_REACH_ALL, &is.spot);
	out->status.connected = a->kind && hw_plug_is(a, &is);
	strcpy(out->status.netdev,
	       a->kind == VF_ATTACH_MACVTAP && is.macvtap.ifindex ? is.macvtap.name : is.spot.name);
	strcpy(out->status.netns, is.spot.netns);
	strcpy(out->status.driver, is.dev.driver);
	snprintf(out->status.pci_slot, sizeof(out->status.pci_slot), "%.15s", is.dev.address);
}

/*
 * Words that are not as those of a VF that was just made. A MAC is the guest's own, unless it was
 * asked for: drivers of VFs choose one, and PFs tell that.
 */
static uint32_t touched(const struct hw_pf *pf, const struct hw_vf_wish *wish,
			const struct hw_words *now)
{
	const struct hw_words fresh = hw_fresh(pf);
	uint32_t words = hw_words_differ(now, &fresh) & pf->caps.fields;
	struct vf_config none;

	vf_config_default(&none);
	none.spoofchk = fresh.spoofchk;
	if (mac_is_zero(&wish->config.mac))
		words &= ~(1U << VF_FIELD_MAC);
	return words | (fields_diff(vf_fields, &none, &wish->config) & wish->fields & ~HW_WORDS);
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
	struct hw *hw = ctx;
	int rc;
	struct hw_pf *pf = find(hw, name, vf, &link, &rc, e);

	if (rc)
		return rc;
	v = &link->vfs[vf];
	wish = &pf->wish->vfs[vf];
	*out = (struct vf_info){ .config = wish->config,
				 .attach = wish->attach,
				 .stats = v->stats };
	hw_counts_untold(&pf->caps, v, link->n_vfs, &out->untold);
	hw_words_now(pf, link, vf, &now);
	hw_words_to(&now, HW_WORDS, &out->config);
	out->status.untold = HW_WORDS & ~(v->told | 1U << VF_FIELD_GROUP); /* else it is in none */
	out->status.link_up = link->up && link->carrier && v->words.link != VF_LINK_DISABLE;
	out->status.mtu = (uint16_t)MIN(link->mtu, (uint32_t)UINT16_MAX);
	fields_mask_format(vf_fields, wish->overridden | hw_drift(pf, link, vf),
			   out->status.overridden, sizeof(out->status.overridden));
	fields_mask_format(vf_fields, touched(pf, wish, &now), out->status.touched,
			   sizeof(out->status.touched));
	take_plug(hw, pf, vf, out);
	return 0;
}

/* The steps out of what it is attached to, and from a driver that it was given by name. */
static int plan_leave(struct hw_plan *plan, struct hw *hw, const struct hw_pf *pf, unsigned int vf,
		      struct hw_wish *want, struct err *e)
{
	struct hw_step step = { .op = HW_OP_DRIVER, .vf = (uint16_t)vf };
	struct hw_vf_dev dev;
	bool vfio = want->vfs[vf].attach.kind == VF_ATTACH_VFIO;
	int rc = want->vfs[vf].attach.kind ? hw_attach_leave(hw, pf, vf, plan, want, e) : 0;

	if (rc || vfio || hw_nic_vf(hw->opts.sysfs, &pf->nic, vf, &dev, NULL) || !*dev.override)
		return rc;
	strcpy(step.old.driver, dev.override);
	return hw_plan_add(plan, &step, e);
}

/**
 * hw_vf_release() - struct pf_ops.vf_release: detached, all settings as those of a fresh VF
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @e:    error text
 *
 * Its driver is the one that the kernel gives it of itself; mirrors from it and to it go.
 *
 * Return: 0, -ENODEV, -EINVAL, -EBUSY: a VM has it, or the kernel's errno.
 * Context: control; as long as drivers take.
 */
int hw_vf_release(void *ctx, const char *name, unsigned int vf, struct err *e)
{
	auto_free struct hw_wish *want = NULL;
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	struct hw_words fresh, now;
	struct hw *hw = ctx;
	int rc;
	struct hw_pf *pf = find(hw, name, vf, &link, &rc, e);

	if (rc || !(want = hw_wish_copy(pf, e)))
		return rc ?: -ENOMEM;
	rc = hw_mirrors_leave_vf(pf, link, vf, &plan, want, e);
	rc = rc ?: plan_leave(&plan, hw, pf, vf, want, e);
	want->vfs[vf] = (struct hw_vf_wish){ 0 };
	vf_config_default(&want->vfs[vf].config);
	fresh = hw_fresh(pf);
	hw_words_now(pf, link, vf, &now);
	rc = rc
		     ?: hw_plan_vf(&plan, vf, &now, &fresh,
				   hw_words_differ(&now, &fresh) & pf->caps.fields, e);
	rc = rc ?: hw_change(hw, pf, &plan, &want, NULL, e);
	if (rc)
		err_prefix(e, "%s", name);
	else
		pf->plug_due[vf] = (struct hw_due){ 0 };
	hw_plan_fini(&plan);
	return rc;
}
