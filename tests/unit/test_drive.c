/* SPDX-License-Identifier: Apache-2.0 */
/* What stands on a server's config drive. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/server/drive.h"
#include "agent/kinds/server/server.h"
#include "want_docs.h"

static struct want_server server;
static struct want_port port;
static struct vf_config config; /* of its VF */
static struct want_net net;

static int setup(void **state)
{
	auto_of(json_decref) json_t *sd = doc_of(server_doc), *nd = doc_of(net_doc),
				    *pd = doc_of(port_doc);

	return want_server_parse(sd, &server, NULL) || want_net_parse(nd, &net, NULL) ||
	       want_port_parse(pd, &port, &config, NULL);
}

static int teardown(void **state)
{
	want_doc_put(&server.doc);
	want_doc_put(&net.doc);
	want_piece_put(&port.piece);
	return 0;
}

static void drive_meta_data_is_what_cloud_init_reads(void **state)
{
	auto_of(json_decref) json_t *meta = drive_meta_data(&server);
	auto_of(json_decref) json_t *want =
		doc_of("{'uuid':'" SERVER_ID "','name':'vm <1> & \\'two\\'','hostname':'vm-1--two',"
		       "'project_id':'p1','launch_index':0,'availability_zone':'nova',"
		       "'meta':{'role':'web'},'devices':[],'public_keys':{'k':'ssh-rsa AAAA me'}}");

	assert_true(json_equal(meta, want));
}

static void drive_network_data_names_links_and_networks(void **state)
{
	const struct want_port *ports[] = { &port };
	const struct want_net *nets[] = { &net };
	auto_of(json_decref) json_t *data = NULL;
	auto_of(json_decref) json_t *want = doc_of(
		"{'links':[{'id':'tap" PORT_ID "','type':'phy',"
		"'ethernet_mac_address':'fa:16:3e:00:00:11','mtu':1450,'vif_id':'" PORT_ID "'}],"
		"'networks':[{'id':'network0','link':'tap" PORT_ID "','network_id':'" NET_ID
		"','type':'ipv4','ip_address':'10.20.0.11','prefix_length':24,"
		"'gateway':'10.20.0.1'},{'id':'network1','link':'tap" PORT_ID
		"','network_id':'" NET_ID "','type':'ipv6_dhcp'}],'services':[]}");

	net.subnets[0].dhcp = false;
	data = drive_network_data(ports, 1, nets);
	net.subnets[0].dhcp = true;
	assert_true(json_equal(data, want));
}

static void drive_meta_data_has_files_and_the_password(void **state)
{
	auto_of(json_decref) json_t *files =
		doc_of("[{'path':'/etc/motd','contents':'Zm8='},{'path':'/b','contents':''}]");
	auto_of(json_decref) json_t *want =
		doc_of("[{'content_path':'/content/0000','path':'/etc/motd'},"
		       "{'content_path':'/content/0001','path':'/b'}]");
	struct want_server with = server;
	json_t *meta;

	with.files = files;
	with.admin_pass = "secret";
	meta = drive_meta_data(&with);
	assert_true(json_equal(json_object_get(meta, "files"), want));
	assert_string_equal(json_string_value(json_object_get(meta, "admin_pass")), "secret");
	json_decref(meta);
}

static void drive_user_data_is_decoded(void **state)
{
	static const struct {
		const char *base64, *bytes;
		size_t size;
	} rows[] = {
		{ "", "", 0 },
		{ "Zg==", "f", 1 },
		{ "Zm8=", "fo", 2 },
		{ "Zm9v", "foo", 3 },
		{ "Zm9v\nYg==\n", "foob", 4 },
		{ "AP8A", "\0\xff", 3 },
	};
	size_t size;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *bytes = NULL;

		assert_int_equal(drive_user_data(rows[i].base64, &bytes, &size, NULL), 0);
		assert_int_equal(size, rows[i].size);
		assert_memory_equal(bytes, rows[i].bytes, size);
	}
}

static void drive_user_data_refuses_what_is_not_base64(void **state)
{
	static const char *const bad[] = { "Zm9v!", "Zg==Zg", "#!/bin/sh" };
	size_t size;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *bytes = NULL;

		assert_int_equal(drive_user_data(bad[i], &bytes, &size, NULL), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drive_meta_data_is_what_cloud_init_reads),
		cmocka_unit_test(drive_meta_data_has_files_and_the_password),
		cmocka_unit_test(drive_network_data_names_links_and_networks),
		cmocka_unit_test(drive_user_data_is_decoded),
		cmocka_unit_test(drive_user_data_refuses_what_is_not_base64),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
