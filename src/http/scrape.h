/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of metrics for whoever scrapes: /metrics on loopback or a Unix socket, nothing else, and
 * nothing that is sent there is read. Who may connect may see it.
 */
#ifndef ANYVF_HTTP_SCRAPE_H
#define ANYVF_HTTP_SCRAPE_H

#include "base/loop.h"
#include "base/prom.h"

struct scrape;

struct scrape_opts {
	struct loop *loop;  /* borrowed */
	const char *listen; /* ADDRESS:PORT of loopback, or a path; borrowed for its life */
	const char *kept;   /* as of struct http_opts */
	/* Write it, once for all who asked in this turn; @open: OpenMetrics. 0 or a negative errno. */
	int (*page)(void *arg, bool open, struct buf *out);
	void *arg;
};

int scrape_open(const struct scrape_opts *opts, struct scrape **out, struct err *e);
void scrape_close(struct scrape *s);
AUTO_DEFINE(struct scrape *, scrape_close)

#endif
