/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-512 (FIPS 180-4), by libsodium: a third faster than libmd's. */
#ifndef ANYVF_BASE_SHA512_H
#define ANYVF_BASE_SHA512_H

#include <sodium.h>

#define SHA512_LEN crypto_hash_sha512_BYTES

struct sha512 {
	crypto_hash_sha512_state state;
};

static inline void sha512_init(struct sha512 *s)
{
	crypto_hash_sha512_init(&s->state);
}
static inline void sha512_update(struct sha512 *s, const void *data, size_t len)
{
	crypto_hash_sha512_update(&s->state, data, len);
}
static inline void sha512_final(struct sha512 *s, uint8_t out[SHA512_LEN])
{
	crypto_hash_sha512_final(&s->state, out);
}

#endif
