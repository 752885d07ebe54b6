/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where roles and scopes mean something. A role counts where it
 * was granted: a token has one scope, and its roles are those of that scope.
 * As in Zed, admin of a project (any) and of the system is admin of the cloud;
 * admin of a domain is none, and gives nobody what would make him one.
 */
#include "engine/policy.h"

#include <errno.h>
#include <string.h>

#include "engine/impl.h"

#define ANY	(~0u) /* whoever has a token, custom roles and none included */
#define SCOPES	(SCOPE_SYSTEM + 1)
#define MEMBERS (ROLE_ADMIN | ROLE_MEMBER)
#define READERS (MEMBERS | ROLE_READER)

/* A role of these reaches beyond the project it is granted on. */
#define POWERS (ROLE_ADMIN | ROLE_SERVICE | ROLE_AGENT)

/* One of these roles is enough. What is not named is nobody's. */
static const struct {
	const char *name;
	unsigned int roles[SCOPES];
} rules[RULES] = {
	[RULE_OPEN] = { "open", { ANY, ANY, ANY, ANY } },
	[RULE_SELF] = { "self", { ANY, ANY, ANY, ANY } },
	[RULE_READ] = { "read", { [SCOPE_PROJECT] = READERS, [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_WRITE] = { "write", { [SCOPE_PROJECT] = MEMBERS, [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_ADMIN] = { "admin", { [SCOPE_PROJECT] = ROLE_ADMIN, [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_CONTENT] = { "content",
			   { [SCOPE_PROJECT] = READERS | ROLE_AGENT,
			     [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_LOOK] = { "look",
			{ [SCOPE_PROJECT] = ROLE_ADMIN,
			  [SCOPE_DOMAIN] = READERS,
			  [SCOPE_SYSTEM] = READERS } },
	[RULE_MANAGE] = { "manage",
			  { [SCOPE_PROJECT] = ROLE_ADMIN,
			    [SCOPE_DOMAIN] = ROLE_ADMIN,
			    [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_VALIDATE] = { "validate",
			    { [SCOPE_PROJECT] = ROLE_ADMIN | ROLE_SERVICE,
			      [SCOPE_SYSTEM] = ROLE_ADMIN } },
	[RULE_AGENT] = { "agent", { [SCOPE_PROJECT] = ROLE_AGENT } },
	[RULE_REPLICA] = { "replica", { [SCOPE_SYSTEM] = ROLE_REPLICA } },
};

/**
 * policy_allows() - Do a caller's roles fulfil a rule?
 * @rule: what is asked for
 * @auth: who asks
 */
bool policy_allows(enum rule rule, const struct auth *auth)
{
	unsigned int enough = rules[rule].roles[auth->scope];

	return enough == ANY || enough & auth->roles;
}

/**
 * policy_rule_name() - A rule's name in docs/policy.md
 * @rule: any but RULE_MISSING
 */
const char *policy_rule_name(enum rule rule)
{
	return rules[rule].name;
}

/* "rule:create_port", in the words of the service whose resource it is. */
static int refuse(struct call *c)
{
	const struct resource *r = c->priv->resource;
	const char *verb = !strcmp(c->method, "GET")	  ? "get"
			   : !strcmp(c->method, "POST")	  ? "create"
			   : !strcmp(c->method, "DELETE") ? "delete"
							  : "update";

	if (!r)
		return call_fail(c, 403, "PolicyNotAuthorized",
				 "You are not authorized to perform the requested action.");
	return call_fail(c, 403, "PolicyNotAuthorized", "rule:%s_%s is disallowed by policy", verb,
			 r->one);
}

/**
 * policy_judge() - May the caller use the route it asked for?
 * @c: call with its route and, unless that is open, its caller
 *
 * Which documents it then sees and changes is told by their owner: caller_owns() and its kin.
 *
 * Return: 0; a 403 fault.
 */
int policy_judge(struct call *c)
{
	return policy_allows(c->priv->rule, c->auth) ? 0 : refuse(c);
}

static int missing(struct err *e, const struct service *s, const char *path)
{
	return err_set(e, -EINVAL, "%s%s: no rule says who may use it", s->prefix, path);
}

/**
 * policy_check() - Has every route and every resource a rule?
 * @features: tables, NULL at the end
 * @e:        the first that has none
 *
 * Return: 0; -EINVAL.
 */
int policy_check(const struct feature *const *features, struct err *e)
{
	for (const struct feature *const *f = features; *f; f++) {
		for (const struct route *const *t = (*f)->routes; t && *t; t++)
			for (const struct route *r = *t; r->method; r++)
				if (r->rule == RULE_MISSING)
					return missing(e, (*f)->service, r->path);
		for (const struct resource *const *r = (*f)->resources; r && *r; r++)
			if ((*r)->path && (!(*r)->read || !(*r)->write))
				return missing(e, (*f)->service, (*r)->path);
	}
	return 0;
}

/**
 * caller_may() - Would the caller pass a rule?
 * @c:    the call
 * @rule: of another route, or of none
 */
bool caller_may(const struct call *c, enum rule rule)
{
	return policy_allows(rule, c->auth);
}

/**
 * caller_is_admin() - Is the caller an admin of the cloud?
 * @c: the call
 */
bool caller_is_admin(const struct call *c)
{
	return policy_allows(RULE_ADMIN, c->auth);
}

/**
 * caller_is_in() - Is the caller's token one of a project?
 * @c:          the call
 * @project_id: "" is nobody's
 */
bool caller_is_in(const struct call *c, const char *project_id)
{
	return project_id[0] && !strcmp(project_id, c->auth->project_id);
}

/**
 * caller_owns() - May the caller do with a project's things what their owner may?
 * @c:          the call
 * @project_id: theirs
 */
bool caller_owns(const struct call *c, const char *project_id)
{
	return caller_is_admin(c) || caller_is_in(c, project_id);
}

static bool is_own(const struct call *c, const struct resource *r, const json_t *doc)
{
	return r->flags & RES_GLOBAL || caller_owns(c, doc_str(doc, resource_owner(r)));
}

/**
 * res_visible() - May the caller see a document?
 * @c:   the call
 * @r:   its resource
 * @doc: document
 */
bool res_visible(struct call *c, const struct resource *r, const json_t *doc)
{
	if (r->visible)
		return r->visible(c, doc);
	return is_own(c, r, doc) || (r->flags & RES_SHARED && doc_bool(doc, "shared"));
}

/**
 * res_owned() - May the caller, who sees a document and passes its resource's rule, change it?
 * @c:   the call
 * @r:   its resource
 * @doc: document
 */
bool res_owned(const struct call *c, const struct resource *r, const json_t *doc)
{
	return r->owned ? r->owned(c, doc) : is_own(c, r, doc);
}

/**
 * caller_is_agent() - Is the caller the agent of some host?
 * @c: the call
 */
bool caller_is_agent(const struct call *c)
{
	return policy_allows(RULE_AGENT, c->auth);
}

/**
 * caller_host() - Whose agent is the caller?
 * @c: the call
 *
 * Its user is anyvf-agent-HOST of the default domain: a name of another domain is another's.
 *
 * Return: the host, borrowed; NULL for any other caller.
 */
const char *caller_host(const struct call *c)
{
	static const char prefix[] = "anyvf-agent-";
	const char *host = c->auth->user_name + strlen(prefix);

	if (!caller_is_agent(c) || strcmp(c->auth->home_id, "default") != 0 ||
	    strncmp(c->auth->user_name, prefix, strlen(prefix)) != 0)
		return NULL;
	return *host && !strchr(host, '/') ? host : NULL;
}

/**
 * caller_is_agent_of() - Is the caller the agent of a host?
 * @c:    the call
 * @host: any text or NULL
 *
 * A user whose name ends in "*" speaks for each host whose name begins with what stands before it:
 * hosts that are one process (anyvf-sim).
 */
bool caller_is_agent_of(const struct call *c, const char *host)
{
	const char *own = caller_host(c);
	size_t len = own ? strlen(own) : 0;

	if (!own || !host)
		return false;
	return own[len - 1] == '*' ? !strncmp(own, host, len - 1) : !strcmp(own, host);
}

/**
 * caller_reaches() - Are a domain's users and projects the caller's to look at?
 * @c:         the call
 * @domain_id: domain
 */
bool caller_reaches(const struct call *c, const char *domain_id)
{
	return caller_may(c, RULE_LOOK) &&
	       (c->auth->scope != SCOPE_DOMAIN || !strcmp(domain_id, c->auth->domain_id));
}

/**
 * caller_may_grant() - Does a role stay within the caller's own scope?
 * @c:     the call
 * @scope: "project:ID", "domain:ID" or "system": where the role is granted, or taken away
 * @role:  enum role bits, with those that are implied; 0 for a role that policy does not look at
 *
 * The admin of a domain makes others like him there, and gives no power on projects: admin of a
 * project is admin of the cloud. Whether the scope is one the caller reaches is asked before.
 */
bool caller_may_grant(const struct call *c, const char *scope, unsigned int role)
{
	if (caller_is_admin(c))
		return true;
	if (!caller_may(c, RULE_MANAGE) || !strcmp(scope, "system"))
		return false;
	return !(role & POWERS) ||
	       ((role & POWERS) == ROLE_ADMIN && !strncmp(scope, "domain:", 7) &&
		!strcmp(scope + 7, c->auth->domain_id));
}
