/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: import in two steps. PUT /stage takes and judges the bytes as an upload does (file.c),
 * POST /import makes the image active. There is one store, and nothing is fetched from where a
 * client says: the API's host reaches networks that a tenant does not.
 */
#include <errno.h>
#include <string.h>

#include "image/image.h"

static int check_method(struct call *c)
{
	const json_t *method = json_object_get(c->body, "method");

	if (!json_is_object(method))
		return call_fail(c, 400, NULL, "Import request requires a 'method' field.");
	if (!doc_text(method, "name"))
		return call_fail(c, 400, NULL, "Import request requires a 'name' field.");
	if (doc_is(method, "name", IMAGE_IMPORT))
		return 0;
	return call_fail(c, 400, NULL,
			 "Unknown import method name '%.100s': nothing is fetched for clients, the "
			 "bytes are staged.",
			 doc_str(method, "name"));
}

static int check_stores(struct call *c)
{
	static const char *const flags[] = { "all_stores", "all_stores_must_succeed" };
	const json_t *stores = json_object_get(c->body, "stores"), *store;
	size_t i;

	for (i = 0; i < ARRAY_LEN(flags); i++)
		if (json_object_get(c->body, flags[i]) &&
		    !json_is_boolean(json_object_get(c->body, flags[i])))
			return call_fail(c, 400, NULL, "'%s' must be boolean value only", flags[i]);

	json_array_foreach ((json_t *)stores, i, store)
		if (!json_is_string(store) || strcmp(json_string_value(store), IMAGE_STORE) != 0)
			return call_fail(c, 409, NULL, "There is one store, " IMAGE_STORE ".");
	return 0;
}

static int handle_import(struct call *c)
{
	const json_t *image = image_find_own(c);
	int rc = image ? check_method(c) ?: check_stores(c) : -ENOENT;

	if (rc)
		return rc;
	if (!doc_is(image, "status", "uploading"))
		return call_fail(c, 409, NULL,
				 "Image needs to be staged before '" IMAGE_IMPORT
				 "' method can be used");
	return image_set_status(c, image, "active") ?: call_reply(c, 202, NULL);
}

static int handle_methods(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:{s:s,s:s,s:[s]}}", "import-methods", "description",
				    "Import methods available.", "type", "array", "value",
				    IMAGE_IMPORT));
}

static int handle_stores(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:[{s:s,s:s,s:s}]}", "stores", "id", IMAGE_STORE,
				    "description", "Files of the API's host", "default", "true"));
}

const struct route image_import_routes[] = {
	{ "POST", "/v2/images/{}/import", handle_import, RULE_WRITE },
	{ "GET", "/v2/info/import", handle_methods, RULE_READ },
	{ "GET", "/v2/info/stores", handle_stores, RULE_READ },
	{ NULL },
};
