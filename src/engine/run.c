/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs calls: a handler against the cache, what it changed into a group of
 * changes (group.c), answers when that is on disk, and calls that wait again
 * when their time has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/uuid.h"
#include "engine/impl.h"

#define ROUNDS_MAX 100	 /* commits in a row before the loop does other things */
#define LONG_MS	   10000 /* who waits so long may go on a little sooner, ... */
#define COARSE_MS  500	 /* ... together with others */

static const struct auth system_auth = { .user_name = "anyvf-apid",
					 .scope = SCOPE_SYSTEM,
					 .roles = ROLE_ADMIN };

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
	c->mono_us = c->priv->began_us = run_mono_us();
	c->opts = &eng->opts;
	c->method = "";
	c->priv->eng = eng;
	c->priv->req = req;
	c->auth = req ? &c->priv->auth : &system_auth;
	return c;
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
	if (p->req && !p->admitted)
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
	if (c->service && c->service->style == FAULT_GLANCE && !c->reply && !c->priv->text.size)
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
	if (p->fault_status || !p->text.data)
		return;
	answer->size = p->text.len;
	answer->body = take(p->text.data);
}

/* Answers a call, in a list or not. It is freed, unless who made it waits for its end. */
static void finish(struct call *c)
{
	struct call_priv *p = c->priv;
	struct http_answer answer = { .fd = -1 };
	const char *headers[2 * REPLY_HEADERS_MAX + 8];
	unsigned int n = 0;
	const char *type;

	call_unlink(c);
	if (p->ended) {
		*p->ended = true;
		return;
	}
	if (!p->req) {
		if (p->fault_status)
			log_warn("a periodic task failed", "service=%s why=\"%s\"",
				 c->service->prefix, p->fault_text);
		call_free(c);
		return;
	}
	fill_body(c, &answer);
	audit_call(&p->eng->audit, c, answer.status);
	meter_call(&p->eng->meter, c, answer.status, run_mono_us());
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

static void run_again(struct call *c)
{
	call_unlink(c);
	c->runs++;
	c->expired = c->priv->over;
	run_call(c);
}

static void go_on(struct call *c)
{
	group_wake(c);
	run_batch(c->priv->eng);
}

static void on_wait_over(void *arg)
{
	struct call *c = arg;

	c->priv->over = true;
	go_on(c);
}

static void on_job_done(void *arg)
{
	struct call *c = arg;

	c->priv->job_running = false;
	if (c->priv->lost)
		finish(c);
	else
		go_on(c);
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

/* One who yields goes on, the one who waits longest; then everybody else has a turn. */
static void give_turn(void *arg)
{
	struct engine *eng = arg;
	struct call *c = eng->turns;

	while (c && c->priv->queue_next)
		c = c->priv->queue_next;
	if (!c)
		return;
	call_unqueue(c);
	loop_timer_set(eng->turn, 0, 0);
	go_on(c);
}

static void wait_for_turn(struct call *c)
{
	struct engine *eng = c->priv->eng;

	call_queue(&eng->turns, c);
	if (eng->turn)
		loop_timer_set(eng->turn, 0, 0);
	else
		eng->turn = loop_timer_add(eng->opts.loop, 0, 0, give_turn, eng);
	if (eng->turn)
		return;
	call_fail(c, 503, "ServiceUnavailable", "Out of memory.");
	finish(c);
}

/* Among those who wait for the same prefix: a change finds them by the slashes of its key. */
static int wait_for_change(struct call *c)
{
	struct omap_node *node = omap_insert(c->priv->eng->waits, c->priv->wait_prefix);

	if (!node)
		return -ENOMEM;
	call_queue((struct call **)&node->value, c);
	return 0;
}

static void stop_waiting(struct call *c)
{
	const struct omap_node *node = omap_find(c->priv->eng->waits, c->priv->wait_prefix);

	call_unqueue(c);
	if (node && !node->value)
		omap_remove(c->priv->eng->waits, node->key);
}

/*
 * A thousand agents wait for half a minute, each since another moment. When one of them is answered
 * libmicrohttpd goes through all who wait: twice a second is enough.
 */
static uint64_t wait_of(uint32_t wait_ms)
{
	return wait_ms < LONG_MS ? wait_ms : wait_ms - (loop_now_ms() + wait_ms) % COARSE_MS;
}

static void park(struct call *c)
{
	struct call_priv *p = c->priv;
	struct engine *eng = p->eng;

	p->wait_after = store_revision(eng->opts.store);
	group_park(c);
	if (p->yields) {
		wait_for_turn(c);
		return;
	}
	if (p->job_fn) {
		struct job job = { p->job_fn, c->job, on_job_done, on_job_put_off, c };

		p->job_running = !jobs_add(eng->jobs, p->job_lane, job_owner(c), &job);
		if (!p->job_running)
			fail_busy(c);
		return;
	}
	p->timer = loop_timer_add(eng->opts.loop, wait_of(p->wait_ms), 0, on_wait_over, c);
	if (p->timer && !wait_for_change(c))
		return;
	call_fail(c, 503, "ServiceUnavailable", "Out of memory.");
	finish(c);
}

/* What it says, or would change, may be another thing by what others have answered. */
static bool is_premature(const struct call *c, int rc)
{
	return !c->priv->fresh && c->priv->req && (rc < 0 || c->priv->n_undo);
}

static void on_fresh(void *arg, int rc)
{
	struct call *c = arg;

	call_unlink(c);
	c->priv->fresh = true;
	if (!rc) {
		run_call(c);
		return;
	}
	away_fail(c);
	finish(c);
}

/* Runs it, maybe again, when all that was answered before it came has been heard. */
static void refresh(struct call *c)
{
	call_undo(c);
	call_reset(c);
	c->priv->admitted = false; /* who asks is judged again, too */
	call_link(&c->priv->eng->fresh, c);
	store_sync(c->opts->store, on_fresh, c);
}

/**
 * run_call() - Run a call's handler: it answers, when what it changed is on disk, or waits
 * @c: the call, in no list; taken: it is freed when it has been answered
 */
void run_call(struct call *c)
{
	struct call_priv *p = c->priv;
	int rc;

	call_reset(c);
	stop_waiting(c);
	loop_timer_del(take(p->timer)); /* of a wait behind what was refused */
	p->group = NULL;
	p->wrote = p->missed = p->over = false;
	rc = run_once(c);
	if (is_premature(c, rc)) {
		refresh(c);
		return;
	}
	if (rc >= 0 && group_take(c))
		rc = -ENOMEM;
	rely_clear(&p->relies); /* its group has them */
	if (rc == CALL_WAIT)
		park(c);
	else if (!group_hold(c))
		finish(c);
}

/* Is it one of ROUTE_HEARD? */
static bool is_heard(struct call *c)
{
	return !route_find(c, http_method(c->priv->req), http_target(c->priv->req)) &&
	       c->priv->route_flags & ROUTE_HEARD;
}

/**
 * run_request() - Run a request's call when all that was answered before it came has been heard
 * @c: as for run_call(); answered by whichever replica
 *
 * Where the store does not say, the answer is 503. Where others write as well those of ROUTE_HEARD
 * run at once, and again if they are refused or would change something.
 */
void run_request(struct call *c)
{
	struct engine *eng = c->priv->eng;
	bool away = away_is(eng, false);
	bool heard = !away && store_is_shared(eng->opts.store) && is_heard(c);
	uint64_t since_ms;

	if (away || (heard && away_is(eng, true))) {
		call_link(&eng->fresh, c);
		on_fresh(c, -ETIMEDOUT);
	} else if (heard && !store_trouble(eng->opts.store, &since_ms)) {
		run_call(c);
	} else {
		refresh(c);
	}
}

static int load_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	return cache_set(arg, key, version, doc);
}

/* What the store may have missed is found by comparing with the documents we have of it. */
static const char *next_key(void *arg, const char *after, uint64_t *version)
{
	struct engine *eng = arg;
	const char *key = cache_next(eng->cache, after, version);
	const char *changed = group_next(eng, after);

	if (changed && (!key || strcmp(changed, key) < 0))
		key = changed;
	if (key)
		group_version(eng, key, version);
	return key;
}

/**
 * run_load() - Read the whole store into the cache, and follow it
 * @eng: the engine
 * @e:   why not
 *
 * Return: 0; the store's errno.
 */
int run_load(struct engine *eng, struct err *e)
{
	int rc;

	cache_clear(eng->cache);
	rc = store_list(eng->opts.store, "", load_row, eng->cache, e);
	if (!rc && cache_get(eng->cache, STORE_COPYING))
		rc = err_set(e, -EBUSY, "a copy into this store has not ended: copy again");
	if (rc)
		return rc;
	return store_follow(eng->opts.store,
			    &(struct store_follower){ run_on_change, next_key, eng });
}

/* Those who wait for what is under a prefix. */
static void wake(const struct engine *eng, const char *prefix, const struct store_event *ev)
{
	const struct omap_node *node = omap_find(eng->waits, prefix);

	for (struct call *c = node ? node->value : NULL; c; c = c->priv->queue_next) {
		const struct call_priv *p = c->priv;

		if (ev->revision > p->wait_after && ev->revision != p->own_revision)
			group_wake(c);
	}
}

static void wake_all(const struct engine *eng, const struct store_event *ev)
{
	char prefix[STORE_KEY_LEN + 1];
	size_t len = 0;

	if (!omap_count(eng->waits))
		return;
	while (ev->key[len]) {
		prefix[len] = ev->key[len];
		prefix[++len] = '\0';
		if (prefix[len - 1] == '/')
			wake(eng, prefix, ev);
	}
	if (len && prefix[len - 1] != '/')
		wake(eng, prefix, ev);
}

/**
 * run_on_change() - The store has a change on disk: the cache follows, waiting calls hear of it
 * @arg: the engine
 * @ev:  change; NULL: that was all for now
 */
void run_on_change(void *arg, const struct store_event *ev)
{
	struct engine *eng = arg;
	const struct cache_row *row = ev ? cache_get(eng->cache, ev->key) : NULL;

	if (!ev) {
		if (!eng->sending)
			run_batch(eng);
		return;
	}
	group_overtaken(eng, ev);
	if (!group_saw(eng, ev) && (row ? row->version < ev->revision : ev->doc != NULL))
		cache_set(eng->cache, ev->key, ev->revision, ev->doc);
	wake_all(eng, ev);
}

/* Those who are ready now; who is made ready by them has the next round. */
static void run_woken(struct engine *eng)
{
	struct call *now = NULL, *c;

	while ((c = eng->ready)) {
		call_unlink(c);
		call_link(&now, c);
	}
	while ((c = now))
		run_again(c);
}

/* Those whose commit has ended. */
static void run_ended(struct engine *eng)
{
	struct call *c;

	while (eng->answered)
		finish(eng->answered);
	while ((c = eng->again)) {
		call_unlink(c);
		if (c->priv->lost)
			finish(c);
		else
			run_call(c);
	}
}

/**
 * run_batch() - After every turn: run who was woken, send what was changed, answer
 * @arg: the engine
 */
void run_batch(void *arg)
{
	struct engine *eng = arg;
	unsigned int i = 0;

	do {
		run_woken(eng);
		group_send(eng);
		run_ended(eng);
	} while (++i < ROUNDS_MAX && (eng->ready || (eng->groups && !eng->sent)));
	cache_trim(eng->cache);
}
