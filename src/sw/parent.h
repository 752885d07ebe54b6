/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-swd is two processes. The parent is small, root, single-threaded and
 * without DPDK: it opens what needs privilege, passes descriptors, keeps taps
 * over a crash of the child, and starts the child again. The child holds guest
 * memory and no privileges. Users: daemons/swd.c (both ends), tap.c, uplink.c.
 */
#ifndef ANYVF_SW_PARENT_H
#define ANYVF_SW_PARENT_H

#include "sw/netdev.h"

#define PARENT_TAPS_MAX 4096

struct parent; /* the child's end of the socket */

struct parent_opts {
	const char *user;  /* account of the child; if there is none, root without capabilities */
	const char *group; /* extra group of the child (QEMU's), if there is one */
	bool keep_privileges; /* the child stays root: DPDK drivers that need it */
};

/* Runs as the child; returns the exit code. @p is NULL without root: no taps, no netdevs. */
typedef int (*parent_child_fn)(struct parent *p, void *arg);

int parent_run(const struct parent_opts *opts, parent_child_fn fn, void *arg);
int parent_ready(struct parent *p, struct err *e);
void parent_beat(void *p, pid_t tid);
int parent_tap_open(struct parent *p, const struct tap_want *want, int *fd, struct err *e);
int parent_tap_close(struct parent *p, const char *name, const char *netns, struct err *e);
int parent_gre_open(struct parent *p, bool v6, int *fd, struct err *e);
int parent_packet_open(struct parent *p, const char *netdev, bool force, int *fd, struct err *e);

#endif
