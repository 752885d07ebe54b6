/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about a server to its host's agent: /host/HOST/KIND/REQUEST, answered by the report,
 * which waits at /answer/REQUEST until who asked has taken it.
 */
#include <errno.h>
#include <string.h>

#include "base/uuid.h"
#include "compute/actions/actions.h"
#include "hosts/agents.h"

#define WAIT_MS	 15000 /* how long a client waits for the host's agent */
#define STALE_US (60 * 1000000LL)

static const char *const kinds[] = { "console", "diagnostics" };

static int ask(struct call *c, const char *kind, const json_t *server, const json_t *more)
{
	const char *host = doc_text(server, "host");
	char request[UUID_STR_LEN];
	int rc;

	if (!host)
		return call_fail(c, 409, "InstanceNotReady", "Instance %s is not ready",
				 doc_text(server, "id"));
	if (!agent_alive(c, host))
		return call_fail(c, 503, "ServiceUnavailable",
				 "The %s is out of reach: the agent of its host is dead", kind);
	uuid_new(request);
	json_t *doc = json_pack("{s:s,s:O,s:I}", "id", request, "server",
				json_object_get(server, "id"), "at_us", (json_int_t)c->now_us);
	json_object_update(doc, (json_t *)more);
	json_decref(c->memo);
	c->memo = json_pack("{s:s}", "request", request);
	rc = wish_ask(c, host, kind, request, doc);
	return rc ? rc : call_wait(c, WAIT_MS, "/answer/%s", request);
}

/**
 * host_ask() - Ask a server's host something
 * @c:          the call; the first run of its handler asks, the next ones look for the answer
 * @kind:       "console", "diagnostics": the question's kind of documents
 * @server:     stored document
 * @more_taken: members of the question beside the server; NULL: none; taken
 * @answer:     gets what the agent reported, a new reference
 *
 * Return: 0 with the answer; else what the handler returns: CALL_WAIT, or after call_fail() with
 * 409 for a server that has no host, 503 when its agent is dead or does not answer.
 */
int host_ask(struct call *c, const char *kind, const json_t *server, json_t *more_taken,
	     json_t **answer)
{
	auto_of(json_decref) json_t *more = more_taken, *found = NULL;
	const char *request = doc_text(c->memo, "request");
	int rc;

	if (!c->runs)
		return ask(c, kind, server, more);
	found = json_incref((json_t *)call_get(c, "/answer/%s", request));
	if (!found && c->expired)
		return call_fail(c, 503, "ServiceUnavailable",
				 "The agent of the server's host did not send the %s in time",
				 kind);
	if (!found)
		return call_wait(c, WAIT_MS, "/answer/%s", request);
	rc = call_delete(c, "/answer/%s", request);
	if (!rc)
		*answer = take(found);
	return rc;
}

/**
 * host_question() - struct wish_kind.make of questions: asked once, and not made again
 * @c:    the call
 * @host: host
 * @id:   of the question
 * @have: what the host knows of it
 */
json_t *host_question(struct call *c, const char *host, const char *id, const json_t *have)
{
	return have ? json_incref((json_t *)have) : json_null();
}

/**
 * host_answered() - Keep what an agent reported for who asked
 * @c:    the agent's call
 * @host: host
 * @kind: of the question
 * @id:   of the question
 * @said: the report
 *
 * Return: 0 or a negative errno.
 */
int host_answered(struct call *c, const char *host, const char *kind, const char *id,
		  const json_t *said)
{
	json_t *answer = json_copy((json_t *)said);

	json_object_set_new(answer, "at_us", json_integer((json_int_t)c->now_us));
	return call_put(c, answer, "/answer/%s", id) ?: wish_done(c, host, kind, id);
}

static bool is_stale(const struct call *c, const json_t *doc)
{
	return c->now_us - doc_int(doc, "at_us") > STALE_US;
}

static int drop_questions(struct call *c, const char *host, const char *kind, unsigned int *left)
{
	struct cursor it = call_list(c, "/host/%s/%s/", host, kind);
	int rc = 0;

	while (!rc && *left && cursor_next(&it))
		if (is_stale(c, it.doc) && (*left)--)
			rc = wish_done(c, host, kind, it.key + it.prefix_len);
	return rc;
}

/**
 * ask_sweep() - Drop questions and answers of clients that went away, or of a process before
 * @c: a periodic call
 *
 * Return: 0 or a negative errno.
 */
int ask_sweep(struct call *c)
{
	struct cursor answers = call_list(c, "/answer/"), hosts = call_list(c, "/agent/");
	unsigned int left = STORE_OPS_MAX / 4;
	int rc = 0;

	while (!rc && left && cursor_next(&answers))
		if (is_stale(c, answers.doc) && left--)
			rc = call_delete(c, "%s", answers.key);
	while (!rc && cursor_next(&hosts))
		for (size_t i = 0; !rc && i < ARRAY_LEN(kinds); i++)
			rc = drop_questions(c, doc_text(hosts.doc, "host"), kinds[i], &left);
	return rc;
}
