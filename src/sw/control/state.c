/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the state file (state.h): what changed since, found by comparing with what was saved. */
#include "sw/control/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/merge.h"
#include "sw/parent/parent.h"

/* What of a model is saved: as it is, or as it was saved last. */
struct view {
	struct sw_pf *const *pfs; /* array of PFS_MAX */
	const struct mirror_config *mirrors[VEB_MIRRORS_MAX];
	json_t *kept;
};

struct text {
	struct buf buf;
	bool failed;
};

static json_t *accepted_to_json(const struct guest *g)
{
	char text[VF_MACS_TRUSTED * (MAC_STR_LEN + 1)], *at = text;

	for (unsigned int i = 0; i < g->n_accepted && i < VF_MACS_TRUSTED; i++) {
		mac_format(&g->accepted[i].mac, at);
		at += MAC_STR_LEN - 1;
		if (state_marks[g->accepted[i].why])
			*at++ = state_marks[g->accepted[i].why];
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

/* The same bytes are the same values; rows are asked about the rest. */
static bool vf_same(const struct sw_vf *a, const struct sw_vf *b)
{
	return a->by_agent == b->by_agent && a->overridden == b->overridden &&
	       (!memcmp(&a->config, &b->config, sizeof(a->config)) ||
		!fields_diff(vf_fields, &a->config, &b->config)) &&
	       (!memcmp(&a->attach, &b->attach, sizeof(a->attach)) ||
		!fields_diff(vf_attach_fields, &a->attach, &b->attach)) &&
	       guest_same_accepted(a->guest, b->guest);
}

/* Members at their defaults are left out, and addresses that another has as well. */
static json_t *vf_to_json(const struct sw_vf *v, const struct sw_vf *other)
{
	const struct vf_attach loose = { 0 };
	auto_of(json_decref) json_t *j = json_object();
	struct vf_config plain;
	int rc;

	vf_config_default(&plain);
	rc = json_object_set_new(j, "config",
				 fields_to_json_masked(vf_fields, &v->config,
						       fields_diff(vf_fields, &v->config, &plain)));
	if (v->attach.kind != VF_ATTACH_NONE)
		rc |= json_object_set_new(
			j, "attach",
			fields_to_json_masked(vf_attach_fields, &v->attach,
					      fields_diff(vf_attach_fields, &v->attach, &loose)));
	if (v->by_agent)
		rc |= json_object_set_new(j, "by_agent",
					  fields_mask_to_json(vf_fields, v->by_agent));
	if (v->overridden)
		rc |= json_object_set_new(j, "overridden",
					  fields_mask_to_json(vf_fields, v->overridden));
	if (v->guest && v->guest->n_accepted &&
	    !(other && guest_same_accepted(v->guest, other->guest)))
		rc |= json_object_set_new(j, "accepted", accepted_to_json(v->guest));
	return rc ? NULL : take(j);
}

static int put_numbered(json_t *j, unsigned int number, json_t *value)
{
	char key[12];

	snprintf(key, sizeof(key), "%u", number);
	return json_object_set_new(j, key, value);
}

static json_t *vfs_to_json(const struct sw_pf *pf, const struct sw_pf *other)
{
	auto_of(json_decref) json_t *vfs = json_object();
	int rc = 0;

	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		const struct sw_vf *v = &pf->vfs[i];
		const struct sw_vf *o = other && i < other->config.numvfs ? &other->vfs[i] : NULL;

		if (!(o && vf_same(v, o)) && !vf_is_default(v))
			rc |= put_numbered(vfs, i, vf_to_json(v, o));
	}
	return rc ? NULL : take(vfs);
}

static json_t *svcs_to_json(const struct sw_pf *pf)
{
	auto_of(json_decref) json_t *svcs = json_object();
	int rc = 0;

	for (unsigned int i = 0; i < pf->n_svcs; i++)
		rc |= json_object_set_new(svcs, pf->svcs[i].config.name,
					  fields_to_json(svc_fields, &pf->svcs[i].config));
	return rc ? NULL : take(svcs);
}

static bool svcs_same(const struct sw_pf *a, const struct sw_pf *b)
{
	unsigned int i = 0;

	while (i < a->n_svcs && i < b->n_svcs &&
	       !fields_diff(svc_fields, &a->svcs[i].config, &b->svcs[i].config))
		i++;
	return i == a->n_svcs && i == b->n_svcs;
}

static json_t *wire_to_json(const struct sw_wire *wire)
{
	char mac[MAC_STR_LEN];

	return json_pack("{s:i, s:s}", "ifindex", (int)wire->ifindex, "mac",
			 mac_format(&wire->mac, mac));
}

static bool wire_same(const struct sw_wire *a, const struct sw_wire *b)
{
	return a->ifindex == b->ifindex && mac_equal(&a->mac, &b->mac);
}

static json_t *pf_to_json(const struct sw_pf *pf, const struct sw_pf *other)
{
	auto_of(json_decref) json_t *j = json_object();
	int rc = json_object_set_new(j, "vfs", vfs_to_json(pf, other));

	if (!other || fields_diff(pf_fields, &pf->config, &other->config))
		rc |= json_object_set_new(j, "config", fields_to_json(pf_fields, &pf->config));
	if (pf->wire.ifindex && !(other && wire_same(&pf->wire, &other->wire)))
		rc |= json_object_set_new(j, "wire", wire_to_json(&pf->wire));
	if (!other || !svcs_same(pf, other))
		rc |= json_object_set_new(j, "svcs", svcs_to_json(pf));
	return rc ? NULL : take(j);
}

/*
 * What of a model is not the same in another (NULL: all of it), so that a change costs as much as
 * it changes. What both have is in both or in none: absent in one is gone, or new. NULL: no memory;
 * half a model is none.
 */
static json_t *view_to_json(const struct view *v, const struct view *other)
{
	auto_of(json_decref) json_t *pfs = json_object(), *mirrors = json_object();
	int rc = 0;

	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (v->pfs[i])
			rc |= put_numbered(pfs, i,
					   pf_to_json(v->pfs[i], other ? other->pfs[i] : NULL));
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct mirror_config *m = v->mirrors[i],
					   *o = other ? other->mirrors[i] : NULL;

		if (m && !(o && !fields_diff(mirror_fields, m, o)))
			rc |= put_numbered(
				mirrors, i,
				fields_to_json_masked(mirror_fields, m, mirror_config_rows(m)));
	}
	return rc ? NULL
		  : json_pack("{s:O, s:O, s:O*}", "pfs", pfs, "mirrors", mirrors, "kept",
			      other && other->kept == v->kept ? NULL : v->kept);
}

