/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: files of the page, what is there by revision, and changes. Who has seen the newest
 * revision waits for the next; while nobody waits nobody looks.
 */
#include "web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/spawn.h"
#include "http/http.h"
#include "http/url.h"
#include "model/pf_ops.h"
#include "web/change.h"
#include "web/door.h"
#include "web/look.h"
#include "web/page/page.h"

#define BODY_MAX    4096
#define WAITING_MAX 64	  /* the next one replaces who waits longest */
#define WAIT_MS	    20000 /* then nothing new is an answer, and who has gone is noticed */
#define SLOW_MS	    20000 /* of a browser that sends */
#define LOOK_MS	    1000u /* between two looks, at least */
#define LOOK_MAX_MS 5000u
#define LOOK_COST   200u  /* and so many times the CPU one took: the switch has other work */
#define RUN_MS	    60000 /* of a command */

struct waiting {
	struct http_req *req;
	uint64_t after, until_ms;
};

struct web {
	struct web_opts opts;
	struct door door;
	char address[64], url[160];
	struct http *http;
	struct loop_timer *timer;
	struct look *look;
	struct feed *feed;
	uint64_t next_ms; /* when to look again */
	struct waiting waiting[WAITING_MAX];
	unsigned int n_waiting;
};

struct answer {
	unsigned int status;
	const char *type, *cookie;
	char *body; /* taken; NULL: no memory, unless there is a file */
	size_t size;
	int fd; /* of a file, taken; 0: none */
};

static void answer(struct http_req *req, const struct answer *a)
{
	const char *headers[PAGE_HEADERS + 5] = { "Content-Type", a->type };
	bool some = a->body || a->fd;
	const struct http_answer h = { .status = some ? a->status : 500,
				       .headers = headers,
				       .body = a->body,
				       .size = some ? a->size : 0,
				       .fd = a->fd ? a->fd : -1 };

	memcpy(headers + 2, page_headers, sizeof(page_headers));
	if (a->cookie) {
		headers[PAGE_HEADERS + 2] = "Set-Cookie";
		headers[PAGE_HEADERS + 3] = a->cookie;
	}
	http_reply(req, &h);
}

/* Takes @text. */
static void answer_text(struct http_req *req, unsigned int status, const char *type, char *text)
{
	answer(req, &(struct answer){ .status = status,
				      .type = type,
				      .body = text,
				      .size = text ? strlen(text) : 0 });
}

static void answer_words(struct http_req *req, unsigned int status, const char *words)
{
	answer_text(req, status, "text/plain; charset=utf-8", strdup(words));
}

/* Takes @j. What is no success is said in words, which need not be UTF-8. */
static void answer_json(struct http_req *req, json_t *j)
{
	answer_text(req, 200, "application/json", j ? json_dumps(j, JSON_COMPACT) : NULL);
	json_decref(j);
}

static void serve_file(struct http_req *req, const struct page_file *f, const char *type,
		       const char *cookie)
{
	char *body = malloc(f->size);

	if (body)
		memcpy(body, f->data, f->size);
	answer(req, &(struct answer){ .status = 200,
				      .type = type,
				      .cookie = cookie,
				      .body = body,
				      .size = f->size });
}

static void serve_page(struct web *w, struct http_req *req, bool enters)
{
	char name[32], cookie[128];

	door_cookie_name(&w->door, name);
	snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict", name,
		 w->door.session);
	serve_file(req, &page_html, "text/html; charset=utf-8", enters ? cookie : NULL);
	w->door.used |= enters;
}

static void serve_d3(struct http_req *req)
{
	auto_close int fd = open(PAGE_D3, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		answer_words(req, 404, "there is no " PAGE_D3 ": apt install libjs-d3");
	else
		answer(req, &(struct answer){ .status = 200,
					      .type = "text/javascript; charset=utf-8",
					      .size = (size_t)st.st_size,
					      .fd = take_fd(fd) });
}

static void answer_state(struct web *w, struct http_req *req, uint64_t after)
{
	answer_text(req, 200, "application/json", feed_text(w->feed, after));
}

/* Those for whom there is news, and those who waited long enough. */
static void deliver(struct web *w)
{
	uint64_t now = loop_now_ms();
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->n_waiting; i++) {
		struct waiting one = w->waiting[i];

		if (feed_revision(w->feed) > one.after || now >= one.until_ms)
			answer_state(w, one.req, one.after);
		else
			w->waiting[kept++] = one;
	}
	w->n_waiting = kept;
}

