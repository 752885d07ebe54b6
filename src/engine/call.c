/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers and hooks may do: read, change, answer, wait (call.h). Changes
 * go into the cache as they are made, with an undo list; engine.c turns the
 * list into a transaction or takes it back.
 */
#include "engine/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/impl.h"

#define DOC_MAX (256u << 10) /* bytes of JSON */

static int format_key(char key[STORE_KEY_LEN + 1], const char *fmt, va_list ap)
{
	int n = vsnprintf(key, STORE_KEY_LEN + 1, fmt, ap);

	return n > 0 && n <= STORE_KEY_LEN ? 0 : -ENAMETOOLONG;
}

/**
 * call_get() - Read a document
 * @c:       the call
 * @key_fmt: its key
 *
 * Return: the document, borrowed, this call's own changes included; NULL if there is none.
 */
const json_t *call_get(struct call *c, const char *key_fmt, ...)
{
	const struct cache_row *row = NULL;
	char key[STORE_KEY_LEN + 1];
	va_list ap;

	va_start(ap, key_fmt);
	if (!format_key(key, key_fmt, ap)) {
		row = cache_get(c->priv->eng->cache, key);
		rely_on(c, key);
	}
	va_end(ap);
	return cache_doc(c->priv->eng->cache, row);
}

/**
 * call_list() - Walk the documents under a prefix
 * @c:          the call
 * @prefix_fmt: ends with a slash
 *
 * Return: a cursor for cursor_next().
 */
struct cursor call_list(struct call *c, const char *prefix_fmt, ...)
{
	char key[STORE_KEY_LEN + 1];
	va_list ap;
	int rc;

	va_start(ap, prefix_fmt);
	rc = format_key(key, prefix_fmt, ap);
	va_end(ap);
	if (!rc)
		rely_on_list(c, key);
	return cache_list(c->priv->eng->cache, rc ? "\377" : key);
}

/**
 * call_sums() - Sums that are kept over documents
 * @c:         the call
 * @t:         of one of the features
 * @group_fmt: the member's value, or the directory of the keys: "/host/h1/server"
 *
 * Return: this call's own changes included.
 */
struct sums call_sums(struct call *c, const struct tally *t, const char *group_fmt, ...)
{
	char group[STORE_KEY_LEN + 1];
	va_list ap;
	int rc;

	va_start(ap, group_fmt);
	rc = format_key(group, group_fmt, ap);
	va_end(ap);
	if (rc)
		return (struct sums){ 0 };
	rely_on_sums(c, t, group);
	return cache_sums(c->priv->eng->cache, t, group);
}

/**
 * call_arg() - First value of a query argument
 * @c:    the call
 * @name: exact name
 *
 * Return: the decoded value; NULL if it was not given.
 */
const char *call_arg(const struct call *c, const char *name)
{
	return args_get(&c->priv->args, name, 0);
}

/**
 * call_arg_at() - A value of a repeated query argument
 * @c:    the call
 * @name: exact name
 * @i:    from 0
 *
 * Return: the decoded value; NULL past the last.
 */
const char *call_arg_at(const struct call *c, const char *name, unsigned int i)
{
	return args_get(&c->priv->args, name, i);
}

/**
 * call_arg_name() - The name of a query argument
 * @c: the call
 * @i: which, as they stand, from 0; one that is repeated comes as often
 *
 * Return: the decoded name; NULL past the last.
 */
const char *call_arg_name(const struct call *c, unsigned int i)
{
	return i < c->priv->args.n ? c->priv->args.all[i].name : NULL;
}

/**
 * call_header_in() - A header of the request
 * @c:    the call
 * @name: in any case
 *
 * Return: its value; NULL without one, or without a request.
 */
const char *call_header_in(const struct call *c, const char *name)
{
	return c->priv->req ? http_header(c->priv->req, name) : NULL;
}

