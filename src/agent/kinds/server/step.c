/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on servers: what they do in their work queue, and what is known afterwards. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/server/cache.h"
#include "agent/kinds/server/server.h"
#include "base/file.h"
#include "base/loop.h"

#define SHUTDOWN_MS    15000	 /* what a guest gets to end by itself */
#define PRESS_EVERY_MS 4000	 /* a guest that boots may miss the power button */
#define QEMU_NO_MSIX   8000000UL /* older ones crash under TCG with MSI-X on vhost-user */

static void evict_images(struct server_job *j)
{
	char cache[PATH_MAX], servers[PATH_MAX];

	snprintf(cache, sizeof(cache), "%s/images", j->step.agent->dir);
	snprintf(servers, sizeof(servers), "%s/servers", j->step.agent->dir);
	cache_evict(cache, servers);
}

/* The power button first; the plug when the guest does not follow. */
static int stop(struct server_job *j)
{
	const char *id = j->want.id;
	enum domain_state state = DOMAIN_RUNNING;

	for (int waited_ms = 0; waited_ms < SHUTDOWN_MS; waited_ms += 200) {
		if (waited_ms % PRESS_EVERY_MS == 0)
			virt_shutdown(j->step.agent->virt, id, NULL);
		sleep_ms(200);
		if (!virt_state(j->step.agent->virt, id, &state, NULL) && state == DOMAIN_ABSENT)
			return 0;
	}
	return virt_destroy(j->step.agent->virt, id, &j->step.e);
}

static int delete_all(struct server_job *j)
{
	return virt_destroy(j->step.agent->virt, j->want.id, &j->step.e)
		       ?: file_remove_tree(j->dir, &j->step.e);
}

static void server_run(void *arg)
{
	struct server_job *j = arg;

	switch (j->what) {
	case SERVER_STEP_REBOOT:
		j->step.rc = virt_destroy(j->step.agent->virt, j->want.id, &j->step.e);
		j->ended = !j->step.rc;
		if (!j->step.rc)
			j->step.rc = server_start(j);
		break;
	case SERVER_STEP_START:
		j->step.rc = server_start(j);
		evict_images(j);
		break;
	case SERVER_STEP_STOP:
		j->step.rc = stop(j);
		break;
	case SERVER_STEP_PAUSE:
	case SERVER_STEP_UNPAUSE:
		j->step.rc = virt_pause(j->step.agent->virt, j->want.id,
					j->what == SERVER_STEP_PAUSE, &j->step.e);
		break;
	case SERVER_STEP_SUSPEND:
		j->step.rc = server_suspend(j);
		break;
	case SERVER_STEP_RESUME:
		j->step.rc = server_resume(j);
		break;
	case SERVER_STEP_FORGET:
		j->step.rc = server_forget(j);
		break;
	case SERVER_STEP_REBUILD:
		j->step.rc = server_rebuild(j);
		break;
	case SERVER_STEP_RESIZE:
		j->step.rc = server_resize(j);
		break;
	case SERVER_STEP_SWEEP:
		j->step.rc = server_sweep(j);
		break;
	case SERVER_STEP_COPY:
		j->step.rc = server_copy(j);
		break;
	case SERVER_STEP_TIDY:
		server_tidy(j->dir);
		break;
	case SERVER_STEP_LOOK:
		j->step.rc = server_look(j);
		break;
	case SERVER_STEP_UNPLUG:
		j->step.rc = server_unplug(j);
		break;
	case SERVER_STEP_PLUG:
		j->step.rc = server_plug(j);
		break;
	case SERVER_STEP_DELETE:
		j->step.rc = delete_all(j);
		evict_images(j);
		break;
	case SERVER_STEP_NONE:
		break;
	}
}

/* It has the disk that its document names, and may go back to the one before. */
static void resized(struct server *s, const struct server_job *j)
{
	struct server_have *have = &s->facts.have;

	if (have->disk == j->want.disk)
		return;
	have->spare = (int)have->disk;
	have->disk = j->want.disk;
	log_info("gave a server another disk", "id=%s disk=%u before=%d", j->want.id, have->disk,
		 have->spare);
}

static void started(struct server *s, const struct server_job *j)
{
	struct server_have *have = &s->facts.have;

	log_info("started a server", "id=%s accel=%s", j->want.id, j->kvm ? "kvm" : "tcg");
	have->domain = DOMAIN_RUNNING;
	have->files = true;
	have->reboot = j->want.reboot;
	have->rescue = j->want.rescue;
	resized(s, j);
	have->halted = have->failed = have->was_active = have->saved = false;
	have->nics.n = 0; /* of one that was saved */
	for (unsigned int i = 0; i < j->n_ports && j->what != SERVER_STEP_RESUME; i++)
		snprintf(have->nics.ports[have->nics.n++], UUID_STR_LEN, "%s", j->ports[i].id);
	have->nics_known = true;
	s->fault[0] = '\0';
	s->starts = 0;
	s->started = true;
	server_keep(j->step.agent, s);
}

