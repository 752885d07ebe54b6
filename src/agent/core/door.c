/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP to the API with the agent's token. Of several endpoints one is asked, until it is away,
 * refuses or has an error: then the next.
 */
#include "agent/core/door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/field.h"

#define ANSWER_MAX (64U << 20)

/* One call. It waits for a flow, for a login, or for its end. */
struct ask {
	struct door *door;
	const char *method;
	char *path, *text; /* owned; text NULL: no body */
	int timeout_ms;
	bool answer;
	struct httpm *by;
	door_fn fn;
	void *arg;
	struct httpm_flow *flow; /* NULL: none */
	unsigned int at, tries;	 /* the endpoint, and how many were tried */
	unsigned int login;	 /* its token's */
	bool renewed;		 /* a token was refused there already */
	int rc;			 /* with why: what it ends with */
	struct err why;
	struct ask *next, **prev;
};

/* The loop's, but for what fetch and upload read. */
struct door {
	struct loop *loop;
	struct httpm *http, *polls;
	struct pass *pass;
	char *at[DOOR_MAX];
	unsigned int n;
	atomic_uint now;     /* which of them; any thread reads */
	atomic_bool trouble; /* the last call went wrong: no connection is trusted */
	atomic_bool cancel;
	struct ask *asks;
};

static void ask_start(struct ask *q);

static void ask_free(struct ask *q)
{
	free(q->path);
	free(q->text);
	free(q);
}

/**
 * door_close() - Free a door that nobody waits at
 * @d: door or NULL
 */
void door_close(struct door *d)
{
	for (unsigned int i = 0; d && i < d->n; i++)
		free(d->at[i]);
	free(d);
}

/**
 * door_open() - Prepare to speak with the API; nothing is sent yet
 * @opts: copied
 * @out:  gets the door, freed with door_close(); the agent's lives until the process ends
 * @e:    error text, may be NULL
 *
 * Return: 0, -EINVAL without a URL, or -ENOMEM.
 */
int door_open(const struct door_opts *opts, struct door **out, struct err *e)
{
	auto_of(door_close) struct door *d = calloc(1, sizeof(*d));
	const char *const *bases = opts->bases;

	if (!d)
		return err_set(e, -ENOMEM, "out of memory");
	*d = (struct door){
		.loop = opts->loop, .http = opts->http, .polls = opts->polls, .pass = opts->pass
	};
	for (; bases[d->n] && d->n < DOOR_MAX; d->n++) {
		size_t len = strlen(bases[d->n]);

		if (len && bases[d->n][len - 1] == '/')
			len--;
		d->at[d->n] = strndup(bases[d->n], len);
		if (!d->at[d->n])
			return err_set(e, -ENOMEM, "out of memory");
	}
	if (!d->n)
		return err_set(e, -EINVAL, "the API has no URL");
	*out = take(d);
	return 0;
}

static int status_to_errno(int status)
{
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -ESTALE;
	case 410:
		return -ESTALE;
	default:
		return status >= 200 && status < 300 ? 0 : -EIO;
	}
}

