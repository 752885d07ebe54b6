/* SPDX-License-Identifier: Apache-2.0 */
/* What all actions on a server begin and end with. */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "compute/server_state.h"

static int refuse_locked(struct call *c, const json_t *server)
{
	if (!doc_bool(server, "locked") || caller_is_admin(c))
		return 0;
	return call_fail(c, 409, "InstanceIsLocked", "Instance %s is locked",
			 doc_text(server, "id"));
}

/**
 * action_begin() - An action on the call's server, c->ids[0]
 * @c:      the call
 * @action: as server_may() has it
 * @noted:  Nova's word for its record
 *
 * Return: the call's own copy of a server on which it may begin; NULL after a fault.
 */
json_t *action_begin(struct call *c, const char *action, const char *noted)
{
	const json_t *old = server_find(c, c->ids[0]);
	struct err e = { 0 };

	/* An image of the disk changes nothing of the server: Nova lets whoever has it make one. */
	if (!old || (strcmp(action, "createImage") && refuse_locked(c, old)))
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

/**
 * action_commit() - Write a server on which an action has begun, and tell its host
 * @c:            the call
 * @server_taken: from action_begin(), changed; taken
 * @status:       of the answer
 *
 * Return: as a handler.
 */
int action_commit(struct call *c, json_t *server_taken, unsigned int status)
{
	auto_of(json_decref) json_t *server = json_incref(server_taken);
	int rc = server_put(c, server_taken) ?: server_changed(c, server);

	return rc ? rc : call_reply(c, status, NULL);
}
