/* SPDX-License-Identifier: Apache-2.0 */
/* Resource options of identity v3: which there are, how they change, and what "immutable" holds. */
#include <errno.h>
#include <string.h>

#include "identity/identity.h"

static int check_options(struct call *c, const json_t *options, const char *const *known)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)options, name, value) {
		const char *const *k = known;
		bool list = !strcmp(name, "multi_factor_auth_rules");

		while (*k && strcmp(*k, name) != 0)
			k++;
		if (!*k)
			return call_fail(c, 400, NULL,
					 "Invalid input for field/attribute options. Additional "
					 "properties are not allowed ('%.200s' was unexpected)",
					 name);
		if (!json_is_null(value) && !(list ? json_is_array(value) : json_is_boolean(value)))
			return call_fail(c, 400, NULL,
					 "Invalid input for field/attribute %s. It is not of type "
					 "'%s', 'null'",
					 name, list ? "array" : "boolean");
	}
	return 0;
}

/**
 * options_of_user() - Judge a user's options, as Keystone's schema does
 * @c:     the call
 * @field: "options"
 * @value: an object
 *
 * Return: 0; a 400 fault.
 */
int options_of_user(struct call *c, const char *field, json_t **value)
{
	static const char *const known[] = { "ignore_change_password_upon_first_use",
					     "ignore_password_expiry",
					     "ignore_lockout_failure_attempts",
					     "ignore_user_inactivity",
					     "lock_password",
					     "multi_factor_auth_enabled",
					     "multi_factor_auth_rules",
					     NULL };

	return check_options(c, *value, known);
}

/**
 * options_of_others() - Judge the options of a domain, project or role
 * @c:     the call
 * @field: "options"
 * @value: an object
 *
 * Return: 0; a 400 fault.
 */
int options_of_others(struct call *c, const char *field, json_t **value)
{
	static const char *const known[] = { "immutable", NULL };

	return check_options(c, *value, known);
}

static bool is_immutable(const json_t *doc)
{
	return doc_bool(json_object_get(doc, "options"), "immutable");
}

/* Nothing else may be asked for than that it be immutable no more. */
static bool only_frees(const json_t *doc, const json_t *old)
{
	auto_of(json_decref) json_t *rest = json_copy((json_t *)doc);

	return !is_immutable(doc) && rest &&
	       !json_object_set(rest, "options", json_object_get(old, "options")) &&
	       json_equal(rest, (json_t *)old);
}

/**
 * options_settle() - Take options over from what stands there; refuse a change of what is immutable
 * @c:   the call
 * @r:   resource
 * @doc: as it shall be, with the options that were given; gets all of them
 * @old: as it is; NULL: new
 *
 * An option that is given as null goes, one that is not given stays.
 *
 * Return: 0; a 403 fault; -ENOMEM.
 */
int options_settle(struct call *c, const struct resource *r, json_t *doc, const json_t *old)
{
	const json_t *given = json_object_get(doc, "options"),
		     *had = json_object_get(old, "options");
	json_t *all, *value;
	const char *name;

	if (given != had) {
		all = had ? json_copy((json_t *)had) : json_object();
		json_object_foreach ((json_t *)given, name, value) {
			if (json_is_null(value))
				json_object_del(all, name);
			else
				json_object_set(all, name, value);
		}
		if (json_object_set_new(doc, "options", all))
			return -ENOMEM;
	}
	if (!is_immutable(old) || json_equal(doc, (json_t *)old) || only_frees(doc, old))
		return 0;
	return call_fail(c, 403, NULL,
			 "Unable to update immutable %s resource: `%s. Set resource option "
			 "\"immutable\" to false first.",
			 r->one, doc_str(doc, "id"));
}

/**
 * options_allow_end() - Refuse to delete what is immutable
 * @c:   the call
 * @r:   resource
 * @doc: what shall go
 *
 * Return: 0; a 403 fault.
 */
int options_allow_end(struct call *c, const struct resource *r, const json_t *doc)
{
	if (!is_immutable(doc))
		return 0;
	return call_fail(c, 403, NULL,
			 "Unable to delete immutable %s resource: `%s. Set resource option "
			 "\"immutable\" to false first.",
			 r->one, doc_str(doc, "id"));
}
