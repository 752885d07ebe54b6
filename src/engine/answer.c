/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: replies, headers, and faults in each service's own words and shape (reference: recorded
 * answers).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/impl.h"

/**
 * call_reply() - Answer with JSON
 * @c:           the call
 * @status:      HTTP status
 * @reply_taken: taken; NULL: an empty body
 *
 * Return: 0, for `return call_reply(...)`.
 */
int call_reply(struct call *c, unsigned int status, json_t *reply_taken)
{
	json_decref(c->reply);
	c->status = status;
	c->reply = reply_taken;
	return 0;
}

static int set_string(char **to, const char *text)
{
	char *copy = strdup(text);

	free(*to);
	*to = copy;
	return copy ? 0 : -ENOMEM;
}

/**
 * call_reply_text() - Answer with JSON that is text already
 * @c:          the call
 * @status:     HTTP status
 * @text_taken: the body; empty afterwards
 */
void call_reply_text(struct call *c, unsigned int status, struct buf *text_taken)
{
	call_reply(c, status, NULL);
	buf_fini(&c->priv->text);
	c->priv->text = *text_taken;
	*text_taken = (struct buf){ 0 };
}

/**
 * call_reply_bytes() - Answer 200 with what is no JSON
 * @c:    the call
 * @data: copied
 * @size: bytes
 * @type: media type
 *
 * Return: 0; -ENOMEM.
 */
int call_reply_bytes(struct call *c, const char *data, size_t size, const char *type)
{
	struct buf body = { 0 };

	if (buf_add(&body, data, size, size)) {
		buf_fini(&body);
		return -ENOMEM;
	}
	call_reply_text(c, 200, &body);
	return set_string(&c->priv->text_type, type);
}

/**
 * call_reply_file() - Answer 200 with the bytes of a file
 * @c:    the call
 * @path: file, opened when the answer goes out
 * @type: media type
 *
 * Return: 0; -ENOMEM.
 */
int call_reply_file(struct call *c, const char *path, const char *type)
{
	c->status = 200;
	return set_string(&c->priv->text_type, type) ?: set_string(&c->priv->file, path);
}

/**
 * call_header() - Add a header to the answer
 * @c:     the call
 * @name:  header, copied
 * @value: its value, copied
 */
void call_header(struct call *c, const char *name, const char *value)
{
	struct call_priv *p = c->priv;

	if (p->n_headers + 2 > 2 * REPLY_HEADERS_MAX)
		return;
	if (!set_string(&p->headers[p->n_headers], name) &&
	    !set_string(&p->headers[p->n_headers + 1], value))
		p->n_headers += 2;
}

static const struct status {
	unsigned int code;
	const char *title, *nova; /* reason phrase; Nova's envelope */
	int error;		  /* what call_fail() returns */
} statuses[] = {
	{ 400, "Bad Request", "badRequest", -EINVAL },
	{ 401, "Unauthorized", "unauthorized", -EACCES },
	{ 403, "Forbidden", "forbidden", -EPERM },
	{ 404, "Not Found", "itemNotFound", -ENOENT },
	{ 405, "Method Not Allowed", "badMethod", -EOPNOTSUPP },
	{ 406, "Not Acceptable", "notAcceptable", -EINVAL },
	{ 409, "Conflict", "conflictingRequest", -EEXIST },
	{ 410, "Gone", "gone", -ESTALE },
	{ 413, "Request Entity Too Large", "overLimit", -E2BIG },
	{ 415, "Unsupported Media Type", "badMediaType", -EINVAL },
	{ 500, "Internal Server Error", "computeFault", -EIO },
	{ 501, "Not Implemented", "notImplemented", -ENOSYS },
	{ 503, "Service Unavailable", "serviceUnavailable", -EBUSY },
	{ 507, "Insufficient Storage", "computeFault", -ENOSPC },
	{ 416, "Requested Range Not Satisfiable", "badRequest", -ERANGE },
};

