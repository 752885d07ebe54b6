/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of all changes: what the store hears, in order, and how it is kept alive. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd.h"

#define PAUSE_MS 200 /* before it is asked for again */

static void start(void *arg);

/* ms: until it is asked for again. */
static void stop(struct etcd *db, uint64_t ms)
{
	grpc_stop(take(db->watch.flow));
	db->hears_us = 0;
	db->watch.due = 0;
	if (db->watch.timer)
		loop_timer_set(db->watch.timer, ms, 0);
}

/* From the next member, soon. */
static void restart(struct etcd *db, const char *why)
{
	stop(db, PAUSE_MS);
	etcd_next_member(db, &db->watch.trouble, why);
}

static void on_relisted(struct etcd *db, uint64_t revision);

/* What cannot be heard is read. */
static void relist(struct etcd *db, const char *why)
{
	stop(db, UINT64_MAX);
	log_warn("changes of the store cannot be heard: all is read again",
		 "revision=%llu why=\"%s\"", (unsigned long long)db->revision, why);
	etcd_relist(db, on_relisted);
}

static void on_timer(void *arg)
{
	struct etcd *db = arg;

	if (!db->watch.flow)
		start(db);
	else if (db->watch.due > db->revision)
		restart(db, "the watch lags behind");
}

/* The changes of one revision, as they come together. */
struct batch {
	struct store_docs docs;
	uint64_t revision;
	char *outcome; /* owned: of our last/ID, if this revision wrote it */
};

static void batch_clear(struct batch *b)
{
	store_docs_clear(&b->docs);
	free(take(b->outcome));
}

static void tell(struct etcd *db, struct batch *b)
{
	bool ended;

	if (!b->revision || b->revision <= db->revision)
		return;
	ended = b->outcome && etcd_outcome(db, b->outcome, b->revision);
	db->revision = b->revision;
	if (ended || b->docs.n)
		store_heard(db->st, b->revision, b->docs.all, b->docs.n);
	else
		store_passed(db->st, b->revision);
	etcd_await(db);
	etcd_sync_heard(db);
}

/* Not 0: this revision, and what follows, is to be had in another way. */
static int take_event(struct etcd *db, struct batch *b, const Pb__Event *event, struct err *e)
{
	const Pb__KeyValue *kv = event->kv;
	uint64_t revision = kv ? (uint64_t)kv->mod_revision : 0;
	auto_of(record_unref) struct record *doc = NULL;
	char buf[ETCD_KEY_LEN + 1];
	const char *key;
	int rc;

	if (revision <= db->revision) /* heard before: start() */
		return 0;
	if (revision != b->revision) {
		tell(db, b);
		batch_clear(b);
		b->revision = revision;
	}
	rc = etcd_take_doc(db, kv, &key, &doc, buf, e);
	if (rc || key)
		return rc ?: store_docs_add(&b->docs, revision, key, doc);
	if (event->type == PB__EVENT__EVENT_TYPE__PUT)
		etcd_beat_heard(db, kv);
	if (!etcd_is_last(db, kv) || !kv->value.len)
		return 0;
	free(b->outcome);
	b->outcome = etcd_text(kv);
	return b->outcome ? 0 : -ENOMEM;
}

static int take_events(struct etcd *db, const Pb__WatchResponse *told, struct err *e)
{
	struct batch b = { .revision = 0 };
	int rc = 0;

	for (size_t i = 0; i < told->n_events && !rc; i++)
		rc = take_event(db, &b, told->events[i], e);
	if (!rc)
		tell(db, &b);
	batch_clear(&b);
	return rc;
}

/* All was read and told, as it was at this revision. */
static void on_relisted(struct etcd *db, uint64_t revision)
{
	db->revision = revision;
	etcd_works(db, &db->watch.trouble);
	start(db);
	etcd_sync_heard(db);
}

/* told: one message of the stream; NULL: what that is is not known. */
static void take_message(struct etcd *db, const Pb__WatchResponse *told)
{
	struct err e = { 0 };
	int rc;

	if (!told) {
		restart(db, "the watch says what is not known");
		return;
	}
	if (told->canceled && told->compact_revision) {
		relist(db, "compacted");
		return;
	}
	if (told->canceled) {
		restart(db, told->cancel_reason);
		return;
	}
	if (told->created) {
		db->hears_us = (int64_t)loop_now_ms() * 1000;
		etcd_works(db, &db->watch.trouble);
	}
	rc = take_events(db, told, &e);
	if (rc == -ENOMEM)
		restart(db, "out of memory");
	else if (rc) /* whoever reads all has to read this, too: until then nothing is told */
		relist(db, e.msg);
}

static void on_message(void *arg, const void *message, size_t size)
{
	auto_arena struct arena mem = { 0 };

	take_message(arg, etcd_message(&mem, &pb__watch_response__descriptor, message, size));
}

static void on_end(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__watch_response__descriptor, rc, got, why);

	db->watch.flow = NULL;
	if (rc == -EMSGSIZE)
		relist(db, why);
	else
		restart(db, *answer.why ? answer.why : "the watch ended");
}

/*
 * It begins at the newest revision that was heard, not behind it: etcd compacts away what was
 * deleted at the revision it compacts to, and a watch that begins there lacks that (etcd 3.4,
 * its issue 18089).
 */
static void start(void *arg)
{
	struct etcd *db = arg;
	auto_arena struct arena mem = { 0 };

	etcd_request(db, etcd_watch(db, &mem, db->revision), -1,
		     &(struct grpc_handlers){ on_message, on_end, db }, &db->watch.flow);
	loop_timer_set(db->watch.timer, PAUSE_MS, 0);
	etcd_await(db);
}

/**
 * etcd_follow() - As store_backend.follow
 * @arg:      the database
 * @revision: that the follower has
 *
 * Return: 0; -ENOMEM.
 */
int etcd_follow(void *arg, uint64_t revision)
{
	struct etcd *db = arg;

	db->revision = revision;
	if (db->watch.flow) /* the stream goes on, whoever listens */
		return 0;
	if (!db->watch.timer)
		db->watch.timer = loop_timer_add(db->loop, UINT64_MAX, 0, on_timer, db);
	if (!db->watch.timer)
		return -ENOMEM;
	start(db);
	return 0;
}

/**
 * etcd_watch_close() - End the stream
 * @db: the database
 */
void etcd_watch_close(struct etcd *db)
{
	stop(db, UINT64_MAX);
	loop_timer_del(take(db->watch.timer));
}
