/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts copies of a tenant's frames may be sent to: `[taas] collectors` of
 * anyvf.conf. The API asks when a tap mirror is made, the agent when it is to be
 * set, each by its own configuration.
 */
#ifndef ANYVF_MODEL_COLLECTOR_H
#define ANYVF_MODEL_COLLECTOR_H

#include "base/cidr.h"

#define COLLECTORS_MAX 64

struct collectors {
	struct cidr list[COLLECTORS_MAX];
	unsigned int n; /* 0: none */
};

int collectors_parse(const char *text, struct collectors *out, struct err *e);
int collector_judge(const struct collectors *listed, const struct ip *to, bool by_admin,
		    struct err *e);

#endif
