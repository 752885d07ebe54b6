/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of both layouts between two guests in one process: all arrives whole, what is broken is harmless. */
#include "vq_guest.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static const uint32_t lens[] = { 14, 15, 17, 18, 19, 30, 60, 64, 100, 300, 1514, 9000 };
static unsigned int n_arrived;
static const uint32_t pieces[] = { 1u << 20, 700, 512, 12, 30, 13 };

static void one_frame_arrives(uint32_t len, uint32_t piece, enum driver_how how, uint32_t room,
			      uint32_t room_piece, enum driver_how room_how)
{
	uint8_t *sent, *got;
	uint32_t head, used, at = 0, chains = 0;
	uint16_t num;

	setup(NULL);
	sent = frame_make(&a.mem, len);
	if ((12 + len + piece - 1) / piece <= RING)
		offer(&a.ring, sent, 12 + len, piece, false, how);
	else
		goto out;
	got = driver_alloc(&b.mem, 40 * room, 1);
	for (uint32_t i = 0; i < 12 + len && b.ring.free > room / room_piece + 1; i += room)
		offer(&b.ring, got + i, room, room_piece, true, room_how);
	forward(0);
	if (stats.rx_drops[DROP_NO_BUFFER])
		goto out; /* pieces too small for this ring */
	assert_true(driver_pop(&a.ring, &head, &used));
	assert_int_equal(used, 0);
	while (driver_pop(&b.ring, &head, &used)) {
		at += used;
		chains++;
	}
	assert_int_equal(at, 12 + len);
	assert_int_equal(stats.rx_packets, 1);
	assert_int_equal(stats.rx_bytes, len);
	memcpy(&num, got + 10, 2);
	assert_int_equal(num, chains);
	assert_memory_equal(got + 12, sent + 12, len);
	n_arrived++;
out:
	teardown(NULL);
}

static void every_layout_arrives_whole(void **state)
{
	static const uint32_t rooms[] = { 10000, 1526, 300 };

	for (unsigned int l = 0; l < ARRAY_LEN(lens); l++)
		for (unsigned int p = 0; p < ARRAY_LEN(pieces); p++)
			for (unsigned int r = 0; r < ARRAY_LEN(rooms); r++)
				for (unsigned int q = 0; q < ARRAY_LEN(pieces); q++)
					for (unsigned int how = 0; how < 4; how++)
						one_frame_arrives(lens[l], pieces[p], how & 1,
								  rooms[r], pieces[q], how >> 1);
	assert_true(n_arrived > 3400); /* of 5184; the rest needs more descriptors than there are */
}

static void tag_goes_in_and_moves_the_checksum(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64), *got = driver_alloc(&b.mem, 2000, 1);
	struct virtio_net_hdr_v1 *h = (void *)sent;
	struct virtio_net_hdr_v1 out;

	*h = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	h->csum_start = 34;
	h->csum_offset = 6;
	offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
	offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
	forward(TAG_MAKE(TPID_8021Q, 3, 100));
	memcpy(&out, got, sizeof(out));
	assert_int_equal(out.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(out.csum_start, 38);
	assert_int_equal(out.csum_offset, 6);
	assert_memory_equal(got + 12, sent + 12, 12);
	assert_memory_equal(got + 24, "\x81\x00\x60\x64\x08\x00", 6);
	assert_memory_equal(got + 30, sent + 26, 50);
	assert_int_equal(used_len(&b), 80);
}

/* As in test_fdport.c. */
/* Six in two batches, then each alone. */
static void counters_equal_frames(void **state)
{
	static const uint8_t dsts[][6] = { { 2 }, { 1, 0, 0x5e }, { 255, 255, 255, 255, 255, 255 } };

	for (unsigned int i = 0; i < 12; i++) {
		uint8_t *sent = frame_make(&a.mem, 64);

		memcpy(sent + 12, dsts[i % 3], 6);
		offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
		offer(&b.ring, driver_alloc(&b.mem, 2000, 1), 2000, 2000, true, DRIVER_DIRECT);
		if (i % 3 == 2 || i >= 6)
			forward(i / 3 % 2 ? TAG_MAKE(TPID_8021Q, 3, 100) : 0);
	}
	assert_int_equal(n_used(&b), 12);
	assert_int_equal(stats.rx_packets, 12);
	assert_int_equal(stats.rx_bytes, 12 * 64 + 6 * FRAME_TAG_LEN);
	assert_int_equal(stats.rx_multicast, 4);
	assert_int_equal(stats.rx_broadcast, 4);
}

