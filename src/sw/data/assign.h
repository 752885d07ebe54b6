/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker polls a source. */
#ifndef ANYVF_SW_DATA_ASSIGN_H
#define ANYVF_SW_DATA_ASSIGN_H

struct assign_core {
	int node;	   /* NUMA node of the worker's CPU; -1: not known, or no CPU of its own */
	unsigned int load; /* sources it polls */
};

unsigned int assign(const struct assign_core *cores, unsigned int n, int node);
int assign_node_of_cpu(int cpu);
int assign_node_of_memory(const void *at);

#endif
