/* SPDX-License-Identifier: Apache-2.0 */
/* The netdevs of a namespace and how they hang together, as rtnetlink(7) tells. */
#ifndef ANYVF_SW_PARENT_LINKS_H
#define ANYVF_SW_PARENT_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mac.h"
#include "base/util.h"
#include "sw/parent/rtnl.h"

enum link_kind {
	LINK_OTHER,
	LINK_VETH,    /* what is below is its other end */
	LINK_VLAN,    /* below, its frames have a tag */
	LINK_MACVLAN, /* below, its frames are as they are; ipvlan and macvtap, too */
	LINK_BOND,    /* and team: frames of what is in it are its */
	LINK_APART, /* VRF and Open vSwitch: being in it says nothing of whose frames come where */
};

struct link {
	unsigned int index;
	unsigned int master; /* bridge, bond or the like that it is in; 0: none */
	unsigned int below;  /* what it stands on; 0: nothing, or it is in another namespace */
	enum link_kind kind;
	uint16_t vlan;	 /* of LINK_VLAN */
	struct mac mac;	 /* its present address */
	struct mac perm; /* the one it was made with; zero: it has none of its own */
	char name[16];
};

struct links {
	struct link *all; /* array of n */
	size_t n;
};

int links_dump(int sock, struct links *out);
void links_fini(struct links *l);
const struct link *links_find(const struct links *l, unsigned int index);
bool links_default_route(unsigned int index);

#endif
