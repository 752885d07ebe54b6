/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers that break the rules while the device looks: memory that changes between two reads (by
 * guest_hook(), so every time), more than a lap of a ring, what other workers have out, known
 * advisories of vhost implementations. A guest may break its own ring, and nothing else.
 */
#include "vq_guest.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USED (1u << VRING_PACKED_DESC_F_USED)
#define NEXT VRING_DESC_F_NEXT

static unsigned int n_reads;
static void (*on_read)(void);  /* the guest, behind each read of its memory */
static void (*on_yield)(void); /* another worker, while this one waits for it */

void guest_hook(void)
{
	n_reads++;
	if (on_read)
		on_read();
}

/* What spin_wait() comes to in the end. */
int sched_yield(void)
{
	if (!on_yield)
		return (int)syscall(SYS_sched_yield);
	on_yield();
	return 0;
}

static int setup_quiet(void **state)
{
	on_read = on_yield = NULL;
	return setup(state);
}

static void setup_sized(uint32_t size_a, uint32_t size_b)
{
	teardown(NULL);
	on_read = NULL;
	guest_init_sized(&a, 0, size_a);
	guest_init_sized(&b, MERGEABLE | ALL_OFFLOADS, size_b);
	memset(&stats, 0, sizeof(stats));
}

/* Whether the notes of what is out lead from chain to chain to the end, within a lap. */
static bool lap_is_whole(const struct vq *v)
{
	unsigned int size = vq_size(v), left = vq_between(v, v->published, v->used_next), n;

	for (unsigned int at = v->published & INDEX; left && left <= size; left -= n, at += n) {
		n = v->is_packed ? (unsigned int)(v->done[at % size] >> 48) : 1;
		if (!n || n > left)
			return false;
	}
	return !left;
}

/* ---- Offered again before it is used: every schedule of the driver's stores. ---- */

static struct {
	struct driver_ring *ring;
	unsigned int reads, lag, stride; /* after @lag reads, one store every @stride */
	unsigned int at;		 /* stores made */
	uint16_t write;			 /* flag of its buffers */
	bool chains;			 /* of two, those of each lap shifted by one */
} again;

/* One more descriptor of a lap the driver does not have yet. */
static void offer_again(void)
{
	unsigned int size = again.ring->size, i, lap;

	if (again.reads++ < again.lag || (again.reads - again.lag) % again.stride)
		return;
	i = again.at % size;
	lap = 1 + again.at++ / size;
	if (!packed) {
		again.ring->avail->idx++;
		return;
	}
	again.ring->packed[i].flags = (uint16_t)(again.write | (lap % 2 ? USED : AVAIL) |
						 (again.chains && (i + lap) % 2 == 0 ? NEXT : 0));
}

static void again_begin(struct guest *g, unsigned int lag, unsigned int stride, bool write, bool chains)
{
	uint8_t *bytes = driver_alloc(&g->mem, 128, 64);
	struct driver_buf bufs[2] = { { bytes, 64 }, { bytes + 64, 64 } };

	memset(&again, 0, sizeof(again));
	again.ring = &g->ring;
	again.lag = lag;
	again.stride = stride;
	again.write = write ? VRING_DESC_F_WRITE : 0;
	again.chains = chains;
	while (driver_add(&g->ring, bufs, chains ? 2 : 1, write, DRIVER_DIRECT) >= 0)
		;
}

#define SMALL 8 /* descriptors of these rings */

static void what_is_out_is_not_taken_again(void **state)
{
	for (unsigned int run = 0; run < 2 * 64 * 3; run++) {
		setup_sized(SMALL, RING);
		again_begin(&a, run / 2 % 64, 1 + run / 128, false, run % 2);
		for (unsigned int i = 0; i < 3; i++) { /* what it offered meanwhile comes then */
			on_read = offer_again;
			take_burst();
			on_read = NULL;
			assert_in_range(vq_between(&a.vq, a.vq.published, a.vq.used_next), 0, SMALL);
			assert_in_range(burst.n + burst.drops[DROP_MALFORMED], 0, SMALL);
			assert_true(lap_is_whole(&a.vq));
			vq_give_back(&a.vq);
			assert_int_equal(a.vq.published, a.vq.used_next);
		}
	}
}

