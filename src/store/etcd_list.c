/* SPDX-License-Identifier: Apache-2.0 */
/* All documents at one revision, page by page: at a start, and when changes could not be heard. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd.h"

#define PAGE_DIV 8     /* if a page is too large: the next is a part of that */
#define TURN_MAX 1000u /* documents of one that is read while the loop turns */
#define PAGE_MS	 30000 /* that it may take */
#define PAUSE_MS 500   /* before all is read again, if that failed */

/* What is left of a range behind the last key of a page. revision 0: the newest. */
static json_t *page_body(const struct etcd *db, const json_t *range, const char *from, size_t size,
			 uint64_t revision)
{
	json_t *body = json_copy((json_t *)range);
	json_t *key = from ? etcd_base64(from, size + 1) : NULL; /* with its NUL: the next one */
	unsigned int limit = db->relist.range ? MIN(db->page, TURN_MAX) : db->page;

	if (!body || (from && !key) || (key && json_object_set_new(body, "key", key)) ||
	    json_object_set_new(body, "limit", json_integer(limit)) ||
	    json_object_set_new(body, "revision", json_integer((json_int_t)revision))) {
		json_decref(body);
		return NULL;
	}
	return body;
}

/* A page was too large. true: a smaller one may do. */
static bool smaller_page(struct etcd *db)
{
	if (db->page == 1)
		return false;
	db->page = MAX(db->page / PAGE_DIV, 1u);
	return true;
}

/* The request for what comes behind a page; NULL: it was the last (0), or no memory. */
static int next_page(const struct etcd *db, const json_t *range, const json_t *answer,
		     uint64_t revision, json_t **body)
{
	const json_t *kvs = json_object_get(answer, "kvs");
	auto_free char *key = NULL;
	size_t size = 0;

	*body = NULL;
	if (!json_is_true(json_object_get(answer, "more")) || !json_array_size(kvs))
		return 0;
	key = etcd_decode(json_object_get(json_array_get(kvs, json_array_size(kvs) - 1), "key"),
			  &size);
	*body = key ? page_body(db, range, key, size, revision) : NULL;
	return *body ? 0 : -ENOMEM;
}

static uint64_t revision_of(const json_t *answer)
{
	return etcd_number(json_object_get(answer, "header"), "revision");
}

static int take_page(const struct etcd *db, const json_t *answer, struct store_docs *docs,
		     struct err *e)
{
	char buf[ETCD_KEY_LEN + 1];
	const json_t *kv;
	int rc = 0;
	size_t i;

	json_array_foreach (json_object_get(answer, "kvs"), i, kv) {
		auto_of(record_unref) struct record *doc = NULL;
		const char *key;

		rc = etcd_take_doc(db, kv, &key, &doc, buf, e);
		if (!rc && key && doc)
			rc = store_docs_add(docs, etcd_number(kv, "mod_revision"), key, doc);
		if (rc)
			break;
	}
	return rc;
}

/* *at: the revision they are of. */
static int read_all(struct etcd *db, const json_t *range, struct store_docs *docs, uint64_t *at,
		    struct err *e)
{
	auto_of(json_decref) json_t *body = page_body(db, range, NULL, 0, 0);
	int rc = body ? 0 : -ENOMEM;

	store_docs_clear(docs);
	*at = 0;
	while (!rc && body) {
		auto_of(json_decref) json_t *answer = NULL;

		rc = etcd_call(db, "/v3/kv/range", body, &answer, e);
		*at = *at ? *at : revision_of(answer);
		rc = rc ? rc : take_page(db, answer, docs, e);
		json_decref(take(body));
		rc = rc ? rc : next_page(db, range, answer, *at, &body);
	}
	return rc;
}

/**
 * etcd_list() - As store_backend.list
 * @arg:      the database
 * @prefix:   "" for all
 * @fn:       called for each
 * @fn_arg:   for @fn
 * @revision: at which all of it was read
 * @e:        why not
 *
 * Blocks, and asks each member until one answers: for starts and tools. What is compacted while it
 * is read is read again.
 *
 * Return: as store_list(); -ETIMEDOUT: none does.
 */
