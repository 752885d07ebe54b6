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

static struct hw_doer doer(const struct hw *hw, const struct hw_pf *pf)
{
	return (struct hw_doer){ hw->rt, hw->opts.sysfs, &pf->nic, pf->ifindex };
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
		*next = old;
		return 0;
	}
	pf->wish = old;
	pf->adding = adding;
	return rc;
}

/**
 * hw_change() - Do a plan, and make wishes those of a PF; or none of it
 * @hw:   room
 * @pf:   PF
 * @plan: what it takes
 * @next: new wishes; on success the old ones, the caller's to free either way
 * @e:    names the step that was refused
 *
 * Return: 0, or the errno of what was refused, or of the state file.
 * Context: control; as long as the driver takes, and two fsync().
 */
int hw_change(struct hw *hw, struct hw_pf *pf, const struct hw_plan *plan, struct hw_wish **next,
	      struct err *e)
{
	struct hw_doer with = doer(hw, pf);
	int rc = 0;

	if (plan->n) {
		hw->doing = plan;
		hw->doing_to = pf;
		rc = hw_state_save(hw, e);
		rc = rc ?: hw_plan_run(plan, hw_step_do, &with, e);
		hw->doing = NULL;
		/* Some drivers deny words while there is no VF, so they are asked anew. */
		hw_place(hw, pf, &(struct err){ 0 });
	}
	if (!rc) {
		rc = wishes_put(hw, pf, next, e);
		if (rc)
			hw_plan_undo(plan, plan->n, hw_step_do, &with, e);
	}
	/* Else the next start would go back once more, by then perhaps from something else. */
	if (rc && plan->n && hw_state_save(hw, NULL))
		log_err("the state file still says how to take back what was taken back",
			"pf=%s file=%s", pf->name, hw->opts.state);
	return rc;
}

/**
 * hw_recover() - Take back what was under way when the daemon ended
 * @hw:   room, its PFs placed
 * @undo: what the state file says of it; of another boot, it has gone with that
 *
 * Context: control, at start.
 */
void hw_recover(struct hw *hw, const struct hw_undo *undo)
{
	struct err e = { 0 };
	auto_of(hw_pf_free) struct hw_pf *pf =
		hw_pf_new(undo->address, &e); /* it may be none yet */

	if (pf && !hw_place(hw, pf, &e)) {
		struct hw_doer with = doer(hw, pf);

		hw_plan_undo(&undo->plan, undo->plan.n, hw_step_do, &with, &e);
	}
	log_warn("a change that was cut off was taken back", "pf=%s steps=%u error=\"%s\"",
		 pf ? pf->name : undo->address, undo->plan.n, e.msg);
}

/* The words of one VF that are not as asked for; after a boot none is, whatever is seen. */
static void enforce_vf(struct hw *hw, struct hw_pf *pf, unsigned int vf, bool booted)
{
	struct hw_words old, want;
	const struct hw_link *link;
	struct hw_plan plan = { 0 };
	struct hw_doer with = doer(hw, pf);
	struct err e = { 0 };
	uint32_t drift;

	if (hw_look(hw, pf, HW_ASK_SETTINGS, &link, &e) || vf >= link->n_vfs)
		return;
	drift = booted ? pf->wish->vfs[vf].fields & HW_WORDS : hw_drift(pf, link, vf);
	old = link->vfs[vf].words;
	want = old;
	if (drift) {
		struct vf_config c = pf->wish->vfs[vf].config;

		hw_words_to(&old, link->vfs[vf].told & ~drift, &c);
		hw_words_from(&c, &want);
	}
	if (hw_plan_vf(&plan, vf, &old, &want, drift, &e) ||
	    hw_plan_run(&plan, hw_step_do, &with, &e))
		log_err("a VF is not as it was asked for", "pf=%s vf=%u error=\"%s\"", pf->name, vf,
			e.msg);
	if (plan.n)
		hw_forget(pf);
	hw_plan_fini(&plan);
}

/**
 * hw_enforce() - Make a PF what was asked for, as far as the device does it
 * @hw: room
 * @pf: PF
 * @booted: nothing is as it was asked for; else what has drifted counts alone
 *
 * VFs that are missing altogether, as after a boot, are made; where there is another number of them
 * they may be in use, and it stays. What is refused is logged; the rest is done.
 *
 * Context: control.
 */
void hw_enforce(struct hw *hw, struct hw_pf *pf, bool booted)
{
	const struct hw_wish *wish = pf->wish;
	const struct hw_link *link;
	struct err e = { 0 };

	if (hw_look(hw, pf, HW_ASK_SETTINGS, &link, &e)) {
		log_err("a PF is not here", "pf=%s nic=%s error=\"%s\"", pf->name, pf->nic.address,
			e.msg);
		return;
	}
	if (wish->fields & 1U << PF_FIELD_NUMVFS && !link->n_vfs && wish->config.numvfs) {
		if (hw_nic_set_numvfs(hw->opts.sysfs, &pf->nic, wish->config.numvfs, &e))
			log_err("VFs cannot be made", "pf=%s error=\"%s\"", pf->name, e.msg);
		hw_forget(pf);
	}
	for (unsigned int vf = 0; vf < VF_MAX; vf++)
		if (wish->vfs[vf].fields & HW_WORDS)
			enforce_vf(hw, pf, vf, booted);
}
