/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the daemons that have PFs: one look at everything, and the verbs the agent needs. A
 * simulated host has another one (sim/pfs.c).
 */
#include "agent/host/pfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 5000

static int read_vfs(const json_t *list, struct pfs_pf *pf, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) > VF_MAX)
		return err_set(e, -EPROTO, "more than %u VFs", VF_MAX);
	pf->vfs = calloc(json_array_size(list) + 1, sizeof(*pf->vfs));
	if (!pf->vfs)
		return err_set(e, -ENOMEM, "out of memory");
	json_array_foreach (list, i, item) {
		int rc = ctl_vf_info_from_json(item, &pf->vfs[i], e);

		if (rc)
			return rc;
	}
	pf->n_vfs = (unsigned int)i;
	return 0;
}

static int read_svcs(const json_t *list, struct pfs_pf *pf, struct err *e)
{
	const json_t *item;
	size_t i;

	pf->svcs = calloc(json_array_size(list) + 1, sizeof(*pf->svcs));
	if (!pf->svcs)
		return err_set(e, -ENOMEM, "out of memory");
	json_array_foreach (list, i, item) {
		struct svc_config *svc = &pf->svcs[pf->n_svcs];
		int rc = fields_from_json(svc_fields, svc, item, NULL, e);

		if (rc)
			return rc;
		pf->n_svcs += !strcmp(svc->pf, pf->info.config.name);
	}
	return 0;
}

/* A mirror as it was asked for, without its counters. */
static int read_mirror(const json_t *item, struct mirror_config *out, struct err *e)
{
	auto_of(json_decref) json_t *config = json_object();

	for (const struct field *f = mirror_fields; f->word; f++)
		if (json_object_get(item, f->word))
			json_object_set(config, f->word, json_object_get(item, f->word));
	return fields_from_json(mirror_fields, out, config, NULL, e);
}

static int read_mirrors(const json_t *list, struct pfs_pf *pf, struct err *e)
{
	const json_t *item;
	size_t i;

	pf->mirrors = calloc(json_array_size(list) + 1, sizeof(*pf->mirrors));
	if (!pf->mirrors)
		return err_set(e, -ENOMEM, "out of memory");
	json_array_foreach (list, i, item) {
		struct mirror_config *m = &pf->mirrors[pf->n_mirrors];
		int rc = read_mirror(item, m, e);

		if (rc)
			return rc;
		pf->n_mirrors += !strcmp(m->from_pf, pf->info.config.name);
	}
	return 0;
}

/* What the daemon of a PF has beside it. */
static int observe_daemon(struct ctl_client *c, struct pfs_pf *pf, struct err *e)
{
	auto_of(json_decref) json_t *svcs = NULL, *mirrors = NULL, *info = NULL;
	int rc = ctl_call(c, "svc.list", NULL, TIMEOUT_MS, &svcs, e);

	if (!rc)
		rc = read_svcs(svcs, pf, e);
	if (!rc)
		rc = ctl_call(c, "mirror.list", NULL, TIMEOUT_MS, &mirrors, e);
	if (!rc)
		rc = read_mirrors(mirrors, pf, e);
	if (!rc)
		rc = ctl_call(c, "daemon.info", NULL, TIMEOUT_MS, &info, e);
	if (!rc)
		pf->daemon = (pid_t)json_integer_value(json_object_get(info, "pid"));
	return rc;
}

static int observe_one(const char *run_dir, const char *name, struct pfs_pf *pf, struct err *e)
{
	auto_of(json_decref) json_t *got = NULL;
	auto_of(ctl_close) struct ctl_client *c = NULL;
	int rc = ctl_open_pf(run_dir, name, &c, e);

	if (!rc)
		rc = ctl_call(c, "pf.get", json_pack("{s:s,s:b}", "pf", name, "vfs", 1), TIMEOUT_MS,
			      &got, e);
	if (!rc)
		rc = ctl_pf_info_from_json(got, &pf->info, e);
	if (!rc)
		rc = read_vfs(json_object_get(got, "vfs"), pf, e);
	return rc ? rc : observe_daemon(c, pf, e);
}

