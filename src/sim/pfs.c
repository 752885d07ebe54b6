/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PF of a simulated host: agent/host/pfs.h. Settings are judged and kept as the switch does. A
 * view is never changed: VFs that are as they were are shared with the one before, and those that
 * nobody has are the same for all hosts. Of a VF is kept, packed, what is its own; the rest of what
 * a look tells is made when it is asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "base/pack.h"
#include "sim/host.h"

#define PF_MTU	9216 /* networks have any */
#define BY_HAND "/by-hand"

/* A VF that somebody has, as views share it. */
struct sim_vf {
	unsigned int refs;
	bool connected;
	uint64_t comes_ms; /* its guest, loop_now_ms(); 0: none does, or it is here */
	struct pack *config, *attach;
};

/* A VF while it is judged or changed. */
struct open_vf {
	bool connected;
	uint64_t comes_ms;
	struct vf_config config;
	struct vf_attach attach;
};

static const struct vf_attach no_attach;

struct sim_view {
	unsigned int refs;
	const struct sim *sim;
	struct sim_vf **vfs;  /* by number; NULL: nobody's */
	struct pfs_view view; /* its one PF stands behind it */
};

static struct sim_view *view_of(const struct pfs_view *view)
{
	return container_of(view, struct sim_view, view);
}

static struct sim_host *host_of(const char *run_dir)
{
	return container_of(run_dir, struct sim_host, name[0]);
}

static void vf_put(struct sim_vf *vf)
{
	if (!vf || --vf->refs)
		return;
	free(vf->config);
	free(vf->attach);
	free(vf);
}

/**
 * pfs_view_free() - Let a view go
 * @view: view, may be NULL
 */
void pfs_view_free(struct pfs_view *view)
{
	struct sim_view *v = view ? view_of(view) : NULL;

	if (!v || --v->refs)
		return;
	for (unsigned int i = 0; i < v->sim->opts.vfs; i++)
		vf_put(v->vfs[i]);
	free(v->view.pfs[0].mirrors);
	free(v->vfs);
	free(v);
}

/* A view that may be changed: another one than anybody has seen; NULL: out of memory. */
static struct sim_view *view_copy(const struct sim_view *old, const struct sim *sim)
{
	struct sim_view *v = calloc(1, sizeof(*v) + sizeof(struct pfs_pf));
	const struct pfs_pf *was = old ? &old->view.pfs[0] : NULL;
	unsigned int n = was ? was->n_mirrors : 0;
	struct mirror_config *mirrors = n ? calloc(n, sizeof(*mirrors)) : NULL;

	if (v)
		v->vfs = calloc(sim->opts.vfs + 1, sizeof(struct sim_vf *));
	if (!v || !v->vfs || (n && !mirrors)) {
		free(mirrors);
		free(v ? v->vfs : NULL);
		free(v);
		return NULL;
	}
	v->refs = 1;
	v->sim = sim;
	v->view.n_pfs = 1;
	if (was)
		v->view.pfs[0] = *was;
	for (unsigned int i = 0; old && i < sim->opts.vfs; i++)
		if ((v->vfs[i] = old->vfs[i]))
			v->vfs[i]->refs++;
	if (n)
		memcpy(mirrors, was->mirrors, n * sizeof(*mirrors));
	v->view.pfs[0].mirrors = mirrors;
	return v;
}

static void view_set(struct sim_host *h, struct sim_view *v)
{
	if (h->view)
		pfs_view_free(&h->view->view);
	h->view = v;
}

/**
 * sim_pfs_open() - Give a host its PF, whose VFs nobody has
 * @h: host
 *
 * Return: 0 or -ENOMEM.
 */
int sim_pfs_open(struct sim_host *h)
{
	struct sim_view *v = view_copy(NULL, h->sim);
	struct pfs_pf *pf;

	if (!v)
		return -ENOMEM;
	pf = &v->view.pfs[0];
	pf_config_default(&pf->info.config);
	snprintf(pf->info.config.name, sizeof(pf->info.config.name), SIM_PF);
	pf->info.config.mtu = PF_MTU;
	pf->info.config.numvfs = (uint16_t)h->sim->opts.vfs;
	pf->info.status.carrier = true;
	pf->n_vfs = h->sim->opts.vfs;
	view_set(h, v);
	return 0;
}

