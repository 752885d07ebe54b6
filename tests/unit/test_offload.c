/* SPDX-License-Identifier: Apache-2.0 */
/* Software checksums and segmentation: every piece is a correct packet, and the pieces are the whole. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "sw/data/offload.h"

#define PIECES 64

struct got {
	unsigned int n;
	uint32_t len[PIECES];
	uint8_t bytes[PIECES][9000]; /* behind the ethertype */
};

static struct got got;
static uint8_t scratch[OFFLOAD_SCRATCH];
static uint8_t payload[65536];

static bool keep(void *arg, const struct frame *f)
{
	uint32_t n = 0;

	assert_true(got.n < PIECES);
	assert_int_equal(f->flags | f->gso_type | f->csum_start, 0);
	for (unsigned int i = 0; i <= f->n_more; i++) {
		const struct frame_seg *seg = i ? &f->more[i - 1] : &f->data;

		memcpy(got.bytes[got.n] + n, seg->base, seg->len);
		n += seg->len;
	}
	assert_int_equal(n + FRAME_HDR_LEN, f->len);
	got.len[got.n++] = n;
	return true;
}

static int lower(const struct frame *f)
{
	memset(&got, 0, sizeof(got));
	return offload_lower(f, scratch, keep, NULL);
}

/* A plain one's complement sum over big-endian words, for comparison. */
static uint32_t sum_be(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* Whether an IPv4 or IPv6 packet has good checksums throughout. */
static void assert_sums_good(const uint8_t *ip, uint32_t len)
{
	bool v6 = ip[0] >> 4 == 6;
	uint32_t hl = v6 ? 40 : (ip[0] & 15u) * 4, l4_len = len - hl;
	uint8_t tail[4] = { 0, v6 ? ip[6] : ip[9], (uint8_t)(l4_len >> 8), (uint8_t)l4_len };
	uint32_t sum;

	if (!v6)
		assert_int_equal(sum_be(0, ip, hl), 0xffff);
	assert_int_equal(v6 ? be16(ip + 4) + 40 : be16(ip + 2), len);
	sum = sum_be(0, v6 ? ip + 8 : ip + 12, v6 ? 32 : 8);
	sum = sum_be(sum, tail, 4);
	assert_int_equal(sum_be(sum, ip + hl, l4_len), 0xffff);
}

/* Headers of a packet with @data bytes; returns their length. Checksum fields as a driver leaves them. */
static uint32_t headers_make(uint8_t *h, bool v6, bool tcp, uint32_t data)
{
	uint32_t l3 = v6 ? 40 : 20, l4 = tcp ? 32 : 8, len = l4 + data;
	uint8_t tail[4] = { 0, tcp ? 6 : 17, (uint8_t)(len >> 8), (uint8_t)len };
	uint32_t sum;

	memset(h, 0, l3 + l4);
	h[0] = v6 ? 0x60 : 0x45;
	h[v6 ? 6 : 9] = tail[1];
	h[v6 ? 5 : 3] = (uint8_t)(v6 ? len : l3 + len);
	h[v6 ? 4 : 2] = (uint8_t)((v6 ? len : l3 + len) >> 8);
	h[v6 ? 7 : 8] = 64;
	if (!v6)
		memcpy(h + 4, "\xff\xfe", 2); /* an identification that wraps */
	for (uint32_t i = v6 ? 8 : 12; i < l3; i++)
		h[i] = (uint8_t)(i * 3);
	if (!v6) {
		sum = ~sum_be(0, h, 20);
		h[10] = (uint8_t)(sum >> 8);
		h[11] = (uint8_t)sum;
	}
	memcpy(h + l3, "\x12\x34\x56\x78", 4);
	if (tcp) {
		memcpy(h + l3 + 4, "\xff\xff\xff\x00", 4); /* sequence that wraps */
		h[l3 + 12] = 0x80;
		h[l3 + 13] = 0x99; /* CWR, ACK, PSH, FIN */
	} else {
		h[l3 + 4] = tail[2];
		h[l3 + 5] = tail[3];
	}
	sum = sum_be(sum_be(0, v6 ? h + 8 : h + 12, v6 ? 32 : 8), tail, 4);
	h[l3 + (tcp ? 16 : 6)] = (uint8_t)(sum >> 8);
	h[l3 + (tcp ? 17 : 7)] = (uint8_t)sum;
	return l3 + l4;
}

/* A frame of headers and payload in two segments. */
static struct frame frame_make(uint8_t *h, uint32_t h_len, bool v6, bool tcp, uint32_t data,
			       struct frame_seg *more)
{
	struct frame f = { .type = htons(v6 ? 0x86dd : 0x0800), .flags = FRAME_NEEDS_CSUM };

	f.len = FRAME_HDR_LEN + h_len + data;
	f.data = (struct frame_seg){ h, h_len };
	*more = (struct frame_seg){ payload, data };
	f.more = more;
	f.n_more = 1;
	f.csum_start = (uint16_t)(FRAME_HDR_LEN + h_len - (tcp ? 32 : 8));
	f.csum_offset = tcp ? 16 : 6;
	f.hdr_len = (uint16_t)(FRAME_HDR_LEN + h_len);
	return f;
}

static void checksum_alone_is_finished(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool v6 = i & 1, tcp = i & 2;
		struct frame_seg more;
		uint8_t h[100];

		for (uint32_t data = 0; data < 40; data++) {
			uint32_t n = headers_make(h, v6, tcp, data);
			struct frame f = frame_make(h, n, v6, tcp, data, &more);

			assert_int_equal(lower(&f), 0);
			assert_int_equal(got.n, 1);
			assert_int_equal(got.len[0], n + data);
			assert_sums_good(got.bytes[0], got.len[0]);
			assert_memory_equal(got.bytes[0] + n, payload, data);
		}
	}
}

