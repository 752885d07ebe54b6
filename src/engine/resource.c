/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of resources: found, counted, shown, created, changed and deleted, whoever asks. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "engine/impl.h"

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
 * res_find_user() - A user by id, if the caller may see him
 * @c:  the call
 * @id: any text
 *
 * Return: borrowed; NULL with a 404 set: `return -ENOENT`.
 */
const json_t *res_find_user(struct call *c, const char *id)
{
	return res_find(c, c->priv->eng->authority->users, id);
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
	rely_on_found(c, r, field, value ? value : "");
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
	char keys[64];

	if (r->quota && field && !strcmp(field, resource_owner(r))) {
		const struct tally t = tally_of_owners(r, keys);

		return (unsigned int)cache_sums(c->priv->eng->cache, &t, value).n;
	}
	while (cursor_step(&it))
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

/**
 * res_field() - A resource's row by name
 * @c:    the call
 * @r:    resource
 * @name: member name
 *
 * Return: the row, whoever's feature it is; NULL.
 */
const struct rfield *res_field(const struct call *c, const struct resource *r, const char *name)
{
	struct schema s = schema_of(c->priv->eng->schemas, r);

	return schema_field(&s, name);
}

/* A member that an older version did not keep is null. */
static int set_shown(json_t *out, const char *name, json_t *value)
{
	return json_object_set_new(out, name, value ? json_incref(value) : json_null());
}

static bool is_shown(const struct call *c, const struct rfield *f)
{
	return !(f->flags & (R_SECRET | R_VIRTUAL)) &&
	       (!(f->flags & R_HIDDEN) || caller_is_admin(c));
}

static int show_member(const struct rfield *f, const json_t *doc, json_t *out)
{
	json_t *value = field_value(f, doc);

	if (!(f->flags & R_OMIT) || !json_is_null(value))
		return json_object_set_new(out, f->name, value);
	json_decref(value);
	return 0;
}

/* Members that no row names. */
static int show_further(const struct call *c, const struct resource *r, const json_t *doc,
			json_t *out)
{
	const char *name;
	json_t *value;
	int rc = 0;

	json_object_foreach ((json_t *)doc, name, value)
		if (!res_field(c, r, name))
			rc |= json_object_set(out, name, value);
	return rc;
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

	for (const struct rfield *f = rows; out && f->name; f++)
		if (is_shown(c, f))
			rc |= show_member(f, doc, out);
	if (r->flags & RES_TENANT)
		rc |= set_shown(out, "tenant_id", json_object_get(doc, "project_id"));
	for (unsigned int i = 0; i < ARRAY_LEN(stamps); i++)
		if (r->flags & (i < 2 ? RES_TIMES : RES_REVISION))
			rc |= set_shown(out, stamps[i], json_object_get(doc, stamps[i]));
	if (r->flags & RES_FREE_FORM)
		rc |= show_further(c, r, doc, out);
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

/**
 * res_update() - Write a changed document, and let all hear of it
 * @c:         the call
 * @r:         its resource
 * @doc_taken: as res_put()
 *
 * As a client's update, but check() does not run.
 *
 * Return: 0; a fault of updated(); as res_put().
 */
int res_update(struct call *c, const struct resource *r, json_t *doc_taken)
{
	auto_of(json_decref) json_t *doc = json_incref(doc_taken);
	auto_of(json_decref) json_t *old =
		doc ? json_incref((json_t *)res_get(c, r, res_id(doc))) : NULL;
	int rc = res_put(c, r, doc_taken);

	return rc ? rc : hooks_run(c, r, ON_UPDATED, doc, old);
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
	const char *project = doc_str(doc, resource_owner(r));
	int64_t limit = r->quota ? res_quota(c, r, project) : -1;

	if (limit < 0 || res_count(c, r, resource_owner(r), project) < (uint64_t)limit)
		return 0;
	if (c->service && c->service->style == FAULT_NEUTRON)
		return call_fail(c, 409, "OverQuota", "Quota exceeded for resources: ['%s'].",
				 r->quota);
	return call_fail(c, 403, NULL, "Quota exceeded for %s: at most %lld.", r->quota,
			 (long long)limit);
}

/**
 * res_insert() - Create a complete document: check, put, created
 * @c:   the call
 * @r:   its resource
 * @doc: the document; gets an id unless it has one
 *
 * Return: 0; a fault: of a quota, of a hook, the id is taken; as call_put().
 */
int res_insert(struct call *c, const struct resource *r, json_t *doc)
{
	int rc = set_id(r, doc);

	rc = rc ? rc : check_quota(c, r, doc);
	rc = rc ? rc : hooks_run(c, r, ON_PREPARE, doc, NULL);
	rc = rc ? rc : hooks_run(c, r, ON_CHECK, doc, NULL);
	if (!rc && res_get(c, r, res_id(doc)))
		rc = call_fail(c, 409, "Conflict", "%s %s already exists.",
			       r->label ? r->label : r->one, res_id(doc));
	rc = rc ? rc : put_doc(c, r, doc, NULL);
	return rc ? rc : hooks_run(c, r, ON_CREATED, doc, NULL);
}

/**
 * res_change() - Change a document: check, put if that changes it, updated
 * @c:         the call
 * @r:         its resource
 * @doc_taken: a copy of what stands there, changed; taken
 *
 * Return: 0; -ENOENT if there is no such document; a fault of a hook; as call_put().
 */
int res_change(struct call *c, const struct resource *r, json_t *doc_taken)
{
	auto_of(json_decref) json_t *doc = doc_taken;
	auto_of(json_decref) json_t *old = json_incref((json_t *)res_get(c, r, res_id(doc)));
	int rc = !doc ? -ENOMEM : !old ? -ENOENT : hooks_run(c, r, ON_PREPARE, doc, old);

	rc = rc ? rc : hooks_run(c, r, ON_CHECK, doc, old);
	if (!rc && !json_equal(doc, old))
		rc = put_doc(c, r, doc, old);
	return rc ? rc : hooks_run(c, r, ON_UPDATED, doc, old);
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
	if (!rc && !(r->flags & RES_GLOBAL) &&
	    !json_is_string(json_object_get(doc, resource_owner(r))))
		rc = json_object_set_new(doc, resource_owner(r), json_string(c->auth->project_id))
			     ? -ENOMEM
			     : 0;
	rc = rc ? rc : res_insert(c, r, doc);
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

/**
 * res_delete_users() - Delete the users with a value in the same transaction
 * @c:     the call
 * @field: a member of users that is indexed
 * @value: its value
 *
 * Return: 0, also where nobody knows users; as res_delete().
 */
int res_delete_users(struct call *c, const char *field, const char *value)
{
	const struct authority *a = c->priv->eng->authority;
	int rc = 0;

	while (a && !rc) {
		struct cursor it = res_list(c, a->users, field, value);

		if (!cursor_next(&it))
			break;
		rc = res_delete(c, a->users, res_id(it.doc));
	}
	return rc;
}
