/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file, one JSON document:
 *
 *   {"version": 1, "boot": ID,
 *    "pfs": [{"nic", "ifindex", "name", "owes", "config": {of pf_fields[]},
 *             "vfs": [{"vf", "config": {of vf_fields[]}, "by_agent": [word],
 *                      "overridden": [word], "told": {rates of vf_fields[]},
 *                      "attach": {of vf_attach_fields[]}, "plug": {"home", "probed"}}],
 *             "mirrors": [{"config": {of mirror_fields[]}, "how": {of how_fields[]}}],
 *             "services": [{of svc_fields[]}]}],
 *    "kept": {...},
 *    "undo": [{"nic", "ifindex",
 *              "steps": [{"op", "vf", "words": {of vf_fields[]}} | {"op", of op_rows[]}]}]}
 *
 * "kept" is a record of the last change of many verbs (ctl/apply.h).
 *
 * What a config has was asked for; what it has not, was not. An "undo" is there while a change is
 * under way, and of one whose NIC went away meanwhile. "ifindex": it had that last. "owes": not all
 * of it was made since the boot. "told": what a driver makes of a rate.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "hw/model.h"

#define STATE_VERSION 1
#define STATE_MAX     (64U << 20)
#define BOOT_ID	      "/proc/sys/kernel/random/boot_id"
#define RATES	      (1U << VF_FIELD_MAX_TX_RATE | 1U << VF_FIELD_MIN_TX_RATE)

static const char *const op_names[] = { [HW_OP_VF] = "vf",
					[HW_OP_NUMVFS] = "numvfs",
					[HW_OP_MTU] = "mtu",
					[HW_OP_MAC] = "mac",
					[HW_OP_UP] = "up",
					[HW_OP_DRIVER] = "driver",
					[HW_OP_GROUP] = "group",
					[HW_OP_ESWITCH] = "eswitch",
					[HW_OP_SVC] = "service",
					[HW_OP_PROBE] = "probe",
					[HW_OP_DEV_UP] = "dev_up",
					[HW_OP_PLACE] = "place",
					[HW_OP_MACVTAP] = "macvtap",
					[HW_OP_CLSACT] = "clsact",
					[HW_OP_COPY] = "copy",
					[HW_OP_FILE] = "file",
					[HW_OP_N] = NULL };

/* One step as a plain struct, for its table. */
struct row {
	uint8_t op;
	uint16_t vf;
	uint32_t number;
	struct mac mac;
	uint16_t vlan, mtu;
	char driver[HW_DRIVER_LEN + 1], name[IF_NAMESIZE], netns[VF_NAME_LEN + 1];
	uint16_t peer;
	uint8_t dir;
	uint32_t max, min;
};
#define R(word, type, member, names)                                                               \
	{                                                                                          \
		word, type, offsetof(struct row, member), 0, names, NULL                           \
	}
#define TEXT(member)                                                                               \
	{                                                                                          \
#member, FIELD_STR, offsetof(struct row, member),                                  \
			sizeof(((struct row *)0)->member) - 1, NULL, NULL                          \
	}
static const struct field row_fields[] = { R("op", FIELD_ENUM, op, op_names),
					   R("vf", FIELD_U16, vf, NULL),
					   R("number", FIELD_U32, number, NULL),
					   R("mac", FIELD_MAC, mac, NULL),
					   TEXT(driver),
					   TEXT(name),
					   TEXT(netns),
					   R("peer", FIELD_U16, peer, NULL),
					   R("dir", FIELD_U8, dir, NULL),
					   R("vlan", FIELD_U16, vlan, NULL),
					   R("mtu", FIELD_U16, mtu, NULL),
					   R("max", FIELD_U32, max, NULL),
					   R("min", FIELD_U32, min, NULL),
					   FIELD_END };
enum {
	ROW_OP = 1,
	ROW_VF = 2,
	ROW_NUMBER = 4,
	ROW_MAC = 8,
	ROW_DRIVER = 16,
	ROW_NAME = 32,
	ROW_NETNS = 64,
	ROW_PEER = 128,
	ROW_DIR = 256,
	ROW_VLAN = 512,
	ROW_MTU = 1024,
	ROW_RATES = 2048 | 4096
};

