/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file: one JSON document with a version, replaced as a whole on each
 * change. Members are the words of the field tables; what is at its default is
 * left out of VFs, and such VFs altogether. A file of a newer version is refused.
 *
 *   {"version": 3,
 *    "pfs": [{"slot": 0, "config": {...}, "svcs": [{...}],
 *             "vfs": [{"vf": 2, "config": {...}, "attach": {...}, "by_agent": ["mac"],
 *                      "overridden": [], "accepted": "02:... 02:...* 02:...~"}]}],
 *    "mirrors": [{...}]}
 *
 * Accepted addresses are one text a VF, those of a grant with a star, those the guest chose with a
 * tilde: a trusted VF has up to 1,024, and they are written with every change. In versions 1 and 2
 * those of a VF without administrative MAC were chosen.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sw/control/model.h"
#include "sw/parent/parent.h"

#define STATE_VERSION 3 /* 1 and 2 are read, too */
#define STATE_MAX     (64u << 20) /* bytes; 2,048 VFs of 1,024 addresses fit */

struct text {
	struct buf buf;
	bool failed;
};

static json_t *mask_to_json(uint32_t mask)
{
	auto_of(json_decref) json_t *words = json_array();

	for (unsigned int i = 0; i < VF_FIELD_N; i++)
		if (mask >> i & 1 &&
		    json_array_append_new(words, json_string(vf_fields[i].word)))
			return NULL;
	return take(words);
}

static const char marks[] = { [GUEST_BY_CHOICE] = '~', [GUEST_BY_GRANT] = '*' };

static json_t *accepted_to_json(const struct guest *g)
{
	char text[VF_MACS_TRUSTED * (MAC_STR_LEN + 1)], *at = text;

	for (unsigned int i = 0; i < g->n_accepted && i < VF_MACS_TRUSTED; i++) {
		mac_format(&g->accepted[i].mac, at);
		at += MAC_STR_LEN - 1;
		if (marks[g->accepted[i].why])
			*at++ = marks[g->accepted[i].why];
		*at++ = ' ';
	}
	return json_stringn(text, at > text ? (size_t)(at - text - 1) : 0);
}

static bool vf_is_default(const struct sw_vf *v)
{
	struct vf_config plain;

	vf_config_default(&plain);
	return v->attach.kind == VF_ATTACH_NONE && !v->by_agent && !v->overridden &&
	       !(v->guest && v->guest->n_accepted) && !fields_diff(vf_fields, &v->config, &plain);
}

/* Members at their defaults are left out: most are, and each costs time on every change. */
static json_t *vf_to_json(const struct sw_vf *v, unsigned int vf)
{
	const struct vf_attach loose = { 0 };
	auto_of(json_decref) json_t *j = json_pack("{s:i}", "vf", (int)vf);
	struct vf_config plain;
	int rc;

	vf_config_default(&plain);
	rc = json_object_set_new(
		j, "config",
		fields_to_json_masked(vf_fields, &v->config,
				      fields_diff(vf_fields, &v->config, &plain)));
	if (v->attach.kind != VF_ATTACH_NONE)
		rc |= json_object_set_new(
			j, "attach",
			fields_to_json_masked(vf_attach_fields, &v->attach,
					      fields_diff(vf_attach_fields, &v->attach, &loose)));
	if (v->by_agent)
		rc |= json_object_set_new(j, "by_agent", mask_to_json(v->by_agent));
	if (v->overridden)
		rc |= json_object_set_new(j, "overridden", mask_to_json(v->overridden));
	if (v->guest && v->guest->n_accepted)
		rc |= json_object_set_new(j, "accepted", accepted_to_json(v->guest));
	return rc ? NULL : take(j);
}

static json_t *pf_to_json(const struct sw_pf *pf)
{
	auto_of(json_decref) json_t *vfs = json_array(), *svcs = json_array();
	int rc = 0;

	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		const struct sw_vf *v = &pf->vfs[i];

		if (!vf_is_default(v))
			rc |= json_array_append_new(vfs, vf_to_json(v, i));
	}
	for (unsigned int i = 0; i < pf->n_svcs; i++)
		rc |= json_array_append_new(svcs, fields_to_json(svc_fields, &pf->svcs[i].config));
	if (rc)
		return NULL;
	return json_pack("{s:i, s:o, s:O, s:O}", "slot", (int)pf->slot, "config",
			 fields_to_json(pf_fields, &pf->config), "vfs", vfs, "svcs", svcs);
}

/* Once it failed it fails: the library goes on behind a key that found no room. */
static int text_add(const char *bytes, size_t size, void *arg)
{
	struct text *t = arg;

	t->failed |= buf_add(&t->buf, bytes, size, STATE_MAX) != 0;
	return t->failed ? -1 : 0;
}

/* The document as a text of the caller's, or NULL: no memory. */
static char *text_of(const json_t *root)
{
	struct text t = { 0 };

	if (root && !json_dump_callback(root, text_add, &t, JSON_INDENT(1)) && !t.failed)
		return t.buf.data;
	buf_fini(&t.buf);
	return NULL;
}

