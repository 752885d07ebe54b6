/* SPDX-License-Identifier: Apache-2.0 */
/* dnsmasq's configuration and hosts of a network. */
#include "unit.h"

#include <string.h>

#include "agent/kinds/net/dhcp.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "want_docs.h"

static struct want_net net;
static struct want_port port;
static struct vf_config config; /* of its VF */
static struct dhcp_place at;

static int setup(void **state)
{
	auto_of(json_decref) json_t *nd = doc_of(net_doc), *pd = doc_of(port_doc);

	dhcp_place_of("/run/x", NET_ID, &at);
	return want_net_parse(nd, &net, NULL) || want_port_parse(pd, &port, &config, NULL);
}

static int teardown(void **state)
{
	want_doc_put(&net.doc);
	want_piece_put(&port.piece);
	return 0;
}

static void dhcp_conf_serves_known_macs_only_with_all_options(void **state)
{
	static const char want[] =
		"# network " NET_ID ", written by anyvf-agentd\n"
		"# at fa:16:3e:00:00:02 10.20.0.10\n"
		"port=0\ninterface=dhcp-33333333\nexcept-interface=lo\nbind-interfaces\n"
		"no-hosts\nno-resolv\ndhcp-authoritative\ndhcp-ignore=tag:!known\n"
		"pid-file=/run/x/dhcp/" NET_ID "/pid\n"
		"dhcp-leasefile=/run/x/dhcp/" NET_ID "/leases\n"
		"dhcp-hostsfile=/run/x/dhcp/" NET_ID "/hosts\n"
		"log-dhcp\nlog-facility=/run/x/dhcp/" NET_ID "/log\n"
		"dhcp-range=set:s0,10.20.0.0,static,255.255.255.0,86400\n"
		"dhcp-option=tag:s0,option:router,10.20.0.1\n"
		"dhcp-option=tag:s0,option:mtu,1450\n"
		"dhcp-option=tag:s0,option:classless-static-route,10.9.0.0/16,10.20.0.9,"
		"0.0.0.0/0,10.20.0.1\n"
		"dhcp-option=tag:s0,option:dns-server,9.9.9.9,1.1.1.1\n"
		"dhcp-range=set:s1,2001:db8::,ra-only,64,86400\n"
		"enable-ra\nra-param=dhcp-33333333,mtu:1450,0,0\n";
	auto_free char *conf = dhcp_conf(&net, &at);

	assert_string_equal(conf, want);
}

static void dhcp_hosts_lists_this_networks_addresses(void **state)
{
	struct want_port other = port, leaving = port;
	const struct want_port *ports[] = { &other, &port, &leaving };
	auto_free char *hosts = NULL;

	other.network = SERVER_ID;
	leaving.released = true;
	hosts = dhcp_hosts(&net, ports, 3);
	assert_string_equal(hosts, "fa:16:3e:00:00:11,10.20.0.11\n"
				   "fa:16:3e:00:00:11,[2001:db8::11]\n");
}

static void dhcp_leaves_out_subnets_without_dhcp(void **state)
{
	struct want_net off = net;
	const struct want_port *ports[] = { &port };
	auto_free char *conf = NULL, *hosts = NULL;

	off.subnets[0].dhcp = false;
	conf = dhcp_conf(&off, &at);
	hosts = dhcp_hosts(&off, ports, 1);
	assert_null(strstr(strstr(conf, "port=0"), "10.20.0."));
	assert_null(strstr(hosts, "10.20.0.11"));
}

static void dhcp_conf_says_that_there_is_no_gateway(void **state)
{
	struct want_net off = net;
	auto_free char *conf = NULL;

	off.subnets[0].gateway.version = 0;
	conf = dhcp_conf(&off, &at);
	assert_non_null(strstr(conf, "dhcp-option=tag:s0,option:router\n"));
	assert_null(strstr(conf, "0.0.0.0/0"));
}

static void dhcp_conf_takes_no_options_from_hostile_routes(void **state)
{
	auto_of(json_decref) json_t *routes = json_pack(
		"[{s:s,s:s}]", "destination", "10.0.0.0/8\nuser=root", "nexthop", "1.1.1.1");
	auto_of(json_decref) json_t *dns = json_pack("[s]", "9.9.9.9\ndhcp-script=/bin/sh");
	struct want_net odd = net;
	auto_free char *conf = NULL;

	odd.subnets[0].routes = routes;
	odd.subnets[0].dns = dns;
	conf = dhcp_conf(&odd, &at);
	assert_null(strstr(conf, "user=root"));
	assert_null(strstr(conf, "dhcp-script"));
}

static void dhcp_pid_finds_nobody_without_a_file(void **state)
{
	assert_int_equal(dhcp_pid(&at), 0);
	assert_true(dhcp_differs(&at, "conf", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dhcp_conf_serves_known_macs_only_with_all_options),
		cmocka_unit_test(dhcp_hosts_lists_this_networks_addresses),
		cmocka_unit_test(dhcp_leaves_out_subnets_without_dhcp),
		cmocka_unit_test(dhcp_conf_says_that_there_is_no_gateway),
		cmocka_unit_test(dhcp_conf_takes_no_options_from_hostile_routes),
		cmocka_unit_test(dhcp_pid_finds_nobody_without_a_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
