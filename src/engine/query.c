/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: filters, sorting, paging and `fields`, with each service's links. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/impl.h"

#define SORT_KEYS_MAX 8
#define PAGE_MAX      1000 /* of services that page by themselves */

struct sort_key {
	const char *name;	/* member */
	const struct rfield *f; /* its row; NULL: a stamp */
	bool down;		/* largest first */
};

struct query {
	struct call *c;
	const struct resource *r;
	struct schema schema; /* of r */
	struct sort_key keys[SORT_KEYS_MAX];
	unsigned int n_keys;
	long limit;	     /* -1: none */
	const char *marker;  /* NULL: from the start */
	bool reverse;	     /* the page before the marker */
	const json_t **docs; /* borrowed, in order; owned array */
	size_t n, room;	     /* of docs */
};

static bool is_style(const struct query *q, enum fault_style style)
{
	return q->c->service->style == style;
}

static bool is_word(const char *name)
{
	static const char *const words[] = { "fields", "sort_key", "sort_dir",	   "sort",
					     "limit",  "marker",   "page_reverse", NULL };

	for (const char *const *w = words; *w; w++)
		if (strcmp(*w, name) == 0)
			return true;
	return false;
}

/* tenant_id filters and sorts as project_id. */
static const char *alias(const struct resource *r, const char *name)
{
	return r->flags & RES_TENANT && !strcmp(name, "tenant_id") ? "project_id" : name;
}

static bool is_stamp(const struct resource *r, const char *name)
{
	if (!strcmp(name, "revision_number"))
		return r->flags & RES_REVISION;
	return r->flags & RES_TIMES && (!strcmp(name, "created_at") || !strcmp(name, "updated_at"));
}

/* A hidden member is not there for who may not see it: what matched it would tell. */
static bool is_filter(const struct query *q, const struct rfield *f)
{
	return f && f->flags & R_FILTER && (!(f->flags & R_HIDDEN) || caller_is_admin(q->c));
}

/* A member, or what its row says of documents without it. Return: a new reference, or NULL. */
static json_t *value_of(const json_t *doc, const char *name, const struct rfield *f)
{
	return f ? field_value(f, doc) : json_incref(json_object_get(doc, name));
}

/* Keystone takes whatever is no word for "no" as true, an empty value too. */
static int wanted_bool(const struct query *q, const char *value)
{
	static const char *const no[] = { "0", "f", "false", "n", "no", "off" };
	auto_of(json_decref) json_t *text = json_string(value);

	if (!is_style(q, FAULT_KEYSTONE))
		return field_bool(text);
	for (unsigned int i = 0; i < ARRAY_LEN(no); i++)
		if (!strcasecmp(value, no[i]))
			return 0;
	return 1;
}

/* One value of one filter against one document. f NULL: a member no row names. */
static bool equals(const struct query *q, const json_t *doc, const char *name,
		   const struct rfield *f, const char *value)
{
	auto_of(json_decref) json_t *member = value_of(doc, name, f);
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
	return is_filter(q, f) ? f : NULL;
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

/* The filters that are no equality: each is judged alone. */
static enum selects selects_specially(const struct query *q, const json_t *doc, const char *name,
				      const char *value)
{
	const struct rfield *f = inexact_filter(q, name);

	if (f)
		return doc && resembles(doc, name, f, value) ? SELECTS : SELECTS_NOT;
	return q->r->selects ? q->r->selects(q->c, doc, name, value) : SELECTS_OTHER;
}

/* All filters; values of one name are alternatives, unless the row says R_EACH. */
static bool selects(const struct query *q, const json_t *doc)
{
	const struct args *args = &q->c->priv->args;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);
		enum selects special = selects_specially(q, doc, name, args->all[i].value);
		bool any = false;

		if (special == SELECTS_NOT)
			return false;
		if (special == SELECTS)
			continue;
		if (is_word(name) || (f && !is_filter(q, f)))
			continue;
		if (args->all[i].again && !(f && f->flags & R_EACH))
			continue; /* was an alternative of the first */
		if (!f && !is_stamp(q->r, name) &&
		    !(q->r->flags & RES_FREE_FORM && is_style(q, FAULT_GLANCE)))
			continue;
		if (f && f->flags & R_EACH)
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

/* A word that is no boolean selects nothing: Neutron refuses it. */
static int check_value(const struct query *q, const struct rfield *f, const char *value)
{
	auto_of(json_decref) json_t *text = json_string(value);

	if (!f || f->type != J_BOOL || !is_style(q, FAULT_NEUTRON) || field_bool(text) >= 0)
		return 0;
	return call_fail(q->c, 400, "InvalidInput",
			 "Invalid input for operation: '%s' cannot be converted to boolean.",
			 value);
}

/* Neutron names what it cannot filter by; the others ignore it, but for a comparator of none. */
static int check_filters(const struct query *q)
{
	const struct args *args = &q->c->priv->args;
	bool fold;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);

		if (is_word(name) || is_filter(q, f) || is_stamp(q->r, name)) {
			int rc = is_word(name) ? 0 : check_value(q, f, args->all[i].value);

			if (rc)
				return rc;
			continue;
		}
		if (inexact_filter(q, name) && !comparator_of(name, &fold))
			return call_fail(q->c, 400, NULL, "There is no filter %s.", name);
		if (is_style(q, FAULT_NEUTRON))
			return call_fail(q->c, 400, "HTTPBadRequest",
					 "['%s'] is invalid attribute for filtering",
					 args->all[i].name);
	}
	return 0;
}