/* Where a buffer's header ends a cache line, it is only written where it is not right already. */
static void a_header_of_an_old_frame_is_replaced(void **state)
{
	static const struct virtio_net_hdr_v1 right = { .num_buffers = 1 };
	uint8_t *room = driver_alloc(&b.mem, 256, 1);
	uint8_t *got = room + (-(uintptr_t)room & 63) + 64 - VQ_HDR_LEN;

	for (unsigned int i = 0; i < 2 * sizeof(right); i++) {
		memcpy(got, &right, sizeof(right));
		if (i < sizeof(right))
			got[i] ^= 0x11;
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		offer(&b.ring, got, 76, 76, true, DRIVER_DIRECT);
		forward(0);
		assert_memory_equal(got, &right, sizeof(right));
		assert_int_equal(used_len(&b), 76);
	}
}

static void unready_receiver_costs_frames_and_says_why(void **state)
{
	uint8_t *got = driver_alloc(&b.mem, 200, 1);

	for (int i = 0; i < 3; i++)
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	offer(&b.ring, got, 100, 100, true, DRIVER_DIRECT);
	forward(0);
	assert_int_equal(stats.rx_packets, 1);
	assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 2);
	assert_int_equal(stats.drops[DROP_NO_BUFFER], 0); /* added by who reads */
	assert_int_equal(n_used(&a), 3);
}

static void small_buffer_without_mergeable_is_oversize(void **state)
{
	uint8_t *got = driver_alloc(&b.mem, 200, 1);

	b.vq.mergeable = false;
	offer(&a.ring, frame_make(&a.mem, 150), 162, 162, false, DRIVER_DIRECT);
	offer(&b.ring, got, 100, 100, true, DRIVER_DIRECT);
	offer(&b.ring, got + 100, 100, 100, true, DRIVER_DIRECT);
	forward(0);
	assert_int_equal(stats.rx_drops[DROP_OVERSIZE], 1);
	assert_int_equal(n_used(&b), 0);
}

/* What a driver may do wrong, each with one good frame behind it. */
static void addr_outside(struct vring_desc *d)
{
	d->addr = DRIVER_GPA + MEM;
}
static void addr_below(struct vring_desc *d)
{
	d->addr = DRIVER_GPA - 4;
}
static void addr_wraps(struct vring_desc *d)
{
	d->addr = UINT64_MAX - 8;
}
static void spans_the_end(struct vring_desc *d)
{
	d->addr = DRIVER_GPA + MEM - 10;
}
static void length_huge(struct vring_desc *d)
{
	d->len = UINT32_MAX;
}
static void length_zero(struct vring_desc *d)
{
	d->len = 0;
}
/* A descriptor's flags are not at the same place in both layouts; addr and len are. */
static uint16_t *flags_of(struct vring_desc *d)
{
	return packed ? &((struct vring_packed_desc *)(void *)d)->flags : &d->flags;
}
static void wrong_direction(struct vring_desc *d)
{
	*flags_of(d) ^= VRING_DESC_F_WRITE;
}
static void table_odd(struct vring_desc *d)
{
	*flags_of(d) |= VRING_DESC_F_INDIRECT;
	d->len = 24;
}
/* A table that is the ring itself, whose first descriptor says the same: a loop without a buffer. */
static void table_is_the_ring(struct vring_desc *d)
{
	struct guest *g = a.ring.desc == d ? &a : &b;

	d->addr = driver_gpa(&g->mem, g->ring.desc);
	d->len = 16 * RING;
	*flags_of(d) = (uint16_t)((*flags_of(d) & ~VRING_DESC_F_WRITE) | VRING_DESC_F_INDIRECT);
}
static void table_too_long(struct vring_desc *d)
{
	d->addr = DRIVER_GPA;
	d->len = 16 * (RING + 1);
	*flags_of(d) |= VRING_DESC_F_INDIRECT;
}
/* In a packed ring these three swallow the next descriptor: see an_endless_chain_stops_the_ring(). */
static void loops(struct vring_desc *d)
{
	d->flags |= VRING_DESC_F_NEXT;
	d->next = 0;
}
static void next_outside(struct vring_desc *d)
{
	d->flags |= VRING_DESC_F_NEXT;
	d->next = RING;
}
static void table_chained(struct vring_desc *d)
{
	d->flags = VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT;
	d->len = 32;
}

