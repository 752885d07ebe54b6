/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of servers' disks: queued when they are asked for, filled by the server's host, gone when
 * that fails. A server has one at a time; its member `snapshot` is the image's id.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"
#include "compute/server_state.h"
#include "image/image.h"

/* The image of a server's disk boots as the server's own image does. Its metadata are the user's to
 * say, those that Nova has words for, too. */
static json_t *describe(struct call *c, const json_t *server, const char *name,
			const json_t *metadata)
{
	static const char *const parts[] = { "kernel_id", "ramdisk_id" };
	const json_t *image = json_object_get(server, "image");
	const json_t *base =
		json_object_get(json_object_get(image, "properties"), "base_image_ref");
	const char *project = c->auth->project_id;
	json_t *doc = json_copy(json_object_get(image, "properties"));

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (doc_text(image, parts[i]))
			json_object_set(doc, parts[i], json_object_get(image, parts[i]));
	json_object_update_new(doc, json_pack("{s:s,s:s,s:O,s:O}", "image_type", "snapshot",
					      "user_id", c->auth->user_id, "instance_uuid",
					      json_object_get(server, "id"), "base_image_ref",
					      base ? base : json_object_get(image, "id")));
	json_object_update(doc, (json_t *)metadata);
	json_object_update_new(
		doc, json_pack("{s:s,s:s,s:s,s:s,s:s,s:O}", "name", name, "disk_format", "qcow2",
			       "container_format", "bare", "visibility", "private", "owner",
			       *project ? project : doc_str(server, "project_id"), "min_disk",
			       json_object_get(json_object_get(server, "flavor"), "disk")));
	return doc;
}

/**
 * snapshot_make() - Queue an image of a server's disk
 * @c:        the call
 * @server:   the call's own copy: it gets the member
 * @name:     of the image
 * @metadata: further properties of it
 *
 * It is the caller's project's, and kept to it.
 *
 * Return: 0; what res_create() says: 413 where the project has too many.
 */
int snapshot_make(struct call *c, json_t *server, const char *name, const json_t *metadata)
{
	json_t *doc = describe(c, server, name, metadata);
	const json_t *image;
	int rc = doc ? res_create(c, &image_resource, doc, &image) : -ENOMEM;

	if (!rc)
		doc_set_text(server, "snapshot", doc_str(image, "id"));
	return rc;
}

/**
 * snapshot_drop() - A server's image is not made any more
 * @c:      the call
 * @server: stored document
 *
 * What its host did not fill goes, unless its owner protected it meanwhile.
 *
 * Return: 0 or what res_delete() says.
 */
int snapshot_drop(struct call *c, const json_t *server)
{
	const char *id = doc_text(server, "snapshot");
	const json_t *image = id ? res_get(c, &image_resource, id) : NULL;

	if (!image || doc_is(image, "status", "active") || doc_is(image, "status", "deactivated") ||
	    doc_bool(image, "protected"))
		return 0;
	return res_delete(c, &image_resource, id);
}

/**
 * snapshot_report() - What a host says of an image that it makes
 * @c:      the call
 * @server: the call's own copy; without the member, and its task, when all is done
 * @said:   member `snapshot` of the report, or null
 *
 * Return: 0 or what snapshot_drop() says.
 */
int snapshot_report(struct call *c, json_t *server, const json_t *said)
{
	bool tasked = !strncmp(doc_str(server, "task_state"), "image_", 6);
	char now[32];
	int rc;

	if (!doc_is(server, "snapshot", doc_str(said, "image")))
		return 0;
	if (tasked && doc_is(said, "status", "uploading"))
		doc_set_text(server, "task_state", "image_uploading");
	if (!doc_is(said, "status", "done") && !doc_is(said, "status", "failed"))
		return 0;
	rc = snapshot_drop(c, server);
	json_object_del(server, "snapshot");
	if (tasked) {
		server_finish(server, call_time(c, now),
			      doc_is(said, "status", "done") ? NULL : "No image was made");
		doc_set_text(server, "task_state", NULL);
	}
	return rc;
}
