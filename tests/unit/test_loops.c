/* SPDX-License-Identifier: Apache-2.0 */
/* Which netdevs may be a PF's wire: each way back to it, and what only looks like one. */
#include "unit/unit.h"

#include <errno.h>

#include "sw/control/loops.h"

/* Indexes: 1.. netdevs of the host, 20.. taps; PF 0 is judged. */
static const struct row {
	const char *what;
	struct link links[8];
	struct loop_end ends[6];
	unsigned int want;
	int rc;
} rows[] = {
	{ "a NIC", { { 1 }, { 20 } }, { { 20, 0, END_TAP } }, 1, 0 },
	{ "none that is there", { { 1 } }, { { 20, 0, END_TAP } }, 7, 0 },
	{ "its own VF's tap", { { 20 } }, { { 20, 0, END_TAP } }, 20, -ELOOP },
	{ "another PF's", { { 20 } }, { { 20, 1, END_TAP } }, 20, -ELOOP },
	{ "its own mirror's", { { 20 } }, { { 20, 0, END_MIRROR } }, 20, -ELOOP },
	{ "another PF's mirror's", { { 20 } }, { { 20, 1, END_MIRROR } }, 20, -ELOOP },
	{ "a VLAN on one", { { 20 }, { 1, .kind = LINK_VLAN, .below = 20, .vlan = 5 } },
	  { { 20, 1, END_TAP } }, 1, -ELOOP },
	{ "a macvlan on one", { { 20 }, { 1, .kind = LINK_MACVLAN, .below = 20 } },
	  { { 20, 1, END_TAP } }, 1, -ELOOP },
	{ "a bond of one", { { 20, .master = 1 }, { 1, .kind = LINK_BOND } }, { { 20, 1, END_TAP } }, 1,
	  -ELOOP },
	{ "a VLAN on a bond of one",
	  { { 20, .master = 1 }, { 1, .kind = LINK_BOND }, { 2, .kind = LINK_VLAN, .below = 1, .vlan = 5 } },
	  { { 20, 1, END_TAP } }, 2, -ELOOP },
	{ "another PF's wire", { { 1 } }, { { 1, 1, END_WIRE } }, 1, -EBUSY },
	{ "a VLAN beside it", { { 1 }, { 2, .kind = LINK_VLAN, .below = 1, .vlan = 5 } },
	  { { 1, 1, END_WIRE } }, 2, 0 },

	{ "a bridge with its tap", { { 1 }, { 20, .master = 1 } }, { { 20, 0, END_TAP } }, 1, -ELOOP },
	{ "a bridge with its mirror's tap", { { 1 }, { 20, .master = 1 } }, { { 20, 0, END_MIRROR } }, 1,
	  -ELOOP },
	{ "a bridge with another PF's tap", { { 1 }, { 20, .master = 1 } }, { { 20, 1, END_TAP } }, 1, 0 },
	{ "a bridge with another PF's mirror's tap", { { 1 }, { 20, .master = 1 } },
	  { { 20, 1, END_MIRROR } }, 1, 0 },
	{ "a bridge without", { { 1 }, { 2 }, { 3, .master = 1 }, { 20, .master = 2 } },
	  { { 20, 0, END_TAP } }, 1, 0 },
	{ "a port of a bridge with its tap", { { 1 }, { 2, .master = 1 }, { 20, .master = 1 } },
	  { { 20, 0, END_TAP } }, 2, -ELOOP },
	{ "a VRF with its tap", { { 1, .kind = LINK_APART }, { 2, .master = 1 }, { 20, .master = 1 } },
	  { { 20, 0, END_TAP } }, 2, 0 },
	{ "by a veth to a bridge with its tap",
	  { { 1 }, { 20, .master = 1 }, { 2, .master = 1, .kind = LINK_VETH, .below = 3 },
	    { 3, .kind = LINK_VETH, .below = 2 } },
	  { { 20, 0, END_TAP } }, 3, -ELOOP },
	{ "a veth to elsewhere", { { 1 }, { 20, .master = 1 }, { 3, .kind = LINK_VETH } },
	  { { 20, 0, END_TAP } }, 3, 0 },
	{ "a macvlan on a bridge with its tap",
	  { { 1 }, { 20, .master = 1 }, { 2, .kind = LINK_MACVLAN, .below = 1 } },
	  { { 20, 0, END_TAP } }, 2, -ELOOP },
	{ "what a macvlan with its tap stands on",
	  { { 1 }, { 2, .kind = LINK_MACVLAN, .below = 1, .master = 3 }, { 3 }, { 20, .master = 3 } },
	  { { 20, 0, END_TAP } }, 1, -ELOOP },
	{ "a VLAN of a bridge with its tap",
	  { { 1 }, { 20, .master = 1 }, { 2, .kind = LINK_VLAN, .below = 1, .vlan = 5 } },
	  { { 20, 0, END_TAP } }, 2, -ELOOP },
	{ "VLAN 5 beside VLAN 6 with its tap",
	  { { 1 }, { 2, .kind = LINK_VLAN, .below = 1, .vlan = 5 },
	    { 3, .kind = LINK_VLAN, .below = 1, .vlan = 6, .master = 4 }, { 4 }, { 20, .master = 4 } },
	  { { 20, 0, END_TAP } }, 2, 0 },
	{ "VLAN 5 by both ends of a veth",
	  { { 1, .kind = LINK_VETH, .below = 2 }, { 2, .kind = LINK_VETH, .below = 1 },
	    { 3, .kind = LINK_VLAN, .below = 1, .vlan = 5 },
	    { 4, .kind = LINK_VLAN, .below = 2, .vlan = 5, .master = 5 }, { 5 }, { 20, .master = 5 } },
	  { { 20, 0, END_TAP } }, 3, -ELOOP },

	{ "by another PF, whose wire has its tap",
	  { { 1 }, { 20, .master = 1 }, { 2 }, { 21, .master = 2 } },
	  { { 20, 0, END_TAP }, { 1, 1, END_WIRE }, { 21, 1, END_TAP } }, 2, -ELOOP },
	{ "by another PF's two taps",
	  { { 1 }, { 20, .master = 1 }, { 21, .master = 1 }, { 2 }, { 22, .master = 2 } },
	  { { 20, 0, END_TAP }, { 21, 1, END_TAP }, { 22, 1, END_TAP } }, 2, -ELOOP },
	{ "by two other PFs",
	  { { 1 }, { 2 }, { 3 }, { 21, .master = 1 }, { 22, .master = 2 }, { 20, .master = 3 } },
	  { { 21, 1, END_TAP }, { 2, 1, END_WIRE }, { 22, 2, END_TAP }, { 3, 2, END_WIRE },
	    { 20, 0, END_TAP } }, 1, -ELOOP },
	{ "a tree of three PFs",
	  { { 1 }, { 2 }, { 21, .master = 1 }, { 22, .master = 2 }, { 20 } },
	  { { 21, 1, END_TAP }, { 2, 1, END_WIRE }, { 22, 2, END_TAP }, { 20, 0, END_TAP } }, 1, 0 },
	{ "two mirrors, each into the other's wire",
	  { { 1 }, { 2 }, { 21, .master = 1 }, { 20, .master = 2 } },
	  { { 21, 1, END_MIRROR }, { 2, 1, END_WIRE }, { 20, 0, END_MIRROR } }, 1, -ELOOP },
	{ "by another PF's mirror",
	  { { 1 }, { 2 }, { 21, .master = 1 }, { 22, .master = 2 }, { 20, .master = 2 } },
	  { { 21, 1, END_TAP }, { 22, 1, END_MIRROR }, { 20, 0, END_TAP } }, 1, -ELOOP },
	{ "into another PF's mirror, which takes nothing",
	  { { 1 }, { 2 }, { 21, .master = 1 }, { 20, .master = 2 }, { 22, .master = 2 } },
	  { { 21, 1, END_MIRROR }, { 22, 1, END_MIRROR }, { 20, 0, END_TAP } }, 1, 0 },
	{ "another's mirror whose PF it does not reach",
	  { { 1 }, { 2 }, { 21, .master = 1 }, { 20, .master = 2 } },
	  { { 21, 0, END_TAP }, { 20, 1, END_MIRROR } }, 2, 0 },
};

static void a_wire_that_leads_back_is_refused_and_no_other(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct link all[ARRAY_LEN(r->links)];
		struct loop_end ends[ARRAY_LEN(r->ends)];
		struct links l = { .all = all };
		struct loop_ends e = { .all = ends };
		struct err words = { 0 };
		int rc;

		while (l.n < ARRAY_LEN(all) && r->links[l.n].index) {
			all[l.n] = r->links[l.n];
			l.n++;
		}
		while (e.n < ARRAY_LEN(ends) && r->ends[e.n].index) {
			ends[e.n] = r->ends[e.n];
			e.n++;
		}
		rc = loops_judge(&l, &e, 0, r->want, &words);
		if (rc != r->rc)
			fail_msg("%s: %d instead of %d (%s)", r->what, rc, r->rc, words.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wire_that_leads_back_is_refused_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
