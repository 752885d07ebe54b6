/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts as compute shows them: nova-compute services, hypervisors and availability zones, all from
 * /agent/HOST, hosts/usage.c and the aggregates.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cidr.h"
#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/usage.h"

static json_t *updated_at(struct call *c, const json_t *agent)
{
	char text[32];

	agent_seen_time(c, doc_text(agent, "host"), text);
	return json_string(text);
}

static const json_t *said_of(struct call *c, const json_t *agent)
{
	return host_settings(c, doc_text(agent, "host"));
}

static const char *state_of(struct call *c, const json_t *agent)
{
	return agent_alive(c, doc_text(agent, "host")) &&
			       !doc_bool(said_of(c, agent), "forced_down")
		       ? "up"
		       : "down";
}

static const char *status_of(struct call *c, const json_t *agent)
{
	return doc_bool(said_of(c, agent), "disabled") ? "disabled" : "enabled";
}

static json_t *reason_of(struct call *c, const json_t *agent)
{
	const char *reason = doc_text(said_of(c, agent), "disabled_reason");

	return reason ? json_string(reason) : json_null();
}

/* Before 2.53 numbers, from then on the agent's UUID. */
static json_t *host_id(const struct call *c, const json_t *agent, unsigned int number)
{
	return compute_minor(c) < 53 ? json_integer(number)
				     : json_incref(json_object_get(agent, "id"));
}

/* The agent a hypervisor's or a service's id stands for; *number is its place in the list. */
static const json_t *hypervisor_find(struct call *c, unsigned int *number)
{
	struct cursor it = call_list(c, "/agent/");
	char text[16];

	*number = 0;
	while (cursor_next(&it)) {
		snprintf(text, sizeof(text), "%u", ++*number);
		if (!strcmp(c->ids[0], compute_minor(c) < 53 ? text : doc_text(it.doc, "id")))
			return it.doc;
	}
	call_fail(c, 404, NULL, "Compute host %s could not be found.", c->ids[0]);
	return NULL;
}

static json_t *service_view(struct call *c, const json_t *agent, unsigned int number)
{
	json_t *s = json_pack("{s:o,s:s,s:O,s:s,s:s,s:s,s:o,s:o}", "id", host_id(c, agent, number),
			      "binary", "nova-compute", "host", json_object_get(agent, "host"),
			      "zone", host_zone(c, doc_text(agent, "host")), "status",
			      status_of(c, agent), "state", state_of(c, agent), "updated_at",
			      updated_at(c, agent), "disabled_reason", reason_of(c, agent));

	if (compute_minor(c) >= 11)
		json_object_set_new(s, "forced_down",
				    json_boolean(doc_bool(said_of(c, agent), "forced_down")));
	return s;
}

static int services_list(struct call *c)
{
	const char *host = call_arg(c, "host"), *binary = call_arg(c, "binary");
	struct cursor it = call_list(c, "/agent/");
	json_t *list = json_array();
	unsigned int n = 0;

	while (cursor_next(&it)) {
		n++;
		if ((host && strcmp(host, doc_text(it.doc, "host"))) ||
		    (binary && strcmp(binary, "nova-compute")))
			continue;
		json_array_append_new(list, service_view(c, it.doc, n));
	}
	return call_reply(c, 200, json_pack("{s:o}", "services", list));
}

static int wrong(struct call *c, const char *what)
{
	return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute %s", what);
}

/* {"status", "disabled_reason", "forced_down"} as members of host_settings(). */
static int read_service(struct call *c, const json_t *given, json_t *said)
{
	const char *status = doc_text(given, "status"),
		   *reason = doc_text(given, "disabled_reason");
	const json_t *down = json_object_get(given, "forced_down");

	if (status && strcmp(status, "enabled") && strcmp(status, "disabled"))
		return wrong(c, "status");
	if (!status && !down)
		return wrong(c, "status: enabled or disabled, or forced_down is needed");
	if (reason && (!*reason || strlen(reason) > 255 || !status || strcmp(status, "disabled")))
		return wrong(c, "disabled_reason: with status disabled, 1 to 255 characters");
	if (down && !json_is_boolean(down))
		return wrong(c, "forced_down");
	if (status)
		json_object_set_new(said, "disabled", json_boolean(!strcmp(status, "disabled")));
	if (status)
		doc_set_text(said, "disabled_reason", reason);
	if (down)
		json_object_set(said, "forced_down", (json_t *)down);
	return 0;
}