/* The next look; while nobody waits there is none. */
static void plan_look(struct web *w)
{
	uint64_t now = loop_now_ms();

	loop_timer_set(w->timer,
		       !w->n_waiting	  ? UINT64_MAX
		       : w->next_ms > now ? w->next_ms - now
					  : 0,
		       0);
}

/* What a look costs the switch is about what it costs us. */
static void look(struct web *w)
{
	clock_t began = clock();
	uint64_t rest_ms;

	look_at_all(w->look, w->feed);
	rest_ms = (uint64_t)(clock() - began) * LOOK_COST * 1000 / CLOCKS_PER_SEC;
	w->next_ms = loop_now_ms() + MIN(MAX(rest_ms, (uint64_t)LOOK_MS), (uint64_t)LOOK_MAX_MS);
	deliver(w);
	plan_look(w);
}

static void on_timer(void *arg)
{
	look(arg);
}

static void wait_for_news(struct web *w, struct http_req *req, uint64_t after)
{
	if (w->n_waiting == WAITING_MAX) {
		answer_state(w, w->waiting[0].req, w->waiting[0].after);
		memmove(w->waiting, w->waiting + 1, --w->n_waiting * sizeof(*w->waiting));
	}
	w->waiting[w->n_waiting++] = (struct waiting){ req, after, loop_now_ms() + WAIT_MS };
	plan_look(w);
}

static void serve_state(struct web *w, struct http_req *req, const struct args *args)
{
	uint64_t after = strtoull(args_get(args, "after", 0) ?: "0", NULL, 10);

	if (loop_now_ms() >= w->next_ms)
		look(w);
	if (after && after == feed_revision(w->feed))
		wait_for_news(w, req, after);
	else
		answer_state(w, req, after);
}

static void serve_drops(struct web *w, struct http_req *req, const struct args *args)
{
	const char *pf = args_get(args, "pf", 0), *vf = args_get(args, "vf", 0);
	struct mirror_config of;
	struct err e = { 0 };
	json_t *got = NULL;

	if (!pf || !vf || field_parse(&mirror_fields[MIRROR_FIELD_FROM_VF], &of, vf, NULL))
		answer_words(req, 400, "pf and vf are a VF");
	else if (look_drops(w->look, pf, of.from_vf, &got, &e))
		answer_words(req, 404, *e.msg ? e.msg : "there is no such PF");
	else
		answer_json(req, got);
}

/* What it refuses is said in its own words. */
static void run(struct web *w, struct http_req *req, const struct change *c)
{
	const char *argv[CHANGE_WORDS_MAX + 2] = { w->opts.program };
	struct err e = { 0 };
	char said[512];
	int rc;

	for (unsigned int i = 0; c->words[i]; i++)
		argv[i + 1] = c->words[i];
	rc = spawn_run(argv, RUN_MS, said, sizeof(said), &e);
	if (rc)
		answer_words(req, 422, rc == -EIO && *said ? said : e.msg);
	else
		answer_json(req, json_pack("{s:b}", "done", 1));
	w->next_ms = 0; /* who is answered does not wait for the look */
	plan_look(w);
}

/*
 * What was shown is what is done, to what was shown; else it is shown again. What is in the feed
 * may be older than what somebody just did, or nobody looked.
 */
static void serve_change(struct web *w, struct http_req *req)
{
	size_t size;
	const char *body = http_body(req, &size);
	auto_of(json_decref) json_t *ask =
		json_loadb(body ?: "", size, JSON_REJECT_DUPLICATES, NULL);
	auto_of(json_decref) json_t *shown = json_incref(json_object_get(ask, "shown")), *now;
	struct change c = { 0 };
	struct err e = { 0 };
	int rc;

	json_object_del(ask, "shown");
	look(w);
	rc = change_plan(ask, w->feed, &c, &e);
	now = rc ? NULL : json_pack("{s:s, s:s}", "line", c.line, "was", c.was);
	if (rc)
		answer_words(req, 400, *e.msg ? e.msg : strerror(-rc));
	else if (!shown)
		answer_json(req, take(now));
	else if (!json_equal(shown, now))
		answer_words(req, 409, "it has changed meanwhile: look at it again");
	else
		run(w, req, &c);
	change_fini(&c);
}

static void judge(const struct web *w, const struct http_req *req, struct door_verdict *v)
{
	const struct door_ask ask = { .method = http_method(req),
				      .target = http_target(req),
				      .host = http_header(req, "Host"),
				      .origin = http_header(req, "Origin"),
				      .cookie = http_header(req, "Cookie"),
				      .type = http_header(req, "Content-Type"),
				      .key = http_header(req, "Anyvf-Token") };

	door_judge(&w->door, &ask, v);
}

