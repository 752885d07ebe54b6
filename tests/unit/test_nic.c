/* SPDX-License-Identifier: Apache-2.0 */
/* hw/nic: what sysfs tells of functions with SR-IOV, from trees as real hosts have them; hw/caps without a kernel. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/spawn.h"
#include "hw/caps.h"
#include "hw/nic.h"
#include "hw/sysfs.h"

static char sys[64];

/* A device below bus/BUS/devices; "" and NULL: a file or link that there is not. */
struct device {
	const char *bus, *address, *class, *id, *driver, *totalvfs, *numvfs, *group;
	const char *nets;  /* "DIR/NAME=IFINDEX[:PORT] ...", DIR below the device */
	const char *links; /* "NAME=DEVICE ...", on the same bus */
};

/* As lspci and sysfs of such hosts have them; the broken ones are nobody's. */
static const struct device devices[] = {
	{ "pci", "0000:01:00.0", "0x020000", "0x8086 0x10c9", "igb", "7", "2", "14", "net/eth1=3",
	  "virtfn0=0000:01:10.0 virtfn1=0000:01:10.2" },
	{ "pci", "0000:01:10.0", "0x020000", "0x8086 0x10ca", "igbvf", "", "", "15", "net/eth9=11",
	  "physfn=0000:01:00.0" },
	{ "pci", "0000:01:10.2", "0x020000", "0x8086 0x10ca", "", "", "", "16", "",
	  "physfn=0000:01:00.0" },
	{ "pci", "0000:02:00.0", "0x010802", "0x144d 0xa824", "nvme", "32", "0", "17", "", "" },
	{ "pci", "0000:00:04.0", "0x020000", "0x1af4 0x1041", "virtio-pci", "2", "0", "",
	  "virtio3/net/ens4=4", "" },
	{ "pci", "0000:3b:00.0", "0x020000", "0x8086 0x1572", "i40e", "64", "64", "30",
	  "net/ens1f0=6", "virtfn63=0000:3b:0a.0" },
	{ "pci", "0000:3b:00.1", "0x020000", "0x8086 0x1572", "i40e", "64", "0", "31",
	  "net/ens1f1=7", "" },
	{ "pci", "0000:3b:0a.0", "0x020000", "0x8086 0x154c", "vfio-pci", "", "", "30", "",
	  "physfn=0000:3b:00.0" },
	{ "pci", "0000:5e:00.0", "0x020000", "0x15b3 0x1017", "mlx5_core", "8", "2", "40",
	  "net/eth5r0=21:pf0vf0 net/ens3np0=20:p0 net/eth5r1=22:pf0vf1 net/ens3d1=23:p1", "" },
	{ "pci", "0000:60:00.0", "0x020000", "0x8086 0x1592", "", "256", "0", "41", "", "" },
	{ "pci", "0000:61:00.0", "0x020000", "0x8086 0x1592", "ice", "256", "0", "42", "", "" },
	{ "pci", "0000:62:00.0", "0x020000", "0x8086 0x1592", "ice", "0", "0", "43", "net/ens7=30",
	  "" },
	{ "pci", "0000:70:00.0", "0x020000", "0x8086 0x1592", "ice", "lots", "0", "nowhere",
	  "net/ens8=31 net/ens9=none net/ens10=99999999999", "virtfn0=0000:70:01.0" },
	{ "pci", "0000:71:00.0", "what", "0x8086 0x1592", "ice", "8", "-3", "", "", "" },
	{ "pci", "0000:72:00.0", "0x020000", "0x8086 0x1592", "ice", "8", "1\n2", "",
	  "net/ens12=33", "" },
	{ "pci", "0000:00:1f.0", "0x060100", "0x8086 0x2918", "", "", "", "15", "", "" },
	{ "netdevsim", "netdevsim10", "", "", "netdevsim", "", "4", "", "net/eni10np1=41:p1", "" },
	{ "netdevsim", "netdevsim2", "", "", "netdevsim", "", "0", "",
	  "net/eni2np2=40:p2 net/eni2np1=39:p1 net/eth7=42:pf0vf0", "" },
};

static void put(const char *path, const char *text)
{
	FILE *f;

	if (!text || !*text)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "%s\n", text) > 0);
	assert_int_equal(fclose(f), 0);
}

