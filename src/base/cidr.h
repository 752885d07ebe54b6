/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 and IPv6 addresses and prefixes as 128-bit numbers; text only at the edges. */
#ifndef ANYVF_BASE_CIDR_H
#define ANYVF_BASE_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define IP_STR_LEN 46
#define CIDR_STR_LEN 50

typedef unsigned __int128 u128;

struct ip {
	uint8_t version; /* 4 or 6; 0: none */
	u128 n;		 /* host order; IPv4 in the low 32 bits */
};
struct cidr {
	struct ip base; /* host bits are zero */
	uint8_t len;	/* prefix length, 0..32 or 0..128 */
};

int ip_parse(const char *text, struct ip *out, struct err *e);
const char *ip_format(const struct ip *ip, char out[IP_STR_LEN]);
int cidr_parse(const char *text, struct cidr *out, struct err *e);
const char *cidr_format(const struct cidr *c, char out[CIDR_STR_LEN]);
bool cidr_contains(const struct cidr *c, const struct ip *ip);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
struct ip cidr_first(const struct cidr *c); /* network address */
struct ip cidr_last(const struct cidr *c);  /* broadcast address for IPv4 */

#endif
