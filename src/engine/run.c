/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs calls: a handler against the cache, what it did as a transaction, the
 * transactions of one turn in one commit, answers after the commit, and calls
 * that wait again when their time has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/uuid.h"
#include "engine/impl.h"

#define RETRIES_MAX 10	/* runs of a handler whose comparisons fail */
#define ROUNDS_MAX  100 /* flushes in a row before the loop does other things */

static const struct auth system_auth = { .user_name = "anyvf-apid",
					 .scope = SCOPE_SYSTEM,
					 .roles = ROLE_ADMIN };

static void list_add(struct call **head, struct call *c)
{
	struct call_priv *p = c->priv;

	p->next = *head;
	p->prev = head;
	if (*head)
		(*head)->priv->prev = &p->next;
	*head = c;
}

/**
 * run_unlink() - Take a call out of the engine's list it is in
 * @c: call, in a list or not
 */
void run_unlink(struct call *c)
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
 * run_new() - Make a call
 * @eng: the engine
 * @req: its request; NULL: a call of our own, made as an admin
 *
 * Return: to be given to run_call() or call_free(); NULL without memory.
 */
struct call *run_new(struct engine *eng, struct http_req *req)
{
	struct call *c = calloc(1, sizeof(*c));
	char id[UUID_STR_LEN];

	if (!c)
		return NULL;
	c->priv = calloc(1, sizeof(*c->priv));
	if (!c->priv) {
		free(c);
		return NULL;
	}
	uuid_new(id);
	snprintf(c->request_id, sizeof(c->request_id), "req-%s", id);
	c->now_us = run_now_us();
	c->mono_us = run_mono_us();
	c->opts = &eng->opts;
	c->method = "";
	c->priv->eng = eng;
	c->priv->req = req;
	c->auth = req ? &c->priv->auth : &system_auth;
	return c;
}

/* What the API calls the store's errors. */
static int fail_write(struct call *c, int rc, const char *why)
{
	log_err("the store does not take a change", "error=%d why=\"%s\"", rc, why);
	return call_fail(c, rc == -ENOSPC ? 507 : 503, "ServiceUnavailable",
			 "The change could not be stored: %s", why[0] ? why : strerror(-rc));
}

/* The changes of a run as a transaction, guarded by the versions it saw. */
static int build_txn(struct call *c, struct store_txn *txn)
{
	struct call_priv *p = c->priv;
	int rc = 0;

	for (unsigned int i = 0; i < p->n_undo && !rc; i++) {
		const struct undo *u = &p->undo[i];
		const struct cache_row *row = cache_get(p->eng->cache, u->key);

		if (row ? row->doc == u->doc : !u->doc)
			continue; /* as it was */
		rc = store_txn_check(txn, u->key, u->version);
		if (!rc)
			rc = row ? store_txn_put(txn, u->key, row->doc)
				 : store_txn_delete(txn, u->key);
	}
	return rc;
}

/* Somebody else changed the store: read again what this call had seen. */
static void catch_up(struct engine *eng, const struct store_txn *txn)
{
	for (unsigned int i = 0; i < txn->n_ops; i++) {
		auto_of(json_decref) json_t *doc = NULL;
		uint64_t version = 0;

		if (txn->ops[i].kind != STORE_CHECK)
			continue;
		if (!store_get(eng->opts.store, txn->ops[i].key, &version, &doc, NULL))
			cache_set(eng->cache, txn->ops[i].key, version, doc);
		else
			cache_set(eng->cache, txn->ops[i].key, 0, NULL);
	}
}

/* Takes what a change replaced, until the group's flush. */
static void group_add(struct engine *eng, struct undo *taken)
{
	if (eng->n_group == eng->group_room) {
		size_t room = eng->group_room ? 2 * eng->group_room : 64;
		struct undo *more = realloc(eng->group, room * sizeof(*more));

		if (!more) {
			eng->group_lost = true;
			free(taken->key);
			json_decref(taken->doc);
			return;
		}
		eng->group = more;
		eng->group_room = room;
	}
	eng->group[eng->n_group++] = *taken;
}

