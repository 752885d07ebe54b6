/* SPDX-License-Identifier: Apache-2.0 */
/* A network's document, checked and unpacked. What passes here is safe in paths and commands. */
#include "agent/kinds/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse_subnet(const json_t *doc, struct want_subnet *out, struct err *e)
{
	const char *cidr = want_text(doc, "cidr"), *gateway = want_text(doc, "gateway_ip");
	int rc;

	*out = (struct want_subnet){
		.id = want_text(doc, "id"),
		.dhcp = json_is_true(json_object_get(doc, "enable_dhcp")),
		.ra_mode = want_text(doc, "ipv6_ra_mode"),
		.address_mode = want_text(doc, "ipv6_address_mode"),
		.dns = json_object_get(doc, "dns_nameservers"),
		.routes = json_object_get(doc, "host_routes"),
	};
	if (!out->id || !cidr)
		return err_set(e, -EINVAL, "a subnet lacks its id or cidr");
	rc = want_ids_check(&out->id, 1, e);
	if (!rc)
		rc = cidr_parse(cidr, &out->cidr, e);
	return !rc && gateway ? ip_parse(gateway, &out->gateway, e) : rc;
}

static int parse_subnets(const json_t *list, struct want_net *net, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) > WANT_SUBNETS_MAX)
		return err_set(e, -E2BIG, "more than %u subnets", WANT_SUBNETS_MAX);
	json_array_foreach (list, i, item) {
		int rc = parse_subnet(item, &net->subnets[i], e);

		if (rc)
			return rc;
	}
	net->n_subnets = (unsigned int)i;
	return 0;
}

static int parse_dhcp(const json_t *dhcp, struct want_net *net, struct err *e)
{
	const char *mac = want_text(dhcp, "mac");
	int rc;

	if (!json_is_object(dhcp))
		return 0;
	net->dhcp = true;
	rc = mac ? mac_parse(mac, &net->dhcp_mac, e) : err_set(e, -EINVAL, "dhcp lacks its mac");
	return rc ? rc
		  : want_ips_parse(json_object_get(dhcp, "fixed_ips"), net->dhcp_ips,
				   &net->n_dhcp_ips, e);
}

/**
 * want_net_parse() - A network's document as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the network, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -E2BIG. Context: any thread.
 */
int want_net_parse(json_t *doc, struct want_net *out, struct err *e)
{
	struct want_net n = { .vlan = 0 };
	json_int_t generation;
	int vlan, mtu, rc;
	json_error_t why;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s,s:s,s:i,s:i}", "generation", &generation,
			   "id", &n.id, "name", &n.name, "pf", &n.pf, "vlan", &vlan, "mtu", &mtu))
		return want_bad_doc(e, &why);
	rc = want_ids_check(&n.id, 1, e);
	if (!rc &&
	    (vlan < 0 || vlan > 4094 || mtu < 68 || mtu > 9216 || strlen(n.pf) > PF_NAME_LEN))
		rc = err_set(e, -EINVAL, "VLAN %d with MTU %d on %.40s cannot be", vlan, mtu, n.pf);
	if (!rc)
		rc = parse_dhcp(json_object_get(doc, "dhcp"), &n, e);
	if (!rc)
		rc = parse_subnets(json_object_get(doc, "subnets"), &n, e);
	if (rc)
		return rc;
	n.vlan = (unsigned int)vlan;
	n.mtu = (unsigned int)mtu;
	n.doc = json_incref(doc);
	*out = n;
	return 0;
}
