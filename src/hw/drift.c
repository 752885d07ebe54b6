/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is, beside what was asked for: once a second, of each PF, without statistics. A word that is
 * no longer as asked for is said once; a PF that repairs gets it back.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "hw/model.h"

/* Notes when each row of @drift was seen first. Returns those that are new. */
static uint32_t note(uint64_t *since, unsigned int n, uint32_t drift)
{
	uint64_t now = (uint64_t)time(NULL);
	uint32_t new = 0;

	for (unsigned int i = 0; i < n; i++) {
		bool is = drift >> i & 1;

		if (is && !since[i])
			new |= 1U << i;
		since[i] = !is ? 0 : since[i] ?: now;
	}
	return new;
}

static void text_of(const struct field *f, const void *obj, char *out, size_t size)
{
	field_format(f, obj, out, size);
	if (!*out)
		snprintf(out, size, "none");
}

static void say(const struct hw_pf *pf, const struct field *fields, uint32_t rows,
		const void *asked, const void *is, int vf)
{
	char was[64], now[64];

	for (unsigned int i = 0; rows; i++, rows >>= 1) {
		if (!(rows & 1))
			continue;
		text_of(&fields[i], asked, was, sizeof(was));
		text_of(&fields[i], is, now, sizeof(now));
		if (vf < 0)
			log_warn("somebody else changed a PF", "pf=%s word=%s asked=%s is=%s",
				 pf->name, fields[i].word, was, now);
		else
			log_warn("somebody else changed a VF", "pf=%s vf=%d word=%s asked=%s is=%s",
				 pf->name, vf, fields[i].word, was, now);
	}
}

static void vf_is(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
		  struct vf_config *out)
{
	*out = pf->wish->vfs[vf].config;
	hw_words_to(&link->vfs[vf].words, link->vfs[vf].told, out);
}

/* What a VF is plugged into. What was found by looking far and wide less does not show gone. */
static void look_at_plug(const struct hw *hw, struct hw_pf *pf, unsigned int vf,
			 enum hw_reach reach)
{
	char asked[sizeof(((struct pf_drift_info *)0)->asked)];
	char is[sizeof(((struct pf_drift_info *)0)->is)];
	bool drift = hw_attach_drift(hw, pf, vf, pf->attach_since[vf] ? HW_REACH_ALL : reach, is,
				     sizeof(is));

	if (!note(&pf->attach_since[vf], 1, drift))
		return;
	hw_plug_say(&pf->wish->vfs[vf].attach, asked, sizeof(asked));
	log_warn("somebody else changed a VF", "pf=%s vf=%u word=attach asked=\"%s\" is=\"%s\"",
		 pf->name, vf, asked, is);
}

static void look_at_mirror(const struct hw *hw, struct hw_pf *pf, const struct hw_link *link,
			   unsigned int slot)
{
	const struct hw_mirror *m = &pf->wish->mirrors[slot];
	char asked[128], is[128] = "";
	bool drift = *m->name && !hw_mirror_is(hw, pf, link, m, is, sizeof(is));

	if (!note(&pf->mirror_since[slot], 1, drift))
		return;
	hw_mirror_say(m, asked, sizeof(asked));
	log_warn("somebody else ended a mirror", "pf=%s mirror=%s asked=\"%s\" is=\"%s\"", pf->name,
		 m->name, asked, is);
}

static void look_at(const struct hw *hw, struct hw_pf *pf, const struct hw_link *link,
		    enum hw_reach reach)
{
	const struct hw_wish *wish = pf->wish;
	struct pf_config pf_now;
	struct vf_config now;
	uint32_t drift = hw_own_drift(pf, link, &pf_now);

	say(pf, pf_fields, note(pf->pf_since, PF_FIELD_N, drift), &wish->config, &pf_now, -1);
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++)
		look_at_mirror(hw, pf, link, i);
	for (unsigned int vf = 0; vf < VF_MAX; vf++) {
		/* Of VFs that are gone, their number says it. */
		drift = vf < link->n_vfs ? hw_drift(pf, link, vf) : 0;
		look_at_plug(hw, pf, vf, reach);
		drift = note(pf->since[vf], VF_FIELD_TRUNK, drift);
		if (!drift)
			continue;
		vf_is(pf, link, vf, &now);
		say(pf, vf_fields, drift, &wish->vfs[vf].config, &now, (int)vf);
	}
}

/* One PF; -ENODEV: it is gone. */
static int watch_pf(struct hw *hw, struct hw_pf *pf, struct err *e)
{
	const struct hw_link *link;
	int rc;

	/* Groups can be had as soon as its switch is in switchdev mode. */
	if (*pf->wish->config.groups || pf->wish->fields >> PF_FIELD_ESWITCH & 1)
		hw_mode_follow(hw, pf);
	rc = hw_look(hw, pf, HW_ASK_SETTINGS, &link, e);
	if (rc)
		return rc;
	look_at(hw, pf, link, HW_REACH_NEAR);
	hw_svcs_look(hw, pf, HW_REACH_NEAR);
	hw_enforce(hw, pf);
	hw->stale |= pf->owes_saved != hw_owes(pf);
	return 0;
}

