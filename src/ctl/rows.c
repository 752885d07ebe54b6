/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of many rows: what differs from what was asked, what workers do, and all numbers of all
 * VFs of a PF. Those are asked for each second by whoever watches, so a VF is one text of numbers
 * whose columns are told once; the columns are the field tables' rows, as vf.get has them.
 */
#include "ctl/rows.h"

#include <errno.h>
#include <string.h>

#include "ctl/ctl.h"

#define ROW_MAX 4096 /* characters; some 100 numbers */

/* Where the numbers of a VF stand. */
static const struct part {
	const char *name;
	const struct field *fields;
	size_t at; /* in struct vf_info */
} parts[] = {
	{ "config", vf_fields, offsetof(struct vf_info, config) },
	{ "attach", vf_attach_fields, offsetof(struct vf_info, attach) },
	{ "status", ctl_vf_status_fields, offsetof(struct vf_info, status) },
	{ "stats", ctl_stats_fields, offsetof(struct vf_info, stats) },
};

/* Drops by reason, as of both ways and of those to the guest. */
static const struct {
	const char *name;
	size_t at; /* in struct vf_stats */
} reasons[] = {
	{ "drops", offsetof(struct vf_stats, drops) },
	{ "rx_drops", offsetof(struct vf_stats, rx_drops) },
};

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static json_t *column(const char *part, const char *word)
{
	return json_sprintf("%s.%s", part, word);
}

static json_t *columns(void)
{
	static const struct vf_info none;
	auto_of(json_decref) json_t *list = json_array();
	uint64_t n;

	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++)
		for (const struct field *f = parts[i].fields; f->word; f++)
			if (field_number(f, (const char *)&none + parts[i].at, &n) &&
			    json_array_append_new(list, column(parts[i].name, f->word)))
				return NULL;
	for (unsigned int i = 0; i < ARRAY_LEN(reasons); i++)
		for (unsigned int why = 0; why < DROP_N; why++)
			if (json_array_append_new(list, column(reasons[i].name, drop_names[why])))
				return NULL;
	for (unsigned int i = 0; i < VF_WAITS; i++)
		if (json_array_append_new(list, json_sprintf("waits.%u", i)))
			return NULL;
	return json_array_append_new(list, column("waits", "ns")) ? NULL : take(list);
}

/* A blank and the number, or a dash if it is not told. There is room: see ROW_MAX. */
static char *put(char *to, bool told, uint64_t n)
{
	*to++ = ' ';
	if (told)
		return decimal_put(to, n, 1);
	*to++ = '-';
	return to;
}

/* Is a number of a VF known? Row @i of a part. */
static bool is_told(const struct vf_info *v, const struct part *p, unsigned int i)
{
	bool reasons_told = !(v->untold.counts >> VF_COUNT_DROPS & 1);

	if (p->fields == vf_fields)
		return !(v->status.untold >> i & 1);
	if (p->fields != ctl_stats_fields)
		return true;
	return !(v->untold.counts >> i & 1) && !(reasons_told && i == VF_COUNT_TX_DROPPED);
}

static void row_write(const struct vf_info *v, char out[ROW_MAX])
{
	bool told = !(v->untold.counts >> VF_COUNT_DROPS & 1);
	char *to = out;
	uint64_t n;

	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++) {
		const struct field *fields = parts[i].fields;

		for (unsigned int row = 0; fields[row].word; row++)
			if (field_number(&fields[row], (const char *)v + parts[i].at, &n))
				to = put(to, is_told(v, &parts[i], row), n);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(reasons); i++) {
		const uint64_t *counts =
			(const uint64_t *)(const void *)((const char *)&v->stats + reasons[i].at);

		for (unsigned int why = 0; why < DROP_N; why++)
			to = put(to, told, counts[why]);
	}
	for (unsigned int i = 0; i < VF_WAITS; i++)
		to = put(to, told, v->stats.waits[i]);
	to = put(to, told, v->stats.wait_ns);
	*to = '\0';
}

/**
 * ctl_pf_counts() - All numbers of a PF and its VFs
 * @ops:    the provider
 * @ctx:    its own
 * @pf:	    name
 * @result: gets {pf, columns, vfs}, see ctl.h
 * @e:	    may be NULL
 *
 * Return: 0, -ENODEV, -ENOMEM.
 * Context: control.
 */
int ctl_pf_counts(const struct pf_ops *ops, void *ctx, const char *pf, json_t **result,
		  struct err *e)
{
	auto_of(json_decref) json_t *vfs = json_array(), *told = NULL;
	char mac[MAC_STR_LEN], row[ROW_MAX];
	struct pf_info info;
	struct vf_info vf;
	int rc = ops->pf_get(ctx, pf, &info, e);

	for (unsigned int i = 0; !rc && i < info.config.numvfs; i++) {
		json_t *one;

		rc = ops->vf_get(ctx, pf, i, &vf, e);
		if (rc)
			break;
		row_write(&vf, row);
		one = json_pack("[s,s,s,s,s]", row + 1, mac_format(&vf.config.mac, mac),
				vf.config.port_id, vf.config.server, vf.status.pci_slot);
		if (json_array_append_new(vfs, one))
			return no_memory(e);
	}
	if (rc)
		return rc;
	told = json_pack("{s:o, s:o, s:O}", "pf", ctl_pf_info_to_json(&info), "columns", columns(),
			 "vfs", vfs);
	*result = take(told);
	return *result ? 0 : no_memory(e);
}

static json_t *worker_to_json(const struct worker_info *w)
{
	auto_of(json_decref) json_t *bursts = json_array();

	for (unsigned int i = 0; i < WORKER_BURSTS; i++)
		if (json_array_append_new(bursts, json_integer((json_int_t)w->bursts[i])))
			return NULL;
	return json_pack("{s:I, s:I, s:I, s:I, s:O}", "busy_ns", (json_int_t)w->busy_ns, "idle_ns",
			 (json_int_t)w->idle_ns, "wakeups", (json_int_t)w->wakeups, "frames",
			 (json_int_t)w->frames, "bursts", bursts);
}

/**
 * ctl_workers() - What each worker does
 * @ops:    the provider
 * @ctx:    its own
 * @result: gets a list, empty where there are none
 * @e:	    may be NULL
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int ctl_workers(const struct pf_ops *ops, void *ctx, json_t **result, struct err *e)
{
	auto_of(json_decref) json_t *list = json_array();
	struct worker_info w;

	for (unsigned int i = 0; ops->worker_get && !ops->worker_get(ctx, i, &w); i++)
		if (json_array_append_new(list, worker_to_json(&w)))
			return no_memory(e);
	*result = take(list);
	return 0;
}

/**
 * ctl_drift_to_json() - A word that is not as it was asked for, as pf.drift has it
 * @d: the word
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_drift_to_json(const struct pf_drift_info *d)
{
	const char *word = *d->mirror	  ? "mirror"
			   : d->of_attach ? "attach"
			   : d->of_svc	  ? "service"
			   : d->of_vf	  ? vf_fields[d->field].word
					  : pf_fields[d->field].word;
	json_t *j = json_pack("{s:s, s:s, s:s, s:I}", "word", word, "asked", d->asked, "is", d->is,
			      "since", (json_int_t)d->since);

	if (j && d->of_vf && json_object_set_new(j, "vf", json_integer(d->vf)))
		return NULL;
	if (j && *d->mirror && json_object_set_new(j, "mirror", json_string(d->mirror)))
		return NULL;
	return j;
}
