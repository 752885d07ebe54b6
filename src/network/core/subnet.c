/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subnets of the network service: prefix, gateway, pools, DHCP and its options.
 * The arithmetic is ipam.c's; an address in use is the key /ip/SUBNET/ADDRESS.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "network/core/network.h"

/* What gateway_ip is until somebody says an address, or null for none. */
#define GATEWAY_UNSET ""

#define SERVICE_TYPES_MAX 16

static int valid_ip_version(struct call *c, const char *field, json_t **value)
{
	json_int_t v = json_integer_value(*value);

	if (v == 4 || v == 6)
		return 0;
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: %lld is not in valid_values.", field, v);
}

static const char *const ipv6_modes[] = { "slaac", "dhcpv6-stateful", "dhcpv6-stateless", NULL };

/* A subnet is shared as its network is. */
static bool match_shared(struct call *c, const json_t *doc, const char *value)
{
	const json_t *net = res_get(c, &network_resource, doc_str(doc, "network_id"));

	return network_is_shared(c, net) == (!strcasecmp(value, "true") || !strcmp(value, "1"));
}

/* Owners of ports, as "compute:nova": those the subnet's addresses are for. neutron-lib takes what
 * begins with one of two words or with a letter of "compute:". */
static int valid_service_types(struct call *c, const char *field, json_t **value)
{
	json_t *type;
	size_t i;

	json_array_foreach (*value, i, type) {
		const char *text = json_string_value(type) ?: "";
		bool known = !strncmp(text, "network:", 8) || !strncmp(text, "neutron:", 8) ||
			     (*text && strchr("compute:", *text));

		if (!known || strlen(text) > 255 || i >= SERVICE_TYPES_MAX)
			return call_fail(
				c, 400, "InvalidSubnetServiceType",
				"Subnet service type %.255s does not correspond to a valid "
				"device owner.",
				text);
	}
	return 0;
}

static bool match_service_types(struct call *c, const json_t *doc, const char *value)
{
	return subnet_serves(doc, value);
}

static const struct rfield subnet_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "network_id", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &network_resource },
	{ "ip_version", J_INT, R_CREATE | R_NEED | R_FILTER, .valid = valid_ip_version },
	{ "enable_dhcp", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "ipv6_ra_mode", J_STR, R_CREATE | R_FILTER | R_NULL, .names = ipv6_modes },
	{ "ipv6_address_mode", J_STR, R_CREATE | R_FILTER | R_NULL, .names = ipv6_modes },
	{ "gateway_ip", J_STR, R_CREATE | R_UPDATE | R_FILTER | R_NULL, "\"" GATEWAY_UNSET "\"",
	  .valid = valid_ip },
	{ "cidr", J_STR, R_CREATE | R_FILTER, .valid = valid_cidr },
	{ "allocation_pools", J_LIST, R_CREATE | R_UPDATE, .valid = valid_pools },
	{ "host_routes", J_LIST, R_CREATE | R_UPDATE | R_EMPTY, "[]", .valid = valid_routes },
	{ "dns_nameservers", J_LIST, R_CREATE | R_UPDATE | R_EMPTY, "[]",
	  .valid = valid_nameservers },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "service_types", J_LIST, R_CREATE | R_UPDATE | R_FILTER | R_EMPTY, "[]",
	  .valid = valid_service_types, .match = match_service_types },
	{ "shared", J_BOOL, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_shared },
	{ NULL },
};

/**
 * subnet_serves() - Does a subnet name an owner of ports as one of those it is for?
 * @doc:   subnet's document
 * @owner: "compute:nova"
 */
bool subnet_serves(const json_t *doc, const char *owner)
{
	json_t *type;
	size_t i;

	json_array_foreach (json_object_get(doc, "service_types"), i, type)
		if (!strcmp(json_string_value(type) ?: "", owner))
			return true;
	return false;
}

/**
 * subnet_read() - What a subnet's document says about addresses
 * @doc: document; its texts have passed the field checks
 * @out: the same as numbers; a gateway not yet chosen counts as none
 *
 * Return: 0, or -EINVAL if the document is none of ours.
 */
