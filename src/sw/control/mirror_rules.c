/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrors in the model, nothing opened: which one a VF is in, and which may be: their ends are
 * there, none feeds itself, their filters can be made.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "sw/control/model.h"

static bool is_vf(const char *pf, int vf, const char *other_pf, int other)
{
	return vf == other && !strcmp(pf, other_pf);
}

static int source_vf(const struct mirror_config *m)
{
	return m->from == MIRROR_FROM_VF ? m->from_vf : -1;
}

/**
 * sw_mirror_of() - A mirror that watches or feeds a VF, or something else of a PF
 * @sw: switch
 * @pf: PF
 * @vf: VF; -1: the PF's wire, own interface and VLANs
 * @captures: whether a capture is such a mirror too
 *
 * Return: the first such mirror, borrowed, or NULL.
 * Context: control.
 */
struct sw_mirror *sw_mirror_of(struct sw *sw, const char *pf, int vf, bool captures)
{
	for (struct sw_mirror *m = sw->mirrors; m < sw->mirrors + VEB_MIRRORS_MAX; m++) {
		const struct mirror_config *c = &m->config;

		if (!m->used || (m->capture && !captures))
			continue;
		if (is_vf(c->from_pf, source_vf(c), pf, vf) ||
		    (c->to == MIRROR_TO_VF && is_vf(c->to_pf, c->to_vf, pf, vf)))
			return m;
	}
	return NULL;
}

/* Marks the mirrors that watch what @want or a marked one feeds. Returns whether some are new. */
static bool spread(const struct sw *sw, const struct sw_mirror *self, bool *fed,
		   const struct mirror_config *want)
{
	bool more = false;

	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct mirror_config *c = &sw->mirrors[i].config;
		bool hit = false;

		if (fed[i] || !sw->mirrors[i].used || &sw->mirrors[i] == self ||
		    c->to != MIRROR_TO_VF)
			continue;
		hit = is_vf(c->from_pf, source_vf(c), want->to_pf, want->to_vf);
		for (unsigned int k = 0; !hit && k < VEB_MIRRORS_MAX; k++)
			hit = fed[k] && is_vf(c->from_pf, source_vf(c), sw->mirrors[k].config.to_pf,
					      sw->mirrors[k].config.to_vf);
		fed[i] = hit;
		more |= hit;
	}
	return more;
}

/* -ELOOP, by name, if the source of @want watches its destination already, if by detours. */
static int loop_check(const struct sw *sw, const struct sw_mirror *self,
		      const struct mirror_config *want, struct err *e)
{
	bool fed[VEB_MIRRORS_MAX] = { false };

	if (want->from != MIRROR_FROM_VF || want->to != MIRROR_TO_VF)
		return 0;
	while (spread(sw, self, fed, want))
		;
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct mirror_config *c = &sw->mirrors[i].config;

		if (fed[i] && is_vf(c->to_pf, c->to_vf, want->from_pf, want->from_vf))
			return err_set(e, -ELOOP,
				       "mirror %s would make a loop: what %s vf %u gets comes back "
				       "to %s vf %u by mirror %s",
				       want->name, want->to_pf, want->to_vf, want->from_pf,
				       want->from_vf, c->name);
	}
	return 0;
}

/* That its ends exist. */
static int ends_check(struct sw *sw, const struct mirror_config *m, struct err *e)
{
	struct sw_pf *pf;

	if (m->from != MIRROR_FROM_VF && !sw_pf_find(sw, m->from_pf, e))
		return -ENODEV;
	if (m->from == MIRROR_FROM_VF && !sw_vf_find(sw, m->from_pf, m->from_vf, &pf, e))
		return pf ? -EINVAL : -ENODEV;
	if (m->to == MIRROR_TO_VF && !sw_vf_find(sw, m->to_pf, m->to_vf, &pf, e))
		return pf ? -EINVAL : -ENODEV;
	return 0;
}

static int filter_make(const struct mirror_config *m, struct veb_filter **out, struct err *e)
{
	const struct veb_filter_conf conf = {
		.vlan = m->from == MIRROR_FROM_VLAN ? m->from_vlan : 0,
		.vlans = &m->vlans,
		.ether = m->ether,
		.pcap = m->pcap,
	};

	return veb_filter_new(&conf, out, e);
}

/**
 * sw_mirror_judge() - Whether a mirror may be, and its filter
 * @sw:     switch
 * @self:   the one it takes the place of
 * @want:   what it is to be
 * @filter: gets a reference, or NULL: no condition
 * @e:      names what is in the way
 *
 * Return: 0, -EINVAL, -ERANGE, -ENODEV, -ELOOP, or as veb_filter_new().
 * Context: control.
 */
int sw_mirror_judge(struct sw *sw, const struct sw_mirror *self, const struct mirror_config *want,
		    struct veb_filter **filter, struct err *e)
{
	int rc = mirror_config_check(want, e);

	if (!rc)
		rc = ends_check(sw, want, e);
	if (!rc)
		rc = loop_check(sw, self, want, e);
	return rc ? rc : filter_make(want, filter, e);
}

/**
 * sw_mirror_load() - Take a mirror from the state file
 * @sw:     switch with its PFs
 * @slot:   free
 * @config: checked by itself
 * @e:      may be NULL
 *
 * A filter that cannot be made any more (a host's name nobody knows today) lets nothing pass and
 * is logged: for that the switch does not stay down.
 *
 * Return: 0, -ENODEV, -EINVAL or -ENOSPC.
 * Context: control, at the start.
 */
int sw_mirror_load(struct sw *sw, unsigned int slot, const struct mirror_config *config,
		   struct err *e)
{
	const struct vlan_set none = { .set = true };
	struct veb_filter *filter;
	struct err why = { 0 };
	int rc = ends_check(sw, config, e);

	if (!rc && config->to == MIRROR_TO_CAPTURE)
		rc = err_set(e, -EINVAL, "a capture is in no state file");
	if (rc)
		return rc;
	if (filter_make(config, &filter, &why)) {
		log_err("mirror stays empty", "mirror=%s: %s", config->name, why.msg);
		rc = veb_filter_new(&(struct veb_filter_conf){ .vlans = &none }, &filter, e);
	}
	if (rc)
		return rc;
	sw->mirrors[slot] = (struct sw_mirror){ true, *config, filter, { .id = VEB_NO_PORT }, 0,
						 NULL };
	return config->to == MIRROR_TO_VF ? 0 : sw_id_take(sw, &sw->mirrors[slot].port.id, e);
}