static void segments_are_packets_and_make_the_whole(void **state)
{
	static const struct {
		bool v6, tcp;
		uint8_t gso;
	} kinds[] = { { false, true, FRAME_GSO_TCPV4 }, { true, true, FRAME_GSO_TCPV6 | FRAME_GSO_ECN },
		      { false, false, FRAME_GSO_UDP_L4 }, { true, false, FRAME_GSO_UDP_L4 } };
	static const uint32_t sizes[][2] = { { 5000, 1448 }, { 4344, 1448 }, { 100, 1448 },
					     { 999, 333 }, { 0, 100 }, { 65000, 8000 } };

	for (unsigned int k = 0; k < ARRAY_LEN(kinds); k++)
		for (unsigned int s = 0; s < ARRAY_LEN(sizes); s++) {
			uint32_t data = sizes[s][0], mss = sizes[s][1], at = 0;
			bool v6 = kinds[k].v6, tcp = kinds[k].tcp;
			struct frame_seg more;
			uint8_t h[100];
			uint32_t n = headers_make(h, v6, tcp, data), l3 = v6 ? 40 : 20;
			struct frame f = frame_make(h, n, v6, tcp, data, &more);

			f.gso_type = kinds[k].gso;
			f.gso_size = (uint16_t)mss;
			assert_int_equal(lower(&f), 0);
			assert_int_equal(got.n, data ? (data + mss - 1) / mss : 1);
			for (unsigned int i = 0; i < got.n; i++) {
				const uint8_t *p = got.bytes[i];
				bool last = i == got.n - 1;

				assert_sums_good(p, got.len[i]);
				assert_memory_equal(p + n, payload + at, got.len[i] - n);
				if (!v6)
					assert_int_equal(be16(p + 4), (0xfffe + i) & 0xffff);
				if (tcp) {
					assert_int_equal(be32(p + l3 + 4), (0xffffff00u + at));
					assert_int_equal(p[l3 + 13],
							 0x10 | (i ? 0 : 0x80) | (last ? 0x09 : 0));
				}
				at += got.len[i] - n;
			}
			assert_int_equal(at, data);
		}
}

static void inner_tag_is_stepped_over(void **state)
{
	struct frame_seg more;
	uint8_t h[100];
	uint32_t n = 4 + headers_make(h + 4, false, true, 3000);
	struct frame f = frame_make(h, n, false, true, 3000, &more);

	memcpy(h, "\x00\x64\x08\x00", 4);
	f.type = htons(TPID_8021Q);
	f.gso_type = FRAME_GSO_TCPV4;
	f.gso_size = 1000;
	assert_int_equal(lower(&f), 0);
	assert_int_equal(got.n, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_memory_equal(got.bytes[i], h, 4);
		assert_sums_good(got.bytes[i] + 4, got.len[i] - 4);
	}
}