/* @vf: NULL: one that nobody has. */
static void settings_read(const struct sim *sim, const struct sim_vf *vf, struct vf_config *config,
			  struct vf_attach *attach)
{
	*config = sim->fresh_config;
	*attach = no_attach;
	if (!vf)
		return;
	pack_read(vf->config, vf_fields, config);
	pack_read(vf->attach, vf_attach_fields, attach);
}

/**
 * pfs_vf() - A VF of a view
 * @view: view, may be NULL
 * @pf:   name of its PF
 * @vf:   number
 *
 * Return: the VF, until the next call; NULL when the view lacks it.
 */
const struct vf_info *pfs_vf(const struct pfs_view *view, const char *pf, unsigned int vf)
{
	const struct pfs_pf *p = pfs_find(view, pf);
	const struct sim_view *v = p ? view_of(view) : NULL;
	const struct sim_vf *own;
	struct vf_info *shown;

	if (!p || vf >= p->n_vfs)
		return NULL;
	own = v->vfs[vf];
	if (!own)
		return &v->sim->fresh[vf];
	shown = v->sim->shown;
	settings_read(v->sim, own, &shown->config, &shown->attach);
	shown->status.connected = own->connected;
	shown->status.link_up = shown->config.link != VF_LINK_DISABLE;
	shown->status.mtu = vf_mtu(&shown->config, &p->info.config);
	memcpy(shown->status.pci_slot, v->sim->fresh[vf].status.pci_slot,
	       sizeof(shown->status.pci_slot));
	return shown;
}

static void vf_open(const struct sim_view *v, unsigned int n, struct open_vf *out)
{
	const struct sim_vf *vf = v->vfs[n];

	settings_read(v->sim, vf, &out->config, &out->attach);
	out->connected = vf && vf->connected;
	out->comes_ms = vf ? vf->comes_ms : 0;
}

static struct sim_vf *vf_pack(const struct sim *sim, const struct open_vf *vf)
{
	struct sim_vf *out = malloc(sizeof(*out));

	if (!out)
		return NULL;
	*out = (struct sim_vf){ 1, vf->connected, vf->comes_ms,
				pack_of(vf_fields, &vf->config, &sim->fresh_config),
				pack_of(vf_attach_fields, &vf->attach, &no_attach) };
	if (out->config && out->attach)
		return out;
	vf_put(out);
	return NULL;
}

/* Into a view of its own, which comes into force by view_set(). Return: 0 or -ENOMEM. */
static int vf_close(struct sim_view *v, unsigned int n, const struct open_vf *vf)
{
	bool owned = *vf->config.port_id || vf->attach.kind;
	struct sim_vf *out = owned ? vf_pack(v->sim, vf) : NULL;

	if (owned && !out)
		return -ENOMEM;
	vf_put(v->vfs[n]);
	v->vfs[n] = out;
	return 0;
}

/* Somebody is to have the VF: the port's server, or else a guest of an operator's. */
static bool is_wanted(const struct sim_host *h, const struct open_vf *vf)
{
	return *vf->config.port_id &&
	       (!*vf->config.server || (vf->attach.kind && sim_has_port(h, vf->config.port_id)));
}

/* An operator's guest is plugged into what the agent does not take for its own, and makes room. */
static void attach_stranger(struct open_vf *vf)
{
	if (!*vf->config.port_id || (vf->attach.kind && strcmp(vf->attach.socket, BY_HAND)))
		return;
	vf->attach = (struct vf_attach){ .socket = BY_HAND };
	vf->attach.kind = *vf->config.server ? VF_ATTACH_NONE : VF_ATTACH_VHOST;
}