static void (*const mistakes[])(struct vring_desc *) = {
	addr_outside, addr_below, addr_wraps, spans_the_end, length_huge, length_zero,
	wrong_direction, table_odd, table_is_the_ring, table_too_long,
	loops, next_outside, table_chained, /* split only */
};
static unsigned int n_mistakes(void)
{
	return ARRAY_LEN(mistakes) - (packed ? 3 : 0);
}

static void sender_mistakes_are_counted_and_passed_over(void **state)
{
	for (unsigned int i = 0; i < n_mistakes(); i++) {
		uint8_t *got;

		teardown(NULL);
		setup(NULL);
		got = driver_alloc(&b.mem, 4000, 1);
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		offer(&a.ring, frame_make(&a.mem, 80), 92, 92, false, DRIVER_DIRECT);
		offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
		mistakes[i](&a.ring.desc[0]);
		forward(0);
		assert_int_equal(burst.drops[DROP_MALFORMED], 1);
		assert_int_equal(stats.rx_packets, 1);
		assert_int_equal(stats.rx_bytes, 80);
		assert_int_equal(n_used(&a), 2);
		assert_false(a.vq.broken);
	}
}

static void receiver_mistakes_cost_one_frame(void **state)
{
	for (unsigned int i = 0; i < n_mistakes(); i++) {
		uint8_t *got;

		teardown(NULL);
		setup(NULL);
		got = driver_alloc(&b.mem, 4000, 1);
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		offer(&a.ring, frame_make(&a.mem, 80), 92, 92, false, DRIVER_DIRECT);
		offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
		offer(&b.ring, got + 2000, 2000, 2000, true, DRIVER_DIRECT);
		mistakes[i](&b.ring.desc[0]);
		forward(0);
		assert_int_equal(stats.rx_drops[DROP_MALFORMED], 1);
		assert_int_equal(stats.rx_packets, 1);
		assert_int_equal(n_used(&b), 2);
		assert_int_equal(used_len(&b), 0);
		assert_int_equal(used_len(&b), 92);
		assert_memory_equal(got + 2000 + 26, a.mem.base + (a.ring.desc[1].addr - DRIVER_GPA) + 26,
				    66);
	}
}

static void runaway_index_stops_the_ring(void **state)
{
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	a.ring.avail->idx = RING + 1;
	assert_int_equal(take_burst(), 0);
	assert_true(a.vq.broken);
	a.ring.avail->idx = 1;
	assert_int_equal(take_burst(), 0);
}

static void an_endless_chain_stops_the_ring(void **state)
{
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	for (unsigned int i = 0; i < RING; i++)
		a.ring.packed[i].flags |= VRING_DESC_F_NEXT;
	assert_int_equal(take_burst(), 0);
	assert_true(a.vq.broken);

	a.vq.broken = false;
	a.ring.packed[0].flags ^= VRING_DESC_F_NEXT;
	for (unsigned int i = 0; i < RING; i++)
		b.ring.packed[i].flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | AVAIL;
	forward(0);
	assert_true(b.vq.broken);
	assert_int_equal(stats.rx_packets, 0);
}

static void bad_head_stops_the_ring(void **state)
{
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	a.ring.avail->ring[1] = RING;
	assert_int_equal(take_burst(), 1);
	assert_true(a.vq.broken);
	vq_give_back(&a.vq);

	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	b.ring.avail->ring[0] = 0xffff;
	b.ring.avail->idx = 1;
	a.vq.broken = false;
	a.ring.avail->ring[1] = 1;
	forward(0);
	assert_true(b.vq.broken);
	assert_int_equal(stats.rx_packets, 0);
}

