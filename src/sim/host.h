/* SPDX-License-Identifier: Apache-2.0 */
/* One simulated host: what its PF and its domains are. */
#ifndef ANYVF_SIM_HOST_H
#define ANYVF_SIM_HOST_H

#include "agent/core/door.h"
#include "agent/host/pfs.h"
#include "agent/host/virt.h"
#include "sim/sim.h"

#define SIM_PF	     "p2p1"
#define SIM_NAME_LEN 64
#define SIM_POLLS    64 /* curl looks at all connections of one before each request */

/* What all of them share. */
struct sim {
	struct loop *loop;
	struct sim_opts opts;
	struct httpm *http;
	struct httpm *polls[SIM_POLLS]; /* a host's watch is in one of them */
	struct pass *pass;
	char mappings[512];
	/* Hosts begin with another endpoint each: all, from each of them on; NULL behind the last. */
	const char *api[DOOR_MAX][DOOR_MAX + 1];
	unsigned int n_api;
	struct vf_config fresh_config; /* of a VF that nobody has, */
	struct vf_info *fresh;	       /* and all of it: array of opts.vfs */
	struct vf_info *shown;	       /* of pfs_vf() */
	struct sim_host *hosts;
	unsigned int n_hosts; /* that are started */
	struct loop_timer *starts;
	bool stopping;
};

struct sim_domain {
	char server[UUID_STR_LEN];
	enum domain_state state;
	unsigned int n_ports; /* whose VFs it has */
	char (*ports)[UUID_STR_LEN];
	struct sim_domain *next;
};

/* The agent's calls find it by the address of `name`, which is its run directory and libvirt. */
struct sim_host {
	char name[SIM_NAME_LEN + 1];
	struct sim *sim;
	struct agent *agent;
	struct sim_view *view; /* a reference */
	struct sim_domain *domains;
	unsigned int n_domains;
	uint64_t comes_ms; /* the next guest gets its VFs; 0: none is on its way */
};

/* kinds.c */
extern const struct agent_kind sim_net_kind, sim_server_kind;

/* pfs.c */
int sim_pfs_open(struct sim_host *h);
void sim_guests_changed(struct sim_host *h);

/* virt.c */
struct sim_domain *sim_domain_find(struct sim_host *h, const char *server);
int sim_domain_set(struct sim_host *h, const char *server, const char (*ports)[UUID_STR_LEN],
		   unsigned int n);
void sim_domain_end(struct sim_host *h, const char *server);
bool sim_has_port(const struct sim_host *h, const char *port);

#endif
