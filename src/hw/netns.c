/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#define OWN   "/proc/self/ns/net"

/**
 * hw_netns_check() - Is that a name that a namespace can have?
 * @name: from a stranger; "" is none
 * @e:    error text
 *
 * Return: 0 or -EINVAL. Context: any; pure.
 */
int hw_netns_check(const char *name, struct err *e)
{
	if (*name && *name != '.' && strlen(name) <= VF_NAME_LEN && !strpbrk(name, "/\n"))
		return 0;
	return err_set(e, -EINVAL, "\"%.70s\" is no name of a namespace", name);
}

/**
 * hw_netns_open() - A namespace by its name
 * @name: under /run/netns; "": the daemon's own
 * @e:    error text
 *
 * Return: a descriptor, the caller's to close soon; -EINVAL: no name, or no namespace of networks;
 * -ENOENT: there is none; or what open() says. Context: any.
 */
int hw_netns_open(const char *name, struct err *e)
{
	auto_close int fd = -1;
	char path[sizeof(HW_NETNS_DIR) + 1 + VF_NAME_LEN] = OWN;

	if (*name && hw_netns_check(name, e))
		return -EINVAL;
	if (*name)
		snprintf(path, sizeof(path), HW_NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, -ENOENT, "there is no namespace %s", name);
	if (fd < 0)
		return err_errno(e, "namespace %s", name);
	/* A name whose namespace is gone, or was never made, is a plain file. */
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, -EINVAL, "%s is no network namespace", path);
	return take_fd(fd);
}

/**
 * hw_netns_is() - Is there a namespace of that name?
 * @name: under /run/netns
 *
 * Return: true if so. Context: any.
 */
bool hw_netns_is(const char *name)
{
	auto_close int fd = hw_netns_open(name, NULL);

	return fd >= 0;
}

/**
 * hw_netns_rt() - A socket of rtnetlink in another namespace
 * @netns: descriptor of it
 * @out:   gets it; hw_rt_close() ends it
 * @e:     error text
 *
 * Return: 0, -EPERM, or a negative errno.
 * Context: a process of one thread, which is in its own namespace again afterwards; needs
 * CAP_SYS_ADMIN.
 */
int hw_netns_rt(int netns, struct hw_rt **out, struct err *e)
{
	auto_close int own = open(OWN, O_RDONLY | O_CLOEXEC);
	int rc;

	if (own < 0 || setns(netns, CLONE_NEWNET))
		return err_errno(e, "enter a namespace");
	rc = hw_rt_open(out, e);
	if (setns(own,
		  CLONE_NEWNET)) /* all that follows would be done to somebody else's netdevs */
		abort();
	return rc;
}

/**
 * hw_netns_each() - Go through the names there are
 * @fn:  takes each
 * @arg: handed to @fn
 *
 * Return: 0, or what @fn said. Context: any.
 */
int hw_netns_each(hw_sys_fn fn, void *arg)
{
	int rc = hw_sys_each(HW_NETNS_DIR, fn, arg);

	return rc == -ENOENT ? 0 : rc;
}
