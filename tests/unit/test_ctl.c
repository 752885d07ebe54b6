/* SPDX-License-Identifier: Apache-2.0 */
/* ctl: every method round-trips to its verb; whatever a client sends or does not read harms only itself. */
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/sock.h"
#include "ctl/ctl.h"
#include "ctl/method.h"
#include "ctl/rows.h"
#include "lib/fake_pf.h"

/* A daemon of fake PFs in a private directory; its loop is turned by the test or by a thread. */
struct rig {
	struct fake_pfs *pfs;
	struct loop *loop;
	struct ctl_server *srv;
	char dir[32], path[64];
	pthread_t thread;
	bool threaded;
};

static int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct pf_config pf;

	strcpy(r->dir, "/tmp/ctl-test-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/swd.sock", r->dir);
	r->pfs = fake_pfs_new();
	r->loop = loop_new(NULL);
	assert_int_equal(ctl_serve(r->loop, r->path, &fake_pf_ops, r->pfs, &r->srv, NULL), 0);
	pf_config_default(&pf);
	strcpy(pf.name, "p2p1");
	pf.numvfs = 4;
	assert_int_equal(fake_pf_ops.pf_add(r->pfs, &pf, 0, NULL), 0);
	*state = r;
	return 0;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int thread_setup(void **state)
{
	struct rig *r;

	rig_setup(state);
	r = *state;
	r->threaded = true;
	return pthread_create(&r->thread, NULL, run_loop, r->loop);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static int rig_teardown(void **state)
{
	struct rig *r = *state;

	if (r->threaded) {
		loop_post(r->loop, stop_loop, r->loop);
		pthread_join(r->thread, NULL);
	}
	ctl_server_free(r->srv);
	loop_free(r->loop);
	fake_pfs_free(r->pfs);
	rmdir(r->dir);
	free(r);
	return 0;
}

static json_t *ask(struct rig *r, const char *line)
{
	auto_free char *reply = ctl_answer(&fake_pf_ops, r->pfs, line, strlen(line), false, -1);
	json_t *j = json_loads(reply, 0, NULL);

	assert_non_null(j);
	return j;
}

static void bad_lines_get_their_error_code(void **state)
{
	static const struct {
		const char *line;
		int code;
		const char *says;
	} cases[] = {
		{ "", RPC_PARSE, "" },
		{ "{", RPC_PARSE, "" },
		{ "nonsense", RPC_PARSE, "" },
		{ "{\"method\":\"pf.list\",\"method\":\"pf.del\"}", RPC_PARSE, "duplicate" },
		{ "[]", RPC_REQUEST, "" },
		{ "{}", RPC_REQUEST, "" },
		{ "{\"id\":1,\"method\":5}", RPC_REQUEST, "" },
		{ "{\"id\":1,\"method\":\"pf.list\",\"params\":[]}", RPC_REQUEST, "" },
		{ "{\"id\":{},\"method\":\"pf.list\"}", RPC_REQUEST, "" },
		{ "{\"id\":1,\"method\":\"pf.list\",\"extra\":1}", RPC_REQUEST, "" },
		{ "{\"id\":1,\"method\":\"pf.destroy\"}", RPC_METHOD, "\"pf.destroy\"" },
		{ "{\"id\":1,\"method\":\"pf.list\",\"params\":{\"x\":1}}", RPC_PARAMS, "\"x\"" },
		{ "{\"id\":1,\"method\":\"pf.get\"}", RPC_PARAMS, "pf is missing" },
		{ "{\"id\":1,\"method\":\"pf.get\",\"params\":{\"pf\":5}}", RPC_PARAMS, "pf" },
		{ "{\"id\":1,\"method\":\"pf.get\",\"params\":{\"pf\":\"p2p1\",\"vf\":1}}",
		  RPC_PARAMS, "\"vf\"" },
		{ "{\"id\":1,\"method\":\"vf.get\",\"params\":{\"pf\":\"p2p1\",\"vf\":-1}}",
		  RPC_PARAMS, "vf" },
		{ "{\"id\":1,\"method\":\"vf.get\",\"params\":{\"pf\":\"p2p1\",\"vf\":4}}", -EINVAL,
		  "no VF 4" },
		{ "{\"id\":1,\"method\":\"vf.get\",\"params\":{\"pf\":\"eth9\",\"vf\":0}}", -ENODEV,
		  "eth9" },
		{ "{\"id\":1,\"method\":\"pf.add\",\"params\":{\"name\":\"p2p1\"}}", -EEXIST,
		  "p2p1" },
		{ "{\"id\":1,\"method\":\"pf.add\",\"params\":{\"name\":\"x\",\"mode\":\"hub\"}}",
		  RPC_PARAMS, "veb, vepa" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":{}}}",
		  RPC_PARAMS, "list" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":[5]}}",
		  RPC_PARAMS, "object" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":[{}]}}",
		  RPC_PARAMS, "vf is missing" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":"
		  "[{\"vf\":0,\"trunk\":\"1\"}]}}",
		  RPC_PARAMS, "\"trunk\"" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":"
		  "[{\"vf\":0,\"trunk_add\":\"5-1\"}]}}",
		  RPC_PARAMS, "\"5-1\"" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":"
		  "[{\"vf\":0,\"trunk_add\":\"4095\"}]}}",
		  -EINVAL, "4095" },
		{ "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"vfs\":"
		  "[{\"vf\":0,\"set\":{\"vlan\":\"1\"}}]}}",
		  RPC_PARAMS, "vlan" },
		{ "{\"id\":1,\"method\":\"vf.filter\",\"params\":{\"pf\":\"p2p1\",\"vf\":0}}",
		  RPC_PARAMS, "object" },
		{ "{\"id\":1,\"method\":\"vf.filter\",\"params\":{\"pf\":\"p2p1\",\"vf\":0,"
		  "\"filter\":{\"macs\":[1]}}}",
		  RPC_PARAMS, "macs" },
		{ "{\"id\":1,\"method\":\"capture\",\"params\":{\"from_pf\":\"p2p1\",\"from_vf\":"
		  "1}}",
		  RPC_PARAMS, "no descriptor" },
		{ "{\"id\":1,\"method\":\"capture\",\"params\":{\"from_pf\":\"p2p1\"}}", RPC_PARAMS,
		  "from_vf is missing" },
		{ "{\"id\":1,\"method\":\"mirror.add\",\"params\":{\"name\":\"m\",\"from_pf\":"
		  "\"p2p1\"}}",
		  RPC_PARAMS, "from_vf is missing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_of(json_decref) json_t *reply = ask(*state, cases[i].line);
		const json_t *error = json_object_get(reply, "error");
		const char *message = json_string_value(json_object_get(error, "message"));

		if (json_integer_value(json_object_get(error, "code")) != cases[i].code ||
		    !strstr(message, cases[i].says))
			fail_msg("%s -> %s", cases[i].line, json_dumps(reply, 0));
	}
}

static void one_bad_vf_leaves_the_others_unset(void **state)
{
	struct rig *r = *state;

	json_decref(ask(r, "{\"id\":1,\"method\":\"pf.set\",\"params\":{\"pf\":\"p2p1\",\"set\":"
			   "{\"up\":false},\"vfs\":[{\"vf\":0,\"set\":{\"vlan\":5}},"
			   "{\"vf\":1,\"set\":{\"mac\":\"01:00:5e:00:00:01\"}}]}}"));
	assert_int_equal(fake_vf(r->pfs, "p2p1", 0)->config.vlan, 0);
	assert_true(fake_pf(r->pfs, "p2p1")->config.up);
}

static void vf_changes_round_trip(void **state)
{
	struct vf_change a = { .vf = 3, .changed = 1U << VF_FIELD_VLAN, .want.vlan = 7 }, b = { 0 };

	vlan_set_parse("10,20-30", &a.trunk_rem, NULL);
	auto_of(json_decref) json_t *j = ctl_vf_change_to_json(&a);
	auto_of(json_decref) json_t *want = json_pack("{s:i, s:s, s:{s:i}}", "vf", 3, "trunk_rem",
						      "10,20-30", "set", "vlan", 7);
	assert_true(json_equal(j, want));
	assert_int_equal(ctl_vf_change_from_json(j, &b, NULL), 0);
	assert_int_equal(b.changed, a.changed);
	assert_int_equal(b.want.vlan, 7);
	assert_false(b.trunk_add.set);
	assert_true(b.trunk_rem.set && vlan_set_has(&b.trunk_rem, 25));
}

static void infos_round_trip(void **state)
{
	struct vf_info a = { 0 }, b;
	struct pf_info p = { 0 }, q;

	vf_config_default(&a.config);
	a.config.vlan = 100;
	vlan_set_parse("none", &a.config.trunk, NULL);
	a.attach.kind = VF_ATTACH_VHOST;
	strcpy(a.attach.socket, "/run/x.sock");
	a.status.features = 1ULL << 32 | 5;
	a.status.n_accepted = 40;
	a.status.accepted[17].b[5] = 9;
	a.status.n_refused = 1;
	strcpy(a.status.overridden, "mac,vlan");
	a.stats.rx_bytes = 1ULL << 50;
	a.stats.drops[DROP_N - 1] = 7;
	auto_of(json_decref) json_t *j = ctl_vf_info_to_json(3, &a);
	assert_int_equal(ctl_vf_info_from_json(j, &b, NULL), 0);
	auto_of(json_decref) json_t *k = ctl_vf_info_to_json(3, &b);
	assert_true(json_equal(j, k));
	assert_int_equal(b.stats.drops[DROP_N - 1], 7);
	assert_int_equal(b.status.accepted[17].b[5], 9);
	pf_config_default(&p.config);
	strcpy(p.status.kind, "sw");
	p.config.mtu = 65535; /* a NIC's; nobody may ask for it */
	p.status.uplink.drops[DROP_RUNT] = 3;
	auto_of(json_decref) json_t *l = ctl_pf_info_to_json(&p);
	assert_int_equal(ctl_pf_info_from_json(l, &q, NULL), 0);
	assert_int_equal(q.status.uplink.drops[DROP_RUNT], 3);
	assert_int_equal(q.config.mtu, 65535);
	assert_int_equal(ctl_pf_info_from_json(k, &q, NULL), -EINVAL);
}

static void drops_tell_as_much_of_a_header_as_is_known(void **state)
{
	static const char head[DROP_HEAD_MAX + 1] = "\2\0\0\0\0\1\2\0\0\0\0\2"
						    "\x88\xa8\0\x64\x81\0\xa0\5\x88\xb5";
	static const struct {
		unsigned int head_len;
		const char *last;
	} cases[] = {
		{ 22, "{\"age_ms\":9,\"length\":68,\"dst\":\"02:00:00:00:00:01\","
		      "\"src\":\"02:00:00:00:00:02\",\"tags\":["
		      "{\"protocol\":\"802.1ad\",\"vlan\":100,\"priority\":0},"
		      "{\"protocol\":\"802.1Q\",\"vlan\":5,\"priority\":5}],"
		      "\"ethertype\":\"0x88b5\"}" },
		{ 18, "{\"age_ms\":9,\"length\":68,\"dst\":\"02:00:00:00:00:01\","
		      "\"src\":\"02:00:00:00:00:02\",\"tags\":["
		      "{\"protocol\":\"802.1ad\",\"vlan\":100,\"priority\":0}],"
		      "\"ethertype\":\"0x8100\"}" },
		{ 11, "{\"age_ms\":9,\"length\":68,\"dst\":\"02:00:00:00:00:01\",\"tags\":[]}" },
		{ 0, "{\"age_ms\":9,\"length\":68,\"tags\":[]}" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct vf_drop drops[DROP_N] = { 0 };
		auto_of(json_decref) json_t *want = json_loads(cases[i].last, 0, NULL), *got = NULL;
		const json_t *one;

		drops[DROP_RUNT] = (struct vf_drop){ .count = 4,
						     .seen = true,
						     .age_ms = 9,
						     .len = 68,
						     .head_len = (uint8_t)cases[i].head_len };
		memcpy(drops[DROP_RUNT].head, head, DROP_HEAD_MAX);
		got = ctl_vf_drops_to_json(3, drops);
		one = json_array_get(json_object_get(got, "drops"), DROP_RUNT);
		assert_string_equal(json_string_value(json_object_get(one, "reason")), "runt");
		assert_int_equal(json_integer_value(json_object_get(one, "count")), 4);
		assert_true(json_equal(json_object_get(one, "last"), want));
		one = json_array_get(json_object_get(got, "drops"), DROP_VLAN);
		assert_null(json_object_get(one, "last"));
	}
}

/* What nobody counts is left out, not 0, and is known as such on the other side. */
static void counters_that_are_not_told_are_left_out(void **state)
{
	struct vf_info a = { .stats = { .rx_packets = 7, .tx_dropped = 3 },
			     .untold = { 1U << VF_COUNT_RX_BYTES | 1U << VF_COUNT_RX_DROPPED |
						 1U << VF_COUNT_DROPS,
					 "by igb" } },
		       b;
	auto_of(json_decref) json_t *j = ctl_vf_info_to_json(0, &a), *told = NULL, *d = NULL;
	const json_t *stats = json_object_get(j, "stats");

	assert_null(json_object_get(stats, "rx_bytes"));
	assert_null(json_object_get(stats, "drops"));
	assert_string_equal(json_string_value(json_object_get(stats, "not_told")), "by igb");
	assert_int_equal(ctl_vf_info_from_json(j, &b, NULL), 0);
	assert_memory_equal(&a.untold, &b.untold, sizeof(a.untold));
	assert_int_equal(b.stats.rx_packets, 7);
	assert_int_equal(vf_stats_tx_dropped(&b.stats), 3);
	d = ctl_vf_dropped_to_json(5, &b);
	told = json_pack("{s:i, s:i, s:s}", "vf", 5, "tx_dropped", 3, "not_told", "by igb");
	assert_true(json_equal(d, told));

	a.untold = (struct vf_untold){ 0 };
	auto_of(json_decref) json_t *all = ctl_vf_info_to_json(0, &a);
	stats = json_object_get(all, "stats");
	assert_null(json_object_get(stats, "not_told"));
	assert_null(json_object_get(stats, "tx_dropped")); /* its reasons are told */
	assert_int_equal(ctl_vf_info_from_json(all, &b, NULL), 0);
	assert_int_equal(b.untold.counts, 0);
}

static void filters_round_trip(void **state)
{
	struct mac macs[3] = { { { 2, 0, 0, 0, 0, 1 } }, { { 2, 0, 0, 0, 0, 2 } } };
	struct vf_filter a = { .n_macs = 2, .n_mcasts = 1, .macs = macs, .mcasts = macs + 2 }, b;

	a.allmulti = true;
	auto_of(json_decref) json_t *j = ctl_vf_filter_to_json(&a);
	assert_int_equal(ctl_vf_filter_from_json(j, &b, NULL), 0);
	assert_int_equal(b.n_macs, 2);
	assert_int_equal(b.n_mcasts, 1);
	assert_true(b.allmulti && mac_equal(&b.macs[1], &macs[1]));
	ctl_vf_filter_fini(&b);
}

static void every_method_reaches_its_verb(void **state)
{
	static const struct {
		const char *method, *params;
		int rc;
	} calls[] = {
		{ "daemon.info", "{}", 0 },
		{ "pf.add", "{\"name\":\"p2p2\",\"numvfs\":2}", 0 },
		{ "pf.set", "{\"pf\":\"p2p2\",\"set\":{\"numvfs\":3}}", 0 },
		{ "vf.attach", "{\"pf\":\"p2p2\",\"vf\":2,\"kind\":\"vhost\"}", 0 },
		{ "vf.attach", "{\"pf\":\"p2p2\",\"vf\":2,\"kind\":\"tap\",\"tap\":\"t\"}",
		  -EBUSY },
		{ "pf.del", "{\"pf\":\"p2p2\"}", -EBUSY },
		{ "vf.filter", "{\"pf\":\"p2p2\",\"vf\":2,\"filter\":null}", 0 },
		{ "vf.detach", "{\"pf\":\"p2p2\",\"vf\":2}", 0 },
		{ "vf.release", "{\"pf\":\"p2p2\",\"vf\":2}", 0 },
		{ "svc.add", "{\"pf\":\"p2p2\",\"name\":\"dhcp0\",\"vlan\":7}", 0 },
		{ "svc.list", "{}", 0 },
		{ "svc.del", "{\"pf\":\"p2p2\",\"name\":\"dhcp0\"}", 0 },
		{ "mirror.add",
		  "{\"name\":\"m\",\"from_pf\":\"p2p1\",\"from_vf\":1,\"to_pf\":\"p2p1\",\"to_vf\":"
		  "2}",
		  0 },
		{ "mirror.list", "{}", 0 },
		{ "mirror.del", "{\"name\":\"m\"}", 0 },
		{ "mirror.del", "{\"name\":\"m\"}", -ENOENT },
		{ "pf.get", "{\"pf\":\"p2p2\",\"vfs\":true}", 0 },
		{ "pf.del", "{\"pf\":\"p2p2\"}", 0 },
		{ "no.such", "{}", -ENOSYS },
	};
	struct rig *r = *state;
	auto_of(ctl_close) struct ctl_client *c = NULL;

	assert_int_equal(ctl_open_pf(r->dir, "p2p1", &c, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct err e = { 0 };
		json_t *result = NULL;
		int rc = ctl_call(c, calls[i].method, json_loads(calls[i].params, 0, NULL), 5000,
				  &result, &e);

		if (rc != calls[i].rc)
			fail_msg("%s %s -> %d %s", calls[i].method, calls[i].params, rc, e.msg);
		json_decref(result);
	}
}

/* What may be asked where only reading is allowed, method by method: a new one is to be judged here. */
static const struct {
	const char *name;
	bool reads;
} judged[] = {
	{ "pf.add", false },	 { "pf.del", false },	  { "pf.set", false },
	{ "pf.list", true },	 { "pf.get", true },	  { "pf.drift", true },
	{ "pf.counts", true },	 { "vf.get", true },	  { "vf.drops", true },
	{ "vf.attach", false },	 { "vf.detach", false },  { "vf.release", false },
	{ "vf.filter", false },	 { "svc.add", false },	  { "svc.del", false },
	{ "svc.set", false },	 { "svc.list", true },	  { "mirror.add", false },
	{ "mirror.set", false }, { "mirror.del", false }, { "mirror.list", true },
	{ "capture", false },	 { "worker.list", true }, { "daemon.info", true },
	{ "host.get", true },	 { "apply.get", true },	  { "apply.begin", false },
	{ "apply.end", false },
};

static void each_method_reads_or_does_more(void **state)
{
	const char *name;
	unsigned int i;
	bool reads;

	for (i = 0; (name = ctl_method_at(i, &reads)); i++) {
		if (i >= ARRAY_LEN(judged) || strcmp(name, judged[i].name))
			fail_msg("%s is not judged", name);
		if (reads != judged[i].reads)
			fail_msg("%s: %d", name, reads);
	}
	assert_int_equal(i, ARRAY_LEN(judged));
}

static void what_is_more_than_reading_is_refused_by_name(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(judged); i++) {
		auto_of(json_decref) json_t *reply = NULL;
		auto_free char *answer = NULL;
		char line[128];
		json_int_t code;

		snprintf(line, sizeof(line), "{\"id\":1,\"method\":\"%s\"}", judged[i].name);
		answer = ctl_answer(&fake_pf_ops, r->pfs, line, strlen(line), true, -1);
		reply = json_loads(answer, 0, NULL);
		code = json_integer_value(json_object_get(json_object_get(reply, "error"), "code"));
		assert_int_equal(code == -EACCES, !judged[i].reads);
		assert_int_equal(strstr(answer, judged[i].name) && strstr(answer, "reading"),
				 !judged[i].reads);
	}
}

/* The number of a VF in the column of that name, as text; its place by the list of columns. */
static void number_of(const json_t *told, size_t vf, const char *column, char out[32])
{
	const json_t *cols = json_object_get(told, "columns"), *name;
	const char *at = json_string_value(json_array_get(json_object_get(told, "vfs"), vf));
	size_t i, n = 0, want = SIZE_MAX;

	json_array_foreach (cols, i, name)
		if (!strcmp(json_string_value(name), column))
			want = i;
	while (n < json_array_size(cols)) {
		const char *star = at + strcspn(at, " *");
		size_t times = *star == '*' ? strtoul(star + 1, NULL, 10) : 1;

		assert_true(*star != '*' || times > 1);
		if (want - n < times)
			snprintf(out, 32, "%.*s", (int)(star - at), at);
		n += times;
		at += strcspn(at, " ");
		assert_int_equal(*at++, ' ');
	}
	assert_int_equal(n, json_array_size(cols));
	assert_string_equal(at, vf ? "00:00:00:00:00:00 0000:05:10.2"
				   : "00:00:00:00:00:00 0000:05:10.0");
	if (want >= n)
		fail_msg("%s is no column", column);
}

static void each_number_of_a_vf_stands_in_its_column(void **state)
{
	static const struct {
		const char *column, *of[2]; /* of VF 0, which tells all, and of VF 1 */
	} cases[] = {
		{ "config.vlan", { "7", "-" } },
		{ "config.qos", { "0", "0" } },
		{ "attach.kind", { "2", "0" } },
		{ "status.n_learned", { "3", "0" } },
		{ "stats.rx_bytes", { "18446744073709551615", "-" } },
		{ "stats.rx_packets", { "0", "9" } },
		{ "stats.tx_dropped", { "-", "5" } },
		{ "drops.runt", { "11", "-" } },
		{ "rx_drops.oversize", { "12", "-" } },
		{ "drops.multicast_refused", { "0", "-" } },
		{ "waits.0", { "0", "-" } },
		{ "waits.9", { "13", "-" } },
		{ "waits.ns", { "14", "-" } },
	};
	struct rig *r = *state;
	struct vf_info *a = fake_vf(r->pfs, "p2p1", 0), *b = fake_vf(r->pfs, "p2p1", 1);
	auto_of(json_decref) json_t *told = NULL;
	const json_t *owner;
	char is[32];

	a->config.vlan = b->config.vlan = 7;
	strcpy(a->config.server, "a \"b\"\n");
	a->attach.kind = VF_ATTACH_TAP;
	a->status.n_learned = 3;
	a->stats.rx_bytes = UINT64_MAX;
	a->stats.drops[DROP_RUNT] = 11;
	a->stats.rx_drops[DROP_OVERSIZE] = 12;
	a->stats.waits[VF_WAITS - 1] = 13;
	a->stats.wait_ns = 14;
	b->stats.rx_packets = 9;
	b->stats.tx_dropped = 5;
	b->status.untold = 1U << VF_FIELD_VLAN;
	b->untold.counts = 1U << VF_COUNT_RX_BYTES | 1U << VF_COUNT_DROPS;
	assert_int_equal(ctl_pf_counts(&fake_pf_ops, r->pfs, "p2p1", &told, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++)
		for (unsigned int vf = 0; vf < 2; vf++) {
			number_of(told, vf, cases[i].column, is);
			if (strcmp(is, cases[i].of[vf]))
				fail_msg("VF %u: %s is %s", vf, cases[i].column, is);
		}
	owner = json_array_get(json_object_get(told, "owners"), 0);
	assert_string_equal(json_string_value(json_array_get(owner, 1)), "a \"b\"\n");
	assert_true(json_is_null(json_array_get(json_object_get(told, "owners"), 1)));
	assert_int_equal(ctl_pf_counts(&fake_pf_ops, r->pfs, "p9", &told, NULL), -ENODEV);
}

/* The longest there is: no number is small, nor that of its neighbour. */
static void a_row_of_large_numbers_is_whole(void **state)
{
	struct rig *r = *state;
	struct vf_info *vf = fake_vf(r->pfs, "p2p1", 0);
	uint64_t *n = (uint64_t *)(void *)&vf->stats;
	auto_of(json_decref) json_t *told = NULL;
	char is[32], last[32];

	for (size_t i = 0; i < sizeof(vf->stats) / sizeof(*n); i++)
		n[i] = UINT64_MAX - i;
	snprintf(last, sizeof(last), "%" PRIu64, vf->stats.wait_ns);
	assert_int_equal(ctl_pf_counts(&fake_pf_ops, r->pfs, "p2p1", &told, NULL), 0);
	number_of(told, 0, "waits.ns", is);
	assert_string_equal(is, last);
}

static void missing_pf_and_missing_daemon_are_told_apart(void **state)
{
	struct rig *r = *state;
	struct ctl_client *c = NULL;
	struct err e = { 0 };
	char lock[512];

	assert_int_equal(ctl_open_pf(r->dir, "eth9", &c, NULL), -ENODEV);
	assert_int_equal(ctl_open_pf("/nonexistent", "p2p1", &c, NULL), -ECONNREFUSED);
	/* another daemon may have it, that ran and does not now: it restarts */
	snprintf(lock, sizeof(lock), "%s/hwd.lock", r->dir);
	assert_int_equal(file_replace(lock, "", 0, 0600, NULL), 0);
	assert_int_equal(ctl_open_pf(r->dir, "eth9", &c, &e), -ECONNREFUSED);
	assert_non_null(strstr(e.msg, "anyvf-hwd does not run"));
	assert_null(c);
	assert_int_equal(ctl_open_pf(r->dir, "p2p1", &c, NULL), 0);
	ctl_close(c);
	unlink(lock);
}

/* A daemon's socket behind which nobody answers. */
static int mute(struct rig *r, const char *sock)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r->dir, sock);
	fd = sock_listen_unix(path, 0600, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void unmute(struct rig *r, const char *sock)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", r->dir, sock);
	unlink(path);
}

static void who_hangs_keeps_nobody_from_the_others_pfs(void **state)
{
	struct rig *r = *state;
	auto_close int hangs = -1;
	struct ctl_client *c = NULL;
	char moved[64];

	/* The one that is asked first hangs: the PFs are the second's. */
	snprintf(moved, sizeof(moved), "%s/hwd.sock", r->dir);
	assert_int_equal(rename(r->path, moved), 0);
	hangs = mute(r, "swd.sock");
	assert_int_equal(ctl_open_pf(r->dir, "p2p1", &c, NULL), 0);
	assert_int_equal(ctl_call(c, "pf.list", NULL, 5000, NULL, NULL), 0);
	ctl_close(c);
	assert_int_equal(rename(moved, r->path), 0);
}

/* Takes one connection and ends it. */
static void *turn_away(void *arg)
{
	const int *fd = arg;
	struct pollfd p = { .fd = *fd, .events = POLLIN };

	poll(&p, 1, -1);
	close(accept(*fd, NULL, NULL));
	return NULL;
}

static void who_does_not_say_may_have_the_pf(void **state)
{
	struct rig *r = *state;
	auto_close int fd = mute(r, "hwd.sock");
	struct ctl_client *c = NULL;
	struct err e = { 0 };
	pthread_t thread;
	int rc;

	assert_int_equal(pthread_create(&thread, NULL, turn_away, &fd), 0);
	rc = ctl_open_pf(r->dir, "eth9", &c, &e);
	pthread_join(thread, NULL);
	assert_true(rc == -ECONNRESET || rc == -EPIPE);
	assert_non_null(strstr(e.msg, "anyvf-hwd: "));
	assert_null(c);
	unmute(r, "hwd.sock");
}

static void turn(struct rig *r, int times)
{
	while (times--)
		loop_turn(r->loop, 0);
}

static void line_may_come_in_pieces_and_two_at_once(void **state)
{
	static const char text[] =
		"{\"id\":1,\"method\":\"pf.list\"}\n{\"id\":2,\"method\":\"pf.list\"}\n";
	struct rig *r = *state;
	char reply[256] = "";
	auto_close int fd = sock_connect_unix(r->path, NULL);

	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(send(fd, text + i, 1, 0), 1);
		turn(r, 2);
	}
	assert_true(recv(fd, reply, sizeof(reply), MSG_DONTWAIT) < 0);
	assert_true(send(fd, text + 20, sizeof(text) - 21, 0) > 0);
	shutdown(fd, SHUT_WR);
	turn(r, 4);
	assert_true(recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(reply, "\"id\":1"));
	assert_non_null(strstr(reply, "\"id\":2"));
}

static void ask_late(void *fd)
{
	static const char text[] = "{\"id\":2,\"method\":\"pf.list\"}\n";

	assert_true(send(*(int *)fd, text, sizeof(text) - 1, 0) > 0);
}

static void who_is_there_before_the_end_is_answered(void **state)
{
	static const char text[] = "{\"id\":1,\"method\":\"pf.list\"}\n";
	struct rig *r = *state;
	char reply[256] = "";
	auto_close int asks = sock_connect_unix(r->path, NULL);
	auto_close int late = sock_connect_unix(r->path, NULL);
	auto_close int gone = sock_connect_unix(r->path, NULL);

	turn(r, 6);
	assert_true(send(asks, text, sizeof(text) - 1, 0) > 0);
	close(take_fd(gone));
	assert_non_null(loop_timer_add(r->loop, 20, 0, ask_late, &late));
	ctl_server_drain(r->srv);
	assert_true(recv(asks, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(reply, "\"id\":1"));
	turn(r, 2);
	assert_true(recv(late, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(reply, "\"id\":2"));
}

static void line_above_a_megabyte_is_refused_and_dropped(void **state)
{
	struct rig *r = *state;
	auto_close int fd = sock_connect_unix(r->path, NULL);
	auto_free char *blob = malloc(65536);
	char reply[256] = "";
	ssize_t n = 0;

	memset(blob, ' ', 65536);
	for (size_t sent = 0; n >= 0 && sent < CTL_LINE_MAX + 200000; turn(r, 2)) {
		n = send(fd, blob, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	}
	turn(r, 4);
	assert_true(recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(reply, "too long"));
	assert_true(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

static void client_that_never_reads_is_dropped_and_others_served(void **state)
{
	struct rig *r = *state;
	auto_close int deaf = sock_connect_unix(r->path, NULL);
	auto_close int fd = sock_connect_unix(r->path, NULL);
	static const char line[] =
		"{\"id\":1,\"method\":\"pf.get\",\"params\":{\"pf\":\"p2p1\",\"vfs\":true}}\n";
	char reply[64];
	ssize_t n = 0;
	int rounds = 0;

	while (n >= 0 && rounds++ < 100000) {
		n = send(deaf, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		turn(r, 1);
	}
	assert_int_equal(errno, EPIPE);
	assert_true(send(fd, "{}\n", 3, 0) == 3);
	turn(r, 2);
	assert_true(recv(fd, reply, sizeof(reply), MSG_DONTWAIT) > 0);
}

static void crowd_replaces_the_longest_idle(void **state)
{
	struct rig *r = *state;
	int fds[CTL_CLIENTS_MAX + 1];
	char reply[64];

	for (unsigned int i = 0; i <= CTL_CLIENTS_MAX; i++) {
		fds[i] = sock_connect_unix(r->path, NULL);
		assert_true(fds[i] >= 0);
		turn(r, 1);
		if (i ==
		    CTL_CLIENTS_MAX - 1) { /* the oldest says something: the second is idlest */
			assert_int_equal(send(fds[0], "{}\n", 3, 0), 3);
			turn(r, 2);
		}
	}
	turn(r, 2);
	assert_true(recv(fds[0], reply, sizeof(reply), MSG_DONTWAIT) > 0);
	assert_int_equal(recv(fds[1], reply, sizeof(reply), MSG_DONTWAIT), 0);
	for (unsigned int i = 0; i <= CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	turn(r, 4);
}

/* A second server of the same PFs, for who only reads. */
static struct ctl_server *serve_reading(struct rig *r, char path[80], int *fd)
{
	struct ctl_server *srv = NULL;

	snprintf(path, 80, "%s/swd-ro.sock", r->dir);
	*fd = sock_listen_unix(path, 0660, NULL);
	assert_true(*fd >= 0);
	assert_int_equal(ctl_serve_reading_on(r->loop, *fd, &fake_pf_ops, r->pfs, &srv, NULL), 0);
	return srv;
}

/* What a client gets for one send(), as text; "" at the end of the connection. */
static void told(struct rig *r, int client, const char *text, char reply[4096])
{
	ssize_t n;

	if (text)
		assert_true(send(client, text, strlen(text), MSG_NOSIGNAL) > 0);
	turn(r, 4);
	n = recv(client, reply, 4095, MSG_DONTWAIT);
	reply[MAX(n, 0)] = '\0';
}

static void who_reads_asks_one_thing_at_a_time(void **state)
{
	static const char ask[] = "{\"id\":1,\"method\":\"pf.list\"}\n";
	struct rig *r = *state;
	char path[80], reply[4096], twice[2 * sizeof(ask)], blob[CTL_READ_LINE_MAX + 2];
	auto_close int listener = -1;
	auto_of(ctl_server_free) struct ctl_server *srv = serve_reading(r, path, &listener);
	auto_close int patient = sock_connect_unix(path, NULL), hasty = -1, verbose = -1;

	told(r, patient, ask, reply);
	assert_non_null(strstr(reply, "p2p1"));
	told(r, patient, "{\"id\":2,\"method\":\"pf.del\",\"params\":{\"pf\":\"p2p1\"}}\n", reply);
	assert_non_null(strstr(reply, "pf.del is more than reading"));
	told(r, patient, ask, reply); /* what is refused ends nothing */
	assert_non_null(strstr(reply, "p2p1"));

	hasty = sock_connect_unix(path, NULL);
	snprintf(twice, sizeof(twice), "%s%s", ask, ask);
	told(r, hasty, twice, reply);
	assert_non_null(strstr(reply, "p2p1"));
	assert_non_null(strstr(reply, "one question at a time"));
	assert_int_equal(recv(hasty, reply, 1, MSG_DONTWAIT), 0);

	verbose = sock_connect_unix(path, NULL);
	memset(blob, ' ', sizeof(blob));
	blob[sizeof(blob) - 1] = '\0';
	told(r, verbose, blob, reply);
	assert_non_null(strstr(reply, "too long"));
	unlink(path);
}

static void a_crowd_of_readers_hinders_nobody_else(void **state)
{
	struct rig *r = *state;
	int fds[CTL_READERS_MAX + 1];
	char path[80], reply[4096];
	auto_close int listener = -1;
	auto_of(ctl_server_free) struct ctl_server *srv = serve_reading(r, path, &listener);
	auto_close int full = sock_connect_unix(r->path, NULL);

	turn(r, 2);
	for (unsigned int i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = sock_connect_unix(path, NULL);
		turn(r, 1);
	}
	turn(r, 2);
	assert_int_equal(recv(fds[0], reply, 1, MSG_DONTWAIT), 0);
	told(r, fds[1], "{\"id\":1,\"method\":\"pf.list\"}\n", reply);
	assert_non_null(strstr(reply, "p2p1"));
	told(r, full, "{\"id\":1,\"method\":\"pf.list\"}\n", reply);
	assert_non_null(strstr(reply, "p2p1"));
	for (unsigned int i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	unlink(path);
}

static unsigned int fds_open(void)
{
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/fd");

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_client_that_left_holds_no_descriptor(void **state)
{
	struct rig *r = *state;
	unsigned int before = fds_open();

	for (unsigned int i = 0; i < 20; i++) {
		int fd = sock_connect_unix(r->path, NULL);

		turn(r, 1);
		close(fd);
		turn(r, 2);
	}
	assert_int_equal(fds_open(), before);
}

#define IN_TURNS(fn)  cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
#define IN_THREAD(fn) cmocka_unit_test_setup_teardown(fn, thread_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TURNS(bad_lines_get_their_error_code),
		IN_TURNS(one_bad_vf_leaves_the_others_unset),
		cmocka_unit_test(vf_changes_round_trip),
		cmocka_unit_test(infos_round_trip),
		cmocka_unit_test(drops_tell_as_much_of_a_header_as_is_known),
		cmocka_unit_test(counters_that_are_not_told_are_left_out),
		cmocka_unit_test(filters_round_trip),
		IN_THREAD(every_method_reaches_its_verb),
		IN_TURNS(each_number_of_a_vf_stands_in_its_column),
		IN_TURNS(a_row_of_large_numbers_is_whole),
		cmocka_unit_test(each_method_reads_or_does_more),
		IN_TURNS(what_is_more_than_reading_is_refused_by_name),
		IN_THREAD(missing_pf_and_missing_daemon_are_told_apart),
		IN_THREAD(who_hangs_keeps_nobody_from_the_others_pfs),
		IN_THREAD(who_does_not_say_may_have_the_pf),
		IN_TURNS(line_may_come_in_pieces_and_two_at_once),
		IN_TURNS(who_is_there_before_the_end_is_answered),
		IN_TURNS(line_above_a_megabyte_is_refused_and_dropped),
		IN_TURNS(client_that_never_reads_is_dropped_and_others_served),
		IN_TURNS(crowd_replaces_the_longest_idle),
		IN_TURNS(who_reads_asks_one_thing_at_a_time),
		IN_TURNS(a_crowd_of_readers_hinders_nobody_else),
		IN_TURNS(a_client_that_left_holds_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
