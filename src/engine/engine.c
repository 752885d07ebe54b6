/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's outside: opens the cache over the store, starts features and the HTTP server. */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/uuid.h"
#include "engine/impl.h"
#include "engine/policy.h"
#include "http/tls.h"

#define SLOW_MS	    60000 /* a request that takes longer to arrive is cut off */
#define PATIENCE_MS 1000  /* how often is seen whether the store answers */

struct periodic_run {
	struct engine *eng;
	const struct feature *feature;
	const struct periodic *what;
	struct loop_timer *timer;
	struct periodic_run *next;
};

static int know_nobody(struct call *c, const char *token, struct auth *out)
{
	return -EKEYREJECTED;
}

/* Where no feature knows users. */
static const struct resource no_users = { .one = "user" };
static const struct authority nobody = { know_nobody, &no_users };

static void on_request(void *arg, struct http_req *req)
{
	static const struct http_answer no_memory = { .status = 503, .fd = -1 };
	struct call *c = run_new(arg, req);

	if (c)
		run_request(c);
	else
		http_reply(req, &no_memory);
}

/*
 * Who sends it decides whether a body is read, and how much of it: nothing without a token where
 * one is needed, and an upload goes to a file. Among replicas who is refused may be known already
 * to another, and is when run_request() runs the call: as much is read of all as of a login.
 */
static void on_begin(void *arg, struct http_req *req, struct http_intake *intake)
{
	struct engine *eng = arg;
	struct call *c = run_new(eng, req);
	char id[UUID_STR_LEN];

	uuid_new(id);
	if (!c || route_admit(c)) {
		intake->refuse = !c || !call_is_early(c);
		intake->body_max = BODY_OPEN_MAX;
	} else {
		intake->body_max = body_max(c);
		if (c->priv->authenticated)
			intake->class = caller_is_agent(c) ? PEER_AGENT : PEER_TENANT;
		if (c->priv->route_flags & ROUTE_UPLOAD &&
		    asprintf(&intake->file, "%s/%s", eng->opts.upload_dir, id) < 0)
			intake->file = NULL;
	}
	call_free(c);
}

static void run_periodic(void *arg)
{
	struct periodic_run *run = arg;
	struct call *c;

	if (!run->what->everywhere && !store_leads(run->eng->opts.store, run_mono_us()))
		return;
	c = run_new(run->eng, NULL);
	if (!c)
		return;
	c->service = run->feature->service;
	c->priv->handle = run->what->run;
	run_call(c);
	run_batch(run->eng);
}

/* Runs a feature's start() until what it wrote is on disk. */
static int run_start(struct engine *eng, const struct feature *f, struct err *e)
{
	struct call *c = run_new(eng, NULL);
	bool ended = false;
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->service = f->service;
	c->priv->handle = f->start;
	c->priv->ended = &ended;
	run_call(c);
	run_batch(eng);
	while (!ended && eng->groups) {
		store_wait(eng->opts.store);
		run_batch(eng);
	}
	if (!ended) {
		call_unlink(c);
		rc = err_set(e, -EINVAL, "%s: waits at its start", f->name);
	} else if (c->priv->fault_status)
		rc = err_set(e, -EIO, "%s: %s", f->name, c->priv->fault_text);
	call_free(c);
	return rc;
}

static int start_feature(struct engine *eng, const struct feature *f, struct err *e)
{
	int rc = f->start ? run_start(eng, f, e) : 0;

	for (const struct periodic *p = f->periodics; p && p->run && !rc; p++) {
		struct periodic_run *run = calloc(1, sizeof(*run));

		if (!run)
			return -ENOMEM;
		*run = (struct periodic_run){ eng, f, p, NULL, eng->periodics };
		run->timer =
			loop_timer_add(eng->opts.loop, p->every_ms, p->every_ms, run_periodic, run);
		eng->periodics = run;
	}
	return rc;
}

/* What they keep in memory, and who of them knows users. */
static int open_features(struct engine *eng)
{
	const struct feature *const *all = eng->opts.features;
	unsigned int n = 0;

	while (all[n])
		n++;
	eng->kept = calloc(n + 1, sizeof(*eng->kept));
	eng->authority = &nobody;
	for (unsigned int i = 0; eng->kept && i < n; i++) {
		if (all[i]->authority)
			eng->authority = all[i]->authority;
		eng->kept[i] = all[i]->open ? all[i]->open() : NULL;
		if (all[i]->open && !eng->kept[i])
			return -ENOMEM;
	}
	return eng->kept ? 0 : -ENOMEM;
}

static void close_features(struct engine *eng)
{
	for (unsigned int i = 0; eng->kept && eng->opts.features[i]; i++)
		if (eng->kept[i])
			eng->opts.features[i]->close(eng->kept[i]);
	free(eng->kept);
}

/* Who waits for a store that does not answer has waited long enough. */
static void give_up(void *arg)
{
	struct engine *eng = arg;

	if (!away_is(eng, false))
		return;
	group_give_up(eng);
	run_batch(eng);
}

static int start(struct engine *eng, struct err *e)
{
	int rc = file_mkdirs(eng->opts.upload_dir, 0750, e);

	rc = rc ? rc : run_load(eng, e);
	for (const struct feature *const *f = eng->opts.features; *f && !rc; f++)
		rc = start_feature(eng, *f, e);
	return rc;
}

/**
 * engine_public_url() - What links and the catalog begin with
 * @opts: listen, and public_url if the configuration says one
 * @out:  gets it
 */
