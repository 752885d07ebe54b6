/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one does with a server: start, stop, reboot, lock, console output,
 * interfaces, and the record of such actions. An action changes the server's
 * task_state and its wish; the agent's report ends the task.
 */
#include <errno.h>
#include <string.h>

#include "base/uuid.h"
#include "compute/compute.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "hosts/lease.h"
#include "network/core/network.h"

#define CONSOLE_WAIT_MS 15000 /* how long a client waits for the host's agent */

static int refuse_locked(struct call *c, const json_t *server)
{
	if (!doc_bool(server, "locked") || caller_is_admin(c))
		return 0;
	return call_fail(c, 409, "InstanceIsLocked", "Instance %s is locked",
			 doc_text(server, "id"));
}

/* The call's own copy of a server on which an action may begin; NULL after a fault. */
static json_t *begin(struct call *c, const char *action, const char *noted)
{
	const json_t *old = server_find(c, c->ids[0]);
	struct err e = { 0 };

	if (!old || refuse_locked(c, old))
		return NULL;
	if (server_may(old, action, &e)) {
		call_fail(c, 409, "InstanceInvalidState", "%s", e.msg);
		return NULL;
	}
	json_t *server = json_copy((json_t *)old);
	server_begin(server, action);
	server_note_action(c, server, noted);
	json_object_set_new(server, "asked", json_integer(doc_int(server, "asked") + 1));
	return server;
}

static int commit(struct call *c, json_t *server_taken, unsigned int status)
{
	int rc = server_put(c, json_incref(server_taken));

	if (!rc)
		rc = server_wish(c, server_taken, false);
	json_decref(server_taken);
	return rc ? rc : call_reply(c, status, NULL);
}

static int set_power(struct call *c, const char *action, const char *power)
{
	json_t *server = begin(c, action, action);

	if (!server)
		return -EBUSY;
	doc_set_text(server, "power", power);
	return commit(c, server, 202);
}

static int do_start(struct call *c, const json_t *args)
{
	return set_power(c, "start", "on");
}

static int do_stop(struct call *c, const json_t *args)
{
	return set_power(c, "stop", "off");
}

/* Soft and hard end alike here: the domain is started anew, with what its ports are now. */
static int do_reboot(struct call *c, const json_t *args)
{
	const char *type = doc_text(args, "type");
	bool hard = type && !strcasecmp(type, "HARD");

	if (!type || (!hard && strcasecmp(type, "SOFT")))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute type: it is SOFT or HARD");
	json_t *server = begin(c, hard ? "reboot_hard" : "reboot", "reboot");
	if (!server)
		return -EBUSY;
	doc_set_text(server, "power", "on");
	json_object_set_new(server, "reboot", json_integer(doc_int(server, "reboot") + 1));
	return commit(c, server, 202);
}

/* A lock of another than the server's own project is an operator's, and his to take off. */
static int set_locked(struct call *c, bool locked, const char *reason)
{
	const json_t *old = server_find(c, c->ids[0]);
	bool owner = old && caller_is_in(c, doc_text(old, "project_id"));
	const char *by = old ? doc_text(old, "locked_by") : NULL;

	if (!old)
		return -ENOENT;
	if (by && !strcmp(by, "admin") && !caller_is_admin(c)) {
		if (locked)
			return call_reply(c, 202, NULL);
		return call_fail(c, 403, "Forbidden",
				 "Policy doesn't allow os_compute_api:os-lock-server:unlock:"
				 "unlock_override to be performed.");
	}
	json_t *server = json_copy((json_t *)old);
	json_object_set_new(server, "locked", json_boolean(locked));
	doc_set_text(server, "locked_by", !locked ? NULL : owner ? "owner" : "admin");
	doc_set_text(server, "locked_reason", reason);
	server_note_action(c, server, locked ? "lock" : "unlock");
	int rc = server_put(c, server);
	return rc ? rc : call_reply(c, 202, NULL);
}

