/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles: what each implies, /implied/PRIOR/IMPLIED, which of them policy looks at, and the routes
 * of inference rules. A rule goes with its roles: it counts no more, and identity_purge() deletes
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

/* Roles policy looks at. */
static const struct {
	const char *name;
	unsigned int bit;
} known_roles[] = {
	{ "admin", ROLE_ADMIN },     { "member", ROLE_MEMBER }, { "reader", ROLE_READER },
	{ "service", ROLE_SERVICE }, { "agent", ROLE_AGENT },
};

/* A role of a domain's own means nothing to policy, whatever its name, and is in no token. */
static bool is_domains(const json_t *role)
{
	return doc_str(role, "domain_id")[0];
}

static unsigned int role_bit(const json_t *role)
{
	for (unsigned int i = 0; i < ARRAY_LEN(known_roles); i++)
		if (!is_domains(role) && doc_is(role, "name", known_roles[i].name))
			return known_roles[i].bit;
	return 0;
}

/**
 * roles_spread() - Add to some roles what they imply
 * @c:   the call
 * @ids: list of ids, each once; those that are implied are appended
 */
void roles_spread(struct call *c, json_t *ids)
{
	const json_t *id;
	size_t i;

	json_array_foreach (ids, i, id) {
		struct cursor it = call_list(c, "/implied/%s/", json_string_value(id));

		if (!identity_there(c, &role_resource, json_string_value(id)))
			continue;
		while (cursor_next(&it))
			if (!list_has(ids, doc_str(it.doc, "implied")))
				json_array_append(ids, json_object_get(it.doc, "implied"));
	}
}

/**
 * roles_of() - Roles and what they imply, as a token has them
 * @c:    the call
 * @ids:  list of ids, each once; gets those that are implied
 * @mask: enum role bits, or-ed into
 *
 * Return: a new list of {id, name}; NULL without memory.
 */
json_t *roles_of(struct call *c, json_t *ids, unsigned int *mask)
{
	json_t *out = json_array(), *id;
	size_t i;

	roles_spread(c, ids);
	json_array_foreach (ids, i, id) {
		const json_t *role = res_get(c, &role_resource, json_string_value(id));

		if (!role || is_domains(role))
			continue;
		*mask |= role_bit(role);
		json_array_append_new(out, json_pack("{s:s,s:s}", "id", doc_str(role, "id"), "name",
						     doc_str(role, "name")));
	}
	return out;
}

/**
 * roles_mask() - What a role is to policy, with all that it implies
 * @c:  the call
 * @id: role
 *
 * Return: enum role bits.
 */
unsigned int roles_mask(struct call *c, const char *id)
{
	auto_of(json_decref) json_t *ids = json_pack("[s]", id);
	unsigned int mask = 0;

	json_decref(roles_of(c, ids, &mask));
	return mask;
}

static int put_rule(struct call *c, const char *prior, const char *implied)
{
	return call_put(c, json_pack("{s:s,s:s}", "prior", prior, "implied", implied),
			"/implied/%s/%s", prior, implied);
}

/**
 * roles_start() - Make the rules that there are from the start, once
 * @c: start call of the service; the roles are there
 *
 * They may be deleted: what a store had is told by a document of its own.
 *
 * Return: 0; as call_put().
 */
int roles_start(struct call *c)
{
	const char *above = NULL;
	int rc;

	if (call_get(c, "/made/implied"))
		return 0;
	rc = call_put(c, json_object(), "/made/implied");
	for (unsigned int i = 0; i < 3 && !rc; i++) { /* admin implies member implies reader */
		const json_t *role = identity_by_name(c, &role_resource, known_roles[i].name, "");

		if (above && role)
			rc = put_rule(c, above, doc_str(role, "id"));
		above = doc_text(role, "id");
	}
	return rc;
}

/**
 * roles_rule_stands() - Are both roles of a rule there?
 * @c:    the call
 * @rule: document
 */
bool roles_rule_stands(struct call *c, const json_t *rule)
{
	return identity_there(c, &role_resource, doc_str(rule, "prior")) &&
	       identity_there(c, &role_resource, doc_str(rule, "implied"));
}

static json_t *brief(struct call *c, const json_t *role)
{
	char self[ENGINE_URL_LEN + 100];

	snprintf(self, sizeof(self), "%s/identity/v3/roles/%s", c->opts->public_url,
		 doc_str(role, "id"));
	return json_pack("{s:s,s:s,s:{s:s}}", "id", doc_str(role, "id"), "name",
			 doc_str(role, "name"), "links", "self", self);
}

