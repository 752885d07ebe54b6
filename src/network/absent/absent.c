/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routers and floating IPs: there are none, and lists say so. Clients that show them beside other
 * things (Horizon, the SDK, Ansible) ask whether or not the extension `router`, which is not
 * advertised, is there. Who makes one is told why not.
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

static int refuse_making(struct call *c)
{
	return call_fail(c, 400, "BadRequest", WHY);
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
	{ "POST", "/v2.0/routers", refuse_making, RULE_WRITE },
	{ "GET", "/v2.0/routers/{}", router_show, RULE_READ },
	{ "GET", "/v2.0/floatingips", floating_list, RULE_READ },
	{ "POST", "/v2.0/floatingips", refuse_making, RULE_WRITE },
	{ "GET", "/v2.0/floatingips/{}", floating_show, RULE_READ },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };

const struct feature absent_feature = {
	.name = "absent",
	.service = &network_service,
	.routes = all_routes,
};
