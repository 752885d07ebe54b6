/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file for a host: PFs with their VFs and service ports, and mirrors, in the words of `show`.
 *
 *   {"anyvf": 1,
 *    "pfs": {PF: {"kind": "hw", words of pf_fields[],
 *                 "vfs": {N: {words of vf_fields[], "attach": {words of vf_attach_fields[]}}},
 *                 "services": {NAME: {words of svc_fields[]}}}},
 *    "mirrors": {NAME: {words of mirror_fields[]}}}
 *
 * What has its default is not there. A file is read through the same tables into structs and
 * written again from these, as what is there is, so that two trees of JSON are compared.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/noun.h"

#define FILE_VERSION 1
#define DIFFERS	     2 /* exit code */
#define FILE_MAX     (16U << 20)
#define VF_LEASE     (BIT(VF_FIELD_PORT_ID) | BIT(VF_FIELD_SERVER))

/* One side of a comparison. */
struct hostfile {
	json_t *root;	/* owned */
	json_t *leased; /* PF -> {N: port id}, of what is there: VFs that are the agent's; owned */
};

static void hostfile_fini(struct hostfile *f)
{
	json_decref(f->root);
	json_decref(f->leased);
}
#define auto_hostfile __attribute__((cleanup(hostfile_fini)))

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- structs to the file's form ---- */

static json_t *pf_form(const struct pf_config *c, bool hw)
{
	struct pf_config plain;
	uint32_t rows;
	json_t *j;

	pf_config_default(&plain);
	rows = fields_diff(pf_fields, c, &plain) & ~BIT(PF_FIELD_NAME);
	if (c->mtu > pf_fields[PF_FIELD_MTU].max) /* a NIC has it, and no word could ask for it */
		rows &= ~BIT(PF_FIELD_MTU);
	j = fields_to_json_masked(pf_fields, c, rows);
	if (hw)
		json_object_set_new(j, "kind", json_string("hw"));
	return j;
}

/* NULL: nothing of it is other than by default. */
static json_t *vf_form(const struct vf_config *c, const struct vf_attach *a)
{
	const struct vf_attach loose = { 0 };
	struct vf_config plain;
	uint32_t rows;
	json_t *j;

	vf_config_default(&plain);
	rows = fields_diff(vf_fields, c, &plain) & ~VF_LEASE;
	if (!rows && a->kind == VF_ATTACH_NONE)
		return NULL;
	j = fields_to_json_masked(vf_fields, c, rows);
	if (a->kind != VF_ATTACH_NONE)
		json_object_set_new(
			j, "attach",
			fields_to_json_masked(vf_attach_fields, a,
					      fields_diff(vf_attach_fields, a, &loose)));
	return j;
}

static json_t *svc_form(const struct svc_config *s)
{
	const struct svc_config plain = { 0 };

	return fields_to_json_masked(svc_fields, s, fields_diff(svc_fields, s, &plain) & ~3U);
}

static json_t *mirror_form(const struct mirror_config *m)
{
	const struct mirror_config plain = { 0 };
	/* A direction of none is one as well. */
	uint32_t rows = (fields_diff(mirror_fields, m, &plain) | BIT(MIRROR_FIELD_DIR)) &
			mirror_config_rows(m);

	return fields_to_json_masked(mirror_fields, m, rows & ~BIT(MIRROR_FIELD_NAME));
}

static json_t *root_new(json_t *pfs, json_t *mirrors)
{
	return json_pack("{s:i, s:o, s:o}", "anyvf", FILE_VERSION, "pfs", pfs, "mirrors", mirrors);
}

/* ---- what is there ---- */

/* A socket whose name is the switch's own choice is not said. */
static void socket_forget(const struct cli *cli, const char *pf, unsigned int vf,
			  struct vf_attach *a)
{
	char own[512], run_dir[400];

	if (!realpath(cli->run_dir, run_dir))
		snprintf(run_dir, sizeof(run_dir), "%.399s", cli->run_dir);
	snprintf(own, sizeof(own), "%s/vhost/%s-%u/sock", run_dir, pf, vf);
	if (!strcmp(a->socket, own))
		*a->socket = '\0';
}

