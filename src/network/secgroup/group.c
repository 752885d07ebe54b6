/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups and their rules: kept and shown, so that clients and their
 * scripts work, but not enforced, as on any SR-IOV NIC under Neutron. What is
 * enforced is port_security_enabled (the VF's spoof check). A project's group
 * "default", which comes and goes with the project, is /group_default/PROJECT. Rules: rule.c.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/uuid.h"
#include "identity/identity.h"
#include "network/core/network.h"
#include "network/secgroup/secgroup.h"

static const char *const ethertypes[] = { "IPv4", "IPv6", NULL };

/* A change to the name that there is from the start is refused whatever the group is called now. */
static int valid_name(struct call *c, const char *field, json_t **value)
{
	if (!c->ids[0] || strcasecmp(json_string_value(*value), "default"))
		return 0;
	return call_fail(c, 409, "SecurityGroupDefaultAlreadyExists",
			 "Default security group already exists.");
}

static const struct rfield group_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255, .valid = valid_name },
	{ "stateful", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "shared", J_BOOL, R_FILTER, "false" },
	{ "security_group_rules", J_LIST, R_VIRTUAL },
	{ NULL },
};

/* remote: the group itself, or NULL for anybody */
static int rule_add(struct call *c, const json_t *group, const char *direction,
		    const char *ethertype, bool from_group)
{
	json_t *id = json_object_get(group, "id");
	json_t *attrs = json_pack("{s:O,s:O,s:s,s:s}", "security_group_id", id, "project_id",
				  json_object_get(group, "project_id"), "direction", direction,
				  "ethertype", ethertype);

	if (from_group)
		json_object_set(attrs, "remote_group_id", id);
	return res_create(c, &security_group_rule_resource, attrs, NULL);
}

static bool is_default(struct call *c, const json_t *group)
{
	const json_t *row = call_get(c, "/group_default/%s", doc_str(group, "project_id"));

	return row && doc_is(row, "group", doc_str(group, "id"));
}

/* A project's group "default", made if there is none yet: its row first, which group_check() asks
 * for. *id is borrowed from a document of the call. */
static int group_default(struct call *c, const char *project_id, const char **id)
{
	const json_t *row = call_get(c, "/group_default/%s", project_id), *group;
	char fresh[UUID_STR_LEN];
	int rc;

	if (row) {
		*id = doc_str(row, "group");
		return 0;
	}
	uuid_new(fresh);
	rc = call_put(c, json_pack("{s:s}", "group", fresh), "/group_default/%s", project_id);
	if (!rc)
		rc = res_create(c, &security_group_resource,
				json_pack("{s:s,s:s,s:s,s:s}", "id", fresh, "name", "default",
					  "description", "Default security group", "project_id",
					  project_id),
				&group);
	if (!rc)
		*id = doc_str(group, "id");
	return rc;
}

static bool port_has_group(const json_t *port, const char *id)
{
	json_t *group;
	size_t i;

	json_array_foreach (json_object_get(port, "security_groups"), i, group)
		if (!strcmp(json_string_value(group), id))
			return true;
	return false;
}

static bool group_has_port(struct call *c, const char *id)
{
	struct cursor it = res_list(c, &port_resource, NULL, NULL);

	while (cursor_seek(&it, id))
		if (port_has_group(it.doc, id))
			return true;
	return false;
}

/* One of that name a project has from the start, and no second. */
static int group_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *own;
	int rc;

	if (!doc_same(doc, old, "name") && is_default(c, old))
		return call_fail(c, 409, "SecurityGroupCannotUpdateDefault",
				 "Updating default security group not allowed.");
	if (old && !doc_same(doc, old, "stateful") && group_has_port(c, doc_str(doc, "id")))
		return call_fail(c, 409, "SecurityGroupInUse", "Security Group %s in use.",
				 doc_str(doc, "id"));
	if (doc_same(doc, old, "name") || strcasecmp(doc_str(doc, "name"), "default") ||
	    is_default(c, doc))
		return 0;
	rc = group_default(c, doc_str(doc, "project_id"), &own);
	if (rc)
		return rc;
	return call_fail(c, 409, "SecurityGroupDefaultAlreadyExists",
			 "Default security group already exists.");
}

/* All may send; in the default group, members may receive from each other. */
static int group_created(struct call *c, const json_t *doc)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		rc = rule_add(c, doc, "egress", ethertypes[i], false);
		if (!rc && doc_is(doc, "name", "default"))
			rc = rule_add(c, doc, "ingress", ethertypes[i], true);
	}
	return rc;
}

/* Its own rules, and others' that let it in. */
static int delete_rules(struct call *c, const char *id)
{
	static const char *const by[] = { "security_group_id", "remote_group_id" };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		struct cursor it = res_list(c, &security_group_rule_resource, by[i], id);

		while (!rc && cursor_next(&it))
			rc = res_delete(c, &security_group_rule_resource, doc_str(it.doc, "id"));
	}
	return rc;
}

static int group_deleted(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	int rc;

	if (group_has_port(c, id))
		return call_fail(c, 409, "SecurityGroupInUse", "Security Group %s in use.", id);
	if (is_default(c, doc) && !caller_is_admin(c))
		return call_fail(c, 409, "SecurityGroupCannotRemoveDefault",
				 "Insufficient rights for removing default security group.");
	rc = delete_rules(c, id);
	if (!rc && is_default(c, doc))
		rc = call_delete(c, "/group_default/%s", doc_str(doc, "project_id"));
	return rc;
}

