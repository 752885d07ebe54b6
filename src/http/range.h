/* SPDX-License-Identifier: Apache-2.0 */
/* The Range of a request. */
#ifndef ANYVF_HTTP_RANGE_H
#define ANYVF_HTTP_RANGE_H

#include <stdint.h>

int range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *len);

#endif