static int add_key(struct query *q, const char *name, const char *dir)
{
	const struct rfield *f;

	name = alias(q->r, name);
	f = schema_field(&q->schema, name);
	if ((!f && !is_stamp(q->r, name)) || (f && f->flags & (R_VIRTUAL | R_SECRET)) ||
	    (f && f->flags & R_HIDDEN && !caller_is_admin(q->c))) {
		if (is_style(q, FAULT_NOVA)) /* it sorts by columns we do not have */
			return 0;
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "['%s'] is invalid attribute for sort_keys", name);
	}
	if (strcmp(dir, "asc") != 0 && strcmp(dir, "desc") != 0)
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "The sort_dirs must be one of ['asc', 'desc']");
	if (q->n_keys < SORT_KEYS_MAX - 1)
		q->keys[q->n_keys++] = (struct sort_key){ name, f, !strcmp(dir, "desc") };
	return 0;
}

/* Glance: sort=name:asc,created_at */
static int parse_sort(struct query *q, const char *sort)
{
	auto_free char *text = strdup(sort);
	char *save = NULL;
	int rc = text ? 0 : -ENOMEM;

	for (char *word = rc ? NULL : strtok_r(text, ",", &save); word && !rc;
	     word = strtok_r(NULL, ",", &save)) {
		char *dir = strchr(word, ':');
		const struct rfield *f;
		const char *name; /* must outlive text */

		if (dir)
			*dir++ = '\0';
		f = schema_field(&q->schema, word);
		if (!f && !is_stamp(q->r, word))
			return call_fail(q->c, 400, NULL, "Invalid sort key: %s", word);
		name = !strcmp(word, "created_at") ? "created_at" : "updated_at";
		rc = add_key(q, f ? f->name : name, dir ? dir : "desc");
	}
	return rc;
}

static int parse_order(struct query *q)
{
	bool newest = is_style(q, FAULT_NOVA) || is_style(q, FAULT_GLANCE);
	const char *name, *dir, *sort = call_arg(q->c, "sort");
	unsigned int n_keys = 0, n_dirs = 0;
	int rc = 0;

	while (call_arg_at(q->c, "sort_key", n_keys))
		n_keys++;
	while (call_arg_at(q->c, "sort_dir", n_dirs))
		n_dirs++;
	if (is_style(q, FAULT_NEUTRON) && n_keys != n_dirs)
		return call_fail(q->c, 400, "HTTPBadRequest",
				 "The number of sort_keys and sort_dirs must be same");
	for (unsigned int i = 0; i < n_keys && !rc; i++) {
		name = call_arg_at(q->c, "sort_key", i);
		dir = call_arg_at(q->c, "sort_dir", MIN(i, MAX(n_dirs, 1u) - 1));
		rc = add_key(q, name, dir ? dir : newest ? "desc" : "asc");
	}
	if (!rc && sort && is_style(q, FAULT_GLANCE))
		rc = parse_sort(q, sort);
	if (!rc && !q->n_keys && newest && q->r->flags & RES_TIMES)
		q->keys[q->n_keys++] = (struct sort_key){ "created_at", NULL, true };
	q->keys[q->n_keys++] = (struct sort_key){ "id", NULL, false };
	return rc;
}

