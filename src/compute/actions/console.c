/* SPDX-License-Identifier: Apache-2.0 */
/* A server's console: a question to the host's agent, whose answer waits at /console/REQUEST. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "compute/actions/actions.h"
#include "hosts/agents.h"

#define CONSOLE_WAIT_MS	 15000 /* how long a client waits for the host's agent */
#define CONSOLE_MAX	 65536 /* bytes of console text taken from an agent */
#define CONSOLE_STALE_US (60 * 1000000LL)

/* The first run asks the host's agent; the next ones look whether it answered. */
static int console_ask(struct call *c, const json_t *server, const json_t *length)
{
	const char *host = doc_text(server, "host");
	char request[UUID_STR_LEN];
	int rc;

	if (!host)
		return call_fail(c, 409, "InstanceNotReady", "Instance %s is not ready",
				 doc_text(server, "id"));
	if (!agent_alive(c, host))
		return call_fail(c, 503, "ServiceUnavailable",
				 "The console is out of reach: the agent of its host is dead");
	uuid_new(request);
	json_decref(c->memo);
	c->memo = json_pack("{s:s}", "request", request);
	rc = wish_ask(c, host, "console", request,
		      json_pack("{s:s,s:O,s:O?,s:I}", "id", request, "server",
				json_object_get(server, "id"), "length", length, "at_us",
				(json_int_t)c->now_us));
	return rc ? rc : call_wait(c, CONSOLE_WAIT_MS, "/console/%s", request);
}

static int console_answer(struct call *c)
{
	const char *request = doc_text(c->memo, "request");
	const json_t *answer = call_get(c, "/console/%s", request);
	int rc;

	if (!answer && c->expired)
		return call_fail(c, 503, "ServiceUnavailable",
				 "The agent of the server's host did not send the console in time");
	if (!answer)
		return call_wait(c, CONSOLE_WAIT_MS, "/console/%s", request);
	json_t *out = json_pack("{s:O}", "output", json_object_get(answer, "output"));
	rc = call_delete(c, "/console/%s", request);
	if (rc) {
		json_decref(out);
		return rc;
	}
	return call_reply(c, 200, out);
}

/**
 * action_console() - os-getConsoleOutput
 * @c:    the call
 * @args: {"length": lines from the end}; null or -1: all
 *
 * Return: as a handler.
 */
int action_console(struct call *c, const json_t *args)
{
	const json_t *length = json_object_get(args, "length"), *server = server_find(c, c->ids[0]);
	auto_of(json_decref) json_t *lines = json_null();
	const char *text = json_string_value(length);
	char *end = NULL;
	long long n = json_integer_value(length);

	if (!server)
		return -ENOENT;
	if (text && *text)
		n = strtoll(text, &end, 10);
	if (length && !json_is_null(length) && !json_is_integer(length) && (!end || *end))
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	if (n < -1)
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	if (c->runs)
		return console_answer(c);
	if (length && !json_is_null(length) && n >= 0)
		lines = json_integer(n);
	return console_ask(c, server, lines);
}

static int valid_output(struct call *c, const char *field, json_t **value)
{
	if (json_string_length(*value) <= CONSOLE_MAX)
		return 0;
	return call_fail(c, 400, NULL, "%s: a text of at most %d bytes is needed", field,
			 CONSOLE_MAX);
}

static const struct rfield report_rows[] = {
	{ "output", J_STR, R_CREATE | R_NEED, .max = CONSOLE_MAX, .valid = valid_output },
	{ NULL },
};

static int report_console(struct call *c, const char *host, const char *id, const json_t *wish,
			  const json_t *said)
{
	json_t *answer = json_pack("{s:O,s:I}", "output", json_object_get(said, "output"), "at_us",
				   (json_int_t)c->now_us);

	return call_put(c, answer, "/console/%s", id) ?: wish_done(c, host, "console", id);
}

/* A question is asked once, and is not made again. */
static json_t *make_console(struct call *c, const char *host, const char *id, const json_t *have)
{
	return have ? json_incref((json_t *)have) : json_null();
}

const struct wish_kind console_wish = { "console", make_console, report_rows, report_console };

static bool is_stale(const struct call *c, const json_t *doc)
{
	return c->now_us - doc_int(doc, "at_us") > CONSOLE_STALE_US;
}

/* Questions and answers of clients that went away, or of a process before this one. */
static int drop_stale(struct call *c)
{
	struct cursor answers = call_list(c, "/console/"), hosts = call_list(c, "/agent/");
	unsigned int left = STORE_OPS_MAX / 4;
	int rc = 0;

	while (!rc && left && cursor_next(&answers))
		if (is_stale(c, answers.doc) && left--)
			rc = call_delete(c, "%s", answers.key);
	while (!rc && cursor_next(&hosts)) {
		struct cursor it = call_list(c, "/host/%s/console/", doc_text(hosts.doc, "host"));

		while (!rc && left && cursor_next(&it))
			if (is_stale(c, it.doc) && left--)
				rc = wish_done(c, doc_text(hosts.doc, "host"), "console",
					       it.key + it.prefix_len);
	}
	return rc;
}

/* Real Nova has graphical ones; ours are `anyvf console` and os-getConsoleOutput. */
static int remote_console(struct call *c)
{
	if (!server_find(c, c->ids[0]))
		return -ENOENT;
	return call_fail(c, 400, "ConsoleTypeUnavailable", "Unavailable console type %s.",
			 doc_str(json_object_get(c->body, "remote_console"), "type"));
}

const struct route console_routes[] = {
	{ "POST", "/v2.1/servers/{}/remote-consoles", remote_console, RULE_WRITE },
	{ NULL },
};

const struct periodic console_periodics[] = { { 20000, drop_stale }, { 0, NULL } };
