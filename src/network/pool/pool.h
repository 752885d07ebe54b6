/* SPDX-License-Identifier: Apache-2.0 */
/* Subnet pools and address scopes: where subnets get their prefixes from. */
#ifndef ANYVF_NETWORK_POOL_POOL_H
#define ANYVF_NETWORK_POOL_POOL_H

#include "engine/feature.h"
#include "network/pool/prefixes.h"

extern const struct feature pool_feature;

extern const struct resource scope_resource, pool_resource;
extern const struct hook pool_hooks[]; /* of subnets and networks (allocate.c) */
extern const struct rfield pool_subnet_rows[];

int pool_read(const json_t *pool, struct prefixes *out);
int pool_lock(struct call *c, const json_t *pool);
json_t *prefixes_to_json(const struct prefixes *set);

#endif
