/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projects within each other, below their domain: what may be where, what is enabled with what, and
 * what GET /v3/projects/{} shows of the ones above and below when it is asked.
 */
#include <errno.h>
#include <string.h>

#include "identity/identity.h"

#define DEPTH_MAX 5 /* of projects in each other, as Keystone's max_project_tree_depth */

/**
 * tree_valid_domain() - A project's domain (rfield_valid_fn)
 * @c:     the call
 * @field: "domain_id"
 * @value: text
 *
 * Return: 0; a 400 fault if the caller sees none: what a new project names is a value of it.
 */
int tree_valid_domain(struct call *c, const char *field, json_t **value)
{
	const char *id = json_string_value(*value);

	if (res_seen(c, &domain_resource, id))
		return 0;
	return call_fail(c, 400, NULL, "Could not find domain: %s.", id);
}

/* Its parent is its domain or another project there, all above are enabled and not too many. */
static int check_parent(struct call *c, json_t *doc)
{
	const char *parent = doc_str(doc, "parent_id"), *domain = doc_str(doc, "domain_id");
	unsigned int depth = 1;
	const json_t *above;
	bool enabled = true;

	if (!parent[0])
		return json_object_set_new(doc, "parent_id", json_string(domain)) ? -ENOMEM : 0;
	if (!strcmp(parent, domain))
		return 0;
	above = res_seen(c, &project_resource, parent);
	if (!above || !doc_is(above, "domain_id", domain))
		return call_fail(c, 400, NULL, "Could not find project: %s.", parent);
	do
		enabled = enabled && doc_bool(above, "enabled");
	while ((above = res_get(c, &project_resource, doc_str(above, "parent_id"))) && depth++);
	if (!enabled)
		return call_fail(c, 400, NULL,
				 "cannot create a project in a branch containing a disabled "
				 "project: %s",
				 parent);
	if (depth < DEPTH_MAX)
		return 0;
	return call_fail(c, 403, NULL, "Max hierarchy depth reached for %s branch.", parent);
}

static bool is_enabled_above(struct call *c, const json_t *project)
{
	while ((project = res_get(c, &project_resource, doc_str(project, "parent_id"))))
		if (!doc_bool(project, "enabled"))
			return false;
	return true;
}

static bool is_enabled_below(struct call *c, const char *id)
{
	struct cursor it = res_list(c, &project_resource, "parent_id", id);

	while (cursor_next(&it))
		if (doc_bool(it.doc, "enabled") || is_enabled_below(c, doc_str(it.doc, "id")))
			return true;
	return false;
}

/**
 * tree_check() - Judge where a project is, and whether it is enabled
 * @c:   the call
 * @doc: as it shall be; gets a parent, its domain, if it has none
 * @old: as it is; NULL: new
 *
 * Return: 0; a 400 or 403 fault; -ENOMEM.
 */
int tree_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *id = doc_str(doc, "id");
	bool on = doc_bool(doc, "enabled");

	if (!old)
		return check_parent(c, doc);
	if (!doc_same(doc, old, "parent_id"))
		return call_fail(c, 403, NULL, "Update of `parent_id` is not allowed.");
	if (on == doc_bool(old, "enabled"))
		return 0;
	if (on && !is_enabled_above(c, doc))
		return call_fail(c, 403, NULL,
				 "Cannot enable project %s since it has disabled parents", id);
	if (!on && is_enabled_below(c, id))
		return call_fail(c, 403, NULL,
				 "Cannot disable project %s since its subtree contains enabled "
				 "projects.",
				 id);
	return 0;
}

/* {PARENT: {ITS PARENT: null}}; the one at the top is a domain, which has none. */
static json_t *ids_above(struct call *c, const json_t *project)
{
	const char *parent = doc_text(project, "parent_id");

	if (!parent)
		return json_null();
	return json_pack("{s:o}", parent, ids_above(c, res_get(c, &project_resource, parent)));
}

static json_t *ids_below(struct call *c, const char *id)
{
	struct cursor it = res_list(c, &project_resource, "parent_id", id);
	json_t *out = NULL;

	while (cursor_next(&it)) {
		const char *below = doc_str(it.doc, "id");

		out = out ?: json_object();
		json_object_set_new(out, below, ids_below(c, below));
	}
	return out ?: json_null();
}

/* Appends a project, {"project": ...}, if it is one of own. */
static void add_one(struct call *c, const json_t *project, const json_t *own, json_t *list)
{
	if (json_object_get(own, doc_str(project, "id")))
		json_array_append_new(list, json_pack("{s:o}", "project",
						      res_show(c, &project_resource, project)));
}

static void add_below(struct call *c, const char *id, const json_t *own, json_t *list)
{
	struct cursor it = res_list(c, &project_resource, "parent_id", id);

	while (cursor_next(&it)) {
		add_one(c, it.doc, own, list);
		add_below(c, doc_str(it.doc, "id"), own, list);
	}
}

/* Those above or below that the caller has a role on. */
static json_t *list_of(struct call *c, const json_t *project, bool below)
{
	auto_of(json_decref) json_t *own = grant_places(c, c->auth->user_id, &project_resource);
	json_t *list = json_array();

	if (below)
		add_below(c, doc_str(project, "id"), own, list);
	while (!below && (project = res_get(c, &project_resource, doc_str(project, "parent_id"))))
		add_one(c, project, own, list);
	return list;
}

/* Who lives in a domain sees it, and of its projects no more than his own. */
static json_t *ids_below_shown(struct call *c, const json_t *project)
{
	const char *id = doc_str(project, "id");

	return doc_bool(project, "is_domain") && !caller_reaches(c, id) ? json_null()
									: ids_below(c, id);
}

/**
 * tree_show() - Add to a shown project what it was asked for of those above and below
 * @c:   the call, with parents_as_list, parents_as_ids, subtree_as_list, subtree_as_ids
 * @out: the project as it is answered; gets `parents` and `subtree`
 *
 * Return: 0; a 400 fault for a list and ids of the same.
 */
int tree_show(struct call *c, json_t *out)
{
	static const char *const words[][2] = { { "parents_as_list", "parents_as_ids" },
						{ "subtree_as_list", "subtree_as_ids" } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		bool list = identity_asks(c, words[i][0]), ids = identity_asks(c, words[i][1]);

		if (list && ids)
			return call_fail(c, 400, NULL,
					 "Cannot use %s and %s query params at the same time.",
					 words[i][0], words[i][1]);
		if (list)
			json_object_set_new(out, i ? "subtree" : "parents", list_of(c, out, i));
		if (ids)
			json_object_set_new(out, i ? "subtree" : "parents",
					    i ? ids_below_shown(c, out) : ids_above(c, out));
	}
	return 0;
}
