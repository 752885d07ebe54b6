/* SPDX-License-Identifier: Apache-2.0 */
/* Which documents a list request asks for, and which filters each service refuses. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/iso8601.h"
#include "engine/query.h"

static bool is_word(const char *name)
{
	static const char *const words[] = { "fields", "sort_key", "sort_dir",	   "sort",
					     "limit",  "marker",   "page_reverse", NULL };

	for (const char *const *w = words; *w; w++)
		if (strcmp(*w, name) == 0)
			return true;
	return false;
}

/**
 * filter_alias() - The member that a client's word for it means
 * @r:    resource
 * @name: as sent
 *
 * Return: project_id for tenant_id where a resource shows both, else @name.
 */
const char *filter_alias(const struct resource *r, const char *name)
{
	return r->flags & RES_TENANT && !strcmp(name, "tenant_id") ? "project_id" : name;
}

/**
 * filter_is_stamp() - Is it a member that the engine keeps and no row names?
 * @r:    resource
 * @name: member
 */
bool filter_is_stamp(const struct resource *r, const char *name)
{
	if (!strcmp(name, "revision_number"))
		return r->flags & RES_REVISION;
	return r->flags & RES_TIMES && (!strcmp(name, "created_at") || !strcmp(name, "updated_at"));
}

/**
 * filter_is() - Does the caller filter by a row?
 * @q: the query
 * @f: row or NULL
 *
 * A hidden member is not there for who may not see it: what matched it would tell.
 */
bool filter_is(const struct query *q, const struct rfield *f)
{
	return f && f->flags & R_FILTER && (!(f->flags & R_HIDDEN) || caller_is_admin(q->c));
}

/**
 * filter_value_of() - A member, or what its row says of documents without it
 * @doc:  document
 * @name: member
 * @f:    its row; NULL: a stamp
 *
 * Return: a new reference, or NULL.
 */
json_t *filter_value_of(const json_t *doc, const char *name, const struct rfield *f)
{
	return f ? field_value(f, doc) : json_incref(json_object_get(doc, name));
}

/* Keystone takes whatever is no word for "no" as true, an empty value too. */
static int wanted_bool(const struct query *q, const char *value)
{
	auto_of(json_decref) json_t *text = json_string(value);

	return is_style(q, FAULT_KEYSTONE) ? field_bool_word(value) != 0 : field_bool(text);
}

/* One value of one filter against one document. f NULL: a member no row names. */
static bool equals(const struct query *q, const json_t *doc, const char *name,
		   const struct rfield *f, const char *value)
{
	auto_of(json_decref) json_t *member = filter_value_of(doc, name, f);
	const char *text;
	char buf[32];

	if (f && f->match)
		return f->match(q->c, doc, value);
	if (!member)
		return false;
	if (f && f->type == J_BOOL)
		return wanted_bool(q, value) == json_is_true(member);
	text = json_text(member, buf);
	return text && strcmp(text, value) == 0;
}

/* Keystone: MEMBER__[i]contains=TEXT, and startswith, endswith. The member's row, or NULL. */
static const struct rfield *inexact_filter(const struct query *q, const char *name)
{
	const char *sep = is_style(q, FAULT_KEYSTONE) ? strstr(name, "__") : NULL;
	const struct rfield *f;
	char member[64];

	if (!sep || sep - name >= (int)sizeof(member))
		return NULL;
	snprintf(member, sizeof(member), "%.*s", (int)(sep - name), name);
	f = schema_field(&q->schema, member);
	return filter_is(q, f) ? f : NULL;
}

/* Return: like; NULL when there is no such comparator. "i": whatever the case. */
static const char *comparator_of(const char *name, bool *fold)
{
	static const char *const all[] = { "contains", "startswith", "endswith" };
	const char *like = strstr(name, "__") + 2;

	*fold = *like == 'i';
	like += *fold;
	for (unsigned int i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i], like))
			return like;
	return NULL;
}

static bool resembles(const json_t *doc, const char *name, const struct rfield *f,
		      const char *value)
{
	bool fold;
	const char *like = comparator_of(name, &fold), *text;
	int (*differ)(const char *a, const char *b, size_t n) = fold ? strncasecmp : strncmp;
	auto_of(json_decref) json_t *member = field_value(f, doc);
	size_t len = strlen(value), have;

	text = json_string_value(member);
	have = text ? strlen(text) : 0;
	if (!text || have < len)
		return false;
	if (*like == 's')
		return !differ(text, value, len);
	if (*like == 'e')
		return !differ(text + have - len, value, len);
	return fold ? strcasestr(text, value) : strstr(text, value);
}

/* Neutron (standard-attr-timestamp): what was made or changed at that time or later. */
static bool is_since(const struct query *q, const char *name)
{
	return is_style(q, FAULT_NEUTRON) && q->r->flags & RES_TIMES &&
	       !strcmp(name, "changed_since");
}

static bool changed_since(const json_t *doc, const char *value)
{
	int64_t since, at;

	return iso8601_parse(value, &since) && iso8601_parse(doc_str(doc, "updated_at"), &at) &&
	       at >= since;
}

