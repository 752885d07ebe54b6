/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of mirrors. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"

/* The PF and the slot of a mirror, or NULL; a free slot has no name, and "" is none. */
static struct hw_pf *find(struct hw *hw, const char *name, unsigned int *slot)
{
	for (unsigned int i = 0; *name && i < hw->n_pfs; i++)
		for (unsigned int m = 0; m < HW_MIRRORS_MAX; m++)
			if (!strcmp(hw->pfs[i]->wish->mirrors[m].name, name)) {
				*slot = m;
				return hw->pfs[i];
			}
	return NULL;
}

/* Puts @want into a slot of @wish that is free by now, with the steps that it takes. */
static int put(struct hw *hw, struct hw_pf *pf, const struct hw_link *link,
	       const struct mirror_config *want, struct hw_mirror *m, struct mac macs[VF_MAX],
	       struct hw_plan *plan, struct hw_wish *wish, struct err *e)
{
	struct hw_mirror_facts facts;
	enum hw_mirror_by by = HW_MIRROR_BY_N;
	int rc;

	if (want->from == MIRROR_FROM_VF)
		rc = hw_vf_check(hw, pf, link, want->from_vf, e);
	else
		rc = 0;
	if (!rc && want->to == MIRROR_TO_VF && !strcmp(want->to_pf, pf->name))
		rc = hw_vf_check(hw, pf, link, want->to_vf, e);
	if (rc)
		return rc;
	hw_mirror_facts(hw, pf, want, &facts);
	facts.representors |= hw->trial; /* they come with the VFs */
	rc = hw_mirror_choose(&facts, want, &by, e);
	if (rc)
		return rc;
	*m = (struct hw_mirror){ .from = want->from,
				 .from_vf = want->from_vf,
				 .from_vlan = want->from_vlan,
				 .to_vf = want->to_vf,
				 .dir = want->dir,
				 .by = (uint8_t)by };
	strcpy(m->name, want->name);
	return hw_mirror_join(hw, pf, link, m, macs, plan, wish, e);
}

static bool is_same(const struct hw_mirror *a, const struct hw_mirror *b)
{
	return a->from == b->from && a->from_vf == b->from_vf && a->from_vlan == b->from_vlan &&
	       a->to_vf == b->to_vf &&
	       (a->dir == b->dir || a->dir == MIRROR_BOTH || b->dir == MIRROR_BOTH);
}

/* Two of one VF to one would share what makes the copies, and the end of one be that of both. */
static int judge_twice(const struct hw_wish *wish, const struct hw_mirror *m, struct err *e)
{
	for (const struct hw_mirror *o = wish->mirrors; o < wish->mirrors + HW_MIRRORS_MAX; o++)
		if (o != m && *o->name && is_same(o, m))
			return err_set(e, -EEXIST, "mirror %s does that already", o->name);
	return 0;
}

/**
 * hw_mirror_add() - struct pf_ops.mirror_add
 * @ctx:  struct hw
 * @want: the mirror
 * @e:    names what is in the way, or what the NIC does not do
 *
 * Return: 0, -ENODEV, -EEXIST, -ENOSPC, -EINVAL, -EBUSY, -EOPNOTSUPP, or the kernel's errno.
 * Context: control.
 */
int hw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, want->from_pf, e);
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	struct mac macs[VF_MAX];
	unsigned int slot = 0;
	int rc = pf ? hw_place(hw, pf, e) : -ENODEV; /* its switch may have another mode by now */

	rc = rc ?: hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);
	if (!rc && find(hw, want->name, &slot))
		rc = err_set(e, -EEXIST, "mirror %s exists", want->name);
	if (rc || !(next = hw_wish_copy(pf, e)))
		return rc ?: -ENOMEM;
	while (slot < HW_MIRRORS_MAX && *next->mirrors[slot].name)
		slot++;
	if (slot == HW_MIRRORS_MAX)
		return err_set(e, -ENOSPC, "%s has %u mirrors already, the most", pf->name,
			       HW_MIRRORS_MAX);
	hw_mirror_macs(link, macs);
	rc = put(hw, pf, link, want, &next->mirrors[slot], macs, &plan, next, e);
	rc = rc ?: judge_twice(next, &next->mirrors[slot], e);
	rc = rc ?: hw_change(hw, pf, &plan, &next, NULL, e);
	if (rc)
		err_prefix(e, "mirror %s", want->name);
	hw_plan_fini(&plan);
	return rc;
}