/* Guests come to VFs and leave them, at once or after a while. */
static void vf_settle(struct sim_host *h, struct open_vf *vf, uint64_t now_ms)
{
	attach_stranger(vf);
	if (!is_wanted(h, vf)) {
		vf->connected = false;
		vf->comes_ms = 0;
		return;
	}
	if (vf->connected)
		return;
	if (!vf->comes_ms)
		vf->comes_ms = now_ms + h->sim->opts.boot_ms;
	vf->connected = vf->comes_ms <= now_ms;
	if (vf->connected)
		vf->comes_ms = 0;
	else
		h->comes_ms = h->comes_ms ? MIN(h->comes_ms, vf->comes_ms) : vf->comes_ms;
}

static bool is_settled(const struct sim_host *h, const struct open_vf *vf)
{
	return is_wanted(h, vf) == vf->connected && !vf->comes_ms;
}

/**
 * sim_guests_changed() - Bring guests and VFs to agree
 * @h: host; a domain came or went, or it is time for a guest that was on its way
 */
void sim_guests_changed(struct sim_host *h)
{
	struct sim_view *v = view_copy(h->view, h->sim);
	uint64_t now_ms = loop_now_ms();

	if (!v)
		return;
	h->comes_ms = 0;
	for (unsigned int i = 0; i < h->sim->opts.vfs; i++) {
		struct open_vf vf;

		if (!v->vfs[i])
			continue;
		vf_open(v, i, &vf);
		if (is_settled(h, &vf))
			continue;
		vf_settle(h, &vf, now_ms);
		vf_close(v, i, &vf);
	}
	view_set(h, v);
}

/**
 * pfs_observe() - Look at the PF
 * @run_dir:  sim_host.name
 * @mappings: not used: it is in them
 * @before:   not used
 * @out:      gets the view, freed with pfs_view_free()
 * @e:        error text, may be NULL
 *
 * Return: 0.
 */
int pfs_observe(const char *run_dir, const char *mappings, const struct pfs_view *before,
		struct pfs_view **out, struct err *e)
{
	struct sim_host *h = host_of(run_dir);

	if (h->comes_ms && h->comes_ms <= loop_now_ms())
		sim_guests_changed(h);
	h->view->refs++;
	*out = &h->view->view;
	return 0;
}

/* What a verb does to a copy of a VF. */
typedef int (*vf_verb)(struct sim_view *v, struct open_vf *vf, const void *arg, struct err *e);

/* One verb on one VF: all of it or nothing. */
static int vf_change(const char *run_dir, unsigned int n, vf_verb verb, const void *arg,
		     struct err *e)
{
	struct sim_host *h = host_of(run_dir);
	struct sim_view *v;
	struct open_vf vf;
	int rc;

	if (n >= h->sim->opts.vfs)
		return err_set(e, -EINVAL, "there is no VF %u", n);
	v = view_copy(h->view, h->sim);
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	vf_open(v, n, &vf);
	rc = verb(v, &vf, arg, e);
	if (!rc) {
		vf_settle(h, &vf, loop_now_ms());
		rc = vf_close(v, n, &vf) ? err_set(e, -ENOMEM, "out of memory") : 0;
	}
	if (rc)
		pfs_view_free(&v->view);
	else
		view_set(h, v);
	return rc;
}

static int set(struct sim_view *v, struct open_vf *vf, const void *arg, struct err *e)
{
	const struct pf_config *pf = &v->view.pfs[0].info.config;

	return vf_change_apply(&vf->config, arg, pf, &vf->config, e);
}

/**
 * pfs_vf_set() - Write settings of a VF
 * @run_dir: sim_host.name
 * @pf:      SIM_PF
 * @vf:      number
 * @want:    settings
 * @changed: bits by enum vf_field: which to write
 * @e:       error text, may be NULL
 *
 * Return: 0; -EINVAL; -ENOMEM. All are written or none.
 */
int pfs_vf_set(const char *run_dir, const char *pf, unsigned int vf, const struct vf_config *want,
	       uint32_t changed, struct err *e)
{
	const struct vf_change change = { .vf = vf, .changed = changed, .want = *want };

	return vf_change(run_dir, vf, set, &change, e);
}

