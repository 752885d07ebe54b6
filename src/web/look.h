/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the daemons of this host and tells a feed: "pf/NAME", "vf/PF/N" (each as pf.get and
 * vf.get answer, with rates), "mirror/NAME", "svc/PF/NAME", and "daemon/NAME" of who tells it.
 */
#ifndef ANYVF_WEB_LOOK_H
#define ANYVF_WEB_LOOK_H

#include "web/feed.h"

struct look;

struct look *look_new(const char *run_dir);
void look_free(struct look *l);
AUTO_DEFINE(struct look *, look_free)

void look_at_all(struct look *l, struct feed *feed);
int look_drops(const struct look *l, const char *pf, unsigned int vf, json_t **out, struct err *e);

#endif
