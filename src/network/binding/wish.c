/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts' agents are to know about ports and networks, /host/HOST/port/ID and
 * /host/HOST/network/ID (docs/agent-api.md), and what they report about them. A port's
 * wish is there as long as its lease: `released` asks for the VF, and the report that it is
 * back ends both.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mac.h"
#include "hosts/lease.h"
#include "hosts/placement.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

/**
 * network_vlan() - The VLAN a network has on the wire
 * @net: network document
 *
 * Return: its id; 0 for a flat network.
 */
unsigned int network_vlan(const json_t *net)
{
	return (unsigned int)doc_int(net, "provider:segmentation_id");
}

static bool is_trusted(const json_t *port)
{
	const json_t *v = json_object_get(json_object_get(port, "binding:profile"), "trusted");
	const char *text = json_string_value(v);

	return json_is_true(v) || (text && !strcasecmp(text, "true"));
}

/* MACs of the port's address pairs beside its own, as the VF's word `allowed` has them. */
static json_t *allowed_macs(const json_t *port)
{
	struct mac_list list = { 0 };
	char text[MAC_LIST_MAX * MAC_STR_LEN];
	const json_t *pair;
	size_t i;

	json_array_foreach (json_object_get(port, "allowed_address_pairs"), i, pair) {
		struct mac_list one;
		struct mac own;

		if (!mac_list_parse(doc_str(pair, "mac_address"), &one, NULL) && one.n &&
		    (mac_parse(doc_str(port, "mac_address"), &own, NULL) ||
		     !mac_equal(&own, &one.macs[0])))
			mac_list_merge(&list, &one, true, NULL);
	}
	mac_list_format(&list, text, sizeof(text));
	return json_string(text);
}

/* A flat network's tenant must not hop into the VLANs of the same PF. */
static bool is_untagged_only(const json_t *port, const json_t *net)
{
	return !network_vlan(net) && !doc_bool(net, "vlan_transparent") && !is_trusted(port);
}

/**
 * port_host() - The host that serves a port
 * @port: port document, or NULL
 *
 * Return: its name, borrowed; "" for a port without a VF.
 */
const char *port_host(const json_t *port)
{
	return doc_is(port, "binding:vif_type", "vhostuser") || nic_has(port)
		       ? doc_str(port, "binding:host_id")
		       : "";
}

/**
 * port_vf() - Which VF of its PF a port has
 * @port: port document that is bound
 *
 * Return: its number; PLACE_WHOLE: the PF's own function.
 */
unsigned int port_vf(const json_t *port)
{
	const json_t *vf = json_object_get(json_object_get(port, "binding:vif_details"), "vf");

	return vf ? (unsigned int)json_integer_value(vf) : PLACE_WHOLE;
}

/**
 * port_server() - The server of ours that a port's VF serves
 * @c:    call
 * @port: port document, or what it was: it is told as long as the host knows of the port
 *
 * Return: its id, borrowed; NULL if there is none.
 */
const char *port_server(struct call *c, const json_t *port)
{
	return doc_text(wish_get(c, port_host(port), "port", doc_str(port, "id")), "server");
}

/* docs/agent-api.md: port */
static json_t *port_json(struct call *c, const char *host, const json_t *port, const json_t *have)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	const json_t *at = json_object_get(port, "binding:vif_details");
	const json_t *lease = lease_get(c, host, doc_str(at, "pf"), port_vf(port));
	bool up = doc_bool(port, "admin_state_up") && doc_bool(net, "admin_state_up");

	if (!json_object_get(lease, "server"))
		lease = have; /* from a version that kept it there alone */
	return json_pack(
		"{s:O,s:O,s:O?,s:O,s:O,s:i,s:O?,s:O,s:i,s:s,s:b,s:b,s:s,s:O,s:O,s:O,s:b,s:o}", "id",
		json_object_get(port, "id"), "name", json_object_get(port, "name"), "server",
		json_object_get(lease, "server"), "network", json_object_get(port, "network_id"),
		"pf", json_object_get(at, "pf"), "vf", (int)port_vf(port), "pci_slot",
		json_object_get(at, "pci_slot"), "mac", json_object_get(port, "mac_address"),
		"vlan", (int)network_vlan(net), "trunk",
		is_untagged_only(port, net) ? "none" : "any", "spoofchk",
		doc_bool(port, "port_security_enabled"), "trust", is_trusted(port), "state",
		up ? "auto" : "disable", "mtu", json_object_get(net, "mtu"), "vnic_type",
		json_object_get(port, "binding:vnic_type"), "fixed_ips",
		json_object_get(port, "fixed_ips"), "released", 0, "allowed", allowed_macs(port));
}

/* A port that left gives its VF back, as what it was. */
static json_t *make_port(struct call *c, const char *host, const char *id, const json_t *have)
{
	const json_t *port = res_get(c, &port_resource, id);
	json_t *doc;

	if (!strcmp(port_host(port), host))
		return port_json(c, host, port, have);
	if (!have || doc_bool(have, "released"))
		return have ? json_incref((json_t *)have) : json_null();
	doc = json_copy((json_t *)have);
	json_object_set_new(doc, "released", json_true());
	return doc;
}

