/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-512 (FIPS 180-4) of files and bytes, by libmd. */
#ifndef ANYVF_BASE_SHA512_H
#define ANYVF_BASE_SHA512_H

#include <sha512.h>
#include <stddef.h>
#include <stdint.h>

#define SHA512_LEN SHA512_DIGEST_LENGTH

struct sha512 {
	SHA512_CTX ctx;
};

static inline void sha512_init(struct sha512 *s)
{
	SHA512Init(&s->ctx);
}
static inline void sha512_update(struct sha512 *s, const void *data, size_t len)
{
	SHA512Update(&s->ctx, data, len);
}
static inline void sha512_final(struct sha512 *s, uint8_t out[SHA512_LEN])
{
	SHA512Final(out, &s->ctx);
}

#endif
