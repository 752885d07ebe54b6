/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: JSON schemas, which glanceclient builds its commands and Horizon its forms from. That
 * of images is made of the table.
 */
#include <errno.h>
#include <string.h>

#include "image/image.h"

#define LINK(name) "{\"rel\":\"" name "\",\"href\":\"{" name "}\"}"
#define STR	   "{\"type\":\"string\"}"
#define READ_ONLY  "{\"type\":\"string\",\"readOnly\":true}"
#define TIME	   "{\"type\":\"string\",\"readOnly\":true,\"format\":\"date-time\"}"
#define PAGE_LINKS LINK("first") "," LINK("next") "," LINK("schema")
#define MEMBER_TEXT                                                                                \
	"{\"name\":\"member\",\"properties\":{\"created_at\":" TIME ",\"image_id\":" READ_ONLY     \
	",\"member_id\":" READ_ONLY ",\"schema\":" READ_ONLY                                       \
	",\"status\":{\"type\":\"string\",\"enum\":[\"pending\",\"accepted\",\"rejected\"]}"       \
	",\"updated_at\":" TIME "}}"
/* There are no namespaces of metadata definitions: what one would look like. */
#define NAMESPACE_TEXT                                                                             \
	"{\"name\":\"namespace\",\"required\":[\"namespace\"],\"additionalProperties\":false,"     \
	"\"properties\":{\"namespace\":{\"type\":\"string\",\"maxLength\":80},"                    \
	"\"display_name\":{\"type\":\"string\",\"maxLength\":80},"                                 \
	"\"description\":{\"type\":\"string\",\"maxLength\":500},"                                 \
	"\"visibility\":{\"type\":\"string\",\"enum\":[\"public\",\"private\"]},"                  \
	"\"protected\":{\"type\":\"boolean\"},\"owner\":{\"type\":\"string\",\"maxLength\":255},"  \
	"\"created_at\":" TIME ",\"updated_at\":" TIME ",\"schema\":" READ_ONLY                    \
	",\"self\":" READ_ONLY ",\"resource_type_associations\":{\"type\":\"array\",\"items\":"    \
	"{\"type\":\"object\",\"properties\":{\"name\":" STR ",\"prefix\":" STR                    \
	",\"properties_target\":" STR "}}},\"properties\":{\"type\":\"object\"},"                  \
	"\"objects\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"                        \
	"\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"

/* One row: its type, what it may be, and whether a client sets it. */
static json_t *property(const struct rfield *f)
{
	static const char *const types[] = {
		[J_STR] = "string", [J_BOOL] = "boolean", [J_INT] = "integer", [J_UUID] = "string",
		[J_LIST] = "array", [J_OBJ] = "object",	  [J_ANY] = "string"
	};
	bool set = f->flags & (R_CREATE | R_UPDATE), null = f->flags & R_NULL || !set;
	json_t *out = null ? json_pack("{s:[s,s]}", "type", "null", types[f->type])
			   : json_pack("{s:s}", "type", types[f->type]);
	json_t *words = f->names ? json_array() : NULL;

	for (const char *const *name = f->names; name && *name; name++)
		json_array_append_new(words, json_string(*name));
	if (words && null)
		json_array_append_new(words, json_null());
	if (words)
		json_object_set_new(out, "enum", words);
	else if (f->type == J_STR)
		json_object_set_new(out, "maxLength", json_integer(f->max ? f->max : 255));
	if (f->type == J_LIST)
		json_object_set_new(out, "items",
				    json_pack("{s:s,s:i}", "type", "string", "maxLength", 255));
	if (f->type == J_UUID)
		json_object_set_new(
			out, "pattern",
			json_string("^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-"
				    "([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"));
	if (!set)
		json_object_set_new(out, "readOnly", json_true());
	return out;
}

static json_t *image_schema(struct call *c)
{
	static const char *const more[] = { "created_at", "updated_at", "self",
					    "file",	  "schema",	"stores" };
	json_t *all = json_object();

	for (const struct rfield *f = res_fields(c, &image_resource); f->name; f++)
		json_object_set_new(all, f->name, property(f));
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		json_object_set_new(all, more[i],
				    json_pack("{s:s,s:b}", "type", "string", "readOnly", 1));
	return json_pack("{s:s,s:o,s:{s:s},s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "name", "image",
			 "properties", all, "additionalProperties", "type", "string", "links",
			 "rel", "self", "href", "{self}", "rel", "enclosure", "href", "{file}",
			 "rel", "describedby", "href", "{schema}");
}

/* That of a list, whose member has the list's name. item_taken: of one. */
static json_t *list_schema(const char *name, json_t *item_taken)
{
	json_t *out =
		json_pack("{s:s,s:{s:{s:s,s:o},s:{s:s},s:{s:s},s:{s:s}}}", "name", name,
			  "properties", name, "type", "array", "items", item_taken, "schema",
			  "type", "string", "first", "type", "string", "next", "type", "string");

	json_object_set_new(out, "links", json_loads("[" PAGE_LINKS "]", 0, NULL));
	return out;
}

static int show_image(struct call *c)
{
	return call_reply(c, 200, image_schema(c));
}

static int show_images(struct call *c)
{
	return call_reply(c, 200, list_schema("images", image_schema(c)));
}

static int show_member(struct call *c)
{
	return call_reply(c, 200, json_loads(MEMBER_TEXT, 0, NULL));
}

static int show_members(struct call *c)
{
	return call_reply(c, 200, list_schema("members", json_loads(MEMBER_TEXT, 0, NULL)));
}

static int show_namespace(struct call *c)
{
	return call_reply(c, 200, json_loads(NAMESPACE_TEXT, 0, NULL));
}

static int show_namespaces(struct call *c)
{
	return call_reply(c, 200, list_schema("namespaces", json_loads(NAMESPACE_TEXT, 0, NULL)));
}

/* As of a Glance into which nobody loaded any. */
static int list_namespaces(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:[],s:s,s:s}", "namespaces", "first",
				    "/v2/metadefs/namespaces", "schema",
				    "/v2/schemas/metadefs/namespaces"));
}

const struct route image_schema_routes[] = {
	{ "GET", "/v2/schemas/image", show_image, RULE_READ },
	{ "GET", "/v2/schemas/images", show_images, RULE_READ },
	{ "GET", "/v2/schemas/member", show_member, RULE_READ },
	{ "GET", "/v2/schemas/members", show_members, RULE_READ },
	{ "GET", "/v2/schemas/metadefs/namespace", show_namespace, RULE_READ },
	{ "GET", "/v2/schemas/metadefs/namespaces", show_namespaces, RULE_READ },
	{ "GET", "/v2/metadefs/namespaces", list_namespaces, RULE_READ },
	{ NULL },
};
