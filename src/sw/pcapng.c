/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of pcapng, one after the other into a buffer that has room. */
#include "sw/pcapng.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_INTERFACE = 1, BLOCK_STATS = 5, BLOCK_PACKET = 6 };
enum { LINKTYPE_ETHERNET = 1 };
enum {
	OPT_COMMENT = 1,
	OPT_EPB_FLAGS = 2,
	OPT_IF_NAME = 2,
	OPT_IF_DESCRIPTION = 3,
	OPT_IF_TSRESOL = 9,
	OPT_IF_FILTER = 11,
	OPT_SHB_USERAPPL = 4,
	OPT_ISB_IFRECV = 4,
	OPT_ISB_IFDROP = 5,
};

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	return put(at, &v, sizeof(v));
}

/* Seconds and their parts are one number, its high half first. */
static uint8_t *put_time(uint8_t *at, uint64_t time_ns)
{
	return put32(put32(at, (uint32_t)(time_ns >> 32)), (uint32_t)time_ns);
}

/* @bytes NULL: no such option. */
static uint8_t *put_option(uint8_t *at, uint16_t code, const void *bytes, size_t n)
{
	const uint16_t head[2] = { code, (uint16_t)n };

	if (!bytes)
		return at;
	at = put(put(at, head, sizeof(head)), bytes, n);
	return put(at, "\0\0", -n & 3u);
}

static uint8_t *put_text(uint8_t *at, uint16_t code, const char *text)
{
	return put_option(at, code, text, text ? strlen(text) : 0);
}

/* Ends the block that begins at @block: end of options, and its size at both ends. */
static uint8_t *put_end(uint8_t *block, uint8_t *at)
{
	uint32_t size = (uint32_t)(at - block) + 8;

	put32(block + 4, size);
	return put32(put32(at, 0), size);
}

/**
 * pcapng_start() - A section and its interface: Ethernet, times in nanoseconds
 * @at: gets at most PCAPNG_START_MAX bytes
 * @i:  the interface
 *
 * Return: bytes written.
 */
uint32_t pcapng_start(uint8_t *at, const struct pcapng_if *i)
{
	static const uint16_t version[2] = { 1, 0 }, link[2] = { LINKTYPE_ETHERNET, 0 };
	static const uint8_t nanoseconds = 9;
	const uint64_t length = UINT64_MAX; /* not known */
	char filter[MIRROR_PCAP_LEN + 2] = ""; /* a byte 0 says that text follows */
	uint8_t *p = put32(put32(put32(at, PCAPNG_SECTION), 0), 0x1a2b3c4d), *block;

	p = put(put(p, version, sizeof(version)), &length, sizeof(length));
	p = block = put_end(at, put_text(p, OPT_SHB_USERAPPL, "anyvf " ANYVF_VERSION));
	p = put32(put(put32(put32(p, BLOCK_INTERFACE), 0), link, sizeof(link)), i->snap);
	p = put_text(p, OPT_IF_NAME, i->name);
	p = put_text(p, OPT_IF_DESCRIPTION, i->description);
	p = put_option(p, OPT_IF_TSRESOL, &nanoseconds, 1);
	if (i->filter && *i->filter) {
		strcpy(filter + 1, i->filter);
		p = put_option(p, OPT_IF_FILTER, filter, 1 + strlen(i->filter));
	}
	return (uint32_t)(put_end(block, p) - at);
}

/**
 * pcapng_packet() - An enhanced packet block
 * @at:      gets at most PCAPNG_EXTRA bytes more than the frame has
 * @sf:      frame
 * @flags:   1: inbound, 2: outbound (4.3.1), 0: not known
 * @comment: at most 150 characters, or NULL
 *
 * Return: bytes written.
 */
uint32_t pcapng_packet(uint8_t *at, const struct sink_frame *sf, uint32_t flags,
		       const char *comment)
{
	uint8_t head[FRAME_HDR_MAX];
	uint32_t head_len = sf->raw ? 0 : frame_header(&sf->frame, sf->tags, head);
	uint32_t len = head_len + sf->frame.data.len;
	uint8_t *p = put_time(put32(put32(put32(at, BLOCK_PACKET), 0), 0), sf->time_ns);

	p = put32(put32(p, len), len + sf->cut);
	p = put(put(p, head, head_len), sf->frame.data.base, sf->frame.data.len);
	p = put(p, "\0\0", -len & 3u);
	p = put_option(p, OPT_EPB_FLAGS, flags ? &flags : NULL, sizeof(flags));
	return (uint32_t)(put_end(at, put_text(p, OPT_COMMENT, comment)) - at);
}

/**
 * pcapng_stats() - An interface statistics block
 * @at:       gets it
 * @time_ns:  now
 * @received: frames there were
 * @dropped:  of them, those that are not in the capture
 *
 * Return: bytes written, at most PCAPNG_EXTRA.
 */
uint32_t pcapng_stats(uint8_t *at, uint64_t time_ns, uint64_t received, uint64_t dropped)
{
	uint8_t *p = put_time(put32(put32(put32(at, BLOCK_STATS), 0), 0), time_ns);

	p = put_option(p, OPT_ISB_IFRECV, &received, sizeof(received));
	return (uint32_t)(put_end(at, put_option(p, OPT_ISB_IFDROP, &dropped, sizeof(dropped))) -
			  at);
}

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
	if ((type != PCAPNG_SECTION && type != BLOCK_INTERFACE && type != BLOCK_STATS &&
	     type != BLOCK_PACKET) ||
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
