/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the data path knows about the switch: one immutable snapshot per change.
 * Control builds ports (struct veb_port, immutable and reference-counted, one a
 * VF, uplink, host interface or service port) and a snapshot over them; a change
 * makes one new port and a new index. Workers read a snapshot, never write it.
 *
 * A domain is a PF: frames never leave their domain, except as mirror copies.
 */
#ifndef ANYVF_VEB_SNAP_H
#define ANYVF_VEB_SNAP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/mac.h"
#include "base/vlan.h"
#include "veb/filter.h"
#include "veb/storm.h"

#define VEB_PORTS_MAX	2048 /* port ids are 0..2047, over all PFs of a daemon */
#define VEB_DOMAINS_MAX 64   /* PFs a daemon */
#define VEB_MIRRORS_MAX 256  /* mirror slots are 0..255 */
#define VEB_NO_PORT	0xffffu

enum veb_kind {
	VEB_VF,	    /* a guest */
	VEB_UPLINK, /* the wire: at most one a domain */
	VEB_HOST,   /* the PF's own function, default port for what the wire brings: at most one */
	VEB_SVC,    /* a service port */
	VEB_SINK,   /* where mirrors go and nothing comes from; in no domain */
};

enum veb_flag {
	VEB_LINK_UP = 1 << 0,
	VEB_SPOOFCHK = 1 << 1,	/* source must be one of the port's addresses */
	VEB_LEARN = 1 << 2,	/* report sources that are not the port's */
	VEB_ALLMULTI = 1 << 3,	/* all multicast of its VLANs; every port but a VF has it */
	VEB_PROMISC = 1 << 4,	/* unicast from the wire that matched nobody */
	VEB_PROMISC_ALL = 1 << 10, /* with VEB_PROMISC: all unicast of its VLANs */
	VEB_DHCP = 1 << 5,	/* DHCP requests of its VLAN do not leave by the uplink */
	VEB_CONFIRM = 1 << 6,	/* with VEB_LEARN: report the first own address as well */
	VEB_TRUNK_ANY = 1 << 7, /* set by veb_port_new(): no VST and no trunk list */
	VEB_LEARNED = 1 << 11,	/* addresses may have been learned behind it: note who is heard */
	VEB_ROOM = 1 << 12,	/* and one more may be: from nobody's address frames pass */
	VEB_VST = 1 << 9,	/* set by veb_port_new(): only frames of its pvid, all untagged */
	VEB_ISOLATED = 1 << 8,	/* exchanges no frames with others of this flag (br_private.h) */
	VEB_MULTI_REFUSED = 1 << 14, /* without VEB_ALLMULTI: what it then does not get is a drop */
	VEB_UNKNOWN = 1 << 13,	/* of VEB_HOST: unicast from inside that matched nobody, too */
};

enum veb_mirror_flag {
	VEB_MIRROR_INSIDE = 1 << 0, /* with the tags frames have in the switch, not at the port */
	VEB_MIRROR_REMOTE =
		1 << 1, /* copies leave in GRE: not of the host's own GRE, or for ever */
	VEB_MIRROR_DROPS = 1 << 2, /* what the port lost as well; a capture's */
	VEB_MIRROR_OUT = 1 << 9,   /* copies are marked as sent, in the VM's view */
};

/* Where copies of a port's frames go. */
struct veb_mirror {
	uint16_t to;	/* port id, any domain */
	uint16_t slot;	/* number of the mirror, 0..VEB_MIRRORS_MAX-1, for its counters */
	uint16_t snap;	/* bytes of a frame that are copied, its tags not counted; 0: all */
	uint16_t flags; /* enum veb_mirror_flag */
	const struct veb_filter *filter; /* which frames; NULL: all. A port has a reference */
};

