/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netdevs and their VFs by rtnetlink(7), through libmnl: what the kernel tells of them, and one
 * attribute set at a time, so that it is known which one was refused. The kernel's errno is kept, and what it
 * says in an extended ack stands in the error's text.
 */
#ifndef ANYVF_HW_LINK_H
#define ANYVF_HW_LINK_H

#include <net/if.h>

#include "hw/words.h"
#include "model/pf.h"

/* A socket of the namespace it was opened in, used by one thread. */
struct hw_rt;
struct nlmsghdr;

struct hw_vf {
	struct hw_words words;
	uint32_t
		told; /* bits by enum vf_field of what the driver tells; the rest of words is zero */
	bool counted; /* stats are there; of what is 0, hw_counts_untold() tells more */
	struct vf_stats stats;
};

struct hw_link {
	int ifindex;
	char name[IF_NAMESIZE];
	struct mac mac;
	uint32_t mtu;
	bool up, carrier;
	struct vf_stats stats; /* its own, without what no netdev counts; rx is from the wire */
	struct pf_errors errors;
	struct pf_link more; /* without its bus */
	struct vf_groups groups; /* by devlink */
	unsigned int n_vfs;
	struct hw_vf vfs[]; /* array of n_vfs */
};

int hw_rt_open(struct hw_rt **out, struct err *e);
void hw_rt_close(struct hw_rt *rt);
AUTO_DEFINE(struct hw_rt *, hw_rt_close)

/* What is asked for of a link's VFs. */
enum hw_ask { HW_ASK_SETTINGS, HW_ASK_STATS };

int hw_link_parse(const struct nlmsghdr *h, enum hw_ask ask, struct hw_link **out, struct err *e);
int hw_link_get(struct hw_rt *rt, int ifindex, enum hw_ask ask, struct hw_link **out,
		struct err *e);
int hw_link_set_vf(struct hw_rt *rt, int ifindex, unsigned int vf, enum hw_attr attr,
		   const struct hw_words *want, struct err *e);

/* What a netdev itself has; hw_link_set() takes one. */
enum hw_link_word { HW_LINK_UP, HW_LINK_MTU, HW_LINK_MAC, HW_LINK_NAME, HW_LINK_NETNS };
struct hw_link_value {
	enum hw_link_word word;
	bool up;
	uint32_t mtu;
	struct mac mac;
	char name[IF_NAMESIZE];
	int netns; /* descriptor; with a name, where that is not "" */
};
int hw_link_set(struct hw_rt *rt, int ifindex, const struct hw_link_value *want, struct err *e);

#endif
