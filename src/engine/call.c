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
	if (!format_key(key, key_fmt, ap))
		row = cache_get(c->priv->eng->cache, key);
	va_end(ap);
	return row ? row->doc : NULL;
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
	return cache_list(c->priv->eng->cache, rc ? "\377" : key);
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
	*u = (struct undo){ strdup(key), row ? json_incref(row->doc) : NULL,
			    row ? row->version : 0 };
	if (!u->key) {
		json_decref(u->doc);
		return -ENOMEM;
	}
	p->n_undo++;
	return 0;
}

static int change(struct call *c, json_t *doc, const char *fmt, va_list ap, bool claim)
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
static int check_size(struct call *c, const json_t *doc)
{
	if (c->priv->rule == RULE_MISSING || c->priv->rule == RULE_AGENT ||
	    !strcmp(c->method, "DELETE") || json_dumpb(doc, NULL, 0, JSON_COMPACT) <= DOC_MAX)
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
	va_list ap;
	int rc;

	if (!doc_taken)
		return -ENOMEM;
	rc = check_size(c, doc_taken);
	if (!rc) {
		va_start(ap, key_fmt);
		rc = change(c, doc_taken, key_fmt, ap, false);
		va_end(ap);
	}
	json_decref(doc_taken);
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
	va_list ap;
	int rc;

	if (!doc_taken)
		return -ENOMEM;
	va_start(ap, key_fmt);
	rc = change(c, doc_taken, key_fmt, ap, true);
	va_end(ap);
	json_decref(doc_taken);
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
		json_decref(u->doc);
	}
}

/**
 * call_upload() - The file an upload route received
 * @c: the call
 *
 * Return: its path; it goes with the answer unless it is renamed. NULL if there is none.
 */
const char *call_upload(const struct call *c)
{
	return c->priv->req ? http_file(c->priv->req) : NULL;
}

/**
 * call_digest() - The checksums of that file, taken while it arrived
 * @c: the call
 *
 * Return: valid as long as the call; NULL if there is no file.
 */
const struct digest *call_digest(const struct call *c)
{
	return c->priv->req ? http_digest(c->priv->req) : NULL;
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
 * @prefix_fmt: when a document under this prefix was changed by somebody else
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
	for (; p->n_headers; p->n_headers--)
		free(take(p->headers[p->n_headers - 1]));
	free(take(p->text_type));
	free(take(p->file));
	p->wait_ms = 0;
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
	while (p->n_undo) {
		free(p->undo[--p->n_undo].key);
		json_decref(p->undo[p->n_undo].doc);
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
