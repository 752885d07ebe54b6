/* SPDX-License-Identifier: Apache-2.0 */
/* model: the field tables read and write every noun; checks answer as the kernel does. */
#include "unit/unit.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "base/pack.h"
#include "model/pf_ops.h"

static void groups_are_written_in_one_way_and_what_is_none_is_named(void **state)
{
	static const struct {
		const char *text, *is; /* NULL: none */
	} rows[] = {
		{ "", "" },
		{ "none", "" },
		{ "silver,gold:min=100:max=1000", "gold:max=1000:min=100,silver" },
		{ "a:max=0", "a" },
		{ "1a,b-_.", "1a,b-_." },
		{ "a:max=4294967295", "a:max=4294967295" },
		{ "a:max=4294967296", NULL },
		{ "a:max=", NULL },
		{ "a:max=-1", NULL },
		{ "a:max=1x", NULL },
		{ "a:", NULL },
		{ "a:rate=1", NULL },
		{ "a,a", NULL },
		{ "a,", NULL },
		{ ",", NULL },
		{ "12", NULL },
		{ "a/b", NULL },
		{ "a,none", NULL },
		{ "sixteen-letters-", NULL },
		{ "a:max=1:min=2", NULL },
	};
	char text[VF_GROUPS_LEN + 1], longest[VF_GROUPS_LEN + 1];
	size_t len = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };
		int rc;

		snprintf(text, sizeof(text), "%s", rows[i].text);
		rc = vf_groups_order(text, &e);
		if (!rc != !!rows[i].is)
			fail_msg("%s: %d %s", rows[i].text, rc, e.msg);
		assert_string_equal(text, rows[i].is ?: rows[i].text);
		assert_int_equal(!rc, !*e.msg);
	}
	for (unsigned int i = 0; i <= VF_GROUPS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%sg%u", i ? "," : "", i);
	assert_int_equal(vf_groups_order(text, NULL), -ENOSPC);
	*strrchr(text, ',') = '\0';
	assert_int_equal(vf_groups_order(text, NULL), 0);
	*text = '\0';
	for (unsigned int i = 0; i < VF_GROUPS_MAX; i++) /* the longest that there are */
		sprintf(text + strlen(text), "%sfifteen-long-%02u:max=4294967295:min=4294967295",
			i ? "," : "", i);
	snprintf(longest, sizeof(longest), "%s", text);
	assert_int_equal(vf_groups_order(text, NULL), 0);
	assert_string_equal(text, longest);
}

static void vf_json_round_trip_keeps_every_member(void **state)
{
	struct vf_config a, b;
	uint32_t changed = 0;

	vf_config_default(&a);
	a.mac = (struct mac){ { 0xfa, 0x16, 0x3e, 1, 2, 3 } };
	a.vlan = 100;
	a.qos = 7;
	a.proto = VF_PROTO_8021AD;
	a.max_tx_mbit = 4000000000;
	a.link = VF_LINK_DISABLE;
	vlan_set_parse("10,20-30", &a.trunk, NULL);
	strcpy(a.server, "vm1");
	vf_config_default(&b);
	auto_of(json_decref) json_t *j = fields_to_json(vf_fields, &a);
	assert_int_equal(fields_from_json(vf_fields, &b, j, &changed, NULL), 0);
	assert_int_equal(changed, (1U << VF_FIELD_N) - 1);
	assert_int_equal(fields_diff(vf_fields, &a, &b), 0);
}

static void masked_json_has_what_differs(void **state)
{
	struct vf_config a, b;

	vf_config_default(&a);
	b = a;
	b.vlan = 5;
	b.trust = true;
	auto_of(json_decref) json_t *j =
		fields_to_json_masked(vf_fields, &b, fields_diff(vf_fields, &a, &b));
	assert_int_equal(json_object_size(j), 2);
	assert_int_equal(fields_from_json(vf_fields, &a, j, NULL, NULL), 0);
	assert_int_equal(fields_diff(vf_fields, &a, &b), 0);
}