int etcd_list(void *arg, const char *prefix, store_doc_fn fn, void *fn_arg, uint64_t *revision,
	      struct err *e)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *range = etcd_range_of(db, "doc", prefix);
	struct store_docs docs = { NULL };
	struct err why;
	uint64_t at;
	int rc = range ? 0 : -ENOMEM;

	if (rc)
		return rc;
	do {
		why = (struct err){ 0 };
		rc = read_all(db, range, &docs, &at, &why);
	} while (rc == -ESTALE || (rc == -EMSGSIZE && smaller_page(db)));
	if (rc)
		err_set(e, rc, "%s", why.msg);
	if (!rc)
		*revision = at;
	for (unsigned int i = 0; i < docs.n && !rc; i++)
		rc = fn(fn_arg, docs.all[i].key, docs.all[i].revision, docs.all[i].doc);
	store_docs_clear(&docs);
	return rc;
}

static void forget(struct etcd *db)
{
	httpm_stop(take(db->relist.flow));
	store_docs_clear(&db->relist.docs);
	free(take(db->relist.outcome));
	json_decref(take(db->relist.range));
	db->relist.revision = 0;
}

/* Our own keys come behind the documents. */
static int keep_outcome(struct etcd *db, const json_t *answer)
{
	const json_t *kv;
	size_t i;

	json_array_foreach (json_object_get(answer, "kvs"), i, kv) {
		if (!etcd_is_last(db, kv))
			continue;
		free(db->relist.outcome);
		db->relist.outcome = etcd_decode(json_object_get(kv, "value"), NULL);
		db->relist.outcome_at = etcd_number(kv, "mod_revision");
		if (!db->relist.outcome)
			return -ENOMEM;
	}
	return 0;
}

/* How our transaction ended, then what differs, then the stream from there on. */
static void tell(struct etcd *db)
{
	uint64_t revision = db->relist.revision;

	if (db->relist.outcome)
		etcd_outcome(db, db->relist.outcome, db->relist.outcome_at);
	db->revision = revision;
	store_relisted(db->st, revision, db->relist.docs.all, db->relist.docs.n);
	forget(db);
	db->relist.done(db, revision);
}

static void begin(void *arg);

static void begin_later(struct etcd *db, const char *why)
{
	etcd_next_member(db, &db->watch.trouble, why);
	forget(db);
	loop_timer_set(db->relist.timer, PAUSE_MS, 0);
}

static void on_page(void *arg, int rc, const struct httpc_answer *http, const char *why);

static int ask(struct etcd *db, const json_t *body)
{
	return etcd_request(db, "/v3/kv/range", body, PAGE_MS,
			    &(struct httpm_handlers){ NULL, on_page, db }, &db->relist.flow);
}

static void on_page(void *arg, int rc, const struct httpc_answer *http, const char *why)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *answer = rc ? NULL : json_loads(http->body, 0, NULL);
	auto_of(json_decref) json_t *body = NULL;
	struct err e = { 0 };

	db->relist.flow = NULL;
	if (rc == -EMSGSIZE)
		smaller_page(db);
	if (etcd_judge(rc, rc ? 0 : http->status, answer, &why) != ETCD_OK) {
		begin_later(db, why);
		return;
	}
	if (!db->relist.revision)
		db->relist.revision = revision_of(answer);
	rc = take_page(db, answer, &db->relist.docs, &e) ?: keep_outcome(db, answer);
	rc = rc ?: next_page(db, db->relist.range, answer, db->relist.revision, &body);
	if (!rc && body)
		rc = ask(db, body);
	else if (!rc)
		tell(db);
	if (rc)
		begin_later(db, *e.msg ? e.msg : strerror(-rc));
}

static void begin(void *arg)
{
	struct etcd *db = arg;
	auto_of(json_decref) json_t *body = NULL;

	forget(db);
	db->relist.range = etcd_range_of(db, "", "");
	body = db->relist.range ? page_body(db, db->relist.range, NULL, 0, 0) : NULL;
	if (!body || ask(db, body))
		begin_later(db, "out of memory");
}

/**
 * etcd_relist() - Read all again, and tell what differs
 * @db:   whose; its stream has ended
 * @done: called when that is done, with the revision from which to follow it
 */
void etcd_relist(struct etcd *db, void (*done)(struct etcd *db, uint64_t revision))
{
	db->relist.done = done;
	if (!db->relist.timer)
		db->relist.timer = loop_timer_add(db->loop, UINT64_MAX, 0, begin, db);
	if (db->relist.timer)
		begin(db);
	else
		log_err("out of memory", "why=\"the store is not followed any more\"");
}

/**
 * etcd_relist_close() - Forget a list that is under way
 * @db: the database
 */
void etcd_relist_close(struct etcd *db)
{
	forget(db);
	loop_timer_del(take(db->relist.timer));
}
