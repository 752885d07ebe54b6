/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of gRPC (grpc.io, "gRPC over HTTP2"): one message there, and one back or, of a stream, many.
 * Each call has a connection of its own while it is under way, so that one which breaks, or says
 * nothing any more, is one call's trouble; it is kept for the next call if this one ended as calls
 * do. libcurl connects, GnuTLS and nghttp2 speak: what libcurl 7.88 itself has of HTTP/2 does not do
 * for this. It cannot use a connection again that was known to speak it, loses what a server says
 * that has heard enough, waits up to a second for the end of an answer it has read, and keeps a
 * connection whose call timed out.
 *
 * Proxies of the environment are not asked. All in the loop's thread.
 */
#ifndef ANYVF_HTTPC_GRPC_H
#define ANYVF_HTTPC_GRPC_H

#include "base/loop.h"
#include "httpc/httpc.h"

struct grpc;
struct grpc_call;

struct grpc_req {
	const char *origin;	 /* "https://10.0.0.1:2379" */
	const char *path;	 /* "/package.Service/Method" */
	const char *metadata[2]; /* a header's name, in small letters, and value; NULL: none */
	const void *message;	 /* packed */
	size_t size;		 /* of it, bytes */
	int timeout_ms;		 /* for all of the call; < 0: none */
	size_t max_size;	 /* largest message that is taken */
};

struct grpc_answer {
	int status;	     /* grpc-status; -1: it has none */
	const char *words;   /* grpc-message; "": none */
	const void *message; /* NULL: none, or a stream's, which were shown */
	size_t size;
};

/* A call's end: an answer (rc 0), or why there is none. The call is gone, the answer not the callee's. */
typedef void (*grpc_end_fn)(void *arg, int rc, const struct grpc_answer *answer, const char *why);

struct grpc_handlers {
	/* A message of a stream. NULL: there is one, for on_end */
	void (*on_message)(void *arg, const void *message, size_t size);
	grpc_end_fn on_end;
	void *arg;
};

int grpc_open(struct loop *loop, const struct httpc_trust *trust, struct grpc **out);
void grpc_close(struct grpc *g);
AUTO_DEFINE(struct grpc *, grpc_close)

int grpc_start(struct grpc *g, const struct grpc_req *req, const struct grpc_handlers *handlers,
	       struct grpc_call **out);
void grpc_stop(struct grpc_call *call);

#endif
