/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap as a Service: ports whose frames are copied. What a host's agent has to do
 * for it is /host/HOST/tap_flow/ID and /host/HOST/tap_mirror/ID.
 */
#ifndef ANYVF_NETWORK_TAAS_TAP_H
#define ANYVF_NETWORK_TAAS_TAP_H

#include <jansson.h>

struct call;

/* A port, or a tap service, was changed or deleted: what is copied from or to it follows. */
int tap_changed(struct call *c, const char *id);
int tap_sync(struct call *c);

/* The agent's reports about tap flows and tap mirrors: 204, or 400, 409. */
int tap_report(struct call *c, const char *host, const char *kind, const char *id,
	       const json_t *report);

#endif
