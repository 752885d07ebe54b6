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

static void on_end(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *answer = rc ? NULL : json_loads(http->body, 0, NULL);
	uint64_t revision = etcd_number(json_object_get(answer, "header"), "revision");
	enum etcd_verdict verdict = etcd_judge(rc, rc ? 0 : http->status, answer, &why);

	db->beat.flow = NULL; /* what was lost, the next beat says again */
	if (verdict == ETCD_OK && revision >= db->beat.asked)
		etcd_expect(db, revision);
	else if (verdict == ETCD_OK)
		etcd_sync_probe(db, "its revisions went back");
	else if (verdict == ETCD_AGAIN)
		etcd_sync_probe(db, why);
}

/* Takes names out of those that are due. */
static json_t *puts_of(struct etcd *db)
{
	json_t *puts = json_array();
	struct omap_node *node;

	while (puts && json_array_size(puts) < PUTS_MAX && (node = omap_from(db->beat.due, ""))) {
		char name[STORE_KEY_LEN + 1];

		snprintf(name, sizeof(name), "/beat/%s", node->key);
		json_array_append_new(puts, json_pack("{s:{s:o}}", "request_put", "key",
						      etcd_key(db, "meta", name)));
		omap_remove(db->beat.due, node->key);
	}
	return puts;
}

static void flush(void *arg)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *puts = NULL, *body = NULL;

	int64_t now_us = (int64_t)loop_now_ms() * 1000;

	if (db->beat.turns % OWN == 0)
		store_beat(db->st, db->self, now_us);
	if (db->beat.turns++ % PURGE == PURGE - 1 && store_leads(db->st, now_us))
		etcd_purge(db, now_us);
	if (db->beat.flow || !omap_count(db->beat.due))
		return;
	puts = puts_of(db);
	body = puts ? json_pack("{s:O}", "success", puts) : NULL;
	db->beat.asked = db->revision;
	if (body)
		etcd_request(db, "/v3/kv/txn", body, TRY_MS,
			     &(struct httpm_handlers){ NULL, on_end, db }, &db->beat.flow);
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
void etcd_beat_heard(struct etcd *db, const json_t *kv)
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
	httpm_stop(take(db->beat.flow));
	loop_timer_del(take(db->beat.timer));
	omap_free(take(db->beat.due));
}
