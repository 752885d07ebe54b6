/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of servers, /servers/ID/tags, from 2.26 on, and what boots and lists say of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compute/compute.h"
#include "engine/lists.h"

#define TAGS_MINOR 26

/* The server of the path; tags are not there before 2.26. */
static const json_t *tagged(struct call *c)
{
	if (compute_minor(c) >= TAGS_MINOR)
		return server_find(c, c->ids[0]);
	call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	return NULL;
}

/* Takes tags. */
static int put_tags(struct call *c, const json_t *server, json_t *tags)
{
	json_t *copy = json_copy((json_t *)server);

	int rc;

	json_object_set_new(copy, "tags", tags);
	rc = server_check_size(c, copy);
	if (!rc)
		return server_put(c, copy);
	json_decref(copy);
	return rc;
}

static int tags_list(struct call *c)
{
	const json_t *server = tagged(c);

	if (!server)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:O}", "tags", json_object_get(server, "tags")));
}

static int tags_replace(struct call *c)
{
	const json_t *server = tagged(c), *given = json_object_get(c->body, "tags");
	json_t *tags;
	int rc;

	if (!server)
		return -ENOENT;
	if (!given)
		return call_fail(c, 400, "BadRequest", "'tags' is a required property");
	rc = server_check_tags(c, given);
	if (rc)
		return rc;
	tags = list_of_each(given);
	json_incref(tags);
	rc = put_tags(c, server, tags) ?: call_reply(c, 200, json_pack("{s:O}", "tags", tags));
	json_decref(tags);
	return rc;
}

static int tags_clear(struct call *c)
{
	const json_t *server = tagged(c);

	if (!server)
		return -ENOENT;
	return put_tags(c, server, json_array()) ?: call_reply(c, 204, NULL);
}

static bool path_tag(const struct call *c, const json_t *server)
{
	return list_has(json_object_get(server, "tags"), c->ids[1]);
}

static int no_tag(struct call *c)
{
	return call_fail(c, 404, "InstanceTagNotFound", "Server %s has no tag '%s'", c->ids[0],
			 c->ids[1]);
}

static int tag_show(struct call *c)
{
	const json_t *server = tagged(c);

	if (!server)
		return -ENOENT;
	return path_tag(c, server) ? call_reply(c, 204, NULL) : no_tag(c);
}

/* 201, and where the tag is. */
static int tag_made(struct call *c)
{
	auto_free char *at = NULL;

	if (asprintf(&at, "%s%s%s", c->opts->public_url, c->service->prefix, c->path) < 0)
		return -ENOMEM;
	call_header(c, "Location", at);
	return call_reply(c, 201, NULL);
}

static int tag_add(struct call *c)
{
	const json_t *server = tagged(c);
	json_t *tags;
	int rc;

	if (!server)
		return -ENOENT;
	if (path_tag(c, server))
		return call_reply(c, 204, NULL);
	tags = list_with(json_object_get(server, "tags"), c->ids[1]);
	rc = server_check_tags(c, tags);
	if (rc)
		json_decref(tags);
	if (rc || (rc = put_tags(c, server, tags)))
		return rc;
	return tag_made(c);
}

static int tag_delete(struct call *c)
{
	const json_t *server = tagged(c);

	if (!server)
		return -ENOENT;
	if (!path_tag(c, server))
		return no_tag(c);
	return put_tags(c, server, list_without(json_object_get(server, "tags"), c->ids[1]))
		       ?: call_reply(c, 204, NULL);
}

const struct route tag_routes[] = {
	{ "GET", "/v2.1/servers/{}/tags", tags_list, RULE_READ },
	{ "PUT", "/v2.1/servers/{}/tags", tags_replace, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/tags", tags_clear, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/tags/{}", tag_show, RULE_READ },
	{ "PUT", "/v2.1/servers/{}/tags/{}", tag_add, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/tags/{}", tag_delete, RULE_WRITE },
	{ NULL },
};
