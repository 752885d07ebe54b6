/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flow a frame is of. Its bytes are read in the sender's memory, which may change: what is
 * seen here steers a frame to one queue or another of the same receiver, and no more than that.
 */
#include "veb/rss.h"

#define TYPE_IP4  0x0800
#define TYPE_IP6  0x86dd
#define PLAIN_LEN 44 /* an IPv6 header and ports: every frame of 60 bytes has as many */
#define TAGS_MAX  2  /* below the outer one; and */
#define EXTS_MAX  8 /* IPv6 extension headers that are walked: what has more is told by addresses */

/* The 32 bits of the key from bit @s of the word @a on, which the word @b follows. */
#define KEY(a, b, s)   ((uint32_t)(((uint64_t)(a) << 32 | (b)) >> (32 - (s))))
#define BIT(n, i, key) ((n) >> (3 - (i)) & 1 ? (key) : 0)
#define XOR(n, a, b, s)                                                                            \
	(BIT(n, 0, KEY(a, b, s)) ^ BIT(n, 1, KEY(a, b, (s) + 1)) ^ BIT(n, 2, KEY(a, b, (s) + 2)) ^ \
	 BIT(n, 3, KEY(a, b, (s) + 3)))
#define NIBBLE(a, b, s)                                                                            \
	{                                                                                          \
		0, XOR(1, a, b, s), XOR(2, a, b, s), XOR(3, a, b, s), XOR(4, a, b, s),             \
			XOR(5, a, b, s), XOR(6, a, b, s), XOR(7, a, b, s), XOR(8, a, b, s),        \
			XOR(9, a, b, s), XOR(10, a, b, s), XOR(11, a, b, s), XOR(12, a, b, s),     \
			XOR(13, a, b, s), XOR(14, a, b, s), XOR(15, a, b, s)                       \
	}
#define WORD(a, b)                                                                                 \
	NIBBLE(a, b, 0), NIBBLE(a, b, 4), NIBBLE(a, b, 8), NIBBLE(a, b, 12), NIBBLE(a, b, 16),     \
		NIBBLE(a, b, 20), NIBBLE(a, b, 24), NIBBLE(a, b, 28)

/* What each half byte of a tuple adds to the hash, by its value: the key, 32 bits for each bit. */
static const uint32_t table[2 * RSS_TUPLE][16] = {
	WORD(0x6d5a56da, 0x255b0ec2), WORD(0x255b0ec2, 0x4167253d), WORD(0x4167253d, 0x43a38fb0),
	WORD(0x43a38fb0, 0xd0ca2bcb), WORD(0xd0ca2bcb, 0xae7b30b4), WORD(0xae7b30b4, 0x77cb2da3),
	WORD(0x77cb2da3, 0x8030f20c), WORD(0x8030f20c, 0x6a42b73b), WORD(0x6a42b73b, 0xbeac01fa),
};

/**
 * rss_toeplitz() - The Toeplitz hash with Microsoft's key
 * @bytes: as on the wire
 * @len:   of them, a multiple of 4, RSS_TUPLE at most
 *
 * As in Microsoft's "RSS Hashing Functions", whose vectors the test has.
 *
 * Context: any thread; pure.
 */
uint32_t rss_toeplitz(const uint8_t *bytes, unsigned int len)
{
	uint32_t hash = 0;

	for (unsigned int i = 0; i < len; i += 4) {
		const uint32_t(*t)[16] = &table[2 * i];
		uint32_t word;

		memcpy(&word, bytes + i, sizeof(word));
		word = le32toh(word);
		hash ^= t[0][word >> 4 & 15] ^ t[1][word & 15] ^ t[2][word >> 12 & 15] ^
			t[3][word >> 8 & 15] ^ t[4][word >> 20 & 15] ^ t[5][word >> 16 & 15] ^
			t[6][word >> 28] ^ t[7][word >> 24 & 15];
	}
	return hash;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132; /* TCP, UDP, SCTP */
}

/* The ports @at behind the frame's type, or none. Returns bytes, as those below. */
static unsigned int ports(const struct frame *f, uint32_t at, uint8_t protocol, uint8_t *out)
{
	uint8_t bytes[4];

	if (!has_ports(protocol) || frame_peek(f, at, bytes, sizeof(bytes)) < sizeof(bytes))
		return 0;
	memcpy(out, bytes, sizeof(bytes));
	return sizeof(bytes);
}

