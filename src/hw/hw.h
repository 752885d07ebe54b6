/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PFs of NICs behind the verbs of every PF (model/pf_ops.h). What was asked for is kept in a state file,
 * what is comes from the kernel each time.
 */
#ifndef ANYVF_HW_HW_H
#define ANYVF_HW_HW_H

#include "base/loop.h"
#include "model/pf_ops.h"

struct hw;

struct hw_opts {
	struct loop *loop;
	const char *sysfs;    /* where sysfs is mounted; tests have one of their own */
	const char *state;    /* file; the directory is there */
	bool software_copies; /* of mirrors by tc: by the CPU, not in the NIC; for tests alone */
};

int hw_open(const struct hw_opts *opts, struct hw **out, struct err *e);
void hw_close(struct hw *hw);
AUTO_DEFINE(struct hw *, hw_close)

extern const struct pf_ops hw_ops; /* ctx: struct hw */

#endif
