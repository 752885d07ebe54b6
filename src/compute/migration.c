/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os-migrations: resizes, each a record that follows its server until it is over, and is remembered
 * then (kept.c). A server's member `migration` names the one that is under way. Mirrors
 * nova/api/openstack/compute/migrations.py.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"
#include "compute/server_state.h"

#define STAMP	    "changed_us"
#define TYPE	    "resize" /* there are no others */
#define TYPE_MINOR  23	     /* from it on shown, and servers/ID/migrations is there */
#define PAGED_MINOR 59

static const struct rfield migration_fields[] = {
	{ "id", J_UUID },
	{ "project_id", J_STR },
	{ NULL },
};

const struct resource migration_resource = {
	.one = "migration",
	.many = "migrations",
	.flags = RES_TIMES,
	.fields = migration_fields,
};

/* Nova's number of a new record; the key is compared, so that no other gets the same. */
static int take_number(struct call *c, json_int_t *out)
{
	*out = doc_int(call_get(c, "/migrations"), "last") + 1;
	return call_put(c, json_pack("{s:I}", "last", *out), "/migrations");
}

static json_t *host_address(struct call *c, const char *host)
{
	const json_t *hypervisor = json_object_get(call_get(c, "/agent/%s", host), "hypervisor");
	json_t *address = json_object_get(hypervisor, "host_ip");

	return address ? json_incref(address) : json_null();
}

/**
 * migration_begin() - Remember that a server is resized
 * @c:      the call
 * @server: the call's own copy, before it is put: it gets the member
 * @status: "migrating", or "error" where nothing came of it
 *
 * Return: 0 or a negative errno.
 */
int migration_begin(struct call *c, json_t *server, const char *status)
{
	const char *project = doc_str(server, "project_id"), *host = doc_str(server, "host");
	const json_t *made;
	json_int_t number;
	int rc = kept_make_room(c, &migration_resource, STAMP, project) ?: take_number(c, &number);

	if (rc)
		return rc;
	rc = res_create(c, &migration_resource,
			json_pack("{s:I,s:s,s:s,s:O,s:s,s:o,s:s,s:I}", "number", number,
				  "project_id", project, "user_id", c->auth->user_id, "server",
				  json_object_get(server, "id"), "host", host, "address",
				  host_address(c, host), "status", status, STAMP,
				  (json_int_t)c->now_us),
			&made);
	if (!rc)
		doc_set_text(server, "migration", doc_str(made, "id"));
	return rc;
}

static int put_status(struct call *c, const json_t *old, const char *status)
{
	json_t *doc;

	if (doc_is(old, "status", status))
		return 0;
	doc = json_copy((json_t *)old);
	doc_set_text(doc, "status", status);
	json_object_set_new(doc, STAMP, json_integer((json_int_t)c->now_us));
	return res_put(c, &migration_resource, doc);
}

/**
 * migration_follow() - Bring the record of a server's resize up to date
 * @c:      the call
 * @server: the call's own copy, as it is put next; it loses the member when the resize is over
 *
 * Return: 0 or what res_put() says.
 */
int migration_follow(struct call *c, json_t *server)
{
	const char *id = doc_text(server, "migration"), *status;
	const json_t *old = id ? res_get(c, &migration_resource, id) : NULL;
	bool over = true;

	if (!id)
		return 0;
	status = server_resize_status(server, doc_str(old, "status"), &over);
	if (over)
		json_object_del(server, "migration");
	return old ? put_status(c, old, status) : 0;
}

/**
 * migration_end() - The server of a resize is gone
 * @c:      the call
 * @server: as it was
 *
 * Return: 0 or what res_put() says.
 */
int migration_end(struct call *c, const json_t *server)
{
	auto_of(json_decref) json_t *gone = json_copy((json_t *)server);

	json_object_del(gone, "before");
	doc_set_text(gone, "task_state", NULL);
	return migration_follow(c, gone);
}

static json_t *view(const struct call *c, const json_t *one)
{
	json_t *host = json_object_get(one, "host");
	json_t *out =
		json_pack("{s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:n,s:n,s:o,s:o}", "id",
			  json_object_get(one, "number"), "status", json_object_get(one, "status"),
			  "instance_uuid", json_object_get(one, "server"), "source_compute", host,
			  "source_node", host, "dest_compute", host, "dest_node", host, "dest_host",
			  json_object_get(one, "address"), "old_instance_type_id",
			  "new_instance_type_id", "created_at", compute_stamp(one, "created_at"),
			  "updated_at", compute_stamp(one, "updated_at"));

	if (compute_minor(c) >= TYPE_MINOR)
		doc_set_text(out, "migration_type", TYPE);
	if (compute_minor(c) >= PAGED_MINOR)
		json_object_set(out, "uuid", json_object_get(one, "id"));
	return out;
}

/* What lists are filtered by; until 2.58 by more than Nova's schema says. */
static bool passes(const struct call *c, const json_t *one)
{
	static const char *const filters[][2] = {
		{ "status", "status" }, { "instance_uuid", "server" },
		{ "host", "host" },	{ "source_compute", "host" },
		{ "node", "host" },	{ "user_id", "user_id" },
		{ "uuid", "id" },	{ "project_id", "project_id" },
	};
	const char *type = call_arg(c, "migration_type"), *hidden = call_arg(c, "hidden");

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *value = call_arg(c, filters[i][0]);

		if (value && !doc_is(one, filters[i][1], value))
			return false;
	}
	return (!type || !strcmp(type, TYPE)) && (!hidden || field_bool_word(hidden) != 1);
}

/* The last first. */
static int compare(const void *a, const void *b)
{
	int64_t x = doc_int(*(const json_t *const *)a, "number");
	int64_t y = doc_int(*(const json_t *const *)b, "number");

	return (x < y) - (x > y);
}

static int gather(struct call *c, json_t *list)
{
	struct cursor it = res_list(c, &migration_resource, NULL, NULL);
	bool timed = compute_minor(c) >= PAGED_MINOR;
	struct span span = { INT64_MIN, INT64_MAX };
	int rc = timed ? compute_span(c, &span) : 0;

	while (!rc && cursor_next(&it))
		if (span_has(&span, it.doc) && passes(c, it.doc))
			json_array_append(list, (json_t *)it.doc);
	return rc ? rc : compute_sort(list, compare);
}

static int list_migrations(struct call *c)
{
	auto_of(json_decref) json_t *list = json_array(), *out = json_array();
	json_t *next = NULL, *one;
	int rc = gather(c, list);
	size_t i;

	if (!rc && compute_minor(c) >= PAGED_MINOR)
		rc = compute_page(c, "id", &list, &next);
	if (rc)
		return rc;
	json_array_foreach (list, i, one)
		json_array_append_new(out, view(c, one));
	return call_reply(c, 200,
			  json_pack("{s:O,s:o*}", "migrations", out, "migrations_links", next));
}

/* Those that are live and under way: servers do not leave their hosts. */
static int list_live(struct call *c)
{
	if (compute_minor(c) < TYPE_MINOR)
		return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	if (!res_find(c, &server_resource, c->ids[0]))
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:[]}", "migrations"));
}

/**
 * migration_sweep() - Forget resizes of long ago
 * @c: a periodic call
 *
 * Return: 0 or a negative errno.
 */
int migration_sweep(struct call *c)
{
	return kept_sweep(c, &migration_resource, STAMP);
}

const struct route migration_routes[] = {
	{ "GET", "/v2.1/os-migrations", list_migrations, RULE_ADMIN },
	{ "GET", "/v2.1/servers/{}/migrations", list_live, RULE_ADMIN },
	{ NULL },
};