/* PUT /os-services/ID (2.53 and later) */
static int service_update(struct call *c)
{
	auto_of(json_decref) json_t *said = json_object();
	unsigned int n;
	const json_t *agent;
	int rc;

	if (compute_minor(c) < 53)
		return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	agent = hypervisor_find(c, &n);
	rc = agent ? read_service(c, c->body, said) ?: host_set(c, doc_str(agent, "host"), said)
		   : -ENOENT;
	return rc ? rc
		  : call_reply(c, 200, json_pack("{s:o}", "service", service_view(c, agent, n)));
}

/* PUT /os-services/enable and its kin name the host in the body (until 2.52). */
static int service_say(struct call *c, const char *status, bool reason, bool down)
{
	const char *host = doc_str(c->body, "host"), *binary = doc_str(c->body, "binary");
	const json_t *why = reason ? json_object_get(c->body, "disabled_reason") : NULL;
	auto_of(json_decref) json_t *said = json_object(), *out = NULL;
	int rc;

	if (compute_minor(c) >= 53 || (down && compute_minor(c) < 11))
		return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
	if (!*host || !*binary || (reason && !json_is_string(why)))
		return wrong(c, reason ? "host, binary, disabled_reason" : "host, binary");
	if (strcmp(binary, "nova-compute") || !call_get(c, "/agent/%s", host))
		return call_fail(c, 404, "HostBinaryNotFound",
				 "Could not find binary %s on host %s.", binary, host);
	out = json_pack("{s:s,s:s,s:s*,s:O*,s:O*}", "host", host, "binary", binary, "status",
			status, "disabled_reason", why, "forced_down",
			down ? json_object_get(c->body, "forced_down") : NULL);
	rc = read_service(c, out, said) ?: host_set(c, host, said);
	return rc ? rc : call_reply(c, 200, json_pack("{s:O}", "service", out));
}

static int service_enable(struct call *c)
{
	return service_say(c, "enabled", false, false);
}

static int service_disable(struct call *c)
{
	return service_say(c, "disabled", false, false);
}

static int service_disable_why(struct call *c)
{
	return service_say(c, "disabled", true, false);
}

static int service_force_down(struct call *c)
{
	return service_say(c, NULL, false, true);
}

static json_t *hypervisor_brief(struct call *c, const json_t *agent, unsigned int number)
{
	return json_pack("{s:o,s:O,s:s,s:s}", "id", host_id(c, agent, number),
			 "hypervisor_hostname", json_object_get(agent, "host"), "state",
			 state_of(c, agent), "status", status_of(c, agent));
}

static void put_load(json_t *out, const json_t *agent, struct host_usage l)
{
	json_int_t memory = doc_int(agent, "memory_mb"), disk = doc_int(agent, "disk_gb");

	json_object_update_new(
		out,
		json_pack("{s:I,s:I,s:I,s:i,s:i,s:i,s:I,s:I,s:i,s:i,s:I}", "vcpus",
			  (json_int_t)doc_int(agent, "vcpus"), "memory_mb", memory, "local_gb",
			  disk, "vcpus_used", (int)l.vcpus, "memory_mb_used", (int)l.memory_mb,
			  "local_gb_used", (int)l.disk_gb, "free_ram_mb", memory - l.memory_mb,
			  "free_disk_gb", disk - l.disk_gb, "current_workload", 0, "running_vms",
			  (int)l.servers, "disk_available_least", disk - l.disk_gb));
}

