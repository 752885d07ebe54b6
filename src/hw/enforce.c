/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for made so, where it is not: after a boot, of a NIC that was made anew, or
 * where others have changed what the PF's policy repairs. Each attribute by itself: a rate that is
 * refused while there is no carrier keeps no VF from its VLAN. What is refused is said once and
 * tried again, seldomer and seldomer.
 */
#include "base/log.h"
#include "hw/model.h"

#define WAIT_FIRST_MS 1000U
#define WAIT_MAX_MS   16000U

/* What of @todo to try now: what was not tried lately, and the rest where it is time. */
static uint32_t due_now(struct hw_due *due, uint32_t todo, uint64_t now_ms)
{
	if (!todo) {
		if (now_ms >= due->next_ms + due->wait_ms) /* it is well for long enough */
			due->wait_ms = due->tried = due->said = 0;
		return 0;
	}
	if (now_ms < due->next_ms) {
		todo &= ~due->tried;
	} else {
		due->wait_ms = MIN(due->wait_ms ? due->wait_ms * 2 : WAIT_FIRST_MS, WAIT_MAX_MS);
		due->next_ms = now_ms + due->wait_ms;
	}
	due->tried |= todo;
	return todo;
}

/* One step; @fields: its words. Whether it is done. */
static bool make(struct hw *hw, struct hw_pf *pf, struct hw_due *due, const struct hw_step *step,
		 uint32_t fields)
{
	struct hw_doer with = hw_doer_of(hw, pf);
	struct err e = { 0 };
	char name[HW_STEP_NAME_LEN + 1];

	hw_forget(pf);
	if (!hw_step_do(&with, step, &step->new, &e)) {
		due->owed &= ~fields;
		due->said &= ~fields;
		return true;
	}
	hw_step_name(step, name, sizeof(name));
	if (fields & ~due->said)
		log_err("what was asked for cannot be made", "pf=%s word=\"%s\" error=\"%s\"",
			pf->name, name, e.msg);
	due->said |= fields;
	return false;
}

/* hw_look(), but for a log that has it already. */
static const struct hw_link *look(struct hw *hw, struct hw_pf *pf)
{
	const struct hw_link *link;

	return hw_look(hw, pf, HW_ASK_SETTINGS, &link, &(struct err){ 0 }) ? NULL : link;
}

/* What the kernel told last: by what was done since, what it told before is old, and freed. */
static const struct hw_link *told(struct hw *hw, struct hw_pf *pf)
{
	return pf->link ? pf->link : look(hw, pf);
}

/* Those that are missing or have other rates, and what is not one of them goes if it is empty. */
static void make_groups(struct hw *hw, struct hw_pf *pf, const struct hw_link *link)
{
	const uint32_t owed = pf->due.owed & 1U << PF_FIELD_GROUPS;
	struct hw_plan plan = { 0 };
	bool all = true;

	if (!hw_groups_plan(&plan, pf, link, pf->wish, false, NULL))
		hw_groups_plan(&plan, pf, link, pf->wish, true, NULL);
	for (unsigned int i = 0; i < plan.n; i++)
		all &= make(hw, pf, &pf->due, &plan.steps[i], 1U << PF_FIELD_GROUPS);
	if (!all) { /* one that is made pays for no other */
		pf->due.owed |= owed;
		pf->due.said |= 1U << PF_FIELD_GROUPS;
	}
	hw_plan_fini(&plan);
}

/* The PF's own words. VFs are made where there are none: where there are, they may be in use. */
static void enforce_own(struct hw *hw, struct hw_pf *pf, const struct hw_link *link, bool repair,
			uint64_t now_ms)
{
	const struct pf_config *want = &pf->wish->config;
	const struct hw_step mode = { .op = HW_OP_ESWITCH,
				      .old.number = hw_mode_is(pf),
				      .new.number = want->eswitch };
	const struct hw_step number = { .op = HW_OP_NUMVFS, .new.number = want->numvfs };
	bool first = pf->caps.driver->mode_first;
	const struct hw_step steps[] = {
		{ .op = HW_OP_MAC, .old.mac = link->mac, .new.mac = want->mac },
		{ .op = HW_OP_MTU, .old.number = link->mtu, .new.number = want->mtu },
		{ .op = HW_OP_UP, .old.number = link->up, .new.number = want->up },
		first ? mode : number,
		first ? number : mode,
	};
	static const uint32_t bits[HW_OP_N] = { [HW_OP_MAC] = 1U << PF_FIELD_MAC,
						[HW_OP_MTU] = 1U << PF_FIELD_MTU,
						[HW_OP_UP] = 1U << PF_FIELD_UP,
						[HW_OP_NUMVFS] = 1U << PF_FIELD_NUMVFS,
						[HW_OP_ESWITCH] = 1U << PF_FIELD_ESWITCH };
	struct pf_config is;
	uint32_t drift = hw_own_drift(pf, link, &is), todo;

	if (link->n_vfs) {
		pf->due.owed &= ~(1U << PF_FIELD_NUMVFS);
		drift &= ~(1U << PF_FIELD_NUMVFS);
	}
	pf->due.owed &= drift; /* such of them as is so already needs no doing */
	todo = due_now(&pf->due, pf->due.owed | (repair ? drift & HW_PF_OWN : 0), now_ms);
	for (unsigned int i = 0; i < ARRAY_LEN(steps); i++) {
		uint32_t bit = bits[steps[i].op];

		if (todo & bit && make(hw, pf, &pf->due, &steps[i], bit) &&
		    bit & (bits[HW_OP_NUMVFS] |
			   bits[HW_OP_ESWITCH])) /* by them goes what it takes */
			hw_place(hw, pf, &(struct err){ 0 });
	}
	link = told(hw, pf);
	if (link && todo & 1U << PF_FIELD_GROUPS)
		make_groups(hw, pf, link);
}

