/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of mirrors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sw/sw_int.h"
#include "sw/tap.h"

/* What a destination that is no VF is opened with. */
#define SINK_ROWS                                                                                  \
	(1U << MIRROR_FIELD_TO | 1U << MIRROR_FIELD_REMOTE | 1U << MIRROR_FIELD_ID |               \
	 1U << MIRROR_FIELD_VERSION | 1U << MIRROR_FIELD_DIR | 1U << MIRROR_FIELD_TAP |            \
	 1U << MIRROR_FIELD_FILE)

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

static struct sw_mirror *mirror_find(struct sw *sw, const char *name)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used && !sw->mirrors[i].capture &&
		    !strcmp(sw->mirrors[i].config.name, name))
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

/* Another mirror with the tap of @m, or NULL: taps may be shared, the last one takes it along. */
static const struct sw_mirror *tap_sharer(const struct sw *sw, const struct sw_mirror *m)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct sw_mirror *other = &sw->mirrors[i];

		if (other != m && other->used && other->config.to == MIRROR_TO_TAP &&
		    !strcmp(other->config.tap, m->config.tap))
			return other;
	}
	return NULL;
}

/* A tap that nobody reads from: what the host sends into it stays there. */
static int tap_open(struct sw *sw, const struct sw_mirror *m, struct port **out, struct err *e)
{
	struct tap_want want = { .up = true };
	int rc = tap_sharer(sw, m) ? 0 : sw_name_check(sw, m->config.tap, "", e);

	memcpy(want.name, m->config.tap, sizeof(want.name));
	if (!rc)
		rc = tap_port_open(sw->opts.parent, &want, out, e);
	if (!rc)
		(*out)->n_queues = 0;
	return rc;
}

static int sink_open(struct sw *sw, const struct sw_mirror *m, struct port **out, struct err *e)
{
	int rc = 0;

	if (m->config.to == MIRROR_TO_TAP)
		return tap_open(sw, m, out, e);
	if (m->config.to == MIRROR_TO_CAPTURE)
		return sw_capture_plug(m->capture, &m->config, out, e);
	if (!sw->sinks)
		rc = sinks_open(&sw->sinks, e);
	if (rc)
		return rc;
	if (m->config.to == MIRROR_TO_FILE)
		return sink_file_open(sw->sinks, sw->opts.parent, &m->config, out, e);
	return sink_remote_open(sw->sinks, sw->opts.parent, &m->config, out, e);
}

/* Opens the destination of @m, which has a port number. */
static int sink_plug(struct sw *sw, struct sw_mirror *m, struct err *e)
{
	char name[DP_NAME_LEN + 1];
	struct port *edge;
	int rc = sink_open(sw, m, &edge, e);

	if (rc)
		return rc;
	snprintf(name, sizeof(name), "mirror %.24s", m->config.name);
	rc = dp_port_add(sw->opts.dp, m->port.id, name, edge, e);
	m->port.plugged = !rc;
	m->port.edge = rc ? NULL : edge;
	return rc;
}

/* @stay: a tap stays with the parent, for the next life. */
static void sink_unplug(struct sw *sw, struct sw_mirror *m, bool stay)
{
	bool tap = m->config.to == MIRROR_TO_TAP && !stay && !tap_sharer(sw, m);

	if (m->port.id == VEB_NO_PORT)
		return;
	sw_unplug(sw, &m->port, tap ? m->config.tap : NULL, "");
	sw_id_give(sw, &m->port.id);
	if (m->capture)
		sw_capture_unplugged(take(m->capture));
}

/* A destination for @next: that of @old if nothing about it changed. */
static int sink_take(struct sw *sw, const struct sw_mirror *old, struct sw_mirror *next,
		     struct err *e)
{
	const uint32_t same = fields_diff(mirror_fields, &old->config, &next->config);
	int rc;

	next->port = (struct sw_port){ .id = VEB_NO_PORT };
	if (next->config.to == MIRROR_TO_VF)
		return 0;
	if (old->used && !(same & SINK_ROWS)) {
		next->port = old->port;
		return 0;
	}
	rc = sw_id_take(sw, &next->port.id, e);
	if (!rc)
		rc = sink_plug(sw, next, e);
	if (rc)
		sw_id_give(sw, &next->port.id);
	return rc;
}

/* Puts @want in the place of @m, which may be free; on failure nothing happened. */
static int mirror_put(struct sw *sw, struct sw_mirror *m, const struct mirror_config *want,
		      struct err *e)
{
	struct sw_mirror old = *m, next = *m, *gone = &next;
	int rc = mirror_config_check(want, e);

	next.config = *want;
	if (!rc)
		rc = ends_check(sw, want, e);
	if (!rc)
		rc = loop_check(sw, m, want, e);
	if (!rc)
		rc = filter_make(want, &next.filter, e);
	if (rc)
		return rc;
	rc = sink_take(sw, &old, &next, e);
	if (!rc) {
		next.used = true;
		*m = next;
		rc = next.capture ? sw_publish(sw, e) : sw_commit(sw, e);
		gone = rc ? &next : &old;
		*m = rc ? old : next;
	}
	veb_filter_put(gone->filter);
	if (gone->port.id != m->port.id)
		sink_unplug(sw, gone, false);
	return rc;
}

