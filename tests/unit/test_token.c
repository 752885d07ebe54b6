/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about tokens, their key and logging in, on clocks of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "api_cloud.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US	(24 * HOUR_US)

static struct cloud cloud;
static int64_t now = 1000 * DAY_US;

/* A user of a name, with the password "pw" or none. */
static void make_user(const char *name, bool enabled)
{
	struct call *c = run_new(cloud.eng, NULL);
	struct password *p = password_new("pw", "");
	const json_t *doc;

	c->now_us = now;
	password_hash(p);
	assert_int_equal(res_create(c, &user_resource,
				    json_pack("{s:s,s:s,s:b}", "name", name, "password_hash",
					      p->hash, "enabled", enabled),
				    &doc),
			 0);
	json_object_set(cloud.ids, name, json_object_get(doc, "id"));
	assert_int_equal(group_take(c), 0);
	password_free(p);
	call_free(c);
}

static int setup(void **state)
{
	struct call *c;

	cloud_open(&cloud, "");
	c = run_new(cloud.eng, NULL);
	c->now_us = now;
	assert_int_equal(token_make_key(c) ?: group_take(c), 0);
	call_free(c);
	make_user("ann", true);
	make_user("bob", true);
	make_user("off", false);
	return 0;
}

static int teardown(void **state)
{
	cloud_close(&cloud);
	return 0;
}

static struct call *call_at(int64_t us)
{
	struct call *c = run_new(cloud.eng, NULL);

	c->now_us = us;
	return c;
}

static void finish(struct call *c)
{
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* ann's token, or one made from another. */
static char *sign(struct call *c, const char *audit, const struct token *from, struct token *out)
{
	struct token t = { .methods = "password",
			   .issued_us = c->now_us,
			   .expires_us = c->now_us + 300 * DAY_US };
	char *text = NULL;

	snprintf(t.user_id, sizeof(t.user_id), "%s",
		 json_string_value(json_object_get(cloud.ids, "ann")));
	snprintf(t.audit_id, sizeof(t.audit_id), "%s%s", audit,
		 &"00000000000000000000000000000000"[strlen(audit)]);
	if (from)
		strcat(strcpy(t.chain, from->chain), from->audit_id);
	assert_int_equal(token_sign(c, &t, &text), 0);
	*out = t;
	return text;
}

static void who_ends_a_token_ends_what_came_from_it_and_nothing_else(void **state)
{
	struct call *c = call_at(now);
	struct token a, b, d, e, f, t;
	auto_free char *first = sign(c, "a", NULL, &a), *second = sign(c, "b", &a, &b);
	auto_free char *third = sign(c, "d", &b, &d), *fourth = sign(c, "e", &d, &e);
	auto_free char *beside = sign(c, "f", &a, &f);

	assert_int_equal(token_revoke(c, &b), 0);
	assert_int_equal(token_read(c, second, &t), -EKEYEXPIRED);
	assert_int_equal(token_read(c, third, &t), -EKEYEXPIRED);
	assert_int_equal(token_read(c, fourth, &t), -EKEYEXPIRED);
	assert_int_equal(token_read(c, first, &t), 0);
	assert_int_equal(token_read(c, beside, &t), 0);
	finish(c);
}

static void new_key(void)
{
	struct call *c = call_at(now);

	assert_int_equal(token_make_key(c), 0);
	finish(c);
	run_batch(cloud.eng);
}

static int read_token(const char *text)
{
	struct call *c = call_at(now);
	struct token t;
	int rc = token_read(c, text, &t);

	finish(c);
	return rc;
}

/* What was checked once is not taken for good where keys, users or the token are not any more. */
static void a_token_that_was_read_is_judged_each_time(void **state)
{
	struct call *c = call_at(now);
	struct token a, b, t;
	auto_free char *one = sign(c, "11", NULL, &a), *two = sign(c, "22", NULL, &b),
		       *wrong = NULL;

	run_batch(cloud.eng); /* the keys are on disk */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(token_read(c, one, &t), 0);
		assert_string_equal(t.audit_id, a.audit_id);
		assert_int_equal(t.expires_us, a.expires_us);
		assert_int_equal(token_read(c, two, &t), 0);
		assert_string_equal(t.audit_id, b.audit_id);
	}
	wrong = strdup(one);
	wrong[strlen(wrong) - 3] ^= 1; /* another text in its place */
	assert_int_equal(token_read(c, wrong, &t), -EKEYREJECTED);
	wrong[10] = '\0';
	assert_int_equal(token_read(c, wrong, &t), -EKEYREJECTED);
	assert_int_equal(token_read(c, "", &t), -EKEYREJECTED);
	assert_int_equal(token_read(c, one, &t), 0);
	assert_int_equal(token_revoke(c, &a), 0);
	assert_int_equal(token_read(c, one, &t), -EKEYEXPIRED);
	assert_int_equal(token_read(c, two, &t), 0);
	finish(c);

	new_key();
	assert_int_equal(read_token(two), 0); /* by the key before */
	new_key();
	assert_int_equal(read_token(two), -EKEYREJECTED);
}

