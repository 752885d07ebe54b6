/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sysfs tells of functions with SR-IOV and of their VFs, and what is changed by it: the number of VFs,
 * and the driver of one. netdevsim's devices count: they have the same files and no PCI function.
 *
 * Each function takes the root, "/sys" but in tests. What the namespace does not show (netdevs that are in another)
 * is not there.
 */
#ifndef ANYVF_HW_NIC_H
#define ANYVF_HW_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define HW_SYS	       "/sys"
#define HW_ADDRESS_LEN 31 /* 0000:05:10.2, netdevsim1 */
#define HW_DRIVER_LEN  47
#define HW_NETDEVS_MAX 8	  /* of one function; further ones are not told */
#define HW_UNTOLD      UINT32_MAX /* a number that there is not, or that is none */

struct hw_netdev {
	char name[IF_NAMESIZE];
	int ifindex;
};

/* A function's netdevs, by ifindex. */
struct hw_netdevs {
	unsigned int n, n_representors; /* representors are counted alone */
	struct hw_netdev list[HW_NETDEVS_MAX];
};

/* A function with SR-IOV: a PF, if it is a NIC with a driver. */
struct hw_nic {
	char address[HW_ADDRESS_LEN + 1];
	char bus[16];			/* "pci", "netdevsim": as devlink has it, too */
	char driver[HW_DRIVER_LEN + 1]; /* "": none */
	uint32_t vendor, device, class; /* HW_UNTOLD: no PCI function */
	uint32_t vf_device;		/* of its VFs, likewise */
	uint32_t totalvfs, numvfs;	/* or HW_UNTOLD */
	uint32_t autoprobe;		/* 1: new VFs get a driver, 0: none; or HW_UNTOLD */
	uint32_t group;			/* IOMMU group; HW_UNTOLD: none, the IOMMU is off */
	uint32_t node;			/* NUMA node, or HW_UNTOLD */
	struct hw_netdevs netdevs;	/* the first is the one whose VFs they are */
	struct err why;			/* why it cannot serve; "": it can */
};

/* One VF of it. */
struct hw_vf_dev {
	char address[HW_ADDRESS_LEN + 1]; /* "": it has no function (netdevsim) */
	char driver[HW_DRIVER_LEN + 1];	  /* "": none */
	char override[HW_DRIVER_LEN + 1]; /* driver that was asked for by name; "": any */
	uint32_t group;			  /* IOMMU group, or HW_UNTOLD */
	char shared[HW_ADDRESS_LEN + 1];  /* another function of its group; "": it is alone */
	struct hw_netdevs netdevs;
};

int hw_nic_list(const char *sys, struct hw_nic **out, size_t *n, struct err *e);
int hw_nic_find(const char *sys, const char *name, struct hw_nic *out, struct err *e);
int hw_nic_vf(const char *sys, const struct hw_nic *nic, unsigned int vf, struct hw_vf_dev *out,
	      struct err *e);
int hw_nic_set_numvfs(const char *sys, const struct hw_nic *nic, uint32_t n, struct err *e);
int hw_nic_set_autoprobe(const char *sys, const struct hw_nic *nic, bool on, struct err *e);
int hw_vf_bind(const char *sys, const struct hw_nic *nic, unsigned int vf, const char *driver,
	       struct err *e);
bool hw_vf_is_open(const char *sys, const struct hw_vf_dev *dev);
int hw_vf_may_bind(const char *sys, const struct hw_vf_dev *dev, const char *driver, struct err *e);
int hw_vf_probe(const char *sys, const struct hw_nic *nic, unsigned int vf, bool on, struct err *e);

#endif
