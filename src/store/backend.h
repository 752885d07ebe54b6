/* SPDX-License-Identifier: Apache-2.0 */
/* What store.c asks of an engine (sqlite.c, mem.c), and what that tells it. All in the loop's thread. */
#ifndef ANYVF_STORE_BACKEND_H
#define ANYVF_STORE_BACKEND_H

#include "store/store.h"

struct store_backend {
	const char *scheme;   /* "sqlite:" */
	unsigned int ops_max; /* changes of one commit, without its marks */
	bool shared;	      /* others write to it as well */
	/* *revision: the one on disk. st, for what it tells later, and opts live as long as db. */
	int (*open)(const char *where, const struct store_opts *opts, struct store *st, void **db,
		    uint64_t *revision, struct err *e);
	void (*close)(void *db);
	/* All comparisons, then all changes as this revision, durable, or nothing. Ends with one
	 * store_ended(), before it returns or later; txn is there until then.
	 */
	void (*commit)(void *db, const struct store_txn *txn, uint64_t revision);
	/* Returns when that has ended. NULL: it always has. */
	void (*wait)(void *db);
	/* *revision: at which it was read; left as it is where nobody else writes. */
	int (*list)(void *db, const char *prefix, store_doc_fn fn, void *arg, uint64_t *revision,
		    struct err *e);
	/* Tell of all changes behind this revision, those of commits included: store_heard().
	 * NULL: nobody else writes, and store_ended() tells.
	 */
	int (*follow)(void *db, uint64_t revision);
	/* Ask for store_synced(). NULL: it always is. */
	void (*sync)(void *db);
	const char *(*cloud)(const void *db); /* its id. NULL: whoever has the database has it */
	/* What keeps it from working, or NULL; and since when, loop_now_ms(). Or NULL */
	const char *(*trouble)(const void *db, uint64_t *since_ms);
	/* Say soon to all who share it that a name is alive; they are told by store_beat_heard(). NULL:
	 * nobody does.
	 */
	void (*beat)(void *db, const char *name);
	const char *(*self)(const void *db); /* the name of this replica, which beats itself */
	int64_t (*hears_us)(const void *db); /* since when each beat is heard; 0: not now */
};
extern const struct store_backend store_sqlite, store_mem, store_etcd;

int store_open_by(const struct store_backend *backend, const char *where,
		  const struct store_opts *opts, struct store **out, struct err *e);
void store_ended(struct store *st, const struct store_end *end);
void store_heard(struct store *st, uint64_t revision, const struct store_event *events,
		 unsigned int n);
void store_passed(struct store *st, uint64_t revision);
void store_relisted(struct store *st, uint64_t revision, const struct store_event *docs,
		    unsigned int n);
void store_synced(struct store *st, int rc);
void store_beat_heard(struct store *st, const char *name, int64_t now_us);

#endif
