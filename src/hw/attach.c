/* SPDX-License-Identifier: Apache-2.0 */
/* What VFs are plugged into: the verbs, and what is done of it at a boot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hw/model.h"
#include "hw/netns.h"

/* The attachment, judged, with members of other kinds empty. */
static int resolve(const struct vf_attach *want, struct vf_attach *out, struct err *e)
{
	struct vf_attach a = { .kind = want->kind };
	int rc = 0;

	switch ((enum vf_attach_kind)want->kind) {
	case VF_ATTACH_NONE:
	case VF_ATTACH_VHOST:
	case VF_ATTACH_TAP:
		return err_set(e, -EOPNOTSUPP,
			       "a NIC's VF is attached by vfio, netdev or macvtap, not by %s",
			       vf_attach_fields[VF_ATTACH_FIELD_KIND].names[want->kind]);
	case VF_ATTACH_VFIO:
		break;
	case VF_ATTACH_NETDEV:
		strcpy(a.netns, want->netns);
		rc = *a.netns ? hw_netns_check(a.netns, e) : 0;
		/* fallthrough */
	case VF_ATTACH_MACVTAP:
		strcpy(a.name, want->name);
		rc = rc ?: hw_netdev_name_check(a.name, e);
		break;
	}
	if (!rc)
		*out = a;
	return rc;
}

/* Whether the VF can be had for that; nothing is changed before. */
static int may_attach(const struct hw *hw, const struct vf_attach *a, const struct hw_plug *is,
		      struct err *e)
{
	auto_close int fd = -1;

	if (!*is->dev.address)
		return err_set(e, -EOPNOTSUPP,
			       "it is no PCI function, so there is nothing to plug in");
	if (*is->spot.netns)
		return err_set(e, -EBUSY, "its netdev, %s, is in namespace %s", is->spot.name,
			       is->spot.netns);
	if (*is->dev.driver && strcmp(is->dev.driver, HW_VFIO) && !is->spot.ifindex)
		return err_set(e, -EBUSY,
			       "its driver, %s, has no netdev here nor in a namespace that "
			       "has a name",
			       is->dev.driver);
	if (is->macvtap.ifindex)
		return err_set(e, -EBUSY, "there is a macvtap, %s, on its netdev",
			       is->macvtap.name);
	if (a->kind == VF_ATTACH_VFIO)
		return hw_vf_may_bind(hw->opts.sysfs, &is->dev, HW_VFIO, e);
	if (*a->netns)
		fd = hw_netns_open(a->netns, e);
	return *a->netns && fd < 0 ? fd : 0;
}

/* A copy of the PF's wishes, and the VF in it; NULL: *rc says why, and @e. */
static struct hw_wish *begin(struct hw *hw, const char *name, unsigned int vf, struct hw_pf **pf,
			     int *rc, struct err *e)
{
	const struct hw_link *link;
	struct hw_wish *want;

	*pf = hw_find(hw, name, e);
	*rc = *pf ? hw_look(hw, *pf, HW_ASK_SETTINGS, &link, e) : -ENODEV;
	*rc = *rc ?: hw_vf_check(hw, *pf, link, vf, e);
	want = *rc ? NULL : hw_wish_copy(*pf, e);
	if (!*rc && !want)
		*rc = -ENOMEM;
	return want;
}

static int other_check(const struct vf_attach *now, const struct vf_attach *want, struct err *e)
{
	char is[VF_NAME_LEN + 64];

	if (!now->kind || !fields_diff(vf_attach_fields, now, want))
		return 0;
	hw_plug_say(now, is, sizeof(is));
	return err_set(e, -EBUSY, "it is attached (%s): detach it first", is);
}

static bool plan_probes(const struct hw_plan *plan)
{
	for (unsigned int i = 0; i < plan->n; i++)
		if (plan->steps[i].op == HW_OP_PROBE)
			return true;
	return false;
}

/* What is known before the steps that lead there were done. */
static int trial_attach(struct hw *hw, struct hw_pf *pf, unsigned int vf,
			const struct vf_attach *attach, struct hw_wish **next, struct err *e)
{
	auto_close int fd = *attach->netns ? hw_netns_open(attach->netns, e) : -1;
	struct hw_plan none = { 0 };

	if (*attach->netns && fd < 0)
		return fd;
	(*next)->vfs[vf].attach = *attach;
	return hw_change(hw, pf, &none, next, NULL, e);
}

/**
 * hw_vf_attach() - struct pf_ops.vf_attach
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @want: vfio, netdev or macvtap
 * @e:    names what is in the way
 *
 * The same once more is no error; it is done again if somebody else, or the end of a namespace,
 * has undone it.
 *
 * Return: 0, -ENODEV, -EINVAL, -EOPNOTSUPP, -EBUSY (attached, or in use by somebody else), -ENOENT
 * (no such namespace), -EEXIST (the name is taken there), or the kernel's errno.
 * Context: control; as long as drivers take.
 */
