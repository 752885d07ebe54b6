/* SPDX-License-Identifier: Apache-2.0 */
/* Image v2: the image as a table, its rules, JSON patch, tags and versions. */
#include "image/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char *const disk_formats[] = { "ami", "ari",   "aki", "vhd", "vhdx",  "vmdk",
					    "raw", "qcow2", "vdi", "iso", "ploop", NULL };
static const char *const container_formats[] = { "ami", "ari",	  "aki",	"bare", "ovf",
						 "ova", "docker", "compressed", NULL };
static const char *const visibilities[] = { "public", "private", "shared", "community", NULL };
static const char *const sort_keys[] = { "name",	"status",     "container_format",
					 "disk_format", "size",	      "id",
					 "created_at",	"updated_at", NULL };
#define R_BOTH (R_CREATE | R_UPDATE)

static const struct rfield image_fields[] = {
	{ "id", J_UUID, R_CREATE | R_FILTER },
	{ "name", J_STR, R_BOTH | R_FILTER | R_NULL },
	{ "disk_format", J_STR, R_BOTH | R_FILTER | R_NULL, .names = disk_formats },
	{ "container_format", J_STR, R_BOTH | R_FILTER | R_NULL, .names = container_formats },
	{ "visibility", J_STR, R_BOTH | R_FILTER, "\"shared\"", .names = visibilities },
	{ "size", J_INT, R_FILTER },
	{ "virtual_size", J_INT, R_FILTER },
	{ "status", J_STR, R_FILTER, "\"queued\"" },
	{ "checksum", J_STR, R_FILTER },
	{ "protected", J_BOOL, R_BOTH | R_FILTER, "false" },
	{ "min_ram", J_INT, R_BOTH | R_FILTER, "0", .min = 0, .max = INT32_MAX },
	{ "min_disk", J_INT, R_BOTH | R_FILTER, "0", .min = 0, .max = INT32_MAX },
	{ "owner", J_STR, R_BOTH | R_FILTER | R_INDEX },
	{ "os_hidden", J_BOOL, R_BOTH | R_FILTER, "false" },
	{ "os_hash_algo", J_STR, R_FILTER },
	{ "os_hash_value", J_STR, R_FILTER },
	{ "tags", J_LIST, R_BOTH, "[]" },
	{ NULL },
};

static bool is_own(const struct call *c, const json_t *doc)
{
	return caller_owns(c, doc_str(doc, "owner"));
}

static bool image_visible(const struct call *c, const json_t *doc)
{
	const char *visibility = doc_str(doc, "visibility");

	return is_own(c, doc) || image_is_wanted((struct call *)c, doc_str(doc, "id")) ||
	       !strcmp(visibility, "public") || !strcmp(visibility, "community") ||
	       (!strcmp(visibility, "shared") && image_member(c, doc));
}

static int image_show(struct call *c, const json_t *doc, json_t *out)
{
	char self[100], file[110];

	snprintf(self, sizeof(self), "/v2/images/%s", doc_str(doc, "id"));
	snprintf(file, sizeof(file), "%s/file", self);
	if (!strcmp(doc_str(doc, "status"), "active"))
		json_object_set_new(out, "stores", json_string(IMAGE_STORE));
	return json_object_set_new(out, "self", json_string(self)) ||
			       json_object_set_new(out, "file", json_string(file)) ||
			       json_object_set_new(out, "schema", json_string("/v2/schemas/image"))
		       ? -ENOMEM
		       : 0;
}

static int image_deleted(struct call *c, const json_t *doc)
{
	struct cursor it = call_list(c, "/image_member/%s/", doc_str(doc, "id"));
	int rc = 0;

	if (doc_bool(doc, "protected"))
		return call_fail(c, 403, NULL, "Image %s is protected and cannot be deleted.",
				 doc_str(doc, "id"));
	while (!rc && cursor_step(&it))
		rc = call_delete(c, "%s", it.key);
	if (!rc && call_get(c, "/image_at/%s", doc_str(doc, "id")))
		rc = call_delete(c, "/image_at/%s", doc_str(doc, "id"));
	return rc ? rc : image_spend(c, doc);
}

const struct resource image_resource = {
	.one = "image",
	.many = "images",
	.label = "Image",
	.path = "/v2/images",
	.flags = RES_TIMES | RES_FREE_FORM | RES_NO_UPDATE,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.owner = "owner",
	.fields = image_fields,
	.sort_keys = sort_keys,
	.check = image_check,
	.deleted = image_deleted,
	.show = image_show,
	.visible = image_visible,
	.listed = image_listed,
	.check_filter = image_check_filter,
	.selects = image_selects,
};
static const struct resource *const resources[] = { &image_resource, &image_gone_resource, NULL };

