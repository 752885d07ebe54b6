/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flavors: a resource whose members have the names Nova's extensions gave them,
 * extra specs and the access list of private ones. A server keeps a copy of its
 * flavor, so deleting one harms nobody.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"

#define PUBLIC	 "os-flavor-access:is_public"
#define MAX_INT	 2147483647
#define ID_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-"

static bool has_access(const json_t *flavor, const char *project_id)
{
	const json_t *p;
	size_t i;

	json_array_foreach (json_object_get(flavor, "access"), i, p)
		if (!strcmp(json_string_value(p), project_id))
			return true;
	return false;
}

/* Lists hold the public ones and one's own, unless an admin asks for others by is_public. */
static bool flavor_visible(const struct call *c, const json_t *doc)
{
	if (doc_bool(doc, PUBLIC) || has_access(doc, c->auth->project_id))
		return true;
	return caller_is_admin(c) &&
	       (c->ids[0] || strcmp(c->method, "GET") || call_arg(c, "is_public"));
}

static bool match_public(struct call *c, const json_t *doc, const char *value)
{
	return !strcasecmp(value, "none") || doc_bool(doc, PUBLIC) == (field_bool_word(value) > 0);
}

static bool match_min_ram(struct call *c, const json_t *doc, const char *value)
{
	return doc_int(doc, "ram") >= atoll(value);
}

static bool match_min_disk(struct call *c, const json_t *doc, const char *value)
{
	return doc_int(doc, "disk") >= atoll(value);
}

static int valid_rxtx(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value);
	double factor = text ? atof(text) : json_number_value(*value);

	if (factor <= 0 || (text && (text[strspn(text, "0123456789.")] ||
				     strchr(text, '.') != strrchr(text, '.'))))
		return call_fail(
			c, 400, "BadRequest",
			"Invalid input for field/attribute %s: a positive number is needed", field);
	json_decref(*value);
	*value = json_real(factor);
	return 0;
}

/* Clients give ids as numbers as well; they are kept as text. */
static int valid_id(struct call *c, const char *field, json_t **value)
{
	const char *given = json_string_value(*value);
	json_t *text;

	if (!json_is_integer(*value) && !json_is_string(*value) && !json_is_null(*value))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute %s: a text or a number is "
				 "needed",
				 field);
	if (given && (!*given || given[strspn(given, ID_CHARS)] || *given == ' ' ||
		      given[strlen(given) - 1] == ' '))
		return call_fail(
			c, 400, "BadRequest",
			"Invalid input for field/attribute %s. Value: %.200s. It is letters, "
			"digits and '. _-', without blanks at its ends",
			field, given);
	if (!json_is_integer(*value))
		return 0;
	text = json_sprintf("%lld", (long long)json_integer_value(*value));
	json_decref(*value);
	*value = text;
	return text ? 0 : -ENOMEM;
}

static const struct rfield flavor_fields[] = {
	{ "id", J_ANY, R_CREATE | R_NULL, .valid = valid_id },
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 255 },
	{ "ram", J_INT, R_CREATE | R_NEED, .min = 1, .max = MAX_INT },
	{ "disk", J_INT, R_CREATE | R_NEED, .min = 0, .max = MAX_INT },
	{ "swap", J_INT, R_CREATE, "0", .min = 0, .max = MAX_INT },
	{ "OS-FLV-EXT-DATA:ephemeral", J_INT, R_CREATE, "0", .min = 0, .max = MAX_INT },
	{ "OS-FLV-DISABLED:disabled", J_BOOL, 0, "false" },
	{ "vcpus", J_INT, R_CREATE | R_NEED, .min = 1, .max = MAX_INT },
	{ PUBLIC, J_BOOL, R_CREATE, "true" },
	{ "rxtx_factor", J_ANY, R_CREATE, "1.0", .valid = valid_rxtx },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_NULL, .max = 65535 },
	{ "extra_specs", J_OBJ, 0, "{}" },
	{ "access", J_LIST, R_SECRET, "[]" },
	{ "is_public", J_STR, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_public },
	{ "minRam", J_INT, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_min_ram },
	{ "minDisk", J_INT, R_FILTER | R_VIRTUAL | R_SECRET, .match = match_min_disk },
	{ NULL },
};

static int flavor_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *id = doc_text(doc, "id"), *name = doc_text(doc, "name");
	char hash[NAME_KEY_LEN];

	if (old)
		return 0;
	if (!name[strspn(name, " \t")])
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute name: blank");
	if (id && (strlen(id) > 200 || strchr(id, '/')))
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute id");
	if (id && res_get(c, &flavor_resource, id))
		return call_fail(c, 409, "FlavorIdExists", "Flavor with ID %s already exists.", id);
	name_key(name, hash);
	if (call_claim(c, json_object(), "/flavor_name/%s", hash))
		return call_fail(c, 409, "FlavorExists", "Flavor with name %s already exists.",
				 name);
	return 0;
}

static int flavor_deleted(struct call *c, const json_t *doc)
{
	char hash[NAME_KEY_LEN];

	name_key(doc_text(doc, "name"), hash);
	return call_delete(c, "/flavor_name/%s", hash);
}

