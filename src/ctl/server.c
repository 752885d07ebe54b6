/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of the control socket: accepts clients, cuts their bytes
 * into lines, answers each through method.c. A client costs at most one line
 * of input and CTL_OUT_MAX bytes of unread replies; past that it is dropped.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sock.h"
#include "ctl/apply.h"
#include "ctl/ctl.h"
#include "ctl/method.h"

/* One client. Writer: control. */
struct conn {
	struct ctl_server *srv;
	int fd;
	struct loop_fd *src;
	struct buf in;	/* bytes without a line's end yet */
	struct buf out; /* replies the client has not taken */
	int given;	/* descriptor that came with the line at hand; -1: none */
	bool asked;	/* it has sent something, once */
	bool ended;	/* it will send no more: close once out is empty */
	uint64_t used;	/* srv->clock when it last said something */
	struct conn *next;
};

struct ctl_server {
	struct loop *loop;
	int fd;
	struct loop_fd *src;
	const struct pf_ops *ops;
	void *ctx;
	bool reading; /* for methods that only read; whoever may use it may be a nuisance at most */
	char path[VF_PATH_LEN + 1]; /* removed at the end with fd; "": both are the caller's */
	struct conn *conns;
	unsigned int n_conns;
	uint64_t clock; /* counts reads of all clients */
	struct log_bucket refused;
	struct loop_timer *settle; /* of an apply that waits */
	bool armed, unsettled;	   /* it is set; it was tried in vain, and said */
};

#define LAST_MS	     500 /* for a question of who has just connected, at the end */
#define LAST_LOOK_MS 10
#define AGAIN_MS     1000 /* between two looks at an apply that waits: others decide, too */

/* After what may have made something wait, or not wait any more. */
static void settle_arm(struct ctl_server *srv)
{
	uint32_t wait_ms = 0;
	bool due = srv->settle && apply_is_due(srv->ops, srv->ctx, &wait_ms);

	if (due && !srv->armed)
		loop_timer_set(srv->settle, MIN(wait_ms, (uint32_t)AGAIN_MS), 0);
	else if (!due && srv->armed)
		loop_timer_set(srv->settle, UINT32_MAX, 0);
	srv->armed = due;
}

static void on_settle(void *arg)
{
	struct ctl_server *srv = arg;
	struct err e = { 0 };
	int rc = apply_settle(srv->ops, srv->ctx, &e);

	if (rc && !srv->unsettled)
		log_err("a change that waits cannot be decided", "error=\"%s\"", e.msg);
	srv->unsettled = srv->armed = rc;
	if (rc)
		loop_timer_set(srv->settle, AGAIN_MS, 0);
	settle_arm(srv);
}

static void give_back(struct conn *c)
{
	if (c->given >= 0)
		close(take_fd(c->given));
}

static void conn_free(struct conn *c)
{
	struct conn **at = &c->srv->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->srv->n_conns--;
	loop_fd_del(c->src);
	close(c->fd);
	give_back(c);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

/* Takes @reply. */
static int conn_reply(struct conn *c, char *reply)
{
	int rc = reply ? buf_add(&c->out, reply, strlen(reply), CTL_OUT_MAX) : -ENOMEM;

	free(reply);
	return rc ? rc : buf_add(&c->out, "\n", 1, CTL_OUT_MAX);
}

/* Sends what the socket takes. */
static int conn_flush(struct conn *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		buf_drop(&c->out, (size_t)n);
	}
	if (c->ended && !c->out.len)
		return -EPIPE;
	return loop_fd_set(c->src, (c->ended ? 0 : EPOLLIN) | (c->out.len ? EPOLLOUT : 0));
}

/* Takes @why. The client hears no more. */
static int conn_end(struct conn *c, const char *why)
{
	c->ended = true;
	return conn_reply(c, ctl_answer_error(NULL, RPC_REQUEST, why));
}

/*
 * Answers every whole line of c->in; those before byte @from are known to have no end. Who reads
 * waits for his answer before he asks again, so that many questions at once keep nobody.
 */
