/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of service ports: the host's own taps in the switch, as internal ports of OVS. */
#include <errno.h>
#include <string.h>

#include "sw/control/model.h"

static struct sw_svc *svc_find(struct sw_pf *pf, const char *name)
{
	for (unsigned int i = 0; i < pf->n_svcs; i++)
		if (!strcmp(pf->svcs[i].config.name, name))
			return &pf->svcs[i];
	return NULL;
}

/**
 * sw_svc_add() - struct pf_ops.svc_add
 * @ctx:  struct sw
 * @want: the port; a zero MAC gets one chosen
 * @e:    may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, -EEXIST, -ENOSPC, -EPERM (without root), or errors of devices.
 * Context: control.
 */
int sw_svc_add(void *ctx, const struct svc_config *want, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *pf = sw_pf_find(sw, want->pf, e);
	struct svc_config config = *want;
	struct sw_svc *svc, *more;
	struct sw_vf *saved;
	struct sw_pf was;
	int rc;

	if (!pf)
		return -ENODEV;
	if (mac_is_multicast(&want->mac) || want->vlan > 4094 ||
	    (want->mtu && (want->mtu < 68 || want->mtu > 9216)))
		return err_set(e, -EINVAL, "service port %s: mac, vlan or mtu is out of range",
			       want->name);
	rc = sw_netns_word(sw, config.netns, e) ?: sw_name_check(sw, want->name, config.netns, e);
	if (rc)
		return rc;
	if (svc_find(pf, want->name)) /* svc_del() knows ports by name alone */
		return err_set(e, -EEXIST, "%s has a service port %s", want->pf, want->name);
	more = realloc(pf->svcs, (pf->n_svcs + 1) * sizeof(*more));
	if (!more)
		return err_set(e, -ENOMEM, "no memory");
	pf->svcs = more;
	svc = &more[pf->n_svcs];
	*svc = (struct sw_svc){ .config = config, .port.id = VEB_NO_PORT };
	if (mac_is_zero(&svc->config.mac))
		mac_random(&svc->config.mac, SVC_OUI);
	rc = sw_id_take(sw, &svc->port.id, e);
	if (!rc)
		rc = sw_plug_svc(sw, pf, svc, e);
	if (rc && sw_may_wait(sw, &svc->port, want->pf, want->name, rc, e))
		rc = 0;
	saved = rc ? NULL : sw_guests_save(pf, e);
	if (saved) {
		was = *pf;
		pf->n_svcs++;
		rc = sw_guests_judge(pf, &was, e);
		if (!rc)
			rc = sw_commit(sw, e);
		if (!rc) {
			sw_guests_done(pf, saved);
			return 0;
		}
		sw_guests_back(pf, saved);
		pf->n_svcs--;
	}
	rc = rc ? rc : -ENOMEM;
	if (svc->port.plugged)
		sw_unplug(sw, &svc->port, svc->config.name, svc->config.netns);
	sw_id_give(sw, &svc->port.id);
	return rc;
}

/**
 * sw_svc_del() - struct pf_ops.svc_del
 * @ctx:  struct sw
 * @name: interface name of the port
 * @pf:   its PF
 * @e:    may be NULL
 *
 * Return: 0, -ENODEV, -ENOENT, or errors of the state file.
 * Context: control.
 */
int sw_svc_del(void *ctx, const char *pf, const char *name, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p = sw_pf_find(sw, pf, e), was;
	struct sw_svc *svc = p ? svc_find(p, name) : NULL, gone;
	auto_free struct sw_svc *svcs = NULL;
	struct sw_vf *saved;
	int rc;

	if (!svc)
		return p ? err_set(e, -ENOENT, "%s has no service port %s", pf, name) : -ENODEV;
	saved = sw_guests_save(p, e);
	if (!saved)
		return -ENOMEM;
	was = *p;
	gone = *svc;
	svcs = calloc(p->n_svcs, sizeof(*svcs));
	if (svcs) {
		was.svcs = memcpy(svcs, p->svcs, p->n_svcs * sizeof(*svcs));
		*svc = p->svcs[--p->n_svcs];
	}
	rc = svcs ? sw_guests_judge(p, &was, e) : err_set(e, -ENOMEM, "no memory");
	rc = rc ?: sw_commit(sw, e);
	if (rc) {
		sw_guests_back(p, saved);
		*svc = gone;
		p->n_svcs = was.n_svcs;
		return rc;
	}
	sw_guests_done(p, saved);
	sw_unplug(sw, &gone.port, gone.config.name, gone.config.netns);
	sw_id_give(sw, &gone.port.id);
	return 0;
}

/**
 * sw_svc_set() - struct pf_ops.svc_set
 * @ctx:  struct sw
 * @pf:   its PF
 * @name: interface name of the port; its tap, and who uses that, notice nothing
 * @vlan: 0 to 4094
 * @e:    may be NULL
 *
 * Return: 0, -ENODEV, -ENOENT, -EINVAL, or errors of the state file.
 * Context: control.
 */
int sw_svc_set(void *ctx, const char *pf, const char *name, uint16_t vlan, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p = sw_pf_find(sw, pf, e), was;
	struct sw_svc *svc = p ? svc_find(p, name) : NULL;
	auto_free struct sw_svc *svcs = NULL;
	struct sw_vf *saved;
	int rc;

	if (!svc)
		return p ? err_set(e, -ENOENT, "%s has no service port %s", pf, name) : -ENODEV;
	if (vlan > 4094)
		return err_set(e, -EINVAL, "service port %s: vlan is out of range", name);
	svcs = calloc(p->n_svcs, sizeof(*svcs));
	saved = svcs ? sw_guests_save(p, e) : NULL;
	if (!saved)
		return err_set(e, -ENOMEM, "no memory");
	was = *p;
	was.svcs = memcpy(svcs, p->svcs, p->n_svcs * sizeof(*svcs));
	svc->config.vlan = vlan;
	rc = sw_guests_judge(p, &was, e);
	rc = rc ?: sw_commit(sw, e);
	if (!rc) {
		sw_guests_done(p, saved);
		return 0;
	}
	sw_guests_back(p, saved);
	*svc = svcs[svc - p->svcs];
	return rc;
}

/**
 * sw_svc_get() - struct pf_ops.svc_get
 * @ctx: struct sw
 * @i:   from 0 on, over all PFs
 * @out: the port
 *
 * Return: 0 or -ENOENT.
 * Context: control.
 */
int sw_svc_get(void *ctx, unsigned int i, struct svc_config *out)
{
	struct sw *sw = ctx;

	for (unsigned int slot = 0; slot < PFS_MAX; slot++) {
		const struct sw_pf *pf = sw->pfs[slot];

		if (pf && i < pf->n_svcs) {
			*out = pf->svcs[i].config;
			return 0;
		}
		i -= pf ? pf->n_svcs : 0;
	}
	return -ENOENT;
}