/* Once it failed it fails: the library goes on behind a key that found no room. */
static int text_add(const char *bytes, size_t size, void *arg)
{
	struct text *t = arg;

	t->failed |= buf_add(&t->buf, bytes, size, STATE_MAX) != 0;
	return t->failed ? -1 : 0;
}

/* Appends a document to a text, and the end of its line. */
static int text_of(const json_t *root, size_t flags, struct text *t)
{
	if (!root || json_dump_callback(root, text_add, t, flags) || text_add("\n", 1, t))
		return -ENOMEM;
	return 0;
}

static int document_save(struct sw *sw, const struct view *now, struct err *e)
{
	auto_of(json_decref) json_t *root = json_pack("{s:i}", "version", STATE_VERSION);
	auto_of(json_decref) json_t *all = view_to_json(now, NULL);
	struct text t = { 0 };
	int rc = json_object_update(root, all);

	rc = rc ? -ENOMEM : text_of(root, JSON_INDENT(1), &t);
	if (rc)
		err_set(e, rc, "no memory for the state");
	else
		rc = parent_state_save(sw->opts.parent, sw->state, t.buf.data, t.buf.len, e);
	if (!rc)
		state_keep(sw, t.buf.len, t.buf.len);
	buf_fini(&t.buf);
	return rc;
}

/* The line of a patch. */
static int line_of(const json_t *patch, struct text *t)
{
	char crc[STATE_CRC_LEN + 1];
	int rc = text_add("         ", STATE_CRC_LEN, t) ?: text_of(patch, JSON_COMPACT, t);

	if (rc)
		return -ENOMEM;
	snprintf(crc, sizeof(crc), "%08x ",
		 state_crc(t->buf.data + STATE_CRC_LEN, t->buf.len - STATE_CRC_LEN - 1));
	memcpy(t->buf.data, crc, STATE_CRC_LEN);
	return 0;
}

/* -ESTALE: the document is to be written. */
static int line_save(struct sw *sw, const json_t *patch, struct err *e)
{
	const struct sw_saved *s = &sw->saved;
	struct text t = { 0 };
	int rc = line_of(patch, &t);
	size_t size = s->size + t.buf.len;

	if (rc)
		err_set(e, rc, "no memory for the state");
	else if (size - s->document > MAX(s->document, (size_t)STATE_JOURNAL_MIN) ||
		 size > STATE_MAX)
		rc = -ESTALE;
	else
		rc = parent_state_append(sw->opts.parent, sw->state, s->size, t.buf.data, t.buf.len,
					 e);
	if (!rc)
		state_keep(sw, s->document, size);
	buf_fini(&t.buf);
	return rc;
}

