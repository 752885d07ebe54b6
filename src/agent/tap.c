/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap flows and tap mirrors: each is a mirror on the switch, named after it, between the VFs its
 * ports have. Nothing is kept beside: a mirror whose tap nobody wants any more is known by its
 * name.
 */
#include <stdio.h>
#include <string.h>

#include "agent/state.h"

#define NAME_PREFIX "tap-"

static void mirror_name(const char *tap, char out[MIRROR_NAME_LEN + 1])
{
	snprintf(out, MIRROR_NAME_LEN + 1, NAME_PREFIX "%s", tap);
}

/* The id of the tap a mirror is for; NULL: it is an operator's. */
static const char *mirror_tap(const struct mirror_config *m)
{
	const char *id = m->name + strlen(NAME_PREFIX);

	return !strncmp(m->name, NAME_PREFIX, strlen(NAME_PREFIX)) && uuid_valid(id) ? id : NULL;
}

/* The port has its VF, and keeps it for now. */
static const struct want_port *bound_port(struct agent *a, const char *id)
{
	const struct port *p = entity_port(a, id);

	return p && p->want.doc && !p->want.released && p->have.bound ? &p->want : NULL;
}

/* What the switch should have. Return: false while a port has no VF. */
static bool mirror_wanted(struct agent *a, const struct tap *t, struct mirror_config *out)
{
	const struct want_port *from = bound_port(a, t->want.source);
	const struct want_port *to = bound_port(a, t->want.port);

	if (!from || !to)
		return false;
	*out = (struct mirror_config){ .from_vf = (uint16_t)from->vf,
				       .dir = t->want.dir,
				       .to_vf = (uint16_t)to->vf,
				       .vlans = t->want.vlans };
	mirror_name(t->id, out->name);
	snprintf(out->from_pf, sizeof(out->from_pf), "%s", from->pf);
	snprintf(out->to_pf, sizeof(out->to_pf), "%s", to->pf);
	return true;
}

/* Mirrors of taps that went while no agent looked. */
static void find_leftovers(struct agent *a)
{
	for (unsigned int i = 0; i < a->view->n_pfs; i++)
		for (unsigned int n = 0; n < a->view->pfs[i].n_mirrors; n++) {
			const char *id = mirror_tap(&a->view->pfs[i].mirrors[n]);

			if (id && !entity_tap(a, id))
				entity_tap_add(a, id);
		}
}

/**
 * tap_observe_all() - Take from a look at the switch what it says of taps
 * @a: agent; its view is new
 */
void tap_observe_all(struct agent *a)
{
	if (!a->desired_known)
		return;
	find_leftovers(a);
	for (struct omap_node *n = omap_from(a->taps, ""); n; n = n->next[0]) {
		struct tap *t = n->value;
		const struct mirror_config *m;
		char name[MIRROR_NAME_LEN + 1];

		if (t->busy)
			continue;
		mirror_name(t->id, name);
		m = pfs_mirror(a->view, name);
		t->have.known = true;
		t->have.mirror = m != NULL;
		if (m)
			t->found = *m;
	}
}

struct tap_job {
	struct agent *agent;
	enum tap_step step;
	char tap[UUID_STR_LEN];
	struct mirror_config mirror;
	int rc;
	struct err e;
};

static void tap_run(void *arg)
{
	struct tap_job *j = arg;
	const char *run_dir = j->agent->opts.run_dir;

	if (j->step == TAP_STEP_ADD)
		j->rc = pfs_mirror_add(run_dir, &j->mirror, &j->e);
	else
		j->rc = pfs_mirror_del(run_dir, j->mirror.from_pf, j->mirror.name, &j->e);
}

static void tap_done(void *arg)
{
	struct tap_job *j = arg;
	struct tap *t = entity_tap(j->agent, j->tap);

	if (t) {
		t->busy = false;
		t->have.known = false; /* until the next look, which is behind us in the queue */
		retry_later(&t->retry, "a tap's mirror cannot be set", t->id, j->rc ? &j->e : NULL);
		agent_observe(j->agent);
	}
	free(j);
}

static void step_tap(struct agent *a, struct tap *t, enum tap_step step,
		     const struct mirror_config *mirror)
{
	struct tap_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->agent = a;
	j->step = step;
	j->mirror = *mirror;
	snprintf(j->tap, sizeof(j->tap), "%s", t->id);
	if (work_push(a->switch_queue, tap_run, tap_done, j))
		free(j);
	else
		t->busy = true;
}

/* Return: whether something of the tap is on its way. */
static bool evaluate_tap(struct agent *a, struct tap *t)
{
	struct mirror_config want = { .dir = 0 };
	enum tap_step step;

	t->have.ports = t->want.doc && mirror_wanted(a, t, &want);
	t->have.current = t->have.mirror && !fields_diff(mirror_fields, &want, &t->found);
	step = plan_tap(&t->want, &t->have);
	if (step != TAP_STEP_NONE && !t->busy && retry_due(&t->retry))
		step_tap(a, t, step, step == TAP_STEP_ADD ? &want : &t->found);
	return t->busy || (step != TAP_STEP_NONE && !t->retry.n);
}

/**
 * tap_evaluate_all() - Compare what taps are wanted with the switch's mirrors, start what differs
 * @a: agent
 *
 * Return: whether something is on its way.
 */
bool tap_evaluate_all(struct agent *a)
{
	bool hurry = false;

	for (struct omap_node *n = omap_from(a->taps, ""); n; n = n->next[0])
		hurry |= evaluate_tap(a, n->value);
	return hurry;
}
