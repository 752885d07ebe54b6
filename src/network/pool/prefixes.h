/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of addresses that are made of prefixes, pure: what a subnet pool has, and what is free in it. */
#ifndef ANYVF_NETWORK_POOL_PREFIXES_H
#define ANYVF_NETWORK_POOL_PREFIXES_H

#include <stddef.h>

#include "network/core/ipam.h"

/* Addresses of one version. Ranges ascend and do not touch. */
struct prefixes {
	struct ip_range *all; /* owned */
	size_t n;
};

int prefixes_add(struct prefixes *set, const struct cidr *c);
bool prefixes_have(const struct prefixes *set, const struct cidr *c);
bool prefixes_meet(const struct prefixes *set, const struct cidr *c);
int prefixes_take(struct prefixes *set, const struct cidr *c);
bool prefixes_next(const struct prefixes *set, size_t *i, struct cidr *at);
int prefixes_pick(const struct prefixes *set, unsigned int len, struct cidr *out);
void prefixes_free(struct prefixes *set);

#endif
