/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap flows and tap mirrors: a flow is a mirror on the switch, named after it, between the VFs its
 * ports have; a tap mirror is one for each tunnel id. Nothing is kept beside: a mirror whose tap
 * nobody wants any more is known by its name.
 */
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"

#define NAME_PREFIX "tap-"

static const char *const name_ends[WANT_LEGS] = { "-in", "-out", "" };

static void mirror_name(const char *tap, unsigned int leg, char out[MIRROR_NAME_LEN + 1])
{
	snprintf(out, MIRROR_NAME_LEN + 1, NAME_PREFIX "%s%s", tap, name_ends[leg]);
}

/* The id of the tap a mirror is for. Return: false if it is an operator's. */
static bool mirror_tap(const struct mirror_config *m, char id[UUID_STR_LEN])
{
	char name[MIRROR_NAME_LEN + 1];

	if (strlen(m->name) < strlen(NAME_PREFIX) + UUID_STR_LEN - 1)
		return false;
	snprintf(id, UUID_STR_LEN, "%s", m->name + strlen(NAME_PREFIX));
	for (unsigned int leg = 0; leg < WANT_LEGS && uuid_valid(id); leg++) {
		mirror_name(id, leg, name);
		if (!strcmp(m->name, name))
			return true;
	}
	return false;
}

/* The port has its VF, and keeps it for now. */
static const struct want_port *bound_port(struct agent *a, const char *id)
{
	const struct port *p = entity_port(a, id);

	return p && p->want.doc && !p->want.released && p->have.bound ? &p->want : NULL;
}

static bool ports_bound(struct agent *a, const struct tap *t)
{
	return t->want.doc && !*t->want.refused && bound_port(a, t->want.source) &&
	       (!t->want.port || bound_port(a, t->want.port));
}

/* What the switch should have for a leg; the tap's ports are bound. */
static void mirror_wanted(struct agent *a, const struct tap *t, unsigned int leg,
			  struct mirror_config *out)
{
	const struct want_port *from = bound_port(a, t->want.source);
	const struct want_port *to = bound_port(a, t->want.port);

	*out = (struct mirror_config){ .from_vf = (uint16_t)from->vf,
				       .dir = t->want.legs[leg].dir,
				       .to = t->want.to,
				       .to_vf = to ? (uint16_t)to->vf : 0,
				       .id = t->want.legs[leg].id,
				       .version = t->want.to == MIRROR_TO_ERSPAN,
				       .vlans = t->want.vlans };
	mirror_name(t->id, leg, out->name);
	snprintf(out->from_pf, sizeof(out->from_pf), "%s", from->pf);
	snprintf(out->to_pf, sizeof(out->to_pf), "%s", to ? to->pf : "");
	snprintf(out->remote, sizeof(out->remote), "%s", t->want.remote ? t->want.remote : "");
}

/* Mirrors of taps that went while no agent looked. */
static void find_leftovers(struct agent *a)
{
	for (unsigned int i = 0; i < a->view->n_pfs; i++)
		for (unsigned int n = 0; n < a->view->pfs[i].n_mirrors; n++) {
			char id[UUID_STR_LEN];

			if (mirror_tap(&a->view->pfs[i].mirrors[n], id) && !entity_tap(a, id))
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

		t->have.known |= !t->busy;
		for (unsigned int leg = 0; leg < WANT_LEGS && !t->busy; leg++) {
			const struct mirror_config *m;
			char name[MIRROR_NAME_LEN + 1];

			mirror_name(t->id, leg, name);
			m = pfs_mirror(a->view, name);
			t->found[leg] = m ? *m : (struct mirror_config){ .name = "" };
		}
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

/* What is to go or to come first: its mirror in @surplus or @missing, whose names tell. */
static void compare(struct agent *a, const struct tap *t, bool ports, struct mirror_config *surplus,
		    struct mirror_config *missing)
{
	for (unsigned int leg = 0; leg < WANT_LEGS; leg++) {
		const struct mirror_config *found = &t->found[leg];
		struct mirror_config want = { .name = "" };

		if (ports && t->want.legs[leg].wanted)
			mirror_wanted(a, t, leg, &want);
		if (*found->name && fields_diff(mirror_fields, found, &want))
			*surplus = *found;
		else if (!*found->name && *want.name)
			*missing = want;
	}
}

/* Return: whether something of the tap is on its way. */
static bool evaluate_tap(struct agent *a, struct tap *t)
{
	struct mirror_config surplus = { .name = "" }, missing = { .name = "" };
	enum tap_step step;

	t->have.ports = ports_bound(a, t);
	compare(a, t, t->have.ports, &surplus, &missing);
	t->have.surplus = *surplus.name;
	t->have.missing = *missing.name;
	step = plan_tap(&t->have);
	if (step != TAP_STEP_NONE && !t->busy && retry_due(&t->retry))
		step_tap(a, t, step, step == TAP_STEP_ADD ? &missing : &surplus);
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
