/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and drops what refused clients still send, for a bounded time, size and number. */
#include "http/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define LINGER_MAX 128	      /* connections; the oldest makes room */
#define LINGER_MS  5000	      /* each, at most */
#define BYTES_MAX  (64u << 20) /* read of each */

struct ending {
	struct lingers *all;
	struct loop_fd *source;
	int fd;
	size_t left;	   /* bytes that may still come */
	uint64_t until_ms; /* CLOCK_MONOTONIC */
};

struct lingers {
	struct loop *loop;
	struct loop_timer *timer;
	struct ending *ring[LINGER_MAX]; /* oldest at n; NULL: none */
	unsigned int n;
};

static void end(struct ending *g)
{
	loop_fd_del(g->source);
	close(g->fd);
	for (unsigned int i = 0; i < LINGER_MAX; i++)
		if (g->all->ring[i] == g)
			g->all->ring[i] = NULL;
	free(g);
}

static void on_bytes(void *arg, uint32_t events)
{
	static char nowhere[1 << 16];
	struct ending *g = arg;
	ssize_t n = read(g->fd, nowhere, sizeof(nowhere));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (size_t)n >= g->left)
		end(g);
	else
		g->left -= (size_t)n;
}

static void sweep(void *arg)
{
	struct lingers *l = arg;
	uint64_t now_ms = loop_now_ms();

	for (unsigned int i = 0; i < LINGER_MAX; i++)
		if (l->ring[i] && now_ms >= l->ring[i]->until_ms)
			end(l->ring[i]);
}

/**
 * linger_new() - Be ready for connections that end
 * @loop: that reads them
 *
 * Return: to be freed with linger_free(); NULL without memory.
 */
struct lingers *linger_new(struct loop *loop)
{
	struct lingers *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->timer = loop_timer_add(loop, LINGER_MS, LINGER_MS / 5, sweep, l);
	if (!l->timer)
		free(take(l));
	return l;
}

/**
 * linger_free() - Close them all
 * @l: or NULL
 */
void linger_free(struct lingers *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; i < LINGER_MAX; i++)
		if (l->ring[i])
			end(l->ring[i]);
	loop_timer_del(l->timer);
	free(l);
}

/**
 * linger_add() - Let a connection end in peace
 * @l:  the others
 * @fd: socket whose owner is about to close it; duplicated
 *
 * Without a descriptor or memory left it ends at once, as it would have without this.
 */
void linger_add(struct lingers *l, int fd)
{
	struct ending *g = calloc(1, sizeof(*g));

	if (!g)
		return;
	*g = (struct ending){ l, NULL, fcntl(fd, F_DUPFD_CLOEXEC, 0), BYTES_MAX,
			      loop_now_ms() + LINGER_MS };
	if (g->fd >= 0) {
		shutdown(g->fd, SHUT_WR); /* under TLS only its own end was said */
		g->source = loop_fd_add(l->loop, g->fd, EPOLLIN, on_bytes, g);
	}
	if (!g->source) {
		if (g->fd >= 0)
			close(g->fd);
		free(g);
		return;
	}
	if (l->ring[l->n])
		end(l->ring[l->n]);
	l->ring[l->n] = g;
	l->n = (l->n + 1) % LINGER_MAX;
}
