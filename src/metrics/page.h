/* SPDX-License-Identifier: Apache-2.0 */
/* Families of metrics, each written once and whole. */
#ifndef ANYVF_METRICS_PAGE_H
#define ANYVF_METRICS_PAGE_H

#include "base/prom.h"
#include "metrics/collect.h"

void vfs_write(struct prom *p, const struct told *t);	    /* vfs.c */
void vfs_write_sriov(struct prom *p, const struct told *t); /* sriov.c */
void pfs_write(struct prom *p, const struct told *t);	    /* pfs.c */

/* A VF's frames that came from the guest and were dropped; UNTOLD: not known. */
uint64_t vf_tx_dropped(const struct pf_told *pf, unsigned int vf);

#endif
