/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the host: found out in a work queue, and the report is the answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/question/question.h"

#define LINES_MAX 65536

enum { STEP_NONE, STEP_ASK };

/* What is asked, by the word of its documents. */
static const struct asked {
	const char *word;
	work_fn run;
	const char *failure;
} asked[] = {
	{ "console", question_console, "a console cannot be read" },
	{ "diagnostics", question_diagnostics, "a server's figures cannot be read" },
};

static int question_init(struct agent *a, struct entity *x)
{
	struct question *q = (struct question *)x;

	q->steps = work_queue_new(a->loop);
	return q->steps ? 0 : -ENOMEM;
}

static void question_fini(struct entity *x)
{
	struct question *q = (struct question *)x;

	work_queue_free(q->steps);
	json_decref(q->answer);
}

static int question_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct question *q = (struct question *)x;
	const char *server = json_string_value(json_object_get(doc, "server"));
	json_int_t length = json_integer_value(json_object_get(doc, "length"));

	if (!server || !uuid_valid(server))
		return err_set(e, -EINVAL, "it asks about no server");
	snprintf(q->server, sizeof(q->server), "%s", server);
	q->lines = (unsigned int)MIN(MAX(length, (json_int_t)0), (json_int_t)LINES_MAX);
	json_decref(take(q->answer));
	return 0;
}

static int question_plan(struct agent *a, struct entity *x)
{
	return x->wanted && !((const struct question *)x)->answer ? STEP_ASK : STEP_NONE;
}

static void question_done(struct step *s)
{
	struct question_job *j = (struct question_job *)s;
	struct question *q = (struct question *)s->entity;

	json_decref(q->answer);
	q->answer = j->answer;
	free(j);
}

/* The VFs that the server's ports have here. */
static void add_vfs(struct agent *a, struct question_job *j)
{
	const struct server_facts *f = facts_server(a, j->server);

	for (unsigned int i = 0; f && i < f->want.n_ports; i++) {
		const struct port_facts *p = facts_port(a, f->want.ports[i]);
		struct question_vf *vf = &j->vfs[j->n_vfs];

		if (!p || !p->want.pf || p->want.released)
			continue;
		snprintf(vf->pf, sizeof(vf->pf), "%s", p->want.pf);
		vf->vf = p->want.vf;
		vf->mac = p->want.mac;
		j->n_vfs++;
	}
}

static const struct asked *asked_by(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (!strcmp(asked[i].word, word))
			return &asked[i];
	return NULL;
}

static void question_step(struct agent *a, struct entity *x, int step)
{
	const struct question *q = (const struct question *)x;
	const struct asked *what = asked_by(x->word);
	struct question_job *j = calloc(1, sizeof(*j));
	char dir[PATH_MAX];

	if (!j)
		return;
	j->step = (struct step){ .failure = what->failure, .done = question_done };
	snprintf(j->server, sizeof(j->server), "%s", q->server);
	j->lines = q->lines;
	agent_server_dir(a, q->server, dir);
	snprintf(j->path, sizeof(j->path), "%.*s/console.log", PATH_MAX - 16, dir);
	j->virt = a->virt;
	j->run_dir = a->opts.run_dir;
	j->kvm = a->accel == ACCEL_KVM;
	add_vfs(a, j);
	if (step_begin(&j->step, a, x, q->steps, what->run))
		free(j);
}

static json_t *question_status(const struct entity *x)
{
	return json_copy(((const struct question *)x)->answer);
}

const struct agent_kind question_kind = {
	.name = "question",
	.words = { "console", "diagnostics" },
	.size = sizeof(struct question),
	.init = question_init,
	.fini = question_fini,
	.parse = question_parse,
	.plan = question_plan,
	.step = question_step,
	.status = question_status,
};