static void chain_longer_than_the_ring_is_refused(void **state)
{
	uint8_t *p = frame_make(&a.mem, 200);
	struct vring_desc *table = driver_alloc(&a.mem, 16 * (RING + 1), 16);

	for (unsigned int i = 0; i <= RING; i++)
		table[i] = (struct vring_desc){ driver_gpa(&a.mem, p + i), 1,
						i < RING ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1) };
	offer(&a.ring, p, 212, 212, false, DRIVER_DIRECT);
	a.ring.desc[0].addr = driver_gpa(&a.mem, table);
	a.ring.desc[0].len = 16 * (RING + 1);
	*flags_of(&a.ring.desc[0]) |= VRING_DESC_F_INDIRECT;
	assert_int_equal(take_burst(), 0);
	assert_int_equal(burst.drops[DROP_MALFORMED], 1);
}

/* A ring as long as a chain may be, each descriptor of which is a mistake of that length. */
static void fill_with_waste(struct guest *g, bool write)
{
	static uint64_t done[VQ_CHAIN_MAX];
	struct driver_ring *r = &g->ring;
	uint8_t *byte = driver_alloc(&g->mem, 1, 1);
	struct vring_packed_desc *table = driver_alloc(&g->mem, 16 * VQ_CHAIN_MAX, 16);

	driver_ring_fini(r);
	if (packed)
		driver_ring_init_packed(r, &g->mem, VQ_CHAIN_MAX);
	else
		driver_ring_init(r, &g->mem, VQ_CHAIN_MAX);
	g->mark = (struct vq_mark){ 0 };
	g->conf.size = VQ_CHAIN_MAX;
	g->conf.desc = r->desc;
	g->conf.driver = r->driver;
	g->conf.device = r->device;
	g->conf.done = done;
	assert_true(vq_init(&g->vq, &g->conf));
	for (unsigned int i = 0; i < VQ_CHAIN_MAX; i++) /* all but the last are good */
		table[i] = (struct vring_packed_desc){ driver_gpa(&g->mem, byte), i < VQ_CHAIN_MAX - 1, 0,
						       write ? VRING_DESC_F_WRITE : 0 };
	for (uint16_t i = 0; i < VQ_CHAIN_MAX; i++) {
		struct driver_buf buf = { packed ? (void *)table : byte, packed ? 16 * VQ_CHAIN_MAX : 1 };

		assert_true(driver_add(r, &buf, 1, write, DRIVER_DIRECT) >= 0);
		*flags_of(&r->desc[i]) |= packed ? VRING_DESC_F_INDIRECT : VRING_DESC_F_NEXT;
		if (!packed)
			r->desc[i].next = i;
	}
}

static void long_mistakes_of_a_sender_end_the_burst(void **state)
{
	fill_with_waste(&a, false);
	for (unsigned int i = 0; i < VQ_CHAIN_MAX; i++) {
		assert_int_equal(take_burst(), 0);
		assert_in_range(burst.drops[DROP_MALFORMED], 1, 2);
		vq_give_back(&a.vq);
		if (!burst.more)
			break;
	}
	assert_int_equal(a.vq.avail_next, (uint16_t)(a.conf.avail_next + (packed ? -WRAP : VQ_CHAIN_MAX)));
	assert_int_equal(take_burst(), 0);
	assert_int_equal(burst.drops[DROP_MALFORMED], 0);
}

static void long_mistakes_of_a_receiver_are_read_once_a_batch(void **state)
{
	uint8_t *bytes = frame_make(&a.mem, 60);

	fill_with_waste(&b, true);
	for (unsigned int i = 0; i < 32; i++)
		offer(&a.ring, bytes, 72, 72, false, DRIVER_DIRECT);
	forward(0);
	assert_int_equal(n_used(&a), 32);
	assert_in_range(n_used(&b), 1, 2);
	assert_int_equal(stats.rx_drops[DROP_MALFORMED], n_used(&b));
	assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 32 - n_used(&b));
	assert_int_equal(stats.rx_packets, 0);
}

static void region_border_is_not_crossed(void **state)
{
	uint8_t *p = frame_make(&a.mem, 64);
	uint64_t cut = (uint64_t)(p - a.mem.base) + 20;

	a.gmem.n = 2;
	a.gmem.regions[0].size = cut;
	a.gmem.regions[1] = (struct gmem_region){ DRIVER_GPA + cut, MEM - cut, a.mem.base + cut };
	offer(&a.ring, p, 76, 76, false, DRIVER_DIRECT);
	offer(&a.ring, p + 20, 60, 60, false, DRIVER_DIRECT);
	memset(p + 20, 0, 12);
	assert_int_equal(take_burst(), 1);
	assert_int_equal(burst.drops[DROP_MALFORMED], 1);
	assert_int_equal(burst.frames[0].len, 48);
}