/* RFC 791, 3.1. Fragments have addresses alone: all but the first lack the ports. */
static unsigned int of_ip4(const struct frame *f, uint32_t at, uint8_t *out)
{
	uint8_t h[20];

	if (frame_peek(f, at, h, sizeof(h)) < sizeof(h) || h[0] < 0x45 || h[0] > 0x4f)
		return 0;
	memcpy(out, h + 12, 8);
	if (h[6] & 0x3f || h[7]) /* more fragments, or an offset */
		return 8;
	return 8 + ports(f, at + (h[0] & 15u) * 4, h[9], out + 8);
}

/* RFC 8200, 4.1: hop-by-hop and destination options, routing and authentication headers. */
static bool is_walked(uint8_t next)
{
	return next == 0 || next == 60 || next == 43 || next == 51;
}

static unsigned int of_ip6(const struct frame *f, uint32_t at, uint8_t *out)
{
	uint8_t h[40], next;

	if (frame_peek(f, at, h, sizeof(h)) < sizeof(h) || h[0] >> 4 != 6)
		return 0;
	memcpy(out, h + 8, 32);
	next = h[6];
	at += sizeof(h);
	for (unsigned int i = 0; i < EXTS_MAX && is_walked(next); i++) {
		if (frame_peek(f, at, h, 2) < 2)
			return 32;
		at += next == 51 ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		next = h[0];
	}
	return 32 + ports(f, at, next, out + 32);
}

/* What tells the flow of any frame: addresses and ports, or MACs if it has nothing of these. */
static __attribute__((noinline)) uint32_t hash_any(const struct frame *f)
{
	uint8_t tuple[RSS_TUPLE];
	unsigned int len = 0;
	uint16_t type = f->type;
	uint32_t at = 0;

	for (unsigned int i = 0; frame_is_tpid(type) && i < TAGS_MAX; i++, at += FRAME_TAG_LEN)
		if (frame_peek(f, at + 2, &type, sizeof(type)) < sizeof(type))
			break;
	if (type == htons(TYPE_IP4))
		len = of_ip4(f, at, tuple);
	else if (type == htons(TYPE_IP6))
		len = of_ip6(f, at, tuple);
	if (len)
		return rss_toeplitz(tuple, len);
	return rss_toeplitz((const uint8_t *)f, 2 * MAC_LEN);
}

/*
 * What of a plain header's first 44 bytes tells the flow: of IPv4 its length, whether it is a
 * fragment, protocol, addresses and ports; of IPv6 the version, the next header and those. Returns
 * where addresses and ports are among the bytes; 0: the header is not so plain.
 */
static inline unsigned int plain_read(const struct frame *f, uint64_t words[RSS_WORDS])
{
	const uint8_t *h = (const uint8_t *)words;

	if (f->data.len < PLAIN_LEN)
		return 0;
	memcpy(words, f->data.base, PLAIN_LEN);
	if (likely(f->type == htons(TYPE_IP4))) {
		words[0] &= htobe64(0xff00000000003fff);
		words[1] &= htobe64(0x00ff0000ffffffff);
		words[3] = words[4] = words[5] = 0;
		if (words[0] == htobe64(0x45ull << 56) && has_ports(h[9]))
			return 12;
	} else if (f->type == htons(TYPE_IP6)) {
		words[0] &= htobe64(0xf00000000000ff00);
		if (h[0] >> 4 == 6 && has_ports(h[6]))
			return 8;
	}
	return 0;
}

/**
 * rss_hash() - The hash of a frame's flow
 * @f:    frame
 * @last: what was asked for before, all zero at first: a train of one flow is hashed once
 *
 * Over the addresses of IPv4 or IPv6 and the ports of TCP, UDP and SCTP, below whatever VLAN tags;
 * of fragments, other protocols and what ends before its ports, over the addresses; of all else,
 * malformed headers included, over the MACs. It depends on nothing but the frame.
 *
 * Context: the worker that holds the burst.
 */
uint32_t rss_hash(const struct frame *f, struct rss_flow *last)
{
	uint64_t words[RSS_WORDS] = { 0 };
	unsigned int at = plain_read(f, words);

	if (unlikely(!at))
		return hash_any(f);
	if (memcmp(words, last->words, sizeof(words))) {
		memcpy(last->words, words, sizeof(words));
		last->hash = rss_toeplitz((const uint8_t *)words + at, at == 12 ? 12 : RSS_TUPLE);
	}
	return last->hash;
}
