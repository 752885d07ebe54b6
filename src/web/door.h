/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask `anyvf web` for what: the one place that judges a request. Others on this machine can
 * connect as well, and a page of anybody in the same browser can send requests: the first lack the
 * session, the second are known by Host and Origin. A browser gives a cookie to all ports of an
 * address, so whoever has another of them lacks the token, which the page keeps for its own origin.
 */
#ifndef ANYVF_WEB_DOOR_H
#define ANYVF_WEB_DOOR_H

#include <stdbool.h>

#include "base/util.h"

#define DOOR_SECRET_LEN 32 /* characters: 128 bits */
#define DOOR_SHOWS	"this page shows; it changes what it shows with --write"

enum door_route {
	DOOR_PAGE,
	DOOR_STYLE,
	DOOR_SCRIPT,
	DOOR_TRANSPORT,
	DOOR_D3,
	DOOR_STATE, /* from here on what desk_ask() answers */
	DOOR_DROPS,
	DOOR_CHANGE,
	DOOR_ROUTES
};

struct door {
	char token[DOOR_SECRET_LEN + 1];   /* of the URL that was printed */
	char session[DOOR_SECRET_LEN + 1]; /* what it is exchanged for, once */
	bool used;			   /* it has been */
	bool write;
	unsigned int port;
	const char *address; /* as it stands in a URL: "127.0.0.1", "[::1]"; borrowed */
};

/* What a request says of itself; NULL: nothing. */
struct door_ask {
	const char *method, *target, *host, *origin, *cookie, *type;
	const char *key; /* Anyvf-Token */
};

struct door_verdict {
	unsigned int status; /* 200: to be served */
	const char *why;     /* else a sentence for who asked */
	enum door_route route;
	const char *query; /* behind the ?, or "" */
	bool enters;	   /* by the token: the session is to be given, and the token is used */
};

void door_init(struct door *d);
void door_judge(const struct door *d, const struct door_ask *ask, struct door_verdict *out);
void door_cookie_name(const struct door *d, char out[32]);
/* The routes there are; false past the last. For tests. */
bool door_route_at(unsigned int i, const char **method, const char **path);

#endif
