/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-exporter: a host's metrics over HTTP. It asks the reading sockets anew for each page, once
 * for all who asked meanwhile, and knows no word that changes anything.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "ctl/ctl.h"
#include "http/http.h"
#include "metrics/metrics.h"

#define LISTEN	    "127.0.0.1:9741"
#define SLOW_MS	    20000 /* of a scraper */
#define WAITING_MAX 64	  /* for one page */

struct exporter {
	struct loop *loop;
	const char *listen;
	struct metrics_opts opts;
	struct http_req *waiting[2][WAITING_MAX]; /* for the text, and for OpenMetrics */
	unsigned int n[2];
};

static const char usage[] =
	"Usage: anyvf-exporter [--run-dir DIR] [--listen ADDRESS:PORT|PATH] [--timeout MS]\n"
	"                      [--sriov-names] [--debug]\n";

static int number(const char *text, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > max)
		return 2;
	*out = (unsigned int)n;
	return 0;
}

static int opts_parse(int argc, char **argv, struct exporter *x, bool *debug)
{
	enum { RUN, LISTENS, TIMEOUT, SRIOV, DEBUG, HELP, VERSION };
	static const struct option words[] = {
		{ "run-dir", required_argument, NULL, RUN },
		{ "listen", required_argument, NULL, LISTENS },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "sriov-names", no_argument, NULL, SRIOV },
		{ "debug", no_argument, NULL, DEBUG },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },
		{ 0 },
	};
	int c, rc = 0;

	while (!rc && (c = getopt_long(argc, argv, "", words, NULL)) >= 0) {
		switch (c) {
		case RUN:
			x->opts.run_dir = optarg;
			break;
		case LISTENS:
			x->listen = optarg;
			break;
		case TIMEOUT:
			rc = number(optarg, 60000, &x->opts.timeout_ms);
			break;
		case SRIOV:
			x->opts.sriov = true;
			break;
		case DEBUG:
			*debug = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		case VERSION:
			puts("anyvf-exporter " ANYVF_VERSION);
			exit(0);
		default:
			rc = 2;
		}
	}
	if (!rc && optind == argc)
		return 0;
	fputs(usage, stderr);
	return 2;
}

/* Takes @body. */
static void reply(struct http_req *req, unsigned int status, const char *type, char *body,
		  size_t size)
{
	const char *const headers[] = { "Content-Type", type, "Allow", "GET, HEAD", NULL };
	const struct http_answer a = { .status = body ? status : 500,
				       .headers = headers,
				       .body = body,
				       .size = size,
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
	struct exporter *x = arg;
	const char *target = http_target(req);
	bool open = prom_accepts_open(http_header(req, "Accept"));
	size_t len = strcspn(target, "?");

	if (!is_reading(req))
		reply_text(req, 405, "GET and HEAD alone\n");
	else if (len == 1 && *target == '/')
		reply_text(req, 200, "anyvf: see /metrics\n");
	else if (len != strlen("/metrics") || strncmp(target, "/metrics", len))
		reply_text(req, 404, "there is /metrics, and nothing else\n");
	else if (x->n[open] == WAITING_MAX)
		reply_text(req, 503, "too many ask at once\n");
	else
		x->waiting[open][x->n[open]++] = req;
}

/* One page for all who wait for it. */
static void serve_page(struct exporter *x, bool open)
{
	struct buf page = { 0 };
	int rc;

	if (!x->n[open])
		return;
	x->opts.open = open;
	rc = metrics_page(&x->opts, &page);
	if (rc)
		log_err("no page", "error=\"%s\"", strerror(-rc));
	for (unsigned int i = 0; i < x->n[open]; i++) {
		bool last = i + 1 == x->n[open];
		char *body = rc ? NULL : last ? take(page.data) : malloc(page.len);

		if (body && !last)
			memcpy(body, page.data, page.len);
		reply(x->waiting[open][i], 200, prom_content_type(open), body, page.len);
	}
	x->n[open] = 0;
	buf_fini(&page);
}

static void batch(void *arg)
{
	serve_page(arg, false);
	serve_page(arg, true);
}

static void on_stop(void *loop)
{
	loop_stop(loop);
}

static int serve(struct exporter *x, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(http_close) struct http *http = NULL;
	const struct http_opts opts = { .loop = loop,
					.listen = x->listen,
					.slow_ms = SLOW_MS,
					.begin = begin,
					.handle = handle,
					.batch = batch,
					.arg = x };
	int rc = loop ? loop_signal_add(loop, SIGTERM, on_stop, loop) : -ENOMEM;

	rc = rc ?: loop_signal_add(loop, SIGINT, on_stop, loop);
	if (!rc && !http_is_local(x->listen))
		rc = err_set(e, -EINVAL, "%s is not on loopback: others reach it through a proxy",
			     x->listen);
	rc = rc ?: http_open(&opts, &http, e);
	if (rc)
		return rc;
	log_info("metrics are served", "listen=%s", x->listen);
	notify("READY=1");
	rc = loop_run(loop);
	if (*x->listen == '/')
		unlink(x->listen);
	return rc;
}

int main(int argc, char **argv)
{
	static struct exporter x = { .listen = LISTEN };
	struct err e = { 0 };
	bool debug = false;
	int rc;

	x.opts =
		(struct metrics_opts){ .run_dir = ctl_run_dir(), .timeout_ms = METRICS_TIMEOUT_MS };
	rc = opts_parse(argc, argv, &x, &debug);
	if (rc)
		return rc;
	log_open("anyvf-exporter", debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	rc = serve(&x, &e);
	if (rc)
		log_err("cannot serve", "error=\"%s\"", *e.msg ? e.msg : strerror(-rc));
	return rc ? 1 : 0;
}
