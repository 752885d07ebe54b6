/* SPDX-License-Identifier: Apache-2.0 */
/* The PF's verbs. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"

#define HW_PF_SET                                                                                  \
	(1U << PF_FIELD_NUMVFS | 1U << PF_FIELD_MTU | 1U << PF_FIELD_MAC | 1U << PF_FIELD_UP |     \
	 1U << PF_FIELD_DRIFT | 1U << PF_FIELD_GROUPS | 1U << PF_FIELD_ESWITCH)
/* Of the PF's own counters. */
#define OWN_UNTOLD (1U << VF_COUNT_RX_BROADCAST | 1U << VF_COUNT_MIRRORED | 1U << VF_COUNT_DROPS)
#define HW_VF_OWN  (1U << VF_FIELD_PORT_ID | 1U << VF_FIELD_SERVER) /* words kept here alone */

/* Words that no PF of a NIC has. */
static int pf_words_check(const struct hw_pf *pf, uint32_t said, struct err *e)
{
	uint32_t other = said & ~(HW_PF_SET | 1U << PF_FIELD_NAME | 1U << PF_FIELD_FORCE);

	for (unsigned int i = 0; other; i++, other >>= 1)
		if (other & 1)
			return err_set(e, -EOPNOTSUPP, "%s (%s): \"%s\" is a word of software PFs",
				       pf->name, pf->nic.driver, pf_fields[i].word);
	return 0;
}

#define ANEW                                                                                       \
	", and a NIC's number of VFs changes by way of none (numvfs N force does it all the same)"

/* What a VF that was just made is to have. */
static void wish_words(const struct hw_pf *pf, const struct hw_vf_wish *wish, struct hw_words *out)
{
	const struct hw_words fresh = hw_fresh(pf);
	struct vf_config c = wish->config;

	hw_words_to(&fresh, ~wish->fields, &c);
	hw_words_from(&c, out);
}

/* What is attached is unplugged first; those that stay are plugged in again afterwards. */
static int plan_unplug(struct hw_plan *plan, struct hw *hw, const struct hw_pf *pf,
		       const struct hw_link *link, struct hw_wish *want, struct err *e)
{
	struct hw_vf_dev dev;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < link->n_vfs; i++) {
		const struct hw_vf_wish kept = want->vfs[i];

		/* Else the kernel would wait for its user. */
		if (!hw_nic_vf(hw->opts.sysfs, &pf->nic, i, &dev, NULL) &&
		    hw_vf_is_open(hw->opts.sysfs, &dev))
			return err_set(e, -EBUSY, "%s vf %u: a VM or a program has it, by %s",
				       pf->name, i, dev.driver);
		if (kept.attach.kind)
			rc = hw_attach_leave(hw, pf, i, plan, want, e);
		want->vfs[i] = kept;
	}
	return rc;
}

/* Some drivers fall back to legacy mode with another number of VFs, so groups go before. */
static int plan_groups_away(struct hw_plan *plan, const struct hw_pf *pf,
			    const struct hw_link *link, const struct hw_wish *want, uint32_t said,
			    struct err *e)
{
	const struct hw_wish *was = pf->wish;
	bool asked = was->fields & 1U << PF_FIELD_GROUPS && *was->config.groups;

	if (said & 1U << PF_FIELD_GROUPS && *want->config.groups)
		return err_set(e, -EINVAL, "%s: numvfs and groups cannot be changed in one line",
			       pf->name);
	if (said & 1U << PF_FIELD_GROUPS)
		return hw_groups_plan(plan, pf, link, want, true, e);
	if (link->groups.n || asked)
		return err_set(e, -EBUSY,
			       "%s has groups, which would go with its VFs: set groups none first",
			       pf->name);
	return 0;
}