static void fields_from_json_refuses_by_name(void **state)
{
	static const struct {
		const char *json, *word;
		int rc;
	} cases[] = {
		{ "{\"vlan\": 5000}", "vlan", -ERANGE },
		{ "{\"vlan\": -1}", "vlan", -EINVAL },
		{ "{\"vlan\": \"5\"}", "vlan", -EINVAL },
		{ "{\"vlna\": 5}", "vlna", -EINVAL },
		{ "{\"trust\": 1}", "trust", -EINVAL },
		{ "{\"mac\": \"x\"}", "\"x\"", -EINVAL },
		{ "{\"mac\": \"\\u0000\"}", "mac", -EINVAL },
		{ "{\"state\": \"up\"}", "auto, enable, disable", -EINVAL },
		{ "[]", "object", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vf_config vf;
		struct err e = { 0 };
		auto_of(json_decref) json_t *j = json_loads(cases[i].json, JSON_ALLOW_NUL, NULL);

		vf_config_default(&vf);
		assert_int_equal(fields_from_json(vf_fields, &vf, j, NULL, &e), cases[i].rc);
		assert_non_null(strstr(e.msg, cases[i].word));
	}
}

static void field_words_read_what_they_write(void **state)
{
	static const char *const words[][2] = {
		{ "mac", "fa:16:3e:00:00:01" }, { "vlan", "7" }, { "spoofchk", "off" },
		{ "state", "enable" }, { "trunk", "none" }, { "server", "vm" },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct field *f = field_find(vf_fields, words[i][0]);
		struct vf_config vf = { 0 };
		char text[64];

		assert_int_equal(field_parse(f, &vf, words[i][1], NULL), 0);
		field_format(f, &vf, text, sizeof(text));
		assert_string_equal(text, words[i][1]);
	}
	assert_int_equal(field_parse(field_find(vf_fields, "vlan"), &(struct vf_config){ 0 }, "7x",
				     NULL), -EINVAL);
}

static void vf_check_answers_as_the_kernel(void **state)
{
	struct vf_config vf;

	vf_config_default(&vf);
	assert_int_equal(vf_config_check(&vf, ~0U, NULL), 0);
	vf.mac.b[0] = 1;
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_MAC, NULL), -EINVAL);
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_VLAN, NULL), 0);
	vf_config_default(&vf);
	assert_int_equal(field_parse(field_find(vf_fields, "vlan"), &vf, "4095", NULL), 0); /* which no frame has */
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_VLAN, NULL), 0);
	vf.vlan = 4096;
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_VLAN, NULL), -EINVAL);
	vf_config_default(&vf);
	vf.qos = 8;
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_QOS, NULL), -EINVAL);
	vf_config_default(&vf);
	vf.min_tx_mbit = 200;
	vf.max_tx_mbit = 100;
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_MIN_TX_RATE, NULL), -EINVAL);
	vf.max_tx_mbit = 0;
	assert_int_equal(vf_config_check(&vf, 1U << VF_FIELD_MIN_TX_RATE, NULL), 0);
}

/* As text, what each row of vf_fields[] may be: other than its default. */
static const char *const other_values[VF_FIELD_N] = {
	[VF_FIELD_MAC] = "02:00:00:00:00:01",
	[VF_FIELD_VLAN] = "4095",
	[VF_FIELD_QOS] = "7",
	[VF_FIELD_PROTO] = "802.1ad",
	[VF_FIELD_MAX_TX_RATE] = "4000000000",
	[VF_FIELD_MIN_TX_RATE] = "1",
	[VF_FIELD_SPOOFCHK] = "off",
	[VF_FIELD_STATE] = "disable",
	[VF_FIELD_QUERY_RSS] = "on",
	[VF_FIELD_TRUST] = "on",
	[VF_FIELD_GROUP] = "gold",
	[VF_FIELD_TRUNK] = "0,63-64,4095",
	[VF_FIELD_NATIVE] = "4094",
	[VF_FIELD_MTU] = "9216",
	[VF_FIELD_ISOLATED] = "on",
	[VF_FIELD_STORM_BROADCAST] = "1",
	[VF_FIELD_STORM_MULTICAST] = "10000000",
	[VF_FIELD_ALLOWED] = "02:00:00:00:00:03,02:00:00:00:00:04",
	[VF_FIELD_LEARNING] = "1024",
	[VF_FIELD_PROMISC] = "off",
	[VF_FIELD_PORT_ID] = "port",
	[VF_FIELD_SERVER] = "a server's name",
};

