/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the resource engine, on a resource of the tests' own and the store in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "api_engine.h"

static const char *const colours[] = { "red", "green", NULL };
static const struct resource box_resource;
static const struct rfield box_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .max = 10 },
	{ "size", J_INT, R_CREATE | R_UPDATE | R_FILTER, "1", .min = 1, .max = 99 },
	{ "colour", J_STR, R_CREATE | R_FILTER | R_NULL, .names = colours },
	{ "shared", J_BOOL, R_CREATE | R_UPDATE | R_ADMIN | R_FILTER, "false" },
	{ "inside", J_UUID, R_CREATE | R_NULL | R_FILTER, .ref = &box_resource },
	{ "secret", J_STR, R_SECRET, "\"x\"" },
	{ "host", J_STR, R_HIDDEN, "\"h1\"" },
	{ "status", J_STR, 0, "\"ACTIVE\"" },
	{ "label", J_STR, R_SECRET | R_INDEX, "\"none\"" },
	{ "project_id", J_STR, R_CREATE | R_FILTER },
	{ NULL },
};

/* The name is unique, as an address would be. */
static int box_created(struct call *c, const json_t *doc)
{
	const char *name = json_string_value(json_object_get(doc, "name"));

	if (call_claim(c, json_object(), "/label/%s", name) == -EEXIST)
		return call_fail(c, 409, "NameTaken", "Name %s is taken.", name);
	return 0;
}

static int box_deleted(struct call *c, const json_t *doc)
{
	if (res_count(c, &box_resource, "inside", res_id(doc)))
		return call_fail(c, 409, "BoxInUse", "Box %s is in use.", res_id(doc));
	return call_delete(c, "/label/%s", json_string_value(json_object_get(doc, "name")));
}

static const struct resource box_resource = {
	.one = "box",
	.many = "boxes",
	.label = "Box",
	.path = "/v2.0/boxes",
	.flags = RES_SHARED | RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = box_fields,
	.quota = "box",
	.quota_default = 60,
	.created = box_created,
	.deleted = box_deleted,
};
static const struct resource *const resources[] = { &box_resource, NULL };

/* Waits for a document and shows it. */
static int wait_for_word(struct call *c)
{
	const json_t *word = call_get(c, "/word/1");

	if (word)
		return call_reply(c, 200, json_incref((json_t *)word));
	return c->expired ? call_fail(c, 503, NULL, "too late") : call_wait(c, 1000, "/word/");
}
static const struct route own[] = { { "GET", "/word", wait_for_word, RULE_READ }, { NULL } };
static const struct route *const routes[] = { own, NULL };
static const struct service test_service = { .prefix = "/test", .style = FAULT_NEUTRON };
static const struct feature box_feature = {
	.name = "box", .service = &test_service, .resources = resources, .routes = routes
};
static const struct feature *const features[] = { &box_feature, NULL };

/* Boxes in colour: a feature of its own on the resource of another. */
static const struct rfield paint_fields[] = {
	{ "paint", J_STR, R_CREATE | R_UPDATE | R_FILTER | R_INDEX, "\"none\"" },
	{ NULL },
};

static int paint_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *paint = json_string_value(json_object_get(doc, "paint"));

	return strcmp(paint, "blood") ? 0 : call_fail(c, 409, "Blood", "Not with blood.");
}

static int paint_created(struct call *c, const json_t *doc)
{
	return call_put(c, json_pack("{s:s}", "is", "new"), "/pot/%s", res_id(doc));
}

static int paint_updated(struct call *c, const json_t *doc, const json_t *old)
{
	return call_put(c, json_pack("{s:O}", "was", json_object_get(old, "paint")), "/pot/%s",
			res_id(doc));
}

static int paint_deleted(struct call *c, const json_t *doc)
{
	return call_delete(c, "/pot/%s", res_id(doc));
}

static int paint_show(struct call *c, const json_t *doc, json_t *out)
{
	return json_object_set(out, "pot", (json_t *)call_get(c, "/pot/%s", res_id(doc)));
}

static void *paint_open(void)
{
	return strdup("brush");
}

static const struct feature paint_feature = {
	.name = "paint",
	.open = paint_open,
	.close = free,
	.service = &test_service,
	.fields = (const struct more_fields[]){ { "box", paint_fields }, { NULL } },
	.hooks = (const struct hook[]){ { &box_resource, paint_check, paint_created, paint_updated,
					  paint_deleted, paint_show },
					{ NULL } },
};
static const struct feature *const painted[] = { &box_feature, &paint_feature, NULL };