static int conn_answer(struct conn *c, size_t from)
{
	size_t start = 0;
	int rc = 0;

	while (!rc && from < c->in.len) {
		char *end = memchr(c->in.data + from, '\n', c->in.len - from);

		if (!end)
			break;
		from = (size_t)(end - c->in.data) + 1;
		rc = conn_reply(c, ctl_answer(c->srv->ops, c->srv->ctx, c->in.data + start,
					      from - start - 1, c->srv->reading, c->given));
		give_back(c);
		settle_arm(c->srv);
		start = from;
		if (c->srv->reading)
			break;
	}
	if (start)
		buf_drop(&c->in, start);
	if (!rc && start && c->srv->reading && c->in.len)
		return conn_end(c, "one question at a time");
	if (!rc && c->in.len > (c->srv->reading ? CTL_READ_LINE_MAX : CTL_LINE_MAX))
		return conn_end(c, "the line is too long");
	return rc;
}

static int conn_read(struct conn *c)
{
	char chunk[65536];
	size_t known = c->in.len;
	unsigned int n_fds = 1;
	int rc, fd = -1;
	ssize_t n = sock_recv_fds(c->fd, chunk, sizeof(chunk), &fd, &n_fds);

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	if (n_fds) {
		give_back(c);
		c->given = fd;
	}
	c->used = ++c->srv->clock;
	c->asked = true;
	if (!n) {
		c->ended = true;
		return 0;
	}
	rc = buf_add(&c->in, chunk, (size_t)n, CTL_LINE_MAX + sizeof(chunk));
	return rc ? rc : conn_answer(c, known);
}

