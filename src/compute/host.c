/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts as compute shows them: nova-compute services, hypervisors and the one
 * availability zone "nova", all from /agent/HOST and hosts/usage.c.
 */
#include <stdio.h>
#include <string.h>

#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/usage.h"

static json_t *updated_at(struct call *c, const json_t *agent)
{
	char text[32];

	agent_seen_time(c, doc_text(agent, "host"), text);
	return json_string(text);
}

static const char *state_of(struct call *c, const json_t *agent)
{
	return agent_alive(c, doc_text(agent, "host")) ? "up" : "down";
}

/* Before 2.53 numbers, from then on the agent's UUID. */
static json_t *host_id(const struct call *c, const json_t *agent, unsigned int number)
{
	return compute_minor(c) < 53 ? json_integer(number)
				     : json_incref(json_object_get(agent, "id"));
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
		json_t *s =
			json_pack("{s:o,s:s,s:O,s:s,s:s,s:s,s:o,s:n}", "id", host_id(c, it.doc, n),
				  "binary", "nova-compute", "host", json_object_get(it.doc, "host"),
				  "zone", "nova", "status", "enabled", "state", state_of(c, it.doc),
				  "updated_at", updated_at(c, it.doc), "disabled_reason");
		if (compute_minor(c) >= 11)
			json_object_set_new(s, "forced_down", json_false());
		json_array_append_new(list, s);
	}
	return call_reply(c, 200, json_pack("{s:o}", "services", list));
}

static json_t *hypervisor_brief(struct call *c, const json_t *agent, unsigned int number)
{
	return json_pack("{s:o,s:O,s:s,s:s}", "id", host_id(c, agent, number),
			 "hypervisor_hostname", json_object_get(agent, "host"), "state",
			 state_of(c, agent), "status", "enabled");
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
	const char *type = doc_text(hv, "type");

	json_object_update_new(out,
			       json_pack("{s:s,s:I,s:s,s:{s:o,s:O,s:n}}", "hypervisor_type",
					 type ? type : "QEMU", "hypervisor_version",
					 (json_int_t)doc_int(hv, "version"), "host_ip", "127.0.0.1",
					 "service", "id", host_id(c, agent, number), "host",
					 json_object_get(agent, "host"), "disabled_reason"));
	put_load(out, agent, host_usage(c, doc_text(agent, "host")));
	json_object_set_new(out, "cpu_info",
			    compute_minor(c) < 28 ? json_string("") : json_object());
	return out;
}

static int hypervisors(struct call *c, json_t *(*view)(struct call *, const json_t *, unsigned int))
{
	const char *pattern = call_arg(c, "hypervisor_hostname_pattern");
	struct cursor it = call_list(c, "/agent/");
	json_t *list = json_array();
	unsigned int n = 0;

	while (cursor_next(&it)) {
		n++;
		if (!pattern || strstr(doc_text(it.doc, "host"), pattern))
			json_array_append_new(list, view(c, it.doc, n));
	}
	return call_reply(c, 200, json_pack("{s:o}", "hypervisors", list));
}

static int hypervisors_list(struct call *c)
{
	return hypervisors(c, hypervisor_brief);
}

static int hypervisors_detail(struct call *c)
{
	return hypervisors(c, hypervisor_view);
}

/* The agent a hypervisor's id stands for; *number is its place in the list. */
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

static int hypervisor_show(struct call *c)
{
	unsigned int n;
	const json_t *agent = hypervisor_find(c, &n);

	if (!agent)
		return -1;
	return call_reply(c, 200, json_pack("{s:o}", "hypervisor", hypervisor_view(c, agent, n)));
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

static int zones_list(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:[{s:s,s:{s:b},s:n}]}", "availabilityZoneInfo", "zoneName",
				    "nova", "zoneState", "available", 1, "hosts"));
}

static int zones_detail(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");
	json_t *hosts = json_object();

	while (cursor_next(&it)) {
		bool alive = agent_alive(c, doc_text(it.doc, "host"));

		json_object_set_new(hosts, doc_text(it.doc, "host"),
				    json_pack("{s:{s:b,s:b,s:o}}", "nova-compute", "available",
					      alive, "active", 1, "updated_at",
					      updated_at(c, it.doc)));
	}
	return call_reply(c, 200,
			  json_pack("{s:[{s:s,s:{s:b},s:o}]}", "availabilityZoneInfo", "zoneName",
				    "nova", "zoneState", "available", 1, "hosts", hosts));
}

const struct route host_routes[] = {
	{ "GET", "/v2.1/os-services", services_list, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors", hypervisors_list, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/detail", hypervisors_detail, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/statistics", hypervisors_statistics, RULE_ADMIN },
	{ "GET", "/v2.1/os-hypervisors/{}", hypervisor_show, RULE_ADMIN },
	{ "GET", "/v2.1/os-availability-zone", zones_list, RULE_READ },
	{ "GET", "/v2.1/os-availability-zone/detail", zones_detail, RULE_ADMIN },
	{ NULL },
};
