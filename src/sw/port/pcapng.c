/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of pcapng, one after the other into a buffer that has room. */
#include "sw/port/pcapng.h"

#include <string.h>

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
	if (n)
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
	p = put32(put(put32(put32(p, PCAPNG_INTERFACE), 0), link, sizeof(link)), i->snap);
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
	uint8_t *p = put_time(put32(put32(put32(at, PCAPNG_PACKET), 0), 0), sf->time_ns);

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
	uint8_t *p = put_time(put32(put32(put32(at, PCAPNG_STATS), 0), 0), time_ns);

	p = put_option(p, OPT_ISB_IFRECV, &received, sizeof(received));
	return (uint32_t)(put_end(at, put_option(p, OPT_ISB_IFDROP, &dropped, sizeof(dropped))) -
			  at);
}