/* Frames of one buffer, of two, and of a chain of two. */
static void leased_again(unsigned int lag, unsigned int stride, unsigned int kind)
{
	struct port_item items[4 * SMALL];
	struct port_batch batch = { .items = items, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };
	uint32_t size = packed ? SMALL - 1 : SMALL;

	setup_sized(RING, size);
	again_begin(&b, lag, stride, true, kind == 2);
	for (unsigned int i = 0; i < 4 * SMALL; i++)
		offer(&a.ring, frame_make(&a.mem, kind ? 80 : 40), kind ? 92 : 52, 92, false,
		      DRIVER_DIRECT);
	for (unsigned int n = take_burst(), i = 0; i < n; i += 2)
		items[batch.n++] = (struct port_item){ burst.frames + i, { 0 }, 0, 2 };
	on_read = offer_again;
	vq_deliver(&b.vq, &batch);
	on_read = NULL;
	/* A split ring has as many heads as descriptors, however long their chains. */
	assert_in_range(stats.rx_packets, 0, kind == 1 || (kind && packed) ? size / 2 : size);
	assert_int_equal(stats.rx_packets + stats.rx_dropped, 4 * SMALL);
	assert_int_equal(b.vq.published, b.vq.used_next);
}

static void a_place_that_is_out_is_not_leased_again(void **state)
{
	for (unsigned int lag = 0; lag < 64; lag++)
		for (unsigned int stride = 1; stride < 4; stride++)
			for (unsigned int kind = 0; kind < 3; kind++)
				leased_again(lag, stride, kind);
}

/* Another worker's lease of one chain; used_publish() ends it. Returns where it begins. */
static uint16_t lease_elsewhere(struct guest *g)
{
	uint16_t from = g->vq.used_next;
	struct vq_chain c;

	assert_true(chain_next(&g->vq, &c));
	chain_use(&g->vq, &c, 76);
	return from;
}

static void rooms_offer(struct guest *g, unsigned int n)
{
	while (n--)
		offer(&g->ring, driver_alloc(&g->mem, 200, 1), 200, 200, true, DRIVER_DIRECT);
}

static void what_other_workers_have_out_counts(void **state)
{
	uint16_t from = b.vq.used_next, to;

	rooms_offer(&b, RING);
	for (unsigned int i = 0; i < RING; i++)
		lease_elsewhere(&b);
	to = b.vq.used_next;
	if (packed)
		for (unsigned int i = 0; i < RING; i++)
			b.ring.packed[i].flags = VRING_DESC_F_WRITE | USED;
	else
		b.ring.avail->idx = 2 * RING;
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	forward(0);
	assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 1);
	assert_int_equal(b.vq.used_next, to);
	assert_false(b.vq.broken);
	used_publish(&b.vq, from, to);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	forward(0); /* what it offered meanwhile, it did offer */
	assert_int_equal(stats.rx_packets, packed ? 0 : 1); /* flags were written over as used */
}

/*
 * A driver sees what is shown a moment before published says so, and may use it for a chain at once:
 * that chain is one that is not there yet, no reason to break the ring.
 */
static void a_chain_over_what_is_being_published_is_left_for_later(void **state)
{
	uint8_t *room = driver_alloc(&b.mem, 300, 1);
	uint16_t from = b.vq.used_next;
	uint32_t head, len;

	rooms_offer(&b, RING - 1);
	for (unsigned int i = 0; i < RING - 1; i++)
		lease_elsewhere(&b);
	packed_show(&b.vq, from, b.vq.used_next);
	for (unsigned int i = 0; i < RING - 1; i++)
		assert_true(driver_pop(&b.ring, &head, &len));
	offer(&b.ring, room, 300, 100, true, DRIVER_DIRECT);
	for (unsigned int i = 0; i < 2; i++) {
		offer(&a.ring, frame_make(&a.mem, 250), 262, 262, false, DRIVER_DIRECT);
		forward(0);
		assert_int_equal(stats.rx_packets, i);
		assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 1);
		assert_false(b.vq.broken);
		b.vq.published = from = b.vq.used_next;
	}
}

/* ---- Turns. ---- */

static uint16_t turn_from, turn_to;
static unsigned int n_yields;

static void the_other_publishes(void)
{
	n_yields++;
	assert_int_equal(n_used(&b), 0); /* nobody goes before it */
	used_publish(&b.vq, turn_from, turn_to);
}
static void the_other_breaks_the_ring(void)
{
	n_yields++;
	vq_break(&b.vq);
	used_publish(&b.vq, turn_from, turn_to);
}

static void deliver_behind_another(void (*other)(void))
{
	rooms_offer(&b, 2);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	turn_from = lease_elsewhere(&b);
	turn_to = b.vq.used_next;
	n_yields = 0;
	on_yield = other;
	forward(0);
	on_yield = NULL;
	assert_int_equal(n_yields, 1);
	assert_int_equal(b.vq.published, b.vq.used_next);
}

