/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports DHCP answers from: one for each network and host, as Neutron's agents
 * have them, with a MAC and addresses of its own, so that no address is on a
 * segment twice and a guest renews where it was served. /dhcp_port/NETWORK/HOST
 * names the port; it comes and goes with /host/HOST/network/NETWORK. Versions
 * before had one port for all hosts, /dhcp/NETWORK.
 */
#include <errno.h>
#include <string.h>

#include "network/binding/binding.h"
#include "network/core/network.h"

static const json_t *dhcp_port(struct call *c, const char *network_id, const char *host)
{
	const json_t *row = call_get(c, "/dhcp_port/%s/%s", network_id, host);

	return row ? res_get(c, &port_resource, doc_str(row, "port")) : NULL;
}

/**
 * dhcp_json() - What a host's agent needs to know of its service port of a network
 * @c:          call
 * @network_id: network
 * @host:       host
 *
 * Return: a new object; null without DHCP.
 */
json_t *dhcp_json(struct call *c, const char *network_id, const char *host)
{
	const json_t *port = dhcp_port(c, network_id, host);

	if (!port)
		return json_null();
	return json_pack("{s:O,s:O,s:O}", "port_id", json_object_get(port, "id"), "mac",
			 json_object_get(port, "mac_address"), "fixed_ips",
			 json_object_get(port, "fixed_ips"));
}

/* The service port's address in a subnet: the one it has, else a free one. NULL: none is free. */
static json_t *dhcp_address(struct call *c, const json_t *subnet, const json_t *port)
{
	const char *id = doc_str(subnet, "id");
	char text[IP_STR_LEN];
	struct ipam_subnet s;
	struct ip ip;
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(port, "fixed_ips"), i, row)
		if (doc_is(row, "subnet_id", id))
			return json_incref(row);
	if (subnet_read(subnet, &s))
		return NULL;
	if (s.slaac)
		return json_pack("{s:s}", "subnet_id", id);
	if (subnet_pick(c, id, &s, &ip)) {
		/* Pools are for ports that ask; DHCP may stand beside them. */
		s.n_pools = ipam_default_pools(&s.cidr, &s.gateway, s.pools);
		if (subnet_pick(c, id, &s, &ip))
			return NULL;
	}
	return json_pack("{s:s,s:s}", "subnet_id", id, "ip_address", ip_format(&ip, text));
}

/* One address in each subnet with DHCP. */
static json_t *dhcp_addresses(struct call *c, const json_t *net, const json_t *port)
{
	struct cursor it = res_list(c, &subnet_resource, "network_id", doc_str(net, "id"));
	json_t *ips = json_array();

	while (cursor_next(&it)) {
		json_t *ip = doc_bool(it.doc, "enable_dhcp") ? dhcp_address(c, it.doc, port) : NULL;

		if (ip)
			json_array_append_new(ips, ip);
	}
	return ips;
}

static json_t *device_id(const char *host, const char *network_id)
{
	return json_sprintf("dhcp%s-%s", host, network_id);
}

static int name_port(struct call *c, const char *network_id, const char *host, const json_t *port)
{
	return call_put(c, json_pack("{s:O}", "port", json_object_get(port, "id")),
			"/dhcp_port/%s/%s", network_id, host);
}

/* Takes ips. A project at its limit of ports gets DHCP all the same: its port asks for it. */
static int dhcp_create(struct call *c, const json_t *net, const char *host, json_t *ips)
{
	const char *id = doc_str(net, "id");
	const json_t *port;
	int rc = res_create(c, &port_resource,
			    json_pack("{s:s,s:s,s:s,s:o,s:o,s:b}", "network_id", id, "project_id",
				      doc_str(net, "project_id"), "device_owner", "network:dhcp",
				      "device_id", device_id(host, id), "fixed_ips", ips,
				      "port_security_enabled", 0),
			    &port);

	return rc ? rc : name_port(c, id, host, port);
}

