/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each start of a replica leaves a last/ID and a beat behind, each host a beat. Who was not heard
 * for an hour is forgotten. One that was cut off for so long, and comes back, makes its own anew.
 */
#include <errno.h>
#include <string.h>

#include "store/etcd.h"

#define SILENT_US 3600000000ll
#define NAMES_MAX 1000 /* a time */
#define TRY_MS	  5000

/* Was nobody of this name heard for long, though beats are? Ourselves, we are there. */
static bool is_gone(const struct etcd *db, const char *name)
{
	return strcmp(name, db->self) != 0 &&
	       db->purge.now_us - store_beat_at(db->st, name, db->purge.now_us) >= SILENT_US;
}

static void on_deleted(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct etcd *db = arg;

	db->purge.flow = NULL; /* what was not deleted, the next hour finds */
}

static int delete_gone(struct etcd *db, const json_t *answer)
{
	auto_of(json_decref) json_t *gone = json_array(), *body = NULL;
	const json_t *kv;
	size_t i;

	json_array_foreach (json_object_get(answer, "kvs"), i, kv) {
		char buf[ETCD_KEY_LEN + 1];
		const char *name = etcd_name_of(db, kv, buf);

		if (name && is_gone(db, name))
			json_array_append_new(gone, json_pack("{s:{s:O}}", "request_delete_range",
							      "key", json_object_get(kv, "key")));
	}
	if (!json_array_size(gone))
		return 0;
	body = json_pack("{s:O}", "success", gone);
	return body ? etcd_request(db, "/v3/kv/txn", body, TRY_MS,
				   &(struct httpm_handlers){ NULL, on_deleted, db },
				   &db->purge.flow)
		    : -ENOMEM;
}

static void on_names(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *answer = rc ? NULL : json_loads(http->body, 0, NULL);

	db->purge.flow = NULL;
	if (etcd_judge(rc, rc ? 0 : http->status, answer, &why) == ETCD_OK)
		delete_gone(db, answer);
}

/**
 * etcd_purge() - Forget replicas and hosts that were not heard for an hour
 * @db:     whose; one replica at a time does this
 * @now_us: CLOCK_MONOTONIC
 */
void etcd_purge(struct etcd *db, int64_t now_us)
{
	auto_of(json_decref) json_t *body = etcd_range_of(db, "meta", "");

	if (db->purge.flow || !body || json_object_set_new(body, "keys_only", json_true()) ||
	    json_object_set_new(body, "limit", json_integer(NAMES_MAX)))
		return;
	db->purge.now_us = now_us;
	etcd_request(db, "/v3/kv/range", body, TRY_MS,
		     &(struct httpm_handlers){ NULL, on_names, db }, &db->purge.flow);
}

/**
 * etcd_purge_close() - Forget what is under way
 * @db: the database
 */
void etcd_purge_close(struct etcd *db)
{
	httpm_stop(take(db->purge.flow));
}
