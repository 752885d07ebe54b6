/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent does and counts, as a page of metrics: numbers alone, and nobody's names. */
#include "agent/core/state.h"
#include "base/prom.h"

static void labels_kind(const struct agent_kind *kind, struct prom_labels *l)
{
	prom_labels_none(l);
	prom_label(l, "kind", kind->name);
}

static void write_connected(const struct agent *a, struct prom *p)
{
	prom_family(p, "anyvf_agent_connected", PROM_GAUGE,
		    "Whether it reaches what it works with.");
	prom_put(p, "to=\"api\"", "", follow_is_up(a));
	prom_put(p, "to=\"libvirt\"", "", a->virt_connected);
	prom_put(p, "to=\"switch\"", "", a->view != NULL);
}

/* How many things of a kind the API wants here, or the last step of how many failed. */
static uint64_t count_things(const struct agent *a, const struct agent_kind *kind, bool failing)
{
	uint64_t n = 0;

	for (const struct entity *x = NULL; (x = entity_next(a, kind, x));)
		n += failing ? x->retry.n != 0 : x->wanted;
	return n;
}

static void write_things(const struct agent *a, struct prom *p)
{
	struct prom_labels l;

	prom_family(p, "anyvf_agent_things", PROM_GAUGE, "What the API wants of this host.");
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		labels_kind(*k, &l);
		prom_put(p, l.text, "", count_things(a, *k, false));
	}
	prom_family(p, "anyvf_agent_failing_things", PROM_GAUGE,
		    "What the last step of failed, and is tried again.");
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		labels_kind(*k, &l);
		prom_put(p, l.text, "", count_things(a, *k, true));
	}
}

static void write_steps(const struct agent *a, struct prom *p)
{
	struct prom_labels l;

	prom_family(p, "anyvf_agent_steps", PROM_COUNTER,
		    "Steps that ended, and what came of them.");
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		labels_kind(*k, &l);
		prom_put(p, l.text, "result=\"good\"", steps_of(a, *k)->good);
		prom_put(p, l.text, "result=\"failed\"", steps_of(a, *k)->failed);
	}
	prom_family(p, "anyvf_agent_retries", PROM_COUNTER,
		    "Steps begun on what the one before had failed of.");
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		labels_kind(*k, &l);
		prom_put(p, l.text, "", steps_of(a, *k)->retries);
	}
	prom_family(p, "anyvf_agent_drift", PROM_COUNTER,
		    "VFs of ports that somebody else gave back or unplugged.");
	prom_put(p, "", "", a->counts.drifts);
	prom_family(p, "anyvf_agent_mended", PROM_COUNTER, "Those of them that are right again.");
	prom_put(p, "", "", a->counts.mended);
}

static void write_reports(const struct agent *a, struct prom *p)
{
	const struct agent_counts *c = &a->counts;

	prom_family(p, "anyvf_agent_reports", PROM_COUNTER,
		    "What the API was told of the host and of things, and whether it took it.");
	prom_put(p, "about=\"host\"", "result=\"taken\"", c->beats);
	prom_put(p, "about=\"host\"", "result=\"refused\"", c->missed);
	prom_put(p, "about=\"thing\"", "result=\"taken\"", c->reports);
	prom_put(p, "about=\"thing\"", "result=\"refused\"", c->refused);
	if (c->taken_ms) {
		prom_family(p, "anyvf_agent_report_age_seconds", PROM_GAUGE,
			    "Since the API took something last.");
		prom_put_ns(p, "", (loop_now_ms() - c->taken_ms) * 1000000);
	}
	prom_family(
		p, "anyvf_agent_reads", PROM_COUNTER,
		"Times all documents of the host were read: first, and after a change was missed.");
	prom_put(p, "", "", c->reads);
}

/**
 * agent_metrics() - What the agent counts, as a page
 * @a:    agent
 * @open: as OpenMetrics
 * @out:  empty; gets the text, the caller's
 *
 * Return: 0, -ENOMEM, -EMSGSIZE. Context: the loop's thread.
 */
int agent_metrics(const struct agent *a, bool open, struct buf *out)
{
	struct prom p = { .open = open };
	int rc;

	write_connected(a, &p);
	write_things(a, &p);
	write_steps(a, &p);
	write_reports(a, &p);
	rc = prom_end(&p);
	*out = p.text;
	if (rc)
		buf_fini(out);
	return rc;
}