static void is_the_same_unpacked_into(struct vf_config out, const struct vf_config *vf, size_t max)
{
	auto_free struct pack *p = pack_of(vf_fields, vf, &out);

	assert_non_null(p);
	assert_in_range(malloc_usable_size(p), 4, max);
	pack_read(p, vf_fields, &out);
	assert_int_equal(fields_diff(vf_fields, vf, &out), 0);
}

static void is_the_same_unpacked(const struct vf_config *vf, size_t max)
{
	struct vf_config defaults;

	vf_config_default(&defaults);
	is_the_same_unpacked_into(defaults, vf, max);
}

/* Alone, and all together; lists may be the empty one, or as long as they can be. */
static void what_is_packed_is_the_same_unpacked_and_as_short_as_it_says_little(void **state)
{
	struct vf_config all, one;

	vf_config_default(&all);
	is_the_same_unpacked(&all, 24);
	for (unsigned int i = 0; i < VF_FIELD_N; i++) {
		vf_config_default(&one);
		assert_int_equal(field_parse(&vf_fields[i], &one, other_values[i], NULL), 0);
		assert_int_equal(field_parse(&vf_fields[i], &all, other_values[i], NULL), 0);
		is_the_same_unpacked(&one, 48);
	}
	is_the_same_unpacked(&all, 160);
	vf_config_default(&one);
	is_the_same_unpacked_into(all, &one, 80);
	assert_int_equal(field_parse(&vf_fields[VF_FIELD_TRUNK], &one, "none", NULL), 0);
	is_the_same_unpacked(&one, 24);
	vlan_set_range(&one.trunk, 0, 4095, true);
	one.allowed.n = MAC_LIST_MAX;
	for (unsigned int i = 0; i < MAC_LIST_MAX; i++)
		one.allowed.macs[i] = (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)i } };
	is_the_same_unpacked(&one, sizeof(one));
}

/* add and rem change the list that is there; unset is not the empty list. */
/* Each setting by itself, there and back; the VF has an address and its spoof check is on. */
static void what_widens_a_vf_is_known_of_every_setting(void **state)
{
	enum { NEITHER, THERE, BACK, BOTH };
	static const struct {
		enum vf_field field;
		const char *with, *from, *to;
		unsigned int widens; /* THERE: by from -> to; BACK: by to -> from */
	} rows[] = {
		{ VF_FIELD_MAC, "", "02:00:00:00:00:01", "02:00:00:00:00:02", BOTH },
		{ VF_FIELD_MAC, "", "00:00:00:00:00:00", "02:00:00:00:00:02", BOTH },
		{ VF_FIELD_MAC, "spoofchk off", "02:00:00:00:00:01", "02:00:00:00:00:02", NEITHER },
		{ VF_FIELD_VLAN, "", "0", "100", BOTH },
		{ VF_FIELD_VLAN, "", "100", "200", BOTH },
		{ VF_FIELD_QOS, "vlan 100", "0", "7", NEITHER },
		{ VF_FIELD_PROTO, "", "802.1Q", "802.1ad", NEITHER },
		{ VF_FIELD_PROTO, "vlan 100", "802.1Q", "802.1ad", BOTH },
		{ VF_FIELD_MAX_TX_RATE, "", "0", "9", NEITHER },
		{ VF_FIELD_MIN_TX_RATE, "", "0", "9", NEITHER },
		{ VF_FIELD_SPOOFCHK, "", "on", "off", THERE },
		{ VF_FIELD_STATE, "", "disable", "auto", THERE },
		{ VF_FIELD_STATE, "", "disable", "enable", THERE },
		{ VF_FIELD_STATE, "", "auto", "enable", NEITHER },
		{ VF_FIELD_QUERY_RSS, "", "off", "on", NEITHER },
		{ VF_FIELD_TRUST, "", "off", "on", NEITHER },
		{ VF_FIELD_GROUP, "", "a", "b", NEITHER },
		{ VF_FIELD_TRUNK, "", "5", "any", THERE },
		{ VF_FIELD_TRUNK, "", "none", "4094", THERE },
		{ VF_FIELD_TRUNK, "", "5-7", "7", BACK },
		{ VF_FIELD_TRUNK, "", "5,6", "6,7", BOTH },
		{ VF_FIELD_NATIVE, "", "0", "5", BOTH },
		{ VF_FIELD_NATIVE, "", "5", "6", BOTH },
		{ VF_FIELD_MTU, "", "1000", "0", NEITHER },
		{ VF_FIELD_ISOLATED, "", "on", "off", THERE },
		{ VF_FIELD_STORM_BROADCAST, "", "5", "0", NEITHER },
		{ VF_FIELD_STORM_MULTICAST, "", "5", "0", NEITHER },
		{ VF_FIELD_ALLOWED, "", "none", "02:00:00:00:00:03", THERE },
		{ VF_FIELD_ALLOWED, "", "02:00:00:00:00:03", "02:00:00:00:00:04", BOTH },
		{ VF_FIELD_ALLOWED, "spoofchk off", "none", "02:00:00:00:00:03", NEITHER },
		{ VF_FIELD_LEARNING, "", "4", "5", THERE },
		{ VF_FIELD_PROMISC, "", "off", "true", NEITHER },
		{ VF_FIELD_PORT_ID, "", "a", "b", BOTH },
		{ VF_FIELD_SERVER, "", "a", "b", NEITHER },
	};
	uint32_t seen = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		const struct field *f = &vf_fields[rows[i].field];
		char with[32], *value = with;
		struct vf_config from, to;
		const char *word;

		vf_config_default(&from);
		from.mac = (struct mac){ { 2, 0, 0, 0, 0, 9 } };
		snprintf(with, sizeof(with), "%s", rows[i].with);
		word = strsep(&value, " ");
		if (value)
			assert_int_equal(field_parse(field_find(vf_fields, word), &from, value, NULL), 0);
		to = from;
		assert_int_equal(field_parse(f, &from, rows[i].from, NULL), 0);
		assert_int_equal(field_parse(f, &to, rows[i].to, NULL), 0);
		print_message("%s: %s -> %s\n", f->word, rows[i].from, rows[i].to);
		assert_int_equal(vf_config_widens(&from, &to), rows[i].widens & THERE);
		assert_int_equal(vf_config_widens(&to, &from), rows[i].widens >> 1);
		assert_false(vf_config_widens(&from, &from));
		seen |= 1U << rows[i].field;
	}
	assert_int_equal(seen, (1U << VF_FIELD_N) - 1);
}