static json_t *hypervisor_view(struct call *c, const json_t *agent, unsigned int number)
{
	const json_t *hv = json_object_get(agent, "hypervisor");
	json_t *out = hypervisor_brief(c, agent, number);
	const char *type = doc_text(hv, "type"), *address = doc_str(hv, "host_ip");
	struct ip ip;

	json_object_update_new(out, json_pack("{s:s,s:I,s:s,s:{s:o,s:O,s:o}}", "hypervisor_type",
					      type ? type : "QEMU", "hypervisor_version",
					      (json_int_t)doc_int(hv, "version"), "host_ip",
					      ip_parse(address, &ip, NULL) ? "127.0.0.1" : address,
					      "service", "id", host_id(c, agent, number), "host",
					      json_object_get(agent, "host"), "disabled_reason",
					      reason_of(c, agent)));
	put_load(out, agent, host_usage(c, doc_text(agent, "host")));
	json_object_set_new(out, "cpu_info",
			    compute_minor(c) < 28 ? json_string("") : json_object());
	return out;
}

/* {"uuid", "name"} of each server of a host. */
static json_t *servers_on(struct call *c, const json_t *agent)
{
	struct cursor it = res_list(c, &server_resource, "host", doc_str(agent, "host"));
	json_t *list = json_array();

	while (cursor_next(&it))
		json_array_append_new(list,
				      json_pack("{s:O,s:O}", "uuid", json_object_get(it.doc, "id"),
						"name", json_object_get(it.doc, "name")));
	return list;
}

/* A hypervisor with the servers that run there: no member if there is none. */
static json_t *add_servers(struct call *c, const json_t *agent, json_t *view_taken)
{
	json_t *list = servers_on(c, agent);

	if (json_array_size(list))
		json_object_set(view_taken, "servers", list);
	json_decref(list);
	return view_taken;
}

/* ?with_servers, from 2.53 on. */
static int read_with_servers(struct call *c, bool *out)
{
	const char *text = compute_minor(c) >= 53 ? call_arg(c, "with_servers") : NULL;
	int is = text ? field_bool_word(text) : 0;

	*out = is > 0;
	return is < 0 ? wrong(c, "with_servers") : 0;
}

typedef json_t *view_fn(struct call *c, const json_t *agent, unsigned int number);

/* Those whose names have the pattern in them, from 2.53 on; NULL: all. */
static json_t *hypervisors_named(struct call *c, const char *pattern, bool servers, view_fn *view)
{
	struct cursor it = call_list(c, "/agent/");
	json_t *list = json_array(), *one;
	unsigned int n = 0;

	while (cursor_next(&it)) {
		n++;
		if (pattern && !strstr(doc_text(it.doc, "host"), pattern))
			continue;
		one = view(c, it.doc, n);
		json_array_append_new(list, servers ? add_servers(c, it.doc, one) : one);
	}
	return list;
}

static int not_named(struct call *c, const char *pattern)
{
	return call_fail(c, 404, "HTTPNotFound", "No hypervisor matching '%s' could be found.",
			 pattern);
}

/* GET /os-hypervisors and .../detail: pages from 2.33 on, a pattern from 2.53 on, not both. */
static int hypervisors(struct call *c, view_fn *view)
{
	const char *pattern =
		compute_minor(c) >= 53 ? call_arg(c, "hypervisor_hostname_pattern") : NULL;
	auto_of(json_decref) json_t *list = NULL;
	json_t *next = NULL;
	bool servers;
	int rc = read_with_servers(c, &servers);

	if (!rc && pattern && (call_arg(c, "limit") || call_arg(c, "marker")))
		rc = call_fail(c, 400, "BadRequest",
			       "Paging over hypervisors with the hypervisor_hostname_pattern query "
			       "parameter is not supported.");
	if (rc)
		return rc;
	list = hypervisors_named(c, pattern, servers, view);
	if (pattern && !json_array_size(list))
		return not_named(c, pattern);
	rc = compute_minor(c) >= 33 ? compute_page(c, "id", &list, &next) : 0;
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:O,s:o*}", "hypervisors", list, "hypervisors_links",
					 next));
}

static int hypervisors_list(struct call *c)
{
	return hypervisors(c, hypervisor_brief);
}

static int hypervisors_detail(struct call *c)
{
	return hypervisors(c, hypervisor_view);
}

static int hypervisor_show(struct call *c)
{
	unsigned int n;
	const json_t *agent = hypervisor_find(c, &n);
	json_t *out;
	bool servers;
	int rc = agent ? read_with_servers(c, &servers) : -ENOENT;

	if (rc)
		return rc;
	out = hypervisor_view(c, agent, n);
	return call_reply(
		c, 200,
		json_pack("{s:o}", "hypervisor", servers ? add_servers(c, agent, out) : out));
}

