/* SPDX-License-Identifier: Apache-2.0 */
/* What store.c asks of an engine (sqlite.c, mem.c). Everything runs in the loop's thread. */
#ifndef ANYVF_STORE_BACKEND_H
#define ANYVF_STORE_BACKEND_H

#include "store/store.h"

struct store_backend {
	const char *scheme; /* "sqlite:" */
	/* *revision: the one on disk. */
	int (*open)(const char *where, void **out, uint64_t *revision, struct err *e);
	void (*close)(void *db);
	/* All comparisons, then all changes as this revision, or nothing: -EAGAIN if one fails. */
	int (*apply)(void *db, const struct store_txn *txn, uint64_t revision, struct err *e);
	/* What was applied becomes durable, or (on failure) undone. */
	int (*flush)(void *db, uint64_t revision, struct err *e);
	/* *doc: a new reference. -ENOENT */
	int (*get)(void *db, const char *key, uint64_t *version, json_t **doc, struct err *e);
	int (*list)(void *db, const char *prefix, store_doc_fn fn, void *arg, struct err *e);
};
extern const struct store_backend store_sqlite, store_mem;

#endif
