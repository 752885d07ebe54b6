/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct pf_batch_ops of the switch: verbs whose outcome is one line of the state file, a copy of
 * the model on which they only judge, and what is kept of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sw/control/model.h"
#include "sw/parent/parent.h"

static const json_t *kept(void *ctx)
{
	const struct sw *sw = ctx;

	return sw->kept;
}

static int keep(void *ctx, const json_t *kept, struct err *e)
{
	struct sw *sw = ctx;
	json_t *old = sw->kept;
	int rc;

	if (!sw->state)
		return err_set(e, -EOPNOTSUPP, "a switch without a state file keeps nothing");
	sw->kept = json_deep_copy(kept);
	rc = sw->kept ? sw_state_save(sw, e) : err_set(e, -ENOMEM, "out of memory");
	if (rc) {
		json_decref(sw->kept);
		sw->kept = old;
		return rc;
	}
	json_decref(old);
	return 0;
}

static void begin(void *ctx, const json_t *back)
{
	struct sw *sw = ctx;

	sw->hold = sw_is_trial(sw) ? SW_HOLD_TRIAL : back ? SW_HOLD_BACK : SW_HOLD_ON;
	sw->back = back;
}

/* Whose word the settings of a VF were. */
static void masks_back(struct sw_vf *v, const json_t *own)
{
	v->by_agent = v->overridden = 0;
	fields_mask_from_json(vf_fields, json_object_get(own, "by_agent"), &v->by_agent, NULL);
	fields_mask_from_json(vf_fields, json_object_get(own, "overridden"), &v->overridden, NULL);
}

static void end(void *ctx, const json_t *back)
{
	struct sw *sw = ctx;

	sw->hold = SW_HOLD_NONE;
	sw->back = NULL;
	for (unsigned int i = 0; back && i < PFS_MAX; i++) {
		struct sw_pf *pf = sw->pfs[i];
		const json_t *vfs =
			pf ? json_object_get(json_object_get(back, pf->config.name), "vfs") : NULL;

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++) {
			char key[12];

			snprintf(key, sizeof(key), "%u", k);
			masks_back(&pf->vfs[k], json_object_get(vfs, key));
		}
	}
}

/* {PF: {"slot": N, "vfs": {N: {"by_agent": [word], "overridden": [word]}}}} */
static json_t *own(void *ctx)
{
	auto_of(json_decref) json_t *all = json_object();
	const struct sw *sw = ctx;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];
		json_t *vfs = pf ? json_object() : NULL;

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++) {
			const struct sw_vf *v = &pf->vfs[k];
			char key[12];

			snprintf(key, sizeof(key), "%u", k);
			if (v->by_agent | v->overridden)
				json_object_set_new(
					vfs, key,
					json_pack("{s:o, s:o}", "by_agent",
						  fields_mask_to_json(vf_fields, v->by_agent),
						  "overridden",
						  fields_mask_to_json(vf_fields, v->overridden)));
		}
		if (pf && json_object_set_new(all, pf->config.name,
					      json_pack("{s:i, s:o}", "slot", (int)i, "vfs", vfs)))
			return NULL;
	}
	return take(all);
}

/**
 * sw_slot_of() - The slot in which a PF is looked for room from
 * @sw: switch
 * @pf: its name
 *
 * Its VFs' PCI addresses follow from it, so one that comes back gets the one it had.
 *
 * Return: that, or 0. Context: control.
 */
unsigned int sw_slot_of(const struct sw *sw, const char *pf)
{
	const json_t *had = json_object_get(json_object_get(sw->back, pf), "slot");
	json_int_t slot = json_integer_value(had);

	return slot > 0 && slot < PFS_MAX && !sw->pfs[slot] ? (unsigned int)slot : 0;
}

