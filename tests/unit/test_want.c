/* SPDX-License-Identifier: Apache-2.0 */
/* The API's documents as the agent reads them. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/server/server.h"
#include "agent/kinds/tap/tap.h"
#include "want_docs.h"

static struct vf_config config; /* of the port that was read last */

static int port_parse(const json_t *doc, struct want_port *out, struct err *e)
{
	return want_port_parse(doc, out, &config, e);
}

static void want_parse_reads_the_documented_members(void **state)
{
	auto_of(json_decref) json_t *sd = doc_of(server_doc), *pd = doc_of(port_doc),
				    *nd = doc_of(net_doc);
	struct want_server s;
	struct want_port p;
	struct want_net n;

	assert_int_equal(want_server_parse(sd, &s, NULL), 0);
	assert_int_equal(s.generation, 3);
	assert_true(s.power == WANT_ON && !s.deleted);
	assert_string_equal(s.image.kernel.id, IMAGE_ID);
	assert_null(s.image.ramdisk.id);
	assert_string_equal(s.image.cmdline, "quiet");
	assert_int_equal(s.n_ports, 1);
	assert_int_equal(port_parse(pd, &p, NULL), 0);
	assert_int_equal(p.vf, 3);
	assert_true(config.trunk.set && config.spoofchk);
	assert_int_equal(config.mtu, 1450);
	assert_string_equal(config.port_id, PORT_ID);
	assert_int_equal(p.n_ips, 2);
	assert_int_equal(want_net_parse(nd, &n, NULL), 0);
	assert_int_equal(n.vlan, 120);
	assert_true(n.dhcp && n.subnets[0].dhcp);
	assert_int_equal(n.n_subnets, 2);
	want_doc_put(&s.doc);
	want_piece_put(&p.piece);
	want_doc_put(&n.doc);
	assert_null(s.doc);
}

/* One that goes away leaves the port as it is, and a copy of that another one. */
static void what_a_port_points_to_outlives_its_document(void **state)
{
	json_t *doc = doc_of(port_doc);
	struct want_port p, copy;
	char ip[IP_STR_LEN];

	assert_int_equal(port_parse(doc, &p, NULL), 0);
	json_decref(doc);
	copy = p;
	want_piece_ref(copy.piece);
	want_piece_put(&p.piece);
	assert_null(p.piece);
	assert_string_equal(copy.id, PORT_ID);
	assert_string_equal(copy.network, NET_ID);
	assert_string_equal(copy.server, SERVER_ID);
	assert_string_equal(copy.pf, "p2p1");
	assert_string_equal(copy.pci_slot, "0000:05:10.6");
	assert_string_equal(copy.ips[0].subnet, SUBNET_ID);
	assert_string_equal(ip_format(&copy.ips[1].address, ip), "2001:db8::11");
	assert_string_equal(copy.ips[1].subnet, SUBNET6_ID);
	assert_true(mac_equal(&copy.mac, &(struct mac){ { 0xfa, 0x16, 0x3e, 0, 0, 0x11 } }));
	assert_int_equal(copy.mtu, 1450);
	assert_int_equal(copy.link, VF_LINK_AUTO);
	want_piece_put(&copy.piece);
	want_piece_put(&copy.piece); /* of one that has none any more */
}

/* Sets members of a document and expects the parse to fail and to leave @out alone. */
#define REFUSES(parse, type, text, ...)                                                            \
	do {                                                                                       \
		auto_of(json_decref) json_t *doc_ = doc_of(text), *more_ = json_pack(__VA_ARGS__); \
		struct type out_, was_;                                                            \
		struct err e_ = { 0 };                                                             \
		assert_non_null(more_);                                                            \
		json_object_update(doc_, more_);                                                   \
		memset(&was_, 0xa5, sizeof(was_));                                                 \
		memset(&out_, 0xa5, sizeof(out_));                                                 \
		assert_true(parse(doc_, &out_, &e_) < 0);                                          \
		assert_true(*e_.msg);                                                              \
		assert_memory_equal(&out_, &was_, sizeof(out_));                                   \
	} while (0)

