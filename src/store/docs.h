/* SPDX-License-Identifier: Apache-2.0 */
/* Documents with their keys and versions, in a list that grows. */
#ifndef ANYVF_STORE_DOCS_H
#define ANYVF_STORE_DOCS_H

#include "store/store.h"

struct store_docs {
	struct store_event *all; /* owned, with keys and references to documents */
	unsigned int n, room;
};

int store_docs_add(struct store_docs *d, uint64_t revision, const char *key, struct record *doc);
void store_docs_clear(struct store_docs *d);

#endif
