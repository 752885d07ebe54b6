/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: which host takes a server. Pure: hosts and wishes in, one host or
 * the reasons of all of them out. Used by POST /servers, whose transaction then
 * leases the VFs; a race for the last VF shows there, as a key conflict.
 */
#ifndef ANYVF_API_PLACEMENT_H
#define ANYVF_API_PLACEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PLACE_MAX_VFS	256u
#define PLACE_MAX_PORTS 32u /* of one server */
#define PLACE_CPU_RATIO 16  /* virtual CPUs a host offers for each of its own, as Nova's default */

struct place_pf {
	const char *name;
	const json_t *physnets;	 /* strings: the physical networks the PF serves; borrowed */
	const json_t *pci_slots; /* string i: the PCI address of VF i; borrowed, may be NULL */
	unsigned int numvfs;
	uint64_t taken[PLACE_MAX_VFS / 64]; /* bit n: VF n is leased, or busy by hand */
};

struct place_host {
	const char *name;
	bool alive;	       /* its heartbeat is current */
	unsigned int silent_s; /* seconds since the last one; told when not alive */
	unsigned int vcpus, vcpus_used;
	unsigned int memory_mb, memory_used_mb;
	struct place_pf *pfs; /* owned by the caller */
	unsigned int n_pfs;
};

/* One port the server needs a VF for. */
struct place_port {
	const char *physnet;  /* the physical network of its network */
	const char *pci_slot; /* this VF and no other; NULL: any */
};

struct place_want {
	const char *host; /* this host and no other; NULL: any */
	unsigned int vcpus, memory_mb;
	const struct place_port *ports;
	unsigned int n_ports; /* 0..PLACE_MAX_PORTS */
};

int placement_choose(const struct place_host *hosts, unsigned int n_hosts,
		     const struct place_want *want, unsigned int *out, struct err *e);
int placement_fits(const struct place_host *host, const struct place_want *want, struct err *e);
int placement_pick_vf(const struct place_pf *pfs, unsigned int n_pfs, const struct place_port *port,
		      unsigned int *pf, unsigned int *vf, struct err *e);
void place_pf_take(struct place_pf *pf, unsigned int vf);

#endif
