/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of VFs that share rates (model/group.h): nodes of devlink's, in switchdev mode. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"

static int add(struct hw_plan *plan, const struct vf_group *is, const struct vf_group *want,
	       struct err *e)
{
	struct hw_step step = { .op = HW_OP_GROUP,
				.old.number = is != NULL,
				.new.number = want != NULL };
	const struct vf_group none = { .max_tx_mbit = 0 };

	strcpy(step.old.words.group, (is ?: want)->name);
	strcpy(step.new.words.group, (is ?: want)->name);
	is = is ?: &none;
	want = want ?: &none;
	step.old.words.max_tx_mbit = is->max_tx_mbit;
	step.old.words.min_tx_mbit = is->min_tx_mbit;
	step.new.words.max_tx_mbit = want->max_tx_mbit;
	step.new.words.min_tx_mbit = want->min_tx_mbit;
	return hw_plan_add(plan, &step, e);
}

/**
 * hw_groups_plan() - The steps from the groups that there are to those that are wanted
 * @plan: gets them
 * @pf:   PF
 * @link: what the kernel tells of it
 * @want: wishes
 * @go:   those that go, behind the steps that take VFs out of them; else those that come or change,
 *        before VFs are put into them
 * @e:    error text
 *
 * Return: 0; -EOPNOTSUPP: it has no groups; -ENOMEM. Context: control; pure.
 */
int hw_groups_plan(struct hw_plan *plan, const struct hw_pf *pf, const struct hw_link *link,
		   const struct hw_wish *want, bool go, struct err *e)
{
	const struct vf_groups *is = &link->groups;
	struct vf_groups to;
	char why[HW_WHY_LEN + 1];
	int rc = vf_groups_parse(want->config.groups, &to, e);

	if (!rc && to.n && hw_caps_why(&pf->caps, VF_FIELD_GROUP, why))
		return err_set(e, -EOPNOTSUPP, "%s", why);
	for (unsigned int i = 0; !rc && go && i < is->n; i++)
		if (!vf_groups_find(&to, is->list[i].name))
			rc = add(plan, &is->list[i], NULL, e);
	for (unsigned int i = 0; !rc && !go && i < to.n; i++) {
		const struct vf_group *w = &to.list[i], *g = vf_groups_find(is, w->name);

		if (!g || g->max_tx_mbit != w->max_tx_mbit || g->min_tx_mbit != w->min_tx_mbit)
			rc = add(plan, g, w, e);
	}
	return rc;
}

/* Whether it says which group the VF is in. */
static bool is_put(const struct pf_change *change, unsigned int vf)
{
	bool put = false;

	for (unsigned int i = 0; i < change->n_vfs; i++) {
		const struct vf_change *c = &change->vfs[i];

		put |= c->vf == vf && (c->changed | c->noted) >> VF_FIELD_GROUP & 1;
	}
	return put;
}

/**
 * hw_groups_check() - Is there a group for each VF that a change puts into one?
 * @pf:     PF
 * @link:   what the kernel tells of it
 * @want:   wishes
 * @change: what is asked for; where it says which groups there are, each VF counts
 * @e:      names VF and group
 *
 * A VF may be in a group that somebody else made, and that is gone by now, as after a boot: that
 * is drift, and keeps nobody from changing anything else.
 *
 * Return: 0 or -ENOENT. Context: control; pure.
 */
int hw_groups_check(const struct hw_pf *pf, const struct hw_link *link, const struct hw_wish *want,
		    const struct pf_change *change, struct err *e)
{
	bool all = (change->changed | change->noted) >> PF_FIELD_GROUPS & 1;
	struct vf_groups to = link->groups; /* whoever made them, if nobody says */
	int rc = want->fields >> PF_FIELD_GROUPS & 1 ? vf_groups_parse(want->config.groups, &to, e)
						     : 0;

	for (unsigned int vf = 0; !rc && vf < VF_MAX; vf++) {
		const struct hw_vf_wish *w = &want->vfs[vf];

		if ((all || is_put(change, vf)) && w->fields >> VF_FIELD_GROUP & 1 &&
		    *w->config.group && !vf_groups_find(&to, w->config.group))
			rc = err_set(e, -ENOENT, "%s has no group %s, where vf %u is to be",
				     pf->name, w->config.group, vf);
	}
	return rc;
}
