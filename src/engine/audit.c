/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log. Who may be anybody chooses the words in it, so what the client
 * says stands in quotes, behind what he does not choose, escaped and bounded,
 * and strangers get a bounded number of lines a second. docs/policy.md has one.
 */
#include "engine/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/impl.h"

#define STRANGERS_MAX 20  /* lines a second of who has no token */
#define QUOTED_NAME   260 /* of a quoted name: a user's are 255 at most */
#define QUOTED_PATH   400

/**
 * audit_event() - What a line says of an answer
 * @rule:        of the route
 * @route_flags: ROUTE_LOGIN, ROUTE_GRANT
 * @method:      "GET" ...
 * @status:      answered
 *
 * What agents report goes unsaid: it is no change of theirs, and there is much of it.
 *
 * Return: NULL for an answer that needs no line.
 */
const char *audit_event(enum rule rule, unsigned int route_flags, const char *method,
			unsigned int status)
{
	bool taken = !strcmp(method, "DELETE");

	if (status == 401 || status == 403 || status == 429)
		return rule == RULE_OPEN ? "login failed" : "refused";
	if (status >= 400 || !strcmp(method, "GET") || rule == RULE_AGENT)
		return NULL;
	if (route_flags & ROUTE_LOGIN)
		return taken ? "token revoked" : "login";
	if (route_flags & ROUTE_GRANT)
		return taken ? "role revoked" : "role granted";
	return "changed";
}

/**
 * audit_may_say() - Is there room for another line of a stranger?
 * @a:       the log; counts the line, or that it was left out
 * @login:   a login: refusals of other requests do not crowd it out
 * @mono_us: now
 */
bool audit_may_say(struct audit *a, bool login, int64_t mono_us)
{
	int64_t second = mono_us / 1000000;

	if (second != a->second)
		a->said[0] = a->said[1] = 0;
	a->second = second;
	if (a->said[login] < STRANGERS_MAX) {
		a->said[login]++;
		return true;
	}
	a->left_out++;
	return false;
}

static const char *or_none(const char *text)
{
	return text && text[0] ? text : "-";
}

static const char *scope_id(const struct auth *who)
{
	return who->scope == SCOPE_SYSTEM   ? "system"
	       : who->scope == SCOPE_DOMAIN ? who->domain_id
					    : who->project_id;
}

/**
 * audit_format() - A line
 * @entry: what it says; strings may be NULL
 * @out:   "STAMP anyvf-apid audit: EVENT key=value ...\n"
 *
 * Return: its length.
 */
size_t audit_format(const struct audit_entry *entry, char out[AUDIT_LINE_MAX])
{
	static const char *const scopes[] = { "scope", "project", "domain", "scope" };
	const struct auth *who = entry->who;
	char stamp[LOG_STAMP_LEN], user[QUOTED_NAME], path[QUOTED_PATH], whole[QUOTED_PATH],
		more[40] = "";

	if (entry->left_out)
		snprintf(more, sizeof(more), " left_out=%llu", (unsigned long long)entry->left_out);
	snprintf(whole, sizeof(whole), "%s%s", entry->prefix ? entry->prefix : "",
		 entry->path ? entry->path : "");
	snprintf(out, AUDIT_LINE_MAX,
		 "%s anyvf-apid audit: %s address=%s status=%u request=%s user_id=%.64s %s=%.64s "
		 "method=%.10s user=%s path=%s%s\n",
		 log_stamp(stamp), entry->event, or_none(entry->address), entry->status,
		 or_none(entry->request_id), or_none(who->user_id), scopes[who->scope],
		 or_none(scope_id(who)), or_none(entry->method),
		 log_quote(who->user_name, user, sizeof(user)),
		 log_quote(whole, path, sizeof(path)), more);
	return strlen(out);
}

/* To the file, opened anew for each line so that it may be rotated; else to the log. */
static void write_line(struct audit *a, const char *line, size_t len)
{
	bool to_file = strcmp(a->path, "log") != 0;
	int fd = to_file ? open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
				0640)
			 : STDERR_FILENO;
	bool written = fd >= 0 && write(fd, line, len) == (ssize_t)len;

	if (to_file && !written && !a->lost)
		log_err("the audit log cannot be written: its lines come here",
			"path=\"%s\" why=\"%s\"", a->path, strerror(errno));
	a->lost = to_file && !written;
	if (a->lost && write(STDERR_FILENO, line, len) < 0)
		return; /* nobody left to tell */
	if (to_file && fd >= 0)
		close(fd);
}

/**
 * audit_call() - Write what has to be kept of an answer
 * @a:      the log
 * @c:      an answered request
 * @status: its HTTP status
 */
void audit_call(struct audit *a, const struct call *c, unsigned int status)
{
	const struct call_priv *p = c->priv;
	const char *event = audit_event(p->rule, p->route_flags, c->method, status);
	struct audit_entry entry = { .event = event,
				     .request_id = c->request_id,
				     .address = http_peer(p->req),
				     .method = c->method,
				     .prefix = c->service ? c->service->prefix : NULL,
				     .path = c->path,
				     .who = p->authenticated ? &p->auth : &c->login,
				     .status = status };
	char line[AUDIT_LINE_MAX];

	if (!event)
		return;
	if (!p->authenticated && status >= 400 &&
	    !audit_may_say(a, p->rule == RULE_OPEN, c->mono_us))
		return;
	entry.left_out = a->left_out;
	a->left_out = 0;
	write_line(a, line, audit_format(&entry, line));
}
