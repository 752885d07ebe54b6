/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of servers that were deleted: who asks for ?deleted=true, changes-since, their
 * actions or the usage of a month finds them. Bounded by project and by age; lists of servers that
 * live do not look here.
 */
#include <errno.h>

#include "compute/compute.h"
#include "compute/server_state.h"

#define STAMP "deleted_us"

static const struct rfield deleted_fields[] = {
	{ "id", J_UUID },
	{ "project_id", J_STR },
	{ NULL },
};

const struct resource deleted_server_resource = {
	.one = "deleted_server",
	.many = "deleted_servers",
	.label = "Instance",
	.fields = deleted_fields,
};

/* As Nova has it then: without a task, without power, of no port. What only its host had to know
 * is forgotten. */
static json_t *remains_of(struct call *c, const json_t *server)
{
	static const char *const gone[] = { "user_data",  "files",  "admin_pass",
					    "public_key", "group",  "snapshot",
					    "fault",	  "before", "migration" };
	json_t *kept = json_copy((json_t *)server);
	char now[32];

	server_finish(kept, call_time(c, now), NULL);
	server_leave_rescue(kept);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		json_object_del(kept, gone[i]);
	doc_set_text(kept, "vm_state", "deleted");
	doc_set_text(kept, "task_state", NULL);
	doc_set_text(kept, "updated_at", now);
	doc_set_text(kept, "terminated_at", now);
	json_object_set_new(kept, "power_state", json_integer(0));
	json_object_set_new(kept, "ports", json_array());
	json_object_set_new(kept, STAMP, json_integer((json_int_t)c->now_us));
	return kept;
}

/**
 * deleted_keep() - Remember a server that leaves the lists
 * @c:      the call that deletes it
 * @server: stored document
 *
 * Return: 0 or a negative errno.
 */
int deleted_keep(struct call *c, const json_t *server)
{
	int rc = kept_make_room(c, &deleted_server_resource, STAMP, doc_str(server, "project_id"));

	return rc ? rc : res_create(c, &deleted_server_resource, remains_of(c, server), NULL);
}

/**
 * deleted_sweep() - Forget servers that were deleted long ago
 * @c: a periodic call
 *
 * Return: 0 or a negative errno.
 */
int deleted_sweep(struct call *c)
{
	return kept_sweep(c, &deleted_server_resource, STAMP);
}