/**
 * pfs_observe() - Look at the PFs
 * @run_dir:  directory of the control sockets
 * @mappings: [sriov] physical_device_mappings; PFs nobody has are left out
 * @out:      gets the view, freed with pfs_view_free()
 * @e:        error text, may be NULL
 *
 * Return: 0; -ECONNREFUSED when no daemon runs; or another negative errno. Context: blocks.
 */
int pfs_observe(const char *run_dir, const char *mappings, struct pfs_view **out, struct err *e)
{
	auto_of(pfs_view_free) struct pfs_view *view =
		calloc(1, sizeof(*view) + PFS_MAX * sizeof(struct pfs_pf));
	struct pfs_mapping m;

	if (!view)
		return err_set(e, -ENOMEM, "out of memory");
	while (view->n_pfs < PFS_MAX && pfs_mapping_next(&mappings, &m)) {
		struct pfs_pf *pf = &view->pfs[view->n_pfs];
		char name[PF_NAME_LEN + 1];
		struct err why = { 0 };
		int rc;

		snprintf(name, sizeof(name), "%.*s", (int)m.pf_len, m.pf);
		if (pfs_find(view, name))
			continue;
		rc = observe_one(run_dir, name, pf, &why);
		view->n_pfs++; /* also on failure, so that what was read is freed */
		if (rc == -ENODEV)
			view->n_pfs--;
		else if (rc)
			return err_set(e, rc, "%s", why.msg);
	}
	*out = take(view);
	return 0;
}

/**
 * pfs_view_free() - Free a view
 * @view: view, may be NULL
 */
void pfs_view_free(struct pfs_view *view)
{
	for (unsigned int i = 0; view && i < view->n_pfs; i++) {
		free(view->pfs[i].vfs);
		free(view->pfs[i].svcs);
		free(view->pfs[i].mirrors);
	}
	free(view);
}

/**
 * pfs_vf() - A VF of a view
 * @view: view, may be NULL
 * @pf:   name of its PF
 * @vf:   number
 *
 * Return: the VF; NULL when the view lacks it.
 */
const struct vf_info *pfs_vf(const struct pfs_view *view, const char *pf, unsigned int vf)
{
	const struct pfs_pf *p = pfs_find(view, pf);

	return p && vf < p->n_vfs ? &p->vfs[vf] : NULL;
}

static int ask_pf(const char *run_dir, const char *pf, const char *method, json_t *params,
		  json_t **answer, struct err *e)
{
	auto_of(json_decref) json_t *owned = params;
	auto_of(ctl_close) struct ctl_client *c = NULL;
	int rc;

	if (!params)
		return err_set(e, -ENOMEM, "out of memory");
	rc = ctl_open_pf(run_dir, pf, &c, e);
	return rc ? rc : ctl_call(c, method, take(owned), TIMEOUT_MS, answer, e);
}

static int call_pf(const char *run_dir, const char *pf, const char *method, json_t *params,
		   struct err *e)
{
	return ask_pf(run_dir, pf, method, params, NULL, e);
}

/**
 * pfs_vf_get() - A VF as it is now, with its counters
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @vf:      number
 * @out:     filled on success
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_vf_get(const char *run_dir, const char *pf, unsigned int vf, struct vf_info *out,
	       struct err *e)
{
	auto_of(json_decref) json_t *got = NULL;
	int rc = ask_pf(run_dir, pf, "vf.get", json_pack("{s:s,s:i}", "pf", pf, "vf", (int)vf),
			&got, e);

	return rc ? rc : ctl_vf_info_from_json(got, out, e);
}

/**
 * pfs_vf_set() - Write settings of a VF, as the agent
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @vf:      number
 * @want:    settings
 * @changed: bits by enum vf_field: which to write
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno; all are written or none. Context: blocks.
 */
