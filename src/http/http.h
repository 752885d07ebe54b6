/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server: bytes to requests, answers to bytes. It knows nothing
 * of services. Everything runs in the loop's thread.
 */
#ifndef ANYVF_HTTP_HTTP_H
#define ANYVF_HTTP_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "http/limit.h"

struct digest;
struct http_tls;
struct http;
struct http_req;

/* What begin() makes of a request whose headers are here; zeroed before. */
struct http_intake {
	enum peer_class class; /* of who asks, for the rest of the connection */
	bool refuse;	 /* handle() now: the body is not wanted, and none is there then */
	size_t body_max; /* bytes of the body that are kept; 413 past them */
	char *file;	 /* malloc'ed, taken: a file of this path gets the body; or NULL */
};

struct http_opts {
	struct loop *loop;    /* borrowed */
	const char *listen;   /* "127.0.0.1:5000", "[::1]:5000" */
	const char *kept;     /* its name in the store of base/fdstore.h; NULL: nobody keeps it */
	const struct http_tls *tls; /* borrowed while opening; NULL, or without key: plain HTTP */
	unsigned int slow_ms; /* a request must be here in that time; an idle connection is closed;
			       * strangers get a quarter of it */
	size_t answers;	      /* bytes of strangers' answers that wait to be taken; 0: few */
	/* Headers are here: is a body wanted, and where? */
	void (*begin)(void *arg, struct http_req *req, struct http_intake *intake);
	/* The request is complete; answer now or later with http_reply(). */
	void (*handle)(void *arg, struct http_req *req);
	/* All requests that were there have been handled: time to commit. */
	void (*batch)(void *arg);
	void *arg;
};

struct http_answer {
	unsigned int status;
	const char *const *headers; /* name, value, name, value, NULL; or NULL */
	char *body;		    /* malloc'ed, taken; or NULL */
	size_t size;		    /* of body or file */
	int fd;			    /* a file to send, taken; -1: body */
	uint64_t offset;	    /* where to begin in it */
};

bool http_is_local(const char *listen);
void http_address(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN]);
int http_listen(const char *where, const char *kept, struct err *e);
unsigned int http_connections(void);
int http_open(const struct http_opts *opts, struct http **out, struct err *e);
void http_deafen(struct http *http);
bool http_is_busy(const struct http *http);
void http_close(struct http *http);
AUTO_DEFINE(struct http *, http_close)

const char *http_method(const struct http_req *req);
const char *http_target(const struct http_req *req); /* as sent: "/v3/users?name=x" */
const char *http_header(const struct http_req *req, const char *name);
const char *http_peer(const struct http_req *req); /* "192.0.2.7", "2001:db8::7" */
bool http_certified(const struct http_req *req); /* the client showed a good certificate */
const char *http_body(const struct http_req *req, size_t *size);
const char *http_file(const struct http_req *req); /* path begin() gave, or NULL */
const struct digest *http_digest(const struct http_req *req); /* of that file's bytes, or NULL */
size_t http_body_max(const struct http_req *req);
int http_body_error(const struct http_req *req); /* why the body is not complete, or 0 */
void http_reply(struct http_req *req, const struct http_answer *answer);

#endif
