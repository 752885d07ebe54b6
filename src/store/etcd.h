/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on etcd, by gRPC (etcd 3.4's API reference, "v3"; etcd.proto).
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

#include "base/arena.h"
#include "base/omap.h"
#include "base/uuid.h"
#include "httpc/grpc.h"
#include "store/backend.h"
#include "store/docs.h"
#include "store/etcd.pb-c.h"
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

/* What came of a request. */
struct etcd_answer {
	enum etcd_verdict verdict;
	uint64_t revision; /* etcd's own; 0: not known */
	char why[200];	   /* etcd's words, or why nothing came; may be "" */
	struct arena mem;  /* of what follows */
	union {		   /* as it was asked for; NULL but for ETCD_OK */
		const void *any;
		const Pb__RangeResponse *range;
		const Pb__TxnResponse *txn;
	};
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
	struct grpc *grpc;
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
		struct grpc_call *flow;	      /* NULL: between two tries */
		struct loop_timer *timer;     /* the next try */
		unsigned int tries;	      /* that may have been delivered, of the transaction */
		unsigned int refusals;	      /* of the latest tries, one after the other */
	} commit;
	struct {
		struct grpc_call *flow;
		struct loop_timer *timer; /* the next try, or the end of waiting for `due` */
		uint64_t due;		  /* a revision that it must reach soon; 0: none; ... */
		uint64_t later;		  /* ... and the newest that was seen since */
		struct etcd_trouble trouble;
	} watch;
	struct {
		struct grpc_call *flow;	  /* a page */
		struct loop_timer *timer; /* the next try */
		bool on;		  /* one is under way */
		struct store_docs docs;
		uint64_t revision; /* they are of; 0: of the first page's answer */
		void (*done)(struct etcd *db, uint64_t revision);
		char *outcome; /* of our last transaction, as last/ID says */
		uint64_t outcome_at;
	} relist;
	struct {
		struct grpc_call *flow; /* may be there without ->on: does etcd work again? */
		uint64_t until_ms;	/* then it has failed */
		uint64_t asked;		/* what had been heard when it was asked */
		uint64_t due;		/* told when this revision is heard; 0: not known yet */
		struct loop_timer *timer;
		bool on;
	} sync;
	char back[200];		     /* not "": for good */
	struct etcd_trouble trouble; /* of all requests but the watch and what replaces it */
	unsigned int page;	     /* documents asked for at once: fewer, once it was too much */
	struct {
		struct omap *due; /* names to be said at the next turn */
		struct grpc_call *flow;
		struct loop_timer *timer;
		unsigned int turns;
		uint64_t asked; /* what had been heard when the flow began */
	} beat;
	struct {
		struct grpc_call *flow; /* NULL: nothing is under way */
		int64_t now_us;
	} purge;
	int64_t hears_us; /* the stream goes on without a gap since then; 0: it does not */
};

/* etcd_wire.c */
bool etcd_span(const struct etcd *db, struct arena *mem, const char *space, const char *prefix,
	       ProtobufCBinaryData *from, ProtobufCBinaryData *to);
Pb__RangeRequest *etcd_range(const struct etcd *db, struct arena *mem, const char *space,
			     const char *prefix);
Pb__RangeRequest *etcd_get_rev(const struct etcd *db, struct arena *mem);
Pb__RangeRequest *etcd_get_last(const struct etcd *db, struct arena *mem);
Pb__WatchRequest *etcd_watch(const struct etcd *db, struct arena *mem, uint64_t from);
Pb__TxnRequest *etcd_changes(struct arena *mem, unsigned int compares, unsigned int success,
			     unsigned int failure);
bool etcd_add_beat(const struct etcd *db, struct arena *mem, Pb__TxnRequest *txn, const char *name);
bool etcd_add_delete(struct arena *mem, Pb__TxnRequest *txn, ProtobufCBinaryData key);
Pb__TxnRequest *etcd_cloud(const struct etcd *db, struct arena *mem);
Pb__TxnRequest *etcd_first_last(const struct etcd *db, struct arena *mem, unsigned int times);
Pb__TxnRequest *etcd_txn(const struct etcd *db, struct arena *mem, const struct store_txn *txn,
			 uint64_t number);

/* etcd_answer.c */
enum etcd_verdict etcd_judge(int status, const char *why, uint64_t revision);
void *etcd_message(struct arena *mem, const ProtobufCMessageDescriptor *of, const void *data,
		   size_t size);
struct etcd_answer etcd_answer(const ProtobufCMessageDescriptor *of, int rc,
			       const struct grpc_answer *got, const char *why);
void etcd_answer_clear(struct etcd_answer *a);
const Pb__KeyValue *etcd_first_kv(const Pb__RangeResponse *range);
char *etcd_text(const Pb__KeyValue *kv);
int etcd_take_doc(const struct etcd *db, const Pb__KeyValue *kv, const char **key,
		  struct record **doc, char buf[ETCD_KEY_LEN + 1], struct err *e);
bool etcd_is_last(const struct etcd *db, const Pb__KeyValue *kv);
const char *etcd_name_of(const struct etcd *db, const Pb__KeyValue *kv, char buf[ETCD_KEY_LEN + 1]);
const char *etcd_beat_of(const struct etcd *db, const Pb__KeyValue *kv, char buf[ETCD_KEY_LEN + 1]);

static inline void etcd_answer_auto_(struct etcd_answer *a)
{
	etcd_answer_clear(a);
}
#define auto_etcd_answer __attribute__((cleanup(etcd_answer_auto_)))

/* etcd_members.c */
int etcd_request(struct etcd *db, const void *request, int timeout_ms,
		 const struct grpc_handlers *handlers, struct grpc_call **out);
int etcd_call(struct etcd *db, const void *request, struct etcd_answer *answer, struct err *e);
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
void etcd_beat_heard(struct etcd *db, const Pb__KeyValue *kv);
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