static void the_longest_chain_is_read_again(void **state)
{
	struct call *c = call_at(now);
	struct token t, back;

	auto_free char *text = sign(c, "0", NULL, &t);
	for (int i = 0; i < TOKEN_CHAIN_MAX; i++) {
		char audit[2] = { (char)('A' + i), '\0' };
		struct token from = t;

		free(text);
		text = sign(c, audit, &from, &t);
	}
	assert_int_equal(strlen(t.chain), TOKEN_CHAIN_MAX * TOKEN_ID_LEN);
	assert_int_equal(token_read(c, text, &back), 0);
	assert_string_equal(back.chain, t.chain);
	finish(c);
}

static void a_new_key_signs_and_the_one_before_it_still_reads(void **state)
{
	struct call *c = call_at(now);
	struct token t;
	auto_free char *first = sign(c, "1", NULL, &t), *second = NULL, *again = NULL;

	assert_int_equal(token_rotate_key(c), 0); /* too early */
	again = sign(c, "1", NULL, &t);
	assert_string_equal(again, first);
	finish(c);

	c = call_at(now + 7 * DAY_US);
	assert_int_equal(token_rotate_key(c), 0);
	second = sign(c, "1", NULL, &t);
	assert_string_not_equal(second, first);
	assert_int_equal(token_read(c, first, &t), 0);
	assert_int_equal(token_read(c, second, &t), 0);
	finish(c);

	c = call_at(now + 14 * DAY_US - 1);
	assert_int_equal(token_rotate_key(c), 0); /* too early for the next */
	assert_int_equal(token_read(c, first, &t), 0);
	c->now_us++;
	assert_int_equal(token_rotate_key(c), 0);
	assert_int_equal(token_read(c, first, &t), -EKEYREJECTED);
	assert_int_equal(token_read(c, second, &t), 0);
	finish(c);
	now += 14 * DAY_US;
}

/* ---- logging in ---- */

/* POSTs by somebody, its jobs done at once, and what happens meanwhile; how often Argon2 ran. */
static unsigned int post(const struct auth *who, const char *target, const char *body,
			 void (*meanwhile)(struct call *c), unsigned int *status)
{
	auto_free char *path = expand(&cloud, target), *text = expand(&cloud, body);
	struct call *c = call_at(now);
	unsigned int hashed = 0;
	int rc;

	if (who)
		c->auth = who;
	assert_int_equal(route_find(c, "POST", path), 0);
	c->body = json_loads(text, 0, NULL);
	assert_non_null(c->body);
	while ((rc = c->priv->handle(c)) == CALL_WAIT) {
		c->priv->job_fn(c->job);
		hashed += ((struct password *)c->job)->hashed;
		if (meanwhile)
			meanwhile(c);
		c->runs++;
	}
	if (!rc)
		assert_int_equal(group_take(c), 0);
	*status = rc == -ENOMEM ? 500 : rc ? c->priv->fault_status : c->status;
	call_free(c);
	return hashed;
}

static unsigned int log_in(const char *body, unsigned int *status)
{
	return post(NULL, "/identity/v3/auth/tokens", body, NULL, status);
}

