/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as Neutron's agents, and the zones there are none of: its extensions agent and
 * availability_zone. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "hosts/agents.h"
#include "network/agents/agents.h"
#include "network/core/network.h"

static bool is_up(struct call *c, const json_t *doc)
{
	const json_t *up =
		json_object_get(host_settings(c, doc_str(doc, "host")), "admin_state_up");

	return !up || json_is_true(up);
}

static bool is_true(const char *value)
{
	return !strcasecmp(value, "true") || !strcmp(value, "1");
}

static bool match_state(struct call *c, const json_t *doc, const char *value)
{
	return is_up(c, doc) == is_true(value);
}

static bool match_alive(struct call *c, const json_t *doc, const char *value)
{
	return agent_alive(c, doc_str(doc, "host")) == is_true(value);
}

static bool match_description(struct call *c, const json_t *doc, const char *value)
{
	return doc_is(host_settings(c, doc_str(doc, "host")), "description", value);
}

/* Documents /agent/HOST, written from the hosts' reports (hosts/inventory.c, hosts/liveness.c). */
static const struct rfield agent_fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "agent_type", J_STR, R_FILTER, "\"NIC Switch agent\"" },
	{ "binary", J_STR, R_FILTER, "\"anyvf-agentd\"" },
	{ "topic", J_STR, R_FILTER, "\"N/A\"" },
	{ "host", J_STR, R_FILTER },
	{ "admin_state_up", J_BOOL, R_UPDATE | R_FILTER, "true", .match = match_state },
	{ "created_at", J_STR, 0 },
	{ "started_at", J_STR, 0 },
	{ "heartbeat_timestamp", J_STR, 0 },
	{ "description", J_STR, R_UPDATE | R_FILTER | R_NULL, .max = 255,
	  .match = match_description },
	{ "resources_synced", J_BOOL, 0 },
	{ "availability_zone", J_STR, R_FILTER },
	{ "alive", J_BOOL, R_FILTER, "false", .match = match_alive },
	{ "configurations", J_OBJ, R_VIRTUAL },
	{ NULL },
};

/* Which physical networks which PFs serve, and how many VFs are leased. */
static json_t *agent_configurations(struct call *c, const json_t *doc)
{
	json_t *mappings = json_object(), *pf, *physnet;
	struct cursor it = call_list(c, "/vf/%s/", doc_str(doc, "host"));
	size_t i, j;
	int devices = 0;

	while (cursor_step(&it))
		devices++;
	json_array_foreach (json_object_get(doc, "pfs"), i, pf)
		json_array_foreach (json_object_get(pf, "physical_networks"), j, physnet) {
			const char *name = json_string_value(physnet);

			if (!json_object_get(mappings, name))
				json_object_set_new(mappings, name, json_array());
			json_array_append(json_object_get(mappings, name),
					  json_object_get(pf, "name"));
		}
	return json_pack("{s:o,s:i}", "device_mappings", mappings, "devices", devices);
}

static int agent_show(struct call *c, const json_t *doc, json_t *out)
{
	char heard[32];

	agent_seen_time(c, doc_str(doc, "host"), heard);
	heard[10] = ' '; /* agents' times are the only ones with a blank in the middle */
	heard[19] = '\0';
	json_object_set_new(out, "alive", json_boolean(agent_alive(c, doc_str(doc, "host"))));
	json_object_set_new(out, "admin_state_up", json_boolean(is_up(c, doc)));
	if (doc_text(host_settings(c, doc_str(doc, "host")), "description"))
		doc_set_text(out, "description",
			     doc_text(host_settings(c, doc_str(doc, "host")), "description"));
	json_object_set_new(out, "heartbeat_timestamp", json_string(heard));
	json_object_set_new(out, "configurations", agent_configurations(c, doc));
	return 0;
}

static bool agent_visible(const struct call *c, const json_t *doc)
{
	return caller_is_admin(c);
}

static const struct resource agent_resource = {
	.one = "agent",
	.many = "agents",
	.label = "Agent",
	.path = "/v2.0/agents",
	.flags = RES_GLOBAL | RES_NO_CREATE | RES_NO_UPDATE | RES_NO_DELETE,
	.read = RULE_READ,
	.write = RULE_ADMIN,
	.fields = agent_fields,
	.show = agent_show,
	.visible = agent_visible,
};

/* The agent of the path: they are kept by host. NULL after a fault. */
static const json_t *agent_find(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");

	while (caller_is_admin(c) && cursor_next(&it))
		if (doc_is(it.doc, "id", c->ids[0]))
			return it.doc;
	call_fail(c, 404, "AgentNotFound", "Agent %s could not be found", c->ids[0]);
	return NULL;
}

