/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's target to its handler: service by prefix, custom routes, then resources. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/impl.h"
#include "engine/policy.h"
#include "http/tls.h"

/* The bare root is the first service's, as on a port of Keystone's own. */
static const struct service *find_service(const struct engine *eng, const char *path, size_t *len)
{
	for (const struct feature *const *f = eng->opts.features; *f; f++) {
		const struct service *s = (*f)->service;

		*len = strlen(s->prefix);
		if (strncmp(path, s->prefix, *len) == 0 &&
		    (path[*len] == '/' || path[*len] == '\0'))
			return s;
	}
	*len = 0;
	return strcmp(path, "/") ? NULL : eng->opts.features[0]->service;
}

static void clear_ids(struct call *c)
{
	for (unsigned int i = 0; i < CALL_IDS_MAX; i++)
		free(take(c->ids[i]));
}

/* Does path match a pattern with {}, or lie below one that ends with "*"? Fills c->ids. */
static bool match(struct call *c, const char *pattern, const char *path)
{
	unsigned int n = 0;

	clear_ids(c);
	while (*pattern) {
		size_t len;

		if (*pattern == '*')
			return !*path || *path == '/' || pattern[-1] == '/';
		if (strncmp(pattern, "{}", 2) != 0) {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		if (!len || n == CALL_IDS_MAX)
			return false;
		c->ids[n] = strndup(path, len);
		if (!c->ids[n] || !url_decode(c->ids[n], false))
			return false;
		n++;
		pattern += 2;
		path += len;
	}
	return !*path;
}

static int find_in_table(struct call *c, const struct route *r, const char *method,
			 bool *path_known)
{
	for (; r && r->method; r++) {
		if (!match(c, r->path, c->path))
			continue;
		*path_known = true;
		if (strcmp(r->method, method) != 0)
			continue;
		c->priv->handle = r->handle;
		c->priv->pattern = r->path;
		c->priv->rule = r->rule;
		c->priv->route_flags = r->flags;
		c->priv->ask_room = r->room;
		return 0;
	}
	return -ENOENT;
}

static int find_route(struct call *c, const char *method, bool *path_known)
{
	int rc = -ENOENT;

	for (const struct feature *const *f = c->opts->features; rc && *f; f++) {
		const struct route *const *table = (*f)->routes;

		for (; rc && (*f)->service == c->service && table && *table; table++)
			rc = find_in_table(c, *table, method, path_known);
	}
	return rc;
}

static int handle_list(struct call *c, const struct resource *r)
{
	return res_handle_list(c, r, r->brief != NULL);
}

static int handle_detail(struct call *c, const struct resource *r)
{
	return res_handle_list(c, r, false);
}

typedef int (*res_handler)(struct call *c, const struct resource *r);

/* rest: what follows the resource's path. */
static res_handler resource_handler(struct call *c, const struct resource *r, const char *rest,
				    const char *method, bool *path_known)
{
	bool get = !strcmp(method, "GET");

	if (!*rest) {
		*path_known = true;
		if (get)
			return handle_list;
		return !strcmp(method, "POST") && !(r->flags & RES_NO_CREATE) ? res_handle_create
									      : NULL;
	}
	if (r->brief && get && !strcmp(rest, "/detail"))
		return handle_detail;
	if (!match(c, "/{}", rest))
		return NULL;
	*path_known = true;
	if (get)
		return res_handle_show;
	if (!strcmp(method, r->flags & RES_PATCH ? "PATCH" : "PUT") && !(r->flags & RES_NO_UPDATE))
		return res_handle_update;
	return !strcmp(method, "DELETE") && !(r->flags & RES_NO_DELETE) ? res_handle_delete : NULL;
}

static int find_resource(struct call *c, const char *method, bool *path_known)
{
	struct resource_it it = { c->opts->features, c->service };
	const struct resource *r;

	while ((r = resource_next(&it))) {
		size_t len = r->path ? strlen(r->path) : 0;

		if (!len || strncmp(c->path, r->path, len) != 0 ||
		    (c->path[len] && c->path[len] != '/'))
			continue;
		c->priv->res_handle = resource_handler(c, r, c->path + len, method, path_known);
		c->priv->resource = r;
		c->priv->rule = !strcmp(method, "GET") ? r->read : r->write;
		if (c->priv->res_handle)
			return 0;
	}
	return -ENOENT;
}

static bool find(struct call *c, bool *path_known)
{
	return !find_route(c, c->method, path_known) || !find_resource(c, c->method, path_known);
}

/* As sent; else with the slash at the end that it lacks, or without: all services take both. */
static bool find_either(struct call *c, bool *path_known)
{
	size_t len = strlen(c->path);
	char *other;

	if (find(c, path_known))
		return true;
	if (*path_known)
		return false;
	while (len > 1 && c->path[len - 1] == '/')
		len--;
	if (asprintf(&other, c->path[len] ? "%.*s" : "%.*s/", (int)len, c->path) < 0)
		return false;
	free((char *)c->path);
	c->path = other;
	if (find(c, path_known))
		return true;
	other[len] = '\0'; /* as the tables of what is not there have it */
	return false;
}

static bool is_absent(struct call *c, const struct absent *a, const char *word)
{
	if (a->method && strcmp(a->method, c->method) != 0)
		return false;
	if (word)
		return a->word && !strcmp(a->word, word);
	return !a->word && match(c, a->path, c->path);
}

/**
 * fault_absent() - Refuse what is not served on purpose, and say why
 * @c:    the call; without @word its ids are lost
 * @word: the member of the body that says what is asked for; NULL: the path does
 *
 * Return: 0 if no feature's table (struct absent) has it; else as call_fail().
 */
int fault_absent(struct call *c, const char *word)
{
	for (const struct feature *const *f = c->opts->features; *f; f++) {
		const struct absent *a = (*f)->service == c->service ? (*f)->absent : NULL;

		for (; a && a->path; a++)
			if (is_absent(c, a, word))
				return call_fail(c, a->status,
						 a->status == 404 ? "HTTPNotFound" : "BadRequest",
						 "%s", a->why);
	}
	return 0;
}

/* 405 names the methods there are (RFC 9110, 15.5.6). */
static int fault_no_method(struct call *c, const char *method)
{
	static const char *const all[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	const char *asked = c->method;
	char allow[64] = "";
	bool known;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		c->method = all[i];
		if (find(c, &known))
			n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "",
					      i ? all[i] : "GET, HEAD");
	}
	c->method = asked;
	c->priv->handle = NULL;
	c->priv->res_handle = NULL;
	call_header(c, "Allow", allow);
	return call_fail(c, 405, "HTTPMethodNotAllowed",
			 "The method %.20s is not allowed for this resource.", method);
}

