/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about hosts and their agents, with clocks that the test sets and the store in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "api_engine.h"
#include "base/told.h"
#include "base/uuid.h"
#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/usage.h"
#include "hosts/wishes.h"
#include "network/binding/binding.h"
#include "network/core/network.h"
#include "network/taas/taas.h"

#define SECOND INT64_C(1000000)
#define SILENT (16 * SECOND) /* heartbeat_s is 5 */
#define HOSTS  300

static const struct resource *const resources[] = { &server_resource, &flavor_resource,
						    &deleted_server_resource, &migration_resource,
						    NULL };
static const struct route *const tables[] = { host_routes, server_routes, NULL };
static const struct service test_service = { .prefix = "/test", .style = FAULT_NOVA };
static const struct feature test_feature = { .name = "test",
					     .service = &test_service,
					     .resources = resources,
					     .routes = tables,
					     .hooks = compute_hooks,
					     .hosts = &compute_hosts };
static const struct feature *const features[] = { &network_feature, &binding_feature, &taas_feature,
						  &test_feature,    &agents_feature,  NULL };

static const struct auth admin = { "u1", "admin", "default", SCOPE_PROJECT, "p1", "", ROLE_ADMIN };
static struct auth agent = { "u2", "", "default", SCOPE_PROJECT, "p2", "", ROLE_AGENT };

static struct api_engine f;
static struct {
	int64_t wall, mono; /* what calls believe the time to be */
} clocks;

static int setup(void **state)
{
	api_engine_open(&f, features);
	clocks.wall = run_now_us();
	clocks.mono += 1000 * SECOND; /* the hosts of the test before are no concern of this one */
	return 0;
}

static int teardown(void **state)
{
	return api_engine_close(&f);
}

static struct call *new_call(const struct auth *who)
{
	struct call *c = run_new(f.eng, NULL);

	c->now_us = clocks.wall;
	c->mono_us = clocks.mono;
	c->auth = who;
	c->priv->authenticated = true;
	return c;
}

/* A request up to the commit. Return: its status; the answer's JSON by reference. */
static unsigned int ask(const struct auth *who, const char *method, const char *target,
			const char *body, json_t **reply)
{
	struct call *c = new_call(who);
	unsigned int status;
	int rc = route_find(c, method, target);

	c->body = body ? json_loads(body, 0, NULL) : NULL;
	if (!rc)
		rc = c->priv->handle(c);
	if (rc >= 0)
		assert_int_equal(group_take(c), 0);
	else
		call_undo(c);
	status = c->priv->fault_status ? c->priv->fault_status : c->status;
	if (reply)
		*reply = json_incref(c->reply);
	call_free(c);
	return status;
}

/* What the engine does with a periodic: runs and commits until it waits no more. Return: how often. */
static unsigned int run_all(int (*run)(struct call *c))
{
	struct call *c = new_call(&admin);
	unsigned int n = 0;
	int rc;

	c->service = &agents_service;
	do {
		call_reset(c);
		rc = run(c);
		assert_true(rc >= 0);
		assert_int_equal(group_take(c), 0);
		n++;
	} while (rc == CALL_WAIT);
	call_free(c);
	return n;
}

static void beat(const char *host)
{
	char target[80];

	snprintf(target, sizeof(target), "/anyvf/v1/hosts/%s", host);
	snprintf(agent.user_name, sizeof(agent.user_name), "anyvf-agent-%s", host);
	assert_int_equal(ask(&agent, "PUT", target,
			     "{\"pfs\": [], \"vcpus\": 4, \"memory_mb\": 4096}", NULL),
			 200);
}

static void beat_all(void)
{
	char host[16];

	for (int i = 0; i < HOSTS; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		beat(host);
	}
}

/* How many hosts GET /os-services says are up. */
static unsigned int count_up(void)
{
	auto_of(json_decref) json_t *reply = NULL;
	unsigned int n = 0;
	json_t *service;
	size_t i;

	assert_int_equal(ask(&admin, "GET", "/test/v2.1/os-services", NULL, &reply), 200);
	json_array_foreach (json_object_get(reply, "services"), i, service)
		n += !strcmp(json_string_value(json_object_get(service, "state")), "up");
	return n;
}

/* How many /agent/HOST say alive. */
static unsigned int count_marked_alive(void)
{
	struct call *c = new_call(&admin);
	struct cursor it = call_list(c, "/agent/");
	unsigned int n = 0;

	while (cursor_next(&it))
		n += json_is_true(json_object_get(it.doc, "alive"));
	call_free(c);
	return n;
}

