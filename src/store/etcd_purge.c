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

static void on_deleted(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;

	db->purge.flow = NULL; /* what was not deleted, the next hour finds */
}

static void delete_gone(struct etcd *db, const Pb__RangeResponse *names)
{
	auto_arena struct arena mem = { 0 };
	Pb__TxnRequest *gone = etcd_changes(&mem, 0, (unsigned int)names->n_kvs, 0);

	for (size_t i = 0; gone && i < names->n_kvs; i++) {
		char buf[ETCD_KEY_LEN + 1];
		const char *name = etcd_name_of(db, names->kvs[i], buf);

		if (name && is_gone(db, name) && !etcd_add_delete(&mem, gone, names->kvs[i]->key))
			return;
	}
	if (gone && gone->n_success)
		etcd_request(db, gone, TRY_MS, &(struct grpc_handlers){ NULL, on_deleted, db },
			     &db->purge.flow);
}

static void on_names(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__range_response__descriptor, rc, got, why);

	db->purge.flow = NULL;
	if (answer.verdict == ETCD_OK)
		delete_gone(db, answer.range);
}

/**
 * etcd_purge() - Forget replicas and hosts that were not heard for an hour
 * @db:     whose; one replica at a time does this
 * @now_us: CLOCK_MONOTONIC
 */
void etcd_purge(struct etcd *db, int64_t now_us)
{
	auto_arena struct arena mem = { 0 };
	Pb__RangeRequest *names = db->purge.flow ? NULL : etcd_range(db, &mem, "meta", "");

	if (!names)
		return;
	names->keys_only = true;
	names->limit = NAMES_MAX;
	db->purge.now_us = now_us;
	etcd_request(db, names, TRY_MS, &(struct grpc_handlers){ NULL, on_names, db },
		     &db->purge.flow);
}

/**
 * etcd_purge_close() - Forget what is under way
 * @db: the database
 */
void etcd_purge_close(struct etcd *db)
{
	grpc_stop(take(db->purge.flow));
}