/**
 * sw_mirrors_init() - Before the first mirror
 * @sw: all zero here
 *
 * Context: control.
 */
void sw_mirrors_init(struct sw *sw)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		sw->mirrors[i].port.id = VEB_NO_PORT;
}

/**
 * sw_mirrors_reap() - Close the destinations of mirrors that are gone for good
 * @sw: switch whose newest snapshot has them no more
 *
 * Context: control.
 */
void sw_mirrors_reap(struct sw *sw)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (!sw->mirrors[i].used)
			sink_unplug(sw, &sw->mirrors[i], false);
}

/**
 * sw_mirrors_close() - Close all destinations and free what mirrors own
 * @sw: switch at its end
 *
 * Context: control; waits for the thread of the sinks.
 */
void sw_mirrors_close(struct sw *sw)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		sink_unplug(sw, &sw->mirrors[i], true);
		veb_filter_put(sw->mirrors[i].filter);
	}
	sw_captures_close(sw);
	sinks_close(sw->sinks);
}

/**
 * sw_mirrors_tick() - Open the destinations that could not be opened before
 * @sw: switch
 *
 * Return: whether one is open now.
 * Context: control, at the start and once a second.
 */
bool sw_mirrors_tick(struct sw *sw)
{
	bool changed = false;

	for (struct sw_mirror *m = sw->mirrors; m < sw->mirrors + VEB_MIRRORS_MAX; m++) {
		struct err e = { 0 };
		int rc;

		if (!m->used || m->port.id == VEB_NO_PORT)
			continue;
		if (m->config.to == MIRROR_TO_TAP && m->port.plugged &&
		    !tap_port_alive(m->port.edge))
			sw_unplug(sw, &m->port, NULL, NULL);
		if (m->port.plugged)
			continue;
		rc = sink_plug(sw, m, &e);
		if (rc && !m->port.complained)
			log_warn("mirror's destination cannot be opened", "mirror=%s: %s",
				 m->config.name, e.msg);
		m->port.complained = rc;
		changed |= !rc;
	}
	return changed;
}

/**
 * sw_mirror_new() - Put a mirror or a capture into a free slot
 * @sw:      switch
 * @want:    what is watched, and where to
 * @capture: whom it is for; borrowed until sw_capture_unplugged(), or this failed
 * @e:       may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, -ERANGE, -ELOOP, -ENOSPC; of a mirror errors of the state file.
 * Context: control.
 */
int sw_mirror_new(struct sw *sw, const struct mirror_config *want, struct sw_capture *capture,
		  struct err *e)
{
	struct sw_mirror *m;
	uint16_t slot = 0;
	int rc;

	while (slot < VEB_MIRRORS_MAX && sw->mirrors[slot].used)
		slot++;
	if (slot == VEB_MIRRORS_MAX)
		return err_set(e, -ENOSPC, "mirror %s: there are %u mirrors already, the most",
			       want->name, VEB_MIRRORS_MAX);
	dp_mirror_stats_reset(sw->opts.dp, slot);
	m = &sw->mirrors[slot];
	m->failed_before = sinks_failed(sw->sinks, slot);
	m->capture = capture;
	rc = mirror_put(sw, m, want, e);
	if (rc)
		m->capture = NULL;
	return rc;
}

static int no_capture(struct err *e)
{
	return err_set(e, -EINVAL, "a mirror cannot go to a capture: use anyvf capture");
}

/**
 * sw_mirror_add() - struct pf_ops.mirror_add
 * @ctx:  struct sw
 * @want: the mirror; its PFs may be different ones
 * @e:    may be NULL
 *
 * Return: 0, -EEXIST, or as sw_mirror_new().
 * Context: control.
 */
int sw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e)
{
	struct sw *sw = ctx;

	if (want->to == MIRROR_TO_CAPTURE)
		return no_capture(e);
	if (mirror_find(sw, want->name))
		return err_set(e, -EEXIST, "mirror %s exists", want->name);
	return sw_mirror_new(sw, want, NULL, e);
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
	if (changed & 1U << MIRROR_FIELD_TO && want->to == MIRROR_TO_CAPTURE)
		return no_capture(e);
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
	sw_mirrors_reap(sw);
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
 * Return: 0, -ENODEV, -EINVAL or -ENOSPC.
 * Context: control, at the start.
 */
int sw_mirror_load(struct sw *sw, unsigned int slot, const struct mirror_config *config,
		   struct err *e)
{
	const struct vlan_set none = { .set = true };
	struct veb_filter *filter;
	struct err why = { 0 };
	int rc = config->to == MIRROR_TO_CAPTURE ? no_capture(e) : ends_check(sw, config, e);

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
	uint64_t failed;

	for (uint16_t slot = 0; slot < VEB_MIRRORS_MAX; slot++) {
		if (!sw->mirrors[slot].used || sw->mirrors[slot].capture || i--)
			continue;
		dp_mirror_stats_get(sw->opts.dp, slot, &stats);
		failed = sinks_failed(sw->sinks, slot) - sw->mirrors[slot].failed_before;
		failed = MIN(failed, stats.mirrored);
		*out = (struct mirror_info){ sw->mirrors[slot].config, stats.mirrored - failed,
					     stats.dropped + failed };
		return 0;
	}
	return -ENOENT;
}