static int parse_page(struct query *q)
{
	const char *limit = call_arg(q->c, "limit"), *reverse = call_arg(q->c, "page_reverse");
	char *end = NULL;

	q->limit = limit ? strtol(limit, &end, 10) : -1;
	if (limit && (!*limit || *end || q->limit < 0)) {
		if (is_style(q, FAULT_NEUTRON))
			return call_fail(q->c, 400, "BadRequest",
					 "Bad limit request: Limit must be an integer 0 or greater "
					 "and not '%s'.",
					 limit);
		return call_fail(q->c, 400, NULL, "limit param must be an integer 0 or greater");
	}
	if (q->limit == 0 && is_style(q, FAULT_NEUTRON))
		q->limit = -1;
	if (q->limit > PAGE_MAX && !is_style(q, FAULT_NEUTRON))
		q->limit = PAGE_MAX;
	q->marker = call_arg(q->c, "marker");
	q->reverse = reverse && !strcasecmp(reverse, "true");
	return 0;
}

static int collect_one(struct query *q, const json_t *doc)
{
	if (!res_visible(q->c, q->r, doc) || (q->r->listed && !q->r->listed(q->c, doc)) ||
	    !selects(q, doc))
		return 0;
	if (q->n == q->room) {
		size_t room = q->room ? 2 * q->room : 64;
		const json_t **docs = realloc(q->docs, room * sizeof(*docs));

		if (!docs)
			return -ENOMEM;
		q->docs = docs;
		q->room = room;
	}
	q->docs[q->n++] = doc;
	return 0;
}

/* By id, else by an index a filter or the caller's project offers, else all. */
static int collect(struct query *q)
{
	const struct args *args = &q->c->priv->args;
	const char *field = NULL, *value = NULL;
	struct cursor it;
	int rc = 0;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);

		if (call_arg_at(q->c, args->all[i].name, 1) || !f || f->match ||
		    selects_specially(q, NULL, name, args->all[i].value) != SELECTS_OTHER)
			continue;
		if (!strcmp(name, "id") && is_filter(q, f)) {
			const json_t *doc = res_get(q->c, q->r, args->all[i].value);

			return doc ? collect_one(q, doc) : 0;
		}
		if (is_filter(q, f) && f->type != J_BOOL && schema_indexes(&q->schema, f)) {
			field = name;
			value = args->all[i].value;
		}
	}
	it = res_list(q->c, q->r, field, value);
	while (!rc && cursor_next(&it))
		rc = collect_one(q, it.doc);
	return rc;
}

static int compare_values(const json_t *a, const json_t *b)
{
	char buf_a[32], buf_b[32];
	const char *x, *y;

	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) -
		       (json_integer_value(a) < json_integer_value(b));
	x = a ? json_text(a, buf_a) : "";
	y = b ? json_text(b, buf_b) : "";
	return strcmp(x ? x : "", y ? y : "");
}

static int compare_docs(const void *a, const void *b, void *arg)
{
	const struct query *q = arg;
	const json_t *const *x = a, *const *y = b;

	for (unsigned int i = 0; i < q->n_keys; i++) {
		const struct sort_key *key = &q->keys[i];
		auto_of(json_decref) json_t *a_value = value_of(*x, key->name, key->f);
		auto_of(json_decref) json_t *b_value = value_of(*y, key->name, key->f);
		int way = compare_values(a_value, b_value);

		if (way)
			return key->down ? -way : way;
	}
	return 0;
}

/* Cuts the sorted documents to [first, last). */
static int cut_page(struct query *q, size_t *first, size_t *last)
{
	size_t at = 0;

	*first = 0;
	*last = q->n;
	if (q->marker) {
		while (at < q->n && strcmp(res_id(q->docs[at]), q->marker) != 0)
			at++;
		if (at == q->n && is_style(q, FAULT_NEUTRON))
			return fault_not_found(q->c, q->r, q->marker);
		if (at == q->n)
			return call_fail(q->c, 400, NULL, "marker [%s] not found", q->marker);
		if (q->reverse)
			*last = at;
		else
			*first = at + 1;
	}
	if (q->limit >= 0 && *last - *first > (size_t)q->limit) {
		if (q->reverse)
			*first = *last - (size_t)q->limit;
		else
			*last = *first + (size_t)q->limit;
	}
	return 0;
}

/* PATH?ARGS with the marker (and page_reverse) of another page; base is what stands before PATH. */
static json_t *page_link(const struct query *q, const char *base, const char *marker, bool reverse)
{
	const struct args *args = &q->c->priv->args;
	const char *sep = "?";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *link;

	if (!out)
		return NULL;
	fprintf(out, "%s%s", base, q->c->path);
	for (unsigned int i = 0; i < args->n; i++) {
		auto_free char *name = url_encode(args->all[i].name);
		auto_free char *value = url_encode(args->all[i].value);

		if (marker && (!strcmp(args->all[i].name, "marker") ||
			       !strcmp(args->all[i].name, "page_reverse")))
			continue;
		fprintf(out, "%s%s=%s", sep, name ? name : "", value ? value : "");
		sep = "&";
	}
	if (marker)
		fprintf(out, "%smarker=%s%s", sep, marker, reverse ? "&page_reverse=True" : "");
	fclose(out);
	link = json_string(text);
	free(text);
	return link;
}

