/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port's addresses: its MAC and its fixed IPs, chosen by us or by the client,
 * each a key of the port's own transaction, so that no address is given twice
 * by any number of replicas.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/core/network.h"

/* The vendor prefix of Neutron's own addresses (base_mac). */
static const uint8_t mac_prefix[3] = { 0xfa, 0x16, 0x3e };

#define PORT_IPS_MAX 16 /* what hosts' agents take */

/* One port's addresses while they are worked out. */
struct addr_plan {
	struct call *c;
	const char *port_id, *network_id, *owner;
	struct mac mac;
	const json_t *had; /* fixed_ips before; NULL on create */
	json_t *got;	   /* fixed_ips to be */
};

static int mac_claim(struct addr_plan *p, const char *mac)
{
	int rc = call_claim(p->c, json_pack("{s:s}", "port", p->port_id), "/mac/%s/%s",
			    p->network_id, mac);

	if (rc != -EEXIST)
		return rc;
	return call_fail(
		p->c, 409, "MacAddressInUse",
		"Unable to complete operation for network %s. The mac address %s is in use.",
		p->network_id, mac);
}

/* Gives the port its MAC, or changes it. */
static int plan_mac(struct addr_plan *p, json_t *port, const json_t *old)
{
	const char *given = doc_str(port, "mac_address"), *before = doc_str(old, "mac_address");
	char text[MAC_STR_LEN];
	int rc;

	if (*given && !strcmp(given, before))
		return mac_parse(given, &p->mac, NULL);
	while (!*given) {
		mac_random(&p->mac, mac_prefix);
		mac_format(&p->mac, text);
		if (call_get(p->c, "/mac/%s/%s", p->network_id, text))
			continue;
		given = text;
	}
	rc = mac_claim(p, given);
	if (!rc && *before)
		rc = call_delete(p->c, "/mac/%s/%s", p->network_id, before);
	if (!rc)
		rc = mac_parse(given, &p->mac, NULL);
	if (!rc && given == text)
		json_object_set_new(port, "mac_address", json_string(text));
	return rc;
}

/* A subnet whose addresses are asked for. */
struct pick {
	struct call *c;
	const char *subnet_id;
};

static bool ip_is_used(void *arg, const struct ip *ip)
{
	const struct pick *p = arg;
	char text[IP_STR_LEN];

	return call_get(p->c, "/ip/%s/%s", p->subnet_id, ip_format(ip, text));
}

/**
 * subnet_pick() - A free address of a subnet
 * @c:   call
 * @id:  the subnet's id
 * @s:   its addresses; pools are read
 * @out: the address, not yet claimed
 *
 * Return: 0, or -ENOSPC when the pools are full.
 */
int subnet_pick(struct call *c, const char *id, const struct ipam_subnet *s, struct ip *out)
{
	struct pick p = { c, id };

	return ipam_pick(s, ip_is_used, &p, out);
}

static bool list_has(const json_t *ips, const char *subnet_id, const char *ip)
{
	json_t *row;
	size_t i;

	json_array_foreach (ips, i, row)
		if (doc_is(row, "subnet_id", subnet_id) && doc_is(row, "ip_address", ip))
			return true;
	return false;
}

/* Adds an address to the plan; one the port has already is kept. */
static int plan_add(struct addr_plan *p, const char *subnet_id, const struct ip *ip)
{
	char text[IP_STR_LEN];
	int rc = 0;

	ip_format(ip, text);
	if (!list_has(p->had, subnet_id, text) || list_has(p->got, subnet_id, text))
		rc = call_claim(p->c, json_pack("{s:s}", "port", p->port_id), "/ip/%s/%s",
				subnet_id, text);
	if (rc == -EEXIST)
		return call_fail(p->c, 409, "IpAddressAlreadyAllocated",
				 "IP address %s already allocated in subnet %s", text, subnet_id);
	if (rc)
		return rc;
	return json_array_append_new(
		p->got, json_pack("{s:s,s:s}", "subnet_id", subnet_id, "ip_address", text));
}

static int no_address(struct addr_plan *p)
{
	return call_fail(p->c, 409, "IpAddressGenerationFailure",
			 "No more IP addresses available on network %s.", p->network_id);
}

/* Is a subnet for ports of this owner? One that names nobody is for all. */
static bool is_for(const struct addr_plan *p, const json_t *subnet)
{
	return !json_array_size(json_object_get(subnet, "service_types")) ||
	       subnet_serves(subnet, p->owner);
}

/* Any address of a subnet. -ENOSPC, without a fault, when its pools are full. */
static int plan_any(struct addr_plan *p, const json_t *subnet)
{
	struct ipam_subnet s;
	struct ip ip;
	int rc = subnet_read(subnet, &s);

	if (rc)
		return rc;
	if (s.slaac)
		ip = ipam_eui64(&s.cidr, &p->mac);
	else
		rc = subnet_pick(p->c, doc_str(subnet, "id"), &s, &ip);
	return rc ? rc : plan_add(p, doc_str(subnet, "id"), &ip);
}

