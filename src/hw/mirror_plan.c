/* SPDX-License-Identifier: Apache-2.0 */
/* Mirrors as steps of a plan: to them, from them, and of VFs that go. */
#include <errno.h>
#include <string.h>

#include "hw/copy.h"
#include "hw/model.h"

#define MAC (1U << VF_FIELD_MAC)

/**
 * hw_mirror_config() - A mirror in the words of all mirrors
 * @pf:  its PF
 * @m:   mirror
 * @out: gets it
 *
 * Context: control; pure.
 */
void hw_mirror_config(const struct hw_pf *pf, const struct hw_mirror *m, struct mirror_config *out)
{
	*out = (struct mirror_config){ .from = m->from,
				       .from_vf = m->from_vf,
				       .from_vlan = m->from_vlan,
				       .dir = m->dir,
				       .to = MIRROR_TO_VF,
				       .to_vf = m->to_vf };
	strcpy(out->name, m->name);
	snprintf(out->from_pf, sizeof(out->from_pf), "%s", pf->name);
	snprintf(out->to_pf, sizeof(out->to_pf), "%s", pf->name);
}

/**
 * hw_mirror_facts() - What counts of a NIC for a mirror
 * @hw:   room
 * @pf:   PF
 * @want: mirror
 * @out:  gets it; borrows from @pf
 *
 * Context: control.
 */
void hw_mirror_facts(struct hw *hw, const struct hw_pf *pf, const struct mirror_config *want,
		     struct hw_mirror_facts *out)
{
	struct hw_netdev dev;

	*out = (struct hw_mirror_facts){
		.device = pf->name,
		.driver = pf->nic.driver,
		.eswitch = pf->caps.eswitch,
		.representors =
			hw_copy_representor(hw->opts.sysfs, &pf->nic, want->from_vf, &dev) &&
			hw_copy_representor(hw->opts.sysfs, &pf->nic, want->to_vf, &dev),
		.files = hw_copy_files(hw->opts.sysfs, &pf->nic, want->from_vf, want->to_vf),
		.twins = hw_twins_of(pf->nic.driver),
	};
}

/**
 * hw_mirror_macs() - Addresses of VFs, before the steps of a plan
 * @link: what the kernel tells
 * @out:  gets them
 *
 * Context: control; pure.
 */
void hw_mirror_macs(const struct hw_link *link, struct mac out[VF_MAX])
{
	memset(out, 0, VF_MAX * sizeof(*out));
	for (unsigned int vf = 0; vf < link->n_vfs && vf < VF_MAX; vf++)
		out[vf] = link->vfs[vf].words.mac;
}

static int plan_mac(struct hw_plan *plan, unsigned int vf, struct mac *is, const struct mac *to,
		    struct err *e)
{
	const struct hw_words old = { .mac = *is }, new = { .mac = *to };

	*is = *to;
	return hw_plan_vf(plan, vf, &old, &new, MAC, e);
}

/* What holds now, and in a trial perhaps not yet. */
static int judge_now(const struct hw_link *link, const struct hw_mirror *m,
		     const struct mac macs[VF_MAX], struct err *e)
{

	if (mac_is_zero(&macs[m->from_vf]))
		return err_set(e, -EINVAL, "vf %u has no MAC yet, by which its frames are known",
			       m->from_vf);
	if (!hw_attr_equal(HW_ATTR_VLAN, &link->vfs[m->from_vf].words, &link->vfs[m->to_vf].words))
		return err_set(
			e, -EINVAL,
			"vf %u and vf %u are in different VLANs, %u and %u: no copy would pass",
			m->from_vf, m->to_vf, link->vfs[m->from_vf].words.vlan,
			link->vfs[m->to_vf].words.vlan);
	return 0;
}

