/* SPDX-License-Identifier: Apache-2.0 */
/* Reads that miss nothing: the newest revision of the cloud, by a read that the quorum confirms. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "store/etcd.h"

#define TRY_MS	 1000 /* of one member */
#define PAUSE_MS 100  /* before the next try, ... */
#define PROBE_MS 500  /* ... and if nobody waits */
#define LIMIT_MS 5000 /* then nobody waits any longer */

/* For who waits; or as nobody does: in trouble, requests are refused without a question. */
static void ask_later(struct etcd *db)
{
	loop_timer_set(db->sync.timer, db->sync.on ? PAUSE_MS : PROBE_MS, 0);
}

static void end(struct etcd *db, int rc)
{
	grpc_stop(take(db->sync.flow));
	loop_timer_set(db->sync.timer, UINT64_MAX, 0);
	db->sync.on = false;
	db->sync.due = 0;
	if (*db->trouble.why)
		ask_later(db);
	store_synced(db->st, rc);
}

static void ask(struct etcd *db);

/* Tries again, or gives up. */
static void on_time(void *arg)
{
	struct etcd *db = arg;

	if (db->sync.on && loop_now_ms() >= db->sync.until_ms)
		end(db, -ETIMEDOUT);
	else if (!db->sync.due)
		ask(db);
}

/*
 * The quorum is behind what had been heard of it when it was asked: etcd was restored from a
 * snapshot, and what we know has never been. Nothing is served from it or written to it, until a
 * start reads what there is.
 */
static bool went_back(struct etcd *db, uint64_t now)
{
	if (now >= db->sync.asked)
		return false;
	snprintf(db->back, sizeof(db->back),
		 "etcd went back from revision %llu to %llu: after a restore, all replicas and "
		 "agents are to be restarted",
		 (unsigned long long)db->sync.asked, (unsigned long long)now);
	log_err("the store is another", "why=\"%s\"", db->back);
	return true;
}

static void on_end(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__range_response__descriptor, rc, got, why);
	const Pb__KeyValue *kv = etcd_first_kv(answer.range);

	db->sync.flow = NULL;
	if (answer.verdict != ETCD_OK) {
		etcd_next_member(db, &db->trouble, answer.why);
		ask_later(db);
		return;
	}
	if (went_back(db, answer.revision)) {
		end(db, -ESTALE);
		return;
	}
	etcd_works(db, &db->trouble);
	if (!db->sync.on)
		return;
	db->sync.due = kv ? (uint64_t)kv->mod_revision : 1;
	etcd_expect(db, db->sync.due);
	loop_timer_set(db->sync.timer, LIMIT_MS, 0);
	etcd_sync_heard(db);
}

static void ask(struct etcd *db)
{
	auto_arena struct arena mem = { 0 };

	db->sync.asked = db->revision;
	if (etcd_request(db, etcd_get_rev(db, &mem), TRY_MS,
			 &(struct grpc_handlers){ NULL, on_end, db }, &db->sync.flow))
		ask_later(db);
}

/**
 * etcd_sync() - As store_backend.sync
 * @arg: the database
 */
void etcd_sync(void *arg)
{
	struct etcd *db = arg;

	grpc_stop(take(db->sync.flow)); /* a question of before */
	loop_timer_set(db->sync.timer, UINT64_MAX, 0);
	db->sync.on = true;
	db->sync.due = 0;
	db->sync.until_ms = loop_now_ms() + LIMIT_MS;
	ask(db);
}

/**
 * etcd_sync_probe() - A request that nobody waits for has failed: does etcd work?
 * @db:  the database
 * @why: a sentence
 *
 * Until it does it is in trouble, and who asks is told so.
 */
void etcd_sync_probe(struct etcd *db, const char *why)
{
	etcd_next_member(db, &db->trouble, why);
	if (!db->sync.on && !db->sync.flow)
		ask_later(db);
}

/**
 * etcd_sync_heard() - The store has heard of more: perhaps of all that somebody waits for
 * @db: the database
 */
void etcd_sync_heard(struct etcd *db)
{
	if (db->sync.on && !db->sync.flow && db->sync.due && db->sync.due <= db->revision)
		end(db, 0);
}

/**
 * etcd_sync_open() - Prepare
 * @db: the database
 *
 * Return: 0; -ENOMEM.
 */
int etcd_sync_open(struct etcd *db)
{
	db->sync.timer = loop_timer_add(db->loop, UINT64_MAX, 0, on_time, db);
	return db->sync.timer ? 0 : -ENOMEM;
}

/**
 * etcd_sync_close() - Forget who waits
 * @db: the database
 */
void etcd_sync_close(struct etcd *db)
{
	grpc_stop(take(db->sync.flow));
	loop_timer_del(take(db->sync.timer));
}
