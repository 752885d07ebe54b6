/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cloud's page: each caller is shown what the API would show him, then what of it is another;
 * nobody hears of others'. A host that is looked at is asked for its counters, and no longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_cloud.h"
#include "compute/compute.h"
#include "ui/ui.h"

#define NET   "/network/v2.0"
#define STATE "/anyvf/ui/state"
#define H1    "/anyvf/v1/hosts/h1"
#define HOST                                                                                       \
	"{\"vcpus\":4,\"memory_mb\":4096,\"pfs\":[{\"name\":\"pfzero\",\"numvfs\":4,\"physical_"   \
	"networks\":[\"physnet1\"],\"busy\":[3,9]}],\"hypervisor\":{\"type\":\"QEMU\"}}"
#define COUNTS "[\"vf\",\"rx_bytes\"],\"pfs\":[{\"name\":\"pfzero\",\"vfs\":[[0,7]]}]"

static const struct auth demo = { "dem", "demo", "default", SCOPE_PROJECT, "pd", "", ROLE_MEMBER };
static const struct auth eve = { "eve", "eve", "default", SCOPE_PROJECT, "pe", "", ROLE_MEMBER };
static const struct auth reads = { "rea", "rea", "default", SCOPE_PROJECT, "pd", "", ROLE_READER };
static const struct auth nobody = { "nob", "nob", "default", SCOPE_PROJECT, "pd", "", 0 };
static const struct auth boss = { "sys", "sys", "default", SCOPE_SYSTEM, "", "", ROLE_ADMIN };
static const struct auth agent = { "u9", "anyvf-agent-h1", "default", SCOPE_PROJECT, "p9",
				   "",	 ROLE_AGENT };
static struct cloud cloud;

static void make_as(const struct auth *who, const char *name, const char *path, const char *body)
{
	auto_of(json_decref) json_t *reply = NULL;
	unsigned int status = ask(&cloud, who, "POST", path, body, &reply);

	if (status / 100 != 2)
		fail_msg("POST %s: %u %s", path, status, json_dumps(reply, 0));
	json_object_set(cloud.ids, name,
			json_object_get(json_object_iter_value(json_object_iter(reply)), "id"));
}

/* A server as it is stored: where it runs, and what nobody is to see. */
static void make_server(const char *name, const char *project)
{
	struct call *c = run_new(cloud.eng, NULL);
	const json_t *doc = NULL;

	assert_int_equal(
		res_create(c, &server_resource,
			   json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", name, "project_id", project,
				     "host", "h1", "vm_state", "active", "admin_pass", "secret"),
			   &doc),
		0);
	json_object_set(cloud.ids, name, json_object_get(doc, "id"));
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static int setup(void **state)
{
	cloud_open(&cloud, "[network]\nnetwork_vlan_ranges = physnet1:100:199\n");
	assert_int_equal(ask(&cloud, &agent, "PUT", H1, HOST, NULL), 200);
	make_as(&demo, "dnet", NET "/networks", "{\"network\":{\"name\":\"dnet\"}}");
	make_as(&eve, "enet", NET "/networks", "{\"network\":{\"name\":\"enet\"}}");
	make_as(&cloud_admin, "dport", NET "/ports",
		"{\"port\":{\"network_id\":\"$dnet\",\"project_id\":\"pd\",\"binding:host_id\":"
		"\"h1\","
		"\"binding:vnic_type\":\"direct\",\"name\":\"d\"}}");
	make_as(&demo, "dport2", NET "/ports", "{\"port\":{\"network_id\":\"$dnet\"}}");
	make_as(&eve, "eport", NET "/ports", "{\"port\":{\"network_id\":\"$enet\"}}");
	make_as(&eve, "eport2", NET "/ports", "{\"port\":{\"network_id\":\"$enet\"}}");
	make_as(&demo, "dtap", NET "/taas/tap_services",
		"{\"tap_service\":{\"port_id\":\"$dport2\"}}");
	make_as(&demo, "dflow", NET "/taas/tap_flows",
		"{\"tap_flow\":{\"tap_service_id\":\"$dtap\",\"source_port\":\"$dport\","
		"\"direction\":\"IN\"}}");
	make_server("dserver", "pd");
	make_server("eserver", "pe");
	run_batch(cloud.eng);
	return 0;
}

static int teardown(void **state)
{
	cloud_close(&cloud);
	return 0;
}