/**
 * sw_state_save() - Write the model to the state file if the file would change
 * @sw: switch
 * @e:  may be NULL
 *
 * Return: 0, -ENOMEM, or errors of writing (-ENOSPC, -EROFS, ...): the old file is still there.
 * Context: control; blocks for an fsync.
 */
int sw_state_save(struct sw *sw, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL, *pfs = json_array(), *mirrors = json_array();
	auto_free char *text = NULL;
	int rc = 0;

	if (!sw->state)
		return 0;
	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (sw->pfs[i])
			rc |= json_array_append_new(pfs, pf_to_json(sw->pfs[i]));
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used && !sw->mirrors[i].capture)
			rc |= json_array_append_new(
				mirrors,
				fields_to_json_masked(mirror_fields, &sw->mirrors[i].config,
						      mirror_config_rows(&sw->mirrors[i].config)));
	if (!rc) /* half a model is none */
		root = json_pack("{s:i, s:O, s:O}", "version", STATE_VERSION, "pfs", pfs, "mirrors",
				 mirrors);
	text = text_of(root);
	if (!text)
		return err_set(e, -ENOMEM, "no memory for the state");
	if (sw->saved && !strcmp(text, sw->saved))
		return 0;
	rc = parent_state_save(sw->opts.parent, sw->state, text, strlen(text), e);
	if (rc) {
		err_prefix(e, "state file");
		return rc;
	}
	free(sw->saved);
	sw->saved = take(text);
	return 0;
}

static int mask_from_json(const json_t *words, uint32_t *out, struct err *e)
{
	uint32_t mask = 0;
	const json_t *w;
	size_t i;

	json_array_foreach (words, i, w) {
		const struct field *f = field_find(vf_fields, json_string_value(w) ?: "");

		if (!f)
			return err_set(e, -EINVAL, "a word that is no setting");
		mask |= 1U << (f - vf_fields);
	}
	*out = mask;
	return 0;
}

/* One address behind the @n in @macs. */
static int accepted_add(struct guest_mac *macs, unsigned int *n, const char *text, size_t len,
			enum guest_why why, struct err *e)
{
	char mac[MAC_STR_LEN];
	int rc;

	if (*n == VF_MACS_TRUSTED)
		return err_set(e, -EINVAL, "too many accepted addresses");
	if (len >= sizeof(mac))
		return err_set(e, -EINVAL, "an accepted address is too long");
	snprintf(mac, sizeof(mac), "%.*s", (int)len, text);
	rc = mac_parse(mac, &macs[*n].mac, e);
	if (rc)
		return rc;
	macs[(*n)++].why = (uint8_t)why;
	return 0;
}

static enum guest_why why_of(char mark, enum guest_why plain)
{
	return mark == '*' ? GUEST_BY_GRANT : mark == '~' ? GUEST_BY_CHOICE : plain;
}

/* A text; in version 1 a list of {"mac": ..., "trust": ...}. @plain: what has no mark. */
static int accepted_from_json(const json_t *j, enum guest_why plain, struct guest **out,
			      struct err *e)
{
	struct guest_mac macs[VF_MACS_TRUSTED];
	const char *at = json_string_value(j) ?: "";
	unsigned int n = 0;
	const json_t *item;
	int rc = 0;
	size_t i;

	if (j && !json_is_string(j) && !json_is_array(j))
		return err_set(e, -EINVAL, "accepted addresses are no text");
	while (!rc && *at) {
		size_t len = strcspn(at, " "), mark = len && strchr("*~", at[len - 1]);

		rc = accepted_add(macs, &n, at, len - mark, why_of(at[len - mark], plain), e);
		at += len + strspn(at + len, " ");
	}
	json_array_foreach (j, i, item) {
		const char *mac = json_string_value(json_object_get(item, "mac")) ?: "";

		bool trust = json_is_true(json_object_get(item, "trust"));

		rc = rc ?: accepted_add(macs, &n, mac, strlen(mac),
					trust ? GUEST_BY_GRANT : plain, e);
	}
	return rc ?: guest_restore(macs, n, out);
}

static int vf_from_json(struct sw_pf *pf, json_int_t version, const json_t *j, struct err *e)
{
	const json_t *number = json_object_get(j, "vf"), *attach = json_object_get(j, "attach");
	json_int_t vf = json_integer_value(number);
	struct sw_vf *v;
	int rc;

	if (!json_is_integer(number) || vf < 0 || vf >= pf->config.numvfs)
		return err_set(e, -EINVAL, "a vf out of range");
	v = &pf->vfs[vf];
	rc = fields_from_json(vf_fields, &v->config, json_object_get(j, "config"), NULL, e);
	if (!rc)
		rc = vf_config_check(&v->config, UINT32_MAX, e);
	if (!rc && attach)
		rc = fields_from_json(vf_attach_fields, &v->attach, attach, NULL, e);
	if (!rc)
		rc = mask_from_json(json_object_get(j, "by_agent"), &v->by_agent, e);
	if (!rc)
		rc = mask_from_json(json_object_get(j, "overridden"), &v->overridden, e);
	if (!rc && !v->guest)
		rc = accepted_from_json(json_object_get(j, "accepted"),
					version < 3 && mac_is_zero(&v->config.mac) ?
						GUEST_BY_CHOICE : GUEST_BY_MAC,
					&v->guest, e);
	if (rc)
		err_prefix(e, "vf %d", (int)vf);
	return rc;
}

