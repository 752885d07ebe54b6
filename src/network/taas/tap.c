/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap as a Service, Neutron's extensions taas, taas-vlan-filter and tap-mirror. A
 * tap service names a port that gets copies, a tap flow one whose frames are
 * copied there, a tap mirror one whose frames go to a collector's address. A flow
 * or mirror is given to the agent of the host its ports are bound on, with the
 * ports' ids alone: the agent knows their VFs, and copies nothing from or to a VF
 * before the port has it and after the port gave it back.
 */
#include "network/taas/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vlan.h"
#include "hosts/lease.h"
#include "model/collector.h"
#include "network/core/network.h"

/* Flows and mirrors changed in a client's own transaction, and in one of tap_sync(): each is at
 * most three operations, and a tap service as many as SERVICE_COST of them. */
#define SYNC_NOW     4
#define SYNC_LATER   24
#define SERVICE_COST 5

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

	if (old && !strcmp(port, doc_str(old, "port_id")))
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

/* Where a flow or mirror can be in force, or why it is nowhere. Strings are borrowed. */
struct place {
	const char *host; /* "": nowhere */
	const char *status, *why;
};

static const char *bound_host(const json_t *port)
{
	return strcmp(doc_str(port, "binding:vif_type"), "vhostuser")
		       ? ""
		       : doc_str(port, "binding:host_id");
}

static struct place place_of(struct call *c, const struct resource *r, const json_t *doc)
{
	bool is_flow = r == &tap_flow_resource;
	const char *source = doc_str(doc, is_flow ? "source_port" : "port_id");
	const char *host = bound_host(res_get(c, &port_resource, source)), *to;
	const json_t *service;

	if (!*host)
		return (struct place){ "", "DOWN", "The source port has no VF." };
	if (!is_flow)
		return (struct place){ host, "DOWN", "" };
	service = res_get(c, &tap_service_resource, doc_str(doc, "tap_service_id"));
	to = bound_host(res_get(c, &port_resource, doc_str(service, "port_id")));
	if (!*to)
		return (struct place){ "", "DOWN", "The tap service's port has no VF." };
	if (strcmp(host, to))
		return (struct place){ "", "ERROR", "The two ports are on different hosts." };
	return (struct place){ host, "DOWN", "" };
}

/* docs/agent-api.md: tap_flow, tap_mirror */
static json_t *wish_of(struct call *c, const struct resource *r, const json_t *doc)
{
	const json_t *service = res_get(c, &tap_service_resource, doc_str(doc, "tap_service_id"));

	if (r == &tap_flow_resource)
		return json_pack("{s:O,s:O,s:O,s:O,s:O}", "id", json_object_get(doc, "id"),
				 "source_port", json_object_get(doc, "source_port"), "port",
				 json_object_get(service, "port_id"), "direction",
				 json_object_get(doc, "direction"), "vlan_filter",
				 json_object_get(doc, "vlan_filter"));
	return json_pack("{s:O,s:O,s:O,s:O,s:O,s:b}", "id", json_object_get(doc, "id"),
			 "source_port", json_object_get(doc, "port_id"), "directions",
			 json_object_get(doc, "directions"), "remote_ip",
			 json_object_get(doc, "remote_ip"), "mirror_type",
			 json_object_get(doc, "mirror_type"), "by_admin",
			 doc_bool(doc, "by_admin"));
}

/* As host_doc_put() for its host's agent, but says 1 when that was news. */
static int wish_put(struct call *c, const struct resource *r, const char *host, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	const json_t *before = call_get(c, "/host/%s/%s/%s", host, r->one, id);
	int rc = host_doc_put(c, host, r->one, id, wish_of(c, r, doc));

	return rc ? rc : call_get(c, "/host/%s/%s/%s", host, r->one, id) != before;
}

/* A new place: nothing is in force there yet. */
static int set_place(struct call *c, const struct resource *r, const json_t *old,
		     const struct place *at)
{
	json_t *doc = json_copy((json_t *)old);

	if (!doc || json_object_set_new(doc, "host", json_string(at->host)) ||
	    json_object_set_new(doc, "status", json_string(at->status)) ||
	    json_object_set_new(doc, "status_reason", json_string(at->why)))
		return json_decref(doc), -ENOMEM;
	if (json_equal(doc, (json_t *)old))
		return json_decref(doc), 0;
	return res_put(c, r, doc) ?: 1;
}

/* Gives a flow or mirror to the host it belongs to now. Return: 1 if anything changed, 0, or a
 * negative errno. */
static int settle_one(struct call *c, const struct resource *r, const json_t *doc)
{
	auto_of(json_decref) json_t *old = json_incref((json_t *)doc);
	struct place at = place_of(c, r, old);
	const char *was = doc_str(old, "host");
	bool moved = strcmp(was, at.host);
	int rc = 0, wrote = 0;

	if (*was && moved)
		rc = call_delete(c, "/host/%s/%s/%s", was, r->one, doc_str(old, "id"));
	if (!rc && *at.host)
		wrote = wish_put(c, r, at.host, old);
	if (rc || wrote < 0)
		return rc ? rc : wrote;
	if (*at.host && !moved)
		return wrote;
	rc = set_place(c, r, old, &at);
	return rc < 0 ? rc : rc || wrote;
}

static int tap_created(struct call *c, const struct resource *r, const json_t *doc)
{
	return MIN(settle_one(c, r, doc), 0);
}

static int tap_deleted(struct call *c, const struct resource *r, const json_t *doc)
{
	const char *host = doc_str(doc, "host");

	return *host ? call_delete(c, "/host/%s/%s/%s", host, r->one, doc_str(doc, "id")) : 0;
}

