/* SPDX-License-Identifier: Apache-2.0 */
/* Child programs: run one to its end, or keep one and hear of its exit in the loop. */
#ifndef ANYVF_BASE_SPAWN_H
#define ANYVF_BASE_SPAWN_H

#include <sys/types.h>

#include "base/sandbox.h"
#include "base/loop.h"

struct spawn;

/* status as from waitpid(); the child is reaped already */
typedef void (*spawn_exit_fn)(void *arg, int status);

struct spawn_opts {
	const char *netns;   /* name under /run/netns to enter first, or NULL */
	const char *log;     /* file that gets stdout and stderr (appended), or NULL: ours */
	const char *workdir; /* chdir first, or NULL */
};

/* As spawn_run_sandboxed(). */
typedef int (*spawn_sandbox_fn)(const char *const argv[], const struct sandbox *sandbox,
				int timeout_ms, char *out, size_t out_size, struct err *e);

int spawn_run(const char *const argv[], int timeout_ms, char *out, size_t out_size, struct err *e);
int spawn_run_sandboxed(const char *const argv[], const struct sandbox *sandbox, int timeout_ms,
			char *out, size_t out_size, struct err *e);
void spawn_sandboxes_by(spawn_sandbox_fn fn);
struct spawn *spawn_start(struct loop *loop, const char *const argv[],
			  const struct spawn_opts *opts, spawn_exit_fn fn, void *arg,
			  struct err *e);
pid_t spawn_pid(const struct spawn *child);
int spawn_kill(struct spawn *child, int signo);
void spawn_free(struct spawn *child);

#endif
