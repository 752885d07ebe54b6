/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client: one blocking request at a time over a kept connection. A
 * session belongs to one thread; long polls get a thread of their own and are
 * ended from outside through the request's cancel flag.
 */
#ifndef ANYVF_HTTPC_HTTP_H
#define ANYVF_HTTPC_HTTP_H

#include <stdatomic.h>

#include "base/err.h"

#define HTTP_HEADERS_MAX 8

/* Whom to believe under https, and what to show; "" or NULL: the system's CAs, nothing. Files. */
struct http_trust {
	const char *ca_file, *certificate, *key;
};

struct http_req {
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; ends at the first NULL */
	const void *body;		       /* NULL: none */
	size_t body_size;
	int timeout_ms;	 /* for the whole request; 0: none but the stall limit of 30 s */
	size_t max_size; /* largest answer taken into memory; 0: 4 MiB */
	int out_fd;	 /* > 0: a good answer's body goes to this file instead of memory */
	const struct http_trust *trust; /* NULL: the system's CAs */
	const atomic_bool *cancel; /* true ends the request within a second; may be NULL */
};

struct http_answer {
	int status;    /* 200, 404, ... */
	char *body;    /* NUL-terminated; never NULL after success */
	size_t size;   /* bytes in body */
	char *headers; /* "name: value" lines as they came */
};

struct http;

int http_open(struct http **out, struct err *e);
void http_close(struct http *h);
AUTO_DEFINE(struct http *, http_close)

int http_call(struct http *h, const struct http_req *req, struct http_answer *out, struct err *e);
char *http_header(const struct http_answer *a, const char *name);
void http_answer_fini(struct http_answer *a);
static inline void http_answer_auto_(struct http_answer *a)
{
	http_answer_fini(a);
}
#define auto_http_answer __attribute__((cleanup(http_answer_auto_)))

#endif
