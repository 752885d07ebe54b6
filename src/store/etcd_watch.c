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
	httpm_stop(take(db->watch.flow));
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
static int take_event(struct etcd *db, struct batch *b, const json_t *event, struct err *e)
{
	const json_t *kv = json_object_get(event, "kv");
	uint64_t revision = etcd_number(kv, "mod_revision");
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
	if (!json_object_get(event, "type"))
		etcd_beat_heard(db, kv);
	if (!etcd_is_last(db, kv) || !json_object_get(kv, "value"))
		return 0;
	b->outcome = etcd_decode(json_object_get(kv, "value"), NULL);
	return b->outcome ? 0 : -ENOMEM;
}

static int take_events(struct etcd *db, const json_t *result, struct err *e)
{
	struct batch b = { .revision = 0 };
	const json_t *event;
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(result, "events"), i, event) {
		rc = take_event(db, &b, event, e);
		if (rc)
			break;
	}
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

/* One line of the stream. false: it was ended. */
static bool take_line(struct etcd *db, const char *line, size_t size)
{
	auto_of(json_decref) json_t *answer = json_loadb(line, size, 0, NULL);
	const json_t *result = json_object_get(answer, "result");
	struct err e = { 0 };
	const char *why = "";
	int rc;

	if (json_is_true(json_object_get(result, "canceled"))) {
		why = json_string_value(json_object_get(result, "cancel_reason")) ?: "";
		if (etcd_number(result, "compact_revision"))
			relist(db, "compacted");
		else
			restart(db, why);
		return false;
	}
	if (!result) {
		etcd_judge(0, 200, answer, &why);
		restart(db, *why ? why : "the watch ended");
		return false;
	}
	if (json_is_true(json_object_get(result, "created"))) {
		db->hears_us = (int64_t)loop_now_ms() * 1000;
		etcd_works(db, &db->watch.trouble);
	}
	rc = take_events(db, result, &e);
	if (rc == -ENOMEM)
		restart(db, "out of memory");
	else if (rc) /* whoever reads all has to read this, too: until then nothing is told */
		relist(db, e.msg);
	return db->watch.flow != NULL;
}

static size_t on_data(void *arg, const char *data, size_t size)
{
	struct etcd *db = arg;
	const char *end;
	size_t taken = 0;

	while ((end = memchr(data + taken, '\n', size - taken))) {
		size_t len = (size_t)(end - data) - taken;

		if (len && !take_line(db, data + taken, len))
			return 0;
		taken += len + 1;
	}
	return taken;
}

static void on_end(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *answer = rc ? NULL : json_loads(http->body, 0, NULL);

	db->watch.flow = NULL;
	if (rc == -EMSGSIZE) {
		relist(db, why);
		return;
	}
	etcd_judge(rc, rc ? 0 : http->status, answer, &why);
	restart(db, *why ? why : "the watch ended");
}

/*
 * It begins at the newest revision that was heard, not behind it: etcd compacts away what was
 * deleted at the revision it compacts to, and a watch that begins there lacks that (etcd 3.4,
 * its issue 18089).
 */
static void start(void *arg)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *what = etcd_range_of(db, "", "");
	auto_of(json_decref) json_t *body = NULL;

	if (what)
		body = json_pack("{s:O}", "create_request", what);
	if (body &&
	    !json_object_set_new(what, "start_revision", json_integer((json_int_t)db->revision)))
		etcd_request(db, "/v3/watch", body, -1,
			     &(struct httpm_handlers){ on_data, on_end, db }, &db->watch.flow);
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
