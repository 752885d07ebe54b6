/* SPDX-License-Identifier: Apache-2.0 */
/* The human's half of an error: a fixed buffer beside the negative errno a function returns. */
#ifndef ANYVF_BASE_ERR_H
#define ANYVF_BASE_ERR_H

#include "base/util.h"

/* Start with `struct err e = {0};`. */
struct err {
	char msg[512]; /* a sentence without a full stop; "" while nothing went wrong */
};

int err_set(struct err *e, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