static int group_show(struct call *c, const json_t *doc, json_t *out)
{
	struct cursor it =
		res_list(c, &security_group_rule_resource, "security_group_id", doc_str(doc, "id"));
	json_t *rules = json_array();

	while (cursor_next(&it))
		json_array_append_new(rules, res_show(c, &security_group_rule_resource, it.doc));
	return json_object_set_new(out, "security_group_rules", rules) ? -ENOMEM : 0;
}

const struct resource security_group_resource = {
	.one = "security_group",
	.many = "security_groups",
	.label = "SecurityGroup",
	.path = "/v2.0/security-groups",
	.flags = RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = group_fields,
	.quota = "security_group",
	.quota_default = 10,
	.check = group_check,
	.created = group_created,
	.deleted = group_deleted,
	.show = group_show,
};

/* Of a project that an older version made, or whose admin deleted it: who looks or makes another
 * has a default group. */
static int own_default(struct call *c)
{
	const char *id;

	return *c->auth->project_id ? group_default(c, c->auth->project_id, &id) : 0;
}

static int group_list(struct call *c)
{
	return own_default(c) ?: res_handle_list(c, &security_group_resource, false);
}

static int group_post(struct call *c)
{
	return own_default(c) ?: res_handle_create(c, &security_group_resource);
}

static int project_created(struct call *c, const json_t *project)
{
	const char *id;

	return group_default(c, doc_str(project, "id"), &id);
}

/* Its key first: without it, it is a group as others are. One that ports still have stays. */
static int project_deleted(struct call *c, const json_t *project)
{
	const json_t *row = call_get(c, "/group_default/%s", doc_str(project, "id"));
	auto_free char *id = row ? strdup(doc_str(row, "group")) : NULL;
	int rc = id ? call_delete(c, "/group_default/%s", doc_str(project, "id")) : 0;

	return rc || !id || group_has_port(c, id) ? rc
						  : res_delete(c, &security_group_resource, id);
}

/* Groups of a port, which the caller sees, are all stateful or none. */
static int check_groups(struct call *c, const json_t *groups)
{
	const json_t *id, *group, *first = NULL;
	size_t i;

	json_array_foreach ((json_t *)groups, i, id) {
		group = res_seen(c, &security_group_resource, json_string_value(id));
		if (!group)
			return call_fail(c, 404, "SecurityGroupNotFound",
					 "Security group %s does not exist", json_string_value(id));
		first = first ?: group;
		if (!doc_same(group, first, "stateful"))
			return call_fail(c, 409, "SecurityGroupConflict",
					 "Error Cannot apply both stateful and stateless security "
					 "groups on the same port at the same time while "
					 "attempting the operation.");
	}
	return 0;
}

static int port_check(struct call *c, json_t *port, const json_t *old)
{
	bool secure = doc_bool(port, "port_security_enabled");
	json_t *groups = json_object_get(port, "security_groups");
	const char *group;
	int rc;

	if (json_is_null(groups)) {
		groups = json_array();
		json_object_set_new(port, "security_groups", groups);
		if (!secure || port_is_service(port))
			return 0;
		rc = group_default(c, doc_str(port, "project_id"), &group);
		return rc ? rc : json_array_append_new(groups, json_string(group));
	}
	if (!secure && json_array_size(groups) && !doc_same(port, old, "security_groups"))
		return call_fail(c, 400, "PortSecurityAndIPRequiredForSecurityGroups",
				 "Port security must be enabled and port must have an IP address "
				 "in order to use security groups.");
	if (!secure && json_array_size(groups))
		return call_fail(c, 409, "PortSecurityPortHasSecurityGroup",
				 "Port has security group associated. Cannot disable port security "
				 "or IP address until security group is removed.");
	return doc_same(port, old, "security_groups") ? 0 : check_groups(c, groups);
}

static const struct resource *const resources[] = { &security_group_resource,
						    &security_group_rule_resource, NULL };
static const struct route routes[] = {
	{ "GET", "/v2.0/security-groups", group_list, RULE_READ },
	{ "POST", "/v2.0/security-groups", group_post, RULE_WRITE },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };

static bool match_group(struct call *c, const json_t *port, const char *value)
{
	return port_has_group(port, value);
}

static const struct rfield port_rows[] = {
	{ "security_groups", J_LIST, R_CREATE | R_UPDATE | R_FILTER | R_EMPTY, .valid = valid_uuids,
	  .match = match_group },
	{ NULL },
};
static const struct more_fields fields[] = { { "port", port_rows }, { NULL } };
static const struct hook hooks[] = {
	{ &port_resource, .check = port_check },
	{ &project_resource, .created = project_created, .deleted = project_deleted },
	{ NULL },
};

static const struct extension extensions[] = {
	{ "port-security-groups-filtering", "Port filtering on security groups",
	  "Provides security groups filtering when listing ports", "2018-01-09T09:00:00-00:00" },
	{ "security-groups-normalized-cidr", "Normalized CIDR field for security group rules",
	  "Add new field with normalized remote_ip_prefix cidr in SG rule",
	  "2020-07-28T10:00:00-00:00" },
	{ "security-group", "security-group", "The security groups extension",
	  "2012-10-05T10:00:00-00:00" },
	{ "stateful-security-group", "Stateful security group",
	  "Indicates if the security group is stateful or not", "2019-11-26T09:00:00-00:00" },
	{ NULL },
};

const struct feature secgroup_feature = {
	.name = "security groups",
	.service = &network_service,
	.resources = resources,
	.routes = all_routes,
	.extensions = extensions,
	.fields = fields,
	.hooks = hooks,
};