static void make_nets(const char *dir, const char *nets)
{
	char name[64], value[64], port[32], path[PATH_MAX], file[PATH_MAX + 32];
	int n;

	for (; sscanf(nets, " %63[^= ]=%63[^: ]%n", name, value, &n) == 2; nets += n) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_int_equal(file_mkdirs(path, 0755, NULL), 0);
		snprintf(file, sizeof(file), "%s/ifindex", path);
		put(file, value);
		if (sscanf(nets + n, ":%31s", port) == 1) {
			n += (int)strlen(port) + 1;
			snprintf(file, sizeof(file), "%s/phys_port_name", path);
			put(file, port);
		}
		snprintf(file, sizeof(file), "%s/class/net/%s", sys, strrchr(name, '/') + 1);
		assert_int_equal(symlink(path, file), 0);
		snprintf(file, sizeof(file), "%s/device", path);
		assert_int_equal(
			symlink(strncmp(name, "net/", 4) ? "../../../virtio3" : "../..", file), 0);
	}
}

static void make_links(const char *dir, const char *links)
{
	char name[64], to[64], path[PATH_MAX], target[80];
	int n;

	for (; sscanf(links, " %63[^= ]=%63[^ ]%n", name, to, &n) == 2; links += n) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		snprintf(target, sizeof(target), "../%s", to);
		assert_int_equal(symlink(target, path), 0);
	}
}

static void make_group(const char *dir, const struct device *d)
{
	char group[PATH_MAX], path[PATH_MAX + 32];

	if (!*d->group)
		return;
	snprintf(path, sizeof(path), "%s/iommu_group", dir);
	hw_sys_path(group, "%s/kernel/iommu_groups/%s", sys, d->group);
	if (strcmp(d->group, "nowhere")) {
		char devs[PATH_MAX + 16];

		snprintf(devs, sizeof(devs), "%s/devices", group);
		assert_int_equal(file_mkdirs(devs, 0755, NULL), 0);
		snprintf(devs, sizeof(devs), "%s/devices/%s", group, d->address);
		assert_int_equal(symlink(dir, devs), 0);
	}
	assert_int_equal(symlink(group, path), 0);
}

static void make_device(const struct device *d)
{
	char dir[PATH_MAX], driver[PATH_MAX], path[PATH_MAX + 32], vendor[16], id[16];

	hw_sys_path(dir, "%s/bus/%s/devices/%s", sys, d->bus, d->address);
	assert_int_equal(file_mkdirs(dir, 0755, NULL), 0);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
			 (const char *[]){ "class", "sriov_totalvfs", "sriov_numvfs" }[i]);
		put(path, (const char *[]){ d->class, d->totalvfs, d->numvfs }[i]);
	}
	if (sscanf(d->id, "%15s %15s", vendor, id) == 2) {
		snprintf(path, sizeof(path), "%s/vendor", dir);
		put(path, vendor);
		snprintf(path, sizeof(path), "%s/device", dir);
		put(path, id);
		snprintf(path, sizeof(path), "%s/numa_node", dir);
		put(path, strcmp(d->address, "0000:3b:00.0") ? "-1" : "1");
		snprintf(path, sizeof(path), "%s/driver_override", dir);
		put(path, "(null)");
	}
	if (*d->totalvfs) {
		snprintf(path, sizeof(path), "%s/sriov_drivers_autoprobe", dir);
		put(path, "1");
	}
	if (*d->driver) {
		hw_sys_path(driver, "%s/bus/pci/drivers/%s", sys, d->driver);
		assert_int_equal(file_mkdirs(driver, 0755, NULL), 0);
		snprintf(path, sizeof(path), "%s/unbind", driver);
		put(path, "-");
		snprintf(path, sizeof(path), "%s/driver", dir);
		assert_int_equal(symlink(driver, path), 0);
	}
	make_group(dir, d);
	make_nets(dir, d->nets);
	make_links(dir, d->links);
}

static int setup(void **state)
{
	char path[PATH_MAX];

	strcpy(sys, "/tmp/anyvf-unit-XXXXXX");
	if (!mkdtemp(sys))
		return -1;
	hw_sys_path(path, "%s/class/net/lo", sys);
	if (file_mkdirs(path, 0755, NULL))
		return -1;
	for (unsigned int i = 0; i < ARRAY_LEN(devices); i++)
		make_device(&devices[i]);
	hw_sys_path(path, "%s/bus/pci/drivers_probe", sys);
	put(path, "-");
	return 0;
}

