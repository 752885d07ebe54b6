/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts have: PFs with their physical networks, CPUs, memory. /agent/HOST is written when it
 * changes, and when the host dies (liveness.c) or comes back. Who said it all is told a name for
 * it, which is made of the document alone, and says no more than that name from then on.
 */
#include <stdio.h>
#include <string.h>

#include "base/told.h"
#include "base/uuid.h"
#include "hosts/agents.h"
#include "hosts/placement.h"

/* PFs are parts of keys. */
static int valid_name(struct call *c, const char *field, json_t **value)
{
	if (!strpbrk(json_string_value(*value), "/ "))
		return 0;
	return call_fail(c, 400, NULL, "%s: a name has neither slashes nor blanks", field);
}

static const struct rfield pf_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 64, .valid = valid_name },
	{ "physical_networks", J_LIST, R_CREATE | R_NEED },
	{ "numvfs", J_INT, R_CREATE | R_NEED, .min = 0, .max = PLACE_MAX_VFS },
	{ "pci_slots", J_LIST, R_CREATE, "[]" },
	{ "busy", J_LIST, R_CREATE, "[]" },
	/* "hw": a NIC's; a kind that is not known here suits no port. */
	{ "kind", J_STR, R_CREATE, "\"sw\"", .max = 16 },
	/* Of NICs alone; texts are what a binding's profile has. */
	{ "driver", J_STR, R_CREATE, "\"\"", .max = 64 },
	{ "pci_slot", J_STR, R_CREATE, "\"\"", .max = 32 },
	{ "mac", J_STR, R_CREATE, "\"\"", .max = 32 },
	{ "pci_vendor_info", J_STR, R_CREATE, "\"\"", .max = 16 },
	{ "vf_pci_vendor_info", J_STR, R_CREATE, "\"\"", .max = 16 },
	{ NULL },
};
static const struct rfield host_rows[] = {
	{ "pfs", J_LIST, R_CREATE | R_NEED },
	{ "vcpus", J_INT, R_CREATE | R_NEED, .min = 0, .max = 65536 },
	{ "memory_mb", J_INT, R_CREATE | R_NEED, .min = 0, .max = 1 << 30 },
	{ "disk_gb", J_INT, R_CREATE, "0", .min = 0, .max = 1 << 30 },
	{ "hypervisor", J_OBJ, R_CREATE, "{}" },
	{ NULL },
};

/* Replaces each PF by its checked form. */
static int accept_pfs(struct call *c, json_t *host)
{
	json_t *pfs = json_array(), *pf, *good;
	size_t i;

	json_array_foreach (json_object_get(host, "pfs"), i, pf) {
		int rc = json_is_object(pf)
				 ? fields_accept_known(c, pf_rows, pf, &good)
				 : call_fail(c, 400, NULL, "pfs: a list of objects is needed");
		if (rc) {
			json_decref(pfs);
			return rc;
		}
		json_array_append_new(pfs, good);
	}
	json_object_set_new(host, "pfs", pfs);
	return 0;
}

/**
 * inventory_get() - GET /anyvf/v1/hosts/HOST: is this host heard?
 * @c: call
 *
 * Return: as a handler.
 */
int inventory_get(struct call *c)
{
	const char *host = c->ids[0];
	int rc = host_check_caller(c, host);

	if (!rc && !call_get(c, "/agent/%s", host))
		rc = call_fail(c, 404, NULL, "Host %s has not been heard yet", host);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:s,s:b}", "host", host, "alive", agent_alive(c, host)));
}

/* What another version looks at in an inventory is more, or less, so its name is another. */
static const char *row_names(const struct rfield *rows, char *out, size_t size)
{
	int n = 0;

	for (; rows->name && n >= 0 && (size_t)n < size; rows++)
		n += snprintf(out + n, size - (size_t)n, "%s ", rows->name);
	return out;
}

/* What a host's inventory is called here. Return: false: nothing is known of the host. */
static bool name_of(const struct call *c, const char *host, char out[TOLD_LEN])
{
	char key[STORE_KEY_LEN + 1], host_names[256], pf_names[256];
	const char *text;

	snprintf(key, sizeof(key), "/agent/%s", host);
	text = call_text(c, key);
	if (!text)
		return false;
	told_format(told_name((const char *const[]){
			    text, row_names(host_rows, host_names, sizeof(host_names)),
			    row_names(pf_rows, pf_names, sizeof(pf_names)), NULL }),
		    out);
	return true;
}

static const struct rfield beat_rows[] = {
	{ "known_as", J_STR, R_CREATE | R_NEED, .min = 1, .max = 64 },
	{ NULL },
};

/* A heartbeat alone: what the host has is what stands here, where it counts as alive. */
static int take_beat(struct call *c, const char *host)
{
	auto_of(json_decref) json_t *said = NULL;
	char name[TOLD_LEN];
	int rc = fields_accept_known(c, beat_rows, c->body, &said);

	if (!rc && (!name_of(c, host, name) || !doc_is(said, "known_as", name)))
		rc = call_fail(c, 409, "Conflict", "Host %s is not known as that: tell all of it",
			       host);
	rc = rc ?: agent_heard(c, host);
	return rc
		       ?: call_reply(c, 200,
				     json_pack("{s:i}", "heartbeat_s", (int)agent_heartbeat_s(c)));
}

static int reply_name(struct call *c, const char *host)
{
	json_t *answer = json_pack("{s:i}", "heartbeat_s", (int)agent_heartbeat_s(c));
	char name[TOLD_LEN];

	if (name_of(c, host, name))
		json_object_set_new(answer, "known_as", json_string(name));
	return call_reply(c, 200, answer);
}

/**
 * inventory_put() - PUT /anyvf/v1/hosts/HOST: inventory and heartbeat in one, or a heartbeat
 * @c: call
 *
 * Return: as a handler.
 */
int inventory_put(struct call *c)
{
	const char *host = c->ids[0];
	const json_t *old;
	json_t *doc = NULL;
	char id[UUID_STR_LEN];
	int rc = host_check_caller(c, host);

	if (!rc && json_object_get(c->body, "known_as") && !json_object_get(c->body, "pfs"))
		return take_beat(c, host);
	old = call_get(c, "/agent/%s", host);
	if (!rc)
		rc = fields_accept_known(c, host_rows, c->body, &doc);
	if (!rc)
		rc = accept_pfs(c, doc);
	if (!rc)
		rc = agent_heard(c, host);
	if (rc) {
		json_decref(doc);
		return rc;
	}
	if (!old)
		uuid_new(id);
	json_object_set_new(doc, "id", json_string(old ? doc_text(old, "id") : id));
	json_object_set_new(doc, "host", json_string(host));
	json_object_set_new(doc, "alive", json_true());
	if (!old || !json_equal((json_t *)old, doc))
		rc = call_put(c, json_incref(doc), "/agent/%s", host);
	json_decref(doc);
	return rc ?: reply_name(c, host);
}
