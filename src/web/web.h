/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf web`: this host's PFs, VFs and mirrors as a page in a browser on this machine. It asks the
 * reading sockets while somebody looks, and changes things, if it may, by running anyvf.
 */
#ifndef ANYVF_WEB_WEB_H
#define ANYVF_WEB_WEB_H

#include "base/loop.h"

struct web;

struct web_opts {
	struct loop *loop;   /* borrowed, as all of this */
	const char *listen;  /* ADDRESS:PORT of loopback */
	const char *run_dir; /* of the sockets */
	const char *program; /* that changes are run by; NULL: it shows, and changes nothing */
};

int web_open(const struct web_opts *opts, struct web **out, struct err *e);
void web_close(struct web *w);
AUTO_DEFINE(struct web *, web_close)

const char *web_url(const struct web *w);

#endif
