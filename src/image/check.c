/* SPDX-License-Identifier: Apache-2.0 */
/* Image v2: what an image's document may hold, and how much a project may have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/policy.h"
#include "image/image.h"

#define DOCUMENT_MAX 65536 /* bytes of JSON: it is kept in memory, and copied into wishes */
#define TAGS_MAX     128   /* as Glance's image_tag_quota */
#define NAME_MAX_LEN 255   /* bytes of a property's or tag's name */
#define GONE_MAX     1000  /* deleted ids remembered of a project, lest it fills the store */

/* Members that are ours to write, beside those of the table. */
static const char *const reserved[] = { "self",	      "file",	    "schema",	  "stores",
					"locations",  "direct_url", "location",	  "deleted",
					"deleted_at", "created_at", "updated_at", NULL };

/**
 * image_is_reserved() - Is a member neither the table's nor a client's to set?
 * @name: member
 *
 * Return: true for links, stamps and what begins with "os_glance_", as in Glance. Pure.
 */
bool image_is_reserved(const char *name)
{
	for (const char *const *r = reserved; *r; r++)
		if (!strcmp(*r, name))
			return true;
	return !strncmp(name, "os_glance_", 10);
}

/**
 * image_find_own() - The image c->ids[0] if the caller may change it
 * @c: the call
 *
 * Return: borrowed; NULL with a 404 or 403 set.
 */
const json_t *image_find_own(struct call *c)
{
	const json_t *doc = res_find(c, &image_resource, c->ids[0]);

	if (!doc || caller_owns(c, doc_str(doc, "owner")))
		return doc;
	call_fail(c, 403, NULL, "You are not permitted to modify this image.");
	return NULL;
}

/* Does the wish for a server of the calling agent's host name an image in one of these members? */
static bool is_wished(struct call *c, const char *in, const char *const names[], const char *id)
{
	const char *host = caller_host(c);
	struct cursor it;

	if (!host)
		return false;
	it = call_list(c, "/host/%s/server/", host);
	while (cursor_next(&it))
		for (size_t i = 0; names[i]; i++)
			if (doc_is(in ? json_object_get(it.doc, in) : it.doc, names[i], id))
				return true;
	return false;
}

/**
 * image_is_wanted() - Is an image what servers of the calling agent's host are made of?
 * @c:  the call
 * @id: image
 *
 * It gets these, and no others.
 */
bool image_is_wanted(struct call *c, const char *id)
{
	static const char *const names[] = { "id", "kernel_id", "ramdisk_id", NULL };

	return is_wished(c, "image", names, id) || is_wished(c, "rescue_image", names, id);
}

/**
 * image_is_snapshot() - Is an image to be made of a server's disk by the calling agent's host?
 * @c:  the call
 * @id: image
 */
bool image_is_snapshot(struct call *c, const char *id)
{
	return is_wished(c, NULL, (const char *const[]){ "snapshot", NULL }, id);
}

static int64_t limit_of(const struct call *c, const char *key)
{
	int64_t limit = strtoll(conf_get(c->opts->conf, "image", key), NULL, 10);

	return limit < 0 ? INT64_MAX : limit;
}

/**
 * image_is_property() - Is a member of an image neither the table's nor ours?
 * @c:    the call
 * @name: member
 *
 * Return: true for what Nova calls the metadata of an image.
 */
bool image_is_property(const struct call *c, const char *name)
{
	return !res_field(c, &image_resource, name) && !image_is_reserved(name);
}

static int check_properties(struct call *c, const json_t *doc, const json_t *old)
{
	const char *key;
	json_t *value;
	int64_t n = 0, max = limit_of(c, "quota_properties");

	json_object_foreach ((json_t *)doc, key, value) {
		if (image_is_reserved(key) && !json_equal(value, json_object_get(old, key)))
			return call_fail(c, 403, NULL, "Attribute '%.255s' is reserved.", key);
		if (!image_is_property(c, key))
			continue;
		if (!*key || strlen(key) > NAME_MAX_LEN)
			return call_fail(c, 400, NULL, "A property's name has 1 to %d characters.",
					 NAME_MAX_LEN);
		if (!json_is_string(value) && !json_equal(value, json_object_get(old, key)))
			return call_fail(c, 400, NULL, "Property '%s' must be a string.", key);
		n++;
	}
	if (n > max)
		return call_fail(c, 413, NULL,
				 "The limit has been exceeded on the number of allowed image "
				 "properties. Attempted: %lld, Maximum: %lld",
				 (long long)n, (long long)max);
	return 0;
}

/* Tags are a set. */
static int check_tags(struct call *c, json_t *doc)
{
	const json_t *tags = json_object_get(doc, "tags"), *tag;
	size_t i;

	json_array_foreach ((json_t *)tags, i, tag)
		if (!json_is_string(tag) || json_string_length(tag) > NAME_MAX_LEN)
			return call_fail(c, 400, NULL, "Tags are strings of at most %d characters.",
					 NAME_MAX_LEN);
	if (json_array_size(tags) > TAGS_MAX)
		return call_fail(c, 413, NULL,
				 "The limit has been exceeded on the number of allowed image tags. "
				 "Attempted: %zu, Maximum: %d",
				 json_array_size(tags), TAGS_MAX);
	return json_object_set_new(doc, "tags", list_of_each(tags)) ? -ENOMEM : 0;
}

