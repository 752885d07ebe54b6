/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts that somebody looks at: /watch/HOST says until when, which pages put off as long as they
 * look, and the host is told of it once, by a wish. Its agent then tells what its ports count; that
 * is /rates/HOST until nobody looks any more: a document, so that each replica's pages have it.
 */
#include <errno.h>

#include "hosts/agents.h"
#include "hosts/placement.h"
#include "ui/ui.h"

#define WATCH_US    15000000ll /* without a page that asks */
#define RENEW_US    12000000ll /* a page asks anew when less is left */
#define COLUMNS_MAX 16
#define ENDS_MAX    (STORE_OPS_MAX / 4) /* in one transaction: each is three documents */

static json_t *make(struct call *c, const char *host, const char *id, const json_t *have)
{
	return have ? json_incref((json_t *)have) : json_null();
}

static const struct rfield pf_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 64 },
	{ "vfs", J_LIST, R_CREATE | R_NEED },
	{ NULL },
};
static const struct rfield report_rows[] = {
	{ "at_ms", J_INT, R_CREATE | R_NEED },
	{ "columns", J_LIST, R_CREATE | R_NEED },
	{ "pfs", J_LIST, R_CREATE | R_NEED },
	{ NULL },
};

/* A list of these; null: what a NIC does not tell. */
static bool all_are(const json_t *list, json_type type, json_type or_type, size_t max)
{
	json_t *value;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > max)
		return false;
	json_array_foreach (list, i, value)
		if (json_typeof(value) != type && json_typeof(value) != or_type)
			return false;
	return true;
}

/* A table of numbers: rows as the head of all says. */
static bool is_table(const json_t *rows, const json_t *columns)
{
	json_t *row;
	size_t i;

	if (json_array_size(rows) > PLACE_MAX_VFS)
		return false;
	json_array_foreach (rows, i, row)
		if (!all_are(row, JSON_INTEGER, JSON_NULL, COLUMNS_MAX) ||
		    json_array_size(row) != json_array_size(columns))
			return false;
	return true;
}

static int accept_pfs(struct call *c, const json_t *said, json_t *out)
{
	const json_t *pfs = json_object_get(said, "pfs"),
		     *columns = json_object_get(said, "columns");
	bool good_head = all_are(columns, JSON_STRING, JSON_STRING, COLUMNS_MAX);
	int rc = good_head && json_array_size(pfs) <= PLACE_MAX_PFS ? 0 : -EINVAL;
	json_t *pf, *good;
	size_t i;

	json_array_foreach (rc ? NULL : pfs, i, pf) {
		rc = json_is_object(pf) ? fields_accept_known(c, pf_rows, pf, &good) : -EINVAL;
		if (rc)
			break;
		json_array_append_new(out, good);
		if (!is_table(json_object_get(good, "vfs"), columns))
			rc = -EINVAL;
	}
	return rc ? call_fail(c, 400, NULL, "pfs: a table of numbers for each PF is needed") : 0;
}

static int report(struct call *c, const char *host, const char *id, const json_t *wish,
		  const json_t *said)
{
	json_t *doc = json_pack("{s:O,s:O,s:[]}", "at_ms", json_object_get(said, "at_ms"),
				"columns", json_object_get(said, "columns"), "pfs");
	int rc = accept_pfs(c, said, json_object_get(doc, "pfs"));

	if (!rc)
		return call_put(c, doc, "/rates/%s", host);
	json_decref(doc);
	return rc;
}

/* Nothing waits for it. */
static int give_up(struct call *c, const char *host, const char *id, const json_t *wish)
{
	return wish_done(c, host, "watch", id) ?: 1;
}

const struct wish_kind watch_wish = { "watch", make, report_rows, report, give_up };

/* One that lies too far ahead is of a clock that was set back. */
static int64_t left_us(const struct call *c, const json_t *watch)
{
	int64_t left = doc_int(watch, "until") - c->now_us;

	return left <= WATCH_US ? left : 0;
}

/**
 * watch_keep() - Somebody looks at a host
 * @c:	  call
 * @host: its name; one that is not there, or does not live, tells nothing
 *
 * Return: 0 or a negative errno.
 */
int watch_keep(struct call *c, const char *host)
{
	const json_t *watch = call_get(c, "/watch/%s", host), *agent;
	const char *id;
	int rc;

	if (left_us(c, watch) > RENEW_US)
		return 0;
	agent = call_get(c, "/agent/%s", host);
	id = doc_text(agent, "id");
	if (!id || !agent_alive(c, host))
		return 0;
	rc = call_put(c, json_pack("{s:I}", "until", (json_int_t)(c->now_us + WATCH_US)),
		      "/watch/%s", host);
	return rc ?: wish_ask(c, host, "watch", id, json_pack("{s:s}", "id", id));
}

static int end_one(struct call *c, const char *host)
{
	struct cursor it = call_list(c, "/host/%s/watch/", host);
	int rc = 0;

	while (!rc && cursor_step(&it))
		rc = wish_done(c, host, "watch", it.key + it.prefix_len);
	if (!rc && call_get(c, "/rates/%s", host))
		rc = call_delete(c, "/rates/%s", host);
	return rc ?: call_delete(c, "/watch/%s", host);
}

/**
 * watch_end() - End it for hosts that nobody looks at any more
 * @c: a periodic call; who looked at all hosts of a cloud leaves more than one of these ends
 *
 * Return: 0 or a negative errno.
 */
int watch_end(struct call *c)
{
	struct cursor it = call_list(c, "/watch/");
	unsigned int left = ENDS_MAX;
	int rc = 0;

	while (!rc && left && cursor_next(&it)) {
		const char *host = it.key + it.prefix_len;

		if (left_us(c, it.doc) <= 0 || !agent_alive(c, host)) {
			rc = end_one(c, host);
			left--;
		}
	}
	return rc;
}
