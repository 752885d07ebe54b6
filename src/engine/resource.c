/* SPDX-License-Identifier: Apache-2.0 */
/* The resource engine: show, create, update, delete of documents a table describes. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "engine/impl.h"

static const char *owner_field(const struct resource *r)
{
	return r->owner ? r->owner : "project_id";
}

static bool has_owner(const struct resource *r)
{
	return !(r->flags & RES_GLOBAL);
}

/**
 * res_id() - A document's id
 * @doc: document of a resource
 *
 * Return: borrowed; "" if it has none.
 */
const char *res_id(const json_t *doc)
{
	return doc_str(doc, "id");
}

static bool is_own(const struct call *c, const struct resource *r, const json_t *doc)
{
	return !has_owner(r) || caller_owns(c, doc_str(doc, owner_field(r)));
}

/**
 * res_visible() - May the caller see a document?
 * @c:   the call
 * @r:   its resource
 * @doc: document
 */
bool res_visible(struct call *c, const struct resource *r, const json_t *doc)
{
	if (r->visible)
		return r->visible(c, doc);
	return is_own(c, r, doc) || (r->flags & RES_SHARED && doc_bool(doc, "shared"));
}

/**
 * res_get() - A document by id, whoever owns it
 * @c:  the call
 * @r:  resource
 * @id: any text
 *
 * Return: borrowed; NULL if there is none.
 */
const json_t *res_get(struct call *c, const struct resource *r, const char *id)
{
	return id && !strchr(id, '/') ? call_get(c, "/%s/%s", resource_kind(r), id) : NULL;
}

/**
 * res_seen() - A document by id, if the caller may see it, for who has words of his own
 * @c:  the call
 * @r:  resource
 * @id: any text, or NULL
 *
 * Return: borrowed; NULL if there is none, or none for the caller: he is told the same.
 */
const json_t *res_seen(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_get(c, r, id);

	return doc && res_visible(c, r, doc) ? doc : NULL;
}

/**
 * res_find() - A document by id, if the caller may see it
 * @c:  the call
 * @r:  resource
 * @id: any text
 *
 * Return: borrowed; NULL with a 404 set: `return -ENOENT`.
 */
const json_t *res_find(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_seen(c, r, id);

	if (!doc)
		fault_not_found(c, r, id ? id : "");
	return doc;
}

/**
 * res_list() - Walk documents, all or those with a value
 * @c:     the call
 * @r:     resource
 * @field: a field that is indexed (R_INDEX, .ref, name, project_id); NULL: all
 * @value: its value as text; only the first 200 bytes count
 *
 * Return: a cursor for cursor_next(); documents are whoever's.
 */
struct cursor res_list(struct call *c, const struct resource *r, const char *field,
		       const char *value)
{
	struct schema s = schema_of(c->priv->eng->schemas, r);

	assert(!field || schema_indexes(&s, schema_field(&s, field)));
	return cache_find(c->priv->eng->cache, r, field, value ? value : "");
}

/**
 * res_count() - Count documents
 * @c:     the call
 * @r:     resource
 * @field: as res_list()
 * @value: as res_list()
 */
unsigned int res_count(struct call *c, const struct resource *r, const char *field,
		       const char *value)
{
	struct cursor it = res_list(c, r, field, value);
	unsigned int n = 0;

	while (cursor_next(&it))
		n++;
	return n;
}

/**
 * res_quota_default() - How many of a resource a project may have if nobody said
 * @c: the call
 * @r: resource with a quota
 *
 * Return: what [quotas] says, else the table; -1: unlimited.
 */
int64_t res_quota_default(struct call *c, const struct resource *r)
{
	const char *text = c->opts->conf ? conf_get(c->opts->conf, "quotas", r->quota) : "";
	char *end;
	long long n = strtoll(text, &end, 10);

	return *text && !*end && n >= -1 ? n : r->quota_default;
}