static int flavor_show(struct call *c, const json_t *doc, json_t *out)
{
	unsigned int minor = compute_minor(c);

	if (!doc_int(doc, "swap"))
		json_object_set_new(out, "swap", json_string(""));
	if (minor < 55)
		json_object_del(out, "description");
	if (minor < 61)
		json_object_del(out, "extra_specs");
	json_object_set_new(out, "links", compute_links(c, "flavors", doc_text(doc, "id")));
	return 0;
}

static const char *const brief[] = { "id", "name", "description", "links", NULL };

const struct resource flavor_resource = {
	.one = "flavor",
	.many = "flavors",
	.label = "Flavor",
	.path = "/v2.1/flavors",
	.flags = RES_GLOBAL | RES_OK_ON_CREATE,
	.read = RULE_READ,
	.write = RULE_ADMIN,
	.fields = flavor_fields,
	.brief = brief,
	.check = flavor_check,
	.deleted = flavor_deleted,
	.show = flavor_show,
	.visible = flavor_visible,
};

/**
 * flavor_embed() - The copy of a flavor that a server keeps
 * @flavor: stored document
 *
 * Return: a new object, in the form of microversion 2.47 and with the id.
 */
json_t *flavor_embed(const json_t *flavor)
{
	return json_pack("{s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O}", "id", json_object_get(flavor, "id"),
			 "vcpus", json_object_get(flavor, "vcpus"), "ram",
			 json_object_get(flavor, "ram"), "disk", json_object_get(flavor, "disk"),
			 "ephemeral", json_object_get(flavor, "OS-FLV-EXT-DATA:ephemeral"), "swap",
			 json_object_get(flavor, "swap"), "original_name",
			 json_object_get(flavor, "name"), "extra_specs",
			 json_object_get(flavor, "extra_specs"));
}

static int no_spec(struct call *c, const char *id, const char *key)
{
	return call_fail(c, 404, "FlavorExtraSpecsNotFound",
			 "Flavor %s has no extra specs with key %s.", id, key);
}

static int specs_list(struct call *c)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);

	if (!flavor)
		return -ENOENT;
	return call_reply(
		c, 200, json_pack("{s:O}", "extra_specs", json_object_get(flavor, "extra_specs")));
}

static int spec_show(struct call *c)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);
	const char *value = doc_text(json_object_get(flavor, "extra_specs"), c->ids[1]);

	if (!flavor)
		return -ENOENT;
	if (!value)
		return no_spec(c, c->ids[0], c->ids[1]);
	return call_reply(c, 200, json_pack("{s:s}", c->ids[1], value));
}

/* Keys are letters, digits and " -_.:", values text or numbers (nova: metadata schema). */
static int specs_accept(struct call *c, const json_t *given, json_t *specs)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)given, key, value) {
		const char *text = json_string_value(value);

		if (!*key || strlen(key) > 255 ||
		    key[strspn(
			    key,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.:")])
			return call_fail(c, 400, "BadRequest", "Invalid extra spec name '%s'", key);
		if (json_is_integer(value))
			json_object_set_new(
				specs, key,
				json_sprintf("%lld", (long long)json_integer_value(value)));
		else if (text && strlen(text) <= 255)
			json_object_set(specs, key, value);
		else
			return call_fail(c, 400, "BadRequest", "Invalid value of extra spec '%s'",
					 key);
	}
	return 0;
}

static int specs_put(struct call *c, const json_t *flavor, json_t *specs)
{
	json_t *copy = json_copy((json_t *)flavor);

	json_object_set_new(copy, "extra_specs", specs);
	return res_put(c, &flavor_resource, copy);
}

static int specs_merge(struct call *c, const json_t *given)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);
	int rc;

	if (!flavor)
		return -ENOENT;
	json_t *specs = json_copy(json_object_get(flavor, "extra_specs"));
	rc = specs_accept(c, given, specs);
	if (rc) {
		json_decref(specs);
		return rc;
	}
	return specs_put(c, flavor, specs);
}

static int specs_create(struct call *c)
{
	const json_t *given = compute_body(c, "extra_specs");
	int rc = given ? specs_merge(c, given) : -EINVAL;

	return rc ? rc : call_reply(c, 200, json_pack("{s:O}", "extra_specs", given));
}

static int spec_update(struct call *c)
{
	int rc;

	if (json_object_size(c->body) != 1 || !json_object_get(c->body, c->ids[1]))
		return call_fail(c, 400, "BadRequest", "Request body and URI mismatch");
	rc = specs_merge(c, c->body);
	return rc ? rc : call_reply(c, 200, json_incref((json_t *)c->body));
}

static int spec_delete(struct call *c)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);

	if (!flavor)
		return -ENOENT;
	json_t *specs = json_copy(json_object_get(flavor, "extra_specs"));
	if (json_object_del(specs, c->ids[1])) {
		json_decref(specs);
		return no_spec(c, c->ids[0], c->ids[1]);
	}
	int rc = specs_put(c, flavor, specs);
	return rc ? rc : call_reply(c, 200, NULL);
}

