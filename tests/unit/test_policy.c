/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about who may do what: docs/policy.md against the tables of all services, for every
 * route, role and scope; and that the admin of a domain finds no way out of it. --print writes
 * the two tables of docs/policy.md as the code has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_cloud.h"

static const char *const scopes[] = { "none", "project", "domain", "system" };
static const struct {
	const char *name;
	unsigned int bits; /* as grant_roles() makes them, implied ones included */
} roles[] = {
	{ "custom", 0 },
	{ "reader", ROLE_READER },
	{ "member", ROLE_MEMBER | ROLE_READER },
	{ "admin", ROLE_ADMIN | ROLE_MEMBER | ROLE_READER },
	{ "service", ROLE_SERVICE },
	{ "agent", ROLE_AGENT },
};

struct fix {
	struct cloud cloud;
	json_t *doc_rules; /* docs/policy.md: "GET /path": "rule" */
	json_t *doc_may;   /* "scope role rule": may he? */
};

/* ---- docs/policy.md ---- */

/* The cells of a table's row; 0 for another line. */
static unsigned int cells(char *line, char *cell[16])
{
	unsigned int n = 0;
	char *save = NULL;

	if (line[0] != '|' || line[1] == '-')
		return 0;
	for (char *s = strtok_r(line, "|\n", &save); s && n < 16;
	     s = strtok_r(NULL, "|\n", &save)) {
		while (*s == ' ')
			s++;
		for (char *end = s + strlen(s); end > s && end[-1] == ' ';)
			*--end = '\0';
		cell[n++] = s;
	}
	return n;
}

/* One row of the first table: a caller, and "yes" under each rule that he passes. */
static void read_caller(struct fix *f, char *cell[16], unsigned int n)
{
	char key[100];

	assert_int_equal(n, RULES + 1); /* scope, role, all rules but RULE_MISSING */
	for (unsigned int i = 2; i < n; i++) {
		snprintf(key, sizeof(key), "%s %s %s", cell[0], cell[1],
			 policy_rule_name((enum rule)(i - 1)));
		json_object_set_new(f->doc_may, key, json_boolean(!strcmp(cell[i], "yes")));
	}
}

static void read_doc(struct fix *f)
{
	const char *src = getenv("ANYVF_SRC");
	char path[400], line[1000], *cell[16];
	bool callers = false;
	FILE *in;

	snprintf(path, sizeof(path), "%s/docs/policy.md", src ? src : ".");
	in = fopen(path, "r");
	if (!in)
		fail_msg("%s cannot be read (ANYVF_SRC is where the source is)", path);
	while (fgets(line, sizeof(line), in)) {
		unsigned int n = cells(line, cell);

		if (n && !strcmp(cell[0], "scope"))
			callers = true;
		else if (!n)
			callers = callers && line[0] == '|';
		else if (callers)
			read_caller(f, cell, n);
		else if (n == 2 && strchr(cell[0], '/'))
			assert_int_equal(json_object_set_new_nocheck(f->doc_rules, cell[0],
								     json_string(cell[1])),
					 0);
	}
	fclose(in);
}

/* ---- all routes ---- */

typedef void (*route_fn)(void *arg, const char *method, const char *path, enum rule rule);

static void of_resource(const struct service *s, const struct resource *r, route_fn fn, void *arg)
{
	const struct {
		const char *method, *below;
		bool there;
	} all[] = {
		{ "GET", "", true },
		{ "GET", "/detail", r->brief != NULL },
		{ "GET", "/{}", true },
		{ "POST", "", !(r->flags & RES_NO_CREATE) },
		{ r->flags & RES_PATCH ? "PATCH" : "PUT", "/{}", !(r->flags & RES_NO_UPDATE) },
		{ "DELETE", "/{}", !(r->flags & RES_NO_DELETE) },
	};
	char path[200];

	for (unsigned int i = 0; r->path && i < ARRAY_LEN(all); i++) {
		snprintf(path, sizeof(path), "%s%s%s", s->prefix, r->path, all[i].below);
		if (all[i].there)
			fn(arg, all[i].method, path,
			   !strcmp(all[i].method, "GET") ? r->read : r->write);
	}
}

