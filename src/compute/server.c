/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers as documents: find, show, rename, metadata, delete. Boot is boot.c, lists
 * list.c, the wish their host's agent follows wish.c.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

#define ACTIONS_KEPT 20
#define SERVER_MAX   (224u << 10) /* bytes of JSON */

static const struct rfield server_fields[] = {
	{ "id", J_UUID },
	{ "name", J_STR },
	{ "project_id", J_STR, R_INDEX },
	{ "host", J_STR, R_INDEX | R_HIDDEN },
	{ "task_state", J_STR, R_INDEX },
	{ "group", J_STR, R_INDEX | R_SECRET },
	{ "status", J_STR, R_VIRTUAL },
	{ NULL },
};

static int add_status(struct call *c, const json_t *server, json_t *out)
{
	return json_object_set_new(out, "status", json_string(server_status(server)));
}

/* Nova's own views are in view.c; by these rows the page knows a server. */
const struct resource server_resource = {
	.one = "server",
	.many = "servers",
	.label = "Instance",
	.flags = RES_TIMES,
	.fields = server_fields,
	.show = add_status,
};

/**
 * server_find() - A server the caller may see
 * @c:  the call
 * @id: what the path says; anything
 *
 * Return: borrowed; NULL after call_fail() with 404.
 */
const json_t *server_find(struct call *c, const char *id)
{
	return res_find(c, &server_resource, id);
}

/**
 * server_put() - Write a changed server, and what becomes of its resize
 * @c:            the call
 * @server_taken: a copy of one's own, with its id; taken
 *
 * Return: 0 or what res_put() says.
 */
int server_put(struct call *c, json_t *server_taken)
{
	int rc = server_taken ? migration_follow(c, server_taken) : -ENOMEM;

	if (!rc)
		return res_put(c, &server_resource, server_taken);
	json_decref(server_taken);
	return rc;
}

/**
 * server_check_size() - Has a server room for what actions and its host will add?
 * @c:      the call
 * @server: as its user wants it
 *
 * A server that fills its document to call_put()'s bound could not be stopped, not even by an
 * admin.
 *
 * Return: 0, or after call_fail() with 413.
 */
int server_check_size(struct call *c, const json_t *server)
{
	if (json_dumpb(server, NULL, 0, JSON_COMPACT) <= SERVER_MAX)
		return 0;
	return call_fail(c, 413, "HTTPRequestEntityTooLarge",
			 "User data, metadata and properties of the image take more than %u kB.",
			 SERVER_MAX >> 10);
}

/**
 * server_note_action() - Remember an action for os-instance-actions
 * @c:      the call: who, when and by which request
 * @server: the call's own copy
 * @action: Nova's word: "create", "stop"
 */
void server_note_action(struct call *c, json_t *server, const char *action)
{
	const json_t *old = json_object_get(server, "actions");
	json_t *list = json_array(), *entry;
	char now[32];
	size_t i;

	json_array_append_new(list,
			      json_pack("{s:s,s:s,s:s,s:s,s:s}", "action", action, "request_id",
					c->request_id, "user_id", c->auth->user_id, "project_id",
					c->auth->project_id, "start_time", call_time(c, now)));
	json_array_foreach (old, i, entry)
		if (i + 1 < ACTIONS_KEPT)
			json_array_append(list, entry);
	json_object_set_new(server, "actions", list);
}

/**
 * server_changed() - Tell the server's host what is wished for now
 * @c:      the call
 * @server: as it was put; one without a host has no wish
 *
 * Return: 0 or a negative errno.
 */
int server_changed(struct call *c, const json_t *server)
{
	return MIN(wish_changed(c, doc_str(server, "host"), "server", doc_str(server, "id")), 0);
}

/* The user's ports are his again; those made at boot go. */
static int give_ports_back(struct call *c, const json_t *server)
{
	const char *server_id = doc_text(server, "id");
	json_t *entry;
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const char *id = doc_text(entry, "id");

		if (rc || !doc_is(res_get(c, &port_resource, id), "device_id", server_id))
			continue;
		rc = port_unbind(c, id);
		if (!rc && doc_bool(entry, "made"))
			rc = res_delete(c, &port_resource, id);
	}
	return rc;
}

/**
 * server_end() - A server leaves the lists
 * @c:      the call
 * @server: stored document
 *
 * It is remembered (deleted.c). Its ports are unbound, those the boot made are deleted. Leases of
 * VFs end later, when the host's agent reports the VFs as returned.
 *
 * Return: 0 or the first failure.
 */
int server_end(struct call *c, const json_t *server)
{
	auto_of(json_decref) json_t *held = json_incref((json_t *)server);
	int rc = snapshot_drop(c, held) ?: migration_end(c, held) ?: give_ports_back(c, held);

	rc = rc ? rc : res_delete(c, &server_resource, doc_text(held, "id"));
	return rc ? rc : deleted_keep(c, held);
}

/**
 * server_remove() - Delete the call's server, c->ids[0]
 * @c: the call
 *
 * A live host ends the domain first; otherwise the server goes now, and the wish waits for the
 * host.
 *
 * Return: 0, the reply is the caller's; or as a handler.
 */
int server_remove(struct call *c)
{
	const json_t *old = server_find(c, c->ids[0]);
	int rc;

	if (!old)
		return -ENOENT;
	if (doc_bool(old, "locked") && !caller_is_admin(c))
		return call_fail(c, 409, "InstanceIsLocked", "Instance %s is locked", c->ids[0]);
	auto_of(json_decref) json_t *server = json_copy((json_t *)old);
	server_begin(server, "delete");
	server_note_action(c, server, "delete");
	rc = server_put(c, json_incref(server)) ?: server_changed(c, server);
	if (!rc && !agent_alive(c, doc_text(server, "host")))
		rc = server_end(c, server);
	return rc;
}

