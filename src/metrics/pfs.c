/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of PFs with their uplinks, of mirrors, workers and daemons. */
#include <string.h>

#include "metrics/page.h"

static struct prom_labels one_label(const char *name, const char *value)
{
	struct prom_labels l;

	prom_labels_none(&l);
	prom_label(&l, name, value);
	return l;
}

/* A member of a PF's answer, looked for in config or status; the last two in a part of status. */
struct pf_row {
	const char *name;
	enum prom_type type;
	const char *help;
	const char *part, *member; /* part: "config", "status", "uplink", "host" */
};

static const struct pf_row pf_rows[] = {
	{ "anyvf_pf_up", PROM_GAUGE, "Whether a PF is up.", "config", "up" },
	{ "anyvf_pf_carrier", PROM_GAUGE, "Whether its wire has a carrier.", "status", "carrier" },
	{ "anyvf_pf_vfs", PROM_GAUGE, "VFs it has.", "config", "numvfs" },
	{ "anyvf_pf_mtu_bytes", PROM_GAUGE, "Its largest payload.", "config", "mtu" },
	{ "anyvf_uplink_receive_packets", PROM_COUNTER, "Frames that came from the wire.", "uplink",
	  "rx_packets" },
	{ "anyvf_uplink_receive_bytes", PROM_COUNTER, "Their bytes.", "uplink", "rx_bytes" },
	{ "anyvf_uplink_transmit_packets", PROM_COUNTER, "Frames that went to the wire.", "uplink",
	  "tx_packets" },
	{ "anyvf_uplink_transmit_bytes", PROM_COUNTER, "Their bytes.", "uplink", "tx_bytes" },
	{ "anyvf_host_receive_packets", PROM_COUNTER, "Frames that came to the host's interface.",
	  "host", "rx_packets" },
	{ "anyvf_host_receive_bytes", PROM_COUNTER, "Their bytes.", "host", "rx_bytes" },
	{ "anyvf_host_transmit_packets", PROM_COUNTER,
	  "Frames that came from the host's interface.", "host", "tx_packets" },
	{ "anyvf_host_transmit_bytes", PROM_COUNTER, "Their bytes.", "host", "tx_bytes" },
};

static const json_t *part_of(const struct pf_told *pf, const char *part)
{
	if (!strcmp(part, "config"))
		return pf->config;
	return strcmp(part, "status") ? json_object_get(pf->status, part) : pf->status;
}

static void put_json(struct prom *p, const struct prom_labels *l, const json_t *value)
{
	if (json_is_boolean(value))
		prom_put(p, l->text, "", json_is_true(value));
	else if (json_is_integer(value))
		prom_put(p, l->text, "", (uint64_t)json_integer_value(value));
}

/* Each member of an object that is a number, with its name as a label. */
static void put_members(struct prom *p, const char *pf, const char *label, const json_t *all)
{
	const json_t *value;
	const char *word;

	json_object_foreach ((json_t *)(uintptr_t)all, word, value) {
		struct prom_labels l = one_label("pf", pf);

		prom_label(&l, label, word);
		put_json(p, &l, value);
	}
}

/* Labels of texts and numbers of an object, as far as it has them. */
static void label_members(struct prom_labels *l, const json_t *j, const char *const *names)
{
	for (; *names; names++) {
		const json_t *value = json_object_get(j, *names);

		if (json_is_string(value))
			prom_label(l, *names, json_string_value(value));
		else if (json_is_integer(value))
			prom_label_number(l, *names, (uint64_t)json_integer_value(value));
	}
}

static void pf_info(struct prom *p, const struct pf_told *pf)
{
	static const char *const config[] = { "uplink", "uplink_arg", "mode", "mac", NULL };
	static const char *const status[] = { "kind", "driver", "pci_slot", NULL };
	struct prom_labels l = one_label("pf", pf->name);

	label_members(&l, pf->config, config);
	label_members(&l, pf->status, status);
	prom_put(p, l.text, "", 1);
}

static void pfs_rows(struct prom *p, const struct told *t)
{
	for (const struct pf_row *r = pf_rows; r < pf_rows + ARRAY_LEN(pf_rows); r++) {
		prom_family(p, r->name, r->type, r->help);
		told_each_pf(t, d, pf)
		{
			struct prom_labels l = one_label("pf", pf->name);

			put_json(p, &l, json_object_get(part_of(pf, r->part), r->member));
		}
	}
}

static void pfs_lost(struct prom *p, const struct told *t)
{
	prom_family(p, "anyvf_uplink_dropped", PROM_COUNTER,
		    "Frames to and from the wire that went nowhere, by the reason.");
	told_each_pf(t, d, pf)
		put_members(p, pf->name, "reason", json_object_get(part_of(pf, "uplink"), "drops"));
	prom_family(p, "anyvf_host_dropped", PROM_COUNTER,
		    "Frames to and from the host's interface that went nowhere, by the reason.");
	told_each_pf(t, d, pf)
		put_members(p, pf->name, "reason", json_object_get(part_of(pf, "host"), "drops"));
	prom_family(p, "anyvf_pf_errors", PROM_COUNTER,
		    "What the kernel counts of a NIC's netdev beside frames.");
	told_each_pf(t, d, pf) put_members(p, pf->name, "error", part_of(pf, "errors"));
	prom_family(p, "anyvf_pf_drift_words", PROM_GAUGE,
		    "Words of a NIC's VFs that somebody else has changed.");
	told_each_pf(t, d, pf)
	{
		struct prom_labels l = one_label("pf", pf->name);

		if (pf->is_nic)
			prom_put(p, l.text, "", pf->drift);
	}
}

