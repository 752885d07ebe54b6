/* SPDX-License-Identifier: Apache-2.0 */
/* VFs come to a running domain and leave it: what QEMU is told, by a QEMU that keeps an account. */
#include <errno.h>

#include "unit.h"

#include "agent/kinds/server/nics.h"

#define PORT_A "aaaaaaaa-0000-4000-8000-000000000001"
#define PORT_B "bbbbbbbb-0000-4000-8000-000000000002"

/* Of each: the ids that are there. */
static json_t *devices, *chardevs, *netdevs, *last_device;
static bool deaf, cut_off; /* the guest lets nothing go; the socket is not reached */
static unsigned int asked;
static const char *fails; /* a verb */

static json_t *with_words(json_t *ids, const char *key)
{
	json_t *list = json_array(), *value;
	const char *id;

	json_object_foreach (ids, id, value)
		json_array_append_new(list,
				      json_pack("{s:s,s:s}", key, id, "filename",
						cut_off ? "disconnected:unix:/s" : "unix:/s"));
	return list;
}

/* device_del is a wish: the guest fulfils it at the second one. */
static bool guest_let_go(const char *id)
{
	return ++asked % 2 == 0 && !deaf && !json_object_del(devices, id);
}

static json_t *qemu(const char *verb, const json_t *args)
{
	const char *id = json_string_value(json_object_get(args, "id"));
	const char *driver = json_string_value(json_object_get(args, "driver"));

	if (fails && !strcmp(verb, fails))
		return NULL;
	if (!strcmp(verb, "qom-list"))
		return with_words(devices, "name");
	if (!strcmp(verb, "query-chardev"))
		return with_words(chardevs, "label");
	if (!strcmp(verb, "device_del"))
		return guest_let_go(id) ? json_object() : NULL;
	if (!strcmp(verb, "netdev_del"))
		return json_object_del(netdevs, id) ? NULL : json_object();
	if (!strcmp(verb, "chardev-remove"))
		return json_object_del(chardevs, id) ? NULL : json_object();
	assert_non_null(id);
	if (driver) {
		json_decref(last_device);
		last_device = json_deep_copy(args);
	}
	json_object_set_new(driver			   ? devices
			    : !strcmp(verb, "chardev-add") ? chardevs
							   : netdevs,
			    id, json_true());
	return json_object();
}

int __wrap_virt_qmp(struct virt *v, const char *server, json_t *command, char **reply,
		    struct err *e);
int __wrap_virt_qmp(struct virt *v, const char *server, json_t *command, char **reply,
		    struct err *e)
{
	json_t *value = qemu(json_string_value(json_object_get(command, "execute")),
			     json_object_get(command, "arguments"));
	json_t *all = value ? json_pack("{s:o}", "return", value)
			    : json_pack("{s:{s:s}}", "error", "desc", "it does not like it");

	*reply = json_dumps(all, 0);
	json_decref(all);
	json_decref(command);
	return 0;
}

static int setup(void **state)
{
	devices = json_pack("{s:b,s:b}", "ua-" PORT_A, 1, "balloon0", 1);
	chardevs = json_pack("{s:b,s:b}", "charserial0", 1, "charua-" PORT_A, 1);
	netdevs = json_pack("{s:b}", "hostua-" PORT_A, 1);
	deaf = cut_off = false;
	fails = NULL;
	asked = 0;
	return 0;
}

static int teardown(void **state)
{
	json_decref(devices);
	json_decref(chardevs);
	json_decref(netdevs);
	json_decref(last_device);
	last_device = NULL;
	return 0;
}

static int plug(unsigned int mtu, bool no_msix)
{
	struct domxml_port port = { .id = PORT_B, .mtu = mtu, .socket = "/s" };

	assert_int_equal(mac_parse("fa:16:3e:00:00:02", &port.mac, NULL), 0);
	return nics_plug(NULL, "server", &port, no_msix, NULL);
}

