/* SPDX-License-Identifier: Apache-2.0 */
/* veb: who gets a frame, with which tags, and who hears of a drop. Tables over one world. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "veb/flood.h"
#include "veb/frame.h"
#include "veb/veb.h"

/* Ports of the world; letters in expectations. A-E and the rest of domain 0, X of domain 1. */
enum { A, B, C, D, E, UP, HOST, SVC, X, N_PORTS };
static const char letters[] = "ABCDEUHSX";

#define VLAN(v) TAG_MAKE(TPID_8021Q, 0, v)
#define STAG(v) TAG_MAKE(TPID_8021AD, 0, v)

static struct mac mac_of(unsigned int port)
{
	return (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)(port + 1) } };
}

struct world {
	struct veb_port_conf conf[N_PORTS];
	struct mac macs[N_PORTS][4];
	struct veb_mirror mirrors[N_PORTS][2][3]; /* of frames to, from the port; by world_roll() */
	bool absent[N_PORTS];
	bool vepa;
	struct veb_snap *snap;
	struct vf_stats stats[VEB_PORTS_MAX];
	struct veb_heard heard;
	struct veb_out *out;
	struct frame f;
	uint8_t payload[64];
};

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	for (uint16_t i = 0; i < N_PORTS; i++) {
		w->macs[i][0] = mac_of(i);
		w->conf[i] = (struct veb_port_conf){ .id = i,
						     .kind = VEB_VF,
						     .flags = VEB_LINK_UP,
						     .mtu = 1500,
						     .n_macs = 1,
						     .macs = w->macs[i] };
	}
	w->conf[UP].kind = VEB_UPLINK;
	w->conf[UP].n_macs = 0;
	w->conf[HOST].kind = VEB_HOST;
	w->conf[SVC].kind = VEB_SVC;
	w->absent[SVC] = true;
	w->conf[X].domain = 1;
	w->out = veb_out_new(w->stats);
	w->out->heard = &w->heard;
	return w;
}

static void world_build(struct world *w)
{
	struct veb_port *ports[N_PORTS];
	unsigned int n = 0;

	veb_snap_free(w->snap);
	for (unsigned int i = 0; i < N_PORTS; i++)
		if (!w->absent[i])
			ports[n++] = veb_port_new(&w->conf[i]);
	assert_int_equal(veb_snap_build(ports, n, w->vepa, &w->snap, NULL), 0);
	while (n--)
		veb_port_put(ports[n]);
}

static void world_free(struct world *w)
{
	veb_snap_free(w->snap);
	veb_out_free(w->out);
	free(w);
}
AUTO_DEFINE(struct world *, world_free)

static struct frame frame_make(const struct mac *dst, const struct mac *src, uint32_t tag)
{
	static const uint8_t zeros[46];

	return (struct frame){ .dst = *dst,
			       .src = *src,
			       .type = htons(0x0800),
			       .tag = tag,
			       .len = 60,
			       .data = { zeros, sizeof(zeros) } };
}

/* Destinations of the last burst of one frame: letters by port, mirror copies in lower case. */
static const char *reached(const struct world *w)
{
	static char text[64];
	unsigned int n = 0;

	for (unsigned int port = 0; port < N_PORTS; port++) {
		const struct veb_bin *bin = &w->out->bins[port];

		for (unsigned int i = 0, at = bin->head; i < bin->n; i++) {
			const struct veb_node *node = &w->out->nodes[at];

			text[n++] = (char)(letters[port] + (node->mirror ? 'a' - 'A' : 0));
			at = node->next;
		}
	}
	text[n] = '\0';
	return text;
}

static const char *emit(struct world *w, unsigned int from, const struct frame *f)
{
	veb_out_reset(w->out);
	assert_int_equal(veb_forward(w->snap, (uint16_t)from, f, 1, w->out), 1);
	return reached(w);
}

static const char *send_to(struct world *w, unsigned int from, struct mac dst, uint32_t tag)
{
	struct mac src = from == UP ? (struct mac){ { 2, 9, 9, 9, 9, 9 } } : mac_of(from);

	w->f = frame_make(&dst, &src, tag);
	return emit(w, from, &w->f);
}

/* Tags of the copy for a port, as two numbers. */
static const uint32_t *tags_at(const struct world *w, unsigned int port)
{
	assert_int_equal(w->out->bins[port].n, 1);
	return w->out->nodes[w->out->bins[port].head].tags;
}

static uint64_t drops(const struct world *w, unsigned int port, enum drop reason)
{
	return w->stats[port].drops[reason] + w->stats[port].rx_drops[reason];
}

/* The note of a port's last loss for a reason. */
static struct loss lost(const struct world *w, unsigned int port, enum drop reason)
{
	struct loss l = { 0 };

	assert_true(loss_get(&w->out->losses[port * DROP_N + reason], &l));
	return l;
}

static const struct mac bcast = { { 255, 255, 255, 255, 255, 255 } };
static const struct mac group = { { 1, 0, 0x5e, 1, 2, 3 } };
static const struct mac stranger = { { 2, 7, 7, 7, 7, 7 } };

static void two_vfs_of_one_mac_both_receive_and_the_sender_does_not(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->macs[B][1] = mac_of(C);
	w->conf[B].n_macs = 2;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(C), 0), "BC");
	assert_string_equal(send_to(w, UP, mac_of(C), 0), "BC");
	assert_string_equal(send_to(w, B, mac_of(C), 0), "C");
	assert_string_equal(send_to(w, C, mac_of(C), 0), "B");
	assert_string_equal(send_to(w, A, mac_of(A), 0), "");
	assert_string_equal(send_to(w, A, mac_of(A), VLAN(7)), "");
	assert_int_equal(drops(w, A, DROP_NO_DEST), 2);
	w->conf[B].vlan = 7; /* one in each network */
	w->conf[C].vlan = 8;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(C), VLAN(7)), "B");
	assert_string_equal(send_to(w, A, mac_of(C), VLAN(8)), "C");
}

static void unknown_unicast_goes_to_the_uplink_or_the_default_port_only(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	world_build(w);
	assert_string_equal(send_to(w, A, stranger, 0), "U");
	assert_string_equal(send_to(w, HOST, stranger, 0), "U");
	assert_string_equal(send_to(w, UP, stranger, 0), "H");
	assert_string_equal(send_to(w, UP, stranger, VLAN(9)), "H");
	assert_string_equal(send_to(w, A, stranger, VLAN(9)), "U");
	assert_string_equal(send_to(w, X, mac_of(A), 0), "");
	assert_int_equal(drops(w, X, DROP_NO_DEST), 1);
	w->conf[C].flags |= VEB_PROMISC;
	world_build(w);
	assert_string_equal(send_to(w, UP, stranger, 0), "CH");
	assert_string_equal(send_to(w, UP, mac_of(A), 0), "A");
	assert_string_equal(send_to(w, A, stranger, 0), "U");
	w->conf[C].flags = VEB_LINK_UP;
	w->absent[HOST] = true;
	world_build(w);
	assert_string_equal(send_to(w, UP, stranger, 0), "");
	assert_int_equal(drops(w, UP, DROP_NO_DEST), 1);
	w->absent[UP] = true;
	world_build(w);
	assert_string_equal(send_to(w, A, stranger, 0), "");
	assert_int_equal(drops(w, A, DROP_NO_DEST), 1);
}

/* A bridge on the host interface may know who it is for. */
static void unknown_unicast_reaches_the_host_interface_too_where_it_asks(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct {
		unsigned int from, to; /* to: N_PORTS for an address nobody has */
		uint32_t tag;
		uint16_t up, host, host_vlan; /* flags of these */
		const char *reached;
		unsigned int loser; /* N_PORTS: nobody */
		enum drop reason;
	} cases[] = {
		{ A, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "UH", N_PORTS, 0 },
		{ A, N_PORTS, VLAN(9), VEB_LINK_UP, VEB_LINK_UP, 0, "UH", N_PORTS, 0 },
		{ A, N_PORTS, VLAN(9), VEB_LINK_UP, VEB_LINK_UP, 9, "UH", N_PORTS, 0 },
		{ A, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 9, "U", N_PORTS, 0 },
		{ SVC, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "UH", N_PORTS, 0 },
		{ D, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "UH", N_PORTS, 0 },
		{ HOST, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "U", N_PORTS, 0 },
		{ UP, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "H", N_PORTS, 0 },
		{ A, B, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "B", N_PORTS, 0 },
		{ A, A, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "", A, DROP_NO_DEST },
		{ D, E, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "", D, DROP_ISOLATED },
		{ A, C, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "UH", C, DROP_VLAN }, /* of another VLAN */
		{ A, N_PORTS, 0, VEB_LINK_UP, 0, 0, "U", N_PORTS, 0 },
		{ A, N_PORTS, 0, 0, VEB_LINK_UP, 0, "H", N_PORTS, 0 },
		{ A, N_PORTS, 0, 0, 0, 0, "", A, DROP_LINK_DOWN },
		{ X, N_PORTS, 0, VEB_LINK_UP, VEB_LINK_UP, 0, "", X, DROP_NO_DEST },
	};

	w->conf[C].vlan = 100;
	w->conf[D].flags |= VEB_ISOLATED;
	w->conf[E].flags |= VEB_ISOLATED;
	w->absent[SVC] = false;
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int to = cases[i].to;

		w->conf[UP].flags = cases[i].up;
		w->conf[HOST].flags = cases[i].host | VEB_UNKNOWN;
		w->conf[HOST].vlan = cases[i].host_vlan;
		world_build(w);
		memset(w->stats, 0, sizeof(w->stats));
		assert_string_equal(send_to(w, cases[i].from, to == N_PORTS ? stranger : mac_of(to),
					    cases[i].tag),
				    cases[i].reached);
		for (unsigned int port = 0; port < N_PORTS; port++)
			for (unsigned int reason = 0; reason < DROP_N; reason++)
				assert_int_equal(drops(w, port, reason),
						 port == cases[i].loser && reason == cases[i].reason);
	}
	w->conf[HOST].flags |= VEB_LINK_UP;
	w->absent[UP] = true;
	world_build(w);
	assert_string_equal(send_to(w, A, stranger, 0), "H");
	assert_int_equal(drops(w, A, DROP_NO_DEST), 0);
	assert_string_equal(send_to(w, HOST, stranger, 0), "");
	assert_int_equal(drops(w, HOST, DROP_NO_DEST), 1);
	w->absent[UP] = false;
	w->vepa = true;
	world_build(w);
	assert_string_equal(send_to(w, A, stranger, 0), "U");
}

