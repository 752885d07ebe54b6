/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a store and etcd in a test, in a thread: it cuts, holds back and swallows. */
#ifndef ANYVF_TESTS_UNIT_PROXY_H
#define ANYVF_TESTS_UNIT_PROXY_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/etcd.h"

#define PIPES_MAX 64

enum pipe_kind { PIPE_OTHER, PIPE_TXN, PIPE_PAGE, PIPE_WATCH };

/* Where one side is in its frames (RFC 9113, 4.1). */
struct frames {
	size_t skip; /* bytes until the next one's head */
	unsigned char head[9];
	unsigned int n_head;
};

#define FRAME_DATA    0
#define FRAME_HEADERS 1
#define PREFACE	      24 /* bytes, before the first frame of the store's */

/* How :path begins in HPACK (RFC 7541): its index, how many coded bytes, "/etcdserverpb." */
#define PATH	   "\x60\xa9\x24\x88\x2d\x9d\xcb\x65\x71\xaf"
#define PATH_TXN   "\x04\x8f" PATH /* ... KV/Txn */
#define PATH_WATCH "\x04\x92" PATH /* ... Watch/Watch */

struct pipe {
	int near, far;		/* to the store, to etcd; 0: none */
	enum pipe_kind kind;	/* of the request that came last */
	bool asked;		/* its answer has not begun */
	struct frames to, from; /* etcd */
	bool mute;		/* what etcd says is swallowed */
	char *held;		/* bytes to etcd that wait */
	size_t n_held;
};

struct proxy {
	int listener, port, to;
	pthread_t thread;
	struct pipe pipes[PIPES_MAX];
	atomic_bool stop;
	atomic_int cut;		/* so many transactions reach etcd, but their answers do not come */
	atomic_int drop;	/* so many do not even reach it */
	atomic_int late;	/* so many wait for ->release, and their connections break */
	atomic_bool release;	/* what was held back goes to etcd now */
	atomic_bool mute;	/* the watches that there are say nothing any more */
	atomic_bool hold;	/* no watch says anything, until this is over */
	atomic_bool hold_reads; /* likewise, what is neither a watch nor a transaction */
	atomic_int slow_ms;	/* pages of a list take so long */
	atomic_uint txns, watches; /* requests that were seen */
};

static inline void pipe_close(struct pipe *p)
{
	if (p->near)
		close(p->near);
	if (p->far)
		close(p->far);
	free(p->held);
	*p = (struct pipe){ 0 };
}

static inline bool take_one(atomic_int *n)
{
	if (!*n)
		return false;
	--*n;
	return true;
}

static inline void send_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = send(fd, data, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		data += done;
		n -= (size_t)done;
	}
}

/* Does a frame of this kind begin in what comes next? */
static inline bool frames_have(struct frames *f, const char *data, size_t n, unsigned char type)
{
	bool found = false;

	while (n) {
		size_t part = MIN(n, f->skip);

		data += part;
		n -= part;
		f->skip -= part;
		for (; n && !f->skip && f->n_head < sizeof(f->head); n--)
			f->head[f->n_head++] = (unsigned char)*data++;
		if (f->n_head < sizeof(f->head))
			continue;
		f->n_head = 0;
		f->skip = (size_t)f->head[0] << 16 | (size_t)f->head[1] << 8 | f->head[2];
		found |= f->head[3] == type;
	}
	return found;
}

/* A request is its headers, and then, perhaps later, what it has to say. true: that has come. */
static inline bool note_request(struct proxy *x, struct pipe *p, const char *data, size_t n)
{
	if (memmem(data, n, PATH, sizeof(PATH) - 1)) {
		p->kind = memmem(data, n, PATH_TXN, sizeof(PATH_TXN) - 1)	? PIPE_TXN
			  : memmem(data, n, PATH_WATCH, sizeof(PATH_WATCH) - 1) ? PIPE_WATCH
										: PIPE_PAGE;
		p->asked = false;
	}
	if (!frames_have(&p->to, data, n, FRAME_DATA) || p->asked)
		return false;
	p->asked = true;
	if (p->kind == PIPE_PAGE && memmem(data, n, "/meta/", 6))
		p->kind = PIPE_OTHER;
	x->txns += p->kind == PIPE_TXN;
	x->watches += p->kind == PIPE_WATCH;
	return true;
}

