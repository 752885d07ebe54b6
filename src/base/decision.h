/* SPDX-License-Identifier: Apache-2.0 */
/* What several processes obey, whoever of them says it first: one small file, by its name. */
#ifndef ANYVF_BASE_DECISION_H
#define ANYVF_BASE_DECISION_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

#define DECISION_ID_LEN 12 /* hex digits */

/*
 * As wishes, NONE only looks; READY sees to it that a decision takes no room on the disk; JOIN that
 * somebody else has done so, or has decided, in the same place.
 */
enum decision { DECISION_NONE, DECISION_KEEP, DECISION_BACK, DECISION_READY, DECISION_JOIN };

void decision_dir(const char *state, char out[PATH_MAX]);
bool decision_id_is(const char *id);
int decision_take(const char *dir, const char *id, enum decision want, enum decision *is,
		  struct err *e);

#endif