static int do_lock(struct call *c, const json_t *args)
{
	const char *reason = compute_minor(c) >= 73 ? doc_text(args, "locked_reason") : NULL;

	if (reason && (!*reason || strlen(reason) > 255))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute locked_reason: it has 1 to 255 "
				 "bytes");
	return set_locked(c, true, reason);
}

static int do_unlock(struct call *c, const json_t *args)
{
	return set_locked(c, false, NULL);
}

/* {"os-resetState": {"state": "active" | "error"}}: what an operator believes more than the record.
 */
static int do_reset(struct call *c, const json_t *args)
{
	const json_t *old = server_find(c, c->ids[0]);
	const char *state = doc_text(args, "state");

	if (!old)
		return -ENOENT;
	if (!state || (strcmp(state, "active") && strcmp(state, "error")))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute state: it is active or error");
	json_t *server = json_copy((json_t *)old);
	doc_set_text(server, "vm_state", state);
	doc_set_text(server, "task_state", NULL);
	int rc = server_put(c, server);
	return rc ? rc : call_reply(c, 202, NULL);
}

/* The first run asks the host's agent; the next ones look whether it answered. */
static int console_ask(struct call *c, const json_t *server, const json_t *length)
{
	const char *host = doc_text(server, "host");
	char request[UUID_STR_LEN];
	int rc;

	if (!host)
		return call_fail(c, 409, "InstanceNotReady", "Instance %s is not ready",
				 doc_text(server, "id"));
	if (!agent_alive(c, host))
		return call_fail(c, 503, "ServiceUnavailable",
				 "The console is out of reach: the agent of its host is dead");
	uuid_new(request);
	json_decref(c->memo);
	c->memo = json_pack("{s:s}", "request", request);
	rc = host_doc_put(c, host, "console", request,
			  json_pack("{s:s,s:O,s:O?,s:I}", "id", request, "server",
				    json_object_get(server, "id"), "length", length, "at_us",
				    (json_int_t)c->now_us));
	return rc ? rc : call_wait(c, CONSOLE_WAIT_MS, "/console/%s", request);
}

static int console_answer(struct call *c)
{
	const char *request = doc_text(c->memo, "request");
	const json_t *answer = call_get(c, "/console/%s", request);
	int rc;

	if (!answer && c->expired)
		return call_fail(c, 503, "ServiceUnavailable",
				 "The agent of the server's host did not send the console in time");
	if (!answer)
		return call_wait(c, CONSOLE_WAIT_MS, "/console/%s", request);
	json_t *out = json_pack("{s:O}", "output", json_object_get(answer, "output"));
	rc = call_delete(c, "/console/%s", request);
	if (rc) {
		json_decref(out);
		return rc;
	}
	return call_reply(c, 200, out);
}

/* "length": lines from the end; null or -1: all. */
static int do_console(struct call *c, const json_t *args)
{
	const json_t *length = json_object_get(args, "length"), *server = server_find(c, c->ids[0]);
	auto_of(json_decref) json_t *lines = json_null();
	const char *text = json_string_value(length);
	char *end = NULL;
	long long n = json_integer_value(length);

	if (!server)
		return -ENOENT;
	if (text && *text)
		n = strtoll(text, &end, 10);
	if (length && !json_is_null(length) && !json_is_integer(length) && (!end || *end))
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	if (n < -1)
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	if (c->runs)
		return console_answer(c);
	if (length && !json_is_null(length) && n >= 0)
		lines = json_integer(n);
	return console_ask(c, server, lines);
}

