/* SPDX-License-Identifier: Apache-2.0 */
/* hw/rate: devlink's messages, as the kernel and iproute2 6.1 wrote them in the lab, and some that they would not. */
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "hw/devlink.h"
#include "hw/rate.h"
#include "hw/rt.h"

#define BUS "netdevsim"
#define DEV "netdevsim1"
/* Header of generic netlink, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME, DEVLINK_ATTR_PORT_INDEX. */
#define PORT(cmd, version, index)                                                                  \
	cmd version "\0\0\x0e\0\x01\0netdevsim\0\0\0\x0f\0\x02\0netdevsim1\0\0\x08\0\x03\0" index  \
		    "\0\0\0"

struct message {
	struct nlmsghdr head;
	char bytes[512];
};

static struct nlmsghdr *message(const char *bytes, size_t size, struct message *out)
{
	*out = (struct message){ .head.nlmsg_len = (uint32_t)(sizeof(out->head) + size),
				 .head.nlmsg_type = 21 };
	memcpy(out->bytes, bytes, size);
	return &out->head;
}
#define MESSAGE(text) message(text, sizeof(text) - 1, &(struct message){ { 0 } })

/* port 129: type eth netdev eth2 flavour pcivf controller 0 pfnum 0 vfnum 1 external false */
#define VF1                                                                                        \
	PORT("\x03", "\x01", "\x81")                                                               \
	"\x06\0\x04\0\x02\0\0\0\x08\0\x06\0\x04\0\0\0\x09\0\x07\0eth2\0\0\0\0\x05\0\x94\0\0\0\0\0" \
	"\x06\0\x4d\0\x04\0\0\0\x08\0\x96\0\0\0\0\0\x06\0\x7f\0\0\0\0\0\x06\0\x80\0\x01\0\0\0"     \
	"\x05\0\x95\0\0\0\0\0"
/* port 0: flavour physical port 1 */
#define WIRE                                                                                       \
	PORT("\x03", "\x01", "\0")                                                                 \
	"\x06\0\x04\0\x02\0\0\0\x08\0\x06\0\x02\0\0\0\x09\0\x07\0eth0\0\0\0\0\x05\0\x94\0\0\0\0\0" \
	"\x06\0\x4d\0\0\0\0\0\x08\0\x4e\0\x01\0\0\0"
/* port 129: type leaf tx_share 100Mbit tx_max 500Mbit */
#define LEAF                                                                                       \
	"\x4c\x01\0\0\x0e\0\x01\0netdevsim\0\0\0\x0f\0\x02\0netdevsim1\0\0\x06\0\xa5\0\0\0\0\0"    \
	"\x08\0\x03\0\x81\0\0\0\x0c\0\xa6\0\x20\xbc\xbe\0\0\0\0\0\x0c\0\xa7\0\xa0\xac\xb9\x03\0\0" \
	"\0\0"
/* devlink port function set netdevsim/netdevsim1/128 hw_addr 02:00:00:00:00:11 */
#define FUNCTION "\x10\0\x91\x80\x0a\0\x01\0\x02\0\0\0\0\x11\x01\0"
#define SET_MAC	 PORT("\x06", "\0", "\x80") FUNCTION

static void what_the_kernel_told_is_read(void **arg)
{
	static struct hw_ports p;

	assert_int_equal(hw_port_parse(MESSAGE(WIRE), BUS, DEV, &p), 0);
	assert_false(p.vfs[0].there);
	assert_int_equal(hw_rate_parse(MESSAGE(LEAF), BUS, DEV, &p), 0);
	assert_false(p.rates); /* of no VF that is known */
	hw_port_parse(MESSAGE(VF1), BUS, DEV, &p);
	assert_true(p.vfs[1].there && !p.vfs[1].has_mac && !p.macs);
	assert_int_equal(p.vfs[1].index, 129);
	hw_rate_parse(MESSAGE(LEAF), BUS, DEV, &p);
	assert_true(p.rates && p.vfs[1].has_rate && !p.vfs[0].has_rate);
	assert_int_equal(p.vfs[1].max, 500ULL * HW_RATE_UNIT);
	assert_int_equal(p.vfs[1].min, 100ULL * HW_RATE_UNIT);
}

