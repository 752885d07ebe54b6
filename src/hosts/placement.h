/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: which host takes a server. Pure: hosts and wishes in, one host or
 * the reasons of all of them out, and the VF of each port. Used by POST /servers,
 * whose transaction then leases these VFs; a race for the last VF shows there, as a
 * key conflict. A port that is bound alone gets its VF by the same choice.
 */
#ifndef ANYVF_HOSTS_PLACEMENT_H
#define ANYVF_HOSTS_PLACEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PLACE_MAX_VFS	256u
#define PLACE_WHOLE	PLACE_MAX_VFS /* in the place of a VF's number: the PF's own function */
#define PLACE_MAX_PORTS 32u /* of one server */
#define PLACE_MAX_PFS	64u /* of one host that are looked at */
#define PLACE_CPU_RATIO 16  /* virtual CPUs a host offers for each of its own, as Nova's default */

enum place_kind {
	PLACE_SW,    /* a software PF: vhost-user */
	PLACE_HW,    /* a NIC's: VFIO, macvtap */
	PLACE_OTHER, /* of a version to come */
};

struct place_pf {
	const char *name;
	enum place_kind kind;
	const char *pci_slot;	 /* of a NIC's own function; NULL: not told */
	bool whole_taken;	 /* that is leased */
	const json_t *physnets;	 /* strings: the physical networks the PF serves; borrowed */
	const json_t *pci_slots; /* string i: the PCI address of VF i; borrowed, may be NULL */
	unsigned int numvfs;
	uint64_t taken[PLACE_MAX_VFS / 64]; /* bit n: VF n is leased, or busy by hand */
};

struct place_host {
	const char *name;
	unsigned int vcpus, vcpus_used;
	unsigned int memory_mb, memory_used_mb;
	/* The rest is seen by place_want.look. */
	bool alive;	       /* its heartbeat is current */
	bool disabled;	       /* an operator took it out: only who names it gets it */
	unsigned int silent_s; /* seconds since the last one; told when not alive */
	struct place_pf *pfs; /* owned by the caller */
	unsigned int n_pfs;
	json_t *homes; /* {network id: the PF its DHCP is on}; owned by the caller, may be NULL */
};

/* What a port is to have. */
enum place_vnic {
	PLACE_DIRECT,	/* a VF of whatever PF; a NIC's before another's */
	PLACE_NORMAL,	/* one of a software PF */
	PLACE_MACVTAP,	/* one of a NIC */
	PLACE_PHYSICAL, /* a NIC's own function, that has no VFs */
};

/* One port the server needs a VF for. */
struct place_port {
	const char *physnet;  /* the physical network of its network */
	const char *pci_slot; /* this VF and no other; NULL: any */
	const char *network;  /* its id; NULL: of no matter */
	enum place_vnic vnic;
};

/* What a port gets. Strings are the PF's. */
struct place_vf {
	const char *pf;
	unsigned int vf;      /* or PLACE_WHOLE */
	const char *pci_slot; /* NULL: not known */
};

/* Hosts by their names, {name: true}. */
struct place_hosts {
	const json_t *only;  /* one of these; NULL: any */
	const json_t *avoid; /* none of these; NULL: any */
};

struct place_want {
	const char *host;		       /* this host and no other; NULL: any */
	struct place_hosts zone, hints, group; /* all hold */
	unsigned int vcpus, memory_mb;
	const struct place_port *ports;
	unsigned int n_ports; /* 0..PLACE_MAX_PORTS */
	/* Completes a host before it is judged; NULL: all are complete. 0 or a negative errno. */
	int (*look)(void *arg, struct place_host *host);
	void *look_arg;
};

int placement_choose(struct place_host *hosts, unsigned int n_hosts,
		     const struct place_want *want, unsigned int *out, struct place_vf *vfs,
		     struct err *e);
int placement_fits(const struct place_host *host, const struct place_want *want,
		   struct place_vf *vfs, struct err *e);
int placement_assign(const struct place_host *host, const struct place_port *ports,
		     unsigned int n_ports, struct place_vf *vfs, struct err *e);
void place_pf_take(struct place_pf *pf, unsigned int vf);
unsigned int place_pf_free(const struct place_pf *pf);

#endif