static json_t *subnets_json(struct call *c, const char *network_id)
{
	static const char *const names[] = { "id",	    "cidr",	    "ip_version",
					     "gateway_ip",  "enable_dhcp",  "dns_nameservers",
					     "host_routes", "ipv6_ra_mode", "ipv6_address_mode" };
	struct cursor it = res_list(c, &subnet_resource, "network_id", network_id);
	json_t *list = json_array();

	while (cursor_next(&it)) {
		json_t *one = json_object();

		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			json_object_set(one, names[i], json_object_get(it.doc, names[i]));
		json_array_append_new(list, one);
	}
	return list;
}

/* The PF a network's DHCP is on: that of its first port there. One that is given away has none. */
static const char *first_pf(struct call *c, const char *host, const char *id)
{
	struct cursor it = res_list(c, &port_resource, "binding:host_id", host);

	while (cursor_seek(&it, id))
		if (doc_is(it.doc, "network_id", id) && !strcmp(port_host(it.doc), host) &&
		    port_vf(it.doc) != PLACE_WHOLE)
			return doc_str(json_object_get(it.doc, "binding:vif_details"), "pf");
	return NULL;
}

/* docs/agent-api.md: network */
static json_t *make_network(struct call *c, const char *host, const char *id, const json_t *have)
{
	const json_t *net = res_get(c, &network_resource, id);
	const char *pf = have ? doc_str(have, "pf") : first_pf(c, host, id);

	if (!net || !pf)
		return json_null();
	return json_pack("{s:s,s:O,s:s,s:i,s:O,s:o,s:o}", "id", id, "name",
			 json_object_get(net, "name"), "pf", pf, "vlan", (int)network_vlan(net),
			 "mtu", json_object_get(net, "mtu"), "dhcp", dhcp_json(c, id, host),
			 "subnets", subnets_json(c, id));
}

/* The lease ends; the last of a network's ports on a host takes the network's document along, and
 * its DHCP. */
static int end_lease(struct call *c, const char *host, const char *id, const json_t *wish)
{
	const char *net = doc_str(wish, "network");
	struct cursor it;
	int rc = wish_done(c, host, "port", id);

	if (!rc)
		rc = lease_end(c, host, id, doc_str(wish, "pf"), (unsigned int)doc_int(wish, "vf"));
	it = call_list(c, "/host/%s/port/", host);
	while (!rc && cursor_seek(&it, net))
		if (doc_is(it.doc, "network", net))
			return 0;
	if (!rc)
		rc = wish_done(c, host, "network", net);
	return rc ? rc : dhcp_end(c, net, host);
}

/* Sets a port's status if it is another; host: only while the port is there, or NULL. */
static int set_status(struct call *c, const char *id, const char *host, const char *status)
{
	const json_t *port = res_get(c, &port_resource, id);
	json_t *copy;

	if (!port || doc_is(port, "status", status) ||
	    (host && !doc_is(port, "binding:host_id", host)))
		return 0;
	copy = json_copy((json_t *)port);
	doc_set_text(copy, "status", status);
	return res_put(c, &port_resource, copy);
}

/* The agent says a reason when it changes; the status alone is a tenant's. */
static void log_reason(const char *what, const char *id, const char *host, const json_t *said)
{
	if (*doc_text(said, "reason"))
		log_warn(what, "id=%s host=%s why=\"%s\"", id, host, doc_text(said, "reason"));
}

static const struct rfield port_report[] = {
	{ "status", J_STR, R_CREATE | R_NEED,
	  .names = (const char *const[]){ "ACTIVE", "DOWN", "RELEASED", NULL } },
	{ "reason", J_STR, R_CREATE, "\"\"", .max = 255 },
	{ NULL },
};

/* RELEASED ends the lease, if it was asked for: the generation says for which lease it is meant. */
static int report_port(struct call *c, const char *host, const char *id, const json_t *wish,
		       const json_t *said)
{
	const char *status = doc_str(said, "status");
	bool released = doc_bool(wish, "released");

	log_reason("a port cannot be set up", id, host, said);
	if (strcmp(status, "RELEASED"))
		return released ? 0 : set_status(c, id, host, status);
	if (released)
		return end_lease(c, host, id, wish);
	return call_fail(c, 409, "Conflict", "The port is not to be released.");
}

static int give_up_port(struct call *c, const char *host, const char *id, const json_t *wish)
{
	return doc_bool(wish, "released") ? end_lease(c, host, id, wish) ?: 1 : 0;
}

static const struct rfield network_report[] = {
	{ "status", J_STR, R_CREATE | R_NEED,
	  .names = (const char *const[]){ "ACTIVE", "DOWN", NULL } },
	{ "reason", J_STR, R_CREATE, "\"\"", .max = 255 },
	{ NULL },
};

/* What the agent says of DHCP is the service port's status. A network's document goes with the last
 * of its ports on the host, so there is nothing left to say REMOVED about. */
static int report_network(struct call *c, const char *host, const char *id, const json_t *wish,
			  const json_t *said)
{
	log_reason("DHCP of a network cannot be set up", id, host, said);
	return set_status(c, doc_str(json_object_get(wish, "dhcp"), "port_id"), NULL,
			  doc_str(said, "status"));
}

const struct wish_kind port_wish = { "port", make_port, port_report, report_port, give_up_port };
const struct wish_kind network_wish = { "network", make_network, network_report, report_network };
