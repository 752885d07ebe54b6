/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the network service. Their addresses are worked out in address.c; here are
 * the attributes, the rules between them, and who may set what.
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"

#define ADDRESS_PAIRS_MAX 10 /* Neutron's max_allowed_address_pair */

/* Service ports are made by us and by admins. */
static int valid_device_owner(struct call *c, const char *field, json_t **value)
{
	if (caller_is_admin(c) || strncmp(json_string_value(*value), "network:", 8))
		return 0;
	return call_fail(c, 403, "PolicyNotAuthorized",
			 "(rule:create_port and rule:create_port:%s) is disallowed by policy",
			 field);
}

/* Is an address one that the fixed_ips= of the query with this key ask for, if there are such? */
static bool is_wanted(const struct call *c, const json_t *ip, const char *key, const char *member,
		      bool part)
{
	size_t len = strlen(key);
	const char *value;
	bool asked = false;

	for (unsigned int i = 0; (value = call_arg_at(c, "fixed_ips", i)); i++) {
		if (strncmp(value, key, len) || value[len] != '=')
			continue;
		asked = true;
		if (part ? !!strstr(doc_str(ip, member), value + len + 1)
			 : doc_is(ip, member, value + len + 1))
			return true;
	}
	return !asked;
}

/* fixed_ips=ip_address=10.0.0.4, subnet_id=..., ip_address_substr=...: of one key alternatives, and
 * one address is to be what all keys say. */
static enum selects port_selects(const struct call *c, const json_t *doc, const char *name,
				 const char *value)
{
	json_t *ip;
	size_t i;

	if (strcmp(name, "fixed_ips"))
		return SELECTS_OTHER;
	if (!strchr(value, '='))
		call_fail((struct call *)c, 400, "InvalidInput",
			  "Invalid input for operation: '%s' is not of the form <key>=[value].",
			  value);
	json_array_foreach (json_object_get(doc, "fixed_ips"), i, ip)
		if (is_wanted(c, ip, "ip_address", "ip_address", false) &&
		    is_wanted(c, ip, "subnet_id", "subnet_id", false) &&
		    is_wanted(c, ip, "ip_address_substr", "ip_address", true))
			return SELECTS;
	return SELECTS_NOT;
}

static bool match_mac(struct call *c, const json_t *doc, const char *value)
{
	return !strcasecmp(doc_str(doc, "mac_address"), value);
}

static const struct rfield port_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "network_id", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &network_resource },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "mac_address", J_STR, R_CREATE | R_UPDATE | R_FILTER, .valid = valid_mac,
	  .match = match_mac },
	{ "admin_state_up", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "status", J_STR, R_FILTER, "\"DOWN\"" },
	{ "device_id", J_STR, R_CREATE | R_UPDATE | R_FILTER | R_INDEX, "\"\"", .max = 255 },
	{ "device_owner", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255,
	  .valid = valid_device_owner },
	{ "fixed_ips", J_LIST, R_CREATE | R_UPDATE | R_FILTER, .valid = valid_fixed_ips },
	{ "allowed_address_pairs", J_LIST, R_CREATE | R_UPDATE | R_EMPTY, "[]",
	  .valid = valid_address_pairs },
	{ "extra_dhcp_opts", J_LIST, R_CREATE | R_UPDATE | R_EMPTY, "[]",
	  .valid = valid_dhcp_opts },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "port_security_enabled", J_BOOL, R_CREATE | R_UPDATE },
	{ NULL },
};

/**
 * port_is_service() - Is it a port of the network's own, as DHCP's?
 * @port: port document
 */
bool port_is_service(const json_t *port)
{
	return !strncmp(doc_str(port, "device_owner"), "network:", 8);
}

/* On another project's (shared) network a member may not choose what could be somebody's. */
static int check_foreign(struct call *c, const json_t *port, const json_t *old, const json_t *net)
{
	enum { PAIRS };
	static const char *const names[] = { [PAIRS] = "allowed_address_pairs",
					     "mac_address",
					     "fixed_ips",
					     "port_security_enabled" };
	const char *verb = old ? "update" : "create";

	if (caller_is_admin(c) || port_is_service(port) ||
	    caller_is_in(c, doc_str(net, "project_id")))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *v = json_object_get(port, names[i]);

		if (json_is_null(v) || (old && json_equal(v, json_object_get(old, names[i]))) ||
		    (i == PAIRS && !json_array_size(v))) /* what everybody has */
			continue;
		return call_fail(c, 403, "PolicyNotAuthorized",
				 "(rule:%s_port and rule:%s_port:%s) is disallowed by policy", verb,
				 verb, names[i]);
	}
	return 0;
}