static inline void from_store(struct proxy *x, struct pipe *p)
{
	char data[65536];
	ssize_t n = read(p->near, data, sizeof(data));
	bool txn;

	if (n <= 0) {
		pipe_close(p);
		return;
	}
	txn = note_request(x, p, data, (size_t)n) && p->kind == PIPE_TXN;
	if (txn && take_one(&x->drop)) {
		pipe_close(p);
	} else if (txn && take_one(&x->late)) {
		p->held = memcpy(malloc((size_t)n), data, (size_t)n);
		p->n_held = (size_t)n;
		close(p->near);
		p->near = 0;
	} else {
		send_all(p->far, data, (size_t)n);
	}
}

static inline void from_etcd(struct proxy *x, struct pipe *p)
{
	char data[65536];
	ssize_t n = read(p->far, data, sizeof(data));
	bool answer = n > 0 && frames_have(&p->from, data, (size_t)n, FRAME_HEADERS) && p->asked;

	if (answer)
		p->asked = false;
	if (n <= 0 || (answer && p->kind == PIPE_TXN && take_one(&x->cut))) {
		pipe_close(p);
		return;
	}
	if (answer && p->kind == PIPE_PAGE && x->slow_ms)
		usleep((useconds_t)x->slow_ms * 1000);
	if (!p->mute && p->near)
		send_all(p->near, data, (size_t)n);
}

static inline void take_store(struct proxy *x)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) },
				  .sin_port = htons((uint16_t)x->to) };
	int near = accept(x->listener, NULL, NULL), far = socket(AF_INET, SOCK_STREAM, 0);

	for (unsigned int i = 0; i < PIPES_MAX; i++) {
		if (x->pipes[i].far || connect(far, (struct sockaddr *)&at, sizeof(at)))
			continue;
		x->pipes[i] = (struct pipe){ .near = near, .far = far, .to.skip = PREFACE };
		return;
	}
	close(near);
	close(far);
}

static inline void apply_orders(struct proxy *x)
{
	bool mute = atomic_exchange(&x->mute, false);
	bool release = atomic_exchange(&x->release, false);

	for (unsigned int i = 0; i < PIPES_MAX; i++) {
		struct pipe *p = &x->pipes[i];

		p->mute |= mute && p->kind == PIPE_WATCH;
		if (release && p->held) {
			send_all(p->far, p->held, p->n_held);
			free(take(p->held));
		}
	}
}

static inline void *proxy_thread(void *arg)
{
	struct proxy *x = arg;

	while (!x->stop) {
		struct pollfd fds[2 * PIPES_MAX + 1];

		apply_orders(x);
		for (unsigned int i = 0; i < PIPES_MAX; i++) {
			const struct pipe *p = &x->pipes[i];
			bool held = (x->hold && p->kind == PIPE_WATCH) ||
				    (x->hold_reads && p->kind == PIPE_OTHER);

			fds[2 * i] = (struct pollfd){ p->near ? p->near : -1, POLLIN, 0 };
			fds[2 * i + 1] =
				(struct pollfd){ p->far && !held ? p->far : -1, POLLIN, 0 };
		}
		fds[2 * PIPES_MAX] = (struct pollfd){ x->listener, POLLIN, 0 };
		poll(fds, ARRAY_LEN(fds), 5);
		for (unsigned int i = 0; i < PIPES_MAX; i++) {
			if (fds[2 * i].revents)
				from_store(x, &x->pipes[i]);
			if (fds[2 * i + 1].revents && x->pipes[i].far)
				from_etcd(x, &x->pipes[i]);
		}
		if (fds[2 * PIPES_MAX].revents)
			take_store(x);
	}
	for (unsigned int i = 0; i < PIPES_MAX; i++)
		pipe_close(&x->pipes[i]);
	return NULL;
}

static inline struct proxy *proxy_start(int to)
{
	struct proxy *x = calloc(1, sizeof(*x));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);

	x->to = to;
	x->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(x->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(x->listener, 16), 0);
	getsockname(x->listener, (struct sockaddr *)&at, &len);
	x->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&x->thread, NULL, proxy_thread, x), 0);
	return x;
}

static inline void proxy_stop(struct proxy *x)
{
	x->stop = true;
	pthread_join(x->thread, NULL);
	close(x->listener);
	free(x);
}

#endif