/* What an image is stays once it has bytes: hosts keep them under its name. */
static int check_formats(struct call *c, const json_t *doc, const json_t *old)
{
	static const char *const formats[] = { "disk_format", "container_format" };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(doc_str(old, "status"), "queued") != 0 &&
		    strcmp(doc_str(doc, formats[i]), doc_str(old, formats[i])) != 0)
			return call_fail(c, 403, NULL,
					 "Attribute %s can be only replaced for a queued image.",
					 formats[i]);
	return 0;
}

/* A new image: its id was nobody's before, and its project may have one more. */
static int check_new(struct call *c, const json_t *doc)
{
	int64_t max = limit_of(c, "quota_images");
	unsigned int n = res_count(c, &image_resource, "owner", doc_str(doc, "owner"));

	if (res_get(c, &image_gone_resource, doc_str(doc, "id")))
		return call_fail(c, 409, NULL, "Image ID %s already exists!", doc_str(doc, "id"));
	if (n < max)
		return 0;
	return call_fail(c, 413, NULL,
			 "Resource image_count_total is over limit of %lld due to current usage %u "
			 "and delta 1",
			 (long long)max, n);
}

static const struct rfield gone_fields[] = {
	{ "id", J_UUID, 0 },
	{ "owner", J_STR, R_INDEX },
	{ "deleted_at", J_INT, 0 },
	{ NULL },
};

/* Ids of deleted images; nobody sees them. */
const struct resource image_gone_resource = {
	.one = "image_gone",
	.many = "images_gone",
	.owner = "owner",
	.fields = gone_fields,
};

/**
 * image_spend() - Remember that an id was an image's
 * @c:   the call
 * @doc: the image, which goes
 *
 * Whoever knows the id may have kept the bytes under it: it names no other image, until
 * image_sweep() forgets it, or the project deletes a thousand more.
 *
 * Return: 0 or what call_put() says.
 */
int image_spend(struct call *c, const json_t *doc)
{
	struct cursor it = res_list(c, &image_gone_resource, "owner", doc_str(doc, "owner"));
	json_int_t now_s = c->now_us / 1000000;
	int rc = 0;

	if (res_count(c, &image_gone_resource, "owner", doc_str(doc, "owner")) >= GONE_MAX &&
	    cursor_next(&it))
		rc = call_delete(c, "/image_gone/%s", doc_str(it.doc, "id"));
	return rc ? rc
		  : call_put(c,
			     json_pack("{s:s,s:s,s:I}", "id", doc_str(doc, "id"), "owner",
				       doc_str(doc, "owner"), "deleted_at", now_s),
			     "/image_gone/%s", doc_str(doc, "id"));
}

/**
 * image_check() - Judge an image's document
 * @c:   the call
 * @doc: complete, with its id
 * @old: what stands there, NULL for a new one
 *
 * Return: 0, or after call_fail(): 400, 403, 409, 413.
 */
int image_check(struct call *c, json_t *doc, const json_t *old)
{
	size_t size;
	int rc;

	if (!strcmp(doc_str(doc, "visibility"), "public") && !caller_is_admin(c) &&
	    strcmp(doc_str(old, "visibility"), "public") != 0)
		return call_fail(c, 403, NULL,
				 "You are not authorized to complete publicize_image "
				 "action.");
	if (old && !doc_same(doc, old, "owner") && !caller_is_admin(c))
		return call_fail(c, 403, NULL, "An image is given to another project by an admin.");
	rc = check_tags(c, doc);
	rc = rc ? rc : check_properties(c, doc, old);
	rc = rc ? rc : old ? check_formats(c, doc, old) : check_new(c, doc);
	size = rc ? 0 : json_dumpb(doc, NULL, 0, JSON_COMPACT);
	if (size > DOCUMENT_MAX)
		return call_fail(c, 413, NULL,
				 "The image's properties take %zu bytes, at most %d are kept", size,
				 DOCUMENT_MAX);
	return rc;
}

/**
 * image_room() - How many bytes a project's images may grow
 * @c:     the call
 * @owner: project
 *
 * Return: bytes; 0 when there are too many already.
 */
int64_t image_room(struct call *c, const char *owner)
{
	struct cursor it = res_list(c, &image_resource, "owner", owner);
	int64_t gb = limit_of(c, "quota_gb"), room;

	room = gb > INT64_MAX >> 30 ? INT64_MAX : gb << 30;
	while (cursor_next(&it))
		room -= MIN(doc_int(it.doc, "size"), (json_int_t)room);
	return room;
}

/**
 * image_check_room() - May a project keep so many bytes more?
 * @c:     the call
 * @owner: project
 * @size:  bytes
 *
 * Return: 0, or after call_fail() with 413.
 */
int image_check_room(struct call *c, const char *owner, int64_t size)
{
	int64_t room = image_room(c, owner);

	if (size <= room)
		return 0;
	return call_fail(c, 413, NULL,
			 "Resource image_size_total is over limit: the project's images may grow "
			 "by %lld bytes, not by %lld",
			 (long long)room, (long long)size);
}