static int teardown(void **state)
{
	const char *const argv[] = { "rm", "-rf", sys, NULL };

	return spawn_run(argv, 5000, NULL, 0, NULL);
}

static void all_functions_are_listed_and_who_cannot_serve_says_why(void **state)
{
	static const struct {
		const char *address, *why; /* a part of it; NULL: it can serve */
	} rows[] = {
		{ "0000:00:04.0", NULL }, /* its driver knows no words: hw/caps says that */
		{ "0000:01:00.0", NULL },
		{ "0000:02:00.0", "no NIC: its PCI class is 0x010802" },
		{ "0000:3b:00.0", NULL },
		{ "0000:3b:00.1", NULL },
		{ "0000:5e:00.0", NULL },
		{ "0000:60:00.0", "no driver is bound" },
		{ "0000:61:00.0", "no netdev here" },
		{ "0000:62:00.0", "sriov_totalvfs is 0" },
		{ "0000:70:00.0", "sriov_totalvfs is no number" },
		{ "0000:71:00.0", "class cannot be read" },
		{ "0000:72:00.0", "sriov_numvfs is no number" },
		{ "netdevsim2", NULL },
		{ "netdevsim10", NULL },
	};
	auto_free struct hw_nic *nics = NULL;
	size_t n = 0;

	assert_int_equal(hw_nic_list(sys, &nics, &n, NULL), 0);
	assert_int_equal(n, ARRAY_LEN(rows));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(nics[i].address, rows[i].address);
		if (rows[i].why)
			assert_non_null(strstr(nics[i].why.msg, rows[i].why));
		else
			assert_string_equal(nics[i].why.msg, "");
	}
}

static void a_function_is_told_as_sysfs_has_it(void **state)
{
	struct hw_nic nic;

	assert_int_equal(hw_nic_find(sys, "0000:3b:00.0", &nic, NULL), 0);
	assert_string_equal(nic.bus, "pci");
	assert_string_equal(nic.driver, "i40e");
	assert_int_equal(nic.vendor, 0x8086);
	assert_int_equal(nic.device, 0x1572);
	assert_int_equal(nic.class, 0x020000);
	assert_int_equal(nic.totalvfs, 64);
	assert_int_equal(nic.numvfs, 64);
	assert_int_equal(nic.autoprobe, 1);
	assert_int_equal(nic.group, 30);
	assert_int_equal(nic.node, 1);
	assert_int_equal(nic.netdevs.n, 1);
	assert_string_equal(nic.netdevs.list[0].name, "ens1f0");
	assert_int_equal(nic.netdevs.list[0].ifindex, 6);
}

static void what_is_missing_or_no_number_is_untold(void **state)
{
	struct hw_nic nic;

	assert_int_equal(hw_nic_find(sys, "netdevsim10", &nic, NULL), 0);
	assert_int_equal(nic.vendor, HW_UNTOLD);
	assert_int_equal(nic.class, HW_UNTOLD);
	assert_int_equal(nic.totalvfs, HW_UNTOLD);
	assert_int_equal(nic.autoprobe, HW_UNTOLD);
	assert_int_equal(nic.group, HW_UNTOLD);
	assert_int_equal(nic.node, HW_UNTOLD);
	assert_int_equal(hw_nic_find(sys, "0000:70:00.0", &nic, NULL), 0);
	assert_int_equal(nic.totalvfs, HW_UNTOLD);
	assert_int_equal(nic.group, HW_UNTOLD); /* its link leads nowhere */
	assert_int_equal(nic.netdevs.n, 1);	/* two have no ifindex */
	assert_int_equal(hw_nic_find(sys, "0000:71:00.0", &nic, NULL), 0);
	assert_int_equal(nic.numvfs, HW_UNTOLD);
	assert_int_equal(nic.class, HW_UNTOLD);
}

