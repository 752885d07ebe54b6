/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nova's proxy of images, until 2.35, and of what it calls their metadata, until 2.38: who sees and
 * who changes an image is the image service's to judge. Mirrors
 * nova/api/openstack/compute/images.py, nova/api/openstack/compute/image_metadata.py and
 * nova/api/openstack/compute/views/images.py.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compute/compute.h"
#include "engine/cache.h"
#include "image/image.h"

#define IMAGES_MINOR_MAX   35
#define METADATA_MINOR_MAX 38

static json_t *metadata_of(struct call *c, const json_t *image)
{
	json_t *out = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)image, name, value)
		if (image_is_property(c, name))
			json_object_set(out, name, value);
	return out;
}

/* Nova's word and its guess of how far it is. */
static const struct status {
	const char *glance, *nova;
	int progress;
} statuses[] = {
	{ "queued", "SAVING", 25 },
	{ "active", "ACTIVE", 100 },
	{ "killed", "ERROR", 0 },
	{ "", "UNKNOWN", 0 },
};

static const struct status *status_of(const json_t *image)
{
	const struct status *s = statuses;

	while (*s->glance && !doc_is(image, "status", s->glance))
		s++;
	return s;
}

static json_t *view_brief(struct call *c, const json_t *image)
{
	const char *id = doc_str(image, "id");
	json_t *links = compute_links(c, "images", id);

	json_array_append_new(
		links, json_pack("{s:s,s:s,s:o}", "rel", "alternate", "type",
				 "application/vnd.openstack.image", "href",
				 json_sprintf("%s/image/v2/images/%s", c->opts->public_url, id)));
	return json_pack("{s:s,s:O,s:o}", "id", id, "name", json_object_get(image, "name"), "links",
			 links);
}

static json_t *view(struct call *c, const json_t *image)
{
	const struct status *status = status_of(image);
	json_t *metadata = metadata_of(c, image), *out = view_brief(c, image);
	const char *server = doc_text(metadata, "instance_uuid");
	const char *disk = doc_text(metadata, "auto_disk_config");

	json_object_update_new(out, json_pack("{s:I,s:I,s:O,s:O,s:s,s:i,s:I}", "minRam",
					      (json_int_t)doc_int(image, "min_ram"), "minDisk",
					      (json_int_t)doc_int(image, "min_disk"), "created",
					      json_object_get(image, "created_at"), "updated",
					      json_object_get(image, "updated_at"), "status",
					      status->nova, "progress", status->progress,
					      "OS-EXT-IMG-SIZE:size",
					      (json_int_t)doc_int(image, "size")));
	if (server)
		json_object_set_new(out, "server",
				    json_pack("{s:s,s:o}", "id", server, "links",
					      compute_links(c, "servers", server)));
	if (disk)
		doc_set_text(out, "OS-DCF:diskConfig",
			     field_bool_word(disk) == 1 ? "AUTO" : "MANUAL");
	json_object_set_new(out, "metadata", metadata);
	return out;
}

/* The image service's word for a parameter; NULL: Nova passes it over. */
static const char *member_of(const char *param)
{
	static const char *const words[][2] = {
		{ "name", "name" },
		{ "status", "status" },
		{ "changes-since", "updated_at" },
		{ "server", "instance_uuid" },
		{ "type", "image_type" },
		{ "minRam", "min_ram" },
		{ "minDisk", "min_disk" },
	};

	if (!strncmp(param, "property-", 9))
		return param + 9;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(param, words[i][0]))
			return words[i][1];
	return NULL;
}

