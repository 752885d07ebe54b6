/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API is told (docs/agent-api.md): heartbeats with the inventory, and a report when what
 * is to be said of a thing differs from what was acknowledged.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"

#define CALL_TIMEOUT_MS 10000
#define API_RETRY_MS	1000
#define RETRIES_MAX	2U  /* the pause doubles so often */
#define EARLY_MS	500 /* half a tick */
#define NAME		"known_as"

/* One PUT under this host's path. They go one behind the other, in order. */
struct put_job {
	struct entity *entity; /* NULL: about the host itself; stays as long as it is on its way */
	json_t *body;
	uint64_t sent_ms; /* when it was put into the queue */
	struct put_job *next;
};

/* A heartbeat that says no more than what this host was called by the API. */
static bool is_name(const json_t *body)
{
	return json_object_get(body, NAME);
}

/*
 * What the API calls what it was told, it is told by that name from now on. One that knows no names
 * calls it nothing. Who did not get as far as an answer has not forgotten it.
 */
static void name_host(struct agent *a, const json_t *body, int rc, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, NAME));
	size_t len = name ? strlen(name) : 0;

	if (is_name(body) && (!rc || rc == -ECONNREFUSED || rc == -ETIMEDOUT))
		return;
	json_decref(take(a->host_said));
	if (rc || !len || len >= sizeof(a->known_as))
		return;
	memcpy(a->known_as, name, len + 1);
	a->host_said = json_incref((json_t *)body);
}

static void host_done(struct agent *a, int rc, const json_t *answer, const char *why)
{
	const struct put_job *j = a->puts;
	json_int_t s = json_integer_value(json_object_get(answer, "heartbeat_s"));
	bool unknown = rc == -ESTALE && is_name(j->body);

	a->host_sending = false;
	if (!rc && s >= 1 && s <= 3600)
		a->heartbeat_s = (unsigned int)s;
	a->heartbeat_ms = !rc	    ? j->sent_ms + a->heartbeat_s * 1000U
			  : unknown ? 0
				    : loop_now_ms() + API_RETRY_MS;
	a->counts.beats += !rc;
	a->counts.wholes += !rc && !is_name(j->body);
	a->counts.missed += rc != 0;
	name_host(a, j->body, rc, answer);
	if (unknown)
		agent_wake(a, SIDE_NONE);
	if (rc)
		log_debug("no heartbeat", "why=\"%s\"", why);
	else
		follow_heard(a);
}

/*
 * What was not taken is said again, later and later, as long as it is what there is to say: the
 * wish may be another by now (409), which the watch brings, or the replica is behind and does not
 * know it yet.
 */
static void say_again(struct report *r, json_t *said)
{
	r->tries = json_equal(r->refused, said) ? MIN(r->tries + 1, RETRIES_MAX) : 0;
	json_decref(r->refused);
	r->refused = said;
	r->retry_ms = loop_now_ms() + ((uint64_t)API_RETRY_MS << r->tries);
}

static void report_done(struct report *r, int rc, const char *why)
{
	json_t *said = take(r->sending);

	if (!rc) {
		json_decref(r->sent);
		r->sent = said;
	} else {
		log_debug("a report did not arrive", "why=\"%s\"", why);
		say_again(r, said);
	}
}

static void put_first(struct agent *a);

/* The first of the queue is done; what came of it was taken over. */
static void put_over(struct agent *a)
{
	struct put_job *j = a->puts;

	a->puts = j->next;
	json_decref(j->body);
	free(j);
	put_first(a);
}

static void put_done(void *arg, int rc, json_t *answer, const char *why)
{
	struct agent *a = arg;
	struct entity *x = a->puts->entity;

	if (!rc)
		a->counts.taken_ms = loop_now_ms();
	if (x) {
		*(rc ? &a->counts.refused : &a->counts.reports) += 1;
		report_done(&x->report, rc, why);
		agent_wake(a, SIDE_NONE);
	} else {
		host_done(a, rc, answer, why);
	}
	put_over(a);
}