/* Is another endpoint to be asked? -EACCES: the login was refused; -ECANCELED: others left it. */
static bool is_away(int rc, int status)
{
	switch (rc) {
	case 0:
		return status == 401 || status >= 500;
	case -EACCES:
	case -ECANCELED:
	case -ECONNREFUSED:
	case -EIO:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static void ask_end(struct ask *q, int rc, json_t *answer, const char *why)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	q->fn(q->arg, rc, answer, why);
	ask_free(q);
}

static void end_posted(void *arg)
{
	struct ask *q = arg;

	ask_end(q, q->rc, NULL, q->why.msg);
}

/* From where its owner cannot be called. */
static void ask_end_later(struct ask *q, int rc, const char *why)
{
	q->rc = rc;
	err_set(&q->why, rc, "%s", why);
	if (loop_post(q->door->loop, end_posted, q))
		end_posted(q);
}

/* It ends with what the API said, or why that cannot be had. */
static void ask_answered(struct ask *q, int rc, const struct httpc_answer *got, const char *why)
{
	auto_of(json_decref) json_t *answer = NULL;
	struct err e = { 0 };

	if (rc) {
		ask_end(q, rc, NULL, why);
		return;
	}
	rc = status_to_errno(got->status);
	if (rc)
		err_set(&e, rc, "%s %s: %d %.200s", q->method, q->path, got->status, got->body);
	else if (q->answer && !(answer = json_loadb(got->body, got->size, 0, NULL)))
		rc = err_set(&e, -EIO, "%s %s: the answer is not JSON", q->method, q->path);
	ask_end(q, rc, answer, e.msg);
}

/* The next endpoint's turn, if there is one that was not asked. Return: false: there is none. */
static bool ask_next(struct ask *q)
{
	if (++q->tries >= q->door->n || atomic_load(&q->door->cancel))
		return false;
	q->renewed = false;
	ask_start(q);
	return true;
}

/* From one endpoint to the next, unless that was done already; who waits there follows. */
static void leave(struct door *d, unsigned int from)
{
	atomic_store(&d->trouble, true);
	if (d->n == 1 || from != atomic_load(&d->now))
		return;
	atomic_store(&d->now, (from + 1) % d->n);
	for (struct ask *q = d->asks, *next; q; q = next) {
		next = q->next;
		if (!q->flow || q->at != from)
			continue;
		httpm_stop(take(q->flow));
		if (!ask_next(q))
			ask_end_later(q, -ECANCELED, "the API is asked elsewhere");
	}
}

/* An endpoint's answer, or that there is none; also from a login there. */
static void ask_came(struct ask *q, int rc, const struct httpc_answer *got, const char *why)
{
	bool away = is_away(rc, rc ? 0 : got->status);

	if (away)
		leave(q->door, q->at);
	else
		atomic_store(&q->door->trouble, false);
	if (!away || !ask_next(q))
		ask_answered(q, rc, got, why);
}

static void on_login(void *arg, int rc, const char *why)
{
	struct ask *q = arg;

	if (rc)
		ask_came(q, rc, NULL, why);
	else
		ask_start(q);
}

static void on_end(void *arg, int rc, const struct httpc_answer *got, const char *why)
{
	struct ask *q = arg;

	q->flow = NULL;
	if (rc || got->status != 401 || q->renewed) {
		ask_came(q, rc, got, why);
		return;
	}
	q->renewed = true;
	pass_refused(q->door->pass, q->login);
	ask_start(q);
}

static int ask_send(struct ask *q, const char *header)
{
	const struct door *d = q->door;
	char url[1024];

	snprintf(url, sizeof(url), "%s%s", d->at[q->at], q->path);
	return httpm_start(
		q->by,
		&(struct httpc_req){
			.method = q->method,
			.url = url,
			.headers = { header, q->text ? "Content-Type: application/json" : NULL },
			.body = q->text,
			.body_size = q->text ? strlen(q->text) : 0,
			.timeout_ms = q->timeout_ms,
			.max_size = ANSWER_MAX,
			.fresh = atomic_load(&d->trouble),
			.trust = pass_trust(d->pass) },
		&(struct httpm_handlers){ NULL, on_end, q }, &q->flow);
}

/* To the endpoint of now, with a token; who has none logs in first. */
static void ask_start(struct ask *q)
{
	struct door *d = q->door;
	char header[PASS_HEADER_LEN];
	struct err e = { 0 };
	int rc;

	q->at = atomic_load(&d->now);
	if (atomic_load(&d->cancel))
		rc = err_set(&e, -ECANCELED, "the agent ends");
	else if (!pass_header(d->pass, header, &q->login))
		rc = pass_login(d->pass, d->at[q->at], on_login, q, &e);
	else
		rc = ask_send(q, header) ? err_set(&e, -ENOMEM, "out of memory") : 0;
	if (rc)
		ask_end_later(q, rc, e.msg);
}

/**
 * door_ask() - Ask the API something
 * @d:   door
 * @req: what; borrowed until this returns
 * @fn:  called once from the loop, never before this returns: rc is 0 for a 2xx answer; -EACCES
 *       (401, 403), -ENOENT (404), -ESTALE (409, 410), -EIO (other statuses, no JSON); or what
 *       httpc_call() or pass_login() say
 * @arg: for @fn
 *
 * An endpoint that is away, refuses or answers 5xx is left for the next; each is asked once.
 *
 * Return: 0; -ENOMEM: @fn is not called. Context: the loop's thread.
 */
int door_ask(struct door *d, const struct door_req *req, door_fn fn, void *arg)
{
	struct ask *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	*q = (struct ask){ .door = d,
			   .method = req->method,
			   .path = strdup(req->path),
			   .text = req->body ? json_dumps(req->body, JSON_COMPACT) : NULL,
			   .timeout_ms = req->timeout_ms,
			   .answer = req->answer,
			   .by = req->waits ? d->polls : d->http,
			   .fn = fn,
			   .arg = arg };
	if (!q->path || (req->body && !q->text)) {
		ask_free(q);
		return -ENOMEM;
	}
	q->next = d->asks;
	q->prev = &d->asks;
	if (q->next)
		q->next->prev = &q->next;
	d->asks = q;
	ask_start(q);
	return 0;
}

/**
 * door_cancel() - End all calls, now and from now on, with -ECANCELED
 * @d: door
 *
 * Those of other threads end within a second. Context: the loop's thread.
 */
void door_cancel(struct door *d)
{
	atomic_store(&d->cancel, true);
	for (struct ask *q = d->asks, *next; q; q = next) {
		next = q->next;
		if (!q->flow)
			continue;
		httpm_stop(take(q->flow));
		ask_end_later(q, -ECANCELED, "the agent ends");
	}
}

/**
 * door_leave() - Ask another endpoint from now on, if there is one, over another connection
 * @d: door
 *
 * Context: the loop's thread.
 */
void door_leave(struct door *d)
{
	leave(d, atomic_load(&d->now));
}

/**
 * door_url() - The endpoint that is asked
 * @d: door
 *
 * Return: its URL, the door's. Context: any thread.
 */
const char *door_url(const struct door *d)
{
	return d->at[atomic_load(&d->now)];
}

struct departure {
	struct door *door;
	unsigned int from;
};

static void leave_posted(void *arg)
{
	struct departure *dep = arg;

	leave(dep->door, dep->from);
	free(dep);
}

/* As leave(), from any thread. */
static void leave_later(struct door *d, unsigned int from)
{
	struct departure *dep = malloc(sizeof(*dep));

	if (!dep)
		return;
	*dep = (struct departure){ d, from };
	if (loop_post(d->loop, leave_posted, dep))
		free(dep);
}

/*
 * One blocking call, of a file's bytes, to the endpoint of now with the token of now: it is about
 * what a document said, and that was read with one. If it ran out, the loop's next call gets
 * another.
 */
static int call_once(struct door *d, struct httpc *h, struct httpc_req *req, const char *path,
		     struct httpc_answer *out, struct err *e)
{
	unsigned int now = atomic_load(&d->now), login;
	char url[1024], header[PASS_HEADER_LEN];
	int rc;

	if (!pass_header(d->pass, header, &login))
		return err_set(e, -EAGAIN, "the agent has no token");
	snprintf(url, sizeof(url), "%s%s", d->at[now], path);
	req->url = url;
	req->headers[0] = header;
	req->trust = pass_trust(d->pass);
	req->fresh = atomic_load(&d->trouble);
	req->cancel = &d->cancel;
	rc = httpc_call(h, req, out, e);
	if (!rc && out->status == 401) {
		pass_refused(d->pass, login);
		return err_set(e, -EAGAIN, "the token ran out");
	}
	if (is_away(rc, out->status))
		leave_later(d, now);
	else
		atomic_store(&d->trouble, false);
	return rc;
}

/**
 * door_fetch() - Download into a file
 * @d:    door
 * @path: path behind the API's base
 * @fd:   open file; the bytes are written at its position
 * @e:    error text, may be NULL
 *
 * Return: 0 for a 2xx answer; -EACCES (403), -ENOENT (404), -ESTALE (409, 410), -EIO (other
 * statuses); -EAGAIN without a good token; what httpc_call() says, or the errno of a failed write.
 * Context: any thread; blocks as long as bytes flow.
 */
int door_fetch(struct door *d, const char *path, int fd, struct err *e)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	int rc = httpc_open(&h, e);

	if (!rc)
		rc = call_once(d, h, &(struct httpc_req){ .method = "GET", .out_fd = fd }, path,
			       &got, e);
	if (!rc)
		rc = status_to_errno(got.status);
	return rc ? err_set(e, rc, "GET %s: %d", path, got.status) : 0;
}