static const struct auth admin = { "u1", "admin", "default", SCOPE_PROJECT, "p1", "", ROLE_ADMIN };
static const struct auth member = { "u2", "demo", "default", SCOPE_PROJECT, "p2", "", ROLE_MEMBER };
static const struct auth other = { "u3", "eve", "default", SCOPE_PROJECT, "p3", "", ROLE_MEMBER };

static int setup(void **state)
{
	return api_engine_bare(state, features);
}

/* One call; the answer as text in buf. */
static unsigned int ask(struct api_engine *f, const struct auth *who, const char *method,
			const char *target, const char *body, char buf[4096])
{
	auto_of(json_decref) json_t *reply = NULL;
	unsigned int status = api_call(f->eng, who, method, target, body, &reply);
	auto_free char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	snprintf(buf, 4096, "%s", text ? text : "");
	return status;
}

static unsigned int make(struct api_engine *f, const struct auth *who, const char *members,
			 char id[64])
{
	char body[600], buf[4096];
	unsigned int status;

	snprintf(body, sizeof(body), "{\"box\":{%s}}", members);
	status = ask(f, who, "POST", "/test/v2.0/boxes", body, buf);
	if (id && status == 201)
		assert_int_equal(sscanf(buf, "{\"box\":{\"id\":\"%36[^\"]", id), 1);
	return status;
}

static unsigned int count_pots(struct api_engine *f)
{
	struct cursor it = cache_list(f->eng->cache, "/pot/");
	unsigned int n = 0;

	while (cursor_next(&it))
		n++;
	return n;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in %s", part, text);
}

#define FIX                                                                                        \
	struct api_engine *f = *state;                                                             \
	char buf[4096] = "", id[64] = "", path[128];                                               \
	(void)buf;                                                                                 \
	(void)id;                                                                                  \
	(void)path
#define AT(id) (snprintf(path, sizeof(path), "/test/v2.0/boxes/%s", id), path)

static void create_fills_defaults_and_stamps(void **state)
{
	FIX;
	assert_int_equal(
		ask(f, &member, "POST", "/test/v2.0/boxes", "{\"box\":{\"name\":\"a\"}}", buf),
		201);
	assert_has(buf,
		   "\"name\":\"a\",\"size\":1,\"colour\":null,\"shared\":false,\"inside\":null,"
		   "\"status\":\"ACTIVE\",\"project_id\":\"p2\",\"tenant_id\":\"p2\",\"created_"
		   "at\":\"20");
	assert_has(buf, "\"revision_number\":1}");
	assert_null(strstr(buf, "secret"));
	assert_null(strstr(buf, "host"));
}

static void create_refuses_in_neutrons_words(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"box\":{\"name\":\"a\",\"frob\":1}}", "Unrecognized attribute(s) 'frob'" },
		{ "{\"box\":{\"size\":1}}", "Required attribute 'name' not specified" },
		{ "{\"box\":{\"name\":null}}",
		  "Invalid input for name. Reason: 'None' is not a valid string." },
		{ "{\"box\":{\"name\":\"a\",\"status\":\"x\"}}",
		  "Attribute 'status' not allowed in POST" },
		{ "{\"box\":{\"name\":\"12345678901\"}}",
		  "'12345678901' exceeds maximum length of 10." },
		{ "{\"box\":{\"name\":\"a\",\"size\":100}}", "'100' is too large" },
		{ "{\"box\":{\"name\":\"a\",\"size\":\"x\"}}", "'x' is not an integer" },
		{ "{\"box\":{\"name\":\"a\",\"colour\":\"blue\"}}",
		  "blue is not in valid_values." },
		{ "{\"box\":{\"name\":\"a\",\"shared\":\"maybe\"}}",
		  "'maybe' cannot be converted to boolean." },
		{ "{\"box\":{\"name\":\"a\",\"inside\":\"abc\"}}", "'abc' is not a valid UUID." },
		{ "{\"box\":\"x\"}", "Object 'box' contains invalid data" },
		{ "{\"bax\":{}}", "Unable to find 'box' in request body" },
		{ "{\"box\":", "Body contains invalid data" },
		{ "[1]", "Body contains invalid data" },
	};
	FIX;
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(ask(f, &admin, "POST", "/test/v2.0/boxes", cases[i][0], buf), 400);
		assert_has(buf, cases[i][1]);
	}
	ask(f, &admin, "GET", "/test/v2.0/boxes", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[]}");
}

