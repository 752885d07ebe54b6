/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons told for one page. */
#ifndef ANYVF_METRICS_COLLECT_H
#define ANYVF_METRICS_COLLECT_H

#include <jansson.h>

#include "base/mac.h"
#include "ctl/ctl.h"
#include "metrics/metrics.h"

#define DAEMONS	 2	    /* of ctl_reading_socks[] */
#define UNTOLD	 UINT64_MAX /* a number that nobody told */
#define COLS_MAX 256

struct vf_told {
	char labels[128]; /* which it is: the name of its PF, escaped, and a number */
	char mac[MAC_STR_LEN], pci_slot[32];
};

/* A PF, of what pf.counts answers. */
struct pf_told {
	json_t *all; /* owned; the rest is borrowed from it */
	const char *name;
	const json_t *config, *status, *owners;
	const char *cols[COLS_MAX]; /* names of columns */
	unsigned int n_cols, n_vfs;
	uint64_t *numbers;   /* owned; n_vfs times n_cols */
	struct vf_told *vfs; /* owned; n_vfs */
	size_t drift;	     /* words that others changed; of a NIC */
	bool is_nic;
};

struct daemon_told {
	const char *name; /* "swd", "hwd" */
	bool asked, up;	  /* there is, or was, one; it answered */
	json_t *info;	  /* daemon.info's */
	json_t *mirrors;  /* mirror.list's */
	json_t *workers;  /* worker.list's */
	struct pf_told *pfs;
	unsigned int n_pfs;
};

struct told {
	struct daemon_told daemons[DAEMONS];
	uint64_t took_ns;
};

void told_collect(const struct metrics_opts *o, struct told *out);
void told_free(struct told *t);

/* The column called @name, n_cols: there is none. */
unsigned int pf_col(const struct pf_told *pf, const char *name);
static inline uint64_t pf_number(const struct pf_told *pf, unsigned int vf, unsigned int col)
{
	return col < pf->n_cols ? pf->numbers[vf * pf->n_cols + col] : UNTOLD;
}

#define told_each_pf(t, d, pf)                                                                     \
	for (const struct daemon_told *d = (t)->daemons; d < (t)->daemons + DAEMONS; d++)          \
		for (const struct pf_told *pf = d->pfs; pf < d->pfs + d->n_pfs; pf++)

#endif
