/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks: flat and VLAN provider networks, and tenants' networks, which get a
 * VLAN id from network_vlan_ranges. A segment is the key /segment/PHYSNET/VID or .../flat.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "network/core/network.h"
#include "network/core/segment.h"

#define MTU_MIN 68 /* what IPv4 needs (RFC 791); Neutron takes less, and no host can serve it */

static const char *const provider_names[] = { "provider:network_type", "provider:physical_network",
					      "provider:segmentation_id" };

static const struct rfield segment_rows[] = {
	{ "provider:network_type", J_STR, R_CREATE | R_NULL },
	{ "provider:physical_network", J_STR, R_CREATE | R_NULL, .max = PHYSNET_LEN },
	{ "provider:segmentation_id", J_INT, R_CREATE | R_NULL },
	{ NULL },
};

/* A list of one segment says, as the extension multi-provider writes it, what the provider words
 * do. */
static int valid_segments(struct call *c, const char *field, json_t **value)
{
	json_t *one;
	int rc;

	if (json_array_size(*value) != 1)
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: %s: a network has one segment here.",
				 field);
	rc = fields_accept(c, segment_rows, json_array_get(*value, 0), false, &one);
	if (rc)
		return rc;
	json_decref(*value);
	*value = json_pack("[o]", one);
	return *value ? 0 : -ENOMEM;
}

/**
 * network_is_shared() - Is a network shared with the caller's project?
 * @c:   the call
 * @net: network: with all (`shared`), or with that project alone (the key that network/rbac writes)
 */
bool network_is_shared(const struct call *c, const json_t *net)
{
	const char *project = c->auth->project_id;

	return doc_bool(net, "shared") ||
	       (*project &&
		call_get((struct call *)c, "/rbac/network/%s/%s", doc_str(net, "id"), project));
}

static bool match_shared(struct call *c, const json_t *net, const char *value)
{
	return network_is_shared(c, net) == (!strcasecmp(value, "true") || !strcmp(value, "1"));
}

static const struct rfield network_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "admin_state_up", J_BOOL, R_CREATE | R_UPDATE | R_FILTER, "true" },
	{ "mtu", J_INT, R_CREATE | R_UPDATE | R_FILTER, .max = 65535 },
	{ "status", J_STR, R_FILTER, "\"ACTIVE\"" },
	{ "subnets", J_LIST, R_VIRTUAL },
	{ "shared", J_BOOL, R_CREATE | R_UPDATE | R_FILTER | R_ADMIN, "false",
	  .match = match_shared },
	{ "availability_zone_hints", J_LIST, 0, "[]" },
	{ "availability_zones", J_LIST, 0, "[]" },
	{ "ipv4_address_scope", J_ANY, 0 },
	{ "ipv6_address_scope", J_ANY, 0 },
	{ "router:external", J_BOOL, R_CREATE | R_UPDATE | R_FILTER | R_ADMIN, "false" },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "port_security_enabled", J_BOOL, R_CREATE | R_UPDATE, "true" },
	{ "vlan_transparent", J_BOOL, R_CREATE | R_FILTER | R_NULL },
	{ "provider:network_type", J_STR,
	  R_CREATE | R_UPDATE | R_FILTER | R_ADMIN | R_HIDDEN | R_NULL },
	{ "provider:physical_network", J_STR,
	  R_CREATE | R_UPDATE | R_FILTER | R_ADMIN | R_HIDDEN | R_NULL, .max = PHYSNET_LEN },
	{ "provider:segmentation_id", J_INT,
	  R_CREATE | R_UPDATE | R_FILTER | R_ADMIN | R_HIDDEN | R_NULL },
	{ "is_default", J_BOOL, R_CREATE | R_UPDATE | R_FILTER | R_ADMIN | R_OMIT },
	{ "segments", J_LIST, R_CREATE | R_ADMIN | R_VIRTUAL | R_SECRET, .valid = valid_segments },
	{ NULL },
};

static bool segment_is_used(void *arg, const char *physnet, unsigned int vid)
{
	return call_get(arg, "/segment/%s/%u", physnet, vid);
}

/* "flat" or the VLAN id: the last part of a segment's key. */
static const char *segment_name(const json_t *doc, char out[16])
{
	const json_t *id = json_object_get(doc, "provider:segmentation_id");

	if (json_is_integer(id))
		snprintf(out, 16, "%lld", json_integer_value(id));
	else
		snprintf(out, 16, "flat");
	return out;
}