static void places_become_visible_in_their_order(void **state)
{
	deliver_behind_another(the_other_publishes);
	assert_int_equal(n_used(&b), 2);
}

static void nobody_waits_for_ever_at_a_broken_ring(void **state)
{
	deliver_behind_another(the_other_breaks_the_ring);
	assert_int_equal(n_used(&b), 0);
}

static void a_broken_ring_is_left_alone(void **state)
{
	static uint8_t was[MEM];

	rooms_offer(&b, 2);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	assert_int_equal(take_burst(), 2);
	vq_break(&a.vq);
	vq_break(&b.vq);
	memcpy(was, a.mem.base, MEM);
	vq_give_back(&a.vq);
	assert_int_equal(a.vq.published, a.vq.used_next);
	assert_false(vq_arm(&a.vq, true));
	assert_int_equal(take_burst(), 0);
	assert_memory_equal(was, a.mem.base, MEM);

	vq_break(&b.vq);
	memcpy(was, b.mem.base, MEM);
	a.vq.broken = false;
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	forward(0);
	assert_int_equal(stats.rx_drops[DROP_NOT_READY], 1);
	assert_memory_equal(was, b.mem.base, MEM);
}

/* Notes that do not add up, which no guest can make: the belt behind the bound. */
static void notes_that_do_not_add_up_break_the_ring(void **state)
{
	static const uint64_t lengths[] = { 0, 3, 0xffff };

	for (unsigned int i = 0; i < ARRAY_LEN(lengths); i++) {
		struct vring_packed_desc was[RING];

		teardown(NULL);
		setup(NULL);
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		assert_int_equal(take_burst(), 2);
		a.vq.done[0] = lengths[i] << 48;
		memcpy(was, a.ring.packed, sizeof(was));
		vq_give_back(&a.vq);
		assert_true(a.vq.broken);
		assert_int_equal(a.vq.published, a.vq.used_next);
		assert_memory_equal(was, a.ring.packed, sizeof(was));
	}
}

/* ---- Lengths. ---- */

#define LARGE 4096 /* descriptors */

/* A chain of @n buffers of one byte each, in memory of its own. */
static uint8_t *bytes_offer(struct guest *g, unsigned int n, bool write)
{
	static struct driver_buf bufs[LARGE];
	uint8_t *bytes = write ? driver_alloc(&g->mem, n, 1) : frame_make(&g->mem, n - 12);

	for (unsigned int i = 0; i < n; i++)
		bufs[i] = (struct driver_buf){ bytes + i, 1 };
	assert_true(driver_add(&g->ring, bufs, n, write, DRIVER_DIRECT) >= 0);
	return bytes;
}

static void a_frame_has_a_thousand_segments_at_most(void **state)
{
	setup_sized(LARGE, LARGE);
	bytes_offer(&a, VQ_CHAIN_MAX, false);
	assert_int_equal(take_burst(), 1);
	assert_int_equal(burst.frames[0].len, VQ_CHAIN_MAX - 12);
	vq_give_back(&a.vq);
	bytes_offer(&a, VQ_CHAIN_MAX + 1, false);
	assert_int_equal(take_burst(), 0);
	assert_int_equal(burst.drops[DROP_MALFORMED], 1);
	vq_give_back(&a.vq);

	bytes_offer(&b, VQ_CHAIN_MAX, true);
	bytes_offer(&b, VQ_CHAIN_MAX + 1, true);
	for (unsigned int i = 0; i < 2; i++) {
		bytes_offer(&a, 100, false);
		forward(0);
		assert_int_equal(stats.rx_packets, 1);
		assert_int_equal(stats.rx_drops[DROP_MALFORMED], i);
	}
}

