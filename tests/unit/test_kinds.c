/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about the agent's core and the kinds it walks. This program is linked without taps, so
 * nothing else can know them; a toy kind of its own shows what the core does for any.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/question/question.h"
#include "agent/kinds/server/server.h"
#include "agent/kinds/watch/watch.h"
#include "base/file.h"
#include "want_docs.h"

#define TOY_ID	   "77777777-7777-4777-8777-777777777777"
#define CONSOLE_ID "88888888-8888-4888-8888-888888888888"

/* A number that is wanted, and one that is there. */
struct toy {
	struct entity entity;
	json_int_t want, have;
	unsigned int looks, steps;
	bool fails; /* the next step does */
	struct work_queue *queue;
};

static unsigned int toys_freed;

static int toy_init(struct agent *a, struct entity *x)
{
	((struct toy *)x)->queue = work_queue_new(a->loop);
	return 0;
}

static void toy_fini(struct entity *x)
{
	work_queue_free(((struct toy *)x)->queue);
	toys_freed++;
}

static int toy_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	const json_t *n = json_object_get(doc, "n");

	if (!n)
		return err_set(e, -EINVAL, "a toy without a number");
	((struct toy *)x)->want = json_integer_value(n);
	return 0;
}

static void toy_observe(struct agent *a, struct entity *x)
{
	assert_false(x->busy);
	((struct toy *)x)->looks++;
}

static int toy_plan(struct agent *a, struct entity *x)
{
	const struct toy *t = (const struct toy *)x;

	assert_false(x->busy);
	return t->have != t->want;
}

struct toy_job {
	struct step step;
	json_int_t n;
	bool fails;
};

static void toy_run(void *arg)
{
	struct toy_job *j = arg;

	j->step.rc = j->fails ? err_set(&j->step.e, -EIO, "it is broken") : 0;
}

static void toy_done(struct step *s)
{
	struct toy *t = (struct toy *)s->entity;

	/* The core has waked the loop, which looks before it plans again. */
	assert_true(s->agent->due & 1U << SIDE_SWITCH);
	t->steps++;
	t->fails = false;
	if (!s->rc)
		t->have = ((struct toy_job *)s)->n;
	free(s);
}

static void toy_step(struct agent *a, struct entity *x, int step)
{
	struct toy *t = (struct toy *)x;
	struct toy_job *j = calloc(1, sizeof(*j));

	j->step = (struct step){ .failure = "a toy does not play", .done = toy_done };
	j->n = t->want;
	j->fails = t->fails;
	assert_int_equal(step_begin(&j->step, a, x, t->queue, toy_run), 0);
}

static json_t *toy_status(const struct entity *x)
{
	return json_pack("{s:I}", "n", ((const struct toy *)x)->have);
}

static const struct agent_kind toy_kind = {
	.name = "toy",
	.words = { "toy" },
	.size = sizeof(struct toy),
	.side = SIDE_SWITCH,
	.init = toy_init,
	.fini = toy_fini,
	.parse = toy_parse,
	.observe = toy_observe,
	.plan = toy_plan,
	.step = toy_step,
	.status = toy_status,
};

/* The agent's own trial of KVM. */
static unsigned int trials;
static bool trial;

bool __wrap_host_has_kvm(const char *scratch_dir);
bool __wrap_host_has_kvm(const char *scratch_dir)
{
	trials++;
	return trial;
}

/* As in agentd.c, with a toy in the place of taps. */
static const struct agent_kind *const kinds[] = { &port_kind,	&toy_kind,	&net_kind,
						  &server_kind, &question_kind, &watch_kind,
						  NULL };
static struct loop *loop;
static struct agent *a; /* once a process, as libvirt's threads are */
static char dir[] = "/tmp/anyvf-kinds-XXXXXX";

