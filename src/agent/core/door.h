/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's door to the API: JSON calls, which do not block; images' bytes, which do. */
#ifndef ANYVF_AGENT_CORE_DOOR_H
#define ANYVF_AGENT_CORE_DOOR_H

#include <jansson.h>

#include "agent/core/pass.h"

#define DOOR_MAX 8 /* endpoints */

struct door;

/* A call has ended. What is handed over is borrowed; the answer is NULL unless it was asked for. */
typedef void (*door_fn)(void *arg, int rc, json_t *answer, const char *why);

struct door_req {
	const char *method; /* a literal: "GET", "PUT" */
	const char *path;   /* behind the API's base */
	const json_t *body; /* NULL: none */
	int timeout_ms;	    /* for the whole call, at each endpoint that is tried */
	bool answer;	    /* JSON is expected */
	bool waits;	    /* the answer may take its time: by polls */
};

/* All of it outlives the door; several doors may share each, and so connections. */
struct door_opts {
	const char *const *bases;   /* URLs of the API's replicas, as http://127.0.0.1:5000, NULL
				       behind the last; those past DOOR_MAX are left out */
	struct loop *loop;	    /* where calls end */
	struct httpm *http, *polls; /* carry them; may be the same */
	struct pass *pass;
};

int door_open(const struct door_opts *opts, struct door **out, struct err *e);
void door_close(struct door *d);
AUTO_DEFINE(struct door *, door_close)
void door_cancel(struct door *d);
void door_leave(struct door *d);
const char *door_url(const struct door *d);

int door_ask(struct door *d, const struct door_req *req, door_fn fn, void *arg);
int door_upload(struct door *d, const char *path, int fd, struct err *e);
int door_fetch(struct door *d, const char *path, int fd, struct err *e);

#endif