static int access_reply(struct call *c, const json_t *flavor)
{
	json_t *list = json_array(), *p;
	size_t i;

	json_array_foreach (json_object_get(flavor, "access"), i, p)
		json_array_append_new(list,
				      json_pack("{s:O,s:O}", "flavor_id",
						json_object_get(flavor, "id"), "tenant_id", p));
	return call_reply(c, 200, json_pack("{s:o}", "flavor_access", list));
}

static int access_list(struct call *c)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);

	if (!flavor)
		return -ENOENT;
	if (doc_bool(flavor, PUBLIC))
		return call_fail(c, 404, "FlavorAccessNotFound",
				 "Access list not available for public flavors.");
	return access_reply(c, flavor);
}

static int access_change(struct call *c, const json_t *flavor, const char *tenant, bool add)
{
	json_t *list = json_array(), *p;
	size_t i;

	if (has_access(flavor, tenant) == add) {
		json_decref(list);
		return add ? call_fail(c, 409, "FlavorAccessExists",
				       "Flavor access already exists for flavor %s and project %s "
				       "combination.",
				       c->ids[0], tenant)
			   : call_fail(c, 404, "FlavorAccessNotFound",
				       "Flavor access not found for %s / %s combination.",
				       c->ids[0], tenant);
	}
	json_array_foreach (json_object_get(flavor, "access"), i, p)
		if (strcmp(json_string_value(p), tenant))
			json_array_append(list, p);
	if (add)
		json_array_append_new(list, json_string(tenant));
	json_t *copy = json_copy((json_t *)flavor);
	json_object_set_new(copy, "access", list);
	const json_t *put = copy;
	int rc = res_put(c, &flavor_resource, json_incref(copy));
	if (!rc)
		rc = access_reply(c, put);
	json_decref(copy);
	return rc;
}

/* POST /flavors/ID/action {"addTenantAccess": {"tenant": ID}} */
static int flavor_action(struct call *c)
{
	const json_t *flavor = res_find(c, &flavor_resource, c->ids[0]);
	const json_t *add = json_object_get(c->body, "addTenantAccess");
	const json_t *remove = json_object_get(c->body, "removeTenantAccess");
	const char *tenant = doc_text(add ? add : remove, "tenant");

	if (!flavor)
		return -ENOENT;
	if (!tenant || !*tenant)
		return call_fail(c, 400, "BadRequest",
				 "addTenantAccess or removeTenantAccess with a tenant");
	if (add && doc_bool(flavor, PUBLIC) && compute_minor(c) >= 7)
		return call_fail(c, 409, "FlavorIsPublic",
				 "Can not add access to a public flavor.");
	return access_change(c, flavor, tenant, add != NULL);
}

/* Words that Nova's lists of flavors refuse. */
static int check_filters(struct call *c)
{
	static const char *const numbers[] = { "minRam", "minDisk" };
	const char *is_public = call_arg(c, "is_public");

	if (is_public && strcasecmp(is_public, "none") && field_bool_word(is_public) < 0)
		return call_fail(c, 400, "BadRequest", "Invalid is_public filter [%s]", is_public);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *n = call_arg(c, numbers[i]);

		if (n && (!*n || n[strspn(n, "0123456789")]))
			return call_fail(c, 400, "BadRequest", "Invalid %s filter [%s]", numbers[i],
					 n);
	}
	return 0;
}

static int flavor_list(struct call *c)
{
	return check_filters(c) ?: res_handle_list(c, &flavor_resource, true);
}

static int flavor_list_detail(struct call *c)
{
	return check_filters(c) ?: res_handle_list(c, &flavor_resource, false);
}

/* Nova says 202 where the engine says 204. */
static int flavor_delete(struct call *c)
{
	int rc = res_handle_delete(c, &flavor_resource);

	return rc ? rc : call_reply(c, 202, NULL);
}

const struct route flavor_routes[] = {
	{ "GET", "/v2.1/flavors", flavor_list, RULE_READ },
	{ "GET", "/v2.1/flavors/detail", flavor_list_detail, RULE_READ },
	{ "DELETE", "/v2.1/flavors/{}", flavor_delete, RULE_ADMIN },
	{ "GET", "/v2.1/flavors/{}/os-extra_specs", specs_list, RULE_READ },
	{ "POST", "/v2.1/flavors/{}/os-extra_specs", specs_create, RULE_ADMIN },
	{ "GET", "/v2.1/flavors/{}/os-extra_specs/{}", spec_show, RULE_READ },
	{ "PUT", "/v2.1/flavors/{}/os-extra_specs/{}", spec_update, RULE_ADMIN },
	{ "DELETE", "/v2.1/flavors/{}/os-extra_specs/{}", spec_delete, RULE_ADMIN },
	{ "GET", "/v2.1/flavors/{}/os-flavor-access", access_list, RULE_ADMIN },
	{ "POST", "/v2.1/flavors/{}/action", flavor_action, RULE_ADMIN },
	{ NULL },
};
