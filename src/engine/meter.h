/* SPDX-License-Identifier: Apache-2.0 */
/* What the API counts of its own work, for a page of metrics. All in the loop's thread. */
#ifndef ANYVF_ENGINE_METER_H
#define ANYVF_ENGINE_METER_H

#include <stdint.h>

#include "base/omap.h"
#include "base/prom.h"

#define METER_TIMES 7 /* up to 1 ms, 10 ms, 100 ms, 1 s, 10 s, 60 s, and longer */

/* Times, each in one bucket. */
struct meter_times {
	uint64_t n[METER_TIMES], sum_us;
};

struct meter {
	struct omap *requests; /* "METHOD\nROUTE\nCLASS" -> uint64_t, owned */
	struct meter_times took;
	uint64_t logins, failed_logins, refused;
};

struct call;

void meter_time(struct meter_times *t, int64_t us);
void meter_call(struct meter *m, const struct call *c, unsigned int status, int64_t mono_us);
void meter_write(const struct meter *m, struct prom *p);
void meter_put_times(struct prom *p, const char *labels, const struct meter_times *t);
void meter_fini(struct meter *m);

#endif