static void each_route(route_fn fn, void *arg)
{
	char path[200];

	for (const struct feature *const *f = features; *f; f++) {
		const struct service *s = (*f)->service;

		for (const struct route *const *t = (*f)->routes; t && *t; t++)
			for (const struct route *r = *t; r->method; r++) {
				snprintf(path, sizeof(path), "%s%s", s->prefix, r->path);
				fn(arg, r->method, path, r->rule);
			}
		for (const struct resource *const *r = (*f)->resources; r && *r; r++)
			of_resource(s, *r, fn, arg);
	}
}

/* The path with something for each {}. */
static void fill_path(const char *path, char out[300])
{
	while (*path)
		if (!strncmp(path, "{}", 2)) {
			*out++ = 'x';
			path += 2;
		} else {
			*out++ = *path++;
		}
	*out = '\0';
}

/* The rule a request is judged by: what is found first counts, not what a table says. */
static enum rule rule_of(struct fix *f, const char *method, const char *path)
{
	struct call *c = run_new(f->cloud.eng, NULL);
	char target[300];
	enum rule rule;

	fill_path(path, target);
	assert_int_equal(route_find(c, method, target), 0);
	rule = c->priv->rule;
	call_free(c);
	return rule;
}

static void check_in_doc(void *arg, const char *method, const char *path, enum rule rule)
{
	struct fix *f = arg;
	const char *found = policy_rule_name(rule_of(f, method, path)), *said;
	char key[300];

	snprintf(key, sizeof(key), "%s %s", method, path);
	said = json_string_value(json_object_get(f->doc_rules, key));
	if (!said || strcmp(said, found))
		fail_msg("docs/policy.md: wanted: | %s | %s |", key, found);
}

static void every_route_stands_in_the_matrix_with_its_rule(void **state)
{
	struct fix *f = *state;

	each_route(check_in_doc, f);
}

static void count_in_doc(void *arg, const char *method, const char *path, enum rule rule)
{
	json_t *left = arg;
	char key[300];

	snprintf(key, sizeof(key), "%s %s", method, path);
	json_object_del(left, key);
}

static void the_matrix_names_no_route_that_is_not_there(void **state)
{
	struct fix *f = *state;
	json_t *left = json_copy(f->doc_rules);

	each_route(count_in_doc, left);
	if (json_object_size(left))
		fail_msg("docs/policy.md names %s, which nobody serves",
			 json_object_iter_key(json_object_iter(left)));
	json_decref(left);
}

static struct auth caller(enum scope scope, unsigned int role)
{
	struct auth who = { "u1", "ann", "default", scope, "", "", roles[role].bits };

	if (scope == SCOPE_PROJECT)
		strcpy(who.project_id, "p1");
	if (scope == SCOPE_DOMAIN)
		strcpy(who.domain_id, "d1");
	if (scope == SCOPE_NONE)
		who.roles = 0;
	return who;
}

static void check_callers(void *arg, const char *method, const char *path, enum rule rule)
{
	struct fix *f = arg;
	char key[300], target[300];
	const char *said;

	fill_path(path, target);
	snprintf(key, sizeof(key), "%s %s", method, path);
	said = json_string_value(json_object_get(f->doc_rules, key));
	for (unsigned int s = 0; s < ARRAY_LEN(scopes); s++)
		for (unsigned int r = 0; r < (s ? ARRAY_LEN(roles) : 1); r++) {
			struct auth who = caller((enum scope)s, r);
			struct call *c = run_new(f->cloud.eng, NULL);
			bool may;

			c->auth = &who;
			assert_int_equal(route_find(c, method, target), 0);
			may = policy_judge(c) == 0;
			assert_int_equal(c->priv->fault_status, may ? 0 : 403);
			call_free(c);
			snprintf(key, sizeof(key), "%s %s %s", scopes[s], s ? roles[r].name : "-",
				 said);
			if (!json_is_boolean(json_object_get(f->doc_may, key)))
				fail_msg("docs/policy.md does not tell of: %s", key);
			if (may != json_is_true(json_object_get(f->doc_may, key)))
				fail_msg("%s: %s %s is %s", key, method, path,
					 may ? "let in" : "refused");
		}
}