int subnet_read(const json_t *doc, struct ipam_subnet *out)
{
	const char *mode = doc_str(doc, "ipv6_address_mode"), *gw = doc_str(doc, "gateway_ip");
	struct ipam_subnet s = { .dhcp = doc_bool(doc, "enable_dhcp") };
	const json_t *pools = json_object_get(doc, "allocation_pools");
	json_t *pool;
	size_t i;

	s.slaac = !strcmp(mode, "slaac") || !strcmp(mode, "dhcpv6-stateless");
	if (cidr_parse(doc_str(doc, "cidr"), &s.cidr, NULL))
		return -EINVAL;
	if (*gw && ip_parse(gw, &s.gateway, NULL))
		return -EINVAL;
	json_array_foreach (pools, i, pool) {
		struct ip_range *r = &s.pools[s.n_pools];

		if (s.n_pools == IPAM_POOLS_MAX ||
		    ip_parse(doc_str(pool, "start"), &r->first, NULL) ||
		    ip_parse(doc_str(pool, "end"), &r->last, NULL))
			return -EINVAL;
		s.n_pools++;
	}
	*out = s;
	return 0;
}

static json_t *pools_to_json(const struct ipam_subnet *s)
{
	json_t *list = json_array();
	char first[IP_STR_LEN], last[IP_STR_LEN];

	for (unsigned int i = 0; i < s->n_pools; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "start",
						      ip_format(&s->pools[i].first, first), "end",
						      ip_format(&s->pools[i].last, last)));
	return list;
}

static int check_versions(struct call *c, const json_t *doc, const struct ipam_subnet *s)
{
	json_int_t version = doc_int(doc, "ip_version");
	bool modes = json_is_string(json_object_get(doc, "ipv6_ra_mode")) ||
		     json_is_string(json_object_get(doc, "ipv6_address_mode"));

	if (s->cidr.base.version != version)
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: cidr '%s' does not match the "
				 "ip_version '%lld'.",
				 doc_str(doc, "cidr"), version);
	if (version == 4 && modes)
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: ipv6_ra_mode is not valid when "
				 "ip_version is 4.");
	if (modes && !s->dhcp)
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode "
				 "cannot be set when enable_dhcp is set to False.");
	return 0;
}

/* RA mode and address mode must not contradict each other. */
static int check_modes(struct call *c, const json_t *doc)
{
	const char *ra = doc_str(doc, "ipv6_ra_mode"), *address = doc_str(doc, "ipv6_address_mode");

	if (!*ra || !*address || !strcmp(ra, address))
		return 0;
	return call_fail(c, 400, "InvalidInput",
			 "Invalid input for operation: ipv6_ra_mode set to '%s' with "
			 "ipv6_address_mode set to '%s' is not valid. If both attributes are set, "
			 "they must be the same value.",
			 ra, address);
}

#define SUBNETS_MAX 16 /* of a network: what hosts' agents take */

/* A network is divided by its owner, and not without end. */
static int check_network(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "network_id");
	const json_t *net = res_get(c, &network_resource, id);

	if (res_count(c, &subnet_resource, "network_id", id) >= SUBNETS_MAX)
		return call_fail(c, 409, "SubnetLimit", "Network %s has %d subnets already.", id,
				 SUBNETS_MAX);
	if (caller_owns(c, doc_str(net, "project_id")))
		return 0;
	return call_fail(c, 403, "PolicyNotAuthorized",
			 "rule:create_subnet is disallowed by policy");
}

static int check_overlap(struct call *c, const json_t *doc, const struct ipam_subnet *s)
{
	const char *network = doc_str(doc, "network_id");
	struct cursor it = res_list(c, &subnet_resource, "network_id", network);
	struct cidr other;

	while (cursor_next(&it)) {
		if (doc_is(it.doc, "id", doc_str(doc, "id")) ||
		    cidr_parse(doc_str(it.doc, "cidr"), &other, NULL) ||
		    !cidr_overlaps(&other, &s->cidr))
			continue;
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: Requested subnet with cidr: %s for "
				 "network: %s overlaps with another subnet.",
				 doc_str(doc, "cidr"), network);
	}
	return 0;
}

static int check_routes(struct call *c, const json_t *doc, const struct ipam_subnet *s)
{
	const json_t *routes = json_object_get(doc, "host_routes");
	json_t *route;
	size_t i;

	json_array_foreach (routes, i, route) {
		struct cidr dst;

		if (!cidr_parse(doc_str(route, "destination"), &dst, NULL) &&
		    dst.base.version != s->cidr.base.version)
			return call_fail(c, 400, "InvalidInput",
					 "Invalid input for operation: destination '%s' does not "
					 "match the ip_version '%u'.",
					 doc_str(route, "destination"), s->cidr.base.version);
	}
	return 0;
}