static void on_conn(void *arg, uint32_t events)
{
	struct conn *c = arg;
	int rc = 0;

	if (events & EPOLLIN && !c->ended)
		rc = conn_read(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		rc = -EPIPE;
	if (!rc)
		rc = conn_flush(c);
	if (rc)
		conn_free(c);
}

static void evict_idle(struct ctl_server *srv)
{
	struct conn *idle = srv->conns;

	for (struct conn *c = srv->conns; c; c = c->next)
		if (c->used < idle->used)
			idle = c;
	conn_free(idle);
}

static void on_accept(void *arg, uint32_t events)
{
	struct ctl_server *srv = arg;
	int fd = accept4(srv->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	if (fd < 0)
		return;
	if (srv->n_conns >= (srv->reading ? CTL_READERS_MAX : CTL_CLIENTS_MAX))
		evict_idle(srv);
	c = calloc(1, sizeof(*c));
	if (c)
		c->src = loop_fd_add(srv->loop, fd, EPOLLIN, on_conn, c);
	if (!c || !c->src) {
		log_limited(LOG_LEVEL_WARN, &srv->refused, "control client refused",
			    "out of memory or descriptors");
		free(c);
		close(fd);
		return;
	}
	c->srv = srv;
	c->fd = fd;
	c->given = -1;
	c->used = ++srv->clock;
	c->next = srv->conns;
	srv->conns = c;
	srv->n_conns++;
}

/* Looks after an apply that waits: one server of a daemon does, that of all methods. */
static int settle_open(struct ctl_server *srv)
{
	srv->settle = loop_timer_add(srv->loop, UINT32_MAX, 0, on_settle, srv);
	if (!srv->settle)
		return -ENOMEM;
	on_settle(srv);
	return 0;
}

static int server_new(struct loop *loop, int fd, const struct pf_ops *ops, void *ctx, bool reading,
		      struct ctl_server **out, struct err *e)
{
	auto_of(ctl_server_free) struct ctl_server *srv = calloc(1, sizeof(*srv));

	if (!srv)
		return err_set(e, -ENOMEM, "out of memory");
	srv->loop = loop;
	srv->ops = ops;
	srv->ctx = ctx;
	srv->fd = fd;
	srv->reading = reading;
	if (!reading && settle_open(srv))
		return err_set(e, -ENOMEM, "out of memory");
	srv->src = loop_fd_add(loop, fd, EPOLLIN, on_accept, srv);
	if (!srv->src)
		return err_set(e, -ENOMEM, "out of memory");
	*out = take(srv);
	return 0;
}

/**
 * ctl_serve_on() - Serve a PF provider to whoever connects to a listening socket
 * @loop: loop of the control thread
 * @fd:   the socket, non-blocking; stays the caller's, who made its file and removes it
 * @ops:  the provider
 * @ctx:  handed to @ops
 * @out:  gets the server; ctl_server_free() ends it
 * @e:    says why not
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int ctl_serve_on(struct loop *loop, int fd, const struct pf_ops *ops, void *ctx,
		 struct ctl_server **out, struct err *e)
{
	return server_new(loop, fd, ops, ctx, false, out, e);
}

/**
 * ctl_serve_reading_on() - Serve what of a PF provider only reads
 * @loop: as of the next four for ctl_serve_on()
 * @fd:	  a socket beside that of all methods
 * @ops:  the provider
 * @ctx:  handed to @ops
 * @out:  gets the server; ctl_server_free() ends it
 * @e:    says why not
 *
 * Whoever may connect may know all there is to know and change nothing: other methods are refused
 * by name. Nor can he keep others waiting: CTL_READERS_MAX at once, one question a turn each.
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int ctl_serve_reading_on(struct loop *loop, int fd, const struct pf_ops *ops, void *ctx,
			 struct ctl_server **out, struct err *e)
{
	return server_new(loop, fd, ops, ctx, true, out, e);
}

/**
 * ctl_serve() - Serve a daemon's verbs on a Unix socket
 * @loop: the control loop; outlives the server
 * @path: socket, gets mode 0660; a stale one is replaced (the caller holds the directory's lock)
 * @ops:  verbs; all are called in the loop's thread. Outlives the server.
 * @ctx:  theirs
 * @out:  the server, ends with ctl_server_free()
 * @e:    error text, may be NULL
 *
 * Return: 0, -ENAMETOOLONG, -ENOMEM or what socket, bind and listen say.
 * Context: control thread.
 */
int ctl_serve(struct loop *loop, const char *path, const struct pf_ops *ops, void *ctx,
	      struct ctl_server **out, struct err *e)
{
	auto_close int fd = -1;
	int rc;

	if (strlen(path) > VF_PATH_LEN)
		return err_set(e, -ENAMETOOLONG, "%s is too long for a socket", path);
	fd = sock_listen_unix(path, 0660, e);
	rc = fd < 0 ? fd : ctl_serve_on(loop, fd, ops, ctx, out, e);
	if (rc)
		return rc;
	take_fd(fd);
	memcpy((*out)->path, path, strlen(path) + 1);
	return 0;
}

static bool has_silent(const struct ctl_server *srv)
{
	const struct conn *c = srv->conns;

	while (c && c->asked)
		c = c->next;
	return c;
}

/**
 * ctl_server_drain() - Accept nobody any more, and answer who is there, before the end
 * @srv: server whose loop has been stopped, and whose provider is there
 *
 * Who has connected a moment ago, and asked nothing, has half a second for his question. Who is not
 * accepted is for our next life, if the socket is kept.
 *
 * Context: control thread; turns the loop.
 */
void ctl_server_drain(struct ctl_server *srv)
{
	const uint64_t end_ms = loop_now_ms() + LAST_MS;

	loop_fd_del(take(srv->src));
	for (struct conn *c = srv->conns, *next; c; c = next) {
		next = c->next;
		on_conn(c, EPOLLIN);
	}
	while (has_silent(srv) && loop_now_ms() < end_ms)
		loop_turn(srv->loop, LAST_LOOK_MS);
}

/**
 * ctl_server_free() - Drop all clients and remove the socket
 * @srv: server or NULL
 *
 * Context: control thread.
 */
void ctl_server_free(struct ctl_server *srv)
{
	if (!srv)
		return;
	while (srv->conns)
		conn_free(srv->conns);
	if (srv->src)
		loop_fd_del(srv->src);
	if (srv->settle)
		loop_timer_del(srv->settle);
	if (*srv->path) {
		close(srv->fd);
		unlink(srv->path);
	}
	free(srv);
}
