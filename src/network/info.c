/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network service tells about itself and its hosts: extensions (only
 * those that are there), agents, and how full the networks are.
 */
#include <errno.h>
#include <string.h>

#include "hosts/agents.h"
#include "network/core/network.h"

const struct extension network_extensions[] = {
	{ "agent", "agent", "The agent management extension", "2013-02-03T10:00:00-00:00" },
	{ "allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs",
	  "2013-07-23T10:00:00-00:00" },
	{ "availability_zone", "Availability Zone", "The availability zone extension",
	  "2015-01-01T10:00:00-00:00" },
	{ "empty-string-filtering", "Empty String Filtering Extension",
	  "Allow filtering by attributes with empty string value", "2018-05-01T10:00:00-00:00" },
	{ "external-net", "Neutron external network",
	  "Adds external network attribute to network resource", "2013-01-14T10:00:00-00:00" },
	{ "extra_dhcp_opt", "Neutron Extra DHCP options", "Extra options of a port for DHCP",
	  "2013-03-17T12:00:00-00:00" },
	{ "filter-validation", "Filter parameters validation",
	  "Provides validation on filter parameters", "2018-07-04T10:00:00-00:00" },
	{ "ip-substring-filtering", "IP address substring filtering",
	  "Provides IP address substring filtering when listing ports",
	  "2017-11-28T09:00:00-00:00" },
	{ "net-mtu", "Network MTU", "Provides MTU attribute for a network resource",
	  "2015-03-25T10:00:00-00:00" },
	{ "net-mtu-writable", "Network MTU (writable)",
	  "Provides a writable MTU attribute for a network resource", "2017-07-12T00:00:00-00:00" },
	{ "network-ip-availability", "Network IP Availability",
	  "Provides IP availability data for each network and subnet",
	  "2015-09-24T00:00:00-00:00" },
	{ "pagination", "Pagination support", "Extension that indicates that pagination is enabled",
	  "2016-06-12T00:00:00-00:00" },
	{ "binding", "Port Binding",
	  "Expose port bindings of a virtual port to external application",
	  "2014-02-03T10:00:00-00:00" },
	{ "port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00" },
	{ "project-id", "project_id field enabled",
	  "Extension that indicates that project_id field is enabled",
	  "2016-09-09T09:09:09-09:09" },
	{ "provider", "Provider Network", "Expose mapping of virtual networks to physical networks",
	  "2012-09-07T10:00:00-00:00" },
	{ "quotas", "Quota management support",
	  "Expose functions for quotas management per project", "2012-07-29T10:00:00-00:00" },
	{ "quota_details", "Quota details management support",
	  "Expose functions for quotas usage statistics per project", "2017-02-10T10:00:00-00:00" },
	{ "standard-attr-revisions", "Resource revision numbers", "Revision numbers of objects",
	  "2016-04-11T10:00:00-00:00" },
	{ "security-groups-normalized-cidr", "Normalized CIDR field for security group rules",
	  "Add new field with normalized remote_ip_prefix cidr in SG rule",
	  "2020-07-28T10:00:00-00:00" },
	{ "security-group", "security-group", "The security groups extension",
	  "2012-10-05T10:00:00-00:00" },
	{ "sorting", "Sorting support", "Extension that indicates that sorting is enabled",
	  "2016-06-12T00:00:00-00:00" },
	{ "standard-attr-description", "standard-attr-description", "Descriptions of objects",
	  "2016-02-10T10:00:00-00:00" },
	{ "stateful-security-group", "Stateful security group",
	  "Indicates if the security group is stateful or not", "2019-11-26T09:00:00-00:00" },
	{ "standard-attr-tag", "Tag support for resources with standard attribute",
	  "Tags on networks, subnets, ports and security groups", "2017-01-01T00:00:00-00:00" },
	{ "standard-attr-timestamp", "Resource timestamps",
	  "When an object was created and changed", "2016-09-12T10:00:00-00:00" },
	{ "taas", "Neutron Tap as a Service", "Neutron Tap as a Service Extension.",
	  "2015-01-14T10:00:00-00:00" },
	{ "taas-vlan-filter", "VLAN filtering for Neutron Tap as a Service",
	  "Neutron Tap as a Service Extension for filtering VLANs.", "2018-01-14T10:00:00-00:00" },
	{ "tap-mirror", "Tap as a Service GRE or ERSPAN mirror",
	  "Neutron Tap as a Service extension for GRE or ERSPAN mirroring.",
	  "2023-05-05T11:45:00-00:00" },
	{ "vlan-transparent", "Vlantransparent", "Provides Vlan Transparent Networks",
	  "2015-03-23T09:00:00-07:00" },
	{ NULL },
};

