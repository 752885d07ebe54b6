/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VF's whole document is dear to make for the switch, its numbers are not: all VFs' numbers are
 * asked for in every look, documents of those VFs alone whose numbers are others. What has no
 * number can be changed by calls, which the daemon counts, or rarely by others: a few VFs in turn
 * are asked whatever their numbers say.
 */
#include "web/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/loop.h"
#include "ctl/ctl.h"

#define DAEMONS	   2	/* of ctl_reading_socks[] */
#define TIMEOUT_MS 2000 /* of all that one is asked in a look */
#define IN_TURN	   8	/* VFs of a PF */
#define KEY_LEN	   512
#define RATE_MAX   9e15 /* what a page's numbers hold exactly */

static const char *const names[DAEMONS] = { "swd", "hwd" };

/* What is known of a daemon from the look before. */
struct seen {
	json_t *info; /* daemon.info's */
	uint64_t at_ms;
};

struct look {
	const char *run_dir;
	struct seen seen[DAEMONS];
	json_t *rows; /* key to its row in pf.counts */
	unsigned int turn;
};

/* One daemon in one look. */
struct ask {
	struct look *look;
	struct feed *feed;
	struct ctl_client *client;
	uint64_t deadline_ms;
	unsigned int i;	      /* of names[] */
	bool all;	      /* it was called to change something meanwhile, or is another */
	uint64_t now_ms;      /* when it was asked */
	uint64_t interval_ms; /* since it told what the feed has, 0: it has nothing */
	struct err e;
};

/**
 * look_new() - Begin to look
 * @run_dir: directory of the sockets, borrowed
 *
 * Return: ends with look_free(); NULL without memory.
 */
struct look *look_new(const char *run_dir)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->run_dir = run_dir;
	l->rows = json_object();
	return l;
}

/**
 * look_free() - Look no more
 * @l: look or NULL
 */
void look_free(struct look *l)
{
	for (unsigned int i = 0; l && i < DAEMONS; i++)
		json_decref(l->seen[i].info);
	if (l)
		json_decref(l->rows);
	free(l);
}

static int ask(struct ask *a, const char *method, json_t *params, json_t **out)
{
	uint64_t now = loop_now_ms();
	int left = a->deadline_ms > now ? (int)(a->deadline_ms - now) : 0;

	a->e = (struct err){ 0 };
	return ctl_call(a->client, method, params, left, out, &a->e);
}

static json_int_t number(const json_t *stats, const char *word)
{
	return json_integer_value(json_object_get(stats, word));
}

/* All frames that were dropped, by reasons or as sums. */
static json_int_t dropped(const json_t *stats)
{
	const json_t *drops = json_object_get(stats, "drops"), *n;
	uint64_t sum = 0;
	const char *reason;

	if (!drops)
		sum = (uint64_t)number(stats, "rx_dropped") + (uint64_t)number(stats, "tx_dropped");
	json_object_foreach ((json_t *)(uintptr_t)drops, reason, n)
		sum += (uint64_t)json_integer_value(n);
	return (json_int_t)sum;
}

/* Of an interval; whoever was released counts from zero again. Who lies may tell any numbers. */
static json_int_t rate(const struct ask *a, json_int_t was, json_int_t is, unsigned int times)
{
	double n = (double)((uint64_t)is - (uint64_t)was) * 1000 * times;

	if (!a->interval_ms || is <= was)
		return 0;
	return (json_int_t)MIN(n / (double)a->interval_ms, RATE_MAX);
}

/* What is not told has no rate. */
static json_t *rates(const struct ask *a, const json_t *was, const json_t *is)
{
	static const struct {
		const char *word, *of;
		unsigned int times;
	} all[] = { { "rx_bit", "rx_bytes", 8 },
		    { "tx_bit", "tx_bytes", 8 },
		    { "rx_packets", "rx_packets", 1 },
		    { "tx_packets", "tx_packets", 1 } };
	auto_of(json_decref) json_t *j = json_object();

	for (unsigned int i = 0; i < ARRAY_LEN(all); i++) {
		json_int_t n =
			was ? rate(a, number(was, all[i].of), number(is, all[i].of), all[i].times)
			    : 0;

		if (json_object_get(is, all[i].of) &&
		    json_object_set_new(j, all[i].word, json_integer(n)))
			return NULL;
	}
	if (json_object_set_new(j, "dropped",
				json_integer(was ? rate(a, dropped(was), dropped(is), 1) : 0)))
		return NULL;
	return take(j);
}

