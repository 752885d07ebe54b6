/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os-simple-tenant-usage: the hours of each project's servers within a period, and of those that
 * were deleted as far as they are remembered.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/iso8601.h"
#include "compute/compute.h"
#include "compute/server_state.h"

#define DIGITS "0123456789"

#define STAMP_LEN 32

/* What is counted, in seconds since 1970, and as the reply says it. */
struct period {
	int64_t from, to;
	char start[STAMP_LEN], stop[STAMP_LEN];
	bool detailed; /* each server, too */
};

/* fraction: what is said of the second's, from its first digit on. */
static const char *stamp(int64_t at, const char *fraction, char out[STAMP_LEN])
{
	int digits = (int)MIN(strspn(fraction, DIGITS), 6u);
	time_t t = (time_t)at;
	struct tm tm;
	size_t len;

	len = strftime(out, STAMP_LEN, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
	snprintf(out + len, STAMP_LEN - len, ".%.*s%.*s", digits, fraction, 6 - digits, "000000");
	return out;
}

static json_t *stamp_json(int64_t at)
{
	char text[STAMP_LEN];

	return json_string(stamp(at, "", text));
}

static int read_time(struct call *c, const char *arg, int64_t *out, char said[STAMP_LEN])
{
	const char *text = call_arg(c, arg), *dot = text ? strchr(text, '.') : NULL;

	*out = c->now_us / 1000000;
	if (text && !iso8601_parse(text, out))
		return call_fail(c, 400, "BadRequest", "Datetime is in invalid format");
	stamp(*out, dot ? dot + 1 : "", said);
	return 0;
}

/* A period that is to end later than now ends now. */
static int read_period(struct call *c, struct period *p)
{
	const char *detailed = call_arg(c, "detailed");
	int64_t now = c->now_us / 1000000;
	int rc = read_time(c, "start", &p->from, p->start) ?: read_time(c, "end", &p->to, p->stop);

	p->detailed = detailed && !strcmp(detailed, "1");
	if (!rc && p->from > p->to)
		return call_fail(c, 400, "BadRequest",
				 "Invalid start time. The start time cannot occur after the end "
				 "time.");
	if (!rc && p->to > now)
		stamp(p->to = now, "", p->stop);
	return rc;
}

/* Since when a server takes its share; false if it does not yet. */
static bool started(const json_t *server, int64_t *at)
{
	const char *text = doc_text(server, "launched_at");

	return text && iso8601_parse(text, at);
}

/* When it gave its share back; not yet: now. */
static int64_t ended(const json_t *server, int64_t now)
{
	int64_t at;

	return iso8601_parse(doc_str(server, "terminated_at"), &at) ? at : now;
}

static json_t *server_usage(const json_t *server, int64_t since, double hours, int64_t now)
{
	const json_t *flavor = json_object_get(server, "flavor");
	bool gone = doc_text(server, "terminated_at");
	int64_t end = ended(server, now);

	return json_pack("{s:O,s:O,s:f,s:O,s:O,s:O,s:O,s:O,s:o,s:o,s:s,s:I}", "instance_id",
			 json_object_get(server, "id"), "name", json_object_get(server, "name"),
			 "hours", hours, "tenant_id", json_object_get(server, "project_id"),
			 "memory_mb", json_object_get(flavor, "ram"), "local_gb",
			 json_object_get(flavor, "disk"), "vcpus", json_object_get(flavor, "vcpus"),
			 "flavor", json_object_get(flavor, "original_name"), "started_at",
			 stamp_json(since), "ended_at", gone ? stamp_json(end) : json_null(),
			 "state", gone ? "terminated" : doc_str(server, "vm_state"), "uptime",
			 (json_int_t)(end - since));
}

static const struct resource *const counted[] = { &server_resource, &deleted_server_resource };

/* The servers that took a share within the period: those that live, then those that are gone. */
static json_t *servers_within(struct call *c, const char *project, const struct period *p)
{
	json_t *list = json_array();
	int64_t since;

	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		struct cursor it = res_list(c, counted[i], project ? "project_id" : NULL, project);

		while (cursor_next(&it))
			if (started(it.doc, &since) && since <= p->to &&
			    ended(it.doc, c->now_us / 1000000) >= p->from)
				json_array_append(list, (json_t *)it.doc);
	}
	return list;
}

