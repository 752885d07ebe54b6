/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software PF's control half: it owns PFs, VFs, service ports and mirrors,
 * keeps them in a state file, opens what they are plugged into, and publishes
 * snapshots to the data plane. Used by daemons/swd.c, served by ctl.
 */
#ifndef ANYVF_SW_CONTROL_SW_H
#define ANYVF_SW_CONTROL_SW_H

#include "base/loop.h"
#include "model/pf_ops.h"

struct dp;
struct parent;
struct sw;

struct sw_opts {
	struct loop *loop;
	struct dp *dp;	       /* the data plane, already running */
	struct parent *parent; /* opens taps and netdevs; NULL without root */
	const char *run_dir;   /* vhost sockets are RUN_DIR/vhost/PF-N/sock by default */
	const char *state;     /* state file; NULL: settings end with the process */
};

/* All members of @opts outlive the switch; strings are copied. */
int sw_open(const struct sw_opts *opts, struct sw **out, struct err *e);
void sw_close(struct sw *sw);
AUTO_DEFINE(struct sw *, sw_close)

extern const struct pf_ops sw_ops; /* ctx is struct sw */

#endif