/**
 * sw_may_wait() - May a port that could not be opened be opened later?
 * @sw:   switch
 * @p:    the port, with a number
 * @pf:   its PF
 * @what: which of that
 * @rc:   why it could not
 * @e:    likewise; forgotten if so
 *
 * On the way back from a change all is as it was, and devices that are gone meanwhile are tried
 * each second, as after a start.
 *
 * Return: true if so. Context: control.
 */
bool sw_may_wait(const struct sw *sw, const struct sw_port *p, const char *pf, const char *what,
		 int rc, struct err *e)
{
	if (sw->hold != SW_HOLD_BACK || p->id == VEB_NO_PORT || rc == -ENOMEM)
		return false;
	log_warn("port cannot be plugged in yet", "pf=%s port=%s: %s", pf, what, e ? e->msg : "");
	if (e)
		*e = (struct err){ 0 };
	return true;
}

static struct sw_pf *pf_copy(const struct sw_pf *pf)
{
	auto_of(sw_pf_free) struct sw_pf *made = sw_pf_new(&pf->config, pf->slot);
	struct sw_pf parts;

	if (!made)
		return NULL;
	parts = *made;
	*made = *pf;
	made->vfs = parts.vfs;
	made->vf_ports = parts.vf_ports;
	made->svcs = calloc(pf->n_svcs + 1u, sizeof(*made->svcs));
	memcpy(made->vfs, pf->vfs, pf->config.numvfs * sizeof(*pf->vfs));
	memcpy(made->vf_ports, pf->vf_ports, pf->config.numvfs * sizeof(*pf->vf_ports));
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		guest_get(made->vfs[i].guest);
	if (!made->svcs)
		return NULL;
	if (pf->n_svcs)
		memcpy(made->svcs, pf->svcs, pf->n_svcs * sizeof(*pf->svcs));
	return take(made);
}

static void trial_end(void *copy)
{
	struct sw *sw = copy;

	for (unsigned int i = 0; sw && i < PFS_MAX; i++)
		sw_pf_free(sw->pfs[i]);
	for (unsigned int i = 0; sw && i < VEB_MIRRORS_MAX; i++)
		veb_filter_put(sw->mirrors[i].filter);
	free(sw);
}

/* Of what only reads there is all, of what workers see nothing. */
static void *trial(void *ctx)
{
	const struct sw *sw = ctx;
	struct sw *copy = calloc(1, sizeof(*copy));
	bool whole = copy;

	if (!copy)
		return NULL;
	copy->opts = sw->opts;
	copy->hold = SW_HOLD_TRIAL;
	copy->run_dir = sw->run_dir;
	copy->state = sw->state;
	memcpy(copy->ids, sw->ids, sizeof(copy->ids));
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		copy->mirrors[i].port.id = VEB_NO_PORT;
		if (!sw->mirrors[i].used || sw->mirrors[i].capture)
			continue;
		copy->mirrors[i] = sw->mirrors[i];
		veb_filter_get(copy->mirrors[i].filter);
	}
	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (sw->pfs[i])
			whole &= (copy->pfs[i] = pf_copy(sw->pfs[i])) != NULL;
	if (whole)
		return copy;
	trial_end(copy);
	return NULL;
}

static int decide(void *ctx, const char *id, enum decision want, enum decision *is, struct err *e)
{
	const struct sw *sw = ctx;

	return parent_decide(sw->opts.parent, sw->state, id, want, is, e);
}

/* A socket whose name is our own choice. */
static void attach_plain(void *ctx, const char *pf, unsigned int vf, struct vf_attach *a)
{
	const struct sw *sw = ctx;
	char own[sizeof(a->socket) + 1];

	snprintf(own, sizeof(own), "%s/vhost/%s-%u/sock", sw->run_dir, pf, vf);
	if (!strcmp(a->socket, own))
		*a->socket = '\0';
}

const struct pf_batch_ops sw_batch_ops = {
	.kept = kept,
	.keep = keep,
	.begin = begin,
	.end = end,
	.own = own,
	.trial = trial,
	.trial_end = trial_end,
	.decide = decide,
	.attach_plain = attach_plain,
};