/* On update, a wish for "some address of the subnet" is met by one the port has. */
static bool plan_keep(struct addr_plan *p, const char *subnet_id)
{
	json_t *row;
	size_t i;

	json_array_foreach (p->had, i, row)
		if (doc_is(row, "subnet_id", subnet_id) &&
		    !list_has(p->got, subnet_id, doc_str(row, "ip_address")))
			return !json_array_append(p->got, row);
	return false;
}

/* The subnet a wish names, or the one its address lies in. */
static int wish_subnet(struct addr_plan *p, const json_t *wish, const json_t **out)
{
	const char *id = doc_str(wish, "subnet_id"), *text = doc_str(wish, "ip_address");
	struct ipam_subnet s;
	struct cursor it;
	struct ip ip;

	if (*id) {
		*out = res_seen(p->c, &subnet_resource, id);
		if (!*out)
			return call_fail(p->c, 404, "SubnetNotFound",
					 "Subnet %s could not be found.", id);
		if (doc_is(*out, "network_id", p->network_id) && is_for(p, *out))
			return 0;
		return call_fail(
			p->c, 400, "InvalidInput",
			"Invalid input for operation: Failed to create port on network %s, "
			"because fixed_ips included invalid subnet %s.",
			p->network_id, id);
	}
	if (!*text)
		return call_fail(p->c, 400, "InvalidInput",
				 "Invalid input for operation: IP allocation requires subnet_id or "
				 "ip_address.");
	it = res_list(p->c, &subnet_resource, "network_id", p->network_id);
	while (cursor_next(&it)) {
		*out = it.doc;
		if (is_for(p, it.doc) && !subnet_read(it.doc, &s) && !ip_parse(text, &ip, NULL) &&
		    ipam_is_host(&s.cidr, &ip))
			return 0;
	}
	return call_fail(p->c, 400, "InvalidIpForNetwork",
			 "IP address %s is not a valid IP for any of the subnets on the specified "
			 "network.",
			 text);
}

/* One entry of fixed_ips as the client gave it. */
static int plan_wish(struct addr_plan *p, const json_t *wish)
{
	const char *text = doc_str(wish, "ip_address");
	const json_t *subnet = NULL;
	struct ipam_subnet s;
	struct ip ip, own;
	int rc = wish_subnet(p, wish, &subnet);

	if (!rc)
		rc = subnet_read(subnet, &s);
	if (rc)
		return rc;
	if (!*text) {
		if (!s.slaac && plan_keep(p, doc_str(subnet, "id")))
			return 0;
		rc = plan_any(p, subnet);
		return rc == -ENOSPC ? no_address(p) : rc;
	}
	rc = ip_parse(text, &ip, NULL);
	if (rc)
		return rc;
	if (!ipam_is_host(&s.cidr, &ip))
		return call_fail(p->c, 400, "InvalidIpForSubnet",
				 "IP address %s is not a valid IP for the specified subnet.", text);
	own = ipam_eui64(&s.cidr, &p->mac);
	if (s.slaac && ip.n != own.n)
		return call_fail(
			p->c, 400, "InvalidInput",
			"Invalid input for operation: IPv6 address %s can not be directly "
			"assigned to a port on subnet %s since the subnet is configured for "
			"automatic addresses.",
			text, doc_str(subnet, "id"));
	return plan_add(p, doc_str(subnet, "id"), &ip);
}

/* One address of a version from the first subnet that has one; none without such a subnet. mine:
 * subnets that name the port's owner, which come before those for all. */
static int plan_first(struct addr_plan *p, unsigned int version, bool mine)
{
	struct cursor it = res_list(p->c, &subnet_resource, "network_id", p->network_id);
	struct ipam_subnet s;
	bool full = false;
	int rc;

	while (cursor_next(&it)) {
		if (subnet_read(it.doc, &s) || s.slaac || s.cidr.base.version != version ||
		    !is_for(p, it.doc) || subnet_serves(it.doc, p->owner) != mine)
			continue;
		rc = plan_any(p, it.doc);
		if (rc != -ENOSPC)
			return rc ? rc : 1;
		full = true;
	}
	return full ? -ENOSPC : 0;
}

static int plan_one(struct addr_plan *p, unsigned int version)
{
	int mine = plan_first(p, version, true);
	int rc = mine > 0 || (mine && mine != -ENOSPC) ? mine : plan_first(p, version, false);

	if (rc == -ENOSPC || (!rc && mine))
		return no_address(p);
	return rc > 0 ? 0 : rc;
}

/* A network whose subnets are all for others. */
static int check_owner(struct addr_plan *p)
{
	struct cursor it = res_list(p->c, &subnet_resource, "network_id", p->network_id);
	bool any = false;

	while (cursor_next(&it)) {
		if (is_for(p, it.doc))
			return 0;
		any = true;
	}
	return any ? call_fail(p->c, 409, "IpAddressGenerationFailureNoMatchingSubnet",
			       "No valid service subnet for the given device owner.")
		   : 0;
}

