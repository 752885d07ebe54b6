/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state of this host (docs/agent-api.md), followed by long poll. Who answers may be a
 * replica of the API that lags: what is older than what was seen is not believed, and asked again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "base/told.h"

#define CALL_TIMEOUT_MS	 10000
#define WATCH_TIMEOUT_MS 45000 /* the API answers after 30 s at the latest */
#define PAUSE_MS	 250U  /* before the second try, then twice as long each time, ... */
#define PAUSES_MAX	 4U    /* ... so often */
#define MEND_MS		 60000 /* what was missed is read again at most that often */
#define WAITS_MS	 1000  /* who keeps a call so long refuses nothing */

enum api_state { API_UNKNOWN, API_THERE, API_BEHIND, API_LOST };

static void watch_again(struct agent *a);

static int apply_events(struct agent *a, const json_t *events)
{
	const json_t *event;
	int rc = 0;
	size_t i;

	json_array_foreach (events, i, event) {
		const char *kind = json_string_value(json_object_get(event, "kind"));
		const char *id = json_string_value(json_object_get(event, "id"));

		if (kind && id)
			rc = state_apply(a, kind, id, json_object_get(event, "doc")) ?: rc;
	}
	return rc;
}

/*
 * What is believed of an answer is seen: it is not asked for again. Said again, a deletion would
 * end what was made anew since, and each document with two changes would be older than itself.
 * Where a document was older than what was seen, everything is read until none is.
 *
 * Return: 0; -ESTALE: it, or a document of it, is older than what was seen, and not believed.
 */
static int apply_answer(struct agent *a, const json_t *answer)
{
	json_int_t revision = json_integer_value(json_object_get(answer, "revision"));
	int rc;

	if (revision < a->revision)
		return -ESTALE;
	rc = a->read_all ? state_apply_all(a, answer)
			 : apply_events(a, json_object_get(answer, "events"));
	a->counts.reads += a->read_all;
	a->revision = revision;
	a->read_all = rc;
	return rc;
}

/* At the same revision the API and we know the same documents, or a change was lost on the way. */
static void compare(struct agent *a, const json_t *answer)
{
	const char *theirs = json_string_value(json_object_get(answer, "told"));
	char ours[TOLD_LEN];

	told_format(a->told.sum, ours);
	if (!theirs || !strcmp(theirs, ours) || loop_now_ms() < a->mend_ms)
		return;
	log_warn("a change was missed: reading everything again",
		 "revision=%" PRId64 " told=%s known=%s", a->revision, theirs, ours);
	a->mend_ms = loop_now_ms() + MEND_MS;
	a->read_all = true;
}

/* Where the API was reached last, for `anyvf status`. */
static void record_url(const struct agent *a)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" AGENT_API_FILE, a->dir);
	record_write(path, json_pack("{s:s}", "url", a->api_url));
}

/* Says what is new of the API. */
static void tell(struct agent *a, enum api_state state, const char *why)
{
	const char *url = door_url(a->door);

	if (a->stopping ||
	    (a->api_state == (int)state && (state != API_THERE || a->api_url == url)))
		return;
	a->api_state = state;
	if (state == API_LOST) {
		log_warn("the API does not answer", "why=\"%s\"", why);
	} else if (state == API_BEHIND) {
		log_warn("the API is behind: what it says is older than what was seen",
			 "url=%s revision=%" PRId64, url, a->revision);
	} else {
		a->api_url = url;
		log_info("the API is there", "url=%s", url);
		record_url(a);
	}
}

struct delayed {
	struct agent *agent;
	struct loop_timer *timer;
};

static void delayed_watch(void *arg)
{
	struct delayed *d = arg;

	loop_timer_del(d->timer);
	watch_again(d->agent);
	free(d);
}

static void watch_later(struct agent *a, unsigned int tries)
{
	struct delayed *d = calloc(1, sizeof(*d));

	if (!d)
		return;
	d->agent = a;
	d->timer = loop_timer_add(a->loop, PAUSE_MS << MIN(tries, PAUSES_MAX), 0, delayed_watch, d);
}

/* Return: whether to ask again at once. */
static bool take_answer(struct agent *a, int failed, const json_t *answer, const char *why)
{
	bool all = a->read_all;
	int rc = failed ? 0 : apply_answer(a, answer);

	if (failed == -ESTALE) { /* 410: the changes since are forgotten */
		a->read_all = true;
		return !a->follow_tries++;
	}
	if (failed || rc) {
		tell(a, rc ? API_BEHIND : API_LOST, why);
		if (rc)
			door_leave(a->door);
		a->follow_tries++;
		return false;
	}
	tell(a, API_THERE, NULL);
	a->counts.answers += !all;
	if (!all)
		a->follow_tries = 0;
	compare(a, answer);
	return true;
}

static void watch_done(void *arg, int rc, json_t *answer, const char *why)
{
	struct agent *a = arg;
	bool at_once = take_answer(a, rc, answer, why);

	a->asked_ms = 0;
	if (!rc)
		agent_wake(a, SIDE_NONE);
	if (a->stopping)
		return;
	if (at_once)
		watch_again(a);
	else
		watch_later(a, a->follow_tries - 1);
}

static void watch_again(struct agent *a)
{
	char path[512], told[TOLD_LEN];

	told_format(a->told.sum, told);
	if (a->read_all)
		snprintf(path, sizeof(path), "/anyvf/v1/hosts/%s/desired?revision=%" PRId64,
			 a->opts.host, MAX(a->revision, (int64_t)0));
	else
		snprintf(path, sizeof(path), "/anyvf/v1/watch?host=%s&revision=%" PRId64 "&told=%s",
			 a->opts.host, a->revision, told);
	if (door_ask(a->door,
		     &(struct door_req){ .method = "GET",
					 .path = path,
					 .timeout_ms =
						 a->read_all ? CALL_TIMEOUT_MS : WATCH_TIMEOUT_MS,
					 .answer = true,
					 .waits = !a->read_all },
		     watch_done, a))
		watch_later(a, 0);
	else
		a->asked_ms = loop_now_ms();
}

/**
 * follow_start() - Begin to follow the desired state
 * @a: agent
 */
void follow_start(struct agent *a)
{
	a->revision = -1;
	a->read_all = true;
	watch_again(a);
}

/**
 * follow_heard() - The API was reached, perhaps another replica than the one told of
 * @a: agent
 *
 * It may be long until a watch has an answer, which tells that all is well again.
 */
void follow_heard(struct agent *a)
{
	if (a->api_state == API_THERE ||
	    (a->asked_ms && loop_now_ms() - a->asked_ms > WAITS_MS && a->desired_known))
		tell(a, API_THERE, NULL);
}

/**
 * follow_is_up() - Does the agent follow the API, as far as it knows?
 * @a: agent
 *
 * Return: true if it was told what this host is to be, and waits for more where it was heard last.
 */
bool follow_is_up(const struct agent *a)
{
	return a->desired_known && a->api_state == API_THERE && a->asked_ms;
}
