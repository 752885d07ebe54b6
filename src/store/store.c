/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all store engines share: choosing one, the one commit that is under
 * way, the history, who waits and who was heard.
 */
#include "store/store.h"

#include <errno.h>
#include <string.h>

#include "base/omap.h"
#include "store/backend.h"
#include "store/beats.h"

#define HISTORY 8192 /* changes kept for store_changes(); older ones are "too long ago" */

struct change {
	uint64_t revision;  /* that made it */
	char *key;	    /* owned */
	struct record *doc; /* reference; NULL: deleted */
};

struct store {
	const struct store_backend *backend;
	void *db;	       /* the backend's */
	uint64_t revision;     /* newest on disk */
	uint64_t history_from; /* changes after this revision are all in the ring */
	struct change ring[HISTORY];
	size_t n_changes; /* ever; modulo HISTORY the next one's place in the ring */
	struct {	  /* the commit that is under way; fn NULL: none is */
		const struct store_txn *txn;
		store_end_fn fn;
		void *arg;
	} commit;
	struct store_follower follower; /* heard NULL: none */
	struct sync *syncs;		/* who waits for store_synced(), newest first, ... */
	struct sync *later;		/* ... and who came while it was asked for */
	struct omap *beats;		/* who was heard, see beats.h */
};

struct sync {
	store_sync_fn fn;
	void *arg;
	struct sync *next;
};

static void change_clear(struct change *ch)
{
	free(ch->key);
	record_unref(ch->doc);
	memset(ch, 0, sizeof(*ch));
}

/**
 * store_open_by() - Open a store of a given engine
 * @backend: the engine
 * @where:   what it understands
 * @opts:    as store_open()
 * @out:     the store, to be closed with store_close()
 * @e:       why not
 *
 * Return: 0; the engine's errno. Context: as store_open().
 */
int store_open_by(const struct store_backend *backend, const char *where,
		  const struct store_opts *opts, struct store **out, struct err *e)
{
	auto_of(store_close) struct store *st = calloc(1, sizeof(*st));
	int rc;

	if (!st)
		return -ENOMEM;
	st->backend = backend;
	st->beats = omap_new();
	if (!st->beats)
		return -ENOMEM;
	rc = backend->open(where, opts, st, &st->db, &st->revision, e);
	if (rc)
		return rc;
	st->history_from = st->revision;
	*out = take(st);
	return 0;
}

/**
 * store_open() - Open a store
 * @url:  "mem:", "sqlite:PATH" or a plain path, "etcd:URL[,URL...][/PREFIX]"
 * @opts: what etcd needs; NULL for the others
 * @out:  the store, to be closed with store_close()
 * @e:    why not
 *
 * Return: 0; -EINVAL for an unknown kind; -EPROTO if the data are of a newer version; the engine's
 * errno otherwise. Context: all store functions belong to the one thread that opened it.
 */
int store_open(const char *url, const struct store_opts *opts, struct store **out, struct err *e)
{
	static const struct store_backend *const backends[] = { &store_mem, &store_sqlite,
								&store_etcd };

	if (url[0] == '/' || url[0] == '.')
		return store_open_by(&store_sqlite, url, opts, out, e);
	for (unsigned int i = 0; i < ARRAY_LEN(backends); i++) {
		size_t len = strlen(backends[i]->scheme);

		if (strncmp(url, backends[i]->scheme, len) == 0)
			return store_open_by(backends[i], url + len, opts, out, e);
	}
	return err_set(e, -EINVAL, "no such kind of store: %s", url);
}

static void forget(struct sync *list)
{
	for (struct sync *s = list, *next; s; s = next) {
		next = s->next;
		free(s);
	}
}

/**
 * store_close() - Close a store
 * @st: store or NULL; a commit that is under way is not told how it ended
 */
void store_close(struct store *st)
{
	if (!st)
		return;
	if (st->db)
		st->backend->close(st->db);
	forget(st->syncs);
	forget(st->later);
	beats_free(st->beats);
	for (size_t i = 0; i < HISTORY; i++)
		change_clear(&st->ring[i]);
	free(st);
}

/* ev NULL: that was all for now. */
static void hear(struct store *st, const struct store_event *ev)
{
	if (st->follower.heard)
		st->follower.heard(st->follower.arg, ev);
}

/* A change becomes history, and the follower hears of it. */
static void tell(struct store *st, const struct store_event *ev)
{
	struct change *ch = &st->ring[st->n_changes % HISTORY];

	if (st->n_changes >= HISTORY)
		st->history_from = MAX(st->history_from, ch->revision);
	change_clear(ch);
	*ch = (struct change){ ev->revision, strdup(ev->key), record_ref(ev->doc) };
	if (ch->key)
		st->n_changes++;
	else
		st->history_from = ev->revision; /* who asks from before reads all again */
	hear(st, ev);
}

