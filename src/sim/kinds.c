/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers and networks of a simulated host: their documents are read and their steps planned by the
 * agent's own kinds; what a step does is a change of a domain in memory. Nobody asks for addresses,
 * so a network is there as soon as it is known.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/server/server.h"
#include "sim/host.h"

static int net_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct net_facts *n = (struct net_facts *)x;
	json_t *old = n->want.doc;
	int rc = want_net_parse(doc, &n->want, e);

	if (!rc)
		json_decref(old);
	return rc;
}

static void net_fini(struct entity *x)
{
	want_doc_put(&((struct net_facts *)x)->want.doc);
}

static int net_plan(struct agent *a, struct entity *x)
{
	return NET_STEP_NONE;
}

static json_t *net_status(const struct entity *x)
{
	return report_status("ACTIVE", "");
}

const struct agent_kind sim_net_kind = {
	.name = "network",
	.words = { "network" },
	.size = sizeof(struct net_facts),
	.fini = net_fini,
	.parse = net_parse,
	.plan = net_plan,
	.status = net_status,
};

struct sim_server {
	struct server_facts facts;
	struct work_queue *steps;
};

/* What a step needs; the server may have another document meanwhile. */
struct job {
	struct step step;
	enum server_step what;
	struct want_server want;
};

static struct sim_host *host_of(const struct agent *a)
{
	return container_of(a->opts.run_dir, struct sim_host, name[0]);
}

static int server_init(struct agent *a, struct entity *x)
{
	struct sim_server *s = (struct sim_server *)x;

	s->steps = work_queue_new(a->loop);
	s->facts.monitor = work_queue_new(a->loop);
	s->facts.have.spare = -1;
	return s->steps && s->facts.monitor ? 0 : -ENOMEM;
}

static void server_fini(struct entity *x)
{
	struct sim_server *s = (struct sim_server *)x;

	want_doc_put(&s->facts.want.doc);
	work_queue_free(s->steps);
	work_queue_free(s->facts.monitor);
}

static int server_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct server_facts *f = (struct server_facts *)x;
	json_t *old = f->want.doc;
	int rc = want_server_parse(doc, &f->want, e);

	if (!rc)
		json_decref(old);
	return rc;
}

static void server_observe(struct agent *a, struct entity *x)
{
	struct server_have *have = &((struct server_facts *)x)->have;
	const struct sim_domain *d = sim_domain_find(host_of(a), x->id);

	have->known = x->wanted && a->virt_connected;
	have->domain = d ? d->state : DOMAIN_ABSENT;
}

/* A guest gets its VFs, and lets go of them, at once. */
static void follow_ports(struct agent *a, struct server_facts *f)
{
	struct nics *nics = &f->have.nics;

	nics->n = f->want.power == WANT_SUSPENDED ? 0 : f->want.n_ports;
	for (unsigned int i = 0; i < nics->n; i++)
		snprintf(nics->ports[i], UUID_STR_LEN, "%s", f->want.ports[i]);
	f->have.nics_known = true;
	if (f->have.domain != DOMAIN_ABSENT &&
	    sim_domain_set(host_of(a), f->entity.id, nics->ports, nics->n) > 0)
		sim_guests_changed(host_of(a));
}

static int server_plan(struct agent *a, struct entity *x)
{
	struct server_facts *f = (struct server_facts *)x;
	bool connected = f->have.domain != DOMAIN_ABSENT;

	if (!x->wanted)
		return SERVER_STEP_NONE;
	follow_ports(a, f);
	f->have.ports_ready = true;
	for (unsigned int i = 0; i < f->want.n_ports; i++) {
		const struct port_facts *p = facts_port(a, f->want.ports[i]);

		f->have.ports_ready &= p && !p->entity.busy && p->have.known && p->have.attached;
		connected &= p && p->have.connected;
	}
	f->have.was_active |= connected;
	return (int)plan_server(&f->want, &f->have);
}

