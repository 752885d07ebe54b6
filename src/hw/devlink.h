/* SPDX-License-Identifier: Apache-2.0 */
/* What devlink tells of a NIC's switch. */
#ifndef ANYVF_HW_DEVLINK_H
#define ANYVF_HW_DEVLINK_H

#include <stdint.h>

#include "base/err.h"

struct hw_rt;
struct nlmsghdr;

enum hw_eswitch {
	HW_ESWITCH_NONE,   /* its driver has no modes */
	HW_ESWITCH_LEGACY, /* the `vf` words of ip-link(8) are in force */
	HW_ESWITCH_SWITCHDEV,
	HW_ESWITCH_UNTOLD, /* without root, or a mode that is not known here */
};
extern const char *const hw_eswitch_names[]; /* "" for untold */

int hw_devlink_open(struct hw_rt **rt, uint16_t *family, struct err *e);
struct nlmsghdr *hw_devlink_begin(struct hw_rt *rt, uint16_t family, uint8_t cmd, uint16_t flags);
int hw_eswitch_set(const char *bus, const char *device, enum hw_eswitch mode, struct err *e);
int hw_eswitch_get(const char *bus, const char *device, enum hw_eswitch *out, struct err *e);

#endif