/**
 * store_ended() - An engine's commit has ended
 * @st:  the store
 * @end: how; all it names is the engine's, and not needed afterwards
 *
 * Who asked for it hears first, then the follower: of an engine that is followed by store_heard(),
 * which is called next in any case.
 */
void store_ended(struct store *st, const struct store_end *end)
{
	const struct store_txn *txn = st->commit.txn;
	store_end_fn fn = take(st->commit.fn);

	if (!end->rc && !st->backend->follow)
		st->revision = end->revision;
	fn(st->commit.arg, end);
	if (st->backend->follow)
		return;
	for (unsigned int i = 0; i < txn->n_ops && !end->rc; i++) {
		const struct store_op *op = &txn->ops[i];

		if (op->kind == STORE_PUT || op->kind == STORE_DELETE)
			tell(st, &(struct store_event){ end->revision, op->key,
							op->kind == STORE_PUT ? op->doc : NULL });
	}
	hear(st, NULL);
}

/**
 * store_heard() - All changes of one revision
 * @st:       the store
 * @revision: newer than all before; or the newest, where a commit ended without a change
 * @events:   borrowed
 * @n:        of them
 */
void store_heard(struct store *st, uint64_t revision, const struct store_event *events,
		 unsigned int n)
{
	st->revision = revision;
	for (unsigned int i = 0; i < n; i++)
		tell(st, &events[i]);
	hear(st, NULL);
}

/**
 * store_passed() - Revisions in which nothing of the follower's changed
 * @st:       the store
 * @revision: the newest
 */
void store_passed(struct store *st, uint64_t revision)
{
	st->revision = revision;
}

/* The follower's key behind `after`. */
static const char *next_key(struct store *st, const char *after, uint64_t *version)
{
	return st->follower.next ? st->follower.next(st->follower.arg, after, version) : NULL;
}

/**
 * store_relisted() - The store was read anew, as what happened since it was followed is not known
 * @st:       the store
 * @revision: at which it was read
 * @docs:     all documents with their versions, in order of their keys; borrowed
 * @n:        of them
 *
 * The follower hears of what differs from what it has; who wants changes of before reads all again.
 */
void store_relisted(struct store *st, uint64_t revision, const struct store_event *docs,
		    unsigned int n)
{
	char at[STORE_KEY_LEN + 1] = "";
	const char *key;
	uint64_t version;
	unsigned int i = 0;

	st->revision = st->history_from = revision;
	while ((key = next_key(st, at, &version)) || i < n) {
		int order = !key ? 1 : i == n ? -1 : strcmp(key, docs[i].key);

		snprintf(at, sizeof(at), "%s", order <= 0 ? key : docs[i].key);
		if (order < 0 && version)
			hear(st, &(struct store_event){ revision, at, NULL });
		else if (order > 0 || (!order && docs[i].revision > version))
			hear(st, &docs[i]);
		i += order >= 0;
	}
	hear(st, NULL);
}

/**
 * store_commit() - Make a transaction durable, all of it or nothing
 * @st:  the store; its commit before must have ended
 * @txn: the caller's; unchanged and there until the watcher has heard of it, or, where there
 *       is none, store_commit() has returned and @fn was called
 * @fn:  called once, maybe before this returns: how it ended. Must not call store_commit()
 * @arg: for @fn
 *
 * @fn is called before the watcher hears of the changes. A transaction without changes ends well.
 */
void store_commit(struct store *st, const struct store_txn *txn, store_end_fn fn, void *arg)
{
	st->commit.txn = txn;
	st->commit.fn = fn;
	st->commit.arg = arg;
	st->backend->commit(st->db, txn, st->revision + 1);
}

/**
 * store_wait() - Let the commit that is under way end
 * @st: the store
 *
 * Its function was called when this returns. For starts: it may block.
 */
void store_wait(struct store *st)
{
	if (st->commit.fn && st->backend->wait)
		st->backend->wait(st->db);
}

/**
 * store_ops_max() - How many comparisons, and how many changes, one commit may have
 * @st: the store
 *
 * Return: at least STORE_OPS_MAX.
 */
unsigned int store_ops_max(const struct store *st)
{
	return st->backend->ops_max;
}

/**
 * store_is_shared() - May others write to the same store?
 * @st: the store
 */
bool store_is_shared(const struct store *st)
{
	return st->backend->shared;
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
	uint64_t revision = st->revision;
	int rc = st->backend->list(st->db, prefix, fn, arg, &revision, e);

	if (!rc && !st->follower.heard)
		st->revision = st->history_from = revision;
	return rc;
}

/**
 * store_revision() - The newest durable revision
 * @st: the store
 */
uint64_t store_revision(const struct store *st)
{
	return st->revision;
}

/**
 * store_follow() - Hear of every durable change
 * @st:       the store; it has one follower, who is replaced
 * @follower: copied; ->heard is called in order of revision, and with NULL behind a revision's last
 *            change: only then it may call store_commit(). NULL: nobody
 *
 * It has read all with store_list() before, and hears of what came after that.
 *
 * Return: 0; -ENOMEM.
 */
