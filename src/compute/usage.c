/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os-simple-tenant-usage: the hours of each project's servers within a period. Servers that were
 * deleted are not kept, so they are not counted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/iso8601.h"
#include "compute/compute.h"
#include "compute/server_state.h"

/* What is counted, in seconds since 1970. */
struct period {
	int64_t from, to;
	bool detailed; /* each server, too */
};

static json_t *stamp(int64_t at)
{
	time_t t = (time_t)at;
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000000", gmtime_r(&t, &tm));
	return json_string(text);
}

static int read_time(struct call *c, const char *arg, int64_t *out)
{
	const char *text = call_arg(c, arg);

	*out = c->now_us / 1000000;
	if (!text || iso8601_parse(text, out))
		return 0;
	return call_fail(c, 400, "BadRequest", "Datetime is in invalid format");
}

static int read_period(struct call *c, struct period *p)
{
	const char *detailed = call_arg(c, "detailed");
	int rc = read_time(c, "start", &p->from) ?: read_time(c, "end", &p->to);

	p->detailed = detailed && !strcmp(detailed, "1");
	if (rc || p->from <= p->to)
		return rc;
	return call_fail(c, 400, "BadRequest",
			 "Invalid start time. The start time cannot occur after the end time.");
}

/* Since when a server takes its share; false if it does not yet. */
static bool started(const json_t *server, int64_t *at)
{
	const char *text = doc_text(server, "launched_at");

	return text && iso8601_parse(text, at);
}

static json_t *server_usage(const json_t *server, int64_t since, double hours, int64_t now)
{
	const json_t *flavor = json_object_get(server, "flavor");

	return json_pack("{s:O,s:O,s:f,s:O,s:O,s:O,s:O,s:O,s:o,s:n,s:O,s:I}", "instance_id",
			 json_object_get(server, "id"), "name", json_object_get(server, "name"),
			 "hours", hours, "tenant_id", json_object_get(server, "project_id"),
			 "memory_mb", json_object_get(flavor, "ram"), "local_gb",
			 json_object_get(flavor, "disk"), "vcpus", json_object_get(flavor, "vcpus"),
			 "flavor", json_object_get(flavor, "original_name"), "started_at",
			 stamp(since), "ended_at", "state", json_object_get(server, "vm_state"),
			 "uptime", (json_int_t)(now - since));
}

/* A project's usage; an empty object if it has none. */
static json_t *usage_of(struct call *c, const char *project, const struct period *p)
{
	struct cursor it = res_list(c, &server_resource, "project_id", project);
	double hours = 0, gb = 0, vcpus = 0, mb = 0;
	int64_t since, now = c->now_us / 1000000;
	json_t *servers = json_array(), *out;

	while (cursor_next(&it)) {
		const json_t *flavor = json_object_get(it.doc, "flavor");
		int64_t spent;
		double h;

		if (!started(it.doc, &since) || since > p->to)
			continue;
		spent = MIN(now, p->to) - MAX(since, p->from);
		h = (double)MAX(spent, 0) / 3600;
		hours += h;
		gb += h * (double)doc_int(flavor, "disk");
		vcpus += h * (double)doc_int(flavor, "vcpus");
		mb += h * (double)doc_int(flavor, "ram");
		json_array_append_new(servers, server_usage(it.doc, since, h, now));
	}
	out = json_array_size(servers)
		      ? json_pack("{s:s,s:f,s:f,s:f,s:f,s:o,s:o}", "tenant_id", project,
				  "total_hours", hours, "total_local_gb_usage", gb,
				  "total_vcpus_usage", vcpus, "total_memory_mb_usage", mb, "start",
				  stamp(p->from), "stop", stamp(p->to))
		      : json_object();
	if (p->detailed && json_object_size(out))
		json_object_set(out, "server_usages", servers);
	json_decref(servers);
	return out;
}

/* GET /os-simple-tenant-usage: of all projects that have servers */
static int usage_list(struct call *c)
{
	struct cursor it = res_list(c, &server_resource, NULL, NULL);
	auto_of(json_decref) json_t *seen = json_object();
	struct period p;
	json_t *list;
	int rc = read_period(c, &p);

	if (rc)
		return rc;
	list = json_array();
	while (cursor_next(&it)) {
		const char *project = doc_str(it.doc, "project_id");
		json_t *one = json_object_get(seen, project) ? NULL : usage_of(c, project, &p);

		json_object_set_new(seen, project, json_true());
		if (one && json_object_size(one))
			json_array_append(list, one);
		json_decref(one);
	}
	return call_reply(c, 200, json_pack("{s:o}", "tenant_usages", list));
}

/* GET /os-simple-tenant-usage/PROJECT */
static int usage_show(struct call *c)
{
	struct period p;
	int rc = read_period(c, &p);

	if (rc)
		return rc;
	if (!caller_owns(c, c->ids[0]))
		return call_fail(c, 403, "Forbidden",
				 "Policy doesn't allow os_compute_api:os-simple-tenant-usage:show "
				 "to be performed.");
	p.detailed = true;
	return call_reply(c, 200, json_pack("{s:o}", "tenant_usage", usage_of(c, c->ids[0], &p)));
}

const struct route usage_routes[] = {
	{ "GET", "/v2.1/os-simple-tenant-usage", usage_list, RULE_ADMIN },
	{ "GET", "/v2.1/os-simple-tenant-usage/{}", usage_show, RULE_READ },
	{ NULL },
};