static void every_role_in_every_scope_gets_what_the_matrix_says(void **state)
{
	struct fix *f = *state;

	each_route(check_callers, f);
}

static void a_route_without_a_rule_does_not_start(void **state)
{
	static const struct route forgotten[] = { { "GET", "/x", NULL }, { NULL } };
	static const struct route *const tables[] = { forgotten, NULL };
	static const struct resource half = { .one = "box", .path = "/y", .read = RULE_READ };
	static const struct resource *const resources[] = { &half, NULL };
	static const struct service s = { .prefix = "/a" }, t = { .prefix = "/b" };
	static const struct feature a = { "a", &s, .routes = tables },
				    b = { "b", &t, .resources = resources };
	const struct feature *one[] = { &a, NULL }, *two[] = { &b, NULL };
	struct engine_opts opts = { .features = one };
	struct engine *eng = NULL;
	struct err e = { 0 };

	assert_int_equal(engine_open(&opts, &eng, &e), -EINVAL);
	assert_string_equal(e.msg, "/a/x: no rule says who may use it");
	e = (struct err){ 0 };
	opts.features = two;
	assert_int_equal(engine_open(&opts, &eng, &e), -EINVAL);
	assert_string_equal(e.msg, "/b/y: no rule says who may use it");
	assert_int_equal(policy_check(features, NULL), 0);
}

/* ---- the admin of a domain ---- */

static void put(struct cloud *f, const char *path, unsigned int status)
{
	char target[300];

	snprintf(target, sizeof(target), "/identity/v3%s", path);
	assert_int_equal(ask(f, &cloud_admin, "PUT", target, NULL, NULL), status);
}

/* Domain d3: ann is nobody, boss is admin of a project elsewhere, root3 of one there, seer reads the
 * system, dora is its admin; fin and lab are its projects, and lab is root3's. Of its groups crew has
 * nothing, and lords, in which pal is, is admin of a project elsewhere; guests is the default domain's.
 * The role boiler implies service.
 */
static void populate(struct cloud *f)
{
	static const char *const names[] = { "admin", "member", "reader", "service", "agent" };

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		learn(f, &role_resource, names[i], names[i]);
	learn(f, &user_resource, "admin", "theadmin");
	learn(f, &user_resource, "demo", "far");
	learn(f, &project_resource, "demo", "demo");
	make(f, "auditor", "/identity/v3/roles", "{\"role\":{\"name\":\"auditor\"}}");
	make(f, "d3", "/identity/v3/domains", "{\"domain\":{\"name\":\"d3\"}}");
	make(f, "fin", "/identity/v3/projects",
	     "{\"project\":{\"name\":\"fin\",\"domain_id\":\"$d3\"}}");
	make(f, "lab", "/identity/v3/projects",
	     "{\"project\":{\"name\":\"lab\",\"domain_id\":\"$d3\"}}");
	make(f, "ann", "/identity/v3/users", "{\"user\":{\"name\":\"ann\",\"domain_id\":\"$d3\"}}");
	make(f, "boss", "/identity/v3/users",
	     "{\"user\":{\"name\":\"boss\",\"domain_id\":\"$d3\"}}");
	make(f, "root3", "/identity/v3/users",
	     "{\"user\":{\"name\":\"root3\",\"domain_id\":\"$d3\"}}");
	make(f, "dora", "/identity/v3/users",
	     "{\"user\":{\"name\":\"dora\",\"domain_id\":\"$d3\"}}");
	make(f, "pal", "/identity/v3/users", "{\"user\":{\"name\":\"pal\",\"domain_id\":\"$d3\"}}");
	make(f, "crew", "/identity/v3/groups",
	     "{\"group\":{\"name\":\"crew\",\"domain_id\":\"$d3\"}}");
	make(f, "lords", "/identity/v3/groups",
	     "{\"group\":{\"name\":\"lords\",\"domain_id\":\"$d3\"}}");
	make(f, "guests", "/identity/v3/groups", "{\"group\":{\"name\":\"guests\"}}");
	make(f, "boiler", "/identity/v3/roles", "{\"role\":{\"name\":\"boiler\"}}");
	make(f, "seer", "/identity/v3/users",
	     "{\"user\":{\"name\":\"seer\",\"domain_id\":\"$d3\"}}");
	grant(f, "system", "$seer", "$reader");
	grant(f, "projects/$demo", "$boss", "$admin");
	grant(f, "projects/$lab", "$root3", "$admin");
	grant(f, "domains/$d3", "$dora", "$admin");
	put(f, "/projects/$demo/groups/$lords/roles/$admin", 204);
	put(f, "/groups/$lords/users/$pal", 204);
	put(f, "/roles/$boiler/implies/$service", 201);
}

