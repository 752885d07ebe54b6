/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/sock.h"

#define FIRST	 3    /* SD_LISTEN_FDS_START */
#define KEPT_MAX 8192 /* more are nobody's */
#ifndef SIOCUNIXFILE  /* <linux/un.h> has it, which is not for <sys/un.h>'s company */
#define SIOCUNIXFILE SIOCPROTOPRIVATE
#endif

/* Of our last life, and taken by nobody yet. Written and read by the main thread. */
struct kept {
	int fd;
	const char *name; /* in names */
};
static struct kept *kept; /* array of n_kept */
static unsigned int n_kept;
static char *names;
static bool keeps;

/* Digits alone; 0 for what is no number up to @max. */
static unsigned int number(const char *text, unsigned int max)
{
	unsigned long n = 0;
	char *end = NULL;

	if (text && *text >= '0' && *text <= '9')
		n = strtoul(text, &end, 10);
	return !end || *end || n > max ? 0 : (unsigned int)n;
}

/**
 * fdstore_open() - See what was kept for us
 *
 * The environment is not a friend: what is there for another process, or is no number of open
 * descriptors, is passed over. What is taken for ours is close-on-exec from now on, and nothing in
 * the environment leads a program that we start to believe it is its own.
 *
 * Context: once, before anything is opened or started.
 */
void fdstore_open(void)
{
	const char *list = getenv("LISTEN_FDNAMES");
	unsigned int n = number(getenv("LISTEN_FDS"), KEPT_MAX);
	char *rest;

	if (number(getenv("LISTEN_PID"), INT_MAX) != (unsigned int)getpid())
		n = 0;
	keeps = getenv("NOTIFY_SOCKET") && number(getenv("FDSTORE"), UINT_MAX);
	rest = names = n ? strdup(list ?: "") : NULL;
	kept = names ? calloc(n, sizeof(*kept)) : NULL;
	for (unsigned int i = 0; kept && i < n; i++) {
		struct kept k = { FIRST + (int)i, strsep(&rest, ":") ?: "" };

		if (!fcntl(k.fd, F_SETFD, FD_CLOEXEC))
			kept[n_kept++] = k;
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("FDSTORE");
}

/* Nobody is to be heard there any more, whoever else has the descriptor yet. */
static void give_up(int fd)
{
	shutdown(fd, SHUT_RDWR);
	close(fd);
}

/**
 * fdstore_close() - Give up what nobody took
 *
 * Context: main thread; once all is taken that is wanted.
 */
void fdstore_close(void)
{
	while (n_kept) {
		const struct kept *k = &kept[--n_kept];

		log_info("what was kept over the restart is not wanted", "name=\"%s\"", k->name);
		fdstore_remove(k->name);
		give_up(k->fd);
	}
	free(take(kept));
	free(take(names));
}

/**
 * fdstore_keeps() - Whether there is somebody who keeps descriptors for our next life
 *
 * A service manager that does says so by $FDSTORE: systemd from 254 on by itself, before that by
 * our unit.
 */
bool fdstore_keeps(void)
{
	return keeps;
}

static int take_at(unsigned int i)
{
	int fd = kept[i].fd;

	kept[i] = kept[--n_kept];
	return fd;
}

/**
 * fdstore_take() - A descriptor that was kept
 * @name: as it was given to fdstore_put()
 *
 * It stays kept for the life after this one, too, until fdstore_remove().
 *
 * Return: the descriptor, of whatever kind it may be, close-on-exec and the caller's; -1: there is
 * none, or none is left, of that name. Context: main thread.
 */
int fdstore_take(const char *name)
{
	for (unsigned int i = 0; i < n_kept; i++)
		if (!strcmp(kept[i].name, name))
			return take_at(i);
	return -1;
}

/**
 * fdstore_next() - One of several descriptors that were kept
 * @prefix: of their names
 * @name:   gets this one's
 *
 * Return, context: as fdstore_take().
 */
int fdstore_next(const char *prefix, char name[FDSTORE_NAME_LEN + 1])
{
	for (unsigned int i = 0; i < n_kept; i++)
		if (!strncmp(kept[i].name, prefix, strlen(prefix)) &&
		    strlen(kept[i].name) <= FDSTORE_NAME_LEN) {
			strcpy(name, kept[i].name);
			return take_at(i);
		}
	return -1;
}

/**
 * fdstore_put() - Have a descriptor kept for our next life
 * @name: for fdstore_take(); no colon in it
 * @fd:   descriptor, stays the caller's. That it comes to its end is no reason not to keep it:
 *        fdstore_remove() is
 *
 * A service manager that has no room for it says so in its log.
 *
 * Context: any thread of the unit's main process.
 */
void fdstore_put(const char *name, int fd)
{
	char words[64 + FDSTORE_NAME_LEN];

	if (!keeps)
		return;
	snprintf(words, sizeof(words), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	notify_fd(words, fd);
}

/**
 * fdstore_remove() - Have it kept no longer
 * @name: all of that name
 *
 * Context: as fdstore_put().
 */
void fdstore_remove(const char *name)
{
	char words[300]; /* systemd's names have 255 characters at most */

	if (keeps && *name &&
	    snprintf(words, sizeof(words), "FDSTOREREMOVE=1\nFDNAME=%s", name) < (int)sizeof(words))
		notify(words);
}

/* ---- listening sockets ---- */

/* Whether who connects to that file comes to this socket: it may be another's by now. */
static bool is_file_of(int fd, const char *path)
{
	auto_close int file = ioctl(fd, SIOCUNIXFILE);
	struct stat own, there;

	return file >= 0 && !fstat(file, &own) && !lstat(path, &there) &&
	       own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

/* Whether it is a socket of the network that we are in. */
static bool is_here(int fd)
{
	uint64_t is = 0, ours = sock_netns();
	socklen_t size = sizeof(is);

	return !ours || (!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &is, &size) && is == ours);
}

static bool listens_at(int fd, const struct sockaddr *at, socklen_t size)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)at;
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_storage room; /* ends the longest path */
	} is = { .room = { 0 } };
	socklen_t is_size = sizeof(is), n = sizeof(int);
	int type = 0, listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) || !listens ||
	    getsockname(fd, &is.sa, &is_size) || is.sa.sa_family != at->sa_family)
		return false;
	if (at->sa_family == AF_UNIX)
		return !strcmp(is.un.sun_path, un->sun_path) && is_file_of(fd, un->sun_path);
	return is_size == size && !memcmp(&is, at, size) && is_here(fd);
}

