/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API is told (docs/agent-api.md): heartbeats with the inventory, and a report when what
 * is to be said of a thing differs from what was acknowledged.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/core/state.h"

#define CALL_TIMEOUT_MS 10000
#define API_RETRY_MS	1000

/* One PUT under this host's path. */
struct put_job {
	struct agent *agent;
	struct entity *entity; /* NULL: about the host itself; stays as long as it is on its way */
	char path[512];
	json_t *body, *answer;
	int rc;
	struct err e;
};

static void put_run(void *arg)
{
	struct put_job *j = arg;
	const struct agent *a = j->agent;

	j->rc = door_call(a->door, a->report_http, "PUT", j->path, j->body, CALL_TIMEOUT_MS,
			  j->entity ? NULL : &j->answer, &j->e);
}

static void put_free(struct put_job *j)
{
	json_decref(j->body);
	json_decref(j->answer);
	free(j);
}

static struct put_job *put_new(struct agent *a, struct entity *x, json_t *body)
{
	struct put_job *j = body ? calloc(1, sizeof(*j)) : NULL;

	if (!j)
		return NULL;
	j->agent = a;
	j->entity = x;
	j->body = json_incref(body);
	snprintf(j->path, sizeof(j->path), "/anyvf/v1/hosts/%s%s%s%s%s", a->opts.host, x ? "/" : "",
		 x ? x->word : "", x ? "/" : "", x ? x->id : "");
	return j;
}

static void host_done(void *arg)
{
	struct put_job *j = arg;
	struct agent *a = j->agent;
	json_int_t s = json_integer_value(json_object_get(j->answer, "heartbeat_s"));

	a->host_sending = false;
	if (!j->rc && s >= 1 && s <= 3600)
		a->heartbeat_s = (unsigned int)s;
	a->heartbeat_ms = loop_now_ms() + (j->rc ? API_RETRY_MS : a->heartbeat_s * 1000U);
	if (j->rc)
		log_debug("no heartbeat", "why=\"%s\"", j->e.msg);
	put_free(j);
}

static void send_host(struct agent *a)
{
	auto_of(json_decref) json_t *body = NULL;
	char address[HOST_ADDRESS_LEN];
	struct put_job *j;

	if (a->host_sending || loop_now_ms() < a->heartbeat_ms)
		return;
	host_address(address);
	body = host_capacity(a->dir);
	json_object_set_new(body, "pfs", pfs_to_inventory(a->view, a->opts.mappings));
	json_object_set_new(body, "hypervisor",
			    json_pack("{s:s,s:I,s:s}", "type", "QEMU", "version",
				      (json_int_t)a->virt_version, "host_ip", address));
	j = put_new(a, NULL, body);
	if (j && work_push(a->report_queue, put_run, host_done, j))
		put_free(j);
	else
		a->host_sending = j;
}

static void report_done(void *arg)
{
	struct put_job *j = arg;
	struct agent *a = j->agent;
	struct report *r = &j->entity->report;
	json_t *said = take(r->sending);

	/* 409, 404: about a wish that is no longer the API's; the watch brings the new. */
	if (!j->rc || j->rc == -ESTALE || j->rc == -ENOENT) {
		json_decref(r->sent);
		r->sent = said;
	} else {
		log_debug("a report did not arrive", "why=\"%s\"", j->e.msg);
		json_decref(said);
		r->retry_ms = loop_now_ms() + API_RETRY_MS;
	}
	put_free(j);
	agent_wake(a, SIDE_NONE);
}

/* Sends what a thing's kind says of it, unless it was acknowledged already. */
static void report(struct agent *a, struct entity *x)
{
	auto_of(json_decref) json_t *body = x->doc && !x->busy ? x->kind->status(x) : NULL;
	struct report *r = &x->report;
	struct put_job *j;

	json_object_set(body, "generation", json_object_get(x->doc, "generation"));
	if (!body || r->sending || json_equal(r->sent, body) || loop_now_ms() < r->retry_ms)
		return;
	j = put_new(a, x, body);
	if (j && work_push(a->report_queue, put_run, report_done, j))
		put_free(j);
	else if (j)
		r->sending = json_incref(body);
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
