/* SPDX-License-Identifier: Apache-2.0 */
/* Identity v3: domains, projects, users and roles as tables, and the service that serves them. */
#include "identity/identity.h"
#include "identity/known.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/iso8601.h"

static int check_role(struct call *c, json_t *doc, const json_t *old)
{
	return options_settle(c, &role_resource, doc, old)
		       ?: identity_claim_name(c, &role_resource, doc, old);
}

/* A domain's own role is for who looks after the domain, and listed only as one of its. */
static bool role_visible(const struct call *c, const json_t *doc)
{
	const char *domain = doc_str(doc, "domain_id");

	return !domain[0] || (caller_reaches(c, domain) && identity_stands((struct call *)c, doc));
}

static bool role_listed(const struct call *c, const json_t *doc)
{
	return !doc_str(doc, "domain_id")[0] || call_arg(c, "domain_id");
}

static int deleted_domain(struct call *c, const json_t *doc)
{
	if (!strcmp(doc_str(doc, "id"), "default") || doc_bool(doc, "enabled"))
		return call_fail(c, 403, NULL,
				 "Cannot delete a domain that is enabled, please "
				 "disable it first.");
	if (res_count(c, &project_resource, "domain_id", doc_str(doc, "id")))
		return call_fail(c, 403, NULL, "Cannot delete a domain with projects.");
	return options_allow_end(c, &domain_resource, doc)
		       ?: identity_free_name(c, &domain_resource, doc);
}

static int deleted_role(struct call *c, const json_t *doc)
{
	int rc = identity_stands(c, doc) ? options_allow_end(c, &role_resource, doc) : 0;

	return rc ? rc : identity_free_name(c, &role_resource, doc);
}

/* What was signed before something was disabled does not come back with it. */
static int end_tokens(struct call *c, json_t *doc, const json_t *old)
{
	if (doc_bool(doc, "enabled") || !doc_bool(old, "enabled"))
		return 0;
	return json_object_set_new(doc, "valid_after_us", json_integer(c->now_us)) ? -ENOMEM : 0;
}

static int check_domain(struct call *c, json_t *doc, const json_t *old)
{
	return options_settle(c, &domain_resource, doc, old)
		       ?: end_tokens(c, doc, old)
		       ?: identity_claim_name(c, &domain_resource, doc, old);
}

static int check_project(struct call *c, json_t *doc, const json_t *old)
{
	int rc = options_settle(c, &project_resource, doc, old);

	rc = rc ?: identity_set_domain(c, doc) ?: end_tokens(c, doc, old);
	rc = rc ?: tree_check(c, doc, old);
	return rc ?: identity_claim_name(c, &project_resource, doc, old);
}

static int deleted_project(struct call *c, const json_t *doc)
{
	if (res_count(c, &project_resource, "parent_id", doc_str(doc, "id")))
		return call_fail(c, 403, NULL,
				 "Cannot delete the project %s since it is not a leaf in the "
				 "hierarchy. Use the cascade option if you want to delete a whole "
				 "subtree.",
				 doc_str(doc, "id"));
	return options_allow_end(c, &project_resource, doc)
		       ?: identity_free_name(c, &project_resource, doc);
}

/* One's own, and those of the domains one looks after. */
static bool project_visible(const struct call *c, const json_t *doc)
{
	return caller_is_in(c, doc_str(doc, "id")) || caller_reaches(c, doc_str(doc, "domain_id"));
}

static bool domain_visible(const struct call *c, const json_t *doc)
{
	return !strcmp(doc_str(doc, "id"), c->auth->home_id) ||
	       caller_reaches(c, doc_str(doc, "id"));
}

static bool project_owned(const struct call *c, const json_t *doc)
{
	char scope[80];

	snprintf(scope, sizeof(scope), "project:%s", doc_str(doc, "id"));
	return grant_may_change(c, doc, NULL, scope);
}

/* A new password lasts, unless it comes with an end. */
static bool says_end(const struct call *c)
{
	return json_object_get(json_object_get(c->body, "user"), "password_expires_at");
}