/* C: untagged and VLAN 7; E: VLAN 7 as its port VLAN. Both see it all, once, within their VLANs. */
static void truly_promiscuous_vfs_get_all_unicast_of_their_vlans(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct vlan_set list = { .set = true, .bits = { 1 << 7 } };
	static const struct {
		unsigned int from, to; /* to: N_PORTS for an address nobody has */
		uint32_t tag;
		const char *reached;
		unsigned int loser; /* N_PORTS: nobody */
		enum drop reason;
	} cases[] = {
		{ A, B, 0, "BC", N_PORTS, 0 },
		{ A, C, 0, "C", N_PORTS, 0 }, /* its own, once */
		{ A, E, VLAN(7), "CE", N_PORTS, 0 },
		{ C, A, 0, "A", N_PORTS, 0 }, /* not what it sent */
		{ A, A, 0, "C", A, DROP_NO_DEST }, /* a listener is no destination */
		{ A, N_PORTS, 0, "CU", N_PORTS, 0 },
		{ A, N_PORTS, VLAN(7), "CEU", N_PORTS, 0 },
		{ A, N_PORTS, VLAN(8), "U", N_PORTS, 0 },
		{ A, B, VLAN(7), "BCE", N_PORTS, 0 },
		{ A, B, VLAN(8), "B", N_PORTS, 0 },
		{ A, B, STAG(7), "B", N_PORTS, 0 },
		{ D, A, 0, "ACE", N_PORTS, 0 }, /* from a port VLAN 7 */
		{ E, D, 0, "CD", N_PORTS, 0 },
		{ HOST, A, 0, "AC", N_PORTS, 0 },
		{ A, HOST, 0, "CH", N_PORTS, 0 },
		{ UP, A, 0, "AC", N_PORTS, 0 },
		{ UP, A, VLAN(7), "ACE", N_PORTS, 0 },
		{ UP, N_PORTS, 0, "CH", N_PORTS, 0 },
		{ UP, N_PORTS, VLAN(7), "CEH", N_PORTS, 0 },
		{ A, D, 0, "CU", D, DROP_VLAN },
		{ X, N_PORTS, 0, "", X, DROP_NO_DEST },
	};

	w->conf[C].trunk = &list;
	w->conf[D].vlan = w->conf[E].vlan = 7;
	w->conf[C].flags |= VEB_PROMISC | VEB_PROMISC_ALL;
	w->conf[E].flags |= VEB_PROMISC | VEB_PROMISC_ALL;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int to = cases[i].to;

		memset(w->stats, 0, sizeof(w->stats));
		assert_string_equal(send_to(w, cases[i].from, to == N_PORTS ? stranger : mac_of(to),
					    cases[i].tag),
				    cases[i].reached);
		for (unsigned int port = 0; port < N_PORTS; port++)
			for (unsigned int reason = 0; reason < DROP_N; reason++)
				assert_int_equal(drops(w, port, reason),
						 port == cases[i].loser && reason == cases[i].reason);
	}
	assert_string_equal(send_to(w, D, stranger, 0), "CEU");
	assert_int_equal(tags_at(w, C)[0], VLAN(7));
	assert_int_equal(tags_at(w, E)[0], 0);
}

static void truly_promiscuous_vfs_are_held_to_links_mtus_and_isolation(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror to_e = { E, 3 };

	w->conf[C].flags |= VEB_PROMISC | VEB_PROMISC_ALL | VEB_ISOLATED;
	w->conf[A].flags |= VEB_ISOLATED;
	w->conf[C].mtu = 60;
	w->conf[C].n_in = 1;
	w->conf[C].in = &to_e;
	w->macs[C][1] = mac_of(B); /* an owner of B's address beside it */
	w->conf[C].n_macs = 2;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(D), 0), "D");
	assert_string_equal(send_to(w, A, mac_of(B), 0), "B");
	assert_string_equal(send_to(w, D, mac_of(A), 0), "ACe"); /* a mirror of what it gets */
	assert_string_equal(send_to(w, D, mac_of(B), 0), "BCe");
	w->f.len = 75;
	assert_string_equal(emit(w, D, &w->f), "B");
	assert_int_equal(drops(w, C, DROP_OVERSIZE), 1);
	w->f.dst = mac_of(A);
	assert_string_equal(emit(w, D, &w->f), "A");
	assert_int_equal(drops(w, C, DROP_OVERSIZE), 2);
	w->vepa = true;
	world_build(w);
	assert_string_equal(send_to(w, D, mac_of(A), 0), "U");
	w->f.len = 60;
	assert_string_equal(emit(w, UP, &w->f), "ACe"); /* as reflected */
	assert_string_equal(send_to(w, C, stranger, 0), "U");
	assert_string_equal(emit(w, UP, &w->f), "H"); /* pruned: its own */
	w->vepa = false;
	w->conf[C].flags &= (uint16_t)~VEB_LINK_UP;
	world_build(w);
	assert_string_equal(send_to(w, D, mac_of(A), 0), "A");
	assert_int_equal(drops(w, C, DROP_LINK_DOWN), 0); /* was not for it */
}

static void broadcast_reaches_the_vlan_and_the_wire_but_not_the_sender(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct vlan_set none = { .set = true }, list = { .set = true };

	vlan_set_range(&list, 10, 11, true);
	w->conf[B].vlan = 10;
	w->conf[C].trunk = &none;
	w->conf[D].trunk = &list;
	w->absent[SVC] = false;
	w->conf[SVC].vlan = 10;
	world_build(w);
	assert_string_equal(send_to(w, A, bcast, 0), "CDEUH");
	assert_string_equal(send_to(w, UP, bcast, 0), "ACDEH");
	assert_string_equal(send_to(w, A, bcast, VLAN(10)), "BDEUHS");
	assert_string_equal(send_to(w, A, bcast, VLAN(12)), "EUH");
	assert_string_equal(send_to(w, B, bcast, 0), "ADEUHS");
	assert_string_equal(send_to(w, A, bcast, TAG_MAKE(TPID_8021Q, 5, 0)), "CDEUH");
	assert_string_equal(send_to(w, A, bcast, STAG(10)), "EUH");
	assert_string_equal(send_to(w, C, bcast, VLAN(10)), "");
	assert_int_equal(drops(w, C, DROP_SPOOF_VLAN), 1);
	assert_string_equal(send_to(w, D, bcast, VLAN(11)), "AEUH");
	assert_string_equal(send_to(w, D, bcast, VLAN(12)), "");
	assert_string_equal(send_to(w, D, bcast, STAG(10)), "");
	assert_string_equal(send_to(w, A, bcast, VLAN(4095)), "");
}

static void multicast_reaches_who_joined_or_hears_all(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[B].n_groups = w->conf[C].n_groups = w->conf[D].n_groups = 1;
	w->conf[B].groups = w->conf[C].groups = w->conf[D].groups = &group;
	w->conf[C].vlan = 7;
	w->conf[D].flags |= VEB_ALLMULTI;
	w->conf[E].flags |= VEB_ALLMULTI;
	world_build(w);
	assert_string_equal(send_to(w, A, group, 0), "BDEUH");
	assert_string_equal(send_to(w, UP, group, 0), "BDEH");
	assert_string_equal(send_to(w, UP, group, VLAN(7)), "BCDEH");
	assert_string_equal(send_to(w, A, (struct mac){ { 1, 0, 0x5e, 9, 9, 9 } }, 0), "DEUH");
}

static void port_vlan_is_inserted_with_priority_and_stripped(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[A].vlan = w->conf[B].vlan = 100;
	w->conf[A].qos = 5;
	w->conf[C].vlan = 200;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "B");
	assert_int_equal(tags_at(w, B)[0], 0);
	assert_string_equal(send_to(w, A, stranger, 0), "U");
	assert_int_equal(tags_at(w, UP)[0], TAG_MAKE(TPID_8021Q, 5, 100));
	assert_int_equal(tags_at(w, UP)[1], 0);
	assert_string_equal(send_to(w, UP, mac_of(A), TAG_MAKE(TPID_8021Q, 3, 100)), "A");
	assert_int_equal(tags_at(w, A)[0], 0);
	assert_string_equal(send_to(w, UP, mac_of(A), 0), "H");
	assert_int_equal(drops(w, A, DROP_VLAN), 1);
	assert_string_equal(send_to(w, UP, mac_of(A), STAG(100)), "H");
	assert_string_equal(send_to(w, UP, mac_of(A), TAG_MAKE(TPID_8021Q, 3, 0)), "H");
	assert_string_equal(send_to(w, A, mac_of(E), 0), "E");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 5, 100));
	/* to many: the same */
	w->conf[B].flags |= VEB_ALLMULTI;
	world_build(w);
	assert_string_equal(send_to(w, UP, bcast, 0), "DEH");
	assert_string_equal(send_to(w, UP, bcast, TAG_MAKE(TPID_8021Q, 3, 0)), "DEH");
	assert_string_equal(send_to(w, UP, group, 0), "H");
	assert_string_equal(send_to(w, UP, group, VLAN(100)), "BH");
	assert_int_equal(tags_at(w, B)[0], 0);
	assert_string_equal(send_to(w, A, bcast, 0), "BDEUH");
	assert_int_equal(tags_at(w, B)[0], 0);
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 5, 100));
}

static void address_in_another_vlan_is_no_exact_hit(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[A].vlan = 100;
	w->conf[C].vlan = 200;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(C), 0), "U");
	assert_int_equal(drops(w, C, DROP_VLAN), 1);
}

static void guest_tag_on_a_port_vlan_is_dropped_and_counted(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[A].vlan = 100;
	world_build(w);
	assert_string_equal(send_to(w, A, stranger, VLAN(5)), "");
	assert_string_equal(send_to(w, A, stranger, VLAN(100)), "");
	assert_string_equal(send_to(w, A, stranger, STAG(5)), "");
	assert_int_equal(drops(w, A, DROP_SPOOF_VLAN), 3);
	assert_int_equal(w->stats[A].tx_packets, 0);
	assert_string_equal(send_to(w, A, stranger, TAG_MAKE(TPID_8021Q, 6, 0)), "U");
	assert_int_equal(tags_at(w, UP)[0], VLAN(100));
	w->conf[A].vlan = 4095;
	world_build(w);
	assert_string_equal(send_to(w, A, bcast, 0), "");
}

static void service_tag_leaves_the_customer_tag(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[A].vlan = w->conf[B].vlan = 100;
	w->conf[A].ad = w->conf[B].ad = true;
	w->conf[A].qos = 4;
	world_build(w);
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(send_to(w, A, i ? bcast : stranger, TAG_MAKE(TPID_8021Q, 6, 5)),
				    i ? "BCDEUH" : "U");
		assert_int_equal(tags_at(w, UP)[0], TAG_MAKE(TPID_8021AD, 4, 100));
		assert_int_equal(tags_at(w, UP)[1], TAG_MAKE(TPID_8021Q, 6, 5));
	}
	assert_int_equal(tags_at(w, B)[0], TAG_MAKE(TPID_8021Q, 6, 5));
	assert_string_equal(send_to(w, A, stranger, 0), "U");
	assert_int_equal(tags_at(w, UP)[0], TAG_MAKE(TPID_8021AD, 4, 100));
	assert_string_equal(send_to(w, A, mac_of(B), VLAN(5)), "B");
	assert_int_equal(tags_at(w, B)[0], VLAN(5));
	assert_int_equal(tags_at(w, B)[1], 0);
	assert_string_equal(send_to(w, UP, mac_of(B), STAG(100)), "B");
	assert_int_equal(tags_at(w, B)[0], 0);
	assert_string_equal(send_to(w, UP, mac_of(B), VLAN(100)), "H");
	assert_string_equal(send_to(w, A, stranger, STAG(5)), "");
}

