/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"

#define ANSWER_MAX 65536 /* bytes of a datagram; the kernel makes them of at most 32768 */

/**
 * rtnl_open() - A socket of our namespace, for rtnl_dump()
 * @fd: gets it, non-blocking; the caller closes it
 * @e:  says why not
 *
 * Return: 0 or the kernel's errno.
 * Context: any; no privilege needed.
 */
int rtnl_open(int *fd, struct err *e)
{
	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	return *fd < 0 ? err_errno(e, "netlink") : 0;
}

/**
 * rtnl_u32() - A number in an attribute
 * @a: attribute
 *
 * Return: the number; 0 if it has another size. Context: any.
 */
uint32_t rtnl_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) == sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

/* One datagram of a list. Returns 1: more follow, 0, or a negative errno. */
static int answer_take(int sock, char *bytes, rtnl_fn fn, void *arg)
{
	ssize_t n = recv(sock, bytes, ANSWER_MAX, 0);
	unsigned int left = n < 0 ? 0 : (unsigned int)n;
	int rc = n < 0 ? -errno : 1;

	for (const struct nlmsghdr *h = (const void *)bytes; rc > 0 && NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		rc = h->nlmsg_type == NLMSG_ERROR ? -EIO : fn(arg, h) ?: 1;
	}
	return rc;
}

/**
 * rtnl_dump() - A list of all there is of a kind
 * @sock: of rtnl_open(); what it hears meanwhile is in the list as well
 * @type: RTM_GETLINK, RTM_GETROUTE (of IPv4 and IPv6)
 * @fn:   takes each message, of whatever type
 * @arg:  handed to @fn
 *
 * Return: 0, -EAGAIN: the list is not whole, what @fn said, or the kernel's errno.
 * Context: any; the kernel answers while it is asked.
 */
int rtnl_dump(int sock, uint16_t type, rtnl_fn fn, void *arg)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg m; /* begins with the family, as each does */
	} ask = { { sizeof(ask), type, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 }, { 0 } };
	auto_free char *bytes = malloc(ANSWER_MAX);
	int rc = !bytes ? -ENOMEM : send(sock, &ask, sizeof(ask), 0) < 0 ? -errno : 1;

	while (rc > 0)
		rc = answer_take(sock, bytes, fn, arg);
	return rc;
}