static int changes_save(struct sw *sw, const struct view *now, struct err *e)
{
	struct view was = { .pfs = sw->saved.pfs, .kept = sw->saved.kept };
	auto_of(json_decref) json_t *from = NULL, *to = NULL, *patch = json_object();

	if (!sw->saved.size)
		return -ESTALE;
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		was.mirrors[i] = sw->saved.mirrors[i];
	from = view_to_json(&was, now);
	to = view_to_json(now, &was);
	if (!from || !to || merge_make(from, to, patch))
		return err_set(e, -ENOMEM, "no memory for the state");
	return json_object_size(patch) ? line_save(sw, patch, e) : 0;
}

/**
 * sw_state_save() - Have the state file hold the model, if it does not
 * @sw: switch
 * @e:  may be NULL
 *
 * A line more as a rule; the whole document now and then, and where the file is not what we left.
 *
 * Return: 0, -ENOMEM, or errors of writing (-ENOSPC, -EROFS, ...): the file says what it said.
 * Context: control; blocks for the disk.
 */
int sw_state_save(struct sw *sw, struct err *e)
{
	struct view now = { .pfs = sw->pfs, .kept = sw->kept };
	struct err why = { 0 };
	int rc;

	if (!sw->state || sw->hold)
		return 0;
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used && !sw->mirrors[i].capture)
			now.mirrors[i] = &sw->mirrors[i].config;
	rc = changes_save(sw, &now, &why);
	if (rc == -ESTALE || rc == -ENOENT) {
		why = (struct err){ 0 };
		rc = document_save(sw, &now, &why);
	}
	return rc ? err_set(e, rc, "state file: %s", why.msg) : 0;
}

/**
 * sw_state_forget() - What the state file holds is not known any more
 * @sw: switch
 *
 * Context: control.
 */
void sw_state_forget(struct sw *sw)
{
	for (unsigned int i = 0; i < PFS_MAX; i++)
		sw_pf_free(sw->saved.pfs[i]);
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		free(sw->saved.mirrors[i]);
	json_decref(sw->saved.kept);
	sw->saved = (struct sw_saved){ 0 };
}

/* A copy of a PF like it, with room for as many VFs and service ports. */
static struct sw_pf *pf_like(const struct sw_pf *pf)
{
	auto_of(sw_pf_free) struct sw_pf *made = sw_pf_new(&pf->config, pf->slot);

	if (!made)
		return NULL;
	made->n_svcs = pf->n_svcs;
	made->svcs = calloc(pf->n_svcs + 1u, sizeof(*made->svcs));
	return made->svcs ? take(made) : NULL;
}

static bool pf_keep(struct sw_pf **kept, const struct sw_pf *pf)
{
	struct sw_pf *k = *kept;

	if (k && (!pf || k->config.numvfs != pf->config.numvfs || k->n_svcs != pf->n_svcs)) {
		sw_pf_free(k);
		k = *kept = NULL;
	}
	if (!pf)
		return true;
	k = *kept = k ?: pf_like(pf);
	if (!k)
		return false;
	k->config = pf->config;
	k->wire = pf->wire;
	for (unsigned int i = 0; i < pf->n_svcs; i++)
		k->svcs[i].config = pf->svcs[i].config;
	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		struct guest *gone = k->vfs[i].guest;

		k->vfs[i] = pf->vfs[i];
		guest_get(k->vfs[i].guest);
		guest_put(gone);
	}
	return true;
}

static bool mirror_keep(struct mirror_config **kept, const struct sw_mirror *m)
{
	if (!m->used || m->capture) {
		free(*kept);
		*kept = NULL;
		return true;
	}
	if (!*kept)
		*kept = malloc(sizeof(**kept));
	if (*kept)
		**kept = m->config;
	return *kept;
}

/**
 * state_keep() - Remember the model as what the state file holds
 * @sw:       switch
 * @document: bytes of the file's document
 * @size:     bytes of the file
 *
 * Without memory for it the next save writes the whole document.
 *
 * Context: control.
 */
void state_keep(struct sw *sw, size_t document, size_t size)
{
	bool all = true;

	for (unsigned int i = 0; i < PFS_MAX; i++)
		all &= pf_keep(&sw->saved.pfs[i], sw->pfs[i]);
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		all &= mirror_keep(&sw->saved.mirrors[i], &sw->mirrors[i]);
	json_decref(sw->saved.kept);
	sw->saved.kept = json_incref(sw->kept);
	sw->saved.document = document;
	sw->saved.size = size;
	if (!all)
		sw_state_forget(sw);
}
