/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application credentials: a user lets a program log in with a secret of its
 * own, on one project and with some of his roles there. It has no more than he
 * has: what he loses, it loses.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/iso8601.h"
#include "identity/identity.h"

#define SECRET_BYTES 64
#define CREDS_MAX    100 /* of a user */

static const struct rfield fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_NEED | R_FILTER, .valid = identity_valid_name },
	{ "description", J_STR, R_CREATE | R_NULL, .max = 4096 },
	{ "secret", J_STR, R_CREATE | R_VIRTUAL | R_NULL, .min = 1, .max = 4096 },
	{ "project_id", J_STR, 0 },
	{ "user_id", J_STR, R_INDEX },
	{ "roles", J_LIST, R_CREATE, "[]" },
	{ "expires_at", J_STR, R_CREATE | R_NULL },
	{ "unrestricted", J_BOOL, R_CREATE, "false" },
	{ "access_rules", J_LIST, R_CREATE | R_OMIT },
	{ "secret_hash", J_STR, R_SECRET },
	{ NULL },
};

static int64_t expires_us(const json_t *doc)
{
	const char *text = doc_text(doc, "expires_at");
	int64_t at;

	return text && iso8601_parse(text, &at) ? at * 1000000 : INT64_MAX;
}

/* What identity_claim_name() knows a name by: a user has it once. */
static json_t *name_of(const json_t *doc)
{
	return json_pack("{s:s,s:s}", "name", doc_str(doc, "name"), "domain_id",
			 doc_str(doc, "user_id"));
}

static int check(struct call *c, json_t *doc, const json_t *old)
{
	auto_of(json_decref) json_t *name = name_of(doc);

	return name ? identity_claim_name(c, &appcred_resource, name, NULL) : -ENOMEM;
}

static int deleted(struct call *c, const json_t *doc)
{
	auto_of(json_decref) json_t *name = name_of(doc);

	return name ? identity_free_name(c, &appcred_resource, name) : -ENOMEM;
}

/**
 * appcred_stands() - Are the user and the project of a credential there?
 * @c:   the call
 * @doc: credential
 *
 * It goes with them (purge.c).
 */
bool appcred_stands(struct call *c, const json_t *doc)
{
	return identity_there(c, &user_resource, doc_str(doc, "user_id")) &&
	       identity_there(c, &project_resource, doc_str(doc, "project_id"));
}

static bool visible(const struct call *c, const json_t *doc)
{
	return (!strcmp(doc_str(doc, "user_id"), c->auth->user_id) || caller_is_admin(c)) &&
	       appcred_stands((struct call *)c, doc);
}

static int show(struct call *c, const json_t *doc, json_t *out)
{
	char self[ENGINE_URL_LEN + 200];

	snprintf(self, sizeof(self), "%s/identity/v3/users/%s/application_credentials/%s",
		 c->opts->public_url, doc_str(doc, "user_id"), doc_str(doc, "id"));
	return json_object_set_new(out, "links", json_pack("{s:s}", "self", self)) ? -ENOMEM : 0;
}

const struct resource appcred_resource = {
	.one = "application_credential",
	.many = "application_credentials",
	.nested = "user_id",
	.flags = RES_GLOBAL | RES_HEX_ID,
	.fields = fields,
	.check = check,
	.deleted = deleted,
	.show = show,
	.visible = visible,
};

/**
 * appcred_holds() - Is a credential still good?
 * @c:  the call
 * @id: its id
 *
 * Return: its document; NULL when it, its user or its project is gone, or its time is over.
 */
const json_t *appcred_holds(struct call *c, const char *id)
{
	const json_t *doc = res_get(c, &appcred_resource, id);

	return c->now_us < expires_us(doc) && appcred_stands(c, doc) ? doc : NULL;
}

/**
 * appcred_expires_us() - When a token of a credential ends
 * @doc:    credential
 * @wanted: when it would end without
 *
 * Return: microseconds of the wall clock.
 */
