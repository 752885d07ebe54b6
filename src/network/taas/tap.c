/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap as a Service, Neutron's extensions taas, taas-vlan-filter and tap-mirror. A
 * tap service names a port that gets copies, a tap flow one whose frames are
 * copied there, a tap mirror one whose frames go to a collector's address. A flow
 * or mirror is given to the agent of the host its ports are bound on, with the
 * ports' ids alone: the agent knows their VFs, and copies nothing from or to a VF
 * before the port has it and after the port gave it back.
 */
#include "network/taas/taas.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vlan.h"
#include "model/collector.h"
#include "network/core/network.h"

#define ERSPAN_ID_MAX 1023 /* ten bits of the header (draft-foschiano-erspan-03, 4.2) */
#define GRE_KEY_MAX   UINT32_MAX

static const char *const flow_directions[] = { "IN", "OUT", "BOTH", NULL };
static const char *const mirror_types[] = { "erspanv1", "gre", NULL };

/* "9,18-22,30"; VLAN 0 stands for untagged frames, 4095 is nobody's (802.1Q, 9.6). */
static int valid_vlan_filter(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value);
	struct vlan_set set;
	struct err e = { 0 };

	if (text[strspn(text, "0123456789,-")])
		err_set(&e, -EINVAL, "\"%.100s\" is no VLAN list", text);
	else if (!vlan_set_parse(text, &set, &e) && vlan_set_has(&set, VLAN_N - 1))
		err_set(&e, -ERANGE, "VLAN list \"%.100s\": 4095 is no VLAN", text);
	if (!e.msg[0])
		return 0;
	return call_fail(c, 400, "HTTPBadRequest", "Invalid input for %s. Reason: %.300s.", field,
			 e.msg);
}

static int bad_directions(struct call *c, const char *field, const char *key)
{
	return call_fail(
		c, 400, "HTTPBadRequest",
		"Invalid input for %s. Reason: '%.64s': a dictionary of IN, OUT or both is "
		"needed, each with a tunnel id.",
		field, key);
}

/* {"IN": 101, "OUT": "102"}: digits become numbers, as Neutron's converter does it. */
static int valid_directions(struct call *c, const char *field, json_t **value)
{
	auto_of(json_decref) json_t *out = json_object();
	const char *key;
	json_t *v;

	json_object_foreach (*value, key, v) {
		const char *text = json_string_value(v);
		char *end = NULL;
		json_int_t n = text ? strtoll(text, &end, 10) : json_integer_value(v);

		if ((strcmp(key, "IN") && strcmp(key, "OUT")) ||
		    (!json_is_integer(v) && (!text || !*text || *end)))
			return bad_directions(c, field, key);
		if (json_object_set_new(out, key, json_integer(n)))
			return -ENOMEM;
	}
	if (!json_object_size(*value))
		return bad_directions(c, field, "{}");
	json_decref(*value);
	*value = take(out);
	return 0;
}

static const struct rfield service_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 1024 },
	{ "port_id", J_UUID, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .ref = &port_resource },
	{ "status", J_STR, R_VIRTUAL },
	{ NULL },
};

/* `status_reason` is ours: why it is not ACTIVE. `host` is whose agent was told. */
static const struct rfield flow_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 1024 },
	{ "tap_service_id", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &tap_service_resource },
	{ "source_port", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &port_resource },
	{ "direction", J_STR, R_CREATE | R_NEED | R_FILTER, .names = flow_directions },
	{ "vlan_filter", J_STR, R_CREATE | R_NULL, .max = 1024, .valid = valid_vlan_filter },
	{ "status", J_STR, R_FILTER, "\"DOWN\"" },
	{ "status_reason", J_STR, 0, "\"\"" },
	{ "host", J_STR, R_SECRET, "\"\"" },
	{ NULL },
};

static const struct rfield mirror_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 1024 },
	{ "port_id", J_UUID, R_CREATE | R_NEED | R_FILTER, .ref = &port_resource },
	{ "directions", J_OBJ, R_CREATE | R_NEED, .valid = valid_directions },
	{ "remote_ip", J_STR, R_CREATE | R_NEED | R_FILTER, .valid = valid_ip },
	{ "mirror_type", J_STR, R_CREATE | R_NEED | R_FILTER, .names = mirror_types },
	{ "status", J_STR, R_FILTER, "\"DOWN\"" },
	{ "status_reason", J_STR, 0, "\"\"" },
	{ "host", J_STR, R_SECRET, "\"\"" },
	{ "by_admin", J_BOOL, R_SECRET, "false" },
	{ NULL },
};

