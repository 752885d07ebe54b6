/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the daemons for all there is to tell, within one deadline: a hung one costs its part of the
 * time and no more. What one told that ended in the middle is thrown away, so that no sum is of
 * half a host. Its answers are judged here; a column that is not known to us is passed over.
 */
#include "metrics/collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"
#include "base/prom.h"

struct asking {
	struct ctl_client *client;
	uint64_t deadline_ms;
	struct err e; /* why the last did not tell */
};

static int ask(struct asking *a, const char *method, json_t *params, json_t **out)
{
	uint64_t now = loop_now_ms();
	int left = a->deadline_ms > now ? (int)(a->deadline_ms - now) : 0;

	a->e.msg[0] = '\0';
	return ctl_call(a->client, method, params, left, out, &a->e);
}

static uint64_t digits(const char **text)
{
	uint64_t n = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++)
		n = n * 10 + (uint64_t)(**text - '0');
	return n;
}

/*
 * "7 - 0*12 ..." into numbers, see ctl.h; what is missing or makes no sense is untold. Returns what
 * is behind them.
 */
static const char *row_read(const char *text, uint64_t *out, unsigned int n)
{
	for (unsigned int i = 0; i < n;) {
		uint64_t value = *text >= '0' && *text <= '9' ? digits(&text) : UNTOLD, times = 1;

		text += *text == '-';
		if (*text == '*') {
			text++;
			times = digits(&text);
		}
		for (; times && i < n; times--)
			out[i++] = value;
		text += strcspn(text, " ");
		text += *text == ' ';
	}
	return text;
}

/* The next word of a text; the end of one that is longer than there is room is left out. */
static const char *word_read(const char *text, char *out, size_t size)
{
	size_t n = strcspn(text, " "), fits = MIN(n, size - 1);

	memcpy(out, text, fits);
	out[fits] = '\0';
	return text + n + (text[n] == ' ');
}

/* The labels are made once, as each of them stands before some forty samples. */
static int vfs_read(struct pf_told *pf, const json_t *rows)
{
	struct prom_labels name;

	prom_labels_none(&name);
	prom_label(&name, "pf", pf->name);
	pf->numbers = malloc(((size_t)pf->n_vfs * pf->n_cols + 1) * sizeof(*pf->numbers));
	pf->vfs = calloc(pf->n_vfs + 1u, sizeof(*pf->vfs));
	if (!pf->numbers || !pf->vfs || name.len + sizeof(",vf=\"256\"") > sizeof(pf->vfs->labels))
		return -EPROTO;
	for (unsigned int i = 0; i < pf->n_vfs; i++) {
		struct vf_told *vf = &pf->vfs[i];
		const char *rest = row_read(json_string_value(json_array_get(rows, i)) ?: "",
					    pf->numbers + (size_t)i * pf->n_cols, pf->n_cols);
		char *at = stpcpy(stpcpy(vf->labels, name.text), ",vf=\"");

		memcpy(decimal_put(at, i, 1), "\"", sizeof("\""));
		word_read(word_read(rest, vf->mac, sizeof(vf->mac)), vf->pci_slot,
			  sizeof(vf->pci_slot));
	}
	return 0;
}

static int pf_read(struct pf_told *pf)
{
	const json_t *cols = json_object_get(pf->all, "columns");
	const json_t *vfs = json_object_get(pf->all, "vfs"), *one = json_object_get(pf->all, "pf");

	pf->config = json_object_get(one, "config");
	pf->status = json_object_get(one, "status");
	pf->owners = json_object_get(pf->all, "owners");
	pf->name = json_string_value(json_object_get(pf->config, "name"));
	pf->n_cols = (unsigned int)MIN(json_array_size(cols), (size_t)COLS_MAX);
	pf->n_vfs = (unsigned int)MIN(json_array_size(vfs), (size_t)VF_MAX);
	pf->is_nic = !strcmp(json_string_value(json_object_get(pf->status, "kind")) ?: "", "hw");
	if (!pf->name)
		return -EPROTO;
	for (unsigned int i = 0; i < pf->n_cols; i++)
		pf->cols[i] = json_string_value(json_array_get(cols, i)) ?: "";
	return vfs_read(pf, vfs);
}

static int pf_ask(struct asking *a, const char *name, struct pf_told *pf)
{
	auto_of(json_decref) json_t *drift = NULL;
	int rc = ask(a, "pf.counts", json_pack("{s:s}", "pf", name), &pf->all);

	rc = rc ?: pf_read(pf);
	if (!rc && pf->is_nic) {
		rc = ask(a, "pf.drift", json_pack("{s:s}", "pf", name), &drift);
		pf->drift = json_array_size(drift);
	}
	return rc;
}

static void pf_forget(struct pf_told *pf)
{
	json_decref(pf->all);
	free(pf->numbers);
	free(pf->vfs);
	*pf = (struct pf_told){ 0 };
}

