/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource engine: a resource is a table of fields plus at most a few pure
 * hooks; list, show, create, update, delete, bulk, filters, sorting, paging,
 * quotas, policy, revisions and fault bodies come from here. docs/engine.md
 * shows how to add one.
 */
#ifndef ANYVF_ENGINE_ENGINE_H
#define ANYVF_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/loop.h"
#include "engine/docs.h"
#include "engine/policy.h"

enum jtype {
	J_STR,	/* .min to .max characters (0: 255); or one of .names */
	J_BOOL, /* true, false, and Neutron's "true", "False", "1", 0 */
	J_INT,	/* .min...max unless both are 0; digits in a string are taken too */
	J_UUID, /* a UUID; with .ref it must name a document the caller sees */
	J_LIST,
	J_OBJ,
	J_ANY,
};

enum rfield_flags {
	R_CREATE = 1,	 /* may be given in POST */
	R_UPDATE = 2,	 /* may be given in PUT */
	R_NEED = 4,	 /* must be given in POST */
	R_FILTER = 8,	 /* ?name=value selects */
	R_ADMIN = 16,	 /* only an admin may give it: 403 otherwise */
	R_NULL = 32,	 /* null is a value */
	R_HIDDEN = 64,	 /* only admins see it */
	R_SECRET = 128,	 /* nobody sees it */
	R_INDEX = 256,	 /* res_list() and filters find by it without a scan; .ref implies it */
	R_VIRTUAL = 512, /* not stored: check() takes it out of the document, show() puts it in */
	R_EACH = 1024,	 /* filter values given more than once must all match, not one of them */
	R_OMIT = 2048,	 /* left out while it is null (Keystone) */
	R_EMPTY = 4096,	 /* null is an empty text, list or object */
};

/* Filters by a value that is not the member itself (fixed_ips=ip_address=...). */
typedef bool (*rfield_match_fn)(struct call *c, const json_t *doc, const char *value);
/* Further check of a value that has the right type: call_fail() or 0. May replace *value. */
typedef int (*rfield_valid_fn)(struct call *c, const char *field, json_t **value);

struct rfield {
	const char *name;
	enum jtype type;
	unsigned int flags;	    /* R_... */
	const char *dflt;	    /* JSON text of what POST leaves out; NULL: null */
	int64_t min, max;	    /* J_INT: bounds unless both are 0; J_STR: characters */
	const char *const *names;   /* J_STR: the values there are, NULL at the end */
	const struct resource *ref; /* J_UUID: what it names */
	rfield_valid_fn valid;	    /* or NULL */
	rfield_match_fn match;	    /* or NULL: equality */
};

enum resource_flags {
	RES_GLOBAL = 1,	    /* belongs to no project: every caller sees it */
	RES_SHARED = 2,	    /* its member `shared` opens it to all projects for reading */
	RES_HEX_ID = 4,	    /* ids are 32 hex digits (Keystone) */
	RES_TIMES = 8,	    /* created_at, updated_at are kept */
	RES_REVISION = 16,  /* revision_number is kept */
	RES_TENANT = 32,    /* shows project_id as tenant_id too, accepts and filters by it */
	RES_NO_CREATE = 64, /* 405 */
	RES_NO_UPDATE = 128,
	RES_NO_DELETE = 256,
	RES_PATCH = 512,	 /* updates come as PATCH (Keystone) */
	RES_OK_ON_CREATE = 1024, /* POST answers 200 (Nova) */
	RES_FREE_FORM = 2048,	 /* members no row names are kept as they are */
};

/* What .selects says; doc NULL: only whether the filter is its own. */
enum selects { SELECTS_OTHER, SELECTS_NOT, SELECTS }; /* SELECTS_OTHER: by equality, as any */

struct resource {
	const char *one, *many; /* envelopes */
	const char *label;	/* "Network": NetworkNotFound, "Network X could not be found." */
	const char *path;	/* below the service's prefix: "/v2.0/networks"; NULL: no routes */
	const char *kind;	/* documents are /KIND/ID; NULL: `one` */
	unsigned int flags;	/* RES_... */
	enum rule read, write;	/* who may GET, who may do the rest; needed where path is */
	const char *owner;	/* member that holds the project; NULL: "project_id" */
	const char *nested;	/* an indexed member: lists have those of c->ids[0]. NULL: all */
	const struct rfield *fields; /* id, project_id, created_at... included, in order of output */
	const char *const *sort_keys; /* members that lists are sorted by; NULL: all */
	const char *const *brief; /* Nova: what PATH shows; PATH/detail shows all. NULL: all */
	const char *quota;	/* name in quota documents, NULL: unlimited */
	int64_t quota_default;	/* unless [quotas] says another; -1: unlimited */
	/* Pure. Judges and completes doc; old is NULL on create. */
	int (*check)(struct call *c, json_t *doc, const json_t *old);
	/* After the document was put (deleted): further rows of the same transaction. */
	int (*created)(struct call *c, const json_t *doc);
	int (*updated)(struct call *c, const json_t *doc, const json_t *old);
	int (*deleted)(struct call *c, const json_t *doc);
	/* Adds computed members to what the caller gets. */
	int (*show)(struct call *c, const json_t *doc, json_t *out);
	/* May the caller see it? NULL: own project, shared, or admin. */
	bool (*visible)(const struct call *c, const json_t *doc);
	/* Is it in lists? NULL: whatever is visible. (Nova: other projects' only with all_tenants.) */
	bool (*listed)(const struct call *c, const json_t *doc);
	/* Members that these two look at, NULL at the end: lists read no others then. NULL: any. */
	const char *const *sees;
	/* May the caller, who sees it and passes .write, change it? NULL: own project, or admin. */
	bool (*owned)(const struct call *c, const json_t *doc);
	/* Refuses a value of a filter that cannot be understood; NULL: none is. */
	int (*check_filter)(struct call *c, const char *name, const char *value);
	/* A filter that is more than equality with a member: does it select doc? NULL: equality. */
	enum selects (*selects)(const struct call *c, const json_t *doc, const char *name,
				const char *value);
};