/* The steps to another number of VFs; @want gets its wishes cut to that. */
static int plan_number(struct hw_plan *plan, struct hw *hw, const struct hw_pf *pf,
		       const struct hw_link *link, struct hw_wish *want, unsigned int n,
		       uint32_t said, struct err *e)
{
	const struct hw_words fresh = hw_fresh(pf);
	struct hw_words vfs[VF_MAX];
	int rc;

	if (n == link->n_vfs)
		return 0;
	if (n > pf->nic.totalvfs) /* untold is more than any */
		return err_set(e, -ERANGE, "%s has %u VFs at most, not %u", pf->name,
			       pf->nic.totalvfs, n);
	rc = plan_groups_away(plan, pf, link, want, said, e);
	if (!rc && said & 1U << PF_FIELD_FORCE)
		rc = plan_unplug(plan, hw, pf, link, want, e);
	else if (!rc)
		rc = hw_vfs_unused(hw, pf, link->n_vfs, n, ANEW, e);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < link->n_vfs; i++)
		hw_words_now(pf, link, i, &vfs[i]);
	rc = hw_mirrors_cut(pf, link, n, vfs, plan, want, e);
	if (rc)
		return rc;
	for (unsigned int i = n; i < VF_MAX; i++) {
		want->vfs[i] = (struct hw_vf_wish){ 0 };
		vf_config_default(&want->vfs[i].config);
	}
	rc = hw_plan_numvfs(plan, vfs, link->n_vfs, n, &fresh, pf->caps.fields, e);
	/* Somebody took away VFs of which words were asked for: they have them again. */
	for (unsigned int i = link->n_vfs; !rc && i < n; i++) {
		wish_words(pf, &want->vfs[i], &vfs[i]);
		rc = hw_plan_vf(plan, i, &fresh, &vfs[i],
				hw_can(pf, want->vfs[i].fields & HW_WORDS), e);
	}
	return rc;
}

static bool renumbers(const struct hw_link *link, const struct hw_wish *want, uint32_t said)
{
	return said & 1U << PF_FIELD_NUMVFS && want->config.numvfs != link->n_vfs;
}

/* The steps for a PF's own words. */
static int plan_pf(struct hw_plan *plan, struct hw *hw, const struct hw_pf *pf,
		   const struct hw_link *link, struct hw_wish *want, const struct pf_change *change,
		   struct err *e)
{
	const struct pf_config *c = &want->config;
	uint32_t said = change->changed;
	bool first = pf->caps.driver->mode_first;
	const struct hw_step steps[] = {
		{ .op = HW_OP_MAC, .old.mac = link->mac, .new.mac = c->mac },
		{ .op = HW_OP_MTU, .old.number = link->mtu, .new.number = c->mtu },
		{ .op = HW_OP_UP, .old.number = link->up, .new.number = c->up },
	};
	static const uint32_t bits[] = { 1U << PF_FIELD_MAC, 1U << PF_FIELD_MTU,
					 1U << PF_FIELD_UP };
	int rc = 0;

	want->fields |= said & HW_PF_SET;
	for (unsigned int i = 0; !rc && i < ARRAY_LEN(steps); i++)
		if (said & bits[i])
			rc = hw_plan_add(plan, &steps[i], e);
	if (!rc && said & 1U << PF_FIELD_GROUPS)
		rc = hw_groups_plan(plan, pf, link, want, false, e);
	if (!rc && first)
		rc = hw_mode_plan(plan, hw, pf, link, change, e);
	if (!rc && said & 1U << PF_FIELD_NUMVFS)
		rc = plan_number(plan, hw, pf, link, want, c->numvfs, said, e);
	if (!rc && !first)
		rc = hw_mode_plan(plan, hw, pf, link, change, e);
	return rc;
}

/*
 * Words of every port of the API that ask for nothing, so that a device has them that knows them
 * not. An MTU is the guest's own affair, up to the PF's.
 */
