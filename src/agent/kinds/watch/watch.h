/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody looks at this host: what its ports' VFs count is told as long as it moves. */
#ifndef ANYVF_AGENT_KINDS_WATCH_WATCH_H
#define ANYVF_AGENT_KINDS_WATCH_WATCH_H

#include "agent/core/kind.h"

extern const struct agent_kind watch_kind;

#endif