/* A server may be a link to it, a status is written in either case. */
static json_t *value_of(const char *member, const char *value)
{
	const char *slash = strrchr(value, '/');
	auto_free char *lower = NULL;

	if (!strcmp(member, "instance_uuid") && slash)
		return json_string(slash + 1);
	if (!strcmp(member, "updated_at"))
		return json_sprintf("gte:%s", value);
	if (strcmp(member, "status"))
		return json_string(value);
	lower = strdup(value);
	for (char *p = lower; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return lower ? json_string(lower) : NULL;
}

/* What a list is asked for, in the image service's words, each judged by it. */
static int read_filters(struct call *c, json_t *filters)
{
	const char *param, *member;
	int rc = 0;

	for (unsigned int i = 0; !rc && (param = call_arg_name(c, i)); i++) {
		json_t *value;

		member = member_of(param);
		if (!member || json_object_get(filters, member))
			continue;
		value = value_of(member, call_arg(c, param));
		if (!value || json_object_set_new(filters, member, value))
			return call_fail(c, 400, "BadRequest", "'%s' is no text in UTF-8", param);
		rc = image_check_filter(c, member, json_string_value(value));
	}
	return rc;
}

static bool selects(struct call *c, const json_t *image, const json_t *filters)
{
	const char *name, *text;
	json_t *value;
	char buf[32];

	json_object_foreach ((json_t *)filters, name, value) {
		const json_t *member = json_object_get(image, name);
		enum selects how = image_selects(c, image, name, json_string_value(value));

		text = member ? json_text(member, buf) : NULL;
		if (how == SELECTS_NOT ||
		    (how == SELECTS_OTHER && (!text || strcmp(text, json_string_value(value)))))
			return false;
	}
	return true;
}

/* The newest first, as the image service has them. */
static int compare(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	int way = strcmp(doc_str(*y, "created_at"), doc_str(*x, "created_at"));

	return way ? way : strcmp(doc_str(*y, "id"), doc_str(*x, "id"));
}

/* The images that are listed, and asked for. */
static int gather(struct call *c, const json_t *filters, json_t *list)
{
	struct cursor it = res_list(c, &image_resource, NULL, NULL);

	while (cursor_next(&it))
		if (res_visible(c, &image_resource, it.doc) && image_listed_plainly(c, it.doc) &&
		    selects(c, it.doc, filters))
			json_array_append(list, (json_t *)it.doc);
	return compute_sort(list, compare);
}

/* The image service has no limit of 0: Nova asks it for all then. */
static int page(struct call *c, json_t **list, json_t **next)
{
	const char *limit = call_arg(c, "limit");

	return limit && !strtol(limit, NULL, 10) ? 0 : compute_page(c, "id", list, next);
}

static int reply_list(struct call *c, json_t *(*show)(struct call *c, const json_t *image))
{
	auto_of(json_decref) json_t *filters = json_object();
	auto_of(json_decref) json_t *list = json_array(), *out = json_array();
	json_t *next = NULL, *image;
	size_t i;
	int rc = version_until(c, IMAGES_MINOR_MAX) ?: read_filters(c, filters)
		       ?: gather(c, filters, list) ?: page(c, &list, &next);

	if (rc)
		return rc;
	json_array_foreach (list, i, image)
		json_array_append_new(out, show(c, image));
	return call_reply(c, 200, json_pack("{s:O,s:o*}", "images", out, "images_links", next));
}

static int list_brief(struct call *c)
{
	return reply_list(c, view_brief);
}

static int list_detail(struct call *c)
{
	return reply_list(c, view);
}

static void say_no_image(struct call *c)
{
	call_fault_say(c, 404, "Image not found.");
}

/* The image of the path; last: until which microversion. NULL with a fault. */
static const json_t *find(struct call *c, unsigned int last)
{
	const json_t *image = NULL;

	if (version_until(c, last))
		return NULL;
	image = res_find(c, &image_resource, c->ids[0]);
	if (!image)
		say_no_image(c);
	return image;
}

static int show_image(struct call *c)
{
	const json_t *image = find(c, IMAGES_MINOR_MAX);

	return image ? call_reply(c, 200, json_pack("{s:o}", "image", view(c, image))) : -ENOENT;
}

static int delete_image(struct call *c)
{
	int rc = version_until(c, IMAGES_MINOR_MAX);

	if (rc)
		return rc;
	rc = image_remove(c);
	if (rc < 0) {
		say_no_image(c);
		call_fault_say(c, 403, "You are not allowed to delete the image.");
	}
	return rc;
}

static int list_metadata(struct call *c)
{
	const json_t *image = find(c, METADATA_MINOR_MAX);

	return image ? call_reply(c, 200, json_pack("{s:o}", "metadata", metadata_of(c, image)))
		     : -ENOENT;
}

/* What an image has under the key of the path; NULL: no metadata of that name. */
static json_t *item_of(struct call *c, const json_t *image)
{
	return image_is_property(c, c->ids[1]) ? json_object_get(image, c->ids[1]) : NULL;
}

static int show_item(struct call *c)
{
	const json_t *image = find(c, METADATA_MINOR_MAX);
	json_t *value = item_of(c, image);

	if (!image)
		return -ENOENT;
	if (!value)
		return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	return call_reply(c, 200, json_pack("{s:{s:O}}", "meta", c->ids[1], value));
}

/* The image of the path, if the caller may change it. */
static const json_t *find_own(struct call *c)
{
	const json_t *image = find(c, METADATA_MINOR_MAX) ? image_find_own(c) : NULL;

	if (!image)
		call_fault_say(c, 403, "Not authorized for image %s.", c->ids[0]);
	return image;
}

/**
 * images_check_metadata() - May an image have metadata?
 * @c:        the call
 * @metadata: object; words.c has judged its keys and values
 *
 * Return: 0, or after call_fail() with 403: too many, or one that is an attribute.
 */
int images_check_metadata(struct call *c, const json_t *metadata)
{
	int64_t limit = quota_limit(c, c->auth->project_id, QUOTA_METADATA);
	const char *name;
	json_t *value;

	if (limit >= 0 && json_object_size(metadata) > (size_t)limit)
		return call_fail(c, 403, "Forbidden", "Image metadata limit exceeded");
	json_object_foreach ((json_t *)metadata, name, value)
		if (!image_is_property(c, name))
			return call_fail(c, 403, "Forbidden",
					 "'%s' is an attribute of the image, and no metadata.",
					 name);
	return 0;
}

/* Gives an image other metadata; the rest of it stays as it is. */
static int put_metadata(struct call *c, const json_t *image, const json_t *metadata)
{
	auto_of(json_decref) json_t *doc = json_copy((json_t *)image);
	int rc = images_check_metadata(c, metadata);
	const char *name;
	json_t *value;
	void *tmp;

	if (rc)
		return rc;
	json_object_foreach_safe(doc, tmp, name, value) if (image_is_property(c, name) &&
							    !json_object_get(metadata, name))
		json_object_del(doc, name);
	json_object_update(doc, (json_t *)metadata);
	return res_change(c, &image_resource, json_incref(doc));
}

/* POST adds to what there is, PUT replaces it. */
static int set_metadata(struct call *c)
{
	const json_t *image = find_own(c), *in = image ? compute_body(c, "metadata") : NULL;
	auto_of(json_decref) json_t *all = NULL;

	if (!in)
		return -ENOENT;
	all = strcmp(c->method, "PUT") ? metadata_of(c, image) : json_object();
	json_object_update(all, (json_t *)in);
	return put_metadata(c, image, all)
		       ?: call_reply(c, 200, json_pack("{s:O}", "metadata", all));
}

static int set_item(struct call *c)
{
	const json_t *image = find_own(c), *in = image ? compute_body(c, "meta") : NULL;
	auto_of(json_decref) json_t *all = NULL;

	if (!in)
		return -ENOENT;
	if (json_object_size(in) != 1 || !json_object_get(in, c->ids[1]))
		return call_fail(c, 400, "BadRequest", "Request body and URI mismatch");
	all = metadata_of(c, image);
	json_object_update(all, (json_t *)in);
	return put_metadata(c, image, all) ?: call_reply(c, 200, json_pack("{s:O}", "meta", in));
}

static int delete_item(struct call *c)
{
	const json_t *image = find_own(c);
	auto_of(json_decref) json_t *all = NULL;

	if (!image)
		return -ENOENT;
	if (!item_of(c, image))
		return call_fail(c, 404, "HTTPNotFound", "Invalid metadata key");
	all = metadata_of(c, image);
	json_object_del(all, c->ids[1]);
	return put_metadata(c, image, all) ?: call_reply(c, 204, NULL);
}

const struct route image_proxy_routes[] = {
	{ "GET", "/v2.1/images", list_brief, RULE_READ },
	{ "GET", "/v2.1/images/detail", list_detail, RULE_READ },
	{ "GET", "/v2.1/images/{}", show_image, RULE_READ },
	{ "DELETE", "/v2.1/images/{}", delete_image, RULE_WRITE },
	{ "GET", "/v2.1/images/{}/metadata", list_metadata, RULE_READ },
	{ "POST", "/v2.1/images/{}/metadata", set_metadata, RULE_WRITE },
	{ "PUT", "/v2.1/images/{}/metadata", set_metadata, RULE_WRITE },
	{ "GET", "/v2.1/images/{}/metadata/{}", show_item, RULE_READ },
	{ "PUT", "/v2.1/images/{}/metadata/{}", set_item, RULE_WRITE },
	{ "DELETE", "/v2.1/images/{}/metadata/{}", delete_item, RULE_WRITE },
	{ NULL },
};