static const struct status *status_of(unsigned int code)
{
	for (unsigned int i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return code < 500 ? &statuses[0] : &statuses[10];
}

/**
 * call_fail() - Refuse a call
 * @c:      the call
 * @status: HTTP status, 400..599
 * @type:   Neutron's exception name ("VlanIdInUse"); other services do not show it; may be NULL
 * @fmt:    the sentence for the client
 *
 * The first fault of a run wins. What the run put is taken back when the handler returns the
 * result.
 *
 * Return: a negative errno that goes with @status, so that `return call_fail(...)` works.
 */
int call_fail(struct call *c, unsigned int status, const char *type, const char *fmt, ...)
{
	struct call_priv *p = c->priv;
	va_list ap;

	if (!p->fault_status) {
		p->fault_status = status;
		snprintf(p->fault_type, sizeof(p->fault_type), "%s", type ? type : "");
		va_start(ap, fmt);
		vsnprintf(p->fault_text, sizeof(p->fault_text), fmt, ap);
		va_end(ap);
	}
	return status_of(status)->error;
}

/**
 * call_fault_as() - Give a fault another status: a proxy's, of what the service behind it said
 * @c:      the call
 * @type:   of the fault; another one keeps its status
 * @status: HTTP status
 */
void call_fault_as(struct call *c, const char *type, unsigned int status)
{
	struct call_priv *p = c->priv;

	if (p->fault_status && !strcmp(p->fault_type, type))
		p->fault_status = status;
}

/**
 * call_fault_say() - Say a fault in a proxy's words
 * @c:      the call
 * @status: of the fault; one of another status keeps its words
 * @fmt:    the sentence for the client
 */
void call_fault_say(struct call *c, unsigned int status, const char *fmt, ...)
{
	struct call_priv *p = c->priv;
	va_list ap;

	if (p->fault_status != status)
		return;
	va_start(ap, fmt);
	vsnprintf(p->fault_text, sizeof(p->fault_text), fmt, ap);
	va_end(ap);
}

/**
 * fault_json() - The body of a call's fault
 * @c: call with a fault
 *
 * Return: a new reference in the service's shape; NULL if that is not JSON (Glance).
 */
json_t *fault_json(const struct call *c)
{
	const struct call_priv *p = c->priv;
	const struct status *s = status_of(p->fault_status);
	enum fault_style style = c->service ? c->service->style : FAULT_PLAIN;

	if (p->fault_status == 401)
		style = FAULT_KEYSTONE; /* its middleware speaks for all services */
	switch (style) {
	case FAULT_NEUTRON:
		return json_pack("{s:{s:s,s:s,s:s}}", "NeutronError", "type",
				 p->fault_type[0] ? p->fault_type : "HTTPBadRequest", "message",
				 p->fault_text, "detail", "");
	case FAULT_NOVA:
		return json_pack("{s:{s:i,s:s}}", s->nova, "code", (int)p->fault_status, "message",
				 p->fault_text);
	case FAULT_KEYSTONE:
	case FAULT_PLAIN:
		return json_pack("{s:{s:i,s:s,s:s}}", "error", "code", (int)p->fault_status,
				 "message", p->fault_text, "title", s->title);
	case FAULT_GLANCE:
		break;
	}
	return NULL;
}

/* Text for HTML: markup in what the client sent must not come alive. */
static void escape_into(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = *text == '<'   ? "&lt;"
				     : *text == '>' ? "&gt;"
				     : *text == '&' ? "&amp;"
				     : *text == '"' ? "&quot;"
						    : NULL;
		if (entity)
			fputs(entity, out);
		else
			fputc(*text, out);
	}
}

/**
 * fault_html() - The body of a call's fault as Glance says it
 * @c: call with a fault
 *
 * Return: an allocated page; NULL without memory.
 */
char *fault_html(const struct call *c)
{
	const struct call_priv *p = c->priv;
	const char *title = status_of(p->fault_status)->title;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "<html>\n <head>\n  <title>%u %s</title>\n </head>\n <body>\n",
		p->fault_status, title);
	fprintf(out, "  <h1>%u %s</h1>\n  ", p->fault_status, title);
	escape_into(out, p->fault_text);
	fputs("<br /><br />\n\n\n\n </body>\n</html>", out);
	fclose(out);
	return text;
}

/**
 * fault_bad_value() - 400 for a member that holds what it may not
 * @c:     the call
 * @field: member name
 * @fmt:   the reason, without a full stop: "'x' is not a valid UUID"
 *
 * Return: -EINVAL.
 */
int fault_bad_value(struct call *c, const char *field, const char *fmt, ...)
{
	char reason[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (c->service && c->service->style == FAULT_NEUTRON)
		return call_fail(c, 400, "HTTPBadRequest", "Invalid input for %s. Reason: %s.",
				 field, reason);
	return call_fail(c, 400, NULL, "Invalid input for field/attribute %s. %s", field, reason);
}

/**
 * fault_not_found() - 404 for a document, in its service's words
 * @c:  the call
 * @r:  what was looked for
 * @id: by this id or name
 *
 * Return: -ENOENT.
 */
int fault_not_found(struct call *c, const struct resource *r, const char *id)
{
	const char *label = r->label ? r->label : r->one;
	char type[64];

	if (c->service && c->service->style == FAULT_KEYSTONE)
		return call_fail(c, 404, NULL, "Could not find %s: %s.", r->one, id);
	if (c->service && c->service->style == FAULT_GLANCE)
		return call_fail(c, 404, NULL, "No image found with ID %s", id);
	snprintf(type, sizeof(type), "%sNotFound", label);
	return call_fail(c, 404, type, "%s %s could not be found.", label, id);
}

/**
 * fault_no_route() - 404 for a path nobody serves
 * @c: the call
 *
 * Return: -ENOENT.
 */
int fault_no_route(struct call *c)
{
	return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
}

/**
 * fault_bad_body() - 400 for a body that is not JSON, or not an object
 * @c: the call
 *
 * Return: -EINVAL.
 */
int fault_bad_body(struct call *c)
{
	static const char *const texts[] = {
		[FAULT_NEUTRON] = "Body contains invalid data",
		[FAULT_NOVA] = "Malformed request body",
		[FAULT_KEYSTONE] = "The server could not comply with the request since it is "
				   "either malformed or otherwise incorrect. The client is "
				   "assumed to be in error.",
		[FAULT_GLANCE] = "Malformed JSON in request body.",
		[FAULT_PLAIN] = "The body is not JSON",
	};
	return call_fail(c, 400, "HTTPBadRequest", "%s",
			 texts[c->service ? c->service->style : FAULT_PLAIN]);
}

/**
 * fault_unauthorized() - 401: no token, or one that is not valid
 * @c: the call
 *
 * Return: -EACCES.
 */
int fault_unauthorized(struct call *c)
{
	char uri[300];

	snprintf(uri, sizeof(uri), "Keystone uri=\"%s/identity\"", c->opts->public_url);
	call_header(c, "WWW-Authenticate", uri);
	return call_fail(c, 401, NULL, "The request you have made requires authentication.");
}