static void trunk_lists_are_added_to_and_removed_from(void **state)
{
	static const struct {
		const char *was, *set, *add, *rem, *is; /* set NULL: not said; is: trunk or error */
		int rc;
	} cases[] = {
		{ "any", NULL, "10,20-30", "any", "10,20-30", 0 },
		{ "none", NULL, "10", "any", "10", 0 },
		{ "10", NULL, "8-9,12", "any", "8-10,12", 0 },
		{ "10", NULL, "10", "any", "10", 0 },
		{ "10,20-30", NULL, "any", "25", "10,20-24,26-30", 0 },
		{ "10", NULL, "any", "5", "10", 0 },
		{ "10", NULL, "any", "1-4094", "none", 0 },
		{ "10", NULL, "11", "10", "11", 0 },
		{ "any", NULL, "10-12", "11", "10,12", 0 },
		{ "10", "20", "21", "any", "20-21", 0 },
		{ "10", "any", "21", "any", "21", 0 },
		{ "any", NULL, "any", "5", "trunk rem: the trunk is unset", -EINVAL },
		{ "10", "any", "any", "10", "trunk rem: the trunk is unset", -EINVAL },
		{ "10", NULL, "0", "any", "trunk: VLAN 0 ", -EINVAL },
		{ "10", NULL, "1,4095", "any", "trunk: VLAN 4095 ", -EINVAL },
		{ "10", NULL, "any", "4000-4095", "trunk: VLAN 4095 ", -EINVAL },
		{ "10", "0-5", "any", "any", "trunk: VLAN 0 ", -EINVAL },
	};
	const struct pf_config pf = { .mtu = 1500 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vf_change c = { .changed = cases[i].set ? 1U << VF_FIELD_TRUNK : 0 };
		struct vf_config vf, out;
		struct err e = { 0 };
		char text[64];

		vf_config_default(&vf);
		vlan_set_parse(cases[i].was, &vf.trunk, NULL);
		vlan_set_parse(cases[i].set ? cases[i].set : "any", &c.want.trunk, NULL);
		vlan_set_parse(cases[i].add, &c.trunk_add, NULL);
		vlan_set_parse(cases[i].rem, &c.trunk_rem, NULL);
		assert_int_equal(vf_change_apply(&vf, &c, &pf, &out, &e), cases[i].rc);
		if (cases[i].rc) {
			assert_non_null(strstr(e.msg, cases[i].is));
			continue;
		}
		vlan_set_format(&out.trunk, text, sizeof(text));
		assert_string_equal(text, cases[i].is);
	}
}

