/* SPDX-License-Identifier: Apache-2.0 */
/* Role assignments of identity v3: which user has which role on which project, domain or system. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "identity/identity.h"

/* Roles policy looks at, and what each implies. */
static const struct {
	const char *name;
	unsigned int bit;
	const char *implies;
} known_roles[] = {
	{ "admin", ROLE_ADMIN, "member" }, { "member", ROLE_MEMBER, "reader" },
	{ "reader", ROLE_READER, NULL },   { "service", ROLE_SERVICE, NULL },
	{ "agent", ROLE_AGENT, NULL },
};

/**
 * grant_put() - Give a user a role
 * @c:       the call
 * @user_id: user
 * @scope:   "project:ID", "domain:ID" or "system"
 * @role_id: role
 *
 * Return: 0; as call_put().
 */
int grant_put(struct call *c, const char *user_id, const char *scope, const char *role_id)
{
	return call_put(
		c, json_pack("{s:s,s:s,s:s}", "user", user_id, "scope", scope, "role", role_id),
		"/grant/%s/%s/%s", user_id, scope, role_id);
}

/* A role of a domain's own means nothing to policy, whatever its name, and is in no token. */
static bool is_domains(const json_t *role)
{
	return doc_str(role, "domain_id")[0];
}

static unsigned int role_bit(const json_t *role)
{
	for (unsigned int i = 0; i < ARRAY_LEN(known_roles); i++)
		if (!is_domains(role) && !strcmp(known_roles[i].name, doc_str(role, "name")))
			return known_roles[i].bit;
	return 0;
}

static bool has_role(const json_t *roles, const char *name)
{
	const json_t *role;
	size_t i;

	json_array_foreach (roles, i, role)
		if (!strcmp(doc_str(role, "name"), name))
			return true;
	return false;
}

/* Adds a role and what it implies. */
static void add_role(struct call *c, json_t *roles, const json_t *role, unsigned int *mask)
{
	while (role && !is_domains(role) && !has_role(roles, doc_str(role, "name"))) {
		const char *implied = NULL;

		json_array_append_new(roles, json_pack("{s:s,s:s}", "id", doc_str(role, "id"),
						       "name", doc_str(role, "name")));
		for (unsigned int i = 0; i < ARRAY_LEN(known_roles); i++) {
			if (strcmp(known_roles[i].name, doc_str(role, "name")) != 0)
				continue;
			*mask |= known_roles[i].bit;
			implied = known_roles[i].implies;
		}
		role = implied ? identity_by_name(c, &role_resource, implied, "") : NULL;
	}
}

/**
 * grant_roles() - The roles a user has somewhere, implied ones included
 * @c:       the call
 * @user_id: user
 * @scope:   "project:ID", "domain:ID" or "system"
 * @mask:    enum role bits, or-ed into
 *
 * Return: a new list of {id, name}; NULL without memory.
 */
json_t *grant_roles(struct call *c, const char *user_id, const char *scope, unsigned int *mask)
{
	struct cursor it = call_list(c, "/grant/%s/%s/", user_id, scope);
	json_t *roles = json_array();

	while (roles && cursor_next(&it))
		add_role(c, roles, res_get(c, &role_resource, doc_str(it.doc, "role")), mask);
	return roles;
}

/**
 * grant_some() - Some roles, and what they imply, as far as a user has them somewhere
 * @c:       the call
 * @user_id: user
 * @scope:   "project:ID", "domain:ID" or "system"
 * @some:    list of {id}
 * @mask:    enum role bits, or-ed into
 *
 * Return: a new list of {id, name}; NULL without memory.
 */
json_t *grant_some(struct call *c, const char *user_id, const char *scope, const json_t *some,
		   unsigned int *mask)
{
	unsigned int ignored = 0;
	auto_of(json_decref) json_t *have = grant_roles(c, user_id, scope, &ignored);
	auto_of(json_decref) json_t *want = json_array();
	json_t *out = json_array();
	const json_t *role;
	size_t i;

	json_array_foreach ((json_t *)some, i, role)
		add_role(c, want, res_get(c, &role_resource, doc_str(role, "id")), &ignored);
	json_array_foreach (want, i, role) {
		if (!has_role(have, doc_str(role, "name")))
			continue;
		*mask |= role_bit(role);
		json_array_append(out, (json_t *)role);
	}
	return out;
}

/**
 * grant_drop() - Take away all grants of a user, or on a scope
 * @c:       the call
 * @user_id: user; NULL: anybody
 * @scope:   scope; NULL: any
 *
 * Return: 0; as call_delete().
 */
