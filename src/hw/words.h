/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a VF that the kernel's PF drivers know, the rows of vf_fields[] up to group, and
 * the attributes of rtnetlink they travel in: an attribute is what the kernel sets, or refuses, at once.
 */
#ifndef ANYVF_HW_WORDS_H
#define ANYVF_HW_WORDS_H

#include "model/vf.h"

#define HW_WORDS ((1U << VF_FIELD_TRUNK) - 1) /* rows of vf_fields[] that the kernel has */

struct hw_words {
	struct mac mac;
	uint16_t vlan;
	uint8_t qos, proto; /* enum vf_proto */
	uint32_t max_tx_mbit, min_tx_mbit;
	bool spoofchk, query_rss, trust;
	uint8_t link; /* enum vf_link */
	char group[VF_GROUP_LEN + 1];
};

/* In the order in which the kernel takes them from one request (do_setvfinfo). */
enum hw_attr {
	HW_ATTR_MAC,
	HW_ATTR_VLAN, /* and priority and protocol */
	HW_ATTR_RATE, /* both */
	HW_ATTR_SPOOFCHK,
	HW_ATTR_LINK,
	HW_ATTR_RSS,
	HW_ATTR_TRUST,
	HW_ATTR_GROUP, /* devlink's alone */
	HW_ATTR_N
};

/* Of enum hw_attr. */
struct hw_attr_row {
	const char *word; /* as people know it */
	uint32_t fields;  /* bits by enum vf_field of what it sets */
};
extern const struct hw_attr_row hw_attrs[];

void hw_words_from(const struct vf_config *c, struct hw_words *out);
void hw_words_to(const struct hw_words *w, uint32_t fields, struct vf_config *out);
uint32_t hw_words_differ(const struct hw_words *a, const struct hw_words *b);
bool hw_attr_equal(enum hw_attr attr, const struct hw_words *a, const struct hw_words *b);

#endif
