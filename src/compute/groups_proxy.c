/* SPDX-License-Identifier: Apache-2.0 */
/* Security groups of a server, and until 2.35 Nova's proxy over those of the network service. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "compute/actions/actions.h"
#include "network/core/network.h"

#define PROXY_MINOR_MAX 35

static json_t *or_minus_one(const json_t *value)
{
	return json_is_integer(value) ? json_incref((json_t *)value) : json_integer(-1);
}

/* Nova's form of a rule: whom it lets in is a group by name or a prefix, never neither. */
static json_t *rule_view(struct call *c, const json_t *rule)
{
	const char *prefix = doc_text(rule, "remote_ip_prefix");
	const json_t *protocol = json_object_get(rule, "protocol");
	const json_t *from =
		res_get(c, groups_resource(c, "security_group"), doc_text(rule, "remote_group_id"));
	json_t *out = json_pack("{s:O,s:O,s:O,s:{},s:{}}", "id", json_object_get(rule, "id"),
				"parent_group_id", json_object_get(rule, "security_group_id"),
				"ip_protocol", protocol, "group", "ip_range");

	if (!prefix)
		prefix = doc_is(rule, "ethertype", "IPv6") ? "::/0" : "0.0.0.0/0";
	if (from)
		json_object_set_new(out, "group",
				    json_pack("{s:O,s:O}", "name", json_object_get(from, "name"),
					      "tenant_id", json_object_get(from, "project_id")));
	else
		json_object_set_new(out, "ip_range", json_pack("{s:s}", "cidr", prefix));
	json_object_set_new(out, "from_port",
			    json_is_null(protocol)
				    ? json_null()
				    : or_minus_one(json_object_get(rule, "port_range_min")));
	json_object_set_new(out, "to_port",
			    json_is_null(protocol)
				    ? json_null()
				    : or_minus_one(json_object_get(rule, "port_range_max")));
	return out;
}

static json_t *group_view(struct call *c, const json_t *group)
{
	const struct resource *r = groups_resource(c, "security_group_rule");
	struct cursor it = res_list(c, r, "security_group_id", doc_str(group, "id"));
	json_t *rules = json_array();

	while (cursor_next(&it))
		if (doc_is(it.doc, "direction", "ingress"))
			json_array_append_new(rules, rule_view(c, it.doc));
	return json_pack("{s:O,s:O,s:O,s:O,s:o}", "id", json_object_get(group, "id"), "name",
			 json_object_get(group, "name"), "description",
			 json_object_get(group, "description"), "tenant_id",
			 json_object_get(group, "project_id"), "rules", rules);
}

/* GET /servers/ID/os-security-groups */
static int of_server(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]), *group;
	auto_of(json_decref) json_t *groups = server ? groups_of_server(c, server) : NULL;
	json_t *out;
	size_t i;

	if (!server)
		return -ENOENT;
	out = json_array();
	json_array_foreach (groups, i, group)
		json_array_append_new(out, group_view(c, group));
	return call_reply(c, 200, json_pack("{s:o}", "security_groups", out));
}

/* The proxy ended with 2.35: Neutron's own API is the way from then on. */
static const struct resource *proxied(struct call *c)
{
	const struct resource *r = groups_resource(c, "security_group");

	return version_until(c, r ? PROXY_MINOR_MAX : 0) ? NULL : r;
}

/* What Nova makes of the network service's faults. Source: Nova. */
static int as_nova(struct call *c, int rc)
{
	static const struct {
		const char *type;
		unsigned int status;
	} faults[] = {
		{ "SecurityGroupInUse", 400 },
		{ "SecurityGroupCannotRemoveDefault", 400 },
		{ "SecurityGroupRuleExists", 400 },
		{ "OverQuota", 403 },
	};

	for (size_t i = 0; rc && i < ARRAY_LEN(faults); i++)
		call_fault_as(c, faults[i].type, faults[i].status);
	return rc;
}

/* The caller's own group of the path. */
static const json_t *own_group(struct call *c, const char *id)
{
	const struct resource *r = proxied(c);

	return r ? res_find(c, r, id) : NULL;
}

static int proxy_list(struct call *c)
{
	const struct resource *r = proxied(c);
	const char *all = call_arg(c, "all_tenants");
	bool every = all && strcmp(all, "0") && caller_is_admin(c);
	json_t *out;
	struct cursor it;

	if (!r)
		return -ENOENT;
	out = json_array();
	it = every ? res_list(c, r, NULL, NULL) : res_list(c, r, "project_id", c->auth->project_id);
	while (cursor_next(&it))
		json_array_append_new(out, group_view(c, it.doc));
	return call_reply(c, 200, json_pack("{s:o}", "security_groups", out));
}