/* The next one of all features: while ((e = next_extension(&f, e))). */
static const struct extension *next_extension(const struct feature *const **f,
					      const struct extension *last)
{
	const struct extension *e = last ? last + 1 : **f ? (**f)->extensions : NULL;

	while (**f && (!e || !e->alias)) {
		++*f;
		e = **f ? (**f)->extensions : NULL;
	}
	return **f ? e : NULL;
}

static json_t *extension_json(const struct extension *e)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:[]}", "name", e->name, "alias", e->alias,
			 "description", e->description, "updated", e->updated, "links");
}

/**
 * extension_list() - GET /v2.0/extensions
 * @c: call
 *
 * Return: as a handler.
 */
int extension_list(struct call *c)
{
	const struct feature *const *f = c->opts->features;
	const struct extension *e = NULL;
	json_t *list = json_array();

	while ((e = next_extension(&f, e)))
		json_array_append_new(list, extension_json(e));
	return call_reply(c, 200, json_pack("{s:o}", "extensions", list));
}

/**
 * extension_show() - GET /v2.0/extensions/{alias}
 * @c: call
 *
 * Return: as a handler.
 */
int extension_show(struct call *c)
{
	const struct feature *const *f = c->opts->features;
	const struct extension *e = NULL;

	while ((e = next_extension(&f, e)))
		if (!strcmp(e->alias, c->ids[0]))
			return call_reply(c, 200,
					  json_pack("{s:o}", "extension", extension_json(e)));
	return call_fail(c, 404, "HTTPNotFound", "Extension with alias %s does not exist",
			 c->ids[0]);
}

/* Documents /agent/HOST, written from the hosts' reports (agents.c). */
static const struct rfield agent_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "agent_type", J_STR, R_FILTER, "\"NIC Switch agent\"" },
	{ "binary", J_STR, R_FILTER, "\"anyvf-agentd\"" },
	{ "topic", J_STR, R_FILTER, "\"N/A\"" },
	{ "host", J_STR, R_FILTER },
	{ "admin_state_up", J_BOOL, R_FILTER, "true" },
	{ "created_at", J_STR, 0 },
	{ "started_at", J_STR, 0 },
	{ "heartbeat_timestamp", J_STR, 0 },
	{ "description", J_STR, 0 },
	{ "resources_synced", J_BOOL, 0 },
	{ "availability_zone", J_STR, R_FILTER },
	{ "alive", J_BOOL, R_FILTER, "false" },
	{ "configurations", J_OBJ, R_VIRTUAL },
	{ NULL },
};

/* Which physical networks which PFs serve, and how many VFs are leased. */
static json_t *agent_configurations(struct call *c, const json_t *doc)
{
	json_t *mappings = json_object(), *pf, *physnet;
	struct cursor it = call_list(c, "/vf/%s/", doc_str(doc, "host"));
	size_t i, j;
	int devices = 0;

	while (cursor_next(&it))
		devices++;
	json_array_foreach (json_object_get(doc, "pfs"), i, pf)
		json_array_foreach (json_object_get(pf, "physical_networks"), j, physnet) {
			const char *name = json_string_value(physnet);

			if (!json_object_get(mappings, name))
				json_object_set_new(mappings, name, json_array());
			json_array_append(json_object_get(mappings, name),
					  json_object_get(pf, "name"));
		}
	return json_pack("{s:o,s:i}", "device_mappings", mappings, "devices", devices);
}