/**
 * hw_watch() - Look at each PF for what somebody else has changed
 * @arg: struct hw
 *
 * Context: control, once a second.
 */
void hw_watch(void *arg)
{
	struct hw *hw = arg;

	for (unsigned int i = 0; i < hw->n_pfs; i++) {
		struct hw_pf *pf = hw->pfs[i];
		struct err e = { 0 };
		int rc = watch_pf(hw, pf, &e);

		if (rc && !pf->said_gone)
			log_err("a PF is gone", "pf=%s nic=%s error=\"%s\"", pf->name,
				pf->nic.address, e.msg);
		else if (!rc && pf->said_gone)
			log_info("a PF is here again", "pf=%s nic=%s", pf->name, pf->nic.address);
		pf->said_gone = rc;
	}
	if (hw->stale)
		hw_state_save(hw, NULL);
}

/* The i-th of a table's rows that drift; @i is counted down. Returns its number, or -1. */
static int nth(const uint64_t *since, unsigned int n, unsigned int *i)
{
	for (unsigned int row = 0; row < n; row++)
		if (since[row] && !(*i)--)
			return (int)row;
	return -1;
}

/* The i-th service port that is gone. */
static int svc_drift(const struct hw *hw, const struct hw_pf *pf, unsigned int i,
		     struct pf_drift_info *out)
{
	int svc = nth(pf->svc_since, pf->wish->n_svcs, &i);

	if (svc < 0)
		return -ENOENT;
	out->of_svc = true;
	out->since = pf->svc_since[svc];
	hw_svc_say(&pf->wish->svcs[svc], out->asked, sizeof(out->asked));
	snprintf(out->is, sizeof(out->is), "%s",
		 hw_svc_is_lost(hw, pf, (unsigned int)svc) ? "missing" : "in another namespace");
	return 0;
}

/* The i-th mirror that does not mirror; then service ports. */
static int mirror_drift(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
			unsigned int i, struct pf_drift_info *out)
{
	int slot = nth(pf->mirror_since, HW_MIRRORS_MAX, &i);
	const struct hw_mirror *m = slot < 0 ? NULL : &pf->wish->mirrors[slot];

	if (!m)
		return svc_drift(hw, pf, i, out);
	if (!*m->name)
		return -ENOENT;
	strcpy(out->mirror, m->name);
	out->since = pf->mirror_since[slot];
	hw_mirror_say(m, out->asked, sizeof(out->asked));
	hw_mirror_is(hw, pf, link, m, out->is, sizeof(out->is));
	return 0;
}

/* The i-th VF that is not plugged into what was asked for; then mirrors. */
static int plug_drift(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		      unsigned int i, struct pf_drift_info *out)
{
	int vf = nth(pf->attach_since, VF_MAX, &i);

	if (vf < 0)
		return mirror_drift(hw, pf, link, i, out);
	out->of_vf = out->of_attach = true;
	out->vf = (unsigned int)vf;
	out->since = pf->attach_since[vf];
	hw_plug_say(&pf->wish->vfs[vf].attach, out->asked, sizeof(out->asked));
	hw_attach_drift(hw, pf, out->vf, HW_REACH_ALL, out->is, sizeof(out->is));
	return 0;
}

/**
 * hw_pf_drift() - struct pf_ops.pf_drift
 * @ctx:  struct hw
 * @name: PF
 * @i:    which, from 0
 * @out:  filled
 * @e:    error text
 *
 * With the first, the kernel is looked at anew.
 *
 * Return: 0; -ENOENT past the end; -ENODEV; the kernel's errno.
 * Context: control.
 */
int hw_pf_drift(void *ctx, const char *name, unsigned int i, struct pf_drift_info *out,
		struct err *e)
{
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, name, e);
	const struct hw_link *link;
	struct pf_config pf_now;
	struct vf_config now;
	unsigned int vf = 0;
	int row, rc = pf ? hw_look(hw, pf, HW_ASK_SETTINGS, &link, e) : -ENODEV;

	if (rc)
		return rc;
	if (!i) {
		look_at(hw, pf, link, HW_REACH_ALL);
		hw_svcs_look(hw, pf, HW_REACH_ALL);
	}
	*out = (struct pf_drift_info){ 0 };
	row = nth(pf->pf_since, PF_FIELD_N, &i);
	if (row >= 0) {
		hw_own_drift(pf, link, &pf_now);
		out->field = (uint8_t)row;
		out->since = pf->pf_since[row];
		text_of(&pf_fields[row], &pf->wish->config, out->asked, sizeof(out->asked));
		text_of(&pf_fields[row], &pf_now, out->is, sizeof(out->is));
		return 0;
	}
	while (vf < link->n_vfs && (row = nth(pf->since[vf], VF_FIELD_TRUNK, &i)) < 0)
		vf++;
	if (vf >= link->n_vfs)
		return plug_drift(hw, pf, link, i, out);
	vf_is(pf, link, vf, &now);
	out->of_vf = true;
	out->vf = vf;
	out->field = (uint8_t)row;
	out->since = pf->since[vf][row];
	text_of(&vf_fields[row], &pf->wish->vfs[vf].config, out->asked, sizeof(out->asked));
	text_of(&vf_fields[row], &now, out->is, sizeof(out->is));
	return 0;
}