int64_t appcred_expires_us(const json_t *doc, int64_t wanted)
{
	return MIN(wanted, expires_us(doc));
}

/**
 * appcred_roles() - What of a user's roles a credential passes on
 * @c:     the call
 * @doc:   credential
 * @mask:  enum role bits, or-ed into
 *
 * Return: a new list of {id, name}: the credential's roles and what they imply, as far as the user
 * has them on the project; NULL without memory.
 */
json_t *appcred_roles(struct call *c, const json_t *doc, unsigned int *mask)
{
	char scope[80];

	snprintf(scope, sizeof(scope), "project:%s", doc_str(doc, "project_id"));
	return grant_some(c, doc_str(doc, "user_id"), scope, json_object_get(doc, "roles"), mask);
}

/* Whose credentials the path names; his alone, or an admin's to look at and to delete. */
static int check_user(struct call *c, bool own)
{
	if (!strcmp(c->ids[0], c->auth->user_id) || (!own && caller_is_admin(c)))
		return 0;
	return call_fail(c, 403, NULL, "You are not authorized to perform the requested action.");
}

/* A program that may not make others like it does not end them, either. */
static int check_unrestricted(struct call *c)
{
	if (!c->auth->restricted)
		return 0;
	return call_fail(c, 403, NULL,
			 "Using method 'application_credential' is not allowed for managing "
			 "additional application credentials.");
}

/* The document c->ids[1] of the user c->ids[0]; NULL after a fault. */
static const json_t *find(struct call *c)
{
	const json_t *doc = res_seen(c, &appcred_resource, c->ids[1]);

	if (doc && !strcmp(doc_str(doc, "user_id"), c->ids[0]))
		return doc;
	fault_not_found(c, &appcred_resource, c->ids[1]);
	return NULL;
}

static const json_t *role_in(const json_t *roles, const json_t *named)
{
	const char *by = json_object_get(named, "id") ? "id" : "name";
	const json_t *role;
	size_t i;

	json_array_foreach ((json_t *)roles, i, role)
		if (doc_text(named, by) && !strcmp(doc_str(role, by), doc_str(named, by)))
			return role;
	return NULL;
}

/* The roles that are passed on: those that were named, of those the token has, or all. */
static int take_roles(struct call *c, json_t *doc)
{
	auto_of(json_decref) json_t *out = json_array(), *all = NULL;
	const json_t *given = json_object_get(doc, "roles"), *named;
	unsigned int mask = 0;
	char scope[80];
	size_t i;

	snprintf(scope, sizeof(scope), "project:%s", c->auth->project_id);
	all = c->auth->credential_id[0]
		      ? appcred_roles(c, appcred_holds(c, c->auth->credential_id), &mask)
		      : grant_roles(c, c->auth->user_id, scope, &mask);
	if (!json_array_size(given))
		return json_object_set(doc, "roles", all) ? -ENOMEM : 0;
	json_array_foreach ((json_t *)given, i, named) {
		const json_t *role = role_in(all, named);

		if (!role)
			return call_fail(
				c, 400, NULL,
				"Invalid application credential: Could not find role "
				"assignment with role: %.100s, user: %s, project: %s.",
				doc_str(named, json_object_get(named, "id") ? "id" : "name"),
				c->auth->user_id, c->auth->project_id);
		if (!role_in(out, role))
			json_array_append(out, (json_t *)role);
	}
	return json_object_set(doc, "roles", out) ? -ENOMEM : 0;
}

static int check_expiry(struct call *c, const json_t *doc)
{
	const char *text = doc_text(doc, "expires_at");
	int64_t at;

	if (!text)
		return 0;
	if (!iso8601_parse(text, &at))
		return call_fail(c, 400, NULL, "Invalid input for field/attribute expires_at.");
	return at * 1000000 > c->now_us
		       ? 0
		       : call_fail(c, 400, NULL, "The application credential expires in the past.");
}

