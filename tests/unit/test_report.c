/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about heartbeats: when an agent says all that its host has, and when a name is enough. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"

#define LONG_NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"

static const struct agent_kind *const kinds[] = { NULL };
static struct loop *loop;
static struct agent *a; /* once a process, as libvirt's threads are */
static char dir[] = "/tmp/anyvf-report-XXXXXX";

/* The heartbeat that is on its way. */
static struct {
	json_t *body;
	door_fn fn;
	void *arg;
} put;

int __wrap_door_ask(struct door *d, const struct door_req *req, door_fn fn, void *arg);
int __wrap_door_ask(struct door *d, const struct door_req *req, door_fn fn, void *arg)
{
	if (strcmp(req->path, "/anyvf/v1/hosts/h1") != 0)
		return 0; /* a watch, which has no end */
	assert_string_equal(req->method, "PUT");
	assert_true(req->answer);
	assert_null(put.body);
	put.body = json_deep_copy(req->body);
	put.fn = fn;
	put.arg = arg;
	return 0;
}

/* A switch without PFs, no libvirt. */
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

/* What the agent says when it is time; "": all, or the name. */
static const char *said(void)
{
	static char name[100];

	assert_non_null(put.body);
	snprintf(name, sizeof(name), "%s",
		 json_string_value(json_object_get(put.body, "known_as")) ?: "");
	assert_int_equal(json_object_size(put.body), *name ? 1 : 5);
	assert_true(*name || json_is_array(json_object_get(put.body, "pfs")));
	return name;
}

static const char *beat(void)
{
	a->heartbeat_ms = 0;
	report_all(a);
	return said();
}

/* text NULL: there is no answer. */
static void answer(int rc, const char *text)
{
	auto_of(json_decref) json_t *got = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	assert_true(!text || got);
	json_decref(take(put.body));
	put.fn(put.arg, rc, got, rc ? "no" : NULL);
}

#define NAMED "{\"heartbeat_s\": 5, \"known_as\": \"n1\"}"
#define PLAIN "{\"heartbeat_s\": 5}"

/* The API has a name for what it was told. */
static void get_named(void)
{
	while (*beat())
		answer(-ESTALE, NULL);
	answer(0, NAMED);
	assert_string_equal(beat(), "n1");
}

static void an_api_that_knows_no_names_is_told_all(void **state)
{
	for (int i = 0; i < 3; i++) {
		assert_string_equal(beat(), "");
		answer(0, PLAIN);
	}
}

static void what_is_known_is_said_by_its_name(void **state)
{
	get_named();
	for (int i = 0; i < 3; i++) {
		answer(0, PLAIN);
		assert_string_equal(beat(), "n1");
	}
	answer(0, "{\"heartbeat_s\": 7, \"known_as\": \"n2\"}"); /* not of what it has said */
	assert_int_equal(a->heartbeat_s, 7);
	assert_string_equal(beat(), "n1");
	answer(0, PLAIN);
}

static void what_is_new_is_said(void **state)
{
	get_named();
	answer(0, PLAIN);
	a->virt_version++;
	assert_string_equal(beat(), "");
	answer(-ETIMEDOUT, NULL);
	a->virt_version--; /* the API may have heard it, or not */
	assert_string_equal(beat(), "");
	answer(0, "{\"known_as\": \"n3\"}");
	assert_string_equal(beat(), "n3");
	answer(0, PLAIN);
}

static void who_is_not_known_says_all_at_once(void **state)
{
	get_named();
	a->due = 0;
	answer(-ESTALE, NULL);
	assert_true(a->due & 1U << SIDE_NONE); /* the loop is waked, and the time has come */
	report_all(a);
	assert_string_equal(said(), "");
	answer(0, NAMED);
	assert_string_equal(beat(), "n1");
	answer(0, PLAIN);
}

static void a_name_outlives_an_api_that_is_away_and_no_refusal(void **state)
{
	static const struct {
		int rc;
		const char *next;
	} rows[] = {
		{ -ECONNREFUSED, "n1" }, { -ETIMEDOUT, "n1" }, { -EIO, "" },
		{ -EACCES, "" },	 { -ENOENT, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		get_named();
		answer(rows[i].rc, NULL);
		assert_true(a->heartbeat_ms > 0); /* not at once */
		assert_string_equal(beat(), rows[i].next);
		answer(0, NAMED);
	}
}

static void a_name_that_is_none_is_not_said(void **state)
{
	static const char *const answers[] = {
		"{\"known_as\": \"\"}",
		"{\"known_as\": 5}",
		"{\"known_as\": null}",
		"{\"known_as\": [\"n1\"]}",
		"[]",
		"\"n1\"",
		"{\"known_as\": \"" LONG_NAME "\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		while (*beat())
			answer(-ESTALE, NULL);
		answer(0, answers[i]);
		assert_string_equal(beat(), "");
		answer(0, PLAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_api_that_knows_no_names_is_told_all),
		cmocka_unit_test(what_is_known_is_said_by_its_name),
		cmocka_unit_test(what_is_new_is_said),
		cmocka_unit_test(who_is_not_known_says_all_at_once),
		cmocka_unit_test(a_name_outlives_an_api_that_is_away_and_no_refusal),
		cmocka_unit_test(a_name_that_is_none_is_not_said),
	};

	return cmocka_run_group_tests_name("report", tests, setup, teardown);
}