/* Agents may be newer than the API; their words are not those of tenants. */
static void unknown_words_of_agents_are_passed_over(void **state)
{
	static const char *const bodies[] = {
		"{\"pfs\": [], \"vcpus\": 4, \"memory_mb\": 4096, \"numa\": [1, {\"x\": 2}]}",
		"{\"pfs\": [{\"name\": \"p\", \"physical_networks\": [], \"numvfs\": 1, "
		"\"driver\": \"ice\"}],"
		"\"vcpus\": 4, \"memory_mb\": 4096}",
	};

	strcpy(agent.user_name, "anyvf-agent-h1");
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(ask(&agent, "PUT", "/anyvf/v1/hosts/h1", bodies[i], NULL), 200);
	assert_int_equal(count_up(), 1);
	assert_int_equal(
		ask(&agent, "PUT", "/anyvf/v1/hosts/h1", "{\"vcpus\": 4, \"numa\": 1}", NULL), 400);
}

/* Each kind of report with a word more. */
static void unknown_words_of_reports_are_passed_over(void **state)
{
	static const char *const kinds[] = { "server", "port", "network", "tap_flow",
					     "tap_mirror" };
	char target[80];
	struct call *c;

	strcpy(agent.user_name, "anyvf-agent-h1");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		c = new_call(&admin);
		assert_int_equal(call_put(c, json_pack("{s:i,s:b}", "generation", 5, "deleted", 0),
					  "/host/h1/%s/x", kinds[i]),
				 0);
		assert_int_equal(group_take(c), 0);
		call_free(c);
		snprintf(target, sizeof(target), "/anyvf/v1/hosts/h1/%s/x", kinds[i]);
		assert_int_equal(
			ask(&agent, "PUT", target,
			    "{\"generation\": 5, \"status\": \"ACTIVE\", \"seen_by\": [1]}", NULL),
			204);
	}
}

static unsigned int count_of(const struct resource *r)
{
	struct call *c = new_call(&admin);
	unsigned int n = res_count(c, r, NULL, NULL);

	call_free(c);
	return n;
}

/* One a second, of a project that may have as many. */
static void keep_many(const struct resource *r, const char *stamp, int n)
{
	struct call *c = new_call(&admin);

	for (int i = 0; i < n; i++) {
		assert_int_equal(kept_make_room(c, r, stamp, "p1"), 0);
		assert_int_equal(res_create(c, r,
					    json_pack("{s:s,s:I}", "project_id", "p1", stamp,
						      (json_int_t)(clocks.wall + i * SECOND)),
					    NULL),
				 0);
	}
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static void what_is_long_over_is_forgotten(void **state)
{
	static const struct {
		const struct resource *r;
		const char *stamp;
		int (*sweep)(struct call *c);
	} rows[] = { { &deleted_server_resource, "deleted_us", deleted_sweep },
		     { &migration_resource, "changed_us", migration_sweep } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t began = clocks.wall;

		keep_many(rows[i].r, rows[i].stamp, 110);
		assert_int_equal(count_of(rows[i].r), 100); /* from 10 s on */
		clocks.wall = began + 30 * 86400 * SECOND + 10 * SECOND;
		run_all(rows[i].sweep);
		assert_int_equal(count_of(rows[i].r), 100);
		clocks.wall += 90 * SECOND;
		run_all(rows[i].sweep);
		assert_int_equal(count_of(rows[i].r), 36); /* 64 in one transaction */
		run_all(rows[i].sweep);
		assert_int_equal(count_of(rows[i].r), 10);
	}
}

/* Host h1 is asked something, which is written in a group. */
static void question(const char *id, const char *server)
{
	struct call *c = new_call(&admin);

	assert_int_equal(wish_ask(c, "h1", "console", id, json_pack("{s:s}", "server", server)), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* The number that a question is told with, and that the sum is that of all that is told. */
static json_int_t told(const char *id)
{
	auto_of(json_decref) json_t *all = NULL;
	json_t *doc, *of_kind;
	const char *kind, *key;
	char sum[TOLD_LEN];
	uint64_t hash = 0;

	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/hosts/h1/desired", NULL, &all), 200);
	json_object_foreach (all, kind, of_kind)
		json_object_foreach (of_kind, key, doc)
			hash ^= told_hash(kind, key, doc_int(doc, "generation"));
	told_format(hash, sum);
	assert_string_equal(doc_str(all, "told"), sum);
	return doc_int(json_object_get(json_object_get(all, "console"), id), "generation");
}

static unsigned int answer(const char *id, json_int_t generation)
{
	char target[80], body[80];

	snprintf(target, sizeof(target), "/anyvf/v1/hosts/h1/console/%s", id);
	snprintf(body, sizeof(body), "{\"generation\": %lld, \"output\": \"x\"}",
		 (long long)generation);
	return ask(&agent, "PUT", target, body, NULL);
}

/* The number grows with each revision that writes the key, whoever deleted it in between; until it
 * is on disk nobody is told, and no report is about it. */
static void generations_are_the_stores(void **state)
{
	json_int_t first, second;

	strcpy(agent.user_name, "anyvf-agent-h1");
	question("q", "one");
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/hosts/h1/desired", NULL, NULL),
			 0); /* waits */
	run_batch(f.eng);
	first = told("q");
	assert_true(first > 0);
	question("q", "one");
	run_batch(f.eng);
	assert_int_equal(told("q"), first); /* no news */
	question("q", "two");
	assert_int_equal(answer("q", first), 409);
	assert_int_equal(answer("q", 0), 409);
	run_batch(f.eng);
	second = told("q");
	assert_true(second > first);
	assert_int_equal(answer("q", first), 409);
	assert_int_equal(answer("q", second), 204);
	run_batch(f.eng);
	assert_int_equal(told("q"), 0);
	question("q", "two");
	run_batch(f.eng);
	assert_true(told("q") > second);
}

/* What an older version wrote has its number in it, as agents know it, until it is news. */
static void a_document_of_a_former_version_keeps_its_number(void **state)
{
	json_int_t written;
	struct call *c;

	strcpy(agent.user_name, "anyvf-agent-h1");
	question("other", "x");
	run_batch(f.eng);
	c = new_call(&admin);
	written = (json_int_t)(call_revision(c) + 1) * 256 + 3; /* as it counted */
	assert_int_equal(call_put(c, json_pack("{s:s,s:I}", "server", "one", "generation", written),
				  "/host/h1/console/q"),
			 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	run_batch(f.eng);
	assert_int_equal(told("q"), written);
	question("q", "one");
	run_batch(f.eng);
	assert_int_equal(told("q"), written); /* no news */
	question("q", "two");
	run_batch(f.eng);
	assert_true(told("q") > written);
	question("q", "one");
	run_batch(f.eng);
	assert_true(told("q") > written);
}

static void who_has_seen_more_than_is_here_is_sent_away(void **state)
{
	auto_of(json_decref) json_t *events = NULL;
	const json_t *event;

	strcpy(agent.user_name, "anyvf-agent-h1");
	question("q", "one");
	run_batch(f.eng);
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/watch?host=h1&revision=1000000", NULL, NULL),
			 503);
	assert_int_equal(
		ask(&agent, "GET", "/anyvf/v1/hosts/h1/desired?revision=1000000", NULL, NULL), 503);
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/hosts/h1/desired?revision=x", NULL, NULL),
			 400);
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/watch?host=h1", NULL, NULL), 400);
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/watch?host=h1&revision=0", NULL, &events),
			 200);
	event = json_array_get(json_object_get(events, "events"), 0);
	assert_int_equal(doc_int(json_object_get(event, "doc"), "generation"), told("q"));
	assert_int_equal(strlen(doc_str(events, "told")), TOLD_LEN - 1);
	question("q", "two"); /* the sum waits for what is on its way */
	json_decref(take(events));
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/watch?host=h1&revision=0", NULL, &events),
			 200);
	assert_null(json_object_get(events, "told"));
}