static void short_and_long_frames_are_told_apart(void **state)
{
	uint8_t *p = driver_alloc(&a.mem, 70000, 1);

	offer(&a.ring, p, 12, 12, false, DRIVER_DIRECT);
	offer(&a.ring, p, 25, 25, false, DRIVER_DIRECT);
	offer(&a.ring, p, 12 + FRAME_LEN_MAX + 1, 1u << 20, false, DRIVER_DIRECT);
	assert_int_equal(take_burst(), 0);
	assert_int_equal(burst.drops[DROP_RUNT], 2);
	assert_int_equal(burst.lost[DROP_RUNT].len, 13);
	assert_int_equal(burst.lost[DROP_RUNT].head_len, 13);
	assert_memory_equal(burst.lost[DROP_RUNT].head, p + 12, 13);
	assert_int_equal(burst.drops[DROP_OVERSIZE], 1);
	assert_int_equal(burst.lost[DROP_OVERSIZE].head_len, 18);
}

static void header_checked_is_header_delivered(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64), *got = driver_alloc(&b.mem, 2000, 1);
	struct port_item item = { &burst.frames[0], { 0, 0 }, 0, 1 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };
	uint8_t was[14];

	memcpy(was, sent + 12, 14);
	offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
	offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
	assert_int_equal(take_burst(), 1);
	memset(sent, 0xee, 26); /* the guest rewrites it after the check */
	vq_deliver(&b.vq, &batch);
	assert_memory_equal(got + 12, was, 14);
	assert_int_equal(got[0], 0);
}

