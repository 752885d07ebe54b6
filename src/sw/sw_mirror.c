/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of mirrors. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "sw/sw_int.h"

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
 *
 * Return: the first such mirror, borrowed, or NULL.
 * Context: control.
 */
struct sw_mirror *sw_mirror_of(struct sw *sw, const char *pf, int vf)
{
	for (struct sw_mirror *m = sw->mirrors; m < sw->mirrors + VEB_MIRRORS_MAX; m++) {
		const struct mirror_config *c = &m->config;

		if (m->used && (is_vf(c->from_pf, source_vf(c), pf, vf) ||
				(c->to == MIRROR_TO_VF && is_vf(c->to_pf, c->to_vf, pf, vf))))
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

/* Puts @want in the place of @m, which may be free; on failure nothing happened. */
static int mirror_put(struct sw *sw, struct sw_mirror *m, const struct mirror_config *want,
		      struct err *e)
{
	struct sw_mirror old = *m;
	struct veb_filter *filter;
	int rc = mirror_config_check(want, e);

	if (!rc)
		rc = ends_check(sw, want, e);
	if (!rc)
		rc = loop_check(sw, m, want, e);
	if (!rc)
		rc = filter_make(want, &filter, e);
	if (rc)
		return rc;
	*m = (struct sw_mirror){ true, *want, filter };
	rc = sw_commit(sw, e);
	if (rc)
		*m = old;
	veb_filter_put(rc ? filter : old.filter);
	return rc;
}

/**
 * sw_mirror_add() - struct pf_ops.mirror_add
 * @ctx:  struct sw
 * @want: the mirror; its PFs may be different ones
 * @e:    may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, -ERANGE, -ELOOP, -EEXIST, -ENOSPC, or errors of the state file.
 * Context: control.
 */
int sw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e)
{
	struct sw *sw = ctx;
	uint16_t slot = 0;

	if (mirror_find(sw, want->name))
		return err_set(e, -EEXIST, "mirror %s exists", want->name);
	while (slot < VEB_MIRRORS_MAX && sw->mirrors[slot].used)
		slot++;
	if (slot == VEB_MIRRORS_MAX)
		return err_set(e, -ENOSPC, "mirror %s: there are %u mirrors already, the most",
			       want->name, VEB_MIRRORS_MAX);
	dp_mirror_stats_reset(sw->opts.dp, slot);
	return mirror_put(sw, &sw->mirrors[slot], want, e);
}

static int no_mirror(const char *name, struct err *e)
{
	return err_set(e, -ENOENT, "there is no mirror \"%s\"", name);
}

/**
 * sw_mirror_set() - struct pf_ops.mirror_set
 * @ctx:     struct sw
 * @name:    mirror
 * @want:    its new words; the name stays
 * @changed: which of them count
 * @e:       may be NULL
 *
 * Return: 0, -ENOENT, or as sw_mirror_add() and mirror_config_apply().
 * Context: control.
 */
int sw_mirror_set(void *ctx, const char *name, const struct mirror_config *want, uint32_t changed,
		  struct err *e)
{
	struct sw *sw = ctx;
	struct sw_mirror *m = mirror_find(sw, name);
	struct mirror_config next;
	int rc;

	if (!m)
		return no_mirror(name, e);
	rc = mirror_config_apply(&m->config, want, changed & ~(1U << MIRROR_FIELD_NAME), &next, e);
	return rc ? rc : mirror_put(sw, m, &next, e);
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
		return no_mirror(name, e);
	m->used = false;
	rc = sw_commit(sw, e);
	m->used = rc != 0;
	return rc;
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
 * Return: 0, -ENODEV or -EINVAL.
 * Context: control, at the start.
 */
int sw_mirror_load(struct sw *sw, unsigned int slot, const struct mirror_config *config,
		   struct err *e)
{
	const struct vlan_set none = { .set = true };
	struct veb_filter *filter;
	struct err why = { 0 };
	int rc = ends_check(sw, config, e);

	if (rc)
		return rc;
	if (filter_make(config, &filter, &why)) {
		log_err("mirror stays empty", "mirror=%s: %s", config->name, why.msg);
		rc = veb_filter_new(&(struct veb_filter_conf){ .vlans = &none }, &filter, e);
	}
	if (!rc)
		sw->mirrors[slot] = (struct sw_mirror){ true, *config, filter };
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