static int svcs_from_json(struct sw *sw, struct sw_pf *pf, const json_t *list, struct err *e)
{
	const json_t *item;
	size_t i;
	int rc = 0;

	if (!json_array_size(list))
		return 0;
	pf->svcs = calloc(json_array_size(list), sizeof(*pf->svcs));
	if (!pf->svcs)
		return err_set(e, -ENOMEM, "no memory");
	json_array_foreach (list, i, item) {
		struct sw_svc *svc = &pf->svcs[i];

		rc = fields_from_json(svc_fields, &svc->config, item, NULL, e);
		if (!rc)
			rc = sw_id_take(sw, &svc->port.id, e);
		if (rc)
			return rc;
		pf->n_svcs++;
	}
	return 0;
}

static int ids_take(struct sw *sw, struct sw_pf *pf, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++)
		rc = sw_id_take(sw, &pf->vf_ports[i].id, e);
	if (!rc && pf->config.uplink != UPLINK_NONE)
		rc = sw_id_take(sw, &pf->uplink.id, e);
	if (!rc && pf->config.host_if)
		rc = sw_id_take(sw, &pf->host.id, e);
	return rc;
}

static int pf_from_json(struct sw *sw, json_int_t version, const json_t *j, struct err *e)
{
	json_int_t slot = json_integer_value(json_object_get(j, "slot"));
	struct pf_config config;
	struct sw_pf *pf;
	const json_t *item;
	size_t i;
	int rc;

	pf_config_default(&config);
	rc = fields_from_json(pf_fields, &config, json_object_get(j, "config"), NULL, e);
	if (!rc)
		rc = pf_config_check(&config, e);
	if (rc)
		return rc;
	if (slot < 0 || slot >= PFS_MAX || sw->pfs[slot] || sw_pf_find(sw, config.name, NULL))
		return err_set(e, -EINVAL, "two PFs in one place");
	pf = sw_pf_new(&config, (unsigned int)slot);
	if (!pf)
		return err_set(e, -ENOMEM, "no memory");
	sw->pfs[slot] = pf;
	rc = ids_take(sw, pf, e);
	if (!rc)
		rc = svcs_from_json(sw, pf, json_object_get(j, "svcs"), e);
	json_array_foreach (json_object_get(j, "vfs"), i, item)
		if (!rc)
			rc = vf_from_json(pf, version, item, e);
	return rc ? rc : sw_guests_judge(pf, NULL, e); /* an older program took less care */
}

static int mirrors_from_json(struct sw *sw, const json_t *list, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		struct mirror_config m = { 0 };
		uint32_t changed = 0;
		int rc;

		if (i == VEB_MIRRORS_MAX)
			return err_set(e, -EINVAL, "too many mirrors");
		rc = fields_from_json(mirror_fields, &m, item, &changed, e);
		if (!rc)
			rc = mirror_config_apply(NULL, &m, changed, &m, e);
		if (!rc)
			rc = sw_mirror_load(sw, (unsigned int)i, &m, e);
		if (rc) {
			err_prefix(e, "mirror %zu", i);
			return -EINVAL;
		}
	}
	return 0;
}

static int state_from_json(struct sw *sw, const json_t *root, struct err *e)
{
	json_int_t version = json_integer_value(json_object_get(root, "version"));
	const json_t *item;
	size_t i;
	int rc;

	if (version > STATE_VERSION)
		return err_set(e, -EINVAL, "version %lld is newer than this program's %d",
			       (long long)version, STATE_VERSION);
	if (version < 1)
		return err_set(e, -EINVAL, "no version: not a state file of anyvf-swd");
	json_array_foreach (json_object_get(root, "pfs"), i, item) {
		rc = pf_from_json(sw, version, item, e);
		if (rc) {
			err_prefix(e, "PF %zu", i);
			return rc;
		}
	}
	return mirrors_from_json(sw, json_object_get(root, "mirrors"), e);
}

/**
 * sw_state_load() - Read the state file into an empty model
 * @sw: switch; sw_close() frees what a failure leaves
 * @e:  names file and place
 *
 * No file is an empty switch. Nothing is plugged in yet.
 *
 * Return: 0, -EINVAL (damaged, or of a newer version), or errors of reading.
 * Context: control.
 */
int sw_state_load(struct sw *sw, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL;
	auto_free char *text = NULL;
	json_error_t where;
	size_t size;
	int rc;

	if (!sw->state)
		return 0;
	rc = parent_state_read(sw->opts.parent, sw->state, STATE_MAX, &text, &size, NULL);
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return err_set(e, rc, "state file %s: %s", sw->state, strerror(-rc));
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return err_set(e, -EINVAL, "state file %s, line %d: %s", sw->state, where.line,
			       where.text);
	rc = state_from_json(sw, root, e);
	if (rc) {
		err_prefix(e, "state file %s", sw->state);
		return rc;
	}
	sw->saved = take(text);
	return 0;
}
