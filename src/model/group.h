/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of a NIC's VFs that share rates, in switchdev mode: a word of the PF, "gold:max=1000,silver", each with its rates
 * in Mbit/s, max before min and no rate where there is none; in the order of their names.
 */
#ifndef ANYVF_MODEL_GROUP_H
#define ANYVF_MODEL_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VF_GROUP_LEN  15 /* of a name */
#define VF_GROUPS_MAX 32
#define VF_GROUPS_LEN (VF_GROUPS_MAX * (VF_GROUP_LEN + 31)) /* of the word: both rates, a comma */

struct vf_group {
	char name[VF_GROUP_LEN + 1];
	uint32_t max_tx_mbit, min_tx_mbit; /* of all its VFs together; 0: none */
};

struct vf_groups {
	unsigned int n;
	struct vf_group list[VF_GROUPS_MAX]; /* n of them, in order */
};

int vf_group_check(const char *name, struct err *e);
int vf_groups_add(struct vf_groups *to, const struct vf_group *group, struct err *e);
const struct vf_group *vf_groups_find(const struct vf_groups *in, const char *name);
int vf_groups_parse(const char *text, struct vf_groups *out, struct err *e);
void vf_groups_format(const struct vf_groups *in, char out[VF_GROUPS_LEN + 1]);
int vf_groups_order(char text[VF_GROUPS_LEN + 1], struct err *e);

#endif
