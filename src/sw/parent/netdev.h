/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side of a port: taps, packet sockets, namespaces. Opening needs
 * root and is done by the parent process alone (parent.c); what the child does
 * with an open descriptor (carrier, MTU, state) needs no privilege.
 */
#ifndef ANYVF_SW_PARENT_NETDEV_H
#define ANYVF_SW_PARENT_NETDEV_H

#include <net/if.h>

#include "base/mac.h"
#include "model/vf.h"

/* A tap as it should be. Plain data: it crosses the socket to the parent. */
struct tap_want {
	char name[IFNAMSIZ];	     /* interface name */
	char netns[VF_NAME_LEN + 1]; /* word of its namespace (netns.h) */
	struct mac mac;		     /* zero: the kernel's choice */
	bool mac_at_birth;	     /* true: the MAC is given once, then it is the user's */
	uint16_t mtu;		     /* bytes of payload; 0: leave */
	bool up, down;		     /* set up, or down; neither: leave as it is */
	bool rest_at_birth;	     /* MTU, up and down as mac_at_birth */
};

/* Where a tap is. */
struct tap_place {
	char name[IFNAMSIZ];
	char netns[VF_NAME_LEN + 1]; /* word of its namespace */
};

/* The account a tap of ours belongs to: how it is known in our next life. */
struct tap_mark {
	uid_t owner;
	gid_t group;
};

/* What a tap of ours gets when it is made, beside its settings. */
struct tap_birth {
	struct tap_mark mark;
	unsigned int ifindex; /* it keeps it, whatever its name and namespace come to be */
};

/* What is there under a tap's name or index. */
struct tap_look {
	unsigned int ifindex;  /* 0: nothing */
	bool tap;	       /* it is a tap */
	bool owned, grouped;   /* it has an owner, a group */
	struct tap_mark mark;
};

/* Whose a tap is. */
enum tap_origin {
	TAP_ABSENT,  /* nobody's yet: it will be ours */
	TAP_OURS,    /* the parent made it, in this life or an earlier one */
	TAP_LENT,    /* another's, and we may use it */
	TAP_FOREIGN, /* another's */
	TAP_NONE,    /* something else that has the name */
};

/* What a netdev says of itself. */
struct netdev_state {
	unsigned int ifindex; /* 0: there is none */
	char name[IFNAMSIZ];
	struct mac mac;
	bool up;      /* IFF_UP */
	bool carrier; /* IFF_RUNNING */
	uint16_t mtu; /* bytes of payload */
};

int netdev_tap_look(const char *name, const char *netns, struct tap_look *out, struct err *e);
void netdev_tap_find(const char *netns, unsigned int ifindex, char name[IFNAMSIZ],
		     struct tap_look *out);
int netdev_tap_open(const struct tap_want *want, const struct tap_birth *born, int *fd,
		    struct err *e);
int netdev_tap_apply(int fd, const struct tap_want *want, bool born, struct err *e);
bool netdev_tap_is(int fd);
bool netdev_tap_alive(int fd);
uint64_t netdev_tap_where(int fd, char name[IFNAMSIZ]);
void netdev_tap_remove(int fd);
int netdev_tap_set_carrier(int fd, bool carrier);
/*
 * The receive ring of its socket, if the kernel gave it one: TPACKET_V2 of packet(7). What is larger
 * than a slot waits whole in the socket's queue, TP_STATUS_COPY says so.
 */
#define PACKET_SLOT  2048u /* bytes, some hundred of them the slot's own */
#define PACKET_SLOTS 2048u
#define PACKET_RING  ((size_t)PACKET_SLOTS * PACKET_SLOT)
int netdev_packet_open(const char *name, int *fd, struct err *e);
int netdev_gre_open(bool v6, int *fd, struct err *e);
int netdev_follow(int *fd, struct err *e);
int netdev_state(int sock, unsigned int ifindex, struct netdev_state *out);
void netdev_tap_state(int fd, struct netdev_state *out);

#endif
