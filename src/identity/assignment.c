/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v3/role_assignments: grants as they are, or with ?effective what comes of them: a group's for
 * each member, inherited ones for each project, and what each role implies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define LINES_MAX                                                                                  \
	10000 /* of a list: a group of many on a domain of many projects is their product */

/* What is asked for; NULL: any. */
struct wanted {
	struct call *c;
	const char *user, *group, *role, *project, *domain;
	bool system, inherited, effective, names, subtree;
	json_t *list; /* what was found */
};

/* One role assignment: a grant, or what comes of one. */
struct line {
	const json_t *grant;
	struct grant_place at;	 /* the grant's, or a project that inherits */
	const char *user, *role; /* user NULL: the grant's group */
};

static int check_wanted(struct call *c, const struct wanted *w)
{
	const char *why = NULL;

	if (w->user && w->group)
		why = "Specify a user or group, not both";
	else if (w->domain && w->project)
		why = "Specify a domain or project, not both";
	else if (w->system && (w->domain || w->project))
		why = "Specify the system, a domain or a project, not two of them";
	else if (w->effective && w->group)
		why = "Combining effective and group filter will always result in an empty list.";
	else if (w->effective && w->inherited && w->domain)
		why = "Combining effective, domain and inherited filters will always result in an "
		      "empty list.";
	else if (w->subtree && !w->project)
		why = "scope.project.id must be specified if include_subtree is also specified";
	return why ? call_fail(c, 400, NULL, "%s", why) : 0;
}

/* {"id"}, and with ?include_names the name and domain. */
static json_t *reference(const struct wanted *w, const struct resource *r, const char *id)
{
	const json_t *doc = res_get(w->c, r, id);
	const char *domain = doc_str(doc, "domain_id");
	const json_t *owner = domain[0] ? res_get(w->c, &domain_resource, domain) : NULL;

	if (!w->names)
		return json_pack("{s:s}", "id", id);
	if (!owner)
		return json_pack("{s:s,s:s}", "id", id, "name", doc_str(doc, "name"));
	return json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", id, "name", doc_str(doc, "name"), "domain",
			 "id", domain, "name", doc_str(owner, "name"));
}

static json_t *link_to(const struct wanted *w, const char *path)
{
	char url[ENGINE_URL_LEN + 400];

	snprintf(url, sizeof(url), "%s/identity/v3%s", w->c->opts->public_url, path);
	return json_string(url);
}

/* The grant that a line comes of, and if it is of a group or implied, what it came by. */
static json_t *links(const struct wanted *w, const struct line *l)
{
	const char *group = doc_text(l->grant, "group"), *granted = doc_str(l->grant, "role");
	struct grant_place at = grant_place(doc_str(l->grant, "scope"));
	json_t *out = json_object();
	char path[400], scope[100] = "/system";

	if (at.of)
		snprintf(scope, sizeof(scope), "/%s/%s", at.of->many, at.id);
	snprintf(path, sizeof(path), "%s%s/%s/%s/roles/%s%s", at.inherited ? "/OS-INHERIT" : "",
		 scope, group ? "groups" : "users", group ? group : doc_str(l->grant, "user"),
		 granted, at.inherited ? "/inherited_to_projects" : "");
	json_object_set_new(out, "assignment", link_to(w, path));
	if (group && l->user) {
		snprintf(path, sizeof(path), "/groups/%s/users/%s", group, l->user);
		json_object_set_new(out, "membership", link_to(w, path));
	}
	if (strcmp(granted, l->role) != 0) {
		snprintf(path, sizeof(path), "/roles/%s", granted);
		json_object_set_new(out, "prior_role", link_to(w, path));
	}
	return out;
}

static json_t *scope_json(const struct wanted *w, const struct line *l)
{
	json_t *out;

	if (!l->at.of)
		return json_pack("{s:{s:b}}", "system", "all", 1);
	out = json_pack("{s:o}", l->at.of->one, reference(w, l->at.of, l->at.id));
	if (grant_place(doc_str(l->grant, "scope")).inherited)
		json_object_set_new(out, "OS-INHERIT:inherited_to", json_string("projects"));
	return out;
}

static int add_line(struct wanted *w, const struct line *l)
{
	const char *group = doc_str(l->grant, "group");

	if (json_array_size(w->list) == LINES_MAX)
		return call_fail(w->c, 413, NULL,
				 "There are more than %d role assignments: ask for those of one "
				 "user, group, project or role.",
				 LINES_MAX);
	return json_array_append_new(w->list,
				     json_pack("{s:o,s:o,s:o,s:o}", "links", links(w, l), "scope",
					       scope_json(w, l), l->user ? "user" : "group",
					       l->user ? reference(w, &user_resource, l->user)
						       : reference(w, &group_resource, group),
					       "role", reference(w, &role_resource, l->role)))
		       ? -ENOMEM
		       : 0;
}

static bool is_wanted(const char *wanted, const char *has)
{
	return !wanted || (has && !strcmp(wanted, has));
}

/* A domain is the project above its projects. */
static bool is_in_tree(const struct wanted *w, const char *id)
{
	const json_t *project = res_get(w->c, &project_resource, id);

	return grant_is_below(w->c, project, &project_resource, w->project) ||
	       grant_is_below(w->c, project, &domain_resource, w->project);
}