/* What a port gets that asks for nothing: one IPv4, one IPv6, and each SLAAC address. */
static int plan_default(struct addr_plan *p)
{
	struct cursor it = res_list(p->c, &subnet_resource, "network_id", p->network_id);
	struct ipam_subnet s;
	int rc = check_owner(p) ?: plan_one(p, 4) ?: plan_one(p, 6);

	while (!rc && cursor_next(&it))
		if (!subnet_read(it.doc, &s) && s.slaac && is_for(p, it.doc))
			rc = plan_any(p, it.doc);
	return rc;
}

/* Addresses the port had and shall have no more. */
static int plan_release(struct addr_plan *p)
{
	json_t *row;
	size_t i;
	int rc = 0;

	json_array_foreach (p->had, i, row) {
		const char *subnet = doc_str(row, "subnet_id"), *ip = doc_str(row, "ip_address");

		if (!rc && !list_has(p->got, subnet, ip))
			rc = call_delete(p->c, "/ip/%s/%s", subnet, ip);
	}
	return rc;
}

/* SLAAC addresses follow the MAC: those wishes lose their address. */
static json_t *wishes_for_mac(struct addr_plan *p, const json_t *wishes)
{
	json_t *out = json_array(), *row;
	struct ipam_subnet s;
	size_t i;

	json_array_foreach (wishes, i, row) {
		const json_t *subnet = res_get(p->c, &subnet_resource, doc_str(row, "subnet_id"));

		if (subnet && !subnet_read(subnet, &s) && s.slaac)
			json_array_append_new(out, json_pack("{s:O}", "subnet_id",
							     json_object_get(row, "subnet_id")));
		else
			json_array_append(out, row);
	}
	return out;
}

static int plan_ips(struct addr_plan *p, const json_t *wishes)
{
	json_t *wish;
	size_t i;
	int rc = 0;

	if (!json_is_array(wishes))
		return plan_default(p);
	if (json_array_size(wishes) > PORT_IPS_MAX)
		return call_fail(
			p->c, 400, "InvalidInput",
			"Invalid input for operation: Exceeded maximum amount of fixed ips "
			"per port (%d).",
			PORT_IPS_MAX);
	json_array_foreach (wishes, i, wish) {
		rc = plan_wish(p, wish);
		if (rc)
			return rc;
	}
	return plan_release(p);
}

static int compare_ips(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;

	return strcmp(doc_str(*x, "ip_address"), doc_str(*y, "ip_address"));
}

/* As Neutron orders them, by their text, whatever order they were given in. A new list. */
static json_t *sort_ips(const json_t *ips)
{
	const json_t *rows[PORT_IPS_MAX];
	size_t n = MIN(json_array_size(ips), (size_t)PORT_IPS_MAX);
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		rows[i] = json_array_get(ips, i);
	qsort(rows, n, sizeof(rows[0]), compare_ips);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, (json_t *)rows[i]);
	return out;
}

/**
 * port_addresses() - Give a port its MAC and IPs, or change them
 * @c:    call; the claims join its transaction
 * @port: the port to be: mac_address and fixed_ips as wished in (null: choose), as given out
 * @old:  the port as it is; NULL on create
 *
 * Return: 0, or what call_fail() returns: MacAddressInUse, IpAddressAlreadyAllocated,
 * InvalidIpForNetwork, InvalidIpForSubnet, SubnetNotFound, IpAddressGenerationFailure.
 */
int port_addresses(struct call *c, json_t *port, const json_t *old)
{
	const json_t *wishes = json_object_get(port, "fixed_ips");
	auto_of(json_decref) json_t *for_mac = NULL, *got = json_array();
	struct addr_plan p = { .c = c,
			       .port_id = doc_str(port, "id"),
			       .network_id = doc_str(port, "network_id"),
			       .owner = doc_str(port, "device_owner"),
			       .had = json_object_get(old, "fixed_ips"),
			       .got = got };
	bool mac_same = doc_is(port, "mac_address", doc_str(old, "mac_address"));
	int rc = plan_mac(&p, port, old);

	if (rc || (old && mac_same && json_equal(wishes, p.had)))
		return rc;
	if (old && !mac_same && json_equal(wishes, p.had)) {
		for_mac = wishes_for_mac(&p, wishes);
		wishes = for_mac;
	}
	rc = plan_ips(&p, wishes);
	return rc ? rc : json_object_set_new(port, "fixed_ips", sort_ips(got));
}

/**
 * port_addresses_free() - Give back what a deleted port had
 * @c:    call
 * @port: the port as it was
 *
 * Return: 0 or a negative errno.
 */
int port_addresses_free(struct call *c, const json_t *port)
{
	json_t *row;
	size_t i;
	int rc = call_delete(c, "/mac/%s/%s", doc_str(port, "network_id"),
			     doc_str(port, "mac_address"));

	json_array_foreach (json_object_get(port, "fixed_ips"), i, row)
		if (!rc)
			rc = call_delete(c, "/ip/%s/%s", doc_str(row, "subnet_id"),
					 doc_str(row, "ip_address"));
	return rc;
}
