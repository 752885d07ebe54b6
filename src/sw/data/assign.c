/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker polls a source, decided when the source starts and kept until it stops: a running
 * source is never handed over, so it never has two pollers.
 */
#include "sw/data/assign.h"

#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES_MAX 64

/**
 * assign() - Choose a worker for a source
 * @cores: array of @n workers
 * @n:     at least 1
 * @node:  NUMA node of the source's memory; -1: not known
 *
 * Workers of that node first, as a copy over the interconnect costs more than a longer turn; among
 * those the one with the fewest sources, the first of equals.
 *
 * Return: index of the worker. Pure.
 */
unsigned int assign(const struct assign_core *cores, unsigned int n, int node)
{
	unsigned int best = 0;
	bool best_near = false;

	for (unsigned int i = 0; i < n; i++) {
		bool near = node >= 0 && cores[i].node == node;

		if (i && (near < best_near ||
			  (near == best_near && cores[i].load >= cores[best].load)))
			continue;
		best = i;
		best_near = near;
	}
	return best;
}

/**
 * assign_node_of_cpu() - NUMA node of a CPU
 * @cpu: number; -1: none
 *
 * Return: node, or -1 if the kernel does not say. Context: reads /sys.
 */
int assign_node_of_cpu(int cpu)
{
	char path[64];

	for (int node = 0; cpu >= 0 && node < NODES_MAX; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
		if (!access(path, F_OK))
			return node;
	}
	return -1;
}

/**
 * assign_node_of_memory() - NUMA node that holds a page
 * @at: address in it; the page exists
 *
 * Return: node, or -1 if the kernel does not say (get_mempolicy(2), MPOL_F_ADDR).
 */
int assign_node_of_memory(const void *at)
{
	int node;

	return syscall(SYS_get_mempolicy, &node, NULL, 0, at, MPOL_F_NODE | MPOL_F_ADDR) ? -1 :
											   node;
}
