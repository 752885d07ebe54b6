/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /servers and /servers/detail: Nova's filters as a table, sorting (newest
 * first), marker paging. Servers of the project; of all for admins who say so.
 */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compute/compute.h"
#include "compute/server_state.h"
#include "network/core/network.h"

#define LIST_MAX 1000 /* servers of one answer, as Nova's max_limit */

/* A POSIX pattern that cannot take long: no back references, no counts. Anything else: plain text.
 */
static bool text_matches(const char *text, const char *pattern)
{
	regex_t re;
	bool hit;

	if (strpbrk(pattern, "{\\") || strlen(pattern) > 255 ||
	    regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return strstr(text, pattern) != NULL;
	hit = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static bool match_name(struct call *c, const json_t *s, const char *value)
{
	return text_matches(doc_text(s, "name"), value);
}

static bool match_status(struct call *c, const json_t *s, const char *value)
{
	return !strcasecmp(server_status(s), value);
}

static bool match_flavor(struct call *c, const json_t *s, const char *value)
{
	return doc_is(json_object_get(s, "flavor"), "id", value);
}

static bool match_image(struct call *c, const json_t *s, const char *value)
{
	const char *id = strrchr(value, '/');

	return doc_is(json_object_get(s, "image"), "id", id ? id + 1 : value);
}

static bool match_ip(struct call *c, const json_t *s, const char *value)
{
	json_t *entry, *ip;
	size_t i, j;

	json_array_foreach (json_object_get(s, "ports"), i, entry) {
		const json_t *port = res_get(c, &port_resource, doc_text(entry, "id"));

		json_array_foreach (json_object_get(port, "fixed_ips"), j, ip)
			if (doc_text(ip, "ip_address") &&
			    text_matches(doc_text(ip, "ip_address"), value))
				return true;
	}
	return false;
}

static bool match_changes_since(struct call *c, const json_t *s, const char *value)
{
	return strcmp(doc_text(s, "updated_at"), value) >= 0;
}

static bool match_changes_before(struct call *c, const json_t *s, const char *value)
{
	return strcmp(doc_text(s, "updated_at"), value) <= 0;
}

/* Deleted servers are not kept: ?deleted=True finds none. */
static bool match_deleted(struct call *c, const json_t *s, const char *value)
{
	return strcasecmp(value, "true") && strcmp(value, "1");
}

static bool match_tag(struct call *c, const json_t *s, const char *value)
{
	json_t *tag;
	size_t i;

	json_array_foreach (json_object_get(s, "tags"), i, tag)
		if (!strcmp(json_string_value(tag), value))
			return true;
	return false;
}

/* match NULL: the member of that name equals the value, as text. Others are ignored, as in Nova
 * before 2.75. */
static const struct filter {
	const char *arg;
	const char *member;
	bool (*match)(struct call *c, const json_t *server, const char *value);
	bool admin; /* ignored for others */
} filters[] = {
	{ "name", NULL, match_name, false },
	{ "display_name", NULL, match_name, false },
	{ "status", NULL, match_status, false },
	{ "flavor", NULL, match_flavor, false },
	{ "image", NULL, match_image, false },
	{ "ip", NULL, match_ip, false },
	{ "ip6", NULL, match_ip, false },
	{ "changes-since", NULL, match_changes_since, false },
	{ "changes-before", NULL, match_changes_before, false },
	{ "deleted", NULL, match_deleted, true },
	{ "tags", NULL, match_tag, false },
	{ "uuid", "id", NULL, false },
	{ "reservation_id", NULL, NULL, false },
	{ "description", NULL, NULL, false },
	{ "key_name", NULL, NULL, false },
	{ "user_id", NULL, NULL, false },
	{ "vm_state", NULL, NULL, false },
	{ "task_state", NULL, NULL, true },
	{ "host", NULL, NULL, true },
	{ "node", "host", NULL, true },
	{ "hostname", NULL, NULL, false },
	{ "project_id", NULL, NULL, true },
	{ "tenant_id", "project_id", NULL, true },
};

static bool passes(struct call *c, const json_t *s)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const struct filter *f = &filters[i];
		const char *value = f->admin && !caller_is_admin(c) ? NULL : call_arg(c, f->arg),
			   *has;

		if (!value)
			continue;
		if (f->match) {
			if (!f->match(c, s, value))
				return false;
			continue;
		}
		has = doc_text(s, f->member ? f->member : f->arg);
		if (!has || strcmp(has, value))
			return false;
	}
	return true;
}

/* The parts of one listing. Sorting happens in place on borrowed documents. */
struct listing {
	const json_t **servers;
	size_t len;
	const char *key; /* stored member to sort by */
	bool ascending;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct listing *l = arg;
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int d = strcmp(doc_str(x, l->key), doc_str(y, l->key));