/* Frames that fill the pool of places one after the other: it never holds more than it can. */
static void frames_of_many_buffers_arrive_whole(void **state)
{
	uint8_t *sent[4], *got[4];

	setup_sized(LARGE, LARGE);
	for (unsigned int i = 0; i < 4; i++) {
		sent[i] = frame_make(&a.mem, VQ_CHAIN_MAX - 24);
		offer(&a.ring, sent[i], VQ_CHAIN_MAX - 12, VQ_CHAIN_MAX, false, DRIVER_DIRECT);
		got[i] = bytes_offer(&b, VQ_CHAIN_MAX - 12, true);
	}
	forward(0);
	assert_int_equal(stats.rx_packets, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_memory_equal(got[i] + 12, sent[i] + 12, VQ_CHAIN_MAX - 24);
}

/* What one burst reads of a ring is bounded, however long what it finds. */
static void long_chains_are_taken_a_few_at_a_time(void **state)
{
	setup_sized(LARGE, RING);
	for (unsigned int i = 0; i < LARGE / 512; i++)
		bytes_offer(&a, 512, false);
	n_reads = 0;
	assert_in_range(take_burst(), 1, packed ? VQ_WASTE_MAX / 512 : PORT_SEGS / 512);
	assert_in_range(n_reads, 1, 4 * PORT_SEGS);
}

/* The worst rings for whoever delivers: what is offered runs into what is out, or is read in vain. */
static void endless_chain(bool mergeable)
{
	struct port_item item = { burst.frames, { 0 }, 0, RING };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };

	setup_sized(RING, LARGE);
	b.vq.mergeable = mergeable;
	offer(&b.ring, driver_alloc(&b.mem, 40, 1), 40, 40, true, DRIVER_DIRECT);
	if (mergeable) { /* else what is offered begins with a buffer that is too small */
		turn_from = lease_elsewhere(&b);
		turn_to = b.vq.used_next;
	}
	for (unsigned int i = 1; i < LARGE; i++) {
		b.ring.desc[i] = b.ring.desc[0];
		if (packed) {
			b.ring.packed[i].flags = VRING_DESC_F_WRITE | AVAIL |
						 (i < LARGE - 1 || mergeable ? NEXT : 0);
		} else {
			b.ring.desc[i].flags |= NEXT;
			b.ring.desc[i].next = (uint16_t)i;
			b.ring.avail->ring[i] = (uint16_t)i;
			b.ring.avail->idx = (uint16_t)(i + 1);
		}
	}
	for (unsigned int i = 0; i < RING; i++)
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	take_burst();
	n_reads = 0;
	on_yield = the_other_publishes;
	vq_deliver(&b.vq, &batch);
	on_yield = NULL;
	assert_int_equal(stats.rx_packets, 0);
	assert_int_equal(stats.rx_dropped, RING);
	assert_in_range(n_reads, 1, 4 * LARGE);
}

static void an_endless_chain_is_walked_a_few_times_a_batch(void **state)
{
	endless_chain(true);
	endless_chain(false);
}

/* ---- Frames that the driver cannot take as they are. ---- */

static unsigned int n_unlocked; /* reads while b's lock is free */
static unsigned int n_locked, n_locked_max; /* reads in one hold of it */
static uint16_t locked_from;

static void lock_watch(void)
{
	n_unlocked += !b.vq.lock.taken;
	n_locked = b.vq.lock.taken && locked_from == b.vq.published ? n_locked + 1 : 0;
	locked_from = b.vq.published;
	n_locked_max = MAX(n_locked_max, n_locked);
}

/* A TCP frame over IPv4 of @data bytes of payload as GSO, behind its virtio-net header. */
static uint8_t *tcp_make(uint32_t data, uint16_t gso_size)
{
	uint8_t *bytes = frame_make(&a.mem, 54 + data), *ip = bytes + 12 + 14, *tcp = ip + 20;
	struct virtio_net_hdr_v1 *h = (void *)bytes;

	*h = (struct virtio_net_hdr_v1){ .flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					 .hdr_len = 54, .gso_size = gso_size, .csum_start = 34,
					 .csum_offset = 16 };
	memset(ip, 0, 40);
	ip[0] = 0x45;
	ip[9] = 6;
	tcp[12] = 0x50;
	offer(&a.ring, bytes, 12 + 54 + data, 1u << 20, false, DRIVER_DIRECT);
	return bytes;
}

#define PIECES_SENT 300 /* so several times what is made at once */