/* Neutron's pecan cuts an ending of what was asked for; we have JSON alone. */
static void cut_ending(char *path)
{
	size_t len = strlen(path);

	if (len > 5 && !strcmp(path + len - 5, ".json") && path[len - 6] != '/')
		path[len - 5] = '\0';
}

/* What stands below an older version's root is answered by the newer one. */
static int use_newer(struct call *c)
{
	const char *older = c->service->older, *below = c->path + (older ? strlen(older) : 0);
	char *path;

	if (!older || strncmp(c->path, older, strlen(older)) != 0 || !*below)
		return 0;
	if (asprintf(&path, "%s%s", c->service->newer, below) < 0)
		return -ENOMEM;
	free((char *)c->path);
	c->path = path;
	return 0;
}

/* Fills in c->auth from the token, if the route needs one. */
static int authenticate(struct call *c)
{
	struct call_priv *p = c->priv;
	const char *token = call_header_in(c, "X-Auth-Token");

	if (p->rule == RULE_OPEN || p->authenticated)
		return 0;
	if (p->rule == RULE_REPLICA)
		return replica_admit(c) ? 0 : fault_unauthorized(c);
	if (!token || p->eng->authority->authenticate(c, token, &p->auth))
		return fault_unauthorized(c);
	p->authenticated = true;
	return 0;
}