static void server_run(void *arg)
{
	struct job *j = arg;
	struct sim_host *h = host_of(j->step.agent);
	struct sim_domain *d = sim_domain_find(h, j->want.id);

	switch (j->what) {
	case SERVER_STEP_REBOOT:
	case SERVER_STEP_STOP:
	case SERVER_STEP_SUSPEND:
	case SERVER_STEP_REBUILD:
	case SERVER_STEP_DELETE:
		sim_domain_end(h, j->want.id);
		sim_guests_changed(h);
		break;
	case SERVER_STEP_PAUSE:
	case SERVER_STEP_UNPAUSE:
		if (d)
			d->state = j->what == SERVER_STEP_PAUSE ? DOMAIN_PAUSED : DOMAIN_RUNNING;
		break;
	default:
		break;
	}
	if (j->what == SERVER_STEP_START || j->what == SERVER_STEP_REBOOT ||
	    j->what == SERVER_STEP_RESUME)
		j->step.rc = MIN(sim_domain_set(h, j->want.id, NULL, 0), 0);
}

static void server_started(struct server_have *have, const struct want_server *want)
{
	have->files = true;
	have->reboot = want->reboot;
	have->rescue = want->rescue;
	have->saved = have->halted = have->failed = have->was_active = false;
}

/* It has the disk that its document names, and may go back to the one before. */
static void server_resized(struct server_have *have, const struct want_server *want)
{
	if (have->disk != want->disk)
		have->spare = (int)have->disk;
	have->disk = want->disk;
}

static void step_took(struct server_have *have, const struct job *j)
{
	switch (j->what) {
	case SERVER_STEP_START:
	case SERVER_STEP_REBOOT:
	case SERVER_STEP_RESUME:
		server_started(have, &j->want);
		server_resized(have, &j->want);
		break;
	case SERVER_STEP_SUSPEND:
		have->saved = true;
		break;
	case SERVER_STEP_FORGET:
		have->saved = false;
		break;
	case SERVER_STEP_REBUILD:
		have->rebuild = j->want.rebuild;
		break;
	case SERVER_STEP_RESIZE:
		server_resized(have, &j->want);
		break;
	case SERVER_STEP_SWEEP:
		have->spare = j->want.before;
		break;
	case SERVER_STEP_DELETE:
		have->files = false;
		break;
	default:
		break;
	}
}

static void server_done(struct step *step)
{
	struct job *j = (struct job *)step;
	struct server_have *have = &((struct server_facts *)step->entity)->have;

	if (!step->rc)
		step_took(have, j);
	server_observe(step->agent, step->entity);
	want_doc_put(&j->want.doc);
	free(j);
}

static void begin_step(struct agent *a, struct entity *x, int step)
{
	struct sim_server *s = (struct sim_server *)x;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->step = (struct step){ .failure = "a server's step fails", .done = server_done };
	j->what = (enum server_step)step;
	j->want = WANT_COPY(&s->facts.want);
	if (!step_begin(&j->step, a, x, s->steps, server_run))
		return;
	want_doc_put(&j->want.doc);
	free(j);
}

/* A domain that runs waits for its guest. */
static bool server_waits(const struct entity *x)
{
	const struct server_facts *f = (const struct server_facts *)x;

	return x->wanted && f->want.power == WANT_ON && !f->have.was_active;
}

static json_t *ports_json(const struct server_facts *f)
{
	json_t *list = json_array();

	for (unsigned int i = 0; f->have.domain != DOMAIN_ABSENT && i < f->have.nics.n; i++)
		json_array_append_new(list, json_string(f->have.nics.ports[i]));
	return list;
}

static json_t *snapshot_json(const struct server_facts *f)
{
	return f->want.snapshot ? json_pack("{s:s,s:s,s:s}", "image", f->want.snapshot, "status",
					    "failed", "reason", "a simulated host has no disks")
				: json_null();
}

static json_t *server_status(const struct entity *x)
{
	const struct server_facts *f = (const struct server_facts *)x;
	const struct server_have *have = &f->have;
	const char *status = plan_server_status(&f->want, have);

	if (!status)
		return NULL;
	return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:o,s:n,s:o,s:[],s:o}", "status", status,
			 "power_state", plan_power_state(have), "reboot", (int)have->reboot,
			 "rebuild", (int)have->rebuild, "rescue", (int)have->rescue, "disk",
			 (int)have->disk, "kept_disk",
			 have->spare < 0 ? json_null() : json_integer(have->spare), "fault",
			 "plugged", ports_json(f), "kept", "snapshot", snapshot_json(f));
}

const struct agent_kind sim_server_kind = {
	.name = "server",
	.words = { "server" },
	.size = sizeof(struct sim_server),
	.side = SIDE_LIBVIRT,
	.init = server_init,
	.fini = server_fini,
	.parse = server_parse,
	.observe = server_observe,
	.plan = server_plan,
	.step = begin_step,
	.waits = server_waits,
	.status = server_status,
};