int pfs_vf_set(const char *run_dir, const char *pf, unsigned int vf, const struct vf_config *want,
	       uint32_t changed, struct err *e)
{
	json_t *set = fields_to_json(vf_fields, want);

	for (unsigned int i = 0; set && i < VF_FIELD_N; i++)
		if (!(changed & 1U << i))
			json_object_del(set, vf_fields[i].word);
	return call_pf(run_dir, pf, "pf.set",
		       json_pack("{s:s,s:b,s:[{s:i,s:o}]}", "pf", pf, "by_agent", 1, "vfs", "vf",
				 (int)vf, "set", set),
		       e);
}

/**
 * pfs_vf_attach() - Let a VF listen on the socket a domain connects to
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @vf:      number
 * @socket:  path
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. The domain may start later. Context: blocks.
 */
int pfs_vf_attach(const char *run_dir, const char *pf, unsigned int vf, const char *socket,
		  struct err *e)
{
	return call_pf(run_dir, pf, "vf.attach",
		       json_pack("{s:s,s:i,s:s,s:s,s:b}", "pf", pf, "vf", (int)vf, "kind", "vhost",
				 "socket", socket, "client", 0),
		       e);
}

/**
 * pfs_vf_do() - A verb that needs nothing but the VF
 * @run_dir: directory of the control sockets
 * @method:  "vf.detach" or "vf.release"
 * @pf:      name of the PF
 * @vf:      number
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_vf_do(const char *run_dir, const char *method, const char *pf, unsigned int vf,
	      struct err *e)
{
	return call_pf(run_dir, pf, method, json_pack("{s:s,s:i}", "pf", pf, "vf", (int)vf), e);
}

/**
 * pfs_vf_filter() - Tell the switch what the guest's driver asked for
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @vf:      number
 * @filter:  rxfilter_to_json(), taken; NULL: there is no driver any more
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_vf_filter(const char *run_dir, const char *pf, unsigned int vf, json_t *filter,
		  struct err *e)
{
	return call_pf(run_dir, pf, "vf.filter",
		       json_pack("{s:s,s:i,s:o}", "pf", pf, "vf", (int)vf, "filter",
				 filter ? filter : json_null()),
		       e);
}

/**
 * pfs_svc_add() - Add a service port
 * @run_dir: directory of the control sockets
 * @want:    what it is to be
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_svc_add(const char *run_dir, const struct svc_config *want, struct err *e)
{
	return call_pf(run_dir, want->pf, "svc.add", fields_to_json(svc_fields, want), e);
}

/**
 * pfs_svc_del() - Remove a service port
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @name:    interface name
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_svc_del(const char *run_dir, const char *pf, const char *name, struct err *e)
{
	return call_pf(run_dir, pf, "svc.del", json_pack("{s:s,s:s}", "pf", pf, "name", name), e);
}

/**
 * pfs_mirror_add() - Add a mirror
 * @run_dir: directory of the control sockets
 * @want:    what it is to be
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int pfs_mirror_add(const char *run_dir, const struct mirror_config *want, struct err *e)
{
	return call_pf(run_dir, want->from_pf, "mirror.add",
		       fields_to_json_masked(mirror_fields, want, mirror_config_rows(want)), e);
}

/**
 * pfs_mirror_del() - Remove a mirror
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF whose VF it watches
 * @name:    its name
 * @e:       error text, may be NULL
 *
 * Return: 0, also if it went before; or a negative errno. Context: blocks.
 */
int pfs_mirror_del(const char *run_dir, const char *pf, const char *name, struct err *e)
{
	struct err why = { 0 };
	int rc = call_pf(run_dir, pf, "mirror.del", json_pack("{s:s}", "name", name), &why);

	return rc && rc != -ENOENT ? err_set(e, rc, "%s", why.msg) : 0;
}
