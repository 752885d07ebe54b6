/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses: 6 bytes, as on the wire. */
#ifndef ANYVF_BASE_MAC_H
#define ANYVF_BASE_MAC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

#define MAC_LEN 6
#define MAC_STR_LEN 18 /* "aa:bb:cc:dd:ee:ff" and its NUL */

struct mac {
	uint8_t b[MAC_LEN]; /* in wire order */
};

#define MAC_LIST_MAX 32

/* A few addresses, in order, each once; the rest of the array is zero. */
struct mac_list {
	uint8_t n;
	struct mac macs[MAC_LIST_MAX];
};

int mac_parse(const char *text, struct mac *out, struct err *e);
const char *mac_format(const struct mac *mac, char out[MAC_STR_LEN]);
int mac_list_parse(const char *text, struct mac_list *out, struct err *e);
int mac_list_format(const struct mac_list *l, char *out, size_t size);
int mac_list_merge(struct mac_list *l, const struct mac_list *other, bool member, struct err *e);
bool mac_list_has(const struct mac_list *l, const struct mac *mac);
void mac_random(struct mac *out, const uint8_t prefix[3]);

static inline bool mac_is_zero(const struct mac *m)
{
	return !(m->b[0] | m->b[1] | m->b[2] | m->b[3] | m->b[4] | m->b[5]);
}
static inline bool mac_is_multicast(const struct mac *m)
{
	return m->b[0] & 1;
}
static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return !memcmp(a, b, MAC_LEN);
}
static inline bool mac_list_equal(const struct mac_list *a, const struct mac_list *b)
{
	return a->n == b->n && !memcmp(a->macs, b->macs, sizeof(a->macs));
}
/* The address in the low 48 bits, first wire byte highest: a key for tables. */
static inline uint64_t mac_to_u64(const struct mac *m)
{
	return (uint64_t)m->b[0] << 40 | (uint64_t)m->b[1] << 32 | (uint64_t)m->b[2] << 24 |
	       (uint64_t)m->b[3] << 16 | (uint64_t)m->b[4] << 8 | m->b[5];
}

#endif