static int create_image(struct call *c)
{
	char url[ENGINE_URL_LEN + 100];
	int rc = res_handle_create(c, &image_resource);

	if (rc)
		return rc;
	snprintf(url, sizeof(url), "%s/image/v2/images/%s", c->opts->public_url,
		 doc_str(c->reply, "id"));
	call_header(c, "Location", url);
	call_header(c, "OpenStack-image-import-methods", IMAGE_IMPORT);
	call_header(c, "OpenStack-image-store-ids", IMAGE_STORE);
	return 0;
}

/* The member that a JSON pointer (RFC 6901) names: one of the image's own, "~1" a slash in it and
 * "~0" a tilde. */
static int read_pointer(struct call *c, const char *path, char name[256])
{
	bool bad = path[0] != '/' || !path[1] || strchr(path + 1, '/') || strlen(path) >= 256;
	size_t n = 0;

	for (const char *p = path + 1; !bad && *p; p++) {
		bool escape = *p == '~';

		p += escape;
		bad = escape && *p != '0' && *p != '1';
		name[n++] = escape ? (*p == '1' ? '/' : '~') : *p;
	}
	name[n] = '\0';
	return bad ? call_fail(c, 400, NULL, "Invalid JSON pointer for this resource: '%.300s'",
			       path)
		   : 0;
}

/* One step of a JSON patch (RFC 6902): "add", "replace" or "remove" of one member. */
static int patch_step(struct call *c, const json_t *step, json_t *doc, json_t *given)
{
	const char *op = doc_str(step, "op"), *path = doc_str(step, "path");
	const json_t *value = json_object_get(step, "value");
	bool remove = !strcmp(op, "remove");
	const struct rfield *row;
	char name[256];
	int rc = read_pointer(c, path, name);

	if (rc)
		return rc;
	row = res_field(c, &image_resource, name);
	if (image_is_reserved(name) || (row && !(row->flags & R_UPDATE)))
		return call_fail(c, 403, NULL, "Attribute '%s' is read-only.", name);
	if (remove && row)
		return call_fail(c, 403, NULL, "Property '%s' may not be removed.", name);
	if (!remove && strcmp(op, "add") != 0 && strcmp(op, "replace") != 0)
		return call_fail(c, 400, NULL, "Invalid patch operation: %s", op);
	if (!remove && !value)
		return call_fail(c, 400, NULL, "The patch of %s has no value.", path);
	if (strcmp(op, "add") != 0 && !row && !json_object_get(doc, name))
		return call_fail(c, 409, NULL, "Property %s does not exist.", name);
	if (remove)
		return json_object_del(doc, name);
	return json_object_set(row ? given : doc, name, (json_t *)value) ? -ENOMEM : 0;
}

/* Version 2.0 had {"replace": "/name"} where now {"op": "replace", "path": "/name"} stands, and
 * added nothing that was there. */
static int old_patch_step(struct call *c, const json_t *step, json_t *doc, json_t *given)
{
	static const char *const ops[] = { "add", "replace", "remove" };
	auto_of(json_decref) json_t *now = json_object();
	const char *added = doc_text(step, "add");
	char name[256];
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (doc_text(step, ops[i])) {
			doc_set_text(now, "op", ops[i]);
			doc_set_text(now, "path", doc_text(step, ops[i]));
			n++;
		}
	if (n != 1)
		return call_fail(c, 400, NULL,
				 "Operation objects must contain exactly one member named \"add\", "
				 "\"remove\", or \"replace\".");
	if (added && read_pointer(c, added, name))
		return -EINVAL;
	if (added && !image_is_reserved(name) && json_object_get(doc, name))
		return call_fail(c, 409, NULL, "Property %s already present.", name);
	if (json_object_get(step, "value"))
		json_object_set(now, "value", json_object_get(step, "value"));
	return patch_step(c, now, doc, given);
}

typedef int (*patch_form)(struct call *c, const json_t *step, json_t *doc, json_t *given);

/* How the steps of the body are written; NULL after call_fail(). */
static patch_form patch_form_of(struct call *c)
{
	static const char types[] = "application/openstack-images-v2.1-json-patch, "
				    "application/openstack-images-v2.0-json-patch";
	const char *sent = call_header_in(c, "Content-Type"), *second = strchr(types, ' ') + 1;
	size_t len = sent ? strcspn(sent, "; ") : 0;

	if (len == strlen(second) && !strncasecmp(sent, types, len))
		return patch_step;
	if (len == strlen(second) && !strncasecmp(sent, second, len))
		return old_patch_step;
	call_header(c, "Accept-Patch", types);
	call_fail(c, 415, NULL, "A patch of an image is one of %s", types);
	return NULL;
}