/* The hash that a job made of the new password goes into the document. */
static int check_user(struct call *c, json_t *doc, const json_t *old)
{
	const struct password *made = c->job;
	const char *project = doc_str(doc, "default_project_id");
	int rc = options_settle(c, &user_resource, doc, old);

	rc = rc ?: identity_set_domain(c, doc) ?: end_tokens(c, doc, old);
	if (rc)
		return rc;
	if (!doc_same(doc, old, "default_project_id") && res_seen(c, &domain_resource, project))
		return call_fail(c, 400, NULL,
				 "User's default project ID cannot be a domain ID: %s", project);
	if (json_object_get(doc, "password"))
		json_object_del(doc, "password");
	if (made) {
		rc |= json_object_set_new(doc, "password_hash", json_string(made->hash));
		/* Tokens of the old password end; the one being made may be this microsecond's. */
		rc |= json_object_set_new(doc, "valid_after_us", json_integer(c->now_us));
		if (!says_end(c))
			rc |= json_object_set_new(doc, "password_expires_at", json_null());
	}
	return rc ? -ENOMEM : identity_claim_name(c, &user_resource, doc, old);
}

static int deleted_user(struct call *c, const json_t *doc)
{
	return identity_free_name(c, &user_resource, doc);
}

static bool user_visible(const struct call *c, const json_t *doc)
{
	return doc_is(doc, "id", c->auth->user_id) ||
	       (caller_reaches(c, doc_str(doc, "domain_id")) &&
		identity_stands((struct call *)c, doc));
}

/* GET /v3/groups/{}/users lists those who are in it. */
static bool user_listed(const struct call *c, const json_t *doc)
{
	return !c->ids[0] || member_is((struct call *)c, doc_str(doc, "id"), c->ids[0]);
}

static bool user_owned(const struct call *c, const json_t *doc)
{
	return grant_may_change(c, doc, doc_str(doc, "id"), NULL);
}

/* No other provider vouches for anybody. */
static bool match_none(struct call *c, const json_t *doc, const char *value)
{
	return false;
}

/* password_expires_at=lt:2030-01-01T00:00:00Z: an order's word, or "", and a time. */
static bool read_order(const char *value, const char **op, int64_t *at_s)
{
	static const char *const ops[] = { "lt:", "lte:", "gt:", "gte:", "eq:", "neq:", "" };
	size_t i = 0;

	while (strncmp(value, ops[i], strlen(ops[i])) != 0)
		i++;
	*op = ops[i];
	return iso8601_parse(value + strlen(ops[i]), at_s);
}

static bool match_end(struct call *c, const json_t *doc, const char *value)
{
	int64_t at_s, end_s;
	const char *op;

	if (!read_order(value, &op, &at_s) ||
	    !iso8601_parse(doc_str(doc, "password_expires_at"), &end_s))
		return false;
	switch (*op) {
	case 'l':
		return op[2] == 'e' ? end_s <= at_s : end_s < at_s;
	case 'g':
		return op[2] == 'e' ? end_s >= at_s : end_s > at_s;
	default:
		return (end_s == at_s) == (*op != 'n');
	}
}

static int valid_end(struct call *c, const char *field, json_t **value)
{
	int64_t at_s;

	if (json_is_null(*value) || iso8601_parse(json_string_value(*value), &at_s))
		return 0;
	return call_fail(c, 400, NULL, "%s: a time is needed, as 2030-01-01T00:00:00Z", field);
}

/**
 * identity_password_over() - Has a user's password come to its end?
 * @c:    the call
 * @user: user
 *
 * Return: 0, or after call_fail() with 401.
 */
int identity_password_over(struct call *c, const json_t *user)
{
	int64_t end_s;

	if (!iso8601_parse(doc_str(user, "password_expires_at"), &end_s) ||
	    c->now_us / 1000000 < end_s)
		return 0;
	return call_fail(c, 401, NULL,
			 "The password is expired and needs to be changed for user: %s.",
			 doc_str(user, "id"));
}

static int check_user_filter(struct call *c, const char *name, const char *value)
{
	const char *op;
	int64_t at_s;

	if (strcmp(name, "password_expires_at") != 0 || read_order(value, &op, &at_s))
		return 0;
	return call_fail(c, 400, NULL,
			 "The 'expires_at' must not be before now. The server could not comply "
			 "with the request since it is either malformed or otherwise incorrect: "
			 "'%.100s' is no operator and time.",
			 value);
}

