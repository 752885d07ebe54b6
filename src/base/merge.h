/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Merge Patch (RFC 7396): what changed of a document, as a document. Null: a member goes. */
#ifndef ANYVF_BASE_MERGE_H
#define ANYVF_BASE_MERGE_H

#include <jansson.h>

int merge_apply(json_t *doc, const json_t *patch);
int merge_make(const json_t *from, const json_t *to, json_t *out);

#endif