/**
 * res_quota() - How many of a resource a project may have
 * @c:          the call
 * @r:          resource
 * @project_id: project
 *
 * Return: the limit; -1: none.
 */
int64_t res_quota(struct call *c, const struct resource *r, const char *project_id)
{
	const json_t *limit;

	if (!r->quota)
		return -1;
	limit = json_object_get(call_get(c, "/quota/%s", project_id), r->quota);
	return json_is_integer(limit) ? json_integer_value(limit) : res_quota_default(c, r);
}

/**
 * res_fields() - A resource's rows: its own, then those that features add
 * @c: the call
 * @r: resource
 *
 * Return: { NULL } at the end; live as long as the engine.
 */
const struct rfield *res_fields(const struct call *c, const struct resource *r)
{
	return schema_of(c->priv->eng->schemas, r).fields;
}

/* A member that an older version did not keep is null. */
static int set_shown(json_t *out, const char *name, json_t *value)
{
	return json_object_set_new(out, name, value ? json_incref(value) : json_null());
}

/**
 * res_show() - A document as the caller gets it
 * @c:   the call
 * @r:   its resource
 * @doc: document
 *
 * Return: a new object; NULL without memory or when show() refused.
 */
json_t *res_show(struct call *c, const struct resource *r, const json_t *doc)
{
	static const char *const stamps[] = { "created_at", "updated_at", "revision_number" };
	const struct rfield *rows = res_fields(c, r);
	auto_of(json_decref) json_t *out = json_object();
	int rc = 0;

	for (const struct rfield *f = rows; out && f->name; f++) {
		if (f->flags & (R_SECRET | R_VIRTUAL) ||
		    (f->flags & R_HIDDEN && !caller_is_admin(c)))
			continue;
		rc |= json_object_set_new(out, f->name, field_value(f, doc));
	}
	if (r->flags & RES_TENANT)
		rc |= set_shown(out, "tenant_id", json_object_get(doc, "project_id"));
	for (unsigned int i = 0; i < ARRAY_LEN(stamps); i++)
		if (r->flags & (i < 2 ? RES_TIMES : RES_REVISION))
			rc |= set_shown(out, stamps[i], json_object_get(doc, stamps[i]));
	if (r->flags & RES_FREE_FORM)
		rc |= json_object_update_missing(out, (json_t *)doc);
	if (c->service && c->service->style == FAULT_KEYSTONE && r->path) {
		char self[600];

		snprintf(self, sizeof(self), "%s%s%s/%s", c->opts->public_url, c->service->prefix,
			 r->path, res_id(doc));
		rc |= json_object_set_new(out, "links", json_pack("{s:s}", "self", self));
	}
	if (!out || rc || hooks_run(c, r, ON_SHOW, (json_t *)doc, out))
		return NULL;
	return take(out);
}

/* Puts doc under its id, with its stamps. old NULL: created now. */
static int put_doc(struct call *c, const struct resource *r, json_t *doc, const json_t *old)
{
	char now[32];
	int rc = 0;

	call_time(c, now);
	if (r->flags & RES_TIMES) {
		if (!old)
			rc |= json_object_set_new(doc, "created_at", json_string(now));
		rc |= json_object_set_new(doc, "updated_at", json_string(now));
	}
	if (r->flags & RES_REVISION) {
		json_int_t n = doc_int(old, "revision_number");

		rc |= json_object_set_new(doc, "revision_number", json_integer(n + 1));
	}
	if (rc)
		return -ENOMEM;
	return call_put(c, json_incref(doc), "/%s/%s", resource_kind(r), res_id(doc));
}

/**
 * res_put() - Write a changed document
 * @c:         the call
 * @r:         its resource
 * @doc_taken: a copy of what stands there, changed; its stamps are renewed. Taken
 *
 * No hook runs.
 *
 * Return: 0; -ENOENT if there is no such document; as call_put().
 */