static struct auth of_domain(struct cloud *f, unsigned int bits)
{
	struct auth who = { .scope = SCOPE_DOMAIN, .roles = bits };

	snprintf(who.user_id, sizeof(who.user_id), "%s",
		 json_string_value(json_object_get(f->ids, "dora")));
	snprintf(who.domain_id, sizeof(who.domain_id), "%s",
		 json_string_value(json_object_get(f->ids, "d3")));
	strcpy(who.home_id, who.domain_id);
	strcpy(who.user_name, "dora");
	return who;
}

struct attempt {
	const char *method, *path, *body;
	unsigned int status;
};

#define USER(m)	   "{\"user\":{" m "}}"
#define PROJECT(m) "{\"project\":{" m "}}"
#define INHERIT	   "/OS-INHERIT"
#define BELOW	   "/inherited_to_projects"

static void try_all(struct cloud *f, const struct auth *who, const struct attempt *all, size_t n)
{
	char target[300];

	for (size_t i = 0; i < n; i++) {
		unsigned int got;

		snprintf(target, sizeof(target), "/identity/v3%s", all[i].path);
		got = ask(f, who, all[i].method, target, all[i].body, NULL);
		if (got != all[i].status)
			fail_msg("%s %s %s: %u, not %u", all[i].method, all[i].path,
				 all[i].body ? all[i].body : "", got, all[i].status);
	}
}