static json_t *marker_link(const struct query *q, const char *base, const char *rel, size_t at)
{
	return json_pack("{s:s,s:o}", "rel", rel, "href",
			 page_link(q, base, res_id(q->docs[at]), !strcmp(rel, "previous")));
}

static void add_links(const struct query *q, json_t *reply, size_t first, size_t last)
{
	bool full = q->limit >= 0 && last - first >= (size_t)q->limit && last > first;
	char base[400], name[80];
	json_t *links = NULL;

	snprintf(base, sizeof(base), "%s%s", q->c->opts->public_url, q->c->service->prefix);
	snprintf(name, sizeof(name), "%s_links", q->r->many);
	switch (q->c->service->style) {
	case FAULT_NEUTRON:
		links = q->limit > 0 && last > first ? json_array() : NULL;
		if (links && (full || q->reverse))
			json_array_append_new(links, marker_link(q, base, "next", last - 1));
		if (links && (full || !q->reverse))
			json_array_append_new(links, marker_link(q, base, "previous", first));
		break;
	case FAULT_NOVA:
		if (full && last < q->n)
			links = json_pack("[o]", marker_link(q, base, "next", last - 1));
		break;
	case FAULT_GLANCE:
		json_object_set_new(reply, "first", page_link(q, "", NULL, false));
		json_object_set_new(reply, "schema", json_string("/v2/schemas/images"));
		if (full && last < q->n)
			json_object_set_new(reply, "next",
					    page_link(q, "", res_id(q->docs[last - 1]), false));
		break;
	case FAULT_KEYSTONE:
		json_object_set_new(reply, "links",
				    json_pack("{s:n,s:o,s:n}", "next", "self",
					      page_link(q, base, NULL, false), "previous"));
		break;
	case FAULT_PLAIN:
		break;
	}
	if (links)
		json_object_set_new(reply, name, links);
}

/**
 * query_fields() - Reduce an object to the members ?fields= names (Neutron only)
 * @c:         the call
 * @out_taken: what would be shown, or NULL
 *
 * Return: the object, reduced; names that do not exist are ignored.
 */
json_t *query_fields(struct call *c, json_t *out_taken)
{
	const char *name = call_arg(c, "fields");
	json_t *less;

	if (!name || !out_taken || c->service->style != FAULT_NEUTRON)
		return out_taken;
	less = json_object();
	for (unsigned int i = 0; less && (name = call_arg_at(c, "fields", i)); i++) {
		json_t *value = json_object_get(out_taken, name);

		if (value)
			json_object_set(less, name, value);
	}
	json_decref(out_taken);
	return less;
}

static json_t *show_brief(const struct resource *r, json_t *out_taken)
{
	json_t *less = json_object();

	for (const char *const *name = r->brief; out_taken && less && *name; name++)
		json_object_set(less, *name, json_object_get(out_taken, *name));
	json_decref(out_taken);
	return less;
}

static int answer(struct query *q, bool brief)
{
	auto_of(json_decref) json_t *list = json_array();
	size_t first, last;
	int rc = parse_order(q) ?: parse_page(q) ?: check_filters(q) ?: collect(q);
	json_t *reply;

	if (rc)
		return rc;
	if (q->n)
		qsort_r(q->docs, q->n, sizeof(*q->docs), compare_docs, q);
	rc = cut_page(q, &first, &last);
	if (rc)
		return rc;
	for (size_t i = first; i < last; i++) {
		json_t *out = query_fields(q->c, res_show(q->c, q->r, q->docs[i]));

		if (out && brief && q->r->brief)
			out = show_brief(q->r, out);
		if (!out || json_array_append_new(list, out))
			return -ENOMEM;
	}
	reply = json_pack("{s:O}", q->r->many, list);
	if (!reply)
		return -ENOMEM;
	add_links(q, reply, first, last);
	return call_reply(q->c, 200, reply);
}

/**
 * query_list() - Answer a list request
 * @c:     the call
 * @r:     resource
 * @brief: only r->brief members
 *
 * Return: 0; a fault.
 */
int query_list(struct call *c, const struct resource *r, bool brief)
{
	struct query q = { .c = c, .r = r, .schema = schema_of(c->priv->eng->schemas, r) };
	int rc = answer(&q, brief);

	free(q.docs);
	return rc;
}
