/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about a cloud without some of its features: this program is linked without security groups,
 * Tap as a Service, tags, quotas and Neutron's agents, so nothing else can know them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/wishes.h"
#include "identity/identity.h"
#include "image/image.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

/* A guest of this test alone: it adds a word to what hosts are told of ports. */
static int add_word(struct call *c, const char *host, const char *id, json_t *wish)
{
	return json_object_set_new(wish, "word", json_string(host)) ? -ENOMEM : 0;
}

static const struct wish_part parts[] = { { "port", add_word }, { NULL } };
static const struct host_feature word_hosts = { .parts = parts };
static const struct feature word_feature = { .name = "word", .service = &network_service,
					     .hosts = &word_hosts };

static const struct feature *const few[] = { &identity_feature, &image_feature, &network_feature,
					     &binding_feature,	&compute_feature, &agents_feature,
					     &word_feature,	NULL };
#define CLOUD_FEATURES few
#include "api_cloud.h"

#define NET  "/network/v2.0"
#define NOVA "/compute/v2.1"

static struct cloud cloud;
static const struct auth agent = { "u9", "anyvf-agent-h1", "default", SCOPE_PROJECT,
				   "p9", "",		   ROLE_AGENT };

static int setup(void **state)
{
	struct call *c;

	cloud_open(&cloud, "[network]\nflat_networks = *\n");
	assert_int_equal(
		ask(&cloud, &agent, "PUT", "/anyvf/v1/hosts/h1",
		    "{\"vcpus\":4,\"memory_mb\":4096,\"pfs\":[{\"name\":\"p1\",\"numvfs\":4,"
		    "\"physical_networks\":[\"physnet1\"]}]}",
		    NULL),
		200);
	c = run_new(cloud.eng, NULL);
	c->service = image_feature.service;
	assert_int_equal(res_create(c, &image_resource,
				    json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "id",
					      "11111111-1111-4111-8111-111111111111", "name", "i",
					      "owner", "p0", "status", "active", "disk_format",
					      "raw", "container_format", "bare", "size", 1),
				    NULL),
			 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	make(&cloud, "net", NET "/networks",
	     "{\"network\":{\"name\":\"n\",\"provider:network_type\":\"flat\","
	     "\"provider:physical_network\":\"physnet1\"}}");
	make(&cloud, "subnet", NET "/subnets",
	     "{\"subnet\":{\"network_id\":\"$net\",\"ip_version\":4,\"cidr\":\"10.0.0.0/24\"}}");
	make(&cloud, "port", NET "/ports", "{\"port\":{\"network_id\":\"$net\"}}");
	return 0;
}

static int teardown(void **state)
{
	cloud_close(&cloud);
	return 0;
}

static unsigned int boot(const char *group, json_t **reply)
{
	char body[400];

	snprintf(body, sizeof(body),
		 "{\"server\":{\"name\":\"s\",\"flavorRef\":\"$flavor\",\"imageRef\":"
		 "\"11111111-1111-4111-8111-111111111111\",\"networks\":[{\"port\":\"$port\"}],"
		 "\"security_groups\":[{\"name\":\"%s\"}]}}",
		 group);
	return ask(&cloud, &cloud_admin, "POST", NOVA "/servers", body, reply);
}

static void servers_run_without_what_is_left_out(void **state)
{
	auto_of(json_decref) json_t *flavor = NULL, *server = NULL, *told = NULL;
	const json_t *port, *wish;

	assert_int_equal(ask(&cloud, &cloud_admin, "POST", NOVA "/flavors",
			     "{\"flavor\":{\"name\":\"f\",\"ram\":1,\"disk\":1,\"vcpus\":1}}",
			     &flavor),
			 200);
	json_object_set(cloud.ids, "flavor",
			json_object_get(json_object_get(flavor, "flavor"), "id"));
	assert_int_equal(boot("none of ours", NULL), 400);
	assert_int_equal(boot("default", &server), 202);
	json_object_set(cloud.ids, "server",
			json_object_get(json_object_get(server, "server"), "id"));
	run_batch(cloud.eng); /* hosts are told what is on disk */
	assert_int_equal(
		ask(&cloud, &agent, "GET", "/anyvf/v1/hosts/h1/desired", NULL, &told), 200);
	port = json_object_iter_value(json_object_iter(json_object_get(told, "port")));
	wish = json_object_iter_value(json_object_iter(json_object_get(told, "server")));
	assert_string_equal(doc_str(port, "server"), doc_str(wish, "id"));
	assert_string_equal(doc_str(port, "word"), "h1");
	assert_int_equal(json_array_size(json_object_get(wish, "ports")), 1);
	assert_int_equal(json_object_size(json_object_get(told, "network")), 1);
	assert_null(json_object_get(told, "tap_flow"));
}