static uint32_t spare(const struct hw_pf *pf, const struct vf_config *want)
{
	struct vf_config none;

	vf_config_default(&none);
	none.spoofchk = false;
	return 1U << VF_FIELD_MTU | (~hw_can(pf, HW_WORDS) & ~fields_diff(vf_fields, &none, want));
}

/* -EOPNOTSUPP, by name, for a word that the device cannot do. */
static int vf_words_check(const struct hw_pf *pf, const struct vf_change *c, bool by_agent,
			  struct err *e)
{
	uint32_t asked = c->changed & ~(HW_VF_OWN | (by_agent ? spare(pf, &c->want) : 0));
	struct hw_words want;

	if (c->trunk_add.set || c->trunk_rem.set)
		asked |= 1U << VF_FIELD_TRUNK;
	if (c->allowed_add.n || c->allowed_rem.n)
		asked |= 1U << VF_FIELD_ALLOWED;
	hw_words_from(&c->want, &want);
	return hw_caps_check(&pf->caps, &want, asked, e);
}

/* What a mirror by addresses stands on. */
static int held_by_mirror(const struct hw_pf *pf, unsigned int vf, const struct hw_words *is,
			  const struct hw_words *words, struct err *e)
{
	const struct hw_mirror *m = hw_mirror_of(pf->wish, vf, true);

	if (!m || (hw_attr_equal(HW_ATTR_MAC, is, words) && hw_attr_equal(HW_ATTR_VLAN, is, words)))
		return 0;
	return err_set(e, -EBUSY, "%s: mirror %s is by it: delete that first",
		       hw_attr_equal(HW_ATTR_MAC, is, words) ? "vlan" : "mac", m->name);
}

/* What counts as asked for, of what it is already, and what not; nothing is done. */
static void vf_note(const struct hw_pf *pf, const struct vf_change *c, struct hw_vf_wish *wish)
{
	uint32_t noted = hw_can(pf, c->noted & HW_WORDS);

	fields_apply(vf_fields, &wish->config, &c->want, noted);
	wish->rounded &= !(noted & hw_attrs[HW_ATTR_RATE].fields);
	wish->fields = (wish->fields | noted) & ~c->forgotten;
}

/*
 * Words that are not of this change stay as they were asked for, whatever somebody, or the driver,
 * has made of them: that is drift. But for what does not go with those that are (a rate below the
 * other).
 */
static void wish_take(struct hw_vf_wish *wish, const struct vf_config *new, uint32_t changed)
{
	struct vf_config next = *new;

	fields_apply(vf_fields, &next, &wish->config, wish->fields & HW_WORDS & ~changed);
	wish->config = vf_config_check(&next, HW_WORDS, NULL) ? *new : next;
	wish->fields |= changed;
}

/* One VF's words on top of what it is: wishes and steps. @is: words by now, with steps before. */
static int plan_vf(struct hw_plan *plan, const struct hw_pf *pf, const struct vf_change *c,
		   bool by_agent, uint16_t mtu, struct hw_vf_wish *wish, struct hw_words *is,
		   struct err *e)
{
	struct pf_config any = { .mtu = mtu };
	struct vf_config old = wish->config, new;
	struct hw_words words;
	int rc = vf_words_check(pf, c, by_agent, e);

	if (rc)
		return rc;
	hw_words_to(is, HW_WORDS, &old);
	rc = vf_change_apply(&old, c, &any, &new, e);
	if (rc)
		return rc;
	if (by_agent) {
		wish->by_agent |= c->changed;
		wish->overridden &= ~c->changed;
	} else {
		wish->overridden |= wish->by_agent & fields_diff(vf_fields, &old, &new);
	}
	hw_words_from(&new, &words);
	rc = held_by_mirror(pf, c->vf, is, &words, e);
	if (rc)
		return rc;
	rc = hw_plan_vf(plan, c->vf, is, &words, hw_can(pf, c->changed & HW_WORDS), e);
	wish_take(wish, &new, c->changed);
	vf_note(pf, c, wish);
	*is = words;
	return rc;
}

