/* SPDX-License-Identifier: Apache-2.0 */
/* What is: asked of the kernel, and kept for the moment that one command takes. */
#include <errno.h>
#include <string.h>

#include "hw/model.h"
#include "hw/rate.h"

#define FRESH_MS 20 /* one command asks for many VFs one after the other */

/* What devlink has of VFs stands for what rtnetlink may tell of it. */
static int ask_devlink(struct hw_pf *pf, struct err *e)
{
	auto_free struct hw_ports *ports = calloc(1, sizeof(*ports));
	int rc;

	if (!ports)
		return err_set(e, -ENOMEM, "out of memory");
	rc = hw_ports_get(pf->nic.bus, pf->nic.address, ports, e);
	for (unsigned int vf = 0; !rc && vf < pf->link->n_vfs && vf < VF_MAX; vf++) {
		const struct hw_port *p = &ports->vfs[vf];
		struct hw_vf *v = &pf->link->vfs[vf];

		if (pf->caps.by_devlink & hw_attrs[HW_ATTR_RATE].fields && p->has_rate) {
			v->words.max_tx_mbit = (uint32_t)MIN(p->max / HW_RATE_UNIT, UINT32_MAX);
			v->words.min_tx_mbit = (uint32_t)MIN(p->min / HW_RATE_UNIT, UINT32_MAX);
			v->told |= hw_attrs[HW_ATTR_RATE].fields | hw_attrs[HW_ATTR_GROUP].fields;
			strcpy(v->words.group, p->group);
		}
		if (pf->caps.by_devlink & hw_attrs[HW_ATTR_MAC].fields && p->has_mac) {
			v->words.mac = p->mac;
			v->told |= hw_attrs[HW_ATTR_MAC].fields;
		}
	}
	if (!rc)
		pf->link->groups = ports->groups;
	return rc;
}

/* With statistics, if they are wanted and fit. */
static int ask(struct hw *hw, struct hw_pf *pf, enum hw_ask what, struct err *e)
{
	struct err why = { 0 };
	int rc = hw_link_get(hw->rt, pf->ifindex, what, &pf->link, &why);

	pf->link_ms = loop_now_ms();
	pf->link_ask = what;
	if (rc == -EMSGSIZE && what == HW_ASK_STATS) {
		why = (struct err){ 0 };
		rc = hw_link_get(hw->rt, pf->ifindex, HW_ASK_SETTINGS, &pf->link, &why);
	}
	if (!rc && pf->caps.by_devlink && (rc = ask_devlink(pf, &why)))
		hw_forget(pf);
	return rc ? err_set(e, rc, "%s: %s", pf->name, why.msg) : 0;
}

/**
 * hw_look() - What the kernel tells of a PF
 * @hw:  room
 * @pf:  PF; gets the name of its netdev
 * @what: with statistics or without
 * @out: borrowed, until the next hw_look(), hw_forget() or change
 * @e:   error text
 *
 * Return: 0; -ENODEV: it is gone; the kernel's errno.
 * Context: control.
 */
int hw_look(struct hw *hw, struct hw_pf *pf, enum hw_ask what, const struct hw_link **out,
	    struct err *e)
{
	uint64_t now_ms = loop_now_ms();
	int rc = 0;

	if (pf->link && (now_ms - pf->link_ms > FRESH_MS || pf->link_ask < what))
		hw_forget(pf);
	if (!pf->link && pf->ifindex)
		rc = ask(hw, pf, what, e);
	if (!pf->ifindex || rc == -ENODEV) {
		if (e)
			*e = (struct err){ 0 };
		rc = hw_place(hw, pf, e);
		rc = rc ?: ask(hw, pf, what, e);
	}
	if (rc)
		return rc;
	snprintf(pf->name, sizeof(pf->name), "%s", pf->link->name);
	*out = pf->link;
	return 0;
}

/**
 * hw_find() - A PF by the name its netdev has now
 * @hw:   room
 * @name: name
 * @e:    error text
 *
 * Return: the PF, or NULL.
 * Context: control.
 */
struct hw_pf *hw_find(struct hw *hw, const char *name, struct err *e)
{
	const struct hw_link *link;
	struct hw_pf *gone = NULL; /* another may have its name by now */

	for (unsigned int i = 0; i < hw->n_pfs; i++) {
		struct hw_pf *pf = hw->pfs[i];
		struct err why = { 0 };

		hw_look(hw, pf, HW_ASK_SETTINGS, &link, &why); /* it may have another name by now */
		if (strcmp(pf->name, name))
			continue;
		if (pf->ifindex)
			return pf;
		gone = pf;
	}
	if (!gone)
		err_set(e, -ENODEV, "there is no PF %s", name);
	return gone;
}

