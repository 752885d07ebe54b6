/* SPDX-License-Identifier: Apache-2.0 */
/* What comes with a request: how much of it is taken, and what it is then. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "engine/impl.h"

#define VALUES_MAX 65536      /* of a JSON body */
#define BODY_MAX   (2u << 20) /* bytes of one */

/**
 * call_is_early() - Is a body to be judged before all is heard that others have answered?
 * @c: the call
 *
 * Return: true where other replicas write as well: the call is judged again before it runs.
 */
bool call_is_early(const struct call *c)
{
	return store_is_shared(c->opts->store) && !c->priv->fresh;
}

/**
 * call_upload() - The file an upload route received
 * @c: the call
 *
 * Return: its path; it goes with the answer unless it is renamed. NULL if there is none.
 */
const char *call_upload(const struct call *c)
{
	return c->priv->req ? http_file(c->priv->req) : NULL;
}

/**
 * call_digest() - The checksums of that file, taken while it arrived
 * @c: the call
 *
 * Return: valid as long as the call; NULL if there is no file.
 */
const struct digest *call_digest(const struct call *c)
{
	return c->priv->req ? http_digest(c->priv->req) : NULL;
}

/*
 * How many values a text can hold: each but the first stands behind a comma or a bracket. A value
 * takes a hundred times the memory of the two bytes that make it.
 */
static size_t count_values(const char *text, size_t size)
{
	bool quoted = false;
	size_t n = 1;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else
			n += text[i] == ',' || text[i] == '[' || text[i] == '{';
	}
	return n;
}

/* May a body be said to be this, to be read as JSON? Glance does not look. */
static bool is_json_for(enum fault_style style, const char *type)
{
	static const struct {
		enum fault_style style;
		const char *type;
	} all[] = {
		{ FAULT_NEUTRON, "application/json" },
		{ FAULT_NEUTRON, "application/x-www-form-urlencoded" }, /* curl -d */
		{ FAULT_NOVA, "application/json" },
		{ FAULT_NOVA, "application/vnd.openstack.compute+json" },
		{ FAULT_NOVA, "text/plain" }, /* what old HTTP libraries said of anything */
		{ FAULT_KEYSTONE, "application/json" },
	};
	size_t len = strcspn(type, "; ");

	for (size_t i = 0; len && i < ARRAY_LEN(all); i++)
		if (all[i].style == style && strlen(all[i].type) == len &&
		    !strncasecmp(all[i].type, type, len))
			return true;
	return !len || style == FAULT_GLANCE || style == FAULT_PLAIN;
}

/* A body whose sender says that it is something else is not guessed at. */
static int check_type(struct call *c)
{
	const char *type = call_header_in(c, "Content-Type");

	if (!type || is_json_for(c->service->style, type))
		return 0;
	if (c->service->style == FAULT_KEYSTONE)
		return call_fail(c, 400, NULL,
				 "Expecting to find application/json in Content-Type header. The "
				 "server could not comply with the request since it is either "
				 "malformed or otherwise incorrect. The client is assumed to be in "
				 "error.");
	return call_fail(c, 415, "HTTPUnsupportedMediaType",
			 "The media type %.80s is not supported, use application/json", type);
}

/**
 * body_max() - How much of a body is taken
 * @c: a call that route_admit() admitted
 *
 * Return: bytes.
 */
size_t body_max(const struct call *c)
{
	if (c->priv->route_flags & ROUTE_UPLOAD)
		return c->priv->room;
	return c->priv->authenticated ? BODY_MAX : BODY_OPEN_MAX;
}

/* It came before this replica had heard why to admit it, and was not taken as it would be now. */
static bool is_cut(struct call *c, size_t size, int error)
{
	struct http_req *req = c->priv->req;

	if (error == -EFBIG)
		return http_body_max(req) < body_max(c);
	return size && c->priv->route_flags & ROUTE_UPLOAD && !http_file(req);
}

/**
 * body_parse() - The JSON of an admitted call's body, if that is what its route takes
 * @c: a call with a request
 *
 * Return: 0, c->body is set or there is none; a fault, also where the body was not taken.
 */
int body_parse(struct call *c)
{
	size_t size;
	const char *body = http_body(c->priv->req, &size);
	int error = http_body_error(c->priv->req);

	if (is_cut(c, size, error)) {
		call_header(c, "Retry-After", "1");
		return call_fail(c, 503, "ServiceUnavailable",
				 "What this request needs was not known here when it came.");
	}
	if (error == -EFBIG)
		return call_fail(c, 413, "HTTPRequestEntityTooLarge", "Request is too large.");
	if (error == -ENOBUFS) {
		call_header(c, "Retry-After", "1");
		return call_fail(c, 503, "ServiceUnavailable", "Too many requests wait already.");
	}
	if (error)
		return call_fail(c, error == -ENOSPC ? 507 : 500, "HTTPInternalServerError",
				 "The request's body cannot be kept: %s", strerror(-error));
	if (!size || c->priv->route_flags & ROUTE_UPLOAD)
		return 0;
	if (count_values(body, size) > VALUES_MAX)
		return call_fail(c, 413, "HTTPRequestEntityTooLarge",
				 "The request has more than %d values.", VALUES_MAX);
	if (check_type(c))
		return -EINVAL;
	c->body = json_loadb(body, size, JSON_DECODE_ANY, NULL);
	return c->body ? 0 : fault_bad_body(c);
}
