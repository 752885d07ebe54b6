/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts resources together when the engine opens: each has the rows and hooks of its own table, then
 * those of the features that add to it, in the order of features.
 */
#include "engine/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/omap.h"

struct schemas {
	struct omap *kinds;	       /* kind -> struct schema, owned */
	const struct tally **tallies;  /* of all features, NULL at the end; or NULL */
};

/**
 * resource_next() - Step to the next resource
 * @it: where it stands
 *
 * Return: the resource; NULL past the last.
 */
const struct resource *resource_next(struct resource_it *it)
{
	for (; *it->features; it->features++, it->i = 0) {
		const struct feature *f = *it->features;

		if (f->resources && (!it->service || f->service == it->service) &&
		    f->resources[it->i])
			return f->resources[it->i++];
	}
	return NULL;
}

/**
 * feature_leads() - Is a feature the first of its service?
 * @all: features, NULL at the end
 * @at:  one of them
 */
bool feature_leads(const struct feature *const *all, const struct feature *const *at)
{
	while ((*all)->service != (*at)->service)
		all++;
	return all == at;
}

/**
 * resource_kind() - First segment of a resource's keys
 * @r: resource
 */
const char *resource_kind(const struct resource *r)
{
	return r->kind ? r->kind : r->one;
}

/**
 * resource_owner() - The member that names the project a document belongs to
 * @r: resource; one with RES_GLOBAL belongs to none
 */
const char *resource_owner(const struct resource *r)
{
	return r->owner ? r->owner : "project_id";
}

/**
 * field_default() - What a member is when nobody said
 * @f: row
 *
 * Return: a new reference; null unless the row has a default.
 */
json_t *field_default(const struct rfield *f)
{
	json_t *value = f->dflt ? json_loads(f->dflt, JSON_DECODE_ANY, NULL) : json_null();

	assert(value); /* a row's default is our own text */
	return value;
}

/**
 * field_value() - What a document has for a row
 * @f:   row
 * @doc: document
 *
 * One that was written before there was the row has the row's default.
 *
 * Return: a new reference.
 */
json_t *field_value(const struct rfield *f, const json_t *doc)
{
	json_t *value = json_object_get(doc, f->name);

	return value ? json_incref(value) : field_default(f);
}

/**
 * schema_field() - Find a row by name
 * @s:    resource
 * @name: member name
 *
 * Return: the row or NULL.
 */