#define LOGIN(methods, more) "{\"auth\":{\"identity\":{\"methods\":[" methods "]," more "}}}"
#define BY(name, password)                                                                         \
	"\"password\":{\"user\":{\"name\":\"" name "\",\"domain\":{\"id\":\"default\"},"           \
	"\"password\":\"" password "\"}}"

/* Who measures learns nothing: Argon2 runs once, for whomever. */
static void every_login_costs_the_same(void **state)
{
	static const struct {
		const char *body;
		unsigned int status;
	} rows[] = {
		{ LOGIN("\"password\"", BY("ann", "pw")), 201 },
		{ LOGIN("\"password\"", BY("ann", "no")), 401 },
		{ LOGIN("\"password\"", BY("off", "pw")), 401 },
		{ LOGIN("\"password\"", BY("off", "no")), 401 },
		{ LOGIN("\"password\"", BY("nobody", "pw")), 401 },
		{ LOGIN("\"password\"", BY("nobody", "")), 401 },
		{ LOGIN("\"password\"",
			"\"password\":{\"user\":{\"id\":\"x\",\"password\":\"y\"}}"),
		  401 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned int status, hashed = log_in(rows[i].body, &status);

		if (status != rows[i].status || hashed != 1)
			fail_msg("%s: %u, Argon2 ran %u times", rows[i].body, status, hashed);
	}
}

static void each_method_that_is_named_must_be_shown(void **state)
{
	struct call *c = call_at(now);
	struct token t;
	auto_free char *anns = sign(c, "9", NULL, &t);
	const struct {
		const char *body;
		unsigned int status;
	} rows[] = {
		{ LOGIN("\"password\",\"totp\"", BY("ann", "pw")), 401 },
		{ LOGIN("\"totp\",\"password\"", BY("ann", "pw")), 401 },
		{ LOGIN("\"password\",5", BY("ann", "pw")), 400 },
		{ LOGIN("", BY("ann", "pw")), 400 },
		{ LOGIN("\"password\",\"password\"", BY("ann", "pw")), 201 },
		{ LOGIN("\"token\"", "\"token\":{\"id\":\"$anns\"}"), 201 },
		{ LOGIN("\"token\"", "\"token\":{\"id\":\"junk\"}"), 401 },
		{ LOGIN("\"password\",\"token\"", BY("ann", "pw")), 400 },
		{ LOGIN("\"password\",\"token\"", BY("ann", "pw") ",\"token\":{\"id\":\"junk\"}"),
		  401 },
		{ LOGIN("\"password\",\"token\"", BY("ann", "pw") ",\"token\":{\"id\":\"$anns\"}"),
		  201 },
		{ LOGIN("\"token\",\"password\"", BY("ann", "no") ",\"token\":{\"id\":\"$anns\"}"),
		  401 },
		{ LOGIN("\"token\",\"password\"", BY("bob", "pw") ",\"token\":{\"id\":\"$anns\"}"),
		  401 },
	};

	finish(c);
	json_object_set_new(cloud.ids, "anns", json_string(anns));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned int status;

		log_in(rows[i].body, &status);
		if (status != rows[i].status)
			fail_msg("%s: %u", rows[i].body, status);
	}
}

/* ---- what happens while a password is hashed ---- */

static const char *id_of(const char *name)
{
	return json_string_value(json_object_get(cloud.ids, name));
}

static void put_hash(const struct resource *r, const char *name, const char *member,
		     const char *hash)
{
	struct call *c = call_at(now);
	json_t *doc = json_copy((json_t *)res_get(c, r, id_of(name)));

	json_object_set_new(doc, member, json_string(hash));
	assert_int_equal(res_put(c, r, doc), 0);
	finish(c);
}

static bool is_kept(const struct resource *r, const char *name, const char *member,
		    const char *text)
{
	struct call *c = call_at(now);
	bool is = doc_is(res_get(c, r, id_of(name)), member, text);

	call_free(c);
	return is;
}

static void reset_bob(struct call *c)
{
	put_hash(&user_resource, "bob", "password_hash", "another");
}

