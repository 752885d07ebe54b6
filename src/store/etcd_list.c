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

/* A page of a range, at its beginning. NULL: no memory. */
static Pb__RangeRequest *first_page(const struct etcd *db, struct arena *mem, const char *space,
				    const char *prefix)
{
	Pb__RangeRequest *page = etcd_range(db, mem, space, prefix);

	if (page)
		page->limit = db->relist.on ? MIN(db->page, TURN_MAX) : db->page;
	return page;
}

/* Makes a page the one behind it, of the same revision. false: no memory. */
static bool next_page(struct arena *mem, Pb__RangeRequest *page, const Pb__RangeResponse *answer,
		      uint64_t revision)
{
	const ProtobufCBinaryData *last = &answer->kvs[answer->n_kvs - 1]->key;

	page->revision = (int64_t)revision;
	page->key.len = last->len + 1; /* with a NUL: the next one */
	page->key.data = arena_alloc(mem, page->key.len);
	if (page->key.data)
		*(uint8_t *)mempcpy(page->key.data, last->data, last->len) = '\0';
	return page->key.data;
}

static bool is_last_page(const Pb__RangeResponse *answer)
{
	return !answer->more || !answer->n_kvs;
}

/* A page was too large. true: a smaller one may do. */
static bool smaller_page(struct etcd *db)
{
	if (db->page == 1)
		return false;
	db->page = MAX(db->page / PAGE_DIV, 1u);
	return true;
}

static int take_page(const struct etcd *db, const Pb__RangeResponse *answer,
		     struct store_docs *docs, struct err *e)
{
	char buf[ETCD_KEY_LEN + 1];
	int rc = 0;

	for (size_t i = 0; i < answer->n_kvs && !rc; i++) {
		const Pb__KeyValue *kv = answer->kvs[i];
		auto_of(record_unref) struct record *doc = NULL;
		const char *key;

		rc = etcd_take_doc(db, kv, &key, &doc, buf, e);
		if (!rc && key && doc)
			rc = store_docs_add(docs, (uint64_t)kv->mod_revision, key, doc);
	}
	return rc;
}

/* *at: the revision they are of. */
static int read_all(struct etcd *db, const char *prefix, struct store_docs *docs, uint64_t *at,
		    struct err *e)
{
	auto_arena struct arena mem = { 0 };
	Pb__RangeRequest *page = first_page(db, &mem, "doc", prefix);
	bool more = true;
	int rc = 0;

	store_docs_clear(docs);
	*at = 0;
	while (!rc && more) {
		auto_etcd_answer struct etcd_answer answer;

		rc = etcd_call(db, page, &answer, e);
		*at = *at ? *at : answer.revision;
		rc = rc ? rc : take_page(db, answer.range, docs, e);
		more = !rc && !is_last_page(answer.range);
		if (more && !next_page(&mem, page, answer.range, *at))
			rc = -ENOMEM;
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
	struct store_docs docs = { NULL };
	struct err why;
	uint64_t at;
	int rc;

	do {
		why = (struct err){ 0 };
		rc = read_all(db, prefix, &docs, &at, &why);
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
	grpc_stop(take(db->relist.flow));
	store_docs_clear(&db->relist.docs);
	free(take(db->relist.outcome));
	db->relist.on = false;
	db->relist.revision = 0;
}

/* Our own keys come behind the documents. */
static int keep_outcome(struct etcd *db, const Pb__RangeResponse *answer)
{
	for (size_t i = 0; i < answer->n_kvs; i++) {
		const Pb__KeyValue *kv = answer->kvs[i];

		if (!etcd_is_last(db, kv))
			continue;
		free(db->relist.outcome);
		db->relist.outcome = etcd_text(kv);
		db->relist.outcome_at = (uint64_t)kv->mod_revision;
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

static void on_page(void *arg, int rc, const struct grpc_answer *got, const char *why);

static int ask(struct etcd *db, const Pb__RangeRequest *page)
{
	return etcd_request(db, page, PAGE_MS, &(struct grpc_handlers){ NULL, on_page, db },
			    &db->relist.flow);
}

static int ask_next(struct etcd *db, const Pb__RangeResponse *answer)
{
	auto_arena struct arena mem = { 0 };
	Pb__RangeRequest *page = first_page(db, &mem, "", "");

	return page && next_page(&mem, page, answer, db->relist.revision) ? ask(db, page) : -ENOMEM;
}

static void on_page(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__range_response__descriptor, rc, got, why);
	struct err e = { 0 };

	db->relist.flow = NULL;
	if (rc == -EMSGSIZE)
		smaller_page(db);
	if (answer.verdict != ETCD_OK) {
		begin_later(db, answer.why);
		return;
	}
	if (!db->relist.revision)
		db->relist.revision = answer.revision;
	rc = take_page(db, answer.range, &db->relist.docs, &e) ?: keep_outcome(db, answer.range);
	if (!rc && !is_last_page(answer.range))
		rc = ask_next(db, answer.range);
	else if (!rc)
		tell(db);
	if (rc)
		begin_later(db, *e.msg ? e.msg : strerror(-rc));
}

static void begin(void *arg)
{
	struct etcd *db = arg;
	auto_arena struct arena mem = { 0 };

	forget(db);
	db->relist.on = true;
	if (ask(db, first_page(db, &mem, "", "")))
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
