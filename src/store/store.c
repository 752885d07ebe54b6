/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all store engines share: choosing one, building transactions, the group
 * of transactions that one flush makes durable, and the history watchers read.
 */
#include "store/store.h"

#include <errno.h>
#include <string.h>

#include "store/backend.h"

#define HISTORY	 8192 /* changes kept for store_changes(); older ones are "too long ago" */
#define WATCHERS 4

struct change {
	uint64_t revision; /* that made it */
	char *key;	   /* owned */
	json_t *doc;	   /* reference; NULL: deleted */
};

struct store {
	const struct store_backend *backend;
	void *db;	       /* the backend's */
	uint64_t revision;     /* newest applied */
	uint64_t durable;      /* newest flushed */
	uint64_t history_from; /* changes after this revision are all in the ring */
	struct change ring[HISTORY];
	size_t n_flushed, n_applied; /* changes ever, modulo HISTORY their place in the ring */
	struct {
		store_event_fn fn;
		void *arg;
	} watchers[WATCHERS];
	unsigned int n_watchers;
};

static void change_clear(struct change *ch)
{
	free(ch->key);
	json_decref(ch->doc);
	memset(ch, 0, sizeof(*ch));
}

/**
 * store_open() - Open a store
 * @url: "mem:", "sqlite:PATH" or a plain path
 * @out: the store, to be closed with store_close()
 * @e:   why not
 *
 * Return: 0; -EINVAL for an unknown kind; -EPROTO if the data are of a newer version; the engine's
 * errno otherwise. Context: all store functions belong to the one thread that opened it.
 */
int store_open(const char *url, struct store **out, struct err *e)
{
	static const struct store_backend *const backends[] = { &store_mem, &store_sqlite };
	auto_of(store_close) struct store *st = calloc(1, sizeof(*st));
	const char *where = url;
	int rc;

	if (!st)
		return -ENOMEM;
	st->backend = url[0] == '/' || url[0] == '.' ? &store_sqlite : NULL;
	for (unsigned int i = 0; i < ARRAY_LEN(backends) && !st->backend; i++) {
		size_t len = strlen(backends[i]->scheme);

		if (strncmp(url, backends[i]->scheme, len) == 0) {
			st->backend = backends[i];
			where = url + len;
		}
	}
	if (!st->backend)
		return err_set(e, -EINVAL, "no such kind of store: %s", url);
	rc = st->backend->open(where, &st->db, &st->revision, e);
	if (rc)
		return rc;
	st->durable = st->history_from = st->revision;
	*out = take(st);
	return 0;
}

/**
 * store_close() - Close a store
 * @st: store or NULL; what was not flushed is lost
 */
void store_close(struct store *st)
{
	if (!st)
		return;
	if (st->db)
		st->backend->close(st->db);
	for (size_t i = 0; i < HISTORY; i++)
		change_clear(&st->ring[i]);
	free(st);
}

static int remember(struct store *st, const struct store_op *op)
{
	struct change *ch = &st->ring[st->n_applied % HISTORY];
	auto_free char *key = strdup(op->key);

	if (!key)
		return -ENOMEM;
	if (st->n_applied >= HISTORY)
		st->history_from = MAX(st->history_from, ch->revision);
	change_clear(ch);
	*ch = (struct change){ st->revision, take(key),
			       op->kind == STORE_PUT ? json_incref(op->doc) : NULL };
	st->n_applied++;
	return 0;
}

/**
 * store_apply() - Run a transaction
 * @st:       the store
 * @txn:      left as it is
 * @revision: if not NULL, the version of what was put
 * @e:        why not
 *
 * Later calls see the changes at once; they are durable, and watchers hear of them, after
 * store_flush(). Nothing changes if a comparison or anything else fails.
 *
 * Return: 0; -EAGAIN if a comparison failed; the engine's errno (-ENOSPC, -EIO...).
 */
int store_apply(struct store *st, const struct store_txn *txn, uint64_t *revision, struct err *e)
{
	int rc;

	if (st->n_applied - st->n_flushed > HISTORY - STORE_OPS_MAX)
		return err_set(e, -EBUSY, "too many changes wait for a flush");
	rc = st->backend->apply(st->db, txn, st->revision + 1, e);
	if (rc)
		return rc;
	st->revision++;
	for (unsigned int i = 0; i < txn->n_ops && !rc; i++)
		if (txn->ops[i].kind != STORE_CHECK)
			rc = remember(st, &txn->ops[i]);
	if (revision)
		*revision = st->revision;
	return rc;
}

/* After a failed flush: what was applied never was. */
static void forget_applied(struct store *st)
{
	while (st->n_applied > st->n_flushed)
		change_clear(&st->ring[--st->n_applied % HISTORY]);
	st->revision = st->durable;
}

/**
 * store_flush() - Make all applied transactions durable, in one write
 * @st: the store
 * @e:  why not
 *
 * Watchers are called here, in order of revision. On failure every transaction since the last
 * flush is undone: whoever remembers their outcome must read again.
 *
 * Return: 0, also if there was nothing to do; the engine's errno (-ENOSPC, -EIO, -EROFS).
 */
