/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts are alive. When a host was last heard is no document but a beat of
 * the store's, which all replicas hear, each by its own monotonic clock: a
 * heartbeat that says nothing new changes nothing and a step of a wall clock ends
 * no host. A host is dead for everybody who asks as soon as it missed its
 * heartbeats; /agent/HOST says so within a second, for all hosts that fell silent
 * together.
 */
#include "hosts/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "hosts/wishes.h"

#define MISSED_MAX 3	   /* heartbeats a live host may miss */
#define BEAT_S	   5U	   /* between two of a host, unless that were more than ... */
#define BEATS_MAX  64	   /* ... a second of all: many hosts cost no more than these */
#define AGAIN_MS   1	   /* until the next transaction of what one cannot hold */
#define STILL_US   2000000 /* who did nothing for so long heard nothing */
#define PAST_MAX   64	   /* seconds of a busy store that are remembered */

struct liveness {
	int64_t since_us; /* beats are heard from here on: silence counts */
	int64_t awake_us; /* they were until here */
	struct past {
		uint64_t revision; /* the store's, ... */
		int64_t at_us;	   /* ... until here */
	} past[PAST_MAX];	   /* a ring */
	unsigned int n_past;	   /* ever */
	int64_t calm_us;	   /* all hosts that live do so until here ... */
	uint64_t calm_revision;	   /* ... if none was written since */
	bool all_alive;		   /* and there was no other */
	unsigned int hosts;	   /* that there are ... */
	uint64_t hosts_revision;   /* ... as of this one */
	unsigned int was_s;	   /* between beats, when there were more, ... */
	int64_t was_us;		   /* ... which they go by until here */
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
	free(kept);
}

static struct liveness *heard_of(const struct call *c)
{
	return call_kept(c, &agents_feature);
}

/**
 * agent_heartbeat_s() - How often an agent is to be heard
 * @c: the call
 *
 * Return: seconds: `[api] heartbeat_s`, or what the number of hosts makes of "auto".
 */
unsigned int agent_heartbeat_s(const struct call *c)
{
	int s = atoi(conf_get(c->opts->conf, "api", "heartbeat_s"));
	unsigned int hosts = heard_of(c)->hosts;

	return s > 0 ? (unsigned int)s : MAX(BEAT_S, (hosts + BEATS_MAX - 1) / BEATS_MAX);
}

/* How long a live host may be silent. It may not have heard yet that it is to be heard oftener. */
static unsigned int may_s(const struct call *c)
{
	const struct liveness *l = heard_of(c);
	unsigned int s = agent_heartbeat_s(c);

	return MISSED_MAX * (c->mono_us < l->was_us ? MAX(s, l->was_s) : s);
}

/* Whom all replicas hear of. */
static void name_of(const char *host, char out[STORE_KEY_LEN + 1])
{
	snprintf(out, STORE_KEY_LEN + 1, "host/%s", host);
}

/**
 * agent_heard() - A host's heartbeat is here
 * @c:    the call
 * @host: its name
 *
 * Return: as store_beat().
 */
int agent_heard(const struct call *c, const char *host)
{
	char name[STORE_KEY_LEN + 1];

	name_of(host, name);
	return store_beat(c->opts->store, name, c->mono_us);
}

/*
 * Since this process runs without a pause. While it stood still, its disk slow or its machine
 * stopped, heartbeats waited to be read, and those of its own machine were not sent.
 */
static int64_t hears_since(const struct call *c)
{
	struct liveness *l = heard_of(c);

	if (c->mono_us - l->awake_us > STILL_US)
		l->since_us = c->mono_us;
	l->awake_us = MAX(l->awake_us, c->mono_us);
	return l->since_us;
}

static struct past *past_at(struct liveness *l, unsigned int i)
{
	return &l->past[i % PAST_MAX];
}

static void note_change(void *arg, const struct store_event *ev)
{
	*(bool *)arg = true;
}

static void count_hosts(struct call *c)
{
	unsigned int was_s = agent_heartbeat_s(c);
	struct liveness *l = heard_of(c);
	struct cursor it;
	bool changed = false;

	if (!call_changes(c, l->hosts_revision, "/agent/", note_change, &changed) && !changed)
		return;
	l->hosts_revision = call_revision(c);
	call_browse(c, true); /* one more or less is no reason to run again */
	it = call_list(c, "/agent/");
	for (l->hosts = 0; cursor_next(&it); l->hosts++)
		;
	call_browse(c, false);
	if (was_s <= agent_heartbeat_s(c) || (c->mono_us < l->was_us && was_s < l->was_s))
		return;
	l->was_s = was_s;
	l->was_us = c->mono_us + (int64_t)MISSED_MAX * was_s * 1000000;
}

/**
 * liveness_listen() - Note that this replica does not stand still, and where (struct periodic)
 * @c: the call
 *
 * Return: 0.
 */
int liveness_listen(struct call *c)
{
	struct liveness *l = heard_of(c);
	uint64_t revision = call_revision(c);

	hears_since(c);
	count_hosts(c);
	if (!l->n_past || past_at(l, l->n_past - 1)->revision != revision)
		l->n_past++;
	*past_at(l, l->n_past - 1) = (struct past){ revision, c->mono_us };
	return 0;
}

