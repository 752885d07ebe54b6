/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host agents' API, /anyvf/v1: inventory and heartbeats, desired documents
 * and their watch, reports, console answers (docs/agent-api.md). /agent/HOST is
 * written when the inventory changes and when the host dies (liveness.c) or comes
 * back.
 */
#include "hosts/agents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/uuid.h"
#include "compute/compute.h"
#include "compute/server_state.h"
#include "hosts/lease.h"
#include "network/taas/tap.h"

#define WATCH_MS	 30000 /* a watch without events ends after this */
#define CONSOLE_MAX	 65536 /* bytes of console text taken from an agent */
#define CONSOLE_STALE_US (60 * 1000000LL)

/* An agent may only name its own host. */
static int own_host(struct call *c, const char *host)
{
	if (caller_is_agent_of(c, host))
		return 0;
	return call_fail(c, 403, "Forbidden", "The agent of host %s alone may do this",
			 host ? host : "?");
}

/* PFs are parts of keys. */
static int valid_name(struct call *c, const char *field, json_t **value)
{
	if (!strpbrk(json_string_value(*value), "/ "))
		return 0;
	return call_fail(c, 400, NULL, "%s: a name has neither slashes nor blanks", field);
}

static const struct rfield pf_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 64, .valid = valid_name },
	{ "physical_networks", J_LIST, R_CREATE | R_NEED },
	{ "numvfs", J_INT, R_CREATE | R_NEED, .min = 0, .max = PLACE_MAX_VFS },
	{ "pci_slots", J_LIST, R_CREATE, "[]" },
	{ "busy", J_LIST, R_CREATE, "[]" },
	{ NULL },
};
static const struct rfield host_rows[] = {
	{ "pfs", J_LIST, R_CREATE | R_NEED },
	{ "vcpus", J_INT, R_CREATE | R_NEED, .min = 0, .max = 65536 },
	{ "memory_mb", J_INT, R_CREATE | R_NEED, .min = 0, .max = 1 << 30 },
	{ "disk_gb", J_INT, R_CREATE, "0", .min = 0, .max = 1 << 30 },
	{ "hypervisor", J_OBJ, R_CREATE, "{}" },
	{ NULL },
};

/* Replaces each PF by its checked form. */
static int accept_pfs(struct call *c, json_t *host)
{
	json_t *pfs = json_array(), *pf, *good;
	size_t i;

	json_array_foreach (json_object_get(host, "pfs"), i, pf) {
		int rc = json_is_object(pf)
				 ? fields_accept_known(c, pf_rows, pf, &good)
				 : call_fail(c, 400, NULL, "pfs: a list of objects is needed");
		if (rc) {
			json_decref(pfs);
			return rc;
		}
		json_array_append_new(pfs, good);
	}
	json_object_set_new(host, "pfs", pfs);
	return 0;
}

/* PUT /hosts/HOST: inventory and heartbeat in one. */
static int host_put(struct call *c)
{
	const char *host = c->ids[0];
	const json_t *old = call_get(c, "/agent/%s", host);
	json_t *doc = NULL;
	char id[UUID_STR_LEN];
	int rc = own_host(c, host);

	if (!rc)
		rc = fields_accept_known(c, host_rows, c->body, &doc);
	if (!rc)
		rc = accept_pfs(c, doc);
	if (!rc)
		rc = agent_heard(c, host);
	if (rc) {
		json_decref(doc);
		return rc;
	}
	uuid_new(id);
	json_object_set_new(doc, "id", json_string(old ? doc_text(old, "id") : id));
	json_object_set_new(doc, "host", json_string(host));
	json_object_set_new(doc, "alive", json_true());
	if (!old || !json_equal((json_t *)old, doc))
		rc = call_put(c, json_incref(doc), "/agent/%s", host);
	json_decref(doc);
	return rc ? rc
		  : call_reply(c, 200,
			       json_pack("{s:i}", "heartbeat_s", (int)agent_heartbeat_s(c)));
}

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
	static const char *const kinds[] = { "server",	"port",	    "network",
					     "console", "tap_flow", "tap_mirror" };
	const char *host = c->ids[0], *id;
	char kind[32], prefix[STORE_KEY_LEN];
	int rc = own_host(c, host);

	if (rc)
		return rc;
	json_t *out = json_pack("{s:I}", "revision", (json_int_t)call_revision(c));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		json_object_set_new(out, kinds[i], json_object());
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
	int rc = own_host(c, host);
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

static const struct rfield server_rows[] = {
	{ "generation", J_INT, R_CREATE | R_NEED },
	{ "status", J_STR, R_CREATE | R_NEED,
	  .names = (const char *const[]){ "ACTIVE", "SHUTOFF", "BUILD", "REBOOT", "ERROR",
					  "DELETED", NULL } },
	{ "power_state", J_INT, R_CREATE, "0", .min = 0, .max = 7 },
	{ "reboot", J_INT, R_CREATE, "0" },
	{ "fault", J_OBJ, R_CREATE | R_NULL },
	{ NULL },
};

