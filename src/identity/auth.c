/* SPDX-License-Identifier: Apache-2.0 */
/* Identity v3, /v3/auth: logging in, rescoping, checking and revoking tokens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/uuid.h"
#include "identity/identity.h"

static int unauthorized(struct call *c)
{
	return call_fail(c, 401, NULL, "The request you have made requires authentication.");
}

static int malformed(struct call *c, const char *what)
{
	return call_fail(c, 400, NULL, "Expecting to find %s in the request body.", what);
}

/* {"id"} or {"name"} of a domain; a missing one is the default domain. */
static const char *domain_of(struct call *c, const json_t *domain)
{
	const json_t *doc;

	if (!domain)
		return "default";
	if (json_object_get(domain, "id"))
		return doc_str(domain, "id");
	doc = identity_by_name(c, &domain_resource, doc_str(domain, "name"), NULL);
	return doc ? doc_str(doc, "id") : "";
}

/* {"id"} or {"name", "domain"} of a user or project. */
static const json_t *find_named(struct call *c, const struct resource *r, const json_t *named)
{
	if (json_object_get(named, "id"))
		return res_get(c, r, doc_str(named, "id"));
	return identity_by_name(c, r, doc_str(named, "name"),
				domain_of(c, json_object_get(named, "domain")));
}

/* A user, project or domain as a login names it: {"id"}, or {"name"} and the domain that is in. */
static int check_named(struct call *c, const json_t *named, bool in_domain, const char *what)
{
	static const char *const texts[] = { "id", "name", "password" };
	const json_t *domain = json_object_get(named, "domain");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (json_object_get(named, texts[i]) && !doc_text(named, texts[i]))
			return malformed(c, texts[i]);
	if (!doc_text(named, "id") && !doc_text(named, "name"))
		return malformed(c, what);
	if (!in_domain || (!domain && doc_text(named, "id")))
		return 0;
	return check_named(c, domain, false, "domain");
}

/* What a scope may be written like: one of these words. */
static int check_scope(struct call *c, const json_t *scope)
{
	static const char *const words[] = { "project", "domain", "system", "unscoped",
					     "OS-TRUST:trust" };
	const json_t *all = json_object_get(json_object_get(scope, "system"), "all");
	unsigned int n = 0;

	if (!scope || json_is_string(scope))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		n += !!json_object_get(scope, words[i]);
	if (n != 1 || (all && !json_is_boolean(all)))
		return malformed(c, "system, project, domain, OS-TRUST:trust or unscoped");
	if (json_object_get(scope, "project"))
		return check_named(c, json_object_get(scope, "project"), true, "project");
	if (json_object_get(scope, "domain"))
		return check_named(c, json_object_get(scope, "domain"), false, "domain");
	return 0;
}

/* Where the token is to be good for. scope[0] '\0': nowhere. */
static int parse_scope(struct call *c, const json_t *scope, const json_t *user, char out[80])
{
	const json_t *project = json_object_get(scope, "project");
	const json_t *domain = json_object_get(scope, "domain"), *doc;
	const char *dflt = doc_str(user, "default_project_id");

	out[0] = '\0';
	if (!scope) {
		doc = dflt[0] ? res_get(c, &project_resource, dflt) : NULL;
		if (doc)
			snprintf(out, 80, "project:%s", doc_str(doc, "id"));
		return 0;
	}
	if (json_is_string(scope) || json_object_get(scope, "unscoped"))
		return 0;
	if (json_is_object(project)) {
		doc = find_named(c, &project_resource, project);
		if (!identity_enabled(c, doc))
			return unauthorized(c);
		snprintf(out, 80, "project:%s", doc_str(doc, "id"));
	} else if (json_is_object(domain)) {
		doc = res_get(c, &domain_resource, domain_of(c, domain));
		if (!doc_bool(doc, "enabled"))
			return unauthorized(c);
		snprintf(out, 80, "domain:%s", doc_str(doc, "id"));
	} else if (json_object_get(scope, "system")) {
		strcpy(out, "system");
	} else {
		return malformed(c, "project, domain or system in the scope");
	}
	return 0;
}

