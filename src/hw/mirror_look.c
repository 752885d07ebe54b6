/* SPDX-License-Identifier: Apache-2.0 */
/* Whether mirrors mirror: what is, what it lacks, and what is done where somebody ended one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hw/copy.h"
#include "hw/model.h"

static bool mac_is(const struct hw_link *link, const struct hw_mirror *m, char *is, size_t size)
{
	const struct hw_words *from = &link->vfs[m->from_vf].words,
			      *to = &link->vfs[m->to_vf].words;
	char a[MAC_STR_LEN], b[MAC_STR_LEN];

	if (!hw_attr_equal(HW_ATTR_VLAN, from, to)) {
		snprintf(is, size, "vf %u in VLAN %u, vf %u in %u", m->from_vf, from->vlan,
			 m->to_vf, to->vlan);
		return false;
	}
	snprintf(is, size, "vf %u has %s, vf %u %s", m->from_vf, mac_format(&from->mac, a),
		 m->to_vf, mac_format(&to->mac, b));
	return !mac_is_zero(&from->mac) && mac_equal(&from->mac, &to->mac);
}

static bool rules_are(const struct hw *hw, const struct hw_pf *pf, const struct hw_mirror *m,
		      char *is, size_t size)
{
	for (uint8_t dir = MIRROR_IN; dir <= MIRROR_OUT; dir++) {
		const struct hw_value rule = { .peer = m->to_vf, .dir = dir };
		struct hw_tc_told told = { .there = false };
		struct err why = { 0 };

		if (m->dir != MIRROR_BOTH && m->dir != dir)
			continue;
		if (hw_copy_rule_look(hw->rt, hw->opts.sysfs, &pf->nic, m->from_vf, &rule, &told,
				      &why)) {
			snprintf(is, size, "%s", why.msg);
			return false;
		}
		if (!told.there) {
			snprintf(is, size, "no rule %s", dir == MIRROR_IN ? "in" : "out");
			return false;
		}
	}
	return true;
}

static bool files_are(const struct hw *hw, const struct hw_pf *pf, const struct hw_mirror *m,
		      char *is, size_t size)
{
	const struct mirror_config c = { .from = m->from, .dir = m->dir };
	unsigned int files = hw_mirror_files(&c);

	for (uint8_t bit = HW_MIRROR_FILE_IN; bit <= HW_MIRROR_FILE_VLAN; bit <<= 1) {
		bool vlan = bit == HW_MIRROR_FILE_VLAN;
		const struct hw_value to = { .peer = vlan ? m->from_vlan : m->to_vf, .dir = bit };
		struct hw_file_told told;
		struct err why = { 0 };

		if (!(files & bit))
			continue;
		if (hw_copy_file_look(hw->opts.sysfs, &pf->nic, vlan ? m->to_vf : m->from_vf, &to,
				      &told, &why)) {
			snprintf(is, size, "%s", why.msg);
			return false;
		}
		if (told.known && !told.there) {
			snprintf(is, size, "%s", told.says);
			return false;
		}
	}
	return true;
}

/**
 * hw_mirror_is() - Does a mirror mirror, as far as can be seen?
 * @hw:   room
 * @pf:   PF
 * @link: what the kernel tells
 * @m:    mirror
 * @is:   gets what is instead
 * @size: of @is
 *
 * Return: true if so. Context: control.
 */
bool hw_mirror_is(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		  const struct hw_mirror *m, char *is, size_t size)
{
	if (m->to_vf >= link->n_vfs || (m->from == MIRROR_FROM_VF && m->from_vf >= link->n_vfs)) {
		snprintf(is, size, "no VF");
		return false;
	}
	switch ((enum hw_mirror_by)m->by) {
	case HW_MIRROR_TC:
		return rules_are(hw, pf, m, is, size);
	case HW_MIRROR_SYSFS:
		return files_are(hw, pf, m, is, size);
	case HW_MIRROR_MAC:
		return mac_is(link, m, is, size);
	case HW_MIRROR_BY_N:
		break;
	}
	return true;
}

/**
 * hw_mirror_say() - What a mirror is, for people
 * @m:    mirror
 * @out:  gets "vf 3 in to vf 2 by mac"
 * @size: of @out
 *
 * Context: any; pure.
 */
void hw_mirror_say(const struct hw_mirror *m, char *out, size_t size)
{
	bool vlan = m->from == MIRROR_FROM_VLAN;

	snprintf(out, size, "%s %u %s to vf %u by %s", vlan ? "vlan" : "vf",
		 vlan ? m->from_vlan : m->from_vf, mirror_fields[MIRROR_FIELD_DIR].names[m->dir],
		 m->to_vf, hw_mirror_by_names[m->by]);
}

static void tc_lacks(const struct hw *hw, const struct hw_pf *pf, const struct hw_mirror *m,
		     char *out, size_t size)
{
	const struct hw_value rule = { .peer = m->to_vf,
				       .dir = m->dir == MIRROR_BOTH ? MIRROR_IN : m->dir };
	struct hw_tc_told told = { .there = false };

	*out = '\0';
	if (!hw_copy_rule_look(hw->rt, hw->opts.sysfs, &pf->nic, m->from_vf, &rule, &told, NULL) &&
	    told.there && !told.in_hw)
		snprintf(out, size, "not in hardware: of what the CPU sees of vf %u alone",
			 m->from_vf);
}

/**
 * hw_mirror_lacks() - What a mirror does not do, and what it costs
 * @hw:   room
 * @pf:   PF
 * @m:    mirror
 * @out:  gets a sentence, or ""
 * @size: of @out
 *
 * Context: control.
 */
