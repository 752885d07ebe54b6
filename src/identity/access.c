/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access rules: which requests a program may make that logs in with an application credential. They
 * are made with the credential, are its user's from then on, and are the same for all of his
 * credentials that say the same. They go with their user (purge.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define RULES_MAX 100  /* of a credential */
#define PATH_LEN  1000 /* what is longer fits no rule */

static const char *const methods[] = { "POST", "GET", "HEAD", "PATCH", "PUT", "DELETE", NULL };

static const struct rfield fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "service", J_STR, R_CREATE | R_NEED | R_FILTER, .max = 225 },
	{ "path", J_STR, R_CREATE | R_NEED | R_FILTER, .min = 1, .max = 225 },
	{ "method", J_STR, R_CREATE | R_NEED | R_FILTER, .names = methods },
	{ "user_id", J_STR, R_INDEX | R_SECRET },
	{ NULL },
};

static bool visible(const struct call *c, const json_t *doc)
{
	return doc_is(doc, "user_id", c->auth->user_id) || caller_is_admin(c);
}

static int show(struct call *c, const json_t *doc, json_t *out)
{
	char self[ENGINE_URL_LEN + 200];

	snprintf(self, sizeof(self), "%s/identity/v3/users/%s/access_rules/%s", c->opts->public_url,
		 doc_str(doc, "user_id"), doc_str(doc, "id"));
	return json_object_set_new(out, "links", json_pack("{s:s}", "self", self)) ? -ENOMEM : 0;
}

const struct resource access_rule_resource = {
	.one = "access_rule",
	.many = "access_rules",
	.nested = "user_id",
	.flags = RES_GLOBAL | RES_HEX_ID,
	.fields = fields,
	.show = show,
	.visible = visible,
};

/**
 * access_rule_stands() - Is the user of a rule there?
 * @c:   the call
 * @doc: rule
 */
bool access_rule_stands(struct call *c, const json_t *doc)
{
	return identity_there(c, &user_resource, doc_str(doc, "user_id"));
}

/* What of a pattern stands for more than itself. */
enum wild { LITERAL, SEGMENT, ANYTHING };

/* The next word of a pattern; *len: of the word. */
static enum wild next_wild(const char *pattern, size_t *len)
{
	const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;

	*len = end ? (size_t)(end - pattern) + 1 : !strncmp(pattern, "**", 2) ? 2 : 1;
	return *len == 2 && !end ? ANYTHING : end || *pattern == '*' ? SEGMENT : LITERAL;
}

/*
 * Does a path fit? "*" and "{name}" stand for what is between two slashes, "**" for anything. All
 * places where the words so far may end are kept, so a pattern costs no more than its length.
 */
static bool fits(const char *pattern, const char *path)
{
	bool at[PATH_LEN + 1] = { true };
	size_t len = strlen(path), word;

	if (len > PATH_LEN)
		return false;
	for (; *pattern; pattern += word) {
		enum wild wild = next_wild(pattern, &word);
		bool was = at[0], here;

		at[0] = was && wild == ANYTHING;
		for (size_t i = 0; i < len; i++, was = here) {
			here = at[i + 1];
			if (wild == ANYTHING)
				at[i + 1] = here || at[i];
			else if (wild == SEGMENT)
				at[i + 1] = (was || at[i]) && path[i] != '/';
			else
				at[i + 1] = was && path[i] == *pattern;
		}
	}
	return at[len];
}

/**
 * access_allows() - May a request be made with a credential's token?
 * @c:          the call
 * @credential: document, or NULL
 *
 * A rule's path is below the service's own, or begins with it.
 */
bool access_allows(const struct call *c, const json_t *credential)
{
	const json_t *rules = json_object_get(credential, "access_rules"), *rule;
	const char *method = c->head ? "HEAD" : c->method;
	auto_free char *whole = NULL;
	size_t i;

	if (!json_is_array(rules))
		return true;
	if (!c->service || !c->service->type ||
	    asprintf(&whole, "%s%s", c->service->prefix, c->path) < 0)
		return false;
	json_array_foreach ((json_t *)rules, i, rule)
		if (doc_is(rule, "service", c->service->type) && doc_is(rule, "method", method) &&
		    (fits(doc_str(rule, "path"), c->path) || fits(doc_str(rule, "path"), whole)))
			return true;
	return false;
}

/* A rule of a user; NULL after a fault. */
static const json_t *find_rule(struct call *c, const char *user_id, const char *id)
{
	const json_t *doc = res_find(c, &access_rule_resource, id);

	if (!doc || doc_is(doc, "user_id", user_id))
		return doc;
	fault_not_found(c, &access_rule_resource, id);
	return NULL;
}