static bool is_moving(const json_t *doc)
{
	const json_t *all = json_object_get(doc, "rates"), *n;
	const char *word;

	json_object_foreach ((json_t *)(uintptr_t)all, word, n)
		if (json_integer_value(n))
			return true;
	return false;
}

static int put_vf(struct ask *a, const char *pf, const char *key, json_t *vf)
{
	const json_t *was = json_object_get(feed_get(a->feed, key), "stats");

	if (json_object_set_new(vf, "pf", json_string(pf)) ||
	    json_object_set_new(vf, "rates", rates(a, was, json_object_get(vf, "stats"))))
		return -ENOMEM;
	return feed_put(a->feed, a->i, key, json_incref(vf));
}

static int ask_vf(struct ask *a, const char *pf, unsigned int n, const char *key)
{
	auto_of(json_decref) json_t *vf = NULL;
	int rc = ask(a, "vf.get", json_pack("{s:s, s:i}", "pf", pf, "vf", (int)n), &vf);

	return rc ?: put_vf(a, pf, key, vf);
}

/* Those of @rows that are not as they were, and some in turn. */
static int look_at_rows(struct ask *a, const char *pf, const json_t *rows)
{
	unsigned int turns = (unsigned int)(json_array_size(rows) + IN_TURN - 1) / IN_TURN;
	char key[KEY_LEN];
	const json_t *row;
	int rc = 0;
	size_t n;

	json_array_foreach (rows, n, row) {
		const json_t *doc;

		snprintf(key, sizeof(key), "vf/%s/%zu", pf, n);
		doc = feed_get(a->feed, key);
		if (doc && !is_moving(doc) && n / IN_TURN != a->look->turn % turns &&
		    json_equal(row, json_object_get(a->look->rows, key)))
			feed_keep(a->feed, key);
		else
			rc = ask_vf(a, pf, (unsigned int)n, key);
		if (rc || json_object_set(a->look->rows, key, (json_t *)(uintptr_t)row))
			return rc ?: -ENOMEM;
	}
	return 0;
}

/* Every VF by one question; whose numbers moved since @rows is asked for again in the next look. */
static int look_at_all_vfs(struct ask *a, const char *pf, const json_t *rows)
{
	auto_of(json_decref) json_t *all = NULL;
	char key[KEY_LEN];
	json_t *vf;
	size_t n;
	int rc = ask(a, "pf.get", json_pack("{s:s, s:b}", "pf", pf, "vfs", 1), &all);

	json_array_foreach (json_object_get(all, "vfs"), n, vf) {
		snprintf(key, sizeof(key), "vf/%s/%zu", pf, n);
		rc = rc ?: put_vf(a, pf, key, vf);
		json_object_set(a->look->rows, key, json_array_get(rows, n));
	}
	return rc;
}

/* A PF that went meanwhile, or whose NIC does not answer, takes no other along. */
static int look_at_pf(struct ask *a, const char *pf)
{
	auto_of(json_decref) json_t *told = NULL;
	json_t *one;
	char key[KEY_LEN];
	const json_t *was, *rows;
	int rc = ask(a, "pf.counts", json_pack("{s:s}", "pf", pf), &told);

	if (rc)
		return ctl_is_over(rc) ? rc : 0;
	one = json_object_get(told, "pf");
	rows = json_object_get(told, "vfs");
	snprintf(key, sizeof(key), "pf/%s", pf);
	was = json_object_get(json_object_get(feed_get(a->feed, key), "status"), "uplink");
	if (json_object_set_new(
		    one, "rates",
		    rates(a, was, json_object_get(json_object_get(one, "status"), "uplink"))))
		return -EPROTO;
	rc = feed_put(a->feed, a->i, key, json_incref(one))
		     ?: (a->all ? look_at_all_vfs : look_at_rows)(a, pf, rows);
	return ctl_is_over(rc) ? rc : 0;
}

/* Documents of @method's list, called by @kind and the words of @words. */
static int look_at_list(struct ask *a, const char *method, const char *kind, const char *words[2])
{
	auto_of(json_decref) json_t *list = NULL;
	char key[KEY_LEN];
	json_t *one;
	size_t i;
	int rc = ask(a, method, NULL, &list);

	json_array_foreach (list, i, one) {
		size_t len = (size_t)snprintf(key, sizeof(key), "%s", kind);

		for (unsigned int w = 0; w < 2 && words[w] && len < sizeof(key); w++)
			len += (size_t)snprintf(key + len, sizeof(key) - len, "/%s",
						json_string_value(json_object_get(one, words[w]))
							?: "");
		rc = rc ?: feed_put(a->feed, a->i, key, json_incref(one));
	}
	return rc;
}