static int plan_vfs(struct hw_plan *plan, const struct hw *hw, const struct hw_pf *pf,
		    const struct hw_link *link, const struct pf_change *change,
		    struct hw_wish *want, struct err *e)
{
	/* In a trial a line before this one may have said it. */
	uint32_t said = change->changed | (hw->trial ? want->fields : 0);
	unsigned int n = said & 1U << PF_FIELD_NUMVFS ? want->config.numvfs : link->n_vfs;
	uint32_t mtu = change->changed & 1U << PF_FIELD_MTU ? change->want.mtu : link->mtu;
	struct hw_words is[VF_MAX];

	for (unsigned int i = 0; i < n; i++)
		if (i < link->n_vfs)
			hw_words_now(pf, link, i, &is[i]);
		else
			wish_words(pf, &want->vfs[i], &is[i]);
	for (unsigned int i = 0; i < change->n_vfs; i++) {
		struct vf_change c = change->vfs[i];
		int rc;

		if (c.vf >= n)
			return err_set(e, -EINVAL, "%s has no vf %u", pf->name, c.vf);
		if (change->by_agent)
			hw_mirror_keep(want, &c);
		rc = plan_vf(plan, pf, &c, change->by_agent,
			     (uint16_t)MIN(mtu, (uint32_t)UINT16_MAX), &want->vfs[c.vf], &is[c.vf],
			     e);
		if (rc) {
			err_prefix(e, "%s vf %u", pf->name, c.vf);
			return rc;
		}
	}
	return 0;
}

/* What a command asks for of a PF, all of it or nothing. */
static int apply(struct hw *hw, struct hw_pf *pf, const struct pf_change *change, struct err *e)
{
	auto_free struct hw_wish *want = NULL;
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	int rc;

	hw_mode_follow(hw, pf);
	rc = hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);
	rc = rc ?: pf_words_check(pf, change->changed, e);
	if (rc || !(want = hw_wish_copy(pf, e)))
		return rc ?: -ENOMEM;
	fields_apply(pf_fields, &want->config, &change->want,
		     (change->changed | change->noted) & HW_PF_SET);
	snprintf(want->config.name, sizeof(want->config.name), "%s", pf->name);
	rc = pf_config_check(&want->config, e) ?: vf_groups_order(want->config.groups, e);
	rc = rc ?: plan_pf(&plan, hw, pf, link, want, change, e);
	rc = rc ?: plan_vfs(&plan, hw, pf, link, change, want, e);
	rc = rc ?: hw_groups_check(pf, link, want, change, e);
	if (!rc && change->changed & 1U << PF_FIELD_GROUPS &&
	    !renumbers(link, want, change->changed)) /* else they have gone */
		rc = hw_groups_plan(&plan, pf, link, want, true, e);
	want->fields = (want->fields | (change->noted & HW_PF_OWN)) & ~change->forgotten;
	rc = rc ?: hw_change(hw, pf, &plan, &want, NULL, e);
	for (unsigned int i = 0; !rc && i < VF_MAX; i++)
		if (pf->wish->vfs[i].attach.kind && change->changed & 1U << PF_FIELD_NUMVFS)
			pf->plug_due[i].owed = 1;
	for (unsigned int i = 0; !rc && i < HW_MIRRORS_MAX; i++)
		if (*pf->wish->mirrors[i].name && change->changed & 1U << PF_FIELD_NUMVFS)
			pf->mirror_due[i].owed = 1;
	if (!rc)
		hw_mode_changed(hw, pf, change);
	if (!rc && change->changed & (1U << PF_FIELD_NUMVFS | 1U << PF_FIELD_ESWITCH))
		hw_enforce(hw, pf);
	hw_plan_fini(&plan);
	return rc;
}