/* The user's rule that says the same, or NULL. */
static const json_t *same_rule(struct call *c, const json_t *rule)
{
	struct cursor it = res_list(c, &access_rule_resource, "user_id", c->auth->user_id);

	while (cursor_next(&it))
		if (doc_same(it.doc, rule, "service") && doc_same(it.doc, rule, "path") &&
		    doc_same(it.doc, rule, "method"))
			return it.doc;
	return NULL;
}

/* One that a client gave: by the id of a rule that the user has, or said whole. */
static int take_rule(struct call *c, const json_t *given, const json_t **out)
{
	auto_of(json_decref) json_t *rule = NULL;
	int rc;

	if (json_object_get(given, "id")) {
		*out = find_rule(c, c->auth->user_id, doc_str(given, "id"));
		return *out ? 0 : -ENOENT;
	}
	rc = fields_accept(c, fields, given, false, &rule);
	if (!rc && doc_str(rule, "path")[0] != '/')
		rc = call_fail(c, 400, NULL,
			       "Invalid input for field/attribute path. It does not begin with a "
			       "slash.");
	if (rc)
		return rc;
	*out = same_rule(c, rule);
	if (*out)
		return 0;
	json_object_set_new(rule, "user_id", json_string(c->auth->user_id));
	return res_create(c, &access_rule_resource, take(rule), out);
}

/**
 * access_take() - Judge and keep the rules that a new credential is to have
 * @c:   the call of its user
 * @doc: credential, with what was given as access_rules; gets them as they are kept
 *
 * Return: 0; a fault; -ENOMEM.
 */
int access_take(struct call *c, json_t *doc)
{
	const json_t *given = json_object_get(doc, "access_rules"), *one, *rule;
	auto_of(json_decref) json_t *rules = json_array();
	size_t i;

	if (!json_is_array(given))
		return 0;
	if (json_array_size(given) > RULES_MAX)
		return call_fail(c, 400, NULL, "A credential has at most %d access rules.",
				 RULES_MAX);
	json_array_foreach ((json_t *)given, i, one) {
		int rc = take_rule(c, one, &rule);

		if (rc)
			return rc;
		json_array_append_new(
			rules, json_pack("{s:s,s:s,s:s,s:s}", "id", doc_str(rule, "id"), "service",
					 doc_str(rule, "service"), "path", doc_str(rule, "path"),
					 "method", doc_str(rule, "method")));
	}
	return json_object_set(doc, "access_rules", rules) ? -ENOMEM : 0;
}

/* Whose rules the path names: his, or an admin's to look at and to delete. */
static int check_user(struct call *c)
{
	if (!strcmp(c->ids[0], c->auth->user_id) || caller_is_admin(c))
		return 0;
	return call_fail(c, 403, NULL, "You are not authorized to perform the requested action.");
}

static const json_t *find(struct call *c)
{
	return check_user(c) ? NULL : find_rule(c, c->ids[0], c->ids[1]);
}

static int handle_list(struct call *c)
{
	return check_user(c) ?: res_handle_list(c, &access_rule_resource, false);
}

static int handle_show(struct call *c)
{
	const json_t *doc = find(c);

	return doc ? call_reply(c, 200,
				json_pack("{s:o}", "access_rule",
					  res_show(c, &access_rule_resource, doc)))
		   : -ENOENT;
}

static bool names(const json_t *credential, const char *id)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(credential, "access_rules"), i, rule)
		if (doc_is(rule, "id", id))
			return true;
	return false;
}

static int handle_delete(struct call *c)
{
	struct cursor it = res_list(c, &appcred_resource, "user_id", c->ids[0]);
	const json_t *doc = find(c);

	if (!doc)
		return -ENOENT;
	while (cursor_next(&it))
		if (names(it.doc, c->ids[1]))
			return call_fail(c, 403, NULL,
					 "Access rule %s is in use by an application credential.",
					 c->ids[1]);
	return res_delete(c, &access_rule_resource, doc_str(doc, "id")) ?: call_reply(c, 204, NULL);
}

const struct route access_routes[] = {
	{ "GET", "/v3/users/{}/access_rules", handle_list, RULE_SELF },
	{ "GET", "/v3/users/{}/access_rules/{}", handle_show, RULE_SELF },
	{ "DELETE", "/v3/users/{}/access_rules/{}", handle_delete, RULE_SELF },
	{ NULL },
};