static int server_delete(struct call *c)
{
	return server_remove(c) ?: call_reply(c, 204, NULL);
}

static int server_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:o}", "server", server_view(c, server)));
}

static const struct rfield update_rows[] = {
	{ "name", J_STR, R_UPDATE, .min = 1, .max = 255 },
	{ "description", J_STR, R_UPDATE | R_NULL, .max = 255 },
	{ "accessIPv4", J_STR, R_UPDATE | R_NULL, .valid = server_valid_access },
	{ "accessIPv6", J_STR, R_UPDATE | R_NULL, .valid = server_valid_access },
	{ "OS-DCF:diskConfig", J_STR, R_UPDATE,
	  .names = (const char *const[]){ "AUTO", "MANUAL", NULL } },
	{ NULL },
};

/* PUT /servers/ID: the name is shown by virsh too, so the wish follows. */
static int server_update(struct call *c)
{
	static const char *const members[][2] = { { "name", "name" },
						  { "description", "description" },
						  { "accessIPv4", "access_ipv4" },
						  { "accessIPv6", "access_ipv6" },
						  { "OS-DCF:diskConfig", "disk_config" } };
	const json_t *old = server_find(c, c->ids[0]), *in = old ? compute_body(c, "server") : NULL;
	auto_of(json_decref) json_t *given = NULL;
	int rc = in ? fields_accept(c, update_rows, in, true, &given) : -ENOENT;

	if (rc)
		return rc;
	if (json_object_get(given, "description") && compute_minor(c) < 19)
		return call_fail(
			c, 400, "BadRequest",
			"Additional properties are not allowed ('description' was unexpected)");
	auto_of(json_decref) json_t *server = json_copy((json_t *)old);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_t *value = json_object_get(given, members[i][0]);

		if (value)
			json_object_set(server, members[i][1], value);
	}
	rc = server_check_name(c, doc_text(server, "name"));
	if (!rc)
		rc = server_put(c, json_incref(server));
	if (!rc)
		rc = server_changed(c, server);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o}", "server", server_view_changed(c, server)));
}

static int metadata_reply(struct call *c, const json_t *metadata)
{
	return call_reply(c, 200, json_pack("{s:O}", "metadata", metadata));
}

static int metadata_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	return server ? metadata_reply(c, json_object_get(server, "metadata")) : -ENOENT;
}

static int no_metadata(struct call *c)
{
	return call_fail(c, 404, "InstanceMetadataNotFound", "Metadata item was not found");
}

static int metadata_put(struct call *c, const json_t *server, json_t *metadata_taken)
{
	auto_of(json_decref) json_t *copy = json_copy((json_t *)server);

	json_object_set_new(copy, "metadata", metadata_taken);
	int rc = strcmp(c->method, "DELETE") ? server_check_size(c, copy) : 0;
	rc = rc ? rc : server_put(c, json_incref(copy));
	return rc ? rc : server_changed(c, copy);
}

/* POST adds to what there is, PUT replaces it. */
static int metadata_set(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);
	const json_t *in = server ? compute_body(c, "metadata") : NULL;
	int rc = in ? server_check_metadata(c, in) : -ENOENT;

	if (rc)
		return rc;
	json_t *all = strcmp(c->method, "PUT") ? json_copy(json_object_get(server, "metadata"))
					       : json_object();
	json_object_update(all, (json_t *)in);
	rc = server_check_metadata(c, all);
	if (rc) {
		json_decref(all);
		return rc;
	}
	json_t *held = json_incref(all);
	rc = metadata_put(c, server, all);
	if (!rc)
		rc = metadata_reply(c, held);
	json_decref(held);
	return rc;
}

static int metadata_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);
	json_t *value = json_object_get(json_object_get(server, "metadata"), c->ids[1]);

	if (!server)
		return -ENOENT;
	if (!value)
		return no_metadata(c);
	return call_reply(c, 200, json_pack("{s:{s:O}}", "meta", c->ids[1], value));
}

static int metadata_delete(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	if (!json_object_get(json_object_get(server, "metadata"), c->ids[1]))
		return no_metadata(c);
	json_t *all = json_copy(json_object_get(server, "metadata"));
	json_object_del(all, c->ids[1]);
	int rc = metadata_put(c, server, all);
	return rc ? rc : call_reply(c, 204, NULL);
}

/* PUT /servers/ID/metadata/KEY {"meta": {KEY: VALUE}} */
static int metadata_update(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]),
		     *in = server ? compute_body(c, "meta") : NULL;
	int rc = in ? server_check_metadata(c, in) : -ENOENT;

	if (rc)
		return rc;
	if (json_object_size(in) != 1 || !json_object_get(in, c->ids[1]))
		return call_fail(c, 400, "BadRequest", "Request body and URI mismatch");
	json_t *all = json_copy(json_object_get(server, "metadata"));
	json_object_update(all, (json_t *)in);
	rc = metadata_put(c, server, all);
	return rc ? rc : call_reply(c, 200, json_pack("{s:O}", "meta", in));
}

const struct route server_routes[] = {
	{ "GET", "/v2.1/servers/{}", server_show, RULE_READ },
	{ "PUT", "/v2.1/servers/{}", server_update, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}", server_delete, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/metadata", metadata_list, RULE_READ },
	{ "POST", "/v2.1/servers/{}/metadata", metadata_set, RULE_WRITE },
	{ "PUT", "/v2.1/servers/{}/metadata", metadata_set, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/metadata/{}", metadata_show, RULE_READ },
	{ "PUT", "/v2.1/servers/{}/metadata/{}", metadata_update, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/metadata/{}", metadata_delete, RULE_WRITE },
	{ NULL },
};