static void headers_that_lie_are_refused(void **state)
{
	struct frame_seg more;
	uint8_t h[100];
	uint32_t n = headers_make(h, false, true, 3000);
	struct frame good = frame_make(h, n, false, true, 3000, &more), f;

	good.gso_type = FRAME_GSO_TCPV4;
	good.gso_size = 1000;
	f = good;
	f.gso_type = FRAME_GSO_TCPV6;
	assert_int_equal(lower(&f), -EINVAL);
	f = good;
	f.gso_type = FRAME_GSO_UDP;
	assert_int_equal(lower(&f), -EINVAL);
	f = good;
	f.csum_start += 4;
	assert_int_equal(lower(&f), -EINVAL);
	f = good;
	f.gso_size = 2; /* 1500 pieces */
	assert_int_equal(lower(&f), -EINVAL);
	f = good;
	f.type = htons(0x1234);
	assert_int_equal(lower(&f), -EINVAL);
	h[20 + 12] = 0x70; /* not as long as it was when its MTU was judged */
	assert_int_equal(lower(&good), -EINVAL);
	h[20 + 12] = 0x10; /* TCP header of four bytes */
	assert_int_equal(lower(&good), -EINVAL);
	h[20 + 12] = 0x80;
	h[0] = 0x46;
	assert_int_equal(lower(&good), -EINVAL);
	assert_int_equal(got.n, 0);
}

/* RFC 768: a sum of 0 would say that there is none. Of a piece, and where the sum alone is finished. */
static void a_udp_sum_of_0_is_spelt_ffff(void **state)
{
	for (unsigned int gso = 0; gso < 2; gso++) {
		struct frame_seg more;
		uint8_t h[100], end[2];
		uint32_t n = headers_make(h, false, false, 4);
		struct frame f = frame_make(h, n, false, false, 4, &more);
		uint8_t data[4] = { 1, 2, 0, 0 };

		more.base = data;
		f.gso_type = gso ? FRAME_GSO_UDP_L4 : 0;
		f.gso_size = 1000;
		assert_int_equal(lower(&f), 0);
		/* with it as data, all sums to ffff: the field would be 0 */
		memcpy(end, got.bytes[0] + 26, 2);
		memcpy(data + 2, end, 2);
		assert_int_equal(lower(&f), 0);
		assert_int_equal(be16(got.bytes[0] + 26), 0xffff);
		assert_sums_good(got.bytes[0], got.len[0]);
	}
}

static void who_did_not_ask_is_told_of_no_checksum(void **state)
{
	struct frame f = { .flags = FRAME_DATA_VALID };

	assert_int_equal(offload_header(&f, 0, 0).flags, 0);
	assert_int_equal(offload_header(&f, 0, OFFLOAD_CSUM).flags, FRAME_DATA_VALID);
}

static void needs_are_told_by_the_header(void **state)
{
	struct frame f = { 0 };

	assert_int_equal(offload_needs(&f), 0);
	f.flags = FRAME_DATA_VALID;
	assert_int_equal(offload_needs(&f), 0);
	f.flags = FRAME_NEEDS_CSUM;
	assert_int_equal(offload_needs(&f), OFFLOAD_CSUM);
	f.gso_type = FRAME_GSO_TCPV4 | FRAME_GSO_ECN;
	assert_int_equal(offload_needs(&f), OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_ECN);
	f.gso_type = FRAME_GSO_UDP_L4;
	assert_int_equal(offload_needs(&f), OFFLOAD_CSUM | OFFLOAD_USO);
	assert_int_equal(offload_of_features(1ull << VIRTIO_NET_F_GUEST_CSUM |
					     1ull << VIRTIO_NET_F_GUEST_TSO6),
			 OFFLOAD_CSUM | OFFLOAD_TSO6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_alone_is_finished),
		cmocka_unit_test(segments_are_packets_and_make_the_whole),
		cmocka_unit_test(inner_tag_is_stepped_over),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(a_udp_sum_of_0_is_spelt_ffff),
		cmocka_unit_test(who_did_not_ask_is_told_of_no_checksum),
		cmocka_unit_test(needs_are_told_by_the_header),
	};

	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 13 + (i >> 8));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