/* How long a host is up is not known here; Nova, too, shows null for drivers that cannot tell. */
static int hypervisor_uptime(struct call *c)
{
	unsigned int n;
	const json_t *agent = hypervisor_find(c, &n);
	json_t *out;

	if (!agent)
		return -ENOENT;
	out = hypervisor_brief(c, agent, n);
	json_object_set_new(out, "uptime", json_null());
	return call_reply(c, 200, json_pack("{s:o}", "hypervisor", out));
}

static json_t *with_servers(struct call *c, const json_t *agent, unsigned int number)
{
	return add_servers(c, agent, hypervisor_brief(c, agent, number));
}

/* GET /os-hypervisors/PATTERN/search and .../servers, until 2.52 */
static int search(struct call *c, view_fn *view)
{
	auto_of(json_decref) json_t *list = hypervisors_named(c, c->ids[0], false, view);

	if (compute_minor(c) >= 53 || !json_array_size(list))
		return not_named(c, c->ids[0]);
	return call_reply(c, 200, json_pack("{s:O}", "hypervisors", list));
}

static int hypervisors_search(struct call *c)
{
	return search(c, hypervisor_brief);
}

static int hypervisors_servers(struct call *c)
{
	return search(c, with_servers);
}

static int hypervisors_statistics(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");
	json_t *sum = json_pack("{s:i}", "count", 0), *value;
	const char *key;

	while (cursor_next(&it)) {
		auto_of(json_decref) json_t *one = json_pack("{s:i}", "count", 1);

		put_load(one, it.doc, host_usage(c, doc_text(it.doc, "host")));
		json_object_foreach (one, key, value)
			json_object_set_new(
				sum, key,
				json_integer(json_integer_value(value) + doc_int(sum, key)));
	}
	return call_reply(c, 200, json_pack("{s:o}", "hypervisor_statistics", sum));
}

static json_t *zone_hosts(struct call *c, const json_t *names)
{
	json_t *hosts = json_object(), *is;
	const char *name;

	json_object_foreach ((json_t *)names, name, is)
		json_object_set_new(hosts, name,
				    json_pack("{s:{s:b,s:b,s:o}}", "nova-compute", "available",
					      agent_alive(c, name), "active", 1, "updated_at",
					      updated_at(c, call_get(c, "/agent/%s", name))));
	return hosts;
}

static int zones(struct call *c, bool detail)
{
	auto_of(json_decref) json_t *all = zones_all(c);
	json_t *list = json_array(), *names;
	const char *zone;

	json_object_foreach (all, zone, names)
		json_array_append_new(list, json_pack("{s:s,s:{s:b},s:o}", "zoneName", zone,
						      "zoneState", "available", 1, "hosts",
						      detail ? zone_hosts(c, names) : json_null()));
	return call_reply(c, 200, json_pack("{s:o}", "availabilityZoneInfo", list));
}

static int zones_list(struct call *c)
{
	return zones(c, false);
}

static int zones_detail(struct call *c)
{
	return zones(c, true);
}

const struct route host_routes[] = {
	{ "GET", "/v2.1/os-services", services_list, RULE_ADMIN },
	{ "PUT", "/v2.1/os-services/enable", service_enable, RULE_ADMIN },
	{ "PUT", "/v2.1/os-services/disable", service_disable, RULE_ADMIN },
	{ "PUT", "/v2.1/os-services/disable-log-reason", service_disable_why, RULE_ADMIN },
	{ "PUT", "/v2.1/os-services/force-down", service_force_down, RULE_ADMIN },
	{ "PUT", "/v2.1/os-services/{}", service_update, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors", hypervisors_list, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/detail", hypervisors_detail, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/statistics", hypervisors_statistics, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/{}", hypervisor_show, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/{}/uptime", hypervisor_uptime, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/{}/search", hypervisors_search, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/{}/servers", hypervisors_servers, RULE_ADMIN },
	{ "GET", "/v2.1/os-availability-zone", zones_list, RULE_READ },
	{ "GET", "/v2.1/os-availability-zone/detail", zones_detail, RULE_ADMIN },
	{ NULL },
};