/* A-D have native VLAN 5: A any tag, B none, C 10 alone, D the same and a guest that sends QinQ. */
static void native_vlan_is_untagged_at_the_guest_and_tagged_in_the_switch(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct vlan_set none = { .set = true }, list = { .set = true };
	static const struct {
		unsigned int from, to; /* to: N_PORTS for everyone, UP for a stranger */
		uint32_t tag;
		const char *reached;
		unsigned int at; /* a port that was reached */
		uint32_t there;	 /* tag of its copy */
	} cases[] = {
		{ A, UP, 0, "U", UP, VLAN(5) },
		{ A, UP, TAG_MAKE(TPID_8021Q, 6, 0), "U", UP, TAG_MAKE(TPID_8021Q, 6, 5) },
		{ A, UP, TAG_MAKE(TPID_8021Q, 3, 5), "U", UP, TAG_MAKE(TPID_8021Q, 3, 5) },
		{ B, UP, VLAN(5), "U", UP, VLAN(5) }, /* the native VLAN needs no place in the list */
		{ B, UP, VLAN(10), "", N_PORTS, 0 },
		{ C, UP, VLAN(10), "U", UP, VLAN(10) },
		{ C, UP, VLAN(11), "", N_PORTS, 0 },
		{ B, UP, STAG(5), "", N_PORTS, 0 },
		{ A, UP, STAG(5), "U", UP, STAG(5) },
		{ A, B, 0, "B", B, 0 },
		{ A, B, VLAN(5), "B", B, 0 },
		{ A, E, 0, "E", E, VLAN(5) }, /* E: a trunk of any tags */
		{ E, A, 0, "U", UP, 0 },      /* what is untagged in the switch is not theirs */
		{ E, A, VLAN(5), "A", A, 0 },
		{ E, A, STAG(5), "A", A, STAG(5) },
		{ E, C, VLAN(10), "C", C, VLAN(10) },
		{ UP, A, TAG_MAKE(TPID_8021Q, 4, 5), "A", A, 0 },
		{ UP, B, 0, "H", HOST, 0 },
		{ A, N_PORTS, 0, "BCDEUHS", SVC, 0 },
		{ A, N_PORTS, VLAN(10), "CDEUH", C, VLAN(10) },
		{ E, N_PORTS, 0, "UH", HOST, 0 },
		{ UP, N_PORTS, VLAN(5), "ABCDEHS", B, 0 },
	};

	vlan_set_range(&list, 10, 10, true);
	for (unsigned int i = A; i <= D; i++)
		w->conf[i].native = 5;
	w->conf[B].trunk = &none;
	w->conf[C].trunk = w->conf[D].trunk = &list;
	w->absent[SVC] = false;
	w->conf[SVC].vlan = 5;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int to = cases[i].to;
		struct mac dst = to == N_PORTS ? bcast : to == UP ? stranger : mac_of(to);

		assert_string_equal(send_to(w, cases[i].from, dst, cases[i].tag), cases[i].reached);
		if (cases[i].at != N_PORTS)
			assert_int_equal(tags_at(w, cases[i].at)[0], cases[i].there);
	}
	assert_int_equal(drops(w, B, DROP_SPOOF_VLAN), 2);
	assert_int_equal(drops(w, C, DROP_SPOOF_VLAN), 1);
	w->conf[A].vlan = 7; /* a port VLAN comes first, should both be said */
	world_build(w);
	assert_string_equal(send_to(w, A, stranger, 0), "U");
	assert_int_equal(tags_at(w, UP)[0], VLAN(7));
	assert_string_equal(send_to(w, UP, mac_of(A), VLAN(5)), "H");
}

/* Without its own the inner tag would speak to a trunk's guest, of a VLAN the sender is not in. */
static void native_vlan_is_not_stripped_off_a_second_tag(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct vlan_set list = { .set = true };
	struct mac src = mac_of(A), dst = mac_of(B);

	vlan_set_range(&list, 20, 20, true);
	w->conf[A].native = w->conf[B].native = 5;
	w->conf[B].trunk = &list;
	w->conf[C].vlan = 5;
	world_build(w);
	w->f = frame_make(&dst, &src, VLAN(5));
	w->f.type = htons(TPID_8021Q); /* and VLAN 20, say */
	assert_string_equal(emit(w, A, &w->f), "B");
	assert_int_equal(tags_at(w, B)[0], VLAN(5));
	w->f.dst = mac_of(C); /* a port VLAN is one of QinQ's, as ever */
	assert_string_equal(emit(w, A, &w->f), "C");
	assert_int_equal(tags_at(w, C)[0], 0);
	w->f = frame_make(&dst, &src, TAG_MAKE(TPID_8021Q, 1, 0));
	w->f.type = htons(TPID_8021Q);
	assert_string_equal(emit(w, A, &w->f), "B");
	assert_int_equal(tags_at(w, B)[0], TAG_MAKE(TPID_8021Q, 1, 5));
}

static void priority_tag_does_not_smuggle_a_second_tag(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct vlan_set none = { .set = true };
	struct mac src = mac_of(A);

	w->conf[A].trunk = &none;
	world_build(w);
	w->f = frame_make(&stranger, &src, TAG_MAKE(TPID_8021Q, 1, 0));
	assert_string_equal(emit(w, A, &w->f), "U");
	w->f.type = htons(TPID_8021Q);
	assert_string_equal(emit(w, A, &w->f), "");
	assert_int_equal(drops(w, A, DROP_SPOOF_VLAN), 1);
}

static void foreign_source_is_dropped_with_spoof_check_and_forwarded_without(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->macs[A][1] = (struct mac){ { 2, 0, 0, 0, 1, 1 } };
	w->conf[A].n_macs = 2;
	w->conf[A].flags |= VEB_SPOOFCHK;
	world_build(w);
	w->f = frame_make(&stranger, &w->macs[A][1], 0);
	assert_string_equal(emit(w, A, &w->f), "U");
	w->f.src = mac_of(B);
	assert_string_equal(emit(w, A, &w->f), "");
	w->f.src = bcast;
	assert_string_equal(emit(w, A, &w->f), "");
	assert_int_equal(drops(w, A, DROP_SPOOF_MAC), 2);
	for (unsigned int i = 0; i < 4; i++) { /* whatever it is, and for whom */
		w->f = frame_make(i % 2 ? &bcast : &w->macs[C][0], &stranger, i / 2 ? VLAN(7) : 0);
		assert_string_equal(emit(w, A, &w->f), "");
		assert_int_equal(drops(w, A, DROP_SPOOF_MAC), 3 + i);
	}
	w->f = frame_make(&stranger, &stranger, 0);
	w->conf[A].flags = VEB_LINK_UP | VEB_LEARN;
	world_build(w);
	w->f.src = stranger;
	assert_string_equal(emit(w, A, &w->f), "U");
	assert_int_equal(w->out->n_learns, 1);
	assert_true(mac_equal(&w->out->learns[0].mac, &stranger));
	emit(w, A, &w->f);
	assert_int_equal(w->out->n_learns, 0); /* said once a snapshot */
	w->f.src = mac_of(A);
	emit(w, A, &w->f);
	assert_int_equal(w->out->n_learns, 0);
	world_build(w);
	w->f.src = stranger;
	emit(w, A, &w->f);
	assert_int_equal(w->out->n_learns, 1);
}

static void a_learned_address_is_reported_from_the_wire_in_a_train_too(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct mac away = { { 2, 9, 9, 9, 9, 9 } }, a = mac_of(A);
	struct frame train[4];

	w->conf[E].flags |= VEB_LEARN | VEB_LEARNED;
	w->macs[E][1] = stranger;
	w->conf[E].n_macs = 2;
	w->conf[E].n_learned = 1;
	world_build(w);
	for (unsigned int i = 0; i < 4; i++)
		train[i] = frame_make(&a, i == 2 ? &stranger : &away, 0);
	for (unsigned int times = 0; times < 2; times++) {
		veb_out_reset(w->out);
		assert_int_equal(veb_forward(w->snap, UP, train, 4, w->out), 4);
		assert_int_equal(w->out->n_nodes, 1);
		assert_int_equal(w->out->nodes[0].n, 4);
		assert_int_equal(w->out->n_learns, !times); /* said once a snapshot */
	}
	assert_true(mac_equal(&w->out->learns[0].mac, &stranger));
}

static void first_address_is_reported_where_it_is_to_be_confirmed(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[A].flags |= VEB_LEARN | VEB_CONFIRM;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "B");
	assert_int_equal(w->out->n_learns, 1);
	send_to(w, A, mac_of(B), 0);
	assert_int_equal(w->out->n_learns, 0);
}

static void closed_links_stop_both_ways_and_count(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	w->conf[B].flags = 0;
	world_build(w);
	assert_string_equal(send_to(w, B, mac_of(A), 0), "");
	assert_int_equal(drops(w, B, DROP_LINK_DOWN), 1);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "");
	assert_int_equal(drops(w, B, DROP_LINK_DOWN), 2);
	assert_string_equal(send_to(w, A, bcast, 0), "CDEUH");
	assert_int_equal(drops(w, B, DROP_LINK_DOWN), 2); /* it is not one of all */
	assert_string_equal(send_to(w, A, mac_of(B), VLAN(7)), "");
	assert_string_equal(send_to(w, UP, mac_of(B), 0), "");
	assert_string_equal(send_to(w, B, bcast, 0), "");
	assert_int_equal(drops(w, B, DROP_LINK_DOWN), 5);
	w->conf[UP].flags = 0; /* the wire is down, VFs still talk */
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(C), 0), "C");
	assert_string_equal(send_to(w, A, bcast, 0), "CDEH");
	assert_string_equal(send_to(w, A, stranger, 0), "");
	assert_int_equal(drops(w, A, DROP_LINK_DOWN), 1);
}

static void oversize_counts_at_the_side_that_is_too_small(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct {
		uint32_t len;
		uint8_t gso_type;
		uint16_t gso_size, hdr_len;
		const char *to;
	} cases[] = {
		{ 1514, FRAME_GSO_NONE, 0, 0, "C" },
		{ 1515, FRAME_GSO_NONE, 0, 0, "" },
		{ 60000, FRAME_GSO_TCPV4, 1448, 54, "C" },
		{ 60000, FRAME_GSO_TCPV4 | FRAME_GSO_ECN, 1460, 54, "C" },
		{ 60000, FRAME_GSO_TCPV4, 1461, 54, "" },
		{ 60000, FRAME_GSO_TCPV4, 1448, 66, "C" }, /* with time stamps */
		{ 60000, FRAME_GSO_TCPV4, 1449, 66, "" },
		{ 60000, FRAME_GSO_UDP_L4, 1472, 42, "C" },
		{ 60000, FRAME_GSO_UDP_L4, 1473, 42, "" },
		{ 60000, FRAME_GSO_TCPV6, 65000, 74, "" },
	};

	w->conf[B].mtu = 9000;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct mac dst = mac_of(C), src = mac_of(B);

		w->f = frame_make(&dst, &src, 0);
		w->f.len = cases[i].len;
		w->f.gso_type = cases[i].gso_type;
		w->f.gso_size = cases[i].gso_size;
		w->f.hdr_len = cases[i].hdr_len;
		assert_string_equal(emit(w, B, &w->f), cases[i].to);
	}
	assert_int_equal(drops(w, C, DROP_OVERSIZE), 4);
	assert_int_equal(drops(w, B, DROP_OVERSIZE), 1);
	w->f.gso_type = FRAME_GSO_NONE;
	assert_string_equal(emit(w, A, &w->f), "");
	assert_int_equal(drops(w, A, DROP_OVERSIZE), 1);
}

/* Neither the guest's tags nor the switch's count, whichever way the frame goes; and of many
 * receivers only the one it is too long for goes without. */
