/* SPDX-License-Identifier: Apache-2.0 */
/* hw/mirror_by: by what each kind of NIC mirrors, and why it does not: all rows. hw/copy: vendors' files, in a tree. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "hw/copy.h"
#include "hw/mirror_by.h"

#define REFUSED HW_MIRROR_BY_N
#define IN	HW_MIRROR_FILE_IN
#define OUT	HW_MIRROR_FILE_OUT
#define VLAN	HW_MIRROR_FILE_VLAN

static struct mirror_config vf_to_vf(uint8_t dir)
{
	return (struct mirror_config){ .name = "m",
				       .from_pf = "eth1",
				       .from_vf = 3,
				       .dir = dir,
				       .to_pf = "eth1",
				       .to_vf = 2 };
}

static void a_way_is_known_for_each_kind_of_nic(void **arg)
{
	static const struct {
		const char *driver;
		enum hw_eswitch eswitch;
		bool representors;
		unsigned int files;
		enum hw_mirror_by by[3]; /* by enum mirror_dir: in, out, both */
		const char *why[3];
	} rows[] = {
		{ "igb",
		  HW_ESWITCH_NONE,
		  false,
		  0,
		  { HW_MIRROR_MAC, REFUSED, REFUSED },
		  { "", "out: the NIC of eth1 (igb) copies what a VF receives, never what it sends",
		    "both: the NIC of eth1 (igb)" } },
		{ "ixgbe",
		  HW_ESWITCH_NONE,
		  false,
		  0,
		  { HW_MIRROR_MAC, REFUSED, REFUSED },
		  { "", "out", "both" } },
		{ "i40e",
		  HW_ESWITCH_LEGACY,
		  false,
		  0,
		  { HW_MIRROR_MAC, REFUSED, REFUSED },
		  { "", "say in", "say in" } },
		{ "i40e",
		  HW_ESWITCH_NONE,
		  false,
		  IN | OUT | VLAN,
		  { HW_MIRROR_SYSFS, HW_MIRROR_SYSFS, HW_MIRROR_SYSFS } },
		{ "i40e",
		  HW_ESWITCH_NONE,
		  false,
		  OUT,
		  { HW_MIRROR_MAC, HW_MIRROR_SYSFS, REFUSED },
		  { "", "", "both" } },
		{ "ice",
		  HW_ESWITCH_LEGACY,
		  false,
		  IN | OUT,
		  { HW_MIRROR_SYSFS, HW_MIRROR_SYSFS, HW_MIRROR_SYSFS } },
		{ "ice",
		  HW_ESWITCH_LEGACY,
		  false,
		  0,
		  { REFUSED, REFUSED, REFUSED },
		  { "of one address at two VFs nothing is known", "nothing is known",
		    "nothing is known" } },
		{ "ice",
		  HW_ESWITCH_SWITCHDEV,
		  true,
		  0,
		  { HW_MIRROR_TC, HW_MIRROR_TC, HW_MIRROR_TC } },
		{ "mlx5_core",
		  HW_ESWITCH_SWITCHDEV,
		  true,
		  IN | OUT,
		  { HW_MIRROR_TC, HW_MIRROR_TC, HW_MIRROR_TC } },
		{ "mlx5_core",
		  HW_ESWITCH_SWITCHDEV,
		  false,
		  IN | OUT,
		  { REFUSED, REFUSED, REFUSED },
		  { "shows no netdev for that VF", "in switchdev mode", "in switchdev mode" } },
		{ "mlx5_core",
		  HW_ESWITCH_LEGACY,
		  false,
		  0,
		  { REFUSED, REFUSED, REFUSED },
		  { "(mlx5_core) has no mirror", "has no mirror", "has no mirror" } },
		{ "igb",
		  HW_ESWITCH_SWITCHDEV,
		  false,
		  0,
		  { REFUSED, REFUSED, REFUSED },
		  { "switchdev", "switchdev", "switchdev" } },
		{ "netdevsim",
		  HW_ESWITCH_LEGACY,
		  false,
		  0,
		  { REFUSED, REFUSED, REFUSED },
		  { "two VFs with one address get no copies", "no copies", "no copies" } },
		{ "bnxt_en",
		  HW_ESWITCH_UNTOLD,
		  false,
		  0,
		  { REFUSED, REFUSED, REFUSED },
		  { "nothing is known", "nothing is known", "nothing is known" } },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hw_mirror_facts facts = { .device = "eth1",
						       .driver = rows[i].driver,
						       .eswitch = rows[i].eswitch,
						       .representors = rows[i].representors,
						       .files = rows[i].files,
						       .twins = hw_twins_of(rows[i].driver) };

		for (uint8_t dir = MIRROR_IN; dir <= MIRROR_BOTH; dir++) {
			const struct mirror_config want = vf_to_vf(dir);
			enum hw_mirror_by by = REFUSED;
			struct err e = { 0 };
			int rc = hw_mirror_choose(&facts, &want, &by, &e);

			if (by != rows[i].by[dir] || rc != (by == REFUSED ? -EOPNOTSUPP : 0))
				fail_msg("row %u dir %u: %d, %s", i, dir, by, e.msg);
			if (rc && !strstr(e.msg, rows[i].why[dir]))
				fail_msg("row %u dir %u: %s", i, dir, e.msg);
		}
	}
}

