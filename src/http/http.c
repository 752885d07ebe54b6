/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd as an event source of our loop (external epoll, no threads). A
 * request that is not answered at once is a suspended connection.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fdstore.h"
#include "base/log.h"
#include "http/digest.h"
#include "http/impl.h"
#include "http/linger.h"
#include "http/response.h"
#include "http/tls.h"

#define ACCEPTS_MAX 64 /* more for a moment: who has to go is still closing */
#define PAUSE_MS    20 /* when a turn brought nothing, and yet there should be more */
#define BATCHES_MAX 64 /* rounds of one turn before the loop gets its other work */

/* What is said to who waits when the server ends. */
static const struct http_answer bye = { .status = MHD_HTTP_SERVICE_UNAVAILABLE, .fd = -1 };

#define LIST_ADD(head, item)                                                                       \
	do {                                                                                       \
		(item)->next = (head);                                                             \
		(item)->prev = &(head);                                                            \
		if (head)                                                                          \
			(head)->prev = &(item)->next;                                              \
		(head) = (item);                                                                   \
	} while (0)
#define LIST_DEL(item)                                                                             \
	do {                                                                                       \
		*(item)->prev = (item)->next;                                                      \
		if ((item)->next)                                                                  \
			(item)->next->prev = (item)->prev;                                         \
	} while (0)

static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	struct http_req *req = calloc(1, sizeof(*req));
	const union MHD_ConnectionInfo *info;
	char *query;

	if (!req)
		return NULL;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	req->http = arg;
	req->mhd = mhd;
	req->conn = info ? info->socket_context : NULL;
	if (req->conn && !req->conn->asked)
		req->conn->asked = true; /* busy for the request, from now on */
	else
		req->http->busy++;
	req->fd = -1;
	req->target = strdup(target);
	/*
	 * The arguments are ours to parse (url.c). libmicrohttpd would do it next, and without room
	 * for them in the connection's memory the request would never be answered: its buffer,
	 * which is where target lies, loses them here.
	 */
	query = strchr(target, '?');
	if (query)
		query[1] = '\0';
	return req;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct http_req *req = *context;

	if (!req)
		return;
	if (req->suspended)
		LIST_DEL(req);
	else
		req->http->busy--;
	if (req->response)
		MHD_destroy_response(req->response);
	if (req->conn) {
		limit_hold(req->http->limits, &req->conn->peer, 0);
		limit_wait(req->http->limits, &req->conn->peer, loop_now_ms());
	}
	if (req->fd >= 0)
		close(req->fd);
	if (req->path)
		unlink(req->path); /* whoever wanted to keep the file renamed it */
	free(req->path);
	free(req->digest);
	free(req->body);
	free(req->target);
	free(req);
	*context = NULL;
}

/* libmicrohttpd sees the end of it in its next turn; what is suspended is never ended so. */
static void end(struct peer *p)
{
	if (p)
		shutdown(container_of(p, struct conn, peer)->fd, SHUT_RDWR);
}

static struct conn *conn_new(struct http *http, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct conn *conn = fd ? calloc(1, sizeof(*conn)) : NULL;

	if (!conn)
		return NULL;
	conn->fd = fd->connect_fd;
	if (address)
		http_address(address->client_addr, conn->address);
	end(limit_enter(http->limits, &conn->peer, conn->address, loop_now_ms()));
	return conn;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = arg;
	struct conn *conn = *context;

	http->moved = true;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = conn_new(http, mhd);
		http->busy += !!*context;
	} else if (conn) {
		http->busy -= !conn->asked;
		if (conn->unread)
			linger_add(http->lingers, conn->fd);
		limit_leave(http->limits, &conn->peer);
		free(conn);
		*context = NULL;
	}
}

static void keep_in_memory(struct http_req *req, const char *data, size_t size)
{
	size_t room = MAX(req->room, (size_t)4096);
	char *body;

	if (size > req->body_max || req->size + size > req->body_max) {
		req->error = -EFBIG;
		return;
	}
	while (room < req->size + size + 1)
		room *= 2;
	if (room != req->room) {
		if (!req->conn || limit_hold(req->http->limits, &req->conn->peer, room)) {
			req->error = -ENOBUFS;
			return;
		}
		body = realloc(req->body, room);
		if (!body) {
			req->error = -ENOMEM;
			return;
		}
		req->body = body;
		req->room = room;
	}
	memcpy(req->body + req->size, data, size);
	req->size += size;
	req->body[req->size] = '\0';
}

/*
 * At most one connection buffer a call, so the loop goes on; the page cache takes it, and the
 * checksums cost less here than to read it again.
 */