void hw_mirror_lacks(const struct hw *hw, const struct hw_pf *pf, const struct hw_mirror *m,
		     char *out, size_t size)
{
	switch ((enum hw_mirror_by)m->by) {
	case HW_MIRROR_TC:
		tc_lacks(hw, pf, m, out, size);
		return;
	case HW_MIRROR_SYSFS:
		snprintf(out, size, "as the driver of %s's vendor does it, which was not seen here",
			 pf->nic.driver);
		return;
	case HW_MIRROR_MAC:
		snprintf(out, size,
			 "only what vf %u receives%s; vf %u has its address, and none of its own, "
			 "until mirror del; a trusted guest may end it by another",
			 m->from_vf,
			 hw_twins_of(pf->nic.driver) == HW_TWINS_SEEN ? "" : ", by what was read",
			 m->to_vf);
		return;
	case HW_MIRROR_BY_N:
		break;
	}
	*out = '\0';
}

/* The address of the VF that is watched, whatever it is by now. */
static int mac_again(struct hw *hw, struct hw_pf *pf, const struct hw_link *link,
		     const struct hw_mirror *m, struct err *e)
{
	const struct mac *mac = &link->vfs[m->from_vf].words.mac;
	const struct hw_step step = {
		.op = HW_OP_VF, .attr = HW_ATTR_MAC, .vf = m->to_vf, .new.words.mac = *mac
	};
	struct hw_doer with = hw_doer_of(hw, pf);
	int rc;

	if (mac_is_zero(mac))
		return err_set(e, -EAGAIN, "vf %u has no MAC yet", m->from_vf);
	if (!hw_attr_equal(HW_ATTR_VLAN, &link->vfs[m->from_vf].words, &link->vfs[m->to_vf].words))
		return err_set(e, -EINVAL, "vf %u and vf %u are in different VLANs", m->from_vf,
			       m->to_vf);
	rc = hw_step_do(&with, &step, &step.new, e);
	if (!rc) {
		pf->wish->vfs[m->to_vf].config.mac = *mac;
		hw->stale = true;
	}
	hw_forget(pf); /* and @link with it */
	return rc;
}

/* Is it, done in the same way, among others? */
static bool is_among(const struct hw_pf *pf, const struct hw_mirror *m, const struct hw_wish *all)
{
	struct mirror_config c, other;

	hw_mirror_config(pf, m, &c);
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		hw_mirror_config(pf, &all->mirrors[i], &other);
		if (*all->mirrors[i].name && all->mirrors[i].by == m->by &&
		    !fields_diff(mirror_fields, &c, &other))
			return true;
	}
	return false;
}

/**
 * hw_mirrors_away() - End the mirrors of a PF that other wishes have not
 * @hw:   room
 * @pf:   PF; its wishes get what they were before these mirrors
 * @next: the others
 *
 * What cannot be ended is in the log.
 *
 * Context: control.
 */
void hw_mirrors_away(struct hw *hw, struct hw_pf *pf, const struct hw_wish *next)
{
	struct hw_doer with = hw_doer_of(hw, pf);
	const struct hw_link *link;
	struct hw_plan plan = { 0 };
	struct mac macs[VF_MAX];
	struct err e = { 0 };

	if (hw_look(hw, pf, HW_ASK_SETTINGS, &link, &e))
		return; /* they have gone with the NIC */
	hw_mirror_macs(link, macs);
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++)
		if (*pf->wish->mirrors[i].name && !is_among(pf, &pf->wish->mirrors[i], next))
			hw_mirror_leave(pf, &pf->wish->mirrors[i], macs, &plan, pf->wish, &e);
	for (unsigned int i = 0; i < plan.n; i++) {
		e = (struct err){ 0 };
		if (hw_step_do(&with, &plan.steps[i], &plan.steps[i].new, &e))
			log_err("a mirror is not taken away", "pf=%s error=\"%s\"", pf->name,
				e.msg);
	}
	hw_plan_fini(&plan);
}

/**
 * hw_mirror_again() - Make a mirror that does not mirror
 * @hw:   room
 * @pf:   PF
 * @link: what the kernel tells; old afterwards
 * @slot: of the mirror
 * @e:    error text; then nothing was done
 *
 * Return: 0, also where it is so; or the kernel's errno. Context: control.
 */
int hw_mirror_again(struct hw *hw, struct hw_pf *pf, const struct hw_link *link, unsigned int slot,
		    struct err *e)
{
	const struct hw_mirror *m = &pf->wish->mirrors[slot];
	auto_free struct hw_wish *next = NULL;
	struct hw_plan plan = { 0 };
	struct mac macs[VF_MAX];
	char is[128];
	int rc;

	if (hw_mirror_is(hw, pf, link, m, is, sizeof(is)))
		return 0;
	if (m->to_vf >= link->n_vfs || (m->from == MIRROR_FROM_VF && m->from_vf >= link->n_vfs))
		return err_set(e, -EAGAIN, "there is no such VF yet");
	if (m->by == HW_MIRROR_MAC)
		return mac_again(hw, pf, link, m, e);
	next = hw_wish_copy(pf, e);
	if (!next)
		return -ENOMEM;
	hw_mirror_macs(link, macs);
	rc = hw_mirror_join(hw, pf, link, &next->mirrors[slot], macs, &plan, next, e);
	rc = rc ?: hw_change(hw, pf, &plan, &next, NULL, e);
	hw_plan_fini(&plan);
	return rc;
}