/* Remembers what a key holds before this call's first change of it. */
static int remember(struct call_priv *p, const char *key)
{
	const struct cache_row *row = cache_get(p->eng->cache, key);
	struct undo *u = &p->undo[p->n_undo];

	for (unsigned int i = 0; i < p->n_undo; i++)
		if (strcmp(p->undo[i].key, key) == 0)
			return 0;
	if (p->n_undo == CHANGES_MAX)
		return -E2BIG;
	*u = (struct undo){ strdup(key), row ? record_ref(row->doc) : NULL,
			    row ? row->version : 0 };
	if (!u->key) {
		record_unref(u->doc);
		return -ENOMEM;
	}
	p->n_undo++;
	return 0;
}

static int change(struct call *c, struct record *doc, const char *fmt, va_list ap, bool claim)
{
	char key[STORE_KEY_LEN + 1];
	int rc = format_key(key, fmt, ap);

	if (!rc && claim && cache_get(c->priv->eng->cache, key))
		rc = -EEXIST;
	rc = rc ? rc : remember(c->priv, key);
	return rc ? rc : cache_set(c->priv->eng->cache, key, 0, doc);
}

/*
 * Each document is in every replica's memory; what agents say has bounds of its own. Who takes
 * something away is not held up by what is there: else it would stay for ever.
 */
static int check_size(struct call *c, struct record *doc)
{
	size_t len;

	if (!record_text(doc, &len))
		return -ENOMEM;
	if (c->priv->rule == RULE_MISSING || c->priv->rule == RULE_AGENT ||
	    !strcmp(c->method, "DELETE") || len <= DOC_MAX)
		return 0;
	return call_fail(c, 413, "HTTPRequestEntityTooLarge",
			 "What is to be kept is larger than %u kB.", DOC_MAX >> 10);
}

/**
 * call_put() - Write a document
 * @c:         the call
 * @doc_taken: an object; taken, also on failure. NULL (a json_pack() that failed): -ENOMEM
 * @key_fmt:   its key
 *
 * Return: 0; -E2BIG past 256 changed keys, or (a fault) for a client's document past 256 kB, unless
 * it deletes; -ENAMETOOLONG; -ENOMEM.
 */
int call_put(struct call *c, json_t *doc_taken, const char *key_fmt, ...)
{
	auto_of(json_decref) json_t *doc = doc_taken;
	auto_of(record_unref) struct record *rec = record_of(doc);
	int rc = rec ? check_size(c, rec) : -ENOMEM;
	va_list ap;

	va_start(ap, key_fmt);
	rc = rc ?: change(c, rec, key_fmt, ap, false);
	va_end(ap);
	return rc;
}

/**
 * call_claim() - Write a document under a key that must be free
 * @c:         the call
 * @doc_taken: an object; taken, also on failure
 * @key_fmt:   what must be unique
 *
 * Return: 0; -EEXIST if the key is taken: the caller says the fault; as call_put().
 */
int call_claim(struct call *c, json_t *doc_taken, const char *key_fmt, ...)
{
	auto_of(json_decref) json_t *doc = doc_taken;
	auto_of(record_unref) struct record *rec = record_of(doc);
	va_list ap;
	int rc;

	va_start(ap, key_fmt);
	rc = rec ? change(c, rec, key_fmt, ap, true) : -ENOMEM;
	va_end(ap);
	return rc;
}

/**
 * call_delete() - Remove a document; one that is not there is no error
 * @c:       the call
 * @key_fmt: its key
 *
 * Return: 0; -E2BIG; -ENAMETOOLONG; -ENOMEM.
 */
int call_delete(struct call *c, const char *key_fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, key_fmt);
	rc = change(c, NULL, key_fmt, ap, false);
	va_end(ap);
	return rc;
}

/**
 * call_undo() - Take back what a run put and deleted
 * @c: the call
 */
void call_undo(struct call *c)
{
	struct call_priv *p = c->priv;

	while (p->n_undo) {
		struct undo *u = &p->undo[--p->n_undo];

		cache_set(p->eng->cache, u->key, u->version, u->doc);
		free(u->key);
		record_unref(u->doc);
	}
}