/**
 * run_end_group() - Forget what the group's changes replaced, or put it back
 * @eng:  the engine
 * @back: the flush failed: the cache becomes what it was before the group
 */
void run_end_group(struct engine *eng, bool back)
{
	while (eng->n_group) {
		struct undo *u = &eng->group[--eng->n_group];

		if (back)
			cache_set(eng->cache, u->key, u->version, u->doc);
		free(u->key);
		json_decref(u->doc);
	}
	eng->group_lost = false;
}

static void settle(struct call *c, uint64_t revision)
{
	struct call_priv *p = c->priv;

	while (p->n_undo) {
		struct undo *u = &p->undo[--p->n_undo];
		struct cache_row *row = (struct cache_row *)cache_get(p->eng->cache, u->key);

		if (row && row->version == 0)
			row->version = revision;
		group_add(p->eng, u);
	}
	p->wrote = true;
	p->eng->dirty = true;
	p->eng->applied = revision;
}

/**
 * run_commit() - Apply what a run changed
 * @c: the call; its undo list is empty afterwards
 *
 * Return: 0; -EAGAIN: the store has other versions, which the cache now has too, run again; a
 * fault.
 */
int run_commit(struct call *c)
{
	struct call_priv *p = c->priv;
	struct store_txn txn = { .n_ops = 0 };
	struct err e = { 0 };
	uint64_t revision;
	int rc;

	if (!p->n_undo)
		return 0;
	rc = build_txn(c, &txn);
	if (!rc && txn.n_ops)
		rc = store_apply(p->eng->opts.store, &txn, &revision, &e);
	if (rc) {
		call_undo(c);
		if (rc == -EAGAIN)
			catch_up(p->eng, &txn);
		else
			fail_write(c, rc, e.msg);
	} else if (txn.n_ops) {
		settle(c, revision);
	} else {
		call_undo(c);
	}
	store_txn_clear(&txn);
	return rc;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000ll + ts.tv_nsec / 1000;
}

/**
 * run_now_us() - Wall clock
 *
 * Return: microseconds since 1970.
 */
int64_t run_now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

/**
 * run_mono_us() - Clock that nobody sets
 *
 * Return: microseconds since some moment of this boot.
 */
int64_t run_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static int run_once(struct call *c)
{
	struct call_priv *p = c->priv;
	int rc = 0;

	c->now_us = run_now_us();
	c->mono_us = run_mono_us();
	if (!p->handle && !p->res_handle)
		rc = route_run(c);
	if (!rc && p->req && c->service->begin)
		rc = c->service->begin(c);
	if (!rc)
		rc = p->handle ? p->handle(c) : p->res_handle(c, p->resource);
	if (rc >= 0 && !p->fault_status)
		return rc;
	call_undo(c);
	if (!p->fault_status && rc == -E2BIG)
		call_fail(c, 413, "HTTPRequestEntityTooLarge",
			  "The request changes too much for one transaction.");
	if (!p->fault_status) {
		log_err("a handler failed without a word", "path=%s error=%d",
			c->path ? c->path : "", rc);
		call_fail(c, 500, "HTTPInternalServerError",
			  "Request Failed: internal server error while processing your request.");
	}
	return rc < 0 ? rc : -EIO;
}

static const char *body_type(const struct call *c, const struct http_answer *answer)
{
	if (c->priv->text_type && !c->priv->fault_status)
		return c->priv->text_type;
	if (c->service && c->service->style == FAULT_GLANCE && !c->reply)
		return "text/html; charset=UTF-8";
	return answer->body ? "application/json" : NULL;
}

/* The fault or the reply as bytes. */
static void fill_body(struct call *c, struct http_answer *answer)
{
	struct call_priv *p = c->priv;

	if (!p->fault_status && p->file)
		file_answer(c, answer);
	answer->status = p->fault_status ? p->fault_status : c->status;
	if (p->fault_status) {
		json_decref(c->reply);
		c->reply = fault_json(c);
		if (!c->reply)
			answer->body = fault_html(c);
	}
	if (c->reply && answer->fd < 0)
		answer->body = json_dumps(c->reply, JSON_COMPACT | JSON_ENCODE_ANY);
	if (answer->body)
		answer->size = strlen(answer->body);
}

