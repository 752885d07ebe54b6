/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of one descriptor, over a datagram socket pair that stands for a tap. */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "sw/data/offload.h"
#include "sw/port/fdport.h"

static struct fdport *fp;
static int far; /* the other end of fp->fd */
static struct port_burst burst;
static struct vf_stats stats;
static uint8_t scratch[PORT_SCRATCH];

/* Both kinds: one frame a system call, and many. */
static int read_one(struct fdport *p, struct fdport_got *out, unsigned int n)
{
	struct iovec iov[2] = { { &out->h, sizeof(out->h) }, { p->arena + p->used, FDPORT_ROOM } };
	ssize_t len = readv(p->fd, iov, 2);

	out->bytes = p->arena + p->used;
	out->len = len - (ssize_t)sizeof(out->h);
	p->used += 1024;
	return len < 0 ? -errno : 1;
}
static unsigned int one_rx(struct port_queue *q, struct port_burst *b)
{
	return fdport_rx(q, b, read_one);
}
static const struct port_ops ops = {
	.kind = "one", .rx = one_rx, .tx = fdport_tx, .free = fdport_free
};
static const struct port_ops ops_many = {
	.kind = "many", .rx = packet_rx, .tx = packet_tx, .free = fdport_free
};

static int open_as(const struct port_ops *kind)
{
	int pair[2];

	memset(&burst, 0, sizeof(burst));
	memset(&stats, 0, sizeof(stats));
	burst.max = PORT_BURST;
	burst.max_bytes = UINT32_MAX;
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) ||
	       fdport_new(pair[0], kind, PACKET_ARENA, &fp, NULL) || (far = pair[1]) < 0;
}
static int setup(void **state)
{
	return open_as(&ops);
}
static int setup_many(void **state)
{
	return open_as(&ops_many);
}
static unsigned int rx(void)
{
	return fp->port.ops->rx(&fp->queue, &burst);
}

static int teardown(void **state)
{
	fdport_free(&fp->port);
	close(far);
	return 0;
}

/* A frame of @len bytes from the far end, with the given offload header. */
static void far_send(struct virtio_net_hdr h, const void *head, size_t head_len, size_t len)
{
	static uint8_t bytes[sizeof(h) + FRAME_LEN_MAX + 16];

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), head, head_len);
	assert_int_equal(send(far, bytes, sizeof(h) + len, 0), sizeof(h) + len);
}

static const uint8_t plain[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00 };
static const uint8_t tagged[18] = { 2, 0, 0, 0,	   0,	 1,    2,    0,	   0,
				    0, 0, 2, 0x81, 0x00, 0x60, 0x64, 0x08, 0x00 };

static void frames_are_read_with_their_tag_and_offload(void **state)
{
	struct virtio_net_hdr csum = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = 38,
				       .csum_offset = 16 };

	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 60);
	far_send(csum, tagged, sizeof(tagged), 100);
	assert_int_equal(rx(), 2);
	assert_false(burst.more);
	assert_int_equal(burst.frames[0].len, 60);
	assert_int_equal(burst.frames[0].tag, 0);
	assert_int_equal(burst.frames[0].data.len, 46);
	assert_int_equal(burst.frames[1].len, 96);
	assert_int_equal(burst.frames[1].tag, TAG_MAKE(TPID_8021Q, 3, 100));
	assert_int_equal(burst.frames[1].csum_start, 34);
	assert_int_equal(burst.frames[1].data.len, 82);
	assert_int_equal(burst.frames[1].data.base[0], 'x');
}

static void nonsense_is_counted_by_reason(void **state)
{
	struct virtio_net_hdr bad = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000 };

	far_send((struct virtio_net_hdr){ 0 }, plain, 13, 13);
	far_send(bad, plain, sizeof(plain), 60);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), FRAME_LEN_MAX + 1);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 60);
	assert_int_equal(rx(), 1);
	assert_int_equal(burst.drops[DROP_RUNT], 1);
	assert_int_equal(burst.lost[DROP_RUNT].head_len, 13);
	assert_memory_equal(burst.lost[DROP_RUNT].head, plain, 13);
	assert_int_equal(burst.drops[DROP_MALFORMED], 1);
	assert_int_equal(burst.drops[DROP_OVERSIZE], 1);
}

