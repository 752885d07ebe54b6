/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a server: see server_state.h. The tables mirror what
 * nova/compute/api.py checks before an action and nova/api/openstack/common.py
 * makes of the two states.
 */
#include "compute/server_state.h"

#include <errno.h>
#include <string.h>

#include "base/field.h"
#include "engine/docs.h"

/* What clients see; the first row whose states match. task NULL: any task. */
static const struct {
	const char *vm_state, *task_state, *status;
} statuses[] = {
	{ "active", "rebooting", "REBOOT" },
	{ "active", "rebooting_hard", "HARD_REBOOT" },
	{ "active", "rebuilding", "REBUILD" },
	{ "active", "resize_prep", "RESIZE" },
	{ "active", NULL, "ACTIVE" },
	{ "building", NULL, "BUILD" },
	{ "stopped", "rebooting_hard", "HARD_REBOOT" },
	{ "stopped", "rebuilding", "REBUILD" },
	{ "stopped", "resize_prep", "RESIZE" },
	{ "stopped", NULL, "SHUTOFF" },
	{ "paused", "rebooting_hard", "HARD_REBOOT" },
	{ "paused", NULL, "PAUSED" },
	{ "suspended", "rebooting_hard", "HARD_REBOOT" },
	{ "suspended", NULL, "SUSPENDED" },
	{ "rescued", NULL, "RESCUE" },
	{ "resized", "resize_reverting", "REVERT_RESIZE" },
	{ "resized", NULL, "VERIFY_RESIZE" },
	{ "error", "rebooting_hard", "HARD_REBOOT" },
	{ "error", "rebuilding", "REBUILD" },
	{ "error", NULL, "ERROR" },
	{ "deleted", NULL, "DELETED" },
};

/* What a report says when it is as wished, and the state it settles. */
static const struct settled {
	const char *status, *power, *vm_state;
} settled[] = {
	{ "ACTIVE", "on", "active" },
	{ "SHUTOFF", "off", "stopped" },
	{ "PAUSED", "paused", "paused" },
	{ "SUSPENDED", "suspended", "suspended" },
};

/* Tasks that a hard reboot may cut short: ALLOW_REBOOT of Nova's task states. */
static const char *const unstuck[] = { "rebooting",   "rebooting_hard", "pausing",    "unpausing",
				       "powering-on", "powering-off",	"suspending", "resuming" };

/* Which states allow an action, and the task it begins. */
static const struct action_rule {
	const char *action;
	const char *vm_states[6]; /* NULL at the end */
	const char *task;	  /* begins; NULL: none */
} rules[] = {
	{ "start", { "stopped" }, "powering-on" },
	{ "stop", { "active", "error" }, "powering-off" },
	{ "reboot", { "active" }, "rebooting" },
	{ "reboot_hard",
	  { "active", "stopped", "paused", "suspended", "error" },
	  "rebooting_hard" },
	{ "pause", { "active" }, "pausing" },
	{ "unpause", { "paused" }, "unpausing" },
	{ "suspend", { "active" }, "suspending" },
	{ "resume", { "suspended" }, "resuming" },
	{ "rebuild", { "active", "stopped", "error" }, "rebuilding" },
	{ "rescue", { "active", "stopped", "error" }, "rescuing" },
	{ "unrescue", { "rescued" }, "unrescuing" },
	{ "resize", { "active", "stopped" }, "resize_prep" },
	{ "confirmResize", { "resized" }, "resize_confirming" },
	{ "revertResize", { "resized" }, "resize_reverting" },
	{ "attach_interface", { "active", "paused", "stopped" }, NULL },
	{ "detach_interface", { "active", "paused", "stopped" }, NULL },
	{ "createImage", { "active", "stopped", "paused", "suspended" }, "image_snapshot_pending" },
	{ "restore", { "soft-delete" }, NULL }, /* no server is: it is gone at once */
	{ "delete", { NULL }, "deleting" },
};

/**
 * server_status() - The one word clients see
 * @server: stored document
 *
 * Return: "ACTIVE", "BUILD", ...; "UNKNOWN" for states this version does not know.
 */
const char *server_status(const json_t *server)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (doc_is(server, "vm_state", statuses[i].vm_state) &&
		    (!statuses[i].task_state ||
		     doc_is(server, "task_state", statuses[i].task_state)))
			return statuses[i].status;
	return "UNKNOWN";
}

/**
 * server_status_vm_state() - Whether a word is a status
 * @status: what a client filters by; case does not matter
 *
 * Return: a vm_state that shows as this status, or NULL when no server ever has it.
 */
const char *server_status_vm_state(const char *status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (!strcasecmp(status, statuses[i].status))
			return statuses[i].vm_state;
	return NULL;
}

static const struct action_rule *rule_of(const char *action)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!strcmp(rules[i].action, action))
			return &rules[i];
	return NULL;
}