static void want_parse_lets_no_path_or_nonsense_in(void **state)
{
	REFUSES(want_server_parse, want_server, server_doc, "{s:s}", "id", "../../etc");
	REFUSES(want_server_parse, want_server, server_doc, "{s:i}", "vcpus", 0);
	REFUSES(want_server_parse, want_server, server_doc, "{s:i}", "disk", -1);
	REFUSES(want_server_parse, want_server, server_doc, "{s:{s:s}}", "before", "disk", "../x");
	REFUSES(want_server_parse, want_server, server_doc, "{s:i}", "rescue", 1); /* by no image */
	REFUSES(want_server_parse, want_server, server_doc, "{s:s}", "memory_mb", "many");
	REFUSES(want_server_parse, want_server, server_doc, "{s:[s]}", "ports", "x/y");
	REFUSES(want_server_parse, want_server, server_doc, "{s:[i]}", "ports", 7);
	REFUSES(want_server_parse, want_server, server_doc, "{s:n}", "image");
	REFUSES(want_server_parse, want_server, server_doc, "{s:{s:s,s:s}}", "image", "id", "/x",
		"disk_format", "raw");
	REFUSES(want_server_parse, want_server, server_doc, "{s:{s:s,s:s,s:s}}", "image", "id",
		IMAGE_ID, "disk_format", "raw", "os_hash_value", "../../../etc/passwd");
	REFUSES(want_server_parse, want_server, server_doc, "{s:{s:s,s:s,s:s}}", "image", "id",
		IMAGE_ID, "disk_format", "raw", "kernel_hash", "/");
	REFUSES(port_parse, want_port, port_doc, "{s:i}", "vf", 256);
	REFUSES(port_parse, want_port, port_doc, "{s:i}", "vf", -1);
	REFUSES(port_parse, want_port, port_doc, "{s:s}", "mac", "no");
	REFUSES(port_parse, want_port, port_doc, "{s:s}", "network", "..");
	REFUSES(port_parse, want_port, port_doc, "{s:[{s:s}]}", "fixed_ips", "ip_address", "x");
	REFUSES(want_net_parse, want_net, net_doc, "{s:i}", "vlan", 4095);
	REFUSES(want_net_parse, want_net, net_doc, "{s:s}", "pf", "a-name-that-is-too-long");
	REFUSES(want_net_parse, want_net, net_doc, "{s:{s:s}}", "dhcp", "mac", "x");
	REFUSES(want_net_parse, want_net, net_doc, "{s:[{s:s,s:s}]}", "subnets", "id", SUBNET_ID,
		"cidr", "10.0.0.0/99");
}

static void want_tap_parse_tells_flows_from_mirrors(void **state)
{
	auto_of(json_decref) json_t *fd = doc_of(flow_doc), *md = doc_of(mirror_doc);
	struct want_tap t;

	assert_int_equal(want_tap_parse(fd, &t, NULL), 0);
	assert_int_equal(t.generation, 7);
	assert_string_equal(t.source, PORT_ID);
	assert_string_equal(t.port, NET_ID);
	assert_true(t.vlans.set && vlan_set_has(&t.vlans, 22) && !vlan_set_has(&t.vlans, 23));
	assert_true(t.legs[MIRROR_BOTH].wanted && t.legs[MIRROR_BOTH].dir == MIRROR_OUT);
	assert_int_equal(t.to, MIRROR_TO_VF);
	want_doc_put(&t.doc);
	assert_int_equal(want_tap_parse(md, &t, NULL), 0);
	assert_null(t.port);
	assert_false(t.vlans.set || t.legs[MIRROR_OUT].wanted);
	assert_int_equal(t.legs[MIRROR_IN].id, 101);
	assert_int_equal(t.to, MIRROR_TO_GRE);
	want_doc_put(&t.doc);
	REFUSES(want_tap_parse, want_tap, flow_doc, "{s:s}", "direction", "in");
	REFUSES(want_tap_parse, want_tap, flow_doc, "{s:n}", "direction");
	REFUSES(want_tap_parse, want_tap, flow_doc, "{s:s}", "vlan_filter", "22-18");
	REFUSES(want_tap_parse, want_tap, flow_doc, "{s:s}", "source_port", "../x");
	REFUSES(want_tap_parse, want_tap, flow_doc, "{s:i}", "port", 5);
	REFUSES(want_tap_parse, want_tap, mirror_doc, "{s:n}", "source_port");
	REFUSES(want_tap_parse, want_tap, mirror_doc, "{s:s}", "mirror_type", "vxlan");
	REFUSES(want_tap_parse, want_tap, mirror_doc, "{s:{s:i}}", "directions", "IN", -1);
	REFUSES(want_tap_parse, want_tap, mirror_doc, "{s:{}}", "directions");
}

