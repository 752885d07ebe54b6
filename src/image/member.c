/* SPDX-License-Identifier: Apache-2.0 */
/* Image v2: with whom an image is shared, and what each of them said to it. */
#include <errno.h>
#include <string.h>

#include "image/image.h"

#define MEMBERS_MAX 100U /* of an image: they go with it in one transaction */

/**
 * image_member() - What an image's share with the caller's project says
 * @c:   the call
 * @doc: image
 *
 * Return: borrowed; NULL if it is not shared with it.
 */
const json_t *image_member(const struct call *c, const json_t *doc)
{
	if (!c->auth->project_id[0])
		return NULL;
	return call_get((struct call *)c, "/image_member/%s/%s", doc_str(doc, "id"),
			c->auth->project_id);
}

static int check_shared(struct call *c, const json_t *image)
{
	if (doc_is(image, "visibility", "shared"))
		return 0;
	return call_fail(c, 403, NULL, "Only shared images have members.");
}

/* An image that is shared, and seen by the caller; NULL after a 404 or 403. */
static const json_t *find_shared(struct call *c)
{
	const json_t *image = res_find(c, &image_resource, c->ids[0]);

	return image && !check_shared(c, image) ? image : NULL;
}

/* The owner sees all members, a member itself. */
static bool sees(const struct call *c, const json_t *image, const char *member)
{
	return caller_owns(c, doc_str(image, "owner")) || caller_is_in(c, member);
}

static int list_members(struct call *c)
{
	const json_t *image = find_shared(c);
	struct cursor it;
	json_t *list;

	if (!image)
		return -ENOENT;
	list = json_array();
	it = call_list(c, "/image_member/%s/", c->ids[0]);
	while (cursor_next(&it))
		if (sees(c, image, doc_str(it.doc, "member_id")))
			json_array_append(list, (json_t *)it.doc);
	return call_reply(c, 200,
			  json_pack("{s:o,s:s}", "members", list, "schema", "/v2/schemas/members"));
}

/* The member c->ids[1] of the image, if the caller sees it; NULL after a fault. */
static const json_t *find_member(struct call *c)
{
	const json_t *image = find_shared(c), *member;

	if (!image)
		return NULL;
	member = call_get(c, "/image_member/%s/%s", c->ids[0], c->ids[1]);
	if (member && sees(c, image, c->ids[1]))
		return member;
	call_fail(c, 404, NULL, "%s not found in the member list of the image %s.", c->ids[1],
		  c->ids[0]);
	return NULL;
}

/* Who may not know of an image's members is told that there is none. */
static int show_member(struct call *c)
{
	const json_t *image = res_find(c, &image_resource, c->ids[0]), *member;

	if (image && !doc_is(image, "visibility", "shared"))
		return call_fail(c, 404, NULL, "Only shared images have members.");
	member = image ? find_member(c) : NULL;
	return member ? call_reply(c, 200, json_incref((json_t *)member)) : -ENOENT;
}

static int put_member(struct call *c, const char *member, const char *status, const char *created)
{
	char now[32];
	int rc;

	call_time(c, now);
	rc = call_put(c,
		      json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "image_id", c->ids[0], "member_id",
				member, "status", status, "created_at", created ? created : now,
				"updated_at", now, "schema", "/v2/schemas/member"),
		      "/image_member/%s/%s", c->ids[0], member);
	return rc ? rc
		  : call_reply(c, 200,
			       json_incref((json_t *)call_get(c, "/image_member/%s/%s", c->ids[0],
							      member)));
}

static int add_member(struct call *c)
{
	const char *member = doc_str(c->body, "member");
	const json_t *image = image_find_own(c);
	struct cursor it;
	unsigned int n = 0;
	int rc;

	if (!image)
		return -ENOENT;
	if (!member[0] || strchr(member, '/') || strlen(member) > 64)
		return call_fail(c, 400, NULL, "Member can't be empty");
	rc = check_shared(c, image);
	if (rc)
		return rc;
	if (call_get(c, "/image_member/%s/%s", c->ids[0], member))
		return call_fail(c, 409, NULL, "Member %s is already there.", member);
	it = call_list(c, "/image_member/%s/", c->ids[0]);
	while (cursor_next(&it))
		n++;
	if (n >= MEMBERS_MAX)
		return call_fail(c, 413, NULL,
				 "The limit has been exceeded on the number of allowed image "
				 "members for this image. Attempted: %u, Maximum: %u",
				 n + 1, MEMBERS_MAX);
	return put_member(c, member, "pending", NULL);
}

/* The member accepts or rejects; the doc says since when it is one. */
static int update_member(struct call *c)
{
	const json_t *old = find_member(c);
	const char *status = doc_str(c->body, "status");

	if (!old)
		return -ENOENT;
	if (!caller_owns(c, c->ids[1]))
		return call_fail(c, 403, NULL, "Only the member may change its status.");
	if (strcmp(status, "pending") && strcmp(status, "accepted") && strcmp(status, "rejected"))
		return call_fail(c, 400, NULL, "Invalid status: %s", status);
	return put_member(c, c->ids[1], status, doc_str(old, "created_at"));
}

static int remove_member(struct call *c)
{
	const json_t *image = image_find_own(c);
	int rc = image ? check_shared(c, image) : -ENOENT;

	if (rc)
		return rc;
	if (!call_get(c, "/image_member/%s/%s", c->ids[0], c->ids[1]))
		return call_fail(c, 404, NULL, "Member %s is not there.", c->ids[1]);
	rc = call_delete(c, "/image_member/%s/%s", c->ids[0], c->ids[1]);
	return rc ? rc : call_reply(c, 204, NULL);
}

const struct route image_member_routes[] = {
	{ "GET", "/v2/images/{}/members", list_members, RULE_READ },
	{ "POST", "/v2/images/{}/members", add_member, RULE_WRITE },
	{ "GET", "/v2/images/{}/members/{}", show_member, RULE_READ },
	{ "PUT", "/v2/images/{}/members/{}", update_member, RULE_WRITE },
	{ "DELETE", "/v2/images/{}/members/{}", remove_member, RULE_WRITE },
	{ NULL },
};
