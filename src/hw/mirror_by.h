/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By what a NIC makes copies of a VF's frames for another of its VFs, and what such a mirror lacks: one table of what is
 * known of its drivers, and one pure function. What was seen and what was read is in docs/howto/mirror-nic.md.
 */
#ifndef ANYVF_HW_MIRROR_BY_H
#define ANYVF_HW_MIRROR_BY_H

#include "hw/devlink.h"
#include "model/pf.h"

enum hw_mirror_by {
	HW_MIRROR_TC,	 /* a rule of tc on the VF's representor, in the NIC */
	HW_MIRROR_SYSFS, /* the vendor's files, sriov/N/..._mirror */
	HW_MIRROR_MAC,	 /* both VFs have the address of the one that is watched */
	HW_MIRROR_BY_N
};
extern const char *const hw_mirror_by_names[];

/* Whether a driver gives the frames for one address to all VFs that have it. */
enum hw_twins {
	HW_TWINS_UNKNOWN, /* nobody has looked: it is not tried */
	HW_TWINS_NO,
	HW_TWINS_READ, /* its sources or its NIC's documents say so */
	HW_TWINS_SEEN,
};
enum hw_twins hw_twins_of(const char *driver);

/* Files that a driver of its vendor's has. */
enum {
	HW_MIRROR_FILE_IN = 1 << 0,  /* sriov/SOURCE/ingress_mirror: towards the VF */
	HW_MIRROR_FILE_OUT = 1 << 1, /* sriov/SOURCE/egress_mirror */
	HW_MIRROR_FILE_VLAN = 1 << 2 /* sriov/DESTINATION/vlan_mirror */
};

struct hw_mirror_facts {
	const char *device, *driver; /* netdev of the PF */
	enum hw_eswitch eswitch;
	bool representors;  /* both VFs have one */
	unsigned int files; /* HW_MIRROR_FILE_... */
	enum hw_twins twins;
};

int hw_mirror_choose(const struct hw_mirror_facts *f, const struct mirror_config *want,
		     enum hw_mirror_by *out, struct err *e);
unsigned int hw_mirror_files(const struct mirror_config *c);

#endif
