/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by the route they matched, never by what was asked for: as many counters as there are
 * routes, whoever asks for what. One that waits for a change (the agents' watch) is counted, and
 * not timed.
 */
#include "engine/meter.h"

#include <stdio.h>
#include <string.h>

#include "engine/impl.h"

/**
 * meter_time() - Count a time
 * @t:	times
 * @us: microseconds
 */
void meter_time(struct meter_times *t, int64_t us)
{
	static const int64_t ends[METER_TIMES - 1] = { 1000,	1000 * 10,    1000 * 100,
						       1000000, 1000000 * 10, 1000000 * 60 };
	unsigned int i = 0;

	us = MAX(us, (int64_t)0);
	while (i < METER_TIMES - 1 && us > ends[i])
		i++;
	t->n[i]++;
	t->sum_us += (uint64_t)us;
}

/**
 * meter_put_times() - A sample of times
 * @p:	    page, in a family that is a histogram
 * @labels: its labels
 * @t:	    times
 */
void meter_put_times(struct prom *p, const char *labels, const struct meter_times *t)
{
	static const char *const les[] = { "0.001", "0.01", "0.1", "1", "10", "60" };
	const struct prom_buckets b = { les, t->n, METER_TIMES };

	prom_put_histogram(p, labels, &b, t->sum_us * 1000, true);
}

/* Of a resource: its path, with what the handler is for. */
static void route_name(const struct call *c, char out[256])
{
	const struct call_priv *p = c->priv;
	const char *path = p->pattern ?: p->res_handle ? p->resource->path : NULL;

	if (path)
		snprintf(out, 256, "%s%s%s", c->service->prefix, path,
			 p->pattern || !c->ids[0] ? "" : "/{}");
	else
		snprintf(out, 256, "none");
}

static void request_count(struct meter *m, const struct call *c, unsigned int status)
{
	struct omap_node *node;
	char route[256], key[300];

	route_name(c, route);
	snprintf(key, sizeof(key), "%.15s\n%s\n%uxx", strcmp(route, "none") ? c->method : "any",
		 route, status / 100);
	node = omap_find(m->requests, key);
	if (!node)
		node = omap_insert(m->requests, key);
	if (node && !node->value)
		node->value = calloc(1, sizeof(uint64_t));
	if (node && node->value)
		++*(uint64_t *)node->value;
}

/**
 * meter_call() - Count an answer
 * @m:	    meter
 * @c:	    the call
 * @status: answered
 * @mono_us: now
 */
void meter_call(struct meter *m, const struct call *c, unsigned int status, int64_t mono_us)
{
	const struct call_priv *p = c->priv;
	const char *event = audit_event(p->rule, p->route_flags, c->method, status);

	request_count(m, c, status);
	if (!*p->wait_prefix)
		meter_time(&m->took, mono_us - p->began_us);
	m->logins += event && !strcmp(event, "login");
	m->failed_logins += event && !strcmp(event, "login failed");
	m->refused += event && !strcmp(event, "refused");
}

/* "METHOD\nROUTE\nCLASS" as labels. */
static void request_labels(const char *key, struct prom_labels *l)
{
	static const char *const names[] = { "method", "route", "code" };
	char part[256];

	prom_labels_none(l);
	for (unsigned int i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strcspn(key, "\n");

		snprintf(part, sizeof(part), "%.*s", (int)n, key);
		prom_label(l, names[i], part);
		key += n + (key[n] != '\0');
	}
}

/**
 * meter_write() - Write what was counted
 * @m: meter
 * @p: page
 */
void meter_write(const struct meter *m, struct prom *p)
{
	struct prom_labels l;

	prom_family(p, "anyvf_api_requests", PROM_COUNTER,
		    "Requests answered, by the route they matched and the class of the status.");
	for (const struct omap_node *n = omap_from(m->requests, ""); n; n = n->next[0]) {
		if (!n->value)
			continue;
		request_labels(n->key, &l);
		prom_put(p, l.text, "", *(const uint64_t *)n->value);
	}
	prom_family(p, "anyvf_api_request_seconds", PROM_HISTOGRAM,
		    "From a request's last byte to its answer, of those that wait for no change.");
	meter_put_times(p, "", &m->took);
	prom_family(p, "anyvf_api_logins", PROM_COUNTER, "Logins, and what came of them.");
	prom_put(p, "result=\"good\"", "", m->logins);
	prom_put(p, "result=\"failed\"", "", m->failed_logins);
	prom_family(p, "anyvf_api_refused", PROM_COUNTER,
		    "Requests of users who may not do so, or have no good token.");
	prom_put(p, "", "", m->refused);
}

/**
 * meter_fini() - Forget what was counted
 * @m: meter
 */
void meter_fini(struct meter *m)
{
	for (struct omap_node *n = m->requests ? omap_from(m->requests, "") : NULL; n;
	     n = n->next[0])
		free(n->value);
	omap_free(m->requests);
}
