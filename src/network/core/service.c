/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network service (Neutron's API, v2.0) and what it tells about itself: its version, its
 * resources and extensions, as its features say. The feature here is networks, subnets and ports.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "network/core/network.h"
#include "network/core/segment.h"

/* GET /: clients look for what versions there are. */
static int version_list(struct call *c)
{
	char href[512];

	snprintf(href, sizeof(href), "%s/network/v2.0/", c->opts->public_url);
	return call_reply(c, 200,
			  json_pack("{s:[{s:s,s:s,s:[{s:s,s:s}]}]}", "versions", "id", "v2.0",
				    "status", "CURRENT", "links", "rel", "self", "href", href));
}

static int resource_list(struct call *c)
{
	struct resource_it it = { c->opts->features, c->service };
	const struct resource *r;
	json_t *list = json_array();
	char href[512];

	while ((r = resource_next(&it))) {
		snprintf(href, sizeof(href), "%s/network%s", c->opts->public_url, r->path);
		json_array_append_new(list, json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "name", r->one,
						      "collection", r->many, "links", "rel", "self",
						      "href", href));
	}
	return call_reply(c, 200, json_pack("{s:o}", "resources", list));
}

static json_t *extension_json(const struct extension *e)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:[]}", "name", e->name, "alias", e->alias,
			 "description", e->description, "updated", e->updated, "links");
}

/* All features' extensions, or the one called alias. */
static json_t *extensions_json(struct call *c, const char *alias)
{
	json_t *list = json_array();

	for (const struct feature *const *f = c->opts->features; *f; f++)
		for (const struct extension *e = (*f)->extensions; e && e->alias; e++)
			if (!alias || !strcmp(e->alias, alias))
				json_array_append_new(list, extension_json(e));
	return list;
}

static int extension_list(struct call *c)
{
	return call_reply(c, 200, json_pack("{s:o}", "extensions", extensions_json(c, NULL)));
}

static int extension_show(struct call *c)
{
	auto_of(json_decref) json_t *found = extensions_json(c, c->ids[0]);

	if (json_array_size(found))
		return call_reply(c, 200,
				  json_pack("{s:O}", "extension", json_array_get(found, 0)));
	return call_fail(c, 404, "HTTPNotFound", "Extension with alias %s does not exist",
			 c->ids[0]);
}

static const struct route routes[] = {
	{ "GET", "/", version_list, RULE_OPEN },
	{ "GET", "/v2.0/", resource_list, RULE_READ },
	{ "GET", "/v2.0/extensions", extension_list, RULE_READ },
	{ "GET", "/v2.0/extensions/{}", extension_show, RULE_READ },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, availability_routes, NULL };

static const struct resource *const resources[] = { &network_resource, &subnet_resource,
						    &port_resource, NULL };

static const struct extension extensions[] = {
	{ "allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs",
	  "2013-07-23T10:00:00-00:00" },
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
	{ "port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00" },
	{ "project-id", "project_id field enabled",
	  "Extension that indicates that project_id field is enabled",
	  "2016-09-09T09:09:09-09:09" },
	{ "provider", "Provider Network", "Expose mapping of virtual networks to physical networks",
	  "2012-09-07T10:00:00-00:00" },
	{ "standard-attr-revisions", "Resource revision numbers", "Revision numbers of objects",
	  "2016-04-11T10:00:00-00:00" },
	{ "revision-if-match", "If-Match constraints based on revision_number",
	  "Extension indicating that If-Match based on revision_number is supported.",
	  "2016-12-11T00:00:00-00:00" },
	{ "sorting", "Sorting support", "Extension that indicates that sorting is enabled",
	  "2016-06-12T00:00:00-00:00" },
	{ "standard-attr-description", "standard-attr-description", "Descriptions of objects",
	  "2016-02-10T10:00:00-00:00" },
	{ "standard-attr-timestamp", "Resource timestamps",
	  "When an object was created and changed", "2016-09-12T10:00:00-00:00" },
	{ "subnet-service-types", "Subnet service types",
	  "Provides ability to set the subnet service_types field", "2016-03-15T18:00:00-00:00" },
	{ "vlan-transparent", "Vlantransparent", "Provides Vlan Transparent Networks",
	  "2015-03-23T09:00:00-07:00" },
	{ NULL },
};

/* A configuration nobody can work with is told before the first request. */
static int core_start(struct call *c)
{
	struct vlan_ranges ranges;
	struct err e = { 0 };

	if (vlan_ranges_parse(conf_get(c->opts->conf, "network", "network_vlan_ranges"), &ranges,
			      &e))
		return call_fail(c, 500, "Configuration", "[network] network_vlan_ranges: %s",
				 e.msg);
	return 0;
}

const struct service network_service = {
	.type = "network",
	.name = "neutron",
	.prefix = "/network",
	.url = "/network",
	.style = FAULT_NEUTRON,
};

const struct feature network_feature = {
	.name = "network",
	.service = &network_service,
	.resources = resources,
	.routes = all_routes,
	.extensions = extensions,
	.start = core_start,
};