/**
 * call_kept() - What a feature keeps in memory
 * @c: the call
 * @f: one of the engine's features
 *
 * Return: what its open() made; lives longer than the engine's helper threads. NULL of another's.
 */
void *call_kept(const struct call *c, const struct feature *f)
{
	const struct feature *const *all = c->opts->features;

	for (unsigned int i = 0; all[i]; i++)
		if (all[i] == f)
			return c->priv->eng->kept[i];
	return NULL;
}

/**
 * call_peer() - The address of who asks
 * @c: the call
 *
 * Return: as http_peer(); "" for a call of our own.
 */
const char *call_peer(const struct call *c)
{
	return c->priv->req ? http_peer(c->priv->req) : "";
}

/**
 * call_wait() - Run the handler again later
 * @c:          the call
 * @timeout_ms: at the latest after this time, with c->expired set
 * @prefix_fmt: when a document under this prefix, which ends with a slash or is a whole key, was
 *              changed by somebody else
 *
 * Return: CALL_WAIT, for `return call_wait(...)`; -ENAMETOOLONG.
 */
int call_wait(struct call *c, uint32_t timeout_ms, const char *prefix_fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, prefix_fmt);
	rc = format_key(c->priv->wait_prefix, prefix_fmt, ap);
	va_end(ap);
	c->priv->wait_ms = MAX(timeout_ms, 1u);
	return rc ? rc : CALL_WAIT;
}

/**
 * call_yield() - Run the handler again when others had their turn
 * @c:          the call
 * @kept:       how far it came, for call_resume(); taken
 * @free_kept:  frees @kept, if the handler begins anew or never runs again
 *
 * It begins anew if a change is refused that it may have seen.
 *
 * Return: CALL_WAIT.
 */
int call_yield(struct call *c, void *kept, void (*free_kept)(void *kept))
{
	c->priv->yields = true;
	c->priv->kept = kept;
	c->priv->free_kept = free_kept;
	return CALL_WAIT;
}

/**
 * call_resume() - How far a handler came that yielded
 * @c: the call
 *
 * Return: what call_yield() got, the caller's again; NULL: it begins.
 */
void *call_resume(struct call *c)
{
	return take(c->priv->kept);
}

/**
 * call_forget() - Let a handler that yielded begin anew
 * @c: the call
 */
void call_forget(struct call *c)
{
	if (c->priv->kept)
		c->priv->free_kept(take(c->priv->kept));
}

/**
 * call_spent_us() - How long this run of a handler goes on
 * @c: the call
 *
 * Return: microseconds.
 */
int64_t call_spent_us(const struct call *c)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000 - c->mono_us;
}

/**
 * call_job() - Run a function on a helper thread, then the handler again
 * @c:        the call
 * @lane:     whose threads
 * @fn:       the slow part; sees only @arg
 * @arg:      kept as c->job until the call ends; then freed
 * @free_arg: frees @arg
 *
 * Return: CALL_WAIT, for `return call_job(...)`; -ENOMEM for a NULL @arg.
 */
int call_job(struct call *c, enum lane_id lane, void (*fn)(void *arg), void *arg,
	     void (*free_arg)(void *arg))
{
	if (!arg)
		return -ENOMEM;
	if (c->job && c->priv->job_free)
		c->priv->job_free(c->job);
	c->job = arg;
	c->priv->job_lane = lane;
	c->priv->job_fn = fn;
	c->priv->job_free = free_arg;
	return CALL_WAIT;
}

/**
 * call_closing() - What tells a long job that the daemon waits for its end
 * @c: the call
 *
 * Return: to be read by any thread; lives as long as the job.
 */
const atomic_bool *call_closing(const struct call *c)
{
	return &c->priv->eng->closing;
}

/**
 * call_version() - The revision that wrote a document
 * @c:   the call
 * @key: the document's
 *
 * Return: its version in the store; 0 if there is no document, or one that is not on disk yet.
 */