/* The whole, as somebody has it. */
static json_t *whole(const struct auth *who, const char *target)
{
	json_t *reply = NULL;

	run_batch(cloud.eng);
	assert_int_equal(ask(&cloud, who, "GET", target, NULL, &reply), 200);
	assert_true(doc_bool(reply, "whole"));
	return reply;
}

/* What is new since an answer, in the first run or a later; NULL: it waits, and for what. */
static json_t *asked(const struct auth *who, const json_t *seen, const char *host,
		     unsigned int runs, bool expired, char waits[STORE_KEY_LEN + 1])
{
	struct call *c = run_new(cloud.eng, NULL);
	char target[100];
	json_t *reply;
	int rc;

	run_batch(cloud.eng);
	snprintf(target, sizeof(target), STATE "?after=%lld%s",
		 (long long)doc_int(seen, "revision"), host);
	c->auth = who;
	c->runs = runs;
	c->expired = expired;
	assert_int_equal(route_find(c, "GET", target), 0);
	rc = c->priv->handle(c);
	assert_true(rc == 0 || rc == CALL_WAIT);
	strcpy(waits, c->priv->wait_prefix);
	reply = rc ? NULL : json_incref(c->reply);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	return reply;
}

/* ... when its first moment is over. */
static json_t *since(const struct auth *who, const json_t *seen, const char *host)
{
	char waits[STORE_KEY_LEN + 1];

	return asked(who, seen, host, 1, true, waits);
}

static bool has(const json_t *reply, const char *key)
{
	auto_free char *text = expand(&cloud, key);

	return json_object_get(json_object_get(reply, "items"), text);
}

static bool names(const json_t *reply, const char *what)
{
	auto_free char *text = json_dumps(reply, 0), *id = expand(&cloud, what);

	return strstr(text, id);
}

static size_t count(const json_t *reply)
{
	return json_object_size(json_object_get(reply, "items"));
}

static void everybody_sees_his_own(void **state)
{
	static const char *const hidden[] = { "$eport", "$enet",  "$eserver",
					      "h1",	"pfzero", "binding:host_id",
					      "vif_",	"secret", "segmentation" };
	auto_of(json_decref) json_t *d = whole(&demo, STATE), *r = whole(&reads, STATE),
				    *e = whole(&eve, STATE), *s = whole(&boss, STATE);

	assert_true(has(d, "port/$dport") && has(d, "port/$dport2") && has(d, "server/$dserver") &&
		    has(d, "tap_flow/$dflow"));
	assert_int_equal(count(d), 4);
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		assert_false(names(d, hidden[i]));
	assert_true(json_equal(json_object_get(d, "items"), json_object_get(r, "items")));
	assert_true(has(e, "port/$eport") && has(e, "server/$eserver") && count(e) == 3);
	assert_false(names(e, "$dport") || names(e, "$dserver") || names(e, "$dnet"));
	assert_true(has(s, "host/h1") && count(s) == 1 && doc_bool(s, "admin"));
}

static void what_takes_long_is_told_in_turns(void **state)
{
	auto_of(json_decref) json_t *d = whole(&demo, STATE);
	struct call *c = run_new(cloud.eng, NULL);
	unsigned int turns = 0;

	c->auth = &demo;
	assert_int_equal(route_find(c, "GET", STATE), 0);
	c->mono_us = 0; /* each is over at once */
	while (c->priv->handle(c) == CALL_WAIT)
		turns++;
	assert_int_equal(turns, 4);
	assert_true(json_equal(json_object_get(d, "items"), json_object_get(c->reply, "items")));
	call_free(c);
}

static void of_a_kind_there_are_so_many_to_look_at(void **state)
{
	auto_of(json_decref) json_t *d = NULL, *e = NULL;

	for (unsigned int i = 0; i <= VIEW_MAX; i++)
		make_server("more", "pm");
	d = whole(&demo, STATE);
	e = whole(&(const struct auth){ "m", "m", "default", SCOPE_PROJECT, "pm", "", ROLE_READER },
		  STATE);
	assert_false(doc_bool(d, "cut"));
	assert_true(doc_bool(e, "cut") && count(e) == VIEW_MAX);
}

