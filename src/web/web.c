/* SPDX-License-Identifier: Apache-2.0 */
/* The server: files of the page, and what the desk answers, over HTTP. */
#include "web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "http/http.h"
#include "web/desk.h"
#include "web/page/page.h"

#define BODY_MAX 4096
#define SLOW_MS	 20000 /* of a browser that sends */

struct web {
	struct web_opts opts;
	struct door door;
	char address[64], url[160];
	struct http *http;
	struct desk *desk;
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

/* Of the desk. What is no success is said in words. */
static void reply(void *arg, void *req, unsigned int status, char *text)
{
	answer_text(req, status, status == 200 ? "application/json" : "text/plain; charset=utf-8",
		    text);
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
	const char *body;
	size_t size;
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
	else {
		body = http_body(req, &size);
		desk_ask(w->desk, v->route, &args, body, size, req);
	}
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
	const struct desk_opts desk = { .loop = opts->loop,
					.run_dir = opts->run_dir,
					.program = opts->program,
					.reply = reply };
	int rc;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	w->opts = *opts;
	w->door.write = opts->program;
	door_init(&w->door);
	rc = place(w, e) ?: desk_open(&desk, &w->desk, e) ?: http_open(&http, &w->http, e);
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
	desk_close(w->desk);
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
