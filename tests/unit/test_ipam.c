/* SPDX-License-Identifier: Apache-2.0 */
/* api: address pools, gateways, free addresses, EUI-64 and provider segments. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "network/core/ipam.h"
#include "network/core/segment.h"

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

/* A subnet from text; pools as "10.0.0.2-10.0.0.9 10.0.0.20-10.0.0.30", NULL: the default ones. */
static struct ipam_subnet subnet_of(const char *cidr, const char *gateway, const char *pools)
{
	struct ipam_subnet s = { .dhcp = true };
	char first[64], last[64];
	int n;

	assert_int_equal(cidr_parse(cidr, &s.cidr, NULL), 0);
	if (gateway)
		s.gateway = ip_of(gateway);
	if (!pools)
		s.n_pools = ipam_default_pools(&s.cidr, &s.gateway, s.pools);
	for (; pools && sscanf(pools, " %63[^-]-%63[^ ]%n", first, last, &n) == 2; pools += n)
		s.pools[s.n_pools++] = (struct ip_range){ ip_of(first), ip_of(last) };
	return s;
}

static void pools_to_text(const struct ipam_subnet *s, char out[512])
{
	char range[2 * IP_STR_LEN];

	out[0] = '\0';
	for (unsigned int i = 0; i < s->n_pools; i++) {
		if (i)
			strcat(out, " ");
		strcat(out, range_format(&s->pools[i], range));
	}
}