/**
 * fdstore_listener() - A listening socket that was kept
 * @name:    it was kept as
 * @at:      where it is to listen: a Unix socket's path, or an address and port; zero else
 * @size:    of @at
 * @backlog: of listen(2)
 *
 * One that listens elsewhere, or does not listen, is given up. Of a Unix socket that can be told
 * with CAP_NET_ADMIN alone.
 *
 * Return: a non-blocking socket, which stays kept; -1: there is none. Context: main thread.
 */
int fdstore_listener(const char *name, const struct sockaddr *at, socklen_t size, int backlog)
{
	bool given_up = false;
	int found = -1, fd;

	while ((fd = fdstore_take(name)) >= 0) {
		if (found < 0 && listens_at(fd, at, size) && !listen(fd, backlog) &&
		    !fcntl(fd, F_SETFL, O_NONBLOCK)) {
			found = fd;
			continue;
		}
		give_up(fd);
		given_up = true;
	}
	if (given_up) { /* all of that name go */
		fdstore_remove(name);
		if (found >= 0)
			fdstore_put(name, found);
	}
	return found;
}

/**
 * fdstore_listen_unix() - Listen on a Unix socket that clients find there over our restarts
 * @path: socket; it is kept under the file's name
 * @mode: permissions of the socket
 * @e:    error text, may be NULL
 *
 * Return: as sock_listen_unix(). Context: main thread.
 */
int fdstore_listen_unix(const char *path, mode_t mode, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int fd = -1;

	if (strlen(path) < sizeof(at.sun_path)) {
		strcpy(at.sun_path, path);
		fd = fdstore_listener(name, (struct sockaddr *)&at, sizeof(at), SOCK_BACKLOG);
	}
	if (fd >= 0)
		return chmod(path, mode) ? (close(fd), err_errno(e, "%s", path)) : fd;
	fd = sock_listen_unix(path, mode, e);
	if (fd >= 0)
		fdstore_put(name, fd);
	return fd;
}

/**
 * fdstore_unlink() - Remove a Unix socket at our end, unless it is kept
 * @path: of fdstore_listen_unix()
 *
 * Whether our end is a restart we are not told: the unit removes it after all else (ExecStopPost=).
 */
void fdstore_unlink(const char *path)
{
	if (!keeps)
		unlink(path);
}