static void the_admin_of_a_domain_stays_in_it(void **state)
{
	static const struct attempt all[] = {
		/* others' things are not there */
		{ "GET", "/users/$ann", NULL, 200 },
		{ "GET", "/users/$theadmin", NULL, 404 },
		{ "PATCH", "/users/$theadmin", USER("\"description\":\"x\""), 404 },
		{ "DELETE", "/users/$theadmin", NULL, 404 },
		{ "GET", "/projects/$demo", NULL, 404 },
		{ "PATCH", "/projects/$demo", PROJECT("\"enabled\":false"), 404 },
		{ "GET", "/domains/$d3", NULL, 200 },
		{ "GET", "/domains/default", NULL, 404 },
		{ "GET", "/users/$theadmin/projects", NULL, 404 },
		{ "GET", "/users/$ann/projects", NULL, 200 },
		/* users: nobody appears elsewhere, moves, or chooses an id */
		{ "POST", "/users", USER("\"name\":\"n\""), 201 },
		{ "POST", "/users", USER("\"name\":\"m\",\"domain_id\":\"default\""), 404 },
		{ "POST", "/users", USER("\"name\":\"m\",\"id\":\"$theadmin\""), 201 },
		{ "GET", "/users/$theadmin", NULL, 404 },
		{ "POST", "/users", USER("\"name\":\"k\",\"default_project_id\":\"$demo\""), 201 },
		{ "PATCH", "/users/$ann", USER("\"description\":\"x\""), 200 },
		{ "PATCH", "/users/$ann", USER("\"domain_id\":\"default\""), 400 },
		{ "PATCH", "/users/$ann", USER("\"default_project_id\":\"nowhere\""), 200 },
		{ "PATCH", "/users/$ann", USER("\"default_project_id\":\"$demo\""), 200 },
		/* a password changed is a user taken over: not of one with power elsewhere */
		{ "PATCH", "/users/$boss", USER("\"enabled\":true"), 403 },
		{ "DELETE", "/users/$boss", NULL, 403 },
		{ "PATCH", "/users/$seer", USER("\"enabled\":true"), 403 },
		{ "PATCH", "/users/$root3", USER("\"enabled\":true"), 403 },
		{ "PATCH", "/users/$dora", USER("\"description\":\"me\""), 200 },
		/* projects */
		{ "POST", "/projects", PROJECT("\"name\":\"n\""), 201 },
		{ "POST", "/projects", PROJECT("\"name\":\"o\",\"is_domain\":true"), 403 },
		{ "PATCH", "/projects/$d3", PROJECT("\"name\":\"o\""), 403 },
		{ "GET", "/projects/default", NULL, 404 },
		{ "POST", "/projects", PROJECT("\"name\":\"m\",\"domain_id\":\"default\""), 400 },
		{ "POST", "/projects", PROJECT("\"name\":\"m\",\"parent_id\":\"$demo\""), 400 },
		{ "POST", "/projects", PROJECT("\"name\":\"m\",\"parent_id\":\"$fin\""), 201 },
		{ "PATCH", "/projects/$fin", PROJECT("\"description\":\"x\""), 200 },
		{ "PATCH", "/projects/$fin", PROJECT("\"domain_id\":\"default\""), 400 },
		{ "PATCH", "/projects/$fin", PROJECT("\"parent_id\":\"$demo\""), 403 },
		{ "PATCH", "/projects/$lab", PROJECT("\"enabled\":false"), 403 },
		{ "DELETE", "/projects/$lab", NULL, 403 },
		/* grants */
		{ "PUT", "/projects/$fin/users/$ann/roles/$member", NULL, 204 },
		{ "PUT", "/projects/$fin/users/$ann/roles/$auditor", NULL, 204 },
		{ "PUT", "/projects/$fin/users/$ann/roles/$admin", NULL, 403 },
		{ "PUT", "/projects/$fin/users/$dora/roles/$admin", NULL, 403 },
		{ "PUT", "/projects/$fin/users/$dora/roles/$service", NULL, 403 },
		{ "PUT", "/projects/$fin/users/$dora/roles/$agent", NULL, 403 },
		{ "DELETE", "/projects/$lab/users/$root3/roles/$admin", NULL, 403 },
		{ "PUT", "/projects/$fin/users/$theadmin/roles/$member", NULL, 404 },
		{ "PUT", "/projects/$demo/users/$ann/roles/$reader", NULL, 404 },
		{ "GET", "/projects/$demo/users/$boss/roles", NULL, 404 },
		{ "GET", "/projects/$demo/users/$boss/roles/$admin", NULL, 404 },
		{ "PUT", "/domains/$d3/users/$ann/roles/$admin", NULL, 204 },
		{ "DELETE", "/domains/$d3/users/$ann/roles/$admin", NULL, 204 },
		{ "PUT", "/domains/$d3/users/$ann/roles/$agent", NULL, 403 },
		{ "PUT", "/domains/default/users/$ann/roles/$reader", NULL, 404 },
		{ "PUT", "/system/users/$dora/roles/$admin", NULL, 403 },
		{ "GET", "/system/users/$dora/roles", NULL, 403 },
		/* groups: his domain's, and none that has power beyond it */
		{ "POST", "/groups", "{\"group\":{\"name\":\"n\"}}", 201 },
		{ "POST", "/groups", "{\"group\":{\"name\":\"m\",\"domain_id\":\"default\"}}",
		  404 },
		{ "GET", "/groups/$guests", NULL, 404 },
		{ "PATCH", "/groups/$guests", "{\"group\":{\"name\":\"x\"}}", 404 },
		{ "DELETE", "/groups/$guests", NULL, 404 },
		{ "GET", "/groups/$guests/users", NULL, 404 },
		{ "PUT", "/groups/$guests/users/$ann", NULL, 404 },
		{ "PUT", "/groups/$crew/users/$theadmin", NULL, 404 },
		{ "GET", "/groups/$crew/users/$theadmin", NULL, 404 },
		{ "GET", "/users/$theadmin/groups", NULL, 404 },
		{ "PUT", "/groups/$crew/users/$ann", NULL, 204 },
		{ "GET", "/groups/$crew/users/$ann", NULL, 204 },
		{ "DELETE", "/groups/$crew/users/$ann", NULL, 204 },
		{ "GET", "/groups/$lords/users/$pal", NULL, 204 },
		{ "PUT", "/groups/$lords/users/$ann", NULL, 403 },
		{ "DELETE", "/groups/$lords/users/$pal", NULL, 403 },
		{ "PATCH", "/groups/$lords", "{\"group\":{\"name\":\"x\"}}", 403 },
		{ "DELETE", "/groups/$lords", NULL, 403 },
		{ "PATCH", "/users/$pal", USER("\"enabled\":true"), 403 },
		{ "PUT", "/projects/$fin/groups/$crew/roles/$member", NULL, 204 },
		{ "DELETE", "/projects/$fin/groups/$crew/roles/$member", NULL, 204 },
		{ "PUT", "/projects/$fin/groups/$crew/roles/$admin", NULL, 403 },
		{ "PUT", "/projects/$fin/groups/$guests/roles/$member", NULL, 404 },
		{ "PUT", "/projects/$demo/groups/$crew/roles/$member", NULL, 404 },
		{ "PUT", "/domains/$d3/groups/$crew/roles/$admin", NULL, 204 },
		{ "DELETE", "/domains/$d3/groups/$crew/roles/$admin", NULL, 204 },
		{ "PUT", "/system/groups/$crew/roles/$reader", NULL, 403 },
		/* what a role implies is given with it, and what is inherited is on projects */
		{ "PUT", "/projects/$fin/users/$ann/roles/$boiler", NULL, 403 },
		{ "PUT", INHERIT "/domains/$d3/users/$ann/roles/$member" BELOW, NULL, 204 },
		{ "GET", INHERIT "/domains/$d3/users/$ann/roles/$member" BELOW, NULL, 204 },
		{ "DELETE", INHERIT "/domains/$d3/users/$ann/roles/$member" BELOW, NULL, 204 },
		{ "PUT", INHERIT "/domains/$d3/users/$dora/roles/$admin" BELOW, NULL, 403 },
		{ "PUT", INHERIT "/domains/$d3/groups/$crew/roles/$admin" BELOW, NULL, 403 },
		{ "PUT", INHERIT "/projects/$fin/users/$dora/roles/$admin" BELOW, NULL, 403 },
		{ "PUT", INHERIT "/domains/default/users/$ann/roles/$member" BELOW, NULL, 404 },
		{ "PUT", "/roles/$auditor/implies/$reader", NULL, 403 },
		{ "DELETE", "/roles/$boiler/implies/$service", NULL, 403 },
		/* domains and roles are the cloud's */
		{ "POST", "/domains", "{\"domain\":{\"name\":\"d4\"}}", 403 },
		{ "PATCH", "/domains/$d3", "{\"domain\":{\"name\":\"x\"}}", 403 },
		{ "POST", "/roles", "{\"role\":{\"name\":\"x\"}}", 403 },
		{ "PATCH", "/roles/$auditor", "{\"role\":{\"name\":\"admin2\"}}", 403 },
		{ "GET", "/roles", NULL, 200 },
	};
	struct cloud *f = &((struct fix *)*state)->cloud;
	struct auth dora = of_domain(f, ROLE_ADMIN | ROLE_MEMBER | ROLE_READER);

	try_all(f, &dora, all, ARRAY_LEN(all));
}