static void a_frame_is_cut_while_nobody_waits(void **state)
{
	struct port_item item = { burst.frames, { 0 }, 0, 3 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };
	uint8_t *cut, *rooms;

	setup_sized(RING, 512);
	b.vq.can = 0;
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	cut = tcp_make(PIECES_SENT * 100, 100);
	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	rooms = driver_alloc(&b.mem, 200 * (PIECES_SENT + 2), 1);
	for (unsigned int i = 0; i < PIECES_SENT + 2; i++)
		offer(&b.ring, rooms + 200 * i, 200, i % 2 ? 200 : 150, true, DRIVER_INDIRECT);
	assert_int_equal(take_burst(), 3);
	n_unlocked = n_locked_max = 0;
	on_read = lock_watch;
	vq_deliver(&b.vq, &batch);
	on_read = NULL;
	assert_true(n_unlocked > 0); /* the sender's memory is read then */
	assert_in_range(n_locked_max, 1, 16 * OFFLOAD_PIECES);
	assert_int_equal(stats.rx_packets, 3);
	assert_int_equal(batch.extra, burst.frames[1].len + PIECES_SENT * PORT_COPY_COST);
	assert_int_equal(used_len(&b), 76);
	for (unsigned int i = 0; i < PIECES_SENT; i++) {
		assert_int_equal(used_len(&b), 12 + 54 + 100);
		assert_memory_equal(rooms + 200 * (i + 1) + 66, cut + 66 + 100 * i, 100);
	}
	assert_int_equal(used_len(&b), 76);
}

/* What does not fit is lost, the frame counts as delivered as soon as one piece was; else with its reason. */
static void a_cut_frame_is_counted_once(void **state)
{
	struct port_item item = { burst.frames, { 0 }, 0, 1 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };

	b.vq.can = 0;
	b.vq.mergeable = false;
	rooms_offer(&b, 2);
	for (unsigned int i = 0; i < 2; i++) {
		tcp_make(300, 100);
		assert_int_equal(take_burst(), 1);
		vq_deliver(&b.vq, &batch);
		vq_give_back(&a.vq);
		assert_int_equal(stats.rx_packets, 1);
		assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], i);
	}
	rooms_offer(&b, 2);
	tcp_make(600, 300);
	assert_int_equal(take_burst(), 1);
	vq_deliver(&b.vq, &batch);
	assert_int_equal(stats.rx_drops[DROP_OVERSIZE], 1);
	assert_int_equal(stats.rx_dropped, 2);
}

/* A ring of long mistakes costs a batch of such frames no more than one of others. */
static void mistakes_are_read_once_a_batch_of_cut_frames(void **state)
{
	struct port_item item = { burst.frames, { 0 }, 0, 0 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };

	setup_sized(RING, LARGE);
	b.vq.can = 0;
	for (unsigned int i = 0; i < 3; i++) { /* a thousand good buffers and one that is none */
		bytes_offer(&b, VQ_CHAIN_MAX, true);
		b.ring.desc[(i + 1) * VQ_CHAIN_MAX - 1].addr = 0;
	}
	for (unsigned int i = 0; i < 16; i++)
		tcp_make(1000, 1000);
	item.n = (uint16_t)take_burst();
	assert_int_equal(item.n, 16);
	vq_deliver(&b.vq, &batch);
	assert_int_equal(stats.rx_drops[DROP_MALFORMED], 1);
	assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 15);
}

/* ---- Advisories of vhost implementations, as rows. ---- */

static struct virtio_net_hdr_v1 *sent; /* of the frame of the row */

