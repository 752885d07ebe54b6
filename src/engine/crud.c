/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of resources: POST, GET, PUT and DELETE as each service spells them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/impl.h"

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

/* Who says both says the same. */
static int check_tenant(struct call *c, const struct resource *r, const json_t *given)
{
	const json_t *tenant = json_object_get(given, "tenant_id"),
		     *project = json_object_get(given, "project_id");

	if (!(r->flags & RES_TENANT) || !tenant || !project || json_equal(tenant, project))
		return 0;
	return call_fail(c, 400, "HTTPBadRequest", "'project_id' and 'tenant_id' do not match");
}

/* The project of a new document: the caller's, or the one an admin names. */
static int set_owner(struct call *c, const struct resource *r, json_t *doc)
{
	const char *given = doc_text(doc, resource_owner(r));

	if (r->flags & RES_GLOBAL)
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
	return json_object_set_new(doc, resource_owner(r), json_string(c->auth->project_id))
		       ? -ENOMEM
		       : 0;
}

static int create_given(struct call *c, const struct resource *r, const json_t *given, json_t **out)
{
	auto_of(json_decref) json_t *renamed = rename_tenant(r, given);
	auto_of(json_decref) json_t *doc = NULL;
	int rc = check_tenant(c, r, given);

	rc = rc ? rc : fields_take(c, r, res_fields(c, r), renamed, false, &doc);
	rc = rc ? rc : set_owner(c, r, doc);
	rc = rc ? rc : res_insert(c, r, doc);
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

	if (!json_array_size(list))
		return call_fail(c, 400, "HTTPBadRequest", "Resources required");
	json_array_foreach (list, i, given) {
		json_t *one = NULL;
		int rc;

		given = json_object_get(given, r->one) ?: given; /* each may have an envelope */
		rc = json_is_object(given) ? create_given(c, r, given, &one)
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

/* If-Match: revision_number=N, quoted or not (Neutron's revision-if-match): who changes what he saw
 * an older state of is told. */
static int check_revision(struct call *c, const json_t *doc)
{
	const char *match = call_header_in(c, "If-Match");
	long long want, is = (long long)doc_int(doc, "revision_number");
	bool quoted = match && *match == '"';
	char end[3] = "";

	if (!match || !strcmp(match, "*"))
		return 0;
	if (sscanf(match + quoted, "revision_number=%lld%2s", &want, end) < 1 ||
	    strcmp(end, quoted ? "\"" : "") != 0)
		return call_fail(c, 400, "HTTPBadRequest",
				 "If-Match: only revision_number=NUMBER is supported");
	if (want == is)
		return 0;
	return call_fail(c, 412, "RevisionNumberConstraintFailed",
			 "Constrained to %lld, but current revision is %lld", want, is);
}

/* The document c->ids[0] if the caller may change it; NULL with a fault. */
static const json_t *find_own(struct call *c, const struct resource *r)
{
	const json_t *doc = res_find(c, r, c->ids[0]);

	if (!doc)
		return NULL;
	if (res_owned(c, r, doc))
		return r->flags & RES_REVISION && check_revision(c, doc) ? NULL : doc;
	if (c->service->style == FAULT_NEUTRON)
		fault_no_route(c); /* as recorded: a shared object is not there for writing */
	else
		call_fail(c, 403, NULL, "You are not allowed to change this %s.", r->one);
	return NULL;
}

/* Keystone: a read-only member that is as it was (`id`, above all) asks for nothing. */
static json_t *drop_same(struct call *c, const struct resource *r, const json_t *old,
			 json_t *given_taken)
{
	json_t *given = json_copy(given_taken);

	for (const struct rfield *f = res_fields(c, r); f->name; f++) {
		const json_t *value = json_object_get(given, f->name);

		if (value && !(f->flags & (R_UPDATE | R_SECRET)) &&
		    json_equal((json_t *)value, json_object_get(old, f->name)))
			json_object_del(given, f->name);
	}
	json_decref(given_taken);
	return given;
}

/* A body is judged before what it is about is looked for: Neutron's names, Keystone's number. */
static int check_body(struct call *c, const struct resource *r, const json_t *given)
{
	if (c->service->style == FAULT_KEYSTONE && !json_object_size(given))
		return call_fail(c, 400, NULL, "{} does not have enough properties");
	if (c->service->style == FAULT_NEUTRON)
		return fields_check_names(c, r, res_fields(c, r), given, true);
	return 0;
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
	auto_of(json_decref) json_t *renamed = NULL, *changes = NULL;
	const json_t *old, *given;
	json_t *doc, *out;
	int rc = open_envelope(c, r, &given);

	if (rc)
		return rc;
	renamed = rename_tenant(r, given);
	rc = check_body(c, r, renamed);
	old = rc ? NULL : find_own(c, r);
	if (!old)
		return rc ?: -ENOENT;
	if (c->service->style == FAULT_KEYSTONE)
		renamed = drop_same(c, r, old, renamed);
	rc = fields_take(c, r, res_fields(c, r), renamed, true, &changes);
	if (rc)
		return rc;
	doc = json_copy((json_t *)old);
	if (doc && json_object_update(doc, changes))
		json_decref(take(doc));
	rc = res_change(c, r, doc);
	if (rc)
		return rc;
	out = res_show(c, r, res_get(c, r, c->ids[0]));
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
 * Return: 0; CALL_WAIT: a long one is made in turns; a fault.
 */
int res_handle_list(struct call *c, const struct resource *r, bool brief)
{
	return res_handle_list_as(c, r, &(struct list_shape){ .brief = brief });
}

/**
 * res_handle_list_as() - GET of a collection, in another shape
 * @c:     the call
 * @r:     resource
 * @shape: what it looks like
 *
 * Return: 0; CALL_WAIT; a fault.
 */
int res_handle_list_as(struct call *c, const struct resource *r, const struct list_shape *shape)
{
	return query_list(c, r, shape);
}