/* A start, a suspension, another disk. */
static void start_failed(struct server *s, const struct server_job *j)
{
	struct server_have *have = &s->facts.have;

	have->files = true;
	if (j->ended)
		have->domain = DOMAIN_ABSENT;
	if (s->starts_generation != j->want.generation)
		s->starts = 0;
	s->starts_generation = j->want.generation;
	s->starts += j->begun;
	if (plan_start_again(j->step.rc, j->begun, s->starts))
		return;
	have->failed = true;
	have->failed_generation = j->want.generation;
	if (j->want.disk != have->disk)
		have->spare = (int)j->want.disk; /* as far as it came */
	snprintf(s->fault, sizeof(s->fault), "%.*s", (int)sizeof(s->fault) - 1, j->step.e.msg);
}

static void ended(struct server *s, const struct server_job *j)
{
	struct server_have *have = &s->facts.have;
	static const char *const what[] = { [SERVER_STEP_DELETE] = "deleted a server",
					    [SERVER_STEP_STOP] = "stopped a server",
					    [SERVER_STEP_SUSPEND] = "suspended a server",
					    [SERVER_STEP_REBUILD] = "let a server's disk go" };
	bool deleted = j->what == SERVER_STEP_DELETE;

	log_info(what[j->what], "id=%s", j->want.id);
	have->domain = DOMAIN_ABSENT;
	have->halted = have->failed = false;
	have->saved = j->what == SERVER_STEP_SUSPEND;
	if (j->what == SERVER_STEP_REBUILD)
		have->rebuild = j->want.rebuild;
	s->started = false;
	if (deleted)
		have->files = false;
	else
		server_keep(j->step.agent, s);
}

/* What QEMU said, if anything; and whether the guest kept what it was to let go. */
static void looked(struct server *s, const struct server_job *j)
{
	struct server_have *have = &s->facts.have;
	bool same = have->unplugs_generation == j->want.generation;

	have->nics_known = j->looked;
	if (j->looked)
		have->nics = j->nics;
	if (j->what != SERVER_STEP_UNPLUG)
		return;
	have->unplugs = j->step.rc == -ETIMEDOUT ? (same ? have->unplugs : 0) + 1 : 0;
	have->unplugs_generation = j->want.generation;
}

static void job_free(struct server_job *j)
{
	want_doc_put(&j->want.doc);
	for (unsigned int i = 0; i < j->n_ports; i++) {
		want_piece_put(&j->ports[i].piece);
		want_doc_put(&j->nets[i].doc);
	}
	free(j);
}

static bool starts(int step)
{
	return step == SERVER_STEP_START || step == SERVER_STEP_REBOOT ||
	       step == SERVER_STEP_RESUME;
}

/* What goes wrong for good is said. */
static bool may_fail(int step)
{
	return starts(step) || step == SERVER_STEP_SUSPEND || step == SERVER_STEP_RESIZE;
}

/* Its domain stays as it is. */
static bool asks(int step)
{
	return step == SERVER_STEP_LOOK || step == SERVER_STEP_UNPLUG || step == SERVER_STEP_PLUG;
}

static void paused(struct server *s, const struct server_job *j)
{
	bool on = j->what == SERVER_STEP_PAUSE;

	log_info(on ? "paused a server" : "let a server run again", "id=%s", j->want.id);
	s->facts.have.domain = on ? DOMAIN_PAUSED : DOMAIN_RUNNING;
}

static void step_took(struct server *s, const struct server_job *j)
{
	switch (j->what) {
	case SERVER_STEP_START:
	case SERVER_STEP_REBOOT:
	case SERVER_STEP_RESUME:
		started(s, j);
		break;
	case SERVER_STEP_STOP:
	case SERVER_STEP_SUSPEND:
	case SERVER_STEP_REBUILD:
	case SERVER_STEP_DELETE:
		ended(s, j);
		break;
	case SERVER_STEP_PAUSE:
	case SERVER_STEP_UNPAUSE:
		paused(s, j);
		break;
	case SERVER_STEP_FORGET:
		s->facts.have.saved = false;
		break;
	case SERVER_STEP_RESIZE:
		resized(s, j);
		server_keep(j->step.agent, s);
		break;
	case SERVER_STEP_SWEEP:
		s->facts.have.spare = j->want.before;
		server_keep(j->step.agent, s);
		break;
	case SERVER_STEP_COPY:
		snprintf(s->copied, sizeof(s->copied), "%s", j->want.snapshot);
		s->littered = true;
		server_keep(j->step.agent, s);
		break;
	case SERVER_STEP_TIDY:
		s->littered = false;
		s->copied[0] = '\0';
		break;
	case SERVER_STEP_LOOK:
	case SERVER_STEP_UNPLUG:
	case SERVER_STEP_PLUG:
	case SERVER_STEP_NONE:
		break;
	}
}

