/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity v3: services, endpoints and regions as tables, and the catalog made of them. What this
 * daemon serves is there from the start, under ids that every replica makes alike; its endpoints
 * have the daemon's own URL until somebody gives them another.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define REGION	"RegionOne"
#define R_BOTH	(R_CREATE | R_UPDATE)
#define URL_LEN 600 /* of an endpoint, with what its words stand for, and its NUL */

static const char *const interfaces[] = { "public", "internal", "admin", NULL };

/* An id that stays the same on every replica: 32 hex digits of a hash. */
static void stable_id(char out[33], const char *type, const char *interface)
{
	unsigned char hash[16];
	char text[128];

	snprintf(text, sizeof(text), "%s/%s", type, interface);
	crypto_generichash(hash, sizeof(hash), (unsigned char *)text, strlen(text), NULL, 0);
	sodium_bin2hex(out, 33, hash, sizeof(hash));
}

/* The service of ours that has this id, or NULL. */
static const struct service *own_service(const struct call *c, const char *id)
{
	for (const struct feature *const *f = c->opts->features; *f; f++) {
		char own[33];

		if (!(*f)->service->type)
			continue;
		stable_id(own, (*f)->service->type, "");
		if (!strcmp(own, id))
			return (*f)->service;
	}
	return NULL;
}

static int refuse_end(struct call *c, const char *one)
{
	return call_fail(c, 403, NULL, "The %s is this daemon's own: it can be disabled.", one);
}

static int deleted_service(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	struct cursor it = res_list(c, &endpoint_resource, "service_id", id);
	int rc = own_service(c, id) ? refuse_end(c, "service") : 0;

	while (!rc && cursor_next(&it))
		rc = res_delete(c, &endpoint_resource, doc_str(it.doc, "id"));
	return rc;
}

static int deleted_endpoint(struct call *c, const json_t *doc)
{
	return json_is_null(json_object_get(doc, "url")) ? refuse_end(c, "endpoint") : 0;
}

/* What $(project_id)s and %(project_id)s stand for; NULL: no such word. */
static const char *word_of(const char *word, const char *project_id, const char *user_id)
{
	if (!strncmp(word, "project_id)s", 12) || !strncmp(word, "tenant_id)s", 11))
		return project_id;
	return strncmp(word, "user_id)s", 9) ? NULL : user_id;
}

/*
 * The URL of an endpoint for one token. Return: 0; -EINVAL if it has a word that nobody knows, or
 * gets too long; -ENXIO if it needs a project and the token has none.
 */
