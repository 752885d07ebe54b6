/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: filters, sorting, paging and `fields`, in turns of a bounded time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/query.h"

#define PAGE_MAX 1000 /* of services that page by themselves */

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

static int put_text(struct query *q, const char *text)
{
	return buf_add(&q->text, text, strlen(text), SIZE_MAX - 1);
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

/* Is a document among those that are asked for? */
static bool selects(struct query *q, const json_t *doc)
{
	return res_visible(q->c, q->r, doc) && (!q->r->listed || q->r->listed(q->c, doc)) &&
	       (!q->r->nested || doc_is(doc, q->r->nested, q->c->ids[0])) && filters_select(q, doc);
}

/* Where to look: at one id, else at an index that the path or a filter offers, else at all. */
static struct cursor choose(struct query *q)
{
	const struct args *args = &q->c->priv->args;
	const char *field = q->r->nested, *value = q->c->ids[0];

	for (unsigned int i = 0; i < args->n; i++) {
		const char *name = filter_alias(q->r, args->all[i].name);
		const struct rfield *f = schema_field(&q->schema, name);

		if (call_arg_at(q->c, args->all[i].name, 1) || !f || f->match ||
		    filter_specially(q, NULL, name, args->all[i].value) != SELECTS_OTHER)
			continue;
		if (!strcmp(name, "id") && filter_is(q, f))
			return call_list(q->c, "/%s/%s", resource_kind(q->r), args->all[i].value);
		if (filter_is(q, f) && f->type != J_BOOL && schema_indexes(&q->schema, f)) {
			field = name;
			value = args->all[i].value;
		}
	}
	return res_list(q->c, q->r, field, value);
}

/* The page begins behind its marker, which is one of those that are asked for. */
static int find_marker(struct query *q, struct cursor *from)
{
	const json_t *doc = res_get(q->c, q->r, q->marker);

	if (!doc || !selects(q, doc)) {
		if (is_style(q, FAULT_NEUTRON))
			return fault_not_found(q->c, q->r, q->marker);
		return call_fail(q->c, 400, NULL, "marker [%s] not found", q->marker);
	}
	q->more = q->reverse;
	if (order_is_natural(q))
		cursor_pass(from, q->marker);
	else if (order_place(q, doc, &q->place) || !(q->after = strdup(q->place.data)))
		return -ENOMEM;
	return 0;
}

/* What selects() and order_place() look at, if that can be told: few of a document's members. */
static int find_names(struct query *q)
{
	const struct args *args = &q->c->priv->args;
	const char *const *sees = q->r->sees;
	unsigned int n = 0;

	if (!sees && (q->r->visible || q->r->listed))
		return 0;
	for (unsigned int i = 0; i < args->n; i++)
		if (!filter_member(q, args->all[i].name, args->all[i].value))
			return 0;
	while (sees && sees[n])
		n++;
	q->names = calloc(n + q->n_keys + args->n + 4, sizeof(*q->names));
	if (!q->names)
		return -ENOMEM;
	n = 0;
	while (sees && *sees)
		q->names[n++] = *sees++;
	q->names[n++] = resource_owner(q->r);
	if (q->r->flags & RES_SHARED)
		q->names[n++] = "shared";
	if (q->r->nested)
		q->names[n++] = q->r->nested;
	for (unsigned int i = 0; i < q->n_keys && q->sorted; i++)
		q->names[n++] = q->keys[i].name;
	for (unsigned int i = 0; i < args->n; i++)
		q->names[n++] = filter_member(q, args->all[i].name, args->all[i].value);
	return 0;
}

static int begin(struct query *q)
{
	int rc = order_parse(q) ?: parse_page(q) ?: filters_check(q);
	struct cursor from;
	char head[80];

	if (rc)
		return rc;
	from = choose(q);
	rc = q->marker ? find_marker(q, &from) : 0;
	if (rc)
		return rc;
	if (!order_is_natural(q) && !(q->sorted = omap_new()))
		return -ENOMEM;
	q->kept = print_is_kept(q);
	rc = find_names(q);
	if (rc)
		return rc;
	q->walk = walk_begin(&from);
	snprintf(head, sizeof(head), "{\"%s\":[", q->shape.many);
	return q->walk ? put_text(q, head) : -ENOMEM;
}

static bool is_full(const struct query *q)
{
	return q->limit >= 0 && q->n >= (size_t)q->limit;
}

static int add(struct query *q, struct record *doc)
{
	if (q->n == q->room) {
		size_t room = q->room ? 2 * q->room : 64;
		struct record **docs = reallocarray(q->docs, room, sizeof(*docs));

		if (!docs)
			return -ENOMEM;
		q->docs = docs;
		q->room = room;
	}
	q->docs[q->n++] = record_ref(doc);
	return 0;
}

static int put_in_order(struct query *q, struct record *doc, const json_t *seen)
{
	int rc = order_place(q, seen, &q->place);
	struct omap_node *node;

	if (rc || (q->after && strcmp(q->place.data, q->after) <= 0))
		return rc;
	node = omap_insert(q->sorted, q->place.data);
	if (!node)
		return -ENOMEM;
	node->value = record_ref(doc);
	return 0;
}

/* One as its resource and the features show it, which may take other documents. */
static int print_shown(struct query *q, const struct record *rec)
{
	auto_of(json_decref) json_t *doc = record_read(rec);
	auto_of(json_decref) json_t *out = doc ? res_show(q->c, q->r, doc) : NULL;
	int rc;

	out = query_fields(q->c, take(out));
	if (out && q->shape.brief && q->r->brief)
		out = show_brief(q->r, out);
	rc = out ? 0 : -ENOMEM;
	if (!rc && q->shape.each)
		rc = q->shape.each(q->c, out);
	return rc ?: print_json(&q->text, out);
}

/* The next one. Of those before it the links name the first. */
static int print(struct query *q)
{
	int rc;

	if (q->printed == q->n)
		return 1;
	if (q->printed > 1)
		record_unref(take(q->docs[q->printed - 1]));
	rc = q->printed ? put_text(q, ",") : 0;
	if (!rc)
		rc = q->kept ? print_kept(q, q->docs[q->printed])
			     : print_shown(q, q->docs[q->printed]);
	q->printed++;
	return rc;
}

/* Each of the steps does one document. 1: there are no more; 0; a fault. */
static int collect(struct query *q)
{
	auto_of(json_decref) json_t *seen = NULL;
	struct record *doc;
	int rc;

	if (!q->sorted && is_full(q) && is_style(q, FAULT_NEUTRON))
		return 1; /* which does not tell whether there are more */
	rc = walk_next(q->walk, &doc);
	if (rc <= 0)
		return rc ? rc : 1;
	seen = q->names ? record_pick(doc, q->names) : record_read(doc);
	if (!seen)
		return -ENOMEM;
	if (!selects(q, seen))
		return 0;
	if (q->sorted)
		return put_in_order(q, doc, seen);
	if (!is_full(q))
		return add(q, doc) ?: print(q);
	q->more = true;
	return 1;
}

static void turn_around(struct query *q)
{
	for (size_t i = 0; i < q->n / 2; i++) {
		struct record *doc = q->docs[i];

		q->docs[i] = q->docs[q->n - 1 - i];
		q->docs[q->n - 1 - i] = doc;
	}
}

static int pick(struct query *q)
{
	const struct omap_node *node = q->sorted ? omap_from(q->sorted, "") : NULL;
	auto_of(record_unref) struct record *doc = NULL;

	if (node && !is_full(q)) {
		doc = omap_remove(q->sorted, node->key);
		return add(q, doc);
	}
	if (q->reverse)
		turn_around(q);
	else if (node)
		q->more = true;
	return 1;
}

/* What comes behind the documents. */
static int end(struct query *q)
{
	auto_of(json_decref) json_t *more = query_links(q);
	int rc = more ? put_text(q, "]") : -ENOMEM;
	size_t at = q->text.len;

	if (!rc && !json_object_size(more))
		return put_text(q, "}");
	rc = rc ?: print_json(&q->text, more);
	if (!rc)
		q->text.data[at] = ','; /* for its brace */
	return rc;
}

/* On from where it stopped, for a while. 1: there is more to do; 0; a fault. */
static int go_on(struct query *q)
{
	static int (*const steps[])(struct query * q) = { collect, pick, print };
	int rc;

	while (q->step < ARRAY_LEN(steps)) {
		rc = steps[q->step](q);
		if (rc < 0)
			return rc;
		if (rc)
			q->step++;
		else if (call_spent_us(q->c) > CALL_TURN_US)
			return 1;
	}
	return end(q);
}

static struct query *query_new(struct call *c, const struct resource *r,
			       const struct list_shape *shape)
{
	struct query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->c = c;
	q->r = r;
	q->schema = schema_of(c->priv->eng->schemas, r);
	q->shape = *shape;
	q->shape.many = shape->many ?: r->many;
	return q;
}

static void query_free(void *kept)
{
	struct query *q = kept;

	if (!q)
		return;
	walk_end(q->walk);
	for (struct omap_node *n = q->sorted ? omap_from(q->sorted, "") : NULL; n; n = n->next[0])
		record_unref(n->value);
	omap_free(q->sorted);
	for (size_t i = 0; i < q->n; i++)
		record_unref(q->docs[i]);
	free(q->docs);
	free(q->names);
	free(q->after);
	buf_fini(&q->place);
	buf_fini(&q->text);
	free(q);
}

/**
 * query_list() - Answer a list request
 * @c:     the call
 * @r:     resource
 * @shape: what it looks like
 *
 * What takes long is done in turns, among others' calls. The documents are those that there were in
 * the first of them; members that come from other documents are of the turn that shows them.
 *
 * Return: 0; CALL_WAIT: as long as it takes; a fault.
 */
int query_list(struct call *c, const struct resource *r, const struct list_shape *shape)
{
	struct query *q = call_resume(c);
	int rc = 0;

	if (!q) {
		q = query_new(c, r, shape);
		rc = q ? begin(q) : -ENOMEM;
	}
	rc = rc ?: go_on(q);
	if (rc > 0)
		return call_yield(c, q, query_free);
	if (!rc)
		call_reply_text(c, 200, &q->text);
	query_free(q);
	return rc;
}

/**
 * res_is_asked_for() - Do a request's filters select a document? For lists of one's own
 * @c:   the call
 * @r:   resource
 * @doc: a document of it
 */
bool res_is_asked_for(struct call *c, const struct resource *r, const json_t *doc)
{
	const struct query q = { .c = c, .r = r, .schema = schema_of(c->priv->eng->schemas, r) };

	return filters_select(&q, doc);
}