static void a_port_vlan_has_no_native_one_and_leaves_the_trunk(void **state)
{
	struct vf_change native = { .changed = 1U << VF_FIELD_NATIVE, .want.native = 5 };
	struct vf_change vlan = { .changed = 1U << VF_FIELD_VLAN, .want.vlan = 100 };
	const struct pf_config pf = { .mtu = 1500 };
	struct vf_config vf, out;
	struct err e = { 0 };

	vf_config_default(&vf);
	vlan_set_parse("10", &vf.trunk, NULL);
	assert_int_equal(vf_change_apply(&vf, &native, &pf, &vf, NULL), 0);
	assert_int_equal(vf_change_apply(&vf, &vlan, &pf, &out, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "native 5 and vlan 100"));
	native.want.native = 0;
	assert_int_equal(vf_change_apply(&vf, &native, &pf, &vf, NULL), 0);
	assert_int_equal(vf_change_apply(&vf, &vlan, &pf, &vf, NULL), 0);
	native.want.native = 5;
	assert_int_equal(vf_change_apply(&vf, &native, &pf, &out, NULL), -EINVAL);
	vlan.want.vlan = 0;
	assert_int_equal(vf_change_apply(&vf, &vlan, &pf, &vf, NULL), 0);
	assert_true(vf.trunk.set && vlan_set_has(&vf.trunk, 10)); /* vlan 0 is no trunk word */
}

static void pf_check_names_the_word(void **state)
{
	struct pf_config pf;
	struct err e = { 0 };

	pf_config_default(&pf);
	assert_int_equal(pf_config_check(&pf, NULL), -EINVAL);
	strcpy(pf.name, "p2p1");
	assert_int_equal(pf_config_check(&pf, NULL), 0);
	pf.uplink = UPLINK_DEV;
	assert_int_equal(pf_config_check(&pf, &e), -EINVAL);
	assert_string_equal(e.msg, "uplink dev needs a device");
	strcpy(pf.name, "a/b");
	assert_int_equal(pf_config_check(&pf, NULL), -EINVAL);
}

static struct mirror_config mirror_words(const char *text, uint32_t *changed)
{
	auto_of(json_decref) json_t *j = json_loads(text, 0, NULL);
	struct mirror_config m = { 0 };

	assert_int_equal(fields_from_json(mirror_fields, &m, j, changed, NULL), 0);
	return m;
}

static void mirror_words_go_with_its_kinds(void **state)
{
	static const struct {
		const char *words, *says;
	} cases[] = {
		{ "{'name':'m','from_pf':'p','to_pf':'p','to_vf':1}", "from_vf is missing" },
		{ "{'name':'m','from':'pf','from_pf':'p','from_vf':0,'to_pf':'p','to_vf':1}",
		  "from_vf does not go with from pf and to vf" },
		{ "{'name':'m','from':'vlan','from_pf':'p','to_pf':'p','to_vf':1}",
		  "from_vlan is missing" },
		{ "{'name':'','from':'pf','from_pf':'p','to_pf':'p','to_vf':1}", "needs a name" },
		{ "{'name':'m','from_pf':'p','from_vf':1,'to_pf':'p','to_vf':1}", "own mirror" },
		{ "{'name':'m','from':'pf','from_pf':'p','to_pf':'p','to_vf':1,'snap':13}",
		  "snap 13" },
		{ "{'name':'m','from':'pf','from_pf':'p','to_pf':'p','to_vf':1,'vlans':'1,4095'}",
		  "\"1,4095\"" },
		{ "{'name':'m','from':'pf','from_pf':'p','to_pf':'p','to_vf':1,'ether':1535}",
		  "0x05ff" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'gre'}", "remote is missing" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'file','file':'x'}", "\"x\"" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'tap','file':'/x'}",
		  "tap is missing" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'gre','remote':'1.2.3'}",
		  "\"1.2.3\"" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'gre','remote':'::'}", ":: is not" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'gre','remote':'1.2.3.4',"
		  "'version':1}",
		  "version does not go with from pf and to gre" },
		{ "{'name':'m','from':'pf','from_pf':'p','to':'erspan','remote':'1.2.3.4',"
		  "'id':1024}",
		  "id 1024" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mirror_config m, out = { .snap = 77 };
		char text[256], *at = strcpy(text, cases[i].words);
		struct err e = { 0 };
		uint32_t changed;

		while ((at = strchr(at, '\'')))
			*at = '"';
		m = mirror_words(text, &changed);
		assert_int_not_equal(mirror_config_apply(NULL, &m, changed, &out, &e), 0);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s: %s", text, e.msg);
		assert_int_equal(out.snap, 77);
	}
}