/* What a step has beside its op; of a VF's attribute the words as well. */
static const uint32_t op_rows[HW_OP_N] = {
	[HW_OP_VF] = ROW_VF,
	[HW_OP_NUMVFS] = ROW_NUMBER,
	[HW_OP_ESWITCH] = ROW_NUMBER,
	[HW_OP_MTU] = ROW_NUMBER,
	[HW_OP_MAC] = ROW_MAC,
	[HW_OP_UP] = ROW_NUMBER,
	[HW_OP_GROUP] = ROW_NUMBER | ROW_NAME | ROW_RATES,
	[HW_OP_SVC] = ROW_NUMBER | ROW_MAC | ROW_NAME | ROW_NETNS | ROW_VLAN | ROW_MTU,
	[HW_OP_DRIVER] = ROW_VF | ROW_DRIVER,
	[HW_OP_PROBE] = ROW_VF | ROW_NUMBER,
	[HW_OP_DEV_UP] = ROW_VF | ROW_NUMBER,
	[HW_OP_PLACE] = ROW_VF | ROW_NUMBER | ROW_NAME | ROW_NETNS,
	[HW_OP_MACVTAP] = ROW_VF | ROW_NUMBER | ROW_NAME,
	[HW_OP_CLSACT] = ROW_VF | ROW_NUMBER,
	[HW_OP_COPY] = ROW_VF | ROW_NUMBER | ROW_PEER | ROW_DIR,
	[HW_OP_FILE] = ROW_VF | ROW_NUMBER | ROW_PEER | ROW_DIR,
};

/* How a VF came to what it is attached to. */
static const struct field plug_fields[] = {
	{ "home", FIELD_STR, offsetof(struct hw_vf_wish, home), IF_NAMESIZE - 1, NULL, NULL },
	{ "probed", FIELD_BOOL, offsetof(struct hw_vf_wish, probed), 0, NULL, NULL },
	FIELD_END
};

/* By what a mirror is done, and what its end gives back. */
#define HOW(word, type, member, names)                                                             \
	{                                                                                          \
		word, type, offsetof(struct hw_mirror, member), 0, names, NULL                     \
	}
static const struct field how_fields[] = { HOW("by", FIELD_ENUM, by, hw_mirror_by_names),
					   HOW("own", FIELD_MAC, own, NULL),
					   HOW("asked", FIELD_MAC, asked, NULL),
					   HOW("was_asked", FIELD_BOOL, was_asked, NULL),
					   HOW("made_clsact", FIELD_BOOL, made_clsact, NULL),
					   FIELD_END };

static void boot_id(char out[40])
{
	auto_free char *text = NULL;

	*out = '\0';
	if (!file_read(BOOT_ID, 4096, &text, NULL, NULL))
		snprintf(out, 40, "%.*s", (int)strcspn(text, "\n"), text);
}

static json_t *vf_to_json(unsigned int vf, const struct hw_vf_wish *w)
{
	const struct vf_config told = { .max_tx_mbit = w->max_tx_told,
					.min_tx_mbit = w->min_tx_told };
	auto_of(json_decref) json_t *j = NULL;

	j = json_pack("{s:i, s:o, s:o, s:o, s:o}", "vf", (int)vf, "config",
		      fields_to_json_masked(vf_fields, &w->config, w->fields), "by_agent",
		      fields_mask_to_json(vf_fields, w->by_agent), "overridden",
		      fields_mask_to_json(vf_fields, w->overridden), "told",
		      fields_to_json_masked(vf_fields, &told, w->rounded ? RATES : 0));
	if (j && w->attach.kind &&
	    (json_object_set_new(j, "attach", fields_to_json(vf_attach_fields, &w->attach)) ||
	     json_object_set_new(j, "plug", fields_to_json(plug_fields, w))))
		return NULL;
	return take(j);
}

static json_t *mirrors_to_json(const struct hw_pf *pf)
{
	auto_of(json_decref) json_t *list = json_array();

	for (const struct hw_mirror *m = pf->wish->mirrors; m < pf->wish->mirrors + HW_MIRRORS_MAX;
	     m++) {
		struct mirror_config c;

		if (!*m->name)
			continue;
		hw_mirror_config(pf, m, &c);
		if (json_array_append_new(list,
					  json_pack("{s:o, s:o}", "config",
						    fields_to_json_masked(mirror_fields, &c,
									  mirror_config_rows(&c)),
						    "how", fields_to_json(how_fields, m))))
			return NULL;
	}
	return take(list);
}