static void what_no_nic_does_is_refused_whatever_it_has(void **arg)
{
	const struct hw_mirror_facts able[] = {
		{ "eth1", "igb", HW_ESWITCH_NONE, false, 0, HW_TWINS_SEEN },
		{ "eth1", "i40e", HW_ESWITCH_NONE, false, IN | OUT | VLAN, HW_TWINS_READ },
		{ "eth1", "ice", HW_ESWITCH_SWITCHDEV, true, 0, HW_TWINS_UNKNOWN },
	};
	struct mirror_config bad[] = { vf_to_vf(MIRROR_IN), vf_to_vf(MIRROR_IN),
				       vf_to_vf(MIRROR_IN), vf_to_vf(MIRROR_IN),
				       vf_to_vf(MIRROR_IN), vf_to_vf(MIRROR_IN),
				       vf_to_vf(MIRROR_IN), vf_to_vf(MIRROR_IN),
				       vf_to_vf(MIRROR_IN), vf_to_vf(MIRROR_IN) };
	static const char *const words[] = { "from pf",	   "from uplink",  "to tap",
					     "to file",	   "to erspan",	   "to gre",
					     "to vf p9 2", "filter ether", "filter pcap",
					     "snap" };

	bad[0].from = MIRROR_FROM_PF;
	bad[1].from = MIRROR_FROM_UPLINK;
	bad[2].to = MIRROR_TO_TAP;
	bad[3].to = MIRROR_TO_FILE;
	bad[4].to = MIRROR_TO_ERSPAN;
	bad[5].to = MIRROR_TO_GRE;
	strcpy(bad[6].to_pf, "p9");
	bad[7].ether = 0x800;
	strcpy(bad[8].pcap, "tcp");
	bad[9].snap = 96;
	for (unsigned int i = 0; i < ARRAY_LEN(able) * ARRAY_LEN(bad); i++) {
		enum hw_mirror_by by = REFUSED;
		struct err e = { 0 };

		assert_int_equal(hw_mirror_choose(&able[i / ARRAY_LEN(bad)],
						  &bad[i % ARRAY_LEN(bad)], &by, &e),
				 -EOPNOTSUPP);
		if (strncmp(e.msg, words[i % ARRAY_LEN(bad)], strlen(words[i % ARRAY_LEN(bad)])))
			fail_msg("%s: %s", words[i % ARRAY_LEN(bad)], e.msg);
		assert_int_equal(by, REFUSED);
	}
}

static void a_vlan_is_watched_by_a_vendors_file_alone(void **arg)
{
	struct hw_mirror_facts f = { "eth1", "i40e", HW_ESWITCH_NONE, false, VLAN, HW_TWINS_READ };
	struct mirror_config want = vf_to_vf(MIRROR_BOTH);
	enum hw_mirror_by by = REFUSED;
	struct err e = { 0 };

	want.from = MIRROR_FROM_VLAN;
	want.from_vlan = 5;
	assert_int_equal(hw_mirror_choose(&f, &want, &by, NULL), 0);
	assert_int_equal(by, HW_MIRROR_SYSFS);
	want.dir = MIRROR_IN;
	assert_int_equal(hw_mirror_choose(&f, &want, &by, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "both ways alone"));
	want.dir = MIRROR_BOTH;
	f.files = IN | OUT;
	assert_int_equal(hw_mirror_choose(&f, &want, &by, NULL), -EOPNOTSUPP);
}

/* A tree as an out-of-tree i40e has it. */
static char tree[64];
static const struct hw_nic nic = { .address = "0000:05:00.0", .bus = "pci", .driver = "i40e" };

static void path_of(const char *file, char out[256])
{
	snprintf(out, 256, "%s/bus/pci/devices/0000:05:00.0/sriov/%s", tree, file);
}