/* Answers a call and frees it. */
static void finish(struct call *c)
{
	struct call_priv *p = c->priv;
	struct http_answer answer = { .fd = -1 };
	const char *headers[2 * REPLY_HEADERS_MAX + 8];
	unsigned int n = 0;
	const char *type;

	run_unlink(c);
	if (!p->req) {
		if (p->fault_status)
			log_warn("a periodic task failed", "service=%s why=\"%s\"",
				 c->service->prefix, p->fault_text);
		call_free(c);
		return;
	}
	fill_body(c, &answer);
	audit_call(&p->eng->audit, c, answer.status);
	type = body_type(c, &answer);
	if (type) {
		headers[n++] = "Content-Type";
		headers[n++] = type;
	}
	headers[n++] = "x-openstack-request-id";
	headers[n++] = c->request_id;
	headers[n++] = "Vary";
	headers[n++] = "X-Auth-Token";
	for (unsigned int i = 0; i < p->n_headers; i++)
		headers[n++] = p->headers[i];
	headers[n] = NULL;
	answer.headers = headers;
	http_reply(p->req, &answer);
	call_free(c);
}

static void run_again(struct call *c, bool expired)
{
	run_unlink(c);
	loop_timer_del(take(c->priv->timer));
	c->runs++;
	c->expired = expired;
	run_call(c);
}

static void on_wait_over(void *arg)
{
	struct call *c = arg;
	struct engine *eng = c->priv->eng;

	run_again(c, true);
	run_batch(eng);
}

static void on_job_done(void *arg)
{
	struct call *c = arg;
	struct engine *eng = c->priv->eng;

	c->priv->job_running = false;
	if (c->priv->lost)
		finish(c);
	else
		run_again(c, false);
	run_batch(eng);
}

static void fail_busy(struct call *c)
{
	call_header(c, "Retry-After", "1");
	call_fail(c, 503, "ServiceUnavailable", "Too many requests wait already.");
	finish(c);
}

/* Its place went to somebody who has fewer. */
static void on_job_put_off(void *arg)
{
	struct call *c = arg;
	struct engine *eng = c->priv->eng;

	c->priv->job_running = false;
	fail_busy(c);
	run_batch(eng);
}

/* Whose turn a job is: the user's, of strangers the address's (FNV-1a). */
static uint64_t job_owner(const struct call *c)
{
	const struct call_priv *p = c->priv;
	const char *who = p->authenticated ? p->auth.user_id : call_peer(c);
	uint64_t hash = 0xcbf29ce484222325;

	for (; *who; who++)
		hash = (hash ^ (unsigned char)*who) * 0x100000001b3;
	return hash;
}

static void park(struct call *c)
{
	struct call_priv *p = c->priv;
	struct engine *eng = p->eng;

	/* One that only read may have looked at durable changes alone: those of the open group
	 * count.
	 */
	p->wait_after = p->wrote ? eng->applied : store_revision(eng->opts.store);
	list_add(&eng->parked, c);
	if (p->job_fn) {
		struct job job = { p->job_fn, c->job, on_job_done, on_job_put_off, c };

		p->job_running = !jobs_add(eng->jobs, p->job_lane, job_owner(c), &job);
		if (!p->job_running)
			fail_busy(c);
		return;
	}
	p->timer = loop_timer_add(eng->opts.loop, p->wait_ms, 0, on_wait_over, c);
	if (p->timer)
		return;
	call_fail(c, 503, "ServiceUnavailable", "Out of memory.");
	finish(c);
}

/**
 * run_call() - Run a call's handler until it has answered, waits, or failed
 * @c: the call, taken: it is freed when it has been answered
 */