static void sent_in_pieces(uint32_t len, uint32_t piece)
{
	uint8_t *bytes = frame_make(&a.mem, MAX(len, 14u));

	sent = (void *)bytes;
	offer(&a.ring, bytes, 12 + len, piece, false, DRIVER_DIRECT);
}
static void header_in_bytes(void)
{
	uint8_t *bytes = frame_make(&a.mem, 64);
	struct driver_buf bufs[13];

	for (unsigned int i = 0; i < 12; i++)
		bufs[i] = (struct driver_buf){ bytes + i, 1 };
	bufs[12] = (struct driver_buf){ bytes + 12, 64 };
	assert_true(driver_add(&a.ring, bufs, 13, false, DRIVER_DIRECT) >= 0);
}
static void shorter_than_its_header(void)
{
	uint8_t *bytes = driver_alloc(&a.mem, 11, 1);

	offer(&a.ring, bytes, 11, 1, false, DRIVER_DIRECT);
}
static void nothing_but_a_header(void)
{
	offer(&a.ring, driver_alloc(&a.mem, 12, 1), 12, 12, false, DRIVER_DIRECT);
}
static void no_whole_ethernet_header(void)
{
	offer(&a.ring, driver_alloc(&a.mem, 25, 1), 25, 25, false, DRIVER_DIRECT);
}
static void checksum_behind_the_frame(void)
{
	sent_in_pieces(64, 76);
	*sent = (struct virtio_net_hdr_v1){ .flags = 1, .csum_start = 64, .csum_offset = 0 };
}
static void checksum_offset_that_wraps(void)
{
	sent_in_pieces(64, 76);
	*sent = (struct virtio_net_hdr_v1){ .flags = 1, .csum_start = 34, .csum_offset = 0xfff0 };
}
static void segments_of_nothing(void)
{
	sent_in_pieces(64, 76);
	*sent = (struct virtio_net_hdr_v1){ .flags = 1, .gso_type = 1, .csum_start = 34, .csum_offset = 16 };
}
static void segments_without_a_checksum(void)
{
	sent_in_pieces(64, 76);
	*sent = (struct virtio_net_hdr_v1){ .gso_type = 1, .gso_size = 10 };
}
static void table_of_nothing(void)
{
	sent_in_pieces(64, 76);
	a.ring.desc[0].len = 0;
	if (packed)
		a.ring.packed[0].flags |= VRING_DESC_F_INDIRECT;
	else
		a.ring.desc[0].flags |= VRING_DESC_F_INDIRECT;
}
static void table_in_a_table(void)
{
	struct vring_packed_desc *table = driver_alloc(&a.mem, 32, 16);

	table[0].addr = driver_gpa(&a.mem, table + 1);
	table[0].len = 16;
	if (packed)
		table[0].flags = VRING_DESC_F_INDIRECT;
	else
		((struct vring_desc *)(void *)table)[0].flags = VRING_DESC_F_INDIRECT;
	table[1] = table[0];
	table_of_nothing();
	a.ring.desc[0].addr = driver_gpa(&a.mem, table);
	a.ring.desc[0].len = 16;
}
/* Packed ids are the driver's own business; a head of a split ring is an index. */
static void id_above_the_ring(void)
{
	sent_in_pieces(64, 76);
	if (packed)
		a.ring.packed[0].id = 0xffff;
	else
		a.ring.avail->ring[0] = 0xffff;
}
static void checksum_start_changes(void)
{
	sent->csum_start ^= 0xf0f0;
	sent->gso_size ^= 0xffff;
	sent->flags ^= 1;
}
static void header_that_changes(void)
{
	sent_in_pieces(64, 76);
	*sent = (struct virtio_net_hdr_v1){ .flags = 1, .csum_start = 34, .csum_offset = 16 };
	on_read = checksum_start_changes;
}

static const struct advisory {
	const char *what;
	void (*guest)(void);
	int why;	     /* enum drop; -1: it arrives */
	bool breaks[2];	     /* the ring: split, packed */
} advisories[] = {
	{ "CVE-2022-2132: header over more than two descriptors", header_in_bytes, -1, { 0 } },
	{ "CVE-2022-2132: chain shorter than the header", shorter_than_its_header, DROP_RUNT, { 0 } },
	{ "DPDK 7023f3e532: chain of a header alone", nothing_but_a_header, DROP_RUNT, { 0 } },
	{ "DPDK e31b57e732: less than an Ethernet header", no_whole_ethernet_header, DROP_RUNT, { 0 } },
	{ "CVE-2024-11614: checksum behind the frame", checksum_behind_the_frame, DROP_MALFORMED, { 0 } },
	{ "CVE-2024-11614: sum of offsets wraps", checksum_offset_that_wraps, DROP_MALFORMED, { 0 } },
	{ "DPDK 285e6b8b18: header changes after it was read", header_that_changes, -1, { 0 } },
	{ "DPDK 6ec1778134: gso_size 0", segments_of_nothing, DROP_MALFORMED, { 0 } },
	{ "GSO without a checksum", segments_without_a_checksum, DROP_MALFORMED, { 0 } },
	{ "indirect table of no length", table_of_nothing, DROP_MALFORMED, { 0 } },
	{ "CVE-2020-10723 kind: table in a table", table_in_a_table, DROP_MALFORMED, { 0 } },
	{ "SPDK 3860: packed id 0xffff; split: head 0xffff", id_above_the_ring, -1, { true, false } },
};