/**
 * filter_specially() - Judge a document by a filter that is no equality
 * @q:     the query
 * @doc:   document; NULL: only whether the filter is such a one
 * @name:  filter
 * @value: its value; each is judged alone
 *
 * Return: SELECTS_OTHER: an equality as any.
 */
enum selects filter_specially(const struct query *q, const json_t *doc, const char *name,
			      const char *value)
{
	const struct rfield *f = inexact_filter(q, name);

	if (is_since(q, name))
		return doc && changed_since(doc, value) ? SELECTS : SELECTS_NOT;
	if (f)
		return doc && resembles(doc, name, f, value) ? SELECTS : SELECTS_NOT;
	return q->r->selects ? q->r->selects(q->c, doc, name, value) : SELECTS_OTHER;
}

/**
 * filter_member() - The one member that an argument's filter looks at
 * @q:     the query
 * @arg:   its name
 * @value: its value
 *
 * Return: a name, also where the argument is no filter; NULL: it may look at any member.
 */
const char *filter_member(const struct query *q, const char *arg, const char *value)
{
	const char *name = filter_alias(q->r, arg);
	const struct rfield *f = schema_field(&q->schema, name);

	if ((f && f->match) || filter_specially(q, NULL, name, value) != SELECTS_OTHER)
		return NULL;
	return name;
}

/* Must all of a filter's values match, or one of them? */
static bool is_each(const struct query *q, const struct rfield *f)
{
	return is_style(q, FAULT_KEYSTONE) || (f && f->flags & R_EACH);
}

/**
 * filters_select() - Do all filters select a document?
 * @q:   the query
 * @doc: document
 *
 * Values of one name are alternatives, unless the row says R_EACH, or it is Keystone.
 */
bool filters_select(const struct query *q, const json_t *doc)
{
	const struct args *args = &q->c->priv->args;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = filter_alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);
		enum selects special = filter_specially(q, doc, name, args->all[i].value);
		bool any = false;

		if (special == SELECTS_NOT)
			return false;
		if (special == SELECTS)
			continue;
		if (is_word(name) || (f && !filter_is(q, f)))
			continue;
		if (args->all[i].again && !is_each(q, f))
			continue; /* was an alternative of the first */
		if (!f && !filter_is_stamp(q->r, name) &&
		    !(q->r->flags & RES_FREE_FORM && is_style(q, FAULT_GLANCE)))
			continue;
		if (is_each(q, f))
			any = equals(q, doc, name, f, args->all[i].value);
		else
			for (unsigned int j = 0; j < args->n && !any; j++)
				any = !strcmp(args->all[i].name, args->all[j].name) &&
				      equals(q, doc, name, f, args->all[j].value);
		if (!any)
			return false;
	}
	return true;
}

static bool is_number(const char *value)
{
	char rest;
	long long n;

	return sscanf(value, "%lld%c", &n, &rest) == 1;
}

/* What is no boolean, no number or no time selects nothing: Neutron refuses it. */
static int check_value(const struct query *q, const char *name, const struct rfield *f,
		       const char *value)
{
	auto_of(json_decref) json_t *text = json_string(value);
	int64_t at;

	if (!is_style(q, FAULT_NEUTRON))
		return 0;
	if (is_since(q, name) && !iso8601_parse(value, &at))
		return call_fail(q->c, 400, "InvalidInput",
				 "Invalid input for operation: The input changed_since must be in "
				 "the following format: YYYY-MM-DDTHH:MM:SS[Z].");
	if (f && f->type == J_BOOL && field_bool(text) < 0)
		return call_fail(q->c, 400, "InvalidInput",
				 "Invalid input for operation: '%s' cannot be converted to "
				 "boolean.",
				 value);
	if (f && f->type == J_INT && !is_number(value))
		return call_fail(q->c, 400, "InvalidInput",
				 "Invalid input for operation: '%s' is not an integer.", value);
	return 0;
}

/**
 * filters_check() - Refuse what a service refuses to filter by
 * @q: the query
 *
 * Neutron names what it cannot filter by; the others ignore it, but for a comparator of none.
 *
 * Return: 0; a fault.
 */
int filters_check(const struct query *q)
{
	const struct args *args = &q->c->priv->args;
	bool fold;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = filter_alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);
		bool known = filter_is(q, f) || filter_is_stamp(q->r, name) || is_since(q, name);
		int rc = known ? check_value(q, name, f, args->all[i].value) : 0;

		if (!rc && q->r->check_filter)
			rc = q->r->check_filter(q->c, name, args->all[i].value);
		if (rc)
			return rc;
		if (known || is_word(name))
			continue;
		if (inexact_filter(q, name) && !comparator_of(name, &fold))
			return call_fail(q->c, 400, NULL, "There is no filter %s.", name);
		if (is_style(q, FAULT_NEUTRON))
			return call_fail(q->c, 400, "HTTPBadRequest",
					 "['%s'] is invalid attribute for filtering",
					 args->all[i].name);
	}
	return 0;
}
