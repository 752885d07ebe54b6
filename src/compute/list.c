/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /servers and /servers/detail: Nova's filters as a table, sorting (newest
 * first), marker paging. Servers of the project; of all for admins who say so; deleted ones, too,
 * where they are asked for or a time is.
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/omap.h"
#include "compute/compute.h"
#include "compute/server_state.h"
#include "engine/lists.h"
#include "network/core/network.h"

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

static bool match_zone(struct call *c, const json_t *s, const char *value)
{
	return !strcmp(value, host_zone(c, doc_text(s, "host")));
}

static bool match_locked(struct call *c, const json_t *s, const char *value)
{
	return doc_bool(s, "locked") == (field_bool_word(value) > 0);
}

enum { ADMIN = 1, EXACT = 2, ALL_TENANTS = 4 };

/* Nova's filters. match NULL: the member of that name, else the filter's, matches the value as a
 * pattern, or is it; one that servers do not have is no server's. */
static const struct filter {
	const char *arg;
	const char *member;
	bool (*match)(struct call *c, const json_t *server, const char *value);
	unsigned int flags; /* ADMIN: passed over for others */
	unsigned int since; /* minor microversion */
} filters[] = {
	{ "name", NULL, match_name },
	{ "display_name", NULL, match_name, ADMIN },
	{ "flavor", NULL, match_flavor },
	{ "image", NULL, match_image },
	{ "image_ref", NULL, match_image, ADMIN },
	{ "ip", NULL, match_ip },
	{ "ip6", NULL, match_ip, .since = 5 },
	{ "tags", NULL, tags_all, .since = 26 },
	{ "tags-any", NULL, tags_any, .since = 26 },
	{ "not-tags", NULL, tags_not_all, .since = 26 },
	{ "not-tags-any", NULL, tags_none, .since = 26 },
	{ "availability_zone", NULL, match_zone, ADMIN },
	{ "locked", NULL, match_locked, .since = 73 },
	{ "reservation_id" },
	{ "uuid", "id", .flags = ADMIN | EXACT },
	{ "description", .flags = ADMIN },
	{ "display_description", "description", .flags = ADMIN },
	{ "key_name", .flags = ADMIN },
	{ "user_id", .flags = ADMIN | EXACT },
	{ "vm_state", .flags = ADMIN | EXACT },
	{ "task_state", .flags = ADMIN | EXACT },
	{ "power_state", .flags = ADMIN | EXACT },
	{ "launch_index", .flags = ADMIN | EXACT },
	{ "host", .flags = ADMIN | EXACT },
	{ "node", "host", .flags = ADMIN },
	{ "hostname", .flags = ADMIN },
	{ "locked_by", .flags = ADMIN },
	{ "launched_at", .flags = ADMIN },
	{ "terminated_at", .flags = ADMIN },
	{ "created_at", .flags = ADMIN },
	{ "access_ip_v4", "access_ipv4", .flags = ADMIN },
	{ "access_ip_v6", "access_ipv6", .flags = ADMIN },
	{ "project_id", .flags = ADMIN | EXACT | ALL_TENANTS },
	{ "tenant_id", "project_id", .flags = ADMIN | EXACT | ALL_TENANTS },
};

static bool wants_all(const struct call *c)
{
	const char *all = call_arg(c, "all_tenants");

	return all && field_bool_word(all);
}

static bool applies(const struct call *c, const struct filter *f)
{
	return compute_minor(c) >= f->since && (!(f->flags & ADMIN) || caller_is_admin(c)) &&
	       (!(f->flags & ALL_TENANTS) || wants_all(c));
}

static bool member_matches(const struct filter *f, const json_t *s, const char *value)
{
	const json_t *has = json_object_get(s, f->member ? f->member : f->arg);
	const char *text = json_string_value(has);
	char number[24];

	if (json_is_integer(has)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(has));
		text = number;
	}
	return text && (f->flags & EXACT ? !strcmp(text, value) : text_matches(text, value));
}

/* Any of the statuses that are given. */
static bool has_status(const struct call *c, const json_t *s)
{
	const char *status;
	unsigned int i = 0;

	for (; (status = call_arg_at(c, "status", i)); i++)
		if (!strcasecmp(server_status(s), status))
			return true;
	return !i;
}

static bool passes(struct call *c, const json_t *s)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const struct filter *f = &filters[i];
		const char *value = call_arg(c, f->arg);

		if (value && applies(c, f) &&
		    !(f->match ? f->match(c, s, value) : member_matches(f, s, value)))
			return false;
	}
	return has_status(c, s);
}

