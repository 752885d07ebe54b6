/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /servers/ID/action: start, stop, reboot, lock, and the record of such actions. An
 * action changes the server's task_state and its wish; the agent's report ends the task.
 */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "compute/server_state.h"

/* Actions that are a wish of another power and no more. */
static int set_power(struct call *c, const char *action, const char *power)
{
	json_t *server = action_begin(c, action, action);

	if (!server)
		return -EBUSY;
	doc_set_text(server, "power", power);
	return action_commit(c, server, 202);
}

/* Soft and hard end alike here: the domain is started anew, with what its ports are now. */
static int do_reboot(struct call *c, const json_t *args)
{
	bool hard = !strcasecmp(doc_str(args, "type"), "HARD");
	json_t *server = action_begin(c, hard ? "reboot_hard" : "reboot", "reboot");

	if (!server)
		return -EBUSY;
	doc_set_text(server, "power", "on");
	json_object_set_new(server, "reboot", json_integer(doc_int(server, "reboot") + 1));
	return action_commit(c, server, 202);
}

/* A lock of another than the server's own project is an operator's, and his to take off. */
static int set_locked(struct call *c, bool locked, const char *reason)
{
	const json_t *old = server_find(c, c->ids[0]);
	bool owner = caller_is_in(c, doc_str(old, "project_id"));

	if (!old)
		return -ENOENT;
	if (doc_is(old, "locked_by", "admin") && !caller_is_admin(c)) {
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
	return set_locked(c, true, compute_minor(c) >= 73 ? doc_text(args, "locked_reason") : NULL);
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

	if (!old)
		return -ENOENT;
	int rc = snapshot_drop(c, old);
	if (rc)
		return rc;
	json_t *server = json_copy((json_t *)old);
	doc_set_text(server, "vm_state", doc_text(args, "state"));
	doc_set_text(server, "task_state", NULL);
	json_object_del(server, "snapshot");
	return action_commit(c, server, 202);
}

/* Nova's for what would be kept a while; nothing is here. */
static int do_force_delete(struct call *c, const json_t *args)
{
	return server_remove(c) ?: call_reply(c, 202, NULL);
}

static int do_add_group(struct call *c, const json_t *args)
{
	return groups_change(c, doc_text(args, "name"), true);
}

static int do_remove_group(struct call *c, const json_t *args)
{
	return groups_change(c, doc_text(args, "name"), false);
}

static int server_action(struct call *c)
{
	static const struct {
		const char *word;
		int (*act)(struct call *c, const json_t *args);
		enum rule rule;
		const char *action, *power; /* what set_power() does, where act is NULL */
	} actions[] = {
		{ "os-start", NULL, RULE_WRITE, "start", "on" },
		{ "os-stop", NULL, RULE_WRITE, "stop", "off" },
		{ "pause", NULL, RULE_WRITE, "pause", "paused" },
		{ "unpause", NULL, RULE_WRITE, "unpause", "on" },
		{ "suspend", NULL, RULE_WRITE, "suspend", "suspended" },
		{ "resume", NULL, RULE_WRITE, "resume", "on" },
		{ "restore", NULL, RULE_WRITE, "restore", "on" },
		{ "reboot", do_reboot, RULE_WRITE },
		{ "lock", do_lock, RULE_WRITE },
		{ "unlock", do_unlock, RULE_WRITE },
		{ "createImage", action_image, RULE_WRITE },
		{ "rebuild", action_rebuild, RULE_WRITE },
		{ "resize", action_resize, RULE_WRITE },
		{ "confirmResize", action_confirm, RULE_WRITE },
		{ "revertResize", action_revert, RULE_WRITE },
		{ "rescue", action_rescue, RULE_WRITE },
		{ "unrescue", action_unrescue, RULE_WRITE },
		{ "forceDelete", do_force_delete, RULE_WRITE },
		{ "os-resetState", do_reset, RULE_ADMIN },
		{ "addSecurityGroup", do_add_group, RULE_WRITE },
		{ "removeSecurityGroup", do_remove_group, RULE_WRITE },
		{ "os-getConsoleOutput", action_console, RULE_WRITE },
	};
	const char *word = json_object_iter_key(json_object_iter((json_t *)c->body));
	int rc;

	if (!word || json_object_size(c->body) != 1)
		return call_fail(c, 400, "BadRequest", "There is no such action: %s",
				 word ? word : "");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(word, actions[i].word))
			continue;
		if (!caller_may(c, actions[i].rule))
			return call_fail(c, 403, "Forbidden",
					 "Policy doesn't allow %s to be performed.", word);
		return actions[i].act ? actions[i].act(c, json_object_get(c->body, word))
				      : set_power(c, actions[i].action, actions[i].power);
	}
	rc = fault_absent(c, word);
	if (!rc && !server_find(c, c->ids[0]))
		return -ENOENT;
	return rc ?: call_fail(c, 400, "BadRequest", "There is no such action: %s", word);
}

