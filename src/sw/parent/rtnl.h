/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7), as far as it is heard and asked for lists. */
#ifndef ANYVF_SW_PARENT_RTNL_H
#define ANYVF_SW_PARENT_RTNL_H

#include <linux/rtnetlink.h>
#include <stdint.h>

#include "base/err.h"

/* Each attribute @a of @left bytes (an int, used up) from @first on. */
#define rtnl_each(a, first, left)                                                                  \
	for (const struct rtattr *a = (first); RTA_OK(a, left); a = RTA_NEXT(a, left))

/* Takes one message of a list; a negative errno ends it. */
typedef int (*rtnl_fn)(void *arg, const struct nlmsghdr *h);

int rtnl_open(int *fd, struct err *e);
int rtnl_dump(int sock, uint16_t type, rtnl_fn fn, void *arg);
uint32_t rtnl_u32(const struct rtattr *a);

#endif
