/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts' agents are to know about ports and networks: /host/HOST/port/ID and
 * /host/HOST/network/ID (docs/agent-api.md), written from the resources, and kept
 * in line when those change. A change that concerns more documents than one
 * transaction can hold leaves /resync/NETWORK behind, which lease_sync() works off.
 */
#include "hosts/lease_host.h"

#include <errno.h>
#include <string.h>

/* Operations in a client's own transaction, and in one of lease_sync(): the last host may
 * take some more, for its document and its service port with a row, a MAC and addresses. */
#define SYNC_NOW   16
#define SYNC_LATER 64
#define AGAIN_MS   1 /* until the next transaction of what one cannot hold */

/* As host_doc_put(), but says 1 when it wrote. */
static int doc_put(struct call *c, const char *host, const char *kind, const char *id, json_t *doc)
{
	const json_t *old = call_get(c, "/host/%s/%s/%s", host, kind, id);
	json_int_t generation = doc_int(old, "generation");
	int rc;

	if (!doc || json_object_set_new(doc, "generation", json_integer(generation)))
		return json_decref(doc), -ENOMEM;
	if (old && json_equal(doc, old))
		return json_decref(doc), 0;
	/* Larger than anything this key held before it was last deleted, too: a key changes at most
	 * that often in a transaction, and each transaction is a revision. */
	generation =
		MAX(generation + 1, ((json_int_t)call_revision(c) + 1) * (json_int_t)STORE_OPS_MAX);
	json_object_set_new(doc, "generation", json_integer(generation));
	rc = call_put(c, doc, "/host/%s/%s/%s", host, kind, id);
	return rc ? rc : 1;
}

/**
 * host_doc_put() - Write a document for a host's agent
 * @c:         call
 * @host:      host
 * @kind:      "server", "port", "network", "console"
 * @id:        of what it is about
 * @doc_taken: taken; its `generation` is set here
 *
 * Nothing is written when only the generation would change.
 *
 * Return: 0 or a negative errno.
 */
int host_doc_put(struct call *c, const char *host, const char *kind, const char *id,
		 json_t *doc_taken)
{
	return MIN(doc_put(c, host, kind, id, doc_taken), 0);
}

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
 * host_port_put() - Tell a host's agent how a port's VF is to be
 * @c:    call
 * @host: host
 * @port: port document
 * @l:    its lease
 *
 * Return: 1 if that was news, 0 if not, or a negative errno.
 */
int host_port_put(struct call *c, const char *host, const json_t *port, const struct lease *l)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	bool up = doc_bool(port, "admin_state_up") && doc_bool(net, "admin_state_up");
	json_t *doc = json_pack(
		"{s:O,s:O,s:s?,s:O,s:s,s:i,s:s?,s:O,s:i,s:s,s:b,s:b,s:s,s:O,s:O,s:O,s:b,"
		"s:o}",
		"id", json_object_get(port, "id"), "name", json_object_get(port, "name"), "server",
		l->server, "network", json_object_get(port, "network_id"), "pf", l->pf, "vf",
		(int)l->vf, "pci_slot", l->pci_slot, "mac", json_object_get(port, "mac_address"),
		"vlan", (int)network_vlan(net), "trunk",
		is_untagged_only(port, net) ? "none" : "any", "spoofchk",
		doc_bool(port, "port_security_enabled"), "trust", is_trusted(port), "state",
		up ? "auto" : "disable", "mtu", json_object_get(net, "mtu"), "vnic_type",
		json_object_get(port, "binding:vnic_type"), "fixed_ips",
		json_object_get(port, "fixed_ips"), "released", 0, "allowed", allowed_macs(port));

	return doc_put(c, host, "port", doc_str(port, "id"), doc);
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

/**
 * host_network_put() - Tell a host's agent what it needs to know of a network
 * @c:    call
 * @host: host with ports of the network
 * @net:  network document
 * @pf:   PF the network's DHCP is to be on
 *
 * Return: 1 if that was news, 0 if not, or a negative errno.
 */
int host_network_put(struct call *c, const char *host, const json_t *net, const char *pf)
{
	const char *id = doc_str(net, "id");

	return doc_put(c, host, "network", id,
		       json_pack("{s:s,s:O,s:s,s:i,s:O,s:o,s:o}", "id", id, "name",
				 json_object_get(net, "name"), "pf", pf, "vlan",
				 (int)network_vlan(net), "mtu", json_object_get(net, "mtu"), "dhcp",
				 dhcp_json(c, id, host), "subnets", subnets_json(c, id)));
}