int store_follow(struct store *st, const struct store_follower *follower)
{
	st->follower = follower ? *follower : (struct store_follower){ NULL };
	return follower && st->backend->follow ? st->backend->follow(st->db, st->revision) : 0;
}

/* Those who wait for the next question become those who wait for this one. */
static void ask(struct store *st)
{
	st->syncs = take(st->later);
	st->backend->sync(st->db);
}

/**
 * store_sync() - Hear of all that was committed before now, by whomever
 * @st:  the store
 * @fn:  called once, maybe before this returns, and at most after some seconds: 0; -ETIMEDOUT
 * @arg: for @fn
 *
 * Those who ask while others wait are told together, by a later question.
 */
void store_sync(struct store *st, store_sync_fn fn, void *arg)
{
	struct sync *s = st->backend->sync ? malloc(sizeof(*s)) : NULL;

	if (!s) {
		fn(arg, st->backend->sync ? -ENOMEM : 0);
		return;
	}
	*s = (struct sync){ fn, arg, st->later };
	st->later = s;
	if (!st->syncs)
		ask(st);
}

/**
 * store_synced() - The follower has heard of all that was committed before it was asked
 * @st: the store
 * @rc: 0; why that is not known
 *
 * Those who wait are told, then the follower that this was all for now.
 */
void store_synced(struct store *st, int rc)
{
	struct sync *list = take(st->syncs), *next;

	for (struct sync *s = list; s; s = next) {
		next = s->next;
		s->fn(s->arg, rc);
		free(s);
	}
	hear(st, NULL);
	if (st->later && !st->syncs)
		ask(st);
}

/**
 * store_beat() - Somebody is alive: say so to all replicas
 * @st:     the store
 * @name:   who
 * @now_us: CLOCK_MONOTONIC, microseconds
 *
 * Return: 0; -ENOSPC past 8192 names; -ENOMEM.
 */
int store_beat(struct store *st, const char *name, int64_t now_us)
{
	int rc = beats_note(st->beats, name, now_us);

	if (!rc && st->backend->beat)
		st->backend->beat(st->db, name);
	return rc;
}

/**
 * store_beat_heard() - An engine has heard a beat of somebody, by whichever replica
 * @st:     the store
 * @name:   who
 * @now_us: as store_beat()
 */
void store_beat_heard(struct store *st, const char *name, int64_t now_us)
{
	beats_note(st->beats, name, now_us);
}

/**
 * store_beat_at() - When somebody was alive for the last time, as far as this replica can tell
 * @st:     the store
 * @name:   who
 * @now_us: as store_beat()
 *
 * Silence counts only while beats are heard: from the moment on that a stream began which had a
 * gap. Nobody dies because etcd does not answer.
 *
 * Return: microseconds of that clock; 0: never.
 */
int64_t store_beat_at(const struct store *st, const char *name, int64_t now_us)
{
	int64_t at = beats_at(st->beats, name);
	int64_t since;

	if (!st->backend->hears_us)
		return at;
	since = st->backend->hears_us(st->db);
	return MAX(at, since ? since : now_us);
}

/**
 * store_leads() - Is this replica the one that does what is done once?
 * @st:     the store
 * @now_us: as store_beat()
 *
 * The first by its name of those who were heard lately. For a moment, when one comes or goes, it
 * may be two, or none.
 */
bool store_leads(const struct store *st, int64_t now_us)
{
	return !st->backend->self || beats_lead(st->beats, st->backend->self(st->db), now_us);
}

/**
 * store_cloud() - Which cloud's documents these are
 * @st: the store
 *
 * Return: an id, made with the cloud; "": the database alone says.
 */
const char *store_cloud(const struct store *st)
{
	return st->backend->cloud ? st->backend->cloud(st->db) : "";
}

/**
 * store_trouble() - What keeps the store from working
 * @st:       the store
 * @since_ms: gets since when, loop_now_ms()
 *
 * Return: a sentence; NULL: nothing does.
 */
const char *store_trouble(const struct store *st, uint64_t *since_ms)
{
	return st->backend->trouble ? st->backend->trouble(st->db, since_ms) : NULL;
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
	size_t first = st->n_changes > HISTORY ? st->n_changes - HISTORY : 0;
	size_t end = st->n_changes, len = strlen(prefix);

	if (after < st->history_from || after > st->revision)
		return -ESTALE;
	while (first < end) { /* revisions do not fall */
		size_t middle = first + (end - first) / 2;

		if (st->ring[middle % HISTORY].revision <= after)
			first = middle + 1;
		else
			end = middle;
	}
	for (size_t i = first; i < st->n_changes; i++) {
		const struct change *ch = &st->ring[i % HISTORY];
		struct store_event ev = { ch->revision, ch->key, ch->doc };

		if (strncmp(ch->key, prefix, len) == 0)
			fn(arg, &ev);
	}
	return 0;
}
