/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: each one's VF is set as its document says, and attached for its server's QEMU. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/port/port.h"

static void record_path(const struct agent *a, const struct entity *x, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/ports/%s", a->dir, x->id);
}

static struct pack *pack(const struct vf_config *config)
{
	struct vf_config defaults;

	vf_config_default(&defaults);
	return pack_of(vf_fields, config, &defaults);
}

static void unpack(const struct pack *p, struct vf_config *out)
{
	vf_config_default(out);
	pack_read(p, vf_fields, out);
}

/* What was written to the VF last; NULL: nothing, and the record goes. */
static void keep(const struct agent *a, struct port *p, const struct vf_config *applied)
{
	char path[PATH_MAX];

	free(p->applied);
	p->applied = applied ? pack(applied) : NULL;
	record_path(a, &p->facts.entity, path);
	if (applied)
		record_write(path, fields_to_json(vf_fields, applied));
	else
		record_drop(path);
}

static int port_open(struct agent *a, struct err *e)
{
	return record_dir(a->dir, "ports", e);
}

static int port_init(struct agent *a, struct entity *x)
{
	struct port *p = (struct port *)x;
	auto_of(json_decref) json_t *record = NULL;
	struct vf_config applied;
	char path[PATH_MAX];

	record_path(a, x, path);
	record = record_read(path);
	p->guest_link = true;
	p->filter_due = 1;
	vf_config_default(&applied);
	if (record && !fields_from_json(vf_fields, &applied, record, NULL, NULL))
		p->applied = pack(&applied);
	return 0;
}

static void port_fini(struct entity *x)
{
	struct port *p = (struct port *)x;

	want_piece_put(&p->facts.want.piece);
	free(p->wish);
	free(p->applied);
}

static int port_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct port *p = (struct port *)x;
	struct vf_config config;
	struct want_port want;
	struct pack *wish;
	int rc = want_port_parse(doc, &want, &config, e);

	if (rc)
		return rc;
	wish = pack(&config);
	if (!wish) {
		want_piece_put(&want.piece);
		return err_set(e, -ENOMEM, "out of memory");
	}
	want_piece_put(&p->facts.want.piece);
	free(p->wish);
	p->facts.want = want;
	p->wish = wish;
	p->right = p->drifted = false;
	return 0;
}

/* The software PF's side of a VF that is this port's. */
static void observe_socket(struct agent *a, struct port *p, const struct vf_info *vf)
{
	const struct want_port *want = &p->facts.want;
	struct port_have *have = &p->facts.have;
	char socket[VF_PATH_LEN + 1];

	agent_socket_path(a, p->facts.entity.id, socket);
	have->fields = WANT_VF_FIELDS;
	have->plug = (struct port_plug){ .known = true, .way = PORT_BY_VHOST };
	have->attached = have->bound && vf->attach.kind == VF_ATTACH_VHOST &&
			 !strcmp(vf->attach.socket, socket);
	have->attached_else = have->bound && vf->attach.kind != VF_ATTACH_NONE && !have->attached;
	have->connected =
		(have->attached || (have->attached_else && !want->server)) && vf->status.connected;
}

/* All that its VF is to be set to. */
static void wish_of(struct agent *a, const struct port *p, struct vf_config *out)
{
	const char *id = p->facts.want.server;
	const struct server_facts *s = facts_server(a, id);

	unpack(p->wish, out);
	snprintf(out->server, sizeof(out->server), "%.*s", VF_NAME_LEN,
		 s    ? s->want.name
		 : id ? id
		      : "");
}

/* Of what is written on such a PF that which is not as it was written last. */
static uint32_t changed(const struct port *p, const struct vf_config *wish)
{
	struct vf_config applied;

	if (!p->applied)
		return p->facts.have.fields;
	unpack(p->applied, &applied);
	return fields_diff(vf_fields, &applied, wish) & p->facts.have.fields;
}

static void port_observe(struct agent *a, struct entity *x)
{
	struct port *p = (struct port *)x;
	const struct want_port *want = &p->facts.want;
	struct port_have *have = &p->facts.have;
	const struct pfs_pf *pf = x->wanted ? pfs_find(a->view, want->pf) : NULL;
	const struct vf_info *vf = pf ? pfs_vf(a->view, want->pf, want->vf) : NULL;
	struct vf_config wish;

	have->known = vf != NULL;
	have->lost = !vf;
	have->untold = !a->view;
	if (x->wanted && want->whole)
		nic_observe_whole(a, p, pf);
	if (!vf)
		return;
	have->bound = !strcmp(vf->config.port_id, x->id);
	if (pfs_is_hw(pf))
		nic_observe(a, p, vf);
	else
		observe_socket(a, p, vf);
	wish_of(a, p, &wish);
	have->changed = changed(p, &wish);
	if (want->released && !have->bound && p->applied)
		keep(a, p, NULL); /* by an agent that ended before it could forget */
	guest_observe(p, vf);
}

/* What was right and is to be bound or attached anew somebody else has undone. */
static void count_drift(struct agent *a, struct port *p, enum port_step step)
{
	if (p->right && (step == PORT_STEP_BIND || step == PORT_STEP_ATTACH)) {
		p->right = false;
		p->drifted = true;
		a->counts.drifts++;
	} else if (step == PORT_STEP_NONE && p->facts.have.known && p->facts.have.bound) {
		a->counts.mended += p->drifted;
		p->right = true;
		p->drifted = false;
	}
}