static void representors_are_counted_and_no_netdevs_of_the_function(void **state)
{
	struct hw_nic nic;

	assert_int_equal(hw_nic_find(sys, "0000:5e:00.0", &nic, NULL), 0);
	assert_int_equal(nic.netdevs.n_representors, 2);
	assert_int_equal(nic.netdevs.n, 2);
	assert_string_equal(nic.netdevs.list[0].name, "ens3np0"); /* by ifindex */
	assert_string_equal(nic.netdevs.list[1].name, "ens3d1");
	assert_int_equal(hw_nic_find(sys, "netdevsim2", &nic, NULL), 0);
	assert_int_equal(nic.netdevs.n_representors, 1);
	assert_string_equal(nic.netdevs.list[0].name, "eni2np1");
}

static void a_netdev_leads_to_its_function_and_a_vf_to_its_pf(void **state)
{
	static const struct {
		const char *name, *address;
		int rc;
		const char *error;
	} rows[] = {
		{ "eth1", "0000:01:00.0", 0, NULL },
		{ "ens3d1", "0000:5e:00.0", 0, NULL },
		{ "ens4", "0000:00:04.0", 0, NULL }, /* virtio's netdev hangs one below it */
		{ "eni2np2", "netdevsim2", 0, NULL },
		{ "eth9", NULL, -ENODEV, "eth9 is a VF of 0000:01:00.0" },
		{ "0000:01:10.0", NULL, -ENODEV, "is a VF of 0000:01:00.0" },
		{ "0000:00:1f.0", NULL, -ENODEV, "0000:00:1f.0 has no SR-IOV" },
		{ "lo", NULL, -ENODEV, "lo belongs to no device" },
		{ "eth77", NULL, -ENOENT, "no netdev and no device eth77" },
		{ "", NULL, -ENOENT, "\"\" is no netdev" },
		{ "..", NULL, -ENOENT, "no netdev" },
		{ "../devices/0000:01:00.0", NULL, -ENOENT, "no netdev" },
		{ "a-name-that-is-longer-than-any-name-of-a-device", NULL, -ENOENT, "no netdev" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct hw_nic nic = { .address = "untouched" };
		struct err e = { 0 };

		assert_int_equal(hw_nic_find(sys, rows[i].name, &nic, &e), rows[i].rc);
		assert_string_equal(nic.address, rows[i].address ?: "untouched");
		if (rows[i].error)
			assert_non_null(strstr(e.msg, rows[i].error));
	}
}

static void a_vf_is_told_with_its_driver_and_who_shares_its_group(void **state)
{
	struct hw_nic nic;
	struct hw_vf_dev vf;
	struct err e = { 0 };

	assert_int_equal(hw_nic_find(sys, "eth1", &nic, NULL), 0);
	assert_int_equal(hw_nic_vf(sys, &nic, 0, &vf, NULL), 0);
	assert_string_equal(vf.address, "0000:01:10.0");
	assert_string_equal(vf.driver, "igbvf");
	assert_string_equal(vf.override, "");
	assert_string_equal(vf.netdevs.list[0].name, "eth9");
	assert_int_equal(vf.group, 15);
	assert_string_equal(vf.shared, ""); /* with a bridge */
	assert_int_equal(hw_nic_vf(sys, &nic, 1, &vf, NULL), 0);
	assert_string_equal(vf.driver, "");
	assert_int_equal(vf.netdevs.n, 0);
	assert_int_equal(hw_nic_vf(sys, &nic, 2, &vf, &e), -ENOENT);
	assert_string_equal(e.msg, "0000:01:00.0 has no VF 2");

	assert_int_equal(hw_nic_find(sys, "ens1f0", &nic, NULL), 0);
	assert_int_equal(hw_nic_vf(sys, &nic, 63, &vf, NULL), 0);
	assert_string_equal(vf.shared, "0000:3b:00.0");
	e = (struct err){ 0 };
	assert_int_equal(hw_nic_vf(sys, &nic, 62, &vf, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "virtfn62 leads nowhere"));

	assert_int_equal(hw_nic_find(sys, "netdevsim10", &nic, NULL), 0);
	assert_int_equal(hw_nic_vf(sys, &nic, 3, &vf, NULL), 0);
	assert_string_equal(vf.address, "");
	assert_int_equal(hw_nic_vf(sys, &nic, 4, &vf, NULL), -ENOENT);
}

static void numvfs_is_refused_before_vfs_are_taken_away(void **state)
{
	struct hw_nic nic, now;
	struct err e = { 0 };

	assert_int_equal(hw_nic_find(sys, "eth1", &nic, NULL), 0);
	assert_int_equal(hw_nic_set_numvfs(sys, &nic, 8, &e), -ERANGE);
	assert_string_equal(e.msg, "0000:01:00.0: 8 VFs: it can have 7");
	assert_int_equal(hw_nic_find(sys, "eth1", &now, NULL), 0);
	assert_int_equal(now.numvfs, 2);
	assert_int_equal(hw_nic_set_numvfs(sys, &nic, 5, NULL), 0);
	assert_int_equal(hw_nic_find(sys, "eth1", &now, NULL), 0);
	assert_int_equal(now.numvfs, 5);
	assert_int_equal(hw_nic_set_numvfs(sys, &nic, 2, NULL), 0);
	assert_int_equal(hw_nic_set_autoprobe(sys, &nic, false, NULL), 0);
	assert_int_equal(hw_nic_find(sys, "eth1", &now, NULL), 0);
	assert_int_equal(now.autoprobe, 0);
	assert_int_equal(hw_nic_set_autoprobe(sys, &now, true, NULL), 0);
	assert_int_equal(hw_nic_find(sys, "netdevsim2", &nic, NULL), 0);
	assert_int_equal(hw_nic_set_autoprobe(sys, &nic, true, NULL), -EOPNOTSUPP);
}

static void a_vf_that_vfio_cannot_have_is_refused_before_its_driver_goes(void **state)
{
	static const struct {
		const char *nic, *driver;
		unsigned int vf;
		int rc;
		const char *error;
	} rows[] = {
		{ "eth1", "uio", 0, -ENOENT, "0000:01:00.0 vf 0: there is no driver uio" },
		{ "eth1", "../x", 0, -ENOENT, "there is no driver" },
		{ "eth1", "vfio-pci", 9, -ENOENT, "has no VF 9" },
		{ "ens1f0", "ice", 63, -EIO, "ice does not take 0000:3b:0a.0" }, /* nobody acts */
		{ "eth1", "vfio-pci", 0, -EIO, "vfio-pci does not take 0000:01:10.0" },
		{ "eth1", NULL, 1, 0, NULL },
		{ "netdevsim10", "vfio-pci", 0, -EOPNOTSUPP, "no PCI function" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };
		struct hw_nic nic;

		assert_int_equal(hw_nic_find(sys, rows[i].nic, &nic, NULL), 0);
		assert_int_equal(hw_vf_bind(sys, &nic, rows[i].vf, rows[i].driver, &e), rows[i].rc);
		if (rows[i].error)
			assert_non_null(strstr(e.msg, rows[i].error));
	}
}

static void a_vf_that_shares_its_group_is_not_for_vfio(void **state)
{
	char path[PATH_MAX];
	struct err e = { 0 };
	struct hw_nic nic;

	hw_sys_path(path, "%s/bus/pci/devices/0000:3b:0a.0/driver", sys);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(hw_nic_find(sys, "ens1f0", &nic, NULL), 0);
	assert_int_equal(hw_vf_bind(sys, &nic, 63, "vfio-pci", &e), -EBUSY);
	assert_non_null(strstr(e.msg, "group 30 has 0000:3b:00.0 in it"));
}

static void a_host_without_sysfs_says_so(void **state)
{
	struct hw_nic *nics = NULL;
	struct err e = { 0 };
	size_t n;

	assert_int_equal(hw_nic_list("/nonexistent", &nics, &n, &e), -ENOENT);
	assert_string_equal(e.msg, "there is no sysfs at /nonexistent");
}

/* Of a PF as it answers, or as it is known to. */
static struct hw_caps caps_of(const char *driver, uint32_t fields, enum hw_eswitch eswitch)
{
	struct hw_caps c = { .driver = hw_driver_find(driver),
			     .device = "eth1",
			     .eswitch = eswitch,
			     .known = true,
			     .fields = fields };

	strcpy(c.name, driver);
	return c;
}

static void a_word_is_refused_with_the_reason(void **state)
{
	struct hw_caps igb = caps_of("igb", hw_driver_find("igb")->fields, HW_ESWITCH_NONE);
	uint32_t rest = HW_WORDS & ~hw_driver_find("mlx5_core")->not_switchdev;
	struct hw_caps mlx5 = caps_of("mlx5_core", rest, HW_ESWITCH_SWITCHDEV);
	struct hw_caps unknown = { .driver = hw_driver_find("new"), .name = "new", .device = "e" };
	char why[HW_WHY_LEN + 1];

	igb.refusing = 1U << HW_ATTR_LINK | 1U << HW_ATTR_RSS;
	assert_null(hw_caps_why(&igb, VF_FIELD_MAC, why));
	assert_string_equal(hw_caps_why(&igb, VF_FIELD_STATE, why),
			    "state: the driver of eth1, igb, has no such operation");
	assert_string_equal(hw_caps_why(&igb, VF_FIELD_MIN_TX_RATE, why),
			    "min_tx_rate: the driver of eth1, igb, does not take it");
	assert_string_equal(hw_caps_why(&igb, VF_FIELD_PROTO, why),
			    "proto 802.1ad: the driver of eth1, igb, inserts 802.1Q tags alone");
	assert_non_null(strstr(hw_caps_why(&igb, VF_FIELD_TRUNK, why), "only software PFs"));
	assert_non_null(strstr(hw_caps_why(&mlx5, VF_FIELD_SPOOFCHK, why), "switchdev mode"));
	assert_non_null(strstr(hw_caps_why(&unknown, VF_FIELD_MAC, why), "only root"));
}

static void a_default_is_no_refusal(void **state)
{
	const uint32_t all = 1U << VF_FIELD_PROTO | 1U << VF_FIELD_MIN_TX_RATE | 1U << VF_FIELD_QOS;
	struct hw_caps igb = caps_of("igb", hw_driver_find("igb")->fields, HW_ESWITCH_NONE);
	struct hw_caps ixgbe = caps_of("ixgbe", hw_driver_find("ixgbe")->fields, HW_ESWITCH_NONE);
	struct hw_words want = { .vlan = 5 };

	assert_int_equal(hw_caps_check(&igb, &want, all, NULL), 0);
	want.proto = VF_PROTO_8021AD;
	assert_int_equal(hw_caps_check(&igb, &want, all, NULL), -EOPNOTSUPP);
	want = (struct hw_words){ .min_tx_mbit = 1 };
	assert_int_equal(hw_caps_check(&igb, &want, all, NULL), -EOPNOTSUPP);
	assert_int_equal(hw_caps_check(&igb, &want, 1U << VF_FIELD_STATE, NULL), -EOPNOTSUPP);
	want.link = VF_LINK_DISABLE;
	assert_int_equal(hw_caps_check(&ixgbe, &want, 1U << VF_FIELD_STATE, NULL), 0);
	want.link = VF_LINK_ENABLE;
	assert_int_equal(hw_caps_check(&ixgbe, &want, 1U << VF_FIELD_STATE, NULL), -EOPNOTSUPP);
}

static void add(char *row, const char *text)
{
	strcat(row, text);
}

static uint32_t untold(const char *driver, const struct hw_vf *v, char why[VF_UNTOLD_LEN + 1])
{
	struct hw_caps caps = { .driver = hw_driver_find(driver) };
	struct vf_untold out;

	snprintf(caps.name, sizeof(caps.name), "%s", driver);
	hw_counts_untold(&caps, v, 200, &out);
	if (why)
		strcpy(why, out.why);
	return out.counts;
}

/* Zeros of a driver that counts are told, those of one that does not, or that nobody knows, are not. */
static void what_a_driver_does_not_count_is_not_told(void **state)
{
#define C(name) (1U << VF_COUNT_##name)
	const uint32_t never = C(MIRRORED) | C(DROPS);
	const uint32_t frames = C(RX_PACKETS) | C(RX_BYTES) | C(TX_PACKETS) | C(TX_BYTES);
	const struct hw_vf none = { .counted = true },
			   some = { .counted = true, .stats.rx_packets = 1 },
			   more = { .counted = true, .stats.rx_dropped = 1 }, lost = { 0 };
	char why[VF_UNTOLD_LEN + 1];

	assert_int_equal(untold("igb", &none, why), VF_COUNTS_ALL);
	assert_string_equal(why, "by igb");
	assert_int_equal(untold("ice", &none, NULL), never);
	assert_int_equal(untold("mlx4_core", &none, NULL), VF_COUNTS_ALL & ~frames);
	assert_int_equal(untold("fm10k", &none, NULL), VF_COUNTS_ALL & ~(frames | C(RX_DROPPED)));
	assert_int_equal(untold("not_known", &none, NULL), VF_COUNTS_ALL);
	assert_int_equal(untold("not_known", &some, NULL), VF_COUNTS_ALL & ~frames);
	assert_int_equal(untold("igb", &more, NULL), VF_COUNTS_ALL & ~C(RX_DROPPED));
	assert_int_equal(untold("ice", &lost, why), VF_COUNTS_ALL);
	assert_string_equal(why, "by the kernel: statistics of 200 VFs do not fit into their "
				 "attribute");
#undef C
}

static void add_words(char *row, uint32_t fields)
{
	const char *sep = "";

	for (unsigned int i = 0; vf_fields[i].word; i++) {
		if (!(fields >> i & 1))
			continue;
		add(row, sep);
		add(row, vf_fields[i].word);
		sep = " ";
	}
}

static void add_counts(char *row, unsigned int counts)
{
	static const char *const names[] = { "frames", "multicast", "broadcast", "rx-dropped",
					     "tx-dropped" };
	const char *sep = "";

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++) {
		if (!(counts >> i & 1))
			continue;
		add(row, sep);
		add(row, names[i]);
		sep = " ";
	}
	if (!*sep)
		add(row, "nothing");
}

