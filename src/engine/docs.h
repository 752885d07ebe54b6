/* SPDX-License-Identifier: Apache-2.0 */
/* Members of documents. A document that is not there, NULL, has none. */
#ifndef ANYVF_ENGINE_DOCS_H
#define ANYVF_ENGINE_DOCS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *doc_str(const json_t *doc, const char *name);  /* "" if it is no string */
const char *doc_text(const json_t *doc, const char *name); /* NULL if it is no string */
bool doc_is(const json_t *doc, const char *name, const char *text);
int64_t doc_int(const json_t *doc, const char *name);
bool doc_bool(const json_t *doc, const char *name);
bool doc_same(const json_t *a, const json_t *b, const char *name);
void doc_set_text(json_t *doc, const char *name, const char *text);

#endif