/* What control says about a port; everything is copied by veb_port_new(). */
struct veb_port_conf {
	uint16_t id;	 /* 0..VEB_PORTS_MAX-1 */
	uint16_t domain; /* 0..VEB_DOMAINS_MAX-1 */
	enum veb_kind kind;
	uint16_t flags;		      /* enum veb_flag */
	uint16_t vlan;		      /* VST; 0: none */
	uint8_t qos;		      /* PCP of the inserted tag */
	bool ad;		      /* the inserted tag is 802.1ad */
	uint16_t mtu;		      /* bytes behind the Ethernet header; 0: no check */
	uint32_t storm[STORM_KINDS];  /* frames to many it may send a second; 0: no limit */
	const struct vlan_set *trunk; /* tags allowed without VST; NULL or unset: any */
	uint16_t native;	      /* VLAN of untagged frames without VST; 0: none */
	unsigned int n_macs;	      /* own addresses; the first is the one seen most */
	const struct mac *macs;
	unsigned int n_learned;	      /* the last so many of them, unless another port has them by right */
	unsigned int n_groups; /* joined multicast groups */
	const struct mac *groups;
	const struct veb_port *like; /* whose addresses and groups are these; then not said above */
	unsigned int n_in, n_out; /* mirrors of frames to / from this port */
	const struct veb_mirror *in, *out;
};

struct veb_fib;
struct veb_fibs;
struct veb_keys;

/* Immutable after veb_port_new(); one cache line is all the fast path reads. */
struct veb_port {
	uint16_t id, domain;
	uint16_t flags;	  /* enum veb_flag */
	uint8_t kind;	  /* enum veb_kind */
	uint32_t pvid;	  /* TPID << 16 | VID its untagged frames belong to; 0: none */
	uint32_t pvid_tag; /* pvid with PCP: what is inserted */
	uint32_t mtu;	  /* UINT32_MAX: no check */
	uint64_t mac;	  /* veb_mac_key() of the first own address; 0: none */
	uint16_t n_macs, n_groups, n_in, n_out;
	uint16_t n_learned; /* the last so many of n_macs */
	const struct veb_mirror *in, *out;
	const uint64_t *macs;	     /* keys: n_macs own addresses, then n_groups groups */
	struct veb_keys *keys;	     /* a reference; macs is in it */
	unsigned int refs;	     /* atomic; snapshots and control hold one each */
	uint32_t storm[STORM_KINDS]; /* frames to many it may send a second; 0: no limit */
	struct vlan_set trunk;	     /* tagged members, unless VEB_TRUNK_ANY; none with VST */
};

struct veb_port *veb_port_new(const struct veb_port_conf *conf);
bool veb_port_equal(const struct veb_port *a, const struct veb_port *b);
struct veb_port *veb_port_get(struct veb_port *p);
void veb_port_put(struct veb_port *p);
AUTO_DEFINE(struct veb_port *, veb_port_put)

/* One way in the forwarding database (FIB, FDB): an address of a domain and who owns it. */
struct veb_fib_entry {
	uint64_t key; /* domain << 48 | MAC; UINT64_MAX: free */
	uint32_t
		first; /* n 1: the port id, and its veb_port_code() << 16; else index into owners[] */
	uint16_t n;    /* owners */
	uint16_t plain; /* n 1, and its owner's link is up: its MTU; else 0 */
};

/* A member of a domain as flooding sees it. */
struct veb_member {
	uint16_t id;
	uint16_t flags; /* of the port */
	uint32_t pvid;	/* of the port */
};

struct veb_domain {
	bool exists;
	bool vepa;		/* all frames of VFs take the uplink */
	uint16_t uplink, host;	/* port ids or VEB_NO_PORT */
	unsigned int n_members; /* all ports but the uplink */
	unsigned int max_nodes; /* most copies one frame can become, mirrors included */
	bool promisc_all;	/* some member has VEB_PROMISC_ALL */
	bool dhcp;		/* some member has VEB_DHCP */
	bool learned;		/* some member has VEB_LEARNED */
	const struct veb_member *members;
	struct veb_floods *floods; /* owned; members by VLAN. NULL: the domain does not exist */
};

