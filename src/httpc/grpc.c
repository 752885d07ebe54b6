/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, each on a connection that is made or was kept; how they end. */
#include "httpc/grpc_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define IDLE_MS 50000 /* then a connection that nobody uses is closed; balancers take 60 s */
#define OPEN_MS 5000  /* until it speaks, of a call that has no time limit */

static void clear_call(struct grpc_call *c)
{
	free(take(c->path));
	free(take(c->metadata[0]));
	free(take(c->metadata[1]));
	buf_fini(&c->body);
	buf_fini(&c->came);
	c->sent = 0;
	c->stream = -1;
	c->http = c->rc = 0;
	c->status = -1;
	*c->words = '\0';
	c->ended = false;
}

static void free_conn(struct grpc_call *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	clear_call(c);
	loop_fd_del(c->src);
	loop_timer_del(c->timer);
	nghttp2_session_del(c->h2);
	tlsc_free(c->tls);
	httpm_stop(c->dial);
	httpm_close(c->dialler);
	buf_fini(&c->out);
	free(c->origin);
	free(c);
}

/* Closes it; what it had is there until the turn is over. */
static void drop(struct grpc_call *c)
{
	loop_fd_del(take(c->src));
	tlsc_free(take(c->tls));
	httpm_stop(take(c->dial));
	c->busy = false;
	c->dead = true;
	loop_timer_set(c->timer, 0, 0);
}

static bool can_be_kept(struct grpc_call *c)
{
	return c->ended && c->sent == c->body.len && !c->out.len &&
	       nghttp2_session_check_request_allowed(c->h2);
}

/* The length of the message that what came begins with; < 0: it is not whole, or is not one. */
static ssize_t message_size(const struct buf *came, size_t from)
{
	const uint8_t *at = (const uint8_t *)came->data + from;
	size_t n, len = came->len - from;

	if (len < GRPC_HEAD)
		return -EAGAIN;
	n = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
	return n > len - GRPC_HEAD ? -EAGAIN : *at ? -EPROTO : (ssize_t)n;
}

/* Tells how it ended; the connection is kept if it can be. */
static void finish(struct grpc_call *c, int rc, const char *why)
{
	struct grpc_handlers to = c->handlers;
	struct grpc_answer answer = { .status = c->http == 200 ? c->status : -1 };
	struct buf came = c->came;
	ssize_t n = came.len ? message_size(&came, 0) : -EAGAIN;
	char words[sizeof(c->words)];

	if (n >= 0 && GRPC_HEAD + (size_t)n == came.len) {
		answer.message = came.data + GRPC_HEAD;
		answer.size = (size_t)n;
	}
	answer.words = strcpy(words, c->words);
	c->came = (struct buf){ 0 };
	if (!rc && can_be_kept(c)) {
		c->busy = false;
		clear_call(c);
		loop_timer_set(c->timer, IDLE_MS, 0);
	} else {
		drop(c);
	}
	to.on_end(to.arg, rc, rc ? NULL : &answer, why);
	buf_fini(&came);
}

static void arm(struct grpc_call *c)
{
	uint64_t ms = c->h2 ? UINT64_MAX : OPEN_MS;

	loop_timer_set(c->timer, c->timeout_ms < 0 ? ms : (uint64_t)c->timeout_ms, 0);
}

static int dial(struct grpc_call *c);

/* What was kept had been closed, or was just then: once, on a new connection. */
static bool begin_again(struct grpc_call *c, int rc)
{
	if (!c->reused || (rc != -EPIPE && rc != -EIO))
		return false;
	c->reused = false;
	loop_fd_del(take(c->src));
	tlsc_free(take(c->tls));
	nghttp2_session_del(take(c->h2));
	httpm_stop(take(c->dial));
	buf_fini(&c->out);
	c->writes = false;
	c->sent = 0;
	c->stream = -1;
	c->rc = 0;
	arm(c);
	return !dial(c);
}

/* There is no call any more behind it, or it is on its way to another connection: c->h2 is NULL. */
static void fail(struct grpc_call *c, int rc, const char *what)
{
	struct err e = { 0 };

	if (!c->busy) {
		drop(c);
		return;
	}
	if (begin_again(c, rc))
		return;
	err_set(&e, rc, "%s%s: %s", c->origin, c->path, what);
	finish(c, rc, e.msg);
}