/* A driver as docs/nics.md has it; --print writes all. */
static void print_row(const struct hw_driver *d, char row[1024])
{
	static const char *const rates[] = { "", "link", "10G" };

	sprintf(row, "| %s | %s | ", d->name, d->seen ? "yes" : "no");
	add_words(row, d->fields);
	add(row, d->fields ? " | " : "none | ");
	add_words(row, d->not_switchdev);
	add(row, d->not_switchdev ? " | " : "| ");
	add(row, rates[d->rate]);
	add(row, *rates[d->rate] ? " | " : "| ");
	if (d->fields)
		add_counts(row, d->counts);
	add(row, d->fields ? " | " : "| ");
	add(row, !(d->fields >> VF_FIELD_SPOOFCHK & 1) ? "|\n"
		 : d->spoofchk			       ? "on |\n"
						       : "off |\n");
}

static void docs_have_the_table_of_drivers(void **state)
{
	auto_free char *doc = NULL;
	unsigned int rows = 0, n = 0;
	char path[PATH_MAX], row[1024];

	hw_sys_path(path, "%s/docs/nics.md", getenv("ANYVF_SRC") ?: ".");
	assert_int_equal(file_read(path, 1 << 20, &doc, NULL, NULL), 0);
	for (const struct hw_driver *d = hw_drivers; d->name; d++, n++) {
		print_row(d, row);
		if (!strstr(doc, row))
			fail_msg("docs/nics.md has no row as test_nic --print tells it: %s", row);
	}
	for (const char *at = doc; (at = strstr(at, "\n| ")); at++)
		rows++;
	assert_int_equal(rows, n + 1); /* and a head */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_functions_are_listed_and_who_cannot_serve_says_why),
		cmocka_unit_test(a_function_is_told_as_sysfs_has_it),
		cmocka_unit_test(what_is_missing_or_no_number_is_untold),
		cmocka_unit_test(representors_are_counted_and_no_netdevs_of_the_function),
		cmocka_unit_test(a_netdev_leads_to_its_function_and_a_vf_to_its_pf),
		cmocka_unit_test(a_vf_is_told_with_its_driver_and_who_shares_its_group),
		cmocka_unit_test(numvfs_is_refused_before_vfs_are_taken_away),
		cmocka_unit_test(a_vf_that_vfio_cannot_have_is_refused_before_its_driver_goes),
		cmocka_unit_test(a_vf_that_shares_its_group_is_not_for_vfio),
		cmocka_unit_test(a_host_without_sysfs_says_so),
		cmocka_unit_test(a_word_is_refused_with_the_reason),
		cmocka_unit_test(a_default_is_no_refusal),
		cmocka_unit_test(what_a_driver_does_not_count_is_not_told),
		cmocka_unit_test(docs_have_the_table_of_drivers),
	};
	char row[1024];

	for (const struct hw_driver *d = hw_drivers; argc > 1 && d->name; d++) {
		print_row(d, row);
		fputs(row, stdout);
	}
	if (argc > 1)
		return 0;

	return cmocka_run_group_tests(tests, setup, teardown);
}