static void bad_offload_header_is_malformed(void **state)
{
	static const struct virtio_net_hdr_v1 bad[] = {
		{ .flags = 1, .csum_start = 60, .csum_offset = 10 },
		{ .flags = 1, .csum_start = 2, .csum_offset = 0 },
		{ .gso_type = 1, .gso_size = 100 },
		{ .flags = 1, .gso_type = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 77, .gso_size = 9, .csum_start = 34, .csum_offset = 16 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		uint8_t *sent = frame_make(&a.mem, 64);

		memcpy(sent, &bad[i], sizeof(bad[i]));
		offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
	}
	assert_int_equal(take_burst(), 0);
	assert_int_equal(burst.drops[DROP_MALFORMED], ARRAY_LEN(bad));
}

static void more_than_asked_stays_in_the_ring(void **state)
{
	for (int i = 0; i < 10; i++)
		offer(&a.ring, frame_make(&a.mem, 1000), 1012, 1012, false, DRIVER_DIRECT);
	burst = (struct port_burst){ .max = 4, .max_bytes = UINT32_MAX };
	assert_int_equal(vq_take(&a.vq, &burst), 4);
	assert_true(burst.more);
	vq_give_back(&a.vq);
	burst = (struct port_burst){ .max = PORT_BURST, .max_bytes = 2500 };
	assert_int_equal(vq_take(&a.vq, &burst), 3);
	assert_true(burst.more);
	assert_int_equal(n_used(&a), 4);
	vq_give_back(&a.vq);
	assert_int_equal(n_used(&a), 7);
	assert_int_equal(take_burst(), 3);
	assert_false(burst.more);
}

#define THREADS 3
#define ROUNDS	5000
#define TRAIN	16
#define LONG	8000 /* of worker 0: it copies while others are done already */

/* A worker that delivers trains of frames; byte 20 of each says whose, bytes 21..24 which. */
struct deliverer {
	pthread_t thread;
	uint8_t id;
	uint32_t len; /* of its frames */
	struct vf_stats stats;
	uint8_t bytes[TRAIN][LONG];
};

static unsigned int deliverers_done; /* atomic */

static void *deliverer_run(void *arg)
{
	struct deliverer *d = arg;
	struct frame frames[TRAIN];
	struct port_item item = { frames, { 0 }, 0, TRAIN };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &d->stats };
	uint64_t dropped;

	for (uint32_t seq = 0; seq < ROUNDS * TRAIN; seq++) {
		unsigned int i = seq % TRAIN;

		memset(d->bytes[i], d->id * 16 + (int)i, d->len);
		memset(d->bytes[i], 2, 12);
		d->bytes[i][20] = d->id;
		memcpy(&d->bytes[i][21], &seq, sizeof(seq));
		frames[i] = (struct frame){ .len = d->len,
					     .data = { d->bytes[i] + 14, d->len - 14 } };
		memcpy(&frames[i], d->bytes[i], 14);
		if (i < TRAIN - 1)
			continue;
		dropped = d->stats.rx_drops[DROP_NO_BUFFER];
		vq_deliver(&b.vq, &batch);
		if (d->stats.rx_drops[DROP_NO_BUFFER] != dropped)
			sched_yield(); /* to the receiver */
	}
	__atomic_add_fetch(&deliverers_done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void several_workers_may_deliver_to_one_ring(void **state)
{
	static struct deliverer workers[THREADS];
	uint32_t next[THREADS] = { 0 }, head, len, seq;
	unsigned int received = 0, dropped = 0;
	uint8_t *buf[RING];

	for (unsigned int i = 0; i < RING; i++) {
		uint8_t *at = driver_alloc(&b.mem, LONG + 64, 1);

		buf[offer(&b.ring, at, LONG + 64, i % 3 ? LONG + 64 : 3000, true, DRIVER_INDIRECT)] = at;
	}
	memset(workers, 0, sizeof(workers));
	deliverers_done = 0;
	for (uint8_t i = 0; i < THREADS; i++) {
		workers[i].id = i;
		workers[i].len = i ? 64 : LONG;
		pthread_create(&workers[i].thread, NULL, deliverer_run, &workers[i]);
	}
	for (;;) {
		bool all = __atomic_load_n(&deliverers_done, __ATOMIC_ACQUIRE) == THREADS;

		if (!driver_pop(&b.ring, &head, &len)) {
			if (all)
				break;
			sched_yield();
			continue;
		}
		uint8_t *at = buf[head], *got = at + 12, id = got[20], *body = got + 25;

		memcpy(&seq, got + 21, sizeof(seq));
		assert_true(id < THREADS && seq >= next[id]); /* in each worker's order */
		assert_int_equal(len, 12 + workers[id].len);
		assert_int_equal(got[workers[id].len - 1], id * 16 + seq % TRAIN);
		next[id] = seq + 1;
		for (int i = 0; i < 64 - 25; i++)
			assert_int_equal(body[i], id * 16 + seq % TRAIN);
		received++;
		memset(at, 0, 12 + workers[id].len);
		buf[offer(&b.ring, at, LONG + 64, received % 3 ? LONG + 64 : 3000, true,
			  received % 3 ? DRIVER_DIRECT : DRIVER_INDIRECT)] = at;
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		dropped += (unsigned int)workers[i].stats.rx_drops[DROP_NO_BUFFER];
	}
	assert_int_equal(received + dropped, THREADS * ROUNDS * TRAIN);
	assert_true(received > RING);
}

static void rings_outside_memory_are_refused(void **state)
{
	uint8_t *end = a.mem.base + MEM;
	struct vq_conf c = a.conf;
	struct vq v;

	assert_true(vq_init(&v, &c));
	c.size = 65536;
	assert_false(vq_init(&v, &c));
	c.size = 0;
	assert_false(vq_init(&v, &c));
	c.size = 48;
	assert_int_equal(vq_init(&v, &c), packed);
	c = a.conf;
	c.desc = (void *)(end - 16 * RING + 16);
	assert_false(vq_init(&v, &c));
	c = a.conf;
	c.driver = (void *)(packed ? end - 2 : end - 4 - 2 * RING + 2);
	assert_false(vq_init(&v, &c));
	c = a.conf;
	c.device = (uint8_t *)c.device + 2;
	assert_false(vq_init(&v, &c));
	if (!packed) { /* the event index lies behind the ring */
		c = a.conf;
		c.driver = (void *)(end - 4 - 2 * RING);
		assert_true(vq_init(&v, &c));
		c.features |= EVENT_IDX;
		assert_false(vq_init(&v, &c));
	} else {
		c = a.conf;
		c.avail_next = RING;
		assert_false(vq_init(&v, &c));
	}
}

static void arming_tells_of_frames_already_there(void **state)
{
	assert_false(vq_arm(&a.vq, true));
	assert_true(driver_wants_kick(&a.ring));
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	assert_true(vq_arm(&a.vq, true));
	assert_false(vq_arm(&a.vq, false));
	assert_false(driver_wants_kick(&a.ring));
}

/* Over some laps, with every number of buffers there can be. */
static void what_waits_in_a_ring_is_told(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64);
	uint32_t head, len;

	for (unsigned int lap = 0; lap < 3; lap++)
		for (unsigned int n = 0; n <= RING; n += 7) {
			for (unsigned int i = 0; i < n; i++) {
				assert_int_equal(vq_waiting(&a.vq), i);
				offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
			}
			assert_int_equal(vq_waiting(&a.vq), n);
			assert_int_equal(take_burst(), n);
			assert_int_equal(vq_waiting(&a.vq), 0);
			vq_give_back(&a.vq);
			while (driver_pop(&a.ring, &head, &len))
				;
		}
	if (!packed) { /* a driver that lies */
		a.ring.avail->idx = (uint16_t)(a.ring.avail->idx + 1000);
		assert_int_equal(vq_waiting(&a.vq), RING);
	}
	a.vq.broken = true;
	assert_int_equal(vq_waiting(&a.vq), 0);
}

/* Positions of a ring pass 65535 and many laps; what is asked for by index is told once. */
static void an_event_index_is_obeyed_both_ways(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64), *got = driver_alloc(&b.mem, 2000, 1);
	uint32_t head, len;
	unsigned int told_times = 0;
	eventfd_t count;
	int fd = eventfd(0, EFD_NONBLOCK);

	teardown(NULL);
	guest_init(&a, EVENT_IDX);
	guest_init(&b, EVENT_IDX | MERGEABLE);
	sent = frame_make(&a.mem, 64);
	got = driver_alloc(&b.mem, 2000, 1);
	b.vq.call_fd = fd;
	for (unsigned int i = 0; i < 70000; i++) {
		bool ask = i % 7 == 3, arm = i % 5 == 2, told;

		offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
		if (ask)
			assert_false(driver_want_interrupt(&b.ring));
		if (arm)
			assert_false(vq_arm(&a.vq, true));
		offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
		told = driver_wants_kick(&a.ring);
		if (i > 3)
			assert_int_equal(told, arm);
		vq_arm(&a.vq, false);
		forward(0);
		told = !eventfd_read(fd, &count);
		told_times += told;
		if (i > 3) /* before it was asked for the first time, the index says 0 */
			assert_int_equal(told, ask);
		assert_true(driver_pop(&a.ring, &head, &len) && driver_pop(&b.ring, &head, &len));
		assert_int_equal(len, 76);
	}
	assert_int_equal(stats.rx_packets, 70000);
	close(fd);
	assert_int_equal(b.vq.calls, told_times);
}

