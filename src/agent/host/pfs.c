/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the daemons that have PFs: one look at everything, and the verbs the agent needs. A
 * simulated host has another one (sim/pfs.c).
 */
#include "agent/host/pfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 5000 /* of questions */
/* Of changes: a NIC's drivers take their time, and hwd does one thing after the other. */
#define CHANGE_MS  30000
/* What is known of a PF whose daemon restarts, or is busy: a NIC's VFs may be made anew. */
#define AWAY_MS	   10000
#define BUSY_MS	   120000

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

static void *copy_array(const void *from, size_t n, size_t size)
{
	void *to = calloc(n + 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

/* Puts a PF as it was into a view in which nothing is told of it. */
static int keep_one(const struct pfs_pf *was, struct pfs_pf *pf, struct err *e)
{
	*pf = *was;
	pf->vfs = copy_array(was->vfs, was->n_vfs, sizeof(*pf->vfs));
	pf->svcs = copy_array(was->svcs, was->n_svcs, sizeof(*pf->svcs));
	pf->mirrors = copy_array(was->mirrors, was->n_mirrors, sizeof(*pf->mirrors));
	return pf->vfs && pf->svcs && pf->mirrors ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static void pf_fini(struct pfs_pf *pf)
{
	free(pf->vfs);
	free(pf->svcs);
	free(pf->mirrors);
	*pf = (struct pfs_pf){ 0 };
}

/*
 * A PF whose daemon says nothing is as it was, for a while: a daemon restarts in a blink, one that
 * changes a NIC answers when it has. The other daemon's PFs do not suffer.
 */
static int observe_or_keep(const char *run_dir, const char *name, const struct pfs_view *before,
			   struct pfs_pf *pf, struct err *e)
{
	const struct pfs_pf *was = pfs_find(before, name);
	uint64_t now_ms = loop_now_ms();
	int rc = observe_one(run_dir, name, pf, e);

	pf->seen_ms = now_ms;
	if (!rc || rc == -ENODEV || !was ||
	    now_ms - was->seen_ms > (rc == -ETIMEDOUT ? BUSY_MS : AWAY_MS))
		return rc;
	pf_fini(pf);
	return keep_one(was, pf, e);
}

/**
 * pfs_observe() - Look at the PFs
 * @run_dir:  directory of the control sockets
 * @mappings: [sriov] physical_device_mappings; PFs nobody has are left out
 * @before:   the look before this one, or NULL
 * @out:      gets the view, freed with pfs_view_free()
 * @e:        error text, may be NULL
 *
 * Return: 0; if nothing is known of any PF why the last of them does not tell: -ECONNREFUSED
 * when no daemon runs, or another negative errno. Context: blocks.
 */
int pfs_observe(const char *run_dir, const char *mappings, const struct pfs_view *before,
		struct pfs_view **out, struct err *e)
{
	auto_of(pfs_view_free) struct pfs_view *view =
		calloc(1, sizeof(*view) + PFS_MAX * sizeof(struct pfs_pf));
	struct pfs_mapping m;
	int failed = 0;

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
		rc = observe_or_keep(run_dir, name, before, pf, &why);
		if (!rc) {
			view->n_pfs++;
			continue;
		}
		pf_fini(pf);
		if (rc != -ENODEV) {
			failed = rc;
			if (e)
				*e = why;
		}
	}
	if (failed && !view->n_pfs)
		return failed;
	if (e)
		*e = (struct err){ 0 };
	*out = take(view);
	return 0;
}

/**
 * pfs_view_free() - Free a view
 * @view: view, may be NULL
 */
void pfs_view_free(struct pfs_view *view)
{
	for (unsigned int i = 0; view && i < view->n_pfs; i++)
		pf_fini(&view->pfs[i]);
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
		  int timeout_ms, json_t **answer, struct err *e)
{
	auto_of(json_decref) json_t *owned = params;
	auto_of(ctl_close) struct ctl_client *c = NULL;
	int rc;

	if (!params)
		return err_set(e, -ENOMEM, "out of memory");
	rc = ctl_open_pf(run_dir, pf, &c, e);
	return rc ? rc : ctl_call(c, method, take(owned), timeout_ms, answer, e);
}

static int call_pf(const char *run_dir, const char *pf, const char *method, json_t *params,
		   struct err *e)
{
	return ask_pf(run_dir, pf, method, params, CHANGE_MS, NULL, e);
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
			TIMEOUT_MS, &got, e);

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
 * pfs_vf_attach() - Let a VF wait for its domain
 * @run_dir: directory of the control sockets
 * @pf:      name of the PF
 * @vf:      number
 * @want:    how the domain is to have it
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. The domain may start later. Context: blocks.
 */
int pfs_vf_attach(const char *run_dir, const char *pf, unsigned int vf,
		  const struct vf_attach *want, struct err *e)
{
	static const struct vf_attach plain = { .kind = VF_ATTACH_NONE };
	json_t *params = fields_to_json_masked(vf_attach_fields, want,
					       fields_diff(vf_attach_fields, &plain, want));

	json_object_set_new(params, "pf", json_string(pf));
	json_object_set_new(params, "vf", json_integer(vf));
	return call_pf(run_dir, pf, "vf.attach", params, e);
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