/**
 * route_find() - Find a request's handler
 * @c:      a new call; gets service, path, ids, query arguments and handler
 * @method: as sent; HEAD is served as GET
 * @target: as sent
 *
 * Return: 0; a fault: 400 for a broken target, 404, 405.
 */
int route_find(struct call *c, const char *method, const char *target)
{
	struct call_priv *p = c->priv;
	size_t path_len = strcspn(target, "?"), prefix_len = 0;
	auto_free char *path = strndup(target, path_len);
	bool path_known = false;
	const char *below;
	int rc;

	if (!path)
		return -ENOMEM;
	c->head = !strcmp(method, "HEAD");
	c->method = c->head ? "GET" : method;
	c->service = find_service(p->eng, path, &prefix_len);
	below = c->service ? path + prefix_len : path;
	c->path = strdup(below[0] ? below : "/"); /* "/network" asks for the versions, too */
	if (!c->path)
		return -ENOMEM;
	if (c->service && c->service->style == FAULT_NEUTRON)
		cut_ending((char *)c->path);
	rc = args_parse(target[path_len] ? target + path_len + 1 : NULL, &p->args);
	if (rc == -E2BIG)
		return call_fail(c, 414, "HTTPRequestURITooLong",
				 "The query has more than %u arguments.", ARGS_MAX);
	if (rc)
		return call_fail(c, 400, "HTTPBadRequest", "The query cannot be read");
	if (!c->service)
		return fault_no_route(c);
	rc = use_newer(c);
	if (rc)
		return rc;
	if (find_either(c, &path_known))
		return 0;
	/* No token, no hint what there is. */
	if (authenticate(c))
		return -EACCES;
	rc = fault_absent(c, NULL);
	if (rc)
		return rc;
	return path_known ? fault_no_method(c, method) : fault_no_route(c);
}

static int find_room(struct call *c)
{
	int64_t room = c->priv->ask_room ? c->priv->ask_room(c) : INT64_MAX;

	c->priv->room = (size_t)MAX(room, (int64_t)0);
	return room < 0 ? (int)room : 0;
}

/* Where agents have certificates, a token that was stolen from one is not enough. */
static int certify(struct call *c)
{
	if (!c->priv->authenticated || !c->opts->tls || !c->opts->tls->client_ca ||
	    !caller_is_agent(c) || http_certified(c->priv->req))
		return 0;
	return call_fail(c, 403, "PolicyNotAuthorized", "An agent needs its client certificate.");
}

/**
 * route_admit() - Everything that the headers decide: the route, who asks, may he?
 * @c: a new call with a request
 *
 * Return: 0; a fault.
 */
int route_admit(struct call *c)
{
	struct http_req *req = c->priv->req;

	return route_find(c, http_method(req), http_target(req))
		       ?: authenticate(c)
		       ?: certify(c)
		       ?: policy_judge(c)
		       ?: find_room(c);
}

/* What an earlier try has found: what it read of users and roles may have been taken back. */
static void forget(struct call *c)
{
	struct call_priv *p = c->priv;

	p->authenticated = false;
	p->handle = NULL;
	p->res_handle = NULL;
	args_free(&p->args);
	free((char *)take(c->path));
	json_decref((json_t *)take(c->body));
}

/**
 * route_run() - Everything before the first run of a handler
 * @c: a call with a request, new, or refused by an answer that nobody got
 *
 * Return: 0, and the call is admitted; a fault.
 */
int route_run(struct call *c)
{
	int rc;

	forget(c);
	rc = route_admit(c) ?: body_parse(c);
	c->priv->admitted = !rc;
	return rc;
}