	if (!d)
		d = strcmp(doc_text(x, "id"), doc_text(y, "id"));
	return l->ascending ? d : -d;
}

static bool wants_all(const struct call *c)
{
	const char *all = call_arg(c, "all_tenants");

	return all && strcmp(all, "0") && strcasecmp(all, "false");
}

static int gather(struct call *c, struct listing *l)
{
	struct cursor it =
		wants_all(c) ? res_list(c, &server_resource, NULL, NULL)
			     : res_list(c, &server_resource, "project_id", c->auth->project_id);
	const json_t **more;

	while (cursor_next(&it)) {
		if (!passes(c, it.doc))
			continue;
		if (!(l->len & (l->len + 1))) {
			more = realloc(l->servers, 2 * (l->len + 1) * sizeof(*more));
			if (!more)
				return -ENOMEM;
			l->servers = more;
		}
		l->servers[l->len++] = it.doc;
	}
	if (l->len)
		qsort_r(l->servers, l->len, sizeof(*l->servers), compare, l);
	return 0;
}

static int check_listing(struct call *c, struct listing *l, long *limit)
{
	static const char *const sortable[][2] = { { "created_at", "created_at" },
						   { "updated_at", "updated_at" },
						   { "display_name", "name" },
						   { "name", "name" },
						   { "uuid", "id" },
						   { "host", "host" },
						   { "vm_state", "vm_state" },
						   { "project_id", "project_id" } };
	const char *key = call_arg(c, "sort_key"), *dir = call_arg(c, "sort_dir"),
		   *text = call_arg(c, "limit"), *status = call_arg(c, "status");
	char *end;

	if (wants_all(c) && !caller_is_admin(c))
		return call_fail(
			c, 403, "Forbidden",
			"Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be "
			"performed.");
	if (status && compute_minor(c) >= 38 && !server_status_vm_state(status))
		return call_fail(c, 400, "BadRequest", "Invalid status value");
	l->key = "created_at";
	for (size_t i = 0; key && i < ARRAY_LEN(sortable); i++)
		if (!strcmp(key, sortable[i][0]) && (caller_is_admin(c) || strcmp(key, "host")))
			l->key = sortable[i][1];
	l->ascending = dir && !strcmp(dir, "asc");
	*limit = text ? strtol(text, &end, 10) : LIST_MAX;
	if (text && (*end || end == text || *limit < 0))
		return call_fail(c, 400, "BadRequest",
				 "limit param must be an integer, and not negative");
	*limit = MIN(*limit ? *limit : LIST_MAX, (long)LIST_MAX);
	return 0;
}

static int start_of(struct call *c, const struct listing *l, size_t *at)
{
	const char *marker = call_arg(c, "marker");

	*at = 0;
	if (!marker)
		return 0;
	for (size_t i = 0; i < l->len; i++)
		if (doc_is(l->servers[i], "id", marker)) {
			*at = i + 1;
			return 0;
		}
	return call_fail(c, 400, "MarkerNotFound", "marker [%s] not found", marker);
}

static int reply_list(struct call *c, const struct listing *l, long limit, bool brief)
{
	json_t *out = json_array();
	size_t at;
	int rc = start_of(c, l, &at);

	for (; !rc && at < l->len && (long)json_array_size(out) < limit; at++)
		json_array_append_new(out, brief ? server_view_brief(c, l->servers[at])
						 : server_view(c, l->servers[at]));
	json_t *reply = json_pack("{s:o}", "servers", out);
	if (!rc && at && at < l->len)
		json_object_set_new(
			reply, "servers_links",
			json_pack("[{s:s,s:o}]", "rel", "next", "href",
				  json_sprintf("%s/compute/v2.1/servers%s?limit=%ld&marker=%s",
					       c->opts->public_url, brief ? "" : "/detail", limit,
					       doc_text(l->servers[at - 1], "id"))));
	if (rc) {
		json_decref(reply);
		return rc;
	}
	return call_reply(c, 200, reply);
}

static int servers_list(struct call *c, bool brief)
{
	struct listing l = { NULL };
	long limit = 0;
	int rc = check_listing(c, &l, &limit);

	if (!rc)
		rc = gather(c, &l);
	if (!rc)
		rc = reply_list(c, &l, limit, brief);
	free(l.servers);
	return rc;
}

static int server_list_brief(struct call *c)
{
	return servers_list(c, true);
}

static int server_list_detail(struct call *c)
{
	return servers_list(c, false);
}

const struct route list_routes[] = {
	{ "GET", "/v2.1/servers", server_list_brief, RULE_READ },
	{ "GET", "/v2.1/servers/detail", server_list_detail, RULE_READ },
	{ NULL },
};