static int attach(struct sim_view *v, struct open_vf *vf, const void *arg, struct err *e)
{
	if (vf->attach.kind)
		return err_set(e, -EBUSY, "the VF is attached");
	vf->attach = *(const struct vf_attach *)arg;
	return 0;
}

/**
 * pfs_vf_attach() - Let a VF wait for its domain
 * @run_dir: sim_host.name
 * @pf:      SIM_PF
 * @vf:      number
 * @want:    a socket, as a name
 * @e:       error text, may be NULL
 *
 * Return: 0; -EBUSY; -EINVAL; -ENOMEM.
 */
int pfs_vf_attach(const char *run_dir, const char *pf, unsigned int vf,
		  const struct vf_attach *want, struct err *e)
{
	return vf_change(run_dir, vf, attach, want, e);
}

static int detach(struct sim_view *v, struct open_vf *vf, const void *arg, struct err *e)
{
	vf->attach = (struct vf_attach){ .kind = VF_ATTACH_NONE };
	vf->connected = false;
	return 0;
}

static int release(struct sim_view *v, struct open_vf *vf, const void *arg, struct err *e)
{
	*vf = (struct open_vf){ .config = v->sim->fresh_config };
	return 0;
}

/**
 * pfs_vf_do() - A verb that needs nothing but the VF
 * @run_dir: sim_host.name
 * @method:  "vf.detach" or "vf.release"
 * @pf:      SIM_PF
 * @vf:      number
 * @e:       error text, may be NULL
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int pfs_vf_do(const char *run_dir, const char *method, const char *pf, unsigned int vf,
	      struct err *e)
{
	return vf_change(run_dir, vf, strcmp(method, "vf.detach") ? release : detach, NULL, e);
}

/**
 * pfs_vf_filter() - What a guest's driver asks for: there is none
 * @run_dir: not used
 * @pf:      not used
 * @vf:      not used
 * @filter:  taken over
 * @e:       not used
 *
 * Return: 0.
 */
int pfs_vf_filter(const char *run_dir, const char *pf, unsigned int vf, json_t *filter,
		  struct err *e)
{
	json_decref(filter);
	return 0;
}

/**
 * pfs_mirror_add() - Add a mirror
 * @run_dir: sim_host.name
 * @want:    what it is to be
 * @e:       error text, may be NULL
 *
 * Return: 0; -EEXIST; -EINVAL; -ENOMEM.
 */
int pfs_mirror_add(const char *run_dir, const struct mirror_config *want, struct err *e)
{
	struct sim_host *h = host_of(run_dir);
	struct mirror_config *more;
	struct sim_view *v;
	struct pfs_pf *p;
	int rc = mirror_config_check(want, e);

	if (rc)
		return rc;
	if (pfs_mirror(&h->view->view, want->name))
		return err_set(e, -EEXIST, "mirror %s is there", want->name);
	v = view_copy(h->view, h->sim);
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	p = &v->view.pfs[0];
	more = reallocarray(p->mirrors, p->n_mirrors + 1, sizeof(*more));
	if (!more) {
		pfs_view_free(&v->view);
		return err_set(e, -ENOMEM, "out of memory");
	}
	p->mirrors = more;
	p->mirrors[p->n_mirrors++] = *want;
	view_set(h, v);
	return 0;
}

/**
 * pfs_mirror_del() - Remove a mirror
 * @run_dir: sim_host.name
 * @pf:      SIM_PF
 * @name:    its name
 * @e:       error text, may be NULL
 *
 * Return: 0, also if it went before; -ENOMEM.
 */
int pfs_mirror_del(const char *run_dir, const char *pf, const char *name, struct err *e)
{
	struct sim_host *h = host_of(run_dir);
	struct sim_view *v = view_copy(h->view, h->sim);
	struct pfs_pf *p;

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	p = &v->view.pfs[0];
	for (unsigned int i = 0; i < p->n_mirrors; i++)
		if (!strcmp(p->mirrors[i].name, name))
			p->mirrors[i--] = p->mirrors[--p->n_mirrors];
	view_set(h, v);
	return 0;
}
