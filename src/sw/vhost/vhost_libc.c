/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librte_vhost makes its sockets itself, by path, and has no call that takes one
 * ready-made. So its bind(), connect() and accept() are these: they come before
 * libc's as the program's own. With a root parent a Unix socket's name is bound
 * and connected to there, where the rules are and the right to; what the library
 * has becomes that socket. Who connects to us is looked at. And recvmsg() closes
 * descriptors that come with a message which has no use for them: the library forgets
 * some of those it refuses. pipe() is there to know the one that wakes its thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/log.h"
#include "sw/parent/parent.h"
#include "sw/parent/peers.h"
#include "sw/vhost/vhost_priv.h"

static struct parent *from;	    /* NULL: libc's way */
static const struct peers *allowed; /* NULL: anyone */
static unsigned int refused;	    /* atomic: strangers turned away */
static __thread bool starting;	    /* in rte_vhost_driver_start(): a pipe is the library's */
static int waker = -1;		    /* writable: the library's thread looks at its sockets anew */

/**
 * vhost_libc_setup() - Where the library's sockets come from
 * @parent: the root parent; NULL: it makes them itself
 * @peers:  who may connect; NULL: anyone
 *
 * Context: control, before the first socket.
 */
void vhost_libc_setup(struct parent *parent, const struct peers *peers)
{
	from = parent;
	allowed = peers;
}

/* Puts the parent's socket in the place of the library's, whose flags stay. */
static int become(int fd, enum parent_socket what, const char *path)
{
	auto_close int made = -1;
	int flags = fcntl(fd, F_GETFL), rc;

	rc = parent_socket(from, what, path, &made, NULL);
	if (!rc && (dup3(made, fd, O_CLOEXEC) < 0 || fcntl(fd, F_SETFL, flags)))
		rc = -errno;
	errno = -rc;
	return rc ? -1 : 0;
}

static bool is_ours(const struct sockaddr *addr, socklen_t size)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)addr;

	return from && size == sizeof(*un) && un->sun_family == AF_UNIX && un->sun_path[0] == '/' &&
	       memchr(un->sun_path, 0, sizeof(un->sun_path));
}

/**
 * bind() - bind(2), by the parent for a Unix socket with a path
 * @fd:   socket
 * @addr: address
 * @size: its size
 *
 * Return: 0, or -1 and errno.
 */
int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t size)
{
	if (is_ours(addr.__sockaddr__, size))
		return become(fd, SOCKET_BIND, addr.__sockaddr_un__->sun_path);
	return (int)syscall(SYS_bind, fd, addr.__sockaddr__, size);
}

/**
 * connect() - connect(2), by the parent for a Unix socket with a path
 * @fd:   socket
 * @addr: address
 * @size: its size
 *
 * Return: 0, or -1 and errno.
 */
int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t size)
{
	if (is_ours(addr.__sockaddr__, size))
		return become(fd, SOCKET_CONNECT, addr.__sockaddr_un__->sun_path);
	return (int)syscall(SYS_connect, fd, addr.__sockaddr__, size);
}

/**
 * pipe() - pipe(2); that of the library is remembered
 * @fds: gets both ends
 *
 * Return: 0, or -1 and errno.
 */
int pipe(int fds[2])
{
	int rc = pipe2(fds, starting ? O_CLOEXEC : 0);

	if (!rc && starting)
		waker = fds[1];
	return rc;
}

/**
 * vhost_libc_start() - rte_vhost_driver_start(), and who waits for the socket is heard at once
 * @path: of a socket that is registered
 *
 * The library's thread learns of a socket that listens when its poll() is over, which takes a
 * second: so long all guests waited after each restart. Its own pipe ends that.
 *
 * Return: as that one. Context: control.
 */
int vhost_libc_start(const char *path)
{
	int rc;

	starting = true;
	rc = rte_vhost_driver_start(path);
	starting = false;
	if (rc && fcntl(waker, F_GETFD) < 0)
		waker = -1; /* without a thread the library has closed it; without a socket not */
	if (!rc && waker >= 0)
		(void)!write(waker, "", 1);
	return rc;
}

/* At 1, 2, 4 … strangers the log says so: who is turned away may come again as fast as he likes. */
static void refuse(const struct err *e)
{
	unsigned int n = __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);

	if (!(n & (n - 1)))
		log_warn("a front end is turned away", "refused=%u: %s", n, e->msg);
}

/**
 * accept() - accept(2), of front ends that may be one
 * @fd:   listening socket
 * @addr: gets the other end's address, or NULL
 * @size: of it
 *
 * Return: the connection; -1 and errno, EPERM for a stranger.
 */
int accept(int fd, __SOCKADDR_ARG addr, socklen_t *size)
{
	int got = accept4(fd, addr, size, SOCK_CLOEXEC);
	struct err e = { 0 };

	if (got < 0 || !allowed || !peers_check(allowed, got, &e))
		return got;
	refuse(&e);
	close(got);
	errno = EPERM;
	return -1;
}

#define MESSAGE_HEAD                                                                               \
	12 /* bytes of a vhost-user message's header; nobody else reads as many at once */

/* Whether a request that we take may come with descriptors. */
static bool brings_fds(uint32_t request)
{
	return request == SET_MEM_TABLE || request == SET_VRING_KICK ||
	       request == SET_VRING_CALL || request == SET_VRING_ERR;
}

static bool is_rights(const struct cmsghdr *c)
{
	return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
}

/*
 * A descriptor that is written to, or waited for, is an eventfd: no file of a mount that hangs, no
 * pipe or socket that is full. They are of no file type, and what else is of none does not wait.
 * Who serves a file is not asked: that would be the wait.
 */
static bool is_event(int fd)
{
	struct statx st;

	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
	       !(st.stx_mode & S_IFMT);
}

/*
 * Memory is memfd's, tmpfs's or hugetlbfs's: these alone have seals (fcntl(2)), and nobody else
 * answers for their pages. The first touch of another file's page waits for a disk, or for ever.
 */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool all_are(struct msghdr *msg, bool (*what)(int fd))
{
	bool all = true;
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		for (size_t at = CMSG_LEN(0); at < c->cmsg_len && is_rights(c); at += sizeof(fd)) {
			memcpy(&fd, (uint8_t *)c + at, sizeof(fd));
			all &= what(fd);
		}
	return all;
}

static void fds_close(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (!is_rights(c))
			continue;
		for (size_t at = CMSG_LEN(0); at < c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (uint8_t *)c + at, sizeof(fd));
			close(fd);
		}
	}
}

/**
 * recvmsg() - recvmsg(2), without descriptors that a vhost-user message has no use for
 * @fd:    socket
 * @msg:   what is received, and where to
 * @flags: flags
 *
 * The library goes on as if none had come.
 *
 * Return: bytes, or -1 and errno.
 */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);
	uint32_t request;

	if (n != MESSAGE_HEAD || msg->msg_iov->iov_len != MESSAGE_HEAD || !msg->msg_controllen)
		return n;
	memcpy(&request, msg->msg_iov->iov_base, sizeof(request));
	if (brings_fds(request) && all_are(msg, request == SET_MEM_TABLE ? is_memory : is_event))
		return n;
	fds_close(msg);
	msg->msg_controllen = 0;
	return n;
}