int res_put(struct call *c, const struct resource *r, json_t *doc_taken)
{
	auto_of(json_decref) json_t *doc = doc_taken;
	const json_t *old = doc ? res_get(c, r, res_id(doc)) : NULL;

	if (!doc)
		return -ENOMEM;
	return old ? put_doc(c, r, doc, old) : -ENOENT;
}

static int set_id(const struct resource *r, json_t *doc)
{
	char id[UUID_STR_LEN];

	if (json_is_string(json_object_get(doc, "id")))
		return 0;
	if (r->flags & RES_HEX_ID)
		uuid_new_hex(id);
	else
		uuid_new(id);
	return json_object_set_new(doc, "id", json_string(id)) ? -ENOMEM : 0;
}

static int check_quota(struct call *c, const struct resource *r, const json_t *doc)
{
	const char *project = doc_str(doc, owner_field(r));
	int64_t limit = r->quota ? res_quota(c, r, project) : -1;

	if (limit < 0 || res_count(c, r, owner_field(r), project) < (uint64_t)limit)
		return 0;
	if (c->service && c->service->style == FAULT_NEUTRON)
		return call_fail(c, 409, "OverQuota", "Quota exceeded for resources: ['%s'].",
				 r->quota);
	return call_fail(c, 403, NULL, "Quota exceeded for %s: at most %lld.", r->quota,
			 (long long)limit);
}

/* From a complete doc to its rows: check, put, created. */
static int create_doc(struct call *c, const struct resource *r, json_t *doc)
{
	int rc = set_id(r, doc);

	rc = rc ? rc : check_quota(c, r, doc);
	rc = rc ? rc : hooks_run(c, r, ON_CHECK, doc, NULL);
	if (!rc && res_get(c, r, res_id(doc)))
		rc = call_fail(c, 409, "Conflict", "%s %s already exists.",
			       r->label ? r->label : r->one, res_id(doc));
	rc = rc ? rc : put_doc(c, r, doc, NULL);
	return rc ? rc : hooks_run(c, r, ON_CREATED, doc, NULL);
}

/**
 * res_create() - Create a document in the same transaction, as the system
 * @c:           the call
 * @r:           its resource
 * @attrs_taken: any members, read-only ones too, already of the right type; taken
 * @out:         if not NULL, the document, borrowed
 *
 * Defaults are filled in; check() and created() run. The project is the caller's unless given.
 *
 * Return: 0; a fault of the hooks; as call_put().
 */
int res_create(struct call *c, const struct resource *r, json_t *attrs_taken, const json_t **out)
{
	auto_of(json_decref) json_t *doc = attrs_taken;
	int rc = doc ? 0 : -ENOMEM;

	for (const struct rfield *f = res_fields(c, r); f->name && !rc; f++)
		if (!(f->flags & R_VIRTUAL) && !json_object_get(doc, f->name))
			rc = json_object_set_new(doc, f->name, field_default(f)) ? -ENOMEM : 0;
	if (!rc && has_owner(r) && !json_is_string(json_object_get(doc, owner_field(r))))
		rc = json_object_set_new(doc, owner_field(r), json_string(c->auth->project_id))
			     ? -ENOMEM
			     : 0;
	rc = rc ? rc : create_doc(c, r, doc);
	if (!rc && out)
		*out = res_get(c, r, res_id(doc));
	return rc;
}

/**
 * res_delete() - Delete a document in the same transaction
 * @c:  the call
 * @r:  its resource
 * @id: of a document that may be gone already
 *
 * deleted() runs and may refuse.
 *
 * Return: 0; a fault; as call_delete().
 */
int res_delete(struct call *c, const struct resource *r, const char *id)
{
	auto_of(json_decref) json_t *doc = json_incref((json_t *)res_get(c, r, id));
	int rc;

	if (!doc)
		return 0;
	rc = call_delete(c, "/%s/%s", resource_kind(r), res_id(doc));
	return rc ? rc : hooks_run(c, r, ON_DELETED, doc, NULL);
}