/* Forget all but what a crash leaves, and begin again as a front end that knows only the beginning. */
static void crash(struct guest *g)
{
	memset(g->done, 0xee, RING * sizeof(*g->done));
	assert_true(vq_init(&g->vq, &g->conf));
}

static void a_packed_ring_goes_on_after_a_crash(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64), *got = driver_alloc(&b.mem, 4000, 1);
	uint32_t head, len;

	for (unsigned int i = 0; i < 40 * RING; i++) {
		struct vring_packed_desc was[RING];
		uint16_t before = a.vq.published;

		offer(&b.ring, got, 2000, i % 3 ? 2000 : 500, true, i % 4 ? DRIVER_DIRECT : DRIVER_INDIRECT);
		offer(&a.ring, sent, 76, i % 5 ? 76 : 20, false, DRIVER_DIRECT);
		if (i % 2) { /* between taking and giving back: sent again */
			assert_int_equal(take_burst(), 1);
			crash(&a);
		}
		memcpy(was, a.ring.packed, sizeof(was));
		forward(0);
		if (i % 7 == 1) { /* between mark and ring: sent again */
			memcpy(a.ring.packed, was, sizeof(was));
			crash(&a);
			assert_int_equal(a.vq.avail_next, before);
			assert_true(driver_pop(&b.ring, &head, &len));
			offer(&b.ring, got, 2000, 2000, true, DRIVER_DIRECT);
			forward(0);
		}
		assert_true(driver_pop(&a.ring, &head, &len) && driver_pop(&b.ring, &head, &len));
		assert_int_equal(len, 76);
		if (i % 3 == 0) {
			crash(&a);
			crash(&b);
		}
		assert_int_equal(a.vq.avail_next, a.ring.seen);
		assert_int_equal(b.vq.avail_next, b.ring.seen);
	}
}

