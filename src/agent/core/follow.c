/* SPDX-License-Identifier: Apache-2.0 */
/* The desired state of this host (docs/agent-api.md), followed by long poll. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/core/state.h"

#define CALL_TIMEOUT_MS	 10000
#define WATCH_TIMEOUT_MS 45000 /* the API answers after 30 s at the latest */
#define API_RETRY_MS	 1000

struct watch_job {
	struct agent *agent;
	int64_t revision; /* -1: read everything */
	json_t *answer;
	int rc;
	struct err e;
};

static void watch_again(struct agent *a);

static void watch_run(void *arg)
{
	struct watch_job *j = arg;
	const struct agent *a = j->agent;
	char path[512];

	if (j->revision < 0)
		snprintf(path, sizeof(path), "/anyvf/v1/hosts/%s/desired", a->opts.host);
	else
		snprintf(path, sizeof(path), "/anyvf/v1/watch?host=%s&revision=%" PRId64,
			 a->opts.host, j->revision);
	j->rc = door_call(a->door, a->watch_http, "GET", path, NULL,
			  j->revision < 0 ? CALL_TIMEOUT_MS : WATCH_TIMEOUT_MS, &j->answer, &j->e);
}

static void apply_answer(struct agent *a, const struct watch_job *j)
{
	const json_t *event, *revision = json_object_get(j->answer, "revision");
	size_t i;

	if (j->revision < 0)
		state_apply_all(a, j->answer);
	json_array_foreach (json_object_get(j->answer, "events"), i, event) {
		const char *kind = json_string_value(json_object_get(event, "kind"));
		const char *id = json_string_value(json_object_get(event, "id"));

		if (kind && id)
			state_apply(a, kind, id, json_object_get(event, "doc"));
	}
	a->revision = json_is_integer(revision) ? json_integer_value(revision) : -1;
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

static void watch_later(struct agent *a)
{
	struct delayed *d = calloc(1, sizeof(*d));

	if (!d)
		return;
	d->agent = a;
	d->timer = loop_timer_add(a->loop, API_RETRY_MS, 0, delayed_watch, d);
}

static void watch_done(void *arg)
{
	struct watch_job *j = arg;
	struct agent *a = j->agent;
	int rc = j->rc;

	if (!rc) {
		if (a->api_lost || !a->desired_known)
			log_info("the API is there", "url=%s", a->opts.api);
		a->api_lost = false;
		apply_answer(a, j);
		agent_wake(a, SIDE_NONE);
	} else if (rc == -ESTALE) {
		a->revision = -1;
	} else if (!a->api_lost && !a->stopping) {
		log_warn("the API does not answer", "why=\"%s\"", j->e.msg);
		a->api_lost = true;
	}
	json_decref(j->answer);
	free(j);
	if (a->stopping)
		return;
	if (rc && rc != -ESTALE)
		watch_later(a);
	else
		watch_again(a);
}

static void watch_again(struct agent *a)
{
	struct watch_job *j = calloc(1, sizeof(*j));

	if (j) {
		j->agent = a;
		j->revision = a->revision;
	}
	if (!j || work_push(a->watch_queue, watch_run, watch_done, j)) {
		free(j);
		watch_later(a);
	}
}

/**
 * follow_start() - Begin to follow the desired state
 * @a: agent
 */
void follow_start(struct agent *a)
{
	a->revision = -1;
	watch_again(a);
}
