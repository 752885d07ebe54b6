/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /servers: everything the request names is looked up, a host is chosen,
 * ports are made and bound (VFs leased) and the wish for the host's agent is
 * written, all in one transaction: two boots that want the last VF collide on
 * its key, and the loser is judged again. When no host can take the server it
 * is kept in ERROR, with the reason as its fault.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "compute/boot.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "hosts/usage.h"
#include "hosts/wishes.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

#define PASSWORD_LEN	12   /* characters, as Nova's password_length */
#define RETURNS_AWAITED 8    /* VFs that came back but did not help, before a boot fails */
#define RETURN_MS	3000 /* an agent returns a VF within milliseconds */

/* A host name from a server's: letters, digits, dashes. */
static json_t *hostname_of(const char *name, const char *id)
{
	char host[64];
	size_t n = 0;

	for (; *name && n + 1 < sizeof(host); name++) {
		char ch = *name;

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || (ch == '-' && n))
			host[n++] = ch;
		else if ((ch == ' ' || ch == '_' || ch == '.') && n)
			host[n++] = '-';
	}
	while (n && host[n - 1] == '-')
		n--;
	host[n] = '\0';
	return n ? json_string(host) : json_sprintf("server-%s", id);
}

/**
 * boot_image() - The image of a boot as the agent needs it
 * @b: boot, with its image looked up
 *
 * Return: a copy, so that deleting the image does no harm.
 */
json_t *boot_image(const struct boot *b)
{
	static const char *const own[] = {
		"id",	    "name",	 "disk_format", "container_format", "size",
		"checksum", "kernel_id", "ramdisk_id",	"os_hash_value",    "virtual_size",
		"min_ram",  "min_disk",	 "status",	"visibility",	    "protected",
		"tags",	    "owner",	 "created_at",	"updated_at",	    "file",
		"schema",   "self",	 "os_hidden",	"os_hash_algo",	    "direct_url",
		"locations"
	};
	json_t *out = json_object(), *properties = json_copy((json_t *)b->image);

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (i < 12) {
			json_t *value = json_object_get(b->image, own[i]);
			json_object_set_new(out, own[i], value ? json_incref(value) : json_null());
		}
		json_object_del(properties, own[i]);
	}
	json_object_set_new(out, "properties", properties);
	json_object_set(out, "kernel_hash", json_object_get(b->kernel, "os_hash_value"));
	json_object_set(out, "ramdisk_hash", json_object_get(b->ramdisk, "os_hash_value"));
	return out;
}

/* The stored document of one server of the boot, without host and ports. */
static json_t *server_document(struct call *c, const struct boot *b, const char *reservation,
			       unsigned int index)
{
	const char *name = doc_text(b->given, "name");
	json_t *groups = json_object_get(b->given, "security_groups"), *doc;
	char id[UUID_STR_LEN];

	uuid_new(id);
	doc = json_pack("{s:s,s:o,s:s,s:s,s:s,s:s,s:i,s:n,s:s,s:i,s:i,s:o,s:o,s:b,s:n,s:s,s:i}",
			"id", id, "name",
			b->count > 1 ? json_sprintf("%s-%u", name, index + 1) : json_string(name),
			"project_id", c->auth->project_id, "user_id", c->auth->user_id, "vm_state",
			"building", "task_state", "spawning", "power_state", POWER_NONE, "host",
			"power", "on", "reboot", 0, "asked", 0, "flavor", flavor_embed(b->flavor),
			"image", boot_image(b), "locked", 0, "locked_reason", "reservation_id",
			reservation, "launch_index", (int)index);
	json_object_update_new(
		doc, json_pack("{s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O?,s:[],s:o}", "metadata",
			       json_object_get(b->given, "metadata"), "user_data",
			       json_object_get(b->given, "user_data"), "key_name",
			       json_object_get(b->given, "key_name"), "access_ipv4",
			       json_object_get(b->given, "accessIPv4"), "access_ipv6",
			       json_object_get(b->given, "accessIPv6"), "disk_config",
			       json_object_get(b->given, "OS-DCF:diskConfig"), "description",
			       json_object_get(b->given, "description"), "tags",
			       json_object_get(b->given, "tags"), "public_key",
			       json_object_get(b->key, "public_key"), "ports", "hostname",
			       hostname_of(doc_text(doc, "name"), id)));
	json_object_set(doc, "files", json_object_get(b->given, "personality"));
	json_object_set(doc, "admin_pass", json_object_get(b->given, "adminPass"));
	if (json_array_size(groups))
		json_object_set(doc, "security_groups", groups);
	else
		json_object_set_new(doc, "security_groups",
				    json_pack("[{s:s}]", "name", "default"));
	return doc;
}

/* Fills want->ports. Ports that are still to be made stand as a document of what matters: *made
 * holds them. */
static int want_ports(struct call *c, const struct boot *b, struct place_port *ports, json_t *made)
{
	for (unsigned int i = 0; i < b->n_nics; i++) {
		const json_t *port = b->nics[i].port;
		int rc;

		if (!port) {
			port = json_pack("{s:O,s:s,s:{}}", "network_id",
					 json_object_get(b->nics[i].net, "id"), "binding:vnic_type",
					 "normal", "binding:profile");
			json_array_append_new(made, (json_t *)port);
		}
		rc = port_place(c, port, &ports[i]);
		if (rc)
			return rc;
	}
	return 0;
}

