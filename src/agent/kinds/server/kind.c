/* SPDX-License-Identifier: Apache-2.0 */
/* Servers: what libvirt says of each domain, against its document and the state of its VFs. */
#include <errno.h>
#include <string.h>

#include "agent/kinds/server/server.h"

static int server_open(struct agent *a, struct err *e)
{
	return agent_make_dir(a, "images", e) ?: agent_make_dir(a, "servers", e);
}

static int server_init(struct agent *a, struct entity *x)
{
	struct server *s = (struct server *)x;

	s->steps = work_queue_new(a->loop);
	s->facts.monitor = work_queue_new(a->loop);
	if (!s->steps || !s->facts.monitor)
		return -ENOMEM;
	server_recall(a, s);
	agent_wake(a, SIDE_LIBVIRT);
	return 0;
}

static void server_fini(struct entity *x)
{
	struct server *s = (struct server *)x;

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

static enum domain_state find_domain(const struct agent *a, const char *id)
{
	for (unsigned int i = 0; i < a->n_domains; i++)
		if (!strcmp(a->domains[i].server, id))
			return a->domains[i].state;
	return DOMAIN_ABSENT;
}

/* What libvirt says of a server; a domain that went without us is noted as halted. */
static void server_observe(struct agent *a, struct entity *x)
{
	struct server *s = (struct server *)x;
	struct server_have *have = &s->facts.have;

	have->known = x->doc && a->virt_connected;
	if (!have->known)
		return;
	have->domain = find_domain(a, x->id);
	if (have->domain != DOMAIN_ABSENT || !s->started)
		return;
	log_info("a server went off by itself", "id=%s", x->id);
	s->started = false;
	have->halted = true;
	have->halted_generation = s->facts.want.generation;
	server_keep(a, s);
}

static bool ports_ready(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++) {
		const struct port_facts *p = facts_port(a, want->ports[i]);

		if (!p || p->entity.busy || !p->have.known || !p->have.attached || p->have.changed)
			return false;
	}
	return true;
}

static bool ports_connected(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++) {
		const struct port_facts *p = facts_port(a, want->ports[i]);

		if (p && !p->have.connected)
			return false;
	}
	return true;
}

static int server_plan(struct agent *a, struct entity *x)
{
	struct server_facts *f = (struct server_facts *)x;

	if (!x->doc)
		return SERVER_STEP_NONE;
	f->have.ports_ready = a->accel != ACCEL_UNKNOWN && ports_ready(a, &f->want);
	if (f->have.domain != DOMAIN_ABSENT && ports_connected(a, &f->want))
		f->have.was_active = true;
	return (int)plan_server(&f->want, &f->have);
}

/* A domain that runs waits for its guest's driver. */
static bool server_waits(const struct entity *x)
{
	const struct server_facts *f = (const struct server_facts *)x;

	return x->doc && f->want.power == WANT_ON && !f->have.was_active && !f->have.failed;
}

static json_t *server_status(const struct entity *x)
{
	const struct server *s = (const struct server *)x;
	const struct server_have *have = &s->facts.have;
	const char *status = plan_server_status(&s->facts.want, have);
	bool failed = status && !strcmp(status, "ERROR") && *s->fault;

	return status ? json_pack("{s:s,s:i,s:i,s:o}", "status", status, "power_state",
				  plan_power_state(have), "reboot", (int)have->reboot, "fault",
				  failed ? json_pack("{s:o}", "message", report_words(s->fault))
					 : json_null())
		      : NULL;
}

const struct agent_kind server_kind = {
	.name = "server",
	.words = { "server" },
	.size = sizeof(struct server),
	.side = SIDE_LIBVIRT,
	.open = server_open,
	.init = server_init,
	.fini = server_fini,
	.parse = server_parse,
	.observe = server_observe,
	.plan = server_plan,
	.step = server_step,
	.beside = server_rescue,
	.waits = server_waits,
	.status = server_status,
};
