/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v2.0/quotas: limits of projects, the document /quota/PROJECT. The engine holds
 * creations to them; here they are shown and set. A resource without a limit of
 * its own has its table's default.
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"

/* Rows without a resource are limits of things there are none of; clients print them. */
static const struct quota_row {
	const char *name;
	const struct resource *resource;
	int64_t none; /* what to show where there is no resource */
} quota_rows[] = {
	{ "network", &network_resource, 0 },
	{ "subnet", &subnet_resource, 0 },
	{ "subnetpool", NULL, -1 },
	{ "port", &port_resource, 0 },
	{ "rbac_policy", NULL, 10 },
	{ "security_group", &security_group_resource, 0 },
	{ "security_group_rule", &security_group_rule_resource, 0 },
};

#define LIMIT R_UPDATE, .min = -1, .max = INT32_MAX
static const struct rfield quota_fields[] = {
	{ "network", J_INT, LIMIT },
	{ "subnet", J_INT, LIMIT },
	{ "subnetpool", J_INT, LIMIT },
	{ "port", J_INT, LIMIT },
	{ "rbac_policy", J_INT, LIMIT },
	{ "security_group", J_INT, LIMIT },
	{ "security_group_rule", J_INT, LIMIT },
	{ NULL },
};

static int64_t limit_of(struct call *c, const struct quota_row *row, const char *project)
{
	const json_t *own = json_object_get(call_get(c, "/quota/%s", project), row->name);

	if (row->resource)
		return res_quota(c, row->resource, project);
	return own ? json_integer_value(own) : row->none;
}

static json_t *limits(struct call *c, const char *project)
{
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_LEN(quota_rows); i++)
		json_object_set_new(out, quota_rows[i].name,
				    json_integer(limit_of(c, &quota_rows[i], project)));
	return out;
}

static int forbidden(struct call *c)
{
	return call_fail(c, 403, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy");
}

/**
 * quota_list() - GET /v2.0/quotas: the projects with limits of their own
 * @c: call of an admin
 *
 * Return: as a handler.
 */
int quota_list(struct call *c)
{
	struct cursor it = call_list(c, "/quota/");
	json_t *list = json_array();

	while (cursor_next(&it)) {
		const char *project = it.key + strlen("/quota/");
		json_t *one = limits(c, project);

		json_object_set_new(one, "project_id", json_string(project));
		json_object_set_new(one, "tenant_id", json_string(project));
		json_array_append_new(list, one);
	}
	return call_reply(c, 200, json_pack("{s:o}", "quotas", list));
}

/**
 * quota_show() - GET /v2.0/quotas/{project}
 * @c: call
 *
 * Return: as a handler.
 */
int quota_show(struct call *c)
{
	if (!caller_owns(c, c->ids[0]))
		return forbidden(c);
	return call_reply(c, 200, json_pack("{s:o}", "quota", limits(c, c->ids[0])));
}

/**
 * quota_default() - GET /v2.0/quotas/{project}/default
 * @c: call
 *
 * Return: as a handler.
 */
int quota_default(struct call *c)
{
	json_t *out = json_object();

	if (!caller_owns(c, c->ids[0]))
		return json_decref(out), forbidden(c);
	for (size_t i = 0; i < ARRAY_LEN(quota_rows); i++) {
		const struct quota_row *row = &quota_rows[i];

		json_object_set_new(out, row->name,
				    json_integer(row->resource ? res_quota_default(c, row->resource)
							       : row->none));
	}
	return call_reply(c, 200, json_pack("{s:o}", "quota", out));
}

/**
 * quota_details() - GET /v2.0/quotas/{project}/details: limits and what is used of them
 * @c: call
 *
 * Return: as a handler.
 */
int quota_details(struct call *c)
{
	json_t *out = json_object();

	if (!caller_owns(c, c->ids[0]))
		return json_decref(out), forbidden(c);
	for (size_t i = 0; i < ARRAY_LEN(quota_rows); i++) {
		const struct quota_row *row = &quota_rows[i];
		json_int_t used =
			row->resource ? res_count(c, row->resource, "project_id", c->ids[0]) : 0;

		json_object_set_new(out, row->name,
				    json_pack("{s:I,s:I,s:i}", "limit",
					      (json_int_t)limit_of(c, row, c->ids[0]), "used", used,
					      "reserved", 0));
	}
	return call_reply(c, 200, json_pack("{s:o}", "quota", out));
}

/**
 * quota_tenant() - GET /v2.0/quotas/tenant: whose quota "mine" is
 * @c: call
 *
 * Return: as a handler.
 */
int quota_tenant(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:{s:s}}", "tenant", "tenant_id", c->auth->project_id));
}

/**
 * quota_update() - PUT /v2.0/quotas/{project}
 * @c: call of an admin
 *
 * Return: as a handler.
 */
int quota_update(struct call *c)
{
	const json_t *given = json_object_get(c->body, "quota");
	const json_t *old = call_get(c, "/quota/%s", c->ids[0]);
	auto_of(json_decref) json_t *changes = NULL;
	json_t *doc;
	int rc;

	if (!json_is_object(given))
		return call_fail(c, 400, "HTTPBadRequest",
				 "Unable to find 'quota' in request body");
	rc = fields_accept(c, quota_fields, given, true, &changes);
	if (rc)
		return rc;
	doc = old ? json_copy((json_t *)old) : json_object();
	json_object_update(doc, changes);
	rc = call_put(c, doc, "/quota/%s", c->ids[0]);
	return rc ? rc : call_reply(c, 200, json_pack("{s:o}", "quota", limits(c, c->ids[0])));
}

/**
 * quota_delete() - DELETE /v2.0/quotas/{project}: back to the defaults
 * @c: call of an admin
 *
 * Return: as a handler.
 */
int quota_delete(struct call *c)
{
	int rc = call_delete(c, "/quota/%s", c->ids[0]);

	return rc ? rc : call_reply(c, 204, NULL);
}
