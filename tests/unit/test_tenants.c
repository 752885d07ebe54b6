/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about tenants beside each other: another project's id, by whichever door it is named,
 * answers as one that is not there; what one may not see is no filter; on a shared network a
 * member chooses nothing that could be somebody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_cloud.h"
#include "base/uuid.h"
#include "compute/compute.h"
#include "image/image.h"

#define NET	"/network/v2.0"
#define NOVA	"/compute/v2.1"
#define IMAGE	"/image/v2/images"
#define NOBODYS "11111111-2222-4333-8444-555555555555"

static const struct auth eve = { "eve", "eve", "default", SCOPE_PROJECT, "pe", "", ROLE_MEMBER };
static const struct auth demo = { "dem", "demo", "default", SCOPE_PROJECT, "pd", "", ROLE_MEMBER };
static struct cloud cloud;

/* Makes something as somebody; it is called $name from now on. */
static void make_as(const struct auth *who, const char *name, const char *path, const char *body)
{
	auto_of(json_decref) json_t *reply = NULL;
	unsigned int status = ask(&cloud, who, "POST", path, body, &reply);
	json_t *doc = json_object_iter_value(json_object_iter(reply));

	if (status / 100 != 2)
		fail_msg("POST %s: %u %s", path, status, json_dumps(reply, 0));
	json_object_set(cloud.ids, name, json_object_get(json_is_object(doc) ? doc : reply, "id"));
}

/* Images get their content over HTTP; here one is active as it is. */
static void make_image(const char *name, const char *owner)
{
	struct call *c = run_new(cloud.eng, NULL);
	const json_t *doc = NULL;

	c->now_us = 1;
	assert_int_equal(
		res_create(c, &image_resource,
			   json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "owner", owner, "visibility",
				     "private", "status", "active", "disk_format", "raw",
				     "container_format", "bare", "size", 1),
			   &doc),
		0);
	json_object_set(cloud.ids, name, json_object_get(doc, "id"));
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* demo's things begin with d, eve's with e; $shared is the cloud's, $dguest is demo's port on
 * eve's network.
 */
static int setup(void **state)
{
	cloud_open(&cloud, "[network]\nnetwork_vlan_ranges = physnet1:100:199\n"
			   "[quotas]\nsubnet = 2\ntap_service = 2\n");
	make_as(&demo, "dnet", NET "/networks", "{\"network\":{\"name\":\"d\"}}");
	make_as(&demo, "dsub", NET "/subnets",
		"{\"subnet\":{\"network_id\":\"$dnet\",\"ip_version\":4,\"cidr\":\"10.1.0.0/"
		"24\"}}");
	make_as(&demo, "dport", NET "/ports", "{\"port\":{\"network_id\":\"$dnet\"}}");
	make_as(&demo, "dgroup", NET "/security-groups", "{\"security_group\":{\"name\":\"d\"}}");
	make_as(&demo, "dtap", NET "/taas/tap_services",
		"{\"tap_service\":{\"port_id\":\"$dport\"}}");
	make_as(&eve, "enet", NET "/networks", "{\"network\":{\"name\":\"e\"}}");
	make_as(&eve, "esub", NET "/subnets",
		"{\"subnet\":{\"network_id\":\"$enet\",\"ip_version\":4,\"cidr\":\"10.2.0.0/"
		"24\"}}");
	make_as(&eve, "eport", NET "/ports", "{\"port\":{\"network_id\":\"$enet\"}}");
	make_as(&eve, "egroup", NET "/security-groups", "{\"security_group\":{\"name\":\"e\"}}");
	make_as(&eve, "etap", NET "/taas/tap_services",
		"{\"tap_service\":{\"port_id\":\"$eport\"}}");
	assert_int_equal(ask(&cloud, &cloud_admin, "PUT", NET "/networks/$enet",
			     "{\"network\":{\"shared\":true}}", NULL),
			 200);
	make_as(&demo, "dguest", NET "/ports", "{\"port\":{\"network_id\":\"$enet\"}}");
	make_as(&cloud_admin, "shared", NET "/networks", "{\"network\":{\"shared\":true}}");
	make_as(&cloud_admin, "sharedsub", NET "/subnets",
		"{\"subnet\":{\"network_id\":\"$shared\",\"ip_version\":4,"
		"\"cidr\":\"10.3.0.0/24\"}}");
	make_as(&cloud_admin, "flavor", NOVA "/flavors",
		"{\"flavor\":{\"name\":\"f\",\"ram\":1,\"disk\":1,\"vcpus\":1}}");
	make_as(&cloud_admin, "dflavor", NOVA "/flavors",
		"{\"flavor\":{\"name\":\"g\",\"ram\":1,\"disk\":1,\"vcpus\":1,"
		"\"os-flavor-access:is_public\":false}}");
	make_image("dimage", "pd");
	make_image("eimage", "pe");
	make_as(&demo, "dserver", NOVA "/servers",
		"{\"server\":{\"name\":\"d\",\"flavorRef\":\"$flavor\",\"imageRef\":\"$dimage\","
		"\"networks\":[{\"uuid\":\"$dnet\"}]}}");
	make_as(&eve, "eserver", NOVA "/servers",
		"{\"server\":{\"name\":\"e\",\"flavorRef\":\"$flavor\",\"imageRef\":\"$eimage\","
		"\"networks\":[{\"uuid\":\"$enet\"}]}}");
	make_as(&demo, "dkey", NOVA "/os-keypairs", "{\"keypair\":{\"name\":\"demos\"}}");
	learn(&cloud, &project_resource, "admin", "theproject");
	learn(&cloud, &user_resource, "admin", "theadmin");
	return 0;
}