static json_t *pf_to_json(const struct hw_pf *pf)
{
	auto_of(json_decref) json_t *vfs = json_array(), *svcs = json_array();

	for (unsigned int i = 0; i < pf->wish->n_svcs; i++)
		if (json_array_append_new(svcs, fields_to_json(svc_fields, &pf->wish->svcs[i])))
			return NULL;
	for (unsigned int vf = 0; vf < VF_MAX; vf++) {
		const struct hw_vf_wish *w = &pf->wish->vfs[vf];

		if ((w->fields | w->by_agent | w->attach.kind) &&
		    json_array_append_new(vfs, vf_to_json(vf, w)))
			return NULL;
	}
	return json_pack("{s:s, s:i, s:s, s:b, s:o, s:o, s:O, s:O}", "nic", pf->nic.address,
			 "ifindex", pf->was, "name", pf->name, "owes", hw_owes(pf), "config",
			 fields_to_json_masked(pf_fields, &pf->wish->config, pf->wish->fields),
			 "mirrors", mirrors_to_json(pf), "vfs", vfs, "services", svcs);
}

static json_t *step_to_json(const struct hw_step *s)
{
	struct row row = { s->op, s->vf, s->old.number, s->old.mac, s->old.vlan, s->old.mtu };
	struct vf_config c = { 0 };
	json_t *j;

	strcpy(row.driver, s->old.driver);
	strcpy(row.name, s->old.name);
	strcpy(row.netns, s->old.netns);
	row.peer = s->old.peer;
	row.dir = s->old.dir;
	if (s->op == HW_OP_GROUP)
		strcpy(row.name, s->old.words.group);
	row.max = s->old.words.max_tx_mbit;
	row.min = s->old.words.min_tx_mbit;
	j = fields_to_json_masked(row_fields, &row, ROW_OP | op_rows[s->op]);
	if (s->op != HW_OP_VF)
		return j;
	hw_words_to(&s->old.words, HW_WORDS, &c);
	if (json_object_set_new(j, "words",
				fields_to_json_masked(vf_fields, &c, hw_attrs[s->attr].fields)))
		return NULL;
	return j;
}

static json_t *undo_to_json(const struct hw_plan *plan, const struct hw_pf *pf)
{
	auto_of(json_decref) json_t *steps = json_array();

	for (unsigned int i = 0; i < plan->n; i++)
		if (json_array_append_new(steps, step_to_json(&plan->steps[i])))
			return NULL;
	return json_pack("{s:s, s:i, s:O}", "nic", pf->nic.address, "ifindex", pf->was, "steps",
			 steps);
}

static bool is_kept(const struct hw *hw, const struct hw_pf *pf)
{
	return !pf->adding && (!pf->leaving || hw->doing);
}

/**
 * hw_state_pfs() - All that was asked for, as the state file has it
 * @hw: room
 *
 * Return: a new reference; NULL when out of memory. Context: control.
 */
json_t *hw_state_pfs(const struct hw *hw)
{
	auto_of(json_decref) json_t *pfs = json_array();

	for (unsigned int i = 0; i < hw->n_pfs; i++)
		if (is_kept(hw, hw->pfs[i]) && json_array_append_new(pfs, pf_to_json(hw->pfs[i])))
			return NULL;
	return take(pfs);
}

static int save(const struct hw *hw, struct err *e)
{
	auto_of(json_decref) json_t *undo = json_array(), *root = NULL;
	auto_free char *text = NULL;
	char boot[40];
	int rc = 0;

	boot_id(boot);
	if (hw->doing)
		rc = json_array_append_new(undo, undo_to_json(hw->doing, hw->doing_to));
	for (unsigned int i = 0; !rc && i < hw->n_pfs; i++) {
		const struct hw_pf *pf = hw->pfs[i];

		if (pf->undo.n)
			rc = json_array_append_new(undo, undo_to_json(&pf->undo, pf));
	}
	if (!rc)
		root = json_pack("{s:i, s:s, s:o, s:O*, s:O}", "version", STATE_VERSION, "boot",
				 boot, "pfs", hw_state_pfs(hw), "kept", hw->kept, "undo", undo);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	return file_replace(hw->opts.state, text, strlen(text), 0600, e);
}