static void a_host_is_for_admins(void **state)
{
	auto_of(json_decref) json_t *a = whole(&cloud_admin, STATE "?host=h1"), *refused = NULL;
	const struct auth *const others[] = { &demo, &eve, &reads, &nobody, &agent };
	const json_t *port, *host;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(ask(&cloud, others[i], "GET", STATE "?host=h1", NULL, NULL), 403);
	assert_int_equal(ask(&cloud, &nobody, "GET", STATE, NULL, NULL), 403);
	assert_int_equal(ask(&cloud, &agent, "GET", STATE, NULL, NULL), 403);
	assert_int_equal(ask(&cloud, &cloud_admin, "GET", STATE "?host=h2", NULL, &refused), 404);
	assert_true(has(a, "port/$dport") && !has(a, "port/$dport2") && !has(a, "port/$eport"));
	port = json_object_get(json_object_get(a, "items"), "host/h1");
	host = port;
	assert_true(doc_bool(host, "alive"));
	assert_int_equal(doc_int(json_array_get(json_object_get(host, "pfs"), 0), "used"), 2);
	assert_false(names(a, "hypervisor")); /* of any size, and not drawn */
}

static void one_is_told_what_is_another(void **state)
{
	auto_of(json_decref) json_t *d = whole(&demo, STATE), *e = whole(&eve, STATE),
				    *a = whole(&cloud_admin, STATE "?host=h1"), *got = NULL,
				    *admins = NULL, *renamed = NULL,
				    *z = whole(&cloud_admin, STATE);

	assert_null(since(&demo, d, ""));
	assert_int_equal(ask(&cloud, &demo, "PUT", NET "/ports/$dport",
			     "{\"port\":{\"name\":\"<b>\"}}", NULL),
			 200);
	got = since(&demo, d, "");
	assert_false(doc_bool(got, "whole"));
	assert_true(has(got, "port/$dport") && count(got) == 1 && names(got, "<b>"));
	assert_null(since(&eve, e, ""));
	assert_null(since(&cloud_admin, z, "")); /* who would see it, and looks at his own */
	admins = since(&cloud_admin, a, "&host=h1");
	assert_true(has(admins, "port/$dport") && count(admins) == 1);
	assert_int_equal(ask(&cloud, &demo, "PUT", NET "/networks/$dnet",
			     "{\"network\":{\"name\":\"other\"}}", NULL),
			 200);
	renamed = since(&demo, got, "");
	assert_true(has(renamed, "port/$dport") && has(renamed, "port/$dport2") &&
		    count(renamed) == 2);
	assert_null(since(&eve, e, ""));
}

static void of_what_is_gone_nobody_hears_whose_it_was(void **state)
{
	auto_of(json_decref) json_t *d = whole(&demo, STATE), *e = whole(&eve, STATE), *got = NULL,
				    *own = NULL;

	assert_int_equal(ask(&cloud, &eve, "DELETE", NET "/ports/$eport2", NULL, NULL), 204);
	own = since(&eve, e, "");
	assert_int_equal(json_array_size(json_object_get(json_object_get(own, "items"), "port/")),
			 1);
	got = since(&demo, d, "");
	assert_int_equal(json_array_size(json_object_get(json_object_get(got, "items"), "port/")),
			 2);
	assert_false(names(got, "$eport2") || names(got, "$eport"));
}

/* At most twice a second, and whom others' changes wake is not woken by each. */
static void news_come_together(void **state)
{
	auto_of(json_decref) json_t *d = whole(&demo, STATE), *got = NULL;
	char waits[STORE_KEY_LEN + 1];

	assert_int_equal(
		ask(&cloud, &eve, "PUT", NET "/ports/$eport", "{\"port\":{\"name\":\"e\"}}", NULL),
		200);
	assert_null(asked(&demo, d, "", 1, true, waits));
	assert_string_equal(waits, "/");
	assert_null(asked(&demo, d, "", 2, false, waits));
	assert_string_equal(waits, "/ui/");
	assert_int_equal(
		ask(&cloud, &demo, "PUT", NET "/ports/$dport", "{\"port\":{\"name\":\"d\"}}", NULL),
		200);
	assert_null(asked(&demo, d, "", 0, false, waits));
	assert_string_equal(waits, "/ui/");
	got = asked(&demo, d, "", 2, false, waits);
	assert_true(has(got, "port/$dport"));
}