static int teardown(void **state)
{
	cloud_close(&cloud);
	return 0;
}

/* A request's status, and its answer with every $id in it replaced. */
static unsigned int answer(const char *method, const char *path, const char *body, const char *id,
			   char out[2000])
{
	auto_of(json_decref) json_t *reply = NULL;
	auto_free char *text = NULL;
	unsigned int status;
	char *to = out;

	json_object_set_new(cloud.ids, "id", json_string(id));
	status = ask(&cloud, &eve, method, path, body, &reply);
	text = reply ? json_dumps(reply, JSON_COMPACT) : strdup("");
	for (const char *from = text; *from && to < out + 1900;)
		if (!strncmp(from, id, strlen(id))) {
			*to++ = '#';
			from += strlen(id);
		} else {
			*to++ = *from++;
		}
	*to = '\0';
	return status;
}

#define SERVER(m)                                                                                  \
	"{\"server\":{\"name\":\"x\",\"flavorRef\":\"$flavor\",\"imageRef\":\"$eimage\"," m "}}"
#define ON_NET "\"networks\":[{\"uuid\":\"$enet\"}]"

static const struct {
	const char *of; /* whose id $id is */
	const char *method, *path, *body;
} doors[] = {
	{ "dnet", "GET", NET "/networks/$id" },
	{ "dnet", "PUT", NET "/networks/$id", "{\"network\":{\"name\":\"x\"}}" },
	{ "dnet", "DELETE", NET "/networks/$id" },
	{ "dnet", "GET", NET "/networks/$id/tags" },
	{ "dnet", "PUT", NET "/networks/$id/tags/x" },
	{ "dnet", "DELETE", NET "/networks/$id/tags" },
	{ "dsub", "GET", NET "/subnets/$id" },
	{ "dsub", "DELETE", NET "/subnets/$id" },
	{ "dport", "GET", NET "/ports/$id" },
	{ "dport", "PUT", NET "/ports/$id", "{\"port\":{\"name\":\"x\"}}" },
	{ "dport", "DELETE", NET "/ports/$id" },
	{ "dgroup", "GET", NET "/security-groups/$id" },
	{ "dgroup", "DELETE", NET "/security-groups/$id" },
	{ "dtap", "GET", NET "/taas/tap_services/$id" },
	{ "dnet", "POST", NET "/ports", "{\"port\":{\"network_id\":\"$id\"}}" },
	{ "dnet", "POST", NET "/subnets",
	  "{\"subnet\":{\"network_id\":\"$id\",\"ip_version\":4,\"cidr\":\"10.9.0.0/24\"}}" },
	{ "dsub", "POST", NET "/ports",
	  "{\"port\":{\"network_id\":\"$enet\",\"fixed_ips\":[{\"subnet_id\":\"$id\"}]}}" },
	{ "dgroup", "POST", NET "/ports",
	  "{\"port\":{\"network_id\":\"$enet\",\"security_groups\":[\"$id\"]}}" },
	{ "dgroup", "PUT", NET "/ports/$eport", "{\"port\":{\"security_groups\":[\"$id\"]}}" },
	{ "dgroup", "POST", NET "/security-group-rules",
	  "{\"security_group_rule\":{\"security_group_id\":\"$id\",\"direction\":\"ingress\"}}" },
	{ "dgroup", "POST", NET "/security-group-rules",
	  "{\"security_group_rule\":{\"security_group_id\":\"$egroup\",\"direction\":\"ingress\","
	  "\"remote_group_id\":\"$id\"}}" },
	{ "dport", "POST", NET "/taas/tap_services", "{\"tap_service\":{\"port_id\":\"$id\"}}" },
	{ "dguest", "POST", NET "/taas/tap_services", "{\"tap_service\":{\"port_id\":\"$id\"}}" },
	{ "dguest", "POST", NET "/taas/tap_flows",
	  "{\"tap_flow\":{\"tap_service_id\":\"$etap\",\"source_port\":\"$id\","
	  "\"direction\":\"BOTH\"}}" },
	{ "dtap", "POST", NET "/taas/tap_flows",
	  "{\"tap_flow\":{\"tap_service_id\":\"$id\",\"source_port\":\"$eport\","
	  "\"direction\":\"BOTH\"}}" },
	{ "dguest", "POST", NET "/taas/tap_mirrors",
	  "{\"tap_mirror\":{\"port_id\":\"$id\",\"directions\":{\"IN\":1},"
	  "\"remote_ip\":\"192.0.2.1\",\"mirror_type\":\"gre\"}}" },
	{ "theproject", "GET", NET "/quotas/$id" },
	{ "theproject", "GET", NET "/quotas/$id/details" },
	{ "theproject", "GET", NOVA "/os-quota-sets/$id" },
	{ "theproject", "GET", NOVA "/os-quota-sets/$id/detail" },
	{ "dserver", "GET", NOVA "/servers/$id" },
	{ "dserver", "PUT", NOVA "/servers/$id", "{\"server\":{\"name\":\"x\"}}" },
	{ "dserver", "DELETE", NOVA "/servers/$id" },
	{ "dserver", "POST", NOVA "/servers/$id/action", "{\"os-stop\":null}" },
	{ "dserver", "POST", NOVA "/servers/$id/action", "{\"os-getConsoleOutput\":{}}" },
	{ "dserver", "GET", NOVA "/servers/$id/metadata" },
	{ "dserver", "PUT", NOVA "/servers/$id/metadata/k", "{\"meta\":{\"k\":\"v\"}}" },
	{ "dserver", "GET", NOVA "/servers/$id/os-interface" },
	{ "dserver", "GET", NOVA "/servers/$id/os-instance-actions" },
	{ "dserver", "GET", NOVA "/servers/$id/ips" },
	{ "dport", "GET", NOVA "/servers/$eserver/os-interface/$id" },
	{ "dflavor", "GET", NOVA "/flavors/$id" },
	{ "dflavor", "GET", NOVA "/flavors/$id/os-extra_specs" },
	{ "dflavor", "POST", NOVA "/servers",
	  "{\"server\":{\"name\":\"x\",\"flavorRef\":\"$id\",\"imageRef\":\"$eimage\"," ON_NET
	  "}}" },
	{ "dimage", "POST", NOVA "/servers",
	  "{\"server\":{\"name\":\"x\",\"flavorRef\":\"$flavor\",\"imageRef\":\"$id\"," ON_NET
	  "}}" },
	{ "dnet", "POST", NOVA "/servers", SERVER("\"networks\":[{\"uuid\":\"$id\"}]") },
	{ "dport", "POST", NOVA "/servers", SERVER("\"networks\":[{\"port\":\"$id\"}]") },
	{ "dguest", "POST", NOVA "/servers", SERVER("\"networks\":[{\"port\":\"$id\"}]") },
	{ "dgroup", "POST", NOVA "/servers",
	  SERVER(ON_NET ",\"security_groups\":[{\"name\":\"$id\"}]") },
	{ "dkey", "POST", NOVA "/servers", SERVER(ON_NET ",\"key_name\":\"$id\"") },
	{ "dkey", "GET", NOVA "/os-keypairs/$id" },
	{ "dkey", "DELETE", NOVA "/os-keypairs/$id" },
	{ "dimage", "GET", IMAGE "/$id" },
	{ "dimage", "GET", IMAGE "/$id/file" },
	{ "dimage", "DELETE", IMAGE "/$id" },
	{ "dimage", "PATCH", IMAGE "/$id",
	  "[{\"op\":\"replace\",\"path\":\"/name\",\"value\":\"x\"}]" },
	{ "dimage", "PUT", IMAGE "/$id/tags/x" },
	{ "dimage", "GET", IMAGE "/$id/members" },
	{ "dimage", "POST", IMAGE "/$id/members", "{\"member\":\"pe\"}" },
	{ "theproject", "GET", "/identity/v3/projects/$id" },
	{ "theadmin", "GET", "/identity/v3/users/$id" },
	{ "theadmin", "GET", "/identity/v3/users/$id/projects" },
};