/* A network's owner sees others' ports on it, and may still not listen to them. */
static int check_own_port(struct call *c, const char *id)
{
	if (port_own(c, id))
		return 0;
	return call_fail(c, 404, "PortNotFound", "Port %s could not be found.", id);
}

static int check_not_itself(struct call *c, const char *source, const char *to)
{
	if (strcmp(source, to))
		return 0;
	return call_fail(c, 400, "InvalidInput",
			 "Invalid input for operation: port %s cannot be tapped to itself.", to);
}

static int service_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *port = doc_str(doc, "port_id");
	struct cursor it;
	int rc;

	if (doc_same(doc, old, "port_id"))
		return 0;
	rc = check_own_port(c, port);
	it = res_list(c, &tap_flow_resource, "tap_service_id", doc_str(doc, "id"));
	while (!rc && cursor_next(&it))
		rc = check_not_itself(c, doc_str(it.doc, "source_port"), port);
	return rc;
}

static int service_updated(struct call *c, const json_t *doc, const json_t *old)
{
	return tap_changed(c, doc_str(doc, "id"));
}

static int service_deleted(struct call *c, const json_t *doc)
{
	return tap_changed(c, doc_str(doc, "id"));
}

static int service_show(struct call *c, const json_t *doc, json_t *out)
{
	const json_t *port = res_get(c, &port_resource, doc_str(doc, "port_id"));
	const char *status = strcmp(doc_str(port, "status"), "ACTIVE") ? "DOWN" : "ACTIVE";

	return json_object_set_new(out, "status", json_string(status)) ? -ENOMEM : 0;
}

const struct resource tap_service_resource = {
	.one = "tap_service",
	.many = "tap_services",
	.label = "TapService",
	.path = "/v2.0/taas/tap_services",
	.flags = RES_TENANT,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = service_fields,
	.quota = "tap_service",
	.quota_default = 100,
	.check = service_check,
	.updated = service_updated,
	.deleted = service_deleted,
	.show = service_show,
};

static int flow_check(struct call *c, json_t *doc, const json_t *old)
{
	const json_t *service = res_get(c, &tap_service_resource, doc_str(doc, "tap_service_id"));
	const char *source = doc_str(doc, "source_port");

	if (old)
		return 0;
	return check_own_port(c, source)
		       ?: check_not_itself(c, source, doc_str(service, "port_id"));
}

static int flow_created(struct call *c, const json_t *doc)
{
	return tap_placed(c, &tap_flow_resource, doc);
}

static int flow_deleted(struct call *c, const json_t *doc)
{
	return tap_gone(c, &tap_flow_resource, doc);
}

const struct resource tap_flow_resource = {
	.one = "tap_flow",
	.many = "tap_flows",
	.label = "TapFlow",
	.path = "/v2.0/taas/tap_flows",
	.flags = RES_TENANT,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = flow_fields,
	.quota = "tap_flow",
	.quota_default = 500,
	.check = flow_check,
	.created = flow_created,
	.deleted = flow_deleted,
};

/* A tunnel id is one mirror's of a project; the two directions of a mirror may share one. */
static int claim_tunnels(struct call *c, const json_t *doc)
{
	const json_t *directions = json_object_get(doc, "directions");
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)directions, key, v) {
		json_int_t n = json_integer_value(v);
		int rc;

		if (!strcmp(key, "OUT") && json_equal(v, json_object_get(directions, "IN")))
			continue;
		rc = call_claim(c, json_pack("{s:O}", "tap_mirror", json_object_get(doc, "id")),
				"/tap_tunnel/%s/%lld", doc_str(doc, "project_id"), (long long)n);
		if (rc == -EEXIST)
			return call_fail(c, 409, "TapMirrorTunnelConflict",
					 "Tap Mirror with tunnel_id %lld already exists",
					 (long long)n);
		if (rc)
			return rc;
	}
	return 0;
}

