/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as they lie in a store that others can read: sealed with
 * XChaCha20-Poly1305, each bound to its key. The first key of the file seals,
 * all of them open, so keys are exchanged with overlap.
 */
#ifndef ANYVF_STORE_SEAL_H
#define ANYVF_STORE_SEAL_H

#include <stddef.h>

#include "base/err.h"

struct seal;

int seal_load(const char *path, struct seal **out, struct err *e);
int seal_make(const char *path, struct err *e);
void seal_free(struct seal *seal);
AUTO_DEFINE(struct seal *, seal_free)

char *seal_write(const struct seal *seal, const char *key, const char *text, size_t len);
char *seal_read(const struct seal *seal, const char *key, const char *text, size_t size,
		size_t *len, struct err *e);

#endif
