/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about src/hosts/placement.c: which host a server goes to, and what is said when none can
 * take it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/field.h"
#include "hosts/placement.h"

/* Two PFs: p1 serves physnet1 (2 VFs), p12 serves physnet1 and physnet2 (2 VFs). */
struct bed {
	json_t *net1, *both, *slots;
	struct place_pf pfs[2];
	struct place_host host[2];
};

static struct place_vf vfs[PLACE_MAX_PORTS];

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->net1 = json_pack("[s]", "physnet1");
	b->both = json_pack("[s,s]", "physnet1", "physnet2");
	b->slots = json_pack("[s,s]", "0000:05:10.0", "0000:05:10.2");
	b->pfs[0] = (struct place_pf){ .name = "p12", .physnets = b->both, .numvfs = 2 };
	b->pfs[1] = (struct place_pf){
		.name = "p1", .physnets = b->net1, .pci_slots = b->slots, .numvfs = 2
	};
	for (int i = 0; i < 2; i++)
		b->host[i] = (struct place_host){ .name = i ? "h2" : "h1",
						  .alive = true,
						  .vcpus = 2,
						  .memory_mb = 1000,
						  .pfs = b->pfs,
						  .n_pfs = 2 };
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	json_decref(b->net1);
	json_decref(b->both);
	json_decref(b->slots);
	free(b);
	return 0;
}

static void assert_vf(unsigned int port, const char *pf, unsigned int vf)
{
	if (strcmp(vfs[port].pf, pf) || vfs[port].vf != vf)
		fail_msg("port %u: VF %u of %s", port, vfs[port].vf, vfs[port].pf);
}

static void host_with_most_memory_left_wins(void **state)
{
	struct bed *b = *state;
	struct place_want want = { .vcpus = 1, .memory_mb = 100 };
	unsigned int out;

	b->host[0].memory_used_mb = 500;
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 1);
}

static void dead_host_gets_nothing_and_is_named(void **state)
{
	struct bed *b = *state;
	struct place_want want = { .vcpus = 1, .memory_mb = 100 };
	struct err e = { 0 };
	unsigned int out;

	b->host[0].alive = false;
	b->host[0].silent_s = 37;
	assert_int_equal(placement_choose(b->host, 1, &want, &out, vfs, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "host h1: its agent is dead (no heartbeat for 37 s)"));
}

static void no_host_at_all_is_said(void **state)
{
	struct place_want want = { .vcpus = 1 };
	struct err e = { 0 };
	unsigned int out;

	assert_int_equal(placement_choose(NULL, 0, &want, &out, vfs, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "No host has registered"));
}

static void wanted_host_is_the_only_one_asked(void **state)
{
	struct bed *b = *state;
	struct place_want want = { .host = "h2", .vcpus = 1 };
	unsigned int out;

	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 1);
	want.host = "h3";
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), -ENOSPC);
}

static unsigned int looked_at;

static int look(void *arg, struct place_host *host)
{
	looked_at++;
	host->alive = host != arg;
	return 0;
}

/* With most memory left first, and no further than need be. */
static void hosts_are_looked_at_in_order_of_room(void **state)
{
	struct bed *b = *state;
	struct place_want want = { .vcpus = 1, .memory_mb = 100, .look = look };
	unsigned int out;

	b->host[0].memory_used_mb = 500;
	looked_at = 0;
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 1);
	assert_int_equal(looked_at, 1);
	want.look_arg = &b->host[1];
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 0);
	assert_int_equal(looked_at, 3);
	b->host[1].memory_used_mb = 500; /* alike: who stands first */
	want.look_arg = NULL;
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 0);
}

