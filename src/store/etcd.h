/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on etcd, by its JSON gateway (etcd 3.4's API reference, "v3").
 *
 * Documents are PREFIX/doc/KEY; beside them, under PREFIX/meta/:
 *   cloud      {"schema": N, "id": UUID}, made once
 *   rev        written by every transaction: its mod_revision is the newest revision of this cloud
 *   beat/NAME  a host, or a replica, that is alive
 *   last/ID    of each replica: number and outcome of its last transaction, "0...7 ok"
 * and, outside of what is watched, PREFIX~HASH of each mark.
 *
 * One commit is under way, and its outcome is read where all changes are read, in the watch: there
 * it has its place among what others did, and it is there once, however often the request was sent
 * because a connection broke. A transaction takes effect, and leaves a word if it does not, only
 * while last/ID is lower than its number; so what a member delivers late does nothing. Where last/ID
 * is gone, nothing takes effect: it is made again, and the transaction sent again when the watch has
 * come to that, behind whatever it did before.
 */
#ifndef ANYVF_STORE_ETCD_H
#define ANYVF_STORE_ETCD_H

#include <stdbool.h>

#include "base/omap.h"
#include "base/uuid.h"
#include "httpc/httpm.h"
#include "store/backend.h"
#include "store/docs.h"
#include "store/seal.h"

#define ETCD_URLS_MAX	8
#define ETCD_PREFIX_LEN 63
#define ETCD_KEY_LEN	(ETCD_PREFIX_LEN + 6 + STORE_KEY_LEN)
#define ETCD_ANSWER_MAX (64u << 20) /* more is asked for in parts */

/* What an answer to a request means. */
enum etcd_verdict {
	ETCD_OK,
	ETCD_AGAIN,	/* not known whether it was done: ask another member */
	ETCD_COMPACTED, /* the revision is too long ago */
	ETCD_NO_SPACE,
	ETCD_TOO_LARGE,
	ETCD_REFUSED,
};

/* What keeps a part of it from working. */
struct etcd_trouble {
	char why[200]; /* "": nothing does */
	uint64_t since_ms;
};

struct etcd {
	struct store *st;
	struct loop *loop;
	struct httpc_trust trust; /* borrowed texts */
	const struct seal *seal;  /* NULL: documents are not sealed */
	struct httpm *http;
	char *urls[ETCD_URLS_MAX]; /* owned */
	unsigned int n_urls, at;   /* at: of the member that answers */
	char prefix[ETCD_PREFIX_LEN + 1];
	char cloud[UUID_STR_LEN];
	char replica[UUID_STR_LEN], self[8 + UUID_STR_LEN]; /* "replica/ID" */
	uint64_t revision;				    /* newest the store has heard of */
	struct {
		const struct store_txn *txn;  /* NULL: none is under way */
		uint64_t number;	      /* its; counts from 1 */
		void (*ask)(struct etcd *db); /* the request that is to be made, or repeated */
		struct httpm_flow *flow;      /* NULL: between two tries */
		struct loop_timer *timer;     /* the next try */
		unsigned int tries;	      /* that may have been delivered, of the transaction */
		unsigned int refusals;	      /* of the latest tries, one after the other */
	} commit;
	struct {
		struct httpm_flow *flow;
		struct loop_timer *timer; /* the next try, or the end of waiting for `due` */
		uint64_t due;		  /* a revision that it must reach soon; 0: none; ... */
		uint64_t later;		  /* ... and the newest that was seen since */
		struct etcd_trouble trouble;
	} watch;
	struct {
		struct httpm_flow *flow;  /* a page */
		struct loop_timer *timer; /* the next try */
		json_t *range;		  /* of all of it; NULL: none is under way */
		struct store_docs docs;
		uint64_t revision; /* they are of; 0: of the first page's answer */
		void (*done)(struct etcd *db, uint64_t revision);
		char *outcome; /* of our last transaction, as last/ID says */
		uint64_t outcome_at;
	} relist;
	struct {
		struct httpm_flow *flow; /* may be there without ->on: does etcd work again? */
		uint64_t until_ms;	 /* then it has failed */
		uint64_t asked;		 /* what had been heard when it was asked */
		uint64_t due;		 /* told when this revision is heard; 0: not known yet */
		struct loop_timer *timer;
		bool on;
	} sync;
	char back[200];		     /* not "": for good */
	struct etcd_trouble trouble; /* of all requests but the watch and what replaces it */
	unsigned int page;	     /* documents asked for at once: fewer, once it was too much */
	struct {
		struct omap *due; /* names to be said at the next turn */
		struct httpm_flow *flow;
		struct loop_timer *timer;
		unsigned int turns;
		uint64_t asked; /* what had been heard when the flow began */
	} beat;
	struct {
		struct httpm_flow *flow; /* NULL: nothing is under way */
		int64_t now_us;
	} purge;
	int64_t hears_us; /* the stream goes on without a gap since then; 0: it does not */
};

/* etcd_wire.c */
enum etcd_verdict etcd_judge(int rc, int status, const json_t *answer, const char **why);
json_t *etcd_base64(const void *data, size_t size);
char *etcd_decode(const json_t *text, size_t *size);
uint64_t etcd_number(const json_t *object, const char *name);
json_t *etcd_key(const struct etcd *db, const char *space, const char *key);
json_t *etcd_range_of(const struct etcd *db, const char *space, const char *prefix);
json_t *etcd_txn(const struct etcd *db, const struct store_txn *txn, uint64_t number);
json_t *etcd_cloud(const struct etcd *db);
json_t *etcd_first_last(const struct etcd *db);
json_t *etcd_get(json_t *key);
json_t *etcd_last_key(const struct etcd *db);
const json_t *etcd_first_kv(const json_t *range);
int etcd_take_doc(const struct etcd *db, const json_t *kv, const char **key, struct record **doc,
		  char buf[ETCD_KEY_LEN + 1], struct err *e);
bool etcd_is_last(const struct etcd *db, const json_t *kv);
const char *etcd_name_of(const struct etcd *db, const json_t *kv, char buf[ETCD_KEY_LEN + 1]);
const char *etcd_beat_of(const struct etcd *db, const json_t *kv, char buf[ETCD_KEY_LEN + 1]);

/* etcd_members.c */
int etcd_request(struct etcd *db, const char *path, const json_t *body, int timeout_ms,
		 const struct httpm_handlers *handlers, struct httpm_flow **out);
int etcd_call(struct etcd *db, const char *path, const json_t *body, json_t **answer,
	      struct err *e);
void etcd_next_member(struct etcd *db, struct etcd_trouble *trouble, const char *why);
void etcd_works(struct etcd *db, struct etcd_trouble *trouble);
void etcd_expect(struct etcd *db, uint64_t revision);
void etcd_await(struct etcd *db);

/* etcd_commit.c */
void etcd_commit(void *db, const struct store_txn *txn, uint64_t revision);
void etcd_wait(void *db);
bool etcd_outcome(struct etcd *db, const char *text, uint64_t revision);
void etcd_commit_close(struct etcd *db);

/* etcd_watch.c */
int etcd_follow(void *db, uint64_t revision);
void etcd_watch_close(struct etcd *db);

/* etcd_list.c */
int etcd_list(void *db, const char *prefix, store_doc_fn fn, void *arg, uint64_t *revision,
	      struct err *e);
void etcd_relist(struct etcd *db, void (*done)(struct etcd *db, uint64_t revision));
void etcd_relist_close(struct etcd *db);

/* etcd_beat.c */
int etcd_beat_open(struct etcd *db);
void etcd_beat(void *db, const char *name);
void etcd_beat_heard(struct etcd *db, const json_t *kv);
void etcd_beat_close(struct etcd *db);

/* etcd_purge.c */
void etcd_purge(struct etcd *db, int64_t now_us);
void etcd_purge_close(struct etcd *db);

/* etcd_sync.c */
int etcd_sync_open(struct etcd *db);
void etcd_sync(void *db);
void etcd_sync_probe(struct etcd *db, const char *why);
void etcd_sync_heard(struct etcd *db);
void etcd_sync_close(struct etcd *db);

#endif