static void what_is_left_out_leaves_no_trace(void **state)
{
	static const char *const gone[] = { NET "/security-groups", NET "/security-group-rules",
					    NET "/taas/tap_flows",  NET "/quotas",
					    NET "/agents",	    NET "/ports/$port/tags",
					    NET "/extensions/taas" };
	auto_of(json_decref) json_t *reply = NULL;
	const json_t *port;

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		assert_int_equal(ask(&cloud, &cloud_admin, "GET", gone[i], NULL, NULL), 404);
	assert_int_equal(ask(&cloud, &cloud_admin, "GET", NET "/ports/$port", NULL, &reply), 200);
	port = json_object_get(reply, "port");
	assert_true(doc_is(port, "binding:vif_type", "vhostuser"));
	assert_null(json_object_get(port, "security_groups"));
	assert_null(json_object_get(port, "tags"));
	assert_int_equal(ask(&cloud, &cloud_admin, "PUT", NET "/ports/$port",
			     "{\"port\":{\"security_groups\":[]}}", NULL),
			 400);
	assert_int_equal(ask(&cloud, &agent, "PUT", "/anyvf/v1/hosts/h1/tap_flow/x",
			     "{\"generation\":1,\"status\":\"ACTIVE\"}", NULL),
			 404);
}

/* A document as the store has it, as a call sees it. */
static json_t *stored(const char *key)
{
	auto_free char *path = expand(&cloud, key);
	struct call *c = run_new(cloud.eng, NULL);
	json_t *doc = json_incref((json_t *)call_get(c, "%s", path));

	call_free(c);
	return doc;
}

static void a_lease_of_an_older_version_keeps_its_server(void **state)
{
	auto_free char *port = expand(&cloud, "$port"), *server = expand(&cloud, "$server");
	auto_of(json_decref) json_t *wish = NULL;
	struct call *c = run_new(cloud.eng, NULL);

	assert_int_equal(call_put(c, json_pack("{s:s}", "port", port), "/vf/h1/p1/0"), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
	assert_int_equal(ask(&cloud, &cloud_admin, "PUT", NET "/ports/$port",
			     "{\"port\":{\"name\":\"renamed\"}}", NULL),
			 200);
	wish = stored("/host/h1/port/$port");
	assert_string_equal(doc_str(wish, "name"), "renamed");
	assert_string_equal(doc_str(wish, "server"), server);
}

static void a_server_that_is_to_be_deleted_stays_so(void **state)
{
	auto_of(json_decref) json_t *wish = NULL;

	assert_int_equal(
		ask(&cloud, &cloud_admin, "DELETE", NOVA "/servers/$server", NULL, NULL), 204);
	assert_int_equal(ask(&cloud, &cloud_admin, "POST", NOVA "/servers/$server/action",
			     "{\"os-resetState\":{\"state\":\"active\"}}", NULL),
			 202);
	assert_int_equal(ask(&cloud, &cloud_admin, "POST", NOVA "/servers/$server/metadata",
			     "{\"metadata\":{\"k\":\"v\"}}", NULL),
			 200);
	wish = stored("/host/h1/server/$server");
	assert_true(doc_bool(wish, "deleted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_run_without_what_is_left_out),
		cmocka_unit_test(what_is_left_out_leaves_no_trace),
		cmocka_unit_test(a_lease_of_an_older_version_keeps_its_server),
		cmocka_unit_test(a_server_that_is_to_be_deleted_stays_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
