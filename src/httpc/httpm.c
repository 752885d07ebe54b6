/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a loop, by the multi interface of curl: its sockets in the epoll set, one timer. */
#include "httpc/httpm.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "httpc/transfer.h"

#define IDLE_MAX    64 /* connections that wait for their next request */
#define HANDLES_MAX 16 /* handles, likewise: to make one takes as long as a tenth of a request */

struct httpm {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct httpm_flow *flows, *streams; /* those without on_data, those with it */
	struct httpm_flow *ended;	    /* to be freed */
	unsigned int n;			    /* flows and streams */
	CURL *handles[HANDLES_MAX];	    /* of flows that were freed */
	unsigned int n_handles;
	bool pumping; /* in a callback of ours: flows that end stay until it is over */
};

struct httpm_flow {
	struct httpm *m;
	struct transfer t;
	struct httpc_req req;
	struct httpm_handlers handlers;
	char *url, *body; /* owned; of the request */
	size_t seen;	  /* bytes of the answer that on_data was shown */
	bool ended;	  /* stopped, or it has ended */
	struct httpm_flow *next, **prev, *next_ended;
};

static CURL *handle_get(struct httpm *m)
{
	return m->n_handles ? m->handles[--m->n_handles] : curl_easy_init();
}

static void handle_put(struct httpm *m, CURL *curl)
{
	if (curl && m->n_handles < HANDLES_MAX)
		m->handles[m->n_handles++] = curl;
	else
		curl_easy_cleanup(curl);
}

static void flow_free(struct httpm_flow *f)
{
	transfer_fini(&f->t);
	handle_put(f->m, f->t.curl);
	free(f->url);
	free(f->body);
	free(f);
}

/*
 * By itself curl keeps four connections for each request under way, and so closes most of them
 * where hundreds come at once and few are left a moment later. Those in use count for it as well.
 */
static void count(struct httpm *m, int more)
{
	m->n += (unsigned int)more;
	curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, (long)m->n + IDLE_MAX);
}

/* Nothing more comes of it, nobody hears of it. */
static void leave(struct httpm_flow *f)
{
	f->ended = true;
	*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	f->next_ended = f->m->ended;
	f->m->ended = f;
	curl_multi_remove_handle(f->m->multi, f->t.curl);
	count(f->m, -1);
}

static void sweep(struct httpm *m)
{
	struct httpm_flow *f;

	while ((f = m->ended)) {
		m->ended = f->next_ended;
		flow_free(f);
	}
}

/* Shows what came, and drops what was taken. */
static void show(struct httpm_flow *f)
{
	struct httpc_answer *a = &f->t.answer;
	size_t taken;

	if (f->ended || !f->handlers.on_data || a->size == f->seen)
		return;
	taken = f->handlers.on_data(f->handlers.arg, a->body, a->size);
	if (f->ended)
		return;
	memmove(a->body, a->body + taken, a->size - taken + 1);
	a->size -= taken;
	f->seen = a->size;
}

static void end(struct httpm_flow *f, CURLcode code)
{
	struct err e = { 0 };
	int rc = transfer_end(&f->t, code, &e);

	show(f);
	if (f->ended)
		return;
	if (rc || !f->req.dial)
		leave(f);
	f->handlers.on_end(f->handlers.arg, rc, rc ? NULL : &f->t.answer, e.msg);
}

/* After curl worked: outside of its own callbacks, so that handlers may do what they like. */
static void pump(struct httpm *m)
{
	CURLMsg *msg;
	int left;

	m->pumping = true;
	for (struct httpm_flow *f = m->streams; f; f = f->next)
		show(f);
	while ((msg = curl_multi_info_read(m->multi, &left))) {
		struct httpm_flow *f;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&f);
		if (msg->msg == CURLMSG_DONE)
			end(f, msg->data.result);
	}
	m->pumping = false;
	sweep(m);
}

static void work(struct httpm *m, int fd, int what)
{
	int running;

	curl_multi_socket_action(m->multi, fd, what, &running);
	pump(m);
}

struct sock {
	struct httpm *m;
	int fd;
	struct loop_fd *src;
};

static void on_ready(void *arg, uint32_t events)
{
	const struct sock *s = arg;
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	work(s->m, s->fd, what);
}

