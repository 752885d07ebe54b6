/* SPDX-License-Identifier: Apache-2.0 */
/* What a server, its connections and requests are made of: for http.c and request.c alone. */
#ifndef ANYVF_HTTP_IMPL_H
#define ANYVF_HTTP_IMPL_H

#include <microhttpd.h>

#include "http/http.h"

struct conn {	     /* one client connection */
	int fd;	     /* libmicrohttpd's */
	bool unread; /* what was answered last was not read to its end */
	bool asked;  /* a request came by it */
	struct peer peer;
	char address[INET6_ADDRSTRLEN]; /* who is at the other end; "" if that cannot be told */
};

struct http_req {
	struct http *http;	       /* server */
	struct MHD_Connection *mhd;    /* connection it came by */
	struct conn *conn;	       /* the same, ours */
	char *target;		       /* as sent */
	const char *method;	       /* libmicrohttpd's */
	size_t body_max;	       /* bytes kept in memory */
	char *body;		       /* in memory, or NULL; ends with a NUL of its own */
	size_t size, room;	       /* of body: used, allocated */
	char *path;		       /* file that gets the body, or NULL */
	int fd;			       /* of that file, or -1 */
	struct digest *digest;	       /* of what went to that file */
	int error;		       /* why the body is not complete, or 0 */
	bool begun, suspended;	       /* headers were seen; waits for http_reply() */
	bool refused;		       /* its body is not wanted */
	struct MHD_Response *response; /* to be queued */
	unsigned int status;	       /* of response */
	struct http_req *next, **prev; /* in http->suspended */
};

struct http {
	struct http_opts opts;
	struct MHD_Daemon *mhd;
	struct loop_fd *source;	    /* libmicrohttpd's epoll descriptor */
	struct loop_timer *timer;   /* its next timeout */
	struct loop_timer *sweeper; /* ends slow connections */
	struct lingers *lingers;    /* connections that end */
	struct limits *limits;	    /* of connections */
	struct http_req *suspended; /* requests without an answer */
	bool resumed;		    /* a connection was resumed: run again */
	bool closing;		    /* requests that come now get 503 */
	bool encrypted, moved;	    /* under TLS; something was told in this turn */
	bool deaf;		    /* nobody is accepted any more */
	unsigned int busy; /* connections that have not asked, requests that are not suspended */
};

#endif