int hw_vf_attach(void *ctx, const char *name, unsigned int vf, const struct vf_attach *want,
		 struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct hw_plan plan = { 0 };
	struct vf_attach attach = { 0 };
	struct hw_vf_wish *wish;
	struct hw_plug is;
	struct hw_pf *pf;
	int rc;

	if (!(next = begin(ctx, name, vf, &pf, &rc, e)))
		return rc;
	wish = &next->vfs[vf];
	rc = resolve(want, &attach, e);
	if (!rc && ((struct hw *)ctx)->trial)
		return trial_attach(ctx, pf, vf, &attach, &next, e);
	rc = rc ?: hw_plug_look(ctx, pf, vf, attach.netns, HW_REACH_ALL, &is, e);
	rc = rc ?: other_check(&wish->attach, &attach, e);
	if (!rc && wish->attach.kind && hw_plug_is(&attach, &is))
		return 0;
	rc = rc ?: may_attach(ctx, &attach, &is, e);
	rc = rc ?: hw_plan_attach(&plan, vf, &attach, &is, e);
	if (rc) {
		err_prefix(e, "%s vf %u", name, vf);
	} else {
		wish->attach = attach;
		wish->probed |= plan_probes(&plan);
		rc = hw_change(ctx, pf, &plan, &next, *wish->home ? NULL : wish->home, e);
		if (rc)
			err_prefix(e, "%s", name);
		else
			pf->plug_due[vf] = (struct hw_due){ 0 };
	}
	hw_plan_fini(&plan);
	return rc;
}

/**
 * hw_attach_leave() - The steps that unplug a VF, for more of a plan
 * @hw:   room
 * @pf:   PF
 * @vf:   number
 * @plan: gets them
 * @want: wishes, in which it is not attached afterwards
 * @e:    error text
 *
 * Return: 0, -ENOENT, -ENOMEM. Context: control.
 */
int hw_attach_leave(struct hw *hw, const struct hw_pf *pf, unsigned int vf, struct hw_plan *plan,
		    struct hw_wish *want, struct err *e)
{
	struct hw_vf_wish *wish = &want->vfs[vf];
	struct hw_plug is;
	int rc = hw_plug_look(hw, pf, vf, wish->attach.netns, HW_REACH_ALL, &is, e);

	rc = rc ?: hw_plan_detach(plan, vf, wish, &is, e);
	wish->attach = (struct vf_attach){ 0 };
	wish->probed = false;
	*wish->home = '\0';
	return rc;
}

/**
 * hw_vf_detach() - struct pf_ops.vf_detach: its netdev is here again, down, under its former name
 * @ctx:  struct hw
 * @name: PF
 * @vf:   number
 * @e:    error text
 *
 * Return: 0, -ENODEV, -EINVAL, -ENOENT: it is not attached, -EBUSY: a VM has it, or the kernel's
 * errno.
 * Context: control; as long as drivers take.
 */
int hw_vf_detach(void *ctx, const char *name, unsigned int vf, struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct hw_plan plan = { 0 };
	struct hw_pf *pf;
	int rc;

	if (!(next = begin(ctx, name, vf, &pf, &rc, e)))
		return rc;
	if (!next->vfs[vf].attach.kind)
		return err_set(e, -ENOENT, "%s vf %u is not attached", name, vf);
	rc = hw_attach_leave(ctx, pf, vf, &plan, next, e);
	rc = rc ?: hw_change(ctx, pf, &plan, &next, NULL, e);
	if (rc)
		err_prefix(e, "%s", name);
	else
		pf->plug_due[vf] = (struct hw_due){ 0 };
	hw_plan_fini(&plan);
	return rc;
}

/**
 * hw_attach_drift() - Is a VF not plugged into what was asked for?
 * @hw:    room
 * @pf:    PF
 * @vf:    number
 * @reach: near: what costs nothing; else its netdev is looked for wherever it may be
 * @is:    gets what it is in, if so
 * @size:  of @is
 *
 * Return: true if so. Context: control.
 */
bool hw_attach_drift(const struct hw *hw, const struct hw_pf *pf, unsigned int vf,
		     enum hw_reach reach, char *is, size_t size)
{
	const struct vf_attach *a = &pf->wish->vfs[vf].attach;
	struct hw_plug plug;

	if (!a->kind)
		return false;
	if (hw_plug_look(hw, pf, vf, reach == HW_REACH_ALL ? a->netns : "", reach, &plug, NULL)) {
		snprintf(is, size, "no VF");
		return true;
	}
	hw_plug_say_is(&plug, is, size);
	if (reach == HW_REACH_NEAR && a->kind == VF_ATTACH_NETDEV && *a->netns)
		return plug.spot.ifindex || !*plug.dev.driver || !strcmp(plug.dev.driver, HW_VFIO);
	return !hw_plug_is(a, &plug);
}

/**
 * hw_attach_again() - Plug a VF in that is not plugged into what was asked for
 * @hw:   room
 * @pf:   PF
 * @vf:   number
 * @anew: its netdev has the name that it gets of itself, as after a boot
 * @e:    error text; then nothing was done
 *
 * Return: 0, also where it is so; as hw_vf_attach(). Context: control.
 */
int hw_attach_again(struct hw *hw, struct hw_pf *pf, unsigned int vf, bool anew, struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct hw_plan plan = { 0 };
	struct hw_vf_wish *wish;
	struct hw_plug is;
	int rc = hw_plug_look(hw, pf, vf, pf->wish->vfs[vf].attach.netns, HW_REACH_ALL, &is, e);

	if (rc || hw_plug_is(&pf->wish->vfs[vf].attach, &is))
		return rc;
	next = hw_wish_copy(pf, e);
	if (!next)
		return -ENOMEM;
	wish = &next->vfs[vf];
	if (anew)
		*wish->home = '\0';
	*is.spot.netns = '\0'; /* from wherever it is: it is ours */
	rc = may_attach(hw, &wish->attach, &is, e);
	rc = rc ?: hw_plan_attach(&plan, vf, &wish->attach, &is, e);
	wish->probed |= plan_probes(&plan);
	rc = rc ?: hw_change(hw, pf, &plan, &next, *wish->home ? NULL : wish->home, e);
	hw_plan_fini(&plan);
	if (!rc)
		log_info("a VF is attached again", "pf=%s vf=%u", pf->name, vf);
	return rc;
}
