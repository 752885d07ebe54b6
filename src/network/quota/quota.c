/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v2.0/quotas: limits of projects, the document /quota/PROJECT, for each resource of
 * the service that has a quota. The engine holds creations to them; here they are shown
 * and set. A resource without a limit of its own has its table's default.
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"
#include "network/quota/quota.h"

#define ROWS_MAX 64

/* Limits of things there are none of; clients print them. */
static const struct quota_row {
	const char *name;
	const struct resource *resource; /* NULL: there is none */
	int64_t none;			 /* what to show then */
} absent[] = { { "router", NULL, 10 }, { "floatingip", NULL, 50 } };

/* What has a limit. Return: how many. */
static unsigned int rows_of(struct call *c, struct quota_row rows[ROWS_MAX])
{
	struct resource_it it = { c->opts->features, c->service };
	const struct resource *r;
	unsigned int n = 0;

	for (; n < ARRAY_LEN(absent); n++)
		rows[n] = absent[n];
	while ((r = resource_next(&it)) && n < ROWS_MAX)
		if (r->quota)
			rows[n++] = (struct quota_row){ r->quota, r };
	return n;
}

static int64_t limit_of(struct call *c, const struct quota_row *row, const char *project)
{
	const json_t *own = json_object_get(call_get(c, "/quota/%s", project), row->name);

	if (row->resource)
		return res_quota(c, row->resource, project);
	return own ? json_integer_value(own) : row->none;
}

static int64_t default_of(struct call *c, const struct quota_row *row, const char *project)
{
	return row->resource ? res_quota_default(c, row->resource) : row->none;
}

static json_t *limits(struct call *c, const char *project,
		      int64_t (*limit)(struct call *c, const struct quota_row *row,
				       const char *project))
{
	struct quota_row rows[ROWS_MAX];
	unsigned int n = rows_of(c, rows);
	json_t *out = json_object();

	for (unsigned int i = 0; i < n; i++)
		json_object_set_new(out, rows[i].name, json_integer(limit(c, &rows[i], project)));
	return out;
}

static int forbidden(struct call *c)
{
	return call_fail(c, 403, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy");
}

/* GET /v2.0/quotas: the projects with limits of their own */
static int quota_list(struct call *c)
{
	struct cursor it = call_list(c, "/quota/");
	json_t *list = json_array();

	while (cursor_next(&it)) {
		const char *project = it.key + it.prefix_len;
		json_t *one = limits(c, project, limit_of);

		json_object_set_new(one, "project_id", json_string(project));
		json_object_set_new(one, "tenant_id", json_string(project));
		json_array_append_new(list, one);
	}
	return call_reply(c, 200, json_pack("{s:o}", "quotas", list));
}

/* GET /v2.0/quotas/{project} */
static int quota_show(struct call *c)
{
	if (!caller_owns(c, c->ids[0]))
		return forbidden(c);
	return call_reply(c, 200, json_pack("{s:o}", "quota", limits(c, c->ids[0], limit_of)));
}

/* GET /v2.0/quotas/{project}/default */
static int quota_default(struct call *c)
{
	if (!caller_owns(c, c->ids[0]))
		return forbidden(c);
	return call_reply(c, 200, json_pack("{s:o}", "quota", limits(c, c->ids[0], default_of)));
}

/* GET /v2.0/quotas/{project}/details: limits and what is used of them */
static int quota_details(struct call *c)
{
	struct quota_row rows[ROWS_MAX];
	unsigned int n = rows_of(c, rows);
	json_t *out;

	if (!caller_owns(c, c->ids[0]))
		return forbidden(c);
	out = json_object();
	for (unsigned int i = 0; i < n; i++) {
		const struct resource *r = rows[i].resource;
		json_int_t used = r ? res_count(c, r, "project_id", c->ids[0]) : 0;

		json_object_set_new(out, rows[i].name,
				    json_pack("{s:I,s:I,s:i}", "limit",
					      (json_int_t)limit_of(c, &rows[i], c->ids[0]), "used",
					      used, "reserved", 0));
	}
	return call_reply(c, 200, json_pack("{s:o}", "quota", out));
}

/* GET /v2.0/quotas/tenant: whose quota "mine" is */
static int quota_tenant(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:{s:s}}", "tenant", "tenant_id", c->auth->project_id));
}

/* PUT /v2.0/quotas/{project} */
static int quota_update(struct call *c)
{
	struct rfield fields[ROWS_MAX + 1] = { { NULL } };
	struct quota_row rows[ROWS_MAX];
	unsigned int n = rows_of(c, rows);
	const json_t *given = json_object_get(c->body, "quota");
	const json_t *old = call_get(c, "/quota/%s", c->ids[0]);
	auto_of(json_decref) json_t *changes = NULL;
	json_t *doc;
	int rc;

	if (!json_is_object(given))
		return call_fail(c, 400, "HTTPBadRequest",
				 "Unable to find 'quota' in request body");
	for (unsigned int i = 0; i < n; i++)
		fields[i] = (struct rfield){ rows[i].name, J_INT, R_UPDATE, .min = -1,
					     .max = INT32_MAX };
	rc = fields_accept(c, fields, given, true, &changes);
	if (rc)
		return rc;
	doc = old ? json_copy((json_t *)old) : json_object();
	json_object_update(doc, changes);
	rc = call_put(c, doc, "/quota/%s", c->ids[0]);
	return rc ? rc
		  : call_reply(c, 200, json_pack("{s:o}", "quota", limits(c, c->ids[0], limit_of)));
}

/* DELETE /v2.0/quotas/{project}: back to the defaults */
static int quota_delete(struct call *c)
{
	int rc = call_delete(c, "/quota/%s", c->ids[0]);

	return rc ? rc : call_reply(c, 204, NULL);
}

static const struct route routes[] = {
	{ "GET", "/v2.0/quotas", quota_list, RULE_ADMIN },
	{ "GET", "/v2.0/quotas/tenant", quota_tenant, RULE_READ },
	{ "GET", "/v2.0/quotas/{}", quota_show, RULE_READ },
	{ "PUT", "/v2.0/quotas/{}", quota_update, RULE_ADMIN },
	{ "DELETE", "/v2.0/quotas/{}", quota_delete, RULE_ADMIN },
	{ "GET", "/v2.0/quotas/{}/default", quota_default, RULE_READ },
	{ "GET", "/v2.0/quotas/{}/details", quota_details, RULE_READ },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };

static const struct extension extensions[] = {
	{ "quotas", "Quota management support",
	  "Expose functions for quotas management per project", "2012-07-29T10:00:00-00:00" },
	{ "quota_details", "Quota details management support",
	  "Expose functions for quotas usage statistics per project", "2017-02-10T10:00:00-00:00" },
	{ NULL },
};

const struct feature quota_feature = {
	.name = "network quotas",
	.service = &network_service,
	.routes = all_routes,
	.extensions = extensions,
};