static int server_action(struct call *c)
{
	static const struct {
		const char *word;
		int (*act)(struct call *c, const json_t *args);
		enum rule rule;
	} actions[] = {
		{ "os-start", do_start, RULE_WRITE },
		{ "os-stop", do_stop, RULE_WRITE },
		{ "reboot", do_reboot, RULE_WRITE },
		{ "lock", do_lock, RULE_WRITE },
		{ "unlock", do_unlock, RULE_WRITE },
		{ "os-resetState", do_reset, RULE_ADMIN },
		{ "os-getConsoleOutput", do_console, RULE_WRITE },
	};
	const char *word = json_object_iter_key(json_object_iter((json_t *)c->body));

	if (!word || json_object_size(c->body) != 1)
		return call_fail(c, 400, "BadRequest", "There is no such action: %s",
				 word ? word : "");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(word, actions[i].word))
			continue;
		if (!caller_may(c, actions[i].rule))
			return call_fail(c, 403, "Forbidden",
					 "Policy doesn't allow %s to be performed.", word);
		return actions[i].act(c, json_object_get(c->body, word));
	}
	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_fail(c, 400, "BadRequest", "There is no such action: %s", word);
}

/* Real Nova has graphical ones; ours are `anyvf console` and os-getConsoleOutput. */
static int remote_console(struct call *c)
{
	const char *type = doc_text(json_object_get(c->body, "remote_console"), "type");

	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_fail(c, 400, "ConsoleTypeUnavailable", "Unavailable console type %s.",
			 type ? type : "");
}

static json_t *action_view(const struct call *c, const json_t *action)
{
	const char *time = doc_text(action, "start_time");
	json_t *out = json_copy((json_t *)action), *stamp;

	stamp = json_sprintf("%.*s.000000", (int)strcspn(time, "Z"), time);
	json_object_set_new(out, "start_time", stamp);
	json_object_set_new(out, "instance_uuid", json_string(c->ids[0]));
	json_object_set_new(out, "message", json_null());
	if (compute_minor(c) >= 58)
		json_object_set(out, "updated_at", stamp);
	return out;
}

static int actions_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]), *action;
	json_t *list;
	size_t i;

	if (!server)
		return -ENOENT;
	list = json_array();
	json_array_foreach (json_object_get(server, "actions"), i, action)
		json_array_append_new(list, action_view(c, action));
	return call_reply(c, 200, json_pack("{s:o}", "instanceActions", list));
}

static int action_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]), *action;
	size_t i;

	if (!server)
		return -ENOENT;
	json_array_foreach (json_object_get(server, "actions"), i, action) {
		if (!doc_is(action, "request_id", c->ids[1]))
			continue;
		json_t *out = action_view(c, action);
		json_object_set_new(out, "events", json_array());
		return call_reply(c, 200, json_pack("{s:o}", "instanceAction", out));
	}
	return call_fail(c, 404, "InstanceActionNotFound",
			 "Action for request_id %s on instance %s not found", c->ids[1], c->ids[0]);
}

static json_t *interface_view(const struct call *c, const json_t *port)
{
	json_t *ips = json_array(), *ip, *out;
	size_t i;

	json_array_foreach (json_object_get(port, "fixed_ips"), i, ip)
		json_array_append(ips, ip);
	out = json_pack("{s:O,s:O,s:O,s:O?,s:o}", "net_id", json_object_get(port, "network_id"),
			"port_id", json_object_get(port, "id"), "mac_addr",
			json_object_get(port, "mac_address"), "port_state",
			json_object_get(port, "status"), "fixed_ips", ips);
	if (compute_minor(c) >= 70)
		json_object_set_new(out, "tag", json_null());
	return out;
}

/* The server's own entry of a port, if both are there. */
static const json_t *entry_of(struct call *c, const json_t *server, const char *id)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (doc_is(entry, "id", id) && res_get(c, &port_resource, id))
			return entry;
	return NULL;
}

static int interfaces_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]), *entry;
	json_t *list;
	size_t i;

	if (!server)
		return -ENOENT;
	list = json_array();
	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_text(entry, "id"));

		if (port)
			json_array_append_new(list, interface_view(c, port));
	}
	return call_reply(c, 200, json_pack("{s:o}", "interfaceAttachments", list));
}

static int no_interface(struct call *c)
{
	return call_fail(c, 404, "PortNotFound", "Port %s is not attached to instance %s",
			 c->ids[1], c->ids[0]);
}