/* Documents of a resource. */
const json_t *res_get(struct call *c, const struct resource *r, const char *id); /* any, or NULL */
const json_t *res_seen(struct call *c, const struct resource *r,
		       const char *id); /* ... that the caller sees */
const json_t *res_find(struct call *c, const struct resource *r, const char *id); /* or 404 */
const json_t *res_find_user(struct call *c, const char *id); /* likewise */
int res_delete_users(struct call *c, const char *field, const char *value);
int fault_not_found(struct call *c, const struct resource *r, const char *id);	  /* that 404 */
int fault_absent(struct call *c, const char *word); /* what is not served on purpose */
bool res_visible(struct call *c, const struct resource *r, const json_t *doc);
bool res_is_asked_for(struct call *c, const struct resource *r, const json_t *doc);
struct cursor res_list(struct call *c, const struct resource *r, const char *field,
		       const char *value); /* field NULL: all */
unsigned int res_count(struct call *c, const struct resource *r, const char *field,
		       const char *value);
int res_create(struct call *c, const struct resource *r, json_t *attrs_taken, const json_t **doc);
int res_change(struct call *c, const struct resource *r, json_t *doc_taken);
int res_put(struct call *c, const struct resource *r, json_t *doc_taken);
int res_update(struct call *c, const struct resource *r, json_t *doc_taken);
int res_delete(struct call *c, const struct resource *r, const char *id);
int64_t res_quota_default(struct call *c, const struct resource *r);
int64_t res_quota(struct call *c, const struct resource *r, const char *project_id);
json_t *res_show(struct call *c, const struct resource *r, const json_t *doc);

/* The handlers behind a resource's routes, for routes of one's own. */
int res_handle_list(struct call *c, const struct resource *r, bool brief);

/* A list that is not as its resource says. */
struct list_shape {
	const char *many;			   /* envelope; NULL: the resource's */
	bool brief;				   /* only its brief members */
	int (*each)(struct call *c, json_t *out);  /* has the last word on each document; or NULL */
};
int res_handle_list_as(struct call *c, const struct resource *r, const struct list_shape *shape);
int res_handle_show(struct call *c, const struct resource *r);
int res_handle_create(struct call *c, const struct resource *r);
int res_handle_update(struct call *c, const struct resource *r);
int res_handle_delete(struct call *c, const struct resource *r);

/* Its rows, with those that features add. */
const struct rfield *res_fields(const struct call *c, const struct resource *r);
const struct rfield *res_field(const struct call *c, const struct resource *r, const char *name);

/* Validates what a client gave against rows: R_CREATE (or R_UPDATE) members with their types,
 * unknown ones refused, defaults filled in on create. *doc: a new object. */
int field_bool_word(const char *text); /* 1, 0; -1: no boolean */
int fields_accept_known(struct call *c, const struct rfield *rows, const json_t *given,
			json_t **doc);
int fields_accept(struct call *c, const struct rfield *rows, const json_t *given, bool update,
		  json_t **doc);

/* A custom endpoint. "{}" stands for one path segment: c->ids[]. */
enum route_flags {
	ROUTE_UPLOAD = 1, /* the body goes to a file: call_upload() */
	ROUTE_LOGIN = 2,  /* makes or ends a token: the audit log says so */
	ROUTE_GRANT = 4,  /* gives or takes a role: likewise */
	ROUTE_HEARD = 8,  /* answered by what is heard here: who asks says what he has seen */
};
struct route {
	const char *method;
	const char *path; /* "/v2.1/servers/{}/action" */
	int (*handle)(struct call *c);
	enum rule rule;	    /* who may use it */
	unsigned int flags; /* ROUTE_... */
	/* ROUTE_UPLOAD: how many bytes may come, asked before they do; a fault: none. Or NULL */
	int64_t (*room)(struct call *c);
};

/* Runs as an admin call without a request: at the replica that leads, or at each. */
struct periodic {
	uint32_t every_ms;
	int (*run)(struct call *c);
	bool everywhere; /* for what is this replica's own, files */
};

enum fault_style { FAULT_NEUTRON, FAULT_NOVA, FAULT_KEYSTONE, FAULT_GLANCE, FAULT_PLAIN };

/* The daemon's side: all strings of opts are borrowed for the engine's life. */
#define ENGINE_URL_LEN 512 /* with its NUL */

const char *engine_ca_file(const struct engine_opts *opts);
void engine_public_url(const struct engine_opts *opts, char out[ENGINE_URL_LEN]);
int engine_open(const struct engine_opts *opts, struct engine **out, struct err *e);
int engine_metrics(struct engine *eng, bool open, struct buf *out);
void engine_drain(struct engine *eng, void (*done)(void *arg), void *arg);
void engine_close(struct engine *eng);
AUTO_DEFINE(struct engine *, engine_close)

#endif