static void tags_do_not_count_against_an_mtu(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct {
		unsigned int from, to; /* to: N_PORTS for everyone */
		uint32_t tag;
		bool second; /* tag below it */
		uint32_t len; /* without the outer tag */
		const char *reached;
		unsigned int loser;
	} cases[] = {
		{ C, D, VLAN(5), false, 1514, "D", N_PORTS }, { C, D, VLAN(5), false, 1515, "", C },
		{ C, D, VLAN(5), true, 1518, "D", N_PORTS },  { C, D, VLAN(5), true, 1519, "", C },
		{ UP, D, VLAN(5), true, 1518, "D", N_PORTS }, { HOST, D, VLAN(5), true, 1519, "", D },
		{ A, B, VLAN(6), false, 1514, "B", N_PORTS }, { A, B, 0, false, 1515, "", A },
		{ UP, B, STAG(9), true, 1518, "B", N_PORTS }, { HOST, B, STAG(9), true, 1519, "", B },
		{ HOST, N_PORTS, 0, false, 1415, "CDU", E },  { HOST, N_PORTS, 0, false, 1414, "CDEU", N_PORTS },
	};

	w->conf[A].vlan = w->conf[B].vlan = 9;
	w->conf[A].ad = w->conf[B].ad = true;
	w->conf[E].mtu = 1400;
	w->conf[HOST].mtu = w->conf[UP].mtu = 9000;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct mac dst = cases[i].to == N_PORTS ? bcast : mac_of(cases[i].to);
		struct mac src = mac_of(cases[i].from);
		uint64_t before[N_PORTS];

		for (unsigned int port = 0; port < N_PORTS; port++)
			before[port] = drops(w, port, DROP_OVERSIZE);
		w->f = frame_make(&dst, &src, cases[i].tag);
		w->f.len = cases[i].len;
		w->f.type = htons(cases[i].second ? TPID_8021Q : 0x0800);
		assert_string_equal(emit(w, cases[i].from, &w->f), cases[i].reached);
		for (unsigned int port = 0; port < N_PORTS; port++)
			assert_int_equal(drops(w, port, DROP_OVERSIZE) - before[port],
					 port == cases[i].loser);
	}
}

/* Of a sender as it sent the frame, of a receiver as the switch had it or would have given it. */
static void a_drop_leaves_the_frame_with_the_port_that_lost_it(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct {
		unsigned int from, to; /* to: N_PORTS for an address nobody has */
		uint32_t tag;
		uint32_t len;
		unsigned int loser;
		enum drop reason;
		uint32_t shown; /* outer tag of the note */
	} cases[] = {
		{ A, B, VLAN(5), 60, A, DROP_SPOOF_VLAN, VLAN(5) },
		{ D, A, 0, 1600, D, DROP_OVERSIZE, 0 },
		{ A, C, 0, 60, C, DROP_LINK_DOWN, TAG_MAKE(TPID_8021Q, 2, 100) },
		{ C, A, VLAN(7), 60, C, DROP_LINK_DOWN, VLAN(7) },
		{ UP, A, VLAN(9), 60, A, DROP_VLAN, VLAN(9) },
		{ X, N_PORTS, VLAN(3), 60, X, DROP_NO_DEST, VLAN(3) },
		{ E, A, 0, 60, E, DROP_SPOOF_MAC, 0 },
	};
	auto_free struct loss_slot *slots = calloc(VEB_PORTS_MAX * DROP_N, sizeof(*slots));

	w->out->losses = slots;
	w->conf[A].vlan = 100;
	w->conf[A].qos = 2;
	w->conf[C].flags = 0;
	w->conf[E].flags |= VEB_SPOOFCHK;
	w->conf[E].n_macs = 0;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int to = cases[i].to;
		struct mac dst = to == N_PORTS ? stranger : mac_of(to), src = mac_of(cases[i].from);
		struct frame f = frame_make(&dst, &src, cases[i].tag);
		uint32_t tag;
		struct loss l;

		f.len = cases[i].len;
		w->out->now = 1000 + i;
		emit(w, cases[i].from, &f);
		l = lost(w, cases[i].loser, cases[i].reason);
		assert_int_equal(drops(w, cases[i].loser, cases[i].reason), 1 + (i == 3));
		assert_int_equal(l.at, 1000 + i);
		assert_int_equal(l.len, cases[i].len + (cases[i].shown ? 4 : 0));
		assert_memory_equal(l.head, &dst, MAC_LEN);
		assert_memory_equal(l.head + MAC_LEN, &src, MAC_LEN);
		memcpy(&tag, l.head + 12, 4);
		assert_int_equal(cases[i].shown ? ntohl(tag) : 0, cases[i].shown);
	}
}

/* As a Linux bridge's `isolated`: those of the flag do not hear one another, all else is as ever. */
static void isolated_vfs_reach_all_but_one_another(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct {
		unsigned int from, to; /* to: N_PORTS for everyone */
		const char *reached;
		unsigned int dropped; /* of the sender as isolated */
	} cases[] = {
		{ A, B, "", 1 },   { A, C, "C", 0 },	     { C, A, "A", 0 },
		{ A, D, "E", 0 },  { A, HOST, "H", 0 },	     { UP, A, "A", 0 },
		{ HOST, A, "A", 0 }, { A, N_PORTS, "CEUH", 0 }, { C, N_PORTS, "ABDEUH", 0 },
		{ UP, N_PORTS, "ABCDEH", 0 }, { A, A, "", 0 },
	};

	w->conf[A].flags |= VEB_ISOLATED;
	w->conf[B].flags |= VEB_ISOLATED;
	w->conf[D].flags |= VEB_ISOLATED;
	w->macs[E][1] = mac_of(D); /* one address, two owners: the one that may has it */
	w->conf[E].n_macs = 2;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t was = drops(w, cases[i].from, DROP_ISOLATED);
		struct mac dst = cases[i].to == N_PORTS ? bcast : mac_of(cases[i].to);

		assert_string_equal(send_to(w, cases[i].from, dst, 0),
				    cases[i].reached);
		assert_int_equal(drops(w, cases[i].from, DROP_ISOLATED) - was, cases[i].dropped);
	}
}

/* Each kind has its bucket; what is dropped for another reason takes nothing from it. */
static void storm_control_counts_accepted_frames_of_its_kind(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	auto_free struct storm *storms = calloc(VEB_PORTS_MAX, sizeof(*storms));
	const struct veb_mirror to_d = { D, 0 };
	static const struct {
		unsigned int from;
		char what; /* b, m, u: to all, to a group, to C; s: to all, with a foreign source */
		uint64_t now;
		bool passes;
	} cases[] = {
		{ A, 'b', 0, true },	 { A, 's', 0, false },	  { A, 'b', 0, true },
		{ A, 'b', 0, false },	 { A, 'm', 0, true },	  { A, 'm', 0, false },
		{ A, 'u', 0, true },	 { B, 'b', 0, true },	  { B, 'b', 0, true },
		{ B, 'b', 0, true },	 { UP, 'b', 0, true },	  { A, 'b', 499, false },
		{ A, 'b', 500, true },	 { A, 'b', 501, false },  { A, 'm', 999, false },
		{ A, 'm', 1000, true },	 { A, 'b', 1499, true },  { A, 'b', 1999, true },
		{ A, 'b', 60000, true }, { A, 'b', 60000, true }, { A, 'b', 60000, false },
	};

	w->out->storms = storms;
	w->out->hz = 1000;
	w->conf[A].storm[STORM_BROADCAST] = 2;
	w->conf[A].storm[STORM_MULTICAST] = 1;
	w->conf[A].flags |= VEB_SPOOFCHK;
	w->conf[A].n_out = 1;
	w->conf[A].out = &to_d;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		char what = cases[i].what;
		struct mac src = what == 's' ? stranger : mac_of(cases[i].from);
		struct mac dst = what == 'u' ? mac_of(C) : what == 'm' ? group : bcast;
		struct frame f = frame_make(&dst, &src, 0);

		w->out->now = 5000 + cases[i].now;
		assert_int_equal(!!*emit(w, cases[i].from, &f), cases[i].passes);
	}
	assert_int_equal(drops(w, A, DROP_STORM_BROADCAST), 4);
	assert_int_equal(drops(w, A, DROP_STORM_MULTICAST), 2);
	assert_int_equal(drops(w, A, DROP_SPOOF_MAC), 1);
	assert_int_equal(w->stats[A].mirrored, w->stats[A].tx_packets);
	assert_int_equal(w->stats[A].tx_packets, 10);
	world_build(w); /* a new snapshot is no new bucket */
	w->f = frame_make(&bcast, &w->macs[A][0], 0);
	assert_string_equal(emit(w, A, &w->f), "");
}

static void a_veb_does_not_prune(void **state)
{
	auto_of(world_free) struct world *w = world_new();

	world_build(w);
	for (unsigned int i = 0; i < 4; i++) {
		w->f = frame_make(i % 2 ? &bcast : &w->macs[A][0], &w->macs[A][0], i / 2 ? VLAN(7) : 0);
		assert_string_equal(emit(w, UP, &w->f), i % 2 ? "ABCDEH" : "A");
	}
}

/* Each frame as its sender's, and then as the switch at the uplink reflects it. */
static void vepa_sends_all_to_the_uplink_and_prunes_its_own(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static const struct mac second = { { 2, 0, 0, 0, 1, 1 } }; /* of A */
	const struct {
		unsigned int from;
		const struct mac *src, *dst; /* src NULL: its first one */
		uint32_t tag;
		const char *out, *back;
	} cases[] = {
		{ A, NULL, &w->macs[B][0], 0, "U", "B" },
		{ A, NULL, &bcast, 0, "U", "BDEHS" },
		{ A, &second, &bcast, 0, "U", "BDEHS" },
		{ A, NULL, &group, 0, "U", "BEHS" }, /* it joined, too */
		{ A, NULL, &stranger, 0, "U", "EH" },
		{ A, NULL, &w->macs[A][0], 0, "U", "" },
		{ A, NULL, &bcast, VLAN(7), "U", "BCDEHS" },
		{ B, NULL, &w->macs[A][0], 0, "U", "A" }, /* isolated: for the other switch to say */
		{ C, NULL, &bcast, 0, "U", "ABDEHS" },
		{ C, NULL, &w->macs[A][0], 0, "U", "A" },
		{ D, NULL, &bcast, 0, "U", "ABHS" }, /* E has D's address */
		{ E, NULL, &stranger, 0, "U", "H" }, /* promiscuous, but its own */
		{ HOST, NULL, &w->macs[B][0], 0, "U", "B" },
		{ HOST, NULL, &stranger, 0, "U", "E" },
		{ SVC, NULL, &bcast, 0, "U", "ABDEH" },
	};

	w->vepa = true;
	w->macs[A][1] = second;
	w->macs[E][1] = mac_of(D);
	w->conf[A].n_macs = w->conf[E].n_macs = 2;
	w->conf[A].n_groups = w->conf[B].n_groups = 1;
	w->conf[A].groups = w->conf[B].groups = &group;
	w->conf[A].flags |= VEB_ISOLATED;
	w->conf[B].flags |= VEB_ISOLATED;
	w->conf[C].vlan = 7;
	w->conf[E].flags |= VEB_PROMISC | VEB_ALLMULTI;
	w->absent[SVC] = false;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		const struct mac *src = cases[i].src ? cases[i].src : &w->macs[cases[i].from][0];

		w->f = frame_make(cases[i].dst, src, cases[i].tag);
		assert_string_equal(emit(w, cases[i].from, &w->f), cases[i].out);
		w->f.tag = tags_at(w, UP)[0];
		assert_string_equal(emit(w, UP, &w->f), cases[i].back);
	}
	for (unsigned int port = 0; port < N_PORTS; port++) /* what is pruned is not lost */
		for (unsigned int reason = 0; reason < DROP_N; reason++)
			assert_int_equal(drops(w, port, reason), 0);
	w->absent[UP] = true;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "");
	assert_int_equal(drops(w, A, DROP_NO_DEST), 1);
}

