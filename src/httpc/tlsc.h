/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of TLS on a socket that does not block, for HTTP/2 (RFC 7301, "h2"). */
#ifndef ANYVF_HTTPC_TLSC_H
#define ANYVF_HTTPC_TLSC_H

#include <stdbool.h>
#include <sys/types.h>

#include "httpc/httpc.h"

struct tlsc;

int tlsc_new(const struct httpc_trust *trust, const char *host, int fd, struct tlsc **out,
	     struct err *e);
void tlsc_free(struct tlsc *t);
int tlsc_shake(struct tlsc *t, struct err *e);
bool tlsc_writes(const struct tlsc *t);
ssize_t tlsc_send(struct tlsc *t, const void *data, size_t size);
ssize_t tlsc_recv(struct tlsc *t, void *data, size_t size);

#endif
