/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many HTTP requests at once, in a loop's thread: for answers that never end
 * (a watch), and for who must not block. All callbacks come from the loop.
 */
#ifndef ANYVF_HTTPC_HTTPM_H
#define ANYVF_HTTPC_HTTPM_H

#include "base/loop.h"
#include "httpc/httpc.h"

struct httpm;
struct httpm_flow;

/* What has come of the body so far and was not taken: how many bytes of it are. */
typedef size_t (*httpm_data_fn)(void *arg, const char *data, size_t size);
/* The request's end: an answer, whatever its status (rc 0), or why there is none, as httpc_call()
 * says. The flow is gone, but one that dialled and is connected; what answer holds is not the callee's.
 */
typedef void (*httpm_end_fn)(void *arg, int rc, const struct httpc_answer *answer, const char *why);

struct httpm_handlers {
	httpm_data_fn on_data; /* NULL: the body is kept for on_end */
	httpm_end_fn on_end;
	void *arg;
};

int httpm_open(struct loop *loop, struct httpm **out, struct err *e);
void httpm_close(struct httpm *m);
AUTO_DEFINE(struct httpm *, httpm_close)

int httpm_start(struct httpm *m, const struct httpc_req *req, const struct httpm_handlers *handlers,
		struct httpm_flow **out);
void httpm_stop(struct httpm_flow *flow);

int httpm_fd(const struct httpm_flow *flow);

#endif
