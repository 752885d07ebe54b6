/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives the agent: JSON in files of its directory. */
#ifndef ANYVF_AGENT_HOST_RECORD_H
#define ANYVF_AGENT_HOST_RECORD_H

#include <jansson.h>

#include "base/err.h"

int record_dir(const char *dir, const char *name, struct err *e);
json_t *record_read(const char *path);
void record_write(const char *path, json_t *record);
void record_drop(const char *path);

#endif