void engine_public_url(const struct engine_opts *opts, char out[ENGINE_URL_LEN])
{
	if (opts->public_url && *opts->public_url)
		snprintf(out, ENGINE_URL_LEN, "%s", opts->public_url);
	else
		snprintf(out, ENGINE_URL_LEN, "%s://%s",
			 opts->tls && opts->tls->key ? "https" : "http",
			 opts->listen ?: "127.0.0.1:5000");
}

/**
 * engine_ca_file() - What clients on this machine check the API's certificate with
 * @opts: its TLS and the configuration
 *
 * Return: a path; "" for the system's CAs, or without TLS.
 */
const char *engine_ca_file(const struct engine_opts *opts)
{
	return opts->tls && opts->tls->key ? conf_get(opts->conf, "agent", "ca_file") : "";
}

/**
 * engine_open() - Load the store and serve
 * @opts: copied; everything it names is borrowed for the engine's life
 * @out:  the engine, to be closed with engine_close()
 * @e:    why not
 *
 * opts->listen NULL: no HTTP server (tests, and a start that only prepares).
 *
 * Return: 0; -EINVAL for a route without a rule; -EEXIST for two resources of one kind, two rows of
 * one name; errors of the store, of a feature's start(), of http_open().
 * Context: the thread that runs the loop, as everything in this room but jobs.
 */
int engine_open(const struct engine_opts *opts, struct engine **out, struct err *e)
{
	auto_of(engine_close) struct engine *eng = calloc(1, sizeof(*eng));
	int rc;

	if (!eng)
		return -ENOMEM;
	eng->opts = *opts;
	engine_public_url(opts, eng->public_url);
	eng->opts.public_url = eng->public_url;
	replica_find_url(opts, eng->replica_url);
	if (!opts->upload_dir && asprintf(&eng->upload_dir, "%s/upload", opts->state_dir) < 0)
		return -ENOMEM;
	eng->opts.upload_dir = opts->upload_dir ?: eng->upload_dir;
	eng->audit.path = opts->conf ? conf_get(opts->conf, "api", "audit_log") : "log";
	rc = policy_check(opts->features, e);
	if (rc)
		return rc;
	rc = schemas_new(opts->features, &eng->schemas, e);
	if (rc)
		return rc;
	eng->cache = cache_new(eng->schemas);
	eng->jobs = jobs_new(opts->loop, e);
	eng->waits = omap_new();
	eng->meter.requests = omap_new();
	if (!eng->cache || !eng->jobs || !eng->waits || !eng->meter.requests)
		return err_set(e, -ENOMEM, "out of memory");
	rc = open_features(eng) ?: start(eng, e);
	if (!rc)
		eng->patience = loop_timer_add(opts->loop, PATIENCE_MS, PATIENCE_MS, give_up, eng);
	if (!rc && opts->listen) {
		struct http_opts http = { .loop = opts->loop,
					  .listen = opts->listen,
					  .kept = "api",
					  .tls = opts->tls,
					  .slow_ms = opts->client_timeout_ms
							     ? opts->client_timeout_ms
							     : SLOW_MS,
					  .begin = on_begin,
					  .handle = on_request,
					  .batch = run_batch,
					  .arg = eng };

		rc = http_open(&http, &eng->http, e);
	}
	if (rc)
		return rc;
	*out = take(eng);
	return 0;
}

/**
 * engine_metrics() - What the API counts, as a page
 * @eng:  engine
 * @open: as OpenMetrics
 * @out:  empty; gets the text, the caller's
 *
 * Return: 0, -ENOMEM, -EMSGSIZE.
 */
int engine_metrics(struct engine *eng, bool open, struct buf *out)
{
	static const char *const lanes[LANES] = { "lane=\"login\"", "lane=\"known\"",
						  "lane=\"file\"", "lane=\"fetch\"" };
	struct prom p = { .open = open };
	int rc;

	meter_write(&eng->meter, &p);
	prom_family(&p, "anyvf_api_queue_seconds", PROM_HISTOGRAM,
		    "How long work for helper threads waited for one, by lane.");
	for (unsigned int i = 0; i < LANES; i++) {
		const struct meter_times waited = jobs_waited(eng->jobs, i);

		meter_put_times(&p, lanes[i], &waited);
	}
	rc = prom_end(&p);
	*out = p.text;
	if (rc)
		buf_fini(out);
	return rc;
}

/**
 * engine_close() - Stop serving
 * @eng: engine or NULL; waiting requests get 503. The loop must not run afterwards
 */
void engine_close(struct engine *eng)
{
	struct periodic_run *run;

	if (!eng)
		return;
	eng->closing = true;
	if (eng->opts.store)
		store_follow(eng->opts.store, NULL);
	if (eng->sent) /* turns the loop: all that requests use is there yet */
		store_wait(eng->opts.store);
	jobs_free(eng->jobs);
	loop_timer_del(eng->patience);
	loop_timer_del(eng->drain.timer);
	group_close(eng);
	for (struct call *c; (c = eng->parked ?: eng->ready ?: eng->fresh);) {
		call_unlink(c);
		call_free(c);
	}
	http_close(eng->http);
	loop_timer_del(eng->turn);
	omap_free(eng->waits);
	meter_fini(&eng->meter);
	while ((run = eng->periodics)) {
		eng->periodics = run->next;
		loop_timer_del(run->timer);
		free(run);
	}
	cache_free(eng->cache);
	schemas_free(eng->schemas);
	close_features(eng);
	free(eng->upload_dir);
	free(eng);
}
