/* SPDX-License-Identifier: Apache-2.0 */
/* A netlink socket: requests and their answers whole, however long, and what the kernel says of an error. */
#ifndef ANYVF_HW_RT_H
#define ANYVF_HW_RT_H

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>

#include "base/err.h"

#define HW_RT_ASK_MAX 4096 /* bytes of a request */

/* One socket of a namespace. Used by one thread. */
struct hw_rt {
	struct mnl_socket *sock;
	uint32_t seq, portid;
	char *bytes; /* of an answer */
	size_t size; /* room there is in bytes */
	char ask[HW_RT_ASK_MAX] __attribute__((aligned(8)));
};

/* Takes one message of an answer; a negative errno ends it. */
typedef int (*hw_rt_fn)(void *arg, const struct nlmsghdr *h, struct err *e);

/* Is all of a message in these bytes? mnl_nlmsg_ok() takes a length of 2 GB and more for a negative one. */
static inline bool hw_rt_whole(const struct nlmsghdr *h, int size)
{
	return mnl_nlmsg_ok(h, size) && h->nlmsg_len <= (unsigned int)size;
}

int hw_rt_open_bus(int bus, struct hw_rt **out, struct err *e);
void hw_rt_name(const struct nlattr *a, char out[IF_NAMESIZE]);
struct nlmsghdr *hw_rt_begin(struct hw_rt *rt, uint16_t type, uint16_t flags);
int hw_rt_call(struct hw_rt *rt, struct nlmsghdr *ask, hw_rt_fn fn, void *arg, struct err *e);

#endif
