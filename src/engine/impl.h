/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's own files share; services see call.h and engine.h only. */
#ifndef ANYVF_ENGINE_IMPL_H
#define ANYVF_ENGINE_IMPL_H

#include "engine/audit.h"
#include "engine/cache.h"
#include "engine/engine.h"
#include "http/http.h"
#include "http/url.h"

#define CHANGES_MAX STORE_OPS_MAX /* keys one call may change */
#define REPLY_HEADERS_MAX 8

/* A key this run of a call changed, and what to put back if the run fails. */
struct undo {
	char *key;	  /* owned */
	json_t *doc;	  /* reference to what was there; NULL: nothing */
	uint64_t version; /* of doc */
};

struct call_priv {
	struct engine *eng;
	struct http_req *req; /* NULL: a periodic or start call */
	struct args args;     /* query */
	struct auth auth;     /* what c->auth points to */
	bool authenticated;   /* auth is filled in */

	int (*handle)(struct call *c); /* a route's; NULL: res_handle_* of resource */
	int (*res_handle)(struct call *c, const struct resource *r);
	const struct resource *resource;
	enum rule rule; /* of the route */
	unsigned int route_flags;
	int64_t (*ask_room)(struct call *c); /* a route's, or NULL */
	size_t room;			     /* bytes of an upload that are taken */

	struct undo undo[CHANGES_MAX];
	unsigned int n_undo;
	bool wrote; /* has changes in the group that is not flushed */

	unsigned int fault_status; /* 0: no fault */
	char fault_type[64], fault_text[1024];
	char *headers[2 * REPLY_HEADERS_MAX + 1]; /* owned: name, value, ..., NULL */
	unsigned int n_headers;			  /* strings in headers */
	char *text_type;			  /* of a reply that is a file */
	char *file;				  /* reply that is a file */

	uint32_t wait_ms;	   /* CALL_WAIT: how long; 0 with a job */
	char wait_prefix[STORE_KEY_LEN + 1];
	uint64_t wait_after;	   /* wake for later revisions only */
	struct loop_timer *timer;  /* ends the wait */
	bool ready;		   /* something it waits for happened */
	enum lane_id job_lane;
	void (*job_fn)(void *arg); /* to run on a helper thread */
	void (*job_free)(void *arg);
	bool job_running;	   /* a helper thread may touch c->job */
	bool lost;		   /* what it wrote was not flushed: fail when the job is done */

	struct call *next, **prev; /* in one of the engine's lists */
};

struct jobs;

struct periodic_run;

struct engine {
	struct engine_opts opts;
	struct audit audit;
	struct http *http;
	struct schemas *schemas; /* all features' resources */
	struct cache *cache;
	struct jobs *jobs;	 /* helper threads */
	void **kept;		 /* of features, in their order */
	const struct authority *authority;
	struct call *held;	 /* finished in the open group, newest first; answered after its flush */
	struct call *parked;	 /* wait for a change, a time or a job */
	struct periodic_run *periodics; /* all services', a list */
	bool dirty;		 /* the store has transactions to flush */
	struct undo *group;	 /* what they replaced, oldest first: a flush may fail */
	size_t n_group, group_room;
	bool group_lost;	 /* memory did not suffice for that */
	bool woken;		 /* a parked call is ready */
	uint64_t applied;	 /* newest revision applied */
	char public_url[ENGINE_URL_LEN];
};

/* Work for a helper thread. */
struct job {
	void (*work)(void *arg); /* in a helper thread */
	void *work_arg;		 /* the helper's alone until then */
	void (*done)(void *arg); /* then in the loop */
	void (*put_off)(void *arg); /* in the loop instead: others needed its place */
	void *arg;		 /* for both */
};

struct jobs *jobs_new(struct loop *loop, struct err *e);
void jobs_free(struct jobs *jobs);
int jobs_add(struct jobs *jobs, enum lane_id which, uint64_t owner, const struct job *job);

/* file.c */
void file_answer(struct call *c, struct http_answer *answer);

/* answer.c */
void answer_range(struct call *c, struct http_answer *answer);
json_t *fault_json(const struct call *c);
char *fault_html(const struct call *c);
int fault_bad_value(struct call *c, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fault_no_route(struct call *c);
int fault_bad_body(struct call *c);
int fault_unauthorized(struct call *c);

/* fields.c */
int fields_take(struct call *c, const struct resource *r, const struct rfield *rows,
		const json_t *given, bool update, json_t **out);
int field_bool(const json_t *value);
int field_bool_word(const char *text); /* 1, 0; -1: no boolean */

/* hooks.c */
enum moment { ON_PREPARE, ON_CHECK, ON_CREATED, ON_UPDATED, ON_DELETED, ON_SHOW };
int hooks_run(struct call *c, const struct resource *r, enum moment when, json_t *doc,
	      json_t *other);

/* policy.c */
bool res_owned(const struct call *c, const struct resource *r, const json_t *doc);

/* resource.c */
int res_insert(struct call *c, const struct resource *r, json_t *doc);
const char *res_id(const json_t *doc);

/* query.c */
int query_list(struct call *c, const struct resource *r, bool brief);
json_t *query_fields(struct call *c, json_t *out_taken);

/* run.c */
struct call *run_new(struct engine *eng, struct http_req *req);
void run_call(struct call *c);
void run_unlink(struct call *c);
int run_commit(struct call *c);
int run_load(struct engine *eng, struct err *e);
void run_end_group(struct engine *eng, bool back);
void run_on_change(void *arg, const struct store_event *ev);
void run_batch(void *arg);
int64_t run_now_us(void);
int64_t run_mono_us(void);

/* route.c */
int route_find(struct call *c, const char *method, const char *target);
int route_admit(struct call *c);
int route_run(struct call *c);

/* call.c */
void call_undo(struct call *c);
void call_reset(struct call *c);
void call_free(struct call *c);

#endif
