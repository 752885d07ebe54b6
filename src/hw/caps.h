/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which words a PF's driver takes, found out without changing anything. What drivers do not say when they are asked is
 * in a table, which is docs/nics.md, too.
 */
#ifndef ANYVF_HW_CAPS_H
#define ANYVF_HW_CAPS_H

#include "hw/devlink.h"
#include "hw/link.h"
#include "hw/nic.h"

#define HW_WHY_LEN 191

/* What a max_tx_rate needs. */
enum hw_rate {
	HW_RATE_ANY,
	HW_RATE_LINK, /* carrier, and it is at most the link's speed */
	HW_RATE_10G,  /* a link of 10 Gbit/s, and it is above 10 Mbit/s */
};

/* Which of a VF's statistics a driver tells; the rest are zeros that mean nothing. */
enum {
	HW_COUNTS_FRAMES = 1 << 0, /* frames and bytes, both ways */
	HW_COUNTS_MULTICAST = 1 << 1,
	HW_COUNTS_BROADCAST = 1 << 2,
	HW_COUNTS_RX_DROPPED = 1 << 3,
	HW_COUNTS_TX_DROPPED = 1 << 4,
};

/* A driver, as it answers in legacy mode. */
struct hw_driver {
	const char *name;
	uint32_t fields;	/* bits by enum vf_field: words it takes; PROTO: 802.1ad, too */
	uint32_t not_switchdev; /* of them: refused in switchdev mode */
	uint32_t needs_vfs;	/* of them: it denies to know them while it has no VF */
	uint8_t rate;		/* enum hw_rate */
	uint8_t counts;		/* HW_COUNTS_... */
	bool spoofchk;		/* what a new VF has */
	bool mode_first;	/* its switch's mode changes while it has no VF alone */
	bool no_enable;		/* `state enable` is taken and nothing happens */
	bool seen;		/* in the lab; else read in the sources of Linux 6.1 */
};
extern const struct hw_driver hw_drivers[]; /* ends with name NULL: of those that are not here */

struct hw_caps {
	const struct hw_driver *driver; /* never NULL */
	char name[HW_DRIVER_LEN + 1];	/* of the driver */
	char device[IF_NAMESIZE];	/* netdev that was asked, or "" */
	enum hw_eswitch eswitch;
	bool known;	     /* else nobody could ask (without root), and fields is 0 */
	uint32_t fields;     /* bits by enum vf_field: what can be set; PROTO: 802.1ad, too */
	uint32_t by_devlink; /* of them: those that devlink sets, in switchdev mode */
	uint32_t refusing;   /* bits by enum hw_attr: the driver has no such operation */
};

const struct hw_driver *hw_driver_find(const char *name);
int hw_caps_of(struct hw_rt *rt, const struct hw_nic *nic, int ifindex, struct hw_caps *out,
	       struct err *e);
const char *hw_caps_why(const struct hw_caps *caps, enum vf_field field, char out[HW_WHY_LEN + 1]);
const char *hw_caps_unfit(const struct hw_caps *caps, char out[HW_WHY_LEN + 1]);
void hw_counts_untold(const struct hw_caps *caps, const struct hw_vf *v, unsigned int n_vfs,
		      struct vf_untold *out);
int hw_caps_check(const struct hw_caps *caps, const struct hw_words *want, uint32_t changed,
		  struct err *e);

#endif