/* What the API said of an upload: a refusal for good, or one that passes. */
static int upload_errno(int status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
		return -EINVAL;
	case 507:
		return -ENOSPC;
	default:
		return status == 429 || (status >= 500 && status < 600) ? -EAGAIN
									: status_to_errno(status);
	}
}

/**
 * door_upload() - Upload a file
 * @d:    door
 * @path: path behind the API's base
 * @fd:   open file; all of it is sent, by PUT
 * @e:    error text, may be NULL
 *
 * Return: 0 for a 2xx answer; -EACCES (403), -ENOENT (404), -ESTALE (409, 410), -EINVAL (400, 413,
 * 415), -ENOSPC (507): refused for good; -EAGAIN: other statuses, a broken connection, no good
 * token; or what httpc_call() says. Context: any thread; blocks as long as bytes flow.
 */
int door_upload(struct door *d, const char *path, int fd, struct err *e)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	struct stat st;
	int rc = fstat(fd, &st) ? -errno : httpc_open(&h, e);

	if (!rc)
		rc = call_once(d, h,
			       &(struct httpc_req){
				       .method = "PUT",
				       .headers = { "", "Content-Type: application/octet-stream" },
				       .in_fd = fd,
				       .in_size = (uint64_t)st.st_size },
			       path, &got, e);
	if (rc)
		return rc == -EIO || rc == -EKEYREJECTED ? -EAGAIN : rc;
	rc = upload_errno(got.status);
	return rc ? err_set(e, rc, "PUT %s: %d %.200s", path, got.status, got.body) : 0;
}
