/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in which group. What is granted to a group, each of its members has while he is one. A
 * membership goes with its user and its group (purge.c).
 */
#include "identity/identity.h"

static const struct rfield membership_fields[] = {
	{ "id", J_STR, 0 }, /* "USER.GROUP" */
	{ "user_id", J_STR, R_INDEX },
	{ "group_id", J_STR, R_INDEX },
	{ NULL },
};
const struct resource membership_resource = {
	.one = "membership",
	.many = "memberships",
	.flags = RES_GLOBAL,
	.fields = membership_fields,
};

/**
 * member_groups() - Walk what a user is in: member_next_group()
 * @c:       the call
 * @user_id: user
 */
struct cursor member_groups(struct call *c, const char *user_id)
{
	return res_list(c, &membership_resource, "user_id", user_id);
}

/**
 * member_next_group() - Step to the next group that counts
 * @c:  the call
 * @it: what member_groups() made
 *
 * One of a domain that is disabled gives nothing.
 *
 * Return: true; false past the last.
 */
bool member_next_group(struct call *c, struct cursor *it)
{
	while (cursor_next(it)) {
		const json_t *group = res_get(c, &group_resource, doc_str(it->doc, "group_id"));

		if (doc_bool(res_get(c, &domain_resource, doc_str(group, "domain_id")), "enabled"))
			return true;
	}
	return false;
}

/**
 * member_is() - Is a user in a group?
 * @c:        the call
 * @user_id:  user
 * @group_id: group
 */
bool member_is(struct call *c, const char *user_id, const char *group_id)
{
	return call_get(c, "/membership/%s.%s", user_id, group_id);
}

/**
 * member_stands() - Are both of a membership there?
 * @c:          the call
 * @membership: document
 */
bool member_stands(struct call *c, const json_t *membership)
{
	return identity_there(c, &user_resource, doc_str(membership, "user_id")) &&
	       identity_there(c, &group_resource, doc_str(membership, "group_id"));
}
