/* SPDX-License-Identifier: Apache-2.0 */
/* Times as clients write them (ISO 8601, RFC 3339). */
#ifndef ANYVF_BASE_ISO8601_H
#define ANYVF_BASE_ISO8601_H

#include <stdbool.h>
#include <stdint.h>

bool iso8601_parse(const char *text, int64_t *out_s);

#endif