/* A switch without PFs, no libvirt, and an API that nobody serves. */
static int setup(void **state)
{
	static const char *const api[] = { "http://127.0.0.1:1", NULL };
	struct agent_opts opts = { .host = "h1",
				   .run_dir = dir,
				   .state_dir = dir,
				   .mappings = "",
				   .api = api,
				   .libvirt_uri = "none:///",
				   .collectors = "" };

	loop = mkdtemp(dir) ? loop_new(NULL) : NULL;
	return !loop || httpm_open(loop, &opts.http, NULL) || !(opts.polls = opts.http) ||
	       pass_open(opts.http, "/nonexistent", &(struct httpc_trust){ NULL }, &opts.pass,
			 NULL) ||
	       agent_open(loop, &opts, kinds, &a, NULL);
}

static int teardown(void **state)
{
	char command[64];

	agent_stop(a);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void apply(const char *word, const char *id, const char *text)
{
	auto_of(json_decref) json_t *doc = text ? doc_of(text) : NULL;

	state_apply(a, word, id, doc);
	agent_wake(a, SIDE_NONE);
}

static const struct toy *toy(void)
{
	return (const struct toy *)entity_find(a, "toy", TOY_ID);
}

static void what_differs_is_stepped_looked_at_and_reported(void **state)
{
	auto_of(json_decref) json_t *said = doc_of("{'generation':5,'n':3}");
	unsigned int looks;

	apply("toy", TOY_ID, "{'generation':5,'n':3}");
	assert_non_null(toy());
	looks = toy()->looks;
	while (toy()->have != 3 || toy()->looks == looks)
		loop_turn(loop, 100);
	assert_int_equal(toy()->steps, 1);
	a->desired_known = true;
	agent_wake(a, SIDE_NONE);
	while (!toy()->entity.report.sending)
		loop_turn(loop, 100);
	assert_true(json_equal(toy()->entity.report.sending, said));
}

static void a_step_that_failed_waits_for_its_next_try(void **state)
{
	struct toy *t = (struct toy *)toy();

	t->fails = true;
	apply("toy", TOY_ID, "{'generation':6,'n':4}");
	while (t->steps < 2)
		loop_turn(loop, 100);
	assert_int_equal(t->have, 3);
	assert_string_equal(retry_why(&t->entity.retry), "it is broken");
	assert_false(retry_due(&t->entity.retry, 0));
	/* Another document is another chance, at once. */
	apply("toy", TOY_ID, "{'generation':7,'n':5}");
	while (t->have != 5)
		loop_turn(loop, 100);
	assert_int_equal(t->steps, 3);
	assert_string_equal(retry_why(&t->entity.retry), "");
}

static void a_document_that_makes_no_sense_leaves_the_last_one(void **state)
{
	apply("toy", TOY_ID, "{'generation':8}");
	apply("toy", "../../etc", "{'generation':1,'n':1}");
	assert_null(entity_find(a, "toy", "../../etc"));
	assert_int_equal(toy()->entity.generation, 7);
}

static void what_nobody_wants_is_forgotten(void **state)
{
	apply("toy", TOY_ID, NULL);
	while (toy())
		loop_turn(loop, 100);
	assert_int_equal(toys_freed, 1);
}

static void a_kind_that_is_left_out_is_passed_over(void **state)
{
	auto_of(json_decref) json_t *desired =
		json_pack("{s:i,s:{s:o},s:{s:o},s:{s:o},s:{s:o},s:{s:o}}", "revision", 4, "server",
			  SERVER_ID, doc_of(server_doc), "port", PORT_ID, doc_of(port_doc),
			  "network", NET_ID, doc_of(net_doc), "tap_flow", SERVER_ID,
			  doc_of(flow_doc), "tap_mirror", SERVER_ID, doc_of(mirror_doc));
	const struct entity *port;

	assert_non_null(desired);
	apply("tap_flow", TOY_ID, flow_doc);
	for (const struct agent_kind *const *k = kinds; *k; k++)
		assert_null(entity_find(a, (*k)->name, TOY_ID));
	apply("tap_flow", TOY_ID, NULL);
	state_apply_all(a, desired);
	assert_null(entity_find(a, "tap", SERVER_ID));
	assert_string_equal(facts_server(a, SERVER_ID)->want.project_id, "p1");
	assert_int_equal(facts_port(a, PORT_ID)->want.vf, 3);
	assert_int_equal(facts_net(a, NET_ID)->want.vlan, 120);
	assert_ptr_equal(facts_port_next(a, NULL), facts_port(a, PORT_ID));
	assert_null(facts_port_next(a, facts_port(a, PORT_ID)));
	/* A whole turn for all of them. */
	port = &facts_port(a, PORT_ID)->entity;
	while (port->report.sending || a->due)
		loop_turn(loop, 100);
	json_object_clear(desired);
	state_apply_all(a, desired);
	assert_null(facts_server(a, SERVER_ID));
	assert_null(facts_port(a, PORT_ID));
}

static void who_configures_kvm_is_believed_without_a_trial(void **state)
{
	static const struct {
		const char *kvm;
		bool trial, there;
		unsigned int trials;
	} rows[] = {
		{ "on", false, true, 0 },    { "off", true, false, 0 }, { "auto", true, true, 1 },
		{ "auto", false, false, 1 }, { NULL, true, true, 1 },
	};

	a->virt_connected = true; /* or it would not be asked what it has */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a->opts.kvm = rows[i].kvm;
		a->accel = ACCEL_UNKNOWN;
		trial = rows[i].trial;
		trials = 0;
		look_at(a, SIDE_LIBVIRT);
		while (a->sides[SIDE_LIBVIRT].looking)
			loop_turn(loop, 1000);
		assert_int_equal(a->accel, rows[i].there ? ACCEL_KVM : ACCEL_TCG);
		assert_int_equal(trials, rows[i].trials);
	}
	a->virt_connected = false;
}

