/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: percent decoding and query arguments, from bytes a client sent. */
#ifndef ANYVF_HTTP_URL_H
#define ANYVF_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

#define ARGS_MAX 512 /* arguments of one query: some 200 ids come in one, clients say */

struct arg {
	char *name, *value; /* decoded, inside args.text; value is "" when there was no '=' */
	bool again;	    /* an argument before it has the same name */
};
struct args {
	char *text;	 /* owned: the storage of all names and values */
	struct arg *all; /* owned */
	unsigned int n;
};

bool url_decode(char *text, bool plus_is_space);
char *url_encode(const char *text);
int args_parse(const char *query, struct args *out);
void args_free(struct args *args);
const char *args_get(const struct args *args, const char *name, unsigned int i);

#endif
