/* SPDX-License-Identifier: Apache-2.0 */
/* Servers: what libvirt says of each domain, against its document and the state of its VFs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/server/nics.h"
#include "agent/kinds/server/server.h"

static int server_open(struct agent *a, struct err *e)
{
	return record_dir(a->dir, "images", e) ?: record_dir(a->dir, "servers", e);
}

static int server_init(struct agent *a, struct entity *x)
{
	struct server *s = (struct server *)x;
	char dir[PATH_MAX];

	s->steps = work_queue_new(a->loop);
	s->facts.monitor = work_queue_new(a->loop);
	s->exports = work_queue_new(a->loop);
	if (!s->steps || !s->facts.monitor || !s->exports)
		return -ENOMEM;
	s->facts.have.spare = -1;
	server_recall(a, s);
	agent_server_dir(a, x->id, dir);
	s->littered = server_littered(dir);
	s->facts.have.saved = server_saved(dir);
	agent_wake(a, SIDE_LIBVIRT);
	return 0;
}

static void server_fini(struct entity *x)
{
	struct server *s = (struct server *)x;

	want_doc_put(&s->facts.want.doc);
	work_queue_free(s->steps);
	work_queue_free(s->facts.monitor);
	work_queue_free(s->exports);
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
	char dir[PATH_MAX];

	have->known = x->wanted && a->virt_connected;
	have->nics_known &= have->known; /* what happens meanwhile nobody hears of */
	if (!have->known)
		return;
	have->domain = find_domain(a, x->id);
	if (have->domain != DOMAIN_ABSENT || !s->started)
		return;
	/* By an agent that did not live to know. */
	agent_server_dir(a, x->id, dir);
	have->saved = server_saved(dir);
	if (have->saved)
		return;
	log_info("a server went off by itself", "id=%s", x->id);
	s->started = false;
	have->halted = true;
	have->halted_generation = s->facts.want.generation;
	server_keep(a, s);
}

static bool ports_ready(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++)
		if (!server_port_ready(facts_port(a, want->ports[i])))
			return false;
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

/* Is a copy of the disk due, or is there one that nobody wants? */
static void compare_snapshot(struct server *s)
{
	const char *image = s->facts.want.snapshot;
	struct server_have *have = &s->facts.have;

	have->copy_due =
		image && strcmp(s->copied, image) && strcmp(s->exported, image) && !s->exporting;
	have->littered = s->littered && !s->exporting && (!image || strcmp(s->copied, image));
}

/* What the domain has is compared with what it is to have. */
static void compare_nics(struct agent *a, struct server_facts *f)
{
	struct nics wanted;

	server_nics_wanted(&f->want, &wanted);
	f->have.surplus = !nics_within(&f->have.nics, &wanted);
	f->have.missing = false;
	for (unsigned int i = 0; i < wanted.n; i++)
		f->have.missing |= server_port_missing(f, facts_port(a, wanted.ports[i]));
}

/* A server that is to start, and waits for a VF that cannot be had, does so no longer. */
static void give_up_waiting(struct agent *a, struct server *s)
{
	const struct want_server *want = &s->facts.want;
	struct server_have *have = &s->facts.have;
	const struct port_facts *p = plan_waits(want, have) ? server_port_refused(a, want) : NULL;

	if (!p)
		return;
	have->failed = true;
	have->failed_generation = want->generation;
	snprintf(s->fault, sizeof(s->fault), "port %s: %.200s", p->entity.id,
		 retry_why(&p->entity.retry));
	log_err("a server waits for its port in vain", "id=%s why=\"%s\"", s->facts.entity.id,
		s->fault);
}

static int server_plan(struct agent *a, struct entity *x)
{
	struct server_facts *f = (struct server_facts *)x;

	if (!x->wanted)
		return SERVER_STEP_NONE;
	f->have.ports_ready = a->accel != ACCEL_UNKNOWN && ports_ready(a, &f->want);
	if (f->have.domain != DOMAIN_ABSENT && ports_connected(a, &f->want))
		f->have.was_active = true;
	give_up_waiting(a, (struct server *)x);
	compare_snapshot((struct server *)x);
	compare_nics(a, f);
	return (int)plan_server(&f->want, &f->have);
}

/* A domain that runs waits for its guest's driver. */
static bool server_waits(const struct entity *x)
{
	const struct server_facts *f = (const struct server_facts *)x;

	return x->wanted && f->want.power == WANT_ON && !f->have.was_active && !f->have.failed;
}

/* Ports whose VFs the domain has; all, or what its guest keeps although it is not wanted. */
static json_t *nics_json(const struct server_facts *f, bool kept)
{
	const struct nics *nics = &f->have.nics;
	json_t *list = json_array();
	struct nics wanted;

	server_nics_wanted(&f->want, &wanted);
	for (unsigned int i = 0; i < nics->n && f->have.domain != DOMAIN_ABSENT; i++)
		if (!kept || !nics_has(&wanted, nics->ports[i]))
			json_array_append_new(list, json_string(nics->ports[i]));
	return list;
}

static json_t *server_status(const struct entity *x)
{
	const struct server *s = (const struct server *)x;
	const struct server_have *have = &s->facts.have;
	const char *status = plan_server_status(&s->facts.want, have);
	bool failed = status && have->failed && *s->fault &&
		      s->facts.want.generation <= have->failed_generation;

	if (!status || (have->domain != DOMAIN_ABSENT && !have->nics_known))
		return NULL;
	return json_pack(
		"{s:s,s:i,s:i,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:o}", "status", status, "power_state",
		plan_power_state(have), "reboot", (int)have->reboot, "rebuild", (int)have->rebuild,
		"rescue", (int)have->rescue, "disk", (int)have->disk, "kept_disk",
		have->spare < 0 ? json_null() : json_integer(have->spare), "fault",
		failed ? json_pack("{s:o}", "message", report_words(s->fault)) : json_null(),
		"plugged", nics_json(&s->facts, false), "kept",
		plan_unplug_failed(&s->facts.want, have) ? nics_json(&s->facts, true)
							 : json_array(),
		"snapshot", server_export_status(s));
}

/* A device of its guest went: ours, or one that was let go late. */
static void server_event(struct agent *a, struct entity *x)
{
	((struct server *)x)->facts.have.nics_known = false;
}

static void server_beside(struct agent *a, struct entity *x)
{
	server_end_hung(a, x);
	server_export(a, x);
}

static bool server_gone(const struct entity *x)
{
	return !((const struct server *)x)->exporting;
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
	.beside = server_beside,
	.event = server_event,
	.waits = server_waits,
	.status = server_status,
	.gone = server_gone,
};
