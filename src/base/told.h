/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host is told, as one number: the hashes of its documents, each of which stands, by
 * exclusive or. Who adds a document or takes it away does the same, and the order is nobody's
 * concern; API and agent compare theirs (docs/agent-api.md).
 */
#ifndef ANYVF_BASE_TOLD_H
#define ANYVF_BASE_TOLD_H

#include <stdint.h>

#define TOLD_LEN 17 /* "0123456789abcdef" */

uint64_t told_hash(const char *kind, const char *id, int64_t generation);
uint64_t told_name(const char *const *texts);
void told_format(uint64_t sum, char out[TOLD_LEN]);

#endif