static int expand(const char *url, const char *project_id, const char *user_id, char out[URL_LEN])
{
	size_t n = 0;

	for (; *url; url++) {
		const char *value = url;
		size_t len = 1;

		if (url[0] == '%' && url[1] == '%') {
			url++; /* what follows is no word */
		} else if (strchr("$%", url[0]) && url[1] == '(') {
			value = word_of(url + 2, project_id, user_id);
			if (!value)
				return -EINVAL;
			if (!*value)
				return -ENXIO;
			len = strlen(value);
			url = strstr(url, ")s") + 1;
		} else if (url[0] == '%') {
			return -EINVAL;
		}
		if (n + len >= URL_LEN)
			return -EINVAL;
		memcpy(out + n, value, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

/* A scheme and something behind it, as in Keystone's schema. */
static int valid_url(struct call *c, const char *field, json_t **value)
{
	const char *url = json_string_value(*value);
	size_t len =
		strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	if (len && url[len] == ':' && url[len + 1])
		return 0;
	return call_fail(c, 400, NULL,
			 "Invalid input for field/attribute %s. '%.300s' does not match "
			 "'^[a-zA-Z0-9+.-]+:.+'",
			 field, url);
}

/* What an endpoint names and is not there is a bad value of the endpoint, not a 404. */
static int valid_named(struct call *c, const char *field, json_t **value)
{
	bool service = !strcmp(field, "service_id");

	if (res_seen(c, service ? &service_resource : &region_resource, json_string_value(*value)))
		return 0;
	return call_fail(c, 400, NULL, "Could not find the endpoint's %s %.64s.", field,
			 json_string_value(*value));
}

/* Older clients say `region`, which makes the region. */
static int take_region(struct call *c, json_t *doc, const json_t *old)
{
	auto_of(json_decref) json_t *region = json_incref(json_object_get(doc, "region"));
	const char *id = json_string_value(region);

	json_object_del(doc, "region");
	if (!id || !*id || (old ? !doc_same(doc, old, "region_id") : doc_str(doc, "region_id")[0]))
		return 0;
	if (json_object_set(doc, "region_id", region))
		return -ENOMEM;
	return res_get(c, &region_resource, id)
		       ? 0
		       : res_create(c, &region_resource, json_pack("{s:s}", "id", id), NULL);
}

/* A URL is good when the longest ids there are fit into it. */
static int check_endpoint(struct call *c, json_t *doc, const json_t *old)
{
	const char *url = doc_text(doc, "url");
	char out[URL_LEN], id[sizeof(c->auth->project_id)] = "";

	memset(id, 'x', sizeof(id) - 1);
	if (url && expand(url, id, id, out))
		return call_fail(c, 400, NULL,
				 "Invalid endpoint URL (%.300s), see ERROR log for details.", url);
	return take_region(c, doc, old);
}

static int show_endpoint(struct call *c, const json_t *doc, json_t *out)
{
	const struct service *own = own_service(c, doc_str(doc, "service_id"));
	char url[ENGINE_URL_LEN + 64];

	json_object_set(out, "region", json_object_get(doc, "region_id"));
	if (doc_text(doc, "url") || !own)
		return 0;
	snprintf(url, sizeof(url), "%s%s", c->opts->public_url, own->url);
	return json_object_set_new(out, "url", json_string(url)) ? -ENOMEM : 0;
}

/* A region's id is its name, and stands in keys and paths. */
static int check_region(struct call *c, json_t *doc, const json_t *old)
{
	const char *id = doc_str(doc, "id"), *above = doc_str(doc, "parent_region_id");

	if (strchr(id, '/'))
		return call_fail(c, 400, NULL,
				 "Invalid input for field/attribute id. It has a slash.");
	while (*above && strcmp(above, id) != 0)
		above = doc_str(res_get(c, &region_resource, above), "parent_region_id");
	if (!*above)
		return 0;
	return call_fail(c, 400, NULL,
			 "The specified parent region %s would create a circular region hierarchy.",
			 doc_str(doc, "parent_region_id"));
}

static int deleted_region(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	struct cursor it = res_list(c, &region_resource, "parent_region_id", id);
	int rc = 0;

	if (res_count(c, &endpoint_resource, "region_id", id))
		return call_fail(c, 403, NULL,
				 "Unable to delete region %s because it or its child regions have "
				 "associated endpoints.",
				 id);
	while (!rc && cursor_next(&it))
		rc = res_delete(c, &region_resource, doc_str(it.doc, "id"));
	return rc;
}

static const struct rfield service_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "type", J_STR, R_BOTH | R_NEED | R_FILTER, .min = 1 },
	{ "name", J_STR, R_BOTH | R_FILTER, "\"\"", .valid = identity_valid_name },
	{ "enabled", J_BOOL, R_BOTH, "true" },
	{ "description", J_STR, R_BOTH | R_NULL | R_OMIT, .max = 4096 },
	{ NULL },
};
static const struct rfield endpoint_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "interface", J_STR, R_BOTH | R_NEED | R_FILTER, .names = interfaces },
	{ "service_id", J_STR, R_BOTH | R_NEED | R_FILTER, .ref = &service_resource,
	  .valid = valid_named },
	{ "region_id", J_STR, R_BOTH | R_FILTER, .ref = &region_resource, .valid = valid_named },
	{ "region", J_STR, R_BOTH | R_NULL | R_VIRTUAL, .max = 200 },
	{ "url", J_STR, R_BOTH | R_NEED, .max = 225, .valid = valid_url },
	{ "enabled", J_BOOL, R_BOTH | R_FILTER, "true" },
	{ NULL },
};
static const struct rfield region_fields[] = {
	{ "id", J_STR, R_CREATE | R_FILTER, .min = 1, .max = 200 },
	{ "description", J_STR, R_BOTH | R_EMPTY, "\"\"", .max = 4096 },
	{ "parent_region_id", J_STR, R_BOTH | R_FILTER | R_NULL, .ref = &region_resource },
	{ NULL },
};

