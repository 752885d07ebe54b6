/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Neutron has and a cloud of VFs has not, and why. Lists of routers and floating IPs are empty
 * and no faults: clients that show them beside other things (Horizon, the SDK, Ansible) ask whether
 * or not the extension `router`, which is not advertised, is there.
 */
#include <string.h>

#include "network/absent/absent.h"
#include "network/core/network.h"

#define WHY                                                                                        \
	"VFs reach the physical network at layer 2, and its own router routes: there are neither " \
	"routers nor floating IPs here."

static int router_list(struct call *c)
{
	return call_reply(c, 200, json_pack("{s:[]}", "routers"));
}

static int floating_list(struct call *c)
{
	return call_reply(c, 200, json_pack("{s:[]}", "floatingips"));
}

static int router_show(struct call *c)
{
	return call_fail(c, 404, "RouterNotFound", "Router %s could not be found", c->ids[0]);
}

static int floating_show(struct call *c)
{
	return call_fail(c, 404, "FloatingIPNotFound", "Floating IP %s could not be found",
			 c->ids[0]);
}

static const struct route routes[] = {
	{ "GET", "/v2.0/routers", router_list, RULE_READ },
	{ "GET", "/v2.0/routers/{}", router_show, RULE_READ },
	{ "GET", "/v2.0/floatingips", floating_list, RULE_READ },
	{ "GET", "/v2.0/floatingips/{}", floating_show, RULE_READ },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };

#define QOS                                                                                        \
	"Rates are the VF's own, max_tx_rate and min_tx_rate of anyvf link: there are no QoS "     \
	"policies here."
#define TRUNKS                                                                                     \
	"A port is one VF on one VLAN, and a trunk is that of a VF (anyvf vf set trunk): there "   \
	"are no trunks here."
#define FLAVORS                                                                                    \
	"Service flavors choose among routers, load balancers and the like, of which there are "   \
	"none here."
#define DHCP                                                                                       \
	"Each host answers DHCP for the networks of its own ports: there is no DHCP agent to be "  \
	"given a network, and none to take it from."
#define AT_LAYER_2                                                                                 \
	"VFs are layer 2, and what a service would do with their packets is done beyond them: "

/* Neutron answers 404 for what no plugin of it serves. */
static const struct absent absent[] = {
	{ "/v2.0/routers", "POST", NULL, 400, WHY },
	{ "/v2.0/routers/*", NULL, NULL, 404, WHY },
	{ "/v2.0/floatingips", "POST", NULL, 400, WHY },
	{ "/v2.0/floatingips/*", NULL, NULL, 404, WHY },
	{ "/v2.0/floatingip_pools*", NULL, NULL, 404, WHY },
	{ "/v2.0/ndp_proxies*", NULL, NULL, 404, WHY },
	{ "/v2.0/local_ips*", NULL, NULL, 404, WHY },
	{ "/v2.0/agents/{}/l3-routers*", NULL, NULL, 404, WHY },
	{ "/v2.0/auto-allocated-topology*", NULL, NULL, 404, WHY },
	{ "/v2.0/metering*", NULL, NULL, 404, WHY },
	{ "/v2.0/trunks*", NULL, NULL, 404, TRUNKS },
	{ "/v2.0/qos*", NULL, NULL, 404, QOS },
	{ "/v2.0/flavors*", NULL, NULL, 404, FLAVORS },
	{ "/v2.0/service_profiles*", NULL, NULL, 404, FLAVORS },
	{ "/v2.0/service-providers*", NULL, NULL, 404, FLAVORS },
	{ "/v2.0/segments*", NULL, NULL, 404,
	  "A network is one segment here, its provider attributes: there are no routed networks." },
	{ "/v2.0/network_segment_ranges*", NULL, NULL, 404,
	  "VLAN ids for tenants are network_vlan_ranges of anyvf.conf, and are not changed by the "
	  "API." },
	{ "/v2.0/address-groups*", NULL, NULL, 404,
	  "Security groups are kept for clients, and not enforced on VFs: their rules name "
	  "prefixes and groups alone." },
	{ "/v2.0/ports/{}/bindings*", NULL, NULL, 404,
	  "A port has one binding, its binding:host_id: servers do not migrate with their VFs." },
	{ "/v2.0/log*", NULL, NULL, 404,
	  "Security groups are not enforced on VFs, so there is nothing of theirs to log: watch a "
	  "VF with a mirror or anyvf capture." },
	{ "/v2.0/agents/{}/dhcp-networks/*", NULL, NULL, 404, DHCP },
	{ "/v2.0/agents/{}/dhcp-networks", "POST", NULL, 404, DHCP },
	{ "/v2.0/networks/{}/dhcp-agents/*", NULL, NULL, 404, DHCP },
	{ "/v2.0/vpn*", NULL, NULL, 404, AT_LAYER_2 "there are no VPNs here." },
	{ "/v2.0/fwaas*", NULL, NULL, 404, AT_LAYER_2 "there are no firewalls here." },
	{ "/v2.0/lbaas*", NULL, NULL, 404, AT_LAYER_2 "there are no load balancers here." },
	{ "/v2.0/sfc*", NULL, NULL, 404, AT_LAYER_2 "there are no service chains here." },
	{ "/v2.0/bgpvpn*", NULL, NULL, 404, AT_LAYER_2 "there is no BGP here." },
	{ "/v2.0/bgp-speakers*", NULL, NULL, 404, AT_LAYER_2 "there is no BGP here." },
	{ "/v2.0/bgp-peers*", NULL, NULL, 404, AT_LAYER_2 "there is no BGP here." },
	{ NULL },
};

const struct feature absent_feature = {
	.name = "absent",
	.service = &network_service,
	.routes = all_routes,
	.absent = absent,
};