int store_flush(struct store *st, struct err *e)
{
	int rc;

	if (st->revision == st->durable)
		return 0;
	rc = st->backend->flush(st->db, st->revision, e);
	if (rc) {
		forget_applied(st);
		return rc;
	}
	st->durable = st->revision;
	while (st->n_flushed < st->n_applied) {
		const struct change *ch = &st->ring[st->n_flushed++ % HISTORY];
		struct store_event ev = { ch->revision, ch->key, ch->doc };

		for (unsigned int i = 0; i < st->n_watchers; i++)
			st->watchers[i].fn(st->watchers[i].arg, &ev);
	}
	return 0;
}

/**
 * store_get() - Read one document
 * @st:      the store
 * @key:     its key
 * @version: if not NULL, the revision that wrote it
 * @doc:     a new reference; treat it as read-only
 * @e:       why not
 *
 * Return: 0; -ENOENT (no message); -EBADMSG if what is stored is not JSON; the engine's errno.
 */
int store_get(struct store *st, const char *key, uint64_t *version, json_t **doc, struct err *e)
{
	uint64_t ignored;

	return st->backend->get(st->db, key, version ? version : &ignored, doc, e);
}

/**
 * store_list() - Read all documents under a prefix, in order of their keys
 * @st:     the store
 * @prefix: "" for all
 * @fn:     called for each; ends the listing by returning non-zero
 * @arg:    for @fn
 * @e:      why not
 *
 * Return: 0; what @fn returned; -EBADMSG; the engine's errno.
 */
int store_list(struct store *st, const char *prefix, store_doc_fn fn, void *arg, struct err *e)
{
	return st->backend->list(st->db, prefix, fn, arg, e);
}

/**
 * store_revision() - The newest durable revision
 * @st: the store
 */
uint64_t store_revision(const struct store *st)
{
	return st->durable;
}

/**
 * store_watch() - Hear of every durable change
 * @st:  the store
 * @fn:  called from store_flush(), in order of revision; must not change the store
 * @arg: for @fn
 *
 * At most 4 watchers a store, for its whole life.
 */
void store_watch(struct store *st, store_event_fn fn, void *arg)
{
	if (st->n_watchers < WATCHERS) {
		st->watchers[st->n_watchers].fn = fn;
		st->watchers[st->n_watchers++].arg = arg;
	}
}

/**
 * store_changes() - Replay durable changes under a prefix
 * @st:     the store
 * @after:  revision the caller has seen
 * @prefix: "" for all
 * @fn:     called for each change after @after, oldest first
 * @arg:    for @fn
 *
 * Return: 0; -ESTALE if @after is too long ago, or not a revision of this store: read all again.
 */
int store_changes(struct store *st, uint64_t after, const char *prefix, store_event_fn fn,
		  void *arg)
{
	size_t first = st->n_flushed > HISTORY ? st->n_flushed - HISTORY : 0;
	size_t len = strlen(prefix);

	if (after < st->history_from || after > st->durable)
		return -ESTALE;
	while (first < st->n_flushed && st->ring[first % HISTORY].revision <= after)
		first++;
	for (size_t i = first; i < st->n_flushed; i++) {
		const struct change *ch = &st->ring[i % HISTORY];
		struct store_event ev = { ch->revision, ch->key, ch->doc };

		if (strncmp(ch->key, prefix, len) == 0)
			fn(arg, &ev);
	}
	return 0;
}

static int add_op(struct store_txn *txn, enum store_op_kind kind, const char *key, uint64_t version,
		  json_t *doc)
{
	unsigned int used = kind == STORE_CHECK ? txn->n_checks : txn->n_ops - txn->n_checks;
	char *copy;

	if (used == STORE_OPS_MAX)
		return -E2BIG;
	if (!key[0] || strlen(key) > STORE_KEY_LEN)
		return -EINVAL;
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	txn->n_checks += kind == STORE_CHECK;
	txn->ops[txn->n_ops++] = (struct store_op){ kind, copy, version, json_incref(doc) };
	return 0;
}

/**
 * store_txn_check() - Require a key's version
 * @txn:     the transaction
 * @key:     1..255 bytes
 * @version: what it must be; 0: the key must not exist
 *
 * Return: 0; -E2BIG; -EINVAL for the key's length; -ENOMEM.
 */
int store_txn_check(struct store_txn *txn, const char *key, uint64_t version)
{
	return add_op(txn, STORE_CHECK, key, version, NULL);
}

/**
 * store_txn_put() - Write a document
 * @txn: the transaction
 * @key: 1..255 bytes
 * @doc: an object; the transaction takes a reference of its own
 *
 * Return: 0; -E2BIG; -EINVAL; -ENOMEM.
 */
int store_txn_put(struct store_txn *txn, const char *key, json_t *doc)
{
	return add_op(txn, STORE_PUT, key, 0, doc);
}

/**
 * store_txn_delete() - Remove a key; one that does not exist is no error
 * @txn: the transaction
 * @key: 1..255 bytes
 *
 * Return: 0; -E2BIG; -EINVAL; -ENOMEM.
 */
int store_txn_delete(struct store_txn *txn, const char *key)
{
	return add_op(txn, STORE_DELETE, key, 0, NULL);
}

/**
 * store_txn_clear() - Empty a transaction and free what it holds
 * @txn: a zeroed or used transaction
 */
void store_txn_clear(struct store_txn *txn)
{
	for (unsigned int i = 0; i < txn->n_ops; i++) {
		free(txn->ops[i].key);
		json_decref(txn->ops[i].doc);
	}
	txn->n_ops = txn->n_checks = 0;
}
