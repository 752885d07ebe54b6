/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts' agents are told, and what they say. A host is told documents, its wishes:
 * /host/HOST/KIND/ID (docs/agent-api.md). Each kind of them is some feature's, which makes the
 * document when it is asked and hears the agent's reports about it; wishes.c alone writes it.
 * Nothing here knows what a port or a server is.
 */
#ifndef ANYVF_HOSTS_WISHES_H
#define ANYVF_HOSTS_WISHES_H

#include "engine/feature.h"

/* Documents of one kind. */
struct wish_kind {
	const char *kind; /* "port" */
	/*
	 * What the host is to know of it now, from the documents of the call. have: what it knows, or
	 * NULL. Return: a new object, whose `generation` is none of its; a new reference to have:
	 * nothing changes; null: nothing is wished for; NULL without memory.
	 */
	json_t *(*make)(struct call *c, const char *host, const char *id, const json_t *have);
	/* What a report may say; `generation` among them: that of the wish, else it is late. */
	const struct rfield *report_rows;
	/* A report, checked by these rows, about a wish that stands. Return: 0 or as a handler. */
	int (*report)(struct call *c, const char *host, const char *id, const json_t *wish,
		      const json_t *said);
	/* The host is gone for good: end the wish if it waits for its report alone. Return: 1 if it
	 * did, 0, or a negative errno. NULL: none waits. */
	int (*give_up)(struct call *c, const char *host, const char *id, const json_t *wish);
};

/* Members that a feature adds to another's documents. */
struct wish_part {
	const char *kind;
	int (*add)(struct call *c, const char *host, const char *id, json_t *wish);
};

/* struct feature.hosts. Any may be NULL. */
struct host_feature {
	const struct wish_kind *const *kinds; /* NULL at the end */
	const struct wish_part *parts;	      /* { NULL } at the end */
	/* Once a second while the host is dead. Return: 0, CALL_WAIT when there is more to do, or a
	 * negative errno. */
	int (*host_gone)(struct call *c, const char *host);
};

/* Hosts are names, "" for none. */
const json_t *wish_get(struct call *c, const char *host, const char *kind, const char *id);
int wish_changed(struct call *c, const char *host, const char *kind, const char *id);
int wish_ask(struct call *c, const char *host, const char *kind, const char *id, json_t *doc_taken);
int wish_done(struct call *c, const char *host, const char *kind, const char *id);
int wishes_give_up(struct call *c, const char *host);
int64_t wish_generation(const json_t *wish, uint64_t version);
json_t *wish_told(const json_t *wish, uint64_t version);

/* All features' kinds, as if they stood in one table. */
struct wish_kind_it {
	const struct feature *const *features; /* c->opts->features; moves on */
	unsigned int i;
};
const struct wish_kind *wish_kind_next(struct wish_kind_it *it);
const struct wish_kind *wish_kind_find(const struct call *c, const char *kind);

#endif
