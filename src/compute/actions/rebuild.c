/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild: a new disk, of the same image or another; host, ports and addresses stay. */
#include <errno.h>

#include "compute/actions/actions.h"
#include "compute/boot.h"
#include "compute/server_state.h"

static const struct rfield rebuild_rows[] = {
	{ "imageRef", J_STR, R_UPDATE },
	{ "name", J_STR, R_UPDATE, .min = 1, .max = 255 },
	{ "adminPass", J_STR, R_UPDATE, .min = 1, .max = 255 },
	{ "metadata", J_OBJ, R_UPDATE },
	{ "accessIPv4", J_STR, R_UPDATE, .valid = server_valid_access },
	{ "accessIPv6", J_STR, R_UPDATE, .valid = server_valid_access },
	{ "OS-DCF:diskConfig", J_STR, R_UPDATE,
	  .names = (const char *const[]){ "AUTO", "MANUAL", NULL } },
	{ "preserve_ephemeral", J_BOOL, R_UPDATE }, /* there are no such disks */
	{ "description", J_STR, R_UPDATE | R_NULL, .max = 255 },
	{ "key_name", J_STR, R_UPDATE | R_NULL },
	{ "user_data", J_STR, R_UPDATE | R_NULL, .max = 65535 },
	{ "personality", J_LIST, R_UPDATE },
	{ NULL },
};

/* What the server's document keeps of the request, and as what. */
static const char *const kept[][2] = {
	{ "name", "name" },
	{ "adminPass", "admin_pass" },
	{ "metadata", "metadata" },
	{ "accessIPv4", "access_ipv4" },
	{ "accessIPv6", "access_ipv6" },
	{ "OS-DCF:diskConfig", "disk_config" },
	{ "description", "description" },
	{ "key_name", "key_name" },
	{ "user_data", "user_data" },
	{ "personality", "files" },
};

static int check_given(struct call *c, const json_t *given)
{
	const char *name = doc_text(given, "name");
	const json_t *metadata = json_object_get(given, "metadata");

	return (name ? server_check_name(c, name) : 0)
		       ?: (metadata ? server_check_metadata(c, metadata) : 0)
			       ?: boot_check_user_data(c, doc_text(given, "user_data"))
				       ?: boot_check_files(c,
							   json_object_get(given, "personality"));
}

/* A key that is named is the caller's; null takes the server's away. */
static int find_key(struct call *c, const json_t *given, json_t *server)
{
	const char *name = doc_text(given, "key_name");
	const json_t *key = name ? keypair_of(c, c->auth->user_id, name) : NULL;

	if (name && !key)
		return call_fail(c, 400, "KeypairNotFound", "Invalid key_name provided.");
	if (json_object_get(given, "key_name"))
		doc_set_text(server, "public_key", key ? doc_text(key, "public_key") : NULL);
	return 0;
}

static int change(struct call *c, json_t *given, json_t *server)
{
	struct boot b = { .given = given, .flavor = json_object_get(server, "flavor") };
	int rc = boot_find_image(c, &b) ?: find_key(c, given, server);

	if (rc)
		return rc;
	boot_password(given);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		json_t *value = json_object_get(given, kept[i][0]);

		if (value)
			json_object_set(server, kept[i][1], value);
	}
	json_object_set_new(server, "image", boot_image(&b));
	server_leave_rescue(server);
	json_object_del(server, "before"); /* of a resize */
	json_object_set_new(server, "rebuild", json_integer(doc_int(server, "rebuild") + 1));
	/* What was in ERROR is to run; what was off stays off. */
	if (doc_is(server, "vm_state", "error"))
		doc_set_text(server, "power", "on");
	return server_check_size(c, server);
}

/**
 * action_rebuild() - rebuild
 * @c:    the call
 * @args: what stays out stays as it is
 *
 * Return: as a handler.
 */
int action_rebuild(struct call *c, const json_t *args)
{
	auto_of(json_decref) json_t *given = NULL, *server = NULL;
	json_t *out;
	int rc = fields_accept(c, rebuild_rows, args, true, &given) ?: check_given(c, given);

	if (rc)
		return rc;
	server = action_begin(c, "rebuild", "rebuild");
	if (!server)
		return -EBUSY;
	rc = change(c, given, server) ?: action_commit(c, json_incref(server), 202);
	if (rc)
		return rc;
	out = server_view_changed(c, server);
	if (compute_minor(c) >= 54)
		json_object_set(out, "key_name", json_object_get(server, "key_name"));
	if (compute_minor(c) >= 57)
		json_object_set(out, "user_data", json_object_get(server, "user_data"));
	json_object_set(out, "adminPass", json_object_get(server, "admin_pass"));
	return call_reply(c, 202, json_pack("{s:o}", "server", out));
}