int grant_drop(struct call *c, const char *user_id, const char *scope)
{
	struct cursor it = call_list(c, "/grant/");
	int rc = 0;

	while (!rc && cursor_next(&it))
		if ((!user_id || !strcmp(doc_str(it.doc, "user"), user_id)) &&
		    (!scope || !strcmp(doc_str(it.doc, "scope"), scope)))
			rc = call_delete(c, "%s", it.key);
	return rc;
}

/**
 * grant_beyond() - Is there a grant that is not the caller's to give?
 * @c:       the call
 * @user_id: of this user; NULL: anybody's
 * @scope:   on this scope; NULL: any
 *
 * Whoever may change such a user (his password) or project has the power that was granted.
 */
bool grant_beyond(const struct call *c, const char *user_id, const char *scope)
{
	struct call *call = (struct call *)c;
	struct cursor it =
		user_id ? call_list(call, "/grant/%s/", user_id) : call_list(call, "/grant/");

	while (cursor_next(&it))
		if ((!scope || !strcmp(doc_str(it.doc, "scope"), scope)) &&
		    !caller_may_grant(
			    c, doc_str(it.doc, "scope"),
			    role_bit(res_get(call, &role_resource, doc_str(it.doc, "role")))))
			return true;
	return false;
}

/* The scope, user and role of /projects/{}/users/{}/roles/{} and its like. */
struct where {
	char scope[80];
	const char *user, *role; /* role NULL: all */
};

/* A domain, project or user that the caller looks after; one that is only his own is not enough. */
static const json_t *find_reached(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_find(c, r, id);
	const char *domain = doc_str(doc, r == &domain_resource ? "id" : "domain_id");

	if (!doc || caller_reaches(c, domain))
		return doc;
	fault_not_found(c, r, id);
	return NULL;
}

static int parse_where(struct call *c, struct where *w)
{
	unsigned int n = 0;
	const struct resource *of = NULL;

	if (!strncmp(c->path, "/v3/projects/", 13))
		of = &project_resource;
	else if (!strncmp(c->path, "/v3/domains/", 12))
		of = &domain_resource;
	if (of) {
		if (!find_reached(c, of, c->ids[n]))
			return -ENOENT;
		snprintf(w->scope, sizeof(w->scope), "%s:%s", of->one, c->ids[n++]);
	} else {
		strcpy(w->scope, "system");
	}
	w->user = c->ids[n++];
	w->role = c->ids[n];
	if (!find_reached(c, &user_resource, w->user))
		return -ENOENT;
	return w->role && !res_find(c, &role_resource, w->role) ? -ENOENT : 0;
}

/* As parse_where(), for one who gives the role or takes it away. */
static int parse_change(struct call *c, struct where *w)
{
	int rc = parse_where(c, w);

	if (rc || caller_may_grant(c, w->scope, role_bit(res_get(c, &role_resource, w->role))))
		return rc;
	return call_fail(c, 403, NULL, "The role %s is not yours to give or take here.", w->role);
}

/* A domain's own role is given within the domain. */
static int check_domain(struct call *c, const struct where *w)
{
	const char *home = doc_str(res_get(c, &role_resource, w->role), "domain_id"), *domain = "";

	if (!strncmp(w->scope, "project:", 8))
		domain = doc_str(res_get(c, &project_resource, w->scope + 8), "domain_id");
	else if (!strncmp(w->scope, "domain:", 7))
		domain = w->scope + 7;
	if (!home[0] || !strcmp(home, domain))
		return 0;
	return call_fail(c, 403, NULL, "The role %s is of another domain.", w->role);
}

