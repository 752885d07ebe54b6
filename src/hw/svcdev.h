/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netdev of a service port on a NIC's PF: without a VLAN a macvlan, whose MAC the NIC takes as
 * a further one of the PF, else a VLAN's netdev. What it hears is what the NIC's switch brings to
 * the PF. It is known by its kind, the PF below it, VLAN and MAC, whatever its name. Both functions may be
 * called again for what is done already.
 */
#ifndef ANYVF_HW_SVCDEV_H
#define ANYVF_HW_SVCDEV_H

#include "hw/netdev.h"
#include "hw/plan.h"

bool hw_svc_is_there(struct hw_rt *rt, int pf, const struct hw_value *svc);
bool hw_svc_is_elsewhere(struct hw_rt *rt, int pf, const struct hw_value *svc);
bool hw_svc_name_is_taken(struct hw_rt *rt, const char *netns, const char *name);
int hw_svc_make(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e);
int hw_svc_remove(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e);

#endif