/* Nova's sort keys, and the members of servers behind them. */
static const struct sort_key {
	const char *name, *member; /* member NULL: all servers are alike in it */
	const char *inner;	   /* member of that */
	bool passed;		   /* taken by Nova once, and passed over since */
	unsigned int since;	   /* minor microversion; passed over before */
} sort_keys[] = {
	{ "created_at", "created_at" },
	{ "updated_at", "updated_at" },
	{ "launched_at", "launched_at" },
	{ "terminated_at", "terminated_at" },
	{ "display_name", "name" },
	{ "display_description", "description" },
	{ "uuid", "id" },
	{ "host", "host" },
	{ "node", "host" },
	{ "hostname", "hostname" },
	{ "key_name", "key_name" },
	{ "user_id", "user_id" },
	{ "project_id", "project_id" },
	{ "vm_state", "vm_state" },
	{ "task_state", "task_state" },
	{ "power_state", "power_state" },
	{ "launch_index", "launch_index" },
	{ "locked", "locked", .since = 73 },
	{ "locked_by", "locked_by" },
	{ "access_ip_v4", "access_ipv4" },
	{ "access_ip_v6", "access_ipv6" },
	{ "auto_disk_config", "disk_config" },
	{ "image_ref", "image", "id" },
	{ "kernel_id", "image", "kernel_id" },
	{ "ramdisk_id", "image", "ramdisk_id" },
	{ "instance_type_id", "flavor", "id" },
	{ "availability_zone" },
	{ "config_drive" },
	{ "progress" },
	{ "root_device_name" },
	{ "architecture", .passed = true },
	{ "cell_name", .passed = true },
	{ "cleaned", .passed = true },
	{ "default_ephemeral_device", .passed = true },
	{ "default_swap_device", .passed = true },
	{ "deleted", .passed = true },
	{ "deleted_at", .passed = true },
	{ "disable_terminate", .passed = true },
	{ "ephemeral_gb", .passed = true },
	{ "ephemeral_key_uuid", .passed = true },
	{ "id", .passed = true },
	{ "key_data", .passed = true },
	{ "launched_on", .passed = true },
	{ "memory_mb", .passed = true },
	{ "os_type", .passed = true },
	{ "reservation_id", .passed = true },
	{ "root_gb", .passed = true },
	{ "shutdown_terminate", .passed = true },
	{ "user_data", .passed = true },
	{ "vcpus", .passed = true },
	{ "vm_mode", .passed = true },
};

/* A listing while it is made, in turns. */
struct listing {
	bool brief;
	struct span span; /* of their changes */
	unsigned int n_keys;
	struct {
		const struct sort_key *by;
		bool ascending;
	} keys[SORT_KEYS_MAX];
	const char *names[SORT_KEYS_MAX + 2]; /* members that decide, NULL at the end; none: any */
	long limit;
	struct walk *walks[2]; /* over servers that live, and over deleted ones, as far as... */
	struct omap *sorted;   /* place -> reference to a record */
	struct buf place;      /* of the server at hand */
	char *after;	       /* the marker's; NULL: not met */
	bool collected;
	const struct omap_node *shown, *next; /* the last one that is, and the next */
	json_t *out;
};

static const json_t *sort_value(const json_t *server, const struct sort_key *by)
{
	const json_t *value = by->member ? json_object_get(server, by->member) : NULL;

	return by->inner ? json_object_get(value, by->inner) : value;
}

static bool wants_status_deleted(const struct call *c)
{
	const char *status = call_arg(c, "status");

	return status && !strcasecmp(status, "deleted");
}

/* Servers that live, or those that were deleted, or both where changes are asked for. */
static bool wants(const struct call *c, bool deleted)
{
	const char *said = caller_is_admin(c) ? call_arg(c, "deleted") : NULL;

	if (wants_status_deleted(c))
		return deleted;
	if (said)
		return (field_bool_word(said) > 0) == deleted;
	return !deleted || call_arg(c, "changes-since") ||
	       (compute_minor(c) >= 66 && call_arg(c, "changes-before"));
}

static const struct sort_key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(sort_keys); i++)
		if (!strcmp(name, sort_keys[i].name))
			return &sort_keys[i];
	return NULL;
}

