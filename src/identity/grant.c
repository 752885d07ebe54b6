/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: who has which role where, /grant/WHO/SCOPE/ROLE. WHO is a user, or "group:ID": then each
 * of its members has the role. SCOPE is "project:ID", "domain:ID", "system", or "inherited:" before
 * one of the first two: then the role is one on all projects below it. A grant goes with its user,
 * group, role, project or domain, which may have more than a transaction holds: it counts no more,
 * and identity_purge() deletes it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define INHERITED "inherited:"

/**
 * grant_who() - What a group is to grants
 * @group_id: group
 * @out:      "group:ID"
 */
void grant_who(const char *group_id, char out[GROUP_WHO_LEN])
{
	snprintf(out, GROUP_WHO_LEN, GROUP_PREFIX "%s", group_id);
}

/**
 * grant_put() - Give a user or group a role
 * @c:       the call
 * @who:     user, or "group:ID"
 * @scope:   "project:ID", "domain:ID", "system", or "inherited:" before one of the first two
 * @role_id: role
 *
 * Return: 0; as call_put().
 */
int grant_put(struct call *c, const char *who, const char *scope, const char *role_id)
{
	bool group = !strncmp(who, GROUP_PREFIX, strlen(GROUP_PREFIX));

	return call_put(c,
			json_pack("{s:s,s:s,s:s}", group ? "group" : "user",
				  group ? who + strlen(GROUP_PREFIX) : who, "scope", scope, "role",
				  role_id),
			"/grant/%s/%s/%s", who, scope, role_id);
}

/**
 * grant_place() - What a grant's scope is about
 * @scope: as grant_put()
 *
 * Return: the project or domain, borrowed from @scope; .of is NULL for the system.
 */
struct grant_place grant_place(const char *scope)
{
	struct grant_place at = { .inherited = !strncmp(scope, INHERITED, strlen(INHERITED)) };

	if (at.inherited)
		scope += strlen(INHERITED);
	if (!strncmp(scope, "project:", 8)) {
		at.of = &project_resource;
		at.id = scope + 8;
	} else if (!strncmp(scope, "domain:", 7)) {
		at.of = &domain_resource;
		at.id = scope + 7;
	}
	return at;
}

/**
 * grant_stands() - Is all there that a grant names?
 * @c:     the call
 * @grant: document
 */
bool grant_stands(struct call *c, const json_t *grant)
{
	struct grant_place at = grant_place(doc_str(grant, "scope"));
	const char *user = doc_text(grant, "user");

	return (user ? identity_there(c, &user_resource, user)
		     : identity_there(c, &group_resource, doc_str(grant, "group"))) &&
	       identity_there(c, &role_resource, doc_str(grant, "role")) &&
	       (!at.of || identity_there(c, at.of, at.id));
}

/**
 * grant_is_below() - Is a project below another, or in a domain?
 * @c:       the call
 * @project: document
 * @of:      project_resource or domain_resource
 * @id:      of that
 */
bool grant_is_below(struct call *c, const json_t *project, const struct resource *of,
		    const char *id)
{
	if (of == &domain_resource)
		return doc_is(project, "domain_id", id);
	while ((project = res_get(c, &project_resource, doc_str(project, "parent_id"))))
		if (doc_is(project, "id", id))
			return true;
	return false;
}

/**
 * grant_next_heir() - Step to the next project that has what is inherited
 * @c:  the call
 * @at: from where
 * @it: what grant_heirs() made
 *
 * Return: true; false past the last.
 */
bool grant_next_heir(struct call *c, const struct grant_place *at, struct cursor *it)
{
	while (cursor_next(it))
		if (grant_is_below(c, it->doc, at->of, at->id))
			return true;
	return false;
}

/* The domain of what is inherited. */
static const char *domain_of(struct call *c, const struct grant_place *at)
{
	return at->of == &domain_resource ? at->id
					  : doc_str(res_get(c, at->of, at->id), "domain_id");
}

/**
 * grant_heirs() - Walk the projects that have what is inherited: grant_next_heir()
 * @c:  the call
 * @at: from where
 */
struct cursor grant_heirs(struct call *c, const struct grant_place *at)
{
	return res_list(c, &project_resource, "domain_id", domain_of(c, at));
}

/* Adds the roles that one has by grants on a scope, each once. */
static void add_granted(struct call *c, const char *who, const char *scope, json_t *ids)
{
	struct cursor it = call_list(c, "/grant/%s/%s/", who, scope);

	while (cursor_next(&it))
		if (!list_has(ids, doc_str(it.doc, "role")))
			json_array_append(ids, json_object_get(it.doc, "role"));
}

/* ... and those that a project inherits. */
static void add_all_granted(struct call *c, const char *who, const char *scope, json_t *ids)
{
	const json_t *above;
	char from[80];

	add_granted(c, who, scope, ids);
	if (strncmp(scope, "project:", 8) != 0)
		return;
	above = res_get(c, &project_resource, scope + 8);
	snprintf(from, sizeof(from), INHERITED "domain:%s", doc_str(above, "domain_id"));
	add_granted(c, who, from, ids);
	while ((above = res_get(c, &project_resource, doc_str(above, "parent_id")))) {
		snprintf(from, sizeof(from), INHERITED "project:%s", doc_str(above, "id"));
		add_granted(c, who, from, ids);
	}
}

