/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host agents' API, /anyvf/v1 (docs/agent-api.md): wishes and their watch here,
 * inventory and heartbeats in inventory.c, reports in reports.c.
 */
#include "hosts/agents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/told.h"
#include "hosts/usage.h"
#include "hosts/wishes.h"

#define WATCH_MS 30000 /* a watch without events ends after this */

/* "/host/HOST/KIND/ID" behind "/host/HOST/"; false when the key has no such form. */
static bool split_key(const char *rest, char kind[32], const char **id)
{
	size_t len = strcspn(rest, "/");

	if (!rest[len] || len >= 32)
		return false;
	memcpy(kind, rest, len);
	kind[len] = '\0';
	*id = rest + len + 1;
	return true;
}

/* The revision that the agent has seen, which is here as well. Return: 0, or after call_fail(). */
static int read_seen(struct call *c, const char *text, uint64_t *seen)
{
	char *end;

	*seen = strtoull(text, &end, 10);
	if (*end || end == text)
		return call_fail(c, 400, NULL, "revision: a number is needed");
	if (*seen <= call_revision(c))
		return 0;
	call_header(c, "Retry-After", "1");
	return call_fail(c, 503, NULL,
			 "Revision %s is not here yet: this replica of the API is at %llu", text,
			 (unsigned long long)call_revision(c));
}

/* What an agent that has seen all up to now knows, as one number (docs/agent-api.md). */
static void sum_of(struct call *c, const char *prefix, char out[TOLD_LEN])
{
	size_t len = strlen(prefix);
	char kind[32];
	struct cursor it = call_list(c, "%s", prefix);
	uint64_t sum = 0;
	const char *id;

	while (cursor_next(&it))
		if (split_key(it.key + len, kind, &id))
			sum ^= told_hash(kind, id,
					 wish_generation(it.doc, call_version(c, it.key)));
	told_format(sum, out);
}

static void add_sum(struct call *c, const char *prefix, json_t *answer)
{
	char text[TOLD_LEN];

	sum_of(c, prefix, text);
	json_object_set_new(answer, "told", json_string(text));
}

/* GET /hosts/HOST/desired[?revision=R]: all, as it stands at a revision that is not before R. */
static int desired(struct call *c)
{
	struct wish_kind_it kinds = { c->opts->features };
	const struct wish_kind *k;
	const char *host = c->ids[0], *id, *from = call_arg(c, "revision");
	char kind[32], prefix[STORE_KEY_LEN];
	int rc = host_check_caller(c, host);
	uint64_t seen;

	if (!rc && from)
		rc = read_seen(c, from, &seen);
	if (rc)
		return rc;
	size_t len = (size_t)snprintf(prefix, sizeof(prefix), "/host/%s/", host);
	if (!call_settled(c, prefix))
		return call_wait(c, WATCH_MS, "%s", prefix);
	json_t *out = json_pack("{s:I}", "revision", (json_int_t)call_revision(c));
	while ((k = wish_kind_next(&kinds)))
		json_object_set_new(out, k->kind, json_object());
	struct cursor it = call_list(c, "%s", prefix);
	while (cursor_next(&it)) {
		if (!split_key(it.key + len, kind, &id))
			continue;
		if (!json_object_get(out, kind)) /* of another version's feature: the sum has it */
			json_object_set_new(out, kind, json_object());
		json_object_set_new(json_object_get(out, kind), id,
				    wish_told(it.doc, call_version(c, it.key)));
	}
	add_sum(c, prefix, out);
	return call_reply(c, 200, out);
}

struct collect {
	size_t prefix_len;
	json_t *events;
};

static void collect_event(void *arg, const struct store_event *ev)
{
	struct collect *col = arg;
	auto_of(json_decref) json_t *doc = record_read(ev->doc);
	char kind[32];
	const char *id;

	if (split_key(ev->key + col->prefix_len, kind, &id))
		json_array_append_new(col->events,
				      json_pack("{s:s,s:s,s:o}", "kind", kind, "id", id, "doc",
						doc ? wish_told(doc, ev->revision) : json_null()));
}

static int answer_watch(struct call *c, const char *prefix, json_t *events)
{
	json_t *answer =
		json_pack("{s:I,s:o}", "revision", (json_int_t)call_revision(c), "events", events);

	if (call_settled(c, prefix))
		add_sum(c, prefix, answer);
	return call_reply(c, 200, answer);
}

/*
 * What changed since is forgotten here: the API was started anew, or much changed elsewhere. To an
 * agent that knows what its host is told by now there is nothing to say, and it goes on from here.
 */
static int answer_stale(struct call *c, const char *prefix)
{
	const char *told = call_arg(c, "told");
	char now[TOLD_LEN];

	if (told && !call_settled(c, prefix))
		return call_wait(c, WATCH_MS, "%s", prefix);
	if (told)
		sum_of(c, prefix, now);
	if (told && !strcmp(told, now))
		return answer_watch(c, prefix, json_array());
	return call_fail(c, 410, NULL, "Revision %s is too old; read desired again",
			 call_arg(c, "revision"));
}

/* GET /watch?host=H&revision=R[&told=SUM]: sleeps until the host's documents change. */
static int watch(struct call *c)
{
	const char *host = call_arg(c, "host"), *from = call_arg(c, "revision");
	char prefix[STORE_KEY_LEN];
	int rc = host_check_caller(c, host);
	uint64_t after;

	rc = rc ? rc : read_seen(c, from ? from : "", &after);
	if (rc)
		return rc;
	struct collect col = { (size_t)snprintf(prefix, sizeof(prefix), "/host/%s/", host),
			       json_array() };
	rc = call_changes(c, after, prefix, collect_event, &col);
	if (!rc && (json_array_size(col.events) || c->expired))
		return answer_watch(c, prefix, col.events);
	json_decref(col.events);
	if (rc == -ESTALE)
		return answer_stale(c, prefix);
	return rc ? rc : call_wait(c, WATCH_MS, "%s", prefix);
}

static const struct route routes[] = {
	{ "GET", "/v1/hosts/{}", inventory_get, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}", inventory_put, RULE_AGENT, ROUTE_HEARD },
	{ "GET", "/v1/hosts/{}/desired", desired, RULE_AGENT },
	{ "GET", "/v1/watch", watch, RULE_AGENT, ROUTE_HEARD },
	{ "PUT", "/v1/hosts/{}/{}/{}", report_put, RULE_AGENT },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };
static const struct periodic periodics[] = {
	{ 1000, liveness_listen, true },
	{ 1000, liveness_mark },
	{ 1000, liveness_tell_gone },
	{ 0, NULL },
};

const struct service agents_service = {
	.prefix = "/anyvf",
	.style = FAULT_PLAIN,
};
const struct feature agents_feature = {
	.name = "agents",
	.service = &agents_service,
	.routes = all_routes,
	.periodics = periodics,
	.tallies = usage_tallies,
	.open = liveness_open,
	.close = liveness_close,
};