static int port_plan(struct agent *a, struct entity *x)
{
	struct port_facts *f = (struct port_facts *)x;
	const struct server_facts *s = facts_server(a, f->want.server);
	enum port_step step;

	f->have.in_use =
		s && (s->entity.busy || !s->have.known || port_is_in_domain(&s->have, x->id));
	step = x->wanted ? plan_port(&f->want, &f->have) : PORT_STEP_NONE;
	count_drift(a, (struct port *)x, step);
	return (int)step;
}

struct port_job {
	struct step step;
	enum port_step what;
	char pf[PF_NAME_LEN + 1];
	unsigned int vf;
	struct vf_config config;
	uint32_t changed;
	bool foreign; /* the VF still carries another port's id */
	bool whole, spoilt;
	struct vf_attach attach;
};

static int bind_vf(struct port_job *j, const char *run_dir)
{
	int rc = j->foreign ? pfs_vf_do(run_dir, "vf.release", j->pf, j->vf, &j->step.e) : 0;

	return rc ?: pfs_vf_set(run_dir, j->pf, j->vf, &j->config, j->changed, &j->step.e);
}

static void port_run(void *arg)
{
	struct port_job *j = arg;
	const char *run_dir = j->step.agent->opts.run_dir;
	struct err *e = &j->step.e;

	if (j->whole) {
		if (j->what != PORT_STEP_RELEASE)
			j->step.rc = nic_claim(j->pf, j->spoilt, e);
		return;
	}
	switch (j->what) {
	case PORT_STEP_BIND:
		j->step.rc = bind_vf(j, run_dir);
		break;
	case PORT_STEP_SET:
		j->step.rc = pfs_vf_set(run_dir, j->pf, j->vf, &j->config, j->changed, e);
		break;
	case PORT_STEP_ATTACH:
		j->step.rc = pfs_vf_attach(run_dir, j->pf, j->vf, &j->attach, e);
		break;
	case PORT_STEP_DETACH:
		j->step.rc = pfs_vf_do(run_dir, "vf.detach", j->pf, j->vf, e);
		break;
	case PORT_STEP_RELEASE:
		j->step.rc = pfs_vf_do(run_dir, "vf.release", j->pf, j->vf, e);
		break;
	case PORT_STEP_NONE:
		break;
	}
}

static void port_done(struct step *s)
{
	struct port_job *j = (struct port_job *)s;
	struct port *p = (struct port *)s->entity;
	bool wrote = j->what == PORT_STEP_BIND || j->what == PORT_STEP_SET;

	p->facts.have.known = false; /* until the next look */
	p->facts.have.lost = false;
	p->facts.have.refused = nic_refused(p, s->rc);
	if (!s->rc && (wrote || j->what == PORT_STEP_RELEASE)) {
		p->filter_sent = p->filter_sent && wrote;
		keep(s->agent, p, wrote ? &j->config : NULL);
	}
	free(j);
}

static void port_step(struct agent *a, struct entity *x, int step)
{
	const struct port *p = (const struct port *)x;
	const struct port_facts *f = &p->facts;
	const struct vf_info *vf = pfs_vf(a->view, f->want.pf, f->want.vf);
	struct port_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->step = (struct step){ .failure = "a VF cannot be set", .done = port_done };
	j->what = (enum port_step)step;
	j->vf = f->want.vf;
	wish_of(a, p, &j->config);
	j->changed = step == PORT_STEP_BIND ? f->have.fields : changed(p, &j->config);
	j->whole = f->want.whole;
	j->spoilt = f->have.spoilt;
	j->foreign = vf && *vf->config.port_id && strcmp(vf->config.port_id, x->id);
	snprintf(j->pf, sizeof(j->pf), "%s", f->want.pf);
	if (f->have.plug.way == PORT_BY_VHOST) {
		j->attach.kind = VF_ATTACH_VHOST;
		agent_socket_path(a, x->id, j->attach.socket);
	} else {
		j->attach = nic_attachment(&f->have.plug);
	}
	if (step_begin(&j->step, a, x, a->sides[SIDE_SWITCH].queue, port_run))
		free(j);
}

static void port_event(struct agent *a, struct entity *x)
{
	((struct port *)x)->filter_due++;
}

static json_t *port_status(const struct entity *x)
{
	const struct port_facts *f = (const struct port_facts *)x;
	char why[PORT_WHY_LEN + 1];

	plan_port_why(&f->want, &f->have, why);
	return report_status(plan_port_status(&f->want, &f->have),
			     *why ? why : retry_why(&x->retry));
}

static bool port_gone(const struct entity *x)
{
	return !((const struct port *)x)->qmp_busy;
}

const struct agent_kind port_kind = {
	.name = "port",
	.words = { "port" },
	.size = sizeof(struct port),
	.side = SIDE_SWITCH,
	.open = port_open,
	.init = port_init,
	.fini = port_fini,
	.parse = port_parse,
	.observe = port_observe,
	.plan = port_plan,
	.step = port_step,
	.beside = guest_evaluate,
	.event = port_event,
	.status = port_status,
	.gone = port_gone,
};
