/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's query-rx-filter, read. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "agent/kinds/port/rxfilter.h"

static int parse(const char *text, struct vf_filter *out)
{
	return rxfilter_parse(text, strlen(text), out, NULL);
}

/* As QEMU 7.2 answered for a guest that had set its own address. */
static const char answer[] =
	"{\"return\":[{\"vlan\":\"normal\",\"multicast-overflow\":false,\"name\":\"net0\","
	"\"main-mac\":\"fa:16:3e:aa:33:59\",\"broadcast-allowed\":true,\"unicast\":\"normal\","
	"\"unicast-overflow\":false,\"promiscuous\":false,\"vlan-table\":[0],"
	"\"multicast\":\"normal\",\"unicast-table\":[\"02:00:00:00:00:01\"],"
	"\"multicast-table\":[\"01:00:5e:00:00:01\",\"33:33:00:00:00:01\"]}],\"id\":\"libvirt-9\"}";

static void rxfilter_parse_takes_addresses_and_groups(void **state)
{
	auto_of(json_decref) json_t *json = NULL;
	struct vf_filter f;
	char text[MAC_STR_LEN];

	assert_int_equal(parse(answer, &f), 0);
	assert_string_equal(mac_format(&f.main_mac, text), "fa:16:3e:aa:33:59");
	assert_int_equal(f.n_macs, 1);
	assert_string_equal(mac_format(&f.macs[0], text), "02:00:00:00:00:01");
	assert_int_equal(f.n_mcasts, 2);
	assert_false(f.promisc);
	assert_false(f.allmulti);
	json = rxfilter_to_json(&f);
	assert_string_equal(json_string_value(json_object_get(json, "main_mac")),
			    "fa:16:3e:aa:33:59");
	assert_int_equal(json_array_size(json_object_get(json, "mcasts")), 2);
	rxfilter_fini(&f);
}

static void rxfilter_parse_does_not_believe_a_driver_that_is_not_up(void **state)
{
	struct vf_filter f = { .n_macs = 7 };

	assert_int_equal(parse("{\"return\":[{\"vlan\":\"all\",\"promiscuous\":true,"
			       "\"main-mac\":\"fa:16:3e:aa:33:59\"}]}",
			       &f),
			 -EAGAIN);
	assert_int_equal(f.n_macs, 7);
}

static void rxfilter_parse_takes_promiscuous_and_overflow(void **state)
{
	struct vf_filter f;

	assert_int_equal(parse("{\"return\":[{\"vlan\":\"normal\",\"promiscuous\":true,"
			       "\"main-mac\":\"fa:16:3e:aa:33:59\"}]}",
			       &f),
			 0);
	assert_true(f.promisc && f.allmulti);
	rxfilter_fini(&f);
	assert_int_equal(parse("{\"return\":[{\"vlan\":\"normal\",\"multicast\":\"all\","
			       "\"unicast-overflow\":true,\"main-mac\":\"fa:16:3e:aa:33:59\"}]}",
			       &f),
			 0);
	assert_true(f.promisc && f.allmulti);
	rxfilter_fini(&f);
}

static void rxfilter_parse_refuses_nonsense(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"return\":[]}",
		"{\"return\":{}}",
		"{\"error\":{}}",
		"{\"return\":[{\"main-mac\":7}]}",
		"{\"return\":[{\"main-mac\":\"zz\"}]}",
		"{\"return\":[{\"main-mac\":\"fa:16:3e:aa:33:59\",\"unicast-table\":[1]}]}",
		"{\"return\":[{\"main-mac\":\"fa:16:3e:aa:33:59\",\"multicast-table\":[\"\"]}]}",
	};
	struct vf_filter f = { .n_macs = 7 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], &f), -EINVAL);
	assert_int_equal(f.n_macs, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rxfilter_parse_takes_addresses_and_groups),
		cmocka_unit_test(rxfilter_parse_does_not_believe_a_driver_that_is_not_up),
		cmocka_unit_test(rxfilter_parse_takes_promiscuous_and_overflow),
		cmocka_unit_test(rxfilter_parse_refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
