/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about where copies of tenants' frames may go. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "model/collector.h"
#include "unit.h"

static int judge(const char *listed, const char *to, bool by_admin, struct err *e)
{
	struct collectors c;
	struct ip ip;

	assert_int_equal(collectors_parse(listed, &c, NULL), 0);
	assert_int_equal(ip_parse(to, &ip, NULL), 0);
	return collector_judge(&c, &ip, by_admin, e);
}

#define ANY "0.0.0.0/0, ::/0"

static void members_reach_listed_hosts_alone(void **state)
{
	static const struct {
		const char *listed, *to;
		int rc;
	} cases[] = {
		{ "", "192.0.2.9", -EPERM },
		{ "", "2001:db8::9", -EPERM },
		{ "192.0.2.0/24", "192.0.2.9", 0 },
		{ "192.0.2.9", "192.0.2.9", 0 },
		{ "192.0.2.9", "192.0.2.10", -EPERM },
		{ "192.0.2.0/24", "192.0.3.0", -EPERM },
		{ "192.0.2.0/24", "2001:db8::9", -EPERM },
		{ "10.0.0.0/8 2001:db8::/32", "2001:db8::9", 0 },
		{ "10.0.0.0/8,2001:db8::/32", "10.255.0.1", 0 },
		{ ANY, "192.0.2.9", 0 },
		{ ANY, "2001:db8::9", 0 },
		{ "::/0", "192.0.2.9", -EPERM },
		{ "0.0.0.0/0", "2001:db8::9", -EPERM },
		/* one host, two spellings */
		{ "192.0.2.0/24", "::ffff:192.0.2.9", 0 },
		{ "198.51.100.0/24", "::ffff:192.0.2.9", -EPERM },
		{ "192.0.2.0/24", "64:ff9b::192.0.2.9", 0 },
		{ "64:ff9b::/96", "64:ff9b::192.0.2.9", 0 },
		{ "198.51.100.0/24", "2002:c000:0209::1", -EPERM },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };

		if (judge(cases[i].listed, cases[i].to, false, &e) != cases[i].rc)
			fail_msg("[%s] %s: %s", cases[i].listed, cases[i].to, e.msg);
		if (cases[i].rc)
			assert_non_null(strstr(e.msg, "[taas] collectors"));
	}
}

static void admins_reach_any_host(void **state)
{
	static const char *const hosts[] = { "192.0.2.9", "10.0.0.1",	 "223.255.255.255",
					     "1.0.0.0",	  "2001:db8::9", "fd00::1",
					     "fec0::1",	  "64:ff9b::1.2.3.4" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		assert_int_equal(judge("", hosts[i], true, NULL), 0);
}

/* First and last of each range; a list opens a range by a prefix of the range's own. */
static void no_range_that_is_no_hosts_is_reached_unless_named(void **state)
{
	static const struct {
		const char *range, *first, *last, *wider;
	} cases[] = {
		{ "0.0.0.0/8", "0.0.0.0", "0.255.255.255", "0.0.0.0/0" },
		{ "127.0.0.0/8", "127.0.0.0", "127.255.255.255", "126.0.0.0/7" },
		{ "169.254.0.0/16", "169.254.0.0", "169.254.255.255", "169.254.0.0/15" },
		{ "224.0.0.0/4", "224.0.0.0", "239.255.255.255", "224.0.0.0/3" },
		{ "240.0.0.0/4", "240.0.0.0", "255.255.255.254", "224.0.0.0/3" },
		{ "255.255.255.255", "255.255.255.255", "255.255.255.255", "240.0.0.0/4" },
		{ "::/96", "::", "::", "::/64" },
		{ "::/96", "::2", "::ffff:ffff", "::/64" },
		{ "::1", "::1", "::1", "::/96" },
		{ "fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::/9" },
		{ "ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::/7" },
		/* what arrives at an IPv4 address is judged as that one */
		{ "127.0.0.0/8", "::ffff:127.0.0.0", "::ffff:127.255.255.255", "::ffff:0:0/96" },
		{ "169.254.0.0/16", "::ffff:169.254.169.254", "::ffff:169.254.255.255", "::/0" },
		{ "224.0.0.0/4", "::ffff:224.0.0.1", "::ffff:239.0.0.1", "::ffff:224.0.0.0/100" },
		{ "0.0.0.0/8", "::ffff:0.0.0.0", "::ffff:0.1.2.3", "::/0" },
		{ "255.255.255.255", "::ffff:255.255.255.255", "::ffff:255.255.255.255", "::/0" },
		{ "127.0.0.0/8", "64:ff9b::127.0.0.1", "64:ff9b::127.1.2.3", "64:ff9b::/96" },
		{ "169.254.0.0/16", "2002:a9fe:a9fe::", "2002:a9fe:a9fe:ffff::1", "2002::/16" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int n = 0; n < 4; n++) {
			const char *to = n & 1 ? cases[i].first : cases[i].last;
			bool by_admin = n & 2;

			if (judge("", to, by_admin, NULL) != -EADDRNOTAVAIL ||
			    judge(ANY, to, by_admin, NULL) != -EADDRNOTAVAIL ||
			    judge(cases[i].wider, to, by_admin, NULL) != -EADDRNOTAVAIL)
				fail_msg("%s is reached", to);
			if (judge(cases[i].range, to, by_admin, NULL))
				fail_msg("%s is not reached by %s", to, cases[i].range);
		}
}

static void a_list_that_makes_no_sense_is_told(void **state)
{
	static const char *const bad[] = { "collector", "192.0.2.0/33", "192.0.2.0/24;10.0.0.1",
					   "192.0.2.0/24,x", "192.0.2",
					   "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/128" };
	struct collectors c = { .n = 7 };
	char many[COLLECTORS_MAX * 12 + 12] = "";
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err){ 0 };
		assert_int_equal(collectors_parse(bad[i], &c, &e), -EINVAL);
		assert_true(c.n == 7 && e.msg[0]);
	}
	for (int i = 0; i <= COLLECTORS_MAX; i++)
		strcat(many, "192.0.2.1, ");
	assert_int_equal(collectors_parse(many, &c, NULL), -E2BIG);
	assert_int_equal(collectors_parse(many + strlen("192.0.2.1, "), &c, NULL), 0);
	assert_int_equal(c.n, COLLECTORS_MAX);
	assert_int_equal(collectors_parse(" , ", &c, NULL), 0);
	assert_int_equal(c.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_reach_listed_hosts_alone),
		cmocka_unit_test(admins_reach_any_host),
		cmocka_unit_test(no_range_that_is_no_hosts_is_reached_unless_named),
		cmocka_unit_test(a_list_that_makes_no_sense_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