/* A guest that rebooted while nobody looked: the mark is of another life, wherever that ended. */
static void a_packed_ring_begun_anew_is_not_mistaken(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64);
	uint32_t head, len;

	for (unsigned int life = 1; life < 4 * RING; life++) {
		for (unsigned int i = 0; i < life; i++) {
			offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
			take_burst();
			vq_give_back(&a.vq);
			assert_true(driver_pop(&a.ring, &head, &len));
		}
		driver_ring_reset(&a.ring);
		for (unsigned int i = 0; i < life % (RING + 1); i++)
			offer(&a.ring, sent, 76, 76, false, DRIVER_DIRECT);
		crash(&a);
		assert_int_equal(a.vq.avail_next, WRAP);
		assert_int_equal(take_burst(), life % (RING + 1));
		vq_give_back(&a.vq);
		driver_ring_reset(&a.ring);
		a.mark = (struct vq_mark){ 0 };
		crash(&a);
	}
}

static void a_packed_ring_may_have_any_size(void **state)
{
	uint8_t *sent = frame_make(&a.mem, 64);
	uint32_t head, len;

	for (uint32_t size = 1; size <= RING; size++) {
		driver_ring_fini(&a.ring);
		driver_ring_init_packed(&a.ring, &a.mem, size);
		a.conf.size = size;
		a.conf.desc = a.ring.packed;
		a.conf.driver = a.ring.driver;
		a.conf.device = a.ring.device;
		a.mark = (struct vq_mark){ 0 };
		crash(&a);
		for (unsigned int i = 0; i < 5 * size; i++) {
			bool chained = size > 2 && i % 3;

			offer(&a.ring, sent, 76, chained ? 30 : 76, false, DRIVER_DIRECT);
			assert_int_equal(take_burst(), 1);
			vq_give_back(&a.vq);
			assert_true(driver_pop(&a.ring, &head, &len));
			assert_int_equal(a.vq.avail_next, a.ring.seen);
		}
		crash(&a);
		assert_int_equal(a.vq.avail_next, a.ring.seen);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#define BOTH                                                                                       \
	cmocka_unit_test(every_layout_arrives_whole), T(tag_goes_in_and_moves_the_checksum),       \
		T(counters_equal_frames), T(a_header_of_an_old_frame_is_replaced),                 \
		T(unready_receiver_costs_frames_and_says_why),                                     \
		T(small_buffer_without_mergeable_is_oversize),                                     \
		T(sender_mistakes_are_counted_and_passed_over),                                    \
		T(receiver_mistakes_cost_one_frame), T(chain_longer_than_the_ring_is_refused),     \
		T(region_border_is_not_crossed), T(short_and_long_frames_are_told_apart),          \
		T(header_checked_is_header_delivered), T(bad_offload_header_is_malformed),         \
		T(more_than_asked_stays_in_the_ring), T(several_workers_may_deliver_to_one_ring),  \
		T(rings_outside_memory_are_refused), T(arming_tells_of_frames_already_there),      \
		T(what_waits_in_a_ring_is_told), T(an_event_index_is_obeyed_both_ways),            \
		T(long_mistakes_of_a_sender_end_the_burst),                                        \
		T(long_mistakes_of_a_receiver_are_read_once_a_batch)

int main(void)
{
	const struct CMUnitTest split_tests[] = {
		BOTH,
		T(runaway_index_stops_the_ring),
		T(bad_head_stops_the_ring),
	};
	const struct CMUnitTest packed_tests[] = {
		BOTH,
		T(an_endless_chain_stops_the_ring),
		T(a_packed_ring_goes_on_after_a_crash),
		T(a_packed_ring_begun_anew_is_not_mistaken),
		T(a_packed_ring_may_have_any_size),
	};
	int failed = cmocka_run_group_tests_name("split", split_tests, NULL, NULL);

	packed = true;
	n_arrived = 0;
	return failed + cmocka_run_group_tests_name("packed", packed_tests, NULL, NULL);
}
