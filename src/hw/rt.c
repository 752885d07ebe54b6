/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/rt.h"

#include <ctype.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "hw/link.h"

#define ANSWER_FIRST (32U << 10)
#define ANSWER_MAX   (4U << 20) /* a datagram that is longer is none of the kernel's */
#define ANSWER_S     5		/* the kernel answers while it is asked; some drivers take long */

/**
 * hw_rt_open_bus() - A socket of a netlink bus
 * @bus: NETLINK_ROUTE, NETLINK_GENERIC
 * @out: gets it; hw_rt_close() ends it
 * @e:   says why not
 *
 * Return: 0 or a negative errno.
 * Context: any; no privilege needed.
 */
int hw_rt_open_bus(int bus, struct hw_rt **out, struct err *e)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	auto_of(hw_rt_close) struct hw_rt *rt = calloc(1, sizeof(*rt));
	int on = 1;

	if (!rt || !(rt->bytes = malloc(ANSWER_FIRST)))
		return err_set(e, -ENOMEM, "out of memory");
	rt->size = ANSWER_FIRST;
	rt->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!rt->sock || mnl_socket_bind(rt->sock, 0, MNL_SOCKET_AUTOPID))
		return err_errno(e, "netlink");
	/* Older kernels know less; their errors are as good without a sentence. */
	mnl_socket_setsockopt(rt->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(rt->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(mnl_socket_get_fd(rt->sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)))
		return err_errno(e, "netlink");
	rt->portid = mnl_socket_get_portid(rt->sock);
	*out = take(rt);
	return 0;
}

/**
 * hw_rt_open() - A socket of rtnetlink
 * @out: gets it; hw_rt_close() ends it
 * @e:   says why not
 *
 * It is of the caller's network namespace, and stays so.
 *
 * Return: 0 or a negative errno. Context: any.
 */
int hw_rt_open(struct hw_rt **out, struct err *e)
{
	return hw_rt_open_bus(NETLINK_ROUTE, out, e);
}

/**
 * hw_rt_close() - End a socket
 * @rt: socket, may be NULL
 *
 * Context: its thread.
 */
void hw_rt_close(struct hw_rt *rt)
{
	if (!rt)
		return;
	if (rt->sock)
		mnl_socket_close(rt->sock);
	free(rt->bytes);
	free(rt);
}

/**
 * hw_rt_name() - The name that an attribute holds, as it can be shown and saved
 * @a:   attribute
 * @out: gets it, with ? for each byte that is none of printable ASCII: whoever has a namespace may
 *       give a netdev in it any name. "": it is none, or too long
 *
 * Context: any; pure.
 */
void hw_rt_name(const struct nlattr *a, char out[IF_NAMESIZE])
{
	const char *name = mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(a);

	snprintf(out, IF_NAMESIZE, "%s", strlen(name) < IF_NAMESIZE ? name : "");
	for (char *p = out; *p; p++)
		if (!isgraph((unsigned char)*p))
			*p = '?';
}

/**
 * hw_rt_begin() - Begin a request
 * @rt:    socket
 * @type:  RTM_GETLINK, ...
 * @flags: NLM_F_REQUEST is added
 *
 * Return: its header, in @rt; attributes follow by mnl_attr_put(), up to HW_RT_ASK_MAX in all.
 * Context: the socket's thread.
 */
struct nlmsghdr *hw_rt_begin(struct hw_rt *rt, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(rt->ask);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++rt->seq;
	return h;
}

/* What the kernel says beside its errno, or NULL. */
static const char *said(const struct nlmsghdr *h)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);
	size_t skip = sizeof(*err);
	const struct nlattr *a;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(h) < sizeof(*err))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - sizeof(err->msg);
	if (skip > mnl_nlmsg_get_payload_len(h))
		return NULL;
	mnl_attr_for_each (a, h, skip)
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(a);
	return NULL;
}

static int refused(const struct nlmsghdr *h, struct err *e)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);
	const char *text;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(err->error))
		return err_set(e, -EBADMSG, "netlink: an answer is cut off");
	if (!err->error)
		return 0;
	text = said(h);
	return err_set(e, err->error, "%s%s%s%s", strerror(-err->error), text ? " (" : "",
		       text ?: "", text ? ")" : "");
}

/* One datagram, whole. Returns its bytes, or a negative errno. */
static int hear(struct hw_rt *rt, struct err *e)
{
	int fd = mnl_socket_get_fd(rt->sock);
	ssize_t n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);

	if (n > (ssize_t)rt->size && n <= (ssize_t)ANSWER_MAX) {
		char *more = realloc(rt->bytes, (size_t)n);

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		rt->bytes = more;
		rt->size = (size_t)n;
	}
	if (n >= 0)
		n = recv(fd, rt->bytes, rt->size, MSG_TRUNC);
	if (n < 0)
		return errno == EAGAIN ? err_set(e, -ETIMEDOUT, "the kernel does not answer")
				       : err_errno(e, "netlink");
	if ((size_t)n > rt->size)
		return err_set(e, -EMSGSIZE, "netlink: an answer has %zd bytes", n);
	return (int)n;
}

/* The messages of a datagram. Returns 1: more follow, 0: that was all, or a negative errno. */
static int judge(struct hw_rt *rt, int n, hw_rt_fn fn, void *arg, struct err *e)
{
	int rc = 1;

	for (const struct nlmsghdr *h = (const void *)rt->bytes; rc > 0 && hw_rt_whole(h, n);
	     h = mnl_nlmsg_next(h, &n)) {
		if (h->nlmsg_seq != rt->seq || h->nlmsg_pid != rt->portid)
			continue; /* of a request that was given up */
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			return err_set(e, -EAGAIN, "the list changed while it was read");
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return refused(h, e);
		if (h->nlmsg_type >= NLMSG_MIN_TYPE && fn)
			rc = fn(arg, h, e) ?: 1;
	}
	return rc;
}

/**
 * hw_rt_call() - Ask the kernel, and hear all of its answer
 * @rt:  socket
 * @ask: of hw_rt_begin(); with NLM_F_ACK or NLM_F_DUMP, so that the answer has an end
 * @fn:  takes each message of it; may be NULL
 * @arg: handed to @fn
 * @e:   the kernel's words
 *
 * Return: 0, the kernel's errno, what @fn said, -ETIMEDOUT, -EAGAIN (a list that changed), -ENOMEM.
 * Context: the socket's thread; blocks as long as the driver takes.
 */
int hw_rt_call(struct hw_rt *rt, struct nlmsghdr *ask, hw_rt_fn fn, void *arg, struct err *e)
{
	int rc = 1;

	if (mnl_socket_sendto(rt->sock, ask, ask->nlmsg_len) < 0)
		return err_errno(e, "netlink");
	while (rc > 0) {
		rc = hear(rt, e);
		if (rc >= 0)
			rc = judge(rt, rc, fn, arg, e);
	}
	return rc;
}