static int interface_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	if (!entry_of(c, server, c->ids[1]))
		return no_interface(c);
	return call_reply(c, 200,
			  json_pack("{s:o}", "interfaceAttachment",
				    interface_view(c, res_get(c, &port_resource, c->ids[1]))));
}

/* The domain is made anew at its next start; a running one is not changed under its guest. */
static int refuse_running(struct call *c, const json_t *server)
{
	if (doc_is(server, "vm_state", "stopped"))
		return 0;
	return call_fail(c, 400, "BadRequest",
			 "Interfaces of a running server cannot be changed: stop instance %s first",
			 doc_text(server, "id"));
}

static json_t *with_port(const json_t *server, const char *id, bool add)
{
	json_t *copy = json_copy((json_t *)server), *list = json_array(), *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (!doc_is(entry, "id", id))
			json_array_append(list, entry);
	if (add)
		json_array_append_new(list, json_pack("{s:s,s:b}", "id", id, "made", 0));
	json_object_set_new(copy, "ports", list);
	return copy;
}

static int interface_attach(struct call *c)
{
	const json_t *in = compute_body(c, "interfaceAttachment");
	const char *id = doc_text(in, "port_id"), *user;
	json_t *server = in ? begin(c, "attach_interface", "attach_interface") : NULL;
	const json_t *port = port_own(c, id);
	auto_of(json_decref) json_t *held = server;
	struct err why = { 0 };

	if (!server)
		return -EBUSY;
	if (!id)
		return call_fail(c, 400, "BadRequest", "A port_id is needed: make the port first");
	if (!port)
		return call_fail(c, 404, "PortNotFound", "Port id %s could not be found.", id);
	user = doc_text(port, "device_id");
	if (user && *user)
		return call_fail(c, 400, "PortInUse", "Port %s is still in use.", id);
	if (refuse_running(c, server))
		return -EINVAL;
	if (port_bind(c, id, doc_text(server, "host"), doc_text(server, "id"), NULL, &why))
		return call_fail(c, 400, "InterfaceAttachFailed",
				 "Failed to attach network adapter device to %s: %s", c->ids[0],
				 compute_why(c, &why));
	int rc = commit(c, with_port(server, id, true), 200);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o}", "interfaceAttachment",
					 interface_view(c, res_get(c, &port_resource, id))));
}

static int interface_detach(struct call *c)
{
	auto_of(json_decref) json_t *server = begin(c, "detach_interface", "detach_interface");
	const json_t *entry = server ? entry_of(c, server, c->ids[1]) : NULL;
	bool made = doc_bool(entry, "made");
	int rc;

	if (!server)
		return -EBUSY;
	if (!entry)
		return no_interface(c);
	if (refuse_running(c, server))
		return -EINVAL;
	rc = port_unbind(c, c->ids[1]);
	if (!rc && made)
		rc = res_delete(c, &port_resource, c->ids[1]);
	return rc ? rc : commit(c, with_port(server, c->ids[1], false), 202);
}

/* Boot from volume is not served: a server has none. */
static int volumes_list(struct call *c)
{
	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:[]}", "volumeAttachments"));
}

static int groups_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(
		c, 200,
		json_pack("{s:O}", "security_groups", json_object_get(server, "security_groups")));
}

static int addresses_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:o}", "addresses", server_addresses(c, server)));
}

const struct route action_routes[] = {
	{ "POST", "/v2.1/servers/{}/action", server_action, RULE_WRITE },
	{ "POST", "/v2.1/servers/{}/remote-consoles", remote_console, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/os-instance-actions", actions_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-instance-actions/{}", action_show, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-interface", interfaces_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-interface/{}", interface_show, RULE_READ },
	{ "POST", "/v2.1/servers/{}/os-interface", interface_attach, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/os-interface/{}", interface_detach, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/os-volume_attachments", volumes_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-security-groups", groups_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/ips", addresses_list, RULE_READ },
	{ NULL },
};
