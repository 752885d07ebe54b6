/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of physical networks, pure: what flat_networks and network_vlan_ranges
 * allow, what provider attributes ask for, which VLAN id a tenant's network gets.
 */
#ifndef ANYVF_NETWORK_CORE_SEGMENT_H
#define ANYVF_NETWORK_CORE_SEGMENT_H

#include <stdbool.h>

#include "network/core/ipam.h"

#define SEGMENT_RANGES_MAX 32
#define PHYSNET_LEN	   63 /* longest name of a physical network that can be configured */

/* VLAN ids first..last of a physical network are for networks that name none; 0: none are. */
struct vlan_range {
	char physnet[PHYSNET_LEN + 1];
	unsigned int first, last; /* 1..4094 */
};
struct vlan_ranges {
	struct vlan_range rows[SEGMENT_RANGES_MAX];
	unsigned int n;
};

/* provider:network_type, physical_network, segmentation_id as given. */
struct segment_want {
	const char *type, *physnet; /* NULL: not given */
	long long id;		    /* -1: not given */
};

typedef bool (*segment_used_fn)(void *arg, const char *physnet, unsigned int vid);

int vlan_ranges_parse(const char *text, struct vlan_ranges *out, struct err *e);
int segment_check(const struct segment_want *want, const char *flat_networks,
		  const struct vlan_ranges *ranges, struct refusal *r);
int segment_pick(const struct vlan_ranges *ranges, const char *physnet, segment_used_fn used,
		 void *arg, const char **physnet_out, unsigned int *vid);

#endif
