/* SPDX-License-Identifier: Apache-2.0 */
/* hw/link: messages of rtnetlink as Linux 6.1 sent them for igb and netdevsim, and such as no kernel sends (tests/fuzz/corpus/link). */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "hw/link.h"
#include "hw/rt.h"

#define ALL    (HW_WORDS & ~(1U << VF_FIELD_GROUP)) /* which is devlink's */
#define BIT(n) (1U << VF_FIELD_##n)

/* What a file of the corpus is read as; -EBADMSG also where it is no whole message. */
static int parse(const char *name, struct hw_link **out, struct err *e)
{
	auto_free struct nlmsghdr *h = NULL;
	auto_free char *bytes = NULL;
	char path[512];
	size_t size;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/link/%s", getenv("ANYVF_SRC") ?: ".",
		 name);
	assert_int_equal(file_read(path, 1 << 20, &bytes, &size, NULL), 0);
	h = malloc(size);
	assert_non_null(h);
	memcpy(h, bytes + 1, size - 1);
	if (!hw_rt_whole(h, (int)(size - 1)))
		return -EBADMSG;
	return hw_link_parse(h, bytes[0] ? HW_ASK_STATS : HW_ASK_SETTINGS, out, e);
}

static void igb_tells_what_it_has(void **state)
{
	auto_free struct hw_link *link = NULL, *stats = NULL;
	const struct mac mac = { { 2, 0, 0, 0, 0, 5 } };
	const struct hw_vf *v;

	assert_int_equal(parse("igb", &link, NULL), 0);
	assert_int_equal(link->n_vfs, 3);
	assert_string_equal(link->name, "eth0");
	assert_int_equal(link->mtu, 1500);
	v = &link->vfs[1];
	assert_int_equal(v->told, ALL & ~BIT(QUERY_RSS));
	assert_true(mac_equal(&v->words.mac, &mac));
	assert_int_equal(v->words.vlan, 100);
	assert_int_equal(v->words.qos, 3);
	assert_true(v->words.spoofchk);
	assert_false(v->counted);
	assert_int_equal(link->vfs[0].words.vlan, 0);
	assert_int_equal(parse("igb_stats", &stats, NULL), 0);
	assert_true(stats->vfs[1].counted);
	assert_int_equal(stats->vfs[1].stats.rx_packets, 0); /* whatever it did */
	assert_int_equal(stats->vfs[1].words.vlan, 100);
}

static void netdevsim_tells_every_word(void **state)
{
	auto_free struct hw_link *link = NULL;
	const struct hw_words *w;

	assert_int_equal(parse("netdevsim", &link, NULL), 0);
	assert_int_equal(link->n_vfs, 4);
	assert_int_equal(link->vfs[2].told, ALL);
	w = &link->vfs[2].words;
	assert_int_equal(w->vlan, 7);
	assert_int_equal(w->proto, VF_PROTO_8021AD);
	assert_int_equal(w->max_tx_mbit, 100);
	assert_int_equal(w->min_tx_mbit, 10);
	assert_int_equal(w->link, VF_LINK_DISABLE);
	assert_true(w->spoofchk && w->query_rss && w->trust);
	assert_false(link->vfs[1].words.trust);
}

static void what_has_no_vfs_has_none(void **state)
{
	auto_free struct hw_link *link = NULL;

	assert_int_equal(parse("none", &link, NULL), 0);
	assert_int_equal(link->n_vfs, 0);
	assert_string_equal(link->name, "lo");
}

static void a_list_is_whole_or_an_error(void **state)
{
	static const struct {
		const char *file;
		int rc;
		const char *error; /* a part of it */
	} rows[] = {
		{ "list_short", -EMSGSIZE,
		  "of 3 VFs the kernel tells 2: their list, with statistics" },
		{ "num_more", -EMSGSIZE, "of 4 VFs the kernel tells 3" },
		{ "num_huge", -E2BIG, "it has 4294967295 VFs" },
		{ "twice", -EMSGSIZE, "tells 2" },
		{ "vf_out", -EMSGSIZE, "tells 2" },
		{ "mac_short", -EMSGSIZE, "tells 2" },
		{ "attr_none", -EMSGSIZE, "tells 1" },
		{ "no_head", -EBADMSG, "cut off" },
		{ "cut", -EBADMSG, "" },
		{ "len_15", -EBADMSG, "" },
		{ "len_negative", -EBADMSG, "" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct hw_link *link = NULL;
		struct err e = { 0 };

		assert_int_equal(parse(rows[i].file, &link, &e), rows[i].rc);
		assert_null(link);
		assert_non_null(strstr(e.msg, rows[i].error));
	}
}

static void what_no_vf_can_have_is_not_told(void **state)
{
	static const struct {
		const char *file;
		unsigned int vf;
		uint32_t untold;
	} rows[] = {
		{ "vlan_huge", 1, BIT(VLAN) | BIT(QOS) },
		{ "state_huge", 1, BIT(STATE) },
		{ "attr_over", 2, BIT(PROTO) }, /* the list of VLANs, the last of the VF */
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free struct hw_link *link = NULL;

		assert_int_equal(parse(rows[i].file, &link, NULL), 0);
		assert_int_equal(link->vfs[rows[i].vf].told,
				 ALL & ~BIT(QUERY_RSS) & ~rows[i].untold);
	}
}

static void a_name_without_an_end_is_none(void **state)
{
	auto_free struct hw_link *link = NULL;

	assert_int_equal(parse("name_open", &link, NULL), 0);
	assert_string_equal(link->name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(igb_tells_what_it_has),
		cmocka_unit_test(netdevsim_tells_every_word),
		cmocka_unit_test(what_has_no_vfs_has_none),
		cmocka_unit_test(a_list_is_whole_or_an_error),
		cmocka_unit_test(what_no_vf_can_have_is_not_told),
		cmocka_unit_test(a_name_without_an_end_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