/* One address at two VFs: whether that can be had. */
static int judge_mac(const struct hw_pf *pf, const struct hw_mirror *m,
		     const struct mac macs[VF_MAX], const struct hw_wish *want, struct err *e)
{
	const struct hw_words words = { .mac = macs[m->from_vf] };

	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		const struct hw_mirror *o = &want->mirrors[i];

		if (!*o->name || o == m || o->by != HW_MIRROR_MAC)
			continue;
		if (o->to_vf == m->to_vf || o->to_vf == m->from_vf || o->from_vf == m->to_vf)
			return err_set(e, -EBUSY, "vf %u has an address for mirror %s already",
				       o->from_vf == m->to_vf ? m->to_vf : o->to_vf, o->name);
	}
	return hw_caps_check(&pf->caps, &words, MAC, e);
}

static int join_mac(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		    struct hw_mirror *m, struct mac macs[VF_MAX], struct hw_plan *plan,
		    struct hw_wish *want, struct err *e)
{
	struct hw_vf_wish *to = &want->vfs[m->to_vf];
	int rc = hw->trial ? 0 : judge_now(link, m, macs, e);

	rc = rc ?: judge_mac(pf, m, macs, want, e);
	if (rc)
		return rc;
	m->own = macs[m->to_vf];
	m->was_asked = to->fields & MAC;
	m->asked = to->config.mac;
	to->config.mac = macs[m->from_vf];
	to->fields |= MAC;
	return plan_mac(plan, m->to_vf, &macs[m->to_vf], &to->config.mac, e);
}

static int leave_mac(struct hw_mirror *m, struct mac macs[VF_MAX], struct hw_plan *plan,
		     struct hw_wish *want, struct err *e)
{
	struct hw_vf_wish *to = &want->vfs[m->to_vf];

	to->config.mac = m->was_asked ? m->asked : (struct mac){ 0 };
	if (!m->was_asked)
		to->fields &= ~MAC;
	return plan_mac(plan, m->to_vf, &macs[m->to_vf], &m->own, e);
}

static int add(struct hw_plan *plan, enum hw_op op, unsigned int vf, unsigned int peer, uint8_t dir,
	       bool on, struct err *e)
{
	const struct hw_value there = { .number = 1, .peer = (uint16_t)peer, .dir = dir },
			      none = { .peer = (uint16_t)peer, .dir = dir };
	const struct hw_step step = { .op = (uint8_t)op,
				      .vf = (uint16_t)vf,
				      .old = on ? none : there,
				      .new = on ? there : none };

	return hw_plan_add(plan, &step, e);
}

/* The rules, one a direction. */
static int plan_rules(struct hw_plan *plan, const struct hw_mirror *m, bool on, struct err *e)
{
	int rc = 0;

	for (uint8_t dir = MIRROR_IN; !rc && dir <= MIRROR_OUT; dir++)
		if (m->dir == MIRROR_BOTH || m->dir == dir)
			rc = add(plan, HW_OP_COPY, m->from_vf, m->to_vf, dir, on, e);
	return rc;
}

/* Another mirror with rules at the same VF. */
static struct hw_mirror *sharer(struct hw_wish *want, const struct hw_mirror *m)
{
	for (struct hw_mirror *o = want->mirrors; o < want->mirrors + HW_MIRRORS_MAX; o++)
		if (o != m && *o->name && o->by == HW_MIRROR_TC && o->from_vf == m->from_vf)
			return o;
	return NULL;
}

/* Whether a VF's representor has a place for rules when a plan has been done so far. */
static bool has_clsact(const struct hw *hw, const struct hw_pf *pf, unsigned int vf,
		       const struct hw_plan *plan)
{
	for (unsigned int i = plan->n; i--;)
		if (plan->steps[i].op == HW_OP_CLSACT && plan->steps[i].vf == vf)
			return plan->steps[i].new.number;
	return hw_copy_clsact_is(hw->rt, hw->opts.sysfs, &pf->nic, vf);
}

/* One that made the place before, and is made again, is who has made it still. */
static int join_tc(struct hw *hw, const struct hw_pf *pf, struct hw_mirror *m, struct hw_plan *plan,
		   struct err *e)
{
	int rc = 0;