static void put_first(struct agent *a)
{
	struct put_job *j = a->puts;
	const struct entity *x = j ? j->entity : NULL;
	char path[512];

	if (!j)
		return;
	snprintf(path, sizeof(path), "/anyvf/v1/hosts/%s%s%s%s%s", a->opts.host, x ? "/" : "",
		 x ? x->word : "", x ? "/" : "", x ? x->id : "");
	if (door_ask(a->door,
		     &(struct door_req){ .method = "PUT",
					 .path = path,
					 .body = j->body,
					 .timeout_ms = CALL_TIMEOUT_MS,
					 .answer = !x },
		     put_done, a))
		put_done(a, -ENOMEM, NULL, "out of memory");
}

/* Puts one behind those that wait. Return: 0 or -ENOMEM. */
static int put(struct agent *a, struct entity *x, json_t *body)
{
	struct put_job **last = &a->puts, *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->entity = x;
	j->body = json_incref(body);
	j->sent_ms = loop_now_ms();
	while (*last)
		last = &(*last)->next;
	*last = j;
	if (j == a->puts)
		put_first(a);
	return 0;
}

/* All that is to be said of this host; NULL when out of memory. */
static json_t *describe_host(struct agent *a)
{
	json_t *body = host_capacity(a->dir);
	char address[HOST_ADDRESS_LEN];

	host_address(address);
	if (!a->inventory)
		a->inventory = pfs_to_inventory(a->view, a->opts.mappings);
	json_object_set(body, "pfs", a->inventory);
	json_object_set_new(body, "hypervisor",
			    json_pack("{s:s,s:I,s:s}", "type", "QEMU", "version",
				      (json_int_t)a->virt_version, "host_ip", address));
	return body;
}

static void send_host(struct agent *a)
{
	auto_of(json_decref) json_t *body = NULL;

	/* A tick comes as early as it is late another time. */
	if (a->host_sending || loop_now_ms() + EARLY_MS < a->heartbeat_ms)
		return;
	body = describe_host(a);
	if (body && a->host_said && json_equal(a->host_said, body)) {
		json_decref(body);
		body = json_pack("{s:s}", NAME, a->known_as);
	}
	a->host_sending = true;
	if (!body || put(a, NULL, body))
		a->host_sending = false;
}

/* Sends what a thing's kind says of it, unless it was acknowledged already. */
static void report(struct agent *a, struct entity *x)
{
	auto_of(json_decref) json_t *body = x->wanted && !x->busy ? x->kind->status(x) : NULL;
	struct report *r = &x->report;

	json_object_set_new(body, "generation", json_integer(x->generation));
	if (!body || r->sending || json_equal(r->sent, body) ||
	    (json_equal(r->refused, body) && loop_now_ms() < r->retry_ms))
		return;
	r->sending = json_incref(body);
	if (put(a, x, body))
		json_decref(take(r->sending));
}

/**
 * report_words() - Foreign words as JSON
 * @words: text, perhaps cut in the middle of a UTF-8 sequence, which JSON cannot carry
 *
 * Return: a new string, or NULL when out of memory.
 */
json_t *report_words(const char *words)
{
	json_t *text = json_string(words);
	char ascii[256];
	size_t n = 0;

	if (text)
		return text;
	for (; words[n] && n < sizeof(ascii) - 1; n++)
		ascii[n] = (signed char)words[n] < 0 ? '?' : words[n];
	ascii[n] = '\0';
	return json_string(ascii);
}

/**
 * report_status() - The report of a thing that has a status and a reason
 * @status: the word; NULL: there is nothing to say
 * @reason: why it is so, "" if nothing went wrong
 *
 * Return: a new object, or NULL.
 */
json_t *report_status(const char *status, const char *reason)
{
	return status ? json_pack("{s:s,s:o}", "status", status, "reason", report_words(reason))
		      : NULL;
}

/**
 * report_all() - Send what is to be said and was not said yet
 * @a: agent
 */
void report_all(struct agent *a)
{
	send_host(a);
	for (const struct agent_kind *const *k = a->kinds; *k && a->desired_known; k++)
		for (struct entity *x = NULL; (x = entity_next(a, *k, x));)
			report(a, x);
}