static int segment_claim(struct call *c, const json_t *doc)
{
	const char *physnet = doc_str(doc, "provider:physical_network");
	char name[16];
	int rc = call_claim(c, json_pack("{s:O}", "network", json_object_get(doc, "id")),
			    "/segment/%s/%s", physnet, segment_name(doc, name));

	if (rc != -EEXIST)
		return rc;
	if (!strcmp(name, "flat"))
		return call_fail(
			c, 409, "FlatNetworkInUse",
			"Unable to create the flat network. Physical network %s is in use.",
			physnet);
	return call_fail(
		c, 409, "VlanIdInUse",
		"Unable to create the network. The VLAN %s on physical network %s is in use.", name,
		physnet);
}

/* A VLAN network without an id gets one. */
static int segment_allocate(struct call *c, json_t *doc, const struct vlan_ranges *ranges)
{
	const char *physnet = doc_text(doc, "provider:physical_network");
	unsigned int vid;
	int rc = segment_pick(ranges, physnet, segment_is_used, c, &physnet, &vid);

	if (rc == -ENOENT && physnet)
		return call_fail(
			c, 400, "InvalidInput",
			"Invalid input for operation: Physical network %s requires "
			"segmentation_id to be specified when creating a provider network.",
			physnet);
	if (rc == -ENOENT)
		return call_fail(c, 503, "NoNetworkAvailable",
				 "Unable to create the network. No tenant network is available for "
				 "allocation.");
	if (rc)
		return call_fail(c, 503, "NoNetworkAvailable",
				 "Unable to create the network. No available network found in "
				 "maximum allowed attempts.");
	json_object_set_new(doc, "provider:network_type", json_string("vlan"));
	json_object_set_new(doc, "provider:physical_network", json_string(physnet));
	json_object_set_new(doc, "provider:segmentation_id", json_integer(vid));
	return 0;
}

static int segment_create(struct call *c, json_t *doc)
{
	const json_t *id = json_object_get(doc, "provider:segmentation_id");
	struct segment_want want = {
		doc_text(doc, "provider:network_type"),
		doc_text(doc, "provider:physical_network"),
		json_is_integer(id) ? json_integer_value(id) : -1,
	};
	struct vlan_ranges ranges;
	struct refusal r = { 0 };
	int rc;

	if (json_is_integer(id) && want.id < 0)
		want.id = 0; /* out of range, but given */
	rc = vlan_ranges_parse(conf_get(c->opts->conf, "network", "network_vlan_ranges"), &ranges,
			       NULL);
	if (rc)
		return rc;
	if (segment_check(&want, conf_get(c->opts->conf, "network", "flat_networks"), &ranges, &r))
		return net_refused(c, &r);
	if (want.id < 0 && (!want.type || strcmp(want.type, "flat"))) {
		rc = segment_allocate(c, doc, &ranges);
		if (rc)
			return rc;
	}
	return segment_claim(c, doc);
}

static int check_mtu(struct call *c, json_t *doc)
{
	long long max = atoll(conf_get(c->opts->conf, "network", "global_physnet_mtu"));
	const json_t *mtu = json_object_get(doc, "mtu");

	if (!json_integer_value(mtu))
		json_object_set_new(doc, "mtu", json_integer(max));
	else if (json_integer_value(mtu) < MTU_MIN)
		return call_fail(c, 400, "HTTPBadRequest",
				 "Invalid input for mtu. Reason: '%lld' is too small - must be at "
				 "least '%d'.",
				 json_integer_value(mtu), MTU_MIN);
	else if (json_integer_value(mtu) > max)
		return call_fail(
			c, 400, "InvalidInput",
			"Invalid input for operation: Requested MTU is too big, maximum is "
			"%lld.",
			max);
	return 0;
}

/* What lies on the wire cannot change under ports that use it. */
static int check_provider_kept(struct call *c, const json_t *doc, const json_t *old)
{
	bool flat = doc_is(old, "provider:network_type", "flat");

	for (size_t i = 0; i < ARRAY_LEN(provider_names); i++) {
		if (doc_same(doc, old, provider_names[i]))
			continue;
		return call_fail(c, 400, "InvalidInput", "Invalid input for operation: %s.",
				 flat ? "Only VLAN type networks can be updated."
				      : "Plugin does not support updating provider attributes");
	}
	return 0;
}

/* Others' ports on a network that stops being shared. */
static int check_unshare(struct call *c, const json_t *doc, const json_t *old)
{
	struct cursor it;

	if (doc_bool(doc, "shared") || !doc_bool(old, "shared"))
		return 0;
	it = res_list(c, &port_resource, "network_id", doc_str(doc, "id"));
	while (cursor_next(&it))
		if (!doc_same(it.doc, doc, "project_id") &&
		    !call_get(c, "/rbac/network/%s/%s", doc_str(doc, "id"),
			      doc_str(it.doc, "project_id")) &&
		    strncmp(doc_str(it.doc, "device_owner"), "network:", 8))
			return call_fail(c, 409, "InvalidSharedSetting",
					 "Unable to reconfigure sharing settings for network %s. "
					 "Multiple tenants are using it.",
					 doc_str(doc, "name"));
	return 0;
}

