/* SPDX-License-Identifier: Apache-2.0 */
/* Captures that are there already: whether a file is one, and what is whole of it. */
#include "sw/parent/pcapng_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t u32_at(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* Bytes of the whole block at @at; 0: the bytes end in it or before it; -1: it is none of ours. */
static ssize_t block_size(const uint8_t *at, size_t left)
{
	uint32_t type, size;

	if (left < 12)
		return 0;
	type = u32_at(at);
	size = u32_at(at + 4);
	if ((type != PCAPNG_SECTION && type != PCAPNG_INTERFACE && type != PCAPNG_STATS &&
	     type != PCAPNG_PACKET) ||
	    size < 12 || size % 4 || size > PCAPNG_BLOCK_MAX)
		return -1;
	if (size > left)
		return 0;
	return u32_at(at + size - 4) == size ? (ssize_t)size : -1;
}

/**
 * pcapng_check() - Whether a file may be continued as a capture
 * @fd:   readable
 * @path: its name, for the error
 * @e:    says why not
 *
 * Return: 0: it is empty or begins as a capture; -EINVAL: no regular file; -EEXIST: something else.
 * Context: any thread.
 */
int pcapng_check(int fd, const char *path, struct err *e)
{
	uint32_t first = 0;
	struct stat st;

	if (fstat(fd, &st))
		return err_errno(e, "file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "file %s is no regular file", path);
	if (st.st_size &&
	    (pread(fd, &first, sizeof(first), 0) != sizeof(first) || first != PCAPNG_SECTION))
		return err_set(e, -EEXIST, "file %s is there and no pcapng capture", path);
	return 0;
}

/**
 * pcapng_whole() - Where the last whole block in the bytes at a file's end ends
 * @bytes: them, from a multiple of 4 on
 * @size:  bytes
 * @all:   they are the whole file
 *
 * A write that was cut short leaves part of a block. Where blocks begin is found by trying: from
 * there on all must be blocks.
 *
 * Return: bytes up to there; @size if nothing is cut; -1: these are no blocks of ours.
 * Context: any; pure.
 */
ssize_t pcapng_whole(const uint8_t *bytes, size_t size, bool all)
{
	for (size_t start = 0; start < size && !(start && all); start += 4) {
		size_t at = start;
		ssize_t n;

		while ((n = block_size(bytes + at, size - at)) > 0)
			at += (size_t)n;
		if (!n && at > start)
			return (ssize_t)at;
	}
	return -1;
}
