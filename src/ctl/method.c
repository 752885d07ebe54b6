/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of the control protocol: a table that says which members a
 * request must and may have, and one short function a method. Everything that
 * comes from a client is read through field tables before a function sees it.
 */
#include "ctl/method.h"

#include <errno.h>
#include <string.h>

#include "base/sock.h"
#include "ctl/apply.h"
#include "ctl/ctl.h"
#include "ctl/host.h"
#include "ctl/rows.h"

#define CHANGES_MAX 1024 /* VF groups in one pf.set: four times what a PF can have */

/* What a request is about: members many methods share. */
struct target {
	char pf[PF_NAME_LEN + 1];
	uint32_t vf;
	char name[MIRROR_NAME_LEN + 1];
	bool vfs;
	bool by_agent;
	bool reset;
};

#define T(word, type, member, max)                                                                 \
	{                                                                                          \
		word, type, offsetof(struct target, member), max, NULL, NULL                       \
	}
static const struct field target_fields[] = { T("pf", FIELD_STR, pf, PF_NAME_LEN),
					      T("vf", FIELD_U32, vf, 0),
					      T("name", FIELD_STR, name, MIRROR_NAME_LEN),
					      T("vfs", FIELD_BOOL, vfs, 0),
					      T("by_agent", FIELD_BOOL, by_agent, 0),
					      T("reset", FIELD_BOOL, reset, 0),
					      FIELD_END };
/* bits of its rows */
enum { T_PF = 1, T_VF = 2, T_NAME = 4, T_VFS = 8, T_BY_AGENT = 16, T_RESET = 32 };

#define SVC_NEED 3  /* pf, name */
#define SVC_SET	 11 /* these and vlan */

/* A request whose parameters have been read. */
struct call {
	const struct pf_ops *ops;
	void *ctx;
	const json_t *params; /* for the members a method reads itself */
	int fd;		      /* that came with the request, borrowed; -1: none */
	struct target t;
	union {
		struct pf_config pf;
		struct vf_attach attach;
		struct svc_config svc;
		struct mirror_config mirror;
		struct apply_ask apply;
	} body;
	uint32_t body_have; /* bits of its rows that were given */
	int code;	    /* error code to answer instead of the errno */
};

/* What a method leaves behind. Those that read are all that the reading socket takes. */
enum effect {
	READS,
	ACTS,	 /* on what is no setting: a guest's filter, a capture, an apply itself */
	CHANGES, /* what an apply that waits has made */
};

struct method {
	const char *name;
	uint32_t need;		  /* members of target_fields, T_* */
	uint32_t may;		  /* further ones */
	const struct field *body; /* table of the other members, NULL: there are none */
	uint32_t body_need;	  /* bits of its rows that must be given */
	const char *const *own;	  /* members the function reads itself */
	enum effect effect;
	int (*fn)(struct call *c, json_t **result, struct err *e);
};

