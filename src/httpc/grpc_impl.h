/* SPDX-License-Identifier: Apache-2.0 */
/* What connections and calls are made of: for grpc.c and grpc_h2.c alone. */
#ifndef ANYVF_HTTPC_GRPC_IMPL_H
#define ANYVF_HTTPC_GRPC_IMPL_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "base/buf.h"
#include "httpc/grpc.h"
#include "httpc/httpm.h"
#include "httpc/tlsc.h"

#define GRPC_HEAD 5 /* bytes before a message: whether it is compressed, and its length */

/* A connection, and the call that is on it. */
struct grpc_call {
	struct grpc *g;
	struct grpc_call *next, **prev;
	/* Its own one: in libcurl's eyes nobody uses a connection that was dialled, and it closes
	 * one with bytes to be read when it makes another.
	 */
	struct httpm *dialler;
	struct httpm_flow *dial; /* NULL: it is broken */
	int fd;			 /* dial's */
	struct loop_fd *src;	 /* NULL: it is not connected */
	bool writes;		 /* src waits for room */
	struct tlsc *tls;	 /* NULL: there is none */
	struct loop_timer *timer;
	nghttp2_session *h2;
	struct buf out; /* frames on their way */
	char *origin;
	bool busy;   /* there is a call, ... */
	bool reused; /* ... on a connection that was kept, from which nothing has come since */
	bool dead;   /* freed at the next turn */

	struct grpc_handlers handlers;
	int timeout_ms; /* < 0: none */
	size_t max_size;
	char *path, *metadata[2];
	struct buf body; /* the message, with its head */
	size_t sent;	 /* of it, to nghttp2 */
	int32_t stream;
	struct buf came; /* of the answer, and was not shown */
	int http, status;
	char words[200];
	bool ended; /* by the other side, as calls end */
	int rc;	    /* not 0: in another way */
};

struct grpc {
	struct loop *loop;
	struct httpc_trust trust;
	struct grpc_call *all;
};

void grpc_want(struct grpc_call *c, bool writes);
int grpc_h2_open(struct grpc_call *c);
int grpc_h2_submit(struct grpc_call *c);
int grpc_h2_flush(struct grpc_call *c);
int grpc_h2_hear(struct grpc_call *c);

#endif
