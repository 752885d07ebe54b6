/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces that have a name under /run/netns, as ip-netns(8) gives them. None is held open for longer
 * than a question takes: it would not die, and its netdevs would not come back.
 */
#ifndef ANYVF_HW_NETNS_H
#define ANYVF_HW_NETNS_H

#include "hw/link.h"
#include "hw/sysfs.h"

#define HW_NETNS_DIR "/run/netns"

int hw_netns_check(const char *name, struct err *e);
int hw_netns_open(const char *name, struct err *e);
bool hw_netns_is(const char *name);
int hw_netns_rt(int netns, struct hw_rt **out, struct err *e);
int hw_netns_each(hw_sys_fn fn, void *arg);

#endif
