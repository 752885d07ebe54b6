/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server is connected to: its ports, which come and go, whether it runs or not. One that a
 * running guest is to give back is "detaching" until its host says that it has: who asked is kept
 * there, and hears by the record of the action when the guest does not.
 */
#include <errno.h>
#include <string.h>

#include "compute/actions/actions.h"
#include "compute/boot.h"
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

/* A copy of the server whose list of ports has this entry for a port, or none. */
static json_t *with_port(const json_t *server, const char *id, json_t *entry_taken)
{
	json_t *copy = json_copy((json_t *)server), *list = json_array(), *entry;
	size_t i;

	json_array_foreach (json_object_get(server, "ports"), i, entry)
		if (!doc_is(entry, "id", id))
			json_array_append(list, entry);
	if (entry_taken)
		json_array_append_new(list, entry_taken);
	json_object_set_new(copy, "ports", list);
	return copy;
}

static const struct rfield attach_rows[] = {
	{ "port_id", J_UUID, R_CREATE },
	{ "net_id", J_UUID, R_CREATE },
	{ "fixed_ips", J_LIST, R_CREATE, .valid = valid_fixed_ips },
	{ "tag", J_STR, R_CREATE, .min = 1, .max = 60 },
	{ NULL },
};

/* What is asked for: a port, or one to be made on a network; tags of devices are not served. */
static int read_attach(struct call *c, json_t **given)
{
	const json_t *in = compute_body(c, "interfaceAttachment");
	int rc = in ? fields_accept(c, attach_rows, in, false, given) : -EINVAL;

	if (rc)
		return rc;
	if (doc_text(*given, "tag"))
		return call_fail(c, 400, "BadRequest",
				 "Attaching tagged network interfaces is not supported.");
	if (doc_text(*given, "port_id") && doc_text(*given, "net_id"))
		return call_fail(c, 400, "BadRequest",
				 "Must not input both network_id and port_id");
	if (json_array_size(json_object_get(*given, "fixed_ips")) && !doc_text(*given, "net_id"))
		return call_fail(c, 400, "BadRequest",
				 "Must input network_id when request IP address");
	return 0;
}

/* The caller's port that is asked for, free. */
static int find_port(struct call *c, const char *id)
{
	const json_t *port = port_own(c, id);

	if (!port)
		return call_fail(c, 404, "PortNotFound", "Port id %s could not be found.", id);
	if (*doc_str(port, "device_id"))
		return call_fail(c, 400, "PortInUse", "Port %s is still in use.", id);
	return 0;
}

/* The network that is asked for, or the only one that there is. */
static int find_net(struct call *c, const char *id, const json_t **net)
{
	unsigned int n = 1;

	if (id)
		*net = res_seen(c, &network_resource, id);
	else
		n = networks_usable(c, net);
	if (id && !*net)
		return call_fail(c, 404, "NetworkNotFound", "Network %s could not be found.", id);
	if (!n)
		return call_fail(c, 400, "InterfaceAttachFailedNoNetwork",
				 "No specific network was requested and none are available for "
				 "project '%s'.",
				 c->auth->project_id);
	if (n > 1)
		return call_fail(c, 400, "NetworkAmbiguous",
				 "More than one possible network found. Specify network ID(s) to "
				 "select which one(s) to connect to.");
	return 0;
}

/* A port made for the server on the network that is asked for. */
static int make_port(struct call *c, const json_t *server, const json_t *given, const char **id)
{
	const json_t *net = NULL, *port;
	const char *net_id;
	int rc = find_net(c, doc_text(given, "net_id"), &net);

	if (rc)
		return rc;
	net_id = doc_str(net, "id");
	if (!res_count(c, &subnet_resource, "network_id", net_id))
		return call_fail(c, 400, "NetworkRequiresSubnet",
				 "Network %s requires a subnet in order to boot instances on.",
				 net_id);
	rc = res_create(c, &port_resource,
			json_pack("{s:s,s:O,s:s,s:O,s:s}", "network_id", net_id, "project_id",
				  json_object_get(server, "project_id"), "name", "", "fixed_ips",
				  json_object_get(given, "fixed_ips"), "binding:vnic_type",
				  "normal"),
			&port);
	if (!rc)
		*id = doc_str(port, "id");
	return rc;
}

/* POST os-interface: its host plugs it in, now or at the server's next start. */
static int interface_attach(struct call *c)
{
	auto_of(json_decref) json_t *given = NULL, *server = NULL;
	struct err why = { 0 };
	const char *asked, *id;
	int rc = read_attach(c, &given);

	if (rc)
		return rc;
	server = action_begin(c, "attach_interface", "attach_interface");
	if (!server)
		return -EBUSY;
	if (json_array_size(json_object_get(server, "ports")) >= NICS_MAX)
		return call_fail(c, 403, "PortLimitExceeded", "A server has at most %d networks",
				 NICS_MAX);
	id = asked = doc_text(given, "port_id");
	rc = asked ? find_port(c, asked) : make_port(c, server, given, &id);
	if (rc)
		return rc;
	auto_free char *port = strdup(id); /* the document is replaced */
	if (port_bind(c, port, doc_text(server, "host"), doc_text(server, "id"), NULL, &why))
		return call_fail(c, 400, "InterfaceAttachFailed",
				 "Failed to attach network adapter device to %s: %s", c->ids[0],
				 compute_why(c, &why));
	id = port;
	rc = action_commit(
		c, with_port(server, id, json_pack("{s:s,s:b}", "id", id, "made", !asked)), 200);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o}", "interfaceAttachment",
					 interface_view(c, res_get(c, &port_resource, id))));
}