static void reference_must_be_visible(void **state)
{
	FIX;
	char body[200];

	make(f, &member, "\"name\":\"a\"", id);
	snprintf(body, sizeof(body), "\"name\":\"b\",\"inside\":\"%s\"", id);
	assert_int_equal(make(f, &other, body, NULL), 404);
	assert_int_equal(make(f, &member, body, NULL), 201);
	assert_int_equal(ask(f, &member, "DELETE", AT(id), NULL, buf), 409);
	assert_has(buf, "BoxInUse");
	assert_int_equal(ask(f, &member, "GET", AT(id), NULL, buf), 200);
}

static void policy_keeps_members_apart(void **state)
{
	FIX;
	assert_int_equal(make(f, &member, "\"name\":\"a\",\"shared\":true", NULL), 403);
	assert_int_equal(make(f, &member, "\"name\":\"a\",\"shared\":false", id), 201);
	assert_int_equal(ask(f, &other, "GET", AT(id), NULL, buf), 404);
	assert_has(buf, "\"BoxNotFound\"");
	assert_int_equal(ask(f, &other, "DELETE", AT(id), NULL, buf), 404);
	ask(f, &other, "GET", "/test/v2.0/boxes", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[]}");
	assert_int_equal(ask(f, &admin, "PUT", AT(id), "{\"box\":{\"shared\":true}}", buf), 200);
	assert_int_equal(ask(f, &other, "GET", AT(id), NULL, buf), 200);
	assert_int_equal(ask(f, &other, "PUT", AT(id), "{\"box\":{\"name\":\"z\"}}", buf), 404);
	assert_int_equal(ask(f, &member, "PUT", AT(id), "{\"box\":{\"shared\":false}}", buf), 403);
	assert_has(buf, "(rule:update_box and rule:update_box:shared) is disallowed by policy");
	assert_int_equal(make(f, &member, "\"name\":\"b\",\"tenant_id\":\"p3\"", NULL), 400);
	assert_int_equal(make(f, &admin, "\"name\":\"b\",\"tenant_id\":\"p3\"", NULL), 201);
}

static void update_bumps_the_revision_of_a_change_only(void **state)
{
	FIX;
	make(f, &member, "\"name\":\"a\"", id);
	ask(f, &member, "PUT", AT(id), "{\"box\":{\"size\":\"5\"}}", buf);
	assert_has(buf, "\"size\":5,");
	assert_has(buf, "\"revision_number\":2}");
	ask(f, &member, "PUT", AT(id), "{\"box\":{\"size\":5}}", buf);
	assert_has(buf, "\"revision_number\":2}");
	assert_int_equal(ask(f, &member, "PUT", AT(id), "{\"box\":{\"status\":\"x\"}}", buf), 400);
	assert_has(buf, "Cannot update read-only attribute status");
}

static void bulk_is_all_or_nothing(void **state)
{
	FIX;
	assert_int_equal(ask(f, &member, "POST", "/test/v2.0/boxes",
			     "{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"a\"}]}",
			     buf),
			 409);
	assert_has(buf, "Name a is taken.");
	ask(f, &member, "GET", "/test/v2.0/boxes", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[]}");
	assert_int_equal(ask(f, &member, "POST", "/test/v2.0/boxes",
			     "{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", buf),
			 201);
}

static void quota_is_enforced(void **state)
{
	FIX;
	for (unsigned int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "\"name\":\"n%u\"", i);
		assert_int_equal(make(f, &member, path, NULL), 201);
	}
	assert_int_equal(
		ask(f, &member, "POST", "/test/v2.0/boxes", "{\"box\":{\"name\":\"z\"}}", buf),
		409);
	assert_has(buf, "\"OverQuota\",\"message\":\"Quota exceeded for resources: ['box'].\"");
	assert_int_equal(make(f, &other, "\"name\":\"z\"", NULL), 201);
}