static void keep_in_file(struct http_req *req, const char *data, size_t size)
{
	/* A long upload may take its time as long as it moves. */
	if (req->conn && req->size >> 20 != (req->size + size) >> 20)
		limit_wait(req->http->limits, &req->conn->peer, loop_now_ms());
	if (size > req->body_max - req->size) {
		req->error = -EFBIG;
		return;
	}
	digest_update(req->digest, data, size);
	while (size && !req->error) {
		ssize_t n = write(req->fd, data, size);

		if (n < 0 && errno != EINTR)
			req->error = -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
			req->size += (size_t)n;
		}
	}
}

static void open_file(struct http_req *req)
{
	req->digest = malloc(sizeof(*req->digest));
	if (!req->digest) {
		req->error = -ENOMEM;
		return;
	}
	digest_init(req->digest);
	req->fd = open(req->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (req->fd < 0)
		req->error = -errno;
}

/* Nobody's bytes are kept before it is known who sends them and how many are wanted. */
static void begin(struct http_req *req)
{
	const char *length = http_header(req, "Content-Length");
	struct http_intake intake = { 0 };
	struct http *http = req->http;

	req->begun = true;
	http->opts.begin(http->opts.arg, req, &intake);
	if (req->conn) {
		limit_wait(http->limits, &req->conn->peer, loop_now_ms());
		end(limit_rise(http->limits, &req->conn->peer, intake.class, loop_now_ms()));
	}
	req->path = intake.file;
	req->body_max = intake.body_max;
	if (intake.refuse)
		req->error = -ECANCELED;
	else if (length && strtoull(length, NULL, 10) > req->body_max)
		req->error = -EFBIG;
	else if (req->path)
		open_file(req);
	req->refused = req->error;
	if (req->conn && req->refused)
		req->conn->unread = length || http_header(req, "Transfer-Encoding");
}

static enum MHD_Result answer(struct http_req *req)
{
	enum MHD_Result ok = MHD_queue_response(req->mhd, req->status, req->response);

	MHD_destroy_response(take(req->response));
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **context)
{
	struct http *http = arg;
	struct http_req *req = *context;

	http->moved = true;
	if (!req || !req->target)
		return MHD_NO;
	if (req->response)
		return answer(req);
	if (!req->begun) {
		req->method = method;
		begin(req);
		if (!req->refused)
			return MHD_YES; /* else answer now; libmicrohttpd closes the connection */
	} else if (*size) {
		if (!req->error && req->fd >= 0)
			keep_in_file(req, data, *size);
		else if (!req->error)
			keep_in_memory(req, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (req->conn)
		limit_serve(http->limits, &req->conn->peer);
	if (http->closing) /* nobody would answer it, and none may stay suspended */
		http_reply(req, &bye);
	else
		http->opts.handle(http->opts.arg, req);
	if (req->response)
		return answer(req);
	req->suspended = true;
	http->busy--;
	LIST_ADD(http->suspended, req);
	MHD_suspend_connection(mhd);
	return MHD_YES;
}

static void turn(void *arg)
{
	struct http *http = arg;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	unsigned int rounds = 0;

	http->moved = false;
	do {
		http->resumed = false;
		MHD_run(http->mhd);
		http->opts.batch(http->opts.arg);
	} while (http->resumed && ++rounds < BATCHES_MAX);
	if (MHD_get_timeout(http->mhd, &wait_ms) != MHD_YES)
		wait_ms = UINT64_MAX;
	/* 0 is said of a handshake that is half done, too; what comes next wakes us anyhow. */
	if (!wait_ms && http->encrypted && !http->moved && !limit_sending(http->limits))
		wait_ms = PAUSE_MS;
	loop_timer_set(http->timer, wait_ms, 0);
}

static void on_ready(void *arg, uint32_t events)
{
	turn(arg);
}

/* libmicrohttpd's own timeout starts again with every byte; a slow client must not live on that. */
static void sweep(void *arg)
{
	struct http *http = arg;
	struct peer *p;

	while ((p = limit_overdue(http->limits, loop_now_ms())))
		end(p);
}

static int start(struct http *http, int fd, struct err *e)
{
	const union MHD_DaemonInfo *info;
	const struct http_tls *tls = http->opts.tls;
	const bool encrypted = tls && tls->key;
	/* What is not for plain HTTP stands last: the array ends before it. */
	struct MHD_OptionItem more[] = {
		{ encrypted ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0,
		  encrypted ? tls->key : NULL },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, encrypted ? tls->certificate : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)(uintptr_t)HTTP_TLS_PRIORITIES },
		{ encrypted && tls->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
		  encrypted ? tls->client_ca : NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned int connections = http_connections();
	int epoll_fd;

	http->encrypted = encrypted;
	http->limits = limit_new(connections, http->opts.slow_ms);
	http->lingers = linger_new(http->opts.loop);
	if (!http->limits || !http->lingers) {
		close(fd);
		return -ENOMEM;
	}
	http->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (encrypted ? MHD_USE_TLS : 0), 0, NULL,
		NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		connections + ACCEPTS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_CONNECTION_TIMEOUT, http->opts.slow_ms / 1000 + 1, MHD_OPTION_ARRAY,
		more, MHD_OPTION_END);
	if (!http->mhd) {
		close(fd);
		return err_set(e, -EIO, "the HTTP server does not start");
	}
	if (http->opts.answers)
		limit_answers(http->limits, http->opts.answers);
	info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	epoll_fd = info ? info->epoll_fd : -1;
	http->source = loop_fd_add(http->opts.loop, epoll_fd, EPOLLIN, on_ready, http);
	http->timer = loop_timer_add(http->opts.loop, UINT64_MAX, 0, turn, http);
	http->sweeper = loop_timer_add(http->opts.loop, 1000, http->opts.slow_ms / 4, sweep, http);
	return http->source && http->timer && http->sweeper ? 0 : -ENOMEM;
}

/**
 * http_open() - Listen and serve
 * @opts: copied; its strings, functions and loop are borrowed for the server's life
 * @out:  the server, to be closed with http_close()
 * @e:    why not
 *
 * Return: 0; -EINVAL for a bad address; -EADDRINUSE and other errno of bind(2); -ENOMEM.
 */
int http_open(const struct http_opts *opts, struct http **out, struct err *e)
{
	auto_of(http_close) struct http *http = calloc(1, sizeof(*http));
	int rc;

	if (!http)
		return -ENOMEM;
	http->opts = *opts;
	rc = http_listen(opts->listen, opts->kept, e);
	if (rc < 0)
		return rc;
	rc = start(http, rc, e);
	if (rc)
		return rc;
	*out = take(http);
	return 0;
}

/**
 * http_deafen() - Accept nobody any more, if the listener is kept: who comes is for our next life
 * @http: server
 *
 * Those who are there are served on.
 */
void http_deafen(struct http *http)
{
	if (!http->mhd || http->deaf || !http->opts.kept || !fdstore_keeps())
		return;
	http->deaf = true;
	close(MHD_quiesce_daemon(http->mhd));
}

/**
 * http_is_busy() - Is there somebody who was accepted, and neither answered nor waits for handle()?
 * @http: server
 */
bool http_is_busy(const struct http *http)
{
	return http->busy;
}

/**
 * http_close() - Stop serving
 * @http: server or NULL; requests without an answer get 503
 */
void http_close(struct http *http)
{
	if (!http)
		return;
	http_deafen(http);
	http->closing = true;
	while (http->suspended)
		http_reply(http->suspended, &bye);
	if (http->mhd) {
		MHD_run(http->mhd);
		MHD_stop_daemon(http->mhd);
	}
	loop_fd_del(http->source);
	loop_timer_del(http->timer);
	loop_timer_del(http->sweeper);
	linger_free(http->lingers);
	limit_free(http->limits);
	free(http);
}

/* What it is answered takes memory until it is read, and there may be much that is not. */
static void sending(struct http_req *req, const struct http_answer *answer)
{
	struct limits *limits = req->http->limits;
	struct peer *peer = &req->conn->peer, *victim;

	limit_send(limits, peer, answer->size, answer->fd < 0 ? answer->size : 0, loop_now_ms());
	while ((victim = limit_excess(limits, peer)))
		end(victim);
}

/**
 * http_reply() - Answer a request, once
 * @req:    request; gone at some time after the call
 * @answer: status, headers and body; takes body and fd
 *
 * Context: the loop's thread, within handle() or at any later time.
 */
void http_reply(struct http_req *req, const struct http_answer *answer)
{
	struct MHD_Response *response = response_new(answer);

	req->response = response;
	if (req->http->deaf && response) /* the next one is for our next life */
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (req->conn)
		sending(req, answer);
	req->status = response ? answer->status : MHD_HTTP_INTERNAL_SERVER_ERROR;
	if (!req->suspended)
		return;
	LIST_DEL(req);
	req->suspended = false;
	req->http->busy++;
	MHD_resume_connection(req->mhd);
	req->http->resumed = true;
	loop_timer_set(req->http->timer, 0, 0);
}
