/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host agents' API, /anyvf/v1 (docs/agent-api.md): wishes and their watch here,
 * inventory and heartbeats in inventory.c, reports in reports.c.
 */
#include "hosts/agents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static int desired(struct call *c)
{
	struct wish_kind_it kinds = { c->opts->features };
	const struct wish_kind *k;
	const char *host = c->ids[0], *id;
	char kind[32], prefix[STORE_KEY_LEN];
	int rc = host_check_caller(c, host);

	if (rc)
		return rc;
	json_t *out = json_pack("{s:I}", "revision", (json_int_t)call_revision(c));
	while ((k = wish_kind_next(&kinds)))
		json_object_set_new(out, k->kind, json_object());
	size_t len = (size_t)snprintf(prefix, sizeof(prefix), "/host/%s/", host);
	struct cursor it = call_list(c, "%s", prefix);
	while (cursor_next(&it))
		if (split_key(it.key + len, kind, &id))
			json_object_set(json_object_get(out, kind), id, (json_t *)it.doc);
	return call_reply(c, 200, out);
}

struct collect {
	size_t prefix_len;
	json_t *events;
};

static void collect_event(void *arg, const struct store_event *ev)
{
	struct collect *col = arg;
	char kind[32];
	const char *id;

	if (split_key(ev->key + col->prefix_len, kind, &id))
		json_array_append_new(col->events, json_pack("{s:s,s:s,s:O?}", "kind", kind, "id",
							     id, "doc", ev->doc));
}

/* GET /watch?host=H&revision=R: sleeps until the host's documents change. */
static int watch(struct call *c)
{
	const char *host = call_arg(c, "host"), *from = call_arg(c, "revision");
	char prefix[STORE_KEY_LEN], *end;
	int rc = host_check_caller(c, host);
	uint64_t after;

	if (rc)
		return rc;
	after = from ? strtoull(from, &end, 10) : 0;
	if (!from || *end || end == from)
		return call_fail(c, 400, NULL, "revision: a number is needed");
	if (after > call_revision(c))
		return call_fail(c, 410, NULL,
				 "Revision %s is not of this store; read desired again", from);
	struct collect col = { (size_t)snprintf(prefix, sizeof(prefix), "/host/%s/", host),
			       json_array() };
	rc = call_changes(c, after, prefix, collect_event, &col);
	if (!rc && (json_array_size(col.events) || c->expired))
		return call_reply(c, 200,
				  json_pack("{s:I,s:o}", "revision", (json_int_t)call_revision(c),
					    "events", col.events));
	json_decref(col.events);
	if (rc == -ESTALE)
		return call_fail(c, 410, NULL, "Revision %s is too old; read desired again", from);
	return rc ? rc : call_wait(c, WATCH_MS, "%s", prefix);
}

static const struct route routes[] = {
	{ "PUT", "/v1/hosts/{}", inventory_put, RULE_AGENT },
	{ "GET", "/v1/hosts/{}/desired", desired, RULE_AGENT },
	{ "GET", "/v1/watch", watch, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/{}/{}", report_put, RULE_AGENT },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };
static const struct periodic periodics[] = {
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
	.open = liveness_open,
	.close = liveness_close,
};