static const struct rfield domain_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .max = 64,
	  .valid = identity_take_name },
	{ "domain_id", J_STR, R_VIRTUAL }, /* it is in none: its name is unique among all */
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL, "\"\"", .max = 4096 },
	{ "enabled", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "tags", J_LIST, R_CREATE | R_UPDATE, "[]", .valid = identity_check_tags },
	{ "options", J_OBJ, R_CREATE | R_UPDATE, "{}", .valid = options_of_others },
	{ "valid_after_us", J_INT, R_SECRET, "0" },
	{ NULL },
};
static const struct rfield project_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .max = 64,
	  .valid = identity_take_name },
	{ "domain_id", J_STR, R_CREATE | R_FILTER | R_INDEX | R_NULL, .ref = &domain_resource,
	  .valid = tree_valid_domain },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL, "\"\"", .max = 4096 },
	{ "enabled", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "parent_id", J_STR, R_CREATE | R_UPDATE | R_FILTER | R_INDEX | R_NULL },
	{ "is_domain", J_BOOL, R_CREATE | R_FILTER, "false" },
	{ "tags", J_LIST, R_CREATE | R_UPDATE | R_FILTER | R_EACH, "[]",
	  .valid = identity_check_tags, .match = tags_all },
	TAG_FILTER_ROWS,
	{ "options", J_OBJ, R_CREATE | R_UPDATE, "{}", .valid = options_of_others },
	{ "valid_after_us", J_INT, R_SECRET, "0" },
	{ NULL },
};
static const struct rfield user_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .valid = identity_take_name },
	{ "domain_id", J_STR, R_CREATE | R_FILTER | R_INDEX, .ref = &domain_resource },
	{ "enabled", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "password_expires_at", J_STR, R_CREATE | R_UPDATE | R_ADMIN | R_NULL | R_FILTER,
	  .valid = valid_end, .match = match_end },
	{ "idp_id", J_STR, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_none },
	{ "protocol_id", J_STR, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_none },
	{ "unique_id", J_STR, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_none },
	{ "options", J_OBJ, R_CREATE | R_UPDATE, "{}", .valid = options_of_user },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL | R_OMIT, .max = 4096 },
	{ "email", J_ANY, R_CREATE | R_UPDATE | R_NULL | R_OMIT },
	{ "default_project_id", J_STR, R_CREATE | R_UPDATE | R_NULL | R_OMIT, .min = 1, .max = 64 },
	/* the host whose agent `anyvf host add` made it for: it goes with that host */
	{ "anyvf_agent_of", J_STR,
	  R_CREATE | R_UPDATE | R_ADMIN | R_HIDDEN | R_INDEX | R_NULL | R_OMIT, .max = 200 },
	{ "password", J_STR, R_CREATE | R_UPDATE | R_VIRTUAL | R_NULL, .max = 4096 },
	{ "password_hash", J_STR, R_SECRET },
	{ "valid_after_us", J_INT, R_SECRET, "0" },
	{ NULL },
};
static const struct rfield role_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .valid = identity_valid_name },
	{ "domain_id", J_STR, R_CREATE | R_FILTER | R_NULL, .ref = &domain_resource },
	{ "description", J_STR, R_CREATE | R_UPDATE },
	{ "options", J_OBJ, R_CREATE | R_UPDATE, "{}", .valid = options_of_others },
	{ NULL },
};

/* Keystone keeps what else its clients say of users, projects, domains and roles. */
#define IDENTITY_FLAGS (RES_GLOBAL | RES_HEX_ID | RES_PATCH | RES_FREE_FORM)

const struct resource domain_resource = {
	.one = "domain",
	.many = "domains",
	.path = "/v3/domains",
	.flags = IDENTITY_FLAGS,
	.read = RULE_SELF,
	.write = RULE_ADMIN,
	.fields = domain_fields,
	.check = check_domain,
	.deleted = deleted_domain,
	.visible = domain_visible,
};
const struct resource project_resource = {
	.one = "project",
	.many = "projects",
	.path = "/v3/projects",
	.flags = IDENTITY_FLAGS,
	.read = RULE_SELF,
	.write = RULE_MANAGE,
	.fields = project_fields,
	.check = check_project,
	.deleted = deleted_project,
	.visible = project_visible,
	.owned = project_owned,
};
const struct resource user_resource = {
	.one = "user",
	.many = "users",
	.path = "/v3/users",
	.flags = IDENTITY_FLAGS,
	.read = RULE_SELF,
	.write = RULE_MANAGE,
	.fields = user_fields,
	.check = check_user,
	.deleted = deleted_user,
	.visible = user_visible,
	.listed = user_listed,
	.owned = user_owned,
	.check_filter = check_user_filter,
};
const struct resource role_resource = {
	.one = "role",
	.many = "roles",
	.path = "/v3/roles",
	.flags = IDENTITY_FLAGS,
	.read = RULE_LOOK,
	.write = RULE_ADMIN,
	.fields = role_fields,
	.check = check_role,
	.deleted = deleted_role,
	.visible = role_visible,
	.listed = role_listed,
};
static const struct resource *const resources[] = {
	&domain_resource,  &project_resource,	 &user_resource,	&role_resource,
	&service_resource, &endpoint_resource,	 &region_resource,	&appcred_resource,
	&group_resource,   &membership_resource, &access_rule_resource, NULL
};