/**
 * hw_pf_add() - struct pf_ops.pf_add: serve a NIC's PF
 * @ctx:  struct hw
 * @want: its name is that of the netdev
 * @said: what to set; all else stays as it is
 * @e:    says why it cannot serve
 *
 * Return: 0; -ENODEV; -EEXIST; -EOPNOTSUPP: it has no VFs, or its driver no words for them; what
 * hw_pf_set() says.
 * Context: control.
 */
int hw_pf_add(void *ctx, const struct pf_config *want, uint32_t said, struct err *e)
{
	const struct pf_change change = { .changed = said & ~(1U << PF_FIELD_NAME), .want = *want };
	auto_of(hw_pf_free) struct hw_pf *pf = NULL;
	struct hw *hw = ctx;
	struct hw_nic nic;
	int rc = hw_nic_find(hw->opts.sysfs, want->name, &nic, e);

	if (rc)
		return rc;
	if (*nic.why.msg)
		return err_set(e, -EOPNOTSUPP, "%s: %s", want->name, nic.why.msg);
	for (unsigned int i = 0; i < hw->n_pfs; i++)
		if (!strcmp(hw->pfs[i]->nic.address, nic.address))
			return err_set(e, -EEXIST, "PF %s exists", want->name);
	if (hw->n_pfs == PFS_MAX)
		return err_set(e, -ENOSPC, "there are %u PFs already", PFS_MAX);
	pf = hw_pf_new(nic.address, e);
	rc = pf ? hw_place(hw, pf, e) : -ENOMEM;
	if (rc)
		return rc;
	pf->adding = true;
	hw->pfs[hw->n_pfs++] = pf;
	rc = apply(hw, pf, &change, e);
	if (rc)
		hw->n_pfs--;
	else
		take(pf); /* it is the list's */
	return rc;
}

/* The steps to a NIC as it was before anybody asked for VFs: none. */
static int plan_reset(struct hw *hw, struct hw_pf *pf, struct hw_plan *plan, struct hw_wish *want,
		      struct err *e)
{
	const struct hw_link *link;
	int rc = hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);

	return rc ?: plan_number(plan, hw, pf, link, want, 0, 0, e);
}

/**
 * hw_pf_del() - struct pf_ops.pf_del: serve it no more
 * @ctx:   struct hw
 * @name:  PF
 * @reset: its VFs go, else the NIC stays as it is
 * @e:     names what still uses it
 *
 * Return: 0, -ENODEV, -EBUSY, the kernel's errno, or that of the state file.
 * Context: control.
 */
int hw_pf_del(void *ctx, const char *name, bool reset, struct err *e)
{
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, name, e);
	auto_free struct hw_wish *want = NULL;
	struct hw_plan plan = { 0 };
	unsigned int at = 0;
	int rc = pf ? hw_vfs_unused(hw, pf, VF_MAX, 0, "", e) : -ENODEV;

	if (rc || !(want = hw_wish_copy(pf, e)))
		return rc ?: -ENOMEM;
	rc = hw_svcs_leave(pf, &plan, e);
	rc = rc ?: reset ? plan_reset(hw, pf, &plan, want, e) : 0;
	pf->leaving = true;
	rc = rc ?: hw_change(hw, pf, &plan, &want, NULL, e);
	pf->leaving = false;
	hw_plan_fini(&plan);
	if (rc)
		return rc;
	while (hw->pfs[at] != pf)
		at++;
	hw->pfs[at] = hw->pfs[--hw->n_pfs];
	hw_pf_free(pf);
	return 0;
}

/**
 * hw_pf_set() - struct pf_ops.pf_set: one command line, as a whole or not at all
 * @ctx:    struct hw
 * @name:   PF
 * @change: words of the PF and its VFs
 * @e:      names device, VF and word
 *
 * What the device cannot do is refused before anything is changed; what the kernel refuses
 * after all, with what was done before taken back.
 *
 * Return: 0, -ENODEV, -EINVAL, -EOPNOTSUPP, -ERANGE, -EBUSY, or the kernel's errno.
 * Context: control.
 */
