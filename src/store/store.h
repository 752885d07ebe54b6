/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: JSON documents under keys, one global revision, one way to
 * change: a commit of comparisons, puts and deletes, which ends by a call.
 * Everything that must be unique is a key. A document's version is the
 * revision that wrote it; 0 stands for "no such key". Documents are values:
 * once handed to the store nobody changes them any more.
 */
#ifndef ANYVF_STORE_STORE_H
#define ANYVF_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/field.h"
#include "base/loop.h"
#include "httpc/httpc.h"
#include "store/record.h"

#define STORE_KEY_LEN 255 /* longest key, in bytes */
#define STORE_OPS_MAX 256 /* comparisons, and changes, of one call (etcd: --max-txn-ops) */
#define STORE_SCHEMA  1 /* version of what is in the documents; older is upgraded, newer refused */

struct store;
struct seal;

/*
 * Comparisons, then changes. A mark is a name that begins with '#': it has no document and no
 * version that anybody must know, but the store knows which revision touched it last. Where nobody
 * else writes (store_is_shared()), it need not keep them, and all is calm.
 */
enum store_op_kind {
	STORE_CHECK, /* a key has this version; 0: is absent */
	STORE_CALM,  /* a mark, or all keys under a prefix, were not changed after this revision */
	STORE_PUT,
	STORE_DELETE,
	STORE_TOUCH, /* a mark */
};

struct store_op {
	enum store_op_kind kind;
	char *key;	    /* owned; or a prefix or mark */
	uint64_t version;   /* of comparisons */
	struct record *doc; /* STORE_PUT: owned reference */
};
/* A key has at most one change; comparisons may stand anywhere: they are made first. */
struct store_txn {
	struct store_op *ops; /* owned */
	unsigned int n_ops, room;
};

/* A change that is on disk. doc is NULL for a deletion; key and doc are borrowed. */
struct store_event {
	uint64_t revision;
	const char *key;
	struct record *doc;
};
typedef void (*store_event_fn)(void *arg, const struct store_event *ev);
/* Return non-zero to end the listing. key and doc are borrowed. */
typedef int (*store_doc_fn)(void *arg, const char *key, uint64_t version, struct record *doc);

/* How a commit ended. All of it is borrowed. */
struct store_end {
	int rc;		   /* 0: on disk; -EAGAIN: a comparison failed; -ENOSPC, -EIO ... */
	uint64_t revision; /* 0: the version of what was put */
	const char *why;   /* rc < 0: a sentence, or "" */
	const struct store_event *found; /* -EAGAIN: what stands where the comparisons failed; */
	unsigned int n_found;		 /* ... revision 0: no such key */
};
typedef void (*store_end_fn)(void *arg, const struct store_end *end);
/* rc 0: the follower has heard of all that was committed, by whomever, before it was asked. */
typedef void (*store_sync_fn)(void *arg, int rc);

/* Who follows the store: its copy of all documents, and what the store may ask of it. */
struct store_follower {
	store_event_fn heard;
	/* Relisting: the first key behind `after` that it has of the store, and its version; NULL:
	 * that was the last. Borrowed until the next call.
	 */
	const char *(*next)(void *arg, const char *after, uint64_t *version);
	void *arg;
};

/* What a store that is reached over a network needs; borrowed for its life. */
struct store_opts {
	struct loop *loop;	  /* that runs it */
	struct httpc_trust trust; /* of https */
	const struct seal *seal;  /* that documents are sealed with; NULL: they are not */
};

/* url: "mem:", "sqlite:PATH" (a plain path means SQLite), "etcd:URL[,URL...][/PREFIX]" */
int store_open(const char *url, const struct store_opts *opts, struct store **out, struct err *e);
void store_close(struct store *st);
AUTO_DEFINE(struct store *, store_close)

void store_commit(struct store *st, const struct store_txn *txn, store_end_fn fn, void *arg);
void store_wait(struct store *st);
unsigned int store_ops_max(const struct store *st);
bool store_is_shared(const struct store *st);
int store_list(struct store *st, const char *prefix, store_doc_fn fn, void *arg, struct err *e);
uint64_t store_revision(const struct store *st);
int store_follow(struct store *st, const struct store_follower *follower);
void store_sync(struct store *st, store_sync_fn fn, void *arg);
int store_beat(struct store *st, const char *name, int64_t now_us);
int64_t store_beat_at(const struct store *st, const char *name, int64_t now_us);
bool store_leads(const struct store *st, int64_t now_us);
const char *store_cloud(const struct store *st);
const char *store_trouble(const struct store *st, uint64_t *since_ms);
int store_changes(struct store *st, uint64_t after, const char *prefix, store_event_fn fn,
		  void *arg);

/* In a store while documents are copied into it: nobody works with it. */
#define STORE_COPYING "/copying"
int store_copy(struct store *from, struct store *to, unsigned int *n, struct err *e);

int store_txn_check(struct store_txn *txn, const char *key, uint64_t version);
int store_txn_calm(struct store_txn *txn, const char *what, uint64_t revision);
int store_txn_touch(struct store_txn *txn, const char *mark);
int store_txn_put(struct store_txn *txn, const char *key, struct record *doc);
int store_txn_delete(struct store_txn *txn, const char *key);
void store_txn_clear(struct store_txn *txn);

#endif