static void anothers_id_answers_as_one_that_is_not_there(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
		auto_free char *id = NULL;
		char name[40], theirs[2000], nobodys[2000];
		unsigned int a, b;

		snprintf(name, sizeof(name), "$%s", doors[i].of);
		id = strcmp(doors[i].of, "dkey") ? expand(&cloud, name) : strdup("demos");
		a = answer(doors[i].method, doors[i].path, doors[i].body, id, theirs);
		b = answer(doors[i].method, doors[i].path, doors[i].body, NOBODYS, nobodys);
		if (a < 400 || a != b || strcmp(theirs, nobodys))
			fail_msg("%s %s %s of %s: %u %s; of nobody: %u %s", doors[i].method,
				 doors[i].path, doors[i].body ? doors[i].body : "", doors[i].of, a,
				 theirs, b, nobodys);
	}
}

/* The same doors are open to the owner: what was refused was the id. */
static void ones_own_id_opens_the_door(void **state)
{
	static const struct {
		const char *method, *path, *body;
		unsigned int status;
	} own[] = {
		{ "GET", NET "/ports/$eport", NULL, 200 },
		{ "GET", NET "/ports/$dguest", NULL, 200 }, /* on eve's network */
		{ "PUT", NET "/ports/$eport", "{\"port\":{\"security_groups\":[\"$egroup\"]}}",
		  200 },
		{ "POST", NET "/ports",
		  "{\"port\":{\"network_id\":\"$enet\",\"fixed_ips\":[{\"subnet_id\":\"$esub\"}]}}",
		  201 },
		{ "POST", NOVA "/servers", SERVER("\"networks\":[{\"port\":\"$eport\"}]"), 202 },
		{ "POST", NOVA "/servers", SERVER(ON_NET ",\"security_groups\":[{\"name\":\"e\"}]"),
		  202 },
		{ "GET", IMAGE "/$eimage", NULL, 200 },
		{ "GET", NET "/quotas/pe", NULL, 200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		unsigned int got = ask(&cloud, &eve, own[i].method, own[i].path, own[i].body, NULL);

		if (got != own[i].status)
			fail_msg("%s %s: %u", own[i].method, own[i].path, got);
	}
}

/* Names of hosts and how full they are, are an admin's to know. */
static void why_no_host_takes_a_server_is_for_admins(void **state)
{
	auto_of(json_decref) json_t *mine = NULL, *whole = NULL;
	const char *brief = "No valid host was found. There are not enough hosts available.";
	json_t *fault;

	assert_int_equal(ask(&cloud, &eve, "GET", NOVA "/servers/$eserver", NULL, &mine), 200);
	fault = json_object_get(json_object_get(mine, "server"), "fault");
	assert_string_equal(json_string_value(json_object_get(fault, "message")), brief);
	assert_null(json_object_get(fault, "brief"));
	assert_int_equal(ask(&cloud, &cloud_admin, "GET", NOVA "/servers/$eserver", NULL, &whole),
			 200);
	fault = json_object_get(json_object_get(whole, "server"), "fault");
	assert_string_not_equal(json_string_value(json_object_get(fault, "message")), brief);
	assert_null(json_object_get(fault, "brief"));
}

/* Lists have bounds of their own; an object of free members has this one. */
static void a_document_has_its_bounds(void **state)
{
	char *body;

	assert_true(asprintf(&body, "{\"project\":{\"name\":\"%s\",\"x\":\"%0*d\"}}", "big", 270000,
			     0) > 0);
	assert_int_equal(ask(&cloud, &cloud_admin, "POST", "/identity/v3/projects", body, NULL),
			 413);
	free(body);
	assert_true(asprintf(&body, "{\"project\":{\"name\":\"%s\",\"x\":\"%0*d\"}}", "big", 250000,
			     0) > 0);
	assert_int_equal(ask(&cloud, &cloud_admin, "POST", "/identity/v3/projects", body, NULL),
			 201);
	free(body);
}

/* Writes eve's server as no client could: with a member of 300 kB. */
static void grow_server(void)
{
	struct call *c = run_new(cloud.eng, NULL);
	auto_free char *id = expand(&cloud, "$eserver");
	json_t *doc = json_copy((json_t *)res_get(c, &server_resource, id));

	json_object_set_new(doc, "user_data", json_sprintf("%0*d", 300000, 0));
	c->now_us = 1;
	assert_int_equal(res_put(c, &server_resource, doc), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* Adds metadata as eve, in items of so many control characters, until there is no room for more. */
static unsigned int fill_metadata(unsigned int size)
{
	unsigned int status = 200;
	char value[256];

	memset(value, 1, size);
	value[size] = '\0';
	for (int i = 0; status == 200; i++) {
		auto_of(json_decref) json_t *item = NULL;
		auto_free char *body = NULL;
		char key[32];

		snprintf(key, sizeof(key), "%u.%d", size, i);
		item = json_pack("{s:{s:s}}", "metadata", key, value);
		body = json_dumps(item, 0);
		status = ask(&cloud, &eve, "POST", NOVA "/servers/$eserver/metadata", body, NULL);
	}
	return status;
}

/* Boots with metadata of 200 kB, and so many bytes of user data. */
static unsigned int boot_large(int user_data)
{
	auto_of(json_decref) json_t *server = NULL;
	auto_free char *body = NULL;
	json_t *metadata = json_object();
	char value[256], key[16];

	memset(value, 1, 255);
	value[255] = '\0';
	for (int i = 0; i < 128; i++) {
		snprintf(key, sizeof(key), "%d", i);
		json_object_set_new(metadata, key, json_string(value));
	}
	server =
		json_pack("{s:{s:s,s:s,s:s,s:[{s:s}],s:o,s:o}}", "server", "name", "l", "flavorRef",
			  "$flavor", "imageRef", "$eimage", "networks", "uuid", "$enet", "metadata",
			  metadata, "user_data", json_sprintf("%0*d", user_data, 0));
	body = json_dumps(server, 0);
	return ask(&cloud, &eve, "POST", NOVA "/servers", body, NULL);
}

/* What its user wrote keeps nobody from stopping a server, and nothing from going. */
static void a_full_server_obeys_and_goes(void **state)
{
	static const char *const steps[] = { "{\"lock\":null}", "{\"unlock\":null}" };

	assert_int_equal(ask(&cloud, &cloud_admin, "PUT", NOVA "/os-quota-sets/pe",
			     "{\"quota_set\":{\"metadata_items\":-1}}", NULL),
			 200);
	assert_int_equal(boot_large(16000), 202);
	assert_int_equal(boot_large(40000), 413);
	assert_int_equal(fill_metadata(255), 413);
	assert_int_equal(fill_metadata(1), 413);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(
			ask(&cloud, &eve, "POST", NOVA "/servers/$eserver/action", steps[i], NULL),
			202);
	grow_server();
	assert_int_equal(ask(&cloud, &eve, "POST", NOVA "/servers/$eserver/action", steps[0], NULL),
			 413);
	assert_int_equal(
		ask(&cloud, &eve, "DELETE", NOVA "/servers/$eserver/metadata/1.0", NULL, NULL),
		204);
	assert_int_equal(ask(&cloud, &eve, "DELETE", NOVA "/servers/$eserver", NULL, NULL), 204);
}

/* A port is three keys; a request is one transaction. */
static void fifty_ports_are_one_request(void **state)
{
	auto_of(json_decref) json_t *reply = NULL;
	char body[8000] = "{\"ports\":[";

	for (int i = 0; i < 50; i++)
		strcat(body, i ? ",{\"network_id\":\"$enet\"}" : "{\"network_id\":\"$enet\"}");
	strcat(body, "]}");
	assert_int_equal(ask(&cloud, &eve, "POST", NET "/ports", body, &reply), 201);
	assert_int_equal(json_array_size(json_object_get(reply, "ports")), 50);
}

static void quotas_have_defaults_that_the_operator_sets(void **state)
{
	auto_of(json_decref) json_t *reply = NULL;
	json_t *quota;

	assert_int_equal(ask(&cloud, &eve, "GET", NET "/quotas/pe", NULL, &reply), 200);
	quota = json_object_get(reply, "quota");
	assert_int_equal(json_integer_value(json_object_get(quota, "network")), 100);
	assert_int_equal(json_integer_value(json_object_get(quota, "port")), 500);
	assert_int_equal(json_integer_value(json_object_get(quota, "subnet")), 2);
	make_as(&eve, "e2sub", NET "/subnets",
		"{\"subnet\":{\"network_id\":\"$enet\",\"ip_version\":4,\"cidr\":\"10.4.0.0/"
		"24\"}}");
	assert_int_equal(ask(&cloud, &eve, "POST", NET "/subnets",
			     "{\"subnet\":{\"network_id\":\"$enet\",\"ip_version\":4,"
			     "\"cidr\":\"10.5.0.0/24\"}}",
			     NULL),
			 409);
	make_as(&eve, "e2tap", NET "/taas/tap_services",
		"{\"tap_service\":{\"port_id\":\"$eport\"}}");
	assert_int_equal(ask(&cloud, &eve, "POST", NET "/taas/tap_services",
			     "{\"tap_service\":{\"port_id\":\"$eport\"}}", NULL),
			 409);
}

static void a_hint_of_a_group_is_not_taken_and_then_forgotten(void **state)
{
	char why[2000];

	assert_int_equal(answer("POST", NOVA "/servers",
				"{\"server\":{\"name\":\"x\",\"flavorRef\":\"$flavor\","
				"\"imageRef\":\"$eimage\"," ON_NET "},"
				"\"os:scheduler_hints\":{\"group\":\"$id\"}}",
				NOBODYS, why),
			 400);
	assert_non_null(strstr(why, "Instance group # could not be found."));
}

/* ---- filters ---- */

static size_t count(const struct auth *who, const char *path, const char *many,
		    unsigned int *status)
{
	auto_of(json_decref) json_t *reply = NULL;

	*status = ask(&cloud, who, "GET", path, NULL, &reply);
	return json_array_size(json_object_get(reply, many));
}

static void what_one_may_not_see_is_no_filter(void **state)
{
	static const char *const hidden[][2] = {
		{ "networks", "provider:segmentation_id=101" },
		{ "networks", "provider:physical_network=physnet1" },
		{ "networks", "sort_key=provider:segmentation_id&sort_dir=asc" },
		{ "ports", "binding:host_id=h1" },
		{ "ports", "binding:host_id=" },
		{ "ports", "sort_key=binding:host_id&sort_dir=asc" },
	};
	char path[200];
	unsigned int status;

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
		snprintf(path, sizeof(path), NET "/%s?%s", hidden[i][0], hidden[i][1]);
		count(&eve, path, hidden[i][0], &status);
		if (status != 400)
			fail_msg("%s: %u", path, status);
		count(&cloud_admin, path, hidden[i][0], &status);
		if (status != 200)
			fail_msg("%s of an admin: %u", path, status);
	}
	assert_int_equal(count(&cloud_admin, NET "/networks?provider:physical_network=physnet1",
			       "networks", &status),
			 3);
}

static void fields_name_nothing_hidden(void **state)
{
	auto_of(json_decref) json_t *reply = NULL;

	assert_int_equal(ask(&cloud, &eve, "GET",
			     NET "/networks/$shared?fields=provider:segmentation_id&fields=name",
			     NULL, &reply),
			 200);
	assert_int_equal(json_object_size(json_object_get(reply, "network")), 1);
}

static void keypairs_of_others_are_admins_to_list(void **state)
{
	unsigned int status;

	/* user_id counts from 2.10 on; without a request there is no version, so it is 2.1 */
	assert_int_equal(count(&eve, NOVA "/os-keypairs", "keypairs", &status), 0);
	assert_int_equal(count(&demo, NOVA "/os-keypairs", "keypairs", &status), 1);
	assert_int_equal(ask(&cloud, &eve, "POST", NOVA "/os-keypairs",
			     "{\"keypair\":{\"name\":\"x\",\"user_id\":\"dem\"}}", NULL),
			 400);
}

/* ---- a shared network ---- */

static void on_a_shared_network_a_member_chooses_nothing_of_others(void **state)
{
	static const char *const chosen[] = {
		"\"fixed_ips\":[{\"ip_address\":\"10.3.0.77\"}]",
		"\"fixed_ips\":[{\"subnet_id\":\"$sharedsub\"}]",
		"\"mac_address\":\"fa:16:3e:00:00:77\"",
		"\"port_security_enabled\":false",
		"\"allowed_address_pairs\":[{\"ip_address\":\"10.3.0.1\"}]",
	};
	char body[300];

	make_as(&eve, "mine", NET "/ports", "{\"port\":{\"network_id\":\"$shared\"}}");
	for (size_t i = 0; i < ARRAY_LEN(chosen); i++) {
		snprintf(body, sizeof(body), "{\"port\":{\"network_id\":\"$shared\",%s}}",
			 chosen[i]);
		if (ask(&cloud, &eve, "POST", NET "/ports", body, NULL) != 403)
			fail_msg("a member may create: %s", chosen[i]);
		snprintf(body, sizeof(body), "{\"port\":{%s}}", chosen[i]);
		if (ask(&cloud, &eve, "PUT", NET "/ports/$mine", body, NULL) != 403)
			fail_msg("a member may update: %s", chosen[i]);
	}
	assert_int_equal(ask(&cloud, &eve, "POST", NET "/ports",
			     "{\"port\":{\"network_id\":\"$enet\",\"security_groups\":[],"
			     "\"port_security_enabled\":false}}",
			     NULL),
			 201);
}

/* A server of a project leaves the lists at a time. */
static void delete_at(int64_t now_us, const char *project)
{
	struct call *c = run_new(cloud.eng, NULL);
	char id[UUID_STR_LEN];

	uuid_new(id);
	auto_of(json_decref) json_t *server =
		json_pack("{s:s,s:s}", "id", id, "project_id", project);
	c->now_us = now_us;
	assert_int_equal(deleted_keep(c, server), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

/* How many of a project are remembered after a sweep at a time. */
static unsigned int swept_at(int64_t now_us, const char *project)
{
	struct call *c = run_new(cloud.eng, NULL);
	unsigned int n;

	c->now_us = now_us;
	assert_int_equal(deleted_sweep(c), 0);
	assert_int_equal(group_take(c), 0);
	n = res_count(c, &deleted_server_resource, "project_id", project);
	call_free(c);
	return n;
}

/* A hundred a project, each for thirty days; a sweep takes as many as a transaction has room for. */
static void deleted_servers_are_forgotten_by_project_and_age(void **state)
{
	const int64_t day = 86400 * 1000000ll;

	for (unsigned int i = 0; i < 101; i++)
		delete_at(i ? 2 : 1, "p1");
	delete_at(1, "p2");
	delete_at(day, "p2");
	assert_int_equal(swept_at(30 * day + 1, "p1"), 100);
	assert_int_equal(swept_at(30 * day + 2, "p2"), 1); /* p1 had its own oldest go */
	assert_int_equal(swept_at(30 * day + 3, "p1"), 100 - 64);
	assert_int_equal(swept_at(30 * day + 3, "p1"), 0);
	assert_int_equal(swept_at(31 * day, "p2"), 1);
	assert_int_equal(swept_at(31 * day + 1, "p2"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anothers_id_answers_as_one_that_is_not_there),
		cmocka_unit_test(ones_own_id_opens_the_door),
		cmocka_unit_test(why_no_host_takes_a_server_is_for_admins),
		cmocka_unit_test(a_document_has_its_bounds),
		cmocka_unit_test(fifty_ports_are_one_request),
		cmocka_unit_test(quotas_have_defaults_that_the_operator_sets),
		cmocka_unit_test(a_hint_of_a_group_is_not_taken_and_then_forgotten),
		cmocka_unit_test(what_one_may_not_see_is_no_filter),
		cmocka_unit_test(fields_name_nothing_hidden),
		cmocka_unit_test(keypairs_of_others_are_admins_to_list),
		cmocka_unit_test(on_a_shared_network_a_member_chooses_nothing_of_others),
		cmocka_unit_test(a_full_server_obeys_and_goes),
		cmocka_unit_test(deleted_servers_are_forgotten_by_project_and_age),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