static void reset_bob_later(struct call *c)
{
	if (c->runs == 1)
		reset_bob(c);
}

static void reset_credential(struct call *c)
{
	put_hash(&appcred_resource, "cred", "secret_hash", "another");
}

static void fail_later(struct call *c)
{
	((struct password *)c->job)->ok = c->runs == 0;
}

static void fail_at_once(struct call *c)
{
	((struct password *)c->job)->ok = false;
}

#define CHANGE(old, new) "{\"user\":{\"original_password\":\"" old "\",\"password\":\"" new "\"}}"

static void who_knows_the_old_password_does_not_undo_a_reset(void **state)
{
	static const char path[] = "/identity/v3/users/$bob/password";
	void (*const resets[])(struct call * c) = { reset_bob, reset_bob_later };
	struct password *p = password_new("pw", "");
	unsigned int status;

	password_hash(p);
	for (size_t i = 0; i < ARRAY_LEN(resets); i++) {
		put_hash(&user_resource, "bob", "password_hash", p->hash);
		post(NULL, path, CHANGE("pw", "x"), resets[i], &status);
		assert_int_equal(status, 401);
		assert_true(is_kept(&user_resource, "bob", "password_hash", "another"));
	}
	put_hash(&user_resource, "bob", "password_hash", p->hash);
	post(NULL, "/identity/v3/auth/tokens", LOGIN("\"password\"", BY("bob", "pw")), reset_bob,
	     &status);
	assert_int_equal(status, 401);
	put_hash(&user_resource, "bob", "password_hash", p->hash);
	post(NULL, path, CHANGE("pw", "x"), fail_later, &status);
	assert_int_equal(status, 500);
	assert_true(is_kept(&user_resource, "bob", "password_hash", p->hash));
	assert_int_equal(post(NULL, path, CHANGE("pw", "x"), NULL, &status), 2);
	assert_int_equal(status, 204);
	assert_false(is_kept(&user_resource, "bob", "password_hash", p->hash));
	password_free(p);
}

/* ---- application credentials ---- */

#define CREDENTIAL(secret)                                                                         \
	LOGIN("\"application_credential\"",                                                        \
	      "\"application_credential\":{\"id\":\"$cred\",\"secret\":\"" secret "\"}")

/* bob's, on $project. */
static void make_credential(struct call *c, const char *name, const char *expires_at,
			    const char *hash)
{
	const json_t *doc;

	assert_int_equal(
		res_create(c, &appcred_resource,
			   json_pack("{s:s,s:s,s:s,s:s?,s:s,s:[{s:s,s:s}]}", "name", name,
				     "user_id", id_of("bob"), "project_id", id_of("project"),
				     "expires_at", expires_at, "secret_hash", hash, "roles", "id",
				     id_of("reader"), "name", "reader"),
			   &doc),
		0);
	json_object_set(cloud.ids, "cred", json_object_get(doc, "id"));
}

static void make_project(void)
{
	make(&cloud, "project", "/identity/v3/projects", "{\"project\":{\"name\":\"many\"}}");
	learn(&cloud, &role_resource, "reader", "reader");
	grant(&cloud, "projects/$project", "$bob", "$reader");
}

static void a_credential_ends_with_its_time_and_its_secret(void **state)
{
	struct password *p = password_new("pw", "");
	struct call *c = call_at(now);
	unsigned int status;

	password_hash(p);
	make_project();
	make_credential(c, "short", "1980-01-01T00:00:00Z", p->hash);
	assert_int_equal(appcred_expires_us(appcred_holds(c, id_of("cred")), INT64_MAX),
			 315532800 * INT64_C(1000000));
	finish(c);
	log_in(CREDENTIAL("pw"), &status);
	assert_int_equal(status, 201);
	now = 315532800 * INT64_C(1000000);
	log_in(CREDENTIAL("pw"), &status);
	assert_int_equal(status, 401);

	c = call_at(now);
	make_credential(c, "long", NULL, p->hash);
	finish(c);
	post(NULL, "/identity/v3/auth/tokens", CREDENTIAL("pw"), reset_credential, &status);
	assert_int_equal(status, 401);
	put_hash(&appcred_resource, "cred", "secret_hash", p->hash);
	log_in(CREDENTIAL("pw"), &status);
	assert_int_equal(status, 201);
	password_free(p);
}

