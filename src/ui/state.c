/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /anyvf/ui/state[?after=R][&host=H]: what the caller sees, or what of it is not as it was at
 * revision R, as soon as there is such a thing. Who asks again at once waits for a moment first, so
 * what changes all the time is told together.
 */
#include <errno.h>
#include <stdlib.h>

#include "ui/ui.h"

#define MOMENT_MS 500
#define NOTHING	  "/ui/" /* of which there is no document */
#define WAIT_MS	  10000	 /* then that nothing is new is an answer, and who has gone is noticed */

static int add_key(json_t *keys, const char *key)
{
	return json_object_set_new(keys, key, json_true());
}

static void note_key(void *arg, const struct store_event *ev)
{
	add_key(arg, ev->key);
}

static int answer(struct call *c, struct view *v, uint64_t revision, bool whole)
{
	return call_reply(c, 200,
			  json_pack("{s:I,s:b,s:b,s:b,s:O}", "revision", (json_int_t)revision,
				    "whole", whole, "admin", v->hosts, "cut", v->cut, "items",
				    v->items));
}

/* What one turn leaves to the next. */
struct turn {
	uint64_t revision; /* of the first: what has changed since is told again */
	struct view view;
};

static void turn_free(void *kept)
{
	struct turn *t = kept;

	json_decref(t->view.items);
	free(t);
}

static int answer_all(struct call *c, struct view *v)
{
	struct turn *t = call_resume(c);
	int rc;

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		*t = (struct turn){ call_revision(c), *v };
		t->view.items = json_object();
	}
	t->view.host = v->host;
	call_browse(c, true);
	rc = view_all(c, &t->view);
	call_browse(c, false);
	if (rc == CALL_WAIT)
		return call_yield(c, t, turn_free);
	rc = rc ?: answer(c, &t->view, t->revision, true);
	turn_free(t);
	return rc;
}

/* How far this call has looked, and how long it waits. */
static json_t *memo_of(struct call *c, uint64_t after)
{
	if (!c->memo)
		c->memo = json_pack("{s:I,s:I}", "seen", (json_int_t)after, "until",
				    (json_int_t)(c->mono_us + WAIT_MS * 1000ll));
	return c->memo;
}

static int look(struct call *c, struct view *v, const json_t *keys)
{
	const char *key;
	json_t *ignored;
	int rc = 0;

	call_browse(c, true);
	json_object_foreach ((json_t *)keys, key, ignored)
		rc = rc ?: view_changed(c, v, key);
	call_browse(c, false);
	return rc;
}

static int answer_news(struct call *c, struct view *v, uint64_t after)
{
	json_t *memo = memo_of(c, after);
	auto_of(json_decref) json_t *keys = json_object();
	uint64_t now = call_revision(c);
	int64_t left_ms;
	int rc;

	if (!memo || !keys)
		return -ENOMEM;
	if (!c->runs)
		return call_wait(c, MOMENT_MS, NOTHING);
	rc = call_changes(c, (uint64_t)doc_int(memo, "seen"), "", note_key, keys);
	if (rc == -ESTALE || json_object_size(keys) > VIEW_MAX)
		return answer_all(c, v);
	rc = rc ?: look(c, v, keys);
	left_ms = (doc_int(memo, "until") - c->mono_us) / 1000;
	if (rc || json_object_size(v->items) || left_ms <= 0)
		return rc ?: answer(c, v, now, false);
	json_object_set_new(memo, "seen", json_integer((json_int_t)now));
	/* Who was woken by what is not his is not woken by the next of it at once. */
	return c->expired ? call_wait(c, (uint32_t)left_ms, "/") : call_wait(c, MOMENT_MS, NOTHING);
}

/**
 * ui_state() - GET /anyvf/ui/state
 * @c: call
 *
 * A host is for admins, and asked by its name; one that is looked at tells what its ports count.
 *
 * Return: as a handler: 403 for another's host, 404.
 */
int ui_state(struct call *c)
{
	auto_of(json_decref) json_t *items = json_object();
	const char *host = call_arg(c, "host"), *from = call_arg(c, "after");
	struct view v = { .host = host && *host ? host : NULL,
			  .hosts = caller_is_admin(c),
			  .items = items };
	uint64_t after = strtoull(from ?: "0", NULL, 10);
	int rc = items ? 0 : -ENOMEM;

	call_header(c, "Cache-Control", "no-store");
	if (!rc && v.host && !v.hosts)
		rc = call_fail(c, 403, NULL, "Hosts are for admins of the cloud");
	if (!rc && v.host && !call_get(c, "/agent/%s", v.host))
		rc = call_fail(c, 404, NULL, "There is no host %s", v.host);
	if (!rc && v.host && !c->runs) /* whom nobody hears any more keeps nothing */
		rc = watch_keep(c, v.host);
	if (rc)
		return rc;
	return after ? answer_news(c, &v, after) : answer_all(c, &v);
}