/* Nova asks the same of who boots on an external network (ExternalNetworkAttachForbidden). */
static int check_external(struct call *c, const json_t *port, const json_t *net)
{
	if (!doc_bool(net, "router:external") || network_is_shared(c, net) ||
	    port_is_service(port) || caller_owns(c, doc_str(net, "project_id")))
		return 0;
	return call_fail(c, 403, "ExternalNetworkAttachForbidden",
			 "It is not allowed to create an interface on external network %s",
			 doc_str(net, "id"));
}

/* Pairs without a MAC mean the port's own. */
static void complete_pairs(json_t *port)
{
	json_t *pairs = json_array(), *pair;
	size_t i;

	json_array_foreach (json_object_get(port, "allowed_address_pairs"), i, pair) {
		json_t *copy = json_copy(pair);

		if (!json_is_string(json_object_get(copy, "mac_address")))
			json_object_set(copy, "mac_address", json_object_get(port, "mac_address"));
		json_array_append_new(pairs, copy);
	}
	json_object_set_new(port, "allowed_address_pairs", pairs);
}

static int check_pairs(struct call *c, const json_t *port)
{
	size_t n = json_array_size(json_object_get(port, "allowed_address_pairs"));

	if (n > ADDRESS_PAIRS_MAX)
		return call_fail(c, 400, "AllowedAddressPairExhausted",
				 "The number of allowed address pair exceeds the maximum %u.",
				 ADDRESS_PAIRS_MAX);
	if (doc_bool(port, "port_security_enabled") || !n)
		return 0;
	return call_fail(
		c, 409, "AddressPairAndPortSecurityRequired",
		"Port Security must be enabled in order to have allowed address pairs on a "
		"port.");
}

/* extra_dhcp_opts of an update are merged: an option without a value goes. */
static void merge_dhcp_opts(json_t *port, const json_t *old)
{
	json_t *merged = json_array(), *opt, *given = json_object_get(port, "extra_dhcp_opts");
	json_t *had = json_object_get(old, "extra_dhcp_opts");
	size_t i, j;

	json_array_foreach (given, i, opt)
		if (json_is_string(json_object_get(opt, "opt_value")))
			json_array_append(merged, opt);
	if (given != had)
		json_array_foreach (had, i, opt) {
			json_t *other;
			bool named = false;

			json_array_foreach (given, j, other)
				named |= doc_is(other, "opt_name", doc_str(opt, "opt_name"));
			if (!named)
				json_array_append(merged, opt);
		}
	json_object_set_new(port, "extra_dhcp_opts", merged);
}

static int port_check(struct call *c, json_t *port, const json_t *old)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	int rc;

	if (!net)
		return call_fail(c, 404, "NetworkNotFound", "Network %s could not be found.",
				 doc_str(port, "network_id"));
	rc = check_external(c, port, net) ?: check_foreign(c, port, old, net);
	if (rc)
		return rc;
	if (json_is_null(json_object_get(port, "port_security_enabled")))
		json_object_set(port, "port_security_enabled",
				json_object_get(net, "port_security_enabled"));
	rc = check_pairs(c, port) ?: port_addresses(c, port, old);
	if (rc)
		return rc;
	complete_pairs(port);
	merge_dhcp_opts(port, old);
	return 0;
}

static int port_deleted(struct call *c, const json_t *port)
{
	return port_addresses_free(c, port);
}

/**
 * port_own() - A port that the caller may give to a server
 * @c:  the call
 * @id: any text, or NULL
 *
 * The owner of a network sees others' ports on it, and they are not his to use.
 *
 * Return: borrowed; NULL if there is none.
 */
const json_t *port_own(struct call *c, const char *id)
{
	const json_t *port = res_seen(c, &port_resource, id);

	return port && caller_owns(c, doc_str(port, "project_id")) ? port : NULL;
}

static bool is_on_own_network(const struct call *c, const json_t *port)
{
	const json_t *net =
		res_get((struct call *)c, &network_resource, doc_str(port, "network_id"));

	return net && caller_is_in(c, doc_str(net, "project_id"));
}

/* The owner of a network sees who is on it, and may send him away. */
static bool port_visible(const struct call *c, const json_t *port)
{
	return caller_owns(c, doc_str(port, "project_id")) || is_on_own_network(c, port);
}

static const char *const port_sees[] = { "project_id", "network_id", NULL };

static bool port_owned(const struct call *c, const json_t *port)
{
	return caller_owns(c, doc_str(port, "project_id")) ||
	       (!strcmp(c->method, "DELETE") && is_on_own_network(c, port));
}

const struct resource port_resource = {
	.one = "port",
	.many = "ports",
	.label = "Port",
	.path = "/v2.0/ports",
	.flags = RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = port_fields,
	.quota = "port",
	.quota_default = 500,
	.check = port_check,
	.deleted = port_deleted,
	.visible = port_visible,
	.sees = port_sees,
	.owned = port_owned,
	.selects = port_selects,
};