static void time_text(int64_t us, char out[40])
{
	time_t s = (time_t)(us / 1000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + strlen(out), 10, ".%06uZ", (unsigned int)(us % 1000000) % 1000000);
}

static json_t *with_domain(struct call *c, const json_t *doc)
{
	const json_t *domain = res_get(c, &domain_resource, doc_str(doc, "domain_id"));

	return json_pack("{s:{s:s,s:s},s:s,s:s}", "domain", "id", doc_str(doc, "domain_id"), "name",
			 doc_str(domain, "name"), "id", doc_str(doc, "id"), "name",
			 doc_str(doc, "name"));
}

static json_t *split_methods(const char *methods)
{
	const char *comma = strchr(methods, ',');

	return comma ? json_pack("[s%,s]", methods, (size_t)(comma - methods), comma + 1)
		     : json_pack("[s]", methods);
}

static void add_scope(struct call *c, json_t *body, const struct token *t)
{
	const char *project = strncmp(t->scope, "project:", 8) ? "" : t->scope + 8;
	unsigned int mask = 0;

	if (project[0]) {
		json_object_set_new(body, "project",
				    with_domain(c, res_get(c, &project_resource, project)));
		json_object_set_new(body, "is_domain", json_false());
	} else if (!strncmp(t->scope, "domain:", 7)) {
		const json_t *domain = res_get(c, &domain_resource, t->scope + 7);

		json_object_set_new(body, "domain",
				    json_pack("{s:s,s:s}", "id", doc_str(domain, "id"), "name",
					      doc_str(domain, "name")));
	} else if (t->scope[0]) {
		json_object_set_new(body, "system", json_pack("{s:b}", "all", 1));
	}
	if (!t->scope[0])
		return;
	json_object_set_new(body, "roles", token_roles(c, t, &mask));
	if (!call_arg(c, "nocatalog"))
		json_object_set_new(body, "catalog", identity_catalog(c, project, t->user_id));
}

static json_t *with_credential(struct call *c, const struct token *t)
{
	const json_t *doc = appcred_holds(c, t->credential_id);
	const json_t *rules = json_object_get(doc, "access_rules");

	return json_pack("{s:s,s:s,s:b,s:O*}", "id", t->credential_id, "name", doc_str(doc, "name"),
			 "restricted", !doc_bool(doc, "unrestricted"), "access_rules",
			 json_is_array(rules) ? rules : NULL);
}

/* The body that describes a token. */
static json_t *describe(struct call *c, const struct token *t)
{
	const json_t *user = res_get(c, &user_resource, t->user_id);
	json_t *who = with_domain(c, user), *body, *audit = json_pack("[s]", t->audit_id);
	char issued[40], expires[40];

	time_text(t->issued_us, issued);
	time_text(t->expires_us, expires);
	json_object_set(who, "password_expires_at",
			json_object_get(user, "password_expires_at") ?: json_null());
	if (t->chain[0])
		json_array_append_new(audit, json_stringn(t->chain, TOKEN_ID_LEN));
	body = json_pack("{s:o,s:o,s:o,s:s,s:s}", "methods", split_methods(t->methods), "user", who,
			 "audit_ids", audit, "expires_at", expires, "issued_at", issued);
	if (body && t->credential_id[0])
		json_object_set_new(body, "application_credential", with_credential(c, t));
	if (body)
		add_scope(c, body, t);
	return body ? json_pack("{s:o}", "token", body) : NULL;
}

/*
 * Where a token of an application credential is good: on its project, whatever it was made of.
 * credential: by which one logs in; else the token that was shown may be of one.
 */
