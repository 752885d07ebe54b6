/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's steps done to a NIC: hw_plan_run() and hw_plan_undo() call hw_step_do() with a struct hw_doer. */
#ifndef ANYVF_HW_DO_H
#define ANYVF_HW_DO_H

#include "hw/link.h"
#include "hw/nic.h"
#include "hw/plan.h"

/* All borrowed. */
struct hw_doer {
	struct hw_rt *rt;
	const char *sysfs;
	const struct hw_nic *nic;
	int ifindex;
	uint32_t by_devlink;  /* words of VFs that it sets */
	bool software_copies; /* a rule that copies is the CPU's, for tests alone */
	/* Of the VF whose netdev went out of this namespace: the name that it had. */
	char home[IF_NAMESIZE];
};

int hw_step_do(void *arg, const struct hw_step *step, const struct hw_value *to, struct err *e);

#endif