int hw_pf_set(void *ctx, const char *name, const struct pf_change *change, struct err *e)
{
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, name, e);
	int rc;

	if (!pf)
		return -ENODEV;
	if (change->changed & 1U << PF_FIELD_NAME && strcmp(change->want.name, pf->name))
		return err_set(e, -EOPNOTSUPP, "a PF has the name of its netdev");
	rc = apply(hw, pf, change, e);
	if (!rc)
		hw_hurry(pf);
	return rc;
}

/**
 * hw_pf_list() - struct pf_ops.pf_list
 * @ctx: struct hw
 * @out: names by now
 * @max: of @out
 *
 * Return: how many there are.
 * Context: control.
 */
int hw_pf_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max)
{
	struct hw *hw = ctx;
	const struct hw_link *link;

	for (unsigned int i = 0; i < MIN(hw->n_pfs, max); i++) {
		struct err why = { 0 };

		hw_look(hw, hw->pfs[i], HW_ASK_SETTINGS, &link, &why);
		strcpy(out[i], hw->pfs[i]->name);
	}
	return (int)hw->n_pfs;
}

static uint16_t id_of(uint32_t told)
{
	return told > UINT16_MAX ? 0 : (uint16_t)told;
}

/* Those there are; those that wait for the switch's mode as they were asked for. */
static void groups_get(const struct hw_pf *pf, const struct hw_link *link,
		       char out[VF_GROUPS_LEN + 1])
{
	bool asked = pf->wish->fields >> PF_FIELD_GROUPS & 1;

	if (asked && !(pf->caps.fields >> VF_FIELD_GROUP & 1))
		strcpy(out, pf->wish->config.groups);
	else
		vf_groups_format(&link->groups, out);
}

/**
 * hw_pf_get() - struct pf_ops.pf_get
 * @ctx:  struct hw
 * @name: PF
 * @out:  as the kernel tells it; groups that wait for the switch's mode as they were asked for,
 *        like the VFs that are to be in them, so that an export has them
 * @e:    error text
 *
 * Return: 0, -ENODEV, or the kernel's errno.
 * Context: control.
 */
int hw_pf_get(void *ctx, const char *name, struct pf_info *out, struct err *e)
{
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, name, e);
	const struct hw_link *link;
	int rc = -ENODEV;

	if (pf) {
		hw_mode_follow(hw, pf);
		rc = hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);
	}
	if (rc)
		return rc;
	*out = (struct pf_info){ .config = pf->wish->config,
				 .status = { .kind = "hw",
					     .ifindex = (uint32_t)link->ifindex,
					     .carrier = link->carrier,
					     .vendor = id_of(pf->nic.vendor),
					     .product = id_of(pf->nic.device),
					     .vf_product = id_of(pf->nic.vf_device) } };
	strcpy(out->config.name, pf->name);
	strcpy(out->status.driver, pf->nic.driver);
	out->config.numvfs = (uint16_t)link->n_vfs;
	out->config.mac = link->mac;
	out->config.mtu = (uint16_t)MIN(link->mtu, (uint32_t)UINT16_MAX);
	out->config.up = link->up;
	out->config.eswitch = hw_mode_is(pf);
	groups_get(pf, link, out->config.groups);
	snprintf(out->status.pci_slot, sizeof(out->status.pci_slot), "%.15s", pf->nic.address);
	out->status.uplink = link->stats;
	out->status.errors = link->errors;
	out->status.link = link->more;
	snprintf(out->status.link.bus, sizeof(out->status.link.bus), "%s", pf->nic.bus);
	out->status.uplink_untold = (struct vf_untold){ OWN_UNTOLD, "by netdevs" };
	out->status.host_untold = (struct vf_untold){ VF_COUNTS_ALL, "apart from the wire" };
	return 0;
}