/* Is a line's scope asked for? */
static bool is_scope_wanted(const struct wanted *w, const struct grant_place *at)
{
	bool project = at->of == &project_resource;

	if (w->system && at->of)
		return false;
	if (w->domain && (at->of != &domain_resource || strcmp(w->domain, at->id) != 0))
		return false;
	if (!w->project)
		return true;
	return project && (!strcmp(w->project, at->id) || (w->subtree && is_in_tree(w, at->id)));
}

/* The admin of a domain sees what is granted on it and on its projects; the system is in none. */
static bool is_reached(struct call *c, const struct grant_place *at)
{
	if (!at->of)
		return caller_reaches(c, "");
	return caller_reaches(c, at->of == &domain_resource
					 ? at->id
					 : doc_str(res_get(c, at->of, at->id), "domain_id"));
}

/* A line for each role; a domain's own role has no effect itself. */
static int add_roles(struct wanted *w, struct line *l, const json_t *roles)
{
	const json_t *role;
	size_t i;
	int rc = 0;

	json_array_foreach ((json_t *)roles, i, role) {
		l->role = doc_str(role, "id");
		if (!rc && is_wanted(w->role, l->role))
			rc = add_line(w, l);
	}
	return rc;
}

/* Lines for the grant's user, or for each member of its group. */
static int add_users(struct wanted *w, struct line *l, const json_t *roles)
{
	const char *group = doc_text(l->grant, "group");
	struct cursor it;
	int rc = 0;

	l->user = doc_text(l->grant, "user");
	if (!group)
		return is_wanted(w->user, l->user) ? add_roles(w, l, roles) : 0;
	l->user = w->user;
	if (w->user)
		return member_is(w->c, w->user, group) ? add_roles(w, l, roles) : 0;
	it = res_list(w->c, &membership_resource, "group_id", group);
	while (!rc && cursor_next(&it)) {
		l->user = doc_str(it.doc, "user_id");
		if (member_stands(w->c, it.doc))
			rc = add_roles(w, l, roles);
	}
	return rc;
}

static int add_effective(struct wanted *w, struct line *l)
{
	auto_of(json_decref) json_t *ids = json_pack("[s]", doc_str(l->grant, "role"));
	unsigned int mask = 0;
	auto_of(json_decref) json_t *roles = roles_of(w->c, ids, &mask);
	struct grant_place from = l->at;
	struct cursor heir;
	int rc = 0;

	if (w->role && !list_has(ids, w->role))
		return 0;
	if (!from.inherited)
		return !w->inherited && is_scope_wanted(w, &from) ? add_users(w, l, roles) : 0;
	if (w->project && !w->subtree) {
		l->at = (struct grant_place){ &project_resource, w->project, false };
		return grant_is_below(w->c, res_get(w->c, l->at.of, w->project), from.of, from.id)
			       ? add_users(w, l, roles)
			       : 0;
	}
	heir = grant_heirs(w->c, &from);
	while (!rc && grant_next_heir(w->c, &from, &heir)) {
		l->at = (struct grant_place){ &project_resource, doc_str(heir.doc, "id"), false };
		if (is_scope_wanted(w, &l->at))
			rc = add_users(w, l, roles);
	}
	return rc;
}

static int add_grant(struct wanted *w, const json_t *grant)
{
	struct line l = { grant, grant_place(doc_str(grant, "scope")), doc_text(grant, "user"),
			  doc_str(grant, "role") };

	if (!is_reached(w->c, &l.at) || !grant_stands(w->c, grant))
		return 0;
	if (w->effective)
		return add_effective(w, &l);
	if ((w->inherited && !l.at.inherited) || !is_scope_wanted(w, &l.at) ||
	    !is_wanted(w->user, l.user) || !is_wanted(w->group, doc_text(grant, "group")) ||
	    !is_wanted(w->role, l.role))
		return 0;
	return add_line(w, &l);
}

static int handle_assignments(struct call *c)
{
	auto_of(json_decref) json_t *list = json_array();
	struct wanted w = { .c = c,
			    .user = call_arg(c, "user.id"),
			    .group = call_arg(c, "group.id"),
			    .role = call_arg(c, "role.id"),
			    .project = call_arg(c, "scope.project.id"),
			    .domain = call_arg(c, "scope.domain.id"),
			    .system = identity_asks(c, "scope.system"),
			    .inherited = identity_asks(c, "scope.OS-INHERIT:inherited_to"),
			    .effective = identity_asks(c, "effective"),
			    .names = identity_asks(c, "include_names"),
			    .subtree = identity_asks(c, "include_subtree"),
			    .list = list };
	struct cursor it = call_list(c, "/grant/");
	char self[ENGINE_URL_LEN + 100];
	int rc = check_wanted(c, &w);

	while (!rc && cursor_next(&it))
		rc = add_grant(&w, it.doc);
	if (rc)
		return rc;
	snprintf(self, sizeof(self), "%s/identity/v3/role_assignments", c->opts->public_url);
	return call_reply(c, 200,
			  json_pack("{s:O,s:{s:n,s:s,s:n}}", "role_assignments", list, "links",
				    "next", "self", self, "previous"));
}

const struct route assignment_routes[] = {
	{ "GET", "/v3/role_assignments", handle_assignments, RULE_LOOK },
	{ NULL },
};