static void what_is_no_revision_of_ours_is_all_again(void **state)
{
	static const char *const bad[] = { "x", "-1", "99999999999999999999", "1", "" };
	auto_of(json_decref) json_t *d = whole(&demo, STATE);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct call *c = run_new(cloud.eng, NULL);
		char target[100];
		int rc;

		snprintf(target, sizeof(target), STATE "?after=%s", bad[i]);
		c->auth = &demo;
		c->runs = 1;
		assert_int_equal(route_find(c, "GET", target), 0);
		while ((rc = c->priv->handle(c)) == CALL_WAIT)
			continue; /* all is told in turns, of which a busy machine needs more */
		assert_int_equal(rc, 0);
		assert_true(doc_bool(c->reply, "whole") || i == 3);
		assert_true(i == 3 || json_equal(json_object_get(c->reply, "items"),
						 json_object_get(d, "items")));
		call_free(c);
	}
}

static json_t *stored(const char *key)
{
	struct call *c = run_new(cloud.eng, NULL);
	json_t *doc = json_incref((json_t *)call_get(c, "%s", key));

	call_free(c);
	return doc;
}

static void end_watches(int64_t later_us)
{
	struct call *c = run_new(cloud.eng, NULL);
	const struct feature *f = &ui_feature;

	c->now_us += later_us;
	assert_int_equal(f->periodics[0].run(c), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	run_batch(cloud.eng);
}

/* The wish of a host that is looked at: {id: document}. */
static json_t *watched(void)
{
	auto_of(json_decref) json_t *told = NULL;

	run_batch(cloud.eng);
	assert_int_equal(ask(&cloud, &agent, "GET", H1 "/desired", NULL, &told), 200);
	return json_incref(json_object_get(told, "watch"));
}

/* A report from its columns on. */
static unsigned int tell(const json_t *watch, const char *columns_pfs)
{
	const char *id = json_object_iter_key(json_object_iter((json_t *)watch));
	char path[120], body[20000];

	snprintf(path, sizeof(path), H1 "/watch/%s", id);
	snprintf(body, sizeof(body), "{\"generation\":%lld,\"later\":1,\"at_ms\":1,\"columns\":%s}",
		 (long long)doc_int(json_object_get(watch, id), "generation"), columns_pfs);
	return ask(&cloud, &agent, "PUT", path, body, NULL);
}

/* A report of so many PFs with so many VFs with so many columns. */
static unsigned int tell_table(const json_t *watch, unsigned int n_pfs, unsigned int vfs,
			       unsigned int columns)
{
	json_t *pfs = json_array(), *head = json_array(), *row = json_array(), *rows = json_array();
	auto_free char *text = NULL, *head_text = NULL;
	unsigned int status;
	char both[19000];

	for (unsigned int i = 0; i < columns; i++) {
		json_array_append_new(head, json_string("n"));
		json_array_append_new(row, json_null());
	}
	for (unsigned int i = 0; i < vfs; i++)
		json_array_append(rows, row);
	for (unsigned int i = 0; i < n_pfs; i++)
		json_array_append_new(pfs, json_pack("{s:s,s:O}", "name", "p", "vfs", rows));
	head_text = json_dumps(head, JSON_COMPACT);
	text = json_dumps(pfs, JSON_COMPACT);
	snprintf(both, sizeof(both), "%s,\"pfs\":%s", head_text, text);
	status = tell(watch, both);
	json_decref(pfs);
	json_decref(head);
	json_decref(row);
	json_decref(rows);
	return status;
}

static void a_host_is_asked_for_counters_while_somebody_looks(void **state)
{
	static const char *const bad[] = {
		"[]",
		"[],\"pfs\":{}",
		"[],\"pfs\":[7]",
		"[],\"pfs\":[{}]",
		"[1],\"pfs\":[]",
		"{},\"pfs\":[]",
		"[\"vf\"],\"pfs\":[{\"name\":\"p\",\"vfs\":[[1,2]]}]",
		"[\"vf\"],\"pfs\":[{\"name\":\"p\",\"vfs\":[[\"<b>\"]]}]",
		"[\"vf\"],\"pfs\":[{\"name\":\"p\",\"vfs\":[7]}]",
		"[\"vf\"],\"pfs\":[{\"name\":\"p\",\"vfs\":{}}]",
	};
	auto_of(json_decref) json_t *before = NULL, *a = NULL, *got = NULL, *watch = NULL,
				    *again = NULL, *after = NULL, *first = NULL, *doc = NULL;

	end_watches(3600 * 1000000ll);
	before = watched();
	assert_int_equal(json_object_size(before), 0);
	a = whole(&cloud_admin, STATE "?host=h1");
	watch = watched();
	assert_int_equal(json_object_size(watch), 1);
	first = stored("/watch/h1");
	json_decref(whole(&cloud_admin, STATE "?host=h1"));
	doc = stored("/watch/h1");
	assert_true(json_equal(first, doc)); /* who asks again at once writes nothing */
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(tell(watch, bad[i]), 400);
	assert_int_equal(tell_table(watch, 1, 257, 1), 400);
	assert_int_equal(tell_table(watch, 1, 1, 17), 400);
	assert_int_equal(tell_table(watch, 65, 0, 0), 400);
	assert_int_equal(tell_table(watch, 64, 1, 16), 204);
	assert_int_equal(tell_table(watch, 1, 256, 2), 204);
	assert_int_equal(tell(watch, COUNTS), 204);
	got = since(&cloud_admin, a, "&host=h1");
	assert_true(has(got, "rates/h1"));
	end_watches(0);
	again = watched();
	assert_true(json_equal(again, watch));
	end_watches(16 * 1000000ll);
	after = watched();
	assert_int_equal(json_object_size(after), 0);
	assert_null(stored("/rates/h1"));
	assert_int_equal(tell(watch, COUNTS), 409);
	json_decref(whole(&cloud_admin, STATE "?host=h1"));
	end_watches(-3600 * 1000000ll); /* a clock that was set back */
	json_decref(after);
	after = watched();
	assert_int_equal(json_object_size(after), 0);
}

/* Who looks at all hosts of a cloud leaves more than a transaction can end. */
static void many_hosts_are_let_go_and_the_dead_at_once(void **state)
{
	json_t *left = NULL;

	for (int part = 0; part < 2; part++) {
		struct call *c = run_new(cloud.eng, NULL);

		for (int i = 0; i < 200; i++)
			assert_int_equal(call_put(c,
						  json_pack("{s:I}", "until",
							    (json_int_t)(c->now_us + 14000000)),
						  "/watch/x%d", 200 * part + i),
					 0);
		assert_int_equal(group_take(c), 0);
		call_free(c);
		run_batch(cloud.eng);
	}
	json_decref(whole(&cloud_admin, STATE "?host=h1"));
	for (int turn = 0; turn < 7; turn++)
		end_watches(0);
	left = stored("/watch/x399");
	assert_null(left);
	left = stored("/watch/h1"); /* which lives, and is looked at */
	assert_non_null(left);
	json_decref(left);
	end_watches(16 * 1000000ll);
}

static void files_are_anybodys_and_let_no_other_script_in(void **state)
{
	static const char *const paths[] = { "/", "/page.css", "/page.js", "/ui.js" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct call *c = run_new(cloud.eng, NULL);
		char target[40];
		bool csp = false;

		snprintf(target, sizeof(target), "/anyvf/ui%s", paths[i]);
		assert_int_equal(route_find(c, "GET", target), 0);
		assert_int_equal(c->priv->rule, RULE_OPEN);
		assert_int_equal(c->priv->handle(c), 0);
		assert_true(c->priv->text.len > 1000);
		for (unsigned int h = 0; h < c->priv->n_headers; h += 2)
			csp |= !strcmp(c->priv->headers[h], "Content-Security-Policy") &&
			       strstr(c->priv->headers[h + 1], "default-src 'none'") &&
			       !strstr(c->priv->headers[h + 1], "unsafe");
		assert_true(csp);
		call_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_sees_his_own),
		cmocka_unit_test(what_takes_long_is_told_in_turns),
		cmocka_unit_test(a_host_is_for_admins),
		cmocka_unit_test(one_is_told_what_is_another),
		cmocka_unit_test(news_come_together),
		cmocka_unit_test(what_is_no_revision_of_ours_is_all_again),
		cmocka_unit_test(of_what_is_gone_nobody_hears_whose_it_was),
		cmocka_unit_test(a_host_is_asked_for_counters_while_somebody_looks),
		cmocka_unit_test(many_hosts_are_let_go_and_the_dead_at_once),
		cmocka_unit_test(of_a_kind_there_are_so_many_to_look_at),
		cmocka_unit_test(files_are_anybodys_and_let_no_other_script_in),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
