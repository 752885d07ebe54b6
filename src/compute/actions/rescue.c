/* SPDX-License-Identifier: Apache-2.0 */
/* rescue and unrescue: a server boots from another disk, and has its own as the second. */
#include <errno.h>

#include "compute/actions/actions.h"
#include "compute/boot.h"
#include "compute/server_state.h"

/* What it is rescued with: an image that its flavor could boot, or that which it was made of. */
static int find_image(struct call *c, const char *id, json_t *server)
{
	struct boot b = { .flavor = json_object_get(server, "flavor") };
	int rc = 0;

	if (!id)
		return json_object_set(server, "rescue_image", json_object_get(server, "image"));
	b.given = json_pack("{s:s}", "imageRef", id);
	rc = boot_find_image(c, &b);
	if (!rc)
		json_object_set_new(server, "rescue_image", boot_image(&b));
	json_decref(b.given);
	return rc;
}

/**
 * action_rescue() - rescue
 * @c:    the call
 * @args: {"adminPass", "rescue_image_ref"}, or null
 *
 * Each rescue has a number of its own, so that its host makes it a fresh disk.
 *
 * Return: as a handler.
 */
int action_rescue(struct call *c, const json_t *args)
{
	auto_of(json_decref) json_t *server = action_begin(c, "rescue", "rescue");
	auto_of(json_decref) json_t *given =
		json_is_null(args) ? json_object() : json_copy((json_t *)args);
	int rc;

	if (!server)
		return -EBUSY;
	rc = find_image(c, doc_text(given, "rescue_image_ref"), server);
	if (rc)
		return rc;
	boot_password(given);
	json_object_set(server, "rescue_pass", json_object_get(given, "adminPass"));
	json_object_set(server, "rescue", json_object_get(server, "asked"));
	doc_set_text(server, "power", "on");
	rc = server_check_size(c, server) ?: action_commit(c, json_incref(server), 200);
	return rc
		       ?: call_reply(c, 200,
				     json_pack("{s:O}", "adminPass",
					       json_object_get(given, "adminPass")));
}

/**
 * action_unrescue() - unrescue
 * @c:    the call
 * @args: are not looked at
 *
 * Return: as a handler.
 */
int action_unrescue(struct call *c, const json_t *args)
{
	json_t *server = action_begin(c, "unrescue", "unrescue");

	if (!server)
		return -EBUSY;
	server_leave_rescue(server);
	doc_set_text(server, "power", "on");
	return action_commit(c, server, 202);
}