/**
 * grant_roles() - The roles a user has somewhere
 * @c:       the call
 * @user_id: user
 * @scope:   "project:ID", "domain:ID" or "system"
 * @mask:    enum role bits, or-ed into
 *
 * His own, those of his groups, inherited and implied ones included.
 *
 * Return: a new list of {id, name}; NULL without memory.
 */
json_t *grant_roles(struct call *c, const char *user_id, const char *scope, unsigned int *mask)
{
	auto_of(json_decref) json_t *ids = json_array();
	struct cursor it = member_groups(c, user_id);

	add_all_granted(c, user_id, scope, ids);
	while (member_next_group(c, &it)) {
		char who[GROUP_WHO_LEN];

		grant_who(doc_str(it.doc, "group_id"), who);
		add_all_granted(c, who, scope, ids);
	}
	return roles_of(c, ids, mask);
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
	auto_of(json_decref) json_t *ids = json_array(), *both = json_array();
	const json_t *role;
	size_t i;

	json_array_foreach ((json_t *)some, i, role)
		json_array_append(ids, json_object_get(role, "id"));
	roles_spread(c, ids);
	json_array_foreach (have, i, role)
		if (list_has(ids, doc_str(role, "id")))
			json_array_append(both, json_object_get(role, "id"));
	return roles_of(c, both, mask);
}

static void add_scopes(struct call *c, const char *who, json_t *scopes)
{
	struct cursor it = call_list(c, "/grant/%s/", who);

	while (cursor_next(&it))
		json_object_set_new(scopes, doc_str(it.doc, "scope"), json_true());
}

/* Is what a project inherits from among some scopes? */
static bool inherits(struct call *c, const json_t *project, const json_t *scopes)
{
	char from[80];

	snprintf(from, sizeof(from), INHERITED "domain:%s", doc_str(project, "domain_id"));
	if (json_object_get(scopes, from))
		return true;
	while ((project = res_get(c, &project_resource, doc_str(project, "parent_id")))) {
		snprintf(from, sizeof(from), INHERITED "project:%s", doc_str(project, "id"));
		if (json_object_get(scopes, from))
			return true;
	}
	return false;
}

static void add_heirs(struct call *c, const char *domain, const json_t *scopes, json_t *out)
{
	struct cursor it = res_list(c, &project_resource, "domain_id", domain);

	while (cursor_next(&it))
		if (inherits(c, it.doc, scopes))
			json_object_set_new(out, doc_str(it.doc, "id"), json_true());
}

/* The places of scopes. However many are inherited, each domain's projects are walked once. */
static json_t *places_of(struct call *c, json_t *scopes, const struct resource *r)
{
	auto_of(json_decref) json_t *domains = json_object();
	json_t *out = json_object(), *ignored;
	const char *scope, *domain;

	json_object_foreach (scopes, scope, ignored) {
		struct grant_place at = grant_place(scope);

		if (at.of == r && !at.inherited)
			json_object_set_new(out, at.id, json_true());
		else if (at.inherited && r == &project_resource)
			json_object_set_new(domains, domain_of(c, &at), json_true());
	}
	json_object_foreach (domains, domain, ignored)
		add_heirs(c, domain, scopes, out);
	return out;
}

/**
 * grant_places() - Where a user has a role
 * @c:       the call
 * @user_id: user
 * @r:       project_resource or domain_resource
 *
 * Return: a new object, whose members are the ids; NULL without memory.
 */
json_t *grant_places(struct call *c, const char *user_id, const struct resource *r)
{
	auto_of(json_decref) json_t *scopes = json_object();
	struct cursor it = member_groups(c, user_id);

	add_scopes(c, user_id, scopes);
	while (member_next_group(c, &it)) {
		char who[GROUP_WHO_LEN];

		grant_who(doc_str(it.doc, "group_id"), who);
		add_scopes(c, who, scopes);
	}
	return places_of(c, scopes, r);
}

/**
 * grant_beyond() - Is there a grant that is not the caller's to give?
 * @c:     the call
 * @who:   of this user, or "group:ID"; NULL: anybody's
 * @scope: on this scope; NULL: any
 *
 * Whoever may change such a user (his password), group (its members) or project has the power that
 * was granted. A user's are his groups', too.
 */
bool grant_beyond(const struct call *c, const char *who, const char *scope)
{
	struct call *call = (struct call *)c;
	struct cursor it = who ? call_list(call, "/grant/%s/", who) : call_list(call, "/grant/");

	while (cursor_next(&it))
		if ((!scope || doc_is(it.doc, "scope", scope)) && grant_stands(call, it.doc) &&
		    !caller_may_grant(c, doc_str(it.doc, "scope"),
				      roles_mask(call, doc_str(it.doc, "role"))))
			return true;
	if (!who)
		return false;
	it = member_groups(call, who);
	while (member_next_group(call, &it)) {
		char group[GROUP_WHO_LEN];

		grant_who(doc_str(it.doc, "group_id"), group);
		if (grant_beyond(c, group, scope))
			return true;
	}
	return false;
}

/**
 * grant_may_change() - May the caller change what lives in a domain?
 * @c:     the call
 * @doc:   user, group or project
 * @who:   as grant_beyond()
 * @scope: as grant_beyond()
 *
 * Return: true for the admin of its domain, too, unless it has power beyond it.
 */
bool grant_may_change(const struct call *c, const json_t *doc, const char *who, const char *scope)
{
	return caller_is_admin(c) ||
	       (caller_reaches(c, doc_str(doc, "domain_id")) && !grant_beyond(c, who, scope));
}
