/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stored server looks to a client: one table of columns, each with the
 * microversion it came with and whether admins alone see it. Mirrors
 * nova/api/openstack/compute/views/servers.py.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "compute/compute.h"
#include "compute/server_state.h"
#include "hosts/agents.h"
#include "network/core/network.h"

static json_t *view_status(struct call *c, const json_t *s)
{
	return json_string(server_status(s));
}

/* An opaque name for (project, host), so that tenants can tell hosts apart but not name them. */
static json_t *view_host_id(struct call *c, const json_t *s)
{
	const char *host = doc_text(s, "host"), *project = doc_text(s, "project_id");
	unsigned char hash[28];
	char hex[57] = "";

	if (host) {
		crypto_generichash(hash, sizeof(hash), (const unsigned char *)host, strlen(host),
				   (const unsigned char *)project, MIN(strlen(project), 64u));
		sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	}
	return json_string(hex);
}

static json_t *view_image(struct call *c, const json_t *s)
{
	const char *id = doc_text(json_object_get(s, "image"), "id");

	return json_pack("{s:s,s:o}", "id", id, "links", compute_bookmark(c, "images", id));
}

/* From 2.47 on the flavor as it was at boot; before, a link to it. */
static json_t *view_flavor(struct call *c, const json_t *s)
{
	const json_t *flavor = json_object_get(s, "flavor");
	const char *id = doc_text(flavor, "id");

	if (compute_minor(c) < 47)
		return json_pack("{s:s,s:o}", "id", id, "links",
				 compute_bookmark(c, "flavors", id));
	json_t *embedded = json_copy((json_t *)flavor);
	json_object_del(embedded, "id");
	return embedded;
}

static void add_addresses(struct call *c, json_t *out, const json_t *port)
{
	const json_t *net = res_get(c, &network_resource, doc_text(port, "network_id")), *ip;
	const char *name = net ? doc_text(net, "name") : NULL;
	json_t *list = name ? json_object_get(out, name) : NULL;
	size_t i;

	if (!name)
		return;
	if (!list)
		json_object_set_new(out, name, list = json_array());
	json_array_foreach (json_object_get(port, "fixed_ips"), i, ip) {
		const char *addr = doc_text(ip, "ip_address");

		json_array_append_new(list, json_pack("{s:i,s:s?,s:s,s:O?}", "version",
						      addr && strchr(addr, ':') ? 6 : 4, "addr",
						      addr, "OS-EXT-IPS:type", "fixed",
						      "OS-EXT-IPS-MAC:mac_addr",
						      json_object_get(port, "mac_address")));
	}
}

/**
 * server_addresses() - The addresses of a server's ports, by network name
 * @c:      the call
 * @server: stored document
 *
 * Return: a new object {"Net1": [{"version", "addr", ...}]}, in the order the ports were given.
 */
json_t *server_addresses(struct call *c, const json_t *server)
{
	json_t *out = json_object(), *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_text(entry, "id"));

		if (port)
			add_addresses(c, out, port);
	}
	return out;
}

static json_t *view_links(struct call *c, const json_t *s)
{
	return compute_links(c, "servers", doc_text(s, "id"));
}

/* Shown for some statuses only (nova: PROGRESS_STATUSES). */
static json_t *view_progress(struct call *c, const json_t *s)
{
	static const char *const shown[] = { "ACTIVE", "BUILD", "REBUILD", "RESIZE",
					     "VERIFY_RESIZE" };
	const char *status = server_status(s);

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (!strcmp(status, shown[i]))
			return json_integer(0);
	return NULL;
}

/* Why each host refused is for admins: members hear no names of hosts, nor how full they are. */
static json_t *view_fault(struct call *c, const json_t *s)
{
	json_t *fault = json_copy(json_object_get(s, "fault"));
	const char *brief = doc_text(fault, "brief");

	if (brief && !caller_is_admin(c))
		doc_set_text(fault, "message", brief);
	if (fault)
		json_object_del(fault, "brief");
	if (!strcmp(server_status(s), "ERROR"))
		return fault;
	json_decref(fault);
	return NULL;
}

static json_t *view_zone(struct call *c, const json_t *s)
{
	return json_string(host_zone(c, doc_text(s, "host")));
}

/* Every server gets one; Nova's force_config_drive looks the same. */
static json_t *view_config_drive(struct call *c, const json_t *s)
{
	return json_string("True");
}

static json_t *view_launched(struct call *c, const json_t *s)
{
	return compute_stamp(s, "launched_at");
}

static json_t *view_terminated(struct call *c, const json_t *s)
{
	return compute_stamp(s, "terminated_at");
}

static json_t *view_null(struct call *c, const json_t *s)
{
	return json_null();
}

static json_t *view_none(struct call *c, const json_t *s)
{
	return json_array();
}

static json_t *view_groups(struct call *c, const json_t *s)
{
	auto_of(json_decref) json_t *groups = groups_of_server(c, s);
	json_t *out, *group;
	size_t i;

	if (!json_array_size(groups))
		return NULL;
	out = json_array();
	json_array_foreach (groups, i, group)
		json_array_append_new(out,
				      json_pack("{s:O}", "name", json_object_get(group, "name")));
	return out;
}

static json_t *view_server_groups(struct call *c, const json_t *s)
{
	const json_t *group = res_get(c, &server_group_resource, doc_text(s, "group"));

	return json_pack("[O*]", json_object_get(group, "id"));
}

/* The libvirt domain's name. */
static json_t *view_instance_name(struct call *c, const json_t *s)
{
	return json_sprintf("anyvf-%s", doc_text(s, "id"));
}