/* Shows the messages of a stream that are whole. */
static void show(struct grpc_call *c)
{
	size_t at = 0;
	ssize_t n = 0;

	while (c->busy && !c->dead && at < c->came.len && (n = message_size(&c->came, at)) >= 0) {
		c->handlers.on_message(c->handlers.arg, c->came.data + at + GRPC_HEAD, (size_t)n);
		at += GRPC_HEAD + (size_t)n;
	}
	if (at && !c->dead)
		buf_drop(&c->came, at);
	if (n == -EPROTO)
		c->rc = -EPROTO;
}

static const char *words(int rc)
{
	return rc == -EPIPE	  ? "the connection was closed"
	       : rc == -EMSGSIZE  ? "the answer is too large"
	       : rc == -EPROTO	  ? "this is not gRPC"
	       : rc == -ENOMEM	  ? "out of memory"
	       : rc == -ETIMEDOUT ? "no answer in time"
				  : "the connection broke";
}

static void on_time(void *arg)
{
	struct grpc_call *c = arg;

	if (c->dead)
		free_conn(c);
	else if (c->busy)
		fail(c, c->rc ?: -ETIMEDOUT, words(c->rc ?: -ETIMEDOUT));
	else
		drop(c);
}

static int speak(struct grpc_call *c)
{
	int rc = grpc_h2_open(c);

	if (!rc && c->timeout_ms < 0)
		arm(c);
	return rc ? rc : grpc_h2_submit(c);
}

/* -EAGAIN; 0: it speaks. */
static int shake(struct grpc_call *c, struct err *e)
{
	int rc = tlsc_shake(c->tls, e);

	if (rc == -EAGAIN)
		grpc_want(c, tlsc_writes(c->tls));
	return rc ? rc : speak(c);
}

static void on_ready(void *arg, uint32_t events)
{
	struct grpc_call *c = arg;
	struct err e = { 0 };
	int rc = c->h2 ? 0 : shake(c, &e);

	if (rc && rc != -EAGAIN)
		fail(c, rc, *e.msg ? e.msg : words(rc));
	if (rc)
		return;

	while (!rc) {
		rc = grpc_h2_hear(c);
		if (c->busy && c->handlers.on_message)
			show(c);
		if (c->busy && c->rc)
			fail(c, c->rc, words(c->rc));
		else if (c->busy && c->ended)
			finish(c, 0, "");
		if (c->dead || !c->h2)
			return;
	}
	rc = rc == -EAGAIN ? grpc_h2_flush(c) : rc;
	if (!rc && !nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2))
		rc = -EPROTO;
	if (rc)
		fail(c, rc, words(rc));
}

/* Not before the call is the caller's. */
static void fail_later(struct grpc_call *c, int rc)
{
	c->rc = rc;
	loop_timer_set(c->timer, 0, 0);
}

/* HOST of "https://HOST:PORT", without brackets. */
static void host_of(const char *origin, char *out, size_t size)
{
	const char *at = strstr(origin, "//") + 2;
	bool v6 = *at == '[';

	snprintf(out, size, "%.*s", (int)strcspn(at + v6, v6 ? "]" : ":/"), at + v6);
}

static int begin(struct grpc_call *c, struct err *e)
{
	char host[256];

	c->fd = httpm_fd(c->dial);
	c->src = loop_fd_add(c->g->loop, c->fd, EPOLLIN, on_ready, c);
	if (!c->src)
		return -ENOMEM;
	if (strncmp(c->origin, "https:", 6) != 0)
		return speak(c);
	host_of(c->origin, host, sizeof(host));
	return tlsc_new(&c->g->trust, host, c->fd, &c->tls, e) ?: shake(c, e);
}

static void on_dialled(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct grpc_call *c = arg;
	struct err e = { 0 };

	if (rc) {
		c->dial = NULL;
		finish(c, rc, why);
		return;
	}
	rc = begin(c, &e);
	if (rc && rc != -EAGAIN)
		fail(c, rc, *e.msg ? e.msg : words(rc));
}

/* Without a scheme: libcurl is to speak nothing on it. */
static int dial(struct grpc_call *c)
{
	const char *at = strstr(c->origin, "//") + 2, *port = strrchr(at, ':');
	bool named = port && !strchr(port, ']'), tls = !strncmp(c->origin, "https:", 6);
	auto_free char *url = NULL;

	if (asprintf(&url, "%s%s", at, tls && !named ? ":443" : "") < 0)
		return -ENOMEM;
	return httpm_start(
		c->dialler,
		&(struct httpc_req){
			.method = "CONNECT", .url = url, .timeout_ms = -1, .dial = true },
		&(struct httpm_handlers){ NULL, on_dialled, c }, &c->dial);
}

