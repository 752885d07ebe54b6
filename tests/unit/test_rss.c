/* SPDX-License-Identifier: Apache-2.0 */
/* veb/rss: the published vectors, and which bytes of a frame are its flow. */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "veb/rss.h"

/* Of "Verifying the RSS Hash Calculation" (Microsoft): destination, source; hash without ports, with. */
static const struct {
	int family;
	const char *dst, *src;
	uint16_t dst_port, src_port;
	uint32_t addresses, ports;
} vectors[] = {
	{ AF_INET, "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
	{ AF_INET, "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
	{ AF_INET, "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
	{ AF_INET, "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
	{ AF_INET, "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
	{ AF_INET6, "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d },
	{ AF_INET6, "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf },
	{ AF_INET6, "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	  0x4b61e985, 0x02d1feef },
};

/* The frame at hand: bytes on the wire, in pieces of their own, so that a read beyond one shows. */
#define WIRE_MAX 256
static uint8_t wire[WIRE_MAX];
static unsigned int n_wire;

static void put(const void *bytes, unsigned int n)
{
	memcpy(wire + n_wire, bytes, n);
	n_wire += n;
}
static void put_text(const char *hex)
{
	unsigned int byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += strspn(hex + 2, " ") + 2) {
		wire[n_wire++] = (uint8_t)byte;
		if (!hex[2])
			break;
	}
}

/* The hash of what is on the wire, cut behind @n bytes, in segments of @piece. */
static uint32_t hash_cut(unsigned int n, unsigned int piece)
{
	struct frame_seg segs[WIRE_MAX];
	unsigned int used, n_segs = 0;
	struct rss_flow none = { 0 };
	struct frame f = { 0 };
	uint32_t hash;

	used = (unsigned int)frame_parse(&f, wire, n);
	assert_int_not_equal(used, 0);
	for (unsigned int at = used; at < n; at += segs[n_segs++].len) {
		uint8_t *own;

		segs[n_segs].len = MIN(n - at, piece);
		own = malloc(segs[n_segs].len);
		memcpy(own, wire + at, segs[n_segs].len);
		segs[n_segs].base = own;
	}
	f.data = n_segs ? segs[0] : (struct frame_seg){ wire, 0 };
	f.more = segs + 1;
	f.n_more = (uint16_t)(n_segs ? n_segs - 1 : 0);
	hash = rss_hash(&f, &none);
	for (unsigned int i = 0; i < n_segs; i++)
		free((void *)(uintptr_t)segs[i].base);
	return hash;
}

/* However it lies in memory, it is the same flow. */
static uint32_t hash(void)
{
	uint32_t got = hash_cut(n_wire, WIRE_MAX);

	for (unsigned int piece = 1; piece < 50; piece += 7)
		assert_int_equal(hash_cut(n_wire, piece), got);
	return got;
}

#define MACS "02 00 00 00 00 02 02 00 00 00 00 01 "
static void begin(const char *types)
{
	n_wire = 0;
	put_text(MACS);
	put_text(types);
}
static uint32_t macs_hash(void)
{
	return rss_toeplitz(wire, 2 * MAC_LEN);
}

static void put_addresses(unsigned int i)
{
	const char *const texts[] = { vectors[i].src, vectors[i].dst };
	uint8_t bytes[16];

	for (unsigned int k = 0; k < 2; k++) {
		assert_int_equal(inet_pton(vectors[i].family, texts[k], bytes), 1);
		put(bytes, vectors[i].family == AF_INET ? 4 : 16);
	}
}
static void put_ports(unsigned int i)
{
	uint16_t ports[2] = { htons(vectors[i].src_port), htons(vectors[i].dst_port) };

	put(ports, sizeof(ports));
	put_text("00 00 00 00 00 00 00 00 00 00 00 00");
}

static void hashes_are_those_of_microsofts_vectors(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(vectors); i++) {
		n_wire = 0;
		put_addresses(i);
		assert_int_equal(rss_toeplitz(wire, n_wire), vectors[i].addresses);
		put_ports(i);
		assert_int_equal(rss_toeplitz(wire, n_wire - 12), vectors[i].ports);
	}
}

/* An IPv4 header: first word, the one of fragments, then the protocol. */
static void put_ip4(unsigned int i, const char *first, const char *fragment, const char *protocol)
{
	put_text(first);
	put_text("00 40 12 34");
	put_text(fragment);
	put_text("40");
	put_text(protocol);
	put_text("00 00");
	put_addresses(i);
}
static void put_ip6(unsigned int i, const char *next)
{
	put_text("60 01 02 03 00 20");
	put_text(next);
	put_text("40");
	put_addresses(i);
}

static void flows_of_tcp_udp_and_sctp_have_ports_and_others_addresses(void **state)
{
	static const struct {
		const char *protocol;
		bool ports;
	} rows[] = { { "06", true }, { "11", true }, { "84", true }, { "01", false }, { "3a", false },
		     { "2f", false }, { "32", false }, { "ff", false } };

	for (unsigned int i = 0; i < ARRAY_LEN(vectors); i++) {
		for (unsigned int k = 0; k < ARRAY_LEN(rows); k++) {
			bool ip4 = vectors[i].family == AF_INET;

			begin(ip4 ? "08 00" : "86 dd");
			if (ip4)
				put_ip4(i, "45 00", "40 00", rows[k].protocol);
			else
				put_ip6(i, rows[k].protocol);
			put_ports(i);
			assert_int_equal(hash(), rows[k].ports ? vectors[i].ports :
								 vectors[i].addresses);
		}
	}
}

static void tags_and_options_do_not_change_a_flow(void **state)
{
	static const char *const tags[] = { "", "81 00 20 05 ", "88 a8 00 06 81 00 00 07 ",
					    "88 a8 00 06 88 a8 00 06 81 00 00 07 " };
	char types[100];

	for (unsigned int i = 0; i < ARRAY_LEN(tags); i++) {
		snprintf(types, sizeof(types), "%s08 00", tags[i]);
		begin(types);
		put_ip4(0, "46 00", "00 00", "06");
		put_text("94 04 00 00");
		put_ports(0);
		assert_int_equal(hash(), vectors[0].ports);
		begin(types);
		put_ip4(0, "4f 00", "00 00", "06");
		for (int n = 0; n < 10; n++)
			put_text("01 01 01 01");
		put_ports(0);
		assert_int_equal(hash(), vectors[0].ports);
		snprintf(types, sizeof(types), "%s86 dd", tags[i]);
		begin(types);
		put_ip6(5, "06");
		put_ports(5);
		assert_int_equal(hash(), vectors[5].ports);
	}
}

static void ports_are_found_behind_extension_headers(void **state)
{
	static const struct {
		const char *next, *headers;
		bool ports;
	} rows[] = {
		{ "00", "06 00 00 00 00 00 00 00", true }, /* hop by hop */
		{ "2b", "3c 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
			"06 00 00 00 00 00 00 00", true }, /* routing, destination options */
		{ "33", "06 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", true },
		{ "2c", "06 00 00 00 12 34 56 78", false }, /* fragment, atomic ones included */
		{ "2c", "06 00 00 01 12 34 56 78", false },
		{ "00", "2c 00 00 00 00 00 00 00 06 00 00 01 12 34 56 78", false },
		{ "00", "06 ff 00 00 00 00 00 00", false }, /* beyond the frame */
		{ "3b", "", false },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		begin("86 dd");
		put_ip6(6, rows[i].next);
		if (*rows[i].headers)
			put_text(rows[i].headers);
		put_ports(6);
		assert_int_equal(hash(), rows[i].ports ? vectors[6].ports : vectors[6].addresses);
	}
	begin("86 dd"); /* a chain without end */
	put_ip6(6, "00");
	for (int n = 0; n < 12; n++)
		put_text("00 00 00 00 00 00 00 00");
	assert_int_equal(hash(), vectors[6].addresses);
}

static void fragments_of_one_datagram_are_one_flow(void **state)
{
	static const char *const fragments[] = { "20 00", "20 b9", "00 b9", "00 01", "1f ff" };

	for (unsigned int i = 0; i < ARRAY_LEN(fragments); i++) {
		begin("08 00");
		put_ip4(1, "45 00", fragments[i], "11");
		put_ports(i);
		assert_int_equal(hash(), vectors[1].addresses);
	}
}

static void what_has_no_addresses_goes_by_its_macs(void **state)
{
	static const char *const firsts[] = { "44 00", "40 00", "55 00", "65 00", "00 00" };

	for (unsigned int i = 0; i < ARRAY_LEN(firsts); i++) {
		begin("08 00");
		put_ip4(0, firsts[i], "00 00", "06");
		put_ports(0);
		assert_int_equal(hash(), macs_hash());
	}
	begin("86 dd");
	put_ip4(0, "45 00", "00 00", "06");
	put_ports(0);
	put_ports(0);
	assert_int_equal(hash(), macs_hash());
	begin("08 06 00 01 08 00 06 04 00 01 02 00 00 00 00 01 0a 00 00 01");
	assert_int_equal(hash(), macs_hash());
	begin("81 00 00 05 81 00 00 05 81 00 00 05 81 00 00 05 08 00"); /* too many tags */
	put_ip4(0, "45 00", "00 00", "06");
	put_ports(0);
	assert_int_equal(hash(), macs_hash());
}

/* Cut anywhere, a frame goes by what is whole of it; nothing behind its end is read. */
static void a_frame_that_ends_early_goes_by_what_is_there(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(vectors); i++) {
		unsigned int ip = vectors[i].family == AF_INET ? 20 : 40;

		begin(ip == 20 ? "08 00" : "86 dd");
		if (ip == 20)
			put_ip4(i, "45 00", "00 00", "06");
		else
			put_ip6(i, "06");
		put_ports(i);
		for (unsigned int n = FRAME_HDR_LEN; n <= n_wire; n++) {
			uint32_t want = n < FRAME_HDR_LEN + ip	   ? macs_hash() :
					n < FRAME_HDR_LEN + ip + 4 ? vectors[i].addresses :
								     vectors[i].ports;

			assert_int_equal(hash_cut(n, WIRE_MAX), want);
			assert_int_equal(hash_cut(n, 3), want);
		}
	}
}

static void what_was_hashed_before_does_not_matter(void **state)
{
	struct rss_flow last = { 0 };

	for (unsigned int i = 0; i < 4 * ARRAY_LEN(vectors); i++) {
		unsigned int v = i * i / 3 % 5; /* each of IPv4, some of them twice in a row */
		struct frame f = { 0 };

		begin("08 00");
		put_ip4(v, "45 00", "00 00", i % 3 ? "06" : "01");
		put_ports(v);
		f.type = htons(0x0800);
		f.data = (struct frame_seg){ wire + FRAME_HDR_LEN, n_wire - FRAME_HDR_LEN };
		assert_int_equal(rss_hash(&f, &last),
				 i % 3 ? vectors[v].ports : vectors[v].addresses);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_microsofts_vectors),
		cmocka_unit_test(flows_of_tcp_udp_and_sctp_have_ports_and_others_addresses),
		cmocka_unit_test(tags_and_options_do_not_change_a_flow),
		cmocka_unit_test(ports_are_found_behind_extension_headers),
		cmocka_unit_test(fragments_of_one_datagram_are_one_flow),
		cmocka_unit_test(what_has_no_addresses_goes_by_its_macs),
		cmocka_unit_test(a_frame_that_ends_early_goes_by_what_is_there),
		cmocka_unit_test(what_was_hashed_before_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