static void an_advisory_costs_one_frame_or_the_ring(const struct advisory *row)
{
	bool breaks = row->breaks[packed], arrives = row->why < 0 && !breaks;
	struct virtio_net_hdr_v1 got;
	uint32_t head, len;
	uint8_t *room;

	print_message("%s\n", row->what);
	teardown(NULL);
	setup_quiet(NULL);
	room = driver_alloc(&b.mem, 2000, 1);
	offer(&b.ring, room, 2000, 2000, true, DRIVER_DIRECT);
	row->guest();
	forward(0);
	on_read = NULL;
	assert_int_equal(a.vq.broken, breaks);
	assert_int_equal(stats.rx_packets, arrives);
	if (row->why >= 0)
		assert_int_equal(burst.drops[row->why], 1);
	memcpy(&got, room, sizeof(got));
	if (arrives && got.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		assert_in_range(got.csum_start + got.csum_offset, 14, 62);
	if (!breaks) { /* and the next frame passes, its buffer comes back */
		assert_int_equal(driver_pop(&b.ring, &head, &len), arrives);
		rooms_offer(&b, 1);
		if (row->guest == id_above_the_ring) { /* our driver would not know it again */
			assert_int_equal(a.ring.packed[0].id, 0xffff);
			return;
		}
		assert_true(driver_pop(&a.ring, &head, &len));
		offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
		forward(0);
		assert_int_equal(stats.rx_packets, arrives + 1);
	}
}

static void every_advisory_costs_one_frame_or_the_ring(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(advisories); i++)
		an_advisory_costs_one_frame_or_the_ring(&advisories[i]);
}

/* DPDK 1846fe767f: what was a ring before a reset may be anything now. */
static void a_ring_outside_the_new_memory_is_not_touched(void **state)
{
	static uint8_t was[MEM];

	offer(&a.ring, frame_make(&a.mem, 64), 76, 76, false, DRIVER_DIRECT);
	a.gmem.regions[0].gpa += MEM / 2; /* the ring lies in the half that is gone */
	a.gmem.regions[0].host += MEM / 2;
	a.gmem.regions[0].size -= MEM / 2;
	memcpy(was, a.mem.base, MEM);
	assert_false(vq_init(&a.vq, &a.conf));
	assert_int_equal(take_burst(), 0);
	vq_give_back(&a.vq);
	assert_false(vq_arm(&a.vq, true));
	assert_memory_equal(was, a.mem.base, MEM);
}

static uint8_t *rewritten; /* a type in a frame */
static unsigned int rewrite_at;

static void pause_after_all(void)
{
	if (n_reads == rewrite_at)
		memcpy(rewritten, "\x88\x08", 2);
}

/* Below so many tags, in pieces of that size; whatever veb was told, that arrives. */
static void type_changes_behind_a_read(unsigned int tags, uint32_t piece, unsigned int at)
{
	uint8_t *bytes, *room, arrived[2];
	struct port_item item = { burst.frames, { 0 }, 0, 1 };
	struct port_batch batch = { .items = &item, .n = 1, .stats = &stats, .mirrors = mirrors,
				    .scratch = scratch };
	bool pause;

	teardown(NULL);
	setup_quiet(NULL);
	room = driver_alloc(&b.mem, 2000, 1);
	offer(&b.ring, room, 2000, 2000, true, DRIVER_DIRECT);
	bytes = frame_make(&a.mem, 64);
	for (unsigned int i = 0; i < tags; i++)
		memcpy(bytes + 24 + 4 * i, "\x81\x00\x00\x07", 4);
	rewritten = bytes + 24 + 4 * tags;
	memcpy(rewritten, "\x08\x00", 2);
	offer(&a.ring, bytes, 76, piece, false, DRIVER_DIRECT);
	n_reads = 0;
	rewrite_at = at;
	on_read = pause_after_all;
	assert_int_equal(take_burst(), 1);
	on_read = NULL;
	pause = frame_is_mac_control(&burst.frames[0]);
	memcpy(rewritten, "\x88\x08", 2);
	item.tags[0] = burst.frames[0].tag;
	vq_deliver(&b.vq, &batch);
	vq_give_back(&a.vq);
	assert_int_equal(stats.rx_packets, 1);
	memcpy(arrived, room + (rewritten - bytes), 2);
	assert_int_equal(pause, arrived[0] == 0x88);
	memcpy(rewritten, arrived, 2); /* and nothing else is any different */
	assert_memory_equal(room + 12, bytes + 12, 64);
}

static void no_frame_becomes_flow_control_after_it_was_judged(void **state)
{
	static const uint32_t pieces[] = { 76, 31, 9, 2 };

	for (unsigned int tags = 0; tags <= 2; tags++)
		for (unsigned int i = 0; i < ARRAY_LEN(pieces); i++)
			for (unsigned int at = 0; at < 16; at++)
				type_changes_behind_a_read(tags, pieces[i], at);
}

static uint8_t *offer_two_tags(uint8_t inner)
{
	uint8_t *bytes = frame_make(&a.mem, 64);

	memcpy(bytes + 24, "\x81\x00\x00\x07\x81\x00\x00", 7);
	bytes[31] = inner;
	offer(&a.ring, bytes, 76, 76, false, DRIVER_DIRECT);
	return bytes;
}