static int reply_group(struct call *c, const json_t *group)
{
	return call_reply(c, 200, json_pack("{s:o}", "security_group", group_view(c, group)));
}

static int proxy_show(struct call *c)
{
	const json_t *group = own_group(c, c->ids[0]);

	return group ? reply_group(c, group) : -ENOENT;
}

static const struct rfield group_rows[] = {
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED, .min = 1, .max = 255 },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL, "\"\"", .max = 255 },
	{ NULL },
};

static void no_null(json_t *given)
{
	if (json_is_null(json_object_get(given, "description")))
		doc_set_text(given, "description", "");
}

static int proxy_create(struct call *c)
{
	const struct resource *r = proxied(c);
	const json_t *in = r ? compute_body(c, "security_group") : NULL, *group;
	json_t *given;
	int rc = in ? fields_accept(c, group_rows, in, false, &given) : -ENOENT;

	if (rc)
		return rc;
	no_null(given);
	rc = as_nova(c, res_create(c, r, given, &group));
	return rc ? rc : reply_group(c, group);
}

static int proxy_update(struct call *c)
{
	const json_t *old = own_group(c, c->ids[0]);
	const json_t *in = old ? compute_body(c, "security_group") : NULL;
	auto_of(json_decref) json_t *given = NULL;
	int rc = in ? fields_accept(c, group_rows, in, true, &given) : -ENOENT;
	json_t *doc;

	if (rc)
		return rc;
	no_null(given);
	doc = json_copy((json_t *)old);
	json_object_update(doc, given);
	rc = res_change(c, groups_resource(c, "security_group"), doc);
	return rc ? rc
		  : reply_group(c, res_get(c, groups_resource(c, "security_group"), c->ids[0]));
}

static int proxy_delete(struct call *c)
{
	const json_t *group = own_group(c, c->ids[0]);
	int rc = group ? res_delete(c, groups_resource(c, "security_group"), c->ids[0]) : -ENOENT;

	return rc ? as_nova(c, rc) : call_reply(c, 202, NULL);
}

static const struct rfield rule_rows[] = {
	{ "parent_group_id", J_UUID, R_CREATE | R_NEED },
	{ "ip_protocol", J_STR, R_CREATE | R_NULL, .max = 20 },
	{ "from_port", J_INT, R_CREATE | R_NULL, .min = -1, .max = 65535 },
	{ "to_port", J_INT, R_CREATE | R_NULL, .min = -1, .max = 65535 },
	{ "cidr", J_STR, R_CREATE | R_NULL, .valid = valid_cidr },
	{ "group_id", J_UUID, R_CREATE | R_NULL },
	{ NULL },
};

/* -1 is "any", as is null. */
static json_t *port_of(const json_t *given, const char *name)
{
	json_t *n = json_object_get(given, name);

	return json_is_integer(n) && json_integer_value(n) >= 0 ? json_incref(n) : json_null();
}

static int make_rule(struct call *c, const json_t *group, const json_t *given, const json_t **out)
{
	const char *cidr = doc_str(given, "cidr"), *protocol = doc_text(given, "ip_protocol");
	json_t *attrs = json_pack("{s:O,s:O,s:s,s:s,s:o,s:o,s:s?,s:O}", "security_group_id",
				  json_object_get(group, "id"), "project_id",
				  json_object_get(group, "project_id"), "direction", "ingress",
				  "ethertype", strchr(cidr, ':') ? "IPv6" : "IPv4",
				  "port_range_min", port_of(given, "from_port"), "port_range_max",
				  port_of(given, "to_port"), "protocol", protocol,
				  "remote_group_id", json_object_get(given, "group_id"));

	if (*cidr)
		doc_set_text(attrs, "remote_ip_prefix", cidr);
	return res_create(c, groups_resource(c, "security_group_rule"), attrs, out);
}

