/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicas of one cloud: each says under /replica/URL where the others reach it, and
 * shows them by a key in the store that it is one. Where nobody else writes the store
 * there are none.
 */
#ifndef ANYVF_ENGINE_REPLICA_H
#define ANYVF_ENGINE_REPLICA_H

#include "engine/call.h"

int replica_announce(struct call *c);
const char *replica_url(const struct call *c);
char *replica_proof(struct call *c, const char *method, const char *target);

#endif
