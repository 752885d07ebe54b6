/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is connected to: its ports, which come and go while it is stopped. */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

static json_t *interface_view(const struct call *c, const json_t *port)
{
	json_t *ips = json_array(), *ip, *out;
	size_t i;

	json_array_foreach (json_object_get(port, "fixed_ips"), i, ip)
		json_array_append(ips, ip);
	out = json_pack("{s:O,s:O,s:O,s:O?,s:o}", "net_id", json_object_get(port, "network_id"),
			"port_id", json_object_get(port, "id"), "mac_addr",
			json_object_get(port, "mac_address"), "port_state",
			json_object_get(port, "status"), "fixed_ips", ips);
	if (compute_minor(c) >= 70)
		json_object_set_new(out, "tag", json_null());
	return out;
}

/* The server's own entry of a port, if both are there. */
static const json_t *entry_of(struct call *c, const json_t *server, const char *id)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (doc_is(entry, "id", id) && res_get(c, &port_resource, id))
			return entry;
	return NULL;
}

static int interfaces_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]), *entry;
	json_t *list;
	size_t i;

	if (!server)
		return -ENOENT;
	list = json_array();
	json_array_foreach (json_object_get(server, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_text(entry, "id"));

		if (port)
			json_array_append_new(list, interface_view(c, port));
	}
	return call_reply(c, 200, json_pack("{s:o}", "interfaceAttachments", list));
}

static int no_interface(struct call *c)
{
	return call_fail(c, 404, "PortNotFound", "Port %s is not attached to instance %s",
			 c->ids[1], c->ids[0]);
}

static int interface_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	if (!entry_of(c, server, c->ids[1]))
		return no_interface(c);
	return call_reply(c, 200,
			  json_pack("{s:o}", "interfaceAttachment",
				    interface_view(c, res_get(c, &port_resource, c->ids[1]))));
}

/* The domain is made anew at its next start; a running one is not changed under its guest. */
static int refuse_running(struct call *c, const json_t *server)
{
	if (doc_is(server, "vm_state", "stopped"))
		return 0;
	return call_fail(c, 400, "BadRequest",
			 "Interfaces of a running server cannot be changed: stop instance %s first",
			 doc_text(server, "id"));
}

static json_t *with_port(const json_t *server, const char *id, bool add)
{
	json_t *copy = json_copy((json_t *)server), *list = json_array(), *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (!doc_is(entry, "id", id))
			json_array_append(list, entry);
	if (add)
		json_array_append_new(list, json_pack("{s:s,s:b}", "id", id, "made", 0));
	json_object_set_new(copy, "ports", list);
	return copy;
}

static int interface_attach(struct call *c)
{
	const json_t *in = compute_body(c, "interfaceAttachment");
	const char *id = doc_text(in, "port_id");
	json_t *server = in ? action_begin(c, "attach_interface", "attach_interface") : NULL;
	const json_t *port = port_own(c, id);
	auto_of(json_decref) json_t *held = server;
	struct err why = { 0 };

	if (!server)
		return -EBUSY;
	if (!id)
		return call_fail(c, 400, "BadRequest", "A port_id is needed: make the port first");
	if (!port)
		return call_fail(c, 404, "PortNotFound", "Port id %s could not be found.", id);
	if (*doc_str(port, "device_id"))
		return call_fail(c, 400, "PortInUse", "Port %s is still in use.", id);
	if (refuse_running(c, server))
		return -EINVAL;
	if (port_bind(c, id, doc_text(server, "host"), doc_text(server, "id"), NULL, &why))
		return call_fail(c, 400, "InterfaceAttachFailed",
				 "Failed to attach network adapter device to %s: %s", c->ids[0],
				 compute_why(c, &why));
	int rc = action_commit(c, with_port(server, id, true), 200);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o}", "interfaceAttachment",
					 interface_view(c, res_get(c, &port_resource, id))));
}

static int interface_detach(struct call *c)
{
	auto_of(json_decref) json_t *server =
		action_begin(c, "detach_interface", "detach_interface");
	const json_t *entry = server ? entry_of(c, server, c->ids[1]) : NULL;
	bool made = doc_bool(entry, "made");
	int rc;

	if (!server)
		return -EBUSY;
	if (!entry)
		return no_interface(c);
	if (refuse_running(c, server))
		return -EINVAL;
	rc = port_unbind(c, c->ids[1]);
	if (!rc && made)
		rc = res_delete(c, &port_resource, c->ids[1]);
	return rc ? rc : action_commit(c, with_port(server, c->ids[1], false), 202);
}

/* Boot from volume is not served: a server has none. */
static int volumes_list(struct call *c)
{
	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:[]}", "volumeAttachments"));
}

static int groups_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(
		c, 200,
		json_pack("{s:O}", "security_groups", json_object_get(server, "security_groups")));
}

static int addresses_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:o}", "addresses", server_addresses(c, server)));
}

const struct route interface_routes[] = {
	{ "GET", "/v2.1/servers/{}/os-interface", interfaces_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-interface/{}", interface_show, RULE_READ },
	{ "POST", "/v2.1/servers/{}/os-interface", interface_attach, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/os-interface/{}", interface_detach, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/os-volume_attachments", volumes_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-security-groups", groups_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/ips", addresses_list, RULE_READ },
	{ NULL },
};
