/* SPDX-License-Identifier: Apache-2.0 */
/* createImage: see compute/snapshot.c. */
#include <errno.h>
#include <stdio.h>

#include "compute/actions/actions.h"

static const struct rfield image_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 255 },
	{ "metadata", J_OBJ, R_CREATE, "{}" },
	{ NULL },
};

static int reply_image(struct call *c, const char *id)
{
	char where[640];

	if (compute_minor(c) >= 45)
		return call_reply(c, 202, json_pack("{s:s}", "image_id", id));
	snprintf(where, sizeof(where), "%s/image/v2/images/%s", c->opts->public_url, id);
	call_header(c, "Location", where);
	return call_reply(c, 202, NULL);
}

/**
 * action_image() - createImage: an image of the server's disk
 * @c:    the call
 * @args: {"name", "metadata"}
 *
 * Return: as a handler.
 */
int action_image(struct call *c, const json_t *args)
{
	auto_of(json_decref) json_t *given = NULL, *server = NULL;
	const json_t *metadata;
	int rc = fields_accept(c, image_rows, args, false, &given);

	metadata = json_object_get(given, "metadata");
	rc = rc ?: images_check_metadata(c, metadata);
	if (rc)
		return rc;
	server = action_begin(c, "createImage", "createImage");
	if (!server)
		return -EBUSY;
	rc = snapshot_make(c, server, doc_text(given, "name"), metadata);
	rc = rc ?: action_commit(c, json_incref(server), 202);
	return rc ?: reply_image(c, doc_text(server, "snapshot"));
}