static int set_credential(struct call *c, struct token *t, const json_t *credential,
			  const struct token *from)
{
	const json_t *scope = json_object_get(json_object_get(c->body, "auth"), "scope");

	if (credential) {
		if (scope)
			return call_fail(c, 401, NULL,
					 "Application credentials cannot request a scope.");
		snprintf(t->credential_id, sizeof(t->credential_id), "%s",
			 doc_str(credential, "id"));
		snprintf(t->scope, sizeof(t->scope), "project:%s",
			 doc_str(credential, "project_id"));
		t->expires_us = appcred_expires_us(credential, t->expires_us);
	} else if (from && from->credential_id[0]) {
		if (json_is_object(scope) && strcmp(t->scope, from->scope) != 0)
			return unauthorized(c);
		strcpy(t->credential_id, from->credential_id);
		strcpy(t->scope, from->scope);
	}
	return 0;
}

/*
 * Signs a token for the user and answers with it. from: the token that was shown, or NULL;
 * credential: the application credential that was, or NULL.
 */
static int issue(struct call *c, const json_t *user, const struct token *from,
		 const json_t *credential)
{
	const json_t *scope = json_object_get(json_object_get(c->body, "auth"), "scope");
	struct token t = { .issued_us = c->now_us, .expires_us = c->now_us + token_lifetime_us(c) };
	auto_of(json_decref) json_t *roles = NULL;
	auto_free char *text = NULL;
	unsigned int mask = 0;
	int rc = parse_scope(c, scope, user, t.scope);

	rc = rc ? rc : set_credential(c, &t, credential, from);
	if (rc)
		return rc;
	snprintf(t.user_id, sizeof(t.user_id), "%s", doc_str(user, "id"));
	token_caller(c, &t, &c->login);
	uuid_new_hex(t.audit_id);
	strcpy(t.methods, from	       ? from->methods
			  : credential ? "application_credential"
				       : "password");
	if (from && !strstr(t.methods, "token"))
		strcat(t.methods, ",token");
	if (from) {
		if (snprintf(t.chain, sizeof(t.chain), "%s%s", from->chain, from->audit_id) >=
		    (int)sizeof(t.chain))
			return unauthorized(c);	 /* time to log in */
		t.expires_us = from->expires_us; /* a copy lives no longer */
	}
	roles = t.scope[0] ? token_roles(c, &t, &mask) : NULL;
	if (t.scope[0] && !json_array_size(roles)) {
		if (scope || t.credential_id[0])
			return unauthorized(c);
		t.scope[0] = '\0'; /* the default project is a wish, not an order */
	}
	rc = token_sign(c, &t, &text);
	if (rc)
		return rc;
	call_header(c, "X-Subject-Token", text);
	return call_reply(c, 201, describe(c, &t));
}

static int read_login_token(struct call *c, const json_t *identity, struct token *t)
{
	const json_t *given = json_object_get(identity, "token");

	if (!json_is_string(json_object_get(given, "id")))
		return malformed(c, "token");
	return token_read(c, doc_str(given, "id"), t) ? unauthorized(c) : 0;
}

/* also: the user whom another method named, or NULL. */
static int login_by_password(struct call *c, const json_t *identity, const char *also)
{
	const json_t *given = json_object_get(json_object_get(identity, "password"), "user");
	int rc = check_named(c, given, true, "user");
	const json_t *user = rc ? NULL : find_named(c, &user_resource, given);
	const char *name = doc_str(user ? user : given, user ? "id" : "name");

	if (rc)
		return rc;
	if (!json_is_string(json_object_get(given, "password")))
		return malformed(c, "password");
	snprintf(c->login.user_name, sizeof(c->login.user_name), "%s",
		 doc_str(given, json_object_get(given, "id") ? "id" : "name"));
	rc = password_check(c, name, doc_str(given, "password"), doc_str(user, "password_hash"));
	if (rc)
		return rc;
	if (!identity_enabled(c, user) || (also && strcmp(also, doc_str(user, "id")) != 0))
		return unauthorized(c);
	return identity_password_over(c, user) ?: issue(c, user, NULL, NULL);
}

