/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of network resources: /v2.0/{collection}/{id}/tags, and a member of the document tagged. */
#include <errno.h>
#include <string.h>

#include "engine/lists.h"
#include "network/core/network.h"
#include "network/tags/tags.h"

#define TAGS_MAX 50
#define TAG_LEN	 60 /* in bytes */

/* The document of the path's collection and id, and its resource; NULL after a fault. */
static const json_t *tagged(struct call *c, const struct resource **out)
{
	struct resource_it it = { c->opts->features, c->service };
	const json_t *doc;

	while ((*out = resource_next(&it))) {
		if (strcmp((*out)->path + strlen("/v2.0/"), c->ids[0]))
			continue;
		doc = res_find(c, *out, c->ids[1]);
		if (!doc || json_is_array(json_object_get(doc, "tags")))
			return doc;
		break;
	}
	call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	return NULL;
}

/* The same, for those who may change it. */
static const json_t *tagged_own(struct call *c, const struct resource **out)
{
	const json_t *doc = tagged(c, out);

	if (!doc || caller_owns(c, doc_str(doc, "project_id")))
		return doc;
	call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	return NULL;
}

/* Takes tags. */
static int tags_put(struct call *c, const struct resource *r, const json_t *doc, json_t *tags)
{
	json_t *copy = json_copy((json_t *)doc);

	json_object_set_new(copy, "tags", tags);
	return res_put(c, r, copy);
}

/* GET .../tags */
static int tag_list(struct call *c)
{
	const struct resource *r;
	const json_t *doc = tagged(c, &r);

	if (!doc)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:O}", "tags", json_object_get(doc, "tags")));
}

/* GET .../tags/{tag}: 204 if it is there */
static int tag_show(struct call *c)
{
	const struct resource *r;
	const json_t *doc = tagged(c, &r);

	if (!doc)
		return -ENOENT;
	if (!list_has(json_object_get(doc, "tags"), c->ids[2]))
		return call_fail(c, 404, "TagNotFound", "Tag %s could not be found.", c->ids[2]);
	return call_reply(c, 204, NULL);
}

static int check_tag(struct call *c, const json_t *tag)
{
	if (json_is_string(tag) && json_string_length(tag) && json_string_length(tag) <= TAG_LEN)
		return 0;
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for tags. Reason: a tag is a string of 1 to %d characters.",
			 TAG_LEN);
}

/* PUT .../tags/{tag} */
static int tag_add(struct call *c)
{
	const struct resource *r;
	const json_t *doc = tagged_own(c, &r);
	json_t *tags;
	int rc;

	if (!doc)
		return -ENOENT;
	tags = list_with(json_object_get(doc, "tags"), c->ids[2]);
	rc = check_tag(c, json_array_get(tags, json_array_size(tags) - 1));
	if (!rc && json_array_size(tags) > TAGS_MAX)
		rc = call_fail(c, 400, "HTTPBadRequest", "At most %d tags.", TAGS_MAX);
	if (rc)
		json_decref(tags);
	else
		rc = tags_put(c, r, doc, tags);
	return rc ? rc : call_reply(c, 201, NULL);
}

/* PUT .../tags */
static int tag_replace(struct call *c)
{
	const json_t *given = json_object_get(c->body, "tags");
	const struct resource *r;
	const json_t *doc = tagged_own(c, &r);
	auto_of(json_decref) json_t *tags = NULL;
	json_t *tag;
	size_t i;
	int rc = 0;

	if (!doc)
		return -ENOENT;
	if (!json_is_array(given) || json_array_size(given) > TAGS_MAX)
		return call_fail(c, 400, "HTTPBadRequest",
				 "Invalid input for tags. Reason: not a list of at most %d tags.",
				 TAGS_MAX);
	json_array_foreach (given, i, tag) {
		rc = check_tag(c, tag);
		if (rc)
			return rc;
	}
	tags = list_of_each(given);
	rc = tags_put(c, r, doc, json_incref(tags));
	return rc ? rc : call_reply(c, 200, json_pack("{s:O}", "tags", tags));
}

/* DELETE .../tags/{tag} */
static int tag_delete(struct call *c)
{
	const struct resource *r;
	const json_t *doc = tagged_own(c, &r), *tags;
	int rc;

	if (!doc)
		return -ENOENT;
	tags = json_object_get(doc, "tags");
	if (!list_has(tags, c->ids[2]))
		return call_fail(c, 404, "TagNotFound", "Tag %s could not be found.", c->ids[2]);
	rc = tags_put(c, r, doc, list_without(tags, c->ids[2]));
	return rc ? rc : call_reply(c, 204, NULL);
}

/* DELETE .../tags */
static int tag_clear(struct call *c)
{
	const struct resource *r;
	const json_t *doc = tagged_own(c, &r);
	int rc;

	if (!doc)
		return -ENOENT;
	rc = tags_put(c, r, doc, json_array());
	return rc ? rc : call_reply(c, 204, NULL);
}

static const struct route routes[] = {
	{ "GET", "/v2.0/{}/{}/tags", tag_list, RULE_READ },
	{ "PUT", "/v2.0/{}/{}/tags", tag_replace, RULE_WRITE },
	{ "DELETE", "/v2.0/{}/{}/tags", tag_clear, RULE_WRITE },
	{ "GET", "/v2.0/{}/{}/tags/{}", tag_show, RULE_READ },
	{ "PUT", "/v2.0/{}/{}/tags/{}", tag_add, RULE_WRITE },
	{ "DELETE", "/v2.0/{}/{}/tags/{}", tag_delete, RULE_WRITE },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };

static const struct rfield rows[] = {
	{ "tags", J_LIST, R_FILTER | R_EACH, "[]", .match = tags_all }, /* of standard-attr-tag */
	TAG_FILTER_ROWS,
	{ NULL },
};
static const struct more_fields fields[] = {
	{ "network", rows },	    { "subnet", rows }, { "port", rows },
	{ "security_group", rows }, { "subnetpool", rows }, { NULL },
};

static const struct extension extensions[] = {
	{ "standard-attr-tag", "Tag support for resources with standard attribute",
	  "Tags on networks, subnets, subnet pools, ports and security groups",
	  "2017-01-01T00:00:00-00:00" },
	{ NULL },
};

const struct feature tags_feature = {
	.name = "tags",
	.service = &network_service,
	.routes = all_routes,
	.extensions = extensions,
	.fields = fields,
};
