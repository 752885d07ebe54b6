/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap as a Service: ports whose frames are copied. What a host's agent has to do
 * for it is /host/HOST/tap_flow/ID and /host/HOST/tap_mirror/ID.
 */
#ifndef ANYVF_NETWORK_TAAS_TAAS_H
#define ANYVF_NETWORK_TAAS_TAAS_H

#include "hosts/wishes.h"
#include "network/core/network.h"

extern const struct feature taas_feature;

/* Inside. tap.c: the resources */
extern const struct resource tap_service_resource, tap_flow_resource, tap_mirror_resource;

/* settle.c: where flows and mirrors are */
extern const struct hook tap_hooks[];
extern const struct host_feature tap_hosts;
extern const struct periodic tap_periodics[];
int tap_placed(struct call *c, const struct resource *r, const json_t *doc);
int tap_gone(struct call *c, const struct resource *r, const json_t *doc);
int tap_changed(struct call *c, const char *id);

#endif
