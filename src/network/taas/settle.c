/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tap flows and mirrors are: on the host their ports are bound on, whose agent is told
 * of them and reports whether frames are copied.
 */
#include <errno.h>
#include <string.h>

#include "network/binding/binding.h"
#include "network/taas/taas.h"

/* Flows and mirrors changed in a client's own transaction, and in one of tap_sync(): each is at
 * most three operations, and a tap service as many as SERVICE_COST of them. */
#define SYNC_NOW     4
#define SYNC_LATER   24
#define SERVICE_COST 5

/* Where a flow or mirror can be in force, or why it is nowhere. Strings are borrowed. */
struct place {
	const char *host; /* "": nowhere */
	const char *status, *why;
};

static struct place place_of(struct call *c, const struct resource *r, const json_t *doc)
{
	bool is_flow = r == &tap_flow_resource;
	const char *source = doc_str(doc, is_flow ? "source_port" : "port_id");
	const char *host = port_host(res_get(c, &port_resource, source)), *to;
	const json_t *service;

	if (!*host)
		return (struct place){ "", "DOWN", "The source port has no VF." };
	if (!is_flow)
		return (struct place){ host, "DOWN", "" };
	service = res_get(c, &tap_service_resource, doc_str(doc, "tap_service_id"));
	to = port_host(res_get(c, &port_resource, doc_str(service, "port_id")));
	if (!*to)
		return (struct place){ "", "DOWN", "The tap service's port has no VF." };
	if (strcmp(host, to))
		return (struct place){ "", "ERROR", "The two ports are on different hosts." };
	return (struct place){ host, "DOWN", "" };
}

/* docs/agent-api.md: tap_flow. Where it is not any more, nothing is wished for. */
static json_t *make_flow(struct call *c, const char *host, const char *id, const json_t *have)
{
	const json_t *doc = res_get(c, &tap_flow_resource, id);
	const json_t *service = res_get(c, &tap_service_resource, doc_str(doc, "tap_service_id"));

	if (!doc_is(doc, "host", host))
		return json_null();
	return json_pack("{s:O,s:O,s:O,s:O,s:O}", "id", json_object_get(doc, "id"), "source_port",
			 json_object_get(doc, "source_port"), "port",
			 json_object_get(service, "port_id"), "direction",
			 json_object_get(doc, "direction"), "vlan_filter",
			 json_object_get(doc, "vlan_filter"));
}

/* docs/agent-api.md: tap_mirror */
static json_t *make_mirror(struct call *c, const char *host, const char *id, const json_t *have)
{
	const json_t *doc = res_get(c, &tap_mirror_resource, id);

	if (!doc_is(doc, "host", host))
		return json_null();
	return json_pack(
		"{s:O,s:O,s:O,s:O,s:O,s:b}", "id", json_object_get(doc, "id"), "source_port",
		json_object_get(doc, "port_id"), "directions", json_object_get(doc, "directions"),
		"remote_ip", json_object_get(doc, "remote_ip"), "mirror_type",
		json_object_get(doc, "mirror_type"), "by_admin", doc_bool(doc, "by_admin"));
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
	const char *was = doc_str(old, "host"), *id = doc_str(old, "id");
	struct place at = place_of(c, r, old);
	bool moved = strcmp(was, at.host);
	int placed = moved || !*at.host ? set_place(c, r, old, &at) : 0, left, came;

	if (placed < 0)
		return placed;
	left = moved ? wish_changed(c, was, r->one, id) : 0;
	came = left < 0 ? left : wish_changed(c, at.host, r->one, id);
	return came < 0 ? came : placed || left || came;
}

/**
 * tap_placed() - A flow or mirror was made: its host is told
 * @c:   call
 * @r:   of which kind it is
 * @doc: its document
 *
 * Return: 0 or a negative errno.
 */
int tap_placed(struct call *c, const struct resource *r, const json_t *doc)
{
	return MIN(settle_one(c, r, doc), 0);
}

/**
 * tap_gone() - A flow or mirror was deleted: its host is told
 * @c:   call
 * @r:   of which kind it is
 * @doc: what its document was
 *
 * Return: 0 or a negative errno.
 */
int tap_gone(struct call *c, const struct resource *r, const json_t *doc)
{
	return MIN(wish_changed(c, doc_str(doc, "host"), r->one, doc_str(doc, "id")), 0);
}

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

/* Works off what tap_changed() left. Documents that are right already cost nothing, so each turn
 * starts from the beginning. */
static int tap_sync(struct call *c)
{
	struct cursor it = call_list(c, "/tap_resync/");
	int left = SYNC_LATER, rc;

	if (!cursor_next(&it))
		return 0;
	rc = settle_all(c, it.key + it.prefix_len, &left);
	return rc || left <= 0 ? rc : call_delete(c, "%s", it.key);
}

static const struct rfield report_rows[] = {
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

static int report_flow(struct call *c, const char *host, const char *id, const json_t *wish,
		       const json_t *said)
{
	return set_status(c, &tap_flow_resource, res_get(c, &tap_flow_resource, id), said);
}

static int report_mirror(struct call *c, const char *host, const char *id, const json_t *wish,
			 const json_t *said)
{
	return set_status(c, &tap_mirror_resource, res_get(c, &tap_mirror_resource, id), said);
}

static int port_updated(struct call *c, const json_t *port, const json_t *old)
{
	return tap_changed(c, doc_str(port, "id"));
}

static int port_deleted(struct call *c, const json_t *port)
{
	return tap_changed(c, doc_str(port, "id"));
}

const struct hook tap_hooks[] = {
	{ &port_resource, .updated = port_updated, .deleted = port_deleted },
	{ NULL },
};

static const struct wish_kind flow_wish = { "tap_flow", make_flow, report_rows, report_flow };
static const struct wish_kind mirror_wish = { "tap_mirror", make_mirror, report_rows,
					      report_mirror };
static const struct wish_kind *const kinds[] = { &flow_wish, &mirror_wish, NULL };
const struct host_feature tap_hosts = { .kinds = kinds };

const struct periodic tap_periodics[] = { { 1000, tap_sync }, { 0, NULL } };