/**
 * hw_state_save() - Write the state file anew
 * @hw: room; with what is being done, the file says how it is taken back
 * @e:  error text
 *
 * Return: 0, -ENOMEM, or the errno of the file.
 * Context: control; waits for the disk.
 */
int hw_state_save(struct hw *hw, struct err *e)
{
	int rc = hw->trial ? 0 : save(hw, e);

	if (hw->doing)
		return rc;
	hw->stale = rc;
	for (unsigned int i = 0; !rc && i < hw->n_pfs; i++)
		hw->pfs[i]->owes_saved = hw_owes(hw->pfs[i]);
	return rc;
}

static int told_from_json(const json_t *j, struct hw_vf_wish *w, struct err *e)
{
	struct vf_config told = { 0 };
	uint32_t have = 0;
	int rc = j ? fields_from_json(vf_fields, &told, j, &have, e) : 0;

	w->rounded = have == RATES;
	w->max_tx_told = told.max_tx_mbit;
	w->min_tx_told = told.min_tx_mbit;
	return rc;
}

static int vf_from_json(const json_t *j, struct hw_wish *wish, struct err *e)
{
	json_int_t vf = json_integer_value(json_object_get(j, "vf"));
	const json_t *attach = json_object_get(j, "attach");
	struct hw_vf_wish *w;
	int rc;

	if (!json_is_integer(json_object_get(j, "vf")) || vf < 0 || vf >= VF_MAX)
		return err_set(e, -EINVAL, "a VF that cannot be");
	w = &wish->vfs[vf];
	rc = fields_from_json(vf_fields, &w->config, json_object_get(j, "config"), &w->fields, e);
	rc = rc ?: told_from_json(json_object_get(j, "told"), w, e);
	rc = rc
		     ?: fields_mask_from_json(vf_fields, json_object_get(j, "by_agent"),
					      &w->by_agent, e);
	rc = rc
		     ?: fields_mask_from_json(vf_fields, json_object_get(j, "overridden"),
					      &w->overridden, e);
	if (rc || !attach)
		return rc;
	rc = fields_from_json(vf_attach_fields, &w->attach, attach, NULL, e);
	return rc ?: fields_from_json(plug_fields, w, json_object_get(j, "plug"), NULL, e);
}

/* A file of before there were any has none. */
static int svcs_from_json(const json_t *list, struct hw_wish *wish, struct err *e)
{
	const json_t *one;
	size_t i;
	int rc = 0;

	if (list && (!json_is_array(list) || json_array_size(list) > HW_SVCS_MAX))
		return err_set(e, -EINVAL, "services that cannot be");
	json_array_foreach (list, i, one)
		rc = rc ?: fields_from_json(svc_fields, &wish->svcs[i], one, NULL, e);
	wish->n_svcs = (unsigned int)json_array_size(list);
	return rc;
}

static struct hw_pf *of_nic(const struct hw *hw, const char *nic)
{
	for (unsigned int i = 0; i < hw->n_pfs; i++)
		if (!strcmp(hw->pfs[i]->nic.address, nic))
			return hw->pfs[i];
	return NULL;
}

/* A PF that nothing is known of but its NIC. */
static int nic_from_json(const json_t *j, struct hw_pf **out, struct err *e)
{
	const char *nic = json_string_value(json_object_get(j, "nic"));
	json_int_t ifindex = json_integer_value(json_object_get(j, "ifindex"));

	if (!nic || !*nic || strlen(nic) > HW_ADDRESS_LEN || strchr(nic, '/') || ifindex < 0 ||
	    ifindex > INT_MAX)
		return err_set(e, -EINVAL, "a NIC that cannot be");
	*out = hw_pf_new(nic, e);
	if (!*out)
		return -ENOMEM;
	(*out)->was = (int)ifindex;
	return 0;
}