static void memory_and_cpus_must_suffice(void **state)
{
	struct bed *b = *state;
	struct place_want big = { .vcpus = 1, .memory_mb = 1001 }, many = { .vcpus = 33 };
	struct err e = { 0 };

	assert_int_equal(placement_fits(&b->host[0], &big, vfs, &e), -ENOMEM);
	assert_string_equal(e.msg, "1001 MB of memory needed, 1000 of 1000 left");
	assert_int_equal(placement_fits(&b->host[0], &many, vfs, NULL), -ENOMEM);
}

static void unserved_physical_network_is_named(void **state)
{
	struct bed *b = *state;
	struct place_port port = { .physnet = "physnet9" };
	struct place_want want = { .ports = &port, .n_ports = 1 };
	struct err e = { 0 };

	assert_int_equal(placement_fits(&b->host[0], &want, vfs, &e), -ENXIO);
	assert_string_equal(e.msg, "no PF serves physical network physnet9");
}

static void pf_nobody_else_needs_is_used_first(void **state)
{
	struct bed *b = *state;
	struct place_port port = { .physnet = "physnet1" };

	assert_int_equal(placement_assign(&b->host[0], &port, 1, vfs, NULL), 0);
	assert_vf(0, "p1", 0);
}

static void server_with_more_ports_than_free_vfs_is_refused_with_counts(void **state)
{
	struct bed *b = *state;
	struct place_port ports[3] = { { "physnet2" }, { "physnet2" }, { "physnet2" } };
	struct place_want want = { .ports = ports, .n_ports = 3 };
	struct err e = { 0 };

	assert_int_equal(placement_fits(&b->host[0], &want, vfs, &e), -ENOSPC);
	assert_string_equal(e.msg, "PF p12 (physnet2) has no free VF: 2 of 2 in use");
	want.n_ports = 2;
	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), 0);
}

static void all_vfs_of_all_serving_pfs_count(void **state)
{
	struct bed *b = *state;
	struct place_port ports[4] = {
		{ "physnet1" }, { "physnet1" }, { "physnet1" }, { "physnet1" }
	};
	struct place_want want = { .ports = ports, .n_ports = 4 };

	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), 0);
	place_pf_take(&b->pfs[0], 1);
	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), -ENOSPC);
}

/* p12 is the network's, though p1 would do; when it is full p1 does. */
static void a_network_stays_on_its_pf_while_it_can(void **state)
{
	struct bed *b = *state;
	struct place_port ports[3] = { { "physnet1", NULL, "n1" },
				       { "physnet1", NULL, "n1" },
				       { "physnet1", NULL, "n1" } };

	b->host[0].homes = json_pack("{s:s}", "n1", "p12");
	assert_int_equal(placement_assign(&b->host[0], ports, 3, vfs, NULL), 0);
	assert_vf(0, "p12", 0);
	assert_vf(1, "p12", 1);
	assert_vf(2, "p1", 0);
	json_decref(b->host[0].homes);
}

/* A network that is nowhere yet follows its first port; one that names its VF is the first. */
static void ports_of_a_new_network_go_together(void **state)
{
	struct bed *b = *state;
	struct place_port ports[3] = { { "physnet1", NULL, "n1" },
				       { "physnet1", "0000:05:10.2", "n2" },
				       { "physnet1", NULL, "n2" } };

	b->pfs[0].numvfs = 8;
	b->pfs[0].physnets = b->net1; /* and has more free VFs */
	assert_int_equal(placement_assign(&b->host[0], ports, 3, vfs, NULL), 0);
	assert_vf(0, "p12", 0);
	assert_vf(1, "p1", 1);
	assert_vf(2, "p1", 0);
}

/* At home the network of the first port would take p12's last VF from the second. */
static void a_network_leaves_its_pf_where_the_ports_fit_in_no_other_way(void **state)
{
	struct bed *b = *state;
	struct place_port ports[2] = { { "physnet1", NULL, "n1" }, { "physnet2", NULL, "n2" } };
	struct place_want want = { .ports = ports, .n_ports = 2 };

	place_pf_take(&b->pfs[0], 0);
	b->host[0].homes = json_pack("{s:s}", "n1", "p12");
	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), 0);
	assert_vf(0, "p1", 0);
	assert_vf(1, "p12", 1);
	json_decref(b->host[0].homes);
}