/* His own user is of another domain: he sees himself and his domain, and that is all there. */
static void an_admin_from_elsewhere_has_no_foot_in_his_home(void **state)
{
	static const struct attempt all[] = {
		{ "GET", "/users/$far", NULL, 200 },
		{ "GET", "/domains/default", NULL, 200 },
		{ "PATCH", "/users/$far", USER("\"description\":\"x\""), 403 },
		{ "DELETE", "/users/$far", NULL, 403 },
		{ "POST", "/users", USER("\"name\":\"f\",\"domain_id\":\"default\""), 404 },
		{ "POST", "/projects", PROJECT("\"name\":\"f\",\"domain_id\":\"default\""), 404 },
		{ "PUT", "/projects/$fin/users/$far/roles/$member", NULL, 404 },
		{ "PUT", "/domains/$d3/users/$far/roles/$member", NULL, 404 },
		{ "PUT", "/domains/default/users/$ann/roles/$member", NULL, 404 },
		{ "GET", "/users/$ann", NULL, 200 },
		{ "PATCH", "/users/$ann", USER("\"description\":\"y\""), 200 },
	};
	struct cloud *f = &((struct fix *)*state)->cloud;
	struct auth far = of_domain(f, ROLE_ADMIN);

	snprintf(far.user_id, sizeof(far.user_id), "%s",
		 json_string_value(json_object_get(f->ids, "far")));
	strcpy(far.home_id, "default");
	try_all(f, &far, all, ARRAY_LEN(all));
}