static void put(const char *file, const char *text)
{
	char path[256];

	path_of(file, path);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static void holds(const char *file, const char *text)
{
	auto_free char *is = NULL;
	char path[256];

	path_of(file, path);
	assert_int_equal(file_read(path, 4096, &is, NULL, NULL), 0);
	assert_string_equal(is, text);
}

static void plant(void)
{
	char path[256];

	strcpy(tree, "/dev/shm/test_copy.XXXXXX");
	assert_non_null(mkdtemp(tree));
	path_of("3", path);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	path_of("2", path);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	put("3/ingress_mirror", "off\n");
	put("3/egress_mirror", "off\n");
	put("2/vlan_mirror", "4-6,9");
}

static void fell(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", tree);
	assert_int_equal(system(cmd), 0);
}

static void a_vendors_files_are_written_as_its_readme_says(void **arg)
{
	struct hw_value to = { .number = 1, .peer = 2, .dir = IN };
	struct hw_file_told told;

	plant();
	assert_int_equal(hw_copy_files(tree, &nic, 3, 2), IN | OUT | VLAN);
	assert_int_equal(hw_copy_files(tree, &nic, 2, 3), 0);
	assert_int_equal(hw_copy_file(tree, &nic, 3, &to, NULL), 0);
	holds("3/ingress_mirror", "add 2"); /* a driver would say 2 */
	put("3/ingress_mirror", "2\n");
	assert_int_equal(hw_copy_file_look(tree, &nic, 3, &to, &told, NULL), 0);
	assert_true(told.there);
	assert_int_equal(hw_copy_file(tree, &nic, 3, &to, NULL), 0); /* it is there */
	holds("3/ingress_mirror", "2\n");
	to.number = 0;
	assert_int_equal(hw_copy_file(tree, &nic, 3, &to, NULL), 0);
	holds("3/ingress_mirror", "rem 2");
	put("3/ingress_mirror", "off\n");
	assert_int_equal(hw_copy_file(tree, &nic, 3, &to, NULL), 0); /* there is none */
	holds("3/ingress_mirror", "off\n");
	fell();
}

static void a_vlan_is_added_to_and_removed_from_a_list(void **arg)
{
	struct hw_value to = { .peer = 5, .dir = VLAN };
	struct hw_file_told told;

	plant();
	assert_int_equal(hw_copy_file_look(tree, &nic, 2, &to, &told, NULL), 0);
	assert_true(told.there && !strcmp(told.says, "4-6,9"));
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, NULL), 0);
	holds("2/vlan_mirror", "rem 5");
	put("2/vlan_mirror", "");
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, NULL), 0); /* not readable: it is said */
	holds("2/vlan_mirror", "rem 5");
	to.number = 1;
	to.peer = 4000;
	put("2/vlan_mirror", "garbage, and more of it\n");
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, NULL), 0);
	to.peer = UINT16_MAX; /* of a state file */
	put("2/vlan_mirror", "5\n");
	assert_int_equal(hw_copy_file_look(tree, &nic, 2, &to, &told, NULL), 0);
	assert_false(told.there);
	fell();
}

static void a_file_that_is_not_there_or_refuses_is_named(void **arg)
{
	struct hw_value to = { .number = 1, .peer = 3, .dir = OUT };
	struct err e = { 0 };
	char path[256];

	plant();
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "sriov/2/egress_mirror"));
	path_of("2/egress_mirror", path);
	assert_int_equal(mkdir(path, 0700), 0);
	e = (struct err){ 0 };
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, &e), -EISDIR);
	assert_non_null(strstr(e.msg, "\"add 3\" to sriov/2/egress_mirror"));
	to.number = 0;
	assert_int_equal(hw_copy_file(tree, &nic, 7, &to, NULL), 0); /* it went with its file */
	to.dir = 9;
	assert_int_equal(hw_copy_file(tree, &nic, 2, &to, NULL), -EINVAL);
	fell();
}

static void put_port(const char *name, const char *port, const char *ifindex)
{
	char path[256], file[64];

	snprintf(file, sizeof(file), "../net/%s", name);
	path_of(file, path);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	snprintf(file, sizeof(file), "../net/%s/phys_port_name", name);
	put(file, port);
	snprintf(file, sizeof(file), "../net/%s/ifindex", name);
	put(file, ifindex);
}

static void a_vf_is_stood_for_by_its_own_port_alone(void **arg)
{
	struct hw_netdev dev = { 0 };

	plant();
	put_port("far3", "c1pf0vf3\n", "7\n"); /* of another machine's PF, as a DPU has it */
	put_port("vf30", "pf0vf30\n", "8\n");
	put_port("sf3on", "pf0vf3sf1\n", "12\n");
	put_port("sf3", "pf0sf3\n", "9\n");
	put_port("eth1", "p0\n", "10\n");
	assert_false(hw_copy_representor(tree, &nic, 3, &dev));
	put_port("vf3", "pf0vf3\n", "11\n");
	assert_true(hw_copy_representor(tree, &nic, 3, &dev));
	assert_int_equal(dev.ifindex, 11);
	assert_string_equal(dev.name, "vf3");
	fell();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_way_is_known_for_each_kind_of_nic),
		cmocka_unit_test(what_no_nic_does_is_refused_whatever_it_has),
		cmocka_unit_test(a_vlan_is_watched_by_a_vendors_file_alone),
		cmocka_unit_test(a_vendors_files_are_written_as_its_readme_says),
		cmocka_unit_test(a_vlan_is_added_to_and_removed_from_a_list),
		cmocka_unit_test(a_file_that_is_not_there_or_refuses_is_named),
		cmocka_unit_test(a_vf_is_stood_for_by_its_own_port_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