/* Takes ips. */
static int dhcp_update(struct call *c, const json_t *port, json_t *ips)
{
	json_t *copy = json_copy((json_t *)port);
	int rc;

	if (!copy || json_object_set_new(copy, "fixed_ips", ips))
		return json_decref(copy), -ENOMEM;
	rc = port_addresses(c, copy, port);
	return rc ? json_decref(copy), rc : res_put(c, &port_resource, copy);
}

/**
 * dhcp_ensure() - Make a host's service port of a network what its subnets ask for
 * @c:    call
 * @net:  network with ports on the host
 * @host: host
 *
 * It goes with the last subnet that has DHCP. Where no address is free there is no DHCP on this
 * host, as under Neutron.
 *
 * Return: 0 or a negative errno.
 */
int dhcp_ensure(struct call *c, const json_t *net, const char *host)
{
	const json_t *port = dhcp_port(c, doc_str(net, "id"), host);
	json_t *ips = dhcp_addresses(c, net, port);

	if (!json_array_size(ips)) {
		json_decref(ips);
		return port ? res_delete(c, &port_resource, doc_str(port, "id")) : 0;
	}
	if (!port)
		return dhcp_create(c, net, host, ips);
	if (!json_equal(ips, json_object_get(port, "fixed_ips")))
		return dhcp_update(c, port, ips);
	json_decref(ips);
	return 0;
}

/**
 * dhcp_end() - A network has no port on a host any more
 * @c:          call
 * @network_id: network
 * @host:       host
 *
 * Return: 0 or a negative errno.
 */
int dhcp_end(struct call *c, const char *network_id, const char *host)
{
	const json_t *port = dhcp_port(c, network_id, host);

	return port ? res_delete(c, &port_resource, doc_str(port, "id")) : 0;
}

/**
 * dhcp_gone() - A service port was deleted: its host gets another, if it needs one
 * @c:    call
 * @port: what the port was
 *
 * Return: 0 or a negative errno.
 */
int dhcp_gone(struct call *c, const json_t *port)
{
	const char *id = doc_str(port, "network_id"), *host;
	const json_t *net = res_get(c, &network_resource, id);
	struct cursor it = call_list(c, "/dhcp_port/%s/", id);
	int rc;

	do {
		if (!cursor_seek(&it, doc_str(port, "id")))
			return 0;
	} while (!doc_is(it.doc, "port", doc_str(port, "id")));
	host = it.key + it.prefix_len;
	rc = call_delete(c, "%s", it.key);
	if (!rc && net && wish_get(c, host, "network", id))
		rc = dhcp_ensure(c, net, host) ?: MIN(wish_changed(c, host, "network", id), 0);
	return rc;
}

/* The first host keeps the port that was all hosts'; the others get theirs by network_sync(). */
static int split(struct call *c, const char *network_id, const json_t *port)
{
	struct cursor it = call_list(c, "/agent/");
	const char *host;
	json_t *copy;

	do {
		if (!cursor_step(&it))
			return res_delete(c, &port_resource, doc_str(port, "id"));
		host = it.key + it.prefix_len;
	} while (!wish_get(c, host, "network", network_id));
	copy = json_copy((json_t *)port);
	json_object_set_new(copy, "device_id", device_id(host, network_id));
	return res_put(c, &port_resource, copy) ?: name_port(c, network_id, host, port);
}

/**
 * dhcp_split() - Give the hosts of a former version's network a service port each
 * @c:          call
 * @network_id: network, of which all hosts are to be told afterwards
 * @port_id:    the port that was all hosts'; it may be gone
 *
 * Guests' leases outlive it: who cannot renew rebinds, where the host's own DHCP answers.
 *
 * Return: 0 or a negative errno.
 */
int dhcp_split(struct call *c, const char *network_id, const char *port_id)
{
	const json_t *port = res_get(c, &port_resource, port_id);
	int rc = call_delete(c, "/dhcp/%s", network_id);

	return rc || !port ? rc : split(c, network_id, port);
}