static json_t *action_view(const struct call *c, const json_t *action)
{
	const char *last = doc_text(action, "finish_time") ? "finish_time" : "start_time";
	json_t *out = json_copy((json_t *)action);

	json_object_del(out, "finish_time");
	json_object_del(out, "result");
	json_object_set_new(out, "start_time", compute_stamp(action, "start_time"));
	json_object_set_new(out, "instance_uuid", json_string(c->ids[0]));
	if (!json_object_get(out, "message"))
		json_object_set_new(out, "message", json_null());
	if (compute_minor(c) >= 58)
		json_object_set_new(out, "updated_at", compute_stamp(action, last));
	return out;
}

/* Nova's names of what its services do for an action. */
static json_t *event_name(const char *action)
{
	static const char *const names[][2] = {
		{ "create", "compute__do_build_and_run_instance" },
		{ "createImage", "compute_snapshot_instance" },
		{ "delete", "compute_terminate_instance" },
		{ "attach_interface", "compute_attach_interface" },
		{ "detach_interface", "compute_detach_interface" },
		{ "confirmResize", "compute_confirm_resize" },
		{ "revertResize", "compute_revert_resize" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(action, names[i][0]))
			return json_string(names[i][1]);
	return json_sprintf("compute_%s_instance", action);
}

/* One event an action: under way as long as the task is that it began. */
static json_t *events_of(struct call *c, const json_t *server, const json_t *action)
{
	bool over = doc_text(action, "result") || !doc_text(server, "task_state") ||
		    action != json_array_get(json_object_get(server, "actions"), 0);
	const char *last = doc_text(action, "finish_time") ? "finish_time" : "start_time";
	const char *result = doc_text(action, "message") ? "Error" : doc_text(action, "result");
	json_t *event =
		json_pack("{s:o,s:o,s:o,s:s?,s:n}", "event", event_name(doc_str(action, "action")),
			  "start_time", compute_stamp(action, "start_time"), "finish_time",
			  over ? compute_stamp(action, last) : json_null(), "result",
			  !over	   ? NULL
			  : result ? result
				   : "Success",
			  "traceback");

	if (compute_minor(c) >= 51 && !caller_is_admin(c))
		json_object_del(event, "traceback");
	return json_pack("[o]", event);
}

/* From 2.21 on a server that was deleted has its record, too. */
static const json_t *recorded(struct call *c)
{
	const json_t *gone =
		compute_minor(c) >= 21 ? res_seen(c, &deleted_server_resource, c->ids[0]) : NULL;

	return gone ? gone : server_find(c, c->ids[0]);
}

static int actions_list(struct call *c)
{
	struct span span;
	const json_t *server = recorded(c), *action;
	bool paged = compute_minor(c) >= 58;
	auto_of(json_decref) json_t *list = json_array();
	json_t *next = NULL;
	size_t i;
	int rc = !server ? -ENOENT : paged ? compute_span(c, &span) : 0;

	json_array_foreach (rc ? NULL : json_object_get(server, "actions"), i, action) {
		auto_of(json_decref) json_t *view = action_view(c, action);

		if (!paged || span_has(&span, view))
			json_array_append(list, view);
	}
	if (!rc && paged)
		rc = compute_page(c, "request_id", &list, &next);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:O,s:o*}", "instanceActions", list, "links", next));
}

static int action_show(struct call *c)
{
	const json_t *server = recorded(c), *action;
	size_t i;

	if (!server)
		return -ENOENT;
	json_array_foreach (json_object_get(server, "actions"), i, action) {
		if (!doc_is(action, "request_id", c->ids[1]))
			continue;
		json_t *out = action_view(c, action);
		json_object_set_new(out, "events", events_of(c, server, action));
		return call_reply(c, 200, json_pack("{s:o}", "instanceAction", out));
	}
	return call_fail(c, 404, "InstanceActionNotFound",
			 "Action for request_id %s on instance %s not found", c->ids[1], c->ids[0]);
}

/* A guest posts it to a metadata service, which there is not: there is none, and none to clear. */
static int password_show(struct call *c)
{
	return server_find(c, c->ids[0]) ? call_reply(c, 200, json_pack("{s:s}", "password", ""))
					 : -ENOENT;
}

static int password_clear(struct call *c)
{
	return server_find(c, c->ids[0]) ? call_reply(c, 204, NULL) : -ENOENT;
}

const struct route action_routes[] = {
	{ "GET", "/v2.1/servers/{}/os-server-password", password_show, RULE_READ },
	{ "DELETE", "/v2.1/servers/{}/os-server-password", password_clear, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/diagnostics", action_diagnostics, RULE_ADMIN },
	{ "POST", "/v2.1/servers/{}/action", server_action, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/os-instance-actions", actions_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-instance-actions/{}", action_show, RULE_READ },
	{ NULL },
};
