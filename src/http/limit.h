/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may have how many connections, for how long, and how much memory. Every
 * connection begins as a stranger's and rises with the first good token, so
 * strangers never take a place or a byte of tenants, nor tenants of agents.
 * Pure: the caller says what happened and when, and ends whom it is told to.
 */
#ifndef ANYVF_HTTP_LIMIT_H
#define ANYVF_HTTP_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum peer_class { PEER_STRANGER, PEER_TENANT, PEER_AGENT, PEER_CLASSES };
enum peer_state {
	PEER_WAITS,   /* for its client: a request that is not there yet; ended if need be */
	PEER_SERVED,  /* its client waits for us */
	PEER_SENDING, /* its answer is on the way; a stranger's is ended if nobody waits */
	PEER_STATES
};

struct peer_group;

/* A connection as the limits see it; embedded, zeroed before limit_enter(). */
struct peer {
	enum peer_class class;
	enum peer_state state;
	struct peer_group *group; /* those of its address; NULL: not counted */
	uint64_t until_ms;	  /* when its client is overdue, but for PEER_SERVED */
	size_t held, sent;	  /* bytes kept for it: of a body, of an answer */
	struct peer *next, *prev; /* of its class and state, who came first first */
};

#define LIMIT_GROUP_LEN 46 /* INET6_ADDRSTRLEN */

struct limits;

struct limits *limit_new(unsigned int connections, unsigned int patience_ms);
void limit_answers(struct limits *l, size_t bytes);
void limit_free(struct limits *l);
AUTO_DEFINE(struct limits *, limit_free)

struct peer *limit_enter(struct limits *l, struct peer *p, const char *address, uint64_t now_ms);
struct peer *limit_rise(struct limits *l, struct peer *p, enum peer_class class, uint64_t now_ms);
void limit_leave(struct limits *l, struct peer *p);
void limit_wait(struct limits *l, struct peer *p, uint64_t now_ms);
void limit_serve(struct limits *l, struct peer *p);
void limit_send(struct limits *l, struct peer *p, size_t bytes, size_t kept, uint64_t now_ms);
struct peer *limit_excess(struct limits *l, const struct peer *p);
struct peer *limit_overdue(struct limits *l, uint64_t now_ms);
void limit_group(const char *address, char out[LIMIT_GROUP_LEN]);
bool limit_sending(const struct limits *l);
int limit_hold(struct limits *l, struct peer *p, size_t bytes);

#endif