static int agent_reply(struct call *c, const json_t *agent)
{
	return call_reply(c, 200, json_pack("{s:o}", "agent", res_show(c, &agent_resource, agent)));
}

static int agent_get(struct call *c)
{
	const json_t *agent = agent_find(c);

	return agent ? agent_reply(c, agent) : -ENOENT;
}

/* PUT /v2.0/agents/{id}: what an operator says of it is kept beside what the host says */
static int agent_update(struct call *c)
{
	const json_t *agent = agent_find(c), *given = json_object_get(c->body, "agent");
	auto_of(json_decref) json_t *said = NULL;
	int rc = agent ? 0 : -ENOENT;

	if (!rc && !json_is_object(given))
		rc = call_fail(c, 400, "HTTPBadRequest", "Unable to find 'agent' in request body");
	if (!rc)
		rc = fields_accept(c, agent_fields, given, true, &said);
	if (!rc)
		rc = host_set(c, doc_str(agent, "host"), said);
	return rc ? rc : agent_reply(c, agent);
}

/* GET /v2.0/networks/{id}/dhcp-agents: the hosts that answer DHCP on it */
static int dhcp_agents(struct call *c)
{
	const json_t *net = res_find(c, &network_resource, c->ids[0]);
	struct cursor it = call_list(c, "/dhcp_port/%s/", c->ids[0]);
	json_t *list = json_array();

	while (net && cursor_step(&it)) {
		const json_t *agent = call_get(c, "/agent/%s", it.key + it.prefix_len);

		if (agent)
			json_array_append_new(list, res_show(c, &agent_resource, agent));
	}
	if (net)
		return call_reply(c, 200, json_pack("{s:o}", "agents", list));
	json_decref(list);
	return -ENOENT;
}

/* GET /v2.0/agents/{id}/dhcp-networks: the networks that a host answers DHCP on */
static int dhcp_networks(struct call *c)
{
	const json_t *agent = agent_find(c);
	struct cursor it = res_list(c, &network_resource, NULL, NULL);
	json_t *list = json_array();

	while (agent && cursor_next(&it))
		if (call_get(c, "/dhcp_port/%s/%s", doc_str(it.doc, "id"), doc_str(agent, "host")))
			json_array_append_new(list, res_show(c, &network_resource, it.doc));
	if (agent)
		return call_reply(c, 200, json_pack("{s:o}", "networks", list));
	json_decref(list);
	return -ENOENT;
}

/* DELETE /v2.0/agents/{id}: of a host that is dead for good; one that lives would be back. */
static int agent_delete(struct call *c)
{
	const json_t *agent = agent_find(c);
	const char *host = agent ? doc_str(agent, "host") : NULL;

	if (!agent)
		return -ENOENT;
	if (agent_alive(c, host))
		return call_fail(c, 409, "AgentInUse", "Host %s is alive", host);
	if (host_is_used(c, host))
		return call_fail(c, 409, "AgentInUse",
				 "Host %s has servers, ports or networks; those that are deleted "
				 "wait for it until it is forced down",
				 host);
	return host_forget(c, host) ?: call_reply(c, 204, NULL);
}

/* Nothing here is spread over zones, and no server asks where it may go. */
static int zone_list(struct call *c)
{
	return call_reply(c, 200, json_pack("{s:[]}", "availability_zones"));
}

static const struct route routes[] = {
	{ "GET", "/v2.0/agents/{}", agent_get, RULE_READ },
	{ "PUT", "/v2.0/agents/{}", agent_update, RULE_ADMIN },
	{ "GET", "/v2.0/agents/{}/dhcp-networks", dhcp_networks, RULE_ADMIN },
	{ "GET", "/v2.0/networks/{}/dhcp-agents", dhcp_agents, RULE_ADMIN },
	{ "DELETE", "/v2.0/agents/{}", agent_delete, RULE_ADMIN },
	{ "GET", "/v2.0/availability_zones", zone_list, RULE_READ },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };
static const struct resource *const resources[] = { &agent_resource, NULL };

static const struct extension extensions[] = {
	{ "agent", "agent", "The agent management extension", "2013-02-03T10:00:00-00:00" },
	{ "availability_zone", "Availability Zone", "The availability zone extension",
	  "2015-01-01T10:00:00-00:00" },
	{ NULL },
};

const struct feature network_agents_feature = {
	.name = "network agents",
	.service = &network_service,
	.resources = resources,
	.routes = all_routes,
	.extensions = extensions,
};