static int patch_image(struct call *c)
{
	const json_t *old = image_find_own(c), *step;
	auto_of(json_decref) json_t *doc = json_copy((json_t *)old);
	auto_of(json_decref) json_t *given = json_object(), *changes = NULL;
	patch_form step_of;
	size_t i;
	int rc = 0;

	if (!old)
		return -ENOENT;
	step_of = patch_form_of(c);
	if (!step_of)
		return -EINVAL;
	if (!json_is_array(c->body))
		return call_fail(c, 400, NULL,
				 "Request body must be a JSON array of operation "
				 "objects.");
	json_array_foreach (c->body, i, step)
		rc = rc ? rc : step_of(c, step, doc, given);
	rc = rc ? rc : fields_accept(c, res_fields(c, &image_resource), given, true, &changes);
	if (rc)
		return rc;
	if (json_object_update(doc, changes))
		return -ENOMEM;
	rc = res_change(c, &image_resource, json_incref(doc));
	if (rc)
		return rc;
	return call_reply(c, 200,
			  res_show(c, &image_resource, res_get(c, &image_resource, c->ids[0])));
}

/* Takes tags. */
static int change_tags(struct call *c, const json_t *image, json_t *tags)
{
	json_t *doc = json_copy((json_t *)image);

	if (!doc || !tags || json_object_set_new(doc, "tags", tags))
		json_decref(take(doc));
	return res_change(c, &image_resource, doc) ?: call_reply(c, 204, NULL);
}

static int put_tag(struct call *c)
{
	const json_t *image = image_find_own(c);

	if (!image)
		return -ENOENT;
	return change_tags(c, image, list_with(json_object_get(image, "tags"), c->ids[1]));
}

static int delete_tag(struct call *c)
{
	const json_t *image = image_find_own(c), *tags = json_object_get(image, "tags");

	if (!image)
		return -ENOENT;
	if (!list_has(tags, c->ids[1]))
		return call_fail(c, 404, NULL, "Tag %s is not there.", c->ids[1]);
	return change_tags(c, image, list_without(tags, c->ids[1]));
}

static json_t *versions(struct call *c)
{
	json_t *list = json_array();
	char self[300], id[16];

	snprintf(self, sizeof(self), "%s/image/v2/", c->opts->public_url);
	for (int minor = 9; minor >= 0; minor--) {
		snprintf(id, sizeof(id), "v2.%d", minor);
		json_array_append_new(list, json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "id", id, "status",
						      minor == 9 ? "CURRENT" : "SUPPORTED", "links",
						      "rel", "self", "href", self));
	}
	return json_pack("{s:o}", "versions", list);
}

static int handle_choices(struct call *c)
{
	return call_reply(c, 300, versions(c));
}

static int handle_versions(struct call *c)
{
	return call_reply(c, 200, versions(c));
}

static const struct route own_routes[] = {
	{ "GET", "/", handle_choices, RULE_OPEN },
	{ "GET", "/versions", handle_versions, RULE_OPEN },
	{ "GET", "/v2/", handle_choices, RULE_OPEN },
	{ "POST", "/v2/images", create_image, RULE_WRITE },
	{ "PATCH", "/v2/images/{}", patch_image, RULE_WRITE },
	{ "PUT", "/v2/images/{}/tags/{}", put_tag, RULE_WRITE },
	{ "DELETE", "/v2/images/{}/tags/{}", delete_tag, RULE_WRITE },
	{ NULL },
};
static const struct route *const routes[] = { own_routes,
					      image_member_routes,
					      image_file_routes,
					      image_download_routes,
					      image_import_routes,
					      image_schema_routes,
					      NULL };
static const struct periodic periodics[] = { { 300000, image_sweep, true },
					     { 1000, image_drop, true },
					     { 0, NULL } };

static const struct service service = {
	.type = "image",
	.name = "glance",
	.prefix = "/image",
	.url = "/image",
	.style = FAULT_GLANCE,
};
const struct feature image_feature = {
	.name = "image",
	.service = &service,
	.resources = resources,
	.routes = routes,
	.absent = image_absent,
	.periodics = periodics,
	.start = image_start,
	.open = image_open,
	.close = image_close,
};
