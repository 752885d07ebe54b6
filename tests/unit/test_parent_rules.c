/* SPDX-License-Identifier: Apache-2.0 */
/* What the root parent grants its child: every verb, what is allowed and what a taken child would try. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"

static char mirror_dirs[] = "/var/log/anyvf/mirrors /srv/caps/", socket_dirs[] = "/run/anyvf/vhost";
static char vhost_dir[] = "/run/anyvf/vhost", control[] = "/run/anyvf/swd.sock",
	    reading[] = "/run/anyvf/swd-ro.sock";
static char pf_uplinks[] = " eth2 eth3", forced[] = " eth3", none[1];

static const struct parent_rules open_rules = {
	.uplinks = "",
	.taps = "*",
	.adopt_taps = "",
	.pf_uplinks = pf_uplinks,
	.forced = forced,
	.mirror_dirs = mirror_dirs,
	.socket_dirs = socket_dirs,
	.vhost_dir = vhost_dir,
	.control = control,
	.reading = reading,
	.mark = { 900, 901 },
};
static const struct parent_rules narrow_rules = {
	.uplinks = "eth1,bond*",
	.taps = "vf* tap?",
	.adopt_taps = "lab*",
	.pf_uplinks = pf_uplinks,
	.forced = forced,
	.mirror_dirs = none,
	.socket_dirs = none,
	.vhost_dir = vhost_dir,
	.control = control,
	.reading = reading,
	.mark = { 900, 901 },
};

static const struct row {
	const char *what;
	uint32_t verb;
	const char *name, *netns, *path;
	bool force, narrow;
	struct parent_facts facts;
	int rc;
} rows[] = {
	{ "the child stands", VERB_READY, .rc = 0 },
	{ "it beats", VERB_BEAT, .rc = 0 },
	{ "no verb", VERB_N, .rc = -EINVAL },
	{ "no verb at all", UINT32_MAX, .rc = -EINVAL },

	{ "a new tap", VERB_TAP_OPEN, "t0", .facts.origin = TAP_ABSENT, .rc = 0 },
	{ "one of an earlier life", VERB_TAP_OPEN, "t0", .facts.origin = TAP_OURS, .rc = 0 },
	{ "one we may use", VERB_TAP_OPEN, "t0", .facts.origin = TAP_LENT, .rc = 0 },
	{ "somebody else's", VERB_TAP_OPEN, "t0", .facts.origin = TAP_FOREIGN, .rc = -EEXIST },
	{ "no tap", VERB_TAP_OPEN, "lo", .facts.origin = TAP_NONE, .rc = -EINVAL },
	{ "in a namespace", VERB_TAP_OPEN, "t0", "edge", .rc = 0 },
	{ "in another place's", VERB_TAP_OPEN, "t0", "../../proc/1/ns/net", .rc = -EINVAL },
	{ "in the one above", VERB_TAP_OPEN, "t0", "..", .rc = -EINVAL },
	{ "a name that is a path", VERB_TAP_OPEN, "a/b", .rc = -EINVAL },
	{ "a pattern of the kernel", VERB_TAP_OPEN, "t%d", .rc = -EINVAL },
	{ "no name", VERB_TAP_OPEN, "", .rc = -EINVAL },
	{ "a name of the list", VERB_TAP_OPEN, "vf12", .narrow = true, .rc = 0 },
	{ "one by ?", VERB_TAP_OPEN, "tap1", .narrow = true, .rc = 0 },
	{ "one too long for ?", VERB_TAP_OPEN, "tap12", .narrow = true, .rc = -EACCES },
	{ "a name beside the list", VERB_TAP_OPEN, "eth0", .narrow = true, .rc = -EACCES },
	{ "closing", VERB_TAP_CLOSE, "t0", .rc = 0 },
	{ "closing a path", VERB_TAP_CLOSE, "a/b", .rc = -EINVAL },
	{ "a namespace's number", VERB_NETNS_BORN, .netns = "edge", .rc = 0 },
	{ "a file's number", VERB_NETNS_BORN, .netns = "../../etc/shadow", .rc = -EINVAL },
	{ "where a tap is", VERB_TAP_WHERE, "t0", .rc = 0 },
	{ "where nothing is", VERB_TAP_WHERE, "", .rc = -EINVAL },
	{ "two lines of the list of taps", VERB_TAP_OPEN, "t0", .netns = "a\n7 b", .rc = -EINVAL },

	{ "a wire", VERB_PACKET_OPEN, "eth9", .rc = 0 },
	{ "news of netdevs", VERB_LINKS_FOLLOW, .rc = 0 },
	{ "the management port", VERB_PACKET_OPEN, "eth0", .facts.default_route = true,
	  .rc = -EBUSY },
	{ "by the child's force", VERB_PACKET_OPEN, "eth0", .force = true,
	  .facts.default_route = true, .rc = -EACCES },
	{ "by [pf.*]'s force alone", VERB_PACKET_OPEN, "eth3", .facts.default_route = true,
	  .rc = -EBUSY },
	{ "by both", VERB_PACKET_OPEN, "eth3", .force = true, .facts.default_route = true,
	  .rc = 0 },
	{ "a [pf.*] without force", VERB_PACKET_OPEN, "eth2", .force = true,
	  .facts.default_route = true, .rc = -EACCES },
	{ "a wire of the list", VERB_PACKET_OPEN, "eth1", .narrow = true, .rc = 0 },
	{ "by a pattern", VERB_PACKET_OPEN, "bond0", .narrow = true, .rc = 0 },
	{ "one of [pf.*]", VERB_PACKET_OPEN, "eth2", .narrow = true, .rc = 0 },
	{ "one beside the list", VERB_PACKET_OPEN, "eth9", .narrow = true, .rc = -EACCES },
	{ "a name of the list may be forced", VERB_PACKET_OPEN, "eth1", .force = true,
	  .narrow = true, .facts.default_route = true, .rc = 0 },
	{ "a pattern may not", VERB_PACKET_OPEN, "bond0", .force = true, .narrow = true,
	  .facts.default_route = true, .rc = -EACCES },
	{ "GRE", VERB_GRE_OPEN, .rc = 0 },

	{ "a capture", VERB_FILE_OPEN, .path = "/var/log/anyvf/mirrors/a", .rc = 0 },
	{ "deeper", VERB_FILE_OPEN, .path = "/srv/caps/day/a", .rc = 0 },
	{ "beside", VERB_FILE_OPEN, .path = "/var/log/anyvf/apid.log", .rc = -EACCES },
	{ "beside, by its beginning", VERB_FILE_OPEN, .path = "/srv/capsicum/a", .rc = -EACCES },
	{ "the directory", VERB_FILE_OPEN, .path = "/srv/caps", .rc = -EACCES },
	{ "by ..", VERB_FILE_OPEN, .path = "/srv/caps/../../etc/cron.d/a", .rc = -EINVAL },
	{ "ending in ..", VERB_FILE_OPEN, .path = "/srv/caps/..", .rc = -EINVAL },
	{ "ending in .", VERB_FILE_OPEN, .path = "/srv/caps/.", .rc = -EINVAL },
	{ "by .", VERB_FILE_OPEN, .path = "/srv/caps/./a", .rc = -EINVAL },
	{ "by two strokes", VERB_FILE_OPEN, .path = "/srv/caps//a", .rc = -EINVAL },
	{ "a relative one", VERB_FILE_OPEN, .path = "srv/caps/a", .rc = -EINVAL },
	{ "none", VERB_FILE_OPEN, .path = "", .rc = -EINVAL },
	{ "no directory at all", VERB_FILE_OPEN, .path = "/srv/caps/a", .narrow = true,
	  .rc = -EACCES },

	{ "a vhost socket", VERB_SOCKET_BIND, .path = "/run/anyvf/vhost/p-1/sock", .rc = 0 },
	{ "libvirt's", VERB_SOCKET_CONNECT, .path = "/run/libvirt/libvirt-sock", .rc = -EACCES },
	{ "over the control socket", VERB_SOCKET_BIND, .path = "/run/anyvf/swd.sock",
	  .rc = -EACCES },
	{ "over the reading one", VERB_SOCKET_BIND, .path = "/run/anyvf/swd-ro.sock",
	  .rc = -EACCES },
	{ "removing what is not ours", VERB_SOCKET_CLOSE, .path = "/run/systemd/notify",
	  .rc = -EACCES },
	{ "by ..", VERB_SOCKET_LOOK, .path = "/run/anyvf/vhost/../swd.sock", .rc = -EINVAL },
	{ "the state", VERB_STATE_READ, .rc = 0 },
	{ "the next state", VERB_STATE_NEW, .rc = 0 },
	{ "in its place", VERB_STATE_PUT, .rc = 0 },
	{ "more of it", VERB_STATE_MORE, .rc = 0 },
	{ "a decision", VERB_DECIDE, "0123456789ab", .rc = 0 },
	{ "a decision above", VERB_DECIDE, "..", .rc = -EINVAL },
	{ "one that is too short", VERB_DECIDE, "0123456789a", .rc = -EINVAL },
	{ "one that is no number", VERB_DECIDE, "0123456789ax", .rc = -EINVAL },
};

static struct request request_of(const struct row *r)
{
	struct request q = { .verb = r->verb, .force = r->force };

	snprintf(q.name, sizeof(q.name), "%s", r->name ?: "");
	snprintf(q.netns, sizeof(q.netns), "%s", r->netns ?: "");
	snprintf(q.path, sizeof(q.path), "%s", r->path ?: "");
	return q;
}

static void every_verb_is_judged_by_the_rules(void **state)
{
	bool seen[VERB_N] = { false };

	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++) {
		const struct request q = request_of(r);
		struct err e = { 0 };
		int rc = parent_judge(r->narrow ? &narrow_rules : &open_rules, &q, &r->facts, &e);

		if (rc != r->rc || !rc != !*e.msg)
			fail_msg("%s: %d (%s), not %d", r->what, rc, e.msg, r->rc);
		if (r->verb < VERB_N)
			seen[r->verb] = true;
	}
	for (unsigned int i = 0; i < VERB_N; i++)
		assert_true(seen[i]);
}

static void a_refusal_names_the_key_that_would_allow_it(void **state)
{
	static const struct {
		uint32_t verb;
		const char *path, *key;
		enum tap_origin origin;
		bool route;
	} cases[] = {
		{ VERB_TAP_OPEN, "", " taps in ", TAP_ABSENT, false },
		{ VERB_PACKET_OPEN, "", " uplinks in ", TAP_ABSENT, false },
		{ VERB_FILE_OPEN, "/x/y", "mirror_dirs in ", TAP_ABSENT, false },
		{ VERB_SOCKET_BIND, "/x/y", "socket_dirs in ", TAP_ABSENT, false },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct request q = { .verb = cases[i].verb, .name = "eth9" };
		const struct parent_facts facts = { cases[i].route, cases[i].origin };
		struct err e = { 0 };

		snprintf(q.path, sizeof(q.path), "%s", cases[i].path);
		assert_int_equal(parent_judge(&narrow_rules, &q, &facts, &e), -EACCES);
		assert_non_null(strstr(e.msg, cases[i].key));
	}
}

static void bytes_that_our_code_never_sends_are_refused(void **state)
{
	const struct parent_facts facts = { .origin = TAP_ABSENT };
	struct request good = { .verb = VERB_TAP_OPEN, .name = "t0" }, q;
	uint8_t *const bools[] = { &q.mac_at_birth, &q.rest_at_birth, &q.up, &q.down,
				   &q.force, &q.v6 };
	struct err e = { 0 };

	assert_int_equal(parent_judge(&open_rules, &good, &facts, &e), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(bools); i++) {
		q = good;
		*bools[i] = 2;
		assert_int_equal(parent_judge(&open_rules, &q, &facts, &e), -EINVAL);
	}
	q = good;
	memset(q.name, 'n', sizeof(q.name));
	assert_int_equal(parent_judge(&open_rules, &q, &facts, &e), -EINVAL);
	q = good;
	memset(q.netns, 'n', sizeof(q.netns));
	assert_int_equal(parent_judge(&open_rules, &q, &facts, &e), -EINVAL);
	q = good;
	memset(q.path, '/', sizeof(q.path));
	assert_int_equal(parent_judge(&open_rules, &q, &facts, &e), -EINVAL);
}

static void a_tap_is_ours_by_owner_and_group(void **state)
{
	static const struct {
		struct tap_look look;
		const char *name;
		enum tap_origin origin;
	} cases[] = {
		{ { .ifindex = 0 }, "t0", TAP_ABSENT },
		{ { true, true, true, true, { 900, 901 } }, "t0", TAP_OURS },
		{ { true, true, true, false, { 900, 0 } }, "t0", TAP_LENT },
		{ { true, true, true, true, { 900, 5 } }, "t0", TAP_LENT },
		{ { true, true, true, true, { 5, 901 } }, "t0", TAP_FOREIGN },
		{ { true, true, false, false, { 0, 0 } }, "t0", TAP_FOREIGN },
		{ { true, true, false, true, { 900, 901 } }, "t0", TAP_FOREIGN },
		{ { true, true, false, false, { 0, 0 } }, "lab3", TAP_LENT },
		{ { true, false, false, false, { 0, 0 } }, "t0", TAP_NONE },
		{ { true, false, true, true, { 900, 901 } }, "lab3", TAP_NONE },
		{ { true, true, true, true, { 900, 901 } }, "lab3", TAP_OURS },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(parent_tap_origin(&narrow_rules, cases[i].name, &cases[i].look),
				 cases[i].origin);
}

static void front_ends_are_root_qemu_and_whom_the_configuration_names(void **state)
{
	struct peers p;
	struct err e = { 0 };

	assert_int_equal(peers_read("nobody, 4711", &p, &e), 0);
	assert_true(peers_has(&p, 0) && peers_has(&p, 4711) && peers_has(&p, 65534));
	assert_false(peers_has(&p, 4712));
	assert_int_equal(peers_read("no-such-account", &p, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "no-such-account"));
	assert_int_equal(peers_read("-1", &p, NULL), -EINVAL);
	assert_int_equal(peers_read("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
				    "26 27 28 29 30 31 32 33",
				    &p, NULL),
			 -E2BIG);
}

static void uplinks_of_pfs_are_read_with_their_force(void **state)
{
	char path[] = "/tmp/anyvf-rules-XXXXXX";
	auto_of(conf_free) struct conf *conf = NULL;
	struct parent_rules r = { 0 };
	auto_close int fd = mkstemp(path);
	const struct parent_facts route = { .default_route = true };
	struct request q = { .verb = VERB_PACKET_OPEN, .force = 1, .name = "eth7" };

	dprintf(fd, "[switch]\nuplinks = eth5\nvhost_users = 4711\n[pf.a]\nuplink = dev eth6\n"
		    "[pf.b]\nuplink = dev eth7 force\n[pf.c]\nuplink = none\n");
	assert_int_equal(conf_open(path, &conf, NULL), 0);
	unlink(path);
	assert_int_equal(parent_rules_read(conf, "/run/lab", true, &r, NULL), 0);
	assert_int_equal(parent_judge(&r, &q, &route, NULL), 0);
	strcpy(q.name, "eth6");
	assert_int_equal(parent_judge(&r, &q, &route, NULL), -EACCES);
	q = (struct request){ .verb = VERB_SOCKET_BIND, .path = "/run/lab/vhost/p-1/sock" };
	assert_int_equal(parent_judge(&r, &q, &route, NULL), 0);
	strcpy(q.path, "/run/lab/swd.sock");
	assert_int_equal(parent_judge(&r, &q, &route, NULL), -EACCES);
	q = (struct request){ .verb = VERB_FILE_OPEN, .path = "/var/log/anyvf/mirrors/a" };
	assert_int_equal(parent_judge(&r, &q, &route, NULL), 0);
	assert_true(peers_has(&r.peers, 4711));
	parent_rules_fini(&r);
	assert_int_equal(parent_rules_read(conf, "/run/anyvf", false, &r, NULL), 0);
	strcpy(q.path, "/run/anyvf/a"); /* the host's is not the switch's alone */
	assert_int_equal(parent_judge(&r, &q, &route, NULL), -EACCES);
	parent_rules_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_is_judged_by_the_rules),
		cmocka_unit_test(a_refusal_names_the_key_that_would_allow_it),
		cmocka_unit_test(bytes_that_our_code_never_sends_are_refused),
		cmocka_unit_test(a_tap_is_ours_by_owner_and_group),
		cmocka_unit_test(front_ends_are_root_qemu_and_whom_the_configuration_names),
		cmocka_unit_test(uplinks_of_pfs_are_read_with_their_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