/* A mirror's end, and its beginning as another; @next NULL: its end alone. */
static int change(struct hw *hw, struct hw_pf *pf, unsigned int slot,
		  const struct mirror_config *next, struct err *e)
{
	auto_free struct hw_wish *want = NULL;
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	struct mac macs[VF_MAX];
	int rc = hw_place(hw, pf, e);

	rc = rc ?: hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);
	if (rc || !(want = hw_wish_copy(pf, e)))
		return rc ?: -ENOMEM;
	hw_mirror_macs(link, macs);
	rc = hw_mirror_leave(pf, &want->mirrors[slot], macs, &plan, want, e);
	if (!rc && next)
		rc = put(hw, pf, link, next, &want->mirrors[slot], macs, &plan, want, e)
			     ?: judge_twice(want, &want->mirrors[slot], e);
	rc = rc ?: hw_change(hw, pf, &plan, &want, NULL, e);
	hw_plan_fini(&plan);
	return rc;
}

static int no_mirror(const char *name, struct err *e)
{
	return err_set(e, -ENOENT, "there is no mirror \"%s\"", name);
}

/**
 * hw_mirror_set() - struct pf_ops.mirror_set
 * @ctx:     struct hw
 * @name:    mirror
 * @want:    its new words; the name stays, and so does the PF
 * @changed: which of them count
 * @e:       as hw_mirror_add()
 *
 * Return: 0, -ENOENT, or as hw_mirror_add() and mirror_config_apply().
 * Context: control.
 */
int hw_mirror_set(void *ctx, const char *name, const struct mirror_config *want, uint32_t changed,
		  struct err *e)
{
	struct mirror_config old, next;
	unsigned int slot;
	struct hw_pf *pf = find(ctx, name, &slot);
	int rc;

	if (!pf)
		return no_mirror(name, e);
	hw_mirror_config(pf, &pf->wish->mirrors[slot], &old);
	rc = mirror_config_apply(&old, want, changed & ~(1U << MIRROR_FIELD_NAME), &next, e);
	if (!rc && strcmp(next.from_pf, old.from_pf))
		rc = err_set(e, -EOPNOTSUPP,
			     "a NIC's mirror stays with it: delete it, and add another");
	rc = rc ?: change(ctx, pf, slot, &next, e);
	return rc ? err_prefix(e, "mirror %s", name), rc : 0;
}

/**
 * hw_mirror_del() - struct pf_ops.mirror_del: and what it had taken is given back
 * @ctx:  struct hw
 * @name: mirror
 * @e:    error text
 *
 * Return: 0, -ENOENT, or the kernel's errno.
 * Context: control.
 */
int hw_mirror_del(void *ctx, const char *name, struct err *e)
{
	unsigned int slot;
	struct hw_pf *pf = find(ctx, name, &slot);

	return pf ? change(ctx, pf, slot, NULL, e) : no_mirror(name, e);
}

/**
 * hw_mirror_get() - struct pf_ops.mirror_get
 * @ctx: struct hw
 * @i:   from 0 on
 * @out: the mirror, by what it is done and what that lacks; NICs count no copies
 *
 * Return: 0 or -ENOENT.
 * Context: control.
 */
int hw_mirror_get(void *ctx, unsigned int i, struct mirror_info *out)
{
	struct hw *hw = ctx;

	for (unsigned int p = 0; p < hw->n_pfs; p++)
		for (unsigned int s = 0; s < HW_MIRRORS_MAX; s++) {
			const struct hw_mirror *m = &hw->pfs[p]->wish->mirrors[s];

			if (!*m->name || i--)
				continue;
			*out = (struct mirror_info){ 0 };
			hw_mirror_config(hw->pfs[p], m, &out->config);
			snprintf(out->by, sizeof(out->by), "%s", hw_mirror_by_names[m->by]);
			hw_mirror_lacks(hw, hw->pfs[p], m, out->lacks, sizeof(out->lacks));
			out->has_own = m->by == HW_MIRROR_MAC;
			out->own = m->own;
			return 0;
		}
	return -ENOENT;
}
