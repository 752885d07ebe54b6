/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RBAC policies: a network's owner shares it with one project, an admin with all ("*", which is the
 * network's member `shared`). Each is the key /rbac/network/NETWORK/PROJECT as well, by which the
 * network is seen (network_is_shared()).
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"
#include "network/rbac/rbac.h"

static const struct resource rbac_resource;

static int valid_type(struct call *c, const char *field, json_t **value)
{
	if (!strcmp(json_string_value(*value), "network"))
		return 0;
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: networks alone are shared with one "
			 "project here.",
			 field);
}

static int valid_action(struct call *c, const char *field, json_t **value)
{
	if (!strcmp(json_string_value(*value), "access_as_shared"))
		return 0;
	return call_fail(
		c, 400, "HTTPBadRequest",
		"Invalid input for %s. Reason: access_as_shared alone is served: there are "
		"no routers, and router:external is said of a network to all.",
		field);
}

static int valid_target(struct call *c, const char *field, json_t **value)
{
	if (!strchr(json_string_value(*value), '/'))
		return 0;
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: a project's id has no slash.", field);
}

static const struct rfield rbac_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "object_type", J_STR, R_CREATE | R_NEED | R_FILTER, .valid = valid_type },
	{ "object_id", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &network_resource },
	{ "action", J_STR, R_CREATE | R_NEED | R_FILTER, .valid = valid_action },
	{ "target_tenant", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .min = 1, .max = 63,
	  .valid = valid_target },
	{ NULL },
};

static bool is_all(const json_t *policy)
{
	return doc_is(policy, "target_tenant", "*");
}

static const json_t *network_of(struct call *c, const json_t *policy)
{
	return res_get(c, &network_resource, doc_str(policy, "object_id"));
}

/* Would somebody's port be on a network that is his no more, without the policy? */
static int check_unused(struct call *c, const json_t *policy)
{
	const json_t *net = network_of(c, policy);
	struct cursor it = res_list(c, &port_resource, "network_id", doc_str(net, "id"));

	if (!net || (doc_bool(net, "shared") && !is_all(policy)))
		return 0;
	while (cursor_next(&it)) {
		const char *owner = doc_str(it.doc, "project_id");
		bool his = is_all(policy)
				   ? !call_get(c, "/rbac/network/%s/%s", doc_str(net, "id"), owner)
				   : doc_is(policy, "target_tenant", owner);

		if (his && !port_is_service(it.doc) && !doc_is(net, "project_id", owner))
			return call_fail(c, 409, "RbacPolicyInUse",
					 "RBAC policy on object %s cannot be removed because other "
					 "objects depend on it.\nDetails: port %s",
					 doc_str(net, "id"), doc_str(it.doc, "id"));
	}
	return 0;
}

static int forget(struct call *c, const json_t *policy)
{
	return call_delete(c, "/rbac/network/%s/%s", doc_str(policy, "object_id"),
			   doc_str(policy, "target_tenant"));
}

static int rbac_check(struct call *c, json_t *doc, const json_t *old)
{
	const json_t *net = network_of(c, doc);
	int rc = 0;

	if (!caller_owns(c, doc_str(net, "project_id")))
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: Only admins can manipulate policies "
				 "on objects they do not own.");
	if (is_all(doc) && !caller_is_admin(c))
		return call_fail(c, 403, "PolicyNotAuthorized",
				 "rule:%s_rbac_policy:target_tenant is disallowed by policy",
				 old ? "update" : "create");
	if (old && doc_same(doc, old, "target_tenant"))
		return 0;
	if (old)
		rc = check_unused(c, old) ?: forget(c, old);
	if (!rc)
		rc = call_claim(c, json_pack("{s:O}", "id", json_object_get(doc, "id")),
				"/rbac/network/%s/%s", doc_str(doc, "object_id"),
				doc_str(doc, "target_tenant"));
	if (rc != -EEXIST)
		return rc;
	return call_fail(c, 409, "DuplicateRbacPolicy",
			 "An RBAC policy already exists with those values.");
}

/* The network tells of it: by `shared`, and by its revision. */
static int tell_network(struct call *c, const json_t *policy, bool shared)
{
	const json_t *net = network_of(c, policy);
	json_t *copy;

	if (!net || (is_all(policy) && doc_bool(net, "shared") == shared))
		return 0;
	copy = json_copy((json_t *)net);
	if (is_all(policy))
		json_object_set_new(copy, "shared", json_boolean(shared));
	return res_update(c, &network_resource, copy);
}

static int rbac_created(struct call *c, const json_t *doc)
{
	return tell_network(c, doc, true);
}

static int rbac_updated(struct call *c, const json_t *doc, const json_t *old)
{
	if (doc_same(doc, old, "target_tenant"))
		return 0;
	return tell_network(c, old, false) ?: tell_network(c, doc, true);
}

static int rbac_deleted(struct call *c, const json_t *doc)
{
	return check_unused(c, doc) ?: forget(c, doc) ?: tell_network(c, doc, false);
}

/* A network that is shared with all no more has no policy that says so. */
static int network_updated(struct call *c, const json_t *doc, const json_t *old)
{
	const char *id = doc_str(doc, "id");

	if (doc_bool(doc, "shared") || !doc_bool(old, "shared"))
		return 0;
	return res_delete(c, &rbac_resource, doc_str(call_get(c, "/rbac/network/%s/*", id), "id"));
}

static int network_gone(struct call *c, const json_t *doc)
{
	struct cursor it = res_list(c, &rbac_resource, "object_id", doc_str(doc, "id"));
	int rc = 0;

	while (!rc && cursor_next(&it))
		rc = res_delete(c, &rbac_resource, doc_str(it.doc, "id"));
	return rc;
}

static const struct resource rbac_resource = {
	.one = "rbac_policy",
	.many = "rbac_policies",
	.label = "RbacPolicy",
	.path = "/v2.0/rbac-policies",
	.flags = RES_TENANT,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = rbac_fields,
	.quota = "rbac_policy",
	.quota_default = 100,
	.check = rbac_check,
	.created = rbac_created,
	.updated = rbac_updated,
	.deleted = rbac_deleted,
};
static const struct resource *const resources[] = { &rbac_resource, NULL };

static const struct hook hooks[] = {
	{ &network_resource, .updated = network_updated, .deleted = network_gone },
	{ NULL },
};

static const struct extension extensions[] = {
	{ "rbac-policies", "RBAC Policies",
	  "Allows creation and modification of policies that control tenant access to resources.",
	  "2015-06-17T12:15:12-00:00" },
	{ NULL },
};

const struct feature rbac_feature = {
	.name = "network sharing",
	.service = &network_service,
	.resources = resources,
	.extensions = extensions,
	.hooks = hooks,
};