#define CATALOG_FLAGS (RES_GLOBAL | RES_HEX_ID | RES_PATCH | RES_FREE_FORM)

const struct resource service_resource = {
	.one = "service",
	.many = "services",
	.path = "/v3/services",
	.kind = "catalog_service",
	.flags = CATALOG_FLAGS,
	.read = RULE_ADMIN,
	.write = RULE_ADMIN,
	.fields = service_fields,
	.deleted = deleted_service,
};
const struct resource endpoint_resource = {
	.one = "endpoint",
	.many = "endpoints",
	.path = "/v3/endpoints",
	.kind = "catalog_endpoint",
	.flags = CATALOG_FLAGS,
	.read = RULE_ADMIN,
	.write = RULE_ADMIN,
	.fields = endpoint_fields,
	.check = check_endpoint,
	.deleted = deleted_endpoint,
	.show = show_endpoint,
};
const struct resource region_resource = {
	.one = "region",
	.many = "regions",
	.path = "/v3/regions",
	.kind = "catalog_region",
	.flags = CATALOG_FLAGS,
	.read = RULE_SELF,
	.write = RULE_ADMIN,
	.fields = region_fields,
	.check = check_region,
	.deleted = deleted_region,
};

static int make_endpoints(struct call *c, const struct service *s, const char *service_id)
{
	int rc = 0;

	for (const char *const *i = interfaces; *i && !rc; i++) {
		char id[33];

		stable_id(id, s->type, *i);
		if (!res_get(c, &endpoint_resource, id))
			rc = res_create(c, &endpoint_resource,
					json_pack("{s:s,s:s,s:s,s:s}", "id", id, "interface", *i,
						  "service_id", service_id, "region_id", REGION),
					NULL);
	}
	return rc;
}

/**
 * catalog_start() - Make the services, endpoints and the region of what this daemon serves
 * @c: start call of the service
 *
 * Return: 0; as call_put().
 */
int catalog_start(struct call *c)
{
	int rc = res_get(c, &region_resource, REGION)
			 ? 0
			 : res_create(c, &region_resource, json_pack("{s:s}", "id", REGION), NULL);

	for (const struct feature *const *f = c->opts->features; *f && !rc; f++) {
		const struct service *s = (*f)->service;
		char id[33];

		if (!s->type || !feature_leads(c->opts->features, f))
			continue;
		stable_id(id, s->type, "");
		if (!res_get(c, &service_resource, id))
			rc = res_create(c, &service_resource,
					json_pack("{s:s,s:s,s:s}", "id", id, "type", s->type,
						  "name", s->name),
					NULL);
		rc = rc ? rc : make_endpoints(c, s, id);
	}
	return rc;
}

