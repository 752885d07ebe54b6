/* SPDX-License-Identifier: Apache-2.0 */
/* One request line in, one reply line out: the room's core, without sockets. For server.c and tests. */
#ifndef ANYVF_CTL_METHOD_H
#define ANYVF_CTL_METHOD_H

#include "model/pf_ops.h"

/* JSON-RPC 2.0, section 5.1 */
enum rpc_error {
	RPC_PARSE = -32700,
	RPC_REQUEST = -32600,
	RPC_METHOD = -32601,
	RPC_PARAMS = -32602
};

const char *ctl_method_at(unsigned int i, bool *reads);
char *ctl_answer(const struct pf_ops *ops, void *ctx, const char *line, size_t len, bool reading,
		 int fd);
char *ctl_answer_error(const json_t *id, int code, const char *message);

#endif
