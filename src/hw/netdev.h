/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netdev of a VF, wherever it is: it is known by the PCI function that it belongs to, which the kernel tells
 * in each namespace, whatever its name. All functions may be called again for what is done already.
 */
#ifndef ANYVF_HW_NETDEV_H
#define ANYVF_HW_NETDEV_H

#include "hw/link.h"
#include "hw/nic.h"
#include "hw/plan.h"

#define HW_VFIO "vfio-pci"

/* Where a netdev is. */
struct hw_spot {
	int ifindex; /* in its namespace; 0: it is seen nowhere */
	char name[IF_NAMESIZE];
	char netns[VF_NAME_LEN + 1]; /* "": this one */
};

/* How far to look for it. */
enum hw_reach {
	HW_REACH_NEAR,
	HW_REACH_ALL
}; /* here and in one namespace; in all that have a name */

int hw_netdev_name_check(const char *name, struct err *e);
void hw_netdev_find(const struct hw_vf_dev *dev, const char *netns, enum hw_reach reach,
		    struct hw_spot *out);
int hw_netdev_driver(const char *sys, const struct hw_nic *nic, unsigned int vf, const char *driver,
		     struct err *e);
int hw_netdev_probe(const char *sys, const struct hw_nic *nic, unsigned int vf, bool on,
		    struct err *e);
int hw_netdev_up(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		 bool up, struct err *e);
int hw_netdev_place(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		    const struct hw_value *to, char home[IF_NAMESIZE], struct err *e);
bool hw_macvtap_find(const char *sys, const struct hw_vf_dev *dev, struct hw_netdev *out);
int hw_macvtap_add(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   const char *name, struct err *e);
int hw_macvtap_del(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   struct err *e);

#endif
