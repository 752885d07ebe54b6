/* SPDX-License-Identifier: Apache-2.0 */
/* MD5: see md5.h. Not for anything that must be safe against an attacker. */
#include "base/md5.h"

#include <string.h>

#include "base/util.h"

/* floor(2^32 * |sin(i + 1)|), RFC 1321, 3.4 */
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
	0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
	0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
	0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
	0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
	0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
	0xeb86d391,
};
static const uint8_t shifts[4][4] = {
	{ 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 }
};

static uint32_t mix(unsigned int i, uint32_t b, uint32_t c, uint32_t d)
{
	switch (i / 16) {
	case 0:
		return (b & c) | (~b & d);
	case 1:
		return (d & b) | (~d & c);
	case 2:
		return b ^ c ^ d;
	}
	return c ^ (b | ~d);
}

static unsigned int word_of(unsigned int i)
{
	static const uint8_t mul[4] = { 1, 5, 3, 7 }, add[4] = { 0, 1, 5, 0 };

	return (mul[i / 16] * i + add[i / 16]) % 16;
}

static void add_block(struct md5 *m, const uint8_t *p)
{
	uint32_t a = m->state[0], b = m->state[1], c = m->state[2], d = m->state[3], w[16];

	for (unsigned int i = 0; i < 16; i++)
		w[i] = p[4 * i] | (uint32_t)p[4 * i + 1] << 8 | (uint32_t)p[4 * i + 2] << 16 |
		       (uint32_t)p[4 * i + 3] << 24;
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t sum = a + mix(i, b, c, d) + sines[i] + w[word_of(i)];
		unsigned int shift = shifts[i / 16][i % 4];

		a = d;
		d = c;
		c = b;
		b += sum << shift | sum >> (32 - shift);
	}
	m->state[0] += a;
	m->state[1] += b;
	m->state[2] += c;
	m->state[3] += d;
}

/**
 * md5_init() - Begin a hash
 * @m: any memory; holds nothing that must be freed
 */
void md5_init(struct md5 *m)
{
	*m = (struct md5){ .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } };
}

/**
 * md5_update() - Hash more bytes
 * @m:    begun by md5_init()
 * @data: bytes, in any split
 * @len:  their number; 0 too
 */
void md5_update(struct md5 *m, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t at = m->len_bytes % 64, n = MIN(len, 64 - at);

		if (n == 64) {
			add_block(m, p);
		} else {
			memcpy(m->block + at, p, n);
			if (at + n == 64)
				add_block(m, m->block);
		}
		m->len_bytes += n;
		p += n;
		len -= n;
	}
}

/**
 * md5_final() - End a hash
 * @m:   spent afterwards
 * @out: the digest
 */
void md5_final(struct md5 *m, uint8_t out[MD5_LEN])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = m->len_bytes * 8;
	uint8_t tail[8];

	for (int i = 0; i < 8; i++)
		tail[i] = (uint8_t)(bits >> (8 * i));
	md5_update(m, pad, 1 + (119 - m->len_bytes % 64) % 64);
	md5_update(m, tail, sizeof(tail));
	for (int i = 0; i < MD5_LEN; i++)
		out[i] = (uint8_t)(m->state[i / 4] >> (8 * (i % 4)));
}

/**
 * md5() - Hash one piece of memory
 * @data: bytes
 * @len:  their number
 * @out:  the digest
 */
void md5(const void *data, size_t len, uint8_t out[MD5_LEN])
{
	struct md5 m;

	md5_init(&m);
	md5_update(&m, data, len);
	md5_final(&m, out);
}