/* A PF that went meanwhile, or whose NIC does not answer, takes no other along. */
static int pfs_ask(struct asking *a, struct daemon_told *d)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	size_t i;
	int rc = ask(a, "pf.list", NULL, &names);

	if (rc)
		return rc;
	d->pfs = calloc(PFS_MAX, sizeof(*d->pfs));
	if (!d->pfs)
		return -ENOMEM;
	json_array_foreach (names, i, name) {
		struct pf_told *pf = &d->pfs[d->n_pfs];

		if (d->n_pfs == PFS_MAX)
			break;
		d->n_pfs++;
		rc = pf_ask(a, json_string_value(name), pf);
		if (ctl_is_over(rc))
			return rc;
		if (rc) {
			d->n_pfs--;
			pf_forget(pf);
		}
	}
	return 0;
}

static int daemon_ask(struct asking *a, struct daemon_told *d)
{
	int rc = ask(a, "daemon.info", NULL, &d->info);

	rc = rc ?: pfs_ask(a, d);
	rc = rc ?: ask(a, "mirror.list", NULL, &d->mirrors);
	return rc ?: ask(a, "worker.list", NULL, &d->workers);
}

static void daemon_forget(struct daemon_told *d)
{
	for (unsigned int i = 0; i < d->n_pfs; i++)
		pf_forget(&d->pfs[i]);
	free(d->pfs);
	json_decref(d->info);
	json_decref(d->mirrors);
	json_decref(d->workers);
	*d = (struct daemon_told){ .name = d->name, .asked = d->asked };
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int daemon_open(const struct metrics_opts *o, unsigned int i, struct asking *a)
{
	uint64_t now = loop_now_ms();
	unsigned int left = a->deadline_ms > now ? (unsigned int)(a->deadline_ms - now) : 0;

	if (!left)
		return err_set(&a->e, -ETIMEDOUT, "%s/%s: no time is left", o->run_dir,
			       ctl_reading_socks[i]);
	return ctl_open_reading(o->run_dir, i, o->full, left, &a->client, &a->e);
}

static void daemon_tells(const struct metrics_opts *o, unsigned int i, uint64_t deadline_ms,
			 struct daemon_told *d)
{
	struct asking a = { .deadline_ms = deadline_ms };
	int rc = daemon_open(o, i, &a) ?: daemon_ask(&a, d);

	d->up = !rc;
	ctl_close(a.client);
	if (!rc)
		return;
	daemon_forget(d);
	if (o->why && !o->why->msg[0])
		err_set(o->why, rc, "anyvf-%s: %s", d->name, a.e.msg[0] ? a.e.msg : strerror(-rc));
}

/**
 * told_collect() - Ask the daemons of a host
 * @o:	 where, for how long, by which sockets; its why is filled
 * @out: what they told; ends with told_free()
 *
 * One that has not run here since the boot is not asked for, unless none has. Each has its part of
 * the time that is left, so that one that hangs takes none of the others along.
 */
void told_collect(const struct metrics_opts *o, struct told *out)
{
	static const char *const names[DAEMONS] = { "swd", "hwd" };
	uint64_t began = now_ns(), deadline_ms = loop_now_ms() + o->timeout_ms;
	char path[512];
	unsigned int n_asked = 0;

	*out = (struct told){ 0 };
	for (unsigned int i = 0; i < DAEMONS; i++) {
		struct daemon_told *d = &out->daemons[i];

		d->name = names[i];
		snprintf(path, sizeof(path), "%s/%s", o->run_dir, ctl_reading_socks[i]);
		d->asked = !access(path, F_OK) || ctl_has_run(o->run_dir, ctl_socks[i]);
		n_asked += d->asked;
	}
	out->daemons[0].asked |= !n_asked;
	n_asked += !n_asked;
	for (unsigned int i = 0; i < DAEMONS; i++) {
		struct daemon_told *d = &out->daemons[i];
		uint64_t now = loop_now_ms(), left = deadline_ms > now ? deadline_ms - now : 0;

		if (d->asked)
			daemon_tells(o, i, now + left / n_asked--, d);
	}
	out->took_ns = now_ns() - began;
}

/**
 * told_free() - Forget what was told
 * @t: it
 */
void told_free(struct told *t)
{
	for (unsigned int i = 0; i < DAEMONS; i++)
		daemon_forget(&t->daemons[i]);
}

/**
 * pf_col() - Find a column
 * @pf:	  PF
 * @name: as in the table's rows, "stats.rx_packets"
 *
 * Return: its index; n_cols if it is not told.
 */
unsigned int pf_col(const struct pf_told *pf, const char *name)
{
	unsigned int i = 0;

	while (i < pf->n_cols && strcmp(pf->cols[i], name))
		i++;
	return i;
}