void run_call(struct call *c)
{
	struct engine *eng = c->priv->eng;
	unsigned int tries = 0;
	int rc, stored;

	do {
		call_reset(c);
		rc = run_once(c);
		stored = rc >= 0 ? run_commit(c) : 0;
	} while (stored == -EAGAIN && ++tries < RETRIES_MAX);
	if (stored == -EAGAIN)
		call_fail(c, 503, "ServiceUnavailable", "Too many changes at once; try again.");
	if (rc == CALL_WAIT && !stored)
		park(c);
	else if (eng->dirty)
		list_add(&eng->held, c);
	else
		finish(c);
}

static int load_row(void *arg, const char *key, uint64_t version, json_t *doc)
{
	return cache_set(arg, key, version, doc);
}

/**
 * run_load() - Read the whole store into the cache
 * @eng: the engine
 * @e:   why not
 *
 * Return: 0; the store's errno.
 */
int run_load(struct engine *eng, struct err *e)
{
	cache_clear(eng->cache);
	eng->applied = store_revision(eng->opts.store);
	return store_list(eng->opts.store, "", load_row, eng->cache, e);
}

/* The group is lost: who wrote is told so, who only read reads again. */
static void fail_group(struct engine *eng, int rc, const char *why)
{
	struct call *held = take(eng->held), *next;
	struct err e = { 0 };

	if (eng->group_lost && run_load(eng, &e))
		log_err("the store cannot be read", "why=\"%s\"", e.msg);
	run_end_group(eng, !eng->group_lost);
	eng->applied = store_revision(eng->opts.store);
	for (struct call *c = eng->parked; c; c = next) {
		next = c->priv->next;
		if (!c->priv->wrote)
			continue;
		fail_write(c, rc, why);
		c->priv->lost = c->priv->job_running;
		if (!c->priv->lost)
			finish(c);
	}
	for (struct call *c = held; c; c = next) {
		next = c->priv->next;
		c->priv->prev = NULL;
		if (c->priv->wrote)
			fail_write(c, rc, why);
		else
			call_reset(c);
		if (c->priv->wrote)
			finish(c);
		else
			run_call(c);
	}
}

static void flush(struct engine *eng)
{
	struct err e = { 0 };
	int rc = store_flush(eng->opts.store, &e);

	eng->dirty = false;
	if (rc) {
		fail_group(eng, rc, e.msg);
		return;
	}
	run_end_group(eng, false);
	for (struct call *c = eng->parked; c; c = c->priv->next)
		c->priv->wrote = false;
	while (eng->held)
		finish(eng->held);
}

/**
 * run_on_change() - The store has a change on disk: the cache follows, waiting calls hear of it
 * @arg: the engine
 * @ev:  change
 */
void run_on_change(void *arg, const struct store_event *ev)
{
	struct engine *eng = arg;
	const struct cache_row *row = cache_get(eng->cache, ev->key);

	if (row ? row->version && row->version < ev->revision
		: ev->doc && ev->revision > eng->applied)
		cache_set(eng->cache, ev->key, ev->revision, ev->doc);
	for (struct call *c = eng->parked; c; c = c->priv->next) {
		struct call_priv *p = c->priv;

		if (p->wait_ms && !p->job_fn && ev->revision > p->wait_after &&
		    !strncmp(ev->key, p->wait_prefix, strlen(p->wait_prefix)))
			p->ready = eng->woken = true;
	}
}

/**
 * run_batch() - After every turn: commit the group, answer, run who was woken
 * @arg: the engine
 */
void run_batch(void *arg)
{
	struct engine *eng = arg;

	for (unsigned int i = 0; i < ROUNDS_MAX && (eng->dirty || eng->woken); i++) {
		struct call *next;

		if (eng->dirty)
			flush(eng);
		eng->woken = false;
		for (struct call *c = eng->parked; c; c = next) {
			next = c->priv->next;
			if (c->priv->ready) {
				run_again(c, false);
				next = eng->parked; /* the list may have changed */
			}
		}
	}
}