static void list_filters_sorts_and_pages(void **state)
{
	FIX;
	make(f, &member, "\"name\":\"b\",\"size\":2,\"colour\":\"red\"", NULL);
	make(f, &member, "\"name\":\"a\",\"size\":3", NULL);
	make(f, &member, "\"name\":\"c\",\"size\":1", id);
	ask(f, &member, "GET", "/test/v2.0/boxes?fields=name&sort_key=name&sort_dir=desc", NULL,
	    buf);
	assert_string_equal(buf,
			    "{\"boxes\":[{\"name\":\"c\"},{\"name\":\"b\"},{\"name\":\"a\"}]}");
	ask(f, &member, "GET",
	    "/test/v2.0/boxes?name=a&name=c&fields=size&sort_key=size&sort_dir=asc", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[{\"size\":1},{\"size\":3}]}");
	ask(f, &member, "GET", "/test/v2.0/boxes?colour=red&shared=False&fields=name", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[{\"name\":\"b\"}]}");
	ask(f, &member, "GET", "/test/v2.0/boxes?tenant_id=p9", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[]}");
	ask(f, &member, "GET", "/test/v2.0/boxes?limit=1&sort_key=name&sort_dir=desc&fields=name",
	    NULL, buf);
	assert_has(buf, "{\"boxes\":[{\"name\":\"c\"}],\"boxes_links\":[{\"rel\":\"next\"");
	assert_has(buf, id);
	snprintf(path, sizeof(path),
		 "/test/v2.0/boxes?sort_key=name&sort_dir=desc&fields=name&marker=%s", id);
	ask(f, &member, "GET", path, NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[{\"name\":\"b\"},{\"name\":\"a\"}]}");
}

/* What an older version wrote lacks members of rows that came since. */
static void old_documents_have_the_defaults_of_new_rows(void **state)
{
	static const char id[] = "5f8b5b0e-28e4-4b0c-a8a0-c30b8c4d1bb1";
	static const char *const finds[] = { "size=1", "shared=false", "colour=",
					     ("id=5f8b5b0e-28e4-"
					      "4b0c-a8a0-c30b8c4d1bb1"),
					     "size=1&shared=0" };
	static const char *const misses[] = { "size=2", "shared=true", "colour=red" };
	struct api_engine *f = *state;
	char buf[4096], path[128];
	struct call *c = run_new(f->eng, NULL);

	assert_int_equal(
		call_put(c, json_pack("{s:s,s:s,s:s}", "id", id, "name", "old", "project_id", "p2"),
			 "/box/%s", id),
		0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	for (size_t i = 0; i < ARRAY_LEN(finds) + ARRAY_LEN(misses); i++) {
		bool found = i < ARRAY_LEN(finds);

		snprintf(path, sizeof(path), "/test/v2.0/boxes?fields=name&%s",
			 found ? finds[i] : misses[i - ARRAY_LEN(finds)]);
		assert_int_equal(ask(f, &member, "GET", path, NULL, buf), 200);
		if (strcmp(buf, found ? "{\"boxes\":[{\"name\":\"old\"}]}" : "{\"boxes\":[]}"))
			fail_msg("%s: %s", path, buf);
	}
	make(f, &member, "\"name\":\"new\",\"size\":2", NULL);
	ask(f, &member, "GET", "/test/v2.0/boxes?fields=name&sort_key=size&sort_dir=asc", NULL,
	    buf);
	assert_string_equal(buf, "{\"boxes\":[{\"name\":\"old\"},{\"name\":\"new\"}]}");
}

/* A row that is found by its index, and has a default. */
static void old_documents_are_found_by_new_indexes(void **state)
{
	struct api_engine *f = *state;
	struct call *c = run_new(f->eng, NULL);

	assert_int_equal(call_put(c, json_pack("{s:s}", "id", "b1"), "/box/b1"), 0);
	assert_int_equal(res_count(c, &box_resource, "label", "none"), 1);
	assert_int_equal(call_put(c, json_pack("{s:s,s:s}", "id", "b1", "label", "x"), "/box/b1"),
			 0);
	assert_int_equal(res_count(c, &box_resource, "label", "none"), 0);
	assert_int_equal(res_count(c, &box_resource, "label", "x"), 1);
	assert_int_equal(call_delete(c, "/box/b1"), 0);
	assert_int_equal(res_count(c, &box_resource, "label", "none"), 0);
	call_undo(c);
	call_free(c);
}

static void list_refuses_what_neutron_refuses(void **state)
{
	static const char *const cases[][2] = {
		{ "frob=1", "['frob'] is invalid attribute for filtering" },
		{ "status=ACTIVE", "['status'] is invalid attribute for filtering" },
		{ "limit=-1", "Limit must be an integer 0 or greater and not '-1'." },
		{ "sort_key=frob&sort_dir=asc", "['frob'] is invalid attribute for sort_keys" },
		{ "sort_key=name", "The number of sort_keys and sort_dirs must be same" },
		{ "name=%zz", "The query cannot be read" },
	};
	FIX;
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(path, sizeof(path), "/test/v2.0/boxes?%s", cases[i][0]);
		assert_int_equal(ask(f, &member, "GET", path, NULL, buf), 400);
		assert_has(buf, cases[i][1]);
	}
	assert_int_equal(ask(f, &member, "GET",
			     "/test/v2.0/boxes?limit=1&marker=00000000-0000-4000-8000-000000000000",
			     NULL, buf),
			 404);
	assert_int_equal(ask(f, &member, "PATCH", "/test/v2.0/boxes", NULL, buf), 405);
	assert_int_equal(ask(f, &member, "GET", "/test/v2.0/baxes", NULL, buf), 404);
	assert_int_equal(ask(f, &member, "GET", "/elsewhere", NULL, buf), 404);
}

static unsigned int waited; /* what wait_for_word ended with */
static int note_word(struct call *c)
{
	int rc = wait_for_word(c);

	if (rc != CALL_WAIT)
		waited = c->expired ? 1 : 100 + c->runs;
	return rc;
}

static struct call *start_wait(struct api_engine *f)
{
	struct call *c = run_new(f->eng, NULL);

	waited = 0;
	c->service = &test_service;
	c->priv->handle = note_word;
	run_call(c);
	return c;
}

static void a_waiting_call_wakes_on_its_change(void **state)
{
	FIX;
	struct call *c;

	start_wait(f);
	assert_int_equal(make(f, &member, "\"name\":\"a\"", NULL), 201);
	run_batch(f->eng);
	assert_int_equal(waited, 0);
	c = run_new(f->eng, NULL);
	call_put(c, json_pack("{s:i}", "n", 1), "/word/1");
	assert_int_equal(group_take(c), 0);
	call_free(c);
	assert_int_equal(waited, 0);
	run_batch(f->eng);
	assert_int_equal(waited, 101);
}

static void a_failed_flush_takes_the_cache_back(void **state)
{
	FIX;
	struct rlimit old, tight = { 40000, 40000 };
	auto_of(record_unref) struct record *mark = record_of_text("{}", 2);
	char url[96];
	unsigned int status = 201, n = 0;

	engine_close(take(f->eng));
	store_close(take(f->store));
	snprintf(url, sizeof(url), "%s/db", f->dir);
	assert_int_equal(store_open(url, NULL, &f->store, NULL), 0);
	api_engine_over(f, features);
	assert_int_equal(make(f, &admin, "\"name\":\"kept\"", id), 201);
	run_batch(f->eng);
	assert_int_equal(cache_set(f->eng->cache, "/mark", 1, mark), 0); /* not in the store */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tight.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &tight);
	for (; status == 201 && n < 50; n++) {
		snprintf(path, sizeof(path), "\"name\":\"lost%u\"", n);
		status = make(f, &admin, path, NULL);
		ask(f, &admin, "PUT", AT(id),
		    n & 1 ? "{\"box\":{\"size\":5}}" : "{\"box\":{\"size\":6}}", buf);
	}
	run_batch(f->eng);
	setrlimit(RLIMIT_FSIZE, &old);
	ask(f, &admin, "GET", "/test/v2.0/boxes?fields=name&fields=size", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[{\"name\":\"kept\",\"size\":1}]}");
	assert_non_null(cache_get(f->eng->cache, "/mark")); /* the rest was not read again */
	assert_int_equal(make(f, &admin, "\"name\":\"lost0\"", NULL), 201);
	run_batch(f->eng);
	assert_int_equal(store_revision(f->store), 2);
}

static void a_feature_adds_rows_and_hooks_to_anothers_resource(void **state)
{
	FIX;
	api_engine_over(f, painted);
	assert_int_equal(make(f, &member, "\"name\":\"a\",\"paint\":\"blood\"", NULL), 409);
	assert_int_equal(make(f, &member, "\"name\":\"a\",\"paint\":\"oil\"", id), 201);
	assert_int_equal(make(f, &member, "\"name\":\"b\"", NULL), 201);
	ask(f, &member, "GET", "/test/v2.0/boxes?paint=none&fields=name&fields=pot", NULL, buf);
	assert_string_equal(buf, "{\"boxes\":[{\"name\":\"b\",\"pot\":{\"is\":\"new\"}}]}");
	assert_int_equal(ask(f, &member, "PUT", AT(id), "{\"box\":{\"paint\":\"blood\"}}", buf),
			 409);
	assert_int_equal(ask(f, &member, "PUT", AT(id), "{\"box\":{\"paint\":\"tar\"}}", buf), 200);
	assert_has(buf, "\"paint\":\"tar\"");
	assert_has(buf, "\"pot\":{\"was\":\"oil\"}");
	assert_int_equal(ask(f, &member, "DELETE", AT(id), NULL, buf), 204);
	assert_int_equal(count_pots(f), 1);
}

static void a_feature_that_is_left_out_leaves_no_trace(void **state)
{
	FIX;
	api_engine_over(f, painted);
	assert_int_equal(make(f, &member, "\"name\":\"a\",\"paint\":\"oil\"", id), 201);
	api_engine_over(f, features);
	assert_int_equal(make(f, &member, "\"name\":\"b\",\"paint\":\"oil\"", NULL), 400);
	assert_int_equal(ask(f, &member, "GET", "/test/v2.0/boxes?paint=oil", NULL, buf), 400);
	ask(f, &member, "PUT", AT(id), "{\"box\":{\"size\":2}}", buf);
	assert_null(strstr(buf, "paint"));
	assert_null(strstr(buf, "pot"));
	assert_int_equal(ask(f, &member, "DELETE", AT(id), NULL, buf), 204);
	assert_int_equal(count_pots(f), 1);
}

static void what_a_feature_keeps_is_found_by_it_alone(void **state)
{
	FIX;
	struct call *c;

	api_engine_over(f, painted);
	c = run_new(f->eng, NULL);
	assert_string_equal(call_kept(c, &paint_feature), "brush");
	assert_null(call_kept(c, &box_feature));
	assert_null(res_find_user(c, "u1")); /* there is no authority */
	assert_int_equal(c->priv->fault_status, 404);
	call_free(c);
}

static void two_features_cannot_have_one_row(void **state)
{
	FIX;
	const struct feature *const twice[] = { &box_feature, &paint_feature, &paint_feature,
						NULL };
	struct engine_opts opts = { .features = twice, .state_dir = f->dir, .loop = f->loop };
	struct engine *eng = NULL;
	struct err e = { 0 };

	assert_int_equal(engine_open(&opts, &eng, &e), -EEXIST);
	assert_string_equal(e.msg, "box has two rows paint");
}

static void query_and_path_are_decoded_strictly(void **state)
{
	char good[] = "a%2Fb+c%41", bad[] = "%4", nul[] = "a%00b";
	struct args args;

	assert_true(url_decode(good, true));
	assert_string_equal(good, "a/b cA");
	assert_false(url_decode(bad, true));
	assert_false(url_decode(nul, true));
	assert_int_equal(args_parse("a=1&&b&a=%20x&=v", &args), 0);
	assert_int_equal(args.n, 4);
	assert_string_equal(args_get(&args, "a", 1), " x");
	assert_string_equal(args_get(&args, "b", 0), "");
	assert_null(args_get(&args, "a", 2));
	args_free(&args);
	assert_int_equal(args_parse("a=%", &args), -EINVAL);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, api_engine_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(create_fills_defaults_and_stamps),
		T(create_refuses_in_neutrons_words),
		T(reference_must_be_visible),
		T(policy_keeps_members_apart),
		T(update_bumps_the_revision_of_a_change_only),
		T(bulk_is_all_or_nothing),
		T(quota_is_enforced),
		T(list_filters_sorts_and_pages),
		T(old_documents_have_the_defaults_of_new_rows),
		T(old_documents_are_found_by_new_indexes),
		T(list_refuses_what_neutron_refuses),
		T(a_waiting_call_wakes_on_its_change),
		T(a_failed_flush_takes_the_cache_back),
		T(a_feature_adds_rows_and_hooks_to_anothers_resource),
		T(a_feature_that_is_left_out_leaves_no_trace),
		T(what_a_feature_keeps_is_found_by_it_alone),
		T(two_features_cannot_have_one_row),
		cmocka_unit_test(query_and_path_are_decoded_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