static int vfs_there(const struct cli *cli, const char *pf, const json_t *list, json_t *vfs,
		     json_t *leased, struct err *e)
{
	const json_t *one;
	char key[12];
	size_t i;

	json_array_foreach (list, i, one) {
		struct vf_info info;
		int rc = ctl_vf_info_from_json(one, &info, e);
		json_t *j;

		if (rc)
			return rc;
		snprintf(key, sizeof(key), "%u", (unsigned int)i);
		if (*info.config.port_id) {
			json_object_set_new(leased, key, json_string(info.config.port_id));
			continue;
		}
		socket_forget(cli, pf, (unsigned int)i, &info.attach);
		j = vf_form(&info.config, &info.attach);
		if (j && json_object_set_new(vfs, key, j))
			return no_memory(e);
	}
	return 0;
}

static int pf_there(struct cli *cli, const char *name, struct hostfile *out, struct err *e)
{
	json_t *vfs = json_object(), *leased = json_object(), *form;
	auto_of(json_decref) json_t *pf = NULL;
	struct pf_info info;
	int rc = cli_call_pf(cli, name, "pf.get", json_pack("{s:b}", "vfs", 1), &pf, e);

	json_object_set_new(out->leased, name, leased);
	rc = rc ?: vfs_there(cli, name, json_object_get(pf, "vfs"), vfs, leased, e);
	if (!rc) /* it has been read, and would be a member too many */
		json_object_del(pf, "vfs");
	rc = rc ?: ctl_pf_info_from_json(pf, &info, e);
	if (rc) {
		json_decref(vfs);
		return rc;
	}
	form = pf_form(&info.config, !strcmp(info.status.kind, "hw"));
	if (json_object_size(vfs))
		json_object_set(form, "vfs", vfs);
	json_decref(vfs);
	return json_object_set_new(json_object_get(out->root, "pfs"), name, form) ? no_memory(e)
										  : 0;
}

static int svcs_there(struct cli *cli, json_t *pfs, struct err *e)
{
	auto_of(json_decref) json_t *list = NULL;
	const json_t *one;
	size_t i;
	int rc = cli_call_all(cli, "svc.list", &list, e);

	json_array_foreach (list, i, one) {
		struct svc_config s = { 0 };
		json_t *pf, *all;

		rc = rc ?: fields_from_json(svc_fields, &s, one, NULL, e);
		pf = json_object_get(pfs, s.pf);
		if (rc || !pf)
			continue;
		all = json_object_get(pf, "services");
		if (!all)
			json_object_set_new(pf, "services", all = json_object());
		json_object_set_new(all, s.name, svc_form(&s));
	}
	return rc;
}

static int mirrors_there(struct cli *cli, json_t *mirrors, struct err *e)
{
	auto_of(json_decref) json_t *list = NULL;
	json_t *one;
	size_t i;
	int rc = cli_call_all(cli, "mirror.list", &list, e);

	json_array_foreach (list, i, one) {
		struct mirror_config m = { 0 };

		json_object_del(one, "mirrored");
		json_object_del(one, "dropped");
		rc = rc ?: fields_from_json(mirror_fields, &m, one, NULL, e);
		if (!rc)
			json_object_set_new(mirrors, m.name, mirror_form(&m));
	}
	return rc;
}

static int read_host(struct cli *cli, struct hostfile *out, struct err *e)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	size_t i;
	int rc = cli_call_all(cli, "pf.list", &names, e);

	out->root = root_new(json_object(), json_object());
	out->leased = json_object();
	if (!out->root || !out->leased)
		return no_memory(e);
	json_array_foreach (names, i, name)
		rc = rc ?: pf_there(cli, json_string_value(name), out, e);
	rc = rc ?: svcs_there(cli, json_object_get(out->root, "pfs"), e);
	return rc ?: mirrors_there(cli, json_object_get(out->root, "mirrors"), e);
}

/* ---- a file ---- */

/* Takes a member out of an object: the rest is for a table. NULL: it is not there. */
static json_t *member_take(json_t *from, const char *key)
{
	json_t *j = json_incref(json_object_get(from, key));

	json_object_del(from, key);
	return j;
}