/* Fills in what POST left out. */
static void subnet_complete(json_t *doc, struct ipam_subnet *s)
{
	char text[IP_STR_LEN];

	if (json_is_string(json_object_get(doc, "gateway_ip")) && !s->gateway.version) {
		s->gateway = ipam_default_gateway(&s->cidr);
		json_object_set_new(doc, "gateway_ip", json_string(ip_format(&s->gateway, text)));
	}
	if (json_is_null(json_object_get(doc, "allocation_pools"))) {
		s->n_pools = ipam_default_pools(&s->cidr, &s->gateway, s->pools);
		json_object_set_new(doc, "allocation_pools", pools_to_json(s));
	}
}

static int subnet_check(struct call *c, json_t *doc, const json_t *old)
{
	struct refusal r = { 0 };
	struct ipam_subnet s;
	int rc;

	if (!json_is_string(json_object_get(doc, "cidr")))
		return call_fail(
			c, 400, "BadRequest",
			"Bad subnets request: a subnetpool must be specified in the absence "
			"of a cidr.");
	rc = subnet_read(doc, &s);
	if (rc)
		return rc;
	if (!old)
		rc = check_network(c, doc) ?: check_versions(c, doc, &s) ?: check_modes(c, doc);
	if (!rc)
		rc = check_routes(c, doc, &s);
	if (rc)
		return rc;
	if (ipam_check_cidr(&s, &r))
		return net_refused(c, &r);
	if (!old) {
		subnet_complete(doc, &s);
		rc = check_overlap(c, doc, &s);
	}
	if (rc)
		return rc;
	if (ipam_check_pools(&s, &r) || ipam_check_gateway(&s, &r))
		return net_refused(c, &r);
	return 0;
}

/* A port without its addresses of one subnet. */
static int port_strip(struct call *c, const json_t *port, const char *subnet_id)
{
	json_t *kept = json_array(), *copy = json_copy((json_t *)port), *ip;
	size_t i;

	json_array_foreach (json_object_get(port, "fixed_ips"), i, ip)
		if (!doc_is(ip, "subnet_id", subnet_id))
			json_array_append(kept, ip);
	json_object_set_new(copy, "fixed_ips", kept);
	return res_put(c, &port_resource, copy);
}

/* A subnet is part of its network, whose revision tells of it. */
static int touch_network(struct call *c, const json_t *subnet)
{
	const json_t *net = res_get(c, &network_resource, doc_str(subnet, "network_id"));

	return net ? res_put(c, &network_resource, json_copy((json_t *)net)) : 0;
}

static int subnet_updated(struct call *c, const json_t *doc, const json_t *old)
{
	return touch_network(c, doc);
}

/* Addresses go with their subnet if nobody chose them: the service port's, and those by SLAAC. */
static int subnet_deleted(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	struct cursor it = call_list(c, "/ip/%s/", id);
	struct ipam_subnet s;
	int rc = subnet_read(doc, &s), stripped = 0;

	while (!rc && cursor_next(&it)) {
		const json_t *port = res_get(c, &port_resource, doc_str(it.doc, "port"));
		bool service = doc_is(port, "device_owner", "network:dhcp");

		if (service && stripped++ >= SERVICE_PORTS_NOW)
			continue; /* network_sync() does it */
		if (port && !s.slaac && !service)
			return call_fail(c, 409, "SubnetInUse",
					 "Unable to complete operation on subnet %s: One or more "
					 "ports have an IP allocation from this subnet.",
					 id);
		rc = call_delete(c, "%s", it.key);
		if (!rc && port)
			rc = port_strip(c, port, id);
	}
	return rc ? rc : touch_network(c, doc);
}

/* A subnet is seen by whoever sees its network. */
static bool subnet_visible(const struct call *c, const json_t *doc)
{
	const json_t *net =
		res_get((struct call *)c, &network_resource, doc_str(doc, "network_id"));

	return caller_owns(c, doc_str(doc, "project_id")) ||
	       (net && (network_is_shared(c, net) || caller_is_in(c, doc_str(net, "project_id"))));
}

const struct resource subnet_resource = {
	.one = "subnet",
	.many = "subnets",
	.label = "Subnet",
	.path = "/v2.0/subnets",
	.flags = RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = subnet_fields,
	.quota = "subnet",
	.quota_default = 100,
	.check = subnet_check,
	.created = touch_network,
	.updated = subnet_updated,
	.deleted = subnet_deleted,
	.visible = subnet_visible,
};
