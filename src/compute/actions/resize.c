/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resize: another flavor on the same host, and a copy of the disk, until it is confirmed or taken
 * back. The old disk and flavor are kept meanwhile, as `before`: host and project go on paying for
 * the larger of both, so that the way back is always open.
 */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "compute/boot.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "hosts/usage.h"

static int no_disk(struct call *c, const char *why)
{
	return call_fail(c, 400, "CannotResizeDisk",
			 "Server disk was unable to be resized because: %s", why);
}

/* May the server become that? Nova finds out about disks that shrink when it is too late to say. */
static int judge(struct call *c, const json_t *server, const struct boot *b)
{
	const json_t *old = json_object_get(server, "flavor");
	int64_t disk = doc_int(b->flavor, "disk");

	if (doc_is(old, "id", doc_str(b->flavor, "id")))
		return call_fail(c, 400, "CannotResizeToSameFlavor",
				 "When resizing, instances must change flavor!");
	if (!disk && doc_int(old, "disk"))
		return no_disk(c, "Resize to zero disk flavor is not allowed.");
	if (disk < doc_int(old, "disk"))
		return no_disk(c, "Resizing to a smaller disk is not possible.");
	return quota_check_resize(c, server, b->flavor) ?: boot_check_image(c, b);
}

/* Has its host room for what comes on top? -ENOSPC, if not. */
static int find_room(struct call *c, const json_t *server, const json_t *flavor)
{
	const json_t *old = json_object_get(server, "flavor");
	const struct place_want more = {
		.host = doc_str(server, "host"),
		.vcpus = (unsigned int)MAX(doc_int(flavor, "vcpus") - doc_int(old, "vcpus"), 0),
		.memory_mb = (unsigned int)MAX(doc_int(flavor, "ram") - doc_int(old, "ram"), 0),
		.look = hosts_look,
		.look_arg = c,
	};
	struct place_vf none[1];
	struct place_host *hosts;
	unsigned int n = hosts_load(c, &hosts), chosen;
	struct err why = { 0 };
	int rc = placement_choose(hosts, n, &more, &chosen, none, &why);

	hosts_rely(c, more.host);
	hosts_free(hosts, n);
	return rc;
}

/* As Nova's scheduler does: the request was accepted, and the record of the action tells. */
static int refuse_later(struct call *c, json_t *server)
{
	char now[32];

	server_finish(server, call_time(c, now), NO_HOST);
	doc_set_text(server, "task_state", NULL);
	return migration_begin(c, server, "error") ?: action_commit(c, json_incref(server), 202);
}

static void change(json_t *server, const json_t *args, const json_t *flavor)
{
	json_t *config = json_object_get(args, "OS-DCF:diskConfig");

	json_object_set_new(server, "before",
			    json_pack("{s:O,s:I,s:O}", "flavor", json_object_get(server, "flavor"),
				      "disk", (json_int_t)doc_int(server, "disk"), "power",
				      json_object_get(server, "power")));
	json_object_set_new(server, "flavor", flavor_embed(flavor));
	json_object_set(server, "disk", json_object_get(server, "asked"));
	if (config)
		json_object_set(server, "disk_config", config);
}

/**
 * action_resize() - resize
 * @c:    the call
 * @args: {"flavorRef", "OS-DCF:diskConfig"}
 *
 * Return: as a handler.
 */
int action_resize(struct call *c, const json_t *args)
{
	auto_of(json_decref) json_t *server = action_begin(c, "resize", "resize");
	struct boot b = { .given = (json_t *)args, .image = json_object_get(server, "image") };
	int rc;

	if (!server)
		return -EBUSY;
	if (!agent_alive(c, doc_str(server, "host")))
		return call_fail(c, 409, "ServiceUnavailable",
				 "Service is unavailable at this time.");
	rc = boot_find_flavor(c, &b) ?: judge(c, server, &b) ?: find_room(c, server, b.flavor);
	if (rc == -ENOSPC)
		return refuse_later(c, server);
	if (rc)
		return rc;
	change(server, args, b.flavor);
	return server_check_size(c, server) ?: migration_begin(c, server, "migrating")
		       ?: action_commit(c, json_incref(server), 202);
}

/**
 * action_confirm() - confirmResize: the old disk goes
 * @c:    the call
 * @args: are not looked at
 *
 * Return: as a handler.
 */
int action_confirm(struct call *c, const json_t *args)
{
	json_t *server = action_begin(c, "confirmResize", "confirmResize");

	if (!server)
		return -EBUSY;
	json_object_del(server, "before");
	return action_commit(c, server, 204);
}

/**
 * action_revert() - revertResize: the old flavor and the old disk are back, the new one goes
 * @c:    the call
 * @args: are not looked at
 *
 * Return: as a handler.
 */
int action_revert(struct call *c, const json_t *args)
{
	json_t *server = action_begin(c, "revertResize", "revertResize");

	if (!server)
		return -EBUSY;
	server_resize_back(server);
	return action_commit(c, server, 202);
}