	if (!has_clsact(hw, pf, m->from_vf, plan)) {
		m->made_clsact = true;
		rc = add(plan, HW_OP_CLSACT, m->from_vf, 0, 0, true, e);
	}
	return rc ?: plan_rules(plan, m, true, e);
}

/* The place for rules goes with the last of them, if it came with the first. */
static int leave_tc(struct hw_mirror *m, struct hw_plan *plan, struct hw_wish *want, struct err *e)
{
	struct hw_mirror *other = sharer(want, m);
	int rc = plan_rules(plan, m, false, e);

	if (rc || !m->made_clsact)
		return rc;
	if (!other)
		return add(plan, HW_OP_CLSACT, m->from_vf, 0, 0, false, e);
	other->made_clsact = true;
	return 0;
}

static int plan_files(struct hw_plan *plan, const struct hw_mirror *m, bool on, struct err *e)
{
	const struct mirror_config c = { .from = m->from, .dir = m->dir };
	unsigned int files = hw_mirror_files(&c);
	int rc = 0;

	if (files == HW_MIRROR_FILE_VLAN)
		return add(plan, HW_OP_FILE, m->to_vf, m->from_vlan, HW_MIRROR_FILE_VLAN, on, e);
	for (uint8_t bit = HW_MIRROR_FILE_IN; !rc && bit <= HW_MIRROR_FILE_OUT; bit <<= 1)
		if (files & bit)
			rc = add(plan, HW_OP_FILE, m->from_vf, m->to_vf, bit, on, e);
	return rc;
}

/**
 * hw_mirror_join() - The steps to a mirror
 * @hw:   room
 * @pf:   PF
 * @link: what the kernel tells
 * @m:    mirror in its slot of @want; gets what its end needs
 * @macs: of VFs; changed as the steps do
 * @plan: gets them
 * @want: wishes; get what the mirror asks for
 * @e:    names what is in the way
 *
 * Return: 0, -EINVAL, -EBUSY, -EOPNOTSUPP, -ENOMEM. Context: control.
 */
int hw_mirror_join(struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		   struct hw_mirror *m, struct mac macs[VF_MAX], struct hw_plan *plan,
		   struct hw_wish *want, struct err *e)
{
	switch ((enum hw_mirror_by)m->by) {
	case HW_MIRROR_TC:
		return join_tc(hw, pf, m, plan, e);
	case HW_MIRROR_SYSFS:
		return plan_files(plan, m, true, e);
	case HW_MIRROR_MAC:
		return join_mac(hw, pf, link, m, macs, plan, want, e);
	case HW_MIRROR_BY_N:
		break;
	}
	return err_set(e, -EINVAL, "no way to mirror");
}

/**
 * hw_mirror_leave() - The steps from a mirror; its slot is free afterwards
 * @pf:   PF
 * @m:    mirror in its slot of @want
 * @macs: of VFs; changed as the steps do
 * @plan: gets them
 * @want: wishes; get what they were before it
 * @e:    error text
 *
 * Return: 0 or -ENOMEM. Context: control; pure.
 */
int hw_mirror_leave(const struct hw_pf *pf, struct hw_mirror *m, struct mac macs[VF_MAX],
		    struct hw_plan *plan, struct hw_wish *want, struct err *e)
{
	int rc = 0;

	switch ((enum hw_mirror_by)m->by) {
	case HW_MIRROR_TC:
		rc = leave_tc(m, plan, want, e);
		break;
	case HW_MIRROR_SYSFS:
		rc = plan_files(plan, m, false, e);
		break;
	case HW_MIRROR_MAC:
		rc = leave_mac(m, macs, plan, want, e);
		break;
	case HW_MIRROR_BY_N:
		break;
	}
	*m = (struct hw_mirror){ 0 };
	return rc;
}

