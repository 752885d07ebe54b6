/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API as the agent uses it (docs/agent-api.md): the desired state by long poll, heartbeats with
 * the inventory, reports when what is to be said differs from what was acknowledged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/state.h"

#define CALL_TIMEOUT_MS	 10000
#define WATCH_TIMEOUT_MS 45000 /* the API answers after 30 s at the latest */
#define API_RETRY_MS	 1000
#define CONSOLE_MAX	 65536

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
		entity_apply_all(a, j->answer);
	json_array_foreach (json_object_get(j->answer, "events"), i, event) {
		const char *kind = json_string_value(json_object_get(event, "kind"));
		const char *id = json_string_value(json_object_get(event, "id"));

		if (kind && id)
			entity_apply(a, kind, id, json_object_get(event, "doc"));
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
		agent_evaluate(a);
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

/* One PUT under this host's path. */
struct put_job {
	struct agent *agent;
	const char *
		kind; /* "server", "port", "network", "console", "tap_..."; NULL: the host itself */
	char id[UUID_STR_LEN + 32];
	json_t *body;		/* NULL in a console job until it runs */
	char console[PATH_MAX]; /* file to read */
	unsigned int lines;	/* 0: all */
	json_t *answer;
	int rc;
	struct err e;
};

static void put_run(void *arg)
{
	struct put_job *j = arg;
	const struct agent *a = j->agent;
	char path[512];

	snprintf(path, sizeof(path), "/anyvf/v1/hosts/%s%s%s%s%s", a->opts.host, j->kind ? "/" : "",
		 j->kind ? j->kind : "", j->kind ? "/" : "", j->id);
	j->rc = door_call(a->door, a->report_http, "PUT", path, j->body, CALL_TIMEOUT_MS,
			  j->kind ? NULL : &j->answer, &j->e);
}

static void put_free(struct put_job *j)
{
	json_decref(j->body);
	json_decref(j->answer);
	free(j);
}

static struct put_job *put_new(struct agent *a, const char *kind, const char *id)
{
	struct put_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->agent = a;
	j->kind = kind;
	snprintf(j->id, sizeof(j->id), "%s", id);
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
	struct put_job *j;

	if (a->host_sending || loop_now_ms() < a->heartbeat_ms || !(j = put_new(a, NULL, "")))
		return;
	j->body = host_capacity(a->dir);
	json_object_set_new(j->body, "pfs", pfs_to_inventory(a->view, a->opts.mappings));
	json_object_set_new(
		j->body, "hypervisor",
		json_pack("{s:s,s:I}", "type", "QEMU", "version", (json_int_t)a->virt_version));
	if (work_push(a->report_queue, put_run, host_done, j))
		put_free(j);
	else
		a->host_sending = true;
}

static struct report *report_of(struct agent *a, const char *kind, const char *id)
{
	struct server *s = strcmp(kind, "server") ? NULL : entity_server(a, id);
	struct port *p = strcmp(kind, "port") ? NULL : entity_port(a, id);
	struct net *n = strcmp(kind, "network") ? NULL : entity_net(a, id);

	struct tap *t = strncmp(kind, "tap_", 4) ? NULL : entity_tap(a, id);

	return s ? &s->report : p ? &p->report : n ? &n->report : t ? &t->report : NULL;
}

static void report_done(void *arg)
{
	struct put_job *j = arg;
	struct agent *a = j->agent;
	struct report *r = report_of(a, j->kind, j->id);

	if (r) {
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
	}
	put_free(j);
	agent_evaluate(a);
}

/* Takes @body. Sends it unless it was acknowledged already. */
static void report(struct agent *a, const char *kind, const char *id, struct report *r,
		   json_t *body)
{
	struct put_job *j = NULL;

	if (body && !r->sending && !json_equal(r->sent, body) && loop_now_ms() >= r->retry_ms)
		j = put_new(a, kind, id);
	if (j) {
		j->body = json_incref(body);
		if (work_push(a->report_queue, put_run, report_done, j))
			put_free(j);
		else
			r->sending = json_incref(body);
	}
	json_decref(body);
}

/* Foreign words may be cut in the middle of a UTF-8 sequence, which JSON cannot carry. */
static json_t *words_to_json(const char *words)
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

static void report_server(struct agent *a, struct server *s)
{
	const char *status = s->want.doc ? plan_server_status(&s->want, &s->have) : NULL;
	json_t *fault = status && !strcmp(status, "ERROR") && *s->fault
				? json_pack("{s:o}", "message", words_to_json(s->fault))
				: json_null();

	if (status && !s->busy)
		report(a, "server", s->id, &s->report,
		       json_pack("{s:I,s:s,s:i,s:i,s:O}", "generation",
				 (json_int_t)s->want.generation, "status", status, "power_state",
				 plan_power_state(&s->have), "reboot", (int)s->have.reboot, "fault",
				 fault));
	json_decref(fault);
}

static void report_port(struct agent *a, struct port *p)
{
	const char *status = p->want.doc && !p->busy ? plan_port_status(&p->want, &p->have) : NULL;

	if (status)
		report(a, "port", p->id, &p->report,
		       json_pack("{s:I,s:s,s:o}", "generation", (json_int_t)p->want.generation,
				 "status", status, "reason", words_to_json(p->retry.why)));
}

static void report_net(struct agent *a, struct net *n)
{
	const char *status = n->want.doc && !n->busy ? plan_net_status(&n->have) : NULL;

	if (status)
		report(a, "network", n->id, &n->report,
		       json_pack("{s:I,s:s,s:o}", "generation", (json_int_t)n->want.generation,
				 "status", status, "reason", words_to_json(n->retry.why)));
}

static void report_tap(struct agent *a, struct tap *t)
{
	const char *why = *t->want.refused ? t->want.refused : t->retry.why;
	const char *status = t->want.doc && !t->busy ? plan_tap_status(&t->have, *why) : NULL;

	if (status)
		report(a, t->kind, t->id, &t->report,
		       json_pack("{s:I,s:s,s:o}", "generation", (json_int_t)t->want.generation,
				 "status", status, "reason", words_to_json(why)));
}

/**
 * follow_evaluate() - Send what is to be said and was not said yet
 * @a: agent
 */
void follow_evaluate(struct agent *a)
{
	send_host(a);
	if (!a->desired_known)
		return;
	for (struct omap_node *n = omap_from(a->servers, ""); n; n = n->next[0])
		report_server(a, n->value);
	for (struct omap_node *n = omap_from(a->ports, ""); n; n = n->next[0])
		report_port(a, n->value);
	for (struct omap_node *n = omap_from(a->nets, ""); n; n = n->next[0])
		report_net(a, n->value);
	for (struct omap_node *n = omap_from(a->taps, ""); n; n = n->next[0])
		report_tap(a, n->value);
}

/* The file's last bytes, at most CONSOLE_MAX and the wanted number of lines, as ASCII. */
static char *read_tail(const char *path, unsigned int lines)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = calloc(1, CONSOLE_MAX + 1);
	struct stat st;
	ssize_t n = 0;

	if (!text || fd < 0 || fstat(fd, &st))
		return text;
	n = pread(fd, text, CONSOLE_MAX, MAX(st.st_size - CONSOLE_MAX, (off_t)0));
	n = MAX(n, 0);
	for (ssize_t i = 0; i < n; i++) /* what a JSON string carries as it is */
		if (!text[i] || (signed char)text[i] < 0)
			text[i] = '?';
	for (ssize_t i = n - 1; lines && i > 0; i--)
		if (text[i - 1] == '\n' && !--lines)
			memmove(text, text + i, (size_t)(n - i) + 1);
	return text;
}

static void console_run(void *arg)
{
	struct put_job *j = arg;
	auto_free char *text = read_tail(j->console, j->lines);

	j->body = json_pack("{s:s}", "output", text ? text : "");
	put_run(j);
}

static void console_done(void *arg)
{
	put_free(arg);
}

/**
 * follow_console() - Answer a request for a server's console
 * @a:       agent
 * @request: its id
 * @doc:     its document
 */
void follow_console(struct agent *a, const char *request, const json_t *doc)
{
	const char *server = json_string_value(json_object_get(doc, "server"));
	const json_t *length = json_object_get(doc, "length");
	struct put_job *j;
	char dir[PATH_MAX];

	if (!server || !uuid_valid(server) || strchr(request, '/') ||
	    !(j = put_new(a, "console", request)))
		return;
	agent_server_dir(a, server, dir);
	snprintf(j->console, sizeof(j->console), "%.*s/console.log", PATH_MAX - 16, dir);
	if (json_integer_value(length) > 0)
		j->lines = (unsigned int)MIN(json_integer_value(length), (json_int_t)CONSOLE_MAX);
	if (work_push(a->report_queue, console_run, console_done, j))
		put_free(j);
}
