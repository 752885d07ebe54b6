/* SPDX-License-Identifier: Apache-2.0 */
#include "web/door.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TOKEN "token="

static const struct route {
	const char *method, *path;
	bool tells;   /* of the host: only to who has the token, too */
	bool changes; /* only with --write, by our own page */
} routes[DOOR_ROUTES] = {
	[DOOR_PAGE] = { "GET", "/", false, false },
	[DOOR_STYLE] = { "GET", "/page.css", false, false },
	[DOOR_SCRIPT] = { "GET", "/page.js", false, false },
	[DOOR_TRANSPORT] = { "GET", "/web.js", false, false },
	[DOOR_D3] = { "GET", "/d3.js", false, false },
	[DOOR_STATE] = { "GET", "/state", true, false },
	[DOOR_DROPS] = { "GET", "/drops", true, false },
	[DOOR_CHANGE] = { "POST", "/change", true, true },
};

/**
 * door_init() - Think of a token and a session
 * @d: gets both
 */
void door_init(struct door *d)
{
	uint8_t raw[DOOR_SECRET_LEN / 2];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2hex(d->token, sizeof(d->token), raw, sizeof(raw));
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2hex(d->session, sizeof(d->session), raw, sizeof(raw));
}

/**
 * door_cookie_name() - What the session's cookie is called
 * @d:	 door
 * @out: gets it; it has the port, as browsers send cookies to all ports of an address
 */
void door_cookie_name(const struct door *d, char out[32])
{
	snprintf(out, 32, "anyvf-web-%u", d->port);
}

static bool is_secret(const char *secret, const char *text, size_t len)
{
	return len == DOOR_SECRET_LEN && !sodium_memcmp(secret, text, len);
}

/* RFC 6265 4.2.1: pairs behind "; ". */
static bool has_session(const struct door *d, const char *cookie)
{
	char name[32];
	size_t len;

	door_cookie_name(d, name);
	len = strlen(name);
	while (cookie) {
		cookie += strspn(cookie, " ");
		if (!strncmp(cookie, name, len) && cookie[len] == '=' &&
		    is_secret(d->session, cookie + len + 1, strcspn(cookie + len + 1, ";")))
			return true;
		cookie = strchr(cookie, ';');
		cookie = cookie ? cookie + 1 : NULL;
	}
	return false;
}

/* @text is @before, then this server as a URL has it: by its address, or by its usual name. */
static bool is_here(const struct door *d, const char *text, const char *before)
{
	const char *const names[] = { d->address, "localhost" };
	char own[96];

	for (unsigned int i = 0; text && i < ARRAY_LEN(names); i++) {
		snprintf(own, sizeof(own), "%s%s:%u", before, names[i], d->port);
		if (!strcmp(text, own))
			return true;
	}
	return false;
}

static void refuse(struct door_verdict *v, unsigned int status, const char *why)
{
	v->status = status;
	v->why = why;
}

static void judge_change(const struct door *d, const struct door_ask *ask, struct door_verdict *v)
{
	if (!d->write)
		refuse(v, 403, DOOR_SHOWS);
	else if (!ask->origin)
		refuse(v, 403, "a change comes from this page alone");
	else if (!ask->type || strcmp(ask->type, "application/json"))
		refuse(v, 415, "a change is application/json");
}

static void judge_route(const struct door *d, const struct door_ask *ask, size_t path_len,
			struct door_verdict *v)
{
	for (unsigned int i = 0; i < DOOR_ROUTES; i++) {
		const struct route *r = &routes[i];

		if (strlen(r->path) != path_len || strncmp(r->path, ask->target, path_len))
			continue;
		v->route = i;
		if (strcmp(r->method, ask->method))
			refuse(v, 405, "not by this method");
		else if (r->tells && !(ask->key && is_secret(d->token, ask->key, strlen(ask->key))))
			refuse(v, 403, "open the address that anyvf web printed");
		else if (r->changes)
			judge_change(d, ask, v);
		return;
	}
	refuse(v, 404, "there is no such thing here");
}

/**
 * door_judge() - May this be asked?
 * @d:	 door
 * @ask: request
 * @out: gets what is to be done of it; query is borrowed from @ask
 *
 * A name that somebody had resolved to this address is no Host of ours (DNS rebinding), nor is
 * another site's page an Origin of ours. Who has no session learns nothing, not even what there is.
 *
 * Context: any; pure.
 */
void door_judge(const struct door *d, const struct door_ask *ask, struct door_verdict *out)
{
	size_t path_len = strcspn(ask->target, "?");
	const char *query = ask->target + path_len;
	bool token;

	query += *query == '?';
	*out = (struct door_verdict){ .status = 200, .route = DOOR_ROUTES, .query = query };
	token = path_len == 1 && !strncmp(query, TOKEN, strlen(TOKEN)) &&
		is_secret(d->token, query + strlen(TOKEN), strlen(query + strlen(TOKEN)));
	if (!is_here(d, ask->host, ""))
		refuse(out, 403, "not under this name");
	else if (ask->origin && !is_here(d, ask->origin, "http://"))
		refuse(out, 403, "not for another site's page");
	else if (has_session(d, ask->cookie))
		judge_route(d, ask, path_len, out);
	else if (token && d->used)
		refuse(out, 403,
		       "this address was used before, once is all it can be: anyvf web "
		       "gives another");
	else if (!token)
		refuse(out, 403, "open the address that anyvf web printed");
	else {
		out->enters = true;
		judge_route(d, ask, path_len, out);
	}
}

/**
 * door_route_at() - Name the routes there are
 * @i:	    counts from 0
 * @method: gets its method
 * @path:   gets its path
 *
 * Return: false past the last.
 */
bool door_route_at(unsigned int i, const char **method, const char **path)
{
	if (i >= DOOR_ROUTES)
		return false;
	*method = routes[i].method;
	*path = routes[i].path;
	return true;
}
