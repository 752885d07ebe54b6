/* SPDX-License-Identifier: Apache-2.0 */
/* Serves one page of metrics over HTTP, made anew for all who ask for it at a time. */
#include "http/scrape.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "http/http.h"

#define SLOW_MS	    20000	/* of a scraper */
#define WAITING_MAX 64		/* for one page */
#define ANSWERS_MAX (64u << 20) /* bytes scrapers have not taken; an address gets half */

struct scrape {
	struct scrape_opts opts;
	struct http *http;
	struct http_req *waiting[2][WAITING_MAX]; /* for the text, and for OpenMetrics */
	unsigned int n[2];
};

/* Takes @body. */
static void reply(struct http_req *req, unsigned int status, const char *type, char *body,
		  size_t size)
{
	const char *const headers[] = { "Content-Type", type, "Allow", "GET, HEAD", NULL };
	const struct http_answer a = { .status = body ? status : 500,
				       .headers = headers,
				       .body = body,
				       .size = body ? size : 0,
				       .fd = -1 };

	http_reply(req, &a);
}

static void reply_text(struct http_req *req, unsigned int status, const char *text)
{
	reply(req, status, "text/plain; charset=utf-8", strdup(text), strlen(text));
}

static bool is_reading(const struct http_req *req)
{
	return !strcmp(http_method(req), "GET") || !strcmp(http_method(req), "HEAD");
}

/* Nobody has to send us anything. */
static void begin(void *arg, struct http_req *req, struct http_intake *intake)
{
	intake->refuse = !is_reading(req);
}

static void handle(void *arg, struct http_req *req)
{
	struct scrape *s = arg;
	const char *target = http_target(req);
	bool open = prom_accepts_open(http_header(req, "Accept"));
	size_t len = strcspn(target, "?");

	if (!is_reading(req))
		reply_text(req, 405, "GET and HEAD alone\n");
	else if (len == 1 && *target == '/')
		reply_text(req, 200, "anyvf: see /metrics\n");
	else if (len != strlen("/metrics") || strncmp(target, "/metrics", len))
		reply_text(req, 404, "there is /metrics, and nothing else\n");
	else if (s->n[open] == WAITING_MAX)
		reply_text(req, 503, "too many ask at once\n");
	else
		s->waiting[open][s->n[open]++] = req;
}

/* One page for all who wait for it. */
static void serve_page(struct scrape *s, bool open)
{
	struct buf page = { 0 };
	int rc;

	if (!s->n[open])
		return;
	rc = s->opts.page(s->opts.arg, open, &page);
	if (rc)
		log_err("no page", "error=\"%s\"", strerror(-rc));
	for (unsigned int i = 0; i < s->n[open]; i++) {
		bool last = i + 1 == s->n[open];
		char *body = rc ? NULL : last ? take(page.data) : malloc(page.len);

		if (body && !last)
			memcpy(body, page.data, page.len);
		reply(s->waiting[open][i], 200, prom_content_type(open), body, page.len);
	}
	s->n[open] = 0;
	buf_fini(&page);
}

static void batch(void *arg)
{
	serve_page(arg, false);
	serve_page(arg, true);
}

/**
 * scrape_open() - Serve a page
 * @opts: where, and who writes it
 * @out:  ends with scrape_close()
 * @e:	  why not
 *
 * Return: 0, -EINVAL (not loopback), -ENOMEM, or as http_open().
 * Context: the loop's thread.
 */
int scrape_open(const struct scrape_opts *opts, struct scrape **out, struct err *e)
{
	auto_of(scrape_close) struct scrape *s = calloc(1, sizeof(*s));
	const struct http_opts http = { .loop = opts->loop,
					.listen = opts->listen,
					.kept = opts->kept,
					.slow_ms = SLOW_MS,
					.answers = ANSWERS_MAX,
					.begin = begin,
					.handle = handle,
					.batch = batch,
					.arg = s };
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	if (!http_is_local(opts->listen))
		return err_set(e, -EINVAL,
			       "%s is not on loopback: others reach metrics through a proxy",
			       opts->listen);
	s->opts = *opts;
	rc = http_open(&http, &s->http, e);
	if (rc)
		return rc;
	*out = take(s);
	return 0;
}

/**
 * scrape_close() - Serve it no more
 * @s: server or NULL
 */
void scrape_close(struct scrape *s)
{
	if (!s)
		return;
	if (s->http && *s->opts.listen == '/')
		unlink(s->opts.listen);
	http_close(s->http);
	free(s);
}