static int handle_put(struct call *c)
{
	struct where w;
	int rc = parse_change(c, &w) ?: check_domain(c, &w);

	rc = rc ? rc : grant_put(c, w.user, w.scope, w.role);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int handle_delete(struct call *c)
{
	struct where w;
	int rc = parse_change(c, &w);

	if (rc)
		return rc;
	if (!call_get(c, "/grant/%s/%s/%s", w.user, w.scope, w.role))
		return call_fail(c, 404, NULL, "Could not find role assignment.");
	rc = call_delete(c, "/grant/%s/%s/%s", w.user, w.scope, w.role);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int handle_check(struct call *c)
{
	struct where w;
	int rc = parse_where(c, &w);

	if (rc)
		return rc;
	if (!call_get(c, "/grant/%s/%s/%s", w.user, w.scope, w.role))
		return call_fail(c, 404, NULL, "Could not find role assignment.");
	return call_reply(c, 204, NULL);
}

static int handle_roles(struct call *c)
{
	auto_of(json_decref) json_t *roles = json_array();
	struct cursor it;
	struct where w;
	int rc = parse_where(c, &w);

	if (rc)
		return rc;
	it = call_list(c, "/grant/%s/%s/", w.user, w.scope);
	while (cursor_next(&it)) {
		const json_t *role = res_get(c, &role_resource, doc_str(it.doc, "role"));

		if (role)
			json_array_append_new(roles, res_show(c, &role_resource, role));
	}
	return call_reply(
		c, 200,
		json_pack("{s:O,s:{s:n,s:n}}", "roles", roles, "links", "next", "previous"));
}

/* {"id"}, and with ?include_names the name and domain. */
static json_t *reference(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_get(c, r, id);
	const char *names = call_arg(c, "include_names"), *domain = doc_str(doc, "domain_id");
	const json_t *owner = domain[0] ? res_get(c, &domain_resource, domain) : NULL;

	if (!names || !strcasecmp(names, "false") || names[0] == '0')
		return json_pack("{s:s}", "id", id);
	if (!owner)
		return json_pack("{s:s,s:s}", "id", id, "name", doc_str(doc, "name"));
	return json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", id, "name", doc_str(doc, "name"), "domain",
			 "id", domain, "name", doc_str(owner, "name"));
}

static json_t *assignment(struct call *c, const json_t *grant)
{
	const char *scope = doc_str(grant, "scope"), *colon = strchr(scope, ':');
	bool project = !strncmp(scope, "project:", 8);
	char link[400];
	json_t *where;

	if (colon) {
		where = json_pack(
			"{s:o}", project ? "project" : "domain",
			reference(c, project ? &project_resource : &domain_resource, colon + 1));
		snprintf(link, sizeof(link), "%s/identity/v3/%ss/%s/users/%s/roles/%s",
			 c->opts->public_url, project ? "project" : "domain", colon + 1,
			 doc_str(grant, "user"), doc_str(grant, "role"));
	} else {
		where = json_pack("{s:{s:b}}", "system", "all", 1);
		snprintf(link, sizeof(link), "%s/identity/v3/system/users/%s/roles/%s",
			 c->opts->public_url, doc_str(grant, "user"), doc_str(grant, "role"));
	}
	return json_pack("{s:{s:s},s:o,s:o,s:o}", "links", "assignment", link, "scope", where,
			 "user", reference(c, &user_resource, doc_str(grant, "user")), "role",
			 reference(c, &role_resource, doc_str(grant, "role")));
}

static bool is_wanted(struct call *c, const json_t *grant)
{
	const char *user = call_arg(c, "user.id"), *role = call_arg(c, "role.id");
	const char *project = call_arg(c, "scope.project.id"), *scope = doc_str(grant, "scope");
	const char *domain = call_arg(c, "scope.domain.id");

	if (call_arg(c, "group.id") || (user && strcmp(user, doc_str(grant, "user")) != 0) ||
	    (role && strcmp(role, doc_str(grant, "role")) != 0))
		return false;
	if (call_arg(c, "scope.system") && strcmp(scope, "system") != 0)
		return false;
	if (project && (strncmp(scope, "project:", 8) || strcmp(scope + 8, project) != 0))
		return false;
	return !domain || (!strncmp(scope, "domain:", 7) && !strcmp(scope + 7, domain));
}

/* The admin of a domain sees what is granted on it and on its projects. */
static bool is_reached(struct call *c, const json_t *grant)
{
	const char *scope = doc_str(grant, "scope");
	const json_t *project;

	if (!strncmp(scope, "domain:", 7))
		return caller_reaches(c, scope + 7);
	project = strncmp(scope, "project:", 8) ? NULL : res_get(c, &project_resource, scope + 8);
	return caller_reaches(c, doc_str(project, "domain_id")); /* the system is in no domain */
}

static int handle_assignments(struct call *c)
{
	auto_of(json_decref) json_t *list = json_array();
	struct cursor it = call_list(c, "/grant/");
	char self[300];

	while (cursor_next(&it))
		if (is_wanted(c, it.doc) && is_reached(c, it.doc))
			json_array_append_new(list, assignment(c, it.doc));
	snprintf(self, sizeof(self), "%s/identity/v3/role_assignments", c->opts->public_url);
	return call_reply(c, 200,
			  json_pack("{s:O,s:{s:n,s:s,s:n}}", "role_assignments", list, "links",
				    "next", "self", self, "previous"));
}

#define GRANTS(path, look, manage)                                                                 \
	{ "PUT", path "/users/{}/roles/{}", handle_put, manage, ROUTE_GRANT },                     \
		{ "DELETE", path "/users/{}/roles/{}", handle_delete, manage, ROUTE_GRANT },       \
		{ "GET", path "/users/{}/roles/{}", handle_check, look },                          \
	{                                                                                          \
		"GET", path "/users/{}/roles", handle_roles, look                                  \
	}

const struct route grant_routes[] = {
	GRANTS("/v3/projects/{}", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/domains/{}", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/system", RULE_ADMIN, RULE_ADMIN),
	{ "GET", "/v3/role_assignments", handle_assignments, RULE_LOOK },
	{ NULL },
};