struct veb_snap {
	uint64_t gen;		/* counts snapshots built in this process, from 1 */
	uint64_t fib_mul;	/* random odd multiplier: guests cannot aim at a bucket */
	unsigned int fib_shift; /* 64 - log2(slots) */
	uint32_t fib_mask;
	const struct veb_fib_entry *fib;
	const uint16_t *owners;
	struct veb_fib *table;	    /* whose fib and owners are these; control's, veb/fib.h */
	struct veb_fibs *fibs;	    /* a reference: where it goes back to */
	unsigned int work;	    /* addresses that were put into it or taken out for this snapshot */
	struct veb_member *members; /* of all domains */
	struct veb_domain domains[VEB_DOMAINS_MAX];
	uint16_t snaps[VEB_MIRRORS_MAX];       /* of struct veb_mirror, by slot */
	struct veb_port *ports[VEB_PORTS_MAX]; /* a reference each, or NULL */
};

int veb_snap_build(struct veb_port *const *ports, unsigned int n_ports, uint64_t vepa_domains,
		   struct veb_snap **out, struct err *e);
int veb_snap_next(struct veb_fibs *fibs, struct veb_port *const *ports, unsigned int n_ports,
		  uint64_t vepa_domains, struct veb_snap **out, struct err *e);
void veb_snap_free(struct veb_snap *s);
AUTO_DEFINE(struct veb_snap *, veb_snap_free)

/* An address as a 48-bit key, first wire byte lowest: what frame_dst_key() reads with one load. */
static inline uint64_t veb_mac_key(const struct mac *m)
{
	uint64_t v = 0;

	memcpy(&v, m, sizeof(*m));
	return le64toh(v);
}
/* A VLAN (TPID << 16 | VID, 0: untagged) in 13 bits: the VID, and whether it is a service VLAN. */
static inline uint32_t veb_vlan_code(uint32_t vlan)
{
	return (vlan & 0xfff) | (vlan >> 16 == 0x88a8 ? 0x1000 : 0);
}
/* What the fast path asks of a destination: its VLAN, if it is isolated, if mirrors watch it. */
#define VEB_CODE_VLAN	  0x1fffu
#define VEB_CODE_ISOLATED 0x2000u
#define VEB_CODE_WATCHED  0x4000u
#define VEB_CODE_LEARNED  0x8000u /* of one owner that learned it; nobody's question */
static inline uint32_t veb_port_code(const struct veb_port *p)
{
	return veb_vlan_code(p->pvid) | (p->flags & VEB_ISOLATED ? VEB_CODE_ISOLATED : 0) |
	       (p->n_in ? VEB_CODE_WATCHED : 0);
}
static inline uint64_t veb_fib_key(unsigned int domain, uint64_t mac_key)
{
	return (uint64_t)domain << 48 | mac_key;
}
static inline uint32_t veb_fib_slot(const struct veb_snap *s, uint64_t key)
{
	return (uint32_t)(key * s->fib_mul >> s->fib_shift);
}
/* The entry of an address, or NULL. The table is at most half full, so probing ends. */
static inline const struct veb_fib_entry *veb_fib_find(const struct veb_snap *s, uint64_t key)
{
	for (uint32_t i = veb_fib_slot(s, key);; i = (i + 1) & s->fib_mask) {
		const struct veb_fib_entry *entry = &s->fib[i];

		if (likely(entry->key == key))
			return entry;
		if (entry->key == UINT64_MAX)
			return NULL;
	}
}
/* The owners of an entry: an array of entry->n port ids. */
static inline const uint16_t *veb_fib_owners(const struct veb_snap *s,
					     const struct veb_fib_entry *entry, uint16_t *one)
{
	if (entry->n > 1)
		return s->owners + entry->first;
	*one = (uint16_t)entry->first;
	return one;
}

#endif
