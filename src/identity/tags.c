/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of projects: /v3/projects/{}/tags, and what may be one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define TAGS_MAX 80 /* of a project, as in Keystone */
#define TAG_LEN	 255

/* Neither a comma nor a slash, which filters and paths have a use for. */
static int check_tag(struct call *c, const json_t *tag)
{
	const char *text = json_string_value(tag);

	if (text && *text && json_string_length(tag) <= TAG_LEN && !strpbrk(text, ",/") &&
	    strlen(text) == json_string_length(tag))
		return 0;
	return call_fail(c, 400, NULL,
			 "Invalid input for field/attribute tags. A tag is a string of 1 to %d "
			 "bytes, without commas and slashes.",
			 TAG_LEN);
}

/**
 * identity_check_tags() - Judge the tags of a project (rfield_valid_fn)
 * @c:     the call
 * @field: "tags"
 * @value: a list
 *
 * Return: 0; a 400 fault.
 */
int identity_check_tags(struct call *c, const char *field, json_t **value)
{
	auto_of(json_decref) json_t *each = NULL;
	const json_t *tag;
	size_t i;
	int rc = 0;

	if (json_array_size(*value) > TAGS_MAX)
		return call_fail(c, 400, NULL,
				 "Invalid input for field/attribute %s. There are more than %d.",
				 field, TAGS_MAX);
	json_array_foreach (*value, i, tag)
		rc = rc ? rc : check_tag(c, tag);
	if (rc)
		return rc;
	each = list_of_each(*value);
	if (json_array_size(each) == json_array_size(*value))
		return 0;
	return call_fail(c, 400, NULL,
			 "Invalid input for field/attribute %s. It has non-unique elements.",
			 field);
}

/* The project of the path, for one who may change it. */
static const json_t *find_own(struct call *c)
{
	const json_t *doc = res_find(c, &project_resource, c->ids[0]);

	if (!doc || project_resource.owned(c, doc))
		return doc;
	call_fail(c, 403, NULL, "You are not allowed to change this project.");
	return NULL;
}

/* tags_taken: as the project is to have them, not judged yet. */
static int put_tags(struct call *c, const json_t *project, json_t *tags_taken)
{
	auto_of(json_decref) json_t *tags = tags_taken;
	json_t *doc;
	int rc = tags ? identity_check_tags(c, "tags", &tags) : -ENOMEM;

	if (rc)
		return rc;
	doc = json_copy((json_t *)project);
	if (doc && json_object_set(doc, "tags", tags))
		json_decref(take(doc));
	return res_change(c, &project_resource, doc);
}

static int reply_tags(struct call *c)
{
	const json_t *project = res_find(c, &project_resource, c->ids[0]);
	char self[ENGINE_URL_LEN + 100];

	if (!project)
		return -ENOENT;
	snprintf(self, sizeof(self), "%s/identity%s", c->opts->public_url, c->path);
	return call_reply(c, 200,
			  json_pack("{s:O,s:{s:n,s:s,s:n}}", "tags",
				    json_object_get(project, "tags"), "links", "next", "self", self,
				    "previous"));
}

static int replace_tags(struct call *c)
{
	const json_t *project = find_own(c), *given = json_object_get(c->body, "tags");

	if (!project)
		return -ENOENT;
	if (!json_is_array(given))
		return call_fail(c, 400, NULL, "'tags' is a required property");
	return put_tags(c, project, json_incref((json_t *)given)) ?: reply_tags(c);
}

static int clear_tags(struct call *c)
{
	const json_t *project = find_own(c);

	if (!project)
		return -ENOENT;
	return put_tags(c, project, json_array()) ?: call_reply(c, 204, NULL);
}

static int missing(struct call *c)
{
	return call_fail(c, 404, NULL, "Could not find project tag: %s.", c->ids[1]);
}

static int check_has(struct call *c)
{
	const json_t *project = res_find(c, &project_resource, c->ids[0]);

	if (!project)
		return -ENOENT;
	return list_has(json_object_get(project, "tags"), c->ids[1]) ? call_reply(c, 204, NULL)
								     : missing(c);
}

static int add_tag(struct call *c)
{
	const json_t *project = find_own(c);
	char url[ENGINE_URL_LEN + 400];
	int rc;

	if (!project)
		return -ENOENT;
	rc = put_tags(c, project, list_with(json_object_get(project, "tags"), c->ids[1]));
	if (rc)
		return rc;
	snprintf(url, sizeof(url), "%s/identity%s", c->opts->public_url, c->path);
	call_header(c, "Location", url);
	return call_reply(c, 201, NULL);
}

static int delete_tag(struct call *c)
{
	const json_t *project = find_own(c), *tags = json_object_get(project, "tags");

	if (!project)
		return -ENOENT;
	if (!list_has(tags, c->ids[1]))
		return missing(c);
	return put_tags(c, project, list_without(tags, c->ids[1])) ?: call_reply(c, 204, NULL);
}

const struct route project_tag_routes[] = {
	{ "GET", "/v3/projects/{}/tags", reply_tags, RULE_SELF },
	{ "PUT", "/v3/projects/{}/tags", replace_tags, RULE_MANAGE },
	{ "DELETE", "/v3/projects/{}/tags", clear_tags, RULE_MANAGE },
	{ "GET", "/v3/projects/{}/tags/{}", check_has, RULE_SELF },
	{ "PUT", "/v3/projects/{}/tags/{}", add_tag, RULE_MANAGE },
	{ "DELETE", "/v3/projects/{}/tags/{}", delete_tag, RULE_MANAGE },
	{ NULL },
};
