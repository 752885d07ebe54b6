/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts' agents are told about servers, /host/HOST/server/ID (docs/agent-api.md), and what
 * becomes of servers by their reports, by their ports, and when a host dies.
 */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

/* Has the port a VF of the server's host, for this server? Not when an admin bound it elsewhere. */
static bool is_plugged(struct call *c, const json_t *server, const char *port)
{
	const json_t *wish = wish_get(c, doc_str(server, "host"), "port", port);

	return wish && doc_is(wish, "server", doc_str(server, "id")) && !doc_bool(wish, "released");
}

static json_t *port_ids(struct call *c, const json_t *server)
{
	json_t *list = json_array(), *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (!doc_text(entry, "detaching") && is_plugged(c, server, doc_text(entry, "id")))
			json_array_append(list, json_object_get(entry, "id"));
	return list;
}

/* What a resize may go back to. Its disk is there beside the new one, the rest is kept free. */
static json_t *before_json(const json_t *server)
{
	const json_t *before = json_object_get(server, "before");
	const json_t *flavor = json_object_get(before, "flavor");

	return before ? json_pack("{s:O,s:O,s:O,s:O}", "disk", json_object_get(before, "disk"),
				  "vcpus", json_object_get(flavor, "vcpus"), "memory_mb",
				  json_object_get(flavor, "ram"), "disk_gb",
				  json_object_get(flavor, "disk"))
		      : json_null();
}

static json_t *server_json(struct call *c, const json_t *server)
{
	static const char *const same[] = {
		"id",	     "name",	   "project_id", "power",	 "reboot",     "image",
		"user_data", "key_name",   "metadata",	 "public_key",	 "hostname",   "asked",
		"files",     "admin_pass", "snapshot",	 "rescue_image", "rescue_pass"
	};
	const json_t *flavor = json_object_get(server, "flavor");
	json_t *wish = json_pack(
		"{s:b,s:O,s:O,s:O,s:O,s:b,s:o}", "deleted",
		doc_is(server, "task_state", "deleting"), "vcpus", json_object_get(flavor, "vcpus"),
		"memory_mb", json_object_get(flavor, "ram"), "disk_gb",
		json_object_get(flavor, "disk"), "flavor", json_object_get(flavor, "original_name"),
		"config_drive", 1, "ports", port_ids(c, server));

	for (size_t i = 0; wish && i < ARRAY_LEN(same); i++) {
		json_t *value = json_object_get(server, same[i]);

		json_object_set_new(wish, same[i], value ? json_incref(value) : json_null());
	}
	json_object_set_new(wish, "rebuild", json_integer(doc_int(server, "rebuild")));
	json_object_set_new(wish, "rescue", json_integer(doc_int(server, "rescue")));
	json_object_set_new(wish, "disk", json_integer(doc_int(server, "disk")));
	json_object_set_new(wish, "before", before_json(server));
	return wish;
}

/* Once it is to be deleted, it stays so until the host says that it is done, whatever becomes of
 * the server meanwhile. */
static json_t *make_server(struct call *c, const char *host, const char *id, const json_t *have)
{
	const json_t *server = res_get(c, &server_resource, id);

	if (doc_bool(have, "deleted"))
		return json_incref((json_t *)have);
	if (!doc_is(server, "host", host) || (!have && doc_is(server, "task_state", "deleting")))
		return json_null();
	return server_json(c, server);
}

static const struct rfield report_rows[] = {
	{ "status", J_STR, R_CREATE | R_NEED,
	  .names = (const char *const[]){ "ACTIVE", "SHUTOFF", "BUILD", "REBOOT", "PAUSED",
					  "SUSPENDED", "ERROR", "DELETED", NULL } },
	{ "power_state", J_INT, R_CREATE, "0", .min = 0, .max = 7 },
	{ "reboot", J_INT, R_CREATE, "0" },
	{ "rebuild", J_INT, R_CREATE, "0" },
	{ "rescue", J_INT, R_CREATE, "0" },
	{ "disk", J_INT, R_CREATE, "0" },
	{ "kept_disk", J_INT, R_CREATE | R_NULL },
	{ "fault", J_OBJ, R_CREATE | R_NULL },
	{ "snapshot", J_OBJ, R_CREATE | R_NULL },
	{ "plugged", J_LIST, R_CREATE },
	{ "kept", J_LIST, R_CREATE },
	{ NULL },
};

/* The server is gone with its report DELETED, unless it left before; so is the wish. */
static int server_gone(struct call *c, const char *host, const char *id, const json_t *wish)
{
	const json_t *server = res_get(c, &server_resource, id);
	int rc;

	if (!doc_bool(wish, "deleted"))
		return call_fail(c, 409, NULL, "Server %s is not to be deleted", id);
	rc = server ? server_end(c, server) : 0;
	return rc ? rc : wish_done(c, host, "server", id);
}

static int give_up_server(struct call *c, const char *host, const char *id, const json_t *wish)
{
	return doc_bool(wish, "deleted") ? server_gone(c, host, id, wish) ?: 1 : 0;
}

static int report_server(struct call *c, const char *host, const char *id, const json_t *wish,
			 const json_t *said)
{
	auto_of(json_decref) json_t *server = NULL;
	const json_t *old;
	char now[32];
	int rc;

	if (doc_is(said, "status", "DELETED"))
		return server_gone(c, host, id, wish);
	rc = interface_report(c, id, said);
	if (rc)
		return rc;
	old = res_get(c, &server_resource, id);
	server = json_copy((json_t *)old);
	if (!server)
		return 0;
	server_report(server, wish, said, call_time(c, now));
	rc = snapshot_report(c, server, json_object_get(said, "snapshot"));
	if (rc || json_equal(server, (json_t *)old))
		return rc;
	return server_put(c, json_incref(server)) ?: server_changed(c, server);
}

/* A port that serves a server left its host, or changed: the server's wish names its ports. */
static int port_deleted(struct call *c, const json_t *port)
{
	const char *id = port_server(c, port);
	const json_t *server = id ? res_get(c, &server_resource, id) : NULL;

	return server ? server_changed(c, server) : 0;
}

static int port_updated(struct call *c, const json_t *port, const json_t *old)
{
	return port_deleted(c, old);
}

/* Servers being deleted do not wait for a dead host; their wish does. One a transaction: its ports
 * may need all of it. */
static int host_gone(struct call *c, const char *host)
{
	struct cursor it = res_list(c, &server_resource, "host", host);

	while (cursor_next(&it))
		if (doc_is(it.doc, "task_state", "deleting"))
			return server_end(c, it.doc) ?: CALL_WAIT;
	return 0;
}

const struct hook compute_hooks[] = {
	{ &port_resource, .updated = port_updated, .deleted = port_deleted },
	{ NULL },
};

static const struct wish_kind server_wish = { "server", make_server, report_rows, report_server,
					      give_up_server };
static const struct wish_kind *const kinds[] = { &server_wish, &console_wish, &diagnostics_wish,
						 NULL };
const struct host_feature compute_hosts = { .kinds = kinds, .host_gone = host_gone };