static void on_time(void *arg)
{
	work(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* What curl waits for at a socket. -1 fails the transfer. */
static int want_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *sock)
{
	struct httpm *m = arg;
	struct sock *s = sock;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		if (s)
			loop_fd_del(s->src);
		free(s);
		return 0;
	}
	if (s)
		return loop_fd_set(s->src, events) ? -1 : 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	*s = (struct sock){ m, fd, NULL };
	s->src = loop_fd_add(m->loop, fd, events, on_ready, s);
	if (!s->src) {
		free(s);
		return -1;
	}
	curl_multi_assign(m->multi, fd, s);
	return 0;
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
	struct httpm *m = arg;

	loop_timer_set(m->timer, ms < 0 ? UINT64_MAX : (uint64_t)ms, 0);
	return 0;
}

/**
 * httpm_open() - Make a place for requests
 * @loop: theirs
 * @out:  ended with httpm_close()
 * @e:    error text, may be NULL
 *
 * Return: 0; -ENOMEM. Context: this and all others: the loop's thread.
 */
int httpm_open(struct loop *loop, struct httpm **out, struct err *e)
{
	auto_of(httpm_close) struct httpm *m = calloc(1, sizeof(*m));
	struct httpc *once = NULL;

	if (httpc_open(&once, e)) /* curl itself, once */
		return -ENOMEM;
	httpc_close(once);
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	m->loop = loop;
	m->multi = curl_multi_init();
	m->timer = loop_timer_add(loop, UINT64_MAX, 0, on_time, m);
	if (!m->multi || !m->timer)
		return err_set(e, -ENOMEM, "out of memory");
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	*out = take(m);
	return 0;
}

/**
 * httpm_close() - End all requests, nobody hears of it
 * @m: may be NULL; not from within a handler
 */
void httpm_close(struct httpm *m)
{
	if (!m)
		return;
	while (m->flows)
		leave(m->flows);
	while (m->streams)
		leave(m->streams);
	sweep(m);
	while (m->n_handles)
		curl_easy_cleanup(m->handles[--m->n_handles]);
	curl_multi_cleanup(m->multi);
	loop_timer_del(m->timer);
	free(m);
}

/**
 * httpm_start() - Begin a request
 * @m:        where
 * @req:      copied, with its URL and body; what else it names is not needed when this returns, but
 *            ->method, a literal; no ->in_fd, ->out_fd, ->cancel
 * @handlers: copied; called from the loop, never before this returns
 * @out:      gets the flow, for httpm_stop(); it is gone when on_end is called
 *
 * Return: 0; -ENOMEM.
 */
int httpm_start(struct httpm *m, const struct httpc_req *req, const struct httpm_handlers *handlers,
		struct httpm_flow **out)
{
	struct httpm_flow *f = calloc(1, sizeof(*f)), **list;

	if (!f)
		return -ENOMEM;
	f->m = m;
	f->req = *req;
	f->handlers = *handlers;
	f->req.url = f->url = strdup(req->url);
	f->body = malloc(req->body_size + 1);
	f->t.curl = handle_get(m);
	f->t.req = &f->req;
	if (f->body && req->body)
		f->req.body = memcpy(f->body, req->body, req->body_size);
	if (!f->url || !f->body || !f->t.curl || transfer_prepare(&f->t) ||
	    curl_easy_setopt(f->t.curl, CURLOPT_PRIVATE, f) ||
	    curl_multi_add_handle(m->multi, f->t.curl)) {
		flow_free(f);
		return -ENOMEM;
	}
	list = handlers->on_data ? &m->streams : &m->flows;
	f->next = *list;
	f->prev = list;
	if (f->next)
		f->next->prev = &f->next;
	*list = f;
	count(m, 1);
	*out = f;
	return 0;
}

/**
 * httpm_stop() - Give a request up
 * @flow: one that has not ended, or NULL; on_end is not called
 */
void httpm_stop(struct httpm_flow *flow)
{
	if (!flow)
		return;
	leave(flow);
	if (!flow->m->pumping)
		sweep(flow->m);
}

/**
 * httpm_fd() - The socket of a connection that was dialled
 * @flow: connected, and there until httpm_stop()
 *
 * Return: the file descriptor, the flow's, which does not block; -1: it is gone.
 */
int httpm_fd(const struct httpm_flow *flow)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(flow->t.curl, CURLINFO_ACTIVESOCKET, &fd);
	return fd == CURL_SOCKET_BAD ? -1 : (int)fd;
}