/* All that are forgotten, 64 each time. */
static void purge(unsigned int left)
{
	for (bool more = true; more; left -= MIN(left, 64U)) {
		struct call *c = call_at(now);

		assert_int_equal(res_count(c, &appcred_resource, NULL, NULL), left);
		assert_int_equal(identity_purge(c), 0);
		finish(c);
		more = left > 0;
	}
}

/* More of them than one transaction holds. */
static void credentials_go_with_their_project_and_their_user(void **state)
{
	static const char *const paths[] = { "/identity/v3/projects/$project",
					     "/identity/v3/users/$bob" };
	struct password *p = password_new("pw", "");
	unsigned int status;

	password_hash(p);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		for (int j = 0; j < 140; j++) {
			struct call *c = call_at(now);
			char name[16];

			snprintf(name, sizeof(name), "c%d", j);
			make_credential(c, name, NULL, p->hash);
			finish(c);
		}
		log_in(CREDENTIAL("pw"), &status);
		assert_int_equal(status, 201);
		assert_int_equal(ask(&cloud, &cloud_admin, "DELETE", paths[i], NULL, NULL), 204);
		log_in(CREDENTIAL("pw"), &status);
		assert_int_equal(status, 401);
		purge(i ? 140 : 142);
		if (!i)
			make_project();
	}
	make_user("bob", true);
	grant(&cloud, "projects/$project", "$bob", "$reader");
	password_free(p);
}

static void a_credential_is_made_whole_or_not_at_all(void **state)
{
	static const char path[] = "/identity/v3/users/$bob/application_credentials";
	struct auth bob = { .scope = SCOPE_PROJECT, .roles = ROLE_READER };
	unsigned int status;
	struct call *c;

	snprintf(bob.user_id, sizeof(bob.user_id), "%s", id_of("bob"));
	snprintf(bob.project_id, sizeof(bob.project_id), "%s", id_of("project"));
	post(&bob, path, "{\"application_credential\":{\"name\":\"a\"}}", fail_at_once, &status);
	assert_int_equal(status, 500);
	c = call_at(now);
	assert_int_equal(res_count(c, &appcred_resource, NULL, NULL), 0);
	call_free(c);
	post(&bob, path, "{\"application_credential\":{\"name\":\"a\"}}", NULL, &status);
	assert_int_equal(status, 201);
}

/* Whichever way one tries, it is the same few tries. */
static void wrong_passwords_are_counted_on_every_way_in(void **state)
{
	unsigned int status;

	make_user("eve", true);
	for (int i = 0; i < 6; i++) {
		post(NULL, "/identity/v3/users/$eve/password", CHANGE("no", "x"), NULL, &status);
		assert_int_equal(status, i < 5 ? 401 : 429);
	}
	assert_int_equal(log_in(LOGIN("\"password\"", BY("eve", "pw")), &status), 0);
	assert_int_equal(status, 429);
	for (int i = 0; i < 6; i++) {
		log_in(CREDENTIAL("no"), &status);
		assert_int_equal(status, i < 5 ? 401 : 429);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_ends_a_token_ends_what_came_from_it_and_nothing_else),
		cmocka_unit_test(a_token_that_was_read_is_judged_each_time),
		cmocka_unit_test(the_longest_chain_is_read_again),
		cmocka_unit_test(a_new_key_signs_and_the_one_before_it_still_reads),
		cmocka_unit_test(every_login_costs_the_same),
		cmocka_unit_test(each_method_that_is_named_must_be_shown),
		cmocka_unit_test(who_knows_the_old_password_does_not_undo_a_reset),
		cmocka_unit_test(a_credential_ends_with_its_time_and_its_secret),
		cmocka_unit_test(credentials_go_with_their_project_and_their_user),
		cmocka_unit_test(a_credential_is_made_whole_or_not_at_all),
		cmocka_unit_test(wrong_passwords_are_counted_on_every_way_in),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
