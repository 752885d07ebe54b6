/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are shown to strangers: secrets are taken out of them, whatever wrote them. */
#ifndef ANYVF_BASE_REDACT_H
#define ANYVF_BASE_REDACT_H

#include "base/buf.h"

#define REDACTED "[taken out]"

int redact(const char *text, size_t len, size_t max, struct buf *out, unsigned int *n);

#endif