static void add(json_t *sums, const char *member, double more)
{
	double so_far = json_number_value(json_object_get(sums, member));

	json_object_set_new(sums, member, json_real(so_far + more));
}

static void add_server(json_t *usage, const json_t *server, const struct period *p, int64_t now)
{
	const json_t *flavor = json_object_get(server, "flavor");
	int64_t since, from;
	double h;

	(void)started(server, &since); /* it did: servers_within() */
	from = MAX(since, p->from);
	h = (double)MAX(MIN(ended(server, now), p->to) - from, 0) / 3600;
	add(usage, "total_hours", h);
	add(usage, "total_local_gb_usage", h * (double)doc_int(flavor, "disk"));
	add(usage, "total_vcpus_usage", h * (double)doc_int(flavor, "vcpus"));
	add(usage, "total_memory_mb_usage", h * (double)doc_int(flavor, "ram"));
	if (p->detailed)
		json_array_append_new(json_object_get(usage, "server_usages"),
				      server_usage(server, since, h, now));
}

/* What some servers took, project by project. */
static json_t *usages_of(struct call *c, const json_t *servers, const struct period *p)
{
	auto_of(json_decref) json_t *known = json_object();
	json_t *list = json_array(), *usage;
	const json_t *server;
	size_t i;

	json_array_foreach ((json_t *)servers, i, server) {
		const char *project = doc_str(server, "project_id");

		if (!json_object_get(known, project)) {
			usage = json_pack("{s:s,s:s,s:s,s:o*}", "tenant_id", project, "start",
					  p->start, "stop", p->stop, "server_usages",
					  p->detailed ? json_array() : NULL);
			json_object_set(known, project, usage);
			json_array_append_new(list, usage);
		}
		add_server(json_object_get(known, project), server, p, c->now_us / 1000000);
	}
	return list;
}

/* The usages of a page of servers: from 2.40 on, limit and marker are of these. */
static int usages(struct call *c, const char *project, struct period *p, json_t **out,
		  json_t **next)
{
	auto_of(json_decref) json_t *servers = servers_within(c, project, p);
	int rc = compute_minor(c) >= 40 ? compute_page(c, "id", &servers, next) : 0;

	*out = rc ? NULL : usages_of(c, servers, p);
	return rc;
}

/* GET /os-simple-tenant-usage: of all projects that have, or had servers */
static int usage_list(struct call *c)
{
	struct period p;
	json_t *list, *next = NULL;
	int rc = read_period(c, &p) ?: usages(c, NULL, &p, &list, &next);

	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:o,s:o*}", "tenant_usages", list, "tenant_usages_links",
					 next));
}

/* GET /os-simple-tenant-usage/PROJECT */
static int usage_show(struct call *c)
{
	auto_of(json_decref) json_t *list = NULL, *none = json_object();
	struct period p;
	json_t *usage, *next = NULL;
	int rc = read_period(c, &p);

	if (rc)
		return rc;
	if (!caller_owns(c, c->ids[0]))
		return call_fail(c, 403, "Forbidden",
				 "Policy doesn't allow os_compute_api:os-simple-tenant-usage:show "
				 "to be performed.");
	p.detailed = true;
	rc = usages(c, c->ids[0], &p, &list, &next);
	usage = json_array_get(list, 0);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:O,s:o*}", "tenant_usage", usage ? usage : none,
					 "tenant_usage_links", next));
}

const struct route usage_routes[] = {
	{ "GET", "/v2.1/os-simple-tenant-usage", usage_list, RULE_ADMIN },
	{ "GET", "/v2.1/os-simple-tenant-usage/{}", usage_show, RULE_READ },
	{ NULL },
};
