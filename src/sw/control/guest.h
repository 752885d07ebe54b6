/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one rule of guest addresses (docs/switch.md, Guest filters): what the guest
 * of a VF asked for (its rx-filter), what of it was accepted, what is remembered as refused.
 * A struct guest is a value: every change makes a new one, so that a command
 * that fails later has nothing to undo. NULL stands for a guest that never spoke.
 */
#ifndef ANYVF_SW_CONTROL_GUEST_H
#define ANYVF_SW_CONTROL_GUEST_H

#include "model/vf.h"

/* Why an address was accepted, and so how long it stays. */
enum guest_why {
	GUEST_BY_CHOICE, /* the VF had no administrative MAC: until it is somebody else's by right */
	GUEST_BY_MAC,	/* it was the administrative MAC: until the guest is seen to want another */
	GUEST_BY_GRANT, /* the VF is trusted, or it is on its list: goes with that */
};

/* What multicast of its VLANs a VF hears. */
enum guest_multicast {
	GUEST_MULTI_JOINED,  /* groups its guest joined */
	GUEST_MULTI_ALL,     /* all */
	GUEST_MULTI_REFUSED, /* groups its guest joined; it asks for all and may not have that */
};

struct guest_mac {
	struct mac mac;
	uint8_t why; /* enum guest_why */
};

/* What the wishes of a VF's guest are judged by. */
struct guest_rules {
	const struct vf_config *config; /* the VF's administrative settings */
	/* Whether an address is by right somebody's but the VF's; NULL: none is */
	bool (*is_taken)(const void *arg, const struct mac *mac);
	const void *arg;
	/* Its administrative MAC until a moment ago: who asks for that may have asked when it was,
	 * as requests come late; NULL: none */
	const struct mac *former;
};

/* Immutable, counted by reference: the same pointer is the same value. */
struct guest {
	unsigned int refs;
	bool known;   /* a source serves its filters; else requests are learned from frames */
	bool promisc; /* asked for, as is allmulti: guest_promisc(), guest_multicast() */
	bool allmulti;
	struct mac main_mac;	 /* of its interface, as it says; zero: not known */
	unsigned int n_accepted; /* at most VF_MACS_TRUSTED */
	unsigned int n_refused;	 /* remembered, judged again on each administrative change */
	unsigned int n_excess;	 /* asked for above what is remembered */
	unsigned int n_mcasts;
	struct guest_mac *accepted; /* array of n_accepted */
	struct mac *refused;	    /* array of n_refused */
	struct mac *mcasts;	    /* array of n_mcasts */
	uint64_t mul;		    /* random and odd: no guest aims at a slot */
	unsigned int shift;	    /* 64 - log2 of the slots */
	uint16_t *slots; /* by hash of an address where it is above; guest.c alone reads it */
};

struct guest *guest_get(struct guest *g);
void guest_put(struct guest *g);
AUTO_DEFINE(struct guest *, guest_put)

int guest_filter(struct guest *old, const struct vf_filter *filter, const struct guest_rules *rules,
		 struct guest **out);
int guest_judge(struct guest *old, const struct guest_rules *rules, struct guest **out);
int guest_learn(const struct guest *old, const struct mac *mac, const struct guest_rules *rules,
		struct guest **out);
int guest_restore(const struct guest_mac *accepted, unsigned int n, struct guest **out);
bool guest_hangs_on(const struct guest *g, const struct mac *macs, unsigned int n);
bool guest_same_accepted(const struct guest *a, const struct guest *b);
enum vf_promisc guest_promisc(const struct guest *g, const struct vf_config *config);
enum guest_multicast guest_multicast(const struct guest *g, const struct vf_config *config);
bool guest_accepted(const struct guest *g, const struct mac *mac);
bool guest_has_former(const struct guest *g, const struct vf_config *config);
bool guest_refused(const struct guest *g, const struct mac *mac);

#endif
