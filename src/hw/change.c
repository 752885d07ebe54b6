/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans done. The state file is written twice: with the way back, before the kernel is asked for
 * anything, and with the new wishes, without it, when all is done. Where it ends in between, the
 * next start goes back.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "hw/model.h"

/* What was seen of a mirror, and is owed of it, does not hold of what is in its slot afterwards. */
static void mirrors_settle(struct hw_pf *pf, const struct hw_wish *old)
{
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		struct mirror_config was, is;

		hw_mirror_config(pf, &old->mirrors[i], &was);
		hw_mirror_config(pf, &pf->wish->mirrors[i], &is);
		if (!fields_diff(mirror_fields, &was, &is))
			continue;
		pf->mirror_due[i] = (struct hw_due){ 0 };
		pf->mirror_since[i] = 0;
	}
}

/* The new wishes are in place and saved, or the old ones are. */
static int wishes_put(struct hw *hw, struct hw_pf *pf, struct hw_wish **next, struct err *e)
{
	struct hw_wish *old = pf->wish;
	bool adding = pf->adding;
	int rc;

	pf->wish = *next;
	pf->adding = false;
	rc = hw_state_save(hw, e);
	if (!rc) {
		mirrors_settle(pf, old);
		*next = old;
		return 0;
	}
	pf->wish = old;
	pf->adding = adding;
	return rc;
}

/* A driver may round a rate: what it tells of those that were just set is no drift. */
static void rates_note(struct hw *hw, struct hw_pf *pf, const struct hw_plan *plan,
		       struct hw_wish *next)
{
	const struct hw_link *link;

	for (unsigned int i = 0; i < plan->n; i++) {
		const struct hw_step *s = &plan->steps[i];
		struct hw_vf_wish *w =
			s->op == HW_OP_VF && s->attr == HW_ATTR_RATE ? &next->vfs[s->vf] : NULL;

		if (!w || hw_look(hw, pf, HW_ASK_SETTINGS, &link, &(struct err){ 0 }) ||
		    s->vf >= link->n_vfs)
			continue;
		w->max_tx_told = link->vfs[s->vf].words.max_tx_mbit;
		w->min_tx_told = link->vfs[s->vf].words.min_tx_mbit;
		w->rounded = w->max_tx_told != w->config.max_tx_mbit ||
			     w->min_tx_told != w->config.min_tx_mbit;
	}
}

/* What a plan has done is not owed any more. */
static void settle(struct hw_pf *pf, const struct hw_plan *plan)
{
	static const uint32_t own[HW_OP_N] = {
		[HW_OP_NUMVFS] = 1U << PF_FIELD_NUMVFS, [HW_OP_MTU] = 1U << PF_FIELD_MTU,
		[HW_OP_MAC] = 1U << PF_FIELD_MAC,	[HW_OP_UP] = 1U << PF_FIELD_UP,
		[HW_OP_GROUP] = 1U << PF_FIELD_GROUPS,	[HW_OP_ESWITCH] = 1U << PF_FIELD_ESWITCH
	};

	for (unsigned int i = 0; i < plan->n; i++) {
		const struct hw_step *s = &plan->steps[i];

		if (s->op == HW_OP_VF)
			pf->vf_due[s->vf].owed &= ~hw_attrs[s->attr].fields;
		else
			pf->due.owed &= ~own[s->op];
	}
}

/* The NIC has gone: if it has only moved, it comes back as it went. */
static void undo_later(struct hw_pf *pf, const struct hw_plan *plan)
{
	struct err e = { 0 };

	for (unsigned int i = 0; i < plan->n && !*e.msg; i++)
		hw_plan_add(&pf->undo, &plan->steps[i], &e);
}

/**
 * hw_change() - Do a plan, and make wishes those of a PF; or none of it
 * @hw:   room
 * @pf:   PF
 * @plan: what it takes
 * @next: new wishes; on success the old ones, the caller's to free either way
 * @home: of them: gets the name of the netdev that went out of this namespace; or NULL
 * @e:    names the step that was refused
 *
 * Return: 0, or the errno of what was refused, or of the state file.
 * Context: control; as long as the driver takes, and two fsync().
 */
int hw_change(struct hw *hw, struct hw_pf *pf, const struct hw_plan *plan, struct hw_wish **next,
	      char home[IF_NAMESIZE], struct err *e)
{
	struct hw_doer with = hw_doer_of(hw, pf);
	int rc;

	if (!plan->n || hw->trial)
		return wishes_put(hw, pf, next, e);
	hw->doing = plan;
	hw->doing_to = pf;
	rc = hw_state_save(hw, e);
	hw->doing = NULL;
	if (rc)
		return rc; /* nothing was done */
	rc = hw_plan_run(plan, hw_step_do, &with, e);
	/* Some drivers deny words while there is no VF, so they are asked anew. */
	hw_place(hw, pf, &(struct err){ 0 });
	if (!rc && home && *with.home)
		strcpy(home, with.home);
	if (!rc) {
		rates_note(hw, pf, plan, *next);
		rc = wishes_put(hw, pf, next, e);
		if (!rc)
			settle(pf, plan);
		else
			hw_plan_undo(plan, plan->n, hw_step_do, &with, e);
		hw_forget(pf);
	}
	if (rc && hw_place(hw, pf, &(struct err){ 0 }))
		undo_later(pf, plan);
	pf->leaving &= !rc;
	/* Else the next start would go back once more, by then perhaps from something else. */
	if (rc && hw_state_save(hw, NULL))
		log_err("the state file still says how to take back what was taken back",
			"pf=%s file=%s", pf->name, hw->opts.state);
	return rc;
}