static int mirror_from_json(const json_t *j, struct hw_mirror *m, struct err *e)
{
	struct mirror_config c = { 0 };
	uint32_t have = 0, how = 0;
	int rc = fields_from_json(mirror_fields, &c, json_object_get(j, "config"), &have, e);

	rc = rc ?: fields_from_json(how_fields, m, json_object_get(j, "how"), &how, e);
	if (rc)
		return rc;
	if (mirror_config_rows(&c) & ~have || c.to != MIRROR_TO_VF ||
	    (c.from != MIRROR_FROM_VF && c.from != MIRROR_FROM_VLAN) || !(how & 1) ||
	    mirror_config_check(&c, NULL))
		return err_set(e, -EINVAL, "a mirror that cannot be");
	strcpy(m->name, c.name);
	m->from = c.from;
	m->from_vf = c.from_vf;
	m->from_vlan = c.from_vlan;
	m->to_vf = c.to_vf;
	m->dir = c.dir;
	return 0;
}

/* Files of before there were mirrors have none. */
static int mirrors_from_json(const json_t *list, struct hw_wish *wish, struct err *e)
{
	const json_t *j;
	size_t i;
	int rc = 0;

	if (json_array_size(list) > HW_MIRRORS_MAX)
		return err_set(e, -EINVAL, "more mirrors than there can be");
	json_array_foreach (list, i, j)
		rc = rc ?: mirror_from_json(j, &wish->mirrors[i], e);
	return rc;
}

static int pf_from_json(struct hw *hw, const json_t *j, struct err *e)
{
	const char *name = json_string_value(json_object_get(j, "name"));
	auto_of(hw_pf_free) struct hw_pf *pf = NULL;
	const json_t *vfs = json_object_get(j, "vfs"), *vf;
	size_t i;
	int rc = nic_from_json(j, &pf, e);

	if (rc)
		return rc;
	if (!name || strlen(name) > PF_NAME_LEN || hw->n_pfs == PFS_MAX || !json_is_array(vfs) ||
	    of_nic(hw, pf->nic.address))
		return err_set(e, -EINVAL, "a PF that cannot be");
	strcpy(pf->name, name);
	rc = fields_from_json(pf_fields, &pf->wish->config, json_object_get(j, "config"),
			      &pf->wish->fields, e);
	json_array_foreach (vfs, i, vf)
		rc = rc ?: vf_from_json(vf, pf->wish, e);
	rc = rc ?: mirrors_from_json(json_object_get(j, "mirrors"), pf->wish, e);
	rc = rc ?: svcs_from_json(json_object_get(j, "services"), pf->wish, e);
	if (!rc && json_is_true(json_object_get(j, "owes")))
		hw_owe(pf);
	if (!rc)
		hw->pfs[hw->n_pfs++] = take(pf);
	return rc;
}

/**
 * hw_state_pfs_read() - PFs as hw_state_pfs() wrote them
 * @hw:  room; gets them behind those it has
 * @pfs: array
 * @e:   error text
 *
 * Return: 0, -EINVAL or -ENOMEM; then some are there. Context: control.
 */
int hw_state_pfs_read(struct hw *hw, const json_t *pfs, struct err *e)
{
	const json_t *pf;
	size_t i;
	int rc = 0;

	json_array_foreach (pfs, i, pf)
		rc = rc ?: pf_from_json(hw, pf, e);
	return rc;
}

static int step_from_json(const json_t *j, struct hw_plan *plan, struct err *e)
{
	const json_t *words = json_object_get(j, "words");
	auto_of(json_decref) json_t *rest = json_copy((json_t *)(uintptr_t)j);
	struct vf_config c = { 0 };
	struct row row = { 0 };
	struct hw_step step = { 0 };
	uint32_t have = 0, fields = 0;
	int rc = 0;

	json_object_del(rest, "words");
	rc = fields_from_json(row_fields, &row, rest, &have, e);
	if (!rc && words)
		rc = fields_from_json(vf_fields, &c, words, &fields, e);
	if (rc)
		return rc;
	step = (struct hw_step){
		.op = row.op,
		.vf = row.vf,
		.old = { .number = row.number, .mac = row.mac, .vlan = row.vlan, .mtu = row.mtu }
	};
	strcpy(step.old.driver, row.driver);
	strcpy(step.old.name, row.name);
	strcpy(step.old.netns, row.netns);
	step.old.peer = row.peer;
	step.old.dir = row.dir;
	hw_words_from(&c, &step.old.words);
	if (row.op == HW_OP_GROUP) {
		strcpy(step.old.words.group, row.name);
		step.old.words.max_tx_mbit = row.max;
		step.old.words.min_tx_mbit = row.min;
	}
	while (step.attr < HW_ATTR_N && hw_attrs[step.attr].fields != fields)
		step.attr++;
	if (!(have & ROW_OP) || (op_rows[row.op] & ~have) ||
	    (row.op == HW_OP_VF && step.attr == HW_ATTR_N))
		return err_set(e, -EINVAL, "a step that cannot be");
	return hw_plan_add(plan, &step, e);
}

