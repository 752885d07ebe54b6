/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is alive: names that are beaten, meta/beat/NAME. What a second's beats come to is one blind
 * transaction; each replica hears them in the stream, and goes by its own clock.
 */
#include <errno.h>
#include <string.h>

#include "store/etcd.h"

#define EVERY_MS 1000
#define OWN	 2    /* a replica's own beat, every so many of these */
#define PURGE	 3600 /* who is gone is looked for, likewise */
#define TRY_MS	 2500
#define PUTS_MAX 1024 /* of one transaction */

static void on_end(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__txn_response__descriptor, rc, got, why);

	db->beat.flow = NULL; /* what was lost, the next beat says again */
	if (answer.verdict == ETCD_OK && answer.revision >= db->beat.asked)
		etcd_expect(db, answer.revision);
	else if (answer.verdict == ETCD_OK)
		etcd_sync_probe(db, "its revisions went back");
	else if (answer.verdict == ETCD_AGAIN)
		etcd_sync_probe(db, answer.why);
}

/* Takes names out of those that are due. NULL: no memory. */
static Pb__TxnRequest *say(struct etcd *db, struct arena *mem)
{
	Pb__TxnRequest *out = etcd_changes(mem, 0, PUTS_MAX, 0);
	struct omap_node *node;

	while (out && out->n_success < PUTS_MAX && (node = omap_from(db->beat.due, ""))) {
		if (!etcd_add_beat(db, mem, out, node->key))
			return NULL;
		omap_remove(db->beat.due, node->key);
	}
	return out;
}

static void flush(void *arg)
{
	struct etcd *db = arg;
	auto_arena struct arena mem = { 0 };
	int64_t now_us = (int64_t)loop_now_ms() * 1000;

	if (db->beat.turns % OWN == 0)
		store_beat(db->st, db->self, now_us);
	if (db->beat.turns++ % PURGE == PURGE - 1 && store_leads(db->st, now_us))
		etcd_purge(db, now_us);
	if (db->beat.flow || !omap_count(db->beat.due))
		return;
	db->beat.asked = db->revision;
	etcd_request(db, say(db, &mem), TRY_MS, &(struct grpc_handlers){ NULL, on_end, db },
		     &db->beat.flow);
}

/**
 * etcd_beat() - As store_backend.beat
 * @arg:  the database
 * @name: who is alive
 */
void etcd_beat(void *arg, const char *name)
{
	struct etcd *db = arg;

	omap_insert(db->beat.due, name);
}

/**
 * etcd_beat_heard() - The stream has a beat, or something else
 * @db: whose
 * @kv: a pair that is no document
 */
void etcd_beat_heard(struct etcd *db, const Pb__KeyValue *kv)
{
	char buf[ETCD_KEY_LEN + 1];
	const char *name = etcd_beat_of(db, kv, buf);

	if (name)
		store_beat_heard(db->st, name, (int64_t)loop_now_ms() * 1000);
}

/**
 * etcd_beat_open() - Begin to beat
 * @db: the database
 *
 * Return: 0; -ENOMEM.
 */
int etcd_beat_open(struct etcd *db)
{
	snprintf(db->self, sizeof(db->self), "replica/%s", db->replica);
	db->beat.due = omap_new();
	db->beat.timer = loop_timer_add(db->loop, 0, EVERY_MS, flush, db);
	return db->beat.due && db->beat.timer ? 0 : -ENOMEM;
}

/**
 * etcd_beat_close() - End it
 * @db: the database
 */
void etcd_beat_close(struct etcd *db)
{
	grpc_stop(take(db->beat.flow));
	loop_timer_del(take(db->beat.timer));
	omap_free(take(db->beat.due));
}
