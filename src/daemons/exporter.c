/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-exporter: a host's metrics over HTTP. It asks the reading sockets anew for each page, and
 * knows no word that changes anything.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fdstore.h"
#include "base/log.h"
#include "base/notify.h"
#include "ctl/ctl.h"
#include "daemons/opts.h"
#include "http/scrape.h"
#include "metrics/metrics.h"

#define LISTEN "127.0.0.1:9741"
/*
 * Memory of a page that is kept for the next: else each gives it back, and touches a hundred pages
 * anew, which virtual machines pay for dearly.
 */
#define KEPT   (8 << 20)

struct exporter {
	const char *listen;
	struct metrics_opts opts;
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
	const char *timeout = NULL;
	const struct opt opts[] = {
		{ "run-dir", &x->opts.run_dir, NULL },
		{ "listen", &x->listen, NULL },
		{ "timeout", &timeout, NULL },
		{ "sriov-names", NULL, &x->opts.sriov },
		{ "debug", NULL, debug },
		{ NULL, NULL, NULL },
	};
	int rc = opts_read(argc, argv, opts, "anyvf-exporter", usage);

	if (!rc && timeout && number(timeout, 60000, &x->opts.timeout_ms)) {
		fputs(usage, stderr);
		rc = 2;
	}
	return rc;
}

static int page(void *arg, bool open, struct buf *out)
{
	struct exporter *x = arg;

	x->opts.open = open;
	return metrics_page(&x->opts, out);
}

static void on_stop(void *loop)
{
	loop_stop(loop);
}

static int serve(struct exporter *x, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(scrape_close) struct scrape *scrape = NULL;
	const struct scrape_opts opts = {
		.loop = loop, .listen = x->listen, .kept = "metrics", .page = page, .arg = x
	};
	int rc = loop ? loop_signal_add(loop, SIGTERM, on_stop, loop) : -ENOMEM;

	rc = rc ?: loop_signal_add(loop, SIGINT, on_stop, loop);
	rc = rc ?: scrape_open(&opts, &scrape, e);
	rc = rc ?: notify_alive(loop, NULL, e);
	if (rc)
		return rc;
	fdstore_close();
	log_info("metrics are served", "listen=%s", x->listen);
	notify("READY=1");
	return loop_run(loop);
}

int main(int argc, char **argv)
{
	static struct exporter x = { .listen = LISTEN };
	struct err e = { 0 };
	bool debug = false;
	int rc;

	fdstore_open();
	x.opts =
		(struct metrics_opts){ .run_dir = ctl_run_dir(), .timeout_ms = METRICS_TIMEOUT_MS };
	rc = opts_parse(argc, argv, &x, &debug);
	if (rc)
		return rc;
	log_open("anyvf-exporter", debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_MMAP_THRESHOLD, KEPT);
	mallopt(M_TRIM_THRESHOLD, KEPT);
	rc = serve(&x, &e);
	if (rc)
		log_err("cannot serve", "error=\"%s\"", *e.msg ? e.msg : strerror(-rc));
	return rc ? 1 : 0;
}