static void looks_that_take_long_have_a_part_of_the_time(void **state)
{
	static const struct {
		uint64_t took_ms, hurry_ms, rest_ms;
	} rows[] = {
		{ 0, 100, 1000 },   { 25, 100, 1000 },	  { 50, 200, 1000 },
		{ 200, 800, 1800 }, { 1000, 3000, 3000 }, { 60000, 3000, 3000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(tick_pause(rows[i].took_ms, true), rows[i].hurry_ms);
		assert_int_equal(tick_pause(rows[i].took_ms, false), rows[i].rest_ms);
	}
}

/* Whenever they begin to wait, agents tick at few moments, and not much later than they want. */
static void agents_tick_together(void **state)
{
	static const struct {
		uint64_t ms, grain_ms;
	} rows[] = { { 100, 25 }, { 200, 25 }, { 400, 50 }, { 1000, 125 }, { 3000, 375 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (uint64_t now_ms = 5000; now_ms < 7000; now_ms++) {
			uint64_t wait_ms = tick_wait(now_ms, rows[i].ms);

			assert_int_equal((now_ms + wait_ms) % rows[i].grain_ms, 0);
			assert_in_range(wait_ms, rows[i].ms + 1, rows[i].ms + rows[i].grain_ms);
		}
}

/* A tick rings again by itself: who looks behind one does not put it off, nor does what comes late. */
static void a_tick_that_is_set_is_not_put_off(void **state)
{
	uint64_t due_ms;

	while (a->sides[SIDE_SWITCH].looking)
		loop_turn(loop, 1000);
	loop_timer_set(a->tick, 0, 60000);
	for (unsigned int i = 0; i < 4; i++)
		loop_turn(loop, 10);
	due_ms = a->tick_ms;
	assert_in_range(due_ms, loop_now_ms() + 1, loop_now_ms() + 1000);
	a->tick_ms = due_ms = loop_now_ms() - 1; /* it is about to ring */
	agent_wake(a, SIDE_NONE);
	loop_turn(loop, 10);
	assert_int_equal(a->tick_ms, due_ms);
	a->tick_ms = 0;
}

static void a_tick_in_a_look_asks_for_no_other(void **state)
{
	while (a->sides[SIDE_SWITCH].looking)
		loop_turn(loop, 1000);
	a->sides[SIDE_SWITCH].looking = true;
	a->sides[SIDE_SWITCH].again = false;
	loop_timer_set(a->tick, 0, 60000);
	for (unsigned int i = 0; i < 4; i++) /* it rings, and what it wakes */
		loop_turn(loop, 10);
	assert_false(a->sides[SIDE_SWITCH].again);
	a->sides[SIDE_SWITCH].looking = false;
}

static void a_question_for_a_console_is_answered_by_its_report(void **state)
{
	static const char log[] = "one\ntwo\n";
	char path[128];
	const struct entity *x;
	json_t *said;

	snprintf(path, sizeof(path), "%s/agent/servers/" SERVER_ID, dir);
	assert_int_equal(file_mkdirs(path, 0755, NULL), 0);
	strcat(path, "/console.log");
	assert_int_equal(file_replace(path, log, sizeof(log) - 1, 0600, NULL), 0);
	apply("console", CONSOLE_ID, "{'generation':1,'server':'" SERVER_ID "','length':1}");
	x = entity_find(a, "question", CONSOLE_ID);
	assert_non_null(x);
	while (!x->report.sending)
		loop_turn(loop, 100);
	said = json_object_get(x->report.sending, "output");
	assert_string_equal(json_string_value(said), "two");
}

/* The report of a watch after a look at these counters; NULL: nothing new. */
static bool is_told(struct entity *x, struct vf_info *vf, uint64_t rx_bytes, const char *row)
{
	auto_of(json_decref) json_t *before = watch_kind.status(x), *now = NULL, *want = NULL;
	const json_t *pf;

	vf->stats.rx_bytes = rx_bytes;
	watch_kind.observe(a, x);
	now = watch_kind.status(x);
	if (json_object_get(before, "pfs") == json_object_get(now, "pfs"))
		return false;
	want = doc_of(row);
	pf = json_array_get(json_object_get(now, "pfs"), 0);
	assert_string_equal(json_string_value(json_object_get(pf, "name")), "p2p1");
	assert_true(json_equal(json_object_get(pf, "vfs"), json_object_get(want, "vfs")));
	return true;
}

static void what_ports_count_is_told_until_it_stands_still(void **state)
{
	struct pfs_view *view = calloc(1, sizeof(*view) + sizeof(view->pfs[0])), *was = a->view;
	auto_of(json_decref) json_t *port = doc_of(port_doc);
	struct vf_info vfs[8] = { 0 };
	char ids[900][sizeof(PORT_ID)];
	struct entity *x;

	view->n_pfs = 1;
	strcpy(view->pfs[0].info.config.name, "p2p1");
	view->pfs[0].n_vfs = 8;
	view->pfs[0].vfs = vfs;
	json_object_set_new(port, "generation", json_integer(9));
	state_apply(a, "port", PORT_ID, port); /* it has VF 3 */
	apply("watch", TOY_ID, "{'generation':1}");
	x = entity_find(a, "watch", TOY_ID);
	a->view = view;
	vfs[3].status.link_up = true;
	vfs[3].untold.counts = 1U << VF_COUNT_TX_BYTES;
	assert_true(is_told(x, &vfs[3], 5, "{'vfs':[[3,1,0,5,null,0,0,0]]}"));
	assert_true(is_told(x, &vfs[3], 7, "{'vfs':[[3,1,0,7,null,0,0,0]]}"));
	assert_true(is_told(x, &vfs[3], 7, "{'vfs':[[3,1,0,7,null,0,0,0]]}")); /* stands still */
	for (unsigned int i = 0; i < 3; i++)
		assert_false(is_told(x, &vfs[3], 7, ""));
	assert_true(is_told(x, &vfs[3], 8, "{'vfs':[[3,1,0,8,null,0,0,0]]}"));
	for (unsigned int i = 0; i < ARRAY_LEN(ids); i++) { /* a host of more than 128 ports */
		snprintf(ids[i], sizeof(ids[i]), "22222222-2222-4222-8222-%012u", i);
		json_object_set_new(port, "id", json_string(ids[i]));
		state_apply(a, "port", ids[i], port);
	}
	vfs[3].stats.rx_bytes = 9;
	watch_kind.observe(a, x); /* is told, and the next a second later */
	assert_false(is_told(x, &vfs[3], 10, ""));
	a->view = NULL; /* a switch that is away */
	watch_kind.observe(a, x);
	a->view = was;
	for (unsigned int i = 0; i < ARRAY_LEN(ids); i++)
		state_apply(a, "port", ids[i], NULL);
	state_apply(a, "port", PORT_ID, NULL);
	free(view);
}

/* What was written last is known over a restart; the server's name comes with the server. */
static void what_differs_from_what_was_written_is_to_be_written(void **state)
{
	struct pfs_view *view = calloc(1, sizeof(*view) + sizeof(view->pfs[0])), *was = a->view;
	auto_of(json_decref) json_t *doc = doc_of(port_doc), *server = doc_of(server_doc);
	struct vf_info vfs[8] = { 0 };
	const struct port_have *have;
	struct vf_config written;
	struct want_port want;
	struct entity *x;
	char path[128];

	state_drop_gone(a); /* who was before */
	assert_null(entity_find(a, "port", PORT_ID));
	assert_int_equal(want_port_parse(doc, &want, &written, NULL), 0);
	want_piece_put(&want.piece);
	strcpy(written.server, SERVER_ID); /* which was not known by its name */
	written.promisc = VF_PROMISC_OFF;  /* is not the agent's to write */
	snprintf(path, sizeof(path), "%s/agent/ports/" PORT_ID, dir);
	record_write(path, fields_to_json(vf_fields, &written));
	view->n_pfs = 1;
	strcpy(view->pfs[0].info.config.name, "p2p1");
	view->pfs[0].n_vfs = 8;
	view->pfs[0].vfs = vfs;
	strcpy(vfs[3].config.port_id, PORT_ID);
	a->view = view;
	json_object_set_new(doc, "generation", json_integer(20));
	state_apply(a, "port", PORT_ID, doc);
	x = entity_find(a, "port", PORT_ID);
	have = &((const struct port_facts *)x)->have;
	port_kind.observe(a, x);
	assert_true(have->known && have->bound);
	assert_int_equal(have->changed, 0);
	json_object_set_new(doc, "generation", json_integer(21));
	json_object_set_new(doc, "mtu", json_integer(1400));
	state_apply(a, "port", PORT_ID, doc);
	port_kind.observe(a, x);
	assert_int_equal(have->changed, 1U << VF_FIELD_MTU);
	json_object_set_new(server, "generation", json_integer(22));
	state_apply(a, "server", SERVER_ID, server);
	assert_non_null(facts_server(a, SERVER_ID));
	port_kind.observe(a, x);
	assert_int_equal(have->changed, 1U << VF_FIELD_MTU | 1U << VF_FIELD_SERVER);
	assert_int_equal(facts_port(a, PORT_ID)->want.mtu, 1400);
	a->view = was;
	state_apply(a, "port", PORT_ID, NULL);
	state_apply(a, "server", SERVER_ID, NULL);
	free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_stepped_looked_at_and_reported),
		cmocka_unit_test(a_step_that_failed_waits_for_its_next_try),
		cmocka_unit_test(a_document_that_makes_no_sense_leaves_the_last_one),
		cmocka_unit_test(what_nobody_wants_is_forgotten),
		cmocka_unit_test(a_kind_that_is_left_out_is_passed_over),
		cmocka_unit_test(looks_that_take_long_have_a_part_of_the_time),
		cmocka_unit_test(agents_tick_together),
		cmocka_unit_test(a_tick_that_is_set_is_not_put_off),
		cmocka_unit_test(a_tick_in_a_look_asks_for_no_other),
		cmocka_unit_test(who_configures_kvm_is_believed_without_a_trial),
		cmocka_unit_test(what_ports_count_is_told_until_it_stands_still),
		cmocka_unit_test(what_differs_from_what_was_written_is_to_be_written),
		cmocka_unit_test(a_question_for_a_console_is_answered_by_its_report),
	};

	return cmocka_run_group_tests_name("kinds", tests, setup, teardown);
}
