/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of an image as OpenStack names them, taken while its bytes arrive. */
#ifndef ANYVF_HTTP_DIGEST_H
#define ANYVF_HTTP_DIGEST_H

#include <sodium.h>

#include "base/md5.h"
#include "base/sha512.h"

struct digest {
	struct md5 md5;
	struct sha512 sha512;
};

/* As hexadecimal text. */
struct digest_text {
	char md5[2 * MD5_LEN + 1];
	char sha512[2 * SHA512_LEN + 1];
};

static inline void digest_init(struct digest *d)
{
	md5_init(&d->md5);
	sha512_init(&d->sha512);
}
static inline void digest_update(struct digest *d, const void *data, size_t size)
{
	md5_update(&d->md5, data, size);
	sha512_update(&d->sha512, data, size);
}
/* Of the bytes so far: further ones may follow. */
static inline void digest_text(const struct digest *d, struct digest_text *out)
{
	struct digest copy = *d;
	unsigned char md5[MD5_LEN], sha512[SHA512_LEN];

	md5_final(&copy.md5, md5);
	sha512_final(&copy.sha512, sha512);
	sodium_bin2hex(out->md5, sizeof(out->md5), md5, sizeof(md5));
	sodium_bin2hex(out->sha512, sizeof(out->sha512), sha512, sizeof(sha512));
}

#endif
