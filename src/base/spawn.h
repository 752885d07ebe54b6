/* SPDX-License-Identifier: Apache-2.0 */
/* Child programs, run to their end. */
#ifndef ANYVF_BASE_SPAWN_H
#define ANYVF_BASE_SPAWN_H

#include <sys/types.h>

#include "base/sandbox.h"

int spawn_run(const char *const argv[], int timeout_ms, char *out, size_t out_size, struct err *e);
int spawn_run_sandboxed(const char *const argv[], const struct sandbox *sandbox, int timeout_ms,
			char *out, size_t out_size, struct err *e);

#endif