static void a_reader_of_a_domain_changes_nothing(void **state)
{
	static const struct attempt all[] = {
		{ "GET", "/users/$ann", NULL, 200 },
		{ "GET", "/projects/$fin", NULL, 200 },
		{ "GET", "/users/$theadmin", NULL, 404 },
		{ "PATCH", "/users/$ann", USER("\"enabled\":false"), 403 },
		{ "POST", "/users", USER("\"name\":\"x\""), 403 },
		{ "PUT", "/projects/$fin/users/$ann/roles/$reader", NULL, 403 },
		{ "DELETE", "/projects/$fin", NULL, 403 },
	};
	struct cloud *f = &((struct fix *)*state)->cloud;
	struct auth reader = of_domain(f, ROLE_READER);

	try_all(f, &reader, all, ARRAY_LEN(all));
}

static void the_clouds_admin_changes_all(void **state)
{
	static const struct attempt all[] = {
		{ "PATCH", "/users/$boss", USER("\"description\":\"x\""), 200 },
		{ "PATCH", "/projects/$lab", PROJECT("\"description\":\"x\""), 200 },
		{ "PUT", "/projects/$fin/users/$ann/roles/$admin", NULL, 204 },
		{ "DELETE", "/projects/$fin/users/$ann/roles/$admin", NULL, 204 },
		{ "PUT", "/system/users/$ann/roles/$reader", NULL, 204 },
		{ "DELETE", "/system/users/$ann/roles/$reader", NULL, 204 },
	};
	struct cloud *f = &((struct fix *)*state)->cloud;

	try_all(f, &cloud_admin, all, ARRAY_LEN(all));
}

/* The ids (or grants' users) of a list's documents. */
static bool lists(struct cloud *f, const struct auth *who, const char *path, const char *many,
		  const char *name)
{
	auto_of(json_decref) json_t *reply = NULL;
	const char *id = json_string_value(json_object_get(f->ids, name));
	json_t *doc;
	bool found = false;
	size_t i;

	assert_int_equal(ask(f, who, "GET", path, NULL, &reply), 200);
	json_array_foreach (json_object_get(reply, many), i, doc) {
		json_t *user = json_object_get(doc, "user");
		const char *has = json_string_value(json_object_get(user ? user : doc, "id"));

		found |= has && !strcmp(has, id);
	}
	return found;
}

static void lists_of_a_domains_admin_end_at_its_border(void **state)
{
	struct cloud *f = &((struct fix *)*state)->cloud;
	struct auth dora = of_domain(f, ROLE_ADMIN);
	const char *grants = "/identity/v3/role_assignments";

	assert_true(lists(f, &dora, "/identity/v3/users", "users", "ann"));
	assert_false(lists(f, &dora, "/identity/v3/users", "users", "theadmin"));
	assert_false(lists(f, &dora, "/identity/v3/users?name=admin", "users", "theadmin"));
	assert_true(lists(f, &dora, "/identity/v3/projects", "projects", "fin"));
	assert_false(lists(f, &dora, "/identity/v3/projects", "projects", "demo"));
	assert_true(lists(f, &dora, grants, "role_assignments", "dora"));
	assert_false(lists(f, &dora, grants, "role_assignments", "boss"));
	assert_true(lists(f, &dora, "/identity/v3/groups", "groups", "crew"));
	assert_false(lists(f, &dora, "/identity/v3/groups", "groups", "guests"));
	assert_false(lists(f, &dora, grants, "role_assignments", "theadmin"));
	assert_true(lists(f, &cloud_admin, grants, "role_assignments", "boss"));
}

