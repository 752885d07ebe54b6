/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 (RFC 1321): for image checksums and key fingerprints, where OpenStack's formats ask for it.
 */
#ifndef ANYVF_BASE_MD5_H
#define ANYVF_BASE_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_LEN 16

struct md5 {
	uint32_t state[4];
	uint64_t len_bytes; /* hashed so far */
	uint8_t block[64];  /* the last len_bytes % 64 of them wait here */
};

void md5_init(struct md5 *m);
void md5_update(struct md5 *m, const void *data, size_t len);
void md5_final(struct md5 *m, uint8_t out[MD5_LEN]);
void md5(const void *data, size_t len, uint8_t out[MD5_LEN]);

#endif