/* The host that wins is not the last one looked at. */
static void the_vfs_are_those_of_the_host_chosen(void **state)
{
	struct bed *b = *state;
	struct place_pf full[2] = { b->pfs[0], b->pfs[1] };
	struct place_port port = { .physnet = "physnet1" };
	struct place_want want = { .ports = &port, .n_ports = 1 };
	unsigned int out;

	place_pf_take(&full[1], 0);
	b->host[1].pfs = full;
	b->host[1].memory_used_mb = 500;
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_int_equal(out, 0);
	assert_vf(0, "p1", 0);
	want.host = "h2";
	assert_int_equal(placement_choose(b->host, 2, &want, &out, vfs, NULL), 0);
	assert_vf(0, "p1", 1);
}

static void pci_slot_is_this_vf_or_none(void **state)
{
	struct bed *b = *state;
	struct place_port ports[2] = { { "physnet1" }, { "physnet1", "0000:05:10.0" } };
	struct place_want want = { .ports = ports, .n_ports = 2 };

	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), 0);
	ports[0].pci_slot = "0000:05:10.2";
	assert_int_equal(placement_assign(&b->host[0], &ports[0], 1, vfs, NULL), 0);
	assert_vf(0, "p1", 1);
	assert_string_equal(vfs[0].pci_slot, "0000:05:10.2");
	place_pf_take(&b->pfs[1], 1);
	assert_int_equal(placement_fits(&b->host[0], &want, vfs, NULL), -ENOSPC);
}

static void vf_numbers_beyond_the_map_do_no_harm(void **state)
{
	struct bed *b = *state;
	struct place_port port = { .physnet = "physnet2" };

	place_pf_take(&b->pfs[0], 100000);
	b->pfs[0].numvfs = 100000;
	assert_int_equal(placement_assign(&b->host[0], &port, 1, vfs, NULL), 0);
	assert_vf(0, "p12", 0);
}

/* Beside the two of software: a NIC's with three VFs, one without, on physnet1. */
static struct place_host with_nics(struct bed *b, struct place_pf pfs[4])
{
	struct place_host h = b->host[0];

	memcpy(pfs, b->pfs, sizeof(b->pfs));
	pfs[2] = (struct place_pf){ .name = "nic",
				    .kind = PLACE_HW,
				    .physnets = b->net1,
				    .pci_slots = b->slots,
				    .pci_slot = "0000:05:00.0",
				    .numvfs = 2 };
	pfs[3] = (struct place_pf){
		.name = "bare", .kind = PLACE_HW, .physnets = b->net1, .pci_slot = "0000:06:00.0"
	};
	h.pfs = pfs;
	h.n_pfs = 4;
	return h;
}

static void each_vnic_type_has_its_kind_of_pf(void **state)
{
	static const struct {
		enum place_vnic vnic;
		const char *pf;
		unsigned int vf;
		const char *pci_slot;
	} rows[] = { { PLACE_DIRECT, "nic", 0, "0000:05:10.0" },
		     { PLACE_NORMAL, "p1", 0, "0000:05:10.0" },
		     { PLACE_MACVTAP, "nic", 0, "0000:05:10.0" },
		     { PLACE_PHYSICAL, "bare", PLACE_WHOLE, "0000:06:00.0" } };
	struct bed *b = *state;
	struct place_pf pfs[4];
	struct place_host h = with_nics(b, pfs);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place_port port = { .physnet = "physnet1", .vnic = rows[i].vnic };

		assert_int_equal(placement_assign(&h, &port, 1, vfs, NULL), 0);
		assert_vf(0, rows[i].pf, rows[i].vf);
		assert_string_equal(vfs[0].pci_slot, rows[i].pci_slot);
	}
}

