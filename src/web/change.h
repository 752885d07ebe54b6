/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page can change: a table of command lines with words to be filled in. What is shown
 * before is the line that is run then, and by the same program.
 */
#ifndef ANYVF_WEB_CHANGE_H
#define ANYVF_WEB_CHANGE_H

#include "web/feed.h"

#define CHANGE_WORDS_MAX 16

/* A line that is ready to be run; zeroed before, ends with change_fini(). */
struct change {
	char *words[CHANGE_WORDS_MAX + 1]; /* owned; behind the program, ends with NULL */
	char *line;			   /* as a person would type it */
	char *was;			   /* what it will change, as it is now */
};

/* @ask: {change: its name, and its words}, all of them texts. */
int change_plan(const json_t *ask, const struct feed *feed, struct change *out, struct err *e);
void change_fini(struct change *c);
/* The changes there are, NULL past the last. For tests. */
const char *change_at(unsigned int i, const char **line);

#endif