/* The port is its owner's again; one that was made for the server goes. */
static int end_port(struct call *c, const json_t *entry)
{
	const char *id = doc_str(entry, "id");
	int rc = port_unbind(c, id);

	return rc || !doc_bool(entry, "made") ? rc : res_delete(c, &port_resource, id);
}

static int interface_detach(struct call *c)
{
	auto_of(json_decref) json_t *server =
		action_begin(c, "detach_interface", "detach_interface");
	const json_t *entry = server ? entry_of(c, server, c->ids[1]) : NULL;
	json_t *detaching;
	int rc;

	if (!server)
		return -EBUSY;
	if (!entry)
		return no_interface(c);
	if (doc_text(entry, "detaching"))
		return call_reply(c, 202, NULL);
	if (doc_is(server, "vm_state", "stopped")) {
		rc = end_port(c, entry);
		return rc ? rc : action_commit(c, with_port(server, c->ids[1], NULL), 202);
	}
	detaching = json_copy((json_t *)entry);
	doc_set_text(detaching, "detaching", c->request_id);
	return action_commit(c, with_port(server, c->ids[1], detaching), 202);
}

static bool lists(const json_t *said, const char *what, const char *id)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(said, what), i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), id))
			return true;
	return false;
}

/* Writes into a copy of the server's record why an action has failed. */
static void note_failure(json_t *server, const char *request, const char *message)
{
	json_t *list = json_deep_copy(json_object_get(server, "actions")), *action;
	size_t i;

	json_array_foreach (list, i, action)
		if (doc_is(action, "request_id", request))
			doc_set_text(action, "message", message);
	json_object_set_new(server, "actions", list);
}

/* What the host says of a port that is to be given back; *server is replaced if that ends it. */
static int settle_port(struct call *c, json_t **server, const json_t *entry, const json_t *said)
{
	const char *id = doc_str(entry, "id");
	bool kept = lists(said, "kept", id);
	json_t *stays = NULL, *old = *server;
	int rc;

	if (!kept && lists(said, "plugged", id))
		return 0;
	rc = kept ? 0 : end_port(c, entry);
	if (kept) {
		stays = json_copy((json_t *)entry);
		json_object_del(stays, "detaching");
	}
	*server = with_port(old, id, stays);
	if (kept)
		note_failure(*server, doc_str(entry, "detaching"),
			     "The guest did not give the interface back");
	json_decref(old);
	return rc;
}

/**
 * interface_report() - Follow what a host says of the interfaces of one of its servers
 * @c:    the call
 * @id:   of the server
 * @said: report with `plugged` and `kept` (docs/agent-api.md); without them all is as wished for
 *
 * Return: 0 or a negative errno.
 */
int interface_report(struct call *c, const char *id, const json_t *said)
{
	const json_t *old = res_get(c, &server_resource, id), *entry;
	auto_of(json_decref) json_t *server = json_incref((json_t *)old);
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(old, "ports"), i, entry)
		if (!rc && doc_text(entry, "detaching"))
			rc = settle_port(c, &server, entry, said);
	if (rc || server == old)
		return rc;
	rc = server_put(c, json_incref(server));
	return rc ? rc : server_changed(c, server);
}

/* Boot from volume is not served: a server has none. */
static int volumes_list(struct call *c)
{
	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:[]}", "volumeAttachments"));
}

static int addresses_list(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);

	if (!server)
		return -ENOENT;
	return call_reply(c, 200, json_pack("{s:o}", "addresses", server_addresses(c, server)));
}

/* GET /servers/ID/ips/NETWORK */
static int addresses_show(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);
	auto_of(json_decref) json_t *all = server ? server_addresses(c, server) : NULL;
	json_t *of = json_object_get(all, c->ids[1]);

	if (!server)
		return -ENOENT;
	if (!of)
		return call_fail(c, 404, "NetworkNotFound",
				 "Instance is not a member of specified network");
	return call_reply(c, 200, json_pack("{s:O}", c->ids[1], of));
}

const struct route interface_routes[] = {
	{ "GET", "/v2.1/servers/{}/os-interface", interfaces_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/os-interface/{}", interface_show, RULE_READ },
	{ "POST", "/v2.1/servers/{}/os-interface", interface_attach, RULE_WRITE },
	{ "DELETE", "/v2.1/servers/{}/os-interface/{}", interface_detach, RULE_WRITE },
	{ "GET", "/v2.1/servers/{}/os-volume_attachments", volumes_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/ips", addresses_list, RULE_READ },
	{ "GET", "/v2.1/servers/{}/ips/{}", addresses_show, RULE_READ },
	{ NULL },
};
