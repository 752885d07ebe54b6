/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts' agents say about what they were told: found by its kind, and given to its feature. */
#include <errno.h>
#include <stdio.h>

#include "hosts/agents.h"
#include "hosts/wishes.h"

/**
 * host_check_caller() - May the caller speak for a host? An agent may, for its own
 * @c:    call
 * @host: host, or NULL
 *
 * Return: 0, or after call_fail() with 403.
 */
int host_check_caller(struct call *c, const char *host)
{
	if (caller_is_agent_of(c, host))
		return 0;
	return call_fail(c, 403, "Forbidden", "The agent of host %s alone may do this",
			 host ? host : "?");
}

/* What a report of any kind says besides its own: which wish it answers. */
static const struct rfield every_report[] = { { "generation", J_INT, R_CREATE | R_NEED },
					      { NULL } };

/* The wish a report is about, unless the report is late, or early: what the agent was told by a
 * replica that is ahead is not here yet. NULL after a fault. */
static const json_t *reported(struct call *c)
{
	const char *host = c->ids[0], *kind = c->ids[1], *id = c->ids[2];
	const json_t *wish = wish_get(c, host, kind, id);
	auto_of(json_decref) json_t *said = NULL;
	char key[STORE_KEY_LEN + 1];
	int64_t now;

	if (fields_accept_known(c, every_report, c->body, &said))
		return NULL;
	if (!wish) {
		call_fail(c, 409, "Conflict", "Host %s is told of no %s %s", host, kind, id);
		return NULL;
	}
	snprintf(key, sizeof(key), "/host/%s/%s/%s", host, kind, id);
	now = wish_generation(wish, call_version(c, key));
	if (now && now == doc_int(said, "generation"))
		return wish;
	call_fail(c, 409, "Conflict",
		  "The wish for %s %s is another: its generation is %lld, not %lld", kind, id,
		  (long long)now, (long long)doc_int(said, "generation"));
	return NULL;
}

/**
 * report_put() - PUT /anyvf/v1/hosts/HOST/KIND/ID: an agent's report
 * @c: call
 *
 * Return: as a handler: 204; 403 for another's host; 404 for a kind that no feature has; 400; 409
 * for a late report; what the feature says.
 */
int report_put(struct call *c)
{
	const char *host = c->ids[0], *id = c->ids[2];
	const struct wish_kind *k = wish_kind_find(c, c->ids[1]);
	auto_of(json_decref) json_t *said = NULL, *wish = NULL;
	int rc = host_check_caller(c, host);

	if (!rc && !k)
		rc = call_fail(c, 404, NULL, "Nobody asks for reports about a %s", c->ids[1]);
	if (!rc)
		rc = fields_accept_known(c, k->report_rows, c->body, &said);
	if (rc)
		return rc;
	wish = json_incref((json_t *)reported(c));
	rc = wish ? k->report(c, host, id, wish, said) : -ENOENT;
	return rc ? rc : call_reply(c, 204, NULL);
}