#define each_mirror(t, m, i)                                                                       \
	for (const struct daemon_told *d = (t)->daemons; d < (t)->daemons + DAEMONS; d++)          \
		json_array_foreach (d->mirrors, i, m)

static void mirrors_write(struct prom *p, const struct told *t)
{
	static const char *const words[] = { "from", "from_pf", "from_vf", "from_vlan", "dir",
					     "to",   "to_pf",	"to_vf",   "by",	NULL };
	static const struct {
		const char *name, *member, *help;
	} counts[] = {
		{ "anyvf_mirror_packets", "mirrored",
		  "Copies that came to a mirror's destination." },
		{ "anyvf_mirror_dropped_packets", "dropped", "Copies it had no room for." },
	};
	const json_t *m;
	size_t i;

	prom_family(p, "anyvf_mirror", PROM_INFO, "What a mirror copies, and where to.");
	each_mirror(t, m, i)
	{
		struct prom_labels l =
			one_label("mirror", json_string_value(json_object_get(m, "name")) ?: "");

		label_members(&l, m, words);
		prom_put(p, l.text, "", 1);
	}
	for (unsigned int k = 0; k < ARRAY_LEN(counts); k++) {
		prom_family(p, counts[k].name, PROM_COUNTER, counts[k].help);
		each_mirror(t, m, i)
		{
			struct prom_labels l = one_label(
				"mirror", json_string_value(json_object_get(m, "name")) ?: "");

			put_json(p, &l, json_object_get(m, counts[k].member));
		}
	}
}

static uint64_t number(const json_t *w, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(w, member));
}

static struct prom_labels worker_label(size_t i)
{
	struct prom_labels l;

	prom_labels_none(&l);
	prom_label_number(&l, "worker", i);
	return l;
}

static void bursts_write(struct prom *p, const json_t *workers)
{
	static const char *const les[] = { "1", "2", "4", "8", "16", "32", "64", "128" };
	const json_t *w;
	size_t i;

	json_array_foreach (workers, i, w) {
		const json_t *told = json_object_get(w, "bursts");
		uint64_t counts[ARRAY_LEN(les) + 1] = { 0 };
		const struct prom_buckets b = { les, counts, ARRAY_LEN(counts) };
		struct prom_labels l = worker_label(i);

		for (unsigned int k = 0; k < ARRAY_LEN(les); k++)
			counts[k] = (uint64_t)json_integer_value(json_array_get(told, k));
		prom_put_histogram(p, l.text, &b, number(w, "frames"), false);
	}
}

static void workers_write(struct prom *p, const struct told *t)
{
	static const struct {
		const char *name, *member, *help;
		bool is_time;
	} rows[] = {
		{ "anyvf_worker_busy_seconds", "busy_ns", "Time in rounds that brought frames.",
		  true },
		{ "anyvf_worker_idle_seconds", "idle_ns", "Time in others, and asleep.", true },
		{ "anyvf_worker_wakeups", "wakeups", "Times it slept and was woken.", false },
	};
	const json_t *workers = t->daemons[0].workers, *w;
	size_t i;

	for (unsigned int k = 0; k < ARRAY_LEN(rows); k++) {
		prom_family(p, rows[k].name, PROM_COUNTER, rows[k].help);
		json_array_foreach (workers, i, w) {
			struct prom_labels l = worker_label(i);

			if (rows[k].is_time)
				prom_put_ns(p, l.text, number(w, rows[k].member));
			else
				prom_put(p, l.text, "", number(w, rows[k].member));
		}
	}
	prom_family(p, "anyvf_worker_burst_packets", PROM_HISTOGRAM,
		    "Frames of a burst, of those with any.");
	bursts_write(p, workers);
}

static void daemons_write(struct prom *p, const struct told *t)
{
	static const char *const words[] = { "kind", "version", NULL };

	prom_family(p, "anyvf_up", PROM_GAUGE,
		    "Whether a daemon told all it was asked for, in time.");
	for (unsigned int i = 0; i < DAEMONS; i++) {
		struct prom_labels l = one_label("daemon", t->daemons[i].name);

		if (t->daemons[i].asked)
			prom_put(p, l.text, "", t->daemons[i].up);
	}
	prom_family(p, "anyvf_daemon", PROM_INFO, "What of it runs.");
	for (unsigned int i = 0; i < DAEMONS; i++) {
		struct prom_labels l = one_label("daemon", t->daemons[i].name);

		label_members(&l, t->daemons[i].info, words);
		if (t->daemons[i].up)
			prom_put(p, l.text, "", 1);
	}
	prom_family(p, "anyvf_collect_seconds", PROM_GAUGE,
		    "How long the daemons took to tell all this.");
	prom_put_ns(p, "", t->took_ns);
}

/**
 * pfs_write() - Write the families of PFs, mirrors, workers and daemons
 * @p: page
 * @t: what was told
 */
void pfs_write(struct prom *p, const struct told *t)
{
	daemons_write(p, t);
	prom_family(p, "anyvf_pf", PROM_INFO, "What a PF is.");
	told_each_pf(t, d, pf) pf_info(p, pf);
	pfs_rows(p, t);
	pfs_lost(p, t);
	mirrors_write(p, t);
	workers_write(p, t);
}
