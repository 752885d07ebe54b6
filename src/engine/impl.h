/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's own files share; services see call.h and engine.h only. */
#ifndef ANYVF_ENGINE_IMPL_H
#define ANYVF_ENGINE_IMPL_H

#include "base/buf.h"
#include "engine/audit.h"
#include "engine/cache.h"
#include "engine/engine.h"
#include "engine/meter.h"
#include "http/http.h"
#include "http/url.h"

#define CHANGES_MAX STORE_OPS_MAX /* keys one call may change */
#define REPLY_HEADERS_MAX 8
#define BODY_OPEN_MAX (16u << 10) /* bytes of a body that needs no token: a login */

/* A key this run of a call changed, and what to put back if the run fails. */
struct undo {
	char *key;	  /* owned */
	struct record *doc; /* reference to what was there; NULL: nothing */
	uint64_t version;   /* of doc */
};

struct group;

/* What is not to change before a change is stored: keys of `what`, see rely.c; or anything. */
struct relies {
	struct omap *what; /* owned; NULL: nothing */
	bool all;
};

struct call_priv {
	struct engine *eng;
	struct http_req *req; /* NULL: a periodic or start call */
	struct args args;     /* query */
	struct auth auth;     /* what c->auth points to */
	bool authenticated;   /* auth is filled in */
	bool fresh;	      /* all is heard that was answered before it came */
	bool admitted;	      /* route_run() found nothing against it */

	int (*handle)(struct call *c); /* a route's; NULL: res_handle_* of resource */
	int (*res_handle)(struct call *c, const struct resource *r);
	const struct resource *resource;
	const char *pattern; /* a route's path; NULL: of resource */
	int64_t began_us;    /* monotonic; the request was there */
	enum rule rule; /* of the route */
	unsigned int route_flags;
	int64_t (*ask_room)(struct call *c); /* a route's, or NULL */
	size_t room;			     /* bytes of an upload that are taken */

	struct undo undo[CHANGES_MAX];
	unsigned int n_undo;
	struct relies relies; /* what this run read, if others write as well... */
	bool browses;	      /* ... and not now */
	struct group *group; /* that it is answered by, or waits behind; NULL: none */
	bool wrote;	     /* has changes in it */
	bool missed;	     /* they were followed there by one it waits for */
	bool lost;	     /* they were not stored: it fails */
	unsigned int tries;  /* how often their comparisons failed */

	unsigned int fault_status; /* 0: no fault */
	char fault_type[64], fault_text[1024];
	char *headers[2 * REPLY_HEADERS_MAX + 1]; /* owned: name, value, ..., NULL */
	unsigned int n_headers;			  /* strings in headers */
	struct buf text;			  /* a reply that is JSON already */
	char *text_type;			  /* of a reply that is a file */
	char *file;				  /* reply that is a file */

	uint32_t wait_ms;	   /* CALL_WAIT: how long; 0 with a job */
	char wait_prefix[STORE_KEY_LEN + 1];
	uint64_t wait_after;	   /* wake for later revisions only, ... */
	uint64_t own_revision;	   /* ... and not for what it changed itself */
	struct loop_timer *timer;  /* ends the wait */
	bool ready;		   /* something it waits for happened, ... */
	bool over;		   /* ... or its time came */
	enum lane_id job_lane;
	void (*job_fn)(void *arg); /* to run on a helper thread */
	void (*job_free)(void *arg);
	bool job_running;	   /* a helper thread may touch c->job */

	bool yields;		   /* waits for nothing but its turn */
	void *kept;		   /* how far it came then; or NULL */
	void (*free_kept)(void *kept);

	bool *ended;		   /* set when it has been answered, and not freed; or NULL */
	struct call *next, **prev; /* in one of the engine's lists */
	struct call *queue_next, **queue_prev; /* among those who wait for the same */
};

struct jobs;

struct periodic_run;