/* May an action begin beside a task? "deleting" forbids everything. */
static bool task_lets(const char *task, const char *action)
{
	bool lets = !task;

	for (size_t i = 0; !lets && !strcmp(action, "reboot_hard") && i < ARRAY_LEN(unstuck); i++)
		lets = !strcmp(task, unstuck[i]);
	return lets;
}

/**
 * server_may() - Whether an action is allowed now
 * @server: stored document
 * @action: of the table of rules; "reboot_hard" is a reboot's other kind
 * @e:      Nova's sentence (InstanceInvalidState, InstanceNotReady)
 *
 * Return: 0; -EBUSY when the states forbid it. A server that never got a host is not ready for
 * anything but its end.
 */
int server_may(const json_t *server, const char *action, struct err *e)
{
	const struct action_rule *rule = rule_of(action);
	const char *vm = doc_text(server, "vm_state"), *task = doc_text(server, "task_state");
	const char *id = doc_text(server, "id"),
		   *word = strcmp(action, "reboot_hard") ? action : "reboot";

	if (!rule || !vm)
		return err_set(e, -EBUSY, "Cannot '%s' instance %s", word, id);
	if (!strcmp(action, "delete"))
		return 0;
	if (!doc_text(server, "host"))
		return err_set(e, -EBUSY, "Instance %s is not ready", id);
	for (size_t i = 0; i < ARRAY_LEN(rule->vm_states) && rule->vm_states[i]; i++) {
		if (strcmp(rule->vm_states[i], vm))
			continue;
		if (!task_lets(task, action))
			return err_set(e, -EBUSY,
				       "Cannot '%s' instance %s while it is in task_state %s", word,
				       id, task);
		return 0;
	}
	return err_set(e, -EBUSY, "Cannot '%s' instance %s while it is in vm_state %s", word, id,
		       vm);
}

/**
 * server_begin() - Mark that an action was accepted
 * @server: the call's own copy of the document
 * @action: one that server_may() allowed
 */
void server_begin(json_t *server, const char *action)
{
	const struct action_rule *rule = rule_of(action);

	if (rule && rule->task)
		doc_set_text(server, "task_state", rule->task);
}

/**
 * server_finish() - The action whose task is under way is over
 * @server:  the call's own copy of the document, before its task ends
 * @now:     "2026-11-22T15:16:20Z"
 * @failure: why it failed, for its user; NULL: it did not
 */
void server_finish(json_t *server, const char *now, const char *failure)
{
	json_t *old = json_object_get(server, "actions"), *list, *last;

	if (!doc_text(server, "task_state") || !json_array_size(old) ||
	    doc_text(json_array_get(old, 0), "result"))
		return;
	list = json_copy(old);
	last = json_copy(json_array_get(old, 0));
	doc_set_text(last, "finish_time", now);
	doc_set_text(last, "result", failure ? "Error" : "Success");
	if (failure)
		doc_set_text(last, "message", failure);
	json_array_set_new(list, 0, last);
	json_object_set_new(server, "actions", list);
}

/**
 * server_fail() - Put a server into ERROR
 * @server:  the call's own copy of the document
 * @message: the fault, for an operator
 * @brief:   what members hear of it; NULL: the same
 * @now:     "2026-11-22T15:16:20Z"
 */
void server_fail(json_t *server, const char *message, const char *brief, const char *now)
{
	server_finish(server, now, brief ? brief : message);
	doc_set_text(server, "vm_state", "error");
	doc_set_text(server, "task_state", NULL);
	json_object_set_new(server, "fault",
			    json_pack("{s:i,s:s,s:s,s:s*}", "code", 500, "created", now, "message",
				      message, "brief", brief));
}

/**
 * server_leave_rescue() - A server boots from its own disk again
 * @server: the call's own copy of the document
 */
void server_leave_rescue(json_t *server)
{
	json_object_del(server, "rescue");
	json_object_del(server, "rescue_image");
	json_object_del(server, "rescue_pass");
}

/**
 * server_resize_back() - A server has its old flavor and its old disk again
 * @server: the call's own copy of the document, with `before`
 */
void server_resize_back(json_t *server)
{
	json_t *before = json_object_get(server, "before");

	json_object_update(server, before);
	json_object_del(server, "before");
}

/**
 * server_resize_status() - Nova's word for how far a server's resize is
 * @server: document
 * @was:    the word before
 * @over:   gets whether no other will follow
 *
 * Return: "migrating", "finished", "confirming", "confirmed", "reverting", "reverted", "error"; one
 * that is over stays what it is.
 */
const char *server_resize_status(const json_t *server, const char *was, bool *over)
{
	static const char *const tasks[][2] = { { "resize_prep", "migrating" },
						{ "resize_confirming", "confirming" },
						{ "resize_reverting", "reverting" } };
	static const char *const ends[][2] = { { "finished", "confirmed" },
					       { "confirming", "confirmed" },
					       { "reverting", "reverted" } };
	bool failed = doc_is(server, "vm_state", "error") && strcmp(was, "finished") != 0;

	*over = false;
	for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
		if (doc_is(server, "task_state", tasks[i][0]))
			return tasks[i][1];
	if (json_object_get(server, "before"))
		return doc_is(server, "vm_state", "resized") ? "finished" : was;
	*over = true;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (!failed && !strcmp(was, ends[i][0]))
			return ends[i][1];
	return "error";
}