static int object_check(const json_t *j, const char *what, struct err *e)
{
	return !j || json_is_object(j) ? 0 : err_set(e, -EINVAL, "%s is no object", what);
}

static int vf_read(const char *key, json_t *said, const struct pf_config *pf, json_t *out,
		   struct err *e)
{
	auto_of(json_decref) json_t *attach = member_take(said, "attach");
	struct vf_change change = { 0 };
	struct vf_attach a = { 0 };
	struct vf_config plain, c;
	json_t *form;
	int rc;

	if (!cli_u32(key, &change.vf) || change.vf >= pf->numvfs)
		return err_set(e, -EINVAL, "%s has %u VFs, and no vf \"%s\"", pf->name, pf->numvfs,
			       key);
	rc = fields_from_json(vf_fields, &change.want, said, &change.changed, e);
	if (!rc && change.changed & VF_LEASE)
		rc = err_set(e, -EINVAL, "leases are the agent's");
	vf_config_default(&plain);
	rc = rc ?: vf_change_apply(&plain, &change, pf, &c, e);
	if (!rc && attach)
		rc = fields_from_json(vf_attach_fields, &a, attach, NULL, e);
	form = rc ? NULL : vf_form(&c, &a);
	if (form)
		json_object_set_new(out, key, form);
	return rc;
}

static int vfs_read(json_t *vfs, const struct pf_config *pf, json_t *out, struct err *e)
{
	const char *key;
	json_t *one;
	int rc = object_check(vfs, "vfs", e);

	if (rc)
		return rc;
	json_object_foreach (vfs, key, one) {
		rc = object_check(one, "it", e) ?: vf_read(key, one, pf, out, e);
		if (rc) {
			err_prefix(e, "vf %.32s", key);
			return rc;
		}
	}
	return 0;
}

static int svcs_read(json_t *svcs, json_t *out, struct err *e)
{
	const char *key;
	json_t *one;
	int rc = object_check(svcs, "services", e);

	if (rc)
		return rc;
	json_object_foreach (svcs, key, one) {
		struct svc_config s = { 0 };
		uint32_t have = 0;

		rc = object_check(one, "it", e) ?: fields_from_json(svc_fields, &s, one, &have, e);
		if (!rc && (have & 3 || strlen(key) > SVC_NAME_LEN))
			rc = err_set(e, -EINVAL, "its names are those of the objects it is in");
		if (rc) {
			err_prefix(e, "service %.32s", key);
			return rc;
		}
		json_object_set_new(out, key, svc_form(&s));
	}
	return 0;
}

static int pf_read(const char *name, json_t *said, json_t *pfs, struct err *e)
{
	auto_of(json_decref) json_t *vfs = member_take(said, "vfs"), *form = NULL;
	auto_of(json_decref) json_t *svcs = member_take(said, "services");
	auto_of(json_decref) json_t *kind = member_take(said, "kind");
	auto_of(json_decref) json_t *vfs_out = json_object(), *svcs_out = json_object();
	const char *word = kind ? json_string_value(kind) : "sw";
	struct pf_config c;
	uint32_t have = 0;
	bool hw = word && !strcmp(word, "hw");
	int rc;

	if (!word || (!hw && strcmp(word, "sw")))
		return err_set(e, -EINVAL, "kind is sw or hw");
	pf_config_default(&c);
	rc = fields_from_json(pf_fields, &c, said, &have, e);
	if (!rc && have & BIT(PF_FIELD_NAME))
		rc = err_set(e, -EINVAL, "its name is the object's");
	rc = rc ?: field_parse(&pf_fields[PF_FIELD_NAME], &c, name, e);
	rc = rc ?: pf_config_check(&c, e);
	if (hw && !(have & BIT(PF_FIELD_NUMVFS)))
		c.numvfs = VF_MAX; /* as it is: any VF may be meant */
	rc = rc ?: vfs_read(vfs, &c, vfs_out, e);
	rc = rc ?: svcs_read(svcs, svcs_out, e);
	if (rc)
		return rc;
	if (hw && !(have & BIT(PF_FIELD_NUMVFS)))
		c.numvfs = 0;
	form = pf_form(&c, hw);
	if (json_object_size(vfs_out))
		json_object_set(form, "vfs", vfs_out);
	if (json_object_size(svcs_out))
		json_object_set(form, "services", svcs_out);
	return json_object_set(pfs, name, form) ? no_memory(e) : 0;
}

