/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One API call as a handler or a hook sees it: the request, who asks, all
 * documents, and what the call changes and answers. A handler is a function of
 * these alone: it may be run again (a comparison failed, a wait ended), so it
 * keeps nothing outside. Its puts and deletes are visible to it at once, reach
 * the store as one transaction, and are taken back if it fails.
 */
#ifndef ANYVF_ENGINE_CALL_H
#define ANYVF_ENGINE_CALL_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/field.h"
#include "store/store.h"

struct digest;
struct engine;
struct feature;
struct http_tls;
struct service;
struct resource;
struct buf;
struct loop;
struct omap;

#define CALL_WAIT 1  /* a handler's third answer: not yet, run me again */
#define CALL_IDS_MAX 4

enum role {
	ROLE_ADMIN = 1,
	ROLE_MEMBER = 2,
	ROLE_READER = 4,
	ROLE_SERVICE = 8,
	ROLE_AGENT = 16,
	ROLE_REPLICA = 32, /* nobody's to grant: replica_admit() */
};

enum scope { SCOPE_NONE, SCOPE_PROJECT, SCOPE_DOMAIN, SCOPE_SYSTEM };

/* Who asks, from a token that was checked. Roles and scope are policy.c's to judge. */
struct auth {
	char user_id[64], user_name[256];
	char home_id[64];    /* the user's domain */
	enum scope scope;    /* what the token is good for */
	char project_id[64]; /* of SCOPE_PROJECT, else "" */
	char domain_id[64];  /* of SCOPE_DOMAIN, else "" */
	unsigned int roles;  /* enum role, or-ed: those of the scope that policy looks at */
	char credential_id[64]; /* of the application credential behind the token, else "" */
	bool restricted;	/* which may not make or end others */
};

struct first;

struct engine_opts {
	struct loop *loop;	 /* the daemon's */
	struct store *store;	 /* open */
	const struct conf *conf; /* anyvf.conf */
	const char *listen;	 /* "127.0.0.1:5000" */
	const struct http_tls *tls; /* of the listener; NULL, or without key: plain HTTP */
	const char *public_url;	 /* what links start with, no slash at the end */
	const char *state_dir;	 /* /var/lib/anyvf/api */
	const char *upload_dir;	 /* where bodies of upload routes lie; NULL: STATE_DIR/upload */
	const char *openrc;	 /* /etc/anyvf/openrc; demo-openrc and agent.json lie beside it */
	/* Makes and writes the first users' passwords, or, out NULL, removes what it wrote, as
	 * another replica was faster; NULL: first_write() and first_forget(), by this process.
	 */
	int (*first)(void *arg, struct first *out, struct err *e);
	void *first_arg;
	unsigned int client_timeout_ms; /* a request must be here in that time; 0: 60 s */
	const struct feature *const *features; /* all there are, NULL at the end */
};

struct call {
	/* The request; fixed while it lives. */
	const struct service *service;
	const struct engine_opts *opts;	  /* configuration, public URL, directories */
	const struct auth *auth;	  /* never NULL behind a route that needs a token */
	const char *method;		  /* "GET"; HEAD comes as GET */
	bool head;			  /* it was HEAD */
	const char *path;		  /* below the service's prefix: "/v2.0/networks" */
	char *ids[CALL_IDS_MAX];	  /* what stood for the {} of the route, decoded */
	const json_t *body;		  /* parsed JSON, NULL if the request had none */
	struct auth login; /* who logs in, as far as it is known: for the audit log */
	char request_id[48];		  /* req-UUID */
	int64_t now_us;			  /* wall clock, microseconds since 1970 */
	int64_t mono_us;		  /* monotonic clock: how long something lasts, in microseconds */

	/* Kept from run to run of a handler that waits. */
	unsigned int runs;		  /* how often it answered CALL_WAIT before */
	bool expired;			  /* the last wait ended by its time, not by a change */
	json_t *memo;			  /* the handler's own; freed with the call */
	void *job;			  /* what call_job() was given, its work done */

	/* The answer. */
	unsigned int status;		  /* HTTP */
	json_t *reply;			  /* owned; NULL: an empty body */
	struct call_priv *priv;		  /* the engine's */
};

/* Reading. Documents are borrowed, valid until the handler returns, and never changed in place:
 * json_copy() (members are shared, replace them whole), then put. Keys are printf formats. */
const json_t *call_get(struct call *c, const char *key_fmt, ...) PRINTF_LIKE(2, 3);
const char *call_arg(const struct call *c, const char *name);		/* first ?name=, or NULL */
const char *call_arg_at(const struct call *c, const char *name, unsigned int i);
const char *call_arg_name(const struct call *c, unsigned int i); /* of any argument, or NULL */
const char *call_header_in(const struct call *c, const char *name);	/* request header or NULL */

/* Documents under a prefix, or those an index names, in the order of keys. Documents may be put and
 * deleted while the cursor stands. while (cursor_next(&it)) use(it.key, it.doc); */
