/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projects of identity v3, and domains as Keystone shows them among projects (`is_domain`): what is
 * made, asked for or changed as such a project is a domain.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

/* A domain as it was answered, as a project. Changed in place: it is the reply's own. */
static int show_as_project(struct call *c, json_t *domain)
{
	char self[ENGINE_URL_LEN + 100];
	json_t *more;

	snprintf(self, sizeof(self), "%s/identity/v3/projects/%s", c->opts->public_url,
		 doc_str(domain, "id"));
	more = json_pack("{s:b,s:n,s:n,s:{s:s}}", "is_domain", 1, "domain_id", "parent_id", "links",
			 "self", self);
	return json_object_update_new(domain, more) ? -ENOMEM : 0;
}

/* {"project": P} becomes {"domain": P} for the handler; the first stays for another run. */
static int open_as_domain(struct call *c)
{
	json_t *given = json_copy(json_object_get(c->body, "project"));

	json_object_del(given, "is_domain");
	json_object_del(given, "domain_id");
	json_object_del(given, "parent_id");
	return given && json_object_set_new((json_t *)c->body, "domain", given) ? -ENOMEM : 0;
}

static int answer_as_domain(struct call *c, int (*handle)(struct call *c, const struct resource *r))
{
	int rc = open_as_domain(c) ?: handle(c, &domain_resource);
	json_t *domain = json_object_get(c->reply, "domain");

	if (rc || !domain)
		return rc;
	rc = show_as_project(c, domain);
	return rc ? rc : call_reply(c, c->status, json_pack("{s:O}", "project", domain));
}

/* Domains are the cloud's admin's to make, change and delete. */
static int change_as_domain(struct call *c, int (*handle)(struct call *c, const struct resource *r))
{
	if (caller_is_admin(c))
		return answer_as_domain(c, handle);
	return call_fail(c, 403, NULL, "You are not authorized to perform the requested action.");
}

static bool names_domain(struct call *c)
{
	return res_seen(c, &domain_resource, c->ids[0]);
}

static int list(struct call *c)
{
	const char *asked = call_arg(c, "is_domain");
	const struct list_shape as_projects = { .many = "projects", .each = show_as_project };

	if (!asked || !field_bool_word(asked))
		return res_handle_list(c, &project_resource, false);
	return res_handle_list_as(c, &domain_resource, &as_projects);
}

static int create(struct call *c)
{
	if (doc_bool(json_object_get(c->body, "project"), "is_domain"))
		return change_as_domain(c, res_handle_create);
	return res_handle_create(c, &project_resource);
}

static int show(struct call *c)
{
	int rc = names_domain(c) ? answer_as_domain(c, res_handle_show)
				 : res_handle_show(c, &project_resource);

	return rc ?: tree_show(c, json_object_get(c->reply, "project"));
}

static int update(struct call *c)
{
	return names_domain(c) ? change_as_domain(c, res_handle_update)
			       : res_handle_update(c, &project_resource);
}

static int remove_one(struct call *c)
{
	return names_domain(c) ? change_as_domain(c, res_handle_delete)
			       : res_handle_delete(c, &project_resource);
}

const struct route project_routes[] = {
	{ "GET", "/v3/projects", list, RULE_LOOK },
	{ "POST", "/v3/projects", create, RULE_MANAGE },
	{ "GET", "/v3/projects/{}", show, RULE_SELF },
	{ "PATCH", "/v3/projects/{}", update, RULE_MANAGE },
	{ "DELETE", "/v3/projects/{}", remove_one, RULE_MANAGE },
	{ NULL },
};