static int mirror_read(const char *name, const json_t *said, json_t *mirrors, struct err *e)
{
	struct mirror_config m = { 0 }, want;
	uint32_t have = 0;
	int rc = fields_from_json(mirror_fields, &m, said, &have, e);

	if (!rc && have & BIT(MIRROR_FIELD_NAME))
		rc = err_set(e, -EINVAL, "its name is the object's");
	rc = rc ?: field_parse(&mirror_fields[MIRROR_FIELD_NAME], &m, name, e);
	rc = rc ?: mirror_config_apply(NULL, &m, have | BIT(MIRROR_FIELD_NAME), &want, e);
	return rc ?: json_object_set_new(mirrors, name, mirror_form(&want)) ? no_memory(e) : 0;
}

static int all_read(json_t *from, const char *what, json_t *out,
		    int (*fn)(const char *name, json_t *said, json_t *out, struct err *e),
		    struct err *e)
{
	const char *name;
	json_t *said;
	int rc = object_check(from, what, e);

	if (rc)
		return rc;
	json_object_foreach (from, name, said) {
		rc = object_check(said, "it", e) ?: fn(name, said, out, e);
		if (rc) {
			err_prefix(e, "%s %.32s", what, name);
			return rc;
		}
	}
	return 0;
}

static int mirror_read_one(const char *name, json_t *said, json_t *out, struct err *e)
{
	return mirror_read(name, said, out, e);
}

static int text_read(const char *path, char **text, size_t *size, struct err *e)
{
	bool in = !strcmp(path, "-");

	return in ? file_read_fd(STDIN_FILENO, "standard input", FILE_MAX, text, size, e)
		  : file_read(path, FILE_MAX, text, size, e);
}

static int read_file(const char *path, struct hostfile *out, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL, *pfs = NULL, *mirrors = NULL, *version = NULL;
	auto_free char *text = NULL;
	json_error_t why;
	size_t size;
	int rc = text_read(path, &text, &size, e);

	if (rc)
		return rc;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, -EINVAL, "%s line %d: %s", path, why.line, why.text);
	version = member_take(root, "anyvf");
	pfs = member_take(root, "pfs");
	mirrors = member_take(root, "mirrors");
	out->root = root_new(json_object(), json_object());
	if (!json_is_object(root) || json_integer_value(version) != FILE_VERSION)
		rc = err_set(e, -EINVAL, "it begins with \"anyvf\": %d", FILE_VERSION);
	else if (json_object_size(root))
		rc = err_set(e, -EINVAL, "\"%.32s\" is none of its members",
			     json_object_iter_key(json_object_iter(root)));
	rc = rc ?: all_read(pfs, "pf", json_object_get(out->root, "pfs"), pf_read, e);
	rc = rc
		     ?: all_read(mirrors, "mirror", json_object_get(out->root, "mirrors"),
				 mirror_read_one, e);
	if (rc)
		err_prefix(e, "%s", path);
	return rc;
}

/* ---- the difference ---- */

/* What a file does not say of @keys is as it is. */
static void unsaid_forget(json_t *there, const json_t *wanted, const char *const *keys)
{
	for (; *keys; keys++)
		if (!json_object_get(wanted, *keys))
			json_object_del(there, *keys);
}

/* Addresses that were chosen, a NIC's own words that the file has not, and VFs that are leased. */
static void align(struct hostfile *there, struct hostfile *wanted)
{
	static const char *const chosen[] = { "mac", NULL };
	static const char *const of_nic[] = { "mac", "mtu", "up", "numvfs", NULL };
	const char *name, *key;
	json_t *pf, *svc, *port;

	json_object_foreach (json_object_get(there->root, "pfs"), name, pf) {
		json_t *want = json_object_get(json_object_get(wanted->root, "pfs"), name);
		json_t *svcs = json_object_get(want, "services");
		json_t *vfs = json_object_get(want, "vfs");

		unsaid_forget(pf, want ?: pf, json_object_get(pf, "kind") ? of_nic : chosen);
		json_object_foreach (json_object_get(pf, "services"), key, svc)
			unsaid_forget(svc, json_object_get(svcs, key) ?: svc, chosen);
		json_object_foreach (json_object_get(there->leased, name), key, port) {
			if (!json_object_get(vfs, key))
				continue;
			fprintf(stderr, "%s vf %s is leased to port %s: not compared\n", name, key,
				json_string_value(port));
			json_object_del(vfs, key);
		}
		if (vfs && !json_object_size(vfs))
			json_object_del(want, "vfs");
	}
}

