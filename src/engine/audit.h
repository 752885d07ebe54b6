/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: one line for each login, refusal, grant and change. Inside of the engine. */
#ifndef ANYVF_ENGINE_AUDIT_H
#define ANYVF_ENGINE_AUDIT_H

#include "engine/call.h"
#include "engine/policy.h"

#define AUDIT_LINE_MAX 1200 /* bytes, with its newline */

struct audit {
	const char *path;     /* [api] audit_log; "log": the daemon's log */
	int64_t second;	      /* of the monotonic clock */
	unsigned int said[2]; /* lines in it of strangers: refusals, logins */
	uint64_t left_out;    /* lines since the last one that tells of them */
	bool lost;	      /* the file could not be written, and that was said */
};

/* What a line is made of. */
struct audit_entry {
	const char *event, *request_id, *address, *method, *prefix, *path;
	const struct auth *who;
	unsigned int status;
	uint64_t left_out;
};

const char *audit_event(enum rule rule, unsigned int route_flags, const char *method,
			unsigned int status);
bool audit_may_say(struct audit *a, bool login, int64_t mono_us);
size_t audit_format(const struct audit_entry *entry, char out[AUDIT_LINE_MAX]);
void audit_call(struct audit *a, const struct call *c, unsigned int status);

#endif
