/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets for ctl and for the root parent of anyvf-swd. */
#include "base/sock.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SOCK_FDS_MAX 16

static int unix_addr(const char *path, struct sockaddr_un *out, struct err *e)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return err_set(e, -ENAMETOOLONG, "%s: longer than %zu characters", path,
			       sizeof(out->sun_path) - 1);
	strcpy(out->sun_path, path);
	return 0;
}

/* A stream socket, and the address of @path in @addr. */
static int unix_socket(const char *path, int flags, struct sockaddr_un *addr, struct err *e)
{
	int rc = unix_addr(path, addr, e);

	if (rc)
		return rc;
	rc = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	return rc < 0 ? err_errno(e, "socket") : rc;
}

/**
 * sock_listen_unix() - Listen on a Unix socket
 * @path: socket; a stale file there is removed (whoever calls holds the directory's lock)
 * @mode: permissions of the socket
 * @e:    error text, may be NULL
 *
 * Return: a non-blocking listening descriptor, or a negative errno.
 */
int sock_listen_unix(const char *path, mode_t mode, struct err *e)
{
	struct sockaddr_un addr;
	auto_close int fd = unix_socket(path, SOCK_NONBLOCK, &addr, e);

	if (fd < 0)
		return fd;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || chmod(path, mode) ||
	    listen(fd, SOCK_BACKLOG))
		return err_errno(e, "%s", path);
	return take_fd(fd);
}

/**
 * sock_connect_unix() - Connect to a Unix socket
 * @path: socket
 * @e:    error text, may be NULL
 *
 * Return: a blocking descriptor, or a negative errno (-ENOENT, -ECONNREFUSED: nobody serves,
 * -ETIMEDOUT: who serves hangs, and as many wait for it as may).
 */
int sock_connect_unix(const char *path, struct err *e)
{
	return sock_connect_unix_within(path, SOCK_CONNECT_MS, e);
}

/**
 * sock_connect_unix_within() - Connect to a Unix socket whose server may hang
 * @path:	socket
 * @timeout_ms: longest wait for a place in its queue
 * @e:		error text, may be NULL
 *
 * Return: as sock_connect_unix().
 */
int sock_connect_unix_within(const char *path, unsigned int timeout_ms, struct err *e)
{
	const struct timeval wait = { timeout_ms / 1000, MAX(timeout_ms % 1000 * 1000, 1u) };
	static const struct timeval ever = { 0 };
	struct sockaddr_un addr;
	auto_close int fd = unix_socket(path, 0, &addr, e);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return errno == EAGAIN ? err_set(e, -ETIMEDOUT, "%s: nobody answers", path)
				       : err_errno(e, "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ever, sizeof(ever));
	return take_fd(fd);
}

/**
 * sock_pair() - Two connected ends that keep message borders (SOCK_SEQPACKET)
 * @out: both ends, blocking
 * @e:   error text, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int sock_pair(int out[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out))
		return err_errno(e, "socketpair");
	return 0;
}

/**
 * sock_send_fds() - Send bytes and descriptors in one message
 * @sock:  connected socket
 * @data:  at least one byte
 * @size:  how many
 * @fds:   descriptors to duplicate into the peer; stay ours
 * @n_fds: 0..16
 *
 * Return: 0 or a negative errno.
 */
int sock_send_fds(int sock, const void *data, size_t size, const int *fds, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * SOCK_FDS_MAX)];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > SOCK_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/**
 * sock_recv_fds() - Receive bytes and descriptors
 * @sock:  connected socket
 * @data:  buffer
 * @size:  its size
 * @fds:   gets the descriptors (O_CLOEXEC), the caller's from now on
 * @n_fds: in: room in @fds, at most 16; out: how many came. More than fit are closed.
 *
 * Return: number of bytes, 0 at the peer's end, or a negative errno.
 */
ssize_t sock_recv_fds(int sock, void *data, size_t size, int *fds, unsigned int *n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * SOCK_FDS_MAX)];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.buf,
			      .msg_controllen = sizeof(ctl.buf) };
	unsigned int room = *n_fds, n = 0;
	ssize_t got;

	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	*n_fds = 0;
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		const int *in = (const int *)(const void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			if (n < room)
				fds[n++] = in[i];
			else
				close(in[i]);
		}
	}
	*n_fds = n;
	return got;
}

typedef int (*name_fn)(int fd, struct sockaddr *out, socklen_t *size);

static bool has_name(int fd, name_fn name, const char *path)
{
	struct sockaddr_un addr = { 0 };
	socklen_t size = sizeof(addr) - 1; /* so that the path ends */

	return !name(fd, (struct sockaddr *)&addr, &size) && addr.sun_family == AF_UNIX &&
	       !strcmp(addr.sun_path, path);
}

/**
 * sock_hurry_unix() - Bound how long this process's sockets of a path may block
 * @path: absolute name of the socket, as the side that listens has it
 * @ms:   after which a read or write fails with EAGAIN
 *
 * For libraries that keep their descriptors to themselves.
 *
 * Return: number of sockets.
 * Context: any thread; a few microseconds for each descriptor that is open.
 */
unsigned int sock_hurry_unix(const char *path, unsigned int ms)
{
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned int n = 0;

	while (fds && (entry = readdir(fds))) {
		int fd = atoi(entry->d_name);

		if (!has_name(fd, getsockname, path) && !has_name(fd, getpeername, path))
			continue;
		n += !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) &&
		     !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (fds)
		closedir(fds);
	return n;
}

/**
 * sock_netns() - Which network namespace is this process in?
 *
 * Return: its cookie (SO_NETNS_COOKIE), which no other namespace has until the host boots; 0 where
 * the kernel, before 5.14, tells none.
 */
uint64_t sock_netns(void)
{
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) ? 0 : cookie;
}

/**
 * sock_deafen_unix() - Let our listeners on a Unix socket take nobody any more
 * @path: of the socket
 *
 * close() alone does not do that at once: a thread that waits for the socket holds it until it
 * wakes.
 *
 * Return: how many listened.
 */
unsigned int sock_deafen_unix(const char *path)
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned int n = 0;

	while (fds && (entry = readdir(fds))) {
		int fd = atoi(entry->d_name), listens = 0;
		socklen_t size = sizeof(listens);

		if (has_name(fd, getsockname, path) &&
		    !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) && listens)
			n += !shutdown(fd, SHUT_RDWR);
	}
	if (fds)
		closedir(fds);
	return n;
}