static int add_key(struct call *c, struct listing *l, const char *name, const char *dir)
{
	const struct sort_key *by = find_key(name);

	if (!by)
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for query parameters sort_key. Value: %s.", name);
	if (strcmp(dir, "asc") && strcmp(dir, "desc"))
		return call_fail(
			c, 400, "BadRequest",
			"Invalid input for query parameters sort_dir. Value: %s. It is asc "
			"or desc",
			dir);
	if (by->passed || compute_minor(c) < by->since)
		return 0;
	if (by->member && !strcmp(by->member, "host") && !caller_is_admin(c))
		return call_fail(c, 403, "Forbidden", "Only administrators can sort servers by %s",
				 name);
	l->keys[l->n_keys].by = by;
	l->keys[l->n_keys++].ascending = !strcmp(dir, "asc");
	return 0;
}

static int read_order(struct call *c, struct listing *l)
{
	const char *key, *dir;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < SORT_KEYS_MAX && (key = call_arg_at(c, "sort_key", i));
	     i++) {
		dir = call_arg_at(c, "sort_dir", i) ?: call_arg(c, "sort_dir");
		rc = add_key(c, l, key, dir ? dir : "desc");
	}
	if (!l->n_keys)
		l->keys[l->n_keys++].by = &sort_keys[0];
	return rc;
}

/* What Nova's database has beside servers, and what begins with an underscore, is no filter. */
static int check_fields(struct call *c)
{
	static const char *const joined[] = {
		"block_device_mapping", "services",	   "metadata",	 "system_metadata",
		"info_cache",		"security_groups", "pci_devices"
	};
	const char *name;
	bool wrong = false;

	for (unsigned int i = 0; caller_is_admin(c) && (name = call_arg_name(c, i)); i++) {
		wrong = *name == '_';
		for (size_t n = 0; n < ARRAY_LEN(joined); n++)
			wrong |= !strcmp(name, joined[n]);
		if (wrong)
			return call_fail(c, 400, "BadRequest", "Invalid filter field: %.100s.",
					 name);
	}
	return 0;
}

static int check_statuses(struct call *c)
{
	const char *status;

	if (wants_status_deleted(c) && !caller_is_admin(c))
		return call_fail(c, 403, "Forbidden",
				 "Only administrators may list deleted instances");
	for (unsigned int i = 0; (status = call_arg_at(c, "status", i)); i++)
		if (server_status_vm_state(status))
			return 0;
	if (call_arg(c, "status") && compute_minor(c) >= 38)
		return call_fail(c, 400, "BadRequest", "Invalid status value");
	return 0;
}

static int check_listing(struct call *c, struct listing *l)
{
	const char *locked = call_arg(c, "locked");
	int rc = check_fields(c) ?: read_order(c, l) ?: compute_span(c, &l->span);

	rc = rc ?: check_statuses(c);
	if (rc)
		return rc;
	if (wants_all(c) && !caller_is_admin(c))
		return call_fail(
			c, 403, "Forbidden",
			"Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be "
			"performed.");
	if (locked && compute_minor(c) >= 73 && field_bool_word(locked) < 0)
		return call_fail(c, 400, "BadRequest",
				 "Invalid input received: Unrecognized value '%.100s'", locked);
	return 0;
}

/* Without a filter all are chosen, and only what is sorted by is looked at. */
static void find_names(struct call *c, struct listing *l)
{
	static const char others[] = " limit marker sort_key sort_dir deleted all_tenants ";
	const char *name;
	unsigned int n = 0;

	for (unsigned int i = 0; (name = call_arg_name(c, i)); i++) {
		char word[32];

		snprintf(word, sizeof(word), " %s ", name);
		if (!strstr(others, word))
			return;
	}
	l->names[n++] = "id";
	for (unsigned int i = 0; i < l->n_keys; i++)
		if (l->keys[i].by->member)
			l->names[n++] = l->keys[i].by->member;
}

static int begin_walk(struct call *c, struct listing *l, bool deleted)
{
	const struct resource *r = deleted ? &deleted_server_resource : &server_resource;
	struct cursor it;

	if (!wants(c, deleted))
		return 0;
	it = wants_all(c) ? res_list(c, r, NULL, NULL)
			  : res_list(c, r, "project_id", c->auth->project_id);
	l->walks[deleted] = walk_begin(&it);
	return l->walks[deleted] ? 0 : -ENOMEM;
}

