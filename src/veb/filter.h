/* SPDX-License-Identifier: Apache-2.0 */
/* Which frames of its source a mirror copies. Immutable once made, counted by reference. */
#ifndef ANYVF_VEB_FILTER_H
#define ANYVF_VEB_FILTER_H

#include "base/vlan.h"
#include "veb/frame.h"

#define VEB_FILTER_PEEK 2048u /* bytes of a frame an expression sees; behind them nothing matches */

/* What control says; copied. */
struct veb_filter_conf {
	uint16_t vlan;		      /* the frame's VLAN must be this; 0: any */
	const struct vlan_set *vlans; /* and one of these; NULL or unset: any */
	uint16_t ether;		      /* ethertype behind the outer tag, host order; 0: any */
	const char *pcap; /* pcap-filter(7) over the copy, tags and all; "" or NULL: any */
};

struct veb_filter;

/* What a filter says of a VLAN's frames without looking at one. */
enum veb_filter_says { VEB_FILTER_NONE, VEB_FILTER_ALL, VEB_FILTER_SOME };

int veb_filter_new(const struct veb_filter_conf *conf, struct veb_filter **out, struct err *e);
const struct veb_filter *veb_filter_get(const struct veb_filter *flt);
void veb_filter_put(const struct veb_filter *flt);
enum veb_filter_says veb_filter_vlan(const struct veb_filter *flt, uint32_t vlan);
bool veb_filter_match(const struct veb_filter *flt, const struct frame *f, uint32_t vlan,
		      const uint32_t tags[2]);

#endif
