/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes with something else: users, groups and roles with their domain, memberships, grants,
 * rules and credentials with what they name. There may be more of it than a transaction holds, so
 * it counts no more at once, and is deleted here, some at a time. An id is never given again.
 */
#include "identity/identity.h"

#define PURGED_MAX (STORE_OPS_MAX / 4) /* in one transaction: each is itself and a name at most */

/* What is kept under a prefix, and whether it is still of use. r: deleted with its hooks. */
static const struct {
	const char *prefix;
	const struct resource *r;
	bool (*stands)(struct call *c, const json_t *doc);
} kinds[] = {
	{ "/user/", &user_resource, identity_stands },
	{ "/group/", &group_resource, identity_stands },
	{ "/role/", &role_resource, identity_stands },
	{ "/application_credential/", &appcred_resource, appcred_stands },
	{ "/access_rule/", &access_rule_resource, access_rule_stands },
	{ "/membership/", &membership_resource, member_stands },
	{ "/grant/", NULL, grant_stands },
	{ "/implied/", NULL, roles_rule_stands },
};

/**
 * identity_purge() - Forget what goes with something that is gone; some of it: the rest next time
 * @c: a periodic call
 *
 * Return: 0; as call_delete().
 */
int identity_purge(struct call *c)
{
	unsigned int n = 0;
	int rc = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++) {
		struct cursor it = call_list(c, "%s", kinds[i].prefix);

		while (!rc && n < PURGED_MAX && cursor_next(&it)) {
			if (kinds[i].stands(c, it.doc))
				continue;
			rc = kinds[i].r ? res_delete(c, kinds[i].r, doc_str(it.doc, "id"))
					: call_delete(c, "%s", it.key);
			n++;
		}
	}
	return rc;
}
