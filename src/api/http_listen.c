/* SPDX-License-Identifier: Apache-2.0 */
/* The address to listen on: from text to a socket. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http.h"

#define BACKLOG 4096 /* connections that wait for a turn of the loop; the kernel may have less */

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
 * http_listen() - Listen
 * @where: ADDRESS:PORT, numbers
 * @e:     why not
 *
 * Return: a socket; -EINVAL for a bad address; errno of socket(2) and bind(2).
 */
int http_listen(const char *where, struct err *e)
{
	struct addrinfo *ai = NULL;
	auto_close int fd = -1;
	int rc = resolve(where, &ai, e), one = 1;

	if (rc)
		return rc;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG))
		rc = err_errno(e, "cannot listen on %s", where);
	freeaddrinfo(ai);
	return rc ? rc : take_fd(fd);
}