/* The enabled endpoints of a service, as a token shows them. */
static json_t *list_endpoints(struct call *c, const char *service_id, const char *project_id,
			      const char *user_id)
{
	struct cursor it = res_list(c, &endpoint_resource, "service_id", service_id);
	json_t *list = json_array();

	while (list && cursor_next(&it)) {
		auto_of(json_decref) json_t *doc = res_show(c, &endpoint_resource, it.doc);
		const char *region = doc_text(doc, "region_id");
		char url[URL_LEN];

		if (doc_bool(doc, "enabled") &&
		    !expand(doc_str(doc, "url"), project_id, user_id, url))
			json_array_append_new(
				list, json_pack("{s:s,s:s,s:s?,s:s?,s:s}", "id", doc_str(doc, "id"),
						"interface", doc_str(doc, "interface"), "region_id",
						region, "region", region, "url", url));
	}
	return list;
}

/**
 * identity_catalog() - The catalog of a token
 * @c:          the call
 * @project_id: of the token; "": none
 * @user_id:    whose token
 *
 * Return: a new list; NULL without memory.
 */
json_t *identity_catalog(struct call *c, const char *project_id, const char *user_id)
{
	struct cursor it = res_list(c, &service_resource, NULL, NULL);
	json_t *catalog = json_array();

	while (catalog && cursor_next(&it)) {
		const char *id = doc_str(it.doc, "id");

		if (doc_bool(it.doc, "enabled"))
			json_array_append_new(catalog,
					      json_pack("{s:o,s:s,s:s,s:s}", "endpoints",
							list_endpoints(c, id, project_id, user_id),
							"id", id, "type", doc_str(it.doc, "type"),
							"name", doc_str(it.doc, "name")));
	}
	return catalog;
}

/* PUT of a region by the id it shall have. */
static int put_region(struct call *c)
{
	const json_t *given = json_object_get(c->body, "region");
	json_t *body;

	if (!json_is_object(given) ||
	    !doc_is(given, "id", json_object_get(given, "id") ? c->ids[0] : ""))
		return call_fail(c, 400, NULL, "The region's id is not the one of the path.");
	body = json_pack("{s:o}", "region", json_copy((json_t *)given));
	json_object_set_new(json_object_get(body, "region"), "id", json_string(c->ids[0]));
	json_decref((json_t *)c->body);
	c->body = body;
	return res_handle_create(c, &region_resource);
}

static int reply_list(struct call *c, const char *many, json_t *list)
{
	char self[400];

	snprintf(self, sizeof(self), "%s/identity%s", c->opts->public_url, c->path);
	return call_reply(c, 200,
			  json_pack("{s:o,s:{s:n,s:s,s:n}}", many, list, "links", "next", "self",
				    self, "previous"));
}

static int handle_catalog(struct call *c)
{
	return reply_list(c, "catalog", identity_catalog(c, c->auth->project_id, c->auth->user_id));
}

static json_t *version_doc(struct call *c)
{
	char self[300];

	snprintf(self, sizeof(self), "%s/identity/v3/", c->opts->public_url);
	return json_pack("{s:s,s:s,s:s,s:[{s:s,s:s}],s:[{s:s,s:s}]}", "id", "v3.14", "status",
			 "stable", "updated", "2020-04-07T00:00:00Z", "links", "rel", "self",
			 "href", self, "media-types", "base", "application/json", "type",
			 "application/vnd.openstack.identity-v3+json");
}

static int handle_version(struct call *c)
{
	return call_reply(c, 200, json_pack("{s:o}", "version", version_doc(c)));
}

static int handle_versions(struct call *c)
{
	char self[300];

	snprintf(self, sizeof(self), "%s/identity/v3/", c->opts->public_url);
	call_header(c, "Location", self);
	return call_reply(c, 300, json_pack("{s:{s:[o]}}", "versions", "values", version_doc(c)));
}

const struct route catalog_routes[] = {
	{ "GET", "/", handle_versions, RULE_OPEN },
	{ "GET", "/v3", handle_version, RULE_OPEN },
	{ "GET", "/v3/", handle_version, RULE_OPEN },
	{ "GET", "/v3/auth/catalog", handle_catalog, RULE_SELF },
	{ "PUT", "/v3/regions/{}", put_region, RULE_ADMIN },
	{ NULL },
};
