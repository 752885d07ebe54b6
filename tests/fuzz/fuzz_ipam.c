/* SPDX-License-Identifier: Apache-2.0 */
/* A subnet as a tenant may ask for it: lines of text, the CIDR, the gateway, then pools' ends. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "network/core/ipam.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool never_used(void *arg, const struct ip *ip)
{
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[1024], *rest = text, *word;
	struct ipam_subnet s = { .dhcp = size & 1 };
	struct refusal r = { 0 };
	struct ip ip;

	snprintf(text, sizeof(text), "%.*s", (int)MIN(size, sizeof(text) - 1), (const char *)data);
	word = strsep(&rest, "\n");
	if (cidr_parse(word, &s.cidr, NULL))
		return 0;
	word = strsep(&rest, "\n");
	if (word && ip_parse(word, &s.gateway, NULL))
		s.gateway = ipam_default_gateway(&s.cidr);
	for (; (word = strsep(&rest, "\n")) && s.n_pools < IPAM_POOLS_MAX; s.n_pools++) {
		struct ip_range *pool = &s.pools[s.n_pools];
		char *last = strsep(&rest, "\n");

		if (ip_parse(word, &pool->first, NULL) || !last ||
		    ip_parse(last, &pool->last, NULL))
			return 0;
	}
	if (!s.n_pools)
		s.n_pools = ipam_default_pools(&s.cidr, &s.gateway, s.pools);
	if (ipam_check_cidr(&s, &r) || ipam_check_pools(&s, &r) || ipam_check_gateway(&s, &r))
		return 0;
	if (!ipam_pick(&s, never_used, NULL, &ip))
		assert(cidr_contains(&s.cidr, &ip) && ipam_is_host(&s.cidr, &ip));
	return 0;
}
