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

/*
 * A VF's numbers as text, a dash where one is not told. What stands often in a row is written once,
 * as 0*40: most numbers of most VFs are 0, and whoever reads pays for each character.
 */
struct row {
	char text[ROW_MAX]; /* enough: see there */
	char *at;
	uint64_t n; /* the last, not written yet */
	bool told;
	unsigned int times;
};

static void row_flush(struct row *r)
{
	if (!r->times)
		return;
	if (r->at > r->text)
		*r->at++ = ' ';
	if (r->told)
		r->at = decimal_put(r->at, r->n, 1);
	else
		*r->at++ = '-';
	if (r->times > 1) {
		*r->at++ = '*';
		r->at = decimal_put(r->at, r->times, 1);
	}
	r->times = 0;
}

static void put(struct row *r, bool told, uint64_t n)
{
	if (!told)
		n = 0;
	if (told != r->told || n != r->n)
		row_flush(r);
	r->told = told;
	r->n = n;
	r->times++;
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

static void row_write(const struct vf_info *v, struct row *r)
{
	bool told = !(v->untold.counts >> VF_COUNT_DROPS & 1);
	uint64_t n;

	r->at = r->text;
	r->n = 0;
	r->told = false;
	r->times = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++) {
		const struct field *fields = parts[i].fields;

		for (unsigned int row = 0; fields[row].word; row++)
			if (field_number(&fields[row], (const char *)v + parts[i].at, &n))
				put(r, is_told(v, &parts[i], row), n);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(reasons); i++) {
		const uint64_t *counts =
			(const uint64_t *)(const void *)((const char *)&v->stats + reasons[i].at);

		for (unsigned int why = 0; why < DROP_N; why++)
			put(r, told, counts[why]);
	}
	for (unsigned int i = 0; i < VF_WAITS; i++)
		put(r, told, v->stats.waits[i]);
	put(r, told, v->stats.wait_ns);
	row_flush(r);
	*r->at++ = ' ';
	mac_format(&v->config.mac, r->at);
	r->at += strlen(r->at);
	*r->at++ = ' ';
	memcpy(r->at, v->status.pci_slot, strlen(v->status.pci_slot) + 1);
}

/* Who has a VF; null: nobody. */
static json_t *owner_to_json(const struct vf_config *c)
{
	return *c->port_id || *c->server ? json_pack("[s, s]", c->port_id, c->server) : json_null();
}

/**
 * ctl_pf_counts() - All numbers of a PF and its VFs
 * @ops:    the provider
 * @ctx:    its own
 * @pf:	    name
 * @result: gets {pf, columns, vfs, owners}, see ctl.h
 * @e:	    may be NULL
 *
 * Return: 0, -ENODEV, -ENOMEM.
 * Context: control.
 */
int ctl_pf_counts(const struct pf_ops *ops, void *ctx, const char *pf, json_t **result,
		  struct err *e)
{
	auto_of(json_decref) json_t *vfs = json_array(), *owners = json_array();
	struct pf_info info;
	struct vf_info vf;
	struct row row;
	int rc = ops->pf_get(ctx, pf, &info, e);

	for (unsigned int i = 0; !rc && i < info.config.numvfs; i++) {
		rc = ops->vf_get(ctx, pf, i, &vf, e);
		if (rc)
			break;
		row_write(&vf, &row);
		if (json_array_append_new(vfs, json_string(row.text)) ||
		    json_array_append_new(owners, owner_to_json(&vf.config)))
			return no_memory(e);
	}
	if (rc)
		return rc;
	*result = json_pack("{s:o, s:o, s:O, s:O}", "pf", ctl_pf_info_to_json(&info), "columns",
			    columns(), "vfs", vfs, "owners", owners);
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