/* So much changes elsewhere that what changed before is not known any more. */
static void forget_history(void)
{
	for (unsigned int i = 0; i <= 8192 / 128; i++) {
		struct call *c = new_call(&admin);

		for (unsigned int n = 0; n < 128; n++)
			assert_int_equal(call_put(c, json_pack("{s:i}", "n", i), "/else/%u", n), 0);
		assert_int_equal(group_take(c), 0);
		call_free(c);
		run_batch(f.eng);
	}
}

/* A watch from a revision of an agent that knows documents of this sum. Return: the status. */
static int watch(json_int_t revision, const char *sum, json_t **answer)
{
	char path[200];

	snprintf(path, sizeof(path), "/anyvf/v1/watch?host=h1&revision=%lld%s%s",
		 (long long)revision, sum ? "&told=" : "", sum ? sum : "");
	return ask(&agent, "GET", path, NULL, answer);
}

static void who_knows_what_he_is_told_reads_nothing_again(void **state)
{
	auto_of(json_decref) json_t *all = NULL, *answer = NULL;
	json_int_t revision;
	const char *sum;

	strcpy(agent.user_name, "anyvf-agent-h1");
	question("q", "one");
	run_batch(f.eng);
	assert_int_equal(ask(&agent, "GET", "/anyvf/v1/hosts/h1/desired", NULL, &all), 200);
	revision = doc_int(all, "revision");
	sum = doc_str(all, "told");
	forget_history();
	assert_int_equal(watch(revision, NULL, NULL), 410);
	assert_int_equal(watch(revision, "0000000000000000", NULL), 410);
	assert_int_equal(watch(revision, sum, &answer), 200);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 0);
	assert_string_equal(doc_str(answer, "told"), sum);
	assert_true(doc_int(answer, "revision") > revision);
	question("q", "two");
	run_batch(f.eng);
	assert_int_equal(watch(revision, sum, NULL), 410);
	revision = doc_int(answer, "revision");
	json_decref(take(answer));
	assert_int_equal(watch(revision, sum, &answer), 200); /* from there it is known */
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 1);
}