/* Who copies frames to an address has hosts send there, with their own address. */
static int check_collector(struct call *c, const char *remote_ip)
{
	struct collectors listed = { .n = 0 };
	struct err e = { 0 };
	struct ip ip;
	int rc = ip_parse(remote_ip, &ip, NULL);

	if (!rc)
		rc = collectors_parse(conf_get(c->opts->conf, "taas", "collectors"), &listed, &e);
	if (!rc)
		rc = collector_judge(&listed, &ip, caller_is_admin(c), &e);
	if (rc == -EPERM)
		return call_fail(c, 403, "PolicyNotAuthorized",
				 "A tap mirror may go to collectors that the operator allows: %s.",
				 e.msg);
	return rc ? call_fail(c, 400, "HTTPBadRequest",
			      "Invalid input for remote_ip. Reason: %s.", e.msg)
		  : 0;
}

static int mirror_check(struct call *c, json_t *doc, const json_t *old)
{
	bool gre = doc_is(doc, "mirror_type", "gre");
	json_int_t max = gre ? GRE_KEY_MAX : ERSPAN_ID_MAX;
	const char *key;
	json_t *v;
	int rc;

	if (old)
		return 0;
	json_object_foreach (json_object_get(doc, "directions"), key, v)
		if (json_integer_value(v) < 0 || json_integer_value(v) > max)
			return call_fail(c, 400, "HTTPBadRequest",
					 "Invalid input for directions. Reason: %s %lld is not in "
					 "0..%lld, which %s can carry.",
					 key, (long long)json_integer_value(v), (long long)max,
					 doc_str(doc, "mirror_type"));
	json_object_set_new(doc, "by_admin", json_boolean(caller_is_admin(c)));
	rc = check_own_port(c, doc_str(doc, "port_id"));
	if (!rc)
		rc = check_collector(c, doc_str(doc, "remote_ip"));
	return rc ? rc : claim_tunnels(c, doc);
}

static int mirror_created(struct call *c, const json_t *doc)
{
	return tap_placed(c, &tap_mirror_resource, doc);
}

static int mirror_deleted(struct call *c, const json_t *doc)
{
	int rc = tap_gone(c, &tap_mirror_resource, doc);
	const char *key;
	json_t *v;

	json_object_foreach (json_object_get(doc, "directions"), key, v)
		if (!rc)
			rc = call_delete(c, "/tap_tunnel/%s/%lld", doc_str(doc, "project_id"),
					 (long long)json_integer_value(v));
	return rc;
}

const struct resource tap_mirror_resource = {
	.one = "tap_mirror",
	.many = "tap_mirrors",
	.label = "TapMirror",
	.path = "/v2.0/taas/tap_mirrors",
	.flags = RES_TENANT,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = mirror_fields,
	.quota = "tap_mirror",
	.quota_default = 100,
	.check = mirror_check,
	.created = mirror_created,
	.deleted = mirror_deleted,
};

static const struct resource *const resources[] = { &tap_service_resource, &tap_flow_resource,
						    &tap_mirror_resource, NULL };

/* A configuration nobody can work with is told before the first request. */
static int taas_start(struct call *c)
{
	struct collectors collectors;
	struct err e = { 0 };

	if (!collectors_parse(conf_get(c->opts->conf, "taas", "collectors"), &collectors, &e))
		return 0;
	return call_fail(c, 500, "Configuration", "[taas] collectors: %s", e.msg);
}

static const struct extension extensions[] = {
	{ "taas", "Neutron Tap as a Service", "Neutron Tap as a Service Extension.",
	  "2015-01-14T10:00:00-00:00" },
	{ "taas-vlan-filter", "VLAN filtering for Neutron Tap as a Service",
	  "Neutron Tap as a Service Extension for filtering VLANs.", "2018-01-14T10:00:00-00:00" },
	{ "tap-mirror", "Tap as a Service GRE or ERSPAN mirror",
	  "Neutron Tap as a Service extension for GRE or ERSPAN mirroring.",
	  "2023-05-05T11:45:00-00:00" },
	{ NULL },
};

const struct feature taas_feature = {
	.name = "taas",
	.service = &network_service,
	.resources = resources,
	.extensions = extensions,
	.periodics = tap_periodics,
	.start = taas_start,
	.hooks = tap_hooks,
	.hosts = &tap_hosts,
};
