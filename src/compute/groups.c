/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups as Nova knows them: whichever feature's has a resource of that name. Where none
 * has, there are none.
 */
#include <string.h>

#include "compute/compute.h"
#include "network/core/network.h"

/**
 * groups_resource() - The resource security groups, or their rules, are
 * @c:   the call
 * @one: "security_group", "security_group_rule"
 *
 * Return: NULL where there are none.
 */
const struct resource *groups_resource(const struct call *c, const char *one)
{
	struct resource_it it = { c->opts->features };
	const struct resource *r;

	while ((r = resource_next(&it)))
		if (!strcmp(r->one, one))
			break;
	return r;
}

/**
 * groups_named() - A security group of the caller's project by name or id
 * @c:    the call
 * @name: its name, else its id
 *
 * Return: borrowed; NULL if there is none.
 */
const json_t *groups_named(struct call *c, const char *name)
{
	const struct resource *r = groups_resource(c, "security_group");
	struct cursor it;

	if (!r)
		return NULL;
	it = res_list(c, r, "project_id", c->auth->project_id);
	while (cursor_next(&it))
		if (doc_is(it.doc, "name", name) || doc_is(it.doc, "id", name))
			return it.doc;
	return NULL;
}

/**
 * groups_has() - Is a value in a list?
 * @list:  array, or NULL
 * @value: any
 */
bool groups_has(const json_t *list, const json_t *value)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_equal(v, value))
			return true;
	return false;
}

/**
 * groups_of_server() - The security groups of a server's ports
 * @c:      the call
 * @server: stored document
 *
 * Return: a new list of documents, each once, in the order of the ports.
 */
json_t *groups_of_server(struct call *c, const json_t *server)
{
	const struct resource *r = groups_resource(c, "security_group");
	json_t *out = json_array(), *entry, *id;
	size_t i, j;

	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_str(entry, "id"));

		json_array_foreach (json_object_get(port, "security_groups"), j, id) {
			const json_t *group = r ? res_get(c, r, json_string_value(id)) : NULL;

			if (group && !groups_has(out, group))
				json_array_append(out, (json_t *)group);
		}
	}
	return out;
}
