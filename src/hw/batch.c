/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct pf_batch_ops of NICs' PFs. Each verb of a change of many is saved as by itself: a kill
 * leaves one of them half done, which hw_place() takes back, and those before it done, which the
 * record that is kept takes back.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "hw/model.h"

static const json_t *kept(void *ctx)
{
	const struct hw *hw = ctx;

	return hw->kept;
}

static int keep(void *ctx, const json_t *kept, struct err *e)
{
	struct hw *hw = ctx;
	json_t *old = hw->kept;
	int rc;

	hw->kept = json_deep_copy(kept);
	rc = hw->kept ? hw_state_save(hw, e) : err_set(e, -ENOMEM, "out of memory");
	if (rc) {
		json_decref(hw->kept);
		hw->kept = old;
		return rc;
	}
	json_decref(old);
	return 0;
}

/* What cannot be done on the way back is owed, and so done later. */
static void begin(void *ctx, const json_t *back)
{
}

static struct hw_pf *find(const struct hw *hw, const char *nic, unsigned int *at)
{
	for (*at = 0; *at < hw->n_pfs; ++*at)
		if (!strcmp(hw->pfs[*at]->nic.address, nic))
			return hw->pfs[*at];
	return NULL;
}

/* What of a PF is not as it was asked for is to be made, as after a boot, by any policy. */
static void owe_rest(struct hw *hw, struct hw_pf *pf)
{
	const struct hw_link *link;
	struct pf_config own;
	char is[128];

	if (hw_look(hw, pf, HW_ASK_SETTINGS, &link, &(struct err){ 0 })) {
		hw_owe(pf);
		return;
	}
	pf->svc_due = (struct hw_due){ .owed = pf->wish->n_svcs != 0 };
	pf->due = (struct hw_due){ .owed = hw_own_drift(pf, link, &own) & HW_PF_OWN };
	for (unsigned int vf = 0; vf < VF_MAX; vf++) {
		pf->vf_due[vf] = (struct hw_due){ .owed = hw_drift(pf, link, vf) };
		pf->plug_due[vf] =
			(struct hw_due){ .owed = hw_attach_drift(hw, pf, vf, HW_REACH_ALL, is,
								 sizeof(is)) };
	}
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		const struct hw_mirror *m = &pf->wish->mirrors[i];

		pf->mirror_due[i] =
			(struct hw_due){ .owed = *m->name &&
						 !hw_mirror_is(hw, pf, link, m, is, sizeof(is)) };
	}
}

/* The wishes of a PF that there is become those it had; one that is gone is there again. */
static void pf_back(struct hw *hw, struct hw_pf *had)
{
	unsigned int at;
	struct hw_pf *pf = find(hw, had->nic.address, &at);
	struct hw_wish *now;

	if (!pf && hw->n_pfs == PFS_MAX) {
		hw_pf_free(had);
		return;
	}
	if (!pf) {
		hw->pfs[hw->n_pfs++] = had;
		if (hw_place(hw, had, &(struct err){ 0 }))
			hw_owe(had);
		else
			owe_rest(hw, had);
		return;
	}
	hw_mirrors_away(hw, pf, had->wish);
	now = pf->wish;
	pf->wish = had->wish;
	had->wish = now;
	memset(pf->mirror_since, 0, sizeof(pf->mirror_since)); /* they are looked at anew */
	hw_forget(pf);
	owe_rest(hw, pf);
	hw_svcs_away(hw, pf, now);
	hw_pf_free(had);
}

static void end(void *ctx, const json_t *back)
{
	struct hw *hw = ctx, was = { 0 };
	struct err e = { 0 };

	if (!back)
		return;
	if (hw_state_pfs_read(&was, back, &e))
		log_err("what was asked for before is not known any more", "error=\"%s\"", e.msg);
	for (unsigned int i = 0; i < was.n_pfs; i++)
		pf_back(hw, was.pfs[i]);
}

static json_t *own(void *ctx)
{
	return hw_state_pfs(ctx);
}

static struct hw_pf *pf_copy(const struct hw_pf *pf)
{
	auto_free struct hw_pf *made = malloc(sizeof(*made));
	struct hw_wish *wish = made ? hw_wish_copy(pf, NULL) : NULL;

	if (!wish)
		return NULL;
	*made = *pf;
	made->wish = wish;
	made->link = NULL;
	made->undo = (struct hw_plan){ 0 };
	return take(made);
}

static void trial_end(void *copy)
{
	struct hw *hw = copy;

	for (unsigned int i = 0; hw && i < hw->n_pfs; i++)
		hw_pf_free(hw->pfs[i]);
	free(hw);
}

static void *trial(void *ctx)
{
	const struct hw *hw = ctx;
	struct hw *copy = malloc(sizeof(*copy));
	bool whole = copy;

	if (!copy)
		return NULL;
	*copy = *hw;
	copy->trial = true;
	copy->timer = NULL;
	copy->kept = NULL;
	copy->n_pfs = 0;
	for (unsigned int i = 0; whole && i < hw->n_pfs; i++) {
		copy->pfs[i] = pf_copy(hw->pfs[i]);
		whole = copy->pfs[i];
		copy->n_pfs += whole;
	}
	if (whole)
		return copy;
	trial_end(copy);
	return NULL;
}

static int decide(void *ctx, const char *id, enum decision want, enum decision *is, struct err *e)
{
	const struct hw *hw = ctx;
	char dir[PATH_MAX];

	decision_dir(hw->opts.state, dir);
	return decision_take(dir, id, want, is, e);
}

static void attach_plain(void *ctx, const char *pf, unsigned int vf, struct vf_attach *a)
{
}

/* Not as by default, or not as it was asked for. */
static uint32_t vf_unasked(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf)
{
	const struct hw_vf_wish *wish = &pf->wish->vfs[vf];
	struct vf_config is = wish->config, none;
	struct hw_words now;
	uint32_t rows;

	hw_words_now(pf, link, vf, &now);
	hw_words_to(&now, HW_WORDS, &is);
	vf_config_default(&none);
	rows = fields_diff(vf_fields, &none, &is) & ~wish->fields;
	rows |= fields_diff(vf_fields, &wish->config, &is) & wish->fields;
	if (hw_rate_is_rounded(wish, &now))
		rows &= ~hw_attrs[HW_ATTR_RATE].fields;
	if (hw_mirror_of(pf->wish, vf, true)) /* it may have another's address */
		rows &= ~hw_attrs[HW_ATTR_MAC].fields;
	return hw_can(pf, rows & HW_WORDS);
}

static uint32_t unasked(void *ctx, const char *name, int vf)
{
	struct hw_pf *pf = hw_find(ctx, name, NULL);
	const struct hw_link *link;
	struct pf_config is;

	if (!pf || hw_look(ctx, pf, HW_ASK_SETTINGS, &link, NULL))
		return 0;
	if (vf < 0)
		return HW_PF_OWN & (~pf->wish->fields | hw_own_drift(pf, link, &is));
	return (unsigned int)vf < link->n_vfs ? vf_unasked(pf, link, (unsigned int)vf) : 0;
}

const struct pf_batch_ops hw_batch_ops = {
	.kept = kept,
	.keep = keep,
	.begin = begin,
	.end = end,
	.own = own,
	.trial = trial,
	.trial_end = trial_end,
	.decide = decide,
	.attach_plain = attach_plain,
	.unasked = unasked,
};