const struct rfield *schema_field(const struct schema *s, const char *name)
{
	for (const struct rfield *f = s->fields; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/**
 * schema_indexes() - Are documents found by this row without a scan?
 * @s: resource
 * @f: row of it, or NULL
 */
bool schema_indexes(const struct schema *s, const struct rfield *f)
{
	return f &&
	       (f->ref || f->flags & R_INDEX || (f->flags & R_FILTER && !strcmp(f->name, "name")) ||
		!strcmp(f->name, resource_owner(s->r)));
}

/**
 * schema_tallies() - What is counted
 * @all: an engine's
 *
 * Return: all features' tallies, NULL at the end; or NULL.
 */
const struct tally *const *schema_tallies(const struct schemas *all)
{
	return all->tallies;
}

static struct schema alone(const struct resource *r)
{
	return (struct schema){ .r = r, .fields = r->fields };
}

/**
 * schema_of() - A resource with what features add to it
 * @all: an engine's
 * @r:   any resource; one of no feature has what its own table says
 */
struct schema schema_of(const struct schemas *all, const struct resource *r)
{
	const struct omap_node *node = omap_find(all->kinds, resource_kind(r));
	const struct schema *s = node ? node->value : NULL;

	return s && s->r == r ? *s : alone(r);
}

/**
 * schema_at() - The resource that a key belongs to
 * @all: an engine's
 * @key: /KIND/ID
 *
 * Return: NULL for all other keys.
 */
const struct schema *schema_at(const struct schemas *all, const char *key)
{
	const char *slash = key[0] == '/' ? strchr(key + 1, '/') : NULL;
	const struct omap_node *node;
	char kind[64];

	if (!slash || strchr(slash + 1, '/') || slash - key > (int)sizeof(kind))
		return NULL;
	snprintf(kind, sizeof(kind), "%.*s", (int)(slash - key - 1), key + 1);
	node = omap_find(all->kinds, kind);
	return node ? node->value : NULL;
}

/* Appends count items to a list of n that ends with a zeroed one. taken: was allocated here. */
static void *append(void *taken, const void *from, size_t n, const void *more, size_t count,
		    size_t size)
{
	char *list = realloc(taken, (n + count + 1) * size);

	if (!list)
		return NULL;
	if (!taken && n)
		memcpy(list, from, n * size);
	memcpy(list + n * size, more, count * size);
	memset(list + (n + count) * size, 0, size);
	return list;
}

static size_t count_rows(const struct rfield *rows)
{
	size_t n = 0;

	while (rows && rows[n].name)
		n++;
	return n;
}

static int add_rows(struct schema *s, const struct rfield *rows, struct err *e)
{
	const struct rfield *own = s->r->fields;
	void *list;

	for (const struct rfield *f = rows; f->name; f++)
		if (schema_field(s, f->name))
			return err_set(e, -EEXIST, "%s has two rows %s", s->r->one, f->name);
	list = append(s->fields == own ? NULL : (void *)s->fields, own, count_rows(s->fields), rows,
		      count_rows(rows), sizeof(*rows));
	if (!list)
		return -ENOMEM;
	s->fields = list;
	return 0;
}

static int add_tally(struct schemas *all, const struct tally *t)
{
	size_t n = 0;
	void *list;

	while (all->tallies && all->tallies[n])
		n++;
	list = append(all->tallies, NULL, n, &t, 1, sizeof(t));
	if (!list)
		return -ENOMEM;
	all->tallies = list;
	return 0;
}

static int add_hook(struct schema *s, const struct hook *hook)
{
	size_t n = 0;
	void *list;

	while (s->hooks && s->hooks[n])
		n++;
	list = append(s->hooks, NULL, n, &hook, 1, sizeof(hook));
	if (!list)
		return -ENOMEM;
	s->hooks = list;
	return 0;
}

/* What a feature says of a resource that no feature has, stays unsaid. */
static int add_feature(struct schemas *all, const struct feature *f, struct err *e)
{
	int rc = 0;

	for (const struct more_fields *more = f->fields; more && more->of && !rc; more++) {
		struct omap_node *node = omap_find(all->kinds, more->of);

		rc = node ? add_rows(node->value, more->rows, e) : 0;
	}
	for (const struct hook *hook = f->hooks; hook && hook->on && !rc; hook++) {
		struct omap_node *node = omap_find(all->kinds, resource_kind(hook->on));

		rc = node ? add_hook(node->value, hook) : 0;
	}
	for (const struct tally *const *t = f->tallies; t && *t && !rc; t++)
		rc = add_tally(all, *t);
	return rc;
}

static int add_resource(struct schemas *all, const struct resource *r, struct err *e)
{
	struct omap_node *node = omap_insert(all->kinds, resource_kind(r));
	struct schema *s;

	if (node && node->value)
		return err_set(e, -EEXIST, "two resources keep /%s/", resource_kind(r));
	s = node ? malloc(sizeof(*s)) : NULL;
	if (!s)
		return -ENOMEM;
	*s = alone(r);
	node->value = s;
	return 0;
}

/**
 * schemas_new() - Put all resources together
 * @features: borrowed for the life of what comes out
 * @out:      to be freed with schemas_free()
 * @e:        why not
 *
 * Return: 0; -EEXIST if two resources have one kind, or two rows of one have one name; -ENOMEM.
 */
int schemas_new(const struct feature *const *features, struct schemas **out, struct err *e)
{
	auto_of(schemas_free) struct schemas *all = calloc(1, sizeof(*all));
	struct resource_it it = { .features = features };
	const struct resource *r;
	int rc = 0;

	if (!all || !(all->kinds = omap_new()))
		return -ENOMEM;
	while (!rc && (r = resource_next(&it)))
		rc = add_resource(all, r, e);
	for (; !rc && *features; features++)
		rc = add_feature(all, *features, e);
	if (!rc)
		*out = take(all);
	return rc;
}

/**
 * schemas_free() - Free what schemas_new() made
 * @all: or NULL
 */
void schemas_free(struct schemas *all)
{
	struct omap_node *node;

	while (all && all->kinds && (node = omap_from(all->kinds, ""))) {
		struct schema *s = node->value;

		if (s && s->fields != s->r->fields)
			free((void *)s->fields);
		if (s)
			free(s->hooks);
		free(s);
		omap_remove(all->kinds, node->key);
	}
	if (all)
		omap_free(all->kinds);
	if (all)
		free(all->tallies);
	free(all);
}