static int rule_create(struct call *c)
{
	static const char *const known[] = { "tcp", "udp", "icmp", NULL };
	const json_t *in = proxied(c) ? compute_body(c, "security_group_rule") : NULL;
	const json_t *group, *rule;
	auto_of(json_decref) json_t *given = NULL;
	int rc = in ? fields_accept(c, rule_rows, in, false, &given) : -ENOENT, i = 0;

	if (rc)
		return rc;
	group = own_group(c, doc_str(given, "parent_group_id"));
	if (!group ||
	    (doc_text(given, "group_id") &&
	     !res_find(c, groups_resource(c, "security_group"), doc_text(given, "group_id"))))
		return -ENOENT;
	while (known[i] && strcasecmp(known[i], doc_str(given, "ip_protocol")))
		i++;
	if (!known[i] && doc_text(given, "ip_protocol"))
		return call_fail(c, 400, "InvalidIpProtocol", "Invalid IP protocol %s.",
				 doc_text(given, "ip_protocol"));
	doc_set_text(given, "ip_protocol", known[i]);
	if (strchr(doc_str(in, "cidr"), '/')) /* kept with its host's bits */
		doc_set_text(given, "cidr", doc_str(in, "cidr"));
	rc = as_nova(c, make_rule(c, group, given, &rule));
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o}", "security_group_rule", rule_view(c, rule)));
}

static int rule_delete(struct call *c)
{
	const struct resource *r = groups_resource(c, "security_group_rule");
	const json_t *rule = proxied(c) ? res_find(c, r, c->ids[0]) : NULL;
	int rc;

	if (!rule || !own_group(c, doc_str(rule, "security_group_id")))
		return -ENOENT;
	rc = res_delete(c, r, c->ids[0]);
	return rc ? rc : call_reply(c, 202, NULL);
}

/* Gives a port a group, or takes one from it. Return: 1 if that changed it, 0, or a fault. */
static int change_port(struct call *c, const json_t *port, const json_t *group, bool add)
{
	json_t *id = json_object_get(group, "id"), *list, *copy, *other;
	size_t i;
	int rc;

	if (groups_has(json_object_get(port, "security_groups"), id) == add)
		return 0;
	list = json_array();
	json_array_foreach (json_object_get(port, "security_groups"), i, other)
		if (!json_equal(other, id))
			json_array_append(list, other);
	if (add)
		json_array_append(list, id);
	copy = json_copy((json_t *)port);
	json_object_set_new(copy, "security_groups", list);
	rc = res_change(c, &port_resource, copy);
	return rc ? rc : 1;
}

/**
 * groups_change() - addSecurityGroup, removeSecurityGroup: on all ports of the call's server
 * @c:    the call
 * @name: of the group, or its id; or NULL
 * @add:  else taken away
 *
 * Return: as a handler.
 */
int groups_change(struct call *c, const char *name, bool add)
{
	const json_t *server = server_find(c, c->ids[0]), *entry;
	const json_t *group = name ? groups_named(c, name) : NULL;
	unsigned int changed = 0, ports = 0;
	size_t i;

	if (!server)
		return -ENOENT;
	if (!group)
		return call_fail(c, name ? 404 : 400, "SecurityGroupNotFound",
				 "Security group %s not found.", name ? name : "");
	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_str(entry, "id"));
		int rc = port && doc_bool(port, "port_security_enabled")
				 ? change_port(c, port, group, add)
				 : 0;

		if (rc < 0)
			return rc;
		changed += (unsigned int)rc;
		ports += port != NULL;
	}
	if (!changed && !add)
		return call_fail(c, 404, "SecurityGroupNotFound",
				 "Security group %s not associated with the instance %s", name,
				 c->ids[0]);
	if (!ports)
		return call_fail(c, 400, "BadRequest",
				 "instance %s has no ports for security groups", c->ids[0]);
	return call_reply(c, 202, NULL);
}

const struct route group_routes[] = {
	{ "GET", "/v2.1/servers/{}/os-security-groups", of_server, RULE_READ },
	{ "GET", "/v2.1/os-security-groups", proxy_list, RULE_READ },
	{ "POST", "/v2.1/os-security-groups", proxy_create, RULE_WRITE },
	{ "GET", "/v2.1/os-security-groups/{}", proxy_show, RULE_READ },
	{ "PUT", "/v2.1/os-security-groups/{}", proxy_update, RULE_WRITE },
	{ "DELETE", "/v2.1/os-security-groups/{}", proxy_delete, RULE_WRITE },
	{ "POST", "/v2.1/os-security-group-rules", rule_create, RULE_WRITE },
	{ "DELETE", "/v2.1/os-security-group-rules/{}", rule_delete, RULE_WRITE },
	{ NULL },
};