static void second_tags_of_a_burst_stay_with_their_frames(void **state)
{
	uint8_t *room = driver_alloc(&b.mem, 3 * 2000, 1), *bytes[3];

	for (unsigned int i = 0; i < 3; i++) {
		bytes[i] = offer_two_tags((uint8_t)i);
		offer(&b.ring, room + i * 2000, 2000, 2000, true, DRIVER_DIRECT);
	}
	forward(TAG_MAKE(TPID_8021Q, 0, 7));
	assert_int_equal(stats.rx_packets, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_memory_equal(room + i * 2000 + 12, bytes[i] + 12, 64);
}

/* Each such frame takes a segment of the burst's; one that finds none comes with the next. */
static void second_tags_wait_for_room_in_a_burst(void **state)
{
	offer_two_tags(1);
	offer_two_tags(2);
	burst.max = PORT_BURST;
	burst.max_bytes = UINT32_MAX;
	burst.n = 0;
	burst.n_segs = PORT_SEGS - 1;
	assert_int_equal(vq_take(&a.vq, &burst), 1);
	assert_true(burst.more && burst.n_segs == PORT_SEGS);
	vq_give_back(&a.vq);
	assert_int_equal(take_burst(), 1);
	assert_int_equal(burst.n_segs, 1);
	vq_give_back(&a.vq);
}

/* ---- What is only looked at. ---- */

/* Rings of nonsense, at every position: nothing is changed, and nothing outside the memory is read. */
static void looking_ahead_changes_nothing(void **state)
{
	uint8_t *was = malloc(MEM);

	for (uint32_t size = 1; size <= RING; size *= 4) {
		const struct vq_ahead ahead = { &b.vq, 9 };
		struct vq before;

		setup_sized(size, size);
		for (uint32_t i = 0; i < size && !packed; i++)
			b.ring.avail->ring[i] = (uint16_t)(size + i);
		b.vq.desc = (void *)(b.mem.base + MEM - size * sizeof(b.vq.desc[0])); /* the last bytes */
		memset(b.vq.desc, 0xff, size * sizeof(b.vq.desc[0]));
		memcpy(was, b.mem.base, MEM);
		for (uint32_t at = 0; at < 2 * size; at++) {
			b.vq.avail_next = (uint16_t)(packed ? at % size | (at < size ? WRAP : 0) :
							      0xffff - at);
			b.vq.used_next = b.vq.avail_next;
			before = b.vq;
			vq_fetch(&ahead, 1);
			assert_memory_equal(&before, &b.vq, sizeof(before));
		}
		assert_memory_equal(was, b.mem.base, MEM);
	}
	free(was);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_quiet, teardown)

#define BOTH                                                                                       \
	T(what_is_out_is_not_taken_again), T(a_place_that_is_out_is_not_leased_again),              \
		T(what_other_workers_have_out_counts), T(places_become_visible_in_their_order),     \
		T(nobody_waits_for_ever_at_a_broken_ring), T(a_broken_ring_is_left_alone),          \
		T(a_frame_has_a_thousand_segments_at_most), T(frames_of_many_buffers_arrive_whole), \
		T(long_chains_are_taken_a_few_at_a_time),                                           \
		T(an_endless_chain_is_walked_a_few_times_a_batch),                                  \
		T(a_frame_is_cut_while_nobody_waits), T(a_cut_frame_is_counted_once),               \
		T(mistakes_are_read_once_a_batch_of_cut_frames),                                    \
		T(every_advisory_costs_one_frame_or_the_ring),                                      \
		T(no_frame_becomes_flow_control_after_it_was_judged),                               \
		T(second_tags_of_a_burst_stay_with_their_frames),                                   \
		T(second_tags_wait_for_room_in_a_burst),                                            \
		T(a_ring_outside_the_new_memory_is_not_touched),                                    \
		T(looking_ahead_changes_nothing)

int main(void)
{
	const struct CMUnitTest split_tests[] = { BOTH };
	const struct CMUnitTest packed_tests[] = {
		BOTH,
		T(notes_that_do_not_add_up_break_the_ring),
		T(a_chain_over_what_is_being_published_is_left_for_later),
	};
	int failed = cmocka_run_group_tests_name("split", split_tests, NULL, NULL);

	packed = true;
	return failed + cmocka_run_group_tests_name("packed", packed_tests, NULL, NULL);
}