/* Chooses a host and the VFs there; -ENOSPC with the reason when none can take the server. */
static int place(struct call *c, const struct boot *b, json_t *server,
		 struct place_vf vfs[NICS_MAX], struct err *why)
{
	auto_of(json_decref) json_t *made = json_array(), *zones = b->zone ? zones_all(c) : NULL;
	struct place_port ports[NICS_MAX];
	struct place_want want = {
		.host = b->host,
		.zone = { .only = b->zone ? json_object_get(zones, b->zone) : NULL },
		.hints = { .only = b->same, .avoid = b->different },
		.group = { .only = json_object_size(b->kin) ? b->kin : NULL, .avoid = b->apart },
		.vcpus = (unsigned int)doc_int(b->flavor, "vcpus"),
		.memory_mb = (unsigned int)doc_int(b->flavor, "ram"),
		.ports = ports,
		.n_ports = b->n_nics,
		.look = hosts_look,
		.look_arg = c,
	};
	struct place_host *hosts;
	unsigned int n, chosen;
	int rc = want_ports(c, b, ports, made);

	if (rc)
		return rc;
	n = hosts_load(c, &hosts);
	rc = placement_choose(hosts, n, &want, &chosen, vfs, why);
	if (rc && b->soft) {
		want.group = (struct place_hosts){ NULL };
		*why = (struct err){ 0 };
		rc = placement_choose(hosts, n, &want, &chosen, vfs, why);
	}
	if (!rc) {
		hosts_rely(c, hosts[chosen].name);
		doc_set_text(server, "host", hosts[chosen].name);
	}
	hosts_free(hosts, n);
	return rc;
}

static int make_port(struct call *c, const struct boot *b, const struct nic *nic,
		     const json_t *server, const char **id)
{
	json_t *groups = json_array(), *attrs;
	const json_t *port;
	int rc = boot_groups(c, b, &groups);

	attrs = json_pack("{s:O,s:O,s:s,s:O,s:s,s:s}", "network_id",
			  json_object_get(nic->net, "id"), "project_id",
			  json_object_get(server, "project_id"), "name", "", "device_id",
			  json_object_get(server, "id"), "device_owner", "compute:nova",
			  "binding:vnic_type", "normal");
	if (nic->fixed_ip)
		json_object_set_new(attrs, "fixed_ips",
				    json_pack("[{s:s}]", "ip_address", nic->fixed_ip));
	if (json_array_size(groups))
		json_object_set(attrs, "security_groups", groups);
	json_decref(groups);
	if (rc) {
		json_decref(attrs);
		return rc;
	}
	rc = res_create(c, &port_resource, attrs, &port);
	if (!rc)
		*id = doc_text(port, "id");
	return rc;
}

/* Each port is made if need be, bound to its VF, and written down in the server. */
static int plug_ports(struct call *c, const struct boot *b, json_t *server,
		      const struct place_vf *vfs)
{
	json_t *list = json_object_get(server, "ports");
	const char *host = doc_text(server, "host"), *id;
	struct err why = { 0 };

	for (unsigned int i = 0; i < b->n_nics; i++) {
		const struct nic *nic = &b->nics[i];
		int rc = 0;

		if (nic->port)
			id = doc_text(nic->port, "id");
		else
			rc = make_port(c, b, nic, server, &id);
		if (rc)
			return rc;
		json_t *entry = json_pack("{s:s,s:b}", "id", id, "made", !nic->port);
		json_array_append_new(list, entry);
		rc = port_bind(c, doc_text(entry, "id"), host, doc_text(server, "id"), &vfs[i],
			       &why);
		if (rc)
			return call_fail(c, 409, "PortBindingFailed", "Port %s cannot be bound: %s",
					 doc_text(entry, "id"), compute_why(c, &why));
	}
	return 0;
}

/* No host: the server is kept to show why, and so are its ports. brief: for members, or NULL. */
static int keep_failed(struct call *c, const struct boot *b, json_t *server, const char *why,
		       const char *brief)
{
	json_t *list = json_object_get(server, "ports");
	char now[32];
	int rc = 0;

	server_fail(server, why, brief, call_time(c, now));
	for (unsigned int i = 0; !rc && i < b->n_nics; i++) {
		const json_t *port = b->nics[i].port;

		if (!port)
			continue;
		json_array_append_new(
			list, json_pack("{s:O,s:b}", "id", json_object_get(port, "id"), "made", 0));
		rc = port_bind_failed(c, doc_text(port, "id"), b->host ? b->host : "",
				      doc_text(server, "id"));
	}
	return rc;
}

/* Does the boot name a port whose VF on a host is on its way back? */
static bool own_returns(struct call *c, const struct boot *b, const char *host)
{
	for (unsigned int i = 0; i < b->n_nics; i++)
		if (b->nics[i].port &&
		    doc_bool(wish_get(c, host, "port", doc_text(b->nics[i].port, "id")),
			     "released"))
			return true;
	return false;
}