/*
 * Who came, or came back, at another replica is in its document before its first beat is here: that
 * is a second's work of the store's, or longer. Its document was written because it was heard.
 *
 * Return: a moment before the document came, a second at most; 0: it was always there.
 */
static int64_t came_us(struct call *c, const char *host)
{
	struct liveness *l = heard_of(c);
	char key[STORE_KEY_LEN + 1];
	uint64_t version;

	snprintf(key, sizeof(key), "/agent/%s", host);
	version = call_version(c, key);
	for (unsigned int i = l->n_past; i && i + PAST_MAX > l->n_past; i--)
		if (past_at(l, i - 1)->revision < version)
			return doc_bool(call_get(c, "%s", key), "alive") ? past_at(l, i - 1)->at_us
									 : 0;
	return 0;
}

static int64_t seen_us(struct call *c, const char *host)
{
	int64_t since_us = hears_since(c), at_us;
	char name[STORE_KEY_LEN + 1];

	name_of(host, name);
	at_us = store_beat_at(c->opts->store, name, c->mono_us);
	return MAX(at_us ? at_us : since_us, came_us(c, host));
}

/**
 * agent_silent_s() - How long a host was not heard
 * @c:    the call
 * @host: its name
 *
 * Return: seconds since its last heartbeat at any replica, or since it came; or since beats are
 * heard here, without a pause.
 */
unsigned int agent_silent_s(struct call *c, const char *host)
{
	int64_t seen = seen_us(c, host), since = MAX(seen, hears_since(c));

	return (unsigned int)(MAX(c->mono_us - since, 0) / 1000000);
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

	return doc_bool(doc, "alive") && agent_silent_s(c, host) <= may_s(c);
}

/**
 * agent_seen_time() - When a host was heard last, for os-services and agents
 * @c:    the call
 * @host: its name
 * @out:  "2026-11-22T15:20:44.000000", by the wall clock of now
 */
void agent_seen_time(struct call *c, const char *host, char out[32])
{
	int64_t ago_us = MAX(c->mono_us - seen_us(c, host), 0);
	time_t t = (time_t)((c->now_us - ago_us) / 1000000);
	struct tm tm;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%S.000000", gmtime_r(&t, &tm));
}

/* Is all as it was when liveness_mark() went through the hosts, and for as long as it said? */
static bool is_calm(struct call *c)
{
	struct liveness *l = heard_of(c);
	bool changed = false;

	if (c->mono_us >= l->calm_us ||
	    call_changes(c, l->calm_revision, "/agent/", note_change, &changed) || changed)
		return false;
	l->calm_revision = call_revision(c);
	return call_settled(c, "/agent/");
}

/**
 * liveness_mark() - Mark hosts that missed their heartbeats (struct periodic)
 * @c: the call
 *
 * A host is one change, so hundreds take a few transactions, one behind the other. Nobody is looked
 * at while nobody can have fallen silent: a thousand hosts each second are a part of a core.
 *
 * Return: 0, CALL_WAIT when there are more, or a negative errno.
 */
int liveness_mark(struct call *c)
{
	int64_t may_us = (int64_t)may_s(c) * 1000000;
	struct liveness *l = heard_of(c);
	struct cursor it = call_list(c, "/agent/");
	int64_t first_us = c->mono_us;
	bool all_alive = true;
	unsigned int n = 0;
	int rc = 0;

	if (is_calm(c))
		return 0;
	call_browse(c, true); /* those that are changed are compared anyway */
	while (!rc && cursor_next(&it)) {
		const char *host = doc_text(it.doc, "host");
		bool said = doc_bool(it.doc, "alive"), alive = said && agent_alive(c, host);

		all_alive &= alive;
		if (alive)
			first_us = MIN(first_us, seen_us(c, host));
		if (!said || alive)
			continue;
		if (n++ == STORE_OPS_MAX)
			return call_wait(c, AGAIN_MS, "/agent/");
		log_warn("a host's agent is silent", "host=%s seconds=%u", host,
			 agent_silent_s(c, host));
		json_t *doc = json_copy((json_t *)it.doc);
		json_object_set_new(doc, "alive", json_false());
		rc = call_put(c, doc, "%s", it.key);
	}
	l->calm_us = n ? 0 : first_us + may_us; /* what was marked may be taken back */
	l->calm_revision = call_revision(c);
	l->all_alive = all_alive;
	return rc;
}

/* All features that want to know of a dead host. */
static int tell_gone(struct call *c, const char *host)
{
	int rc = 0;

	for (const struct feature *const *f = c->opts->features; *f && !rc; f++)
		if ((*f)->hosts && (*f)->hosts->host_gone)
			rc = (*f)->hosts->host_gone(c, host);
	return rc ?: doc_bool(host_settings(c, host), "forced_down") ? wishes_give_up(c, host) : 0;
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

	if (heard_of(c)->all_alive && is_calm(c))
		return 0;
	while (!rc && cursor_next(&it)) {
		const char *host = it.key + it.prefix_len;
		bool alive;

		call_browse(c, true);
		alive = agent_alive(c, host);
		call_browse(c, false);
		if (!alive && !agent_alive(c, host)) /* looked at again: relied upon */
			rc = tell_gone(c, host);
	}
	return rc == CALL_WAIT ? call_wait(c, AGAIN_MS, "/agent/") : rc;
}
