/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: filters, sorting, paging and `fields`, with each service's links. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/query.h"

#define PAGE_MAX 1000 /* of services that page by themselves */

static int add_key(struct query *q, const char *name, const char *dir)
{
	const struct rfield *f;

	name = filter_alias(q->r, name);
	f = schema_field(&q->schema, name);
	if ((!f && !filter_is_stamp(q->r, name)) || (f && f->flags & (R_VIRTUAL | R_SECRET)) ||
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
		if (!f && !filter_is_stamp(q->r, word))
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
	    (q->r->nested && !doc_is(doc, q->r->nested, q->c->ids[0])) || !filters_select(q, doc))
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

/* By id, else by an index that the path or a filter offers, else all. */
static int collect(struct query *q)
{
	const struct args *args = &q->c->priv->args;
	const char *field = q->r->nested, *value = q->c->ids[0];
	struct cursor it;
	int rc = 0;

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = filter_alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);

		if (call_arg_at(q->c, args->all[i].name, 1) || !f || f->match ||
		    filter_specially(q, NULL, name, args->all[i].value) != SELECTS_OTHER)
			continue;
		if (!strcmp(name, "id") && filter_is(q, f)) {
			const json_t *doc = res_get(q->c, q->r, args->all[i].value);

			return doc ? collect_one(q, doc) : 0;
		}
		if (filter_is(q, f) && f->type != J_BOOL && schema_indexes(&q->schema, f)) {
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
		auto_of(json_decref) json_t *a_value = filter_value_of(*x, key->name, key->f);
		auto_of(json_decref) json_t *b_value = filter_value_of(*y, key->name, key->f);
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

/* base PATH?ARGS; marker: of another page, "": of the first or last, NULL: as it was asked for. */
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
	if (marker && *marker)
		fprintf(out, "%smarker=%s%s", sep, marker, reverse ? "&" : "");
	if (reverse)
		fprintf(out, "%spage_reverse=True", marker && *marker ? "" : sep);
	fclose(out);
	link = json_string(text);
	free(text);
	return link;
}

/* From the page's first or last on; an empty page has neither. */
static json_t *marker_link(const struct query *q, const char *base, const char *rel, size_t first,
			   size_t last)
{
	bool back = !strcmp(rel, "previous");
	const char *marker = first < last ? res_id(q->docs[back ? first : last - 1]) : "";

	return json_pack("{s:s,s:o}", "rel", rel, "href", page_link(q, base, marker, back));
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
		links = q->limit > 0 ? json_array() : NULL;
		if (links && (full || q->reverse))
			json_array_append_new(links, marker_link(q, base, "next", first, last));
		if (links && (full || !q->reverse))
			json_array_append_new(links, marker_link(q, base, "previous", first, last));
		break;
	case FAULT_NOVA:
		if (full && last < q->n)
			links = json_pack("[o]", marker_link(q, base, "next", first, last));
		break;
	case FAULT_GLANCE:
		json_object_set_new(reply, "first", page_link(q, "", NULL, false));
		json_object_set_new(reply, "schema", json_string("/v2/schemas/images"));
		if (full && last < q->n)
			json_object_set_new(reply, "next",
					    page_link(q, "", res_id(q->docs[last - 1]), false));
		break;
	case FAULT_KEYSTONE:
		if (last < q->n) /* as with Keystone's list_limit: there is more, ask closer */
			json_object_set_new(reply, "truncated", json_true());
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
	int rc = parse_order(q) ?: parse_page(q) ?: filters_check(q) ?: collect(q);
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