static void a_turn_is_bounded_in_frames_and_bytes(void **state)
{
	for (int i = 0; i < 4; i++)
		far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 1000);
	burst.max = 1;
	assert_int_equal(rx(), 1);
	assert_true(burst.more);
	burst.max = PORT_BURST;
	burst.max_bytes = 1500;
	burst.n = 0;
	assert_int_equal(rx(), 2);
	assert_true(burst.more);
	assert_ptr_not_equal(burst.frames[0].data.base, burst.frames[1].data.base);
	burst.n = 0;
	assert_int_equal(rx(), 1);
	assert_false(burst.more);
}

static void tx(const struct frame *f, uint32_t tag)
{
	struct port_item item = { .frame = f, .tags = { tag }, .n = 1 };
	struct port_batch b = { .items = &item, .n = 1, .stats = &stats, .scratch = scratch };

	fp->port.ops->tx(&fp->port, &b);
}

static struct frame frame_make(const char *text, uint32_t len)
{
	struct frame f = { .data = { (const uint8_t *)text, len }, .len = FRAME_HDR_LEN + len };

	memcpy(&f.dst, plain, sizeof(plain));
	return f;
}

static void a_tag_is_inserted_and_moves_the_checksum(void **state)
{
	struct frame f = frame_make("0123456789", 10);
	uint8_t got[128];
	struct virtio_net_hdr h;

	f.flags = FRAME_NEEDS_CSUM;
	f.csum_start = 14;
	f.csum_offset = 6;
	tx(&f, TAG_MAKE(TPID_8021Q, 3, 100));
	assert_int_equal(recv(far, got, sizeof(got), 0), sizeof(h) + 28);
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.csum_start, 18);
	assert_memory_equal(got + sizeof(h), tagged, sizeof(tagged));
	assert_memory_equal(got + sizeof(h) + 18, "0123456789", 10);
	assert_int_equal(stats.rx_packets, 1);
	assert_int_equal(stats.rx_bytes, 28);
}

/* To one, to a group and to all, without a tag and with one, which counts. */
static void counters_equal_frames(void **state)
{
	static const struct mac dsts[] = { { { 2 } },
					   { { 1, 0, 0x5e } },
					   { { 255, 255, 255, 255, 255, 255 } } };

	for (unsigned int i = 0; i < 6; i++) {
		struct frame f = frame_make("0123456789", 10);

		f.dst = dsts[i % 3];
		tx(&f, i / 3 ? TAG_MAKE(TPID_8021Q, 3, 100) : 0);
	}
	assert_int_equal(stats.rx_packets, 6);
	assert_int_equal(stats.rx_bytes, 6 * 24 + 3 * FRAME_TAG_LEN);
	assert_int_equal(stats.rx_multicast, 2);
	assert_int_equal(stats.rx_broadcast, 2);
}

static void payload_in_many_pieces_arrives_whole(void **state)
{
	static struct frame_seg segs[1000];
	struct frame f = frame_make("a", 1);
	uint8_t got[2048];

	for (unsigned int i = 0; i < ARRAY_LEN(segs); i++)
		segs[i] = (struct frame_seg){ (const uint8_t *)"bcdefghij" + i % 9, 1 };
	f.more = segs;
	f.n_more = ARRAY_LEN(segs);
	f.len += ARRAY_LEN(segs);
	tx(&f, 0);
	assert_int_equal(recv(far, got, sizeof(got), 0), sizeof(struct virtio_net_hdr) + 1015);
	for (unsigned int i = 0; i < ARRAY_LEN(segs); i++)
		assert_int_equal(got[sizeof(struct virtio_net_hdr) + 15 + i], 'b' + i % 9);
}

static ssize_t answers[8];