/* Time passes for an API that does its work meanwhile. */
static void pass(int64_t us)
{
	for (; us > 0; us -= SECOND) {
		run_all(liveness_listen);
		clocks.mono += SECOND;
	}
}

static void a_step_of_the_wall_clock_ends_no_host(void **state)
{
	static const int64_t steps[] = { 120 * SECOND, -86400 * SECOND, 3650 * 86400 * SECOND };

	beat("h1");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		clocks.wall += steps[i];
		run_all(liveness_mark);
		assert_int_equal(count_up(), 1);
		assert_int_equal(count_marked_alive(), 1);
	}
}

static void a_silent_host_is_down_though_the_wall_clock_stands(void **state)
{
	beat("h1");
	pass(SILENT - 2 * SECOND);
	assert_int_equal(count_up(), 1);
	pass(2 * SECOND);
	clocks.wall -= 3600 * SECOND;
	assert_int_equal(count_up(), 0);
	run_all(liveness_mark);
	beat("h1");
	assert_int_equal(count_up(), 1);
	assert_int_equal(count_marked_alive(), 1);
}

/* What was sent meanwhile waits to be read; who is silent then as well is dead, later. */
static void an_api_that_stood_still_takes_no_host_for_dead(void **state)
{
	beat("h1");
	clocks.mono += 100 * SECOND;
	assert_int_equal(count_up(), 1);
	run_all(liveness_mark);
	assert_int_equal(count_marked_alive(), 1);
	pass(SILENT - 2 * SECOND);
	assert_int_equal(count_up(), 1);
	pass(2 * SECOND);
	assert_int_equal(count_up(), 0);
	run_all(liveness_mark);
	clocks.mono += 100 * SECOND; /* and raises none */
	assert_int_equal(count_up(), 0);
}