/* The wish is gone with its report DELETED; so is the server, unless it left before. */
static int server_gone(struct call *c, const char *host, const char *id)
{
	const json_t *server = res_get(c, &server_resource, id);
	int rc = call_delete(c, "/host/%s/server/%s", host, id);

	if (!rc && server)
		rc = server_end(c, server);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int server_apply(struct call *c, const json_t *wish, const json_t *report)
{
	const json_t *old = res_get(c, &server_resource, c->ids[1]);
	char now[32];

	if (!old)
		return call_reply(c, 204, NULL);
	json_t *server = json_copy((json_t *)old);
	enum server_change change = server_report(server, wish, report, call_time(c, now));
	if (change == SERVER_SAME) {
		json_decref(server);
		return call_reply(c, 204, NULL);
	}
	if (change == SERVER_STOPPED)
		doc_set_text(server, "power", "off");
	int rc = server_put(c, json_incref(server));
	if (!rc && change == SERVER_STOPPED)
		rc = server_wish(c, server, false);
	json_decref(server);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int server_put_report(struct call *c)
{
	const char *host = c->ids[0], *id = c->ids[1];
	const json_t *wish = call_get(c, "/host/%s/server/%s", host, id);
	auto_of(json_decref) json_t *report = NULL;
	int rc = own_host(c, host);

	if (!rc)
		rc = fields_accept_known(c, server_rows, c->body, &report);
	if (rc)
		return rc;
	if (!wish || doc_int(wish, "generation") != doc_int(report, "generation"))
		return call_fail(c, 409, NULL,
				 "Server %s: generation %lld is not the one wished for now", id,
				 (long long)doc_int(report, "generation"));
	if (!doc_is(report, "status", "DELETED"))
		return server_apply(c, wish, report);
	if (!doc_bool(wish, "deleted"))
		return call_fail(c, 409, NULL, "Server %s is not to be deleted", id);
	return server_gone(c, host, id);
}

static int port_put_report(struct call *c)
{
	int rc = own_host(c, c->ids[0]);

	return rc ? rc : lease_report_port(c, c->ids[0], c->ids[1], c->body);
}

static int network_put_report(struct call *c)
{
	int rc = own_host(c, c->ids[0]);

	return rc ? rc : lease_report_network(c, c->ids[0], c->ids[1], c->body);
}

static int flow_put_report(struct call *c)
{
	int rc = own_host(c, c->ids[0]);

	return rc ? rc : tap_report(c, c->ids[0], "tap_flow", c->ids[1], c->body);
}

static int mirror_put_report(struct call *c)
{
	int rc = own_host(c, c->ids[0]);

	return rc ? rc : tap_report(c, c->ids[0], "tap_mirror", c->ids[1], c->body);
}

/* The answer waits at /console/REQUEST for the client's call (compute/action.c). */
static int console_put(struct call *c)
{
	const char *host = c->ids[0], *id = c->ids[1], *output = doc_text(c->body, "output");
	int rc = own_host(c, host);

	if (rc)
		return rc;
	if (!output || strlen(output) > CONSOLE_MAX)
		return call_fail(c, 400, NULL, "output: a text of at most %d bytes is needed",
				 CONSOLE_MAX);
	if (!call_get(c, "/host/%s/console/%s", host, id))
		return call_fail(c, 409, NULL, "Nobody asks for console %s any more", id);
	rc = call_delete(c, "/host/%s/console/%s", host, id);
	if (!rc)
		rc = call_put(
			c, json_pack("{s:s,s:I}", "output", output, "at_us", (json_int_t)c->now_us),
			"/console/%s", id);
	return rc ? rc : call_reply(c, 204, NULL);
}

static bool is_stale(const struct call *c, const json_t *doc)
{
	return c->now_us - doc_int(doc, "at_us") > CONSOLE_STALE_US;
}

/* Questions and answers of clients that went away, or of a process before this one. */
static int drop_stale_consoles(struct call *c)
{
	struct cursor answers = call_list(c, "/console/"), hosts = call_list(c, "/agent/");
	unsigned int left = STORE_OPS_MAX / 4;
	int rc = 0;

	while (!rc && left && cursor_next(&answers))
		if (is_stale(c, answers.doc) && left--)
			rc = call_delete(c, "%s", answers.key);
	while (!rc && cursor_next(&hosts)) {
		struct cursor it = call_list(c, "/host/%s/console/", doc_text(hosts.doc, "host"));

		while (!rc && left && cursor_next(&it))
			if (is_stale(c, it.doc) && left--)
				rc = call_delete(c, "%s", it.key);
	}
	return rc;
}

static const struct route routes[] = {
	{ "PUT", "/v1/hosts/{}", host_put, RULE_AGENT },
	{ "GET", "/v1/hosts/{}/desired", desired, RULE_AGENT },
	{ "GET", "/v1/watch", watch, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/server/{}", server_put_report, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/port/{}", port_put_report, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/network/{}", network_put_report, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/console/{}", console_put, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/tap_flow/{}", flow_put_report, RULE_AGENT },
	{ "PUT", "/v1/hosts/{}/tap_mirror/{}", mirror_put_report, RULE_AGENT },
	{ NULL },
};
static const struct route *const all_routes[] = { routes, NULL };
static const struct periodic periodics[] = {
	{ 1000, liveness_mark },
	{ 1000, liveness_end_deleting },
	{ 20000, drop_stale_consoles },
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
};