static void direct_ports_go_to_software_pfs_when_the_nics_vfs_are_out(void **state)
{
	struct bed *b = *state;
	struct place_pf pfs[4];
	struct place_host h = with_nics(b, pfs);
	struct place_port ports[3] = { { "physnet1" }, { "physnet1" }, { "physnet1" } };

	assert_int_equal(placement_assign(&h, ports, 3, vfs, NULL), 0);
	assert_vf(0, "nic", 0);
	assert_vf(1, "nic", 1);
	assert_vf(2, "p1", 0);
}

static void assert_refused(struct place_host *h, struct place_port port, int rc, const char *why)
{
	struct err e = { 0 };

	assert_int_equal(placement_assign(h, &port, 1, vfs, &e), rc);
	assert_string_equal(e.msg, why);
}

/* What is given away as a whole has neither VFs nor another who has it. */
static void why_a_nic_cannot_serve_is_said(void **state)
{
	struct bed *b = *state;
	struct place_pf pfs[4];
	struct place_host h = with_nics(b, pfs);

	assert_refused(&h, (struct place_port){ .physnet = "physnet2", .vnic = PLACE_MACVTAP },
		       -ENXIO, "PF p12 (physnet2) is no NIC's: vnic type macvtap is not there");
	place_pf_take(&pfs[3], PLACE_WHOLE);
	assert_refused(&h, (struct place_port){ .physnet = "physnet1", .vnic = PLACE_PHYSICAL },
		       -ENOSPC, "PF bare (physnet1) is in use as a whole");
	h.n_pfs = 3;
	assert_refused(&h, (struct place_port){ .physnet = "physnet1", .vnic = PLACE_PHYSICAL },
		       -ENOSPC, "PF nic (physnet1) has VFs, so it cannot be given away as a whole");
	pfs[2].kind = PLACE_OTHER;
	h.pfs = &pfs[2];
	h.n_pfs = 1;
	assert_refused(&h, (struct place_port){ .physnet = "physnet1" }, -ENXIO,
		       "PF nic (physnet1) is of an unknown kind: vnic type direct is not there");
}

/* A server takes a port of each. */
static void one_server_has_ports_of_both_kinds(void **state)
{
	struct bed *b = *state;
	struct place_pf pfs[4];
	struct place_host h = with_nics(b, pfs);
	struct place_port ports[2] = { { "physnet1" },
				       { .physnet = "physnet1", .vnic = PLACE_NORMAL } };

	assert_int_equal(placement_assign(&h, ports, 2, vfs, NULL), 0);
	assert_vf(0, "nic", 0);
	assert_vf(1, "p1", 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(host_with_most_memory_left_wins),
		CASE(dead_host_gets_nothing_and_is_named),
		CASE(no_host_at_all_is_said),
		CASE(wanted_host_is_the_only_one_asked),
		CASE(hosts_are_looked_at_in_order_of_room),
		CASE(memory_and_cpus_must_suffice),
		CASE(unserved_physical_network_is_named),
		CASE(pf_nobody_else_needs_is_used_first),
		CASE(server_with_more_ports_than_free_vfs_is_refused_with_counts),
		CASE(all_vfs_of_all_serving_pfs_count),
		CASE(a_network_stays_on_its_pf_while_it_can),
		CASE(ports_of_a_new_network_go_together),
		CASE(a_network_leaves_its_pf_where_the_ports_fit_in_no_other_way),
		CASE(the_vfs_are_those_of_the_host_chosen),
		CASE(pci_slot_is_this_vf_or_none),
		CASE(vf_numbers_beyond_the_map_do_no_harm),
		CASE(each_vnic_type_has_its_kind_of_pf),
		CASE(direct_ports_go_to_software_pfs_when_the_nics_vfs_are_out),
		CASE(why_a_nic_cannot_serve_is_said),
		CASE(one_server_has_ports_of_both_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
