/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of tc(8) that copy one representor's frames to another, in the NIC. clsact has both directions; a rule is known by its
 * preference, which nobody else should have.
 */
#ifndef ANYVF_HW_TC_H
#define ANYVF_HW_TC_H

#include "hw/link.h"

/* One rule. */
struct hw_tc_copy {
	int from, to; /* representors */
	bool egress;  /* what the host, and so the NIC, sends to @from's VF; else what that sends */
	uint16_t pref;
	bool software; /* the host's CPU does it, where the NIC does not: tests alone want that */
};

/* What the kernel has of it. */
struct hw_tc_told {
	bool there, in_hw;
};

int hw_tc_clsact_set(struct hw_rt *rt, int ifindex, bool on, struct err *e);
int hw_tc_clsact_is(struct hw_rt *rt, int ifindex, bool *out, struct err *e);
int hw_tc_copy_add(struct hw_rt *rt, const struct hw_tc_copy *c, struct err *e);
int hw_tc_copy_del(struct hw_rt *rt, const struct hw_tc_copy *c, struct err *e);
int hw_tc_copy_look(struct hw_rt *rt, const struct hw_tc_copy *c, struct hw_tc_told *out,
		    struct err *e);

#endif
