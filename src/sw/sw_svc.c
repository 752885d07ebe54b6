/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of service ports and of mirrors. */
#include <errno.h>
#include <string.h>

#include "sw/sw_int.h"

#define SVC_OUI ((const uint8_t[3]){ 0x02, 0xaf, 0x01 }) /* locally administered */

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
	struct sw_svc *svc, *more;
	int rc;

	if (!pf)
		return -ENODEV;
	if (mac_is_multicast(&want->mac) || want->vlan > 4094 ||
	    (want->mtu && (want->mtu < 68 || want->mtu > 9216)))
		return err_set(e, -EINVAL, "service port %s: mac, vlan or mtu is out of range",
			       want->name);
	rc = sw_name_check(sw, want->name, want->netns, e);
	if (rc)
		return rc;
	if (svc_find(pf, want->name)) /* svc_del() knows ports by name alone */
		return err_set(e, -EEXIST, "%s has a service port %s", want->pf, want->name);
	more = realloc(pf->svcs, (pf->n_svcs + 1) * sizeof(*more));
	if (!more)
		return err_set(e, -ENOMEM, "no memory");
	pf->svcs = more;
	svc = &more[pf->n_svcs];
	*svc = (struct sw_svc){ .config = *want, .port.id = VEB_NO_PORT };
	if (mac_is_zero(&svc->config.mac))
		mac_random(&svc->config.mac, SVC_OUI);
	rc = sw_id_take(sw, &svc->port.id, e);
	if (!rc)
		rc = sw_plug_svc(sw, pf, svc, e);
	if (!rc) {
		pf->n_svcs++;
		rc = sw_commit(sw, e);
		if (!rc)
			return 0;
		pf->n_svcs--;
	}
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
	struct sw_pf *p = sw_pf_find(sw, pf, e);
	struct sw_svc *svc = p ? svc_find(p, name) : NULL, gone, last;
	int rc;

	if (!svc)
		return p ? err_set(e, -ENOENT, "%s has no service port %s", pf, name) : -ENODEV;
	gone = *svc;
	last = p->svcs[--p->n_svcs];
	*svc = last;
	rc = sw_commit(sw, e);
	if (rc) {
		p->svcs[p->n_svcs++] = last;
		*svc = gone;
		return rc;
	}
	sw_unplug(sw, &gone.port, gone.config.name, gone.config.netns);
	sw_id_give(sw, &gone.port.id);
	return 0;
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

/**
 * sw_mirror_of() - A mirror that watches or feeds a VF
 * @sw: switch
 * @pf: PF
 * @vf: VF
 *
 * Return: the first such mirror, borrowed, or NULL.
 * Context: control.
 */
const struct mirror_config *sw_mirror_of(const struct sw *sw, const char *pf, int vf)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct mirror_config *m = &sw->mirrors[i].config;

		if (sw->mirrors[i].used && ((m->from_vf == vf && !strcmp(m->from_pf, pf)) ||
					    (m->to_vf == vf && !strcmp(m->to_pf, pf))))
			return m;
	}
	return NULL;
}

static struct sw_mirror *mirror_find(struct sw *sw, const char *name)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used && !strcmp(sw->mirrors[i].config.name, name))
			return &sw->mirrors[i];
	return NULL;
}

static int mirror_check(struct sw *sw, const struct mirror_config *want, struct err *e)
{
	struct sw_pf *pf;

	if (!*want->name)
		return err_set(e, -EINVAL, "a mirror needs a name");
	if (mirror_find(sw, want->name))
		return err_set(e, -EEXIST, "mirror %s exists", want->name);
	if (want->dir > MIRROR_BOTH)
		return err_set(e, -EINVAL, "a mirror's direction is in, out or both");
	if (!sw_vf_find(sw, want->from_pf, want->from_vf, &pf, e) ||
	    !sw_vf_find(sw, want->to_pf, want->to_vf, &pf, e))
		return pf ? -EINVAL : -ENODEV;
	if (want->from_vf == want->to_vf && !strcmp(want->from_pf, want->to_pf))
		return err_set(e, -EINVAL, "%s vf %u cannot be its own mirror", want->from_pf,
			       want->from_vf);
	return 0;
}

/**
 * sw_mirror_add() - struct pf_ops.mirror_add
 * @ctx:  struct sw
 * @want: the mirror; its VFs may be of different PFs
 * @e:    may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, -EEXIST, -ENOSPC, or errors of the state file.
 * Context: control.
 */
int sw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e)
{
	struct sw *sw = ctx;
	uint16_t slot = 0;
	int rc = mirror_check(sw, want, e);

	if (rc)
		return rc;
	while (slot < VEB_MIRRORS_MAX && sw->mirrors[slot].used)
		slot++;
	if (slot == VEB_MIRRORS_MAX)
		return err_set(e, -ENOSPC, "there are %u mirrors already", VEB_MIRRORS_MAX);
	dp_mirror_stats_reset(sw->opts.dp, slot);
	sw->mirrors[slot] = (struct sw_mirror){ true, *want };
	rc = sw_commit(sw, e);
	if (rc)
		sw->mirrors[slot].used = false;
	return rc;
}

/**
 * sw_mirror_del() - struct pf_ops.mirror_del
 * @ctx:  struct sw
 * @name: mirror
 * @e:    may be NULL
 *
 * Return: 0, -ENOENT, or errors of the state file.
 * Context: control.
 */
int sw_mirror_del(void *ctx, const char *name, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_mirror *m = mirror_find(sw, name);
	int rc;

	if (!m)
		return err_set(e, -ENOENT, "there is no mirror \"%s\"", name);
	m->used = false;
	rc = sw_commit(sw, e);
	m->used = rc != 0;
	return rc;
}

/**
 * sw_mirror_get() - struct pf_ops.mirror_get
 * @ctx: struct sw
 * @i:   from 0 on
 * @out: the mirror and its counters
 *
 * Return: 0 or -ENOENT.
 * Context: control.
 */
int sw_mirror_get(void *ctx, unsigned int i, struct mirror_info *out)
{
	struct sw *sw = ctx;
	struct dp_mirror_stats stats;

	for (uint16_t slot = 0; slot < VEB_MIRRORS_MAX; slot++) {
		if (!sw->mirrors[slot].used || i--)
			continue;
		dp_mirror_stats_get(sw->opts.dp, slot, &stats);
		*out = (struct mirror_info){ sw->mirrors[slot].config, stats.mirrored,
					     stats.dropped };
		return 0;
	}
	return -ENOENT;
}