static void mirrors_copy_what_the_vm_sees(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror to_e = { E, 3 }, to_x = { X, 4 };

	w->conf[A].vlan = 100;
	w->conf[A].n_in = w->conf[A].n_out = 1;
	w->conf[A].in = &to_e;
	w->conf[A].out = &to_x; /* in the other domain */
	w->conf[B].vlan = 100;
	w->conf[E].vlan = 200;
	w->conf[E].mtu = 100;
	w->conf[A].flags |= VEB_SPOOFCHK;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "Bx");
	assert_int_equal(tags_at(w, X)[0], 0);
	assert_int_equal(w->out->nodes[w->out->bins[X].head].mirror, 5);
	assert_string_equal(send_to(w, B, mac_of(A), 0), "Ae");
	assert_string_equal(send_to(w, UP, mac_of(A), VLAN(100)), "Ae");
	assert_int_equal(tags_at(w, E)[0], 0);
	assert_int_equal(w->stats[A].mirrored, 3);
	/* Only what was accepted: a wrong source, a wrong tag, a wrong VLAN are not. */
	w->f = frame_make(&bcast, &stranger, 0);
	assert_string_equal(emit(w, A, &w->f), "");
	assert_string_equal(send_to(w, UP, mac_of(A), 0), "H");
	/* What goes to many, too. */
	assert_string_equal(send_to(w, A, bcast, 0), "BCDUHx");
	assert_string_equal(send_to(w, B, bcast, 0), "ACDeUH");
	assert_int_equal(tags_at(w, E)[0], 0); /* as the VM gets it, not as the switch has it */
	assert_int_equal(w->stats[A].mirrored, 5);
	/* The mirror's own MAC and VLAN do not matter; if its link is down the worker counts. */
	w->conf[X].flags = 0;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "Bx");
	w->conf[A].n_out = 2; /* several of one source */
	w->conf[A].out = (const struct veb_mirror[]){ { E, 3 }, { D, 4 } };
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "Bde");
	assert_string_equal(send_to(w, A, bcast, 0), "BCdDeUH");
}

/* Copies leave in GRE by the host itself, whose frames would be copied for ever. */
static void a_tunnel_is_not_mirrored_into_itself(void **state)
{
	static const uint8_t zeros[46], gre[46] = { 0x45, [9] = 47 };
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror tunnel = { .to = X, .flags = VEB_MIRROR_REMOTE };
	struct frame f = frame_make(&w->macs[A][0], &w->macs[HOST][0], 0);

	w->conf[A].in = w->conf[HOST].out = &tunnel;
	for (uint16_t in = 0; in < 2; in++) {
		w->conf[A].n_in = in;
		w->conf[HOST].n_out = !in;
		world_build(w);
		f.data.base = zeros;
		assert_string_equal(emit(w, HOST, &f), "Ax");
		f.data.base = gre;
		assert_string_equal(emit(w, HOST, &f), "A");
	}
	f.src = w->macs[B][0];
	assert_string_equal(emit(w, B, &f), "Ax"); /* a guest's own is as good as any */
}

/* A letter a copy for E: o: sent, i: gets, and of the dropped ones the reason's number. */
static const char *marks(const struct world *w)
{
	static char text[64];
	const struct veb_bin *bin = &w->out->bins[E];
	char *to = text;

	*to = '\0';
	for (unsigned int i = 0, at = bin->head; i < bin->n; i++) {
		const struct veb_node *node = &w->out->nodes[at];

		assert_int_equal(VEB_MARK_SLOT(node->mirror), 255);
		for (unsigned int k = 0; k < node->n; k++)
			to += sprintf(to, "%c", node->mirror & VEB_MIRROR_OUT ? 'o' : 'i');
		if (VEB_MARK_WHY(node->mirror))
			to += sprintf(to, "%u ", VEB_MARK_WHY(node->mirror) - 1u);
		at = node->next;
	}
	return text;
}

static void a_capture_sees_what_was_dropped_and_why(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct veb_mirror in = { E, 255, 0, VEB_MIRROR_DROPS },
			  out = { E, 255, 0, VEB_MIRROR_DROPS | VEB_MIRROR_OUT };
	struct frame burst[4];

	w->conf[A].n_in = w->conf[A].n_out = 1;
	w->conf[A].in = &in;
	w->conf[A].out = &out;
	w->conf[A].flags |= VEB_SPOOFCHK;
	w->conf[A].vlan = 100;
	w->conf[B].vlan = 100;
	w->conf[E].kind = VEB_SINK;
	w->absent[UP] = true;
	world_build(w);
	/* as switched; refused at the entry; accepted, but for nobody: there once all the same */
	burst[0] = burst[1] = frame_make(&w->macs[B][0], &w->macs[A][0], 0);
	burst[1].src = stranger;
	burst[2] = burst[3] = frame_make(&stranger, &w->macs[A][0], 0);
	veb_out_reset(w->out);
	assert_int_equal(veb_forward(w->snap, A, burst, 4, w->out), 4);
	assert_string_equal(marks(w), "oo0 o3 o3 ");
	assert_int_equal(drops(w, A, DROP_NO_DEST), 2);
	/* a train that was mirrored, and its last frame is lost: only that is marked */
	burst[1] = burst[0];
	veb_out_reset(w->out);
	assert_int_equal(veb_forward(w->snap, A, burst, 3, w->out), 3);
	assert_string_equal(marks(w), "ooo3 ");
	/* towards it */
	assert_string_equal(send_to(w, C, mac_of(A), 0), "e");
	assert_string_equal(marks(w), "i4 ");
	/* nobody asked */
	in.flags = out.flags = 0;
	world_build(w);
	send_to(w, C, mac_of(A), 0);
	assert_string_equal(marks(w), "");
	/* without link, in one go, and as far as there is room */
	out.flags = VEB_MIRROR_DROPS | VEB_MIRROR_OUT;
	w->conf[A].flags &= (uint16_t)~VEB_LINK_UP;
	world_build(w);
	veb_out_reset(w->out);
	assert_int_equal(veb_forward(w->snap, A, burst, 4, w->out), 4);
	assert_string_equal(marks(w), "o2 o2 o2 o2 ");
	assert_int_equal(drops(w, A, DROP_LINK_DOWN), 4);
	w->out->n_nodes = VEB_NODES_MAX;
	assert_int_equal(veb_forward(w->snap, A, burst, 4, w->out), 0);
	assert_int_equal(drops(w, A, DROP_LINK_DOWN), 4);
	w->out->n_nodes = 0;
}

/* Its filter, and who asks for the last drop, see what the VM would have: no tag of its port VLAN. */
static void a_drop_on_the_way_to_a_vm_is_shown_as_the_vm_would_see_it(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	auto_free struct loss_slot *slots = calloc(VEB_PORTS_MAX * DROP_N, sizeof(*slots));
	struct veb_mirror in = { E, 255, 0, VEB_MIRROR_DROPS };
	struct veb_filter *flt;

	assert_int_equal(veb_filter_new(&(struct veb_filter_conf){ .pcap = "ip" }, &flt, NULL), 0);
	in.filter = flt;
	w->out->losses = slots;
	w->conf[A].n_in = 1;
	w->conf[A].in = &in;
	w->conf[A].vlan = w->conf[B].vlan = 100;
	w->conf[E].kind = VEB_SINK;
	world_build(w);
	assert_string_equal(send_to(w, B, mac_of(A), 0), "Ae");
	w->conf[A].mtu = 40;
	world_build(w);
	assert_string_equal(send_to(w, B, mac_of(A), 0), "e");
	assert_int_equal(VEB_MARK_WHY(w->out->nodes[0].mirror), 1 + DROP_OVERSIZE);
	assert_int_equal(lost(w, A, DROP_OVERSIZE).len, 60);
	w->conf[A].flags = 0;
	world_build(w);
	assert_string_equal(send_to(w, B, mac_of(A), 0), "e");
	assert_int_equal(lost(w, A, DROP_LINK_DOWN).len, 60);
	assert_string_equal(send_to(w, C, mac_of(A), VLAN(7)), "U"); /* of another VLAN: with its tag */
	assert_int_equal(lost(w, A, DROP_VLAN).len, 64);
	veb_filter_put(flt);
}

static void mirrored_tag_is_the_guests_own(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror both = { E, 0 };

	w->conf[A].n_in = w->conf[A].n_out = 1;
	w->conf[A].in = w->conf[A].out = &both;
	w->conf[E].vlan = 9;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), TAG_MAKE(TPID_8021Q, 4, 6)), "Be");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 4, 6));
	assert_string_equal(send_to(w, UP, mac_of(A), TAG_MAKE(TPID_8021Q, 4, 6)), "Ae");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 4, 6));
	assert_string_equal(send_to(w, A, bcast, TAG_MAKE(TPID_8021Q, 4, 6)), "BCDeUH");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 4, 6));
	assert_string_equal(send_to(w, E, mac_of(A), VLAN(9)), ""); /* VST sender with a tag */
	w->conf[E].vlan = 0;
	world_build(w);
	assert_string_equal(send_to(w, E, mac_of(A), 0), "A"); /* E does not hear itself */
}

static void a_filter_lets_pass_what_meets_all_its_conditions(void **state)
{
	static const struct {
		struct veb_filter_conf conf;
		const char *list;
		uint32_t tag;
		const char *who;
	} cases[] = {
		{ { .vlan = 6 }, "any", VLAN(6), "Be" },
		{ { .vlan = 6 }, "any", STAG(6), "Be" },
		{ { .vlan = 6 }, "any", VLAN(7), "B" },
		{ { .vlan = 6 }, "any", 0, "B" },
		{ { .ether = 0x0800 }, "any", VLAN(7), "Be" },
		{ { .ether = 0x0806 }, "any", 0, "B" },
		{ { .vlan = 0 }, "0,5-7", 0, "Be" },
		{ { .vlan = 0 }, "0,5-7", VLAN(7), "Be" },
		{ { .vlan = 0 }, "0,5-7", VLAN(8), "B" },
		{ { .ether = 0x0806 }, "7", VLAN(7), "B" },
		{ { .pcap = "ether dst 02:00:00:00:00:02 and len = 60" }, "any", 0, "Be" },
		{ { .pcap = "ether src 02:00:00:00:00:02" }, "any", 0, "B" },
		{ { .pcap = "vlan 7" }, "7-8", VLAN(7), "Be" },
		{ { .pcap = "vlan 7 and len = 64" }, "7-8", VLAN(7), "Be" },
		{ { .pcap = "vlan 7" }, "7-8", VLAN(8), "B" },
		{ { .pcap = "ether[3000] = 0" }, "any", 0, "B" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_of(world_free) struct world *w = world_new();
		struct veb_mirror m = { E, 3 };
		struct veb_filter_conf conf = cases[i].conf;
		struct veb_filter *flt;
		struct vlan_set list;
		const char *who;

		vlan_set_parse(cases[i].list, &list, NULL);
		conf.vlans = &list;
		assert_int_equal(veb_filter_new(&conf, &flt, NULL), 0);
		m.filter = flt;
		w->conf[A].n_out = 1;
		w->conf[A].out = &m;
		world_build(w);
		veb_filter_put(flt); /* the port has its own */
		who = send_to(w, A, mac_of(B), cases[i].tag);
		if (strcmp(who, cases[i].who))
			fail_msg("case %zu: %s", i, who);
	}
}

static void filters_are_refused_in_libpcaps_words(void **state)
{
	struct veb_filter *flt = (void *)1;
	struct err e = { 0 };

	assert_int_equal(veb_filter_new(&(struct veb_filter_conf){ .pcap = "" }, &flt, &e), 0);
	assert_null(flt);
	assert_int_equal(veb_filter_new(&(struct veb_filter_conf){ .pcap = "tcp (" }, &flt, &e),
			 -EINVAL);
	assert_non_null(strstr(e.msg, "pcap \"tcp (\": "));
	assert_non_null(strstr(e.msg, "syntax error"));
}

static void filters_that_only_a_kernel_could_answer_are_refused(void **state)
{
	static const char *const exprs[] = { "inbound", "tcp and outbound", "ifindex 3",
					     "ether[0xfffff004:2] = 1" };

	for (unsigned int i = 0; i < ARRAY_LEN(exprs); i++) {
		struct veb_filter *flt;
		struct err e = { 0 };

		assert_int_equal(
			veb_filter_new(&(struct veb_filter_conf){ .pcap = exprs[i] }, &flt, &e),
			-EINVAL);
		assert_null(flt);
		assert_non_null(strstr(e.msg, exprs[i]));
	}
}

static void a_vlans_mirror_shows_the_tags_of_the_switch(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror inside = { .to = E, .flags = VEB_MIRROR_INSIDE, .snap = 99, .slot = 7 };

	w->conf[A].vlan = w->conf[B].vlan = 100;
	w->conf[A].qos = 3;
	w->conf[A].n_out = 1;
	w->conf[A].out = &inside;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "Be");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021Q, 3, 100));
	assert_int_equal(w->snap->snaps[7], 99);
	w->conf[A].ad = w->conf[B].ad = true; /* both of QinQ */
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), TAG_MAKE(TPID_8021Q, 6, 5)), "Be");
	assert_int_equal(tags_at(w, E)[0], TAG_MAKE(TPID_8021AD, 3, 100));
	assert_int_equal(tags_at(w, E)[1], TAG_MAKE(TPID_8021Q, 6, 5));
}