uint64_t call_version(const struct call *c, const char *key)
{
	const struct cache_row *row = cache_get(c->priv->eng->cache, key);

	return row ? row->version : 0;
}

/**
 * call_revision() - The store's newest durable revision
 * @c: the call
 */
uint64_t call_revision(const struct call *c)
{
	return store_revision(c->opts->store);
}

/**
 * call_changes() - What changed under a prefix after a revision
 * @c:      the call
 * @after:  revision the client has seen
 * @prefix: keys
 * @fn:     called for each change, oldest first
 * @arg:    for @fn
 *
 * Return: 0; -ESTALE if that is too long ago.
 */
int call_changes(struct call *c, uint64_t after, const char *prefix, store_event_fn fn, void *arg)
{
	return store_changes(c->opts->store, after, prefix, fn, arg);
}

/**
 * call_time() - The call's time as OpenStack writes it
 * @c:   the call
 * @out: "2026-11-22T15:16:20Z"
 *
 * Return: @out.
 */
const char *call_time(const struct call *c, char out[32])
{
	time_t s = (time_t)(c->now_us / 1000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/**
 * call_link() - Put a call in front of a list
 * @head: the list
 * @c:    call, in no list
 */
void call_link(struct call **head, struct call *c)
{
	struct call_priv *p = c->priv;

	p->next = *head;
	p->prev = head;
	if (*head)
		(*head)->priv->prev = &p->next;
	*head = c;
}

/**
 * call_unlink() - Take a call out of the engine's list it is in
 * @c: call, in a list or not
 */
void call_unlink(struct call *c)
{
	struct call_priv *p = c->priv;

	if (!p->prev)
		return;
	*p->prev = p->next;
	if (p->next)
		p->next->priv->prev = p->prev;
	p->prev = NULL;
}

/**
 * call_queue() - Put a call in front of those who wait for the same
 * @head: the queue
 * @c:    call, in none
 */
void call_queue(struct call **head, struct call *c)
{
	struct call_priv *p = c->priv;

	p->queue_next = *head;
	p->queue_prev = head;
	if (*head)
		(*head)->priv->queue_prev = &p->queue_next;
	*head = c;
}

/**
 * call_unqueue() - Take a call out of the queue it is in
 * @c: call, in a queue or not
 */
void call_unqueue(struct call *c)
{
	struct call_priv *p = c->priv;

	if (!p->queue_prev)
		return;
	*p->queue_prev = p->queue_next;
	if (p->queue_next)
		p->queue_next->priv->queue_prev = p->queue_prev;
	p->queue_prev = NULL;
}

/**
 * call_reset() - Make a call ready for a run of its handler
 * @c: the call; changes are committed or undone already
 */
void call_reset(struct call *c)
{
	struct call_priv *p = c->priv;

	c->status = 0;
	json_decref(c->reply);
	c->reply = NULL;
	p->fault_status = 0;
	rely_clear(&p->relies);
	p->browses = false;
	for (; p->n_headers; p->n_headers--)
		free(take(p->headers[p->n_headers - 1]));
	buf_fini(&p->text);
	free(take(p->text_type));
	free(take(p->file));
	p->wait_ms = 0;
	p->yields = false;
	p->job_fn = NULL;
	p->ready = false;
}

/**
 * call_free() - Free a call
 * @c: call or NULL, in no list
 */
void call_free(struct call *c)
{
	struct call_priv *p = c ? c->priv : NULL;

	if (!c)
		return;
	call_reset(c);
	call_unqueue(c);
	call_forget(c);
	while (p->n_undo) {
		free(p->undo[--p->n_undo].key);
		record_unref(p->undo[p->n_undo].doc);
	}
	loop_timer_del(p->timer);
	if (c->job && p->job_free)
		p->job_free(c->job);
	args_free(&p->args);
	for (unsigned int i = 0; i < CALL_IDS_MAX; i++)
		free(c->ids[i]);
	free((char *)c->path);
	json_decref(c->memo);
	json_decref((json_t *)c->body);
	free(p);
	free(c);
}