static int read_scripted(struct fdport *p, struct fdport_got *out, unsigned int n)
{
	static unsigned int at;
	ssize_t len = answers[at++ % ARRAY_LEN(answers)];

	if (len == -EAGAIN)
		at = 0;
	*out = (struct fdport_got){ { 0 }, memset(p->arena, 0, 60), len };
	return len < 0 ? (int)len : 1;
}

/* A packet socket takes the frame along that it cannot tell: what is behind it is not to wait. */
static void an_odd_error_is_a_counted_drop_and_the_next_frame_is_read(void **state)
{
	static const ssize_t script[8] = {
		60, -EINVAL, 60, -ENOMEM, -ENETDOWN, 60, -EAGAIN, -EAGAIN
	};

	memcpy(answers, script, sizeof(answers));
	assert_int_equal(fdport_rx(&fp->queue, &burst, read_scripted), 3);
	assert_int_equal(burst.drops[DROP_MALFORMED], 2);
	assert_false(burst.more);
	burst.n = 0;
	answers[1] = -EBADFD; /* its netdev is gone: nothing more to come */
	assert_int_equal(fdport_rx(&fp->queue, &burst, read_scripted), 1);
	assert_int_equal(burst.drops[DROP_MALFORMED], 2);
	assert_false(burst.more);
}

/* As many as such a pair takes; their pieces are more than one call has room for. */
static void a_batch_is_sent_in_order_without_those_that_fail(void **state)
{
	enum { N = 9, JOINED = 3, HUGE = 5 };
	static const uint8_t huge[300000]; /* more than the socket takes */
	static struct frame_seg segs[1000];
	struct frame frames[N];
	struct port_item items[2] = { { .frame = frames, .n = 4 },
				      { .frame = frames + 4, .n = N - 4 } };
	struct port_batch b = { .items = items, .n = 2, .stats = &stats, .scratch = scratch };
	uint8_t got[4096];

	for (unsigned int i = 0; i < ARRAY_LEN(segs); i++)
		segs[i] = (struct frame_seg){ (const uint8_t *)"p", 1 };
	for (unsigned int i = 0; i < N; i++) {
		frames[i] = frame_make(&"012345678"[i], 1);
		frames[i].more = segs;
		frames[i].n_more = i == JOINED ? ARRAY_LEN(segs) : 100;
		frames[i].len += frames[i].n_more;
	}
	frames[HUGE].data = (struct frame_seg){ huge, sizeof(huge) };
	fp->port.ops->tx(&fp->port, &b);
	for (unsigned int i = 0; i < N; i++) {
		if (i == HUGE)
			continue;
		assert_int_equal(recv(far, got, sizeof(got), 0),
				 sizeof(struct virtio_net_hdr) + frames[i].len);
		assert_int_equal(got[sizeof(struct virtio_net_hdr) + FRAME_HDR_LEN], '0' + i);
	}
	assert_int_equal(stats.rx_packets, N - 1);
	assert_int_equal(stats.rx_drops[DROP_OVERSIZE], 1);
}

static void a_burst_is_read_whole_and_in_order(void **state)
{
	uint8_t head[15];

	memcpy(head, plain, sizeof(plain));
	for (unsigned int i = 0; i < 9; i++) {
		head[14] = (uint8_t)i;
		far_send((struct virtio_net_hdr){ 0 }, head, sizeof(head), 60 + i);
	}
	assert_int_equal(rx(), 9);
	assert_false(burst.more);
	for (unsigned int i = 0; i < 9; i++) {
		assert_int_equal(burst.frames[i].len, 60 + i);
		assert_int_equal(burst.frames[i].data.base[0], i);
	}
}

static void would_block_and_a_lost_device_are_counted_drops(void **state)
{
	struct frame f = frame_make("x", 1);
	unsigned int n = 0;

	while (!stats.rx_drops[DROP_NO_BUFFER] && n++ < 100000)
		tx(&f, 0);
	assert_int_equal(stats.rx_drops[DROP_NO_BUFFER], 1);
	shutdown(fp->fd, SHUT_RDWR);
	close(far);
	far = -1;
	signal(SIGPIPE, SIG_IGN);
	tx(&f, 0);
	assert_int_equal(stats.rx_drops[DROP_NOT_READY], 1);
}