/* {"id"}, or {"name", "user"}; NULL if there is none. */
static const json_t *find_credential(struct call *c, const json_t *given)
{
	const json_t *user = json_object_get(given, "user");
	struct cursor it;

	if (json_object_get(given, "id"))
		return res_get(c, &appcred_resource, doc_str(given, "id"));
	user = json_is_object(user) ? find_named(c, &user_resource, user) : NULL;
	it = res_list(c, &appcred_resource, "user_id", doc_str(user, "id"));
	while (user && cursor_next(&it))
		if (doc_is(it.doc, "name", doc_str(given, "name")))
			return it.doc;
	return NULL;
}

static int login_by_credential(struct call *c, const json_t *identity)
{
	const json_t *given = json_object_get(identity, "application_credential"), *found, *user;
	const char *who = doc_str(given, json_object_get(given, "id") ? "id" : "name");
	int rc;

	if (!who[0] || !json_is_string(json_object_get(given, "secret")))
		return malformed(c, "application_credential");
	found = find_credential(c, given);
	user = found ? res_get(c, &user_resource, doc_str(found, "user_id")) : NULL;
	snprintf(c->login.user_name, sizeof(c->login.user_name), "%s", who);
	rc = password_check(c, found ? doc_str(found, "id") : who, doc_str(given, "secret"),
			    doc_str(found, "secret_hash"));
	if (rc)
		return rc;
	if (!found || !appcred_holds(c, doc_str(found, "id")) || !identity_enabled(c, user) ||
	    !identity_enabled(c, res_get(c, &project_resource, doc_str(found, "project_id"))))
		return unauthorized(c);
	return issue(c, user, NULL, found);
}

enum { BY_PASSWORD = 1, BY_TOKEN = 2, BY_CREDENTIAL = 4 };

static unsigned int method_of(const char *name)
{
	if (!strcmp(name, "application_credential"))
		return BY_CREDENTIAL;
	if (!strcmp(name, "password"))
		return BY_PASSWORD;
	return strcmp(name, "token") ? 0 : BY_TOKEN;
}

/* All that the client names has to be shown: one that we do not know is none that we pass over. */
static int read_methods(struct call *c, const json_t *methods, unsigned int *out)
{
	const json_t *method;
	size_t i;

	*out = 0;
	json_array_foreach (methods, i, method) {
		const char *name = json_string_value(method);

		if (!name)
			return malformed(c, "methods");
		if (!method_of(name) || (*out && (*out | method_of(name)) & BY_CREDENTIAL))
			return call_fail(c, 401, NULL,
					 "Attempted to authenticate with an unsupported method.");
		*out |= method_of(name);
	}
	return *out ? 0 : malformed(c, "methods");
}

static int handle_login(struct call *c)
{
	const json_t *auth = json_object_get(c->body, "auth");
	const json_t *identity = json_object_get(auth, "identity");
	unsigned int methods;
	struct token t;
	int rc;

	if (!json_is_object(auth))
		return malformed(c, "auth");
	if (!json_is_object(identity))
		return malformed(c, "identity");
	rc = read_methods(c, json_object_get(identity, "methods"), &methods)
		     ?: check_scope(c, json_object_get(auth, "scope"));
	if (!rc && methods & BY_TOKEN)
		rc = read_login_token(c, identity, &t);
	if (rc)
		return rc;
	if (methods & BY_CREDENTIAL)
		return login_by_credential(c, identity);
	if (methods & BY_PASSWORD)
		return login_by_password(c, identity, methods & BY_TOKEN ? t.user_id : NULL);
	return issue(c, res_get(c, &user_resource, t.user_id), &t, NULL);
}