/* ---- an agent ---- */

static void an_agents_name_counts_in_the_default_domain_alone(void **state)
{
	struct cloud *f = &((struct fix *)*state)->cloud;
	struct auth who = { "u", "anyvf-agent-h1", "default", SCOPE_PROJECT, "p", "", ROLE_AGENT };
	struct call *c = run_new(f->eng, NULL);

	c->auth = &who;
	assert_true(caller_is_agent_of(c, "h1"));
	assert_false(caller_is_agent_of(c, "h2"));
	assert_false(caller_is_agent_of(c, ""));
	assert_false(caller_is_agent_of(c, NULL));
	strcpy(who.user_name, "anyvf-agent-h*"); /* of all hosts that begin so: anyvf-sim */
	assert_true(caller_is_agent_of(c, "h1") && caller_is_agent_of(c, "h"));
	assert_false(caller_is_agent_of(c, "g1") || caller_is_agent_of(c, ""));
	strcpy(who.user_name, "anyvf-agent-h1");
	strcpy(who.home_id, "d3");
	assert_false(caller_is_agent_of(c, "h1"));
	strcpy(who.home_id, "default");
	who.roles = ROLE_ADMIN;
	assert_false(caller_is_agent_of(c, "h1"));
	call_free(c);
}

/* ---- */

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->doc_rules = json_object();
	f->doc_may = json_object();
	read_doc(f);
	cloud_open(&f->cloud, "");
	populate(&f->cloud);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	cloud_close(&f->cloud);
	json_decref(f->doc_rules);
	json_decref(f->doc_may);
	free(f);
	return 0;
}

/* Routes come before the resources that they stand for. */
static void print_route(void *arg, const char *method, const char *path, enum rule rule)
{
	json_t *seen = arg;
	char key[300];

	snprintf(key, sizeof(key), "%s %s", method, path);
	if (!json_object_get(seen, key))
		printf("| %s | %s |\n", key, policy_rule_name(rule));
	json_object_set_new(seen, key, json_true());
}

static int print_tables(void)
{
	auto_of(json_decref) json_t *seen = json_object();

	printf("| scope | role |");
	for (int rule = 1; rule < RULES; rule++)
		printf(" %s |", policy_rule_name((enum rule)rule));
	printf("\n|---|---|");
	for (int rule = 1; rule < RULES; rule++)
		printf("---|");
	for (unsigned int s = 0; s < ARRAY_LEN(scopes); s++)
		for (unsigned int r = 0; r < (s ? ARRAY_LEN(roles) : 1); r++) {
			struct auth who = caller((enum scope)s, r);

			printf("\n| %s | %s |", scopes[s], s ? roles[r].name : "-");
			for (int rule = 1; rule < RULES; rule++)
				printf(" %s |", policy_allows((enum rule)rule, &who) ? "yes" : "");
		}
	printf("\n\n| route | rule |\n|---|---|\n");
	each_route(print_route, seen);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_stands_in_the_matrix_with_its_rule),
		cmocka_unit_test(the_matrix_names_no_route_that_is_not_there),
		cmocka_unit_test(every_role_in_every_scope_gets_what_the_matrix_says),
		cmocka_unit_test(a_route_without_a_rule_does_not_start),
		cmocka_unit_test(the_admin_of_a_domain_stays_in_it),
		cmocka_unit_test(an_admin_from_elsewhere_has_no_foot_in_his_home),
		cmocka_unit_test(a_reader_of_a_domain_changes_nothing),
		cmocka_unit_test(the_clouds_admin_changes_all),
		cmocka_unit_test(lists_of_a_domains_admin_end_at_its_border),
		cmocka_unit_test(an_agents_name_counts_in_the_default_domain_alone),
	};

	if (argc == 2 && !strcmp(argv[1], "--print"))
		return print_tables();
	return cmocka_run_group_tests(tests, setup, teardown);
}
