/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host's switch and NICs count, as a page of metrics: asked of the daemons' reading sockets
 * (collect.c), and written family by family (page.c, vfs.c, pfs.c). docs/metrics.md has each.
 */
#ifndef ANYVF_METRICS_METRICS_H
#define ANYVF_METRICS_METRICS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/prom.h"

#define METRICS_TIMEOUT_MS 2000 /* what all daemons together are given */

struct metrics_opts {
	const char *run_dir;	 /* of the sockets; borrowed */
	unsigned int timeout_ms; /* for all daemons together */
	bool full;		 /* where a reading socket is refused, by the other one */
	struct err *why;	 /* gets why the first that is not up is not; or NULL */
	bool open;		 /* OpenMetrics; else Prometheus' text 0.0.4 */
	bool sriov;		 /* sriov-network-metrics-exporter's names as well */
};

/* A daemon that does not answer in time is told as anyvf_up 0, and has no samples. */
int metrics_page(const struct metrics_opts *opts, struct buf *out);

#endif
