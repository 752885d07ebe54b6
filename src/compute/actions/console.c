/* SPDX-License-Identifier: Apache-2.0 */
/* A server's console: its text is a question to the host's agent, graphical ones there are none. */
#include <errno.h>
#include <stdlib.h>

#include "compute/actions/actions.h"

#define CONSOLE_MAX 65536 /* bytes of console text taken from an agent */

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
	auto_of(json_decref) json_t *answer = NULL;
	const char *text = json_string_value(length);
	char *end = NULL;
	long long n = json_integer_value(length);
	int rc;

	if (!server)
		return -ENOENT;
	if (text && *text)
		n = strtoll(text, &end, 10);
	if (length && !json_is_null(length) && !json_is_integer(length) && (!end || *end))
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	if (n < -1)
		return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute length");
	rc = host_ask(c, "console", server,
		      json_pack("{s:o}", "length",
				length && !json_is_null(length) && n >= 0 ? json_integer(n)
									  : json_null()),
		      &answer);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:O}", "output", json_object_get(answer, "output")));
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
	return host_answered(c, host, "console", id, said);
}

const struct wish_kind console_wish = { "console", host_question, report_rows, report_console };

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