static void mirror_forgets_the_words_of_its_old_kind(void **state)
{
	struct mirror_config m, was = { "m", "p2p1", 7, MIRROR_IN, "p2p1", 2 };
	uint32_t changed;

	m = mirror_words("{\"from\":\"uplink\",\"snap\":64}", &changed);
	assert_int_equal(mirror_config_apply(&was, &m, changed, &m, NULL), 0);
	assert_int_equal(m.from_vf, 0);
	assert_int_equal(m.dir, MIRROR_IN);
	assert_string_equal(m.from_pf, "p2p1");
	assert_int_equal(mirror_config_rows(&m),
			 0x3f - (1 << MIRROR_FIELD_FROM_VF) + (1 << MIRROR_FIELD_FROM) +
				 (1 << MIRROR_FIELD_SNAP) + (1 << MIRROR_FIELD_TO));
}

static void a_mirror_to_elsewhere_needs_no_vf_and_has_a_version(void **state)
{
	struct mirror_config m, was = { "m", "p2p1", 7, MIRROR_IN, "p2p1", 2 };
	uint32_t changed;

	m = mirror_words("{\"to\":\"erspan\",\"remote\":\"10.0.0.1\"}", &changed);
	assert_int_equal(mirror_config_apply(&was, &m, changed, &m, NULL), 0);
	assert_string_equal(m.to_pf, "");
	assert_int_equal(m.version, 1);
	was = m;
	m = mirror_words("{\"to\":\"gre\",\"id\":70000}", &changed);
	assert_int_equal(mirror_config_apply(&was, &m, changed, &m, NULL), 0);
	assert_string_equal(m.remote, "10.0.0.1");
	assert_int_equal(m.version, 0);
	was = m;
	m = mirror_words("{\"remote\":\"10.0.0.2\"}", &changed);
	assert_int_equal(mirror_config_apply(&was, &m, changed, &m, NULL), 0);
	assert_int_equal(m.id, 70000);
	was = m;
	m = mirror_words("{\"to\":\"erspan\"}", &changed);
	assert_int_equal(mirror_config_apply(&was, &m, changed, &m, NULL), 0);
	assert_int_equal(m.id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vf_json_round_trip_keeps_every_member),
		cmocka_unit_test(masked_json_has_what_differs),
		cmocka_unit_test(fields_from_json_refuses_by_name),
		cmocka_unit_test(field_words_read_what_they_write),
		cmocka_unit_test(what_is_packed_is_the_same_unpacked_and_as_short_as_it_says_little),
		cmocka_unit_test(vf_check_answers_as_the_kernel),
		cmocka_unit_test(what_widens_a_vf_is_known_of_every_setting),
		cmocka_unit_test(trunk_lists_are_added_to_and_removed_from),
		cmocka_unit_test(a_port_vlan_has_no_native_one_and_leaves_the_trunk),
		cmocka_unit_test(pf_check_names_the_word),
		cmocka_unit_test(groups_are_written_in_one_way_and_what_is_none_is_named),
		cmocka_unit_test(mirror_words_go_with_its_kinds),
		cmocka_unit_test(mirror_forgets_the_words_of_its_old_kind),
		cmocka_unit_test(a_mirror_to_elsewhere_needs_no_vf_and_has_a_version),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