/* One external network may be the cloud's default one. */
static int check_default(struct call *c, const json_t *doc, const json_t *old)
{
	int rc;

	if (doc_bool(doc, "is_default") && !doc_bool(doc, "router:external"))
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: an external network alone is a "
				 "default one.");
	if (doc_bool(doc, "is_default") == doc_bool(old, "is_default"))
		return 0;
	if (!doc_bool(doc, "is_default"))
		return call_delete(c, "/network_default");
	rc = call_claim(c, json_pack("{s:O}", "id", json_object_get(doc, "id")),
			"/network_default");
	return rc != -EEXIST ? rc
			     : call_fail(c, 409, "DefaultExternalNetworkExists",
					 "A default external network already exists.");
}

/* Takes `segments` out of the document: its one segment is told by the provider words. */
static int take_segments(struct call *c, json_t *doc)
{
	json_t *one = json_array_get(json_object_get(doc, "segments"), 0);

	for (size_t i = 0; one && i < ARRAY_LEN(provider_names); i++)
		if (!json_is_null(json_object_get(doc, provider_names[i])))
			return call_fail(c, 400, "SegmentsSetInConjunctionWithProviders",
					 "Segments and provider values cannot both be set.");
	if (one && json_object_update(doc, one))
		return -ENOMEM;
	json_object_del(doc, "segments");
	return 0;
}

static int network_check(struct call *c, json_t *doc, const json_t *old)
{
	int rc = take_segments(c, doc) ?: check_mtu(c, doc) ?: check_default(c, doc, old);

	if (rc)
		return rc;
	if (!old)
		return segment_create(c, doc);
	rc = check_provider_kept(c, doc, old);
	return rc ? rc : check_unshare(c, doc, old);
}

static int network_in_use(struct call *c, const char *id)
{
	struct cursor it = res_list(c, &port_resource, "network_id", id);
	char ids[20 * 37 + 1];
	size_t n = 0;

	while (cursor_next(&it) && n + 37 < sizeof(ids))
		if (!doc_is(it.doc, "device_owner", "network:dhcp"))
			n += (size_t)snprintf(ids + n, sizeof(ids) - n, "%s%s", n ? "," : "",
					      doc_str(it.doc, "id"));
	if (!n)
		return 0;
	return call_fail(c, 409, "NetworkInUse",
			 "Unable to complete operation on network %s. There are one or more ports "
			 "still in use on the network, id for these ports is: %s.",
			 id, ids);
}

/* A network takes its service ports, its subnets and its segment with it; where many hosts have a
 * port, the rest goes by network_sync(). */
static int network_deleted(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	char name[16];
	struct cursor it;
	int rc = network_in_use(c, id);

	if (!rc && doc_bool(doc, "is_default"))
		rc = call_delete(c, "/network_default");
	it = res_list(c, &port_resource, "network_id", id);
	for (int n = 0; !rc && n < SERVICE_PORTS_NOW && cursor_next(&it); n++)
		rc = res_delete(c, &port_resource, doc_str(it.doc, "id"));
	it = res_list(c, &subnet_resource, "network_id", id);
	while (!rc && cursor_next(&it))
		rc = res_delete(c, &subnet_resource, doc_str(it.doc, "id"));
	if (!rc)
		rc = call_delete(c, "/segment/%s/%s", doc_str(doc, "provider:physical_network"),
				 segment_name(doc, name));
	return rc;
}

static int network_show(struct call *c, const json_t *doc, json_t *out)
{
	struct cursor it = res_list(c, &subnet_resource, "network_id", doc_str(doc, "id"));
	json_t *ids = json_array();

	while (cursor_next(&it))
		json_array_append(ids, json_object_get(it.doc, "id"));
	json_object_set_new(out, "shared", json_boolean(network_is_shared(c, doc)));
	return json_object_set_new(out, "subnets", ids) ? -ENOMEM : 0;
}

/* An external network is seen by all, and used by whose it is. */
static bool network_visible(const struct call *c, const json_t *doc)
{
	return caller_owns(c, doc_str(doc, "project_id")) || network_is_shared(c, doc) ||
	       doc_bool(doc, "router:external");
}

const struct resource network_resource = {
	.one = "network",
	.many = "networks",
	.label = "Network",
	.path = "/v2.0/networks",
	.flags = RES_SHARED | RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = network_fields,
	.quota = "network",
	.quota_default = 100,
	.check = network_check,
	.deleted = network_deleted,
	.show = network_show,
	.visible = network_visible,
};
