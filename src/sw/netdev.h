/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side of a port: taps, packet sockets, namespaces. Opening needs
 * root and is done by the parent process alone (parent.c); what the child does
 * with an open descriptor (carrier, MTU, state) needs no privilege.
 */
#ifndef ANYVF_SW_NETDEV_H
#define ANYVF_SW_NETDEV_H

#include <net/if.h>

#include "base/mac.h"
#include "model/vf.h"

/* A tap as it should be. Plain data: it crosses the socket to the parent. */
struct tap_want {
	char name[IFNAMSIZ];	     /* interface name */
	char netns[VF_NAME_LEN + 1]; /* name under /run/netns; "": the daemon's own */
	struct mac mac;		     /* zero: the kernel's choice */
	bool mac_at_birth;	     /* true: the MAC is given once, then it is the user's */
	uint16_t mtu;		     /* bytes of payload; 0: leave */
	bool up;		     /* true: set up; false: leave as it is */
};

/* What a netdev says of itself. */
struct netdev_state {
	unsigned int ifindex; /* 0: there is none of that name */
	bool up;	      /* IFF_UP */
	bool carrier;	      /* IFF_RUNNING */
	uint16_t mtu;	      /* bytes of payload */
};

int netdev_tap_open(const struct tap_want *want, int *fd, struct err *e);
int netdev_tap_apply(int fd, const struct tap_want *want, bool born, struct err *e);
bool netdev_tap_alive(int fd);
uint64_t netdev_netns_id(const char *netns);
void netdev_tap_remove(int fd);
int netdev_tap_set_carrier(int fd, bool carrier);
int netdev_packet_open(const char *name, bool force, int *fd, struct err *e);
int netdev_gre_open(bool v6, int *fd, struct err *e);
bool netdev_has_default_route(const char *name);
int netdev_state(int sock, const char *name, struct netdev_state *out);

#endif
