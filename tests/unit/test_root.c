/* SPDX-License-Identifier: Apache-2.0 */
/* agent/host/root: what root's process refuses, whatever it is sent. */
#include "unit/unit.h"

#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/host/root.h"
#include "base/file.h"

#define NET "11111111-2222-4333-8444-555555555555"

static struct root_req net(uint32_t verb, const char *network)
{
	struct root_req req = { .verb = verb };

	memcpy(req.network, network, MIN(strlen(network) + 1, sizeof(req.network)));
	return req;
}

static struct root_req tool(const char *words, size_t size, uint32_t n)
{
	struct root_req req = { .verb = ROOT_IMAGE_TOOL,
				.timeout_ms = 1000,
				.cpu_s = 1,
				.memory = 1,
				.file_size = 1,
				.n_words = n };

	memcpy(req.words, words, size);
	return req;
}

static void every_verb_has_its_row(void **state)
{
	for (uint32_t verb = 0; verb < ROOT_N; verb++) {
		assert_non_null(root_rows[verb].name);
		assert_non_null(root_rows[verb].why);
		assert_non_null(root_rows[verb].judge);
		assert_non_null(root_rows[verb].run);
	}
	for (uint64_t verb = ROOT_N; verb <= UINT32_MAX; verb = verb * 3 + 1) {
		struct root_req req = net((uint32_t)verb, NET);

		assert_int_equal(root_judge(&req, NULL), -EINVAL);
	}
}

static void the_page_has_the_table(void **state)
{
	const char *src = getenv("ANYVF_SRC");
	auto_free char *text = NULL;
	char path[4096], row[256];

	snprintf(path, sizeof(path), "%s/docs/processes.md", src ? src : ".");
	assert_int_equal(file_read(path, 1 << 20, &text, NULL, NULL), 0);
	for (uint32_t verb = 0; verb < ROOT_N; verb++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s |", root_rows[verb].name,
			 root_rows[verb].why);
		if (!strstr(text, row))
			fail_msg("no row%s", row);
	}
}

static void a_network_is_an_id_and_nothing_else(void **state)
{
	static const char *const hostile[] = {
		"",
		"../../etc",
		"11111111-2222-4333-8444-55555555555",
		"11111111-2222-4333-8444-5555555555555",
		"11111111-2222-4333-8444-55555555555/",
		"1111111;-2222-4333-8444-555555555555",
		"11111111 2222 4333 8444 555555555555",
		"-1111111-2222-4333-8444-555555555555",
		"................./..................",
	};

	for (uint32_t verb = 0; verb < ROOT_IMAGE_TOOL; verb++) {
		struct root_req req = net(verb, NET);

		assert_int_equal(root_judge(&req, NULL), 0);
		memset(req.network, 'a', sizeof(req.network)); /* without an end */
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
		for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
			req = net(verb, hostile[i]);
			assert_int_equal(root_judge(&req, NULL), -EINVAL);
		}
	}
}

static void a_name_without_a_namespace_is_no_namespace(void **state)
{
	const char *path = "/run/netns/anyvf-11111111";
	struct root_req add = net(ROOT_NETNS_ADD, NET), del = net(ROOT_NETNS_DEL, NET);
	struct statfs fs;

	if (geteuid() || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("run", "/run", "tmpfs", 0, NULL))
		skip();
	assert_int_equal(mkdir("/run/netns", 0755), 0);
	assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0); /* of an `ip` that was ended */
	assert_int_equal(root_rows[ROOT_NETNS_ADD].run(&add, NULL, NULL, 0, NULL), 0);
	assert_int_equal(statfs(path, &fs), 0);
	assert_int_equal(fs.f_type, NSFS_MAGIC);
	assert_int_equal(root_rows[ROOT_NETNS_ADD].run(&add, NULL, NULL, 0, NULL), 0);
	assert_int_equal(root_rows[ROOT_NETNS_DEL].run(&del, NULL, NULL, 0, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0);
	assert_int_equal(root_rows[ROOT_NETNS_DEL].run(&del, NULL, NULL, 0, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void addresses_are_addresses(void **state)
{
	struct root_req ok = net(ROOT_ADDRESS, NET), req;
	struct err e = { 0 };

	ok.n_ips = ROOT_IPS_MAX;
	for (unsigned int i = 0; i < ROOT_IPS_MAX; i++) {
		ok.ips[i].address = (struct ip){ .version = i % 2 ? 6 : 4, .n = i };
		ok.ips[i].len = i % 2 ? 128 : 32;
	}
	for (uint32_t verb = ROOT_ADDRESS; verb <= ROOT_ADDRESSED; verb++) {
		ok.verb = verb;
		assert_int_equal(root_judge(&ok, NULL), 0);
		req = ok;
		req.n_ips = ROOT_IPS_MAX + 1;
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
		req.n_ips = UINT32_MAX;
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
		req = ok;
		req.ips[2].len = 33;
		assert_int_equal(root_judge(&req, &e), -EINVAL);
		assert_string_equal(e.msg, "address 2 is none");
		req = ok;
		req.ips[15].len = 129;
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
		req = ok;
		req.ips[0].address.version = 5;
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
		req.ips[0].address = (struct ip){ .version = 4, .n = (u128)1 << 32 };
		assert_int_equal(root_judge(&req, NULL), -EINVAL);
	}
}

static void a_tool_is_one_of_two_with_limits(void **state)
{
#define TOOL(words, n) tool(words, sizeof(words), n)
	struct root_req req = TOOL("qemu-img\0info", 2);

	assert_int_equal(root_judge(&req, NULL), 0);
	req.n_words = 0;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req.n_words = UINT32_MAX;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req = TOOL("genisoimage", 1);
	assert_int_equal(root_judge(&req, NULL), 0);
	req = TOOL("sh\0-c\0id", 3);
	assert_int_equal(root_judge(&req, NULL), -EPERM);
	req = TOOL("/tmp/qemu-img", 1);
	assert_int_equal(root_judge(&req, NULL), -EPERM);
	req = TOOL("", 1);
	assert_int_equal(root_judge(&req, NULL), -EPERM);
	req = TOOL("qemu-img", 1);
	memset(req.words + 9, 'x', sizeof(req.words) - 9); /* the second word has no end */
	req.n_words = 2;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req = TOOL("qemu-img", 1);
	req.timeout_ms = 0;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req.timeout_ms = UINT32_MAX;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req.timeout_ms = 1;
	req.n_fds = SANDBOX_FDS_MAX + 1;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
	req.n_fds = SANDBOX_FDS_MAX;
	assert_int_equal(root_judge(&req, NULL), 0);
	req.memory = 0;
	assert_int_equal(root_judge(&req, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_has_its_row),
		cmocka_unit_test(the_page_has_the_table),
		cmocka_unit_test(a_network_is_an_id_and_nothing_else),
		cmocka_unit_test(a_name_without_a_namespace_is_no_namespace),
		cmocka_unit_test(addresses_are_addresses),
		cmocka_unit_test(a_tool_is_one_of_two_with_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