static void a_vf_is_plugged_with_all_that_a_boot_would_say(void **state)
{
	auto_of(json_decref) json_t *want =
		json_pack("{s:s,s:s,s:s,s:s,s:i,s:i}", "driver", "virtio-net-pci", "id",
			  "ua-" PORT_B, "netdev", "anyvf-" PORT_B, "mac", "fa:16:3e:00:00:02",
			  "vectors", 0, "host_mtu", 1400);
	struct nics nics;

	assert_int_equal(plug(1400, true), 0);
	assert_true(json_equal(last_device, want));
	assert_int_equal(nics_list(NULL, "server", &nics, NULL), 0);
	assert_int_equal(nics.n, 2);
	assert_true(nics_has(&nics, PORT_A) && nics_has(&nics, PORT_B));
	assert_non_null(json_object_get(netdevs, "anyvf-" PORT_B));
	nics_unplug(NULL, "server", &(struct nics){ 0 }, 10000, NULL);
	assert_int_equal(plug(1500, false), 0);
	assert_null(json_object_get(last_device, "vectors"));
	assert_null(json_object_get(last_device, "host_mtu"));
}

static void a_guest_is_asked_again_and_what_is_kept_stays(void **state)
{
	struct nics nics, kept = { .n = 1, .ports = { PORT_A } };

	plug(1500, false);
	assert_int_equal(nics_unplug(NULL, "server", &kept, 10000, NULL), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(nics_list(NULL, "server", &nics, NULL), 0);
	assert_int_equal(nics.n, 1);
	assert_true(nics_has(&nics, PORT_A));
	assert_null(json_object_get(netdevs, "anyvf-" PORT_B));
	assert_null(json_object_get(chardevs, "anyvf-" PORT_B));
	assert_non_null(json_object_get(chardevs, "charserial0")); /* others' are others' */
}

static void a_guest_that_keeps_its_vf_is_said_to(void **state)
{
	struct err e = { 0 };

	deaf = true;
	assert_int_equal(nics_unplug(NULL, "server", &(struct nics){ 0 }, 200, &e), -ETIMEDOUT);
	assert_string_equal(e.msg, "the guest does not let its VF go");
	assert_non_null(json_object_get(devices, "ua-" PORT_A));
}

static void what_fails_halfway_leaves_nothing(void **state)
{
	static const char *const verbs[] = { "chardev-add", "netdev_add", "device_add" };

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		fails = verbs[i];
		assert_int_equal(plug(1500, false), -EIO);
		assert_null(json_object_get(chardevs, "anyvf-" PORT_B));
		assert_null(json_object_get(netdevs, "anyvf-" PORT_B));
	}
}

static void what_a_killed_agent_left_is_taken_away(void **state)
{
	struct nics nics;

	json_object_set_new(chardevs, "anyvf-" PORT_B, json_true());
	json_object_set_new(netdevs, "anyvf-" PORT_B, json_true());
	assert_int_equal(nics_list(NULL, "server", &nics, NULL), 0);
	assert_int_equal(json_object_size(chardevs), 2);
	assert_int_equal(json_object_size(netdevs), 1);
}

static void no_netdev_waits_for_a_socket_that_is_not_reached(void **state)
{
	struct err e = { 0 };
	struct domxml_port port = { .id = PORT_B, .mtu = 1500, .socket = "/s" };

	cut_off = true;
	fails = "netdev_add"; /* it would stop QEMU: it is not said */
	assert_int_equal(nics_plug(NULL, "server", &port, false, &e), -EIO);
	assert_string_equal(e.msg, "QEMU does not reach /s");
	assert_null(json_object_get(chardevs, "anyvf-" PORT_B));
}

int main(void)
{
#define NICS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		NICS_TEST(a_vf_is_plugged_with_all_that_a_boot_would_say),
		NICS_TEST(a_guest_is_asked_again_and_what_is_kept_stays),
		NICS_TEST(a_guest_that_keeps_its_vf_is_said_to),
		NICS_TEST(what_fails_halfway_leaves_nothing),
		NICS_TEST(what_a_killed_agent_left_is_taken_away),
		NICS_TEST(no_netdev_waits_for_a_socket_that_is_not_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