static void default_pools_leave_out_the_gateway(void **state)
{
	static const struct {
		const char *cidr, *gateway, *pools;
	} rows[] = {
		{ "10.51.0.0/24", "10.51.0.1", "10.51.0.2-10.51.0.254" },
		{ "10.52.0.0/24", NULL, "10.52.0.1-10.52.0.254" },
		{ "10.53.0.0/24", "10.53.0.100", "10.53.0.1-10.53.0.99 10.53.0.101-10.53.0.254" },
		{ "10.58.0.0/30", "10.58.0.1", "10.58.0.2-10.58.0.2" },
		{ "10.61.0.0/24", "10.99.0.1", "10.61.0.1-10.61.0.254" },
		{ "10.61.0.0/32", NULL, "10.61.0.0-10.61.0.0" },
		{ "10.61.0.0/31", "10.61.0.0", "10.61.0.1-10.61.0.1" },
		{ "2001:db8:1::/64",
		  "2001:db8:1::", "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff" },
		{ "::/0", "::", "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipam_subnet s = subnet_of(rows[i].cidr, rows[i].gateway, NULL);
		char text[512];

		pools_to_text(&s, text);
		assert_string_equal(text, rows[i].pools);
	}
}

static void default_gateway_is_the_one_neutron_takes(void **state)
{
	struct cidr v4, v6;
	char text[IP_STR_LEN];
	struct ip gw;

	cidr_parse("10.51.0.0/24", &v4, NULL);
	cidr_parse("2001:db8:1::/64", &v6, NULL);
	gw = ipam_default_gateway(&v4);
	assert_string_equal(ip_format(&gw, text), "10.51.0.1");
	gw = ipam_default_gateway(&v6);
	assert_string_equal(ip_format(&gw, text), "2001:db8:1::");
}

static void bad_subnets_are_refused_in_neutrons_words(void **state)
{
	static const struct {
		const char *cidr, *gateway, *pools;
		unsigned int status;
		const char *type, *message;
	} rows[] = {
		{ "10.56.0.0/31", NULL, "", 400, "InvalidInput",
		  "Invalid input for operation: Subnet has a prefix length that is incompatible "
		  "with "
		  "DHCP service enabled." },
		{ "0.0.0.0/0", NULL, "", 400, "InvalidInput",
		  "Invalid input for operation: First IP '0.0.0.0' of network is not supported if "
		  "enable_dhcp is True.." },
		{ "224.0.0.0/24", NULL, "", 400, "InvalidInput",
		  "Invalid input for operation: Multicast IP subnet is not supported if "
		  "enable_dhcp "
		  "is True.." },
		{ "10.61.0.0/24", NULL, "10.61.0.10-10.61.0.20 10.61.0.15-10.61.0.30", 409,
		  "OverlappingAllocationPools",
		  "Found overlapping allocation pools: 10.61.0.10-10.61.0.20 10.61.0.15-10.61.0.30 "
		  "for subnet 10.61.0.0/24." },
		{ "10.61.0.0/24", NULL, "10.62.0.10-10.62.0.20", 400, "OutOfBoundsAllocationPool",
		  "The allocation pool 10.62.0.10-10.62.0.20 spans beyond the subnet cidr "
		  "10.61.0.0/24." },
		{ "10.61.0.0/24", NULL, "10.61.0.10-10.61.0.255", 400, "OutOfBoundsAllocationPool",
		  "The allocation pool 10.61.0.10-10.61.0.255 spans beyond the subnet cidr "
		  "10.61.0.0/24." },
		{ "10.61.0.0/24", NULL, "10.61.0.20-10.61.0.10", 400, "InvalidAllocationPool",
		  "The allocation pool {'start': '10.61.0.20', 'end': '10.61.0.10'} is not "
		  "valid." },
		{ "10.61.0.0/24", NULL, "2001:db8::1-2001:db8::2", 400, "InvalidAllocationPool",
		  "The allocation pool 2001:db8::1-2001:db8::2 is not valid." },
		{ "10.61.0.0/24", "10.61.0.15", "10.61.0.10-10.61.0.20", 409,
		  "GatewayConflictWithAllocationPools",
		  "Gateway ip 10.61.0.15 conflicts with allocation pool 10.61.0.10-10.61.0.20." },
		{ "10.63.0.0/24", "10.63.0.0", "", 400, "InvalidInput",
		  "Invalid input for operation: Gateway is not valid on subnet." },
		{ "10.63.0.0/24", "10.63.0.255", "", 400, "InvalidInput",
		  "Invalid input for operation: Gateway is not valid on subnet." },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipam_subnet s = subnet_of(rows[i].cidr, rows[i].gateway, rows[i].pools);
		struct refusal r = { 0 };
		int rc = ipam_check_cidr(&s, &r) ?: ipam_check_pools(&s, &r) ?:
			 ipam_check_gateway(&s, &r);

		assert_int_equal(rc, -EINVAL);
		assert_int_equal(r.status, rows[i].status);
		assert_string_equal(r.type, rows[i].type);
		assert_string_equal(r.message, rows[i].message);
	}
}

static void good_subnets_pass(void **state)
{
	static const struct {
		const char *cidr, *gateway, *pools;
	} rows[] = {
		{ "10.50.0.0/24", "10.50.0.1", "10.50.0.10-10.50.0.20" },
		{ "10.61.0.0/24", "10.99.0.1", NULL },
		{ "10.54.0.0/24", "10.54.0.1", "10.54.0.10-10.54.0.19 10.54.0.30-10.54.0.39" },
		{ "2001:db8:2::/64", "2001:db8:2::", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipam_subnet s = subnet_of(rows[i].cidr, rows[i].gateway, rows[i].pools);
		struct refusal r = { 0 };

		assert_int_equal(ipam_check_cidr(&s, &r), 0);
		assert_int_equal(ipam_check_pools(&s, &r), 0);
		assert_int_equal(ipam_check_gateway(&s, &r), 0);
		assert_int_equal(r.status, 0);
	}
}

static void network_and_broadcast_address_are_no_hosts(void **state)
{
	static const struct {
		const char *cidr, *ip;
		bool host;
	} rows[] = {
		{ "10.50.0.0/24", "10.50.0.0", false },	  { "10.50.0.0/24", "10.50.0.1", true },
		{ "10.50.0.0/24", "10.50.0.254", true },  { "10.50.0.0/24", "10.50.0.255", false },
		{ "10.50.0.0/24", "10.50.1.1", false },	  { "10.50.0.0/24", "2001:db8::1", false },
		{ "2001:db8::/64", "2001:db8::", false }, { "2001:db8::/64", "2001:db8::1", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipam_subnet s = subnet_of(rows[i].cidr, NULL, NULL);
		struct ip ip = ip_of(rows[i].ip);

		assert_int_equal(ipam_is_host(&s.cidr, &ip), rows[i].host);
	}
}

/* A set of addresses, and how often it was asked. */
struct used {
	struct ip ips[4096];
	unsigned int n, asked;
};

static bool is_used(void *arg, const struct ip *ip)
{
	struct used *u = arg;

	u->asked++;
	for (unsigned int i = 0; i < u->n; i++)
		if (u->ips[i].n == ip->n)
			return true;
	return false;
}

static void a_pool_gives_each_address_once_then_none(void **state)
{
	struct ipam_subnet s = subnet_of("10.50.0.0/22", "10.50.0.1",
					 "10.50.0.10-10.50.0.19 10.50.1.0-10.50.2.255");
	static struct used u;
	struct ip ip;

	u.n = 0;
	for (int i = 0; i < 10 + 512; i++) {
		assert_int_equal(ipam_pick(&s, is_used, &u, &ip), 0);
		assert_true(range_has(&s.pools[0], &ip) || range_has(&s.pools[1], &ip));
		assert_false(is_used(&u, &ip));
		u.ips[u.n++] = ip;
	}
	assert_int_equal(ipam_pick(&s, is_used, &u, &ip), -ENOSPC);
}

static bool is_low(void *arg, const struct ip *ip)
{
	(*(unsigned int *)arg)++;
	return (ip->n & 0xffff) < 40000;
}

static void a_crowded_pool_is_not_walked(void **state)
{
	struct ipam_subnet v4 = subnet_of("10.0.0.0/16", "10.0.0.1", NULL);
	struct ipam_subnet v6 = subnet_of("2001:db8::/64", "2001:db8::", NULL);
	unsigned int asked = 0;
	struct ip ip;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(ipam_pick(&v4, is_low, &asked, &ip), 0);
		assert_int_equal(ipam_pick(&v6, is_low, &asked, &ip), 0);
	}
	assert_true(asked < 20 * 25000);
}

static void eui64_flips_the_universal_bit(void **state)
{
	struct cidr c;
	struct mac mac;
	struct ip ip;
	char text[IP_STR_LEN];

	cidr_parse("2001:db8:2::/64", &c, NULL);
	mac_parse("fa:16:3e:01:67:f8", &mac, NULL);
	ip = ipam_eui64(&c, &mac);
	assert_string_equal(ip_format(&ip, text), "2001:db8:2:0:f816:3eff:fe01:67f8");
}

static void vlan_ranges_parse_as_neutrons(void **state)
{
	struct vlan_ranges r = { 0 };
	struct err e = { 0 };

	assert_int_equal(vlan_ranges_parse("", &r, &e), 0);
	assert_int_equal(r.n, 0);
	assert_int_equal(vlan_ranges_parse("physnet1:100:199, physnet2", &r, &e), 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.rows[0].physnet, "physnet1");
	assert_int_equal(r.rows[0].last, 199);
	assert_string_equal(r.rows[1].physnet, "physnet2");
	assert_int_equal(r.rows[1].first, 0);
}

static void bad_vlan_ranges_are_refused(void **state)
{
	static const char *const rows[] = { "physnet1:100", "physnet1:0:5", "physnet1:1:4095",
					    "physnet1:9:5", "physnet1:a:b", "p:1:2:3",
					    "p:1:2x",	    ":1:2",	    "p:",
					    "p q" };
	struct vlan_ranges r = { .n = 7 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(vlan_ranges_parse(rows[i], &r, &e), -EINVAL);
		assert_true(e.msg[0]);
		assert_int_equal(r.n, 7);
	}
}

static void provider_attributes_are_judged_in_neutrons_words(void **state)
{
	static const struct {
		struct segment_want want;
		const char *message; /* after "Invalid input for operation: "; NULL: accepted */
	} rows[] = {
		{ { NULL, NULL, -1 }, NULL },
		{ { "flat", "physnet1", -1 }, NULL },
		{ { "vlan", "physnet1", 900 }, NULL },
		{ { "vlan", "physnet2", -1 }, NULL },
		{ { "vlan", NULL, -1 }, NULL },
		{ { "flat", "nope", -1 },
		  "physical_network 'nope' unknown for flat provider network." },
		{ { "flat", "physnet", -1 },
		  "physical_network 'physnet' unknown for flat provider network." },
		{ { "flat", NULL, -1 }, "physical_network required for flat provider network." },
		{ { "flat", "physnet2", 5 },
		  "segmentation_id prohibited for flat provider network." },
		{ { "vlan", "physnet1", 4095 }, "segmentation_id out of range (1 through 4094)." },
		{ { "vlan", "physnet1", 0 }, "segmentation_id out of range (1 through 4094)." },
		{ { "vlan", "nope", 7 },
		  "physical_network 'nope' unknown for VLAN provider network." },
		{ { "vlan", NULL, 7 },
		  "segmentation_id requires physical_network for VLAN provider network." },
		{ { "vxlan", NULL, 7 }, "network_type value 'vxlan' not supported." },
		{ { NULL, "physnet1", -1 }, "network_type required." },
	};
	struct vlan_ranges ranges;

	assert_int_equal(vlan_ranges_parse("physnet1:100:199,physnet2:2000:2999", &ranges, NULL),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct refusal r = { 0 };
		int rc = segment_check(&rows[i].want, "physnet1,physnet2", &ranges, &r);

		assert_int_equal(rc, rows[i].message ? -EINVAL : 0);
		if (rows[i].message)
			assert_string_equal(r.message + strlen("Invalid input for operation: "),
					    rows[i].message);
	}
}

static bool all_but_102(void *arg, const char *physnet, unsigned int vid)
{
	return vid != 102;
}

static bool every(void *arg, const char *physnet, unsigned int vid)
{
	return true;
}

static bool all_of_p1(void *arg, const char *physnet, unsigned int vid)
{
	return !strcmp(physnet, "p1");
}

static bool none(void *arg, const char *physnet, unsigned int vid)
{
	return false;
}

static void physical_networks_are_filled_in_their_order(void **state)
{
	struct vlan_ranges ranges;
	const char *physnet = NULL;
	unsigned int vid = 0;

	assert_int_equal(vlan_ranges_parse("p1:100:100,p2:200:3999", &ranges, NULL), 0);
	assert_int_equal(segment_pick(&ranges, NULL, none, NULL, &physnet, &vid), 0);
	assert_int_equal(vid, 100);
	assert_int_equal(segment_pick(&ranges, NULL, all_of_p1, NULL, &physnet, &vid), 0);
	assert_string_equal(physnet, "p2");
	assert_in_range(vid, 200, 3999);
}

static void the_last_free_vlan_id_is_found(void **state)
{
	struct vlan_ranges ranges;
	const char *physnet = NULL;
	unsigned int vid = 0;

	assert_int_equal(vlan_ranges_parse("p0,p1:100:103,p2", &ranges, NULL), 0);
	assert_int_equal(segment_pick(&ranges, NULL, all_but_102, NULL, &physnet, &vid), 0);
	assert_string_equal(physnet, "p1");
	assert_int_equal(vid, 102);
	assert_int_equal(segment_pick(&ranges, "p1", every, NULL, &physnet, &vid), -ENOSPC);
	assert_int_equal(segment_pick(&ranges, "p2", every, NULL, &physnet, &vid), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_pools_leave_out_the_gateway),
		cmocka_unit_test(default_gateway_is_the_one_neutron_takes),
		cmocka_unit_test(bad_subnets_are_refused_in_neutrons_words),
		cmocka_unit_test(good_subnets_pass),
		cmocka_unit_test(network_and_broadcast_address_are_no_hosts),
		cmocka_unit_test(a_pool_gives_each_address_once_then_none),
		cmocka_unit_test(a_crowded_pool_is_not_walked),
		cmocka_unit_test(eui64_flips_the_universal_bit),
		cmocka_unit_test(vlan_ranges_parse_as_neutrons),
		cmocka_unit_test(bad_vlan_ranges_are_refused),
		cmocka_unit_test(provider_attributes_are_judged_in_neutrons_words),
		cmocka_unit_test(physical_networks_are_filled_in_their_order),
		cmocka_unit_test(the_last_free_vlan_id_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
