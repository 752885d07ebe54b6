/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about hosts and their agents, with clocks that the test sets and the store in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "api_engine.h"
#include "base/uuid.h"
#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/usage.h"
#include "network/binding/binding.h"
#include "network/core/network.h"
#include "network/taas/taas.h"

#define SECOND INT64_C(1000000)
#define SILENT (16 * SECOND) /* heartbeat_s is 5 */
#define HOSTS  300

static const struct resource *const resources[] = { &server_resource, &flavor_resource, NULL };
static const struct route *const tables[] = { host_routes, server_routes, NULL };
static const struct service test_service = { .prefix = "/test", .style = FAULT_NOVA };
static const struct feature test_feature = { .name = "test",
					     .service = &test_service,
					     .resources = resources,
					     .routes = tables,
					     .hooks = compute_hooks,
					     .hosts = &compute_hosts };
static const struct feature *const features[] = { &network_feature, &binding_feature, &taas_feature,
						  &test_feature,    &agents_feature,  NULL };

static const struct auth admin = { "u1", "admin", "default", SCOPE_PROJECT, "p1", "", ROLE_ADMIN };
static struct auth agent = { "u2", "", "default", SCOPE_PROJECT, "p2", "", ROLE_AGENT };

static struct api_engine f;
static struct {
	int64_t wall, mono; /* what calls believe the time to be */
} clocks;

static int setup(void **state)
{
	api_engine_open(&f, features);
	clocks.wall = run_now_us();
	clocks.mono += 1000 * SECOND; /* the hosts of the test before are no concern of this one */
	return 0;
}

static int teardown(void **state)
{
	return api_engine_close(&f);
}

static struct call *new_call(const struct auth *who)
{
	struct call *c = run_new(f.eng, NULL);

	c->now_us = clocks.wall;
	c->mono_us = clocks.mono;
	c->auth = who;
	c->priv->authenticated = true;
	return c;
}

/* A request up to the commit. Return: its status; the answer's JSON by reference. */
static unsigned int ask(const struct auth *who, const char *method, const char *target,
			const char *body, json_t **reply)
{
	struct call *c = new_call(who);
	unsigned int status;
	int rc = route_find(c, method, target);

	c->body = body ? json_loads(body, 0, NULL) : NULL;
	if (!rc)
		rc = c->priv->handle(c);
	if (rc >= 0)
		assert_int_equal(run_commit(c), 0);
	else
		call_undo(c);
	status = c->priv->fault_status ? c->priv->fault_status : c->status;
	if (reply)
		*reply = json_incref(c->reply);
	call_free(c);
	return status;
}

/* What the engine does with a periodic: runs and commits until it waits no more. Return: how often. */
static unsigned int run_all(int (*run)(struct call *c))
{
	struct call *c = new_call(&admin);
	unsigned int n = 0;
	int rc;

	c->service = &agents_service;
	do {
		call_reset(c);
		rc = run(c);
		assert_true(rc >= 0);
		assert_int_equal(run_commit(c), 0);
		n++;
	} while (rc == CALL_WAIT);
	call_free(c);
	return n;
}

static void beat(const char *host)
{
	char target[80];

	snprintf(target, sizeof(target), "/anyvf/v1/hosts/%s", host);
	snprintf(agent.user_name, sizeof(agent.user_name), "anyvf-agent-%s", host);
	assert_int_equal(ask(&agent, "PUT", target,
			     "{\"pfs\": [], \"vcpus\": 4, \"memory_mb\": 4096}", NULL),
			 200);
}

static void beat_all(void)
{
	char host[16];

	for (int i = 0; i < HOSTS; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		beat(host);
	}
}

/* How many hosts GET /os-services says are up. */
static unsigned int count_up(void)
{
	auto_of(json_decref) json_t *reply = NULL;
	unsigned int n = 0;
	json_t *service;
	size_t i;

	assert_int_equal(ask(&admin, "GET", "/test/v2.1/os-services", NULL, &reply), 200);
	json_array_foreach (json_object_get(reply, "services"), i, service)
		n += !strcmp(json_string_value(json_object_get(service, "state")), "up");
	return n;
}

