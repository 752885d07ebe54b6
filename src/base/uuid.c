/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes and the ids made of them. */
#include "base/uuid.h"

#include <assert.h>
#include <stdint.h>
#include <sys/random.h>

/**
 * rand_bytes() - Fill a buffer with the kernel's random bytes
 * @out:  buffer
 * @size: at most 256, so that getrandom() neither blocks nor stops short
 */
void rand_bytes(void *out, size_t size)
{
	ssize_t n = getrandom(out, size, 0);

	assert(size <= 256 && n == (ssize_t)size);
	(void)n;
}

/**
 * uuid_new() - Make a random UUID (RFC 4122, version 4)
 * @out: 36 characters and a NUL
 */
void uuid_new(char out[UUID_STR_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t b[16];

	rand_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (unsigned int i = 0; i < sizeof(b); i++) { /* each request has one: no printf() */
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[b[i] >> 4];
		*out++ = digits[b[i] & 15];
	}
	*out = '\0';
}

/**
 * uuid_new_hex() - The same as 32 hex digits without dashes, as Keystone's ids are
 * @out: 32 characters and a NUL
 */
void uuid_new_hex(char out[33])
{
	char text[UUID_STR_LEN];

	uuid_new(text);
	for (const char *p = text; *p; p++)
		if (*p != '-')
			*out++ = *p;
	*out = '\0';
}

/**
 * uuid_valid() - Is this text a UUID?
 * @text: anything
 *
 * Return: true for 36 characters with dashes in the four places, hex digits of either case
 * elsewhere. The version is not looked at.
 */
bool uuid_valid(const char *text)
{
	for (int i = 0; i < UUID_STR_LEN - 1; i++) {
		char c = text[i];
		bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');

		if (i == 8 || i == 13 || i == 18 || i == 23 ? c != '-' : !hex)
			return false;
	}
	return !text[UUID_STR_LEN - 1];
}
