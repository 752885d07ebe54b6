/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page asks for, whoever carries the words: what is there by revision, last drops, and
 * changes. Who has seen the newest revision waits for the next; while nobody waits nobody looks.
 */
#ifndef ANYVF_WEB_DESK_H
#define ANYVF_WEB_DESK_H

#include "base/loop.h"
#include "http/url.h"
#include "web/door.h"

struct desk;

struct desk_opts {
	struct loop *loop;   /* borrowed, as all of this */
	const char *run_dir; /* of the sockets */
	const char *program; /* that changes are run by; NULL: it shows, and changes nothing */
	/* The answer, once, also from within desk_ask(): 200 is JSON, all else a sentence, which
	 * need not be UTF-8. @text is taken; NULL: no memory. */
	void (*reply)(void *arg, void *who, unsigned int status, char *text);
	void *arg;
};

int desk_open(const struct desk_opts *opts, struct desk **out, struct err *e);
void desk_close(struct desk *d);
AUTO_DEFINE(struct desk *, desk_close)

void desk_ask(struct desk *d, enum door_route what, const struct args *args, const char *body,
	      size_t size, void *who);

#endif
