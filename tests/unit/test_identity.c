/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about what of identity goes with something else, what a store of an older version gets, and
 * how many credentials a user has, with all services over a store in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_cloud.h"

#define V3 "/identity/v3"

static const struct auth eve = { "eve", "eve", "default", SCOPE_PROJECT, "pe", "", ROLE_MEMBER };

static int setup(void **state)
{
	static struct cloud cloud;

	cloud_open(&cloud, "");
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	return 0;
}

static struct call *call_as_system(struct cloud *f)
{
	struct call *c = run_new(f->eng, NULL);

	c->now_us = run_now_us();
	return c;
}

static void commit(struct call *c)
{
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static unsigned int count(struct cloud *f, const char *prefix)
{
	struct call *c = call_as_system(f);
	struct cursor it = call_list(c, "%s", prefix);
	unsigned int n = 0;

	while (cursor_next(&it))
		n++;
	call_free(c);
	return n;
}

static void as_admin(struct cloud *f, const char *method, const char *path, const char *body,
		     unsigned int status)
{
	assert_int_equal(ask(f, &cloud_admin, method, path, body, NULL), status);
}

static void purge(struct cloud *f, unsigned int times)
{
	while (times--) {
		struct call *c = call_as_system(f);

		assert_int_equal(identity_purge(c), 0);
		commit(c);
	}
}

/* Users, groups, roles and credentials of a domain, and what they have: more than a transaction. */
static void what_goes_with_a_domain_is_forgotten_in_steps(void **state)
{
	static const char *const kinds[] = { "/user/",	     "/group/", "/role/",   "/grant/",
					     "/membership/", "/name/",	"/implied/" };
	struct cloud *f = *state;
	unsigned int before[ARRAY_LEN(kinds)];
	char body[100];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		before[i] = count(f, kinds[i]);
	make(f, "d", V3 "/domains", "{\"domain\":{\"name\":\"d\"}}");
	make(f, "p", V3 "/projects", "{\"project\":{\"name\":\"p\",\"domain_id\":\"$d\"}}");
	make(f, "g", V3 "/groups", "{\"group\":{\"name\":\"g\",\"domain_id\":\"$d\"}}");
	make(f, "r", V3 "/roles", "{\"role\":{\"name\":\"r\",\"domain_id\":\"$d\"}}");
	learn(f, &role_resource, "reader", "reader");
	as_admin(f, "PUT", V3 "/roles/$r/implies/$reader", NULL, 201);
	as_admin(f, "PUT", V3 "/projects/$p/groups/$g/roles/$r", NULL, 204);
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(body, sizeof(body), "{\"user\":{\"name\":\"u%u\",\"domain_id\":\"$d\"}}",
			 i);
		make(f, "u", V3 "/users", body);
		as_admin(f, "PUT", V3 "/groups/$g/users/$u", NULL, 204);
		as_admin(f, "PUT", V3 "/projects/$p/users/$u/roles/$reader", NULL, 204);
	}
	as_admin(f, "DELETE", V3 "/projects/$p", NULL, 204);
	as_admin(f, "PATCH", V3 "/domains/$d", "{\"domain\":{\"enabled\":false}}", 200);
	as_admin(f, "DELETE", V3 "/domains/$d", NULL, 204);
	as_admin(f, "GET", V3 "/users/$u", NULL, 404);
	purge(f, 1);
	assert_int_not_equal(count(f, "/grant/"), before[3]);
	purge(f, 8);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (count(f, kinds[i]) != before[i])
			fail_msg("%s: %u were, %u are left", kinds[i], before[i],
				 count(f, kinds[i]));
}

/* What implied what was in the program once; a rule that was deleted stays so. */
static void a_store_gets_its_first_rules_once(void **state)
{
	struct cloud *f = *state;
	struct call *c = call_as_system(f);

	learn(f, &role_resource, "member", "member");
	learn(f, &role_resource, "reader", "reader");
	assert_int_equal(call_delete(c, "/made/implied"), 0);
	commit(c);
	as_admin(f, "DELETE", V3 "/roles/$member/implies/$reader", NULL, 204);
	for (unsigned int i = 0; i < 2; i++) {
		c = call_as_system(f);
		assert_int_equal(roles_start(c), 0);
		commit(c);
		as_admin(f, "GET", V3 "/roles/$member/implies/$reader", NULL, i ? 404 : 200);
		if (!i)
			as_admin(f, "DELETE", V3 "/roles/$member/implies/$reader", NULL, 204);
	}
}

static void give_credential(struct cloud *f, unsigned int n)
{
	struct call *c = call_as_system(f);
	char name[8];

	snprintf(name, sizeof(name), "c%u", n);
	assert_int_equal(res_create(c, &appcred_resource,
				    json_pack("{s:s,s:s,s:s}", "name", name, "user_id", "eve",
					      "project_id", "pe"),
				    NULL),
			 0);
	commit(c);
}

static void a_user_has_a_hundred_credentials(void **state)
{
	static const char path[] = V3 "/users/eve/application_credentials";
	static const char nameless[] = "{\"application_credential\":{}}";
	struct cloud *f = *state;

	for (unsigned int i = 0; i < 99; i++)
		give_credential(f, i);
	assert_int_equal(ask(f, &eve, "POST", path, nameless, NULL), 400); /* room: it is judged */
	give_credential(f, 99);
	assert_int_equal(ask(f, &eve, "POST", path, nameless, NULL), 403);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_goes_with_a_domain_is_forgotten_in_steps,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_gets_its_first_rules_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_has_a_hundred_credentials, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
