/* SPDX-License-Identifier: Apache-2.0 */
/* Whether frames that leave a PF by a netdev would come back to it: a pure rule. */
#ifndef ANYVF_SW_CONTROL_LOOPS_H
#define ANYVF_SW_CONTROL_LOOPS_H

#include "sw/parent/links.h"

enum end_kind {
	END_TAP,    /* of a VF, a service port, or the host interface: frames go both ways */
	END_MIRROR, /* copies of the PF's frames come out, what goes in is lost */
	END_WIRE,   /* its uplink */
};

/* A netdev that a PF has an end in. */
struct loop_end {
	unsigned int index;
	uint16_t pf; /* its slot */
	enum end_kind kind;
};

struct loop_ends {
	struct loop_end *all; /* array of n */
	size_t n;
};

int loops_judge(const struct links *links, const struct loop_ends *ends, uint16_t pf,
		unsigned int want, struct err *e);

#endif
