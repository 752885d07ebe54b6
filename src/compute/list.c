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

#include "base/iso8601.h"
#include "compute/compute.h"
#include "compute/server_state.h"
#include "engine/lists.h"
#include "network/core/network.h"

#define LIST_MAX      1000 /* servers of one answer, as Nova's max_limit */
#define SORT_KEYS_MAX 8
#define REPEATS_MAX   4 /* of +, in a pattern */

static bool has_reference(const char *pattern)
{
	for (const char *p = strchr(pattern, '\\'); p; p = strchr(p + 1 + !!p[1], '\\'))
		if (!p[1] || (p[1] >= '0' && p[1] <= '9'))
			return true;
	return false;
}

/* regcomp() copies what a + repeats: a++++… doubles its memory with each. */
static bool repeats_much(const char *pattern)
{
	unsigned int n = 0;

	for (const char *p = pattern; (p = strchr(p, '+')); p++)
		n++;
	return n > REPEATS_MAX;
}

/*
 * A POSIX pattern that takes neither long nor much memory: no back references, no counts, few
 * repeats. Anything else: plain text.
 */
static bool text_matches(const char *text, const char *pattern)
{
	regex_t re;
	bool hit;

	if (strchr(pattern, '{') || has_reference(pattern) || repeats_much(pattern) ||
	    strlen(pattern) > 255 || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
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

/* check_listing() has read the time before. */
static int64_t since(const json_t *s, const char *value)
{
	int64_t at = 0, changed = 0;

	(void)iso8601_parse(value, &at);
	(void)iso8601_parse(doc_str(s, "updated_at"), &changed);
	return changed - at;
}

static bool match_changes_since(struct call *c, const json_t *s, const char *value)
{
	return since(s, value) >= 0;
}

static bool match_changes_before(struct call *c, const json_t *s, const char *value)
{
	return since(s, value) <= 0;
}

static bool match_zone(struct call *c, const json_t *s, const char *value)
{
	return !strcmp(value, host_zone(c, doc_text(s, "host")));
}

static bool match_locked(struct call *c, const json_t *s, const char *value)
{
	return doc_bool(s, "locked") == (!strcasecmp(value, "true") || !strcmp(value, "1"));
}

/* Deleted servers are not kept: ?deleted=True finds none. */
static bool match_deleted(struct call *c, const json_t *s, const char *value)
{
	return strcasecmp(value, "true") && strcmp(value, "1");
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
	{ "tags", NULL, tags_all, false },
	{ "tags-any", NULL, tags_any, false },
	{ "not-tags", NULL, tags_not_all, false },
	{ "not-tags-any", NULL, tags_none, false },
	{ "availability_zone", NULL, match_zone, true },
	{ "locked", NULL, match_locked, false },
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
	unsigned int n_keys;
	struct {
		const char *name; /* stored member to sort by */
		bool ascending;
	} keys[SORT_KEYS_MAX];
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct listing *l = arg;
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int d = 0;

	for (unsigned int i = 0; i < l->n_keys && !d; i++) {
		d = strcmp(doc_str(x, l->keys[i].name), doc_str(y, l->keys[i].name));
		if (!l->keys[i].ascending)
			d = -d;
	}
	return d ? d : -strcmp(doc_text(x, "id"), doc_text(y, "id"));
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

/* Nova's sort keys that servers have here, and their members. */
static const char *const sortable[][2] = {
	{ "created_at", "created_at" },
	{ "updated_at", "updated_at" },
	{ "launched_at", "launched_at" },
	{ "display_name", "name" },
	{ "name", "name" },
	{ "display_description", "description" },
	{ "uuid", "id" },
	{ "host", "host" },
	{ "node", "host" },
	{ "hostname", "hostname" },
	{ "key_name", "key_name" },
	{ "user_id", "user_id" },
	{ "vm_state", "vm_state" },
	{ "task_state", "task_state" },
	{ "access_ip_v4", "access_ipv4" },
	{ "access_ip_v6", "access_ipv6" },
	{ "project_id", "project_id" },
};

/* The member behind a sort key; NULL: there is none for the caller. */
static const char *sort_member(const struct call *c, const char *key)
{
	bool host = !strcmp(key, "host") || !strcmp(key, "node");

	for (size_t i = 0; i < ARRAY_LEN(sortable); i++)
		if (!strcmp(key, sortable[i][0]) && (caller_is_admin(c) || !host))
			return sortable[i][1];
	return NULL;
}

static int read_order(struct call *c, struct listing *l)
{
	const char *key, *dir;

	for (unsigned int i = 0; i < SORT_KEYS_MAX && (key = call_arg_at(c, "sort_key", i)); i++) {
		dir = call_arg_at(c, "sort_dir", i);
		dir = dir ? dir : call_arg(c, "sort_dir");
		l->keys[i].name = sort_member(c, key);
		l->keys[i].ascending = dir && !strcmp(dir, "asc");
		l->n_keys = i + 1;
		if (!l->keys[i].name)
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for query parameters sort_key. Value: %s.",
					 key);
		if (dir && strcmp(dir, "asc") && strcmp(dir, "desc"))
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for query parameters sort_dir. Value: %s. "
					 "It is asc or desc",
					 dir);
	}
	if (!l->n_keys)
		l->keys[l->n_keys++].name = "created_at";
	return 0;
}

static int check_times(struct call *c)
{
	static const char *const args[] = { "changes-since", "changes-before" };
	int64_t at;

	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		if (call_arg(c, args[i]) && !iso8601_parse(call_arg(c, args[i]), &at))
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for query parameters %s. Value: %s. It is "
					 "not a date and time",
					 args[i], call_arg(c, args[i]));
	return 0;
}

static int check_listing(struct call *c, struct listing *l, long *limit)
{
	const char *text = call_arg(c, "limit"), *status = call_arg(c, "status");
	char *end;
	int rc = read_order(c, l) ?: check_times(c);

	if (rc)
		return rc;

	if (wants_all(c) && !caller_is_admin(c))
		return call_fail(
			c, 403, "Forbidden",
			"Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be "
			"performed.");
	if (status && compute_minor(c) >= 38 && !server_status_vm_state(status))
		return call_fail(c, 400, "BadRequest", "Invalid status value");
	*limit = text ? strtol(text, &end, 10) : LIST_MAX;
	if (text && (*end || end == text || *limit < 0))
		return call_fail(c, 400, "BadRequest",
				 "limit param must be an integer, and not negative");
	*limit = MIN(*limit, (long)LIST_MAX);
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