static bool names_port(const struct boot *b)
{
	bool any = false;

	for (unsigned int i = 0; i < b->n_nics; i++)
		any |= b->nics[i].port != NULL;
	return any;
}

/* Is a VF of a live host on its way back: one of the boot's own ports' (own), or any? */
static bool vf_returns(struct call *c, const struct boot *b, bool own)
{
	struct cursor hosts = call_list(c, "/agent/");

	while (cursor_step(&hosts)) {
		const char *host = hosts.key + hosts.prefix_len;

		if (usage_returns(c, host) && (!own || own_returns(c, b, host)) &&
		    agent_alive(c, host))
			return true;
	}
	return false;
}

/* Who deletes a server and boots the next need not know that its VF takes a moment to come back. */
static bool may_wait(const struct call *c)
{
	return !c->expired && c->runs < RETURNS_AWAITED;
}

static int boot_one(struct call *c, struct boot *b, json_t *server, bool first)
{
	struct place_vf vfs[NICS_MAX];
	struct err why = { 0 };
	int rc;

	rc = group_hints(c, b);
	if (rc)
		return rc;
	doc_set_text(server, "group", *b->group ? b->group : NULL);
	if (first && names_port(b) && may_wait(c) && vf_returns(c, b, true))
		return call_wait(c, RETURN_MS, "/vf/");
	rc = place(c, b, server, vfs, &why);
	if (rc == -ENOSPC && first && may_wait(c) && vf_returns(c, b, false))
		return call_wait(c, RETURN_MS, "/vf/");
	server_note_action(c, server, "create");
	if (rc == -EOPNOTSUPP)
		err_set(&why, 0, "A port has a vnic type that no VF serves: direct and normal do");
	else if (rc && rc != -ENOSPC)
		return rc;
	rc = rc ? keep_failed(c, b, server, why.msg, rc == -ENOSPC ? NO_HOST : NULL)
		: plug_ports(c, b, server, vfs);
	if (!rc)
		rc = server_check_size(c, server);
	if (!rc)
		rc = res_create(c, &server_resource, json_incref(server), NULL);
	return rc ? rc : server_changed(c, server);
}

static void random_text(char *out, size_t n, const char *of)
{
	for (size_t i = 0; i < n; i++)
		out[i] = of[randombytes_uniform((uint32_t)strlen(of))];
	out[n] = '\0';
}

/**
 * boot_password() - The password of an answer, given or made
 * @given: request; gets `adminPass`, which the guest has from the config drive
 */
void boot_password(json_t *given)
{
	char made[PASSWORD_LEN + 1];

	random_text(made, PASSWORD_LEN, "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz");
	if (!doc_text(given, "adminPass"))
		doc_set_text(given, "adminPass", made);
}

static int boot_all(struct call *c, struct boot *b)
{
	char reservation[16] = "r-", where[640];
	json_t *first = NULL, *reply;
	int rc = 0;

	random_text(reservation + 2, 8, "abcdefghijklmnopqrstuvwxyz0123456789");
	boot_password(b->given);
	for (unsigned int i = 0; !rc && i < b->count; i++) {
		json_t *server = server_document(c, b, reservation, i);

		rc = boot_one(c, b, server, i == 0);
		if (!first)
			first = json_incref(server);
		json_decref(server);
	}
	if (rc == -E2BIG)
		rc = call_fail(c, 400, "BadRequest", "Too many servers for one request: %u",
			       b->count);
	if (rc) {
		json_decref(first);
		return rc;
	}
	if (doc_bool(b->given, "return_reservation_id"))
		reply = json_pack("{s:s}", "reservation_id", reservation);
	else
		reply = json_pack("{s:{s:O,s:O,s:o,s:O,s:O}}", "server", "id",
				  json_object_get(first, "id"), "adminPass",
				  json_object_get(first, "admin_pass"), "links",
				  compute_links(c, "servers", doc_text(first, "id")),
				  "OS-DCF:diskConfig", json_object_get(first, "disk_config"),
				  "security_groups", json_object_get(first, "security_groups"));
	snprintf(where, sizeof(where), "%s/compute/v2.1/servers/%s", c->opts->public_url,
		 doc_text(first, "id"));
	if (!doc_bool(b->given, "return_reservation_id"))
		call_header(c, "Location", where);
	json_decref(first);
	return call_reply(c, 202, reply);
}

/* POST /servers: 0 also when the server ends in ERROR, a fault when the request itself is wrong. */
static int server_create(struct call *c)
{
	const json_t *in = compute_body(c, "server");
	struct boot b = { NULL };
	int rc = in ? 0 : -EINVAL;

	if (!rc && !c->auth->project_id[0])
		rc = call_fail(c, 403, "Forbidden", "The token has no project");
	if (!rc)
		rc = boot_read(c, in, &b);
	if (!rc)
		rc = boot_all(c, &b);
	json_decref(b.given);
	hints_drop(&b);
	return rc;
}

const struct route boot_routes[] = {
	{ "POST", "/v2.1/servers", server_create, RULE_WRITE },
	{ NULL },
};