static int list_domains(struct call *c)
{
	return res_handle_list(c, &domain_resource, false);
}

static int list_users(struct call *c)
{
	return res_handle_list(c, &user_resource, false);
}

/* Hashes user.password of the body first, if there is one. */
static int with_hash(struct call *c, int (*handle)(struct call *c, const struct resource *r))
{
	const char *text = doc_str(json_object_get(c->body, "user"), "password");
	const struct password *made = c->job;

	if (text[0] && !made)
		return call_job(c, LANE_KNOWN, password_hash, password_new(text, ""),
				password_free);
	if (made && !made->ok)
		return -ENOMEM;
	return handle(c, &user_resource);
}

static int create_user(struct call *c)
{
	return with_hash(c, res_handle_create);
}

static int update_user(struct call *c)
{
	return with_hash(c, res_handle_update);
}

/* Who knows the old one may change it, whoever's token comes along, or none (as in Keystone). */
static int change_password(struct call *c)
{
	const json_t *given = json_object_get(c->body, "user"), *user;
	const char *old = doc_str(given, "original_password"), *text = doc_str(given, "password");
	const struct password *done = c->job;
	json_t *doc;
	int rc;

	if (!old[0] || !text[0] || json_object_size(given) > 2)
		return call_fail(c, 400, NULL,
				 "original_password and password are needed, and nothing else.");
	if (c->runs == 2 && !done->ok)
		return -ENOMEM;
	user = res_get(c, &user_resource, c->ids[0]);
	snprintf(c->login.user_name, sizeof(c->login.user_name), "%s", c->ids[0]);
	rc = password_check(c, c->ids[0], old, doc_str(user, "password_hash"));
	if (rc)
		return rc;
	if (!identity_enabled(c, user))
		return call_fail(c, 401, NULL,
				 "The request you have made requires authentication.");
	rc = identity_password_over(c, user);
	if (rc)
		return rc;
	if (doc_bool(json_object_get(user, "options"), "lock_password"))
		return call_fail(c, 400, NULL,
				 "You cannot change your password at this time due to password "
				 "policy disallowing password changes. Please contact your "
				 "administrator to reset your password.");
	if (c->runs == 1)
		return call_job(c, LANE_KNOWN, password_hash,
				password_new(text, doc_str(user, "password_hash")), password_free);
	doc = json_copy((json_t *)user);
	json_object_set_new(doc, "password_hash", json_string(done->hash));
	json_object_set_new(doc, "valid_after_us", json_integer(c->now_us));
	json_object_set_new(doc, "password_expires_at", json_null());
	rc = res_put(c, &user_resource, doc);
	return rc ? rc : call_reply(c, 204, NULL);
}

static const struct route own_routes[] = {
	{ "GET", "/v3/domains", list_domains, RULE_LOOK },
	{ "GET", "/v3/users", list_users, RULE_LOOK },
	{ "POST", "/v3/users", create_user, RULE_MANAGE },
	{ "PATCH", "/v3/users/{}", update_user, RULE_MANAGE },
	{ "POST", "/v3/users/{}/password", change_password, RULE_OPEN },
	{ NULL },
};
static const struct route *const routes[] = { own_routes,	 project_routes, appcred_routes,
					      auth_routes,	 grant_routes,	 assignment_routes,
					      membership_routes, role_routes,	 project_tag_routes,
					      access_routes,	 catalog_routes, NULL };
static const struct periodic periodics[] = { { 600000, token_purge },
					     { 60000, identity_purge },
					     { 3600000, token_rotate_key },
					     { 0, NULL } };

static void close_kept(void *arg)
{
	struct identity_kept *kept = arg;

	if (!kept)
		return;
	guard_free(kept->guard);
	known_free(kept->known);
	free(kept);
}

static void *open_kept(void)
{
	struct identity_kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->guard = guard_new();
	kept->known = known_new();
	if (kept->guard && kept->known)
		return kept;
	close_kept(kept);
	return NULL;
}

static const struct authority authority = { identity_authenticate, &user_resource };
static const struct service service = {
	.type = "identity",
	.name = "keystone",
	.prefix = "/identity",
	.url = "/identity/v3",
	.style = FAULT_KEYSTONE,
};
const struct feature identity_feature = {
	.name = "identity",
	.service = &service,
	.resources = resources,
	.routes = routes,
	.absent = identity_absent,
	.periodics = periodics,
	.start = identity_bootstrap,
	.open = open_kept,
	.close = close_kept,
	.authority = &authority,
};
