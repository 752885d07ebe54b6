/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of a NIC in switchdev mode as devlink has them: the port of each, the address of the function behind it, and its
 * rates, which are leaves there, and groups of them, which are nodes. In legacy mode the same words are rtnetlink's (link.h).
 */
#ifndef ANYVF_HW_RATE_H
#define ANYVF_HW_RATE_H

#include "hw/words.h"

struct hw_rt;
struct nlmsghdr;

/* One VF. */
struct hw_port {
	bool there;
	uint32_t index; /* of its port */
	bool has_mac;	/* devlink tells the function's address, and so can set it */
	struct mac mac;
	bool has_rate;	   /* it is a leaf */
	uint64_t max, min; /* bytes a second; 0: none */
	bool in_group;	   /* and has a node above it */
	char group[VF_GROUP_LEN + 1]; /* that, if its name can be one of ours */
};

struct hw_ports {
	bool rates, macs; /* VFs have such */
	struct hw_port vfs[VF_MAX];
	struct vf_groups groups; /* nodes; those that can be none of ours are passed over */
};

#define HW_RATE_UNIT 125000u /* bytes a second in 1 Mbit/s */

int hw_port_parse(const struct nlmsghdr *h, const char *bus, const char *device,
		  struct hw_ports *out);
int hw_rate_parse(const struct nlmsghdr *h, const char *bus, const char *device,
		  struct hw_ports *out);
void hw_port_put_mac(struct nlmsghdr *h, const char *bus, const char *device, uint32_t index,
		     const struct mac *mac);
int hw_ports_get(const char *bus, const char *device, struct hw_ports *out, struct err *e);
int hw_rate_set(const char *bus, const char *device, unsigned int vf, const struct hw_words *want,
		struct err *e);
int hw_rate_group(const char *bus, const char *device, const struct hw_words *group, bool there,
		  struct err *e);
int hw_rate_join(const char *bus, const char *device, unsigned int vf, const char *group,
		 struct err *e);
int hw_port_set_mac(const char *bus, const char *device, unsigned int vf, const struct mac *mac,
		    struct err *e);

#endif
