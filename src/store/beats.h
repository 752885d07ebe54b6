/* SPDX-License-Identifier: Apache-2.0 */
/* When names were heard last: of hosts and replicas. A map of the store's. */
#ifndef ANYVF_STORE_BEATS_H
#define ANYVF_STORE_BEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/omap.h"

int beats_note(struct omap *beats, const char *name, int64_t now_us);
int64_t beats_at(const struct omap *beats, const char *name);
bool beats_lead(const struct omap *beats, const char *self, int64_t now_us);
void beats_free(struct omap *beats);

#endif
