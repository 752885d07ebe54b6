/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for a server's console: each is answered once, with the end of its log. */
#ifndef ANYVF_AGENT_KINDS_CONSOLE_CONSOLE_H
#define ANYVF_AGENT_KINDS_CONSOLE_CONSOLE_H

#include "agent/core/kind.h"

extern const struct agent_kind console_kind;

#endif
