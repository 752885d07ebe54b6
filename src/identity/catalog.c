/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity v3: version documents and the catalog. The catalog is what this
 * daemon serves, so it is made from the features, not stored.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define REGION "RegionOne"

static const char *const interfaces[] = { "public", "internal", "admin" };

/* An id that stays the same on every replica: 32 hex digits of a hash. */
static void stable_id(char out[33], const char *type, const char *interface)
{
	unsigned char hash[16];
	char text[128];

	snprintf(text, sizeof(text), "%s/%s", type, interface);
	crypto_generichash(hash, sizeof(hash), (unsigned char *)text, strlen(text), NULL, 0);
	sodium_bin2hex(out, 33, hash, sizeof(hash));
}

static json_t *endpoint(struct call *c, const struct service *s, const char *interface)
{
	char id[33], url[400];

	stable_id(id, s->type, interface);
	snprintf(url, sizeof(url), "%s%s", c->opts->public_url, s->url);
	return json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", id, "interface", interface, "region_id",
			 REGION, "region", REGION, "url", url);
}

/**
 * identity_catalog() - The catalog of a token
 * @c: the call
 *
 * Return: a new list; NULL without memory.
 */
json_t *identity_catalog(struct call *c)
{
	json_t *catalog = json_array();

	for (const struct feature *const *f = c->opts->features; catalog && *f; f++) {
		const struct service *s = (*f)->service;
		json_t *endpoints;
		char id[33];

		if (!s->type || !feature_leads(c->opts->features, f))
			continue;
		endpoints = json_array();
		for (unsigned int i = 0; i < ARRAY_LEN(interfaces); i++)
			json_array_append_new(endpoints, endpoint(c, s, interfaces[i]));
		stable_id(id, s->type, "");
		json_array_append_new(catalog,
				      json_pack("{s:o,s:s,s:s,s:s}", "endpoints", endpoints, "id",
						id, "type", s->type, "name", s->name));
	}
	return catalog;
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
	return reply_list(c, "catalog", identity_catalog(c));
}

static json_t *service_doc(const struct service *s)
{
	char id[33];

	stable_id(id, s->type, "");
	return json_pack("{s:s,s:s,s:s,s:b,s:s,s:{}}", "id", id, "type", s->type, "name", s->name,
			 "enabled", 1, "description", "", "links");
}

static json_t *endpoint_doc(struct call *c, const struct service *s, const char *interface)
{
	json_t *doc = endpoint(c, s, interface);
	char id[33];

	stable_id(id, s->type, "");
	json_object_set_new(doc, "service_id", json_string(id));
	json_object_set_new(doc, "enabled", json_true());
	json_object_set_new(doc, "links", json_object());
	return doc;
}

/* All services (endpoints), or the one with the id c->ids[0]. */
static json_t *collect(struct call *c, bool endpoints)
{
	json_t *list = json_array();

	for (const struct feature *const *f = c->opts->features; *f; f++) {
		const struct service *s = (*f)->service;
		const char *type = call_arg(c, "type");

		if (!s->type || !feature_leads(c->opts->features, f) ||
		    (type && strcmp(type, s->type) != 0))
			continue;
		if (!endpoints)
			json_array_append_new(list, service_doc(s));
		for (unsigned int i = 0; endpoints && i < ARRAY_LEN(interfaces); i++) {
			const char *wanted = call_arg(c, "interface");

			if (!wanted || !strcmp(wanted, interfaces[i]))
				json_array_append_new(list, endpoint_doc(c, s, interfaces[i]));
		}
	}
	return list;
}

static int reply_one(struct call *c, const char *one, json_t *list_taken)
{
	auto_of(json_decref) json_t *list = list_taken;
	json_t *doc;
	size_t i;

	json_array_foreach (list, i, doc) {
		const char *id = doc_text(doc, "id");

		if (!strcmp(id, c->ids[0]))
			return call_reply(c, 200, json_pack("{s:O}", one, doc));
	}
	return call_fail(c, 404, NULL, "Could not find %s: %s.", one, c->ids[0]);
}

static int handle_services(struct call *c)
{
	return reply_list(c, "services", collect(c, false));
}

static int handle_service(struct call *c)
{
	return reply_one(c, "service", collect(c, false));
}

static int handle_endpoints(struct call *c)
{
	return reply_list(c, "endpoints", collect(c, true));
}

static int handle_endpoint(struct call *c)
{
	return reply_one(c, "endpoint", collect(c, true));
}

static json_t *region_doc(void)
{
	return json_pack("{s:s,s:s,s:n,s:{}}", "id", REGION, "description", "", "parent_region_id",
			 "links");
}

static int handle_regions(struct call *c)
{
	return reply_list(c, "regions", json_pack("[o]", region_doc()));
}

static int handle_region(struct call *c)
{
	return reply_one(c, "region", json_pack("[o]", region_doc()));
}

static int handle_groups(struct call *c)
{
	return reply_list(c, "groups", json_array());
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
	{ "GET", "/v3/services", handle_services, RULE_ADMIN },
	{ "GET", "/v3/services/{}", handle_service, RULE_ADMIN },
	{ "GET", "/v3/endpoints", handle_endpoints, RULE_ADMIN },
	{ "GET", "/v3/endpoints/{}", handle_endpoint, RULE_ADMIN },
	{ "GET", "/v3/regions", handle_regions, RULE_SELF },
	{ "GET", "/v3/regions/{}", handle_region, RULE_SELF },
	{ "GET", "/v3/groups", handle_groups, RULE_LOOK },
	{ NULL },
};
