/* SPDX-License-Identifier: Apache-2.0 */
/* How full the networks are, Neutron's extension network-ip-availability. */
#include <errno.h>

#include "network/core/network.h"

static json_int_t pools_size(const struct ipam_subnet *s)
{
	u128 n = 0;

	for (unsigned int i = 0; i < s->n_pools; i++)
		n += s->pools[i].last.n - s->pools[i].first.n + 1;
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static json_t *subnet_availability(struct call *c, const json_t *subnet, json_int_t *used,
				   json_int_t *total)
{
	struct cursor it = call_list(c, "/ip/%s/", doc_str(subnet, "id"));
	struct ipam_subnet s = { 0 };
	json_int_t n_used = 0, n_total;

	while (cursor_step(&it))
		n_used++;
	subnet_read(subnet, &s);
	n_total = pools_size(&s);
	*used += n_used;
	*total = *total > INT64_MAX - n_total ? INT64_MAX : *total + n_total;
	return json_pack("{s:O,s:O,s:O,s:O,s:I,s:I}", "subnet_id", json_object_get(subnet, "id"),
			 "subnet_name", json_object_get(subnet, "name"), "cidr",
			 json_object_get(subnet, "cidr"), "ip_version",
			 json_object_get(subnet, "ip_version"), "used_ips", n_used, "total_ips",
			 n_total);
}

static json_t *network_availability(struct call *c, const json_t *net)
{
	struct cursor it = res_list(c, &subnet_resource, "network_id", doc_str(net, "id"));
	json_t *subnets = json_array();
	json_int_t used = 0, total = 0;

	while (cursor_next(&it))
		json_array_append_new(subnets, subnet_availability(c, it.doc, &used, &total));
	return json_pack("{s:O,s:O,s:O,s:O,s:o,s:I,s:I}", "network_id", json_object_get(net, "id"),
			 "network_name", json_object_get(net, "name"), "project_id",
			 json_object_get(net, "project_id"), "tenant_id",
			 json_object_get(net, "project_id"), "subnet_ip_availability", subnets,
			 "used_ips", used, "total_ips", total);
}

/* GET /v2.0/network-ip-availabilities */
static int availability_list(struct call *c)
{
	struct cursor it = res_list(c, &network_resource, NULL, NULL);
	json_t *list = json_array();

	while (cursor_next(&it))
		json_array_append_new(list, network_availability(c, it.doc));
	return call_reply(c, 200, json_pack("{s:o}", "network_ip_availabilities", list));
}

/* GET /v2.0/network-ip-availabilities/{network} */
static int availability_show(struct call *c)
{
	const json_t *net = res_find(c, &network_resource, c->ids[0]);

	if (!net)
		return -ENOENT;
	return call_reply(
		c, 200,
		json_pack("{s:o}", "network_ip_availability", network_availability(c, net)));
}

const struct route availability_routes[] = {
	{ "GET", "/v2.0/network-ip-availabilities", availability_list, RULE_ADMIN },
	{ "GET", "/v2.0/network-ip-availabilities/{}", availability_show, RULE_ADMIN },
	{ NULL },
};