static void begin(void *arg, struct http_req *req, struct http_intake *intake)
{
	struct door_verdict v;

	judge(arg, req, &v);
	intake->refuse = v.status != 200;
	intake->class = v.status == 200 ? PEER_TENANT : PEER_STRANGER;
	intake->body_max = v.route == DOOR_CHANGE ? BODY_MAX : 0;
}

static void serve(struct web *w, struct http_req *req, const struct door_verdict *v)
{
	struct args args = { 0 };
	int rc = args_parse(v->query, &args);

	if (rc || http_body_error(req))
		answer_words(req, 400, "this is too much");
	else if (v->route == DOOR_PAGE)
		serve_page(w, req, v->enters);
	else if (v->route == DOOR_STYLE)
		serve_file(req, &page_css, "text/css; charset=utf-8", NULL);
	else if (v->route == DOOR_SCRIPT)
		serve_file(req, &page_js, "text/javascript; charset=utf-8", NULL);
	else if (v->route == DOOR_TRANSPORT)
		serve_file(req, &web_js, "text/javascript; charset=utf-8", NULL);
	else if (v->route == DOOR_D3)
		serve_d3(req);
	else if (v->route == DOOR_STATE)
		serve_state(w, req, &args);
	else if (v->route == DOOR_DROPS)
		serve_drops(w, req, &args);
	else
		serve_change(w, req);
	if (!rc)
		args_free(&args);
}

static void handle(void *arg, struct http_req *req)
{
	struct door_verdict v;

	judge(arg, req, &v);
	if (v.status == 200)
		serve(arg, req, &v);
	else
		answer_words(req, v.status, v.why);
}

static void batch(void *arg)
{
}

/* Where it is, as a URL has it: numbers, and not a port that the kernel chooses. */
static int place(struct web *w, struct err *e)
{
	const char *listen = w->opts.listen, *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : sizeof(w->address);
	unsigned long port = strtoul(colon ? colon + 1 : "", NULL, 10);

	if (*listen == '/' || len >= sizeof(w->address) || !port || port > UINT16_MAX)
		return err_set(e, -EINVAL, "\"%s\" is not ADDRESS:PORT", listen);
	if (!http_is_local(listen))
		return err_set(e, -EINVAL,
			       "%s is not on loopback: from elsewhere, ssh -L %lu:%s leads here",
			       listen, port, listen);
	snprintf(w->address, sizeof(w->address), "%.*s", (int)len, listen);
	w->door.address = w->address;
	w->door.port = (unsigned int)port;
	snprintf(w->url, sizeof(w->url), "http://%s:%lu/?token=%s", w->address, port,
		 w->door.token);
	return 0;
}

/**
 * web_open() - Serve the page
 * @opts: borrowed for its life
 * @out:  ends with web_close()
 * @e:	  why not
 *
 * Return: 0, -EINVAL (not loopback), -ENOMEM, or as http_open().
 * Context: the loop's thread.
 */
int web_open(const struct web_opts *opts, struct web **out, struct err *e)
{
	auto_of(web_close) struct web *w = calloc(1, sizeof(*w));
	const struct http_opts http = { .loop = opts->loop,
					.listen = opts->listen,
					.slow_ms = SLOW_MS,
					.begin = begin,
					.handle = handle,
					.batch = batch,
					.arg = w };
	int rc;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	w->opts = *opts;
	w->door.write = opts->program;
	door_init(&w->door);
	w->look = look_new(opts->run_dir);
	w->feed = feed_new(w->door.write);
	w->timer = loop_timer_add(opts->loop, UINT64_MAX, 0, on_timer, w);
	rc = w->look && w->feed && w->timer ? place(w, e) : -ENOMEM;
	rc = rc ?: http_open(&http, &w->http, e);
	if (rc)
		return rc;
	*out = take(w);
	return 0;
}

/**
 * web_close() - Serve it no more
 * @w: server or NULL
 */
void web_close(struct web *w)
{
	if (!w)
		return;
	http_close(w->http);
	loop_timer_del(w->timer);
	look_free(w->look);
	feed_free(w->feed);
	free(w);
}

/**
 * web_url() - What a person opens, once
 * @w: server
 *
 * Return: an address with the token; lives as long as @w.
 */
const char *web_url(const struct web *w)
{
	return w->url;
}