static unsigned int down; /* so many calls hear that the netdev is down, or was */

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	if (!down)
		return (int)syscall(SYS_sendmmsg, fd, msgs, n, flags);
	down--;
	errno = ENETDOWN;
	return -1;
}

static void a_netdev_that_was_down_takes_the_frame_one_that_is_does_not(void **state)
{
	struct frame f = frame_make("x", 1);
	uint8_t got[128];

	down = 1;
	tx(&f, 0);
	assert_int_equal(recv(far, got, sizeof(got), 0), sizeof(struct virtio_net_hdr) + 15);
	assert_int_equal(stats.rx_packets, 1);
	down = 2;
	tx(&f, 0);
	assert_int_equal(stats.rx_drops[DROP_LINK_DOWN], 1);
	assert_int_equal(stats.rx_packets, 1);
}

#define EACH(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, setup, teardown),                                    \
		cmocka_unit_test_setup_teardown(test, setup_many, teardown)

static struct tpacket2_hdr *slot(unsigned int i)
{
	return (void *)(fp->ring.slots + (i % PACKET_SLOTS) * PACKET_SLOT);
}

/* As the kernel fills it. */
static void slot_fill(unsigned int i, uint32_t status, uint16_t tci, uint32_t len, uint32_t snaplen)
{
	struct tpacket2_hdr *h = slot(i);

	h->tp_mac = 92;
	h->tp_len = len;
	h->tp_snaplen = snaplen;
	h->tp_vlan_tci = tci;
	h->tp_vlan_tpid = 0x88a8;
	memset((uint8_t *)h + 82, 0, 10);
	memcpy((uint8_t *)h + 92, plain, sizeof(plain));
	h->tp_status = TP_STATUS_USER | status;
}

/* Memory that stands for the kernel's. */
static void ring_give(uint32_t at)
{
	fp->ring.slots = mmap(NULL, PACKET_RING, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fp->ring.at = at;
}

static void slots_and_the_queue_are_read_in_order(void **state)
{
	static const unsigned int lens[] = { 60, 61, 5000, 5001, 62, 63 };
	const uint32_t vlan = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;

	ring_give(PACKET_SLOTS - 2); /* it goes round */
	slot_fill(PACKET_SLOTS - 2, 0, 0, 60, 60);
	slot_fill(PACKET_SLOTS - 1, vlan, 0x2005, 61, 61);
	slot_fill(0, TP_STATUS_COPY, 0, 5000, 1900);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 5000);
	slot_fill(1, TP_STATUS_COPY, 0, 5001, 1900);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 5001);
	slot_fill(2, 0, 0, 62, 62);
	slot_fill(3, 0, 0, 5002, 1900);		     /* the queue was full */
	slot_fill(4, TP_STATUS_COPY, 0, 5003, 1900); /* and somebody has taken this one */
	slot_fill(5, 0, 0, 63, 63);
	assert_int_equal(rx(), 6);
	assert_false(burst.more);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(burst.frames[i].len, lens[i]);
	assert_int_equal(burst.frames[1].tag, TAG_MAKE(0x88a8, 1, 5));
	assert_int_equal(burst.drops[DROP_NO_BUFFER], 1);
	assert_int_equal(burst.drops[DROP_MALFORMED], 1);
	assert_true(slot(5)->tp_status & TP_STATUS_USER); /* frames are in use until then */
	packet_rx_done(&fp->queue);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(slot(PACKET_SLOTS - 2 + i)->tp_status, TP_STATUS_KERNEL);
	assert_int_equal(fp->ring.at, PACKET_SLOTS + 6);
	burst.n = 0;
	assert_int_equal(rx(), 0);
}