static void enforce_vf(struct hw *hw, struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
		       bool repair, uint64_t now_ms)
{
	const struct hw_vf_wish *wish = &pf->wish->vfs[vf];
	struct hw_due *due = &pf->vf_due[vf];
	struct vf_config now = wish->config;
	struct hw_plan plan = { 0 };
	struct hw_words old, want;
	struct err e = { 0 };
	uint32_t todo;

	/* A group can come to be had with the switch's mode. */
	due->owed &= hw_can(pf, wish->fields & HW_WORDS) |
		     (wish->fields & hw_attrs[HW_ATTR_GROUP].fields);
	todo = hw_can(pf, due->owed) | (repair ? hw_drift(pf, link, vf) : 0);
	todo = due_now(due, todo, now_ms);
	if (!todo)
		return;
	/* An attribute may have words that nobody asked for beside one that is to be made. */
	hw_words_now(pf, link, vf, &old);
	hw_words_to(&old, ~wish->fields, &now);
	hw_words_from(&now, &want);
	if (hw_plan_vf(&plan, vf, &old, &want, todo, &e))
		log_err("a VF is not as it was asked for", "pf=%s vf=%u error=\"%s\"", pf->name, vf,
			e.msg);
	for (unsigned int i = 0; i < plan.n; i++)
		make(hw, pf, due, &plan.steps[i], hw_attrs[plan.steps[i].attr].fields);
	hw_plan_fini(&plan);
}

static void enforce_plug(struct hw *hw, struct hw_pf *pf, unsigned int vf, bool repair,
			 uint64_t now_ms)
{
	struct hw_due *due = &pf->plug_due[vf];
	struct err e = { 0 };

	due->owed &= !!pf->wish->vfs[vf].attach.kind;
	if (!due_now(due, due->owed | (repair && pf->attach_since[vf]), now_ms))
		return;
	hw_forget(pf);
	if (!hw_attach_again(hw, pf, vf, due->owed, &e)) {
		due->owed = due->said = 0;
		return;
	}
	if (!due->said)
		log_err("a VF is not attached as it was asked for", "pf=%s vf=%u error=\"%s\"",
			pf->name, vf, e.msg);
	due->said = 1;
}

static void enforce_mirror(struct hw *hw, struct hw_pf *pf, const struct hw_link *link,
			   unsigned int slot, bool repair, uint64_t now_ms)
{
	struct hw_due *due = &pf->mirror_due[slot];
	struct err e = { 0 };

	due->owed &= !!*pf->wish->mirrors[slot].name;
	if (!due_now(due, due->owed | (repair && pf->mirror_since[slot]), now_ms))
		return;
	if (!hw_mirror_again(hw, pf, link, slot, &e)) {
		due->owed = due->said = 0;
		return;
	}
	if (!due->said)
		log_err("a mirror does not mirror", "pf=%s mirror=%s error=\"%s\"", pf->name,
			pf->wish->mirrors[slot].name, e.msg);
	due->said = 1;
}

/* All that are not there. */
static void enforce_svcs(struct hw *hw, struct hw_pf *pf, uint64_t now_ms)
{
	struct hw_due *due = &pf->svc_due;
	struct err e = { 0 };
	int rc;

	if (!due_now(due, due->owed, now_ms))
		return;
	rc = hw_svcs_make(hw, pf, &e);
	if (!rc)
		due->owed = due->said = 0;
	else if (!due->said)
		log_err("a service port cannot be made", "pf=%s error=\"%s\"", pf->name, e.msg);
	due->said |= !!rc;
}

/**
 * hw_enforce() - Make of what was asked for what is owed, and what is repaired by a PF's policy
 * @hw: room
 * @pf: PF
 *
 * Where there is another number of VFs than was asked for, but not none, they may be in use: it
 * stays. What is owed of VFs that there are not waits for them.
 *
 * Context: control.
 */
void hw_enforce(struct hw *hw, struct hw_pf *pf)
{
	bool repair = pf->wish->config.drift == PF_DRIFT_REPAIR;
	const struct hw_link *link = look(hw, pf);
	uint64_t now_ms = loop_now_ms();

	if (!link || hw->trial)
		return;
	enforce_own(hw, pf, link, repair, now_ms);
	enforce_svcs(hw, pf, now_ms);
	for (unsigned int vf = 0; link && vf < VF_MAX; vf++) {
		link = told(hw, pf);
		if (!link || vf >= link->n_vfs)
			break;
		enforce_vf(hw, pf, link, vf, repair, now_ms);
		enforce_plug(hw, pf, vf, repair, now_ms);
	}
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		link = told(hw, pf);
		if (link)
			enforce_mirror(hw, pf, link, i, repair, now_ms);
	}
}
