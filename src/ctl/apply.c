/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "ctl/host.h"

#define BACK_TRIES 30 /* of a way back without memory, one a second */
#define BOOT_ID "/proc/sys/kernel/random/boot_id" /* not seen by every daemon */

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static const json_t *kept_of(const struct pf_ops *ops, void *ctx)
{
	return ops->batch ? ops->batch->kept(ctx) : NULL;
}

static const json_t *pending_of(const struct pf_ops *ops, void *ctx)
{
	return json_object_get(kept_of(ops, ctx), "pending");
}

static const char *id_of(const json_t *record)
{
	return json_string_value(json_object_get(record, "id")) ?: "";
}

/* Of a clock that nobody sets, and that goes on while the machine sleeps. */
static uint64_t boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void boot_id(char out[40])
{
	auto_free char *text = NULL;

	*out = '\0';
	if (!file_read(BOOT_ID, 4096, &text, NULL, NULL))
		snprintf(out, 40, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Milliseconds until @pending is taken back; 0: that is due, as it is after another boot. */
static uint64_t left_ms(const json_t *pending)
{
	uint64_t span = (uint64_t)json_integer_value(json_object_get(pending, "seconds")) * 1000;
	uint64_t begun = (uint64_t)json_integer_value(json_object_get(pending, "begun_ms"));
	const char *boot = json_string_value(json_object_get(pending, "boot")) ?: "";
	uint64_t now = boot_ms();
	char here[40];

	boot_id(here);
	if (strcmp(boot, here) || now < begun || now - begun >= span)
		return 0;
	return span - (now - begun);
}

/**
 * apply_may_change() - May somebody else change what a daemon has?
 * @ops: verbs
 * @ctx: theirs
 * @e:   names the apply that waits
 *
 * Going back leads to exactly what was there, so until it is decided nothing else changes.
 *
 * Return: 0 or -EBUSY. Context: control.
 */
int apply_may_change(const struct pf_ops *ops, void *ctx, struct err *e)
{
	const json_t *pending = pending_of(ops, ctx);

	if (!pending)
		return 0;
	return err_set(e, -EBUSY,
		       "apply %s waits for its confirmation for another %llu s: anyvf confirm or "
		       "anyvf revert first",
		       id_of(pending), (unsigned long long)(left_ms(pending) + 999) / 1000);
}

/**
 * apply_get() - What waits in a daemon, and what was applied last
 * @ops: verbs
 * @ctx: theirs
 * @out: gets {"pending"?: {"id", "seconds", "parts"}, "last"?: {"id", "at", "parts"}}
 * @e:   error text
 *
 * Return: 0 or -ENOMEM. Context: control.
 */
int apply_get(const struct pf_ops *ops, void *ctx, json_t **out, struct err *e)
{
	const json_t *pending = pending_of(ops, ctx);
	const json_t *last = json_object_get(kept_of(ops, ctx), "last");
	json_t *waits = NULL, *was = NULL;

	if (pending)
		waits = json_pack("{s:s, s:I, s:O?}", "id", id_of(pending), "seconds",
				  (json_int_t)(left_ms(pending) + 999) / 1000, "parts",
				  json_object_get(pending, "parts"));
	if (last)
		was = json_pack("{s:s, s:O?, s:O?}", "id", id_of(last), "at",
				json_object_get(last, "at"), "parts",
				json_object_get(last, "parts"));
	*out = json_pack("{s:o*, s:o*}", "pending", waits, "last", was);
	return *out ? 0 : no_memory(e);
}

/* ---- back ---- */

/* What is in both states is compared by words, so a copy is cut. */
static int become(const struct pf_ops *ops, void *ctx, const json_t *want, bool force, bool must,
		  struct err *e)
{
	auto_of(json_decref) json_t *is = NULL, *to = json_deep_copy(want);
	bool starved = false;
	struct host_become b = {
		.ops = ops, .ctx = ctx, .force = force, .must = must, .starved = &starved
	};
	int rc = to ? host_get(ops, ctx, must, &is, e) : no_memory(e);

	if (rc)
		return rc;
	host_align(is, to, force, NULL);
	if (must) /* what counts as asked for is put back as a whole */
		json_object_del(is, "unasked");
	if (must)
		json_object_del(to, "unasked");
	b.is = is;
	b.want = to;
	rc = host_become(&b, e);
	return rc ?: starved ? no_memory(e) : 0;
}

/*
 * To what @record says was there; what is refused on the way is in the log, and is done later.
 * Answers -ENOMEM where something was for want of memory: the record stays, and it begins again.
 */
static int go_back(const struct pf_ops *ops, void *ctx, const json_t *record)
{
	const json_t *adopted = json_object_get(record, "adopted"), *name;
	const json_t *own = json_object_get(record, "own");
	struct err e = { 0 };
	size_t i;
	int rc;

	ops->batch->begin(ctx, own);
	rc = become(ops, ctx, json_object_get(record, "before"),
		    json_is_true(json_object_get(record, "force")), true, &e);
	if (rc)
		log_err("a change is not taken back", "id=%s error=\"%s\"", id_of(record), e.msg);
	for (i = 0; rc != -ENOMEM && (name = json_array_get(adopted, i)); i++) {
		struct err why = { 0 };
		int bad = ops->pf_del(ctx, json_string_value(name) ?: "", false, &why);

		if (bad && bad != -ENODEV)
			log_err("a PF is still served", "pf=%s error=\"%s\"",
				json_string_value(name) ?: "", why.msg);
	}
	ops->batch->end(ctx, own);
	return rc == -ENOMEM ? rc : 0;
}

/* ---- begin ---- */

static json_t *record_new(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask,
			  const json_t *is, const json_t *adopted)
{
	char boot[40];

	boot_id(boot);
	return json_pack("{s:s, s:I, s:b, s:I, s:I, s:s, s:I, s:b, s:{s:O, s:O, s:O}, s:o, s:O}",
			 "id", ask->id, "at", (json_int_t)time(NULL), "force", (int)ask->force,
			 "parts", (json_int_t)MAX(ask->parts, 1U), "seconds",
			 (json_int_t)ask->seconds, "boot", boot, "begun_ms", (json_int_t)boot_ms(),
			 "doing", 1, "before", "pfs", json_object_get(is, "pfs"), "mirrors",
			 json_object_get(is, "mirrors"), "unasked", json_object_get(is, "unasked"),
			 "own", ops->batch->own(ctx), "adopted", adopted);
}

/* Keeps @pending (NULL: none) beside what else is kept, or @last and @back in its place. */
static int keep(const struct pf_ops *ops, void *ctx, const json_t *pending, const json_t *last,
		const char *back, struct err *e)
{
	const json_t *now = kept_of(ops, ctx);
	auto_of(json_decref) json_t *next = json_object();
	const json_t *was_back = json_object_get(now, "back");
	int rc = next ? 0 : -ENOMEM;

	last = last ?: json_object_get(now, "last");
	if (!rc && pending)
		rc = json_object_set(next, "pending", (json_t *)(uintptr_t)pending);
	if (!rc && last)
		rc = json_object_set(next, "last", (json_t *)(uintptr_t)last);
	if (!rc && back)
		rc = json_object_set_new(next, "back", json_string(back));
	else if (!rc && was_back)
		rc = json_object_set(next, "back", (json_t *)(uintptr_t)was_back);
	return rc ? no_memory(e) : ops->batch->keep(ctx, next, e);
}

/* PFs of NICs that are not served yet: what they are by now has to be known before. */
static json_t *to_adopt(const struct pf_ops *ops, const json_t *is, const json_t *want)
{
	auto_of(json_decref) json_t *list = json_array();
	const char *name;
	json_t *pf;

	json_object_foreach (json_object_get(want, "pfs"), name, pf)
		if (!strcmp(ops->kind, "hw") &&
		    !json_object_get(json_object_get(is, "pfs"), name) &&
		    json_array_append_new(list, json_string(name)))
			return NULL;
	return take(list);
}

static int adopt(const struct pf_ops *ops, void *ctx, const json_t *names, struct err *e)
{
	struct pf_config c;
	const json_t *name;
	size_t i;
	int rc = 0;

	json_array_foreach (names, i, name) {
		pf_config_default(&c);
		rc = rc ?: field_parse(&pf_fields[PF_FIELD_NAME], &c, json_string_value(name), e);
		rc = rc ?: ops->pf_add(ctx, &c, 0, e);
	}
	return rc;
}

/* On a copy, where nothing is opened, saved or sent. */
static int judge(const struct pf_ops *ops, void *ctx, const json_t *want, bool force, struct err *e)
{
	void *copy = ops->batch->trial(ctx);
	auto_of(json_decref) json_t *is = NULL, *adopted = NULL;
	int rc = copy ? host_get(ops, copy, false, &is, e) : no_memory(e);

	if (!rc && !(adopted = to_adopt(ops, is, want)))
		rc = no_memory(e);
	rc = rc ?: adopt(ops, copy, adopted, e);
	rc = rc ?: become(ops, copy, want, force, false, e);
	ops->batch->trial_end(copy);
	return rc;
}

/* The record of what is there once what is to be adopted is, kept as what is being done. */
static int prepare(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask,
		   const json_t *is, const json_t *want, json_t **record, struct err *e)
{
	auto_of(json_decref) json_t *adopted = to_adopt(ops, is, want), *all = NULL, *first = NULL;
	int rc;

	first = adopted ? record_new(ops, ctx, ask, is, adopted) : NULL;
	rc = first ? keep(ops, ctx, first, NULL, NULL, e) : no_memory(e);
	if (rc || !json_array_size(adopted)) {
		*record = rc ? NULL : take(first);
		return rc;
	}
	*record = json_incref(first);
	rc = adopt(ops, ctx, adopted, e) ?: host_get(ops, ctx, false, &all, e);
	if (rc)
		return rc;
	if (json_object_set_new(first, "before",
				json_pack("{s:O, s:O, s:O}", "pfs", json_object_get(all, "pfs"),
					  "mirrors", json_object_get(all, "mirrors"), "unasked",
					  json_object_get(all, "unasked"))))
		return no_memory(e);
	return keep(ops, ctx, first, NULL, NULL, e);
}

/* NICs that the change which is gone back from had adopted are as they were: they are let go. */
static int let_go(const struct pf_ops *ops, void *ctx, const json_t *names, struct err *e)
{
	const json_t *name;
	size_t i;
	int rc = 0;

	json_array_foreach (names, i, name)
		rc = rc ?: ops->pf_del(ctx, json_string_value(name) ?: "", false, e);
	return rc;
}

/* A decision has its place on the disk, which is that of all daemons. */
static int ready(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask,
		 enum decision *decided, struct err *e)
{
	return ops->batch->decide(ctx, ask->id, ask->joined ? DECISION_JOIN : DECISION_READY,
				  decided, e);
}

static int execute(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask,
		   const json_t *is, const json_t *want, struct err *e)
{
	const json_t *last = json_object_get(kept_of(ops, ctx), "last");
	auto_of(json_decref) json_t *record = NULL, *done = NULL, *leave = NULL;
	enum decision decided = DECISION_NONE;
	struct err later = { 0 };
	int rc;

	if (*ask->last)
		leave = json_incref(json_object_get(last, "adopted"));
	rc = ready(ops, ctx, ask, &decided, e);
	if (!rc && decided)
		rc = err_set(e, -EEXIST, "%s was decided already", ask->id);
	rc = rc ?: prepare(ops, ctx, ask, is, want, &record, e);
	if (!rc) {
		ops->batch->begin(ctx, NULL);
		rc = become(ops, ctx, want, ask->force, false, e);
		rc = rc ?: let_go(ops, ctx, leave, e);
		ops->batch->end(ctx, NULL);
		done = json_copy(record);
		json_object_del(done, "doing");
		json_object_set_new(done, "begun_ms", json_integer((json_int_t)boot_ms()));
		rc = rc ?: done ? keep(ops, ctx, done, NULL, NULL, e) : no_memory(e);
	}
	if (rc) /* nobody else decides about it any more */
		ops->batch->decide(ctx, ask->id, DECISION_BACK, &decided, &later);
	if (!rc || !record)
		return rc;
	later = (struct err){ 0 };
	if (go_back(ops, ctx, record)) /* it is tried again, and so is this */
		return rc;
	if (keep(ops, ctx, NULL, NULL, ask->id, &later))
		log_err("the state file does not say that a change was taken back",
			"id=%s error=\"%s\"", ask->id, later.msg);
	return rc;
}

static int expect(const json_t *is, const char *hash, struct err *e)
{
	auto_of(json_decref) json_t *part = json_copy((json_t *)(uintptr_t)is);
	char here[HOST_HASH_LEN];

	host_plain(part);
	host_hash(part, here);
	return !*hash || !strcmp(here, hash)
		       ? 0
		       : err_set(e, -ESTALE, "somebody has changed something meanwhile");
}

/* What is wanted: a client's word, or what was there before the last change. */
static int wanted(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask, json_t **out,
		  struct err *e)
{
	const json_t *last = json_object_get(kept_of(ops, ctx), "last");
	auto_of(json_decref) json_t *root = NULL;

	if (*ask->last) {
		if (strcmp(id_of(last), ask->last))
			return err_set(e, -ENOENT, "%s is not the last that was applied",
				       ask->last);
		*out = json_deep_copy(json_object_get(last, "before"));
		return *out ? 0 : no_memory(e);
	}
	if (!ask->host || json_object_get(ask->host, "anyvf"))
		return err_set(e, -EINVAL, "host is missing, or is no part of one");
	root = json_copy(ask->host);
	if (!root || json_object_set_new(root, "anyvf", json_integer(HOST_VERSION)))
		return no_memory(e);
	return host_read(root, out, e);
}

static bool kinds_fit(const struct pf_ops *ops, const json_t *want)
{
	const char *name;
	json_t *pf;

	json_object_foreach (json_object_get(want, "pfs"), name, pf)
		if (!strcmp(ops->kind, "hw") != !!json_object_get(pf, "kind"))
			return false;
	return true;
}

/**
 * apply_begin() - Make of what a daemon has what is asked for, as one change that waits
 * @ops: verbs
 * @ctx: theirs
 * @ask: what, and until when it is taken back unless it was kept
 * @e:   says what was refused
 *
 * Judged on a copy first. With @ask->dry that is all.
 *
 * Return: 0; -EBUSY: another one waits; -ESTALE: what is there is not what was thought; -EINVAL,
 * or as the verb that refused, or the state file: then all is as it was.
 * Context: control; as long as the verbs take.
 */
int apply_begin(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask, struct err *e)
{
	auto_of(json_decref) json_t *is = NULL, *want = NULL;
	enum decision decided = DECISION_NONE;
	int rc;

	if (!ops->batch)
		return err_set(e, -EOPNOTSUPP, "a daemon of kind %s applies no file", ops->kind);
	if (!decision_id_is(ask->id) || !ask->seconds || ask->seconds > APPLY_SECONDS_MAX)
		return err_set(e, -EINVAL, "id or seconds (1 to %u) is none", APPLY_SECONDS_MAX);
	rc = apply_may_change(ops, ctx, e);
	rc = rc ?: wanted(ops, ctx, ask, &want, e);
	if (!rc && !kinds_fit(ops, want))
		rc = err_set(e, -EINVAL, "a PF of another kind");
	rc = rc ?: host_get(ops, ctx, false, &is, e);
	rc = rc ?: expect(is, ask->is, e);
	if (!rc && !*ask->last)
		rc = judge(ops, ctx, want, ask->force, e);
	if (!rc && ask->dry && ask->parts > 1) /* before either does its part */
		rc = ready(ops, ctx, ask, &decided, e);
	if (rc || ask->dry)
		return rc;
	return execute(ops, ctx, ask, is, want, e);
}

/* ---- end ---- */

/* Kernels and drivers say so of what they never do, too: some tries, and it is passed over. */
static bool again(const struct pf_ops *ops, void *ctx, json_t *pending)
{
	json_int_t tries = json_integer_value(json_object_get(pending, "tries")) + 1;

	if (tries >= BACK_TRIES)
		return false;
	json_object_set_new(pending, "tries", json_integer(tries));
	keep(ops, ctx, pending, NULL, NULL, NULL);
	return true;
}

/* What was decided is so: it is kept, or gone back from. */
static int obey(const struct pf_ops *ops, void *ctx, bool kept, struct err *e)
{
	static const char *const passing[] = { "seconds", "boot", "begun_ms", "doing", NULL };
	auto_of(json_decref) json_t *pending = json_copy((json_t *)(uintptr_t)pending_of(ops, ctx));
	char id[DECISION_ID_LEN + 1];
	int rc;

	if (!pending)
		return no_memory(e);
	snprintf(id, sizeof(id), "%s", id_of(pending));
	if (!kept) {
		if (go_back(ops, ctx, pending) && again(ops, ctx, pending))
			return no_memory(e);
		rc = keep(ops, ctx, NULL, NULL, id, e);
		log_info("a change is taken back", "id=%s", id);
		return rc;
	}
	for (const char *const *p = passing; *p; p++)
		json_object_del(pending, *p);
	rc = keep(ops, ctx, NULL, pending, NULL, e);
	if (!rc)
		log_info("a change is kept", "id=%s", id);
	return rc;
}

/* @kept: gets what holds; @undone: gets why that is not done yet. */
static int end(const struct pf_ops *ops, void *ctx, const char *id, bool keep, bool *kept,
	       struct err *undone, struct err *e)
{
	const json_t *pending = pending_of(ops, ctx), *all = kept_of(ops, ctx);
	const char *back = json_string_value(json_object_get(all, "back")) ?: "";
	enum decision is = DECISION_NONE;
	int rc;

	if (!*id || strcmp(id_of(pending), id)) {
		*kept = *id && !strcmp(id_of(json_object_get(all, "last")), id);
		return *kept || (*id && !strcmp(back, id))
			       ? 0
			       : err_set(e, -ENOENT, "there is no apply \"%.64s\"", id);
	}
	/* Who ended on the way has told nobody that all was done. */
	keep &= !json_object_get(pending, "doing");
	rc = ops->batch->decide(ctx, id, keep ? DECISION_KEEP : DECISION_BACK, &is, e);
	if (rc)
		return rc;
	*kept = is == DECISION_KEEP;
	obey(ops, ctx, *kept, undone);
	return 0;
}

/**
 * apply_end() - Decide about an apply, if nobody has, and do as was decided
 * @ops:  verbs
 * @ctx:  theirs
 * @id:   which
 * @keep: what to decide
 * @out:  gets {"kept": what was decided}
 * @e:    error text
 *
 * What was decided holds, also where the state file does not take it yet; that is tried again.
 *
 * Return: 0; -ENOENT: there is none of that name; or the errno of the decision: it waits on.
 * Context: control; as long as the verbs take.
 */
int apply_end(const struct pf_ops *ops, void *ctx, const char *id, bool keep, json_t **out,
	      struct err *e)
{
	struct err why = { 0 };
	bool kept = false;
	int rc = end(ops, ctx, id, keep, &kept, &why, e);

	if (!rc && *why.msg) /* it holds, and is tried again */
		log_err("what was decided cannot be saved yet", "id=%s error=\"%s\"", id, why.msg);
	if (!rc)
		*out = json_pack("{s:b}", "kept", (int)kept);
	return rc;
}

/**
 * apply_is_due() - When is a daemon to look after what waits?
 * @ops:     verbs
 * @ctx:     theirs
 * @wait_ms: gets in how long
 *
 * Return: false: nothing waits. Context: control.
 */
bool apply_is_due(const struct pf_ops *ops, void *ctx, uint32_t *wait_ms)
{
	const json_t *pending = pending_of(ops, ctx);

	if (pending)
		*wait_ms = (uint32_t)left_ms(pending) + 1;
	return pending;
}

/**
 * apply_settle() - Look after what waits: do as was decided, or decide what is due
 * @ops: verbs
 * @ctx: theirs
 * @e:   error text; then it waits on
 *
 * Somebody may have decided in another daemon, and died before this one heard of it. What was not
 * done to its end, whose time has come, or what began in another boot is taken back.
 *
 * Return: 0, or as apply_end(). Context: control.
 */
int apply_settle(const struct pf_ops *ops, void *ctx, struct err *e)
{
	const json_t *pending = pending_of(ops, ctx);
	enum decision is = DECISION_NONE;
	char id[DECISION_ID_LEN + 1];
	struct err why = { 0 };
	bool kept;
	int rc;

	if (!pending)
		return 0;
	snprintf(id, sizeof(id), "%s", id_of(pending));
	rc = ops->batch->decide(ctx, id, DECISION_NONE, &is, e);
	if (rc || !(is || json_object_get(pending, "doing") || !left_ms(pending)))
		return rc;
	rc = end(ops, ctx, id, false, &kept, &why, e);
	return !rc && *why.msg ? err_set(e, -EIO, "%s", why.msg) : rc;
}
