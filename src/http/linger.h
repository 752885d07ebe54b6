/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that were answered before their request was whole: what still
 * arrives is read and dropped for a while. To close at once would make TCP
 * reset the connection (RFC 9112 9.6), and the client might lose the answer.
 */
#ifndef ANYVF_HTTP_LINGER_H
#define ANYVF_HTTP_LINGER_H

#include "base/loop.h"

struct lingers;

struct lingers *linger_new(struct loop *loop);
void linger_free(struct lingers *l);
void linger_add(struct lingers *l, int fd);

#endif