/* How many /agent/HOST say alive. */
static unsigned int count_marked_alive(void)
{
	struct call *c = new_call(&admin);
	struct cursor it = call_list(c, "/agent/");
	unsigned int n = 0;

	while (cursor_next(&it))
		n += json_is_true(json_object_get(it.doc, "alive"));
	call_free(c);
	return n;
}

/* Agents may be newer than the API; their words are not those of tenants. */
static void unknown_words_of_agents_are_passed_over(void **state)
{
	static const char *const bodies[] = {
		"{\"pfs\": [], \"vcpus\": 4, \"memory_mb\": 4096, \"numa\": [1, {\"x\": 2}]}",
		"{\"pfs\": [{\"name\": \"p\", \"physical_networks\": [], \"numvfs\": 1, "
		"\"driver\": \"ice\"}],"
		"\"vcpus\": 4, \"memory_mb\": 4096}",
	};

	strcpy(agent.user_name, "anyvf-agent-h1");
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(ask(&agent, "PUT", "/anyvf/v1/hosts/h1", bodies[i], NULL), 200);
	assert_int_equal(count_up(), 1);
	assert_int_equal(
		ask(&agent, "PUT", "/anyvf/v1/hosts/h1", "{\"vcpus\": 4, \"numa\": 1}", NULL), 400);
}

/* Each kind of report with a word more. */
static void unknown_words_of_reports_are_passed_over(void **state)
{
	static const char *const kinds[] = { "server", "port", "network", "tap_flow",
					     "tap_mirror" };
	char target[80];
	struct call *c;

	strcpy(agent.user_name, "anyvf-agent-h1");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		c = new_call(&admin);
		assert_int_equal(call_put(c, json_pack("{s:i,s:b}", "generation", 5, "deleted", 0),
					  "/host/h1/%s/x", kinds[i]),
				 0);
		assert_int_equal(run_commit(c), 0);
		call_free(c);
		snprintf(target, sizeof(target), "/anyvf/v1/hosts/h1/%s/x", kinds[i]);
		assert_int_equal(
			ask(&agent, "PUT", target,
			    "{\"generation\": 5, \"status\": \"ACTIVE\", \"seen_by\": [1]}", NULL),
			204);
	}
}

static void a_step_of_the_wall_clock_ends_no_host(void **state)
{
	static const int64_t steps[] = { 120 * SECOND, -86400 * SECOND, 3650 * 86400 * SECOND };

	beat("h1");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		clocks.wall += steps[i];
		run_all(liveness_mark);
		assert_int_equal(count_up(), 1);
		assert_int_equal(count_marked_alive(), 1);
	}
}

static void a_silent_host_is_down_though_the_wall_clock_stands(void **state)
{
	beat("h1");
	clocks.mono += SILENT - 2 * SECOND;
	assert_int_equal(count_up(), 1);
	clocks.mono += 2 * SECOND;
	clocks.wall -= 3600 * SECOND;
	assert_int_equal(count_up(), 0);
	run_all(liveness_mark);
	beat("h1");
	assert_int_equal(count_up(), 1);
	assert_int_equal(count_marked_alive(), 1);
}

static void a_rack_dies_at_once(void **state)
{
	beat_all();
	assert_int_equal(count_up(), HOSTS);
	clocks.mono += SILENT;
	assert_int_equal(count_up(), 0); /* before any of them is marked */
	assert_int_equal(count_marked_alive(), HOSTS);
	assert_int_equal(run_all(liveness_mark), (HOSTS + STORE_OPS_MAX - 1) / STORE_OPS_MAX);
	assert_int_equal(count_marked_alive(), 0);
}

static void placement_counts_on_no_silent_host(void **state)
{
	struct place_host *hosts;
	struct call *c;
	unsigned int n, alive = 0;

	beat_all();
	clocks.mono += SILENT;
	beat("h7");
	c = new_call(&admin);
	n = hosts_load(c, &hosts);
	for (unsigned int i = 0; i < n; i++) {
		alive += hosts[i].alive;
		assert_true(hosts[i].alive == !strcmp(hosts[i].name, "h7"));
	}
	assert_int_equal(n, HOSTS);
	assert_int_equal(alive, 1);
	hosts_free(hosts, n);
	call_free(c);
}