/* tenant_id is project_id's older name. */
static json_t *rename_tenant(const struct resource *r, const json_t *given)
{
	json_t *copy, *tenant;

	if (!(r->flags & RES_TENANT) || !json_object_get(given, "tenant_id"))
		return json_incref((json_t *)given);
	copy = json_copy((json_t *)given);
	tenant = json_object_get(copy, "tenant_id");
	if (!json_object_get(copy, "project_id"))
		json_object_set(copy, "project_id", tenant);
	json_object_del(copy, "tenant_id");
	return copy;
}

/* The project of a new document: the caller's, or the one an admin names. */
static int set_owner(struct call *c, const struct resource *r, json_t *doc)
{
	const char *given = doc_text(doc, owner_field(r));

	if (!has_owner(r))
		return 0;
	if (given && given[0]) {
		if (caller_owns(c, given))
			return 0;
		return call_fail(c, c->service->style == FAULT_NEUTRON ? 400 : 403,
				 "HTTPBadRequest",
				 "Specifying 'project_id' or 'tenant_id' other than the "
				 "authenticated project in request requires admin privileges");
	}
	if (!c->auth->project_id[0])
		return call_fail(c, 403, "PolicyNotAuthorized", "The token has no project.");
	return json_object_set_new(doc, owner_field(r), json_string(c->auth->project_id)) ? -ENOMEM
											  : 0;
}

static int create_given(struct call *c, const struct resource *r, const json_t *given, json_t **out)
{
	auto_of(json_decref) json_t *renamed = rename_tenant(r, given);
	auto_of(json_decref) json_t *doc = NULL;
	int rc = fields_take(c, r, res_fields(c, r), renamed, false, &doc);

	rc = rc ? rc : set_owner(c, r, doc);
	rc = rc ? rc : create_doc(c, r, doc);
	if (rc)
		return rc;
	*out = res_show(c, r, res_get(c, r, res_id(doc)));
	return *out ? 0 : -ENOMEM;
}

static bool is_flat(const struct call *c) /* Glance has no envelopes */
{
	return c->service->style == FAULT_GLANCE;
}

/* What the envelope holds; a fault in the service's words if that is no object. */
static int open_envelope(struct call *c, const struct resource *r, const json_t **given)
{
	*given = is_flat(c) ? c->body : json_object_get(c->body, r->one);
	if (json_is_object(*given))
		return 0;
	if (c->body && !json_is_object(c->body))
		return fault_bad_body(c);
	if (*given && c->service->style == FAULT_NEUTRON)
		return call_fail(c, 400, "HTTPBadRequest", "Object '%s' contains invalid data",
				 r->one);
	if (c->service->style == FAULT_NEUTRON)
		return call_fail(c, 400, "HTTPBadRequest", "Unable to find '%s' in request body",
				 r->one);
	if (*given)
		return fault_bad_value(c, r->one, "it is not of type 'object'");
	return call_fail(c, 400, NULL, "'%s' is a required property", r->one);
}

static int create_many(struct call *c, const struct resource *r, const json_t *list)
{
	auto_of(json_decref) json_t *out = json_array();
	const json_t *given;
	size_t i;

	json_array_foreach (list, i, given) {
		json_t *one = NULL;
		int rc = json_is_object(given)
				 ? create_given(c, r, given, &one)
				 : call_fail(c, 400, "HTTPBadRequest",
					     "Object '%s' contains invalid data", r->one);
		if (rc)
			return rc;
		if (json_array_append_new(out, one))
			return -ENOMEM;
	}
	return call_reply(c, 201, json_pack("{s:O}", r->many, out));
}

/**
 * res_handle_create() - POST of a collection: one, or a bulk in one transaction
 * @c: the call
 * @r: resource
 *
 * Return: 0; a fault.
 */
