/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of many rows, for method.c; and the tables of what is only observed, which they share with codec.c. */
#ifndef ANYVF_CTL_ROWS_H
#define ANYVF_CTL_ROWS_H

#include "model/pf_ops.h"

extern const struct field ctl_stats_fields[];	  /* order: enum vf_count, up to drops */
extern const struct field ctl_vf_status_fields[]; /* of struct vf_status */

int ctl_pf_counts(const struct pf_ops *ops, void *ctx, const char *pf, json_t **result,
		  struct err *e);
int ctl_workers(const struct pf_ops *ops, void *ctx, json_t **result, struct err *e);
json_t *ctl_drift_to_json(const struct pf_drift_info *d);

#endif