/* A server on a host, as far as its end needs it. */
static void make_server(int i, const char *task)
{
	struct call *c = new_call(&admin);

	c->service = &test_service;
	assert_int_equal(res_create(c, &server_resource,
				    json_pack("{s:s,s:s,s:o,s:o,s:[]}", "name", "vm", "project_id",
					      "p1", "host", json_sprintf("h%d", i), "task_state",
					      task ? json_string(task) : json_null(), "ports"),
				    NULL),
			 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
}

static void servers_being_deleted_do_not_wait_for_dead_hosts(void **state)
{
	struct call *c;

	beat_all();
	for (int i = 0; i < 2 * HOSTS; i++)
		make_server(i % HOSTS, i < HOSTS ? "deleting" : NULL);
	assert_int_equal(run_all(liveness_tell_gone), 1);
	clocks.mono += SILENT;
	beat("h7");
	run_all(liveness_tell_gone);
	c = new_call(&admin);
	assert_int_equal(res_count(c, &server_resource, "task_state", "deleting"), 1);
	assert_int_equal(res_count(c, &server_resource, "project_id", "p1"), HOSTS + 1);
	call_free(c);
}

/* A network with a /16, whose ports are on the first n hosts. */
static void make_network(const char *id, unsigned int n)
{
	struct call *c = new_call(&admin);

	c->service = &network_service;
	assert_int_equal(res_create(c, &network_resource,
				    json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", id, "project_id", "p1",
					      "name", "n", "provider:network_type", "flat",
					      "provider:physical_network", "physnet1"),
				    NULL),
			 0);
	assert_int_equal(res_create(c, &subnet_resource,
				    json_pack("{s:s,s:s,s:i,s:s}", "network_id", id, "project_id",
					      "p1", "ip_version", 4, "cidr", "10.1.0.0/16"),
				    NULL),
			 0);
	assert_int_equal(run_commit(c), 0);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(call_put(c, json_pack("{s:s,s:i}", "pf", "p1", "generation", 1),
					  "/host/h%u/network/%s", i, id),
				 0);
		assert_int_equal(run_commit(c), 0);
	}
	call_free(c);
}

/* As the engine does once a second, until nothing is left. */
static void sync_all(void)
{
	run_all(network_sync);
	assert_int_equal(run_all(network_sync), 1);
}