/* A node of that name, with the rates of the leaf. */
#define NODE(length, name)                                                                         \
	"\x4c\x01\0\0\x0e\0\x01\0netdevsim\0\0\0\x0f\0\x02\0netdevsim1\0\0\x06\0\xa5\0\x01\0\0\0"  \
	"\x0c\0\xa6\0\x20\xbc\xbe\0\0\0\0\0\x0c\0\xa7\0\xa0\xac\xb9\x03\0\0\0\0" length            \
	"\0\xa8\0" name
#define PARENT LEAF "\x08\0\xa9\0abc\0"

static void groups_are_read_and_who_is_in_them(void **arg)
{
	static struct hw_ports p;

	hw_port_parse(MESSAGE(VF1), BUS, DEV, &p);
	hw_rate_parse(MESSAGE(LEAF), BUS, DEV, &p);
	assert_false(p.vfs[1].in_group);
	hw_rate_parse(MESSAGE(PARENT), BUS, DEV, &p);
	assert_true(p.vfs[1].in_group);
	assert_string_equal(p.vfs[1].group, "abc");
	assert_int_equal(p.groups.n, 0);
	for (unsigned int twice = 0; twice < 2; twice++)
		hw_rate_parse(MESSAGE(NODE("\x08", "abc\0")), BUS, DEV, &p);
	hw_rate_parse(MESSAGE(NODE("\x08", "a/b\0")), BUS, DEV, &p); /* no name of ours */
	hw_rate_parse(MESSAGE(NODE("\x08", "abcd")), BUS, DEV, &p);  /* no text */
	hw_rate_parse(MESSAGE(NODE("\x18", "sixteen-letters-\0\0\0\0")), BUS, DEV, &p);
	hw_rate_parse(MESSAGE(NODE("\x08", "xyz\0")), BUS, "netdevsim2", &p);
	assert_int_equal(p.groups.n, 1);
	assert_string_equal(p.groups.list[0].name, "abc");
	assert_int_equal(p.groups.list[0].max_tx_mbit, 500);
	assert_int_equal(p.groups.list[0].min_tx_mbit, 100);
}

/* A kernel that has VF 1, in a node of any name. */
static struct nlmsghdr *leaf;
static unsigned int sets; /* that it was asked for */

int __wrap_hw_devlink_open(struct hw_rt **rt, uint16_t *family, struct err *e);
int __wrap_hw_devlink_open(struct hw_rt **rt, uint16_t *family, struct err *e)
{
	*rt = NULL;
	*family = 21;
	return 0;
}

struct nlmsghdr *__wrap_hw_devlink_begin(struct hw_rt *rt, uint16_t family, uint8_t cmd,
					 uint16_t flags);
struct nlmsghdr *__wrap_hw_devlink_begin(struct hw_rt *rt, uint16_t family, uint8_t cmd,
					 uint16_t flags)
{
	static struct message m;
	struct genlmsghdr *g;

	mnl_nlmsg_put_header(&m);
	g = mnl_nlmsg_put_extra_header(&m.head, sizeof(*g));
	g->cmd = cmd;
	return &m.head;
}

int __wrap_hw_rt_call(struct hw_rt *rt, struct nlmsghdr *ask, hw_rt_fn fn, void *arg,
		      struct err *e);
int __wrap_hw_rt_call(struct hw_rt *rt, struct nlmsghdr *ask, hw_rt_fn fn, void *arg, struct err *e)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(ask);

	if (g->cmd == DEVLINK_CMD_PORT_GET)
		return fn(arg, MESSAGE(VF1), e);
	if (g->cmd == DEVLINK_CMD_RATE_GET)
		return fn(arg, leaf, e);
	sets++;
	return 0;
}

static int join(const char *group, struct err *e)
{
	sets = 0;
	return hw_rate_join(BUS, DEV, 1, group, e);
}

static void a_vf_goes_out_of_a_group_of_any_name_and_from_there_into_none(void **arg)
{
	struct err e = { 0 };

	leaf = MESSAGE(LEAF "\x08\0\xa9\0a/b\0"); /* no name of ours */
	assert_int_equal(join("", NULL), 0);
	assert_int_equal(sets, 1);
	assert_int_equal(join("abc", &e), -EBUSY);
	assert_non_null(strstr(e.msg, "vf 1 is in a group whose name"));
	assert_int_equal(sets, 0);
	leaf = MESSAGE(PARENT);
	assert_int_equal(join("abc", NULL), 0);
	assert_int_equal(sets, 0);
	assert_int_equal(join("xyz", NULL), 0);
	assert_int_equal(sets, 2);
	leaf = MESSAGE(LEAF);
	assert_int_equal(join("", NULL), 0);
	assert_int_equal(sets, 0);
	assert_int_equal(join("abc", NULL), 0);
	assert_int_equal(sets, 1);
}