static void server_done(struct step *step)
{
	struct server_job *j = (struct server_job *)step;
	struct server *s = (struct server *)step->entity;

	s->starting = s->asking = s->facts.have.rebooting = false;
	s->facts.have.known &= step->agent->virt_connected;
	if (asks(j->what))
		looked(s, j);
	else if (step->rc && may_fail(j->what))
		start_failed(s, j);
	else if (!step->rc)
		step_took(s, j);
	else if (j->what == SERVER_STEP_COPY && !plan_passes(step->rc))
		server_exported(step->agent, s, j->want.snapshot, step->e.msg);
	job_free(j);
}

/* All of its ports, or those that are to be plugged in now. */
static void copy_ports(struct agent *a, const struct server *s, struct server_job *j)
{
	for (unsigned int i = 0; i < j->want.n_ports; i++) {
		const struct port_facts *p = facts_port(a, j->want.ports[i]);
		const struct net_facts *n = p ? facts_net(a, p->want.network) : NULL;

		if (!p || (j->what == SERVER_STEP_PLUG && !server_port_missing(&s->facts, p)))
			continue;
		j->ports[j->n_ports] = p->want;
		want_piece_ref(p->want.piece);
		j->plugs[j->n_ports] = p->have.plug;
		if (n)
			j->nets[j->n_ports] = WANT_COPY(&n->want);
		j->n_ports++;
	}
}

/**
 * server_step() - Run a step on a server's domain
 * @a:    agent
 * @x:    server with a document; not busy
 * @step: from plan_server()
 */
void server_step(struct agent *a, struct entity *x, int step)
{
	static const char *const failures[] = {
		[SERVER_STEP_START] = "a server does not start",
		[SERVER_STEP_REBOOT] = "a server does not start",
		[SERVER_STEP_STOP] = "a server does not end",
		[SERVER_STEP_DELETE] = "a server does not end",
		[SERVER_STEP_SUSPEND] = "a server is not suspended",
		[SERVER_STEP_RESUME] = "a server does not resume",
		[SERVER_STEP_FORGET] = "what was saved of a server stays",
		[SERVER_STEP_REBUILD] = "a server keeps its disk",
		[SERVER_STEP_RESIZE] = "a server does not get another disk",
		[SERVER_STEP_SWEEP] = "a server keeps a disk",
		[SERVER_STEP_COPY] = "a server's disk is not copied",
		[SERVER_STEP_TIDY] = "",
		[SERVER_STEP_PAUSE] = "a server is not paused",
		[SERVER_STEP_UNPAUSE] = "a server stays paused",
		[SERVER_STEP_LOOK] = "QEMU does not say which VFs a server has",
		[SERVER_STEP_UNPLUG] = "a VF stays in its server",
		[SERVER_STEP_PLUG] = "a VF does not come into its server",
	};
	struct server *s = (struct server *)x;
	struct server_job *j = calloc(1, sizeof(*j));
	char dir[PATH_MAX];

	if (!j)
		return;
	j->step = (struct step){ .failure = failures[step], .done = server_done };
	j->what = (enum server_step)step;
	j->kvm = a->accel == ACCEL_KVM;
	j->no_msix = !j->kvm && a->virt_version < QEMU_NO_MSIX;
	agent_server_dir(a, x->id, dir);
	snprintf(j->dir, sizeof(j->dir), "%.*s", (int)sizeof(j->dir) - 1, dir);
	j->want = WANT_COPY(&s->facts.want);
	j->disk = s->facts.have.disk;
	copy_ports(a, s, j);
	if (step_begin(&j->step, a, x, s->steps, server_run)) {
		job_free(j);
		return;
	}
	s->starting = starts(step);
	s->asking = asks(step);
	s->ending = false;
	s->facts.have.rebooting = step == SERVER_STEP_REBOOT;
}

struct hung_job {
	struct virt *virt;
	char server[UUID_STR_LEN];
};

static void hung_run(void *arg)
{
	const struct hung_job *j = arg;

	virt_destroy(j->virt, j->server, NULL);
}

/* A guest that is to be off may end by itself as soon as QEMU has answered. */
static bool hangs(const struct server *s)
{
	const struct want_server *want = &s->facts.want;

	return want->deleted ? s->starting || s->asking : s->starting && want->power == WANT_OFF;
}

/**
 * server_end_hung() - End a domain whose step hangs although it is to end, beside its step
 * @a: agent
 * @x: server
 *
 * QEMU waits for its VFs before libvirt can speak with it, or hangs; killing it ends the step too.
 */
void server_end_hung(struct agent *a, struct entity *x)
{
	struct server *s = (struct server *)x;
	struct hung_job *j;

	if (!x->wanted || s->ending || !hangs(s))
		return;
	j = calloc(1, sizeof(*j));
	if (!j)
		return;
	j->virt = a->virt;
	snprintf(j->server, sizeof(j->server), "%s", x->id);
	if (work_push(s->facts.monitor, hung_run, free, j))
		free(j);
	else
		s->ending = true;
}
