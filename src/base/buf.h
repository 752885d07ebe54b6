/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes with a bound: what came from a peer, what waits to go to one. */
#ifndef ANYVF_BASE_BUF_H
#define ANYVF_BASE_BUF_H

#include "base/util.h"

/* Start with `struct buf b = {0};`. data[len] is a NUL once anything was added. */
struct buf {
	char *data;  /* heap, NULL while nothing was ever added */
	size_t len;  /* bytes in use */
	size_t size; /* bytes allocated */
};

int buf_room(struct buf *b, size_t size, size_t max);
int buf_add(struct buf *b, const void *data, size_t size, size_t max);
void buf_drop(struct buf *b, size_t size);
void buf_fini(struct buf *b);

#endif