static void what_another_device_has_is_passed_over(void **arg)
{
	static struct hw_ports p;

	hw_port_parse(MESSAGE(VF1), BUS, "netdevsim2", &p);
	hw_port_parse(MESSAGE(VF1), "pci", DEV, &p);
	assert_false(p.vfs[1].there);
}

static void what_is_no_vf_of_this_machine_and_no_leaf_is_passed_over(void **arg)
{
	static struct hw_ports p;
	struct message m;

	message(VF1, sizeof(VF1) - 1, &m);
	m.bytes[sizeof(VF1) - 1 - 4] = 1; /* external true */
	hw_port_parse(&m.head, BUS, DEV, &p);
	assert_false(p.vfs[1].there);
	hw_port_parse(MESSAGE(VF1), BUS, DEV, &p);
	message(LEAF, sizeof(LEAF) - 1, &m);
	m.bytes[40] = 1; /* type node */
	hw_rate_parse(&m.head, BUS, DEV, &p);
	assert_true(p.vfs[1].there && !p.vfs[1].has_rate && !p.rates);
}

static void the_address_of_a_function_is_asked_for_as_iproute2_does(void **arg)
{
	const struct mac mac = { { 2, 0, 0, 0, 0, 0x11 } };
	const size_t size = sizeof(SET_MAC) - 1;
	struct message m = { { 0 } };
	char *genl;

	mnl_nlmsg_put_header(&m);
	genl = mnl_nlmsg_put_extra_header(&m.head, 4);
	*genl = 6; /* DEVLINK_CMD_PORT_SET */
	hw_port_put_mac(&m.head, BUS, DEV, 128, &mac);
	assert_int_equal(m.head.nlmsg_len, sizeof(m.head) + size);
	m.bytes[size - 1] = m.bytes[size - 2] = 0; /* what fills it up is whatever it is there */
	assert_memory_equal(m.bytes, SET_MAC, size - 2);
}

static void the_address_of_a_function_is_read_as_it_is_written(void **arg)
{
	static struct hw_ports p;

	hw_port_parse(MESSAGE(VF1 FUNCTION), BUS, DEV, &p);
	assert_true(p.macs && p.vfs[1].has_mac);
	assert_int_equal(p.vfs[1].mac.b[5], 0x11);
}

static void messages_that_are_cut_off_or_changed_are_survived(void **arg)
{
	static const char *const whole[] = { VF1 FUNCTION, LEAF };
	const size_t sizes[] = { sizeof(VF1 FUNCTION) - 1, sizeof(LEAF) - 1 };

	for (unsigned int i = 0; i < 2; i++)
		for (size_t n = 0; n < sizes[i]; n++) {
			static struct hw_ports p;
			char *cut = malloc(sizeof(struct nlmsghdr) + n + 1);
			struct nlmsghdr *h = (struct nlmsghdr *)cut;

			assert_non_null(cut);
			*h = (struct nlmsghdr){ .nlmsg_len = (uint32_t)(sizeof(*h) + n) };
			memcpy(cut + sizeof(*h), whole[i], n);
			hw_port_parse(h, BUS, DEV, &p);
			hw_rate_parse(h, BUS, DEV, &p);
			free(cut);
			for (unsigned int to = 0; to < 256; to += 17) {
				struct message m;

				message(whole[i], sizes[i], &m);
				m.bytes[n] = (char)to;
				hw_port_parse(&m.head, BUS, DEV, &p);
				hw_rate_parse(&m.head, BUS, DEV, &p);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_told_is_read),
		cmocka_unit_test(groups_are_read_and_who_is_in_them),
		cmocka_unit_test(a_vf_goes_out_of_a_group_of_any_name_and_from_there_into_none),
		cmocka_unit_test(what_another_device_has_is_passed_over),
		cmocka_unit_test(what_is_no_vf_of_this_machine_and_no_leaf_is_passed_over),
		cmocka_unit_test(the_address_of_a_function_is_asked_for_as_iproute2_does),
		cmocka_unit_test(the_address_of_a_function_is_read_as_it_is_written),
		cmocka_unit_test(messages_that_are_cut_off_or_changed_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