/* {"prior_role", "implies"} with what the caller sees of the roles that one implies. */
static json_t *inference(struct call *c, const json_t *prior)
{
	struct cursor it = call_list(c, "/implied/%s/", doc_str(prior, "id"));
	json_t *list = json_array();

	while (cursor_next(&it)) {
		const json_t *role = res_seen(c, &role_resource, doc_str(it.doc, "implied"));

		if (role)
			json_array_append_new(list, brief(c, role));
	}
	return json_pack("{s:o,s:o}", "prior_role", brief(c, prior), "implies", list);
}

static int reply_with_self(struct call *c, unsigned int status, const char *name, json_t *value)
{
	char self[ENGINE_URL_LEN + 200];

	snprintf(self, sizeof(self), "%s/identity%s", c->opts->public_url, c->path);
	return call_reply(c, status,
			  json_pack("{s:o,s:{s:s}}", name, value, "links", "self", self));
}

static int list_implied(struct call *c)
{
	const json_t *prior = res_find(c, &role_resource, c->ids[0]);

	return prior ? reply_with_self(c, 200, "role_inference", inference(c, prior)) : -ENOENT;
}

static int list_inferences(struct call *c)
{
	struct cursor it = res_list(c, &role_resource, NULL, NULL);
	json_t *list = json_array();

	while (cursor_next(&it)) {
		json_t *one = res_visible(c, &role_resource, it.doc) ? inference(c, it.doc) : NULL;

		if (json_array_size(json_object_get(one, "implies")))
			json_array_append(list, one);
		json_decref(one);
	}
	return reply_with_self(c, 200, "role_inferences", list);
}

struct rule_roles {
	const json_t *prior, *implied;
};

/* The two roles of the path. */
static int find_roles(struct call *c, struct rule_roles *out)
{
	out->prior = res_find(c, &role_resource, c->ids[0]);
	out->implied = out->prior ? res_find(c, &role_resource, c->ids[1]) : NULL;
	return out->implied ? 0 : -ENOENT;
}

static int reply_rule(struct call *c, unsigned int status, const struct rule_roles *r)
{
	return reply_with_self(c, status, "role_inference",
			       json_pack("{s:o,s:o}", "prior_role", brief(c, r->prior), "implies",
					 brief(c, r->implied)));
}

static bool has_rule(struct call *c, const struct rule_roles *r)
{
	return call_get(c, "/implied/%s/%s", doc_str(r->prior, "id"), doc_str(r->implied, "id"));
}

static int find_rule(struct call *c, struct rule_roles *r)
{
	int rc = find_roles(c, r);

	if (rc || has_rule(c, r))
		return rc;
	return call_fail(c, 404, NULL, "%s does not imply %s.", c->ids[0], c->ids[1]);
}

/* Keystone names the first two; a circle would make each of its roles all of them. */
static bool may_imply(struct call *c, const struct rule_roles *r)
{
	auto_of(json_decref) json_t *ids = json_pack("[s]", doc_str(r->implied, "id"));

	roles_spread(c, ids);
	if (role_bit(r->implied) == ROLE_ADMIN || list_has(ids, doc_str(r->prior, "id")))
		return false;
	return !is_domains(r->implied) || is_domains(r->prior);
}

static int put_implied(struct call *c)
{
	struct rule_roles r;
	int rc = find_roles(c, &r);

	if (rc)
		return rc;
	if (!may_imply(c, &r))
		return call_fail(c, 403, NULL, "%s cannot be an implied role.", c->ids[1]);
	if (has_rule(c, &r))
		return call_fail(c, 409, NULL,
				 "Conflict occurred attempting to store implied_role - Duplicate "
				 "entry.");
	rc = put_rule(c, doc_str(r.prior, "id"), doc_str(r.implied, "id"));
	return rc ? rc : reply_rule(c, 201, &r);
}

static int show_implied(struct call *c)
{
	struct rule_roles r;
	int rc = find_rule(c, &r);

	return rc ? rc : c->head ? call_reply(c, 204, NULL) : reply_rule(c, 200, &r);
}

static int delete_implied(struct call *c)
{
	struct rule_roles r;
	int rc = find_rule(c, &r);

	rc = rc ? rc
		: call_delete(c, "/implied/%s/%s", doc_str(r.prior, "id"),
			      doc_str(r.implied, "id"));
	return rc ? rc : call_reply(c, 204, NULL);
}

const struct route role_routes[] = {
	{ "GET", "/v3/role_inferences", list_inferences, RULE_LOOK },
	{ "GET", "/v3/roles/{}/implies", list_implied, RULE_LOOK },
	{ "GET", "/v3/roles/{}/implies/{}", show_implied, RULE_LOOK },
	{ "PUT", "/v3/roles/{}/implies/{}", put_implied, RULE_ADMIN },
	{ "DELETE", "/v3/roles/{}/implies/{}", delete_implied, RULE_ADMIN },
	{ NULL },
};