static void a_mirror_is_never_mirrored(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	const struct veb_mirror to_c = { C, 0 }, to_d = { D, 1 };

	w->conf[A].n_out = 1;
	w->conf[A].out = &to_c;
	w->conf[C].n_in = 1;
	w->conf[C].in = &to_d;
	world_build(w);
	assert_string_equal(send_to(w, A, mac_of(B), 0), "Bc");
	assert_string_equal(send_to(w, A, mac_of(C), 0), "cCd");
}

static void dhcp_requests_stay_where_a_service_port_answers(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	static uint8_t request[60] = { [0] = 0x45, [9] = 17, [23] = 67 };
	static const struct mac dhcp6 = { { 0x33, 0x33, 0, 1, 0, 2 } };
	static uint8_t request6[60] = { [0] = 0x60, [6] = 17, [42] = 2, [43] = 0x23 };

	w->absent[SVC] = false;
	w->conf[SVC].flags |= VEB_DHCP;
	w->conf[SVC].vlan = 10;
	w->conf[A].vlan = 10;
	world_build(w);
	send_to(w, A, bcast, 0);
	w->f.data = (struct frame_seg){ request, sizeof(request) };
	assert_string_equal(emit(w, A, &w->f), "BCDEHS");
	assert_string_equal(emit(w, B, &w->f), "CDEUH"); /* untagged: nobody answers here */
	request[23] = 68;
	assert_string_equal(emit(w, A, &w->f), "BCDEUHS");
	request[23] = 67;
	/* the same bytes in two pieces */
	const struct frame_seg rest = { request + 21, sizeof(request) - 21 };
	w->f.data.len = 21;
	w->f.more = &rest;
	w->f.n_more = 1;
	assert_string_equal(emit(w, A, &w->f), "BCDEHS");
	w->f.n_more = 0; /* cut short: not one */
	assert_string_equal(emit(w, A, &w->f), "BCDEUHS");
	w->f.dst = dhcp6;
	w->f.type = htons(0x86dd);
	w->f.data = (struct frame_seg){ request6, sizeof(request6) };
	assert_string_equal(emit(w, A, &w->f), "HS");
}

static void counters_equal_frames(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct frame burst[100];
	unsigned int n = 0;

	w->conf[A].flags |= VEB_SPOOFCHK;
	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(burst); i++) {
		struct mac dst = mac_of(i % 2 ? B : C), src = mac_of(i % 10 ? A : D);

		burst[i] = frame_make(&dst, &src, i % 2 ? 0 : VLAN(7));
	}
	assert_int_equal(veb_forward(w->snap, A, burst, ARRAY_LEN(burst), w->out), 100);
	assert_int_equal(w->stats[A].tx_packets, 90);
	assert_int_equal(w->stats[A].tx_bytes, 90 * 60 + 40 * FRAME_TAG_LEN);
	assert_int_equal(drops(w, A, DROP_SPOOF_MAC), 10);
	assert_int_equal(w->out->bins[B].n, 50);
	assert_int_equal(w->out->bins[C].n, 40);
	for (unsigned int at = w->out->bins[B].head; at != VEB_END; at = w->out->nodes[at].next)
		assert_int_equal(w->out->nodes[at].frame, 2 * n++ + 1); /* in order */
	assert_int_equal(n, 50);
	veb_out_reset(w->out);
	assert_int_equal(w->out->bins[B].n, 0);
}

static void a_train_to_all_is_one_run_for_each(void **state)
{
	auto_of(world_free) struct world *w = world_new();
	struct frame burst[9];

	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(burst); i++)
		burst[i] = frame_make(&bcast, &w->macs[A][0], 0);
	burst[6] = frame_make(&w->macs[B][0], &w->macs[A][0], 0); /* B's run goes on, the others' ends */
	assert_int_equal(veb_forward(w->snap, A, burst, ARRAY_LEN(burst), w->out), 9);
	assert_int_equal(w->out->bins[B].n, 1);
	assert_int_equal(w->out->nodes[w->out->bins[B].head].n, 9);
	assert_int_equal(w->out->bins[C].n, 2);
	assert_int_equal(w->out->nodes[w->out->bins[C].head].n, 6);
	assert_int_equal(w->out->nodes[w->out->bins[C].tail].n, 2);
	veb_out_reset(w->out);
}

/* A frame for C and the next one's copy for C's mirror follow each other, and are not of a kind. */
static void a_run_ends_where_mirror_or_tags_differ(void **state)
{
	static const struct veb_mirror to_c = { C, 3 };
	static const uint16_t frames[] = { 0, 0, 1 }, mirrors[] = { 4, 0, 4 };
	auto_of(world_free) struct world *w = world_new();
	struct frame burst[2];
	uint16_t at;

	burst[0] = frame_make(&w->macs[B][0], &w->macs[A][0], VLAN(5));
	burst[1] = frame_make(&w->macs[B][0], &w->macs[A][0], VLAN(6));
	world_build(w);
	assert_int_equal(veb_forward(w->snap, A, burst, 2, w->out), 2);
	assert_int_equal(w->out->bins[B].n, 2);
	veb_out_reset(w->out);

	w->conf[A].n_out = 1;
	w->conf[A].out = &to_c;
	burst[0] = frame_make(&bcast, &w->macs[A][0], 0);
	burst[1] = frame_make(&w->macs[B][0], &w->macs[A][0], 0);
	world_build(w);
	assert_int_equal(veb_forward(w->snap, A, burst, 2, w->out), 2);
	assert_int_equal(w->out->bins[C].n, 3);
	at = w->out->bins[C].head;
	for (unsigned int i = 0; i < 3; at = w->out->nodes[at].next, i++) {
		assert_int_equal(w->out->nodes[at].n, 1);
		assert_int_equal(w->out->nodes[at].frame, frames[i]);
		assert_int_equal(w->out->nodes[at].mirror, mirrors[i]);
	}
	veb_out_reset(w->out);
}

static void a_full_out_gives_back_the_rest_of_the_burst(void **state)
{
	static struct frame burst[VEB_BURST_MAX];
	static struct vf_stats stats[VEB_PORTS_MAX];
	auto_of(veb_out_free) struct veb_out *out = veb_out_new(stats);
	auto_of(veb_snap_free) struct veb_snap *s = NULL;
	struct veb_port *ports[300];
	unsigned int done = 0, copies = 0, calls = 0;

	for (uint16_t i = 0; i < ARRAY_LEN(ports); i++) {
		struct veb_port_conf conf = { .id = i, .flags = VEB_LINK_UP };

		ports[i] = veb_port_new(&conf);
	}
	assert_int_equal(veb_snap_build(ports, ARRAY_LEN(ports), 0, &s, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ports); i++)
		veb_port_put(ports[i]);
	for (unsigned int i = 0; i < VEB_BURST_MAX; i++)
		burst[i] = frame_make(i % 2 ? &stranger : &bcast, &stranger, 0); /* no runs */
	for (; done < VEB_BURST_MAX; calls++) {
		veb_out_reset(out);
		done += veb_forward(s, 0, burst + done, VEB_BURST_MAX - done, out);
		copies += out->n_nodes;
	}
	assert_int_equal(copies, VEB_BURST_MAX / 2 * 299);
	assert_int_equal(stats[0].tx_packets, VEB_BURST_MAX);
	assert_true(calls > 1);
}

static struct veb_filter *filter_of(uint16_t vlan, uint16_t ether)
{
	struct veb_filter *flt;

	assert_int_equal(veb_filter_new(&(struct veb_filter_conf){ vlan, .ether = ether }, &flt, NULL), 0);
	return flt;
}

static struct veb_filter *vlan_filters[2]; /* of VLAN 7, in which some are, and of 8 */

static unsigned int mirrors_roll(struct veb_mirror *m, unsigned int *seed)
{
	static const uint16_t to[] = { A, B, C, D, UP, HOST, SVC, X, N_PORTS }; /* E: capture_roll() */
	unsigned int n = rand_r(seed) % 4 ? 0 : 1 + (unsigned int)rand_r(seed) % 2;

	for (unsigned int i = 0; i < n; i++)
		m[i] = (struct veb_mirror){ .to = to[(unsigned int)rand_r(seed) % ARRAY_LEN(to)],
					    .slot = (uint16_t)(rand_r(seed) % 4),
					    .flags = (uint16_t)(rand_r(seed) % 4),
					    .filter = rand_r(seed) % 2 ? NULL : vlan_filters[rand_r(seed) % 2] };
	return n;
}

/* Often E is a capture of what somebody gets, sends and loses. */
static void capture_roll(struct world *w, unsigned int *seed)
{
	static const uint16_t of[] = { A, B, UP, HOST };
	unsigned int i = of[(unsigned int)rand_r(seed) % ARRAY_LEN(of)], which = (unsigned int)rand_r(seed) % 6;
	struct veb_mirror m = { .to = E, .slot = 5, .flags = VEB_MIRROR_DROPS };
	struct veb_port_conf *c = &w->conf[i];

	m.filter = rand_r(seed) % 2 ? NULL : vlan_filters[rand_r(seed) % 2];
	if (which > 3)
		return;
	w->conf[E].kind = VEB_SINK;
	w->conf[E].flags = VEB_LINK_UP;
	w->conf[E].n_macs = w->conf[E].n_learned = w->conf[E].n_in = w->conf[E].n_out = 0;
	if (which != 1)
		w->mirrors[i][0][c->n_in++] = m;
	m.flags |= VEB_MIRROR_OUT;
	if (which && c->n_out < 2) /* the test adds one more */
		w->mirrors[i][1][c->n_out++] = m;
}