/* Of a PF that is in the list, or of the only one that was to be. */
static int undo_from_json(const struct hw *hw, const json_t *j, struct hw_past *past, struct err *e)
{
	auto_of(hw_pf_free) struct hw_pf *nic = NULL;
	struct hw_pf *pf;
	const json_t *step;
	size_t i;
	int rc = nic_from_json(j, &nic, e);

	if (rc)
		return rc;
	pf = of_nic(hw, nic->nic.address) ?: nic;
	if (!json_is_array(json_object_get(j, "steps")) || pf->undo.n ||
	    (pf == nic && past->adding))
		return err_set(e, -EINVAL, "an undo that cannot be");
	json_array_foreach (json_object_get(j, "steps"), i, step)
		rc = rc ?: step_from_json(step, &pf->undo, e);
	if (pf == nic)
		past->adding = take(nic);
	return rc;
}

/* The document. Returns 0 or -EINVAL. */
static int root_from_json(struct hw *hw, const json_t *root, struct hw_past *past, struct err *e)
{
	const json_t *undos = json_object_get(root, "undo"), *j;
	json_int_t version = json_integer_value(json_object_get(root, "version"));
	size_t i;
	int rc;

	if (version != STATE_VERSION)
		return err_set(e, -EINVAL, "version %lld is not ours", (long long)version);
	if (!json_is_array(json_object_get(root, "pfs")))
		return err_set(e, -EINVAL, "it has no list of PFs");
	if (undos && !json_is_array(undos))
		return err_set(e, -EINVAL, "\"undo\" is no list");
	hw->kept = json_incref(json_object_get(root, "kept"));
	rc = hw_state_pfs_read(hw, json_object_get(root, "pfs"), e);
	json_array_foreach (undos, i, j)
		rc = rc ?: undo_from_json(hw, j, past, e);
	return rc;
}

/* What was done in another boot has gone with that. */
static void booted(struct hw *hw, struct hw_past *past)
{
	past->booted = true;
	hw_pf_free(past->adding);
	past->adding = NULL;
	for (unsigned int i = 0; i < hw->n_pfs; i++) {
		hw->pfs[i]->was = 0;
		hw_plan_fini(&hw->pfs[i]->undo);
	}
}

/**
 * hw_state_load() - Read the state file
 * @hw:   room without PFs; gets them, not placed, with what is to be taken back
 * @past: zero; gets what else there is; past->adding is the caller's to free, also after an error
 * @e:    names the file
 *
 * Return: 0, also where there is no file yet; -EINVAL: it is damaged; the errno of the file.
 * Context: control, at start.
 */
int hw_state_load(struct hw *hw, struct hw_past *past, struct err *e)
{
	auto_free char *text = NULL;
	auto_of(json_decref) json_t *root = NULL;
	json_error_t why;
	size_t size;
	char boot[40];
	int rc = file_read(hw->opts.state, STATE_MAX, &text, &size, e);

	if (rc == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	if (rc)
		return rc;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	rc = root ? root_from_json(hw, root, past, e) : err_set(e, -EINVAL, "%s", why.text);
	if (rc) {
		err_prefix(e, "%s", hw->opts.state);
		return rc;
	}
	boot_id(boot);
	if (strcmp(json_string_value(json_object_get(root, "boot")) ?: "", boot))
		booted(hw, past);
	return 0;
}
