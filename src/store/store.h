/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: JSON documents under keys, one global revision, one way to
 * change: a transaction of comparisons, puts and deletes. Everything that
 * must be unique is a key. A document's version is the revision that wrote
 * it; 0 stands for "no such key". Documents are values: once handed to the
 * store nobody changes them any more.
 */
#ifndef ANYVF_STORE_STORE_H
#define ANYVF_STORE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/field.h"

#define STORE_KEY_LEN 255 /* longest key, in bytes */
#define STORE_OPS_MAX 256 /* comparisons, and changes, of one transaction (etcd: --max-txn-ops) */
#define STORE_SCHEMA 1	  /* version of what is in the documents; older is upgraded, newer refused */

struct store;

enum store_op_kind { STORE_CHECK, STORE_PUT, STORE_DELETE };

struct store_op {
	enum store_op_kind kind;
	char *key;	  /* owned */
	uint64_t version; /* STORE_CHECK: what the key's version must be; 0: absent */
	json_t *doc;	  /* STORE_PUT: owned reference */
};
struct store_txn {
	struct store_op ops[2 * STORE_OPS_MAX]; /* comparisons may stand anywhere: made first */
	unsigned int n_ops, n_checks; /* n_checks of n_ops are comparisons */
};

/* A change that is on disk. doc is NULL for a deletion; key and doc are borrowed. */
struct store_event {
	uint64_t revision;
	const char *key;
	json_t *doc;
};
typedef void (*store_event_fn)(void *arg, const struct store_event *ev);
/* Return non-zero to end the listing. key and doc are borrowed. */
typedef int (*store_doc_fn)(void *arg, const char *key, uint64_t version, json_t *doc);

/* url: "mem:" or "sqlite:PATH" (a plain path means SQLite) */
int store_open(const char *url, struct store **out, struct err *e);
void store_close(struct store *st);
AUTO_DEFINE(struct store *, store_close)

int store_apply(struct store *st, const struct store_txn *txn, uint64_t *revision, struct err *e);
int store_flush(struct store *st, struct err *e);
int store_get(struct store *st, const char *key, uint64_t *version, json_t **doc, struct err *e);
int store_list(struct store *st, const char *prefix, store_doc_fn fn, void *arg, struct err *e);
uint64_t store_revision(const struct store *st);
void store_watch(struct store *st, store_event_fn fn, void *arg);
int store_changes(struct store *st, uint64_t after, const char *prefix, store_event_fn fn,
		  void *arg);

int store_txn_check(struct store_txn *txn, const char *key, uint64_t version);
int store_txn_put(struct store_txn *txn, const char *key, json_t *doc);
int store_txn_delete(struct store_txn *txn, const char *key);
void store_txn_clear(struct store_txn *txn);

#endif
