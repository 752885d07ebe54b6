/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts are alive. When a host was last heard is kept in memory and by the
 * monotonic clock, so that a heartbeat that says nothing new costs no write and a
 * step of the wall clock ends no host. A host is dead for everybody who asks as
 * soon as it missed its heartbeats; /agent/HOST says so within a second, for all
 * hosts that fell silent together. Replicas will need the time in the store.
 */
#include "hosts/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "hosts/wishes.h"

#define MISSED_MAX 3 /* heartbeats a live host may miss */
#define MAX_HOSTS  4096
#define AGAIN_MS   1 /* until the next transaction of what one cannot hold */

/* When a host's heartbeat was heard last. Writer and readers: the loop. */
struct seen {
	char *host;
	int64_t at_us; /* as call.mono_us */
};
struct liveness {
	struct seen *list;
	unsigned int len;
	int64_t started_us; /* the first call of this engine: silence counts from here */
};

/**
 * liveness_open() - Begin with no host heard: the feature's open()
 *
 * Return: what liveness_close() frees; NULL without memory.
 */
void *liveness_open(void)
{
	return calloc(1, sizeof(struct liveness));
}

/**
 * liveness_close() - Forget them all: the feature's close()
 * @kept: from liveness_open()
 */
void liveness_close(void *kept)
{
	struct liveness *heard = kept;

	for (unsigned int i = 0; i < heard->len; i++)
		free(heard->list[i].host);
	free(heard->list);
	free(heard);
}

static struct liveness *heard_of(const struct call *c)
{
	return call_kept(c, &agents_feature);
}

/**
 * agent_heartbeat_s() - How often an agent is to be heard
 * @c: the call
 *
 * Return: seconds, `[api] heartbeat_s`.
 */
unsigned int agent_heartbeat_s(const struct call *c)
{
	int s = atoi(conf_get(c->opts->conf, "api", "heartbeat_s"));

	return s > 0 ? (unsigned int)s : 5;
}

static struct seen *seen_find(const struct liveness *heard, const char *host)
{
	for (unsigned int i = 0; i < heard->len; i++)
		if (!strcmp(heard->list[i].host, host))
			return &heard->list[i];
	return NULL;
}

/**
 * agent_heard() - A host's heartbeat is here
 * @c:    the call
 * @host: its name
 *
 * Return: 0; -ENOSPC past 4096 hosts; -ENOMEM.
 */
int agent_heard(const struct call *c, const char *host)
{
	struct liveness *heard = heard_of(c);
	struct seen *s = seen_find(heard, host), *list;

	if (!s) {
		if (heard->len == MAX_HOSTS)
			return -ENOSPC;
		list = realloc(heard->list, (heard->len + 1) * sizeof(*list));
		if (!list)
			return -ENOMEM;
		heard->list = list;
		s = &list[heard->len];
		s->host = strdup(host);
		if (!s->host)
			return -ENOMEM;
		heard->len++;
	}
	s->at_us = c->mono_us;
	return 0;
}

static int64_t silent_us(const struct call *c, const char *host)
{
	struct liveness *heard = heard_of(c);
	const struct seen *s = seen_find(heard, host);

	if (!heard->started_us)
		heard->started_us = c->mono_us;
	return MAX(c->mono_us - (s ? s->at_us : heard->started_us), 0);
}

/**
 * agent_silent_s() - How long a host was not heard
 * @c:    the call
 * @host: its name
 *
 * Return: seconds since its last heartbeat, or since this process started.
 */
unsigned int agent_silent_s(const struct call *c, const char *host)
{
	return (unsigned int)(silent_us(c, host) / 1000000);
}

/**
 * agent_alive() - May a host be counted on now?
 * @c:    the call
 * @host: its name; NULL: none
 *
 * Return: true if it reported, is not marked dead, and missed no more heartbeats than it may.
 */
bool agent_alive(struct call *c, const char *host)
{
	const json_t *doc = host ? call_get(c, "/agent/%s", host) : NULL;

	return doc_bool(doc, "alive") &&
	       agent_silent_s(c, host) <= MISSED_MAX * agent_heartbeat_s(c);
}

/**
 * agent_seen_time() - When a host was heard last, for os-services and agents
 * @c:    the call
 * @host: its name
 * @out:  "2026-11-22T15:20:44.000000", by the wall clock of now
 */
void agent_seen_time(const struct call *c, const char *host, char out[32])
{
	time_t t = (time_t)((c->now_us - silent_us(c, host)) / 1000000);
	struct tm tm;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%S.000000", gmtime_r(&t, &tm));
}

/**
 * liveness_mark() - Mark hosts that missed their heartbeats (struct periodic)
 * @c: the call
 *
 * A host is one change, so hundreds take a few transactions, one behind the other.
 *
 * Return: 0, CALL_WAIT when there are more, or a negative errno.
 */
int liveness_mark(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");
	unsigned int n = 0;
	int rc = 0;

	while (!rc && cursor_next(&it)) {
		const char *host = doc_text(it.doc, "host");

		if (!doc_bool(it.doc, "alive") || agent_alive(c, host))
			continue;
		if (n++ == STORE_OPS_MAX)
			return call_wait(c, AGAIN_MS, "/agent/");
		log_warn("a host's agent is silent", "host=%s seconds=%u", host,
			 agent_silent_s(c, host));
		json_t *doc = json_copy((json_t *)it.doc);
		json_object_set_new(doc, "alive", json_false());
		rc = call_put(c, doc, "%s", it.key);
	}
	return rc;
}

/* All features that want to know of a dead host. */
static int tell_gone(struct call *c, const char *host)
{
	int rc = 0;

	for (const struct feature *const *f = c->opts->features; *f && !rc; f++)
		if ((*f)->hosts && (*f)->hosts->host_gone)
			rc = (*f)->hosts->host_gone(c, host);
	return rc;
}

/**
 * liveness_tell_gone() - Let features do without the hosts that are dead (struct periodic)
 * @c: the call
 *
 * Return: 0, CALL_WAIT when there may be more, or what a feature says.
 */
int liveness_tell_gone(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");
	int rc = 0;

	while (!rc && cursor_next(&it))
		if (!agent_alive(c, it.key + it.prefix_len))
			rc = tell_gone(c, it.key + it.prefix_len);
	return rc == CALL_WAIT ? call_wait(c, AGAIN_MS, "/agent/") : rc;
}