static int bad_params(struct call *c)
{
	c->code = RPC_PARAMS;
	return -EINVAL;
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static int pf_add(struct call *c, json_t **result, struct err *e)
{
	return c->ops->pf_add(c->ctx, &c->body.pf, c->body_have, e);
}

static int pf_del(struct call *c, json_t **result, struct err *e)
{
	return c->ops->pf_del(c->ctx, c->t.pf, c->t.reset, e);
}

static int pf_set(struct call *c, json_t **result, struct err *e)
{
	const json_t *set = json_object_get(c->params, "set");
	const json_t *vfs = json_object_get(c->params, "vfs");
	struct pf_change change = { .by_agent = c->t.by_agent };
	auto_free struct vf_change *changes = NULL;

	pf_config_default(&change.want);
	if (set && fields_from_json(pf_fields, &change.want, set, &change.changed, e))
		return bad_params(c);
	if (vfs && (!json_is_array(vfs) || json_array_size(vfs) > CHANGES_MAX)) {
		err_set(e, -EINVAL, "vfs must be a list of at most %d", CHANGES_MAX);
		return bad_params(c);
	}
	change.n_vfs = (unsigned int)json_array_size(vfs);
	changes = calloc(change.n_vfs + 1U, sizeof(*changes));
	if (!changes)
		return no_memory(e);
	for (unsigned int i = 0; i < change.n_vfs; i++)
		if (ctl_vf_change_from_json(json_array_get(vfs, i), &changes[i], e))
			return bad_params(c);
	change.vfs = changes;
	return c->ops->pf_set(c->ctx, c->t.pf, &change, e);
}

static int pf_list(struct call *c, json_t **result, struct err *e)
{
	char names[PFS_MAX][PF_NAME_LEN + 1];
	int n = c->ops->pf_list(c->ctx, names, PFS_MAX);
	auto_of(json_decref) json_t *list = json_array();

	for (int i = 0; i < MIN(n, PFS_MAX); i++)
		if (json_array_append_new(list, json_string(names[i])))
			return no_memory(e);
	*result = take(list);
	return n < 0 ? n : 0;
}

static int vf_get(struct call *c, json_t **result, struct err *e)
{
	struct vf_info info;
	int rc = c->ops->vf_get(c->ctx, c->t.pf, c->t.vf, &info, e);

	if (rc)
		return rc;
	*result = ctl_vf_info_to_json(c->t.vf, &info);
	return *result ? 0 : no_memory(e);
}

static int pf_get(struct call *c, json_t **result, struct err *e)
{
	auto_of(json_decref) json_t *pf = NULL, *vfs = NULL;
	struct pf_info info;
	int rc = c->ops->pf_get(c->ctx, c->t.pf, &info, e);

	if (rc)
		return rc;
	pf = ctl_pf_info_to_json(&info);
	vfs = json_array();
	for (c->t.vf = 0; c->t.vfs && c->t.vf < info.config.numvfs; c->t.vf++) {
		json_t *vf = NULL;

		rc = vf_get(c, &vf, e);
		if (rc)
			return rc;
		if (json_array_append_new(vfs, vf))
			return no_memory(e);
	}
	if (c->t.vfs && json_object_set(pf, "vfs", vfs))
		return no_memory(e);
	*result = take(pf);
	return *result ? 0 : no_memory(e);
}

static int pf_drift(struct call *c, json_t **result, struct err *e)
{
	auto_of(json_decref) json_t *list = json_array();
	struct pf_drift_info d;
	struct pf_info pf;
	int rc = c->ops->pf_drift ? 0 : c->ops->pf_get(c->ctx, c->t.pf, &pf, e);

	for (unsigned int i = 0; !rc && c->ops->pf_drift; i++) {
		rc = c->ops->pf_drift(c->ctx, c->t.pf, i, &d, e);
		if (!rc && json_array_append_new(list, ctl_drift_to_json(&d)))
			return no_memory(e);
	}
	if (rc && rc != -ENOENT)
		return rc;
	*result = take(list);
	return 0;
}

static int pf_counts(struct call *c, json_t **result, struct err *e)
{
	return ctl_pf_counts(c->ops, c->ctx, c->t.pf, result, e);
}

static int worker_list(struct call *c, json_t **result, struct err *e)
{
	return ctl_workers(c->ops, c->ctx, result, e);
}

static int vf_drops(struct call *c, json_t **result, struct err *e)
{
	struct vf_drop drops[DROP_N];
	struct vf_info info;
	int rc;

	if (c->ops->vf_drops)
		rc = c->ops->vf_drops(c->ctx, c->t.pf, c->t.vf, drops, e);
	else
		rc = c->ops->vf_get(c->ctx, c->t.pf, c->t.vf, &info, e);
	if (rc)
		return rc;
	*result = c->ops->vf_drops ? ctl_vf_drops_to_json(c->t.vf, drops)
				   : ctl_vf_dropped_to_json(c->t.vf, &info);
	return *result ? 0 : no_memory(e);
}

static int vf_attach(struct call *c, json_t **result, struct err *e)
{
	struct vf_info info;
	int rc = c->ops->vf_attach(c->ctx, c->t.pf, c->t.vf, &c->body.attach, e);

	if (!rc)
		rc = c->ops->vf_get(c->ctx, c->t.pf, c->t.vf, &info, e);
	if (!rc)
		*result = json_pack("{s:s}", "socket", info.attach.socket);
	return rc;
}

static int vf_detach(struct call *c, json_t **result, struct err *e)
{
	return c->ops->vf_detach(c->ctx, c->t.pf, c->t.vf, e);
}

static int vf_release(struct call *c, json_t **result, struct err *e)
{
	return c->ops->vf_release(c->ctx, c->t.pf, c->t.vf, e);
}

static int vf_filter(struct call *c, json_t **result, struct err *e)
{
	const json_t *j = json_object_get(c->params, "filter");
	struct vf_filter filter = { 0 };
	int rc;

	if (!json_is_null(j) && ctl_vf_filter_from_json(j, &filter, e))
		return bad_params(c);
	rc = c->ops->vf_filter(c->ctx, c->t.pf, c->t.vf, json_is_null(j) ? NULL : &filter, e);
	ctl_vf_filter_fini(&filter);
	return rc;
}

static int svc_add(struct call *c, json_t **result, struct err *e)
{
	return c->ops->svc_add(c->ctx, &c->body.svc, e);
}

static int svc_del(struct call *c, json_t **result, struct err *e)
{
	return c->ops->svc_del(c->ctx, c->t.pf, c->t.name, e);
}

static int svc_set(struct call *c, json_t **result, struct err *e)
{
	const struct svc_config *s = &c->body.svc;

	if (c->body_have & ~SVC_SET) {
		err_set(e, -EINVAL, "a service port's vlan can be set, and nothing else of it");
		return bad_params(c);
	}
	return c->ops->svc_set(c->ctx, s->pf, s->name, s->vlan, e);
}

static int svc_list(struct call *c, json_t **result, struct err *e)
{
	auto_of(json_decref) json_t *list = json_array();
	struct svc_config svc;

	for (unsigned int i = 0; !c->ops->svc_get(c->ctx, i, &svc); i++)
		if (json_array_append_new(list, fields_to_json(svc_fields, &svc)))
			return no_memory(e);
	*result = take(list);
	return 0;
}

static int mirror_add(struct call *c, json_t **result, struct err *e)
{
	struct mirror_config want;

	if (mirror_config_apply(NULL, &c->body.mirror, c->body_have, &want, e))
		return bad_params(c);
	return c->ops->mirror_add(c->ctx, &want, e);
}

static int mirror_set(struct call *c, json_t **result, struct err *e)
{
	return c->ops->mirror_set(c->ctx, c->t.name, &c->body.mirror, c->body_have, e);
}

static int mirror_del(struct call *c, json_t **result, struct err *e)
{
	return c->ops->mirror_del(c->ctx, c->t.name, e);
}

/* A NIC counts no copies, and says how it makes them. */
static int mirror_more(json_t *j, const struct mirror_info *m)
{
	if (*m->by)
		return json_object_set_new(j, "by", json_string(m->by)) ||
		       json_object_set_new(j, "lacks", json_string(m->lacks));
	return json_object_set_new(j, "mirrored", json_integer((json_int_t)m->mirrored)) ||
	       json_object_set_new(j, "dropped", json_integer((json_int_t)m->dropped));
}

static int mirror_list(struct call *c, json_t **result, struct err *e)
{
	auto_of(json_decref) json_t *list = json_array();
	struct mirror_info m;

	for (unsigned int i = 0; !c->ops->mirror_get(c->ctx, i, &m); i++) {
		json_t *j = fields_to_json_masked(mirror_fields, &m.config,
						  mirror_config_rows(&m.config));

		if (json_array_append_new(list, j) || mirror_more(j, &m))
			return no_memory(e);
	}
	*result = take(list);
	return 0;
}

static int capture(struct call *c, json_t **result, struct err *e)
{
	uint32_t have = c->body_have | 1U << MIRROR_FIELD_NAME | 1U << MIRROR_FIELD_TO;
	struct mirror_config want;

	strcpy(c->body.mirror.name, "capture");
	c->body.mirror.to = MIRROR_TO_CAPTURE;
	if (mirror_config_apply(NULL, &c->body.mirror, have, &want, e))
		return bad_params(c);
	if (c->fd < 0) {
		err_set(e, -EINVAL, "no descriptor came with the request");
		return bad_params(c);
	}
	if (!c->ops->capture)
		return err_set(e, -EOPNOTSUPP, "%s cannot be captured from", want.from_pf);
	return c->ops->capture(c->ctx, &want, c->fd, e);
}

#define A(member, type, max)                                                                       \
	{                                                                                          \
#member, type, offsetof(struct apply_ask, member), max, NULL, NULL                 \
	}
static const struct field apply_fields[] = { A(id, FIELD_STR, DECISION_ID_LEN),
					     A(seconds, FIELD_U32, 0),
					     A(parts, FIELD_U32, 0),
					     A(dry, FIELD_BOOL, 0),
					     A(force, FIELD_BOOL, 0),
					     A(is, FIELD_STR, 64),
					     A(last, FIELD_STR, DECISION_ID_LEN),
					     A(keep, FIELD_BOOL, 0),
					     A(joined, FIELD_BOOL, 0),
					     FIELD_END };
enum { A_ID = 1, A_SECONDS = 2, A_KEEP = 128 };

static int host_get_call(struct call *c, json_t **result, struct err *e)
{
	return host_get(c->ops, c->ctx, false, result, e);
}

static int apply_get_call(struct call *c, json_t **result, struct err *e)
{
	return apply_get(c->ops, c->ctx, result, e);
}

static int apply_begin_call(struct call *c, json_t **result, struct err *e)
{
	c->body.apply.host = json_object_get(c->params, "host");
	return apply_begin(c->ops, c->ctx, &c->body.apply, e);
}

static int apply_end_call(struct call *c, json_t **result, struct err *e)
{
	return apply_end(c->ops, c->ctx, c->body.apply.id, c->body.apply.keep, result, e);
}

static uint64_t n_changes; /* calls of this process that were more than reading */

static int daemon_info(struct call *c, json_t **result, struct err *e)
{
	*result = json_pack("{s:s, s:s, s:i, s:I, s:I}", "kind", c->ops->kind, "version",
			    ANYVF_VERSION, "pid", (int)getpid(), "netns",
			    (json_int_t)sock_netns(), "changes", (json_int_t)n_changes);
	return 0;
}

static const char *const own_set[] = { "set", "vfs", NULL };
static const char *const own_filter[] = { "filter", NULL };
static const char *const own_host[] = { "host", NULL };
#define ATTACH_NEED 1 /* kind */

static const struct method methods[] = {
	{ "pf.add", 0, 0, pf_fields, 1U << PF_FIELD_NAME, NULL, CHANGES, pf_add },
	{ "pf.del", T_PF, T_RESET, NULL, 0, NULL, CHANGES, pf_del },
	{ "pf.set", T_PF, T_BY_AGENT, NULL, 0, own_set, CHANGES, pf_set },
	{ "pf.list", 0, 0, NULL, 0, NULL, READS, pf_list },
	{ "pf.get", T_PF, T_VFS, NULL, 0, NULL, READS, pf_get },
	{ "pf.drift", T_PF, 0, NULL, 0, NULL, READS, pf_drift },
	{ "pf.counts", T_PF, 0, NULL, 0, NULL, READS, pf_counts },
	{ "vf.get", T_PF | T_VF, 0, NULL, 0, NULL, READS, vf_get },
	{ "vf.drops", T_PF | T_VF, 0, NULL, 0, NULL, READS, vf_drops },
	{ "vf.attach", T_PF | T_VF, 0, vf_attach_fields, ATTACH_NEED, NULL, CHANGES, vf_attach },
	{ "vf.detach", T_PF | T_VF, 0, NULL, 0, NULL, CHANGES, vf_detach },
	{ "vf.release", T_PF | T_VF, 0, NULL, 0, NULL, CHANGES, vf_release },
	{ "vf.filter", T_PF | T_VF, 0, NULL, 0, own_filter, ACTS, vf_filter },
	{ "svc.add", 0, 0, svc_fields, SVC_NEED, NULL, CHANGES, svc_add },
	{ "svc.del", T_PF | T_NAME, 0, NULL, 0, NULL, CHANGES, svc_del },
	{ "svc.set", 0, 0, svc_fields, SVC_SET, NULL, CHANGES, svc_set },
	{ "svc.list", 0, 0, NULL, 0, NULL, READS, svc_list },
	{ "mirror.add", 0, 0, mirror_fields, 0, NULL, CHANGES, mirror_add },
	{ "mirror.set", T_NAME, 0, mirror_fields, 0, NULL, CHANGES, mirror_set },
	{ "mirror.del", T_NAME, 0, NULL, 0, NULL, CHANGES, mirror_del },
	{ "mirror.list", 0, 0, NULL, 0, NULL, READS, mirror_list },
	{ "capture", 0, 0, mirror_fields, 0, NULL, ACTS, capture },
	{ "worker.list", 0, 0, NULL, 0, NULL, READS, worker_list },
	{ "daemon.info", 0, 0, NULL, 0, NULL, READS, daemon_info },
	{ "host.get", 0, 0, NULL, 0, NULL, READS, host_get_call },
	{ "apply.get", 0, 0, NULL, 0, NULL, READS, apply_get_call },
	{ "apply.begin", 0, 0, apply_fields, A_ID | A_SECONDS, own_host, ACTS, apply_begin_call },
	{ "apply.end", 0, 0, apply_fields, A_ID | A_KEEP, NULL, ACTS, apply_end_call },
};

static bool is_own(const struct method *m, const char *key)
{
	for (unsigned int i = 0; m->own && m->own[i]; i++)
		if (!strcmp(m->own[i], key))
			return true;
	return false;
}

static int check_need(const struct field *fields, uint32_t need, uint32_t have, struct err *e)
{
	for (unsigned int i = 0; need & ~have; i++, need >>= 1, have >>= 1)
		if (need & ~have & 1)
			return err_set(e, -EINVAL, "%s is missing", fields[i].word);
	return 0;
}

static void body_default(const struct method *m, struct call *c)
{
	if (m->body == pf_fields)
		pf_config_default(&c->body.pf);
}

/* Sorts the members by who reads them, then reads target and body through their tables. */
static int read_params(const struct method *m, struct call *c, struct err *e)
{
	static const struct field no_fields[] = { FIELD_END };
	auto_of(json_decref) json_t *target = json_object(), *body = json_object();
	const struct field *fields = m->body ? m->body : no_fields;
	uint32_t have = 0;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)c->params, key, v) {
		const struct field *f = field_find(target_fields, key);
		bool is_target = f && (m->need | m->may) >> (f - target_fields) & 1;

		if (!is_own(m, key) && json_object_set(is_target ? target : body, key, v))
			return no_memory(e);
	}
	body_default(m, c);
	if (fields_from_json(target_fields, &c->t, target, &have, e) ||
	    check_need(target_fields, m->need, have, e) ||
	    fields_from_json(fields, &c->body, body, &c->body_have, e) ||
	    check_need(fields, m->body_need, c->body_have, e))
		return bad_params(c);
	return 0;
}