/* The token in X-Subject-Token; the caller's own, anybody's for who passes a rule. */
static int read_subject(struct call *c, enum rule others, struct token *t)
{
	const char *text = call_header_in(c, "X-Subject-Token"), *own;

	if (!text)
		return call_fail(c, 400, NULL, "X-Subject-Token is needed.");
	if (token_read(c, text, t))
		return call_fail(c, 404, NULL, "Could not recognize token");
	own = call_header_in(c, "X-Auth-Token");
	if (caller_may(c, others) || (own && !strcmp(own, text)) ||
	    !strcmp(c->auth->user_id, t->user_id))
		return 0;
	return call_fail(c, 403, NULL, "You are not authorized to perform the requested action.");
}

static int handle_validate(struct call *c)
{
	struct token t;
	int rc = read_subject(c, RULE_VALIDATE, &t);

	if (rc)
		return rc;
	call_header(c, "X-Subject-Token", call_header_in(c, "X-Subject-Token"));
	return call_reply(c, 200, describe(c, &t));
}

static int handle_revoke(struct call *c)
{
	struct token t;
	int rc = read_subject(c, RULE_ADMIN, &t) ?: token_revoke(c, &t);

	return rc ? rc : call_reply(c, 204, NULL);
}

/* Scopes a user has a role on: all of one's own, of another's those one sees. To log in, those that
 * are enabled; else those that are asked for. */
static json_t *own_scopes(struct call *c, const struct resource *r, const char *user_id, bool login)
{
	auto_of(json_decref) json_t *places = grant_places(c, user_id, r);
	bool own = !strcmp(user_id, c->auth->user_id);
	json_t *list = json_array(), *ignored;
	const char *id;

	json_object_foreach (places, id, ignored) {
		const json_t *doc = res_get(c, r, id);

		if (doc && (login ? doc_bool(doc, "enabled") : res_is_asked_for(c, r, doc)) &&
		    (own || res_visible(c, r, doc)))
			json_array_append_new(list, res_show(c, r, doc));
	}
	return list;
}

static int reply_scopes(struct call *c, const struct resource *r, const char *user_id, bool login)
{
	char self[400];

	snprintf(self, sizeof(self), "%s/identity%s", c->opts->public_url, c->path);
	return call_reply(c, 200,
			  json_pack("{s:o,s:{s:n,s:s,s:n}}", r->many,
				    own_scopes(c, r, user_id, login), "links", "next", "self", self,
				    "previous"));
}

static int handle_projects(struct call *c)
{
	return reply_scopes(c, &project_resource, c->auth->user_id, true);
}

static int handle_domains(struct call *c)
{
	return reply_scopes(c, &domain_resource, c->auth->user_id, true);
}

static int handle_system(struct call *c)
{
	unsigned int mask = 0;
	auto_of(json_decref) json_t *roles = grant_roles(c, c->auth->user_id, "system", &mask);

	return call_reply(
		c, 200,
		json_pack("{s:o}", "system",
			  json_array_size(roles) ? json_pack("[{s:b}]", "all", 1) : json_array()));
}

static int handle_user_projects(struct call *c)
{
	if (!res_find(c, &user_resource, c->ids[0]))
		return -ENOENT;
	return reply_scopes(c, &project_resource, c->ids[0], false);
}

const struct route auth_routes[] = {
	{ "POST", "/v3/auth/tokens", handle_login, RULE_OPEN, ROUTE_LOGIN },
	{ "GET", "/v3/auth/tokens", handle_validate, RULE_SELF },
	{ "DELETE", "/v3/auth/tokens", handle_revoke, RULE_SELF, ROUTE_LOGIN },
	{ "GET", "/v3/auth/projects", handle_projects, RULE_SELF },
	{ "GET", "/v3/auth/domains", handle_domains, RULE_SELF },
	{ "GET", "/v3/auth/system", handle_system, RULE_SELF },
	{ "GET", "/v3/users/{}/projects", handle_user_projects, RULE_SELF },
	{ NULL },
};