/* Frames were lost or not, taken or not since the last look, and are there or not. */
static void a_ring_is_deaf_when_frames_are_lost_though_it_stays_empty(void **state)
{
	assert_false(packet_ring_deaf(fp, 1)); /* there is none */
	ring_give(0);
	for (unsigned int row = 0; row < 8; row++) {
		bool lost = row & 1, moved = row & 2, filled = row & 4;

		fp->ring.at += moved;
		slot(2047)->tp_status = filled ? TP_STATUS_USER : TP_STATUS_KERNEL;
		assert_int_equal(packet_ring_deaf(fp, lost), lost && !moved && !filled);
	}
	fp->ring.at += PACKET_SLOTS; /* a whole lap */
	assert_false(packet_ring_deaf(fp, 1));
}

static void without_its_ring_a_socket_is_read_by_calls(void **state)
{
	ring_give(5);
	fp->queue.slow_rx = false;
	slot_fill(5, 0, 0, 60, 60);
	assert_int_equal(rx(), 1);
	packet_rx_done(&fp->queue);
	packet_ring_drop(fp);
	assert_true(fp->queue.slow_rx);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 61);
	burst.n = 0;
	assert_int_equal(rx(), 1);
	packet_rx_done(&fp->queue);
	assert_int_equal(burst.frames[0].len, 61);
	packet_ring_map(fp); /* such a socket gives none */
	assert_null(fp->ring.slots);
	assert_true(fp->queue.slow_rx);
}

/* Sockets without groups stand for packet sockets: what the kernel says is not of interest here. */
static void each_socket_of_a_port_is_a_source(void **state)
{
	struct fdport *first = fp, *more;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(fdport_new(pair[0], fp->port.ops, PACKET_ARENA, &more, NULL), 0);
	assert_true(packet_fanout(fp, more, NULL) < 0);
	assert_true(packet_hear(fp, NULL) < 0);
	assert_int_equal(fp->port.n_queues, 1); /* and it is still ours */
	more->queue.port = &fp->port;
	fp->port.queues[fp->port.n_queues++] = &more->queue;
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 60);
	assert_int_equal(fp->port.ops->rx(&more->queue, &burst), 0);
	far = (close(far), pair[1]);
	far_send((struct virtio_net_hdr){ 0 }, plain, sizeof(plain), 61);
	assert_int_equal(fp->port.ops->rx(&more->queue, &burst), 1);
	assert_int_equal(burst.frames[0].len, 61);
	fp = more;
	ring_give(7); /* each has its own */
	slot_fill(7, 0, 0, 62, 62);
	fp = first;
	burst.n = 0;
	assert_int_equal(rx(), 1);
	assert_int_equal(burst.frames[0].len, 60);
	burst.n = 0;
	if (fp->port.ops == &ops_many) {
		assert_int_equal(packet_rx(&more->queue, &burst), 1);
		assert_int_equal(burst.frames[0].len, 62);
		packet_rx_done(&more->queue);
		assert_int_equal(more->ring.at, 8);
	}
	assert_int_equal(first->ring.at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(frames_are_read_with_their_tag_and_offload),
		EACH(nonsense_is_counted_by_reason),
		cmocka_unit_test_setup_teardown(a_turn_is_bounded_in_frames_and_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(slots_and_the_queue_are_read_in_order, setup_many,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_ring_is_deaf_when_frames_are_lost_though_it_stays_empty, setup_many,
			teardown),
		cmocka_unit_test_setup_teardown(without_its_ring_a_socket_is_read_by_calls,
						setup_many, teardown),
		EACH(each_socket_of_a_port_is_a_source),
		EACH(a_tag_is_inserted_and_moves_the_checksum),
		EACH(counters_equal_frames),
		EACH(payload_in_many_pieces_arrives_whole),
		EACH(a_batch_is_sent_in_order_without_those_that_fail),
		EACH(a_burst_is_read_whole_and_in_order),
		cmocka_unit_test_setup_teardown(
			an_odd_error_is_a_counted_drop_and_the_next_frame_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_netdev_that_was_down_takes_the_frame_one_that_is_does_not, setup_many,
			teardown),
		EACH(would_block_and_a_lost_device_are_counted_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