static void change_network(const char *id)
{
	struct call *c = new_call(&admin);

	c->service = &network_service;
	assert_int_equal(network_changed(c, id), 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
	sync_all();
}

/* No MAC, address or port of a network's DHCP is two hosts'. Return: hosts that have one. */
static unsigned int count_service_ports(const char *id)
{
	static const char *const unique[] = { "port_id", "mac", "ip" };
	auto_of(json_decref) json_t *seen = json_pack("{s:{},s:{},s:{}}", "port_id", "mac", "ip");
	struct call *c = new_call(&admin);
	unsigned int n = 0;

	for (unsigned int i = 0; i < HOSTS; i++) {
		const json_t *doc = call_get(c, "/host/h%u/network/%s", i, id);
		json_t *dhcp = json_object_get(doc, "dhcp");

		if (!json_is_object(dhcp))
			continue;
		n++;
		dhcp = json_copy(dhcp);
		json_object_set(
			dhcp, "ip",
			json_object_get(json_array_get(json_object_get(dhcp, "fixed_ips"), 0),
					"ip_address"));
		for (size_t k = 0; k < ARRAY_LEN(unique); k++) {
			const char *text = doc_text(dhcp, unique[k]);

			assert_non_null(text);
			assert_null(json_object_get(json_object_get(seen, unique[k]), text));
			json_object_set_new(json_object_get(seen, unique[k]), text, json_true());
		}
		json_decref(dhcp);
	}
	assert_int_equal(res_count(c, &port_resource, "network_id", id), n);
	call_free(c);
	return n;
}

static const char net_id[] = "33333333-3333-4333-8333-333333333333";

static void each_host_has_a_service_port_of_its_own(void **state)
{
	struct call *c;

	beat_all();
	make_network(net_id, HOSTS);
	change_network(net_id);
	assert_int_equal(count_service_ports(net_id), HOSTS);
	/* a subnet that goes takes all of them along, and so does the network */
	c = new_call(&admin);
	struct cursor it = res_list(c, &subnet_resource, "network_id", net_id);
	assert_true(cursor_next(&it));
	c->service = &network_service;
	assert_int_equal(res_delete(c, &subnet_resource, doc_text(it.doc, "id")), 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
	sync_all();
	assert_int_equal(count_service_ports(net_id), 0);
}

static void a_network_that_goes_takes_all_service_ports_along(void **state)
{
	struct call *c;

	beat_all();
	make_network(net_id, HOSTS);
	change_network(net_id);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(res_delete(c, &network_resource, net_id), 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
	sync_all();
	c = new_call(&admin);
	assert_int_equal(res_count(c, &port_resource, NULL, NULL), 0);
	for (unsigned int i = 0; i < HOSTS; i++)
		assert_null(call_get(c, "/host/h%u/network/%s", i, net_id));
	struct cursor left = call_list(c, "/dhcp_port/"), ips = call_list(c, "/ip/");
	assert_false(cursor_next(&left) || cursor_next(&ips));
	call_free(c);
}

/* A store of the version that had one service port for all hosts. */
static void the_port_of_all_hosts_becomes_the_firsts(void **state)
{
	const json_t *port;
	char id[UUID_STR_LEN];
	struct call *c;

	beat_all();
	make_network(net_id, 3);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(
		res_create(c, &port_resource,
			   json_pack("{s:s,s:s,s:s,s:s}", "network_id", net_id, "project_id", "p1",
				     "device_owner", "network:dhcp", "device_id", "dhcp-x"),
			   &port),
		0);
	snprintf(id, sizeof(id), "%s", doc_text(port, "id"));
	assert_int_equal(call_put(c, json_pack("{s:s}", "port", id), "/dhcp/%s", net_id), 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
	sync_all();
	assert_int_equal(count_service_ports(net_id), 3);
	c = new_call(&admin);
	assert_null(call_get(c, "/dhcp/%s", net_id));
	assert_string_equal(
		doc_text(json_object_get(call_get(c, "/host/h0/network/%s", net_id), "dhcp"),
			 "port_id"),
		id);
	assert_string_equal(doc_text(res_get(c, &port_resource, id), "device_id"),
			    "dhcph0-33333333-3333-4333-8333-333333333333");
	call_free(c);
}

/* Nobody's: a network without ports on any host; and a row whose port is gone. */
static void the_port_of_no_host_goes(void **state)
{
	const json_t *port;
	struct call *c;

	beat("h0");
	make_network(net_id, 0);
	c = new_call(&admin);
	c->service = &network_service;
	assert_int_equal(res_create(c, &port_resource,
				    json_pack("{s:s,s:s,s:s}", "network_id", net_id, "project_id",
					      "p1", "device_owner", "network:dhcp"),
				    &port),
			 0);
	assert_int_equal(call_put(c, json_pack("{s:O}", "port", json_object_get(port, "id")),
				  "/dhcp/%s", net_id),
			 0);
	assert_int_equal(call_put(c, json_pack("{s:s}", "port", net_id), "/dhcp/gone"), 0);
	assert_int_equal(run_commit(c), 0);
	call_free(c);
	sync_all();
	c = new_call(&admin);
	struct cursor left = call_list(c, "/dhcp/");
	assert_false(cursor_next(&left));
	assert_int_equal(res_count(c, &port_resource, NULL, NULL), 0);
	call_free(c);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(unknown_words_of_agents_are_passed_over),
		T(unknown_words_of_reports_are_passed_over),
		T(a_step_of_the_wall_clock_ends_no_host),
		T(a_silent_host_is_down_though_the_wall_clock_stands),
		T(a_rack_dies_at_once),
		T(placement_counts_on_no_silent_host),
		T(servers_being_deleted_do_not_wait_for_dead_hosts),
		T(each_host_has_a_service_port_of_its_own),
		T(a_network_that_goes_takes_all_service_ports_along),
		T(the_port_of_all_hosts_becomes_the_firsts),
		T(the_port_of_no_host_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
