/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MD5 (RFC 1321) by libmd: for image checksums and key fingerprints, where OpenStack's formats ask
 * for it; protects nothing.
 */
#ifndef ANYVF_BASE_MD5_H
#define ANYVF_BASE_MD5_H

#include <md5.h>
#include <stddef.h>
#include <stdint.h>

#define MD5_LEN MD5_DIGEST_LENGTH

struct md5 {
	MD5_CTX ctx;
};

static inline void md5_init(struct md5 *m)
{
	MD5Init(&m->ctx);
}
static inline void md5_update(struct md5 *m, const void *data, size_t len)
{
	MD5Update(&m->ctx, data, len);
}
static inline void md5_final(struct md5 *m, uint8_t out[MD5_LEN])
{
	MD5Final(out, &m->ctx);
}
static inline void md5(const void *data, size_t len, uint8_t out[MD5_LEN])
{
	struct md5 m;

	md5_init(&m);
	md5_update(&m, data, len);
	md5_final(&m, out);
}

#endif
