/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of VLAN ids, for trunks and filters. Unset (any VLAN) is not the empty set. */
#ifndef ANYVF_BASE_VLAN_H
#define ANYVF_BASE_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VLAN_N 4096 /* ids 0..4095; 0 stands for untagged and priority-tagged frames */

struct vlan_set {
	bool set;		     /* false: no restriction, bits are all zero */
	uint64_t bits[VLAN_N / 64]; /* bit v: VLAN v is a member */
};

/* Text: "any" (unset), "none" (set and empty), or a list as 10,20-30. */
int vlan_set_parse(const char *text, struct vlan_set *out, struct err *e);
int vlan_set_format(const struct vlan_set *v, char *out, size_t size);
void vlan_set_range(struct vlan_set *v, unsigned int first, unsigned int last, bool member);
void vlan_set_merge(struct vlan_set *v, const struct vlan_set *list, bool member);

static inline bool vlan_set_has(const struct vlan_set *v, unsigned int vid)
{
	return v->bits[vid / 64] >> (vid % 64) & 1;
}

#endif