static int begin(struct call *c, struct listing *l)
{
	int rc = check_listing(c, l) ?: compute_limit(c, &l->limit);

	if (rc)
		return rc;
	find_names(c, l);
	if (!(l->sorted = omap_new()) || !(l->out = json_array()))
		return -ENOMEM;
	return begin_walk(c, l, false) ?: begin_walk(c, l, true);
}

/* Where it stands: by the keys, those that are alike by their ids, the last first. */
static int find_place(struct listing *l, const json_t *server)
{
	int rc = 0;

	l->place.len = 0;
	for (unsigned int i = 0; i < l->n_keys && !rc; i++)
		rc = order_put(&l->place, sort_value(server, l->keys[i].by), !l->keys[i].ascending);
	return rc ?: order_put(&l->place, json_object_get(server, "id"), true);
}

/* The next server of a walk. 1: there are no more; 0; a fault. */
static int collect(struct call *c, struct listing *l, struct walk *walk)
{
	auto_of(json_decref) json_t *seen = NULL;
	const char *marker = call_arg(c, "marker");
	struct omap_node *node;
	struct record *server;
	int rc = walk_next(walk, &server);

	if (rc <= 0)
		return rc ? rc : 1;
	seen = *l->names ? record_pick(server, l->names) : record_read(server);
	if (!seen)
		return -ENOMEM;
	if (!span_has(&l->span, seen) || !passes(c, seen))
		return 0;
	rc = find_place(l, seen);
	node = rc ? NULL : omap_insert(l->sorted, l->place.data);
	if (!node)
		return -ENOMEM;
	record_unref(node->value);
	node->value = record_ref(server);
	if (marker && doc_is(seen, "id", marker) && !l->after && !(l->after = strdup(node->key)))
		return -ENOMEM;
	return 0;
}

/* The page begins behind its marker. */
static int find_page(struct call *c, struct listing *l)
{
	const char *marker = call_arg(c, "marker");

	if (marker && !l->after)
		return compute_no_marker(c, marker);
	l->next = omap_from(l->sorted, l->after ?: "");
	if (l->after)
		l->next = l->next->next[0];
	l->collected = true;
	return 0;
}

static int show(struct call *c, struct listing *l)
{
	auto_of(json_decref) json_t *server = record_read(l->next->value);

	if (!server)
		return -ENOMEM;
	json_array_append_new(l->out,
			      l->brief ? server_view_brief(c, server) : server_view(c, server));
	l->shown = l->next;
	l->next = l->next->next[0];
	return 0;
}

/* One server further. 1: that was all; 0; a fault. */
static int step(struct call *c, struct listing *l)
{
	int rc;

	for (unsigned int i = 0; i < ARRAY_LEN(l->walks); i++) {
		rc = l->walks[i] ? collect(c, l, l->walks[i]) : 1;
		if (rc <= 0)
			return rc;
		walk_end(take(l->walks[i]));
	}
	if (!l->collected && (rc = find_page(c, l)))
		return rc;
	if (!l->next || (long)json_array_size(l->out) >= l->limit)
		return 1;
	return show(c, l);
}

static int reply(struct call *c, const struct listing *l)
{
	auto_of(json_decref) json_t *last = record_read(l->shown ? l->shown->value : NULL);
	json_t *next = NULL;

	if (l->next && last)
		next = json_pack("[{s:s,s:o}]", "rel", "next", "href",
				 call_next_link(c, doc_str(last, "id")));
	return call_reply(c, 200,
			  json_pack("{s:O,s:o*}", "servers", l->out, "servers_links", next));
}

static void listing_free(void *kept)
{
	struct listing *l = kept;

	for (unsigned int i = 0; i < ARRAY_LEN(l->walks); i++)
		walk_end(l->walks[i]);
	for (struct omap_node *n = l->sorted ? omap_from(l->sorted, "") : NULL; n; n = n->next[0])
		record_unref(n->value);
	omap_free(l->sorted);
	buf_fini(&l->place);
	json_decref(l->out);
	free(l->after);
	free(l);
}

/* Those that there were in its first turn, in turns. */
static int servers_list(struct call *c, bool brief)
{
	struct listing *l = call_resume(c);
	int rc = 0;

	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return -ENOMEM;
		l->brief = brief;
		rc = begin(c, l);
	}
	while (!rc && call_spent_us(c) <= CALL_TURN_US)
		rc = step(c, l);
	if (!rc)
		return call_yield(c, l, listing_free);
	if (rc > 0)
		rc = reply(c, l);
	listing_free(l);
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