static int flow_created(struct call *c, const json_t *doc)
{
	return tap_created(c, &tap_flow_resource, doc);
}

static int flow_deleted(struct call *c, const json_t *doc)
{
	return tap_deleted(c, &tap_flow_resource, doc);
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
	return tap_created(c, &tap_mirror_resource, doc);
}

static int mirror_deleted(struct call *c, const json_t *doc)
{
	int rc = tap_deleted(c, &tap_mirror_resource, doc);
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

/* The documents whose member names an id that changed, or is gone; what was done is taken from
 * @left, which ends it at zero. */
static int settle(struct call *c, const struct resource *r, const char *field, const char *id,
		  bool gone, int *left)
{
	struct cursor it = res_list(c, r, field, id);

	while (*left > 0 && cursor_next(&it)) {
		int rc = gone ? res_delete(c, r, doc_str(it.doc, "id")) ?: 1
			      : settle_one(c, r, it.doc);

		if (rc < 0)
			return rc;
		*left -= rc;
	}
	return 0;
}

/* The tap services of a port: their flows follow it, and all of it goes with it. */
static int settle_services(struct call *c, const char *port, bool gone, int *left)
{
	struct cursor it = res_list(c, &tap_service_resource, "port_id", port);
	int rc = 0;

	while (!rc && *left > 0 && cursor_next(&it)) {
		const char *id = doc_str(it.doc, "id");

		if (gone) {
			rc = res_delete(c, &tap_service_resource, id);
			*left -= SERVICE_COST;
		} else {
			rc = settle(c, &tap_flow_resource, "tap_service_id", id, false, left);
		}
	}
	return rc;
}

static int settle_all(struct call *c, const char *id, int *left)
{
	bool no_port = !res_get(c, &port_resource, id);
	bool no_service = !res_get(c, &tap_service_resource, id);

	return settle(c, &tap_flow_resource, "source_port", id, no_port, left)
		?: settle(c, &tap_mirror_resource, "port_id", id, no_port, left)
		?: settle_services(c, id, no_port, left)
		?: settle(c, &tap_flow_resource, "tap_service_id", id, no_service, left);
}

/**
 * tap_changed() - A port or tap service was bound, unbound, changed or deleted
 * @c:  call; the change is put already
 * @id: of the port or tap service
 *
 * With a port go its tap services, flows and mirrors, with a tap service its flows, as neutron-taas
 * does it. What is more than a few documents follows within a second or so: /tap_resync/ID says so.
 *
 * Return: 0 or a negative errno.
 */
int tap_changed(struct call *c, const char *id)
{
	int left = SYNC_NOW;
	int rc = settle_all(c, id, &left);

	if (rc || left > 0)
		return rc;
	return call_put(c, json_pack("{s:s}", "of", id), "/tap_resync/%s", id);
}

/**
 * tap_sync() - Work off what tap_changed() left (struct periodic)
 * @c: call
 *
 * Documents that are right already cost nothing, so each turn starts from the beginning.
 *
 * Return: 0 or a negative errno.
 */
int tap_sync(struct call *c)
{
	struct cursor it = call_list(c, "/tap_resync/");
	int left = SYNC_LATER, rc;

	if (!cursor_next(&it))
		return 0;
	rc = settle_all(c, it.key + strlen("/tap_resync/"), &left);
	return rc || left <= 0 ? rc : call_delete(c, "%s", it.key);
}

static const struct rfield report_rows[] = {
	{ "generation", J_INT, R_CREATE | R_NEED },
	{ "status", J_STR, R_CREATE | R_NEED,
	  .names = (const char *const[]){ "ACTIVE", "DOWN", "ERROR", NULL } },
	{ "reason", J_STR, R_CREATE, "\"\"", .max = 255 },
	{ NULL },
};

static int set_status(struct call *c, const struct resource *r, const json_t *old,
		      const json_t *report)
{
	json_t *doc = json_copy((json_t *)old);

	if (!doc)
		return old ? -ENOMEM : 0;
	json_object_set(doc, "status", json_object_get(report, "status"));
	json_object_set(doc, "status_reason", json_object_get(report, "reason"));
	if (json_equal(doc, (json_t *)old))
		return json_decref(doc), 0;
	return res_put(c, r, doc);
}

/**
 * tap_report() - PUT /anyvf/v1/hosts/HOST/tap_flow/ID and .../tap_mirror/ID
 * @c:      call
 * @host:   reporting host, authorised
 * @kind:   "tap_flow" or "tap_mirror"
 * @id:     of the flow or mirror
 * @report: {"generation", "status": ACTIVE, DOWN or ERROR, "reason"}
 *
 * Return: as a handler: 204; 400; 409 for a late report.
 */
int tap_report(struct call *c, const char *host, const char *kind, const char *id,
	       const json_t *report)
{
	const struct resource *r =
		strcmp(kind, tap_flow_resource.one) ? &tap_mirror_resource : &tap_flow_resource;
	const json_t *wish = call_get(c, "/host/%s/%s/%s", host, kind, id);
	auto_of(json_decref) json_t *said = NULL;
	int rc = fields_accept_known(c, report_rows, report, &said);

	if (rc)
		return rc;
	if (!wish || !doc_same(wish, said, "generation"))
		return call_fail(c, 409, "Conflict", "The %s's document is another one now.", kind);
	rc = set_status(c, r, res_get(c, r, id), said);
	return rc ? rc : call_reply(c, 204, NULL);
}
