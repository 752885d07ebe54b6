/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens whose signature was checked: see known.c. */
#ifndef ANYVF_IDENTITY_KNOWN_H
#define ANYVF_IDENTITY_KNOWN_H

#include "identity/identity.h"

struct known;

struct known *known_new(void);
void known_free(struct known *k);
const struct token *known_find(struct known *k, uint64_t keys, const char *text);
void known_keep(struct known *k, uint64_t keys, const char *text, const struct token *t);

#endif