/* The secret that was given, or one of our own, and its hash: the job's. */
static int hash_secret(struct call *c, const json_t *given)
{
	unsigned char raw[SECRET_BYTES];
	char text[sodium_base64_ENCODED_LEN(SECRET_BYTES,
					    sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(text, sizeof(text), raw, sizeof(raw),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return call_job(
		c, LANE_KNOWN, password_hash,
		password_new(doc_text(given, "secret") ? doc_str(given, "secret") : text, ""),
		password_free);
}

/* Judges what was given; *out: the document, but for the secret. */
static int take_given(struct call *c, const json_t *given, json_t **out)
{
	auto_of(json_decref) json_t *doc = NULL;
	int rc;

	rc = fields_accept(c, fields, given, false, &doc);
	rc = rc ? rc : check_expiry(c, doc) ?: take_roles(c, doc) ?: access_take(c, doc);
	if (rc)
		return rc;
	json_object_del(doc, "secret");
	rc = json_object_set_new(doc, "user_id", json_string(c->auth->user_id));
	rc |= json_object_set_new(doc, "project_id", json_string(c->auth->project_id));
	*out = take(doc);
	return rc ? -ENOMEM : 0;
}

static int handle_create(struct call *c)
{
	const json_t *given = json_object_get(c->body, "application_credential"), *made;
	const struct password *hashed = c->job;
	json_t *doc = NULL, *out;
	int rc = check_user(c, true) ?: check_unrestricted(c);

	if (rc)
		return rc;
	if (!c->auth->project_id[0])
		return call_fail(c, 403, NULL, "The token has no project.");
	if (!json_is_object(given))
		return call_fail(c, 400, NULL, "'application_credential' is a required property");
	if (res_count(c, &appcred_resource, "user_id", c->auth->user_id) >= CREDS_MAX)
		return call_fail(c, 403, NULL,
				 "Unable to create additional application credentials, "
				 "maximum of %d already exceeded for user.",
				 CREDS_MAX);
	if (hashed && !hashed->ok)
		return -ENOMEM;
	rc = take_given(c, given, &doc);
	if (rc || !hashed) {
		json_decref(doc);
		return rc ? rc : hash_secret(c, given);
	}
	json_object_set_new(doc, "secret_hash", json_string(hashed->hash));
	rc = res_create(c, &appcred_resource, doc, &made);
	if (rc)
		return rc;
	out = res_show(c, &appcred_resource, made);
	json_object_set_new(out, "secret", json_string(hashed->text));
	return call_reply(c, 201, json_pack("{s:o}", "application_credential", out));
}

static int handle_list(struct call *c)
{
	return check_user(c, false) ?: res_handle_list(c, &appcred_resource, false);
}

static int handle_show(struct call *c)
{
	const json_t *doc = check_user(c, false) ? NULL : find(c);

	if (!doc)
		return -ENOENT;
	return call_reply(
		c, 200,
		json_pack("{s:o}", "application_credential", res_show(c, &appcred_resource, doc)));
}

static int handle_delete(struct call *c)
{
	int refused = check_user(c, false) ?: check_unrestricted(c);
	const json_t *doc = refused ? NULL : find(c);
	int rc = doc ? res_delete(c, &appcred_resource, doc_str(doc, "id")) : -ENOENT;

	return rc ? rc : call_reply(c, 204, NULL);
}

const struct route appcred_routes[] = {
	{ "GET", "/v3/users/{}/application_credentials", handle_list, RULE_SELF },
	{ "POST", "/v3/users/{}/application_credentials", handle_create, RULE_SELF },
	{ "GET", "/v3/users/{}/application_credentials/{}", handle_show, RULE_SELF },
	{ "DELETE", "/v3/users/{}/application_credentials/{}", handle_delete, RULE_SELF },
	{ NULL },
};
