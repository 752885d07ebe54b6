/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving and taking roles: /projects/{}/users/{}/roles/{} and its like for groups, domains and the
 * system, and below /OS-INHERIT for what all projects below have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

/* What the path of a grant names. */
struct where {
	char scope[80];
	char who[GROUP_WHO_LEN];
	const char *role; /* NULL: all */
};

/* path: "projects/ID/users/...", without what stands before it. */
static int parse_place(struct call *c, const char *path, bool inherited, struct where *w)
{
	const struct resource *of = !strncmp(path, "projects/", 9)  ? &project_resource
				    : !strncmp(path, "domains/", 8) ? &domain_resource
								    : NULL;

	if (!of) {
		strcpy(w->scope, "system");
		return 0;
	}
	if (!identity_find_reached(c, of, c->ids[0]))
		return -ENOENT;
	snprintf(w->scope, sizeof(w->scope), "%s%s:%s", inherited ? "inherited:" : "", of->one,
		 c->ids[0]);
	return 0;
}

/* c->ids[]: the project or domain, unless it is the system; user or group; role. */
static int parse_where(struct call *c, struct where *w)
{
	static const char inherit[] = "/v3/OS-INHERIT/";
	bool inherited = !strncmp(c->path, inherit, strlen(inherit));
	const char *path = c->path + strlen(inherited ? inherit : "/v3/"), *who;
	unsigned int n = strncmp(path, "system/", 7) ? 1 : 0;
	int rc = parse_place(c, path, inherited, w);

	if (rc)
		return rc;
	for (unsigned int i = 0; i <= n; i++) /* past "projects/ID/" or "system/" */
		path = strchr(path, '/') + 1;
	who = c->ids[n];
	w->role = c->ids[n + 1];
	if (!strncmp(path, "groups/", 7)) {
		if (!identity_find_reached(c, &group_resource, who))
			return -ENOENT;
		grant_who(who, w->who);
	} else {
		if (!identity_find_reached(c, &user_resource, who))
			return -ENOENT;
		snprintf(w->who, sizeof(w->who), "%s", who);
	}
	return w->role && !res_find(c, &role_resource, w->role) ? -ENOENT : 0;
}

/* As parse_where(), for one who gives the role or takes it away. */
static int parse_change(struct call *c, struct where *w)
{
	int rc = parse_where(c, w);

	if (rc || caller_may_grant(c, w->scope, roles_mask(c, w->role)))
		return rc;
	return call_fail(c, 403, NULL, "The role %s is not yours to give or take here.", w->role);
}

/* A domain's own role is given on the domain's projects, on domains, and not on the system. */
static int check_domain(struct call *c, const struct where *w)
{
	const char *home = doc_str(res_get(c, &role_resource, w->role), "domain_id");
	struct grant_place at = grant_place(w->scope);

	if (home[0] && !at.of)
		return call_fail(c, 400, NULL,
				 "Role %s is a domain-specific role. Unable to use a "
				 "domain-specific role in a system assignment.",
				 w->role);
	if (home[0] && at.of == &project_resource &&
	    !doc_is(res_get(c, at.of, at.id), "domain_id", home))
		return call_fail(c, 403, NULL,
				 "Project %s must be in the same domain as the role %s being "
				 "assigned.",
				 at.id, w->role);
	return 0;
}

static int handle_put(struct call *c)
{
	struct where w;
	int rc = parse_change(c, &w) ?: check_domain(c, &w);

	rc = rc ? rc : grant_put(c, w.who, w.scope, w.role);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int find_grant(struct call *c, const struct where *w)
{
	if (call_get(c, "/grant/%s/%s/%s", w->who, w->scope, w->role))
		return 0;
	return call_fail(c, 404, NULL, "Could not find role assignment.");
}

static int handle_delete(struct call *c)
{
	struct where w;
	int rc = parse_change(c, &w) ?: find_grant(c, &w);

	rc = rc ? rc : call_delete(c, "/grant/%s/%s/%s", w.who, w.scope, w.role);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int handle_check(struct call *c)
{
	struct where w;

	return parse_where(c, &w) ?: find_grant(c, &w) ?: call_reply(c, 204, NULL);
}

static int handle_list(struct call *c)
{
	auto_of(json_decref) json_t *roles = json_array();
	char self[ENGINE_URL_LEN + 300];
	struct cursor it;
	struct where w;
	int rc = parse_where(c, &w);

	if (rc)
		return rc;
	it = call_list(c, "/grant/%s/%s/", w.who, w.scope);
	while (cursor_next(&it)) {
		const json_t *role = res_seen(c, &role_resource, doc_str(it.doc, "role"));

		if (role)
			json_array_append_new(roles, res_show(c, &role_resource, role));
	}
	snprintf(self, sizeof(self), "%s/identity%s", c->opts->public_url, c->path);
	return call_reply(c, 200,
			  json_pack("{s:O,s:{s:n,s:s,s:n}}", "roles", roles, "links", "next",
				    "self", self, "previous"));
}

#define GRANTS(path, end, look, manage)                                                            \
	{ "GET", path "/roles" end, handle_list, look },                                           \
		{ "PUT", path "/roles/{}" end, handle_put, manage, ROUTE_GRANT },                  \
		{ "GET", path "/roles/{}" end, handle_check, look },                               \
	{                                                                                          \
		"DELETE", path "/roles/{}" end, handle_delete, manage, ROUTE_GRANT                 \
	}

const struct route grant_routes[] = {
	GRANTS("/v3/projects/{}/users/{}", "", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/projects/{}/groups/{}", "", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/domains/{}/users/{}", "", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/domains/{}/groups/{}", "", RULE_LOOK, RULE_MANAGE),
	GRANTS("/v3/system/users/{}", "", RULE_ADMIN, RULE_ADMIN),
	GRANTS("/v3/system/groups/{}", "", RULE_ADMIN, RULE_ADMIN),
	GRANTS("/v3/OS-INHERIT/projects/{}/users/{}", "/inherited_to_projects", RULE_LOOK,
	       RULE_MANAGE),
	GRANTS("/v3/OS-INHERIT/projects/{}/groups/{}", "/inherited_to_projects", RULE_LOOK,
	       RULE_MANAGE),
	GRANTS("/v3/OS-INHERIT/domains/{}/users/{}", "/inherited_to_projects", RULE_LOOK,
	       RULE_MANAGE),
	GRANTS("/v3/OS-INHERIT/domains/{}/groups/{}", "/inherited_to_projects", RULE_LOOK,
	       RULE_MANAGE),
	{ NULL },
};
