/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of mirrors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sw/control/model.h"
#include "sw/port/tap.h"

/* What a destination that is no VF is opened with. */
#define SINK_ROWS                                                                                  \
	(1U << MIRROR_FIELD_TO | 1U << MIRROR_FIELD_REMOTE | 1U << MIRROR_FIELD_ID |               \
	 1U << MIRROR_FIELD_VERSION | 1U << MIRROR_FIELD_DIR | 1U << MIRROR_FIELD_TAP |            \
	 1U << MIRROR_FIELD_FILE)

static struct sw_mirror *mirror_find(struct sw *sw, const char *name)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used && !sw->mirrors[i].capture &&
		    !strcmp(sw->mirrors[i].config.name, name))
			return &sw->mirrors[i];
	return NULL;
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
		return sink_capture_open(m->capture->sinks, &m->config, m->capture->fd, out, e);
	if (!sw->sinks)
		rc = sinks_open(&sw->sinks, e);
	if (rc)
		return rc;
	if (m->config.to == MIRROR_TO_FILE)
		return sink_file_open(sw->sinks, sw->opts.parent, &m->config, out, e);
	return sink_remote_open(sw->sinks, sw->opts.parent, &m->config, out, e);
}

/* What is known of a destination without opening it. */
static int trial_open(struct sw *sw, const struct sw_mirror *m, struct err *e)
{
	return m->config.to == MIRROR_TO_TAP && !tap_sharer(sw, m)
		       ? sw_name_check(sw, m->config.tap, "", e)
		       : 0;
}

/* Opens the destination of @m, which has a port number. */
static int sink_plug(struct sw *sw, struct sw_mirror *m, struct err *e)
{
	char name[DP_NAME_LEN + 1];
	struct port *edge;
	int rc = sw_is_trial(sw) ? trial_open(sw, m, e) : sink_open(sw, m, &edge, e);

	if (rc || sw_is_trial(sw))
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
		sw_capture_end(take(m->capture));
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
	if (rc && sw_may_wait(sw, &next->port, "", next->config.name, rc, e))
		rc = 0;
	if (rc)
		sw_id_give(sw, &next->port.id);
	return rc;
}

/* Puts @want in the place of @m, which may be free; on failure nothing happened. */
static int mirror_put(struct sw *sw, struct sw_mirror *m, const struct mirror_config *want,
		      struct err *e)
{
	struct sw_mirror old = *m, next = *m, *gone = &next;
	int rc = sw_mirror_judge(sw, m, want, &next.filter, e);

	if (rc)
		return rc;
	next.config = *want;
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
 * @capture: whom it is for; borrowed until sw_capture_end(), or this failed
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
	if (!sw_is_trial(sw))
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
