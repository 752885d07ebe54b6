/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client: one blocking request at a time over a kept connection. A
 * session belongs to one thread; long polls get a thread of their own and are
 * ended from outside through the request's cancel flag.
 */
#ifndef ANYVF_HTTPC_HTTPC_H
#define ANYVF_HTTPC_HTTPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define HTTPC_HEADERS_MAX 8

/* Whom to believe under https, and what to show; "" or NULL: the system's CAs, nothing. Files. */
struct httpc_trust {
	const char *ca_file, *certificate, *key;
};

struct httpc_req {
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *url;
	const char *headers[HTTPC_HEADERS_MAX]; /* "Name: value"; ends at the first NULL */
	const void *body;			/* NULL: none */
	size_t body_size;
	int in_fd;	  /* > 0: the body is this file's, ... */
	uint64_t in_size; /* ... so many bytes from its beginning */
	int timeout_ms;	  /* for the whole request; 0: only the stall limit of 30 s; < 0: none */
	size_t max_size;  /* largest answer taken into memory; 0: 4 MiB */
	int out_fd;	  /* > 0: a good answer's body goes to this file instead of memory, ... */
	/* ... and is shown before it is written; a negative errno ends the request. May be NULL */
	int (*look)(void *arg, const void *data, size_t size);
	void *look_arg;
	bool fresh; /* over a new connection, whatever was kept */
	bool dial;  /* httpm.c alone: a connection and no request; url is HOST[:PORT] */
	const struct httpc_trust *trust; /* NULL: the system's CAs */
	const atomic_bool *cancel;	 /* true ends the request within a second; may be NULL */
};

struct httpc_answer {
	int status;    /* 200, 404, ... */
	char *body;    /* NUL-terminated; never NULL after success */
	size_t size;   /* bytes in body */
	char *headers; /* "name: value" lines as they came */
};

struct httpc;

int httpc_open(struct httpc **out, struct err *e);
void httpc_close(struct httpc *h);
AUTO_DEFINE(struct httpc *, httpc_close)

int httpc_call(struct httpc *h, const struct httpc_req *req, struct httpc_answer *out,
	       struct err *e);
char *httpc_header(const struct httpc_answer *a, const char *name);
void httpc_answer_fini(struct httpc_answer *a);
static inline void httpc_answer_auto_(struct httpc_answer *a)
{
	httpc_answer_fini(a);
}
#define auto_httpc_answer __attribute__((cleanup(httpc_answer_auto_)))

#endif
