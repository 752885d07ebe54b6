/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many simulated hosts in one process: the agent's own core and its kinds of ports and taps, over
 * PFs and domains that are in memory. What agent/host is to a real host this room is to a simulated
 * one, behind the same headers: nothing blocks, all is one thread's.
 */
#ifndef ANYVF_SIM_SIM_H
#define ANYVF_SIM_SIM_H

#include "agent/core/agent.h"

struct sim;

/* Strings are borrowed for as long as the process lives. */
struct sim_opts {
	unsigned int hosts, vfs;
	unsigned int boot_ms; /* from its start until a guest has its VFs */
	const char *prefix;   /* of the hosts' names */
	const char *physnets; /* that each host's PF serves: physnet1,physnet2 */
	const char *const *api;
	const char *credentials; /* file, of the user who speaks for all of them */
	struct httpc_trust trust;
};

/* Sums over all hosts. */
struct sim_counts {
	unsigned int hosts, up; /* those that follow the API */
	unsigned int ports, active, servers;
	struct agent_counts agents;
};

int sim_open(struct loop *loop, const struct sim_opts *opts, struct sim **out, struct err *e);
void sim_stop(struct sim *sim);
void sim_count(const struct sim *sim, struct sim_counts *out);

#endif