static void note(json_t *out, const char *what, const char *path, const json_t *is,
		 const json_t *wanted)
{
	json_array_append_new(out, json_pack("{s:s, s:s, s:O?, s:O?}", "what", what, "path", path,
					     "is", is, "wanted", wanted));
}

static void compare(json_t *is, json_t *wanted, const char *path, json_t *removed, json_t *other)
{
	const char *key;
	char at[512];
	json_t *v;

	json_object_foreach (is, key, v) {
		snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", key);
		if (!json_object_get(wanted, key))
			note(removed, "remove", at, v, NULL);
	}
	json_object_foreach (wanted, key, v) {
		json_t *old = json_object_get(is, key);

		snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", key);
		if (!old)
			note(other, "add", at, NULL, v);
		else if (json_is_object(old) && json_is_object(v))
			compare(old, v, at, removed, other);
		else if (!json_equal(old, v))
			note(other, "change", at, old, v);
	}
}

static void print_value(const json_t *v)
{
	auto_free char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	printf(" %s", text ?: "");
}

static void print_one(const json_t *d)
{
	const char *what = json_string_value(json_object_get(d, "what"));
	const json_t *is = json_object_get(d, "is"), *wanted = json_object_get(d, "wanted");

	printf("%c %s",
	       *what == 'r'   ? '-'
	       : *what == 'a' ? '+'
			      : '~',
	       json_string_value(json_object_get(d, "path")));
	if (!json_is_null(is))
		print_value(is);
	if (*what == 'c')
		printf(" ->");
	if (!json_is_null(wanted))
		print_value(wanted);
	putchar('\n');
}

/**
 * cli_export() - anyvf export: what this host has, as one file
 * @cli: words start behind `export`
 *
 * Return: CLI_OK, CLI_FAIL or CLI_USAGE.
 */
int cli_export(struct cli *cli)
{
	auto_hostfile struct hostfile there = { 0 };
	struct err e = { 0 };

	if (cli_end(cli))
		return CLI_USAGE;
	if (read_host(cli, &there, &e)) {
		cli_error(&e);
		return CLI_FAIL;
	}
	if (json_dumpf(there.root, stdout, JSON_INDENT(2)) || putchar('\n') < 0 || fflush(stdout))
		return CLI_FAIL;
	return CLI_OK;
}

/**
 * cli_diff() - anyvf diff FILE: what is other here than in a file
 * @cli: words start behind `diff`
 *
 * What would go is said first. A VF that is leased is the agent's and is not compared.
 *
 * Return: CLI_OK: nothing; 2: something; CLI_FAIL: neither is known; CLI_USAGE.
 */
int cli_diff(struct cli *cli)
{
	auto_of(json_decref) json_t *removed = json_array(), *other = json_array();
	auto_hostfile struct hostfile there = { 0 }, wanted = { 0 };
	const char *path = cli_next(cli);
	struct err e = { 0 };
	const json_t *d;
	size_t i;

	if (!path)
		return cli_incomplete();
	if (cli_end(cli))
		return CLI_USAGE;
	if (read_file(path, &wanted, &e) || read_host(cli, &there, &e)) {
		cli_error(&e);
		return CLI_FAIL;
	}
	align(&there, &wanted);
	compare(there.root, wanted.root, "", removed, other);
	json_array_extend(removed, other);
	if (cli->json && cli_print_json(cli, removed))
		return CLI_FAIL;
	json_array_foreach (removed, i, d) {
		if (!cli->json)
			print_one(d);
	}
	return json_array_size(removed) ? DIFFERS : CLI_OK;
}