/**
 * hw_vf_check() - Is there such a VF? In a trial: will there be?
 * @hw:   room
 * @pf:   PF
 * @link: what the kernel tells of it
 * @vf:   number
 * @e:    error text
 *
 * Return: 0 or -EINVAL. Context: control; pure.
 */
int hw_vf_check(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		unsigned int vf, struct err *e)
{
	bool will = hw->trial && pf->wish->fields & 1U << PF_FIELD_NUMVFS;

	if (vf < (will ? pf->wish->config.numvfs : link->n_vfs))
		return 0;
	return err_set(e, -EINVAL, "%s has no vf %u", pf->name, vf);
}

/**
 * hw_words_now() - Words that a VF has, as far as is known
 * @pf:   PF
 * @link: what the kernel tells of it
 * @vf:   number, of one that there is
 * @out:  what the kernel tells; of the rest what was asked for, or what fresh VFs have
 *
 * Context: control; pure.
 */
void hw_words_now(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
		  struct hw_words *out)
{
	const struct hw_vf_wish *wish = &pf->wish->vfs[vf];
	const struct hw_vf *v = &link->vfs[vf];
	const struct hw_words fresh = hw_fresh(pf);
	struct vf_config now = wish->config;

	hw_words_to(&fresh, ~wish->fields, &now);
	hw_words_to(&v->words, v->told, &now);
	hw_words_from(&now, out);
}

/**
 * hw_can() - Words whose attribute the driver takes
 * @pf:     PF
 * @fields: bits by enum vf_field
 *
 * Return: those of @fields. Context: control; pure.
 */
uint32_t hw_can(const struct hw_pf *pf, uint32_t fields)
{
	uint32_t can = 0;

	for (unsigned int i = 0; i < HW_ATTR_N; i++)
		if (hw_attrs[i].fields & pf->caps.fields)
			can |= hw_attrs[i].fields;
	return can & fields;
}

/**
 * hw_rate_is_rounded() - Has a driver made of rates what it did when they were set?
 * @wish: what was asked for
 * @is:   what it tells
 *
 * Return: true if so: they are as they were asked for. Context: control; pure.
 */
bool hw_rate_is_rounded(const struct hw_vf_wish *wish, const struct hw_words *is)
{
	return wish->rounded && is->max_tx_mbit == wish->max_tx_told &&
	       is->min_tx_mbit == wish->min_tx_told;
}

/**
 * hw_drift() - Words of a VF that are not as they were asked for
 * @pf:   PF
 * @link: what the kernel tells of it
 * @vf:   number
 *
 * A trusted guest may take another MAC by its NIC's mailbox: that is none.
 *
 * Return: bits by enum vf_field; all that was asked for if there is no such VF.
 * Context: control; pure.
 */
uint32_t hw_drift(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf)
{
	const struct hw_vf_wish *wish = &pf->wish->vfs[vf];
	uint32_t asked = wish->fields & HW_WORDS, drift = 0;
	struct hw_words want;

	if (vf >= link->n_vfs)
		return asked;
	hw_words_from(&wish->config, &want);
	if (mac_is_zero(&want.mac) || (wish->fields & 1U << VF_FIELD_TRUST && want.trust))
		asked &= ~(1U << VF_FIELD_MAC);
	for (unsigned int i = 0; i < HW_ATTR_N; i++) {
		const struct hw_words *words = &link->vfs[vf].words;
		struct vf_config is = wish->config;

		if (hw_attr_equal((enum hw_attr)i, &want, words) ||
		    (i == HW_ATTR_RATE && hw_rate_is_rounded(wish, words)))
			continue;
		hw_words_to(words, hw_attrs[i].fields, &is);
		drift |= fields_diff(vf_fields, &wish->config, &is);
	}
	return drift & asked & link->vfs[vf].told;
}

/**
 * hw_own_drift() - Words of the PF itself that are not as they were asked for
 * @pf:   PF
 * @link: what the kernel tells of it
 * @is:   gets the wishes with the kernel's words in them
 *
 * Return: bits by enum pf_field. Context: control; pure.
 */
uint32_t hw_own_drift(const struct hw_pf *pf, const struct hw_link *link, struct pf_config *is)
{
	*is = pf->wish->config;
	is->numvfs = (uint16_t)link->n_vfs;
	is->mtu = (uint16_t)MIN(link->mtu, (uint32_t)UINT16_MAX);
	is->up = link->up;
	is->eswitch = hw_mode_is(pf);
	vf_groups_format(&link->groups, is->groups);
	if (!mac_is_zero(&is->mac)) /* else any */
		is->mac = link->mac;
	return pf->wish->fields & fields_diff(pf_fields, &pf->wish->config, is);
}
