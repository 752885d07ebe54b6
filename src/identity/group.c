/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of identity v3 and the routes of who is in them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

static int check(struct call *c, json_t *doc, const json_t *old)
{
	return identity_set_domain(c, doc) ?: identity_claim_name(c, &group_resource, doc, old);
}

static int deleted(struct call *c, const json_t *doc)
{
	return identity_free_name(c, &group_resource, doc);
}

static bool visible(const struct call *c, const json_t *doc)
{
	struct call *call = (struct call *)c;

	return identity_stands(call, doc) &&
	       (caller_reaches(c, doc_str(doc, "domain_id")) ||
		member_is(call, c->auth->user_id, doc_str(doc, "id")));
}

/* GET /v3/users/{}/groups lists those that he is in. */
static bool listed(const struct call *c, const json_t *doc)
{
	return !c->ids[0] || member_is((struct call *)c, c->ids[0], doc_str(doc, "id"));
}

/* Who may change it may put anybody into it: not one that has power beyond its domain. */
static bool owned(const struct call *c, const json_t *doc)
{
	char who[GROUP_WHO_LEN];

	grant_who(doc_str(doc, "id"), who);
	return grant_may_change(c, doc, who, NULL);
}

static const struct rfield fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .valid = identity_take_name },
	{ "domain_id", J_STR, R_CREATE | R_FILTER | R_INDEX, .ref = &domain_resource },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL, "\"\"", .max = 4096 },
	{ NULL },
};
const struct resource group_resource = {
	.one = "group",
	.many = "groups",
	.path = "/v3/groups",
	.flags = RES_GLOBAL | RES_HEX_ID | RES_PATCH | RES_FREE_FORM,
	.read = RULE_LOOK,
	.write = RULE_MANAGE,
	.fields = fields,
	.check = check,
	.deleted = deleted,
	.visible = visible,
	.listed = listed,
	.owned = owned,
};

/* The group and the user of /groups/{}/users/{}; who is in a group does not look after it. */
static int find_both(struct call *c)
{
	return identity_find_reached(c, &group_resource, c->ids[0]) &&
			       identity_find_reached(c, &user_resource, c->ids[1])
		       ? 0
		       : -ENOENT;
}

/* As find_both(), for who changes it. */
static int find_to_change(struct call *c)
{
	int rc = find_both(c);

	if (rc || owned(c, res_get(c, &group_resource, c->ids[0])))
		return rc;
	return call_fail(c, 403, NULL, "The members of group %s are not yours to choose.",
			 c->ids[0]);
}

static int missing(struct call *c)
{
	return call_fail(c, 404, NULL, "User '%s' not found in group '%s'.", c->ids[1], c->ids[0]);
}

static int put_member(struct call *c)
{
	int rc = find_to_change(c);
	json_t *doc;
	char id[160];

	if (rc)
		return rc;
	snprintf(id, sizeof(id), "%s.%s", c->ids[1], c->ids[0]);
	doc = json_pack("{s:s,s:s,s:s}", "id", id, "user_id", c->ids[1], "group_id", c->ids[0]);
	if (!member_is(c, c->ids[1], c->ids[0]))
		rc = res_create(c, &membership_resource, json_incref(doc), NULL);
	json_decref(doc);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int check_member(struct call *c)
{
	int rc = find_both(c);

	if (rc)
		return rc;
	return member_is(c, c->ids[1], c->ids[0]) ? call_reply(c, 204, NULL) : missing(c);
}

static int delete_member(struct call *c)
{
	int rc = find_to_change(c);
	char id[160];

	if (rc)
		return rc;
	if (!member_is(c, c->ids[1], c->ids[0]))
		return missing(c);
	snprintf(id, sizeof(id), "%s.%s", c->ids[1], c->ids[0]);
	return res_delete(c, &membership_resource, id) ?: call_reply(c, 204, NULL);
}

/* user_resource lists those in the group of the path. */
static int list_members(struct call *c)
{
	if (!identity_find_reached(c, &group_resource, c->ids[0]))
		return -ENOENT;
	return res_handle_list(c, &user_resource, false);
}

static int list_groups(struct call *c)
{
	if (!res_find(c, &user_resource, c->ids[0]))
		return -ENOENT;
	return res_handle_list(c, &group_resource, false);
}

const struct route membership_routes[] = {
	{ "GET", "/v3/groups/{}/users", list_members, RULE_LOOK },
	{ "PUT", "/v3/groups/{}/users/{}", put_member, RULE_MANAGE },
	{ "GET", "/v3/groups/{}/users/{}", check_member, RULE_LOOK },
	{ "DELETE", "/v3/groups/{}/users/{}", delete_member, RULE_MANAGE },
	{ "GET", "/v3/users/{}/groups", list_groups, RULE_SELF },
	{ NULL },
};