/* A host was heard, or missed, by another replica, which wrote so; beats take their time. */
static void written_elsewhere(const char *host, bool alive)
{
	struct call *c = new_call(&admin);

	assert_int_equal(call_put(c,
				  json_pack("{s:s,s:s,s:b,s:[],s:i,s:i}", "id", host, "host", host,
					    "alive", alive, "pfs", "vcpus", 4, "memory_mb", 4096),
				  "/agent/%s", host),
			 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	run_batch(f.eng);
}

#define LONG_NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"
#define WHOLE                                                                                      \
	"{\"pfs\": [{\"name\": \"p\", \"physical_networks\": [\"n\"], \"numvfs\": 4}], "           \
	"\"vcpus\": 4, \"memory_mb\": %d}"

/* All that a host has. Its name is kept in @name: "" without one. */
static unsigned int tell_all(const char *host, int memory_mb, char name[65])
{
	auto_of(json_decref) json_t *answer = NULL;
	char target[80], body[200];
	unsigned int status;

	snprintf(target, sizeof(target), "/anyvf/v1/hosts/%s", host);
	snprintf(body, sizeof(body), WHOLE, memory_mb);
	status = ask(&agent, "PUT", target, body, &answer);
	run_batch(f.eng);
	assert_int_equal(doc_int(answer, "heartbeat_s"), 5);
	snprintf(name, 65, "%s", doc_str(answer, "known_as"));
	return status;
}

static unsigned int tell_name(const char *host, const char *name)
{
	auto_of(json_decref) json_t *answer = NULL;
	char target[80], body[200];
	unsigned int status;

	snprintf(target, sizeof(target), "/anyvf/v1/hosts/%s", host);
	snprintf(body, sizeof(body), "{\"known_as\": \"%s\", \"news\": 1}", name);
	status = ask(&agent, "PUT", target, body, &answer);
	run_batch(f.eng);
	assert_int_equal(doc_int(answer, "heartbeat_s"), status == 200 ? 5 : 0);
	return status;
}

static uint64_t version_of(const char *key)
{
	struct call *c = new_call(&admin);
	uint64_t version = call_version(c, key);

	call_free(c);
	return version;
}

/* It keeps the host alive as all of it does, and writes nothing. */
static void a_name_is_a_heartbeat(void **state)
{
	char name[65], again[65];
	uint64_t version;

	strcpy(agent.user_name, "anyvf-agent-h1");
	assert_int_equal(tell_name("h1", "0123456789abcdef"), 409); /* nothing was told yet */
	assert_int_equal(tell_all("h1", 4096, name), 200);
	assert_true(*name);
	version = version_of("/agent/h1");
	assert_int_equal(tell_all("h1", 4096, again), 200);
	assert_string_equal(again, name);
	for (int i = 0; i < 10; i++) {
		pass(SILENT - 2 * SECOND);
		assert_int_equal(tell_name("h1", name), 200);
		assert_int_equal(count_up(), 1);
	}
	assert_int_equal(version_of("/agent/h1"), version);
	pass(SILENT);
	assert_int_equal(count_up(), 0);
	assert_int_equal(tell_name("h1", name), 200); /* it was not marked yet */
	assert_int_equal(count_up(), 1);
}

/* What stands here is not what the agent means: it has to say so. */
static void a_name_that_is_not_known_counts_for_nothing(void **state)
{
	char name[65], other[65], foreign[65];

	strcpy(agent.user_name, "anyvf-agent-h1");
	assert_int_equal(tell_all("h1", 4096, name), 200);
	assert_int_equal(tell_all("h1", 8192, other), 200);
	assert_string_not_equal(name, other);
	pass(SILENT - 2 * SECOND);
	assert_int_equal(tell_name("h1", name), 409);
	pass(2 * SECOND);
	assert_int_equal(count_up(), 0);
	run_all(liveness_mark); /* marked dead, it is another as well */
	run_batch(f.eng);
	assert_int_equal(tell_name("h1", other), 409);
	assert_int_equal(count_up(), 0);
	assert_int_equal(tell_all("h1", 8192, name), 200);
	assert_string_equal(name, other);
	assert_int_equal(tell_name("h1", name), 200);
	written_elsewhere("h1", true); /* another replica wrote something else */
	assert_int_equal(tell_name("h1", name), 409);

	strcpy(agent.user_name, "anyvf-agent-h2");
	assert_int_equal(tell_all("h2", 8192, foreign), 200);
	assert_string_not_equal(foreign, other); /* the same inventory of another host */
	assert_int_equal(tell_name("h1", foreign), 403);
}

static void a_name_that_is_none_is_refused(void **state)
{
	static const char *const bodies[] = {
		"{}",
		"[]",
		"\"known_as\"",
		"{\"known_as\": \"\"}",
		"{\"known_as\": null}",
		"{\"known_as\": 5}",
		"{\"known_as\": [\"0123456789abcdef\"]}",
		"{\"known_as\": {\"known_as\": \"0123456789abcdef\"}}",
		"{\"known_as\": \"" LONG_NAME "\"}",
		"{\"known_as\": \"x\", \"pfs\": 1, \"vcpus\": 4, \"memory_mb\": 1}",
	};
	char name[65];

	strcpy(agent.user_name, "anyvf-agent-h1");
	assert_int_equal(tell_all("h1", 4096, name), 200);
	pass(SILENT - SECOND);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(ask(&agent, "PUT", "/anyvf/v1/hosts/h1", bodies[i], NULL), 400);
	pass(SECOND);
	assert_int_equal(count_up(), 0);
}

static unsigned int silent_s(const char *host)
{
	struct call *c = new_call(&admin);
	unsigned int s = agent_silent_s(c, host);

	call_free(c);
	return s;
}

/* Heard here, or elsewhere, long after this replica began to hear: from then on, no sooner. */
static void who_just_came_is_alive_from_then_on(void **state)
{
	pass(100 * SECOND);
	beat("h1");
	assert_int_equal(count_up(), 1);
	run_batch(f.eng);
	pass(100 * SECOND);
	run_all(liveness_mark);
	run_batch(f.eng);
	assert_int_equal(count_up(), 0);
	assert_int_equal(silent_s("h1"), 100); /* it was marked, not heard */
	pass(SECOND);
	written_elsewhere("h1", true); /* it came back there */
	written_elsewhere("h2", true);
	for (int64_t s = 0; s < SILENT / SECOND - 2; s++) {
		assert_int_equal(count_up(), 2);
		run_all(liveness_mark);
		assert_int_equal(count_marked_alive(), 2);
		question("q", s % 2 ? "one" : "two"); /* others write, too */
		run_batch(f.eng);
		pass(SECOND);
	}
	beat("h2");
	pass(3 * SECOND);
	assert_int_equal(count_up(), 1);
	run_all(liveness_mark);
	assert_int_equal(count_marked_alive(), 1);
	pass(100 * SECOND);
	assert_int_equal(count_up(), 0);
}

static void a_rack_dies_at_once(void **state)
{
	beat_all();
	assert_int_equal(count_up(), HOSTS);
	pass(SILENT);
	assert_int_equal(count_up(), 0); /* before any of them is marked */
	assert_int_equal(count_marked_alive(), HOSTS);
	assert_int_equal(run_all(liveness_mark), (HOSTS + STORE_OPS_MAX - 1) / STORE_OPS_MAX);
	assert_int_equal(count_marked_alive(), 0);
}

static json_int_t told_seconds(void)
{
	auto_of(json_decref) json_t *reply = NULL;

	strcpy(agent.user_name, "anyvf-agent-h1");
	assert_int_equal(ask(&agent, "PUT", "/anyvf/v1/hosts/h1",
			     "{\"pfs\": [], \"vcpus\": 4, \"memory_mb\": 4096}", &reply),
			 200);
	return doc_int(reply, "heartbeat_s");
}

static void more_hosts_are_heard_seldomer_and_none_is_dead_that_was_told_so(void **state)
{
	char host[16];

	for (int i = 1; i <= 1000; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		written_elsewhere(host, true);
	}
	pass(SECOND);
	assert_int_equal(told_seconds(), 16);
	pass(47 * SECOND);
	assert_int_equal(count_up(), 1000);
	pass(2 * SECOND);
	assert_int_equal(count_up(), 0);

	assert_int_equal(told_seconds(), 16);
	for (int i = 2; i <= 1000; i++) {
		struct call *c = new_call(&admin);

		assert_int_equal(call_delete(c, "/agent/h%d", i), 0);
		assert_int_equal(group_take(c), 0);
		call_free(c);
	}
	run_batch(f.eng);
	pass(30 * SECOND); /* by what it was told */
	assert_int_equal(count_up(), 1);
	assert_int_equal(told_seconds(), 5);
	pass(10 * SECOND);
	assert_int_equal(count_up(), 1);
	pass(9 * SECOND);
	assert_int_equal(count_up(), 0);

	for (int i = 2; i <= 321; i++) { /* one too many for 64 a second with each 5 s */
		snprintf(host, sizeof(host), "h%d", i);
		written_elsewhere(host, true);
	}
	pass(SECOND);
	assert_int_equal(told_seconds(), 6);
}

static void placement_counts_on_no_silent_host(void **state)
{
	struct place_host *hosts;
	struct call *c;
	unsigned int n, alive = 0;

	beat_all();
	pass(SILENT);
	beat("h7");
	c = new_call(&admin);
	n = hosts_load(c, &hosts);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(hosts_look(c, &hosts[i]), 0);
		alive += hosts[i].alive;
		assert_true(hosts[i].alive == !strcmp(hosts[i].name, "h7"));
	}
	assert_int_equal(n, HOSTS);
	assert_int_equal(alive, 1);
	hosts_free(hosts, n);
	call_free(c);
}