static json_t *image_text(const json_t *s, const char *key)
{
	return json_string(doc_str(json_object_get(s, "image"), key));
}

static json_t *view_kernel(struct call *c, const json_t *s)
{
	return image_text(s, "kernel_id");
}

static json_t *view_ramdisk(struct call *c, const json_t *s)
{
	return image_text(s, "ramdisk_id");
}

static json_t *view_root_device(struct call *c, const json_t *s)
{
	return json_string("/dev/vda");
}

static json_t *view_host_status(struct call *c, const json_t *s)
{
	const char *host = doc_text(s, "host");

	if (!host)
		return json_string("");
	return json_string(agent_alive(c, host) ? "UP" : "UNKNOWN");
}

/* In Nova's order. make NULL: the stored member as it is; a make that returns NULL leaves it out.
 */
static const struct column {
	const char *key;
	const char *member; /* of the stored document, when it has another name */
	json_t *(*make)(struct call *c, const json_t *server);
	unsigned int since; /* minor microversion; 0: always */
	bool admin;	    /* admins alone see it */
	bool shown;	    /* not in replies to changes; neither is what admins see */
} columns[] = {
	{ "id" },
	{ "name" },
	{ "status", .make = view_status },
	{ "tenant_id", "project_id" },
	{ "user_id" },
	{ "metadata" },
	{ "hostId", .make = view_host_id },
	{ "image", .make = view_image },
	{ "flavor", .make = view_flavor },
	{ "created", "created_at" },
	{ "updated", "updated_at" },
	{ "addresses", .make = server_addresses },
	{ "accessIPv4", "access_ipv4" },
	{ "accessIPv6", "access_ipv6" },
	{ "links", .make = view_links },
	{ "OS-DCF:diskConfig", "disk_config" },
	{ "progress", .make = view_progress },
	{ "fault", .make = view_fault },
	{ "OS-EXT-AZ:availability_zone", .make = view_zone, .shown = true },
	{ "config_drive", .make = view_config_drive, .shown = true },
	{ "key_name", .shown = true },
	{ "OS-SRV-USG:launched_at", .make = view_launched, .shown = true },
	{ "OS-SRV-USG:terminated_at", .make = view_terminated, .shown = true },
	{ "security_groups", .make = view_groups, .shown = true },
	{ "OS-EXT-SRV-ATTR:host", "host", .admin = true },
	{ "OS-EXT-SRV-ATTR:instance_name", .make = view_instance_name, .admin = true },
	{ "OS-EXT-SRV-ATTR:hypervisor_hostname", "host", .admin = true },
	{ "OS-EXT-SRV-ATTR:reservation_id", "reservation_id", .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:launch_index", "launch_index", .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:hostname", "hostname", .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:kernel_id", .make = view_kernel, .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:ramdisk_id", .make = view_ramdisk, .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:root_device_name", .make = view_root_device, .since = 3, .admin = true },
	{ "OS-EXT-SRV-ATTR:user_data", "user_data", .since = 3, .admin = true },
	{ "OS-EXT-STS:task_state", "task_state", .shown = true },
	{ "OS-EXT-STS:vm_state", "vm_state", .shown = true },
	{ "OS-EXT-STS:power_state", "power_state", .shown = true },
	{ "os-extended-volumes:volumes_attached", .make = view_none, .shown = true },
	{ "host_status", .make = view_host_status, .since = 16, .admin = true },
	{ "locked", .since = 9 },
	{ "locked_reason", .since = 73 },
	{ "description", .since = 19 },
	{ "tags", .since = 26 },
	{ "trusted_image_certificates", .make = view_null, .since = 63 },
	{ "server_groups", .make = view_server_groups, .since = 71 },
};

static json_t *server_columns(struct call *c, const json_t *server, bool whole)
{
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const struct column *col = &columns[i];
		const char *member = col->member ? col->member : col->key;
		json_t *value;

		if (compute_minor(c) < col->since || (col->admin && !caller_is_admin(c)))
			continue;
		if (!whole && (col->admin || col->shown))
			continue;
		if (col->make)
			value = col->make(c, server);
		else if ((value = json_incref(json_object_get(server, member))) == NULL)
			value = json_null();
		if (value)
			json_object_set_new(out, col->key, value);
	}
	return out;
}

/**
 * server_view_brief() - A server as GET /servers lists it
 * @c:      the call
 * @server: stored document
 *
 * Return: a new object: id, name, links.
 */
json_t *server_view_brief(struct call *c, const json_t *server)
{
	return json_pack("{s:O,s:O,s:o}", "id", json_object_get(server, "id"), "name",
			 json_object_get(server, "name"), "links", view_links(c, server));
}

/**
 * server_view() - A server as its owner, or an admin, sees it
 * @c:      the call: its microversion and role decide what is shown
 * @server: stored document
 *
 * Return: a new object.
 */
json_t *server_view(struct call *c, const json_t *server)
{
	return server_columns(c, server, true);
}

/**
 * server_view_changed() - A server as the reply to a change of it has it, before 2.75
 * @c:      the call
 * @server: stored document
 *
 * Return: a new object, as server_view() but without the members that Nova's extensions brought.
 */
json_t *server_view_changed(struct call *c, const json_t *server)
{
	json_t *out = server_columns(c, server, false), *list, *address;
	const char *name;
	size_t i;

	json_object_foreach (json_object_get(out, "addresses"), name, list)
		json_array_foreach (list, i, address) {
			json_object_del(address, "OS-EXT-IPS:type");
			json_object_del(address, "OS-EXT-IPS-MAC:mac_addr");
		}
	return out;
}
