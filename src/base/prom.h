/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text: Prometheus' format 0.0.4, or OpenMetrics 1.0. A family is begun once and has its
 * samples behind it; labels are put together beforehand, escaped, and used for many samples.
 */
#ifndef ANYVF_BASE_PROM_H
#define ANYVF_BASE_PROM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* The last is a counter that is not called so, as others' names have it. */
enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM, PROM_INFO, PROM_BARE };

/* Start with `struct prom p = { .open = ... };`. */
struct prom {
	struct buf text; /* the caller's at the end */
	bool open;	 /* OpenMetrics */
	int rc;		 /* the first failure; nothing is written behind it */
	const char *name;
	enum prom_type type;
};

/* Labels of samples, which begin with prom_labels_none(). One that does not fit is left out. */
#define PROM_LABELS_MAX 1024
struct prom_labels {
	unsigned int len;
	char text[PROM_LABELS_MAX]; /* name="value",... */
};
static inline void prom_labels_none(struct prom_labels *l)
{
	l->len = 0;
	l->text[0] = '\0';
}

void prom_label(struct prom_labels *l, const char *name, const char *value);
void prom_label_number(struct prom_labels *l, const char *name, uint64_t value);

void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help);
/* @labels and @more: text of struct prom_labels each, "" for none. */
void prom_put(struct prom *p, const char *labels, const char *more, uint64_t value);
void prom_put_ns(struct prom *p, const char *labels, uint64_t ns);

/* Counts by buckets, each sample in one; the last bucket has no upper end. */
struct prom_buckets {
	const char *const *les; /* upper ends as text, n - 1 of them */
	const uint64_t *counts; /* n */
	unsigned int n;
};
void prom_put_histogram(struct prom *p, const char *labels, const struct prom_buckets *b,
			uint64_t sum, bool in_ns);
int prom_end(struct prom *p);

bool prom_accepts_open(const char *accept);
const char *prom_content_type(bool open);

#endif
