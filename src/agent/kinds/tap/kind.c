/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap flows and tap mirrors: a flow is a mirror on the switch, named after it, between the VFs its
 * ports have; a tap mirror is one for each tunnel id. Nothing is kept beside: a mirror whose tap
 * nobody wants any more is known by its name.
 */
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "agent/kinds/tap/tap.h"

#define NAME_PREFIX "tap-"

struct tap {
	struct entity entity;
	struct want_tap want;
	struct tap_have have;
	struct mirror_config found[WANT_LEGS]; /* what the switch has; no name: nothing */
	struct mirror_config surplus, missing; /* what is to go or to come first, if have says so */
};

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

static int tap_open(struct agent *a, struct err *e)
{
	struct collectors listed;
	int rc = collectors_parse(a->opts.collectors, &listed, e);

	if (rc)
		err_prefix(e, "[taas] collectors");
	return rc;
}

static void tap_fini(struct entity *x)
{
	want_doc_put(&((struct tap *)x)->want.doc);
}

static int tap_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct tap *t = (struct tap *)x;
	struct collectors listed;
	struct want_tap fresh;
	int rc = collectors_parse(a->opts.collectors, &listed, e);

	rc = rc ?: want_tap_parse(doc, &fresh, e);
	if (rc)
		return rc;
	want_tap_judge(&fresh, &listed);
	want_doc_put(&t->want.doc);
	t->want = fresh;
	return 0;
}

/* Mirrors of taps that went while no agent looked. */
static void tap_discover(struct agent *a)
{
	for (unsigned int i = 0; a->view && i < a->view->n_pfs; i++)
		for (unsigned int n = 0; n < a->view->pfs[i].n_mirrors; n++) {
			char id[UUID_STR_LEN];

			if (mirror_tap(&a->view->pfs[i].mirrors[n], id) &&
			    !entity_find(a, tap_kind.name, id))
				entity_add(a, &tap_kind, id);
		}
}

static void tap_observe(struct agent *a, struct entity *x)
{
	struct tap *t = (struct tap *)x;

	t->have.known = a->view && a->desired_known;
	for (unsigned int leg = 0; leg < WANT_LEGS; leg++) {
		const struct mirror_config *m;
		char name[MIRROR_NAME_LEN + 1];

		mirror_name(x->id, leg, name);
		m = pfs_mirror(a->view, name);
		t->found[leg] = m ? *m : (struct mirror_config){ .name = "" };
	}
}

/* The port has its VF, and keeps it for now. */
static const struct want_port *bound_port(struct agent *a, const char *id)
{
	const struct port_facts *p = facts_port(a, id);

	return p && !p->want.released && p->have.bound ? &p->want : NULL;
}

static bool ports_bound(struct agent *a, const struct tap *t)
{
	return t->entity.wanted && !*t->want.refused && bound_port(a, t->want.source) &&
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
	mirror_name(t->entity.id, leg, out->name);
	snprintf(out->from_pf, sizeof(out->from_pf), "%s", from->pf);
	snprintf(out->to_pf, sizeof(out->to_pf), "%s", to ? to->pf : "");
	snprintf(out->remote, sizeof(out->remote), "%s", t->want.remote ? t->want.remote : "");
}

static int tap_plan(struct agent *a, struct entity *x)
{
	struct tap *t = (struct tap *)x;

	t->have.ports = ports_bound(a, t);
	t->have.surplus = t->have.missing = false;
	for (unsigned int leg = 0; leg < WANT_LEGS; leg++) {
		const struct mirror_config *found = &t->found[leg];
		struct mirror_config want = { .name = "" };

		if (t->have.ports && t->want.legs[leg].wanted)
			mirror_wanted(a, t, leg, &want);
		if (*found->name && fields_diff(mirror_fields, found, &want)) {
			t->surplus = *found;
			t->have.surplus = true;
		} else if (!*found->name && *want.name) {
			t->missing = want;
			t->have.missing = true;
		}
	}
	return (int)plan_tap(&t->have);
}

struct tap_job {
	struct step step;
	enum tap_step what;
	struct mirror_config mirror;
};

static void tap_run(void *arg)
{
	struct tap_job *j = arg;
	const char *run_dir = j->step.agent->opts.run_dir;

	if (j->what == TAP_STEP_ADD)
		j->step.rc = pfs_mirror_add(run_dir, &j->mirror, &j->step.e);
	else
		j->step.rc = pfs_mirror_del(run_dir, j->mirror.from_pf, j->mirror.name, &j->step.e);
}

static void tap_done(struct step *s)
{
	((struct tap *)s->entity)->have.known = false; /* until the next look */
	free(s);
}

static void tap_step(struct agent *a, struct entity *x, int step)
{
	const struct tap *t = (const struct tap *)x;
	struct tap_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->step = (struct step){ .failure = "a tap's mirror cannot be set", .done = tap_done };
	j->what = (enum tap_step)step;
	j->mirror = step == TAP_STEP_ADD ? t->missing : t->surplus;
	if (step_begin(&j->step, a, x, a->sides[SIDE_SWITCH].queue, tap_run))
		free(j);
}

static json_t *tap_status(const struct entity *x)
{
	const struct tap *t = (const struct tap *)x;
	const char *why = *t->want.refused ? t->want.refused : retry_why(&x->retry);

	return report_status(plan_tap_status(&t->have, *why), why);
}

/* What the last look found counts: what is planned about it may be older than the wish's end. */
static bool tap_gone(const struct entity *x)
{
	const struct tap *t = (const struct tap *)x;
	bool found = false;

	for (unsigned int leg = 0; leg < WANT_LEGS; leg++)
		found |= *t->found[leg].name != '\0';
	return t->have.known && !found;
}

const struct agent_kind tap_kind = {
	.name = "tap",
	.words = { "tap_flow", "tap_mirror" },
	.size = sizeof(struct tap),
	.side = SIDE_SWITCH,
	.open = tap_open,
	.fini = tap_fini,
	.parse = tap_parse,
	.discover = tap_discover,
	.observe = tap_observe,
	.plan = tap_plan,
	.step = tap_step,
	.status = tap_status,
	.gone = tap_gone,
};