static int agent_show(struct call *c, const json_t *doc, json_t *out)
{
	char heard[32];

	agent_seen_time(c, doc_str(doc, "host"), heard);
	heard[10] = ' '; /* agents' times are the only ones with a blank in the middle */
	heard[19] = '\0';
	json_object_set_new(out, "alive", json_boolean(agent_alive(c, doc_str(doc, "host"))));
	json_object_set_new(out, "heartbeat_timestamp", json_string(heard));
	json_object_set_new(out, "configurations", agent_configurations(c, doc));
	return 0;
}

static bool agent_visible(const struct call *c, const json_t *doc)
{
	return caller_is_admin(c);
}

/**
 * agent_find() - GET /v2.0/agents/{id}: agents are kept by host
 * @c: call
 *
 * Return: as a handler.
 */
int agent_find(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");

	while (caller_is_admin(c) && cursor_next(&it))
		if (doc_is(it.doc, "id", c->ids[0]))
			return call_reply(c, 200,
					  json_pack("{s:o}", "agent",
						    res_show(c, &network_agent_resource, it.doc)));
	return call_fail(c, 404, "AgentNotFound", "Agent %s could not be found", c->ids[0]);
}

const struct resource network_agent_resource = {
	.one = "agent",
	.many = "agents",
	.label = "Agent",
	.path = "/v2.0/agents",
	.flags = RES_GLOBAL | RES_NO_CREATE | RES_NO_UPDATE | RES_NO_DELETE,
	.read = RULE_READ,
	.write = RULE_ADMIN,
	.fields = agent_fields,
	.show = agent_show,
	.visible = agent_visible,
};

static json_int_t pools_size(const struct ipam_subnet *s)
{
	u128 n = 0;

	for (unsigned int i = 0; i < s->n_pools; i++)
		n += s->pools[i].last.n - s->pools[i].first.n + 1;
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static json_t *subnet_availability(struct call *c, const json_t *subnet, json_int_t *used,
				   json_int_t *total)
{
	struct cursor it = call_list(c, "/ip/%s/", doc_str(subnet, "id"));
	struct ipam_subnet s = { 0 };
	json_int_t n_used = 0, n_total;

	while (cursor_next(&it))
		n_used++;
	subnet_read(subnet, &s);
	n_total = pools_size(&s);
	*used += n_used;
	*total = *total > INT64_MAX - n_total ? INT64_MAX : *total + n_total;
	return json_pack("{s:O,s:O,s:O,s:O,s:I,s:I}", "subnet_id", json_object_get(subnet, "id"),
			 "subnet_name", json_object_get(subnet, "name"), "cidr",
			 json_object_get(subnet, "cidr"), "ip_version",
			 json_object_get(subnet, "ip_version"), "used_ips", n_used, "total_ips",
			 n_total);
}

static json_t *network_availability(struct call *c, const json_t *net)
{
	struct cursor it = res_list(c, &subnet_resource, "network_id", doc_str(net, "id"));
	json_t *subnets = json_array();
	json_int_t used = 0, total = 0;

	while (cursor_next(&it))
		json_array_append_new(subnets, subnet_availability(c, it.doc, &used, &total));
	return json_pack("{s:O,s:O,s:O,s:O,s:o,s:I,s:I}", "network_id", json_object_get(net, "id"),
			 "network_name", json_object_get(net, "name"), "project_id",
			 json_object_get(net, "project_id"), "tenant_id",
			 json_object_get(net, "project_id"), "subnet_ip_availability", subnets,
			 "used_ips", used, "total_ips", total);
}

/**
 * availability_list() - GET /v2.0/network-ip-availabilities
 * @c: call of an admin
 *
 * Return: as a handler.
 */
int availability_list(struct call *c)
{
	struct cursor it = res_list(c, &network_resource, NULL, NULL);
	json_t *list = json_array();

	while (cursor_next(&it))
		json_array_append_new(list, network_availability(c, it.doc));
	return call_reply(c, 200, json_pack("{s:o}", "network_ip_availabilities", list));
}

/**
 * availability_show() - GET /v2.0/network-ip-availabilities/{network}
 * @c: call of an admin
 *
 * Return: as a handler.
 */
int availability_show(struct call *c)
{
	const json_t *net = res_find(c, &network_resource, c->ids[0]);

	if (!net)
		return -ENOENT;
	return call_reply(
		c, 200,
		json_pack("{s:o}", "network_ip_availability", network_availability(c, net)));
}