static const struct method *find_method(const char *name)
{
	for (const struct method *m = methods; m < methods + ARRAY_LEN(methods); m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

/**
 * ctl_answer_error() - An error reply
 * @id:      the request's id, NULL when it is not known
 * @code:    negative errno or enum rpc_error
 * @message: for people
 *
 * Return: one line without its end, the caller's to free; NULL when out of memory.
 */
char *ctl_answer_error(const json_t *id, int code, const char *message)
{
	auto_of(json_decref) json_t *reply =
		json_pack("{s:s, s:O?, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error", "code",
			  code, "message", message);

	if (!reply) /* a message that is not UTF-8 */
		reply = json_pack("{s:s, s:O?, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error",
				  "code", code, "message", strerror(code > -4096 ? -code : EINVAL));
	return json_dumps(reply, JSON_COMPACT);
}

static char *answer_request(const struct pf_ops *ops, void *ctx, const json_t *req, bool reading,
			    int fd)
{
	static const char *const known[] = { "jsonrpc", "id", "method", "params" };
	const json_t *id = json_object_get(req, "id"), *params = json_object_get(req, "params");
	const char *name = json_string_value(json_object_get(req, "method"));
	auto_of(json_decref) json_t *none = json_object(), *result = NULL, *reply = NULL;
	struct call c = { .ops = ops, .ctx = ctx, .params = params ? params : none, .fd = fd };
	size_t n_known = 0;
	struct err e = { 0 };
	int rc;

	for (unsigned int i = 0; i < ARRAY_LEN(known); i++)
		n_known += json_object_get(req, known[i]) != NULL;
	if (!name || n_known != json_object_size(req) || !json_is_object(c.params) ||
	    json_is_object(id) || json_is_array(id))
		return ctl_answer_error(NULL, RPC_REQUEST, "not a JSON-RPC 2.0 request");
	const struct method *m = find_method(name);
	if (!m) {
		err_set(&e, RPC_METHOD, "unknown method \"%.64s\"", name);
		return ctl_answer_error(id, RPC_METHOD, e.msg);
	}
	if (reading && m->effect != READS) {
		err_set(&e, -EACCES, "%s is more than reading, which is all this socket is for",
			m->name);
		return ctl_answer_error(id, -EACCES, e.msg);
	}
	rc = read_params(m, &c, &e);
	if (!rc && m->effect == CHANGES)
		rc = apply_may_change(ops, ctx, &e);
	if (!rc)
		rc = m->fn(&c, &result, &e);
	n_changes += m->effect != READS;
	if (rc)
		return ctl_answer_error(id, c.code ? c.code : rc, *e.msg ? e.msg : strerror(-rc));
	reply = json_pack("{s:s, s:O?, s:O}", "jsonrpc", "2.0", "id", id, "result",
			  result ? result : none);
	return reply ? json_dumps(reply, JSON_COMPACT)
		     : ctl_answer_error(id, -ENOMEM, "out of memory");
}

/**
 * ctl_method_at() - Name the methods there are
 * @i:	   counts from 0
 * @reads: gets whether it leaves all as it is, so that the reading socket takes it
 *
 * Return: its name; NULL past the last.
 * Context: any; pure.
 */
const char *ctl_method_at(unsigned int i, bool *reads)
{
	if (i >= ARRAY_LEN(methods))
		return NULL;
	*reads = methods[i].effect == READS;
	return methods[i].name;
}

/**
 * ctl_answer() - Do what one request line asks
 * @ops:  verbs of the daemon
 * @ctx:  theirs
 * @line: bytes of the line, any at all
 * @len:  how many, without the line's end
 * @reading: methods that only read, and no others
 * @fd:   descriptor that came with it, borrowed; -1: none
 *
 * Source: JSON-RPC 2.0, sections 4 and 5, without batches; a request without an id is answered
 * like any other, with id null.
 *
 * Return: the reply without its line's end, the caller's to free; NULL when out of memory.
 * Context: control thread.
 */
char *ctl_answer(const struct pf_ops *ops, void *ctx, const char *line, size_t len, bool reading,
		 int fd)
{
	json_error_t why;
	auto_of(json_decref) json_t *req = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	if (!req && json_error_code(&why) == json_error_out_of_memory)
		return ctl_answer_error(NULL, -ENOMEM, "out of memory");
	if (!req)
		return ctl_answer_error(NULL, RPC_PARSE, why.text);
	return answer_request(ops, ctx, req, reading, fd);
}