static bool has_vf(const struct hw_mirror *m, unsigned int vf)
{
	return *m->name && (m->to_vf == vf || (m->from == MIRROR_FROM_VF && m->from_vf == vf));
}

/**
 * hw_mirrors_leave_vf() - The steps from all mirrors of a VF, those to it and from it
 * @pf:   PF
 * @link: what the kernel tells
 * @vf:   number
 * @plan: gets them
 * @want: wishes, without them afterwards
 * @e:    error text
 *
 * Return: 0 or -ENOMEM. Context: control; pure.
 */
int hw_mirrors_leave_vf(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
			struct hw_plan *plan, struct hw_wish *want, struct err *e)
{
	struct mac macs[VF_MAX];
	int rc = 0;

	hw_mirror_macs(link, macs);
	for (unsigned int i = 0; !rc && i < HW_MIRRORS_MAX; i++)
		if (has_vf(&want->mirrors[i], vf))
			rc = hw_mirror_leave(pf, &want->mirrors[i], macs, plan, want, e);
	return rc;
}

/**
 * hw_mirrors_cut() - The steps from mirrors, before all VFs go and only some of them come back
 * @pf:   PF
 * @link: what the kernel tells
 * @n:    VFs that there will be
 * @vfs:  words that VFs are to have again; get addresses that mirrors had taken
 * @plan: gets them
 * @want: wishes, with the mirrors of VFs that stay
 * @e:    error text
 *
 * Mirrors that stay and are no address are to be made again afterwards.
 *
 * Return: 0 or -ENOMEM. Context: control; pure.
 */
int hw_mirrors_cut(const struct hw_pf *pf, const struct hw_link *link, unsigned int n,
		   struct hw_words vfs[VF_MAX], struct hw_plan *plan, struct hw_wish *want,
		   struct err *e)
{
	struct mac macs[VF_MAX];
	int rc = 0;

	hw_mirror_macs(link, macs);
	for (unsigned int i = 0; !rc && i < HW_MIRRORS_MAX; i++) {
		struct hw_mirror *m = &want->mirrors[i];
		const struct hw_mirror kept = *m;
		bool stays = m->to_vf < n && (m->from != MIRROR_FROM_VF || m->from_vf < n);

		if (!*m->name || (stays && m->by == HW_MIRROR_MAC))
			continue;
		rc = hw_mirror_leave(pf, m, macs, plan, want, e);
		if (kept.by == HW_MIRROR_MAC && kept.to_vf < link->n_vfs)
			vfs[kept.to_vf].mac = kept.own;
		if (stays)
			*m = kept;
	}
	return rc;
}

/**
 * hw_mirror_of() - A mirror that has to do with a VF
 * @wish:   wishes
 * @vf:     number
 * @by_mac: only such that are one address at two VFs
 *
 * Return: the first, or NULL. Context: control; pure.
 */
const struct hw_mirror *hw_mirror_of(const struct hw_wish *wish, unsigned int vf, bool by_mac)
{
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++)
		if (has_vf(&wish->mirrors[i], vf) &&
		    (!by_mac || wish->mirrors[i].by == HW_MIRROR_MAC))
			return &wish->mirrors[i];
	return NULL;
}

/**
 * hw_mirror_keep() - What the agent asks for of a VF that has a mirror's address is for afterwards
 * @want:   wishes; the mirror keeps what was asked for
 * @change: of the VF; loses its MAC
 *
 * The agent writes all that a port has, whoever mirrors to it.
 *
 * Context: control; pure.
 */
void hw_mirror_keep(struct hw_wish *want, struct vf_change *change)
{
	for (struct hw_mirror *m = want->mirrors; m < want->mirrors + HW_MIRRORS_MAX; m++) {
		if (!*m->name || m->by != HW_MIRROR_MAC || m->to_vf != change->vf ||
		    !(change->changed & MAC))
			continue;
		change->changed &= ~MAC;
		m->was_asked = true;
		m->asked = change->want.mac;
		m->own = change->want.mac;
	}
}