struct cursor {
	struct cache *cache;	  /* where it walks, ... */
	const struct omap *map;	  /* ... by key, or an index */
	char key[2 * STORE_KEY_LEN]; /* where it stands */
	size_t prefix_len;	  /* what all keys begin with */
	bool past;		  /* it has been there */
	const json_t *doc;	  /* the document there */
};
void call_browse(struct call *c, bool on);
struct cursor call_list(struct call *c, const char *prefix_fmt, ...) PRINTF_LIKE(2, 3);
bool cursor_next(struct cursor *it);
bool cursor_step(struct cursor *it); /* to its key only: it.doc is not set */
bool cursor_seek(struct cursor *it, const char *word); /* to one in whose text a word stands */

/* Sums over documents, kept as these change. A feature names them (.tallies). */
#define TALLY_SUMS 4
struct sums {
	int64_t n;	       /* documents */
	int64_t of[TALLY_SUMS]; /* of what .of says of each */
};
struct tally {
	const char *keys; /* whose documents: a path whose stars are a segment each */
	const char *by;	  /* a member: sums for each of its values; NULL: for each directory */
	void (*of)(const json_t *doc, int64_t out[TALLY_SUMS]); /* pure; out is zeroed; or NULL */
};
struct sums call_sums(struct call *c, const struct tally *t, const char *group_fmt, ...)
	PRINTF_LIKE(3, 4);

/* Changing. All guarded by the versions this call saw. -E2BIG past 256 operations. */
int call_put(struct call *c, json_t *doc_taken, const char *key_fmt, ...) PRINTF_LIKE(3, 4);
int call_claim(struct call *c, json_t *doc_taken, const char *key_fmt, ...) PRINTF_LIKE(3, 4);
int call_delete(struct call *c, const char *key_fmt, ...) PRINTF_LIKE(2, 3);

/* Answering: `return call_fail(c, 409, "VlanIdInUse", "Unable to ... %s", x);` */
int call_fail(struct call *c, unsigned int status, const char *type, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* Another service's fault of a type, under the status that this one has for it. */
void call_fault_as(struct call *c, const char *type, unsigned int status);
/* ... of a status, in its own words. */
void call_fault_say(struct call *c, unsigned int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
int call_reply(struct call *c, unsigned int status, json_t *reply_taken);
int call_reply_bytes(struct call *c, const char *data, size_t size, const char *type);
int call_reply_file(struct call *c, const char *path, const char *type);
void call_header(struct call *c, const char *name, const char *value);
bool call_is_early(const struct call *c);
const char *call_upload(const struct call *c); /* path of the file an upload route received */
const struct digest *call_digest(const struct call *c); /* its checksums */

/* Helper threads by what they do; a lane never waits for another. */
enum lane_id {
	LANE_LOGIN, /* passwords of strangers */
	LANE_KNOWN, /* passwords of users who are known where they come from */
	LANE_FILE,  /* images to disk */
	LANE_FETCH, /* images from other replicas */
	LANES
};

/* What a feature of the engine's keeps in memory, and who asks: http_peer(), "" without a request. */
void *call_kept(const struct call *c, const struct feature *f);
const char *call_peer(const struct call *c);

/* Waiting: the handler runs again when a document under the prefix changed, or after timeout_ms
 * (c->expired), with what it put so far committed. call_job() runs fn(arg) on a helper thread
 * of the lane (two a lane; fn sees only arg) and then the handler again with c->job == arg. */
int call_wait(struct call *c, uint32_t timeout_ms, const char *prefix_fmt, ...) PRINTF_LIKE(3, 4);
int call_job(struct call *c, enum lane_id lane, void (*fn)(void *arg), void *arg,
	     void (*free_arg)(void *arg));
const atomic_bool *call_closing(const struct call *c); /* for long jobs: the daemon ends */

/* What takes long, in turns: a handler goes on until it has spent CALL_TURN_US, yields, and runs again
 * when others had theirs. A walk has the documents that there were under a cursor when it began.
 */
#define CALL_TURN_US 2000
int64_t call_spent_us(const struct call *c);
int call_yield(struct call *c, void *kept, void (*free_kept)(void *kept));
void *call_resume(struct call *c);
struct walk;
struct walk *walk_begin(const struct cursor *from);
int walk_next(struct walk *w, struct record **doc);
void walk_end(struct walk *w);
AUTO_DEFINE(struct walk *, walk_end)

/* A value within a place in an order: order.c */
int order_put(struct buf *out, const json_t *value, bool down);

/* What is on disk: the revision that wrote a document, 0 if it is not there yet or is none; and
 * whether all that was changed under a prefix is. */
uint64_t call_version(const struct call *c, const char *key);
bool call_settled(const struct call *c, const char *prefix);

/* A document as its text, for who compares it as a whole. */
const char *call_text(const struct call *c, const char *key);

/* The store's revision, and what changed under a prefix after one: -ESTALE if that is too long ago. */
uint64_t call_revision(const struct call *c);
int call_changes(struct call *c, uint64_t after, const char *prefix, store_event_fn fn, void *arg);

/* URL of the page behind marker, for lists that a handler makes itself: query.c */
json_t *call_next_link(const struct call *c, const char *marker);

/* "2026-11-22T15:16:20Z" from c->now_us */
const char *call_time(const struct call *c, char out[32]);

#endif