/* Has nothing been called that changes something? Another process counts for itself. */
static bool is_same(const json_t *was, const json_t *is)
{
	return json_equal(json_object_get(was, "pid"), json_object_get(is, "pid")) &&
	       json_equal(json_object_get(was, "changes"), json_object_get(is, "changes"));
}

static int look_at_daemon(struct ask *a)
{
	static const char *by_name[] = { "name", NULL }, *by_pf[] = { "pf", "name" };
	struct seen *seen = &a->look->seen[a->i];
	auto_of(json_decref) json_t *info = NULL, *pfs = NULL;
	const json_t *pf;
	int rc = ask(a, "daemon.info", NULL, &info);
	size_t i;

	a->all = !rc && !is_same(seen->info, info);
	if (a->all)
		json_object_clear(a->look->rows);
	a->now_ms = loop_now_ms();
	a->interval_ms = seen->at_ms ? MAX(a->now_ms - seen->at_ms, (uint64_t)1) : 0;
	rc = rc ?: ask(a, "pf.list", NULL, &pfs);
	json_array_foreach (pfs, i, pf)
		rc = rc ?: look_at_pf(a, json_string_value(pf) ?: "");
	rc = rc ?: look_at_list(a, "mirror.list", "mirror", by_name);
	rc = rc ?: look_at_list(a, "svc.list", "svc", by_pf);
	if (!rc) {
		json_decref(seen->info);
		seen->info = take(info);
		seen->at_ms = a->now_ms;
	}
	return rc;
}

static json_t *no_answer(const struct ask *a, int rc)
{
	return json_pack("{s:b, s:s}", "up", 0, "error", *a->e.msg ? a->e.msg : strerror(-rc));
}

/**
 * look_at_all() - A round of the feed
 * @l:	  look
 * @feed: gets what the daemons tell; of one that does not answer, what it told last
 *
 * A daemon that has not run here since the boot is not asked, unless neither has.
 *
 * Context: blocks for as long as the daemons take, which each get two seconds.
 */
void look_at_all(struct look *l, struct feed *feed)
{
	bool run[DAEMONS];

	for (unsigned int i = 0; i < DAEMONS; i++)
		run[i] = l->seen[i].info || ctl_has_run(l->run_dir, ctl_socks[i]);
	run[0] |= !run[1];
	feed_begin(feed);
	for (unsigned int i = 0; i < DAEMONS; i++) {
		struct ask a = {
			.look = l, .feed = feed, .i = i, .deadline_ms = loop_now_ms() + TIMEOUT_MS
		};
		char key[KEY_LEN];
		int rc;

		if (!run[i])
			continue;
		rc = ctl_open_reading(l->run_dir, i, true, TIMEOUT_MS, &a.client, &a.e)
			     ?: look_at_daemon(&a);
		ctl_close(a.client);
		snprintf(key, sizeof(key), "daemon/%s", names[i]);
		feed_put(feed, i, key, rc ? no_answer(&a, rc) : json_pack("{s:b}", "up", 1));
		if (rc)
			feed_keep_all(feed, i);
	}
	l->turn++;
	feed_end(feed);
}

/**
 * look_drops() - Why a VF's frames were dropped, and the last of them
 * @l:	 look
 * @pf:	 name
 * @vf:	 number
 * @out: gets what vf.drops answers, a new reference
 * @e:	 why not
 *
 * Return: 0 or a negative errno, of the daemon that was asked last.
 */
int look_drops(const struct look *l, const char *pf, unsigned int vf, json_t **out, struct err *e)
{
	int rc = -ENODEV;

	for (unsigned int i = 0; rc && i < DAEMONS; i++) {
		auto_of(ctl_close) struct ctl_client *c = NULL;

		if (!l->seen[i].info)
			continue;
		*e = (struct err){ 0 };
		rc = ctl_open_reading(l->run_dir, i, true, TIMEOUT_MS, &c, e);
		rc = rc
			     ?: ctl_call(c, "vf.drops",
					 json_pack("{s:s, s:i}", "pf", pf, "vf", (int)vf),
					 TIMEOUT_MS, out, e);
	}
	return rc;
}