/* Has it the disk it boots from, and the one to go back to, and no other? */
static bool has_disks(const json_t *desired, const json_t *report)
{
	const json_t *kept = json_object_get(report, "kept_disk");
	const json_t *old = json_object_get(json_object_get(desired, "before"), "disk");

	return doc_int(desired, "disk") == doc_int(report, "disk") &&
	       json_is_integer(kept) == json_is_integer(old) &&
	       json_integer_value(kept) == json_integer_value(old) &&
	       doc_int(desired, "rescue") == doc_int(report, "rescue");
}

/* The row that a report settles: it says what was wished, no reboot is owed, and no disk. */
static const struct settled *settled_by(const json_t *desired, const json_t *report)
{
	for (size_t i = 0; i < ARRAY_LEN(settled); i++)
		if (doc_is(report, "status", settled[i].status) &&
		    doc_is(desired, "power", settled[i].power) &&
		    doc_int(desired, "rebuild") <= doc_int(report, "rebuild") &&
		    has_disks(desired, report) &&
		    (doc_is(desired, "power", "off") ||
		     doc_int(desired, "reboot") <= doc_int(report, "reboot")))
			return &settled[i];
	return NULL;
}

/* In a rescue it stays, on or off, and so in a resize that may be taken back. */
static void settle(json_t *server, const json_t *desired, const char *vm_state)
{
	bool resized = json_is_object(json_object_get(desired, "before"));

	doc_set_text(server, "vm_state",
		     doc_int(desired, "rescue") ? "rescued"
		     : resized			? "resized"
						: vm_state);
	doc_set_text(server, "task_state", NULL);
	json_object_del(server, "fault");
}

/*
 * Off against the wish is the guest's own doing, unless a task that brings it up still runs: then
 * it is off for now.
 */
static bool went_off(const json_t *server, const json_t *desired, const json_t *report)
{
	static const char *const run[] = { "active", "paused", "suspended", "rescued", "resized" };
	bool busy = doc_text(server, "task_state") && doc_is(desired, "power", "on");

	if (!doc_is(report, "status", "SHUTOFF") || doc_is(desired, "power", "off") || busy)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(run); i++)
		if (doc_is(server, "vm_state", run[i]))
			return true;
	return false;
}

/* Its guest let its VFs not go, or it could not be saved: it runs on. */
static bool stays_awake(const json_t *desired, const json_t *report)
{
	return doc_is(desired, "power", "suspended") && doc_is(report, "status", "ACTIVE") &&
	       (json_is_object(json_object_get(report, "fault")) ||
		json_array_size(json_object_get(report, "kept")));
}

/* What its host cannot do to a server is not wished for any more: it goes on as it was. */
static void give_up(json_t *server)
{
	if (doc_is(server, "task_state", "resize_prep"))
		server_resize_back(server);
	if (!doc_is(server, "task_state", "rescuing"))
		return;
	server_leave_rescue(server);
	if (doc_is(server, "vm_state", "stopped"))
		doc_set_text(server, "power", "off");
}

/**
 * server_report() - What an agent's report makes of a server
 * @server:  the call's own copy of the document; changed in place
 * @desired: the wish the report answers (its generation was compared by the caller)
 * @report:  {"status", "power_state", "reboot", "fault"}; types were checked by the caller
 * @now:     time for launched_at and the fault
 *
 * DELETED is not handled here: it ends the document. `power` changes with what the guest did by
 * itself, so that the wish follows it.
 */
void server_report(json_t *server, const json_t *desired, const json_t *report, const char *now)
{
	const struct settled *row = settled_by(desired, report);
	const json_t *power = json_object_get(report, "power_state");
	const char *why = doc_text(json_object_get(report, "fault"), "message");

	if (power)
		json_object_set(server, "power_state", (json_t *)power);
	if (doc_is(server, "task_state", "deleting")) {
		;
	} else if (row) {
		server_finish(server, now, NULL);
		settle(server, desired, row->vm_state);
		if (!strcmp(row->status, "ACTIVE") && !doc_text(server, "launched_at"))
			doc_set_text(server, "launched_at", now);
	} else if (went_off(server, desired, report)) {
		server_finish(server, now, "The guest went off by itself");
		settle(server, desired, "stopped");
		doc_set_text(server, "power", "off");
	} else if (stays_awake(desired, report)) {
		server_finish(server, now, "The guest did not let itself be suspended");
		settle(server, desired, "active");
		doc_set_text(server, "power", "on");
	} else if (doc_is(report, "status", "ERROR")) {
		give_up(server);
		server_fail(server, why ? why : "The host reported an error without a reason",
			    "The host could not run the server; the reason is for an admin to see",
			    now);
	}
}
