/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-swd is two processes (privilege separation). The parent is small, root, single-threaded and
 * without DPDK: it opens what needs privilege, passes descriptors, keeps taps
 * over a crash of the child, and starts the child again. The child holds guest
 * memory and no privileges (child_sandbox.h); what it may ask for is in
 * parent_rules.h. Users: daemons/swd.c (both ends), and what asks for something.
 */
#ifndef ANYVF_SW_PARENT_PARENT_H
#define ANYVF_SW_PARENT_PARENT_H

#include "base/decision.h"
#include "sw/parent/child_sandbox.h"
#include "sw/parent/netdev.h"

#define PARENT_TAPS_MAX 4096

struct parent; /* the child's end of the socket */
struct parent_rules;

struct parent_opts {
	struct child_sandbox child;		  /* what the child becomes */
	const struct parent_rules *rules; /* what it may have */
	const char *state;		  /* the state file */
	gid_t qemu;			  /* group of QEMU, for vhost-user sockets; -1: there is none */
};

/* Runs as the child; returns the exit code. @p is NULL without root: no taps, no netdevs. */
typedef int (*parent_child_fn)(struct parent *p, void *arg);

int parent_run(const struct parent_opts *opts, parent_child_fn fn, void *arg);
int parent_ready(struct parent *p, struct err *e);
void parent_beat(void *p, pid_t tid);
int parent_tap_open(struct parent *p, const struct tap_want *want, int *fd, struct err *e);
int parent_tap_close(struct parent *p, const char *name, const char *netns, struct err *e);
int parent_tap_where(struct parent *p, const struct tap_place *asked, struct tap_place *out,
		     struct netdev_state *state, struct err *e);
int parent_netns_born(struct parent *p, const char *pid, uint64_t *out, struct err *e);
int parent_links_follow(struct parent *p, int *fd, struct err *e);
int parent_gre_open(struct parent *p, bool v6, int *fd, struct err *e);
int parent_packet_open(struct parent *p, const char *netdev, bool force, int *fd, struct err *e);
int parent_mirror_open(struct parent *p, const char *path, int *fd, struct err *e);

/* What happens to a vhost-user socket: verbs of one argument. */
enum parent_socket { SOCKET_LOOK, SOCKET_BIND, SOCKET_CONNECT, SOCKET_CLOSE };
int parent_socket(struct parent *p, enum parent_socket what, const char *path, int *fd,
		  struct err *e);

int parent_state_read(struct parent *p, const char *path, size_t max, char **out, size_t *size,
		      struct err *e);
int parent_state_save(struct parent *p, const char *path, const char *text, size_t size,
		      struct err *e);
int parent_state_append(struct parent *p, const char *path, size_t size, const char *text,
			size_t more, struct err *e);
int parent_decide(struct parent *p, const char *path, const char *id, enum decision want,
		  enum decision *is, struct err *e);

#endif
