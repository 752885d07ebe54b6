/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about src/agent/host/inventory.c: what the API is told of PFs, and which VFs are busy. */
#include "unit.h"

#include <stdlib.h>

#include "agent/host/pfs.h"

static struct pfs_view *view; /* one PF */
static struct vf_info vfs[2];

static int setup(void **state)
{
	struct pfs_pf *pf;

	view = calloc(1, sizeof(*view) + sizeof(struct pfs_pf));
	view->n_pfs = 1;
	pf = &view->pfs[0];
	strcpy(pf->info.config.name, "nic0");
	strcpy(pf->info.status.kind, "hw");
	strcpy(pf->info.status.driver, "igb");
	strcpy(pf->info.status.pci_slot, "0000:01:00.0");
	pf->info.config.mac = (struct mac){ { 2, 0, 0, 0, 1, 0 } };
	pf->info.status.vendor = 0x8086;
	pf->info.status.product = 0x10c9;
	pf->info.status.vf_product = 0x10ca;
	pf->n_vfs = 2;
	pf->vfs = vfs;
	for (unsigned int i = 0; i < 2; i++) {
		vfs[i] = (struct vf_info){ .attach.kind = VF_ATTACH_NONE };
		vf_config_default(&vfs[i].config);
		strcpy(vfs[i].status.pci_slot, i ? "0000:01:10.2" : "0000:01:10.0");
		strcpy(vfs[i].status.driver, "igbvf");
		strcpy(vfs[i].status.netdev, "eth1");
	}
	return 0;
}

static int teardown(void **state)
{
	free(view);
	return 0;
}

static void assert_told(const char *want)
{
	auto_of(json_decref) json_t *told = pfs_to_inventory(view, "physnet1:nic0,p2:other");
	auto_free char *text = json_dumps(json_array_get(told, 0), JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, want);
}

static void a_nics_pf_is_told_with_what_bindings_need(void **state)
{
	assert_told("{\"busy\":[],\"driver\":\"igb\",\"kind\":\"hw\",\"mac\":\"02:00:00:00:01:00\","
		    "\"name\":\"nic0\",\"numvfs\":2,\"pci_slot\":\"0000:01:00.0\",\"pci_slots\":"
		    "[\"0000:01:10.0\",\"0000:01:10.2\"],\"pci_vendor_info\":\"8086:10c9\","
		    "\"physical_networks\":[\"physnet1\"],\"vf_pci_vendor_info\":\"8086:10ca\"}");
}

static void a_software_pf_is_told_as_ever(void **state)
{
	strcpy(view->pfs[0].info.status.kind, "sw");
	assert_told("{\"busy\":[],\"name\":\"nic0\",\"numvfs\":2,\"pci_slots\":"
		    "[\"0000:01:10.0\",\"0000:01:10.2\"],\"physical_networks\":[\"physnet1\"]}");
}

static bool is_busy(void)
{
	auto_of(json_decref) json_t *told = pfs_to_inventory(view, "physnet1:nic0");

	return json_array_size(json_object_get(json_array_get(told, 0), "busy")) > 0;
}

/* What drivers begin with is theirs: netdevsim and mlx5 without spoof checks, any with a MAC. */
static void a_nics_fresh_vf_is_free_whatever_it_begins_with(void **state)
{
	vfs[1].config.spoofchk = false;
	vfs[1].config.mac = (struct mac){ { 2, 0, 0, 0, 1, 9 } };
	assert_false(is_busy());
	strcpy(view->pfs[0].info.status.kind, "sw");
	assert_true(is_busy());
}

static void a_nics_vf_is_busy_that_somebody_has(void **state)
{
	static const struct {
		struct vf_status status;
		bool attached, leased, busy;
	} rows[] = {
		{ { .driver = "igbvf", .netdev = "eth1" }, .busy = false },
		{ { .driver = "" }, .busy = false }, /* autoprobe is off */
		{ { .driver = "igbvf", .netdev = "eth1", .touched = "vlan" }, .busy = true },
		{ { .driver = "igbvf", .netdev = "eth1", .netns = "blue" }, .busy = true },
		{ { .driver = "igbvf" }, .busy = true }, /* in a namespace without a name */
		{ { .driver = "vfio-pci" }, .busy = true },
		{ { .driver = "igbvf", .netdev = "eth1" }, .attached = true, .busy = true },
		{ { .driver = "vfio-pci", .touched = "mac" },
		  .attached = true,
		  .leased = true,
		  .busy = false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		vfs[1].status = rows[i].status;
		vfs[1].attach.kind = rows[i].attached ? VF_ATTACH_VFIO : VF_ATTACH_NONE;
		strcpy(vfs[1].config.port_id, rows[i].leased ? "p" : "");
		if (is_busy() != rows[i].busy)
			fail_msg("row %zu", i);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_nics_pf_is_told_with_what_bindings_need),
		CASE(a_software_pf_is_told_as_ever),
		CASE(a_nics_fresh_vf_is_free_whatever_it_begins_with),
		CASE(a_nics_vf_is_busy_that_somebody_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
