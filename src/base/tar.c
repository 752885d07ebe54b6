/* SPDX-License-Identifier: Apache-2.0 */
/* Archives in memory: a header of one block a file, its bytes, and zeros to the next block. */
#include "base/tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

/* Numbers are octal digits, with a NUL behind them. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static void octal(char *to, size_t size, uint64_t n)
{
	to[--size] = '\0';
	while (size) {
		to[--size] = (char)('0' + (n & 7));
		n >>= 3;
	}
}

/* The sum is of all bytes, as if its own were spaces. */
static void seal(struct header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned int sum = 0;

	memset(h->sum, ' ', sizeof(h->sum));
	for (unsigned int i = 0; i < BLOCK; i++)
		sum += bytes[i];
	octal(h->sum, 7, sum);
}

/**
 * tar_add() - Put a file behind those an archive has
 * @tar:     archive, which tar_end() ends
 * @max:     most bytes it may then have
 * @name:    of the file, with directories
 * @mtime_s: when it was changed, seconds of the epoch
 * @data:    bytes
 * @size:    how many
 *
 * It is root's, and for nobody else to read.
 *
 * Return: 0; -ENAMETOOLONG, -EMSGSIZE, -ENOMEM: the archive is of no further use.
 */
int tar_add(struct buf *tar, size_t max, const char *name, int64_t mtime_s, const void *data,
	    size_t size)
{
	static const char zeros[BLOCK];
	struct header h = {
		.type = '0', .magic = "ustar", .version = "00", .user = "root", .group = "root"
	};
	int rc;

	if (strlen(name) > TAR_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(h.name, name, strlen(name));
	octal(h.mode, sizeof(h.mode), 0600);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), size);
	octal(h.mtime, sizeof(h.mtime), mtime_s < 0 ? 0 : (uint64_t)mtime_s);
	seal(&h);
	rc = buf_add(tar, &h, sizeof(h), max);
	rc = rc ?: buf_add(tar, data, size, max);
	return rc ?: buf_add(tar, zeros, -size % BLOCK, max);
}

/**
 * tar_end() - End an archive
 * @tar: archive
 * @max: most bytes it may then have
 *
 * Return: 0, -EMSGSIZE or -ENOMEM.
 */
int tar_end(struct buf *tar, size_t max)
{
	static const char zeros[2 * BLOCK];

	return buf_add(tar, zeros, sizeof(zeros), max);
}