struct engine {
	struct engine_opts opts;
	struct audit audit;
	struct meter meter;
	struct http *http;
	struct schemas *schemas; /* all features' resources */
	struct cache *cache;
	struct jobs *jobs;	 /* helper threads */
	void **kept;		 /* of features, in their order */
	const struct authority *authority;
	struct group *groups;	 /* changes that are not on disk, the first with the store if... */
	bool sent;		 /* ... it is */
	atomic_bool closing;	 /* and nothing more is sent; read by helper threads */
	bool sending;		 /* in group_send() */
	unsigned int apart;	 /* calls that get groups of their own */
	struct store_txn txn;	 /* of the first group */
	struct call *answered;	 /* what they changed or read is on disk */
	struct call *again;	 /* it was refused, oldest first: they run again, or are lost */
	struct call *fresh;	 /* have come, and wait until what was answered before is heard */
	struct call *parked;	 /* wait for a change, a time or a job, and for no group */
	struct call *ready;	 /* waited long enough */
	struct omap *waits;	 /* prefix -> those who wait for a change under it, a queue */
	struct call *turns;	 /* those of them who wait for their turn, newest first */
	struct loop_timer *turn; /* gives the next one his */
	struct loop_timer *patience; /* with a store that does not answer */
	struct periodic_run *periodics; /* all services', a list */
	char public_url[ENGINE_URL_LEN], replica_url[ENGINE_URL_LEN];
	char *upload_dir; /* owned, if opts names none */
	struct {
		struct loop_timer *timer; /* looks whether all are answered */
		uint64_t until_ms;
		void (*done)(void *arg); /* NULL: no end is near */
		void *arg;
	} drain;
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
struct meter_times jobs_waited(struct jobs *jobs, enum lane_id which);
int jobs_add(struct jobs *jobs, enum lane_id which, uint64_t owner, const struct job *job);

/* file.c */
void file_answer(struct call *c, struct http_answer *answer);

/* answer.c */
void call_reply_text(struct call *c, unsigned int status, struct buf *text_taken);
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
int fields_check_names(struct call *c, const struct resource *r, const struct rfield *rows,
		       const json_t *given, bool update);
int field_bool(const json_t *value);

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
int query_list(struct call *c, const struct resource *r, const struct list_shape *shape);
json_t *query_fields(struct call *c, json_t *out_taken);

/* run.c */
struct call *run_new(struct engine *eng, struct http_req *req);
void run_call(struct call *c);
void run_request(struct call *c);
int run_load(struct engine *eng, struct err *e);
void run_on_change(void *arg, const struct store_event *ev);
void run_batch(void *arg);
int64_t run_now_us(void);
int64_t run_mono_us(void);

/* group.c */
int group_take(struct call *c);
bool group_hold(struct call *c);
void group_park(struct call *c);
void group_wake(struct call *c);
void group_overtaken(struct engine *eng, const struct store_event *ev);
bool group_saw(struct engine *eng, const struct store_event *ev);
void group_version(const struct engine *eng, const char *key, uint64_t *version);
const char *group_next(const struct engine *eng, const char *after);
void group_send(struct engine *eng);
void group_give_up(struct engine *eng);
void group_close(struct engine *eng);

/* rely.c */
void rely_on(struct call *c, const char *key);
void rely_on_list(struct call *c, const char *prefix);
void rely_on_found(struct call *c, const struct resource *r, const char *field, const char *value);
void rely_on_sums(struct call *c, const struct tally *t, const char *group);
int rely_marks(const struct schemas *schemas, const char *key, const json_t *old, const json_t *new,
	       int (*fn)(void *arg, const char *mark), void *arg);
void rely_add(struct relies *to, const struct relies *from);
void rely_clear(struct relies *r);
bool rely_is_hit(const struct relies *r, const struct schemas *schemas,
		 const struct store_event *ev, const struct record *old);

/* away.c */
bool away_is(const struct engine *eng, bool elsewhere);
void away_fail(struct call *c);

/* replica.c */
void replica_find_url(const struct engine_opts *opts, char out[ENGINE_URL_LEN]);
bool replica_admit(struct call *c);

/* body.c */
size_t body_max(const struct call *c);
int body_parse(struct call *c);

/* route.c */
int route_find(struct call *c, const char *method, const char *target);
int route_admit(struct call *c);
int route_run(struct call *c);

/* call.c */
void call_forget(struct call *c);
void call_link(struct call **head, struct call *c);
void call_queue(struct call **head, struct call *c);
void call_unqueue(struct call *c);
void call_unlink(struct call *c);
void call_undo(struct call *c);
void call_reset(struct call *c);
void call_free(struct call *c);

#endif