int res_handle_create(struct call *c, const struct resource *r)
{
	const json_t *many = json_object_get(c->body, r->many), *given;
	unsigned int status = r->flags & RES_OK_ON_CREATE ? 200 : 201;
	json_t *out = NULL;
	int rc;

	if (json_is_array(many) && c->service->style == FAULT_NEUTRON)
		return create_many(c, r, many);
	rc = open_envelope(c, r, &given);
	rc = rc ? rc : create_given(c, r, given, &out);
	if (rc)
		return rc;
	if (!is_flat(c))
		return call_reply(c, status, json_pack("{s:o}", r->one, out));
	return call_reply(c, status, out);
}

/**
 * res_handle_show() - GET of one document, c->ids[0]
 * @c: the call
 * @r: resource
 *
 * Return: 0; a fault.
 */
int res_handle_show(struct call *c, const struct resource *r)
{
	const json_t *doc = res_find(c, r, c->ids[0]);
	json_t *out;

	if (!doc)
		return -ENOENT;
	out = query_fields(c, res_show(c, r, doc));
	if (!out)
		return -ENOMEM;
	return call_reply(c, 200, is_flat(c) ? out : json_pack("{s:o}", r->one, out));
}

/* The document c->ids[0] if the caller may change it; NULL with a fault. */
static const json_t *find_own(struct call *c, const struct resource *r)
{
	const json_t *doc = res_find(c, r, c->ids[0]);

	if (!doc || (r->owned ? r->owned(c, doc) : is_own(c, r, doc)))
		return doc;
	if (c->service->style == FAULT_NEUTRON)
		fault_no_route(c); /* as recorded: a shared object is not there for writing */
	else
		call_fail(c, 403, NULL, "You are not allowed to change this %s.", r->one);
	return NULL;
}

/**
 * res_handle_update() - PUT (PATCH) of one document, c->ids[0]
 * @c: the call
 * @r: resource
 *
 * Return: 0; a fault.
 */
int res_handle_update(struct call *c, const struct resource *r)
{
	auto_of(json_decref) json_t *old = json_incref((json_t *)find_own(c, r));
	auto_of(json_decref) json_t *doc = NULL, *renamed = NULL, *changes = NULL;
	const json_t *given;
	json_t *out;
	int rc = old ? open_envelope(c, r, &given) : -ENOENT;

	if (rc)
		return rc;
	renamed = rename_tenant(r, given);
	rc = fields_take(c, r, res_fields(c, r), renamed, true, &changes);
	if (rc)
		return rc;
	doc = json_copy(old);
	if (!doc || json_object_update(doc, changes))
		return -ENOMEM;
	rc = hooks_run(c, r, ON_CHECK, doc, old);
	if (!rc && !json_equal(doc, old))
		rc = put_doc(c, r, doc, old);
	rc = rc ? rc : hooks_run(c, r, ON_UPDATED, doc, old);
	if (rc)
		return rc;
	out = res_show(c, r, res_get(c, r, res_id(old)));
	if (!out)
		return -ENOMEM;
	return call_reply(c, 200, is_flat(c) ? out : json_pack("{s:o}", r->one, out));
}

/**
 * res_handle_delete() - DELETE of one document, c->ids[0]
 * @c: the call
 * @r: resource
 *
 * Return: 0; a fault.
 */
int res_handle_delete(struct call *c, const struct resource *r)
{
	const json_t *doc = find_own(c, r);
	int rc = doc ? res_delete(c, r, res_id(doc)) : -ENOENT;

	return rc ? rc : call_reply(c, 204, NULL);
}

/**
 * res_handle_list() - GET of a collection
 * @c:     the call
 * @r:     resource
 * @brief: only r->brief members (Nova's PATH, not PATH/detail)
 *
 * Return: 0; a fault.
 */
int res_handle_list(struct call *c, const struct resource *r, bool brief)
{
	return query_list(c, r, brief);
}