/* With what tags and to whom ever, among other frames or alone; the wire and the host may. */
static void flow_control_is_no_guests(void **state)
{
	static const uint8_t below[][12] = {
		{ 0, 7, 0x88, 0x08 }, { 0, 0, 0x81, 0, 0, 7, 0x88, 0x08 },
		{ 0, 7, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 7, 0x88, 0x08 }, { 0, 7, 0x08, 0 },
	};
	static const struct mac pause = { { 1, 0x80, 0xc2, 0, 0, 1 } };
	auto_of(world_free) struct world *w = world_new();
	const struct mac dsts[] = { pause, mac_of(C), bcast };
	uint64_t n = 0;

	world_build(w);
	for (unsigned int i = 0; i < ARRAY_LEN(dsts); i++) {
		struct frame f = frame_make(&dsts[i], &w->macs[A][0], 0), plain = f;
		struct frame train[] = { plain, f, plain };

		train[1].type = f.type = htons(TYPE_MAC_CONTROL);
		assert_string_equal(emit(w, A, &f), "");
		f.tag = TAG_MAKE(TPID_8021Q, 0, 0);
		assert_string_equal(emit(w, A, &f), "");
		f.tag = STAG(7);
		assert_string_equal(emit(w, A, &f), "");
		for (unsigned int k = 0; k < ARRAY_LEN(below); k++) {
			f.tag = k % 2 ? VLAN(7) : STAG(7);
			f.type = htons(k % 2 ? TPID_8021AD : TPID_8021Q);
			f.data = (struct frame_seg){ below[k], sizeof(below[k]) };
			assert_int_equal(!*emit(w, A, &f), k < 3);
		}
		n += 6;
		assert_int_equal(drops(w, A, DROP_FLOW_CONTROL), n);
		veb_out_reset(w->out);
		assert_int_equal(veb_forward(w->snap, A, train, 3, w->out), 3); /* in a train */
		assert_int_equal(drops(w, A, DROP_FLOW_CONTROL), ++n);
		train[1].type = htons(TYPE_MAC_CONTROL);
		assert_true(*emit(w, UP, &train[1]));
	}
}

/* A world by chance; the same seed gives the same one. */
static void world_roll(struct world *w, unsigned int *seed)
{
	static const struct vlan_set lists[2] = { { .set = true }, { .set = true, .bits = { 1 << 7 } } };

	for (unsigned int i = 0; i < N_PORTS; i++) {
		struct veb_port_conf *c = &w->conf[i];

		c->flags = (uint16_t)(rand_r(seed) % (VEB_CONFIRM * 2));
		c->flags |= rand_r(seed) % 4 || i == X ? VEB_LINK_UP : 0;
		c->vlan = i < UP && rand_r(seed) % 2 ? 7 : 0;
		c->vlan = rand_r(seed) % 50 && c->vlan ? 7 : c->vlan ? 4095 : 0;
		c->ad = rand_r(seed) % 4 == 0;
		c->trunk = i < UP && rand_r(seed) % 3 == 0 ? &lists[rand_r(seed) % 2] : NULL;
		c->native = i < UP && rand_r(seed) % 3 == 0 ? 7 : 0;
		c->flags |= rand_r(seed) % 3 ? 0 : VEB_ISOLATED;
		c->flags |= rand_r(seed) % 8 || i >= UP ? 0 : VEB_LEARN | VEB_LEARNED;
		c->flags |= rand_r(seed) % 16 || i >= UP ? 0 : VEB_PROMISC | VEB_PROMISC_ALL;
		c->flags |= i == HOST && rand_r(seed) % 2 ? VEB_UNKNOWN : 0;
		c->flags |= c->flags & VEB_LEARNED && rand_r(seed) % 2 ? VEB_ROOM : 0;
		c->mtu = rand_r(seed) % 3 ? 1500 : 100;
		c->n_macs = i == UP ? 0 : 1 + (unsigned int)rand_r(seed) % 2;
		c->n_learned = c->flags & VEB_LEARNED ? c->n_macs - 1 : 0;
		w->macs[i][1] = mac_of((unsigned int)rand_r(seed) % N_PORTS);
		c->in = w->mirrors[i][0];
		c->out = w->mirrors[i][1];
		c->n_in = mirrors_roll(w->mirrors[i][0], seed);
		c->n_out = mirrors_roll(w->mirrors[i][1], seed);
	}
	capture_roll(w, seed);
	w->vepa = rand_r(seed) % 4 == 0;
}

/* Chains with their runs taken apart: port, frame, mirror, tags of each copy. Returns copies. */
static unsigned int copies_list(const struct world *w, uint32_t (*list)[5])
{
	unsigned int n = 0;

	for (unsigned int port = 0; port < N_PORTS; port++) {
		uint16_t at = w->out->bins[port].head;

		for (unsigned int i = 0; i < w->out->bins[port].n; i++) {
			const struct veb_node *node = &w->out->nodes[at];

			for (unsigned int k = 0; k < node->n; k++) {
				uint32_t copy[] = { port, node->frame + k, node->mirror, node->tags[0],
						    node->tags[1] };

				memcpy(list[n++], copy, sizeof(copy));
			}
			at = node->next;
		}
	}
	return n;
}

#define TRAIN 24

/* Frames that follow each other often are alike; a change is to somebody, or the wire, or a tag. */
static void train_roll(struct frame *train, unsigned int from, unsigned int *seed)
{
	static const uint32_t tags[] = { 0, 0, 0, VLAN(7), VLAN(7), STAG(7), VLAN(8), TAG_MAKE(TPID_8021Q, 3, 7),
					 TAG_MAKE(TPID_8021Q, 3, 0), VLAN(4095) };
	struct mac dst = mac_of((unsigned int)rand_r(seed) % (N_PORTS + 2));
	uint32_t tag = tags[(unsigned int)rand_r(seed) % ARRAY_LEN(tags)];

	for (unsigned int i = 0; i < TRAIN; i++) {
		struct mac src = mac_of(rand_r(seed) % 4 ? from : from ^ 1);

		if (rand_r(seed) % 6 == 0)
			dst = mac_of((unsigned int)rand_r(seed) % (N_PORTS + 2));
		if (rand_r(seed) % 6 == 0)
			tag = tags[(unsigned int)rand_r(seed) % ARRAY_LEN(tags)];
		train[i] = frame_make(&dst, &src, tag);
		train[i].len = rand_r(seed) % 4 ? 60 : 1000;
		if (tag && rand_r(seed) % 8 == 0)
			train[i].type = htons(TPID_8021Q);
		else if (rand_r(seed) % 32 == 0)
			train[i].type = htons(TYPE_MAC_CONTROL);
	}
}

/* Nodes for mirrors that hold several frames. */
static unsigned int mirror_runs(const struct veb_out *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < out->n_nodes; i++)
		n += out->nodes[i].mirror && out->nodes[i].n > 1;
	return n;
}

/* A mirror whose filter nothing meets takes the short cut away from its port and changes nothing else. */
static void the_short_cut_decides_as_the_rules_do(void **state)
{
	static uint32_t lists[2][4 * TRAIN * N_PORTS][5];
	unsigned int seed = 1, shorter = 0, runs = 0, mirrored = 0;
	struct veb_filter *none = filter_of(0, 1);
	const struct veb_mirror nothing = { .to = X, .filter = none };

	for (uint16_t i = 0; i < 2; i++)
		vlan_filters[i] = filter_of((uint16_t)(7 + i), 0);
	for (unsigned int round = 0; round < 300; round++) {
		auto_of(world_free) struct world *a = world_new(), *b = world_new();
		unsigned int again = seed;

		world_roll(a, &seed);
		world_roll(b, &again);
		for (unsigned int i = 0; i < N_PORTS; i++) {
			b->mirrors[i][1][b->conf[i].n_out++] = nothing;
		}
		world_build(a);
		world_build(b);
		for (unsigned int k = 0; k < 50; k++) {
			unsigned int from = (unsigned int)rand_r(&seed) % N_PORTS, n = TRAIN;
			struct frame train[TRAIN];

			train_roll(train, from, &seed);
			if (a->absent[from] || a->conf[from].kind == VEB_SINK)
				continue;
			veb_out_reset(a->out);
			veb_out_reset(b->out);
			assert_int_equal(veb_forward(a->snap, (uint16_t)from, train, n, a->out), n);
			assert_int_equal(veb_forward(b->snap, (uint16_t)from, train, n, b->out), n);
			n = copies_list(a, lists[0]);
			assert_int_equal(copies_list(b, lists[1]), n);
			assert_memory_equal(lists[0], lists[1], n * sizeof(lists[0][0]));
			assert_int_equal(a->out->n_learns, b->out->n_learns);
			assert_memory_equal(a->out->learns, b->out->learns,
					    a->out->n_learns * sizeof(a->out->learns[0]));
			shorter += n;
			runs += n - a->out->n_nodes;
			mirrored += mirror_runs(a->out);
		}
		assert_memory_equal(a->stats, b->stats, sizeof(a->stats));
		assert_memory_equal(&a->heard, &b->heard, sizeof(a->heard));
	}
	assert_true(shorter > 10000);
	assert_true(runs > 1000); /* frames that joined the run before them */
	assert_true(mirrored > 1000);
	for (unsigned int i = 0; i < 2; i++)
		veb_filter_put(vlan_filters[i]);
	veb_filter_put(none);
}

#define CROWD 48 /* ports of a domain; the first is the wire, the second the host interface */

/* Whether a port hears a VLAN, told from what control said. */
static bool hears_vlan(const struct veb_port_conf *q, uint32_t vlan)
{
	uint32_t own = q->vlan ? (q->ad ? STAG(q->vlan) : VLAN(q->vlan)) : q->native ? VLAN(q->native) : 0;

	if (own == vlan || q->vlan || !vlan)
		return own == vlan;
	return !q->trunk || (vlan >> 16 == TPID_8021Q && vlan_set_has(q->trunk, TAG_VID(vlan)));
}

/* Whether a port gets a frame for everyone, for a group or for nobody; 2: that is a counted drop. */
static int hears(const struct veb_port_conf *q, const struct veb_port_conf *src, const struct mac *dst,
		 uint32_t vlan)
{
	bool joined = q->n_groups && mac_equal(dst, q->groups);

	if (q == src || !(q->flags & VEB_LINK_UP) || q->flags & src->flags & VEB_ISOLATED)
		return 0;
	if (q->kind == VEB_UPLINK)
		return 1;
	if (!hears_vlan(q, vlan))
		return 0;
	if (!mac_is_multicast(dst))
		return src->kind == VEB_UPLINK && (q->flags & VEB_PROMISC || q->kind == VEB_HOST);
	if (mac_equal(dst, &bcast) || q->kind == VEB_HOST || q->flags & VEB_ALLMULTI || joined)
		return 1;
	return q->flags & VEB_MULTI_REFUSED ? 2 : 0;
}