static struct grpc_call *new_conn(struct grpc *g, const char *origin)
{
	struct grpc_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->g = g;
	c->next = g->all;
	c->prev = &g->all;
	if (c->next)
		c->next->prev = &c->next;
	g->all = c;
	c->origin = strdup(origin);
	c->timer = loop_timer_add(g->loop, UINT64_MAX, 0, on_time, c);
	if (!c->origin || !c->timer || httpm_open(g->loop, &c->dialler, NULL)) {
		free_conn(c);
		return NULL;
	}
	return c;
}

/* One that was closed meanwhile may not have been heard of yet. */
static struct grpc_call *idle_conn(const struct grpc *g, const char *origin)
{
	for (struct grpc_call *c = g->all; c; c = c->next) {
		if (c->busy || c->dead || strcmp(c->origin, origin) != 0)
			continue;
		on_ready(c, 0);
		if (!c->dead)
			return c;
	}
	return NULL;
}

static int set_call(struct grpc_call *c, const struct grpc_req *req,
		    const struct grpc_handlers *handlers)
{
	const uint8_t head[GRPC_HEAD] = { 0, (uint8_t)(req->size >> 24), (uint8_t)(req->size >> 16),
					  (uint8_t)(req->size >> 8), (uint8_t)req->size };

	clear_call(c);
	c->handlers = *handlers;
	c->max_size = req->max_size;
	c->path = strdup(req->path);
	for (unsigned int i = 0; i < ARRAY_LEN(c->metadata); i++) {
		c->metadata[i] = req->metadata[i] ? strdup(req->metadata[i]) : NULL;
		if (req->metadata[i] && !c->metadata[i])
			return -ENOMEM;
	}
	return c->path ? buf_add(&c->body, head, GRPC_HEAD, UINT32_MAX)
				 ?: buf_add(&c->body, req->message, req->size, UINT32_MAX)
		       : -ENOMEM;
}

/**
 * grpc_open() - Make a place for calls
 * @loop:  theirs
 * @trust: of all of them; its texts are borrowed
 * @out:   ended with grpc_close()
 *
 * Return: 0; -ENOMEM. Context: this and all others: the loop's thread.
 */
int grpc_open(struct loop *loop, const struct httpc_trust *trust, struct grpc **out)
{
	struct grpc *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->trust = *trust;
	*out = g;
	return 0;
}

/**
 * grpc_close() - End all calls, nobody hears of it
 * @g: may be NULL; not from within a handler
 */
void grpc_close(struct grpc *g)
{
	while (g && g->all)
		free_conn(g->all);
	free(g);
}

/**
 * grpc_start() - Begin a call; it may reach the other side twice, if a kept connection breaks
 * @g:        where
 * @req:      all of it is copied
 * @handlers: copied; called from the loop, never before this returns
 * @out:      gets the call, for grpc_stop(); it is gone when on_end is called
 *
 * Return: 0; -EMSGSIZE: the message is too large for any; -ENOMEM. Its end: -ECONNREFUSED,
 * -ETIMEDOUT, -EKEYREJECTED, -EIO as httpc_call() says; -EPIPE: the connection was closed; -EPROTO:
 * not what gRPC is; -EMSGSIZE: an answer above @req->max_size.
 */
int grpc_start(struct grpc *g, const struct grpc_req *req, const struct grpc_handlers *handlers,
	       struct grpc_call **out)
{
	struct grpc_call *c = idle_conn(g, req->origin) ?: new_conn(g, req->origin);
	int rc = c ? set_call(c, req, handlers) : -ENOMEM;

	if (!rc && !c->h2)
		rc = dial(c);
	if (rc) {
		if (c)
			drop(c);
		return rc;
	}
	c->busy = true;
	c->reused = c->h2;
	c->timeout_ms = req->timeout_ms;
	arm(c);
	rc = c->h2 ? grpc_h2_submit(c) : 0;
	if (rc)
		fail_later(c, rc);
	*out = c;
	return 0;
}

/**
 * grpc_stop() - Give a call up
 * @call: one that has not ended, or NULL; on_end is not called
 */
void grpc_stop(struct grpc_call *call)
{
	if (call)
		drop(call);
}