/* The host's own configuration has the last word, whatever the API says. */
static void want_tap_judge_lets_frames_go_to_allowed_hosts_alone(void **state)
{
	static const struct {
		const char *listed, *change, *remote, *why;
	} cases[] = {
		{ "10.0.0.0/24", "{s:s}", "10.0.0.9", "" },
		{ "10.0.1.0/24", "{s:s}", "10.0.0.9", "does not allow 10.0.0.9" },
		{ "", "{s:s}", "10.0.0.9", "does not allow 10.0.0.9" },
		{ "", "{s:s,s:b}", "10.0.0.9", "" },
		{ "0.0.0.0/0", "{s:s,s:b}", "127.0.0.1", "a loopback address" },
		{ "", "{s:s}", "nonsense", "not a valid IP address" },
	};
	struct want_tap t;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_of(json_decref) json_t *doc = doc_of(mirror_doc);
		struct collectors listed;

		json_object_update_new(doc, json_pack(cases[i].change, "remote_ip", cases[i].remote,
						      "by_admin", 1));
		assert_int_equal(collectors_parse(cases[i].listed, &listed, NULL), 0);
		assert_int_equal(want_tap_parse(doc, &t, NULL), 0);
		want_tap_judge(&t, &listed);
		if (!*cases[i].why)
			assert_string_equal(t.refused, "");
		else if (!strstr(t.refused, cases[i].why))
			fail_msg("%zu: \"%s\"", i, t.refused);
		want_doc_put(&t.doc);
	}
}

static void want_server_parse_needs_no_image_to_delete(void **state)
{
	auto_of(json_decref) json_t *doc = doc_of(server_doc);
	struct want_server s;

	json_object_set_new(doc, "deleted", json_true());
	json_object_set_new(doc, "image", json_null());
	assert_int_equal(want_server_parse(doc, &s, NULL), 0);
	assert_true(s.deleted);
	want_doc_put(&s.doc);
}

/* Return: whether the agent takes the document of an API. */
static bool is_taken(const char *kind, json_t *doc)
{
	struct want_server s = { 0 };
	struct want_port p = { 0 };
	struct want_net n = { 0 };
	struct want_tap t = { 0 };
	int rc = !strcmp(kind, "server")     ? want_server_parse(doc, &s, NULL)
		 : !strcmp(kind, "port")     ? port_parse(doc, &p, NULL)
		 : !strcmp(kind, "network")  ? want_net_parse(doc, &n, NULL)
		 : !strncmp(kind, "tap_", 4) ? want_tap_parse(doc, &t, NULL)
					     : 0;

	want_doc_put(&s.doc);
	want_piece_put(&p.piece);
	want_doc_put(&n.doc);
	want_doc_put(&t.doc);
	return !rc;
}

/* Also with a member of a version to come. */
static void documents_of_a_former_api_are_understood(void **state)
{
	const char *src = getenv("ANYVF_SRC"), *kind, *id;
	auto_of(json_decref) json_t *file = NULL;
	json_t *reply, *of_kind, *doc;
	unsigned int n = 0;
	char path[400];
	size_t i;

	snprintf(path, sizeof(path), "%s/tests/recorded/api.json", src ? src : ".");
	file = json_load_file(path, 0, NULL);
	json_array_foreach (json_object_get(file, "replies"), i, reply)
		json_object_foreach (json_object_get(reply, "answer"), kind, of_kind)
			json_object_foreach (of_kind, id, doc) {
				if (!json_is_object(doc))
					continue;
				n++;
				assert_true(is_taken(kind, doc));
				json_object_set_new(doc, "to_come", json_pack("[i]", 1));
				assert_true(is_taken(kind, doc));
			}
	assert_int_equal(n, 8); /* two ports, and one of each other kind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(want_parse_reads_the_documented_members),
		cmocka_unit_test(what_a_port_points_to_outlives_its_document),
		cmocka_unit_test(want_parse_lets_no_path_or_nonsense_in),
		cmocka_unit_test(want_tap_parse_tells_flows_from_mirrors),
		cmocka_unit_test(want_tap_judge_lets_frames_go_to_allowed_hosts_alone),
		cmocka_unit_test(want_server_parse_needs_no_image_to_delete),
		cmocka_unit_test(documents_of_a_former_api_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