/* A server on a host, as far as its end needs it. */
static void make_server(int i, const char *task)
{
	struct call *c = new_call(&admin);

	c->service = &test_service;
	assert_int_equal(res_create(c, &server_resource,
				    json_pack("{s:s,s:s,s:o,s:o,s:[]}", "name", "vm", "project_id",
					      "p1", "host", json_sprintf("h%d", i), "task_state",
					      task ? json_string(task) : json_null(), "ports"),
				    NULL),
			 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static void servers_being_deleted_do_not_wait_for_dead_hosts(void **state)
{
	struct call *c;

	beat_all();
	for (int i = 0; i < 2 * HOSTS; i++)
		make_server(i % HOSTS, i < HOSTS ? "deleting" : NULL);
	assert_int_equal(run_all(liveness_tell_gone), 1);
	pass(SILENT);
	beat("h7");
	run_all(liveness_tell_gone);
	c = new_call(&admin);
	assert_int_equal(res_count(c, &server_resource, "task_state", "deleting"), 1);
	assert_int_equal(res_count(c, &server_resource, "project_id", "p1"), HOSTS + 1);
	call_free(c);
}

static unsigned int count_wishes(const char *host)
{
	struct call *c = new_call(&admin);
	struct cursor it = call_list(c, "/host/%s/", host);
	unsigned int n = 0;

	while (cursor_next(&it))
		n++;
	call_free(c);
	return n;
}

static void say_of(const char *host, bool forced_down)
{
	auto_of(json_decref) json_t *said = json_pack("{s:b}", "forced_down", forced_down);
	struct call *c = new_call(&admin);

	assert_int_equal(host_set(c, host, said), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* What stands on h1: a server and a port that were deleted, and others that were not. */
static void wish_for_the_end(void)
{
	struct call *c = new_call(&admin);

	for (int gone = 0; gone < 2; gone++) {
		assert_int_equal(call_put(c, json_pack("{s:b}", "deleted", gone),
					  "/host/h1/server/s%d", gone),
				 0);
		assert_int_equal(call_put(c,
					  json_pack("{s:b,s:s,s:s,s:i}", "released", gone,
						    "network", "n", "pf", "p1", "vf", gone),
					  "/host/h1/port/p%d", gone),
				 0);
		assert_int_equal(call_put(c, json_pack("{s:s}", "port", gone ? "p1" : "p0"),
					  "/vf/h1/p1/%d", gone),
				 0);
	}
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static void who_is_forced_down_gives_back_what_was_deleted(void **state)
{
	struct call *c;

	beat_all();
	wish_for_the_end();
	pass(SILENT);
	run_all(liveness_tell_gone);
	assert_int_equal(count_wishes("h1"), 4);
	beat("h1");
	say_of("h1", true);
	run_all(liveness_tell_gone); /* it lives: it can say so itself */
	assert_int_equal(count_wishes("h1"), 4);
	pass(SILENT);
	run_all(liveness_tell_gone);
	assert_int_equal(count_wishes("h1"), 2);
	c = new_call(&admin);
	assert_non_null(call_get(c, "/host/h1/server/s0"));
	assert_non_null(call_get(c, "/vf/h1/p1/0"));
	assert_null(call_get(c, "/vf/h1/p1/1"));
	call_free(c);
}

/* A network with a /16, whose ports are on the first n hosts. */
static void make_network(const char *id, unsigned int n)
{
	struct call *c = new_call(&admin);

	c->service = &network_service;
	assert_int_equal(res_create(c, &network_resource,
				    json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", id, "project_id", "p1",
					      "name", "n", "provider:network_type", "flat",
					      "provider:physical_network", "physnet1"),
				    NULL),
			 0);
	assert_int_equal(res_create(c, &subnet_resource,
				    json_pack("{s:s,s:s,s:i,s:s}", "network_id", id, "project_id",
					      "p1", "ip_version", 4, "cidr", "10.1.0.0/16"),
				    NULL),
			 0);
	assert_int_equal(group_take(c), 0);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(call_put(c, json_pack("{s:s,s:i}", "pf", "p1", "generation", 1),
					  "/host/h%u/network/%s", i, id),
				 0);
		assert_int_equal(group_take(c), 0);
	}
	call_free(c);
}

/* As the engine does once a second, until nothing is left. */
static void sync_all(void)
{
	run_all(network_sync);
	assert_int_equal(run_all(network_sync), 1);
}

static void change_network(const char *id)
{
	struct call *c = new_call(&admin);

	c->service = &network_service;
	assert_int_equal(network_changed(c, id), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	sync_all();
}

/* No MAC, address or port of a network's DHCP is two hosts'. Return: hosts that have one. */
static unsigned int count_service_ports(const char *id)
{
	static const char *const unique[] = { "port_id", "mac", "ip" };
	auto_of(json_decref) json_t *seen = json_pack("{s:{},s:{},s:{}}", "port_id", "mac", "ip");
	struct call *c = new_call(&admin);
	unsigned int n = 0;

	for (unsigned int i = 0; i < HOSTS; i++) {
		const json_t *doc = call_get(c, "/host/h%u/network/%s", i, id);
		json_t *dhcp = json_object_get(doc, "dhcp");

		if (!json_is_object(dhcp))
			continue;
		n++;
		dhcp = json_copy(dhcp);
		json_object_set(
			dhcp, "ip",
			json_object_get(json_array_get(json_object_get(dhcp, "fixed_ips"), 0),
					"ip_address"));
		for (size_t k = 0; k < ARRAY_LEN(unique); k++) {
			const char *text = doc_text(dhcp, unique[k]);

			assert_non_null(text);
			assert_null(json_object_get(json_object_get(seen, unique[k]), text));
			json_object_set_new(json_object_get(seen, unique[k]), text, json_true());
		}
		json_decref(dhcp);
	}
	assert_int_equal(res_count(c, &port_resource, "network_id", id), n);
	call_free(c);
	return n;
}

static const char net_id[] = "33333333-3333-4333-8333-333333333333";

/* A second of the leader's. */
static void second(void)
{
	pass(SECOND);
	run_all(liveness_mark);
	run_all(liveness_tell_gone);
	run_batch(f.eng);
}

/* Whoever looks each second, and looked a moment ago, when all was well. */
static void who_falls_silent_is_found_among_those_who_do_not(void **state)
{
	beat("h1");
	beat("h2");
	run_batch(f.eng);
	for (int s = 1; s < 24; s++) {
		if (s == 5)
			written_elsewhere("h3", true); /* and not heard again */
		second();
		assert_int_equal(count_marked_alive(), (s < 16) + 1 + (s >= 5 && s < 19));
		beat("h2");
		run_batch(f.eng);
	}
}

/* By another replica, while all is well here. */
static void who_is_marked_elsewhere_is_gone_here(void **state)
{
	beat("h1");
	wish_for_the_end();
	say_of("h1", true);
	run_batch(f.eng);
	second();
	second();
	assert_int_equal(count_wishes("h1"), 4);
	written_elsewhere("h1", false);
	second();
	assert_int_equal(count_wishes("h1"), 2);
}

static void each_host_has_a_service_port_of_its_own(void **state)
{
	struct call *c;

	beat_all();
	make_network(net_id, HOSTS);
	change_network(net_id);
	assert_int_equal(count_service_ports(net_id), HOSTS);
	/* a subnet that goes takes all of them along, and so does the network */
	c = new_call(&admin);
	struct cursor it = res_list(c, &subnet_resource, "network_id", net_id);
	assert_true(cursor_next(&it));
	c->service = &network_service;
	assert_int_equal(res_delete(c, &subnet_resource, doc_text(it.doc, "id")), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	sync_all();
	assert_int_equal(count_service_ports(net_id), 0);
}

static void a_network_that_goes_takes_all_service_ports_along(void **state)
{
	struct call *c;

	beat_all();
	make_network(net_id, HOSTS);
	change_network(net_id);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(res_delete(c, &network_resource, net_id), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	sync_all();
	c = new_call(&admin);
	assert_int_equal(res_count(c, &port_resource, NULL, NULL), 0);
	for (unsigned int i = 0; i < HOSTS; i++)
		assert_null(call_get(c, "/host/h%u/network/%s", i, net_id));
	struct cursor left = call_list(c, "/dhcp_port/"), ips = call_list(c, "/ip/");
	assert_false(cursor_next(&left) || cursor_next(&ips));
	call_free(c);
}

/* A store of the version that had one service port for all hosts. */
static void the_port_of_all_hosts_becomes_the_firsts(void **state)
{
	const json_t *port;
	char id[UUID_STR_LEN];
	struct call *c;

	beat_all();
	make_network(net_id, 3);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(
		res_create(c, &port_resource,
			   json_pack("{s:s,s:s,s:s,s:s}", "network_id", net_id, "project_id", "p1",
				     "device_owner", "network:dhcp", "device_id", "dhcp-x"),
			   &port),
		0);
	snprintf(id, sizeof(id), "%s", doc_text(port, "id"));
	assert_int_equal(call_put(c, json_pack("{s:s}", "port", id), "/dhcp/%s", net_id), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	sync_all();
	assert_int_equal(count_service_ports(net_id), 3);
	c = new_call(&admin);
	assert_null(call_get(c, "/dhcp/%s", net_id));
	assert_string_equal(
		doc_text(json_object_get(call_get(c, "/host/h0/network/%s", net_id), "dhcp"),
			 "port_id"),
		id);
	assert_string_equal(doc_text(res_get(c, &port_resource, id), "device_id"),
			    "dhcph0-33333333-3333-4333-8333-333333333333");
	call_free(c);
}

/* Nobody's: a network without ports on any host; and a row whose port is gone. */
static void the_port_of_no_host_goes(void **state)
{
	const json_t *port;
	struct call *c;

	beat("h0");
	make_network(net_id, 0);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(res_create(c, &port_resource,
				    json_pack("{s:s,s:s,s:s}", "network_id", net_id, "project_id",
					      "p1", "device_owner", "network:dhcp"),
				    &port),
			 0);
	assert_int_equal(call_put(c, json_pack("{s:O}", "port", json_object_get(port, "id")),
				  "/dhcp/%s", net_id),
			 0);
	assert_int_equal(call_put(c, json_pack("{s:s}", "port", net_id), "/dhcp/gone"), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	sync_all();
	c = new_call(&admin);
	struct cursor left = call_list(c, "/dhcp/");
	assert_false(cursor_next(&left));
	assert_int_equal(res_count(c, &port_resource, NULL, NULL), 0);
	call_free(c);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(unknown_words_of_agents_are_passed_over),
		T(unknown_words_of_reports_are_passed_over),
		T(generations_are_the_stores),
		T(a_document_of_a_former_version_keeps_its_number),
		T(who_has_seen_more_than_is_here_is_sent_away),
		T(who_knows_what_he_is_told_reads_nothing_again),
		T(what_is_long_over_is_forgotten),
		T(a_step_of_the_wall_clock_ends_no_host),
		T(a_silent_host_is_down_though_the_wall_clock_stands),
		T(an_api_that_stood_still_takes_no_host_for_dead),
		T(a_name_is_a_heartbeat),
		T(a_name_that_is_not_known_counts_for_nothing),
		T(a_name_that_is_none_is_refused),
		T(who_just_came_is_alive_from_then_on),
		T(a_rack_dies_at_once),
		T(more_hosts_are_heard_seldomer_and_none_is_dead_that_was_told_so),
		T(placement_counts_on_no_silent_host),
		T(servers_being_deleted_do_not_wait_for_dead_hosts),
		T(who_is_forced_down_gives_back_what_was_deleted),
		T(who_falls_silent_is_found_among_those_who_do_not),
		T(who_is_marked_elsewhere_is_gone_here),
		T(each_host_has_a_service_port_of_its_own),
		T(a_network_that_goes_takes_all_service_ports_along),
		T(the_port_of_all_hosts_becomes_the_firsts),
		T(the_port_of_no_host_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
