/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: from text to a socket that listens, and of who connects to text. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fdstore.h"
#include "base/sock.h"
#include "http/http.h"

#define CONNECTIONS_MAX 13312u /* 1024 strangers, 4096 tenants, 8192 agents: limit.c */
#define FILES_MAX	1024u  /* descriptors that are no connections: images, those that linger */
#define BACKLOG		4096   /* connections that wait for a turn of the loop */

static int resolve(const char *listen, struct addrinfo **out, struct err *e)
{
	static const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
					       .ai_socktype = SOCK_STREAM };
	const char *port = strrchr(listen, ':');
	char host[128];

	if (!port || port - listen >= (int)sizeof(host))
		return err_set(e, -EINVAL, "\"%s\" is not ADDRESS:PORT", listen);
	snprintf(host, sizeof(host), "%.*s", (int)(port - listen), listen);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (getaddrinfo(host, port + 1, &hints, out) != 0)
		return err_set(e, -EINVAL, "\"%s\" is not ADDRESS:PORT", listen);
	return 0;
}

/**
 * http_is_local() - Can only this machine reach an address?
 * @listen: ADDRESS:PORT, numbers
 *
 * Return: true for loopback; also for what is no address, which http_listen() refuses.
 */
bool http_is_local(const char *listen)
{
	struct addrinfo *ai = NULL;
	const struct in6_addr *in6;
	bool local;

	if (resolve(listen, &ai, NULL))
		return true;
	in6 = &((const struct sockaddr_in6 *)ai->ai_addr)->sin6_addr;
	if (ai->ai_family == AF_INET)
		local = ntohl(((struct sockaddr_in *)ai->ai_addr)->sin_addr.s_addr) >> 24 == 127;
	else
		local = IN6_IS_ADDR_LOOPBACK(in6) ||
			(IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	freeaddrinfo(ai);
	return local;
}

static int listen_at(const struct addrinfo *ai)
{
	auto_close int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG))
		return -errno;
	return take_fd(fd);
}

/**
 * http_listen() - Listen
 * @where: ADDRESS:PORT, numbers; or a Unix socket's path, which begins with a slash
 * @kept:  name of a listener on a port in the service manager's store, where it is looked for and
 *         put; NULL: in none. A Unix socket's file would outlive who removes it: it is in none.
 * @e:     why not
 *
 * Return: a socket; -EINVAL for a bad address; errno of socket(2) and bind(2).
 */
int http_listen(const char *where, const char *kept, struct err *e)
{
	struct addrinfo *ai = NULL;
	int rc, fd = -1;

	if (*where == '/')
		return sock_listen_unix(where, 0660, e);
	rc = resolve(where, &ai, e);
	if (rc)
		return rc;
	if (kept)
		fd = fdstore_listener(kept, ai->ai_addr, ai->ai_addrlen, BACKLOG);
	if (fd < 0) {
		fd = listen_at(ai);
		if (fd < 0)
			err_set(e, fd, "cannot listen on %s: %s", where, strerror(-fd));
		else if (kept)
			fdstore_put(kept, fd);
	}
	freeaddrinfo(ai);
	return fd;
}

/**
 * http_address() - Who is at the other end of a connection
 * @sa:  address as accept(2) tells it
 * @out: as text; IPv4 that came by a listener of both families (RFC 4291 2.5.5.2) as IPv4; "" for
 *       other families
 */
void http_address(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	out[0] = '\0';
	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, out,
			  INET6_ADDRSTRLEN);
	else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, INET6_ADDRSTRLEN);
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, INET6_ADDRSTRLEN);
}

/**
 * http_connections() - How many connections there may be
 *
 * Return: as many as there are descriptors for, files set apart; at most CONNECTIONS_MAX.
 */
unsigned int http_connections(void)
{
	struct rlimit limit = { .rlim_cur = FILES_MAX };

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur -= MIN(limit.rlim_cur / 4, FILES_MAX);
	limit.rlim_cur = MIN(limit.rlim_cur, (rlim_t)INT32_MAX);
	return MIN((unsigned int)limit.rlim_cur, CONNECTIONS_MAX);
}