/* What one host is told of a network. Return: 1 if that was news, 0, or a negative errno. */
static int sync_host(struct call *c, const char *host, const char *id, const json_t *net,
		     const json_t *have)
{
	int rc;

	if (!net)
		return call_delete(c, "/host/%s/network/%s", host, id)
			       ?: dhcp_end(c, id, host) ?: 1;
	rc = dhcp_ensure(c, net, host) ?: host_network_put(c, host, net, doc_str(have, "pf"));
	return rc < 0 ? rc : call_get(c, "/host/%s/network/%s", host, id) != have;
}

/* Hosts' documents about one network; what was done is taken from @left: it ends at zero. */
static int sync_hosts(struct call *c, const char *id, const json_t *net, int *left)
{
	struct cursor it = call_list(c, "/agent/");
	int cost = 5 + 2 * (int)res_count(c, &subnet_resource, "network_id", id);

	while (*left > 0 && cursor_next(&it)) {
		const char *host = it.key + strlen("/agent/");
		const json_t *have = call_get(c, "/host/%s/network/%s", host, id);
		int rc = have ? sync_host(c, host, id, net, have) : 0;

		if (rc < 0)
			return rc;
		*left -= rc * cost;
	}
	return 0;
}

/* Hosts' documents about the ports of one network; @left as in sync_hosts(). */
static int sync_ports(struct call *c, const char *id, int *left)
{
	struct cursor it = res_list(c, &port_resource, "network_id", id);

	while (*left > 0 && cursor_next(&it)) {
		const char *host = doc_str(it.doc, "binding:host_id");
		const json_t *have =
			*host ? call_get(c, "/host/%s/port/%s", host, doc_str(it.doc, "id")) : NULL;
		int rc;

		if (!have || doc_bool(have, "released"))
			continue;
		rc = lease_refresh(c, host, it.doc, have);
		if (rc < 0)
			return rc;
		*left -= rc;
	}
	return 0;
}

/* All of a network's documents are as they should be if something of @left is left. */
static int sync_network(struct call *c, const char *id, int *left)
{
	const json_t *net = res_get(c, &network_resource, id);
	int rc = sync_hosts(c, id, net, left);

	return rc || !net ? rc : sync_ports(c, id, left);
}

/**
 * lease_refresh() - Tell a host's agent what became of a bound port
 * @c:    call
 * @host: its host
 * @port: port document, or what it is about to be
 * @have: what the agent knows
 *
 * Return: as host_port_put().
 */
int lease_refresh(struct call *c, const char *host, const json_t *port, const json_t *have)
{
	struct lease l = {
		.server = doc_text(have, "server"),
		.pf = doc_str(have, "pf"),
		.vf = (unsigned int)doc_int(have, "vf"),
		.pci_slot = doc_text(have, "pci_slot"),
	};

	return host_port_put(c, host, port, &l);
}

/**
 * lease_network_changed() - A network, or one of its subnets, was changed or deleted
 * @c:          call
 * @network_id: network
 *
 * Agents are told in this transaction if that is little, else soon.
 *
 * Return: 0 or a negative errno.
 */
int lease_network_changed(struct call *c, const char *network_id)
{
	int left = SYNC_NOW, rc = sync_network(c, network_id, &left);

	return rc || left > 0 ? rc : lease_resync(c, network_id);
}

/**
 * lease_resync() - Have lease_sync() look at a network's documents
 * @c:          call
 * @network_id: network
 *
 * Return: 0 or a negative errno.
 */
int lease_resync(struct call *c, const char *network_id)
{
	return call_put(c, json_pack("{s:s}", "network", network_id), "/resync/%s", network_id);
}

/**
 * lease_sync() - Work off what lease_network_changed() left (struct periodic)
 * @c: call
 *
 * Documents that are right already cost nothing, so each turn starts from the beginning.
 *
 * Return: 0, CALL_WAIT when there is more, or a negative errno.
 */
int lease_sync(struct call *c)
{
	struct cursor it = call_list(c, "/resync/");
	int left = SYNC_LATER, rc = dhcp_split(c);

	if (rc || !cursor_next(&it))
		return rc;
	rc = sync_network(c, it.key + strlen("/resync/"), &left);
	if (!rc && left > 0)
		rc = call_delete(c, "%s", it.key);
	return rc ? rc : call_wait(c, AGAIN_MS, "/resync/");
}