static void crowd_roll(struct veb_port_conf *confs, const struct vlan_set *trunks, const struct mac *groups,
		       unsigned int *seed)
{
	static const uint16_t vlans[] = { 0, 7, 7, 8, 2000 };
	static const uint16_t flags[] = { 0, 0, VEB_ALLMULTI, VEB_MULTI_REFUSED, VEB_PROMISC,
					  VEB_PROMISC | VEB_MULTI_REFUSED, VEB_ISOLATED };

	for (uint16_t i = 0; i < CROWD; i++) {
		struct veb_port_conf *c = &confs[i];
		unsigned int trunk = (unsigned int)rand_r(seed) % 6, joins = (unsigned int)rand_r(seed) % 6;

		*c = (struct veb_port_conf){ .id = i, .kind = i == 0 ? VEB_UPLINK : i == 1 ? VEB_HOST : VEB_VF };
		c->flags = rand_r(seed) % 8 ? VEB_LINK_UP : 0;
		if (i < 2)
			continue;
		c->flags |= flags[(unsigned int)rand_r(seed) % ARRAY_LEN(flags)];
		c->ad = rand_r(seed) % 4 == 0;
		c->vlan = rand_r(seed) % 2 ? vlans[(unsigned int)rand_r(seed) % ARRAY_LEN(vlans)] : 0;
		c->native = rand_r(seed) % 3 ? 0 : vlans[(unsigned int)rand_r(seed) % ARRAY_LEN(vlans)];
		c->trunk = trunk < 4 ? &trunks[trunk] : NULL;
		c->n_groups = joins < 5;
		c->groups = &groups[joins == 4];
	}
}

/* Lists by VLAN are a shorter way to the same: every port is asked here. */
static void who_hears_a_frame_to_many_is_who_the_rule_says(void **state)
{
	static const struct mac groups[] = { { { 1, 0, 0x5e, 1, 2, 3 } }, { { 1, 0, 0x5e, 1, 2, 4 } } };
	const struct mac dsts[] = { bcast, groups[0], groups[1], group, stranger, { { 0x33, 0x33 } } };
	static const uint32_t tags[] = { 0, VLAN(7), VLAN(8), VLAN(9), STAG(7), VLAN(2000), VLAN(3000) };
	static struct vf_stats stats[VEB_PORTS_MAX];
	struct vlan_set trunks[4] = { { .set = true }, { .set = true }, { .set = true }, { .set = true } };
	auto_of(veb_out_free) struct veb_out *out = veb_out_new(stats);
	struct veb_port_conf confs[CROWD];
	unsigned int seed = 1, heard = 0;

	vlan_set_range(&trunks[1], 7, 8, true);
	vlan_set_range(&trunks[2], 8, 1999, true);   /* in so many VLANs that it stands on the list of all */
	vlan_set_range(&trunks[3], 2000, 2511, true); /* in as many as it may be to stand on each one's */
	for (unsigned int round = 0; round < 200; round++) {
		auto_of(veb_snap_free) struct veb_snap *snap = NULL;
		struct veb_port *ports[CROWD];

		crowd_roll(confs, trunks, groups, &seed);
		for (unsigned int i = 0; i < CROWD; i++)
			ports[i] = veb_port_new(&confs[i]);
		assert_int_equal(veb_snap_build(ports, CROWD, 0, &snap, NULL), 0);
		for (unsigned int i = 0; i < CROWD; i++)
			veb_port_put(ports[i]);
		for (unsigned int k = 0; k < ARRAY_LEN(dsts) * ARRAY_LEN(tags); k++) {
			const struct mac *dst = &dsts[k / ARRAY_LEN(tags)];
			uint32_t tag = tags[k % ARRAY_LEN(tags)];
			uint16_t from = (uint16_t)(rand_r(&seed) % 3);
			struct veb_port_conf *src = &confs[from];
			struct frame f = frame_make(dst, &stranger, tag);

			if (!(src->flags & VEB_LINK_UP) || src->vlan || src->native || src->trunk ||
			    (from && !mac_is_multicast(dst)))
				continue;
			memset(stats, 0, sizeof(stats));
			veb_out_reset(out);
			assert_int_equal(veb_forward(snap, from, &f, 1, out), 1);
			for (unsigned int i = 0; i < CROWD; i++) {
				int hear = hears(&confs[i], src, dst, tag);

				assert_int_equal(out->bins[i].n, hear == 1);
				assert_int_equal(stats[i].rx_drops[DROP_MULTICAST], hear == 2);
				heard += hear == 1;
			}
		}
	}
	assert_true(heard > 10000);
}

static unsigned int asked(const struct veb_snap *s, uint32_t vlan, enum veb_flood_kind kind, bool isolated)
{
	const struct veb_walk w = veb_walk(&s->domains[0], vlan, kind, isolated);

	return veb_walk_len(&w);
}

/* 256 VFs, each in a VLAN of its own by one way or another, and what one frame asks of them. */
static void a_frame_to_many_asks_who_hears_it_and_no_others(void **state)
{
	enum { PORT_VLAN, TRUNK, SERVICE, NATIVE, WAYS };
	struct vlan_set one, none = { .set = true };

	for (unsigned int way = 0; way < WAYS; way++) {
		auto_of(veb_snap_free) struct veb_snap *s = NULL;
		struct veb_port *ports[256];

		for (uint16_t i = 0; i < 256; i++) {
			struct veb_port_conf c = { .id = i, .flags = VEB_LINK_UP | VEB_ALLMULTI, .ad = way == SERVICE };

			one = none;
			vlan_set_range(&one, i + 1u, i + 1u, true);
			c.trunk = way == TRUNK ? &one : &none;
			c.native = way == NATIVE ? i + 1 : 0;
			c.vlan = way == PORT_VLAN || way == SERVICE ? i + 1 : 0;
			c.flags |= way == TRUNK && i ? VEB_ISOLATED : 0;
			c.flags &= i == 9 ? ~VEB_LINK_UP : ~0;
			ports[i] = veb_port_new(&c);
		}
		assert_int_equal(veb_snap_build(ports, 256, 0, &s, NULL), 0);
		for (unsigned int kind = 0; kind < VEB_FLOOD_UNMATCHED; kind++) {
			assert_int_equal(asked(s, VLAN(5), kind, false), way != SERVICE);
			assert_int_equal(asked(s, STAG(5), kind, false), way == SERVICE);
			assert_int_equal(asked(s, VLAN(10), kind, false), 0); /* its link is down */
			assert_int_equal(asked(s, VLAN(300), kind, false), 0);
			assert_int_equal(asked(s, 0, kind, false), way == TRUNK ? 255 : 0);
			assert_int_equal(asked(s, 0, kind, true), way == TRUNK);
		}
		assert_int_equal(asked(s, VLAN(5), VEB_FLOOD_UNMATCHED, false), 0);
		for (unsigned int i = 0; i < 256; i++)
			veb_port_put(ports[i]);
	}
}

static void fib_finds_every_address_of_256_vfs(void **state)
{
	auto_of(veb_snap_free) struct veb_snap *s = NULL;
	struct veb_port *ports[256];
	struct mac macs[40];

	for (uint16_t i = 0; i < 256; i++) {
		const struct veb_port_conf conf = {
			.id = i, .domain = i % 3, .n_macs = 40, .macs = macs
		};

		for (uint8_t k = 0; k < 40; k++)
			macs[k] = (struct mac){ { 2, 0, 0, 0, (uint8_t)i, k } };
		macs[39] = macs[38];		     /* said twice, owned once */
		macs[37] = (struct mac){ { 2, 1 } }; /* everybody's */
		ports[i] = veb_port_new(&conf);
	}
	assert_int_equal(veb_snap_build(ports, 256, 0, &s, NULL), 0);
	for (uint16_t i = 0; i < 256; i++) {
		veb_port_put(ports[i]);
		for (uint8_t k = 0; k < 39; k++) {
			struct mac m = { { 2, 0, 0, 0, (uint8_t)i, k } };
			const struct veb_fib_entry *entry;

			entry = veb_fib_find(s, veb_fib_key(i % 3, veb_mac_key(&m)));
			assert_true(k == 37 ? !entry : entry && entry->n == 1 && entry->first == i);
		}
	}
	struct mac all = { { 2, 1 } };
	assert_int_equal(veb_fib_find(s, veb_fib_key(0, veb_mac_key(&all)))->n, 86);
	assert_null(veb_fib_find(s, veb_fib_key(3, veb_mac_key(&all))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_vfs_of_one_mac_both_receive_and_the_sender_does_not),
		cmocka_unit_test(unknown_unicast_goes_to_the_uplink_or_the_default_port_only),
		cmocka_unit_test(unknown_unicast_reaches_the_host_interface_too_where_it_asks),
		cmocka_unit_test(truly_promiscuous_vfs_get_all_unicast_of_their_vlans),
		cmocka_unit_test(truly_promiscuous_vfs_are_held_to_links_mtus_and_isolation),
		cmocka_unit_test(broadcast_reaches_the_vlan_and_the_wire_but_not_the_sender),
		cmocka_unit_test(multicast_reaches_who_joined_or_hears_all),
		cmocka_unit_test(port_vlan_is_inserted_with_priority_and_stripped),
		cmocka_unit_test(address_in_another_vlan_is_no_exact_hit),
		cmocka_unit_test(guest_tag_on_a_port_vlan_is_dropped_and_counted),
		cmocka_unit_test(service_tag_leaves_the_customer_tag),
		cmocka_unit_test(flow_control_is_no_guests),
		cmocka_unit_test(native_vlan_is_untagged_at_the_guest_and_tagged_in_the_switch),
		cmocka_unit_test(native_vlan_is_not_stripped_off_a_second_tag),
		cmocka_unit_test(priority_tag_does_not_smuggle_a_second_tag),
		cmocka_unit_test(foreign_source_is_dropped_with_spoof_check_and_forwarded_without),
		cmocka_unit_test(a_learned_address_is_reported_from_the_wire_in_a_train_too),
		cmocka_unit_test(first_address_is_reported_where_it_is_to_be_confirmed),
		cmocka_unit_test(closed_links_stop_both_ways_and_count),
		cmocka_unit_test(oversize_counts_at_the_side_that_is_too_small),
		cmocka_unit_test(tags_do_not_count_against_an_mtu),
		cmocka_unit_test(a_drop_leaves_the_frame_with_the_port_that_lost_it),
		cmocka_unit_test(isolated_vfs_reach_all_but_one_another),
		cmocka_unit_test(storm_control_counts_accepted_frames_of_its_kind),
		cmocka_unit_test(a_veb_does_not_prune),
		cmocka_unit_test(vepa_sends_all_to_the_uplink_and_prunes_its_own),
		cmocka_unit_test(mirrors_copy_what_the_vm_sees),
		cmocka_unit_test(a_tunnel_is_not_mirrored_into_itself),
		cmocka_unit_test(a_capture_sees_what_was_dropped_and_why),
		cmocka_unit_test(a_drop_on_the_way_to_a_vm_is_shown_as_the_vm_would_see_it),
		cmocka_unit_test(mirrored_tag_is_the_guests_own),
		cmocka_unit_test(a_filter_lets_pass_what_meets_all_its_conditions),
		cmocka_unit_test(filters_are_refused_in_libpcaps_words),
		cmocka_unit_test(filters_that_only_a_kernel_could_answer_are_refused),
		cmocka_unit_test(a_vlans_mirror_shows_the_tags_of_the_switch),
		cmocka_unit_test(a_mirror_is_never_mirrored),
		cmocka_unit_test(dhcp_requests_stay_where_a_service_port_answers),
		cmocka_unit_test(counters_equal_frames),
		cmocka_unit_test(a_train_to_all_is_one_run_for_each),
		cmocka_unit_test(a_run_ends_where_mirror_or_tags_differ),
		cmocka_unit_test(a_full_out_gives_back_the_rest_of_the_burst),
		cmocka_unit_test(the_short_cut_decides_as_the_rules_do),
		cmocka_unit_test(who_hears_a_frame_to_many_is_who_the_rule_says),
		cmocka_unit_test(a_frame_to_many_asks_who_hears_it_and_no_others),
		cmocka_unit_test(fib_finds_every_address_of_256_vfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
